"""Where training runs, and in which precision."""

from typing import Literal, NamedTuple

import torch

from agv2.core.errors import ConfigError
from agv2.models.config import EncoderConfig

__all__ = ["TrainingDevice", "training_device"]


class TrainingDevice(NamedTuple):
    """Lightning's words for a processor and a precision."""

    accelerator: Literal["cpu", "gpu"]
    precision: Literal["32-true", "bf16-mixed"]

    @property
    def forked(self) -> list[int]:
        """Devices beside the CPU whose random state training moves."""
        return [0] if self.accelerator == "gpu" else []


def training_device(config: EncoderConfig) -> TrainingDevice:
    """A CUDA device where torch sees one, else the CPU; everything after training is back on the CPU.

    `auto` is bfloat16 on a GPU that has it, else float32. On a CPU it is always float32: with AVX512-BF16 and one
    thread the `tcn` and the `lstm` train 1.3 times as fast in bfloat16 and the `transformer` 0.6 times
    (`benchmarks/speed.py`), without such instructions nothing is gained, and which network a seed trains should not
    depend on the laptop by more than rounding.

    Raises:
        ConfigError: `bfloat16` was asked for on a GPU without it.
    """
    if not torch.cuda.is_available():
        return TrainingDevice("cpu", "bf16-mixed" if config.precision == "bfloat16" else "32-true")
    supported = torch.cuda.is_bf16_supported(including_emulation=False)
    if config.precision == "bfloat16" and not supported:
        raise ConfigError("encoder.precision: this GPU has no bfloat16; write auto or float32")
    return TrainingDevice("gpu", "bf16-mixed" if supported and config.precision != "float32" else "32-true")
