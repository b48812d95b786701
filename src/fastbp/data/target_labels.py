"""What y holds where it names classes: text, booleans or categories, each different label numbered once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastbp.data.columns import is_missing, read_column
from fastbp.data.frames import column_as_array, columns_of, is_column, is_frame, names_of

__all__ = ["Kind", "Labels", "kind_of", "plain_labels", "read_labels", "target_names_of"]

Array = NDArray[Any]
Kind = Literal["text", "boolean", "number"]


@dataclass(frozen=True)
class Labels:
    """The label of each sample.

    Attributes
    ----------
    levels : list of str, bool, int or float
        The different labels, all of one kind, and perhaps some that occur in no sample.
    numbers : integer ndarray of shape (n_samples,)
        Where in ``levels`` the label of each sample is.
    in_order : bool
        Whether the order of the levels is the user's, or that of False and True; otherwise it has no meaning.
    names : tuple of str or None
        The name of the column that they were in.
    """

    levels: list[Any]
    numbers: Array
    in_order: bool
    names: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def kind(self) -> Kind | None:
        """What the labels are."""
        return kind_of(self.levels[0])

    def occurring(self) -> list[Any]:
        """Return the levels that occur in a sample, in their order, or sorted if it has no meaning."""
        counts = np.bincount(self.numbers, minlength=len(self.levels))
        levels = [level for level, count in zip(self.levels, counts.tolist(), strict=True) if count]
        return levels if self.in_order else sorted(levels)

    def values(self) -> Array:
        """Return the labels themselves, as y held them."""
        return np.asarray(self.levels)[self.numbers]


def kind_of(label: Any) -> Kind | None:
    """Return what a label is; None for what is none."""
    if isinstance(label, str):
        return "text"
    if isinstance(label, bool):
        return "boolean"
    return "number" if isinstance(label, (int, float)) and abs(label) < float("inf") else None


def read_labels(y: Any, argument: str) -> Any:
    """Return y as Labels if it holds text, booleans or categories of one column; else as it is, or as an array.

    Raises
    ------
    TypeError
        If it holds labels of several kinds.
    ValueError
        If a label is missing.
    """
    if isinstance(y, Labels):
        return y
    column, names = _one_column(y), target_names_of(y)
    found = _of_categories(column, names, argument)
    if found is not None:
        return found
    array = _as_array(column)
    if array is None:
        return y
    labels = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if labels.dtype.kind not in "bOUT" or labels.ndim != 1 or not len(labels):
        return array if isinstance(y, (list, tuple)) else y
    if labels.dtype.kind == "b":
        return y if isinstance(labels, np.ma.MaskedArray) else Labels([False, True], labels.view(np.uint8), True, names)
    return _of_items(column if is_column(column) else labels, labels, names, argument) or y


def target_names_of(y: Any) -> tuple[str, ...] | None:
    """Return the names of the columns of targets; None unless all have one, and they differ."""
    if type(y) is np.ndarray:
        return None
    if isinstance(y, Labels):
        return y.names
    name = getattr(y, "name", None)
    return (str(name),) if is_column(y) and isinstance(name, str) and name else names_of(y)


def plain_labels(labels: Any, argument: str) -> list[Any]:
    """Return labels as a list of text, of booleans or of numbers, as Python has them.

    Raises
    ------
    TypeError
        If they are of several kinds, or of another.
    """
    items = [item.item() if isinstance(item, np.generic) else item for item in labels]
    kinds = set(map(kind_of, items))
    if len(kinds) != 1 or None in kinds:
        types = sorted({type(item).__name__ for item in items})
        raise TypeError(
            f"{argument} holds {' and '.join(types) or 'nothing'}; expected labels of one kind: text, booleans or "
            "finite numbers."
        )
    return [str(item) if isinstance(item, str) else item for item in items]


def _one_column(y: Any) -> Any:
    """Return the column of a frame that has one; anything else as it is."""
    columns = columns_of(y)[1] if is_frame(y) else []
    return columns[0] if len(columns) == 1 else y


def _as_array(column: Any) -> Array | None:
    """Return a column as an array, a list with text as one of objects; None for what is no column."""
    if isinstance(column, np.ndarray):
        return column
    if is_frame(column) or not (isinstance(column, (list, tuple)) or hasattr(column, "__array__")):
        return None
    try:
        array = column_as_array(column) if is_column(column) else np.asarray(column)
        # Of numbers beside text, and of None and NaN beside text, NumPy makes text.
        return np.array(column, dtype=object) if array.dtype.kind in "UT" and not is_column(column) else array
    except Exception:  # of a foreign __array__, or rows of several lengths: refused where it is read
        return None


def _of_categories(column: Any, names: tuple[str, ...] | None, argument: str) -> Labels | None:
    """Return a column of categories in their own order; None for any other column."""
    levels: Any = None
    accessor = getattr(column, "cat", column)
    if hasattr(accessor, "categories") and hasattr(accessor, "codes"):  # of pandas
        levels, numbers = list(accessor.categories), np.asarray(accessor.codes).astype(np.intp)
    elif str(getattr(column, "dtype", "")).startswith("Enum") and hasattr(column, "to_physical"):  # of polars
        levels = column.dtype.categories.to_list()
        numbers = column.to_physical().cast(int).fill_null(-1).to_numpy().astype(np.intp)
    if levels is None or not len(numbers):
        return None
    _refuse_missing(numbers < 0, argument)
    if not all(isinstance(level, (str, bool, int, float, np.generic)) for level in levels):
        levels = list(map(str, levels))  # intervals, moments: a file can hold their text
    return Labels(plain_labels(levels, f"the categories of {argument}"), numbers, True, names)


def _of_items(column: Any, array: Array, names: tuple[str, ...] | None, argument: str) -> Labels | None:
    """Return a column of text or of booleans among objects; None for any other column."""
    read = read_column(column)
    if read.is_text:
        _refuse_missing(read.values < 0, argument)
        return Labels(read.levels, read.values, False, names)
    items = array.tolist()
    missing = np.array(list(map(is_missing, items)))
    types = {type(item) for item, gap in zip(items, missing, strict=True) if not gap}
    if types and types <= {bool, np.bool_}:
        _refuse_missing(missing, argument)
        return Labels([False, True], array.astype(bool).view(np.uint8), True, names)
    if any(issubclass(kind, (str, bool, np.bool_)) for kind in types):
        plain_labels([item for item, gap in zip(items, missing, strict=True) if not gap], argument)  # several kinds
    return None


def _refuse_missing(missing: NDArray[np.bool_], argument: str) -> None:
    if missing.any():
        row = int(np.argmax(missing))
        raise ValueError(
            f"{argument}[{row}] is missing; expected a label for each sample. Leave out the rows without one."
        )
