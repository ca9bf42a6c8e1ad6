"""The two ways in which the fake venue says no."""

from agv2.core.errors import FinalVenueError

__all__ = ["HttpError", "RefusalError"]


class RefusalError(FinalVenueError):
    """A business refusal: HTTP 200 with `s = error` and this text."""


class HttpError(FinalVenueError):
    """A request that never reaches the business: answered with an HTTP status.

    Args:
        status: 4xx or 5xx.
        message: text of the JSON body.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
