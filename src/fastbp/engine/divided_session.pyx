"""Training that several processes share: each has some shards of every batch, and updates a part of the parameters.

A process knows all parameters, and the optimizer's states of its part. How the processes talk is the business of a
partner, which the library brings; divided_update.pyx has the step's part of it.
"""

import numpy as np

from fastbp.engine.arena cimport Arena
from fastbp.engine.divided_update cimport divided_update
from fastbp.engine.gate cimport begin_reading, begin_writing, end_reading, end_writing
from fastbp.engine.kernels cimport fbp_update, flush_denormals, restore_denormals
from fastbp.engine.layout cimport item_size
from fastbp.engine.run cimport Run
from fastbp.engine.shards cimport (
    SQUARES, SUMS, AheadUnits, Exchanged, ParameterRows, ahead_function, exchange_function,
)
from fastbp.engine.step cimport ThreadStep

cdef enum:
    PART_NUMBERS = 16                  # a part of an array whose rows are single numbers begins at multiples of this


cdef int _exchange(void *context, Exchanged what, bint sound) noexcept with gil:
    """Thread 0 in the midst of a step. 1 where the step is given up."""
    cdef DividedSession session = <DividedSession>context
    restore_denormals(session.memory.run.python.float_mode)
    try:
        session.python.go_out()        # this may take long, and others may predict
        if session.python.pending is None or not sound:    # else an exchange ahead has failed
            session.failure = None if sound else session.failure_of_step()
            session.call_partner(what)
    except BaseException as error:
        session.python.pending = error
    finally:
        session.python.go_in_again()
        flush_denormals()
    return session.leaving or session.python.pending is not None


cdef int _go_ahead(void *context, Py_ssize_t n_done) noexcept with gil:
    """Thread 0 while gradients are computed, which nobody changes but for parts that others are to get."""
    cdef DividedSession session = <DividedSession>context
    restore_denormals(session.memory.run.python.float_mode)
    try:
        session.failure = None
        return session.partner.advance(session, n_done)
    except BaseException as error:
        session.python.pending = error
        return 0
    finally:
        flush_denormals()


