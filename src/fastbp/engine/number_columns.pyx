"""Columns of numbers as the inputs of a network for tables: bounded, with an input for gaps, and cut into bins."""

from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport isnan, sqrt
from libc.string cimport memcpy

import numpy as np

from fastbp.engine.array_reader cimport ArrayReader
from fastbp.engine.kernels cimport FBP_SRC_FLOAT32, FBP_SRC_FLOAT64

cdef enum:
    # Rows from one check of signals to the next.
    LOOK_ROWS = 4096

cdef double _BOUND = 3.0
cdef double _LARGEST = 1e9

# What a scaled number is bounded by, and the number from which on its bounded value is the bound itself.
BOUND = _BOUND
LARGEST = _LARGEST


cdef class NumberColumns:
    """Writes what columns of numbers become.

    Each column is its scaled and smoothly bounded number; an input for gaps, 1 where there is one, if it has any; and
    how much of each of its bins lies below the number, from -1 for nothing to 1 for all of it.

    Parameters
    ----------
    centres, factors : float64 ndarray of shape (n_columns,)
        A number is scaled to (number - centre) * factor; a gap is the centre.
    with_gaps : bool ndarray of shape (n_columns,)
    edges : list of float64 ndarray
        Of each column's bins, rising; or none.
    """

    cdef double[::1] centres, factors, edges
    cdef unsigned char[::1] with_gaps
    cdef Py_ssize_t[::1] starts  # of each column's edges, and the end of the last one's
    cdef float[::1] full_and_empty  # as many bins that are full as any column has, then as many that are empty
    cdef Py_ssize_t most_bins
    cdef readonly Py_ssize_t n_columns, n_inputs

    def __init__(self, centres, factors, with_gaps, list edges):
        lengths = [len(each) for each in edges]
        self.n_columns = len(lengths)
        self.centres = np.array(centres, np.float64)
        self.factors = np.array(factors, np.float64)
        self.with_gaps = np.array(with_gaps, np.uint8)
        self.edges = np.concatenate([*edges, np.empty(0)]).astype(np.float64)
        self.starts = np.cumsum([0, *lengths], dtype=np.intp)
        self.most_bins = max(lengths, default=0)
        self.full_and_empty = np.repeat(np.array([1, -1], np.float32), self.most_bins)
        self.n_inputs = self.n_columns + int(np.sum(with_gaps)) + sum([max(n - 1, 0) for n in lengths])

    def write(self, ArrayReader rows, float[:, ::1] out):
        """Writes the inputs of all rows to the first columns of out, (n_rows, n_inputs or more)."""
        cdef Py_ssize_t first = 0, last, row
        if rows.n_columns < self.n_columns or out.shape[1] < self.n_inputs or out.shape[0] != rows.n_rows:
            raise ValueError("the rows or the place for their inputs have another shape")
        if rows.source.type not in (FBP_SRC_FLOAT32, FBP_SRC_FLOAT64):
            raise TypeError("the rows are not of floating-point numbers")
        if self.n_columns == 0:
            return
        while first < rows.n_rows:
            last = min(rows.n_rows, first + LOOK_ROWS)
            with nogil:
                for row in range(first, last):
                    self.write_row(<const char *>rows.source.data + row * rows.source.row_stride,
                                   rows.source.column_stride, rows.source.type == FBP_SRC_FLOAT32, &out[row, 0])
            first = last
            if first < rows.n_rows:
                PyErr_CheckSignals()

    cdef void write_row(self, const char *values, Py_ssize_t stride, bint is_single, float *out) noexcept nogil:
        cdef Py_ssize_t j
        cdef double value, centre
        cdef bint is_gap
        for j in range(self.n_columns):
            value = (<const float *>values)[0] if is_single else (<const double *>values)[0]
            values += stride
            centre = self.centres[j]
            is_gap = isnan(value)
            if is_gap:
                value = centre
            out[0] = <float>bounded((value - centre) * self.factors[j])
            out += 1
            if self.with_gaps[j]:
                out[0] = is_gap
                out += 1
            if self.starts[j + 1] > self.starts[j]:
                out = write_bins(&self.edges[self.starts[j]], self.starts[j + 1] - self.starts[j] - 1, value,
                                 &self.full_and_empty[self.most_bins], out)


cdef inline double bounded(double scaled) noexcept nogil:
    """A scaled number, bounded smoothly; the largest doubles too."""
    scaled = min(max(scaled, -_LARGEST), _LARGEST)
    return scaled / sqrt(1 + (scaled / _BOUND) * (scaled / _BOUND))


cdef inline float *write_bins(const double *edges, Py_ssize_t n_bins, double value, const float *empty,
                              float *out) noexcept nogil:
    """Writes how much of each bin lies below a value, and returns the place behind. Only the bin that has the value is
    in between; the bins before it are full, those behind it empty. Before `empty` there are full ones."""
    cdef Py_ssize_t k, own = 0
    cdef double share
    for k in range(1, n_bins):
        own += value >= edges[k]
    memcpy(out, empty - own, n_bins * sizeof(float))
    share = (value - edges[own]) / (edges[own + 1] - edges[own])
    out[own] = <float>(2 * min(max(share, 0.0), 1.0) - 1)
    return out + n_bins
