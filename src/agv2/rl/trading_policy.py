"""The network that PPO trains: Stable-Baselines3's MLP policy, told which choices matter."""

import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import PyTorchObs
from torch import Tensor

from agv2.decision.actions import ACTION_NVEC
from agv2.decision.observation import BOOK_FIELDS

__all__ = ["TradingActorCritic", "head_log_probs"]

_SIDE = BOOK_FIELDS.index("side") - len(BOOK_FIELDS)
_HALTED = BOOK_FIELDS.index("halted") - len(BOOK_FIELDS)
_WIDEST = max(ACTION_NVEC)
_IMPOSSIBLE = -1e9


def head_log_probs(logits: Tensor) -> Tensor:
    """Log-probabilities of every choice of every head.

    Args:
        logits: (n, 15) as the action layer gives them, head after head.

    Returns:
        (n, 4, 4); the missing fourth position has probability 0.
    """
    padding = logits.new_full((len(logits), _WIDEST - ACTION_NVEC[0]), _IMPOSSIBLE)
    split = ACTION_NVEC[0]
    padded = torch.cat([logits[:, :split], padding, logits[:, split:]], dim=1)
    return padded.view(-1, len(ACTION_NVEC), _WIDEST).log_softmax(dim=2)


class TradingActorCritic(ActorCriticPolicy):
    """An MLP policy whose probability of an action counts only the choices that have an effect.

    Size, stop and target are read when a position opens or turns, and nothing is while the account is halted. The
    choices that nobody reads are integrated out: left in, they would add nothing but variance to the gradient.
    All heads go through one softmax, which also makes an update about a third faster than a distribution each.
    """

    def forward(self, obs: Tensor, deterministic: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Actions (n, 4), values (n, 1) and log-probabilities (n,) of the effective part of each action."""
        latent_pi, latent_vf = self.mlp_extractor(self.features_extractor(obs))
        log_probs = head_log_probs(self.action_net(latent_pi))
        scores = log_probs
        if not deterministic:
            # argmax(log p + Gumbel noise) is a draw from p; −log of an exponential is Gumbel.
            scores = log_probs - torch.empty_like(log_probs).exponential_().log()
        actions = scores.argmax(dim=2)
        return actions, self.value_net(latent_vf), _effective_log_prob(log_probs, actions, obs)

    def evaluate_actions(self, obs: PyTorchObs, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Values (n, 1), log-probabilities (n,) of the effective part of `actions`, entropy (n,) of all heads."""
        assert isinstance(obs, Tensor)
        latent_pi, latent_vf = self.mlp_extractor(self.features_extractor(obs))
        log_probs = head_log_probs(self.action_net(latent_pi))
        entropy = -(log_probs.exp() * log_probs).sum(dim=(1, 2))
        return self.value_net(latent_vf), _effective_log_prob(log_probs, actions.long(), obs), entropy


def _effective_log_prob(log_probs: Tensor, actions: Tensor, obs: Tensor) -> Tensor:
    chosen = log_probs.gather(2, actions.unsqueeze(2)).squeeze(2)
    side = obs[:, _SIDE]
    held = torch.where(side < 0.0, 2.0, side)  # position choices: 0 flat, 1 long, 2 short
    free = obs[:, _HALTED] == 0.0
    opens = free & (actions[:, 0] != 0) & (actions[:, 0] != held)
    return chosen[:, 0] * free + chosen[:, 1:].sum(dim=1) * opens
