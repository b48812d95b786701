"""The one error of the demo."""

__all__ = ["DemoError"]


class DemoError(Exception):
    """Something that the user can mend is missing or wrong; the message is a sentence that says what and how."""
