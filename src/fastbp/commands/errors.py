"""The one error of the commands."""

__all__ = ["CommandError"]


class CommandError(Exception):
    """The user can put it right: the message is a sentence that says what is wrong and what to do."""
