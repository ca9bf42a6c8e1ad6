"""How large a planted drift must be for an edge of a given strength."""

import math

from agv2.core.errors import DataError

__all__ = ["EDGES", "STRONG", "WEAK", "amplitude_of", "parse_strength"]

EDGES = ("none", "momentum", "reversion", "session", "levels")

WEAK = 1.5
STRONG = 4.5
_LEAST, _LARGEST = 1.0, 6.0

# Amplitudes at which the oracle's net Sharpe ratio is WEAK and STRONG in the mean of seeds 1 to 20, 12,000 bars of 1h:
# `python tools/synthetic_edges.py --calibrate`. Nothing but the oracle was looked at.
_AMPLITUDES = {
    ("ETHUSD", "momentum"): (0.093, 0.171),
    ("ETHUSD", "reversion"): (0.453, 0.733),
    ("ETHUSD", "session"): (0.067, 0.151),
    ("ETHUSD", "levels"): (0.067, 0.205),
    ("XAUUSD", "momentum"): (0.087, 0.177),
    ("XAUUSD", "reversion"): (0.532, 0.795),
    ("XAUUSD", "session"): (0.145, 0.255),
    ("XAUUSD", "levels"): (0.155, 0.337),
    ("XAGUSD", "momentum"): (0.102, 0.190),
    ("XAGUSD", "reversion"): (0.486, 0.780),
    ("XAGUSD", "session"): (0.100, 0.212),
    ("XAGUSD", "levels"): (0.099, 0.269),
    ("US30", "momentum"): (0.103, 0.205),
    ("US30", "reversion"): (0.537, 0.802),
    ("US30", "session"): (0.139, 0.242),
    ("US30", "levels"): (0.177, 0.399),
    ("NAS100", "momentum"): (0.107, 0.202),
    ("NAS100", "reversion"): (0.499, 0.791),
    ("NAS100", "session"): (0.119, 0.218),
    ("NAS100", "levels"): (0.145, 0.340),
    ("US2000", "momentum"): (0.110, 0.212),
    ("US2000", "reversion"): (0.514, 0.792),
    ("US2000", "session"): (0.107, 0.205),
    ("US2000", "levels"): (0.130, 0.346),
}


def amplitude_of(symbol: str, edge: str, strength: float) -> float:
    """Amplitude of the edge's rule at which its oracle earns about `strength` on 1h bars.

    Args:
        symbol: the instrument.
        edge: one of `EDGES`.
        strength: net annual Sharpe ratio aimed at, 1 to 6; 0 for no edge.

    Returns:
        The amplitude, on the line through the two that were measured: for a momentum, session or levels edge the
        drift of an hour in standard deviations of an hour, for reversion the root of the share of variance that
        reverts, at most 1.

    Raises:
        DataError: the strength is out of reach, or goes with no edge.
    """
    if edge == "none":
        if strength != 0.0:
            raise DataError("--strength says how strong an edge is, but there is no --edge; leave it out or name one")
        return 0.0
    if not _LEAST <= strength <= _LARGEST or math.isnan(strength):
        raise DataError(
            f"strength {strength:g} is out of reach; choose weak, strong or a net Sharpe ratio from {_LEAST:g} to "
            f"{_LARGEST:g}"
        )
    weak, strong = _AMPLITUDES[symbol, edge]
    amplitude = weak + (strong - weak) * (strength - WEAK) / (STRONG - WEAK)
    return min(amplitude, 1.0) if edge == "reversion" else amplitude


def parse_strength(text: str | None, edge: str) -> float:
    """Read `weak`, `strong` or a number; None is `strong` where there is an edge.

    Raises:
        DataError: the text is none of these, or there is no edge.
    """
    if text is None:
        return 0.0 if edge == "none" else STRONG
    named = {"weak": WEAK, "strong": STRONG}.get(text)
    try:
        strength = float(text) if named is None else named
    except ValueError:
        raise DataError(f"strength {text!r} is not understood; choose weak, strong or a number") from None
    if edge == "none":
        raise DataError("--strength says how strong an edge is, but there is no --edge; leave it out or name one")
    return strength
