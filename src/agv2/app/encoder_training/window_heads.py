"""Which heads a file of windows can teach."""

from collections.abc import Sequence

from agv2.app.encoder_training.plan import known_targets
from agv2.core.errors import DataError
from agv2.data.price_action_dataset import WindowDataset
from agv2.models.config import EncoderConfig, HeadWeights
from agv2.models.training_rows import TrainingSeries
from agv2.utils.config import Override, load_config

__all__ = ["config_with_labels"]

_COLUMNS = {
    "quantiles": "future_returns",
    "regime": "regime_label",
    "pattern": "pattern_label",
    "levels": "sr_heatmap",
}
"""Head → the column that it learns from; hidden bars are their own label."""


def config_with_labels(
    dataset: WindowDataset, series: Sequence[TrainingSeries], config: EncoderConfig, overrides: Sequence[Override]
) -> tuple[EncoderConfig, list[str]]:
    """The encoder without the heads that the file has no labels for, and what to say about that.

    Args:
        dataset: the file.
        series: its symbols.
        config: the encoder as it is set.
        overrides: settings that were named one by one: a weight among them was asked for.

    Raises:
        DataError: the weight of such a head was asked for.
    """
    shipped = load_config(EncoderConfig, "encoder").head_weights.model_dump()
    named = set[str]()
    for each in overrides:
        if each.file == "encoder" and each.keys[0] == "head_weights":
            # The whole group may be set at once, as well as one weight.
            named |= {each.keys[1]} if len(each.keys) > 1 else set(each.value)
    weights, notes = config.head_weights.model_dump(), []
    for head, column in _COLUMNS.items():
        if weights[head] <= 0.0 or any(known_targets(one, head).any() for one in series):
            continue
        missing = f"has no column {column}" if column not in dataset.column_names else f"knows no target in {column}"
        if weights[head] != shipped[head] or head in named:
            raise DataError(
                f"{dataset.path} {missing}, but encoder.head_weights.{head} is {weights[head]:g}; export it "
                "with labels, or leave the weight out"
            )
        weights[head] = 0.0
        notes.append(f"the file {missing}: head {head} is neither trained nor scored")
    if weights["regime"] > 0.0:
        notes.append(
            "regimes of a file of windows are relative to all its bars, those held out among them: the scores of head "
            "regime are flattering"
        )
    return config.model_copy(update={"head_weights": HeadWeights(**weights)}), notes
