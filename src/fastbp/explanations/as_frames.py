"""pandas, for the results that can be data frames."""

from __future__ import annotations

from typing import Any

__all__ = ["pandas_for_frames"]


def pandas_for_frames() -> Any:
    """Return pandas.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise ImportError("to_frame needs pandas, which is not installed: pip install pandas.") from None
    return pd
