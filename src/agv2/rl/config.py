"""The model of `config/rl_policy.yaml`."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from agv2.sim.randomize import CostRanges
from agv2.utils.config import Config

__all__ = ["PolicyConfig", "RewardWeights"]

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


class PolicyConfig(Config):
    """PPO on the batch simulator; `gamma` and its like are Stable-Baselines3's names.

    The number of environment steps belongs to the run profile, because it is what a run's time depends on.
    """

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
    reward: RewardWeights
    cost_ranges: CostRanges

    @model_validator(mode="after")
    def _batches_are_whole(self) -> Self:
        if (self.n_books * self.n_steps) % self.batch_size:
            raise ValueError(
                f"n_books x n_steps = {self.n_books * self.n_steps} must be a multiple of batch_size {self.batch_size}"
            )
        return self
