# What a stage is, from what the library says of it.

from fastbp.engine.kernels cimport fbp_dtype
from fastbp.engine.layout cimport Stage

cdef int set_stage(Stage *stage, Py_ssize_t number, Py_ssize_t n_inputs, object spec, fbp_dtype dtype) except -1
cdef tuple array_names(const Stage *stage)
