"""The model of `config/rl_policy.yaml`."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from agv2.sim.randomize import CostRanges
from agv2.utils.config import Config

__all__ = ["HindsightConfig", "PolicyConfig", "RewardWeights", "SacConfig"]

PositiveInt = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0.0)]
Weight = Annotated[float, Field(ge=0.0)]
Fraction = Annotated[float, Field(gt=0.0, le=1.0)]


class RewardWeights(Config):
    """What the reward subtracts from the log return of equity, and the scale on which it is learnt."""

    scale: Positive
    """Rewards are counted in targeted per-bar volatilities, so that all markets look alike, and multiplied by this."""
    lambda_drawdown: Weight
    lambda_trades: Weight
    lambda_hold: Weight


class HindsightConfig(Config):
    """The first lessons of a policy: which side to hold, by the rule that promised most in hindsight."""

    blocks: Annotated[int, Field(ge=2)]
    """Parts into which the training bars are cut; each is left out once."""
    least_t: float
    """Standard errors that the reward on bars left out must be worth, else the policy abstains; size follows them."""


class SacConfig(Config):
    """What SAC alone reads, in Stable-Baselines3's words; network, gamma and books are those of PPO."""

    learning_rate: Positive = 0.0003
    weight_decay: Weight = 0.0
    tau: Fraction = 0.005
    """How fast the target critics follow."""
    ent_coef: Positive | Literal["auto"] = "auto"
    buffer_size: PositiveInt = 100_000
    """Steps that are kept, all books counted; of some 2.6 kB each, and part of every checkpoint."""
    learning_starts: PositiveInt = 10_000
    """Steps of random actions at the start, all books counted."""
    batch_size: Annotated[int, Field(ge=2)] = 256
    train_freq: PositiveInt = 1
    """Bars per book between updates."""
    gradient_steps: PositiveInt = 4
    """Of each update."""


class PolicyConfig(Config):
    """PPO or SAC on the batch simulator; `gamma` and its like are Stable-Baselines3's names.

    The number of environment steps belongs to the run profile, because it is what a run's time depends on.
    """

    algorithm: Literal["ppo", "sac"]
    net_arch: tuple[PositiveInt, ...]
    learning_rate: Positive
    learning_rate_end: Weight
    weight_decay: Weight
    gamma: Fraction
    gae_lambda: Fraction
    clip_range: Positive
    ent_coef: Weight
    vf_coef: Weight
    max_grad_norm: Positive
    n_books: PositiveInt
    n_steps: PositiveInt
    batch_size: Annotated[int, Field(ge=2)]
    n_epochs: PositiveInt
    episode_bars: Annotated[int, Field(ge=2)]
    n_evaluations: PositiveInt
    patience: Annotated[int, Field(ge=0)]
    """Looks at the validation block without a better one after which training ends; 0: it never ends early."""
    read_embedding: bool
    """Else the policy reads what the heads predict, which is cross-fitted, and not the embedding, which is not."""
    hindsight: HindsightConfig | None
    """None: PPO begins with random weights, and never abstains."""
    reward: RewardWeights
    cost_ranges: CostRanges
    sac: SacConfig

    @property
    def in_effect(self) -> "PolicyConfig":
        """The same with the shipped settings of what the algorithm does not read."""
        return self if self.algorithm == "sac" else self.model_copy(update={"sac": SacConfig()})

    @model_validator(mode="after")
    def _batches_are_whole(self) -> Self:
        if (self.n_books * self.n_steps) % self.batch_size:
            raise ValueError(
                f"n_books x n_steps = {self.n_books * self.n_steps} must be a multiple of batch_size {self.batch_size}"
            )
        if self.sac.buffer_size < max(self.n_books, self.sac.batch_size):
            raise ValueError(f"sac.buffer_size {self.sac.buffer_size} is less than n_books or sac.batch_size")
        return self