cdef class DividedSession(ShardedSession):
    """A session that computes some shards, and updates a part of the parameters, once `share_with` has been called."""

    def share_with(self, partner, int process, int n_processes):
        """From now on partner.sum_samples(session) has to put the sum of all shards into `root`, by the same tree.

        Of the gradient that is the part bounds[process]..bounds[process + 1] alone. Then partner.share_squares(session)
        is called where a norm is clipped, to complete `row_squares`, and partner.share_parameters(session) after the
        update, to put the `fresh` ones of all processes into `arriving`. What one of them raises gives up the step.

        In long steps partner.advance(session, n_done) may be called before all that: of the units that partner.ahead(
        session, threads) has returned, a list of (stage, first unit, end), so many have their gradients.
        """
        cdef Py_ssize_t size = item_size(self.memory.run.k.dtype)
        self.describe_arrays()
        self.find_bounds(n_processes)
        self.sharded.own_start = self.bounds[process] * size
        self.sharded.own_end = self.bounds[process + 1] * size
        self.memory.keep_states_of(self.sharded.own_start, self.sharded.own_end)
        self.fresh_memory = Arena()
        self.fresh_memory.take(self.sharded.own_end - self.sharded.own_start)
        self.fresh_memory.allocate()
        self.sharded.fresh = self.fresh_memory.start
        self.squares_of_rows = np.zeros(self.row_bounds[n_processes] + 1)
        self.sharded.row_squares = &self.squares_of_rows[0]
        self.partner = partner
        self.sharded.exchange = <exchange_function>_exchange
        self.sharded.context = <void *>self
        self.sharded.go_ahead = <ahead_function>_go_ahead
        self.ahead_team = 0

    # ---- What a partner works with ----

    @property
    def row_squares(self):
        """The squares of the gradient's rows, float64, those of this process between its row_bounds."""
        return np.asarray(self.squares_of_rows)[:self.row_bounds[len(self.row_bounds) - 1]]

    @property
    def array_bounds(self):
        """The arrays of parameters that learn: (stage, first number, end, numbers of a row, whether it is a bias).

        The rows of one that is no bias, and no table, are the stage's units.
        """
        cdef Py_ssize_t i, first, size = item_size(self.memory.run.k.dtype)
        cdef const ParameterRows *array
        result = []
        for i in range(self.sharded.n_arrays):
            array = &self.sharded.arrays[i]
            first = array.offset // size
            if self.memory.run.stages[array.stage].trained:
                result.append((array.stage, first, first + array.n_rows * array.ld, array.ld, array.is_bias))
        return result

    @property
    def arriving(self):
        """Room for the new parameters of all, flat, where the gradients were before the update."""
        return self.vector(self.memory.run.memory.gradients, self.network.parameter_bytes)

    @property
    def fresh(self):
        """The new parameters of this process's part: flat, memory of the step."""
        return self.vector(self.sharded.fresh, self.sharded.own_end - self.sharded.own_start)

    def leave(self):
        """In an exchange: the step under way is given up, and the call ends early."""
        self.leaving = True

    # ---- The optimizer's states ----

    def own_states(self):
        """The optimizer's states of this process's part: (name, copy) of each, flat."""
        cdef Arena arena
        result = []
        begin_reading(self.network.prediction.gate)
        try:
            for name, of_name in zip(self.memory.state_names, self.memory.states, strict=True):
                if of_name is not None:
                    arena = of_name
                    n_bytes = self.sharded.own_end - self.sharded.own_start
                    result.append((name, self.vector(arena.start, n_bytes).copy()))
            return result
        finally:
            end_reading(self.network.prediction.gate)

    def set_own_states(self, states):
        """Puts back what own_states returned; states that were not there then start from zero."""
        cdef Arena arena
        arrays = dict(states)
        begin_writing(self.network.prediction.gate, NULL)
        try:
            self.memory.want_states(list(arrays))
            for name, of_name in zip(self.memory.state_names, self.memory.states, strict=True):
                if of_name is not None:
                    arena = of_name
                    n_bytes = self.sharded.own_end - self.sharded.own_start
                    self.vector(arena.start, n_bytes)[:] = arrays.get(name, 0)
        finally:
            end_writing(self.network.prediction.gate)

    def join_states(self, states):
        """What get_state returns, of the states of all parts one after the other: (name, flat array) of each."""
        cdef Arena arena
        result = []
        for name, numbers in states:
            arena = self.memory.like_parameters()
            self.vector(arena.start, self.network.parameter_bytes)[:] = numbers
            result += [(key, view.copy(order="C")) for key, view in self.memory.state_views(name, arena)]
        return result

    # ---- The set-up of a call ----

    cdef int choose_team(self, bint in_epoch) except -1:
        """Gradients are sent while others are computed where that takes long, and this process has one node alone."""
        cdef Run *run = &self.memory.run
        cdef int team = ShardedSession.choose_team(self, in_epoch)
        self.sharded.n_ahead = 0
        if (self.sharded.exchange != NULL and run.cut.long_step and self.sharded.n_nodes == 1
                and self.sharded.statistics_bytes == 0 and run.stages[0].n_tables == 0):
            self.place_ahead()
        return team

    cdef int place_ahead(self) except -1:
        """The units of all stages in the order in which others want them, which depends on the size of the team."""
        cdef Py_ssize_t i
        if self.ahead_team != self.largest_team:
            units = self.partner.ahead(self, self.largest_team)
            self.ahead_memory = Arena()
            self.ahead_memory.take(max(len(units), 1) * sizeof(AheadUnits))
            self.ahead_memory.allocate()
            self.sharded.ahead = <AheadUnits *>self.ahead_memory.start
            for i in range(len(units)):
                self.sharded.ahead[i] = AheadUnits(units[i][0], units[i][1], units[i][2])
            self.done_of_threads = np.zeros(self.largest_team, np.int32)
            self.sharded.n_done = &self.done_of_threads[0]
            self.n_ahead = len(units)
            self.ahead_team = self.largest_team
        self.sharded.n_ahead = self.n_ahead
        return 0

    # ---- The parts ----

    cdef int describe_arrays(self) except -1:
        """All arrays of parameters, as they lie in memory."""
        cdef Run *run = &self.memory.run
        cdef Py_ssize_t i
        cdef int j
        self.descriptions = Arena()
        self.descriptions.take((run.stages[0].n_tables + 2 * run.n_stages) * sizeof(ParameterRows))
        self.descriptions.allocate()
        self.sharded.arrays = <ParameterRows *>self.descriptions.start
        self.sharded.n_arrays = 0
        for i in range(run.n_stages):
            for j in range(run.stages[i].n_tables):
                self.describe_array(i, j, False, run.stages[i].tables[j].weights, run.stages[i].tables[j].ld,
                                    run.stages[i].tables[j].n_rows)
            if run.stages[i].layer.ld > 0:
                self.describe_array(i, -1, False, run.stages[i].layer.weights, run.stages[i].layer.ld,
                                    run.stages[i].layer.n_units)
                self.describe_array(i, -1, True, run.stages[i].layer.bias, 1, run.stages[i].layer.n_units)
        return 0

    cdef int describe_array(self, Py_ssize_t stage, int table, bint is_bias, const void *start, Py_ssize_t ld,
                            Py_ssize_t n_rows) noexcept:
        cdef ParameterRows *array = &self.sharded.arrays[self.sharded.n_arrays]
        cdef ParameterRows *before = array - 1
        cdef Py_ssize_t first = before.first_row + before.n_rows if self.sharded.n_arrays > 0 else 0
        array[0] = ParameterRows(stage, table, is_bias, <char *>start - self.memory.run.memory.parameters, ld, n_rows,
                                 first)
        self.sharded.n_arrays += 1
        return 0

    cdef int find_bounds(self, int n_processes) except -1:
        """The parameters in near-equal parts, cut between rows."""
        cdef Py_ssize_t i, row, offset, n_rows = 0, size = item_size(self.memory.run.k.dtype)
        cdef Py_ssize_t n_numbers = self.network.parameter_bytes // size
        cdef const ParameterRows *array
        self.bounds = [0]
        self.row_bounds = [0]
        for p in range(1, n_processes):
            bound = n_numbers * p // n_processes
            for i in range(self.sharded.n_arrays):
                array = &self.sharded.arrays[i]
                offset = array.offset // size
                row = min(max(bound - offset, 0) // array.ld, array.n_rows)
                if array.ld == 1 and row < array.n_rows:
                    row = row // PART_NUMBERS * PART_NUMBERS
                n_rows = array.first_row + row
                if row < array.n_rows:
                    bound = offset + row * array.ld    # of the next array, where it lies between two
                    break
            self.bounds.append(bound)
            self.row_bounds.append(n_rows)
        array = &self.sharded.arrays[self.sharded.n_arrays - 1]
        self.bounds.append(n_numbers)
        self.row_bounds.append(array.first_row + array.n_rows)
        return 0

    cdef object vector(self, const char *start, Py_ssize_t n_bytes):
        """Memory as a flat array of the network's dtype."""
        cdef char[::1] memory
        if n_bytes == 0:
            return np.empty(0, self.network.dtype)
        memory = <char[:n_bytes]>(<char *>start)
        return np.asarray(memory).view(self.network.dtype)

    # ---- In a step ----

    cdef int call_partner(self, int what) except -1:
        if what == SUMS:
            self.partner.sum_samples(self)
        elif what == SQUARES:
            self.partner.share_squares(self)
        else:
            self.partner.share_parameters(self)
        return 0

    cdef object failure_of_step(self):
        """The exception for which the step under way is given up."""
        if self.python.pending is not None:
            return self.python.pending
        return self.explain(self.python.samples)

    cdef int update_by_gradients(self, const fbp_update *numbers) except -1:
        """One update by the gradients in memory, which all processes have whole; the caller has gone in."""
        cdef ThreadStep step
        cdef unsigned long former
        step.t = 0
        step.n_threads = 1
        step.numbers = numbers[0]
        step.updates = True
        step.microbatch.training = False
        self.leaving = False
        self.python.pending = None
        self.memory.run.progress.stop_weights = False
        with nogil:
            former = flush_denormals()
            self.memory.run.python.float_mode = former
            divided_update(&self.sharded, &step, False)
            restore_denormals(former)
        self.python.raise_pending()
        return 0
