"""Converts array-likes to arrays that the engine reads, without a copy wherever the engine can read them in place.

The engine reads every NumPy array of booleans, integers and floats of up to 64 bits in place, whatever its strides, and
converts it batch by batch. Copies are made only of lists, of data frames whose columns are stored apart, of arrays of
foreign byte order or of misaligned elements, and of long doubles, which become float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.data.blocks import BLOCK_ROWS
from fastbp.data.frames import column_as_array, frame_as_array, is_column, is_frame
from fastbp.data.sparse import Sparse, as_sparse, is_sparse
from fastbp.engine.array_reader import ArrayReader
from fastbp.support.checks import sentence

__all__ = [
    "READABLE",
    "NoRowsError",
    "as_array",
    "as_good_weights",
    "as_matrix",
    "as_rows",
    "as_weights",
    "check_each",
    "find_nonfinite",
    "numbers_of_objects",
    "refuse_first",
    "refuse_masked",
    "refuse_nonfinite",
]

Array = NDArray[Any]

READABLE = frozenset(
    np.dtype(name) for name in ("?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8")
)  # the dtypes that the engine reads, in native byte order


class NoRowsError(ValueError):
    """Samples that are right but for their number, which is 0: there is nothing to train on, and nothing to predict."""


def as_matrix(values: Any, n_columns: int | None, argument: str) -> Array | Sparse:
    """Return samples as an array that the engine reads, shape (n_samples, n_columns), n_samples > 0.

    Parameters
    ----------
    values : array-like or sparse matrix of shape (n_samples, n_columns)
        Any real numbers or booleans.
    n_columns : int or None
        The number that the model expects; None is any number.
    argument : str
        The name of ``values`` in messages.

    Raises
    ------
    TypeError
        If it does not hold real numbers.
    ValueError
        If it has another shape; a NoRowsError if all is right but that it has no rows.
    """
    if (
        type(values) is np.ndarray  # the one case that must be quick: a loop calls step() and predict()
        and len(shape := values.shape) == 2
        and shape[1] == n_columns
        and shape[0]
        and values.dtype in READABLE
        and values.flags.aligned
    ):
        return values
    array: Any = _by_rows(values, argument)
    if array.ndim != 2:
        raise ValueError(_wrong_dimensions(array, n_columns, argument))
    checked: Array | Sparse = array
    if n_columns is None and not array.shape[1]:
        raise ValueError(f"{argument} has shape {array.shape}: no inputs; expected one column or more.")
    if n_columns is not None and array.shape[1] != n_columns:
        raise ValueError(
            f"{argument} has {array.shape[1]} columns (its shape is {array.shape}); expected {n_columns}, "
            f"as the model has {n_columns} {_plural('input', n_columns)}. A row is a sample, a column an input."
        )
    if len(array) == 0:
        raise NoRowsError(f"{argument} has shape {array.shape}: no samples; expected one row or more.")
    return checked


def _by_rows(values: Any, argument: str) -> Any:
    if isinstance(values, Sparse):
        return values
    return as_sparse(values, argument) if is_sparse(values) else as_array(values, argument)


def _plural(noun: str, n: int) -> str:
    return noun if n == 1 else f"{noun}s"


def _wrong_dimensions(array: Array, n_columns: int | None, argument: str) -> str:
    was = f"{argument} has {array.ndim} {_plural('dimension', array.ndim)} (its shape is {array.shape})"
    expected = f"expected 2, (n_samples, {n_columns or 'n_inputs'})"
    if array.ndim == 1 and len(array) == n_columns != 1:
        remedy = f"If it is one sample, give {argument}.reshape(1, -1)."
    elif array.ndim == 1:
        remedy = f"Give {argument}.reshape(-1, 1) if it is one input of many samples, "
        remedy += f"{argument}.reshape(1, -1) if it is one sample."
    elif array.ndim > 2:
        remedy = f"Give {argument}.reshape(len({argument}), -1) to make a row of each sample."
    else:
        remedy = "A row is a sample, a column an input."
    return f"{was}; {expected}. {remedy}"


def refuse_masked(values: Any, argument: str) -> None:
    """Raise a TypeError for an array with masked values: what lies under the mask is no number that anybody gave."""
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        remedy = f"Fill them in first, for example {argument}.filled(0), or leave out their rows."
        raise TypeError(f"{argument} is a masked array with masked values; expected numbers everywhere. {remedy}")


def as_array(values: ArrayLike, argument: str) -> Array:
    """Return an array-like of real numbers, of any shape, as an array of one of the dtypes that the engine reads."""
    if type(values) is np.ndarray and values.dtype in READABLE and values.flags.aligned:  # quickly: in a loop
        return values
    refuse_masked(values, argument)
    if isinstance(values, np.ma.MaskedArray):
        array = values.data
    elif isinstance(values, np.ndarray):
        array = np.asarray(values)
    elif hasattr(values, "collect"):
        remedy = f"Give {argument}.collect()."
        raise TypeError(
            f"{argument} is a {type(values).__name__}, whose data is not read yet; expected the data. {remedy}"
        )
    elif isinstance(values, Mapping):
        raise TypeError(
            f"{argument} is a dictionary; expected an array or a data frame. Give pandas.DataFrame({argument})."
        )
    elif is_frame(values):
        array = frame_as_array(values, argument)
    elif is_column(values):
        array = column_as_array(values)
    else:
        array = _convert(values, argument)
    if array.dtype.kind not in "biuf":
        raise TypeError(_not_numbers(array, argument))
    if array.dtype not in READABLE:  # foreign byte order, long double
        with np.errstate(under="ignore", over="ignore"):  # infinity is refused by a sentence, with its place
            array = array.astype(array.dtype.newbyteorder("=") if array.dtype.itemsize <= 8 else np.float64)
    return array if array.flags.aligned else array.copy()


def _convert(values: ArrayLike, argument: str) -> Array:
    if is_sparse(values):
        remedy = f"Give {argument}.toarray()."
        raise TypeError(f"{argument} is a sparse matrix ({type(values).__name__}); expected a dense array. {remedy}")
    try:
        return np.asarray(values)
    except Exception as error:  # whatever a foreign __array__ raises, or a list of rows of several lengths
        was = f"{argument} ({type(values).__name__}) cannot be read as an array of numbers: {error}"
        raise type(error)(was) if type(error) in (ValueError, TypeError) else TypeError(was) from error


_REMEDIES = {
    "c": "Give the real and the imaginary parts as columns of their own.",
    "U": "Encode the text as numbers, for example with np.unique(..., return_inverse=True)[1].",
    "M": "Give the time since a reference date as a number: (t - t.min()) / np.timedelta64(1, 's').",
    "m": "Give the duration as a number: d / np.timedelta64(1, 's').",
    "V": "Give a data frame of the records, pandas.DataFrame, or an array with a plain dtype.",
}


def _not_numbers(array: Array, argument: str) -> str:
    if array.dtype.kind == "O" and array.ndim > 0:
        numbers_of_objects(array, argument)  # which says what is none
        was = f"{argument} is an array of Python objects (shape {array.shape}); expected numbers or booleans"
        return f"{was}. Convert it first: {argument}.astype(np.float64)."
    remedy = _REMEDIES.get("U" if array.dtype.kind in "ST" else array.dtype.kind, "")
    what = f"shape {array.shape} and dtype {array.dtype}" if array.ndim else f"a single value of dtype {array.dtype}"
    return f"{argument} is {what}; expected an array of real numbers or booleans.{' ' + remedy if remedy else ''}"


def numbers_of_objects(array: Array, argument: str) -> NDArray[np.float64]:
    """Return an array of Python objects that are real numbers or booleans as float64; None becomes NaN.

    Raises
    ------
    TypeError
        If an object is anything else; the first such column is named. Text is refused, though NumPy would read digits
        in it, and so are complex numbers and NumPy's dates and durations.
    """
    from fastbp.data.columns import types_among  # for objects only: `import fastbp` stays quick
    from fastbp.data.usable import NO_NUMBERS

    was = f"{argument} is an array of Python objects (shape {array.shape}); expected numbers or booleans"
    numbers = np.empty(array.shape)
    shape = (len(array), math.prod(array.shape[1:]))  # NumPy finds no -1 where there are no rows
    for j, (column, to) in enumerate(zip(array.reshape(shape).T, numbers.reshape(shape).T, strict=True)):
        where = "it" if array.ndim == 1 else f"column {j}"
        try:
            to[:] = column.astype(np.float64)
        except Exception as error:  # TypeError, ValueError, OverflowError, or what an object's __float__ raises
            why = f"{where} holds something else: {str(error).rstrip('.')}"
            raise TypeError(f"{was}, but {why}. Make them numbers first.") from None
        strange = sorted((kind for kind in types_among(column) if issubclass(kind, NO_NUMBERS)), key=repr)
        if strange:
            is_text = all(issubclass(kind, (str, bytes)) for kind in strange)  # of digits
            remedy = f"Convert it first: {argument}.astype(np.float64)." if is_text else "Make them numbers first."
            raise TypeError(f"{was}, but {where} has {strange[0].__name__} among them. {remedy}")
    return numbers


def as_weights(values: ArrayLike, n_samples: int, argument: str) -> NDArray[np.float64]:
    """Return a weight for each sample as float64 (n_samples,), C-contiguous; finite, not negative, and not all 0."""
    array = as_array(values, argument)
    if array.shape != (n_samples,):
        remedy = f"Give {argument}.reshape(-1)." if array.shape in ((n_samples, 1), (1, n_samples)) else ""
        raise ValueError(
            f"{argument} has shape {array.shape}; expected ({n_samples},), a weight for each sample."
            f"{' ' + remedy if remedy else ''}"
        )
    return as_good_weights(array, argument)


def as_good_weights(array: Array, argument: str) -> NDArray[np.float64]:
    """Return a copy of weights as float64, C-contiguous, in their shape; finite, not negative, and not all 0.

    A copy, as nobody looks at them again: weights that are changed later would make sums of 0 or less.
    """
    weights = np.array(array, np.float64, order="C")
    with np.errstate(over="ignore", invalid="ignore"):
        total, lowest = np.add.reduce(weights, axis=None), np.minimum.reduce(weights, axis=None, initial=math.inf)
    if not (lowest >= 0 and total < math.inf):
        good = np.isfinite(weights) & (weights >= 0)
        if not good.all():
            refuse_first(~good, array, argument, "a finite number of 0 or more", "A weight of 0 leaves a sample out.")
    if not 0 < total < math.inf:
        raise ValueError(
            f"the sample weights in {argument} sum to {total:g}; expected a finite sum above 0, by which the loss is "
            "divided."
        )
    return weights


def refuse_first(bad: NDArray[np.bool_], array: Array, argument: str, expected: str, remedy: str = "") -> NoReturn:
    """Raise the ValueError that names the first element for which ``bad``, of the array's shape, is True."""
    index = np.unravel_index(int(np.argmax(bad)), bad.shape)
    raise ValueError(sentence(_place(argument, *index), array[index].item(), expected, remedy))


