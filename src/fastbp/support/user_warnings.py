"""Warnings that point at the user's own line, however deep in the package they are found."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

__all__ = ["warn_user"]

_PACKAGE = str(Path(__file__).resolve().parents[1])


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn of something; the warning names the line from which the package was called first."""
    frame, level, of_user = sys._getframe(), 1, 2
    while frame.f_back is not None:  # frames of other packages may lie between those of this one
        frame, level = frame.f_back, level + 1
        if frame.f_code.co_filename.startswith(_PACKAGE):
            of_user = level + 1
    warnings.warn(message, category, stacklevel=of_user)
