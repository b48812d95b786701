"""Optional packages, checked before the work begins and not after it."""

from typing import Any

from fastbp.commands.errors import CommandError

__all__ = ["require_matplotlib", "require_pandas"]


def require_pandas() -> Any:
    """Return the module, or raise a CommandError if it is not installed."""
    try:
        import pandas
    except ImportError:
        raise CommandError('tables are read by pandas, which is not installed: pip install "fastbp[cli]"') from None
    return pandas


def require_matplotlib(what: str, extra: str) -> None:
    """Raise a CommandError, which names the extra of fastbp that has it, if matplotlib is missing."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        remedy = f'pip install "fastbp[{extra}]"'
        raise CommandError(f"{what} needs matplotlib, which is not installed: {remedy}") from None
