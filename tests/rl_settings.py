"""Policy settings small enough for a test."""

from typing import Any

from agv2.rl.config import PolicyConfig, RewardWeights, SacConfig
from agv2.sim.randomize import CostRanges

__all__ = ["SMALL_SAC", "small_config"]

SMALL_SAC = SacConfig(
    learning_rate=3e-3, tau=0.02, ent_coef=0.01, buffer_size=2_000, learning_starts=160, batch_size=64, train_freq=2,
    gradient_steps=4,
)  # fmt: skip


def small_config(**changes: Any) -> PolicyConfig:
    """A few books, a tiny network, costs as they are."""
    usual: dict[str, Any] = {
        "algorithm": "ppo",
        "net_arch": (16,),
        "learning_rate": 2e-3,
        "learning_rate_end": 2e-4,
        "weight_decay": 0.1,
        "gamma": 0.9,
        "gae_lambda": 0.9,
        "clip_range": 0.2,
        "ent_coef": 0.001,
        "vf_coef": 0.5,
        "max_grad_norm": 0.5,
        "n_books": 16,
        "n_steps": 16,
        "batch_size": 64,
        "n_epochs": 2,
        "episode_bars": 50,
        "n_evaluations": 3,
        "patience": 0,
        "read_embedding": True,
        "hindsight": None,
        "reward": RewardWeights(scale=1.0, lambda_drawdown=0.1, lambda_trades=0.0, lambda_hold=0.0),
        "cost_ranges": CostRanges(half_spread=(0.5, 2.0), slippage=(0.5, 2.0), max_latency_bars=1, fill=(1.0, 1.0)),
        "sac": SMALL_SAC,
    }
    return PolicyConfig(**(usual | changes))
