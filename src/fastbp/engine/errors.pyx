"""What a call of the engine raises, and the search for the row that is to blame."""

import numpy as np

from fastbp.engine.features cimport Features
from fastbp.engine.array_reader cimport ArrayReader


class Interrupted(Exception):  # noqa: N818 (what happened is no error)
    """Another thread set Network.interrupted; the weights are those of a completed step."""


class NonFinite(Exception):
    """A NaN, an infinity, or an index that is out of range was met; nothing was updated with it.

    Such an index is a label that is no class, or a column that a sparse array does not have: they were in order when
    the call began, and were changed since.

    Attributes
    ----------
    where : {"inputs", "targets", "loss", "gradient", "weights", "narrow weights"}
        "gradient" is that of a loss that is a Python function, by the outputs, in the network's dtype; "narrow weights"
        are weights rounded to bfloat16.
    batch : int
        Of the epoch, from 0; -1 where it is not known.
    row : int
        Of the array passed in, for inputs and targets; else -1.
    layer : int
        First layer whose outputs (or weights) are not finite, from 0; else -1.
    """

    def __init__(self, where, batch=-1, row=-1, layer=-1):
        super().__init__(f"{where} not finite: batch {batch}, row {row}, layer {layer}")
        self.where = where
        self.batch = batch
        self.row = row
        self.layer = layer


def first_bad_target(targets, index, Py_ssize_t n_outputs, Features features, str dtype):
    """The first of the rows in `index` whose target is not finite, or whose label is not one of n_outputs classes."""
    if isinstance(targets, ArrayReader):
        return first_bad_row(targets, index, None, features, dtype)
    labels = targets[index]
    return int(index[int(((labels < 0) | (labels >= n_outputs)).argmax())])


def first_bad_row(ArrayReader rows, index, n_columns=None, Features features=None, str dtype="float64"):
    """The first of the rows in `index` that has a NaN or an infinity in its first n_columns (None: in all).

    Where features are given, the row's features in `dtype` are looked at in place of its columns. Where all numbers are
    finite, one of them is too large for the network's dtype: then it is the row with the largest number.
    """
    array = np.asarray(<object>rows.buffer.obj)
    if features is not None:
        values = array[index, :n_columns]
        values = features.apply(ArrayReader(values), np.empty((len(values), len(features)), dtype))
    elif rows.source.starts != NULL:
        columns, starts = np.asarray(rows.indices[0]), np.asarray(rows.indices[1])
        values = np.zeros((len(index), 1))
        for i, row in enumerate(index):
            of_row = slice(starts[row], starts[row + 1])
            elements = np.abs(array[of_row].astype(np.float64))
            values[i] = elements.max(initial=0)        # NaN, if there is one
            if ((columns[of_row] < 0) | (columns[of_row] >= rows.n_columns)).any():
                values[i] = np.nan
    else:
        values = array[index, :n_columns].astype(np.float64)
    bad = ~np.isfinite(values).all(axis=1)
    return int(index[int(bad.argmax() if bad.any() else np.abs(values).max(axis=1).argmax())])
