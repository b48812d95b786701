"""Warnings that point at the user's own line, however deep in the package they are found."""

from __future__ import annotations

import os
import sys
import warnings

__all__ = ["warn_user"]

_PACKAGE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn of something; the warning names the line from which the package was called first."""
    frame, level, of_user = sys._getframe(), 1, 2
    while frame.f_back is not None:  # frames of other packages may lie between those of this one
        frame, level = frame.f_back, level + 1
        if frame.f_code.co_filename.startswith(_PACKAGE):
            of_user = level + 1
    warnings.warn(message, category, stacklevel=of_user)
