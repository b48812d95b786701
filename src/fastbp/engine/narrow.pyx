"""Narrow products: which dense stages multiply operands rounded to bfloat16, and the rounded copies of their weights.

The parameters themselves stay float32. In training the update writes the copies of the weights that it has just
changed; whatever else changes parameters has all copies made anew.
"""

import numpy as np

from fastbp.engine.kernels cimport FBP_BF16_AMX, fbp_layer, narrow_in_use, narrow_pays
from fastbp.engine.layout cimport DENSE, whole_steps

from fastbp.engine.errors import NonFinite

# From this number on float32 is rounded to an infinite bfloat16, whose largest number is (2 - 2^-7) 2^127.
cdef double FIRST_INFINITE = (2 - 2.0 ** -8) * 2.0 ** 127

cdef LeastSizes _of_vectors = LeastSizes(24, 16, 32, 0)
cdef LeastSizes _of_amx = LeastSizes(24, 16, 32, 2 ** 17)
cdef LeastSizes _of_tests = LeastSizes(0, 0, 0, 0)


def least_sizes(**changes: float) -> dict[str, float]:
    """Change the sizes that are named (see narrow.pxd), 0 being those measured, and return the former ones.

    For tests, which would need large layers otherwise. They decide which operands are rounded.
    """
    global _of_tests
    former = dict(_of_tests)
    _of_tests = {**former, **changes}
    return former


cdef bint _pays(const fbp_layer *layer, Py_ssize_t n_samples, LeastSizes least) noexcept nogil:
    """Whether a dense layer is faster with narrow products, in batches of n_samples."""
    return (narrow_pays() and layer.n_inputs >= (_of_tests.inputs or least.inputs)
            and layer.n_units >= (_of_tests.units or least.units)
            and n_samples >= (_of_tests.samples or least.samples)
            and <double>layer.n_inputs * layer.n_units * n_samples >= (_of_tests.products or least.products))


cdef NarrowWeights make_narrow_weights():
    """Without copies yet. There are kernels for it: the library has checked that."""
    cdef NarrowWeights weights = NarrowWeights()
    weights.k = narrow_in_use()
    return weights


cdef class NarrowWeights:
    """The rounded copies of the weights of some stages."""

    cdef bint choose(self, Stage *stages, Py_ssize_t n_stages, Py_ssize_t first_backward,
                     Py_ssize_t n_samples) except -1:
        """Decides which stages are narrow in steps of n_samples, and gives them room for their copies.

        Stages from first_backward on pass a gradient back. Returns whether anything has changed: then the copies are
        yet to be made.
        """
        cdef Py_ssize_t i
        cdef bint on, changed = self.arena is None
        cdef Arena arena
        cdef LeastSizes least = _of_amx if self.k.kind == FBP_BF16_AMX else _of_vectors
        for i in range(n_stages):
            on = stages[i].kind == DENSE and _pays(&stages[i].layer, n_samples, least)
            changed = changed or on != stages[i].narrow.on
            stages[i].narrow.on = on
            stages[i].narrow.tile_rows = self.k.tile_rows
        if changed:
            arena = Arena()
            self.place(arena, stages, n_stages, first_backward)
            arena.allocate()
            self.place(arena, stages, n_stages, first_backward)
            self.arena = arena
        return changed

    cdef void place(self, Arena arena, Stage *stages, Py_ssize_t n_stages, Py_ssize_t first_backward) noexcept:
        cdef Py_ssize_t i, n_rows, n_bytes, rows = self.k.tile_rows
        for i in range(n_stages):
            if not stages[i].narrow.on:
                continue
            n_rows = (stages[i].layer.n_units + rows - 1) // rows * rows
            n_bytes = n_rows * whole_steps(stages[i].layer.ld) * 2
            stages[i].narrow.rows = arena.take(n_bytes)
            stages[i].narrow.pairs = arena.take(n_bytes) if i >= first_backward else NULL

    cdef int round_checked(self, Stage *stages, Py_ssize_t n_stages) except -1:
        """Makes all copies anew; raises NonFinite for the first stage with a weight that is rounded to infinity."""
        cdef Py_ssize_t i, n
        for i in range(n_stages):
            if stages[i].narrow.on:
                n = stages[i].layer.n_units * stages[i].layer.ld
                weights = np.asarray(<float[:n]><float *>stages[i].layer.weights)
                if max(weights.max(), -weights.min()) >= FIRST_INFINITE:
                    raise NonFinite("narrow weights", layer=stages[i].number)
        self.round_all(stages, n_stages)
        return 0

    cdef void round_all(self, Stage *stages, Py_ssize_t n_stages) noexcept:
        """Makes all copies anew."""
        cdef Py_ssize_t i
        for i in range(n_stages):
            if stages[i].narrow.on:
                self.k.round_weights(&stages[i].layer, 0, stages[i].layer.n_units, stages[i].narrow.rows,
                                     stages[i].narrow.pairs)
