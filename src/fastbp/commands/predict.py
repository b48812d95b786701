"""``fastbp predict``: applies a model of ``fastbp train`` to another table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import fastbp as fb
from fastbp.commands.errors import CommandError
from fastbp.commands.outputs import check_outputs, say
from fastbp.commands.tables import read_table, require_pandas, write_table
from fastbp.support.checks import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["run"]


def run(model_file: Path, data: Path, out: Path, n_threads: int | None = None) -> None:
    """Predict each row of a file, columns matched by name, and write the predictions to another.

    Raises
    ------
    CommandError
        If a file cannot be used, or the table lacks a column.
    """
    check_outputs({"--out": out}, {"the data": data, "the model": model_file})
    try:
        model = fb.Model.load(model_file)
    except (OSError, ValueError) as error:
        raise CommandError(str(error)) from None
    if not {"target", "task", "classes"} <= model.metadata.keys():
        raise CommandError(f"{str(model_file)!r} was not made by `fastbp train`: it does not say what it predicts")
    frame = read_table(data)
    try:
        outputs = model.predict(frame, n_threads=n_threads)
    except (TypeError, ValueError) as error:
        raise CommandError(f"{str(data)!r}: {error}") from None
    write_table(_as_frame(outputs, model.metadata), out)
    say(f"saved {counted(len(outputs), 'prediction')} of {model.metadata['target']!r} to {out}")


def _as_frame(outputs: NDArray[Any], metadata: dict[str, Any]) -> pd.DataFrame:
    """Return a column with the predictions; for classes, also one with the probability of each."""
    pandas = require_pandas()
    target, classes = metadata["target"], metadata["classes"]
    if metadata["task"] == "regression":
        return pandas.DataFrame({target: outputs[:, 0]})
    chosen = np.asarray(classes)[outputs.argmax(axis=1)]
    probabilities = {f"probability of {name}": outputs[:, i] for i, name in enumerate(classes)}
    return pandas.DataFrame({target: chosen, **probabilities})