def check_each(
    array: Array, good: Callable[[Array], NDArray[np.bool_]], argument: str, expected: str, remedy: str = ""
) -> None:
    """Raise the ValueError that names the first element for which ``good``, of a block of rows, is not True.

    Block by block, since a memory-mapped array may be larger than memory.
    """
    for start in range(0, len(array), BLOCK_ROWS):
        block = array[start : start + BLOCK_ROWS]
        passed = good(block)
        if not passed.all():
            row, *column = np.unravel_index(int(np.argmin(passed)), passed.shape)
            place = _place(argument, start + row, *column)
            raise ValueError(sentence(place, block[(row, *column)].item(), expected, remedy))


def _place(argument: str, row: int | np.intp, column: int | np.intp | None = None) -> str:
    return f"{argument}[{row}]" if column is None else f"row {row}, column {column} of {argument} (counted from 0)"


def as_rows(X: Array | Sparse) -> ArrayReader:
    """Return the engine's reader of samples."""
    return X.rows() if isinstance(X, Sparse) else ArrayReader(X)


def find_nonfinite(array: Array, dtype: np.dtype[Any], last_row: int = -1) -> tuple[int, int] | None:
    """Return row and column of the first number that is NaN or infinite in ``dtype``, None if there is none.

    ``last_row`` is the last one to look at; -1 looks at all.
    """
    last = last_row + 1 if last_row >= 0 else len(array)
    for start in range(0, last, BLOCK_ROWS):
        block = array[start : min(start + BLOCK_ROWS, last)]
        with np.errstate(over="ignore", under="ignore"):
            bad = ~np.isfinite(block.astype(dtype))
        if bad.any():
            i, j = np.unravel_index(int(np.argmax(bad)), bad.shape)
            return start + int(i), int(j)
    return None


