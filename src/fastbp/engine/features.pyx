"""Features: what a network gets in place of the columns of X, computed while X is gathered into panels.

A feature is one column of X after a sequence of steps, which csrc/fastbp.h lists. X is never copied for them.
"""

from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Calloc, PyMem_Free

import numpy as np

from fastbp.engine.arena cimport Arena
from fastbp.engine.layout cimport item_size, padded, take_panels
from fastbp.engine.kernels cimport (
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
    # Panels from one check of signals to the next.
    LOOK_PANELS = 1024


def _runs_of(list features):
    """The features split into runs. Those of a run have the same kinds of steps, and all have the same column, or each
    has the column after that of the one before."""
    runs, run = [], []
    for feature in features:
        if not run or not _follows(feature, run):
            run = []
            runs.append(run)
        run.append(feature)
    return runs


def _follows(feature, list run):
    first, steps = run[0]
    ahead = feature[0] - first
    column_step = ahead if len(run) == 1 else run[1][0] - first
    kinds = [step[0] for step in steps]
    return ahead == len(run) * column_step and column_step in (0, 1) and kinds == [step[0] for step in feature[1]]


cdef class Features:
    """Features of the columns of an array.

    Parameters
    ----------
    features : list of (int, list of (str, ...))
        The column of each feature, and its steps: ("fill", a), ("affine", a, b, c), ("clip", a), ("missing",),
        ("equals", a), ("code", *values), the values in rising order.
    """

    def __cinit__(self, list features):
        cdef list runs = _runs_of(features)
        cdef Py_ssize_t i = 0, r, n_steps = sum([len(run[0][1]) for run in runs])
        self.arrays = []
        self.runs = <fbp_run *>PyMem_Calloc(max(len(runs), 1), sizeof(fbp_run))
        self.steps = <fbp_step *>PyMem_Calloc(max(n_steps, 1), sizeof(fbp_step))
        if self.runs == NULL or self.steps == NULL:
            raise MemoryError
        self.table = fbp_features(self.runs, len(runs), len(features))
        for r, run in enumerate(runs):
            column, steps = run[0]
            column_step = run[1][0] - column if len(run) > 1 else 1
            self.runs[r] = fbp_run(len(run), column, column_step, &self.steps[i], len(steps))
            for numbers in zip(*[steps for _, steps in run], strict=True):
                self.set_step(&self.steps[i], list(numbers))
                i += 1

    def __dealloc__(self):
        PyMem_Free(self.runs)
        PyMem_Free(self.steps)

    cdef int set_step(self, fbp_step *step, list numbers) except -1:
        """One step of a run; `numbers` has the step of each feature."""
        cdef Py_ssize_t i, j, n_padded = padded(len(numbers), FBP_FLOAT32)
        cdef double[:, ::1] abc = np.zeros((3, n_padded))
        self.arrays.append(abc)
        step.kind = <fbp_step_kind><int>_KIND_OF_NAME[numbers[0][0]]
        step.a, step.b, step.c = &abc[0, 0], &abc[1, 0], &abc[2, 0]
        if step.kind == FBP_STEP_CODE:
            self.set_values(step, [values for _, *values in numbers], n_padded)
            return 0
        for j, (_, *of_feature) in enumerate(numbers):
            for i, number in enumerate(of_feature):
                abc[i, j] = number
        return 0

    cdef int set_values(self, fbp_step *step, list values, Py_ssize_t n_padded) except -1:
        cdef Py_ssize_t j
        cdef Py_ssize_t[:, ::1] places = np.zeros((2, n_padded), np.intp)  # each array's address and length
        cdef double[::1] array
        self.arrays.append(places)
        for j, numbers in enumerate(values):
            if numbers:
                array = np.array(numbers, np.float64)
                self.arrays.append(array)
                places[0, j], places[1, j] = <Py_ssize_t>&array[0], len(numbers)
        step.values, step.n_values = <const double *const *>&places[0, 0], &places[1, 0]
        return 0

    def __len__(self):
        return self.table.n_features

    def apply(self, ArrayReader rows, out):
        """Writes the features of all rows to out: C-contiguous, (n_rows, n_features), float32 or float64."""
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
