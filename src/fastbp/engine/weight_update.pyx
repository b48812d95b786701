"""The last part of a step: weight gradients, penalties, clipping, and the update of the parameters.

Each thread works on its own units: see units_of_share. A gradient is used for the update as soon as it is computed,
while it is in the cache ("fused"), unless all gradients must be known first: to clip a norm, to add up
micro-batches, or to be able to give up a long step. Then `update_parameters` follows after a barrier.
"""

from libc.math cimport INFINITY, sqrt
from libc.string cimport memset

from fastbp.engine.kernels cimport (
    FBP_STATES, FBP_TABLE_SHARES, FBP_WILL_WRITE, fbp_kernels, fbp_layer, fbp_table, fbp_update,
)
from fastbp.engine.layout cimport DENSE, TABULAR, Stage, item_size, tile_rows, units_of_share
from fastbp.engine.penalty cimport unit_penalties
from fastbp.engine.run cimport Run, first_unit, is_given_up, piece_units
from fastbp.engine.stages cimport Microbatch, stage_gradient, stage_updated
from fastbp.engine.tables cimport shares_of_thread
from fastbp.engine.team cimport limits_in_use
from fastbp.engine.update_rules cimport takes_norm

cdef enum:
    # What an array's numbers are multiplied by: the learning rate, the weight decay, epsilon.
    FACTORS = 3
    # Bytes of the weight gradients of a piece: together with their weights and two optimizer states they stay in L2.
    UPDATE_BYTES = 128 * 1024
    # Tiles of a piece, at least: all inputs are read once for each piece, which with fewer tiles costs more than the
    # cache gains.
    UPDATE_TILES = 6


