"""Optional packages, checked before the work begins and not after it."""

from fastbp.commands.errors import CommandError

__all__ = ["require_matplotlib"]


def require_matplotlib(what: str, extra: str) -> None:
    """Raise a CommandError, which names the extra of fastbp that has it, if matplotlib is missing."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        remedy = f'pip install "fastbp[{extra}]"'
        raise CommandError(f"{what} needs matplotlib, which is not installed: {remedy}") from None
