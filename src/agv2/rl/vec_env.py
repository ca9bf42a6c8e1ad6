"""Many training accounts behind Stable-Baselines3's vector interface, stepped by one compiled loop."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from agv2.backtest.simulator import BatchSimulator
from agv2.backtest.tape import MarketTape
from agv2.core.arrays import BoolArray, Float32Array, FloatArray, IntArray
from agv2.decision.observation import BOOK_FIELDS
from agv2.rl.action_spaces import ActionKind, action_space, choices_of
from agv2.rl.config import PolicyConfig
from agv2.rl.episodes import EpisodeSampler, Span
from agv2.rl.rewards import RewardTerms, reward

__all__ = ["OBSERVATION_BOUND", "TradingVecEnv", "observation_space"]

OBSERVATION_BOUND = 1e6
"""Formal bound of an observation; market rows are of order one and book fields are clipped at 10."""

_NO_INFO: dict[str, Any] = {}


def observation_space(tapes: Sequence[MarketTape]) -> spaces.Space[Float32Array]:
    """Space of the rows that `write_observation` fills for `tapes`."""
    size = tapes[0].market_rows.shape[1] + len(BOOK_FIELDS)
    box: spaces.Space[Any] = spaces.Box(-OBSERVATION_BOUND, OBSERVATION_BOUND, (size,), np.float32)
    return box


class TradingVecEnv(VecEnv):
    """`config.n_books` accounts on randomly drawn stretches of the training spans, begun anew as they end."""

    def __init__(
        self,
        tapes: Sequence[MarketTape],
        spans: Sequence[Span],
        config: PolicyConfig,
        initial_equity: float,
        generator: np.random.Generator,
        action_kind: ActionKind = "discrete",
    ) -> None:
        """Place nothing yet; `reset` does.

        Args:
            tapes: the markets.
            spans: bars on which episodes may live.
            config: number of books, episode length, reward and cost ranges.
            initial_equity: money in each account.
            generator: draws episodes and their costs.
            action_kind: `continuous` for learners that know no choices.

        Raises:
            DataError: a span cannot be traded on.
        """
        self.render_mode = None
        super().__init__(config.n_books, observation_space(tapes), action_space(action_kind))
        self.action_kind: ActionKind = action_kind
        self.sampler = EpisodeSampler(tapes, spans, config.episode_bars, config.cost_ranges, generator)
        self.simulator = BatchSimulator(tapes, config.n_books, initial_equity)
        self.episode_return: FloatArray = np.zeros(config.n_books)
        self.episode_length: IntArray = np.zeros(config.n_books, dtype=np.int64)
        self._weights = config.reward
        self._tape_scale = np.array([config.reward.scale / tape.params.target_volatility for tape in tapes])
        self.scale: FloatArray = np.ones(config.n_books)
        self._actions: Any = None
        self._term_sums: FloatArray = np.zeros(len(RewardTerms._fields) + 1)  # the last counts steps

    def reset(self) -> Float32Array:
        """Begin every book anew, with episodes of different lengths."""
        books = np.arange(self.num_envs)
        episodes = self.sampler.draw_staggered(self.num_envs)
        self._begin(books, *episodes)
        return self.simulator.observations.copy()

    def step_async(self, actions: Any) -> None:
        """Remember what to do."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """One bar for every book; books whose episode ended are begun anew."""
        ledger = self.simulator.step(choices_of(self._actions, self.action_kind))
        terms = reward(ledger, self._weights)
        self._term_sums += [*(float(term.mean()) for term in terms), 1.0]
        rewards = terms.total * self.scale
        self.episode_return += rewards
        self.episode_length += 1
        ended: BoolArray = ledger["terminated"] | ledger["truncated"]
        infos = [_NO_INFO] * self.num_envs  # read only; one dict for all that goes on
        books = np.flatnonzero(ended)
        if books.size:
            for book in books:
                infos[book] = {
                    "terminal_observation": self.simulator.observations[book].copy(),
                    "TimeLimit.truncated": bool(ledger["truncated"][book]),
                    "episode": {"r": float(self.episode_return[book]), "l": int(self.episode_length[book])},
                }
            self._begin(books, *self.sampler.draw(books.size))
        # SB3 keeps the observation while the simulator writes the next one into the same memory.
        return self.simulator.observations.copy(), rewards.astype(np.float32), ended, infos

    def take_terms(self) -> dict[str, float]:
        """Mean of each reward term per step and book, unscaled, since the last call."""
        means = self._term_sums[:-1] / max(self._term_sums[-1], 1.0)
        self._term_sums[:] = 0.0
        return dict(zip(RewardTerms._fields, means.tolist(), strict=True))

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on, as arrays that share memory with this environment."""
        return {
            **self.simulator.state(),
            "episode_return": self.episode_return,
            "episode_length": self.episode_length,
            "scale": self.scale,
            "term_sums": self._term_sums,
        }

    def _begin(self, books: IntArray, tapes: IntArray, first: IntArray, last: IntArray, costs: Any) -> None:
        self.simulator.reset(books, tapes, first, last, costs)
        self.scale[books] = self._tape_scale[tapes]
        self.episode_return[books] = 0.0
        self.episode_length[books] = 0

    def close(self) -> None:
        """Nothing is held open."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The same attribute for each book asked for: there is one environment."""
        return [getattr(self, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Books share one environment, so nothing can be set for some of them."""
        raise NotImplementedError("books share one environment")

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> list[Any]:
        """Books share one environment, so it has no methods of single books."""
        raise NotImplementedError("books share one environment")

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Never: behaviour belongs in `decision`, not in wrappers."""
        return [False] * len(list(self._get_indices(indices)))
