"""Every error AGV2 raises, branched by who must act.

AGV2Error
├── ConfigError            a person: a setting is wrong
├── DataError              a person: the bars or a file cannot be used
│   ├── ShapeError             arrays that belong together differ in length
│   └── LeakError              a value moved when only its future changed
├── StreamError            a person: the server of live events cannot be used
├── StateError             a person: what must outlive a restart is unreachable, lost, or another's
├── BundleError            a person: a model bundle is incomplete or was altered
├── VenueError             the executor: the venue did not do what was asked
│   ├── RetryableVenueError    nothing was carried out; asking again is harmless and may work
│   ├── UnknownOutcomeError    an order may or may not have been carried out: look before sending anything
│   └── FinalVenueError        the answer will not change
│       └── RefusedError           the venue said no, in its own words; nothing was carried out
└── InvariantError         nobody: we are wrong, stop trading
"""

__all__ = [
    "AGV2Error",
    "BundleError",
    "ConfigError",
    "DataError",
    "FinalVenueError",
    "InvariantError",
    "LeakError",
    "RetryableVenueError",
    "ShapeError",
    "StateError",
    "StreamError",
    "VenueError",
]


class AGV2Error(Exception):
    """Base of every error that AGV2 raises on purpose; its text is one line for a person."""


class ConfigError(AGV2Error):
    """A setting is unknown, mistyped or contradicts another; names the file, the key and the remedy."""


class DataError(AGV2Error):
    """Bars or a file cannot be used as they are; names the file, the row and the remedy."""


class ShapeError(DataError):
    """Arrays that belong together differ in length."""


class LeakError(DataError):
    """A value known at bar t changed when only bars after t were changed."""


class StreamError(AGV2Error):
    """Live events cannot be published or followed: the server is away, refuses, or holds something else."""


class StateError(AGV2Error):
    """What must outlive a restart cannot be read or written, was lost, or belongs to another process."""


class BundleError(AGV2Error):
    """A model bundle is missing a file, was altered, or fits another version."""


class VenueError(AGV2Error):
    """The venue refused, failed or stayed silent."""


class RetryableVenueError(VenueError):
    """Nothing was carried out, and asking again is harmless and may work.

    Raised by reads, and by writes that provably never reached the venue's order handling.

    Args:
        message: one line for a person.
        retry_after_s: seconds that the venue asked to be left alone; 0 when it did not say.
    """

    def __init__(self, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class UnknownOutcomeError(VenueError):
    """A write was sent and its answer is lost or unreadable: it may or may not have been carried out.

    Nothing may be sent on its behalf before positions, orders and order history have been searched for it.
    """


class FinalVenueError(VenueError):
    """The venue gave an answer that asking again will not change."""


class RefusedError(FinalVenueError):
    """The venue understood and said no; nothing was carried out."""


class InvariantError(AGV2Error):
    """Something that cannot happen did: a defect of ours, so trading must stop."""
