"""The files of ``fastbp train``."""

from __future__ import annotations

from pathlib import Path

import fastbp as fb
from fastbp.commands.errors import CommandError

__all__ = ["load_model"]

_KNOWN = {"target", "task", "classes"}


def load_model(path: Path) -> fb.Model:
    """Return the model in a file.

    Raises
    ------
    CommandError
        If the file cannot be read, or ``fastbp train`` did not write it.
    """
    try:
        model = fb.Model.load(path)
    except (OSError, ValueError) as error:
        raise CommandError(str(error).replace("file written by Model.save", "model of `fastbp train`")) from None
    if not model.metadata.keys() >= _KNOWN:
        raise CommandError(f"{str(path)!r} was not made by `fastbp train`: it does not say what it predicts")
    return model
