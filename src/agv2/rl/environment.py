"""One training account behind Gymnasium's interface."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np

from agv2.backtest.simulator import BatchSimulator
from agv2.backtest.tape import MarketTape
from agv2.core.arrays import Float32Array
from agv2.rl.action_spaces import ActionKind, action_space, choices_of
from agv2.rl.config import PolicyConfig
from agv2.rl.episodes import EpisodeSampler, Span
from agv2.rl.rewards import reward
from agv2.rl.vec_env import observation_space

__all__ = ["TradingEnv"]


class TradingEnv(gymnasium.Env[Float32Array, Any]):
    """One account on a randomly drawn stretch of the allowed spans; the same rules and numbers as `TradingVecEnv`.

    ## Action
    `MultiDiscrete([3, 4, 4, 4])`: position, size, stop, target, as `decode_action` reads them; or with `action_kind`
    `continuous` its twin `Box(-1, 1, (4,))`, as `decode_continuous` does. Filled at the next open at the earliest.

    ## Observation
    float32 row of `write_observation`: the market row of the bar just closed, then `BOOK_FIELDS`.

    ## Reward
    `rewards.reward` of the step, in targeted per-bar volatilities times `reward.scale`; `info` holds its terms.

    ## Episode end
    `terminated` on ruin alone; `truncated` after `episode_bars` bars or at the end of the span.
    """

    def __init__(
        self,
        tapes: Sequence[MarketTape],
        spans: Sequence[Span],
        config: PolicyConfig,
        initial_equity: float,
        action_kind: ActionKind = "discrete",
    ) -> None:
        """Prepare the account; `reset` places it.

        Raises:
            DataError: a span cannot be traded on.
        """
        self.metadata = {"render_modes": []}
        self.observation_space = observation_space(tapes)
        self.action_space = action_space(action_kind)
        self._action_kind: ActionKind = action_kind
        self.render_mode = None
        self._sampler = EpisodeSampler(tapes, spans, config.episode_bars, config.cost_ranges, self.np_random)
        self._simulator = BatchSimulator(tapes, 1, initial_equity)
        self._weights = config.reward
        self._tape_scale = [config.reward.scale / tape.params.target_volatility for tape in tapes]
        self._scale = 1.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32Array, dict[str, Any]]:
        """Begin a new episode; the same `seed` begins the same one, with the same ones after it."""
        super().reset(seed=seed)
        self._sampler.generator = self.np_random
        episode = self._sampler.draw(1)
        self._simulator.reset(np.zeros(1, dtype=np.int64), *episode)
        self._scale = self._tape_scale[int(episode.tapes[0])]
        return self._simulator.observations[0].copy(), {}

    def step(self, action: Any) -> tuple[Float32Array, float, bool, bool, dict[str, Any]]:
        """One bar further."""
        ledger = self._simulator.step(choices_of(action[np.newaxis], self._action_kind))
        terms = reward(ledger, self._weights)
        info = {name: float(term[0]) for name, term in terms._asdict().items()}
        return (
            self._simulator.observations[0].copy(),
            float(terms.total[0]) * self._scale,
            bool(ledger["terminated"][0]),
            bool(ledger["truncated"][0]),
            info,
        )
