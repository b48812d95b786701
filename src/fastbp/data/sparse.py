"""SciPy's sparse matrices, compressed by rows (CSR), read in place: one batch at a time becomes dense."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.engine.array_reader import ArrayReader
from fastbp.support.checks import sentence

__all__ = ["Sparse", "as_sparse", "is_sparse"]

Array = NDArray[Any]


class Sparse:
    """A sparse matrix as the engine reads it.

    Parameters
    ----------
    data : ndarray of shape (n_elements,), C-contiguous
        Elements, of a dtype that the engine reads.
    columns : int32 ndarray of shape (n_elements,), C-contiguous
        Column of each element, without duplicates in a row.
    starts : int64 ndarray of shape (n_rows + 1,), C-contiguous
        Row r has the elements starts[r] .. starts[r + 1].
    n_columns : int
    """

    ndim = 2

    def __init__(self, data: Array, columns: NDArray[np.int32], starts: NDArray[np.int64], n_columns: int) -> None:
        self.data, self.columns, self.starts = data, columns, starts
        self.shape = (len(starts) - 1, n_columns)
        self.dtype = data.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> Sparse:
        """Return a copy of these rows."""
        numbers = np.arange(len(self))[rows]
        lengths = np.diff(self.starts)[numbers]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        elements = np.arange(starts[-1]) + np.repeat(self.starts[numbers] - starts[:-1], lengths)
        return Sparse(self.data[elements], self.columns[elements], starts, self.shape[1])

    def joined(self, others: Sparse) -> Sparse:
        """Return these rows followed by others."""
        first, second = self[:], others[:]
        return Sparse(
            np.concatenate([first.data, second.data]),
            np.concatenate([first.columns, second.columns]),
            np.concatenate([first.starts, second.starts[1:] + first.starts[-1]]),
            self.shape[1],
        )

    def rows(self) -> ArrayReader:
        """Return the engine's reader of these rows."""
        return ArrayReader.sparse(self.data, self.columns, self.starts, self.shape[1])

    def find_nonfinite(self, dtype: np.dtype[Any], last_row: int = -1) -> tuple[int, int, Any] | None:
        """Return row, column and value of the first element that is NaN or infinite in ``dtype``, None without one.

        ``last_row`` is the last one to search; -1 searches all.
        """
        end = self.starts[len(self) if last_row < 0 else last_row + 1]
        with np.errstate(over="ignore"):
            bad = np.flatnonzero(~np.isfinite(self.data[:end].astype(dtype)))
        if not len(bad):
            return None
        element = int(bad[0])
        return int(np.searchsorted(self.starts, element, "right")) - 1, int(self.columns[element]), self.data[element]


def is_sparse(values: Any) -> bool:
    """Return whether an argument is one of SciPy's sparse matrices or arrays."""
    return hasattr(values, "tocsr") and hasattr(values, "nnz")


def as_sparse(values: Any, argument: str) -> Sparse:
    """Return a sparse matrix by rows; without a copy if it is CSR without duplicate elements.

    Raises
    ------
    TypeError
        If it does not hold real numbers.
    ValueError
        If it does not have two dimensions, or its indices are invalid.
    """
    if values.dtype.kind not in "biuf":
        raise TypeError(sentence(argument, values, "a sparse matrix of real numbers or booleans"))
    if values.ndim != 2:
        raise ValueError(sentence(argument, values, "2 dimensions, (n_samples, n_inputs)"))
    matrix = values.tocsr()
    try:
        matrix.check_format(full_check=True)
    except ValueError as error:
        raise ValueError(f"{argument} is a sparse matrix with wrong indices: {error}.") from None
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    data = np.ascontiguousarray(matrix.data)
    if data.dtype.itemsize > 8 or not data.dtype.isnative:
        data = data.astype(np.float64 if data.dtype.itemsize > 8 else data.dtype.newbyteorder("="))
    columns = np.ascontiguousarray(matrix.indices, np.int32)
    return Sparse(data, columns, matrix.indptr.astype(np.int64), matrix.shape[1])
