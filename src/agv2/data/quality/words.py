"""What each kind of finding is called, what it would do to a model, and what to do about it."""

from typing import NamedTuple

__all__ = ["WORDS", "Words"]

_REPAIR = "agv2 data check FILE --repair OUT.parquet"


class Words(NamedTuple):
    """The fixed text of a kind of finding."""

    title: str
    unit: str
    effect: str
    remedy: str


WORDS: dict[str, Words] = {
    "unreadable": Words(
        "Unreadable", "file",
        "There is nothing to learn from.",
        "Export the file again, or import it with agv2 data import.",
    ),
    "disorder": Words(
        "Rows out of order", "rows",
        "Windows would mix past and future, so a model could see what it is to predict.",
        f"Sort the file by ts; {_REPAIR} does.",
    ),
    "null_price": Words(
        "Missing price", "rows",
        "One missing price spreads through every window that holds it, and the model trains on nothing.",
        f"Correct the rows, or leave them out with {_REPAIR}.",
    ),
    "non_positive_price": Words(
        "Price not above zero", "rows",
        "Its log return does not exist, or looks like a crash that never was.",
        f"Correct the rows, or leave them out with {_REPAIR}.",
    ),
    "ohlc_violation": Words(
        "Impossible bar", "rows",
        "Ranges and wicks turn negative, and stops would fill at prices that never traded.",
        f"Correct the rows, or leave them out with {_REPAIR}.",
    ),
    "conflicting_duplicates": Words(
        "Conflicting duplicates", "stamps",
        "Which of two different bars is learned and traded would be chance.",
        f"Keep the right row of each stamp; {_REPAIR} keeps the first.",
    ),
    "identical_duplicates": Words(
        "Identical duplicates", "rows",
        "None: all but the first are dropped when the file is read.",
        f"Nothing to do; {_REPAIR} drops them for good.",
    ),
    "mixed_granularity": Words(
        "Mixed granularity", "rows",
        "A day's range would pass for an hour's, so volatility, stops and costs are off by a multiple.",
        f"Split the file into one timeframe each; {_REPAIR} keeps the commonest.",
    ),
    "wrong_zone": Words(
        "Wrong time zone", "file",
        "Sessions, trading days and financing nights fall on wrong bars, and live bars would not look like these.",
        "Import the file again with its true time zone (agv2 data import FILE --timezone ...).",
    ),
    "feed_splice": Words(
        "Splice of feeds", "places",
        "The step between two sources looks like a market move, and what is learned on one side fails on the other.",
        "Split the file at the stamp given and use one source a run.",
    ),
    "stale_feed": Words(
        "Stale feed", "bars",
        "The model learns that price stands still, and volatility targeting takes far too large positions.",
        "Get these bars from another source, or cut the stale stretches out.",
    ),
    "stale_runs": Words(
        "Stale stretches", "bars",
        "Volatility falls to zero there, so positions after it start too large.",
        "Fetch the stretches again if they matter; results on them mean little.",
    ),
    "flat_bars": Words(
        "Flat bars", "bars",
        "Nothing traded or was quoted there: returns and ranges of zero weaken every estimate of volatility.",
        "Nothing to do where the market was quiet; otherwise use another source.",
    ),
    "gaps": Words(
        "Gaps inside sessions", "gaps",
        "The first bar after a gap holds a move that nobody could have traded in between.",
        "Download or import the missing spans; a run treats each gap as one step.",
    ),
    "absent_sessions": Words(
        "Absent sessions", "sessions",
        "Stops cannot be hit while there are no bars, so results look better than live trading would.",
        "Download or import the missing sessions, or start the run after them.",
    ),
    "spikes": Words(
        "Spikes", "bars",
        "A price that was there for one bar alone triggers stops and targets in simulation, and teaches a reversal.",
        "Compare the bars with another source and correct those that are false.",
    ),
    "negative_spreads": Words(
        "Negative spreads", "rows",
        "None: a negative spread counts as unknown and the bar's neighbours' costs apply.",
        f"Nothing to do; {_REPAIR} writes them as unknown.",
    ),
    "short_holes": Words(
        "Short holes", "bars",
        "Little: single bars without a trade.",
        "Nothing to do.",
    ),
    "shorter_hours": Words(
        "Shorter hours than the market", "times",
        "Little: the feed opens late or closes early every day, as many brokers do.",
        "Nothing to do.",
    ),
    "clock_changes": Words(
        "Bars cut short", "bars",
        "Little: bars that the next one cuts short, as where clocks change.",
        "Nothing to do.",
    ),
    "feed_change": Words(
        "One habit of the feed changed", "places",
        "Little by itself: volume, spread or price grid have another scale from there on.",
        "Know it when a result changes at that place.",
    ),
    "sessions": Words("Sessions", "file", "None: it says what gaps were measured against.", "Nothing to do."),
    "assumption": Words("Assumed while reading", "file", "None if the assumption is right.", "Check it."),
    "not_judged": Words("Not judged", "checks", "Unknown.", "Nothing to do."),
}  # fmt: skip
"""By the id of a finding."""
