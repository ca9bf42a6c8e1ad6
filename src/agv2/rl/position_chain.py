"""A policy's exact expected reward along a known price path, and what each of its choices adds to it."""

import numpy as np

from agv2.core.arrays import Float32Array, FloatArray
from agv2.core.jit import kernel

__all__ = ["choice_gains", "greedy_rewards"]

_SIDES = (0.0, 1.0, -1.0)  # in the order of the action's choices: flat, long, short


@kernel
def choice_gains(log_probs: Float32Array, paths: FloatArray, entropy_weight: float, gains: Float32Array) -> float:
    """Fill `gains` so that the sum of probability times gain has the gradient of the expected reward.

    Which positions are held is a Markov chain whose transitions are the policy's choices; the price path does not
    depend on them. So the expectation is a sum, not a sample: forwards the probability of holding each side,
    backwards the value of each choice.

    Args:
        log_probs: (B, T, 3, 3) of choosing flat, long or short (last axis) when flat, long or short is held.
        paths: (B, T, 5) columns of `price_path`.
        entropy_weight: reward per nat of each choice's surprise.
        gains: (B, T, 3, 3) written: probability of being there, times what the choice adds to the mean choice.

    Returns:
        Expected reward per bar, each sequence begun on a side at random.

    Source: Sutton et al. (2000), NeurIPS 12, 1057-1063, theorem 1, summed out instead of sampled; Sinclair et al.
        (2023), ICML, for learning in hindsight where inputs are exogenous.
    """
    n_sequences, n_bars = log_probs.shape[0], log_probs.shape[1]
    total = 0.0
    worth = np.zeros((n_bars, 3, 3))
    for b in range(n_sequences):
        later = np.zeros(3)
        for t in range(n_bars - 1, -1, -1):
            now = np.zeros(3)
            for held in range(3):
                for chosen in range(3):
                    log_prob = float(log_probs[b, t, held, chosen])
                    worth[t, held, chosen] = (
                        _bar_reward(paths[b, t], held, chosen) - entropy_weight * log_prob + later[chosen]
                    )
                    now[held] += np.exp(log_prob) * worth[t, held, chosen]
            later = now
        total += later.sum() / 3.0
        being = np.full(3, 1.0 / 3.0)
        for t in range(n_bars):
            after = np.zeros(3)
            for held in range(3):
                mean = 0.0
                for chosen in range(3):
                    mean += np.exp(float(log_probs[b, t, held, chosen])) * worth[t, held, chosen]
                for chosen in range(3):
                    gains[b, t, held, chosen] = being[held] * (worth[t, held, chosen] - mean)
                    after[chosen] += being[held] * np.exp(float(log_probs[b, t, held, chosen]))
            being = after
    return float(total / (n_sequences * n_bars))


@kernel
def greedy_rewards(log_probs: Float32Array, path: FloatArray, rewards: FloatArray) -> tuple[float, float]:
    """Fill `rewards` with what the likeliest choices earn along one path, begun flat.

    Args:
        log_probs: (T, 3, 3) as for `choice_gains`.
        path: (T, 5).
        rewards: (T,) written: per bar, in targeted volatilities.

    Returns:
        Units turned per bar, and the share of bars at which a position is held.
    """
    held, turned, n_held = 0, 0.0, 0
    for t in range(path.shape[0]):
        chosen = 0
        for other in range(1, 3):
            if log_probs[t, held, other] > log_probs[t, held, chosen]:
                chosen = other
        rewards[t] = _bar_reward(path[t], held, chosen)
        turned += abs(_SIDES[chosen] - _SIDES[held])
        held = chosen
        if held != 0:
            n_held += 1
    n_bars = max(path.shape[0], 1)
    return float(turned / n_bars), float(n_held / n_bars)


@kernel
def _bar_reward(path: FloatArray, held: int, chosen: int) -> float:
    """Reward of one bar for passing from one side to another at its open."""
    before, after = _SIDES[held], _SIDES[chosen]
    earned = before * path[0] + after * path[1] - abs(after - before) * path[2]
    if before != 0.0:
        earned -= path[3] if before > 0.0 else path[4]
    return float(earned)
