"""Features: what a network is fed with in place of the columns of X, made on the way into the panels.

A feature is one column of X after a row of steps, as csrc/fastbp.h lists them. Nobody copies X for them.
"""

from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Calloc, PyMem_Free

import numpy as np

from fastbp._arena cimport Arena
from fastbp._dense cimport item_size, take_panels
from fastbp._kernels cimport (
    FBP_FLOAT32, FBP_FLOAT64, FBP_STEP_AFFINE, FBP_STEP_CLIP, FBP_STEP_CODE, FBP_STEP_EQUALS, FBP_STEP_FILL,
    FBP_STEP_MISSING, fbp_step_kind, kernels_in_use,
)

_KIND_OF_NAME = {
    "fill": FBP_STEP_FILL,
    "affine": FBP_STEP_AFFINE,
    "clip": FBP_STEP_CLIP,
    "missing": FBP_STEP_MISSING,
    "equals": FBP_STEP_EQUALS,
    "code": FBP_STEP_CODE,
}

cdef enum:
    # Panels between two looks at signals.
    LOOK_PANELS = 1024


cdef class Features:
    """Features of the columns of an array.

    Parameters
    ----------
    features : list of (int, list of (str, ...))
        The column of each, and its steps: ("fill", a), ("affine", a, b, c), ("clip", a), ("missing",), ("equals", a),
        ("code", *values), the values rising.
    """

    def __cinit__(self, list features):
        cdef Py_ssize_t i = 0, n_steps = sum([len(steps) for _, steps in features])
        cdef Py_ssize_t j
        self.values = []
        self.features = <fbp_feature *>PyMem_Calloc(max(len(features), 1), sizeof(fbp_feature))
        self.steps = <fbp_step *>PyMem_Calloc(max(n_steps, 1), sizeof(fbp_step))
        if self.features == NULL or self.steps == NULL:
            raise MemoryError
        self.table = fbp_features(self.features, len(features))
        for j, (column, steps) in enumerate(features):
            self.features[j] = fbp_feature(column, &self.steps[i], len(steps))
            for kind, *numbers in steps:
                self.set_step(&self.steps[i], kind, numbers)
                i += 1

    def __dealloc__(self):
        PyMem_Free(self.features)
        PyMem_Free(self.steps)

    cdef int set_step(self, fbp_step *step, str kind, object number) except -1:
        cdef const double[::1] values
        step.kind = <fbp_step_kind><int>_KIND_OF_NAME[kind]
        if step.kind == FBP_STEP_CODE:
            array = np.array(number, dtype=np.float64)
            values = array
            step.n_values = array.size
            step.values = &values[0] if array.size else NULL
            self.values.append(array)
        else:
            step.a, step.b, step.c = (*number, 0.0, 0.0, 0.0)[:3]
        return 0

    def __len__(self):
        return self.table.n_features

    def apply(self, Rows rows, out):
        """The features of all rows, into out: C-contiguous, (n_rows, features), float32 or float64."""
        cdef const fbp_kernels *k = kernels_in_use(FBP_FLOAT32 if out.dtype == np.float32 else FBP_FLOAT64)
        cdef Py_ssize_t first = 0, count, n = self.table.n_features, size = item_size(k.dtype)
        cdef Arena arena = Arena()
        cdef fbp_panels panels = take_panels(arena, n, 1, k)
        cdef char[::1] memory = out.reshape(-1).view(np.int8)
        cdef char *to = &memory[0] if n and rows.n_rows else NULL
        arena.allocate()
        panels = take_panels(arena, n, 1, k)
        while first < rows.n_rows and n:
            with nogil:
                for _ in range(LOOK_PANELS):
                    count = min(rows.n_rows - first, <Py_ssize_t>k.lanes)
                    if count <= 0:
                        break
                    k.prepare_panel(&rows.source, &self.table, NULL, first, count, NULL, 0, 0, panels)
                    k.scatter_panel(panels, 0, n, count, to + first * n * size, n)
                    first += count
            PyErr_CheckSignals()
        return out
