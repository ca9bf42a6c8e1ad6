"""Who is at the keyboard."""

import getpass

__all__ = ["person"]


def person() -> str:
    """Name of the user, for the record."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a name for its user
        return "a person"
