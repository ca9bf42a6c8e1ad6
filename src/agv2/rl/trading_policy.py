"""The network that PPO trains: Stable-Baselines3's MLP policy, told which choices there are and which matter."""

from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.distributions import Distribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.type_aliases import PyTorchObs
from torch import Tensor

from agv2.decision.action_mask import PERMISSION_FIELDS
from agv2.decision.actions import ACTION_NVEC
from agv2.decision.observation import BOOK_FIELDS
from agv2.models.policy import only_permitted, read_part

__all__ = ["ReadPart", "TradingActorCritic", "head_log_probs"]

_SIDE = BOOK_FIELDS.index("side") - len(BOOK_FIELDS)
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


class ReadPart(BaseFeaturesExtractor):
    """What a network reads of an observation: everything but the permissions at its end. It has no weights."""

    def __init__(self, observation_space: spaces.Box) -> None:
        """Know the width."""
        super().__init__(observation_space, observation_space.shape[0] - len(PERMISSION_FIELDS))

    def forward(self, observations: Tensor) -> Tensor:
        """(n, size - 3) of (n, size)."""
        return read_part(observations)


class TradingActorCritic(ActorCriticPolicy):
    """An MLP policy that chooses among permitted positions, and counts only the choices that have an effect.

    What the risk layer would refuse has probability 0. Size, stop and target are read when a position opens or turns.
    The choices that nobody reads are integrated out: left in, they would add nothing but variance to the gradient.
    All heads go through one softmax, which also makes an update about a third faster than a distribution each.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **{"features_extractor_class": ReadPart, **settings})

    def forward(self, obs: Tensor, deterministic: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Actions (n, 4), values (n, 1) and log-probabilities (n,) of the effective part of each action."""
        latent_pi, latent_vf = self.mlp_extractor(self.features_extractor(obs))
        log_probs = self._log_probs(latent_pi, obs)
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
        log_probs = self._log_probs(latent_pi, obs)
        entropy = -(log_probs.exp() * log_probs).sum(dim=(1, 2))
        return self.value_net(latent_vf), _effective_log_prob(log_probs, actions.long(), obs), entropy

    def get_distribution(self, obs: PyTorchObs) -> Distribution:
        """Stable-Baselines3's own distribution over the permitted actions, which its `predict` asks for."""
        assert isinstance(obs, Tensor)
        logits = self.action_net(self.mlp_extractor.forward_actor(self.features_extractor(obs)))
        return self.action_dist.proba_distribution(only_permitted(logits, obs))

    def _log_probs(self, latent: Tensor, obs: Tensor) -> Tensor:
        return head_log_probs(only_permitted(self.action_net(latent), obs))


def _effective_log_prob(log_probs: Tensor, actions: Tensor, obs: Tensor) -> Tensor:
    chosen = log_probs.gather(2, actions.unsqueeze(2)).squeeze(2)
    side = obs[:, _SIDE]
    held = torch.where(side < 0.0, 2.0, side)  # position choices: 0 flat, 1 long, 2 short
    opens = (actions[:, 0] != 0) & (actions[:, 0] != held)
    return chosen[:, 0] + chosen[:, 1:].sum(dim=1) * opens  # of one permitted position the first is log 1