cdef Py_ssize_t fused_units(const fbp_kernels *k, const Stage *stage, Py_ssize_t row_bytes) noexcept nogil:
    """Units of one piece, whose weights take row_bytes each: whole tiles."""
    cdef Py_ssize_t rows = tile_rows(k, stage), least = (UPDATE_TILES * k.tile_rows - 1) // rows + 1
    return rows * max(UPDATE_BYTES // (rows * row_bytes), least)


cdef void compute_penalties(Run *run, double step_l2, int t, int n_threads) noexcept nogil:
    """The penalties on the weights of thread t's units, to run.memory.penalties [n_units]."""
    cdef Py_ssize_t i, n0, n1
    for i in range(run.n_stages):
        units_of_share(run.k, run.stages, run.n_stages, i, t, n_threads, &n0, &n1)
        unit_penalties(run.k, &run.stages[i], step_l2, n0, n1, run.memory.penalties + first_unit(run, i))


# ---- Weight gradients ----


cdef void compute_gradients(Run *run, const Microbatch *mb, const fbp_update *numbers, int t,
                            int n_threads) noexcept nogil:
    """dW [n_units][ld] and db [n_units] of thread t's units; unless numbers is NULL, their update too."""
    cdef Stage *stage
    cdef Py_ssize_t i, n0, n1, piece
    for i in range(run.n_stages):
        stage = &run.stages[i]
        if stage.kind == TABULAR:
            _table_share(run, mb, numbers, stage, t, n_threads)
            continue
        units_of_share(run.k, run.stages, run.n_stages, i, t, n_threads, &n0, &n1)
        if n0 == n1:
            continue
        piece = piece_units(run, stage, 2.0 * mb.n_samples * stage.layer.n_inputs * (n1 - n0), n1 - n0)
        if numbers != NULL:
            _gradients_fused(run, mb, numbers, stage, n0, n1, min(piece, stage.fused_units), n_threads)
        elif not _gradients_apart(run, mb, i, n0, n1, piece, t):
            return


cdef void _gradients_fused(Run *run, const Microbatch *mb, const fbp_update *numbers, Stage *stage, Py_ssize_t n0,
                           Py_ssize_t n1, Py_ssize_t piece, int n_threads) noexcept nogil:
    """Gradients and update of units n0..n1; a product is cut into pieces of `piece` units, each updated at once.

    All pieces put their gradient into the same scratch, which stays in the cache. A gradient of the whole layer would
    have to be fetched from main memory before it is written, and written back.
    """
    cdef Stage own
    cdef Py_ssize_t end, row_bytes = stage.layer.ld * item_size(run.k.dtype)
    cdef void *arrays[FBP_WILL_WRITE]
    cdef const void **will_write = NULL
    memset(arrays, 0, sizeof(arrays))
    if limits_in_use().will_write:
        states_at(run, <char *>stage.layer.weights - run.memory.parameters, arrays + 1)
    if limits_in_use().will_write or n_threads > 1:  # a write to weights that other threads' caches hold takes long
        arrays[0] = stage.layer.weights
        will_write = <const void **>arrays
    if stage.kind != DENSE or piece >= n1 - n0:
        stage_gradient(mb, stage, n0, n1, will_write)
        update_units(run, numbers, stage, 1, n0, n1)
        return
    own = stage[0]
    clear_padding(run.k, &own.layer, <char *>mb.scratch, piece)
    while n0 < n1:
        end = min(n0 + piece, n1)
        own.dW = <char *>mb.scratch - n0 * row_bytes  # so that unit n0's row lies at the start of the scratch
        stage_gradient(mb, &own, n0, end, will_write)
        update_units(run, numbers, &own, 1, n0, end)
        n0 = end


cdef bint _gradients_apart(Run *run, const Microbatch *mb, Py_ssize_t i, Py_ssize_t n0, Py_ssize_t n1, Py_ssize_t piece,
                           int t) noexcept nogil:
    """Gradients of stage i's units n0..n1, `piece` units at a time, and their squares where a norm is to be clipped.

    The update comes later. Returns False where the step is to be given up.
    """
    cdef Stage *stage = &run.stages[i]
    cdef double *squares = run.memory.squares + first_unit(run, i)
    cdef bint squared = run.cut.updates and takes_norm(&run.updater)
    cdef Py_ssize_t end
    while n0 < n1:
        if is_given_up(run, &run.progress.stop_weights, t):
            return False
        end = min(n0 + piece, n1)
        stage_gradient(mb, stage, n0, end, NULL)
        if squared:
            run.k.unit_squares(&stage.layer, stage.dW, stage.db, n0, end, squares, squares + run.memory.n_units)
        n0 = end
    return True


cdef void clear_padding(const fbp_kernels *k, const fbp_layer *layer, char *rows, Py_ssize_t n_rows) noexcept nogil:
    """Zeros the end of each row of a weight gradient, which the kernel does not write but the update reads."""
    cdef Py_ssize_t i, size = item_size(k.dtype), written = (layer.n_inputs - 1) // k.lanes * k.lanes + k.lanes
    if layer.ld > written:
        for i in range(n_rows):
            memset(rows + (i * layer.ld + written) * size, 0, (layer.ld - written) * size)


cdef void square_gradients(Run *run, int t, int n_threads) noexcept nogil:
    """The squares of thread t's units and rows of tables."""
    cdef Py_ssize_t i, n0, n1
    cdef Stage *stage
    cdef double *squares
    for i in range(run.n_stages):
        stage = &run.stages[i]
        if stage.kind == TABULAR:
            shares_of_thread(t, n_threads, &n0, &n1)
            _square_rows(run, stage, n0, n1)
            continue
        units_of_share(run.k, run.stages, run.n_stages, i, t, n_threads, &n0, &n1)
        if n0 < n1:
            squares = run.memory.squares + first_unit(run, i)
            run.k.unit_squares(&stage.layer, stage.dW, stage.db, n0, n1, squares, squares + run.memory.n_units)


# ---- The update ----


cdef void update_parameters(Run *run, const fbp_update *numbers, int t, int n_threads) noexcept nogil:
    """Updates thread t's units, where all gradients were computed before."""
    cdef Py_ssize_t i, n0, n1
    cdef double factor = 1
    if run.updater.clip_norm > 0:
        factor = norm_factor(run.memory.squares, run.memory.n_squares, run.updater.clip_norm)
    for i in range(run.n_stages):
        if run.stages[i].kind == TABULAR:
            shares_of_thread(t, n_threads, &n0, &n1)
            _update_tables(run, numbers, &run.stages[i], factor, n0, n1)
            continue
        units_of_share(run.k, run.stages, run.n_stages, i, t, n_threads, &n0, &n1)
        if n0 < n1:
            if run.updater.clip_array_norm > 0:
                _clip_arrays(run, i, n0, n1)
            update_units(run, numbers, &run.stages[i], factor, n0, n1)


cdef void update_units(Run *run, const fbp_update *numbers, Stage *stage, double factor, Py_ssize_t n0,
                       Py_ssize_t n1) noexcept nogil:
    """Updates the parameters of units n0..n1 and their averages; the gradient is multiplied by the factor first.

    With decay_biases all parameters decay, else only the weights of products.
    """
    cdef fbp_layer *layer = &stage.layer
    cdef Py_ssize_t size = item_size(run.k.dtype), n = (n1 - n0) * layer.ld
    cdef Py_ssize_t W = <char *>layer.weights - run.memory.parameters + n0 * layer.ld * size
    cdef Py_ssize_t b = <char *>layer.bias - run.memory.parameters + n0 * size
    cdef void *states[FBP_STATES]
    cdef fbp_update room
    _clip_units(run, stage, factor, n0, n1)
    states_at(run, W, states)
    run.k.update(run.updater.optimizer, own_numbers(run, numbers, stage, 0, layer.ld > 1, &room),
                 run.memory.parameters + W, <char *>stage.dW + n0 * layer.ld * size, states, n)
    if stage.db != NULL:
        states_at(run, b, states)
        run.k.update(run.updater.optimizer, own_numbers(run, numbers, stage, 1, False, &room),
                     run.memory.parameters + b, <char *>stage.db + n0 * size, states, n1 - n0)
    stage_updated(run.k, stage, n0, n1)
    if stage.narrow.on:
        run.narrow.round_weights(layer, n0, n1, stage.narrow.rows, stage.narrow.pairs)
    if numbers.average_share > 0:
        run.k.average(run.memory.averages + W, run.memory.parameters + W, n, numbers.average_share)
        run.k.average(run.memory.averages + b, run.memory.parameters + b, n1 - n0, numbers.average_share)


cdef const fbp_update *own_numbers(const Run *run, const fbp_update *numbers, const Stage *stage, Py_ssize_t array,
                                   bint decays, fbp_update *room) noexcept nogil:
    cdef const double *factors
    if stage.factors == NULL and (decays or run.updater.decay_biases or numbers.weight_decay == 0):
        return numbers                 # a copy takes a hundredth of a small step
    room[0] = numbers[0]
    if stage.factors != NULL:
        factors = stage.factors + array * FACTORS
        room.learning_rate *= factors[0]
        room.weight_decay *= factors[1]
        room.epsilon *= factors[2]
    else:
        room.weight_decay = 0
    return room


cdef void states_at(const Run *run, Py_ssize_t offset, void **states) noexcept nogil:
    for i in range(FBP_STATES):
        states[i] = NULL if run.memory.states[i] == NULL else run.memory.states[i] + offset


cdef void _clip_units(Run *run, Stage *stage, double factor, Py_ssize_t n0, Py_ssize_t n1) noexcept nogil:
    """The gradients of units n0..n1, multiplied by the factor and cut off at -clip_value and clip_value."""
    cdef Py_ssize_t size = item_size(run.k.dtype), ld = stage.layer.ld
    cdef double bound = run.updater.clip_value if run.updater.clip_value > 0 else INFINITY
    if factor != 1 or bound < INFINITY:
        run.k.clip(<char *>stage.dW + n0 * ld * size, (n1 - n0) * ld, factor, bound)
        if stage.db != NULL:
            run.k.clip(<char *>stage.db + n0 * size, n1 - n0, factor, bound)


cdef void _clip_arrays(Run *run, Py_ssize_t i, Py_ssize_t n0, Py_ssize_t n1) noexcept nogil:
    """clip_array_norm: scales the gradients of stage i's units n0..n1 by the norms of its whole dW and its whole db."""
    cdef Stage *stage = &run.stages[i]
    cdef Py_ssize_t size = item_size(run.k.dtype), ld = stage.layer.ld, n = stage.layer.n_units
    cdef const double *squares = run.memory.squares + first_unit(run, i)
    cdef double most = run.updater.clip_array_norm
    run.k.clip(<char *>stage.dW + n0 * ld * size, (n1 - n0) * ld, norm_factor(squares, n, most), INFINITY)
    if stage.db != NULL:
        run.k.clip(<char *>stage.db + n0 * size, n1 - n0, norm_factor(squares + run.memory.n_units, n, most), INFINITY)


cdef double norm_factor(const double *squares, Py_ssize_t n, double most) noexcept nogil:
    cdef Py_ssize_t i
    cdef double sum = 0
    for i in range(n):
        sum += squares[i]
    # A NaN passes, and is found in the weights afterwards.
    cdef double factor = most / (sqrt(sum) + 1e-6)
    return 1 if factor > 1 else factor


# ---- Tables: only the rows that a sample of the step has ----


cdef void _table_share(Run *run, const Microbatch *mb, const fbp_update *numbers, Stage *stage, int t,
                       int n_threads) noexcept nogil:
    """The gradients of thread t's rows of the tables; unless numbers is NULL, their update too."""
    cdef Py_ssize_t s0, s1
    shares_of_thread(t, n_threads, &s0, &s1)
    stage_gradient(mb, stage, s0, s1, NULL)
    if run.cut.updates and takes_norm(&run.updater):
        _square_rows(run, stage, s0, s1)
    if numbers != NULL:
        _update_tables(run, numbers, stage, 1, s0, s1)


cdef void _square_rows(Run *run, const Stage *stage, Py_ssize_t s0, Py_ssize_t s1) noexcept nogil:
    """The sum of squares of the touched rows' gradients, for table shares s0..s1 of each table."""
    cdef Py_ssize_t i, s, j
    cdef const fbp_table *table
    cdef fbp_layer row
    cdef double square, no_bias
    cdef double *squares
    memset(&row, 0, sizeof(row))
    for i in range(stage.n_tables):
        table = &stage.tables[i]
        row.ld = table.ld
        squares = run.memory.squares + 2 * run.memory.n_units + i * FBP_TABLE_SHARES
        for s in range(s0, s1):
            squares[s] = 0
            for j in range(table.n_touched[s]):
                run.k.unit_squares(&row, <char *>table.gradient + _row_offset(run, table, s, j), NULL, 0, 1, &square,
                                   &no_bias)
                squares[s] += square


cdef Py_ssize_t _row_offset(const Run *run, const fbp_table *table, Py_ssize_t s, Py_ssize_t j) noexcept nogil:
    """Bytes from the table's start to the j-th touched row of table share s."""
    return table.touched[s * table.share_rows + j] * table.ld * item_size(run.k.dtype)


cdef void _update_tables(Run *run, const fbp_update *numbers, const Stage *stage, double factor, Py_ssize_t s0,
                         Py_ssize_t s1) noexcept nogil:
    """Updates the touched rows of table shares s0..s1 of each table, and their averages."""
    cdef Py_ssize_t i, s, j
    cdef const fbp_table *table
    cdef const fbp_update *own
    cdef fbp_update room
    for i in range(stage.n_tables):
        table = &stage.tables[i]
        own = own_numbers(run, numbers, stage, i, True, &room)
        if run.updater.clip_array_norm > 0:
            factor = norm_factor(run.memory.squares + 2 * run.memory.n_units + i * FBP_TABLE_SHARES, FBP_TABLE_SHARES,
                                 run.updater.clip_array_norm)
        for s in range(s0, s1):
            for j in range(table.n_touched[s]):
                _update_row(run, own, table, factor, _row_offset(run, table, s, j))
        if numbers.average_share > 0:
            _average_rows(run, table, numbers.average_share, s0, s1)


cdef void _update_row(Run *run, const fbp_update *numbers, const fbp_table *table, double factor,
                      Py_ssize_t offset) noexcept nogil:
    """Updates the row that lies `offset` bytes from the table's start; the gradient is multiplied by the factor."""
    cdef Py_ssize_t place = <char *>table.weights - run.memory.parameters + offset
    cdef double bound = run.updater.clip_value if run.updater.clip_value > 0 else INFINITY
    cdef void *states[FBP_STATES]
    if factor != 1 or bound < INFINITY:
        run.k.clip(run.memory.gradients + place, table.ld, factor, bound)
    states_at(run, place, states)
    run.k.update(run.updater.optimizer, numbers, run.memory.parameters + place, run.memory.gradients + place, states,
                 table.ld)


cdef void _average_rows(Run *run, const fbp_table *table, double share, Py_ssize_t s0, Py_ssize_t s1) noexcept nogil:
    """The averages of all rows of table shares s0..s1, touched or not."""
    cdef Py_ssize_t s, row, place, start = <char *>table.weights - run.memory.parameters
    for s in range(s0, s1):
        row = s
        while row < table.n_rows:
            place = start + row * table.ld * item_size(run.k.dtype)
            run.k.average(run.memory.averages + place, run.memory.parameters + place, table.ld, share)
            row += FBP_TABLE_SHARES
