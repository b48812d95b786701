"""Packages that an exchange needs and fastbp does not."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["require"]


def require(package: str, purpose: str, install: str) -> Any:
    """Import a package, or say how it is installed.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        if (error.name or "").partition(".")[0] != package.partition(".")[0]:
            raise  # it is there, and lacks something itself
        raise ImportError(f"{purpose} needs {package}, which is not installed: pip install {install}") from None
