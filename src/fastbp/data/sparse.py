"""SciPy's sparse matrices, compressed by rows (CSR), read in place: one batch at a time becomes dense."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.engine.array_reader import ArrayReader
from fastbp.support.checks import sentence

__all__ = ["Sparse", "as_sparse", "checked_sparse", "is_sparse"]

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

    def find_nonfinite(self, dtype: np.dtype[Any], last_row: int) -> tuple[int, int, Any] | None:
        """Return row, column and value of the first element that is NaN or infinite in ``dtype``, None without one.

        ``last_row`` is the last one to search; -1 searches all.
        """
        end = self.starts[len(self) if last_row < 0 else last_row + 1]
        with np.errstate(over="ignore", under="ignore"):
            bad = np.flatnonzero(~np.isfinite(self.data[:end].astype(dtype)))
        if not len(bad):
            return None
        element = int(bad[0])
        return int(np.searchsorted(self.starts, element, "right")) - 1, int(self.columns[element]), self.data[element]

    def find_wrong_column(self, row: int) -> tuple[int, int] | None:
        """Return row and column of the first element whose column this does not have, None without one.

        ``row`` is the only one to search; -1 searches all.
        """
        first, last = (0, len(self)) if row < 0 else (row, row + 1)
        begin, end = self.starts[first], self.starts[last]
        columns = self.columns[begin:end].copy()
        bad = np.flatnonzero((columns < 0) | (columns >= self.shape[1]))
        if not len(bad):
            return None
        element = int(begin + bad[0])
        return int(np.searchsorted(self.starts, element, "right")) - 1, int(columns[bad[0]])


def is_sparse(values: Any) -> bool:
    """Return whether an argument is one of SciPy's sparse matrices or arrays."""
    kind = type(values)  # not the object: SciPy counts its elements to answer, and raises where that fails
    return hasattr(kind, "tocsr") and hasattr(kind, "nnz")


def checked_sparse(values: Any, argument: str, *, own: bool = True) -> Any:
    """Return a sparse matrix whose indices SciPy's compiled functions can follow: they do not look where these lead.

    Parameters
    ----------
    values : sparse matrix or array of SciPy, of any format
    argument : str
    own : bool, default True
        Whether the indices are copied before they are checked, as another thread may change them afterwards. Without it
        a CSR matrix keeps its own: see ``as_sparse``.

    Returns
    -------
    csr_array, csc_array, bsr_array or coo_array
        A new one: what SciPy remembers of the old indices of ``values`` is not in it.

    Raises
    ------
    ValueError
        If it does not have two dimensions, or has indices outside of it.
    """
    from scipy import sparse

    if not sparse.issparse(values):  # another library's
        values = values.tocsr()
    if values.ndim != 2:
        raise ValueError(sentence(argument, values, "2 dimensions, (n_samples, n_inputs)"))
    try:
        if values.format in ("csr", "csc", "bsr"):
            return _checked_compressed(values, own or values.format != "csr")
        triples = values.tocoo()
        pairs = np.array(triples.row), np.array(triples.col)
        for indices, length in zip(pairs, triples.shape, strict=True):
            _check_indices(indices, len(triples.data), length)
        return sparse.coo_array((triples.data, pairs), shape=triples.shape)
    except (ValueError, TypeError, IndexError, AttributeError) as error:  # whatever SciPy raises for parts that differ
        raise ValueError(f"{argument} is a sparse matrix with wrong indices: {str(error).rstrip('.')}.") from None


def _checked_compressed(values: Any, own: bool) -> Any:
    """Return a matrix that is compressed by rows, by columns, or by blocks; with its own arrays, or new indices."""
    from scipy import sparse

    data, shape = np.asarray(values.data), values.shape
    indices, starts = np.array(values.indices, copy=own or None), np.array(values.indptr)
    block = values.blocksize if values.format == "bsr" else (1, 1)
    lengths = [n // b for n, b in zip(shape, block, strict=True)]
    n_starts, length = reversed(lengths) if values.format == "csc" else lengths
    if starts.shape != (n_starts + 1,) or starts.dtype.kind not in "iu":
        raise ValueError(f"indptr has shape {starts.shape} and dtype {starts.dtype}, not {n_starts + 1} integers")
    if starts[0] != 0 or (starts[1:] < starts[:-1]).any():
        raise ValueError("indptr does not rise from 0")
    n_elements = int(starts[-1])
    _check_indices(indices, n_elements, length)
    if len(data) < n_elements:
        raise ValueError(f"indptr ends at {n_elements}, and there are {len(data)} elements")
    make = {"csr": sparse.csr_array, "csc": sparse.csc_array, "bsr": sparse.bsr_array}[values.format]
    return make((data[:n_elements], indices[:n_elements], starts), shape=shape)


def _check_indices(indices: Array, n_elements: int, length: int) -> None:
    if indices.ndim != 1 or indices.dtype.kind not in "iu" or len(indices) < n_elements:
        raise ValueError(f"indices of shape {indices.shape} and dtype {indices.dtype} for {n_elements} elements")
    used = indices[:n_elements]
    if n_elements and not 0 <= used.min() <= used.max() < length:
        raise ValueError(f"they are {used.min()} to {used.max()}, and should be 0 to {length - 1}")


def as_sparse(values: Any, argument: str) -> Sparse:
    """Return a sparse matrix by rows; without a copy if it is CSR without duplicate elements.

    The columns of such a matrix may be changed later, by a callback or another thread: the engine looks at each while
    it gathers them.

    Raises
    ------
    TypeError
        If it does not hold real numbers.
    ValueError
        If it does not have two dimensions, or its indices are invalid.
    """
    if values.dtype.kind not in "biuf":
        raise TypeError(sentence(argument, values, "a sparse matrix of real numbers or booleans"))
    matrix = checked_sparse(values, argument, own=False).tocsr()
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    data = np.ascontiguousarray(matrix.data)
    if data.dtype.itemsize > 8 or not data.dtype.isnative:
        data = data.astype(np.float64 if data.dtype.itemsize > 8 else data.dtype.newbyteorder("="))
    columns = np.ascontiguousarray(matrix.indices, np.int32)
    return Sparse(data, columns, matrix.indptr.astype(np.int64), matrix.shape[1])