def refuse_nonfinite(
    array: Array | Sparse,
    dtype: np.dtype[Any],
    argument: str,
    row: int = -1,
    numbers: NDArray[np.int64] | None = None,
) -> NoReturn:
    """Raise the ValueError that names the first number that is not finite in ``dtype``.

    ``row`` is one in which the engine found such a number: in shuffled order it is not the first. ``numbers`` are those
    of the rows in the message; None numbers them from 0.
    """
    if isinstance(array, Sparse):
        wrong = array.find_wrong_column(row)
        if wrong is not None:
            raise ValueError(
                f"row {wrong[0]} of {argument} has an element in column {wrong[1]} (counted from 0); expected columns "
                f"0 to {array.shape[1] - 1}. Its indices were changed while {argument} was read."
            ) from None
        found = array.find_nonfinite(dtype, row)
    else:
        where = find_nonfinite(array, dtype, row)
        found = where and (*where, array[where])
    if found is None:  # the array was changed by someone else meanwhile
        raise ValueError(f"{argument} held NaN or infinity while it was read; expected finite numbers.") from None
    row, column, element = found
    value, place = element.item(), _place(argument, row if numbers is None else int(numbers[row]), column)
    if math.isfinite(value):
        was = f"{place} is {value!r}, which is infinite in {dtype}, the model's dtype"
        raise ValueError(
            f"{was}; expected smaller numbers. Scale the data, or make the model with dtype='float64'."
        ) from None
    raise ValueError(
        sentence(place, value, "a finite number", "Leave out that row or fill in the value first.")
    ) from None
