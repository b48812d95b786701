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
        If it is not installed, or cannot be imported.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        if (error.name or "").partition(".")[0] != package.partition(".")[0]:
            # It is there, and lacks something itself: Keras the backend that KERAS_BACKEND names, for one.
            choice = ", or name a backend that is there: KERAS_BACKEND=torch" if package == "keras" else ""
            raise ImportError(
                f"{purpose} needs {package}, which is installed and cannot be imported: {error}. Install what it "
                f"lacks{choice}"
            ) from error
        raise ImportError(f"{purpose} needs {package}, which is not installed: pip install {install}") from None
    except Exception as error:  # a library that it loads, or a part of it that an interrupt has left half there
        raise ImportError(
            f"{purpose} needs {package}, which is installed and cannot be imported: {error}. Try a new process, or "
            "install it anew"
        ) from error
