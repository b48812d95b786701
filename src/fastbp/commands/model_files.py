"""The files of ``fastbp train``: a single network, or the networks of the recipe for tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

import fastbp as fb
from fastbp.commands.errors import CommandError
from fastbp.commands.explained_model import as_explained
from fastbp.preparation.learned import Learned
from fastbp.support.safetensors_file import TABLE, OtherKindError
from fastbp.tabular.fitted import FittedTable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SavedModel", "load_model"]

_KNOWN = {"target", "task", "classes"}


class SavedModel:
    """A model that predicts the rows of a table.

    Attributes
    ----------
    metadata : dict
        What ``fastbp train`` wrote of the target.
    learned : Learned or None
        What was learned of the columns.
    """

    def __init__(self, model: fb.Model | FittedTable, metadata: Mapping[str, Any], learned: Learned | None) -> None:
        self._model, self.metadata, self.learned = model, metadata, learned

    def predict(self, columns: pd.DataFrame, n_threads: int | None, precision: str | None) -> NDArray[Any]:
        """Return the outputs for rows, (n_rows, n_outputs)."""
        outputs: NDArray[Any] = self._model.predict(columns, n_threads=n_threads, precision=precision)
        return outputs

    def explained(self, n_threads: int | None) -> Any:
        """Return what ``fb.explain`` and ``fb.counterfactual`` take."""
        labels = self.metadata["classes"] if self.metadata["task"] == "class" else None
        return as_explained(self._model, labels, n_threads)


def load_model(path: Path) -> SavedModel:
    """Return the model in a file.

    Raises
    ------
    CommandError
        If the file cannot be read, or ``fastbp train`` did not write it.
    """
    try:
        found = _load(path)
    except OSError as error:
        raise CommandError(f"the model {str(path)!r} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise CommandError(str(error).replace("file written by Model.save", "model of `fastbp train`")) from None
    if not found.metadata.keys() >= _KNOWN:
        raise CommandError(f"{str(path)!r} was not made by `fastbp train`: it does not say what it predicts")
    return found


def _load(path: Path) -> SavedModel:
    try:
        model = fb.Model.load(path)
    except OtherKindError as error:
        if error.holds is not TABLE:
            raise
        fitted, about = FittedTable.load(path)
        return SavedModel(fitted, about.get("metadata", {}), fitted.reader.learned)
    preparation = model.feed.preparation
    return SavedModel(model, model.metadata, None if preparation is None else preparation.inputs)
