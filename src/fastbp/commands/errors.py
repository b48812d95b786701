"""The one error of the commands."""

__all__ = ["CommandError"]


class CommandError(Exception):
    """Something that the user can mend is missing or wrong; the message is a sentence that says what and how."""
