"""What a call of the engine raises, and the search for the row that is to blame."""

import numpy as np

from fastbp.engine.features cimport Features
from fastbp.engine.array_reader cimport ArrayReader


class Interrupted(Exception):  # noqa: N818 (what happened is no error)
    """Another thread set Network.interrupted; the weights are those of a completed step."""


class NonFinite(Exception):
    """A NaN or an infinity was met; nothing was updated with it.

    Attributes
    ----------
    where : {"inputs", "targets", "loss", "weights"}
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
        starts = np.asarray(rows.indices[1])
        values = np.zeros((len(index), 1))
        for i, row in enumerate(index):
            elements = np.abs(array[starts[row]:starts[row + 1]].astype(np.float64))
            values[i] = elements.max(initial=0)        # NaN, if there is one
    else:
        values = array[index, :n_columns].astype(np.float64)
    bad = ~np.isfinite(values).all(axis=1)
    return int(index[int(bad.argmax() if bad.any() else np.abs(values).max(axis=1).argmax())])
