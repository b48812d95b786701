# Penalties on weights: the one place that says how large they are and what they add to a gradient.
#
# The objective of a step is the mean loss of its samples plus l1 * sum(|W|) + l2 * sum(W^2) for the W of each dense
# stage that is trained. A stage has an l1 and an l2 of its own. A loss may have an l2 on all of them too
# (Scoring.l2, scikit-learn's alpha): a step divides it by its samples' weight, and adds it to each stage's own; that
# is the `step_l2` below. Biases and frozen stages have no penalty. Each member's own product has a penalty in the
# member's loss, of which the objective is the mean: there all are divided by the number of members. A stage's max_norm
# is no penalty: it limits W after the update.

from fastbp.engine.kernels cimport fbp_kernels
from fastbp.engine.layout cimport DENSE, HEADS, Stage

cdef inline bint is_penalised(const Stage *stage, double step_l2) noexcept nogil:
    """Whether the objective has a penalty on the stage's weights."""
    return stage.kind in (DENSE, HEADS) and stage.trained and (stage.l1 > 0 or stage.l2 + step_l2 > 0)

cdef inline void unit_penalties(const fbp_kernels *k, const Stage *stage, double step_l2, Py_ssize_t n0, Py_ssize_t n1,
                                double *penalties) noexcept nogil:
    """The penalty on each unit's weights, units n0..n1, to penalties [n_units]; left as they are without one."""
    if is_penalised(stage, step_l2):
        k.unit_penalties(&stage.layer, stage.l1 / stage.own, (stage.l2 + step_l2) / stage.own, n0, n1, penalties)

cdef inline void add_penalty_slopes(const fbp_kernels *k, const Stage *stage, double step_l2, Py_ssize_t n0,
                                    Py_ssize_t n1) noexcept nogil:
    """The derivative of the penalty by the weights of units n0..n1 is added to dW [n_units][ld]."""
    if is_penalised(stage, step_l2):
        k.add_penalty_slopes(&stage.layer, stage.l1 / stage.own, (stage.l2 + step_l2) / stage.own, n0, n1, stage.dW)

cdef inline double sum_of_penalties(const double *penalties, Py_ssize_t n) noexcept nogil:
    """The sum of n units' penalties, in their order."""
    cdef Py_ssize_t i
    cdef double sum = 0
    for i in range(n):
        sum += penalties[i]
    return sum
