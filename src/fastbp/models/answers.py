"""What a model's outputs say: class numbers and labels, and data frames with the rows of the user's."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.data.classes import Classes
from fastbp.support.checks import sentence

__all__ = ["as_frame_like", "columns_of_outputs", "labels_of"]

Array = NDArray[Any]

_THRESHOLDS = {"sigmoid": 0.5, "linear": 0.0, "tanh": 0.0}  # above which an output says yes


def labels_of(outputs: Array, activation: str, classes: Classes | None) -> Array:
    """Return the label, or without classes the number, of each sample's class; or 0 or 1 for each of several outputs.

    Parameters
    ----------
    outputs : ndarray of shape (n_samples, n_outputs)
    activation : str
        The last one's name.
    classes : Classes or None

    Raises
    ------
    ValueError
        If the outputs do not tell classes.
    """
    if activation == "softmax":
        numbers = outputs.argmax(axis=1)
    elif activation == "sigmoid" or (activation in _THRESHOLDS and classes is not None):
        yes = outputs > _THRESHOLDS[activation]
        if outputs.shape[1] > 1:
            return yes.astype(np.int64)
        numbers = yes[:, 0].astype(np.int64)
    else:
        raise ValueError(
            f"the last layer's activation is {activation!r} and the model has no classes; expected 'softmax' or "
            "'sigmoid', or classes that were learned with a hinge loss. Or set them: model.classes = [...]."
            if activation in _THRESHOLDS
            else f"the last layer's activation is {activation!r}, whose outputs do not tell classes; expected "
            "'softmax', 'sigmoid', or 'linear' or 'tanh' after a hinge loss. Call predict."
        )
    labels: Array = numbers if classes is None else classes.array[numbers]
    return labels


def columns_of_outputs(n_outputs: int, classes: Classes | None, target_names: Sequence[str] | None) -> list[Any]:
    """Return what the columns of outputs are called: labels, or the targets' names, or numbers from 0."""
    if classes is not None and len(classes) == n_outputs:
        return classes.to_config()
    if target_names is not None and len(target_names) == n_outputs:
        return list(target_names)
    return list(range(n_outputs))


def as_frame_like(values: Array, X: Any, columns: Sequence[Any], target_names: Sequence[str] | None) -> Any:
    """Return values as a frame with the index of X, or of one column as a series.

    Parameters
    ----------
    values : ndarray of shape (n_samples,) or (n_samples, n_columns)
    X : pandas or polars DataFrame
    columns : sequence
        The names of several columns.
    target_names : sequence of str or None
        The names of the targets; one is the name of a series.

    Raises
    ------
    TypeError
        If X is neither.
    """
    one = values.ndim == 1 or values.shape[1] == 1
    name = target_names[0] if target_names is not None and len(target_names) == 1 else None
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    if pandas is not None and isinstance(X, pandas.DataFrame):
        if one:
            return pandas.Series(values.reshape(-1), index=X.index, name=name)
        return pandas.DataFrame(values, index=X.index, columns=columns)
    if polars is not None and isinstance(X, polars.DataFrame):
        if one:
            return polars.Series(name or "", values.reshape(-1))
        return polars.DataFrame({str(column): values[:, i] for i, column in enumerate(columns)})
    remedy = "Without as_frame the result is an array."
    raise TypeError(sentence("X", X, "a pandas or polars DataFrame with as_frame=True", remedy))
