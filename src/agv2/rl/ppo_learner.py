"""PPO on the choices themselves."""

import torch
from stable_baselines3 import PPO

from agv2.rl.config import PolicyConfig
from agv2.rl.input_scaling import FixedScaling, InputScaling
from agv2.rl.rollouts import TradingRolloutBuffer
from agv2.rl.trading_policy import TradingActorCritic
from agv2.rl.vec_env import TradingVecEnv

__all__ = ["new_ppo"]


def new_ppo(env: TradingVecEnv, config: PolicyConfig, scaling: InputScaling) -> PPO:
    """A new learner on `env`, whose actions are discrete.

    Args:
        env: to learn on.
        config: of the policy.
        scaling: of what it reads.
    """

    def learning_rate(remaining: float) -> float:
        return config.learning_rate_end + (config.learning_rate - config.learning_rate_end) * remaining

    return PPO(
        TradingActorCritic,
        env,
        learning_rate=learning_rate,
        n_steps=config.n_steps,
        batch_size=config.batch_size,
        n_epochs=config.n_epochs,
        gamma=config.gamma,
        gae_lambda=config.gae_lambda,
        clip_range=config.clip_range,
        ent_coef=config.ent_coef,
        vf_coef=config.vf_coef,
        max_grad_norm=config.max_grad_norm,
        rollout_buffer_class=TradingRolloutBuffer,
        policy_kwargs={
            "net_arch": list(config.net_arch),
            "features_extractor_class": FixedScaling,
            "features_extractor_kwargs": scaling._asdict(),
            "optimizer_class": torch.optim.AdamW,
            # eps is SB3's own choice for PPO; one fused step instead of one loop per weight
            "optimizer_kwargs": {"eps": 1e-5, "weight_decay": config.weight_decay, "fused": True},
        },
        device="cpu",
    )
