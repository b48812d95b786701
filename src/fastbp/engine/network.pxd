# A network's parameters in the kernels' layout.

from fastbp.engine.arena cimport Arena
from fastbp.engine.features cimport Features
from fastbp.engine.kernels cimport fbp_dtype, fbp_kernels, fbp_table
from fastbp.engine.layout cimport Stage
from fastbp.engine.prediction cimport Prediction
from fastbp.engine.records cimport SampleSet

cdef class Network:
    cdef const fbp_kernels *k
    cdef fbp_dtype dtype_code
    cdef readonly str dtype
    cdef readonly Py_ssize_t n_inputs, n_outputs, n_parameters
    cdef readonly Py_ssize_t n_layers     # the number of stages
    cdef Stage *stages                    # [n_layers] without the buffers of a step
    cdef fbp_table *tables                # [n_tables] of the first stage, or NULL
    cdef bint penalised                   # a stage has a penalty on its weights
    cdef Arena parameters                 # of all stages: weights [n_units][ld] and bias [n_units], or tables
    cdef Py_ssize_t parameter_bytes
    cdef Arena statistics                 # of each batch_norm: mean, variance and inverse, [n_units] each
    cdef Prediction prediction

    cdef void place(self, Arena arena) noexcept
    cdef void place_statistics(self, Arena arena) noexcept
    cdef list statistic_views(self, Py_ssize_t i)
    cdef list views(self, Arena arena, Py_ssize_t i)
    cdef object table_view(self, Arena arena, Py_ssize_t j)
    cdef tuple layer_copy(self, Arena arena, Py_ssize_t i)
    cdef int put_layer(self, Py_ssize_t i, arrays) except -1
    cdef tuple read_layer(self, Py_ssize_t i)
    cdef object sum_penalties(self)
    cdef tuple figures_of(self, SampleSet samples, object loss, tuple metrics, slots)
    cdef void move(self, Network source, double tau) noexcept
