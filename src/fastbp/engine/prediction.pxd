# Forward passes: what a network computes without training.

from libc.stdint cimport int32_t

from fastbp.engine.arena cimport Arena
from fastbp.engine.features cimport Features
from fastbp.engine.gate cimport Gate
from fastbp.engine.kernels cimport fbp_kernels, fbp_panels, fbp_source
from fastbp.engine.layout cimport Stage
from fastbp.engine.narrow cimport NarrowWeights
from fastbp.engine.records cimport SampleSet
from fastbp.engine.array_reader cimport ArrayReader
from fastbp.engine.sweep cimport Route, Sweep, Workspace

cdef class Prediction:
    cdef const fbp_kernels *k
    cdef str dtype
    cdef Py_ssize_t n_inputs, n_outputs
    cdef Arena parameters, statistics     # the network's, that the stages point into
    cdef const Stage *stages              # [n_stages] the network's
    cdef Py_ssize_t n_stages
    cdef double sample_work               # floating-point operations a sample
    cdef Stage *planned                   # [n_planned] what a prediction passes through
    cdef Route *routes                    # [n_planned]
    cdef Py_ssize_t n_planned
    cdef int n_buffers                    # that the routes use
    cdef list folded                      # numbers of (dense stage, scaling or None, batch_norm or None, planned stage)
    cdef Arena folded_parameters          # weights and biases of the folded stages
    cdef Features features                # that the first stage gets, or None: the columns of X themselves
    cdef Features target_features         # that outputs are compared with, or None: the targets themselves
    cdef Gate gate                        # to the parameters, and to all that depends on them
    cdef unsigned long refreshing         # the thread that is in `refresh`, or 0
    cdef bint stale                       # the parameters have changed since `refresh`
    cdef bint interrupted                 # the call under way, and each one after it, ends by Interrupted
    cdef bint rows_possible               # all planned stages can take rows without panels
    cdef void **packed_for_rows           # [n_planned] weights packed for a few rows, or NULL
    cdef Arena packed_weights             # where those lie, or None
    cdef bint is_packed                   # they are packed from the present parameters
    cdef bint packable                    # they are small enough, and only the engine writes to the parameters
    cdef bint shared                      # others write to the parameters
    cdef NarrowWeights narrow             # rounded copies of the planned stages' weights, or None: not wanted yet
    cdef bint is_rounded                  # they are those of the present parameters
    cdef bint all_packed                  # every product's weights are packed
    cdef int n_row_calls                  # calls for a few rows since the parameters changed, at most PACK_AFTER + 1
    cdef Workspace workspace              # of the last forward pass, unless it is in use

    cdef int read(self) except -1
    cdef int refresh(self) except -1
    cdef int recompute(self) except -1
    cdef int forward(self, ArrayReader rows, out, int n_threads, bint narrow) except -1
    cdef object score_groups(self, SampleSet samples, object loss, tuple metrics, int n_threads, outputs, bint narrow,
                             Py_ssize_t first, Py_ssize_t end)
    cdef int round_weights(self) except -1
    cdef void parameters_are_shared(self) noexcept

    cdef int plan_stages(self) except -1
    cdef int add_planned(self, const Stage *stage, int source, int output, int other) except -1
    cdef void place_folded(self, Arena arena) noexcept
    cdef bint is_before_product(self, Py_ssize_t i) noexcept
    cdef int fold_norm(self, Py_ssize_t dense, Py_ssize_t norm) except -1
    cdef int fold(self, Py_ssize_t dense, scaling, norm, Py_ssize_t planned) except -1
    cdef object vector_of(self, Py_ssize_t scaling)
    cdef tuple norm_of(self, Py_ssize_t norm)
    cdef int refresh_inverse(self, const Stage *norm) except -1
    cdef void place_packed(self, Arena arena) noexcept
    cdef int pack_for_rows(self) except -1
    cdef bint takes_few_rows(self, ArrayReader rows) except -1
    cdef int forward_few_rows(self, ArrayReader rows, char *out) except -1
    cdef int few_rows(self, void **packed, const fbp_source *X, Py_ssize_t n_rows, Workspace workspace,
                      char *out) noexcept nogil
    cdef int prepare_few_rows(self, const fbp_source *X, Py_ssize_t n_rows, fbp_panels panel, char *out,
                              Py_ssize_t out_stride) noexcept nogil
    cdef int embed_few_rows(self, const fbp_source *X, Py_ssize_t n_rows, int32_t *table_rows, char *out,
                            Py_ssize_t out_stride) noexcept nogil
    cdef int sweep(self, Sweep *sweep, ArrayReader rows, int n_threads, bint narrow, targets=*, subset=*) except -1
    cdef object bad_row(self, const Sweep *sweep, ArrayReader rows, targets, subset)

cdef Prediction make_prediction(const fbp_kernels *k, str dtype, const Stage *stages, Py_ssize_t n_stages,
                                Py_ssize_t n_inputs, Arena parameters, Arena statistics)
