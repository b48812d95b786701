"""The one error of the commands."""

__all__ = ["CommandError"]


class CommandError(Exception):
    """An error that the user can correct; the message says what is wrong and what to do."""
