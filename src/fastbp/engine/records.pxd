# What the library hands to a call of the engine.

from libc.stdint cimport int64_t, uint64_t

from fastbp.engine.array_reader cimport ArrayReader

cdef class SampleSet:
    cdef readonly ArrayReader rows         # [n_rows][n_inputs]
    cdef readonly object targets           # ArrayReader [n_rows][n_outputs], int32 labels [n_rows], or an array
    cdef readonly object sample_weights    # float64 [n_rows], or None: each sample counts once
    cdef readonly object subset            # int64 [n_samples]: the rows that there are, or None: all
    cdef readonly Py_ssize_t n_samples

cdef class EpochPlan:
    cdef readonly Py_ssize_t batch_size
    cdef readonly bint shuffle
    cdef readonly uint64_t seed
    cdef readonly uint64_t epoch
    cdef readonly dict step_numbers
    cdef readonly Py_ssize_t batches_per_step
    cdef readonly object progress          # (int, float, float64 [slot_size]) or None
    cdef readonly object on_tick           # a function or None
    cdef readonly bint every_step
    cdef readonly object outputs           # [n_samples][n_outputs] or None
