"""The errors of the commands."""

__all__ = ["CommandError", "MissingPackageError"]


class CommandError(Exception):
    """An error that the user can correct; the message says what is wrong and what to do."""


class MissingPackageError(CommandError):
    """A package that a file needs is not installed."""
