"""How many threads work together: by the work there is, and by what proves faster."""

import time

import numpy as np
import pytest

from engine_helpers import ADAM, make_data, make_pair
from fastbp.engine.array_reader import ArrayReader
from fastbp.engine.network import Network
from fastbp.engine.pace import Search, forget_lessons
from fastbp.engine.records import EpochPlan, SampleSet
from fastbp.engine.session import Session

SMALL = [(64, "relu", 0.0), (64, "relu", 0.0), (4, "softmax", 0.0)]
LARGE = [(300, "relu", 0.0), (300, "relu", 0.0), (4, "softmax", 0.0)]


@pytest.mark.parametrize(("specs", "n_samples", "wanted"), [(SMALL, 32, 1), (LARGE, 200, 3), (LARGE, 4, 1)])
def test_a_step_gets_the_threads_that_its_work_is_enough_for(limits, specs, n_samples, wanted):
    """A million operations a thread at least: 16-64-64-4 at batch 32 is one thread's, whatever is allowed; and no more
    threads than panels."""
    limits(paced=0.0)
    network, _ = make_pair(16, specs, "float32")
    X, y = make_data(n_samples, 16, 4, "cross_entropy", "float32")
    session = Session(network, "cross_entropy", (), "adam", 3)
    session.epoch(SampleSet(ArrayReader(X), y), EpochPlan(n_samples, True, 0, 0, ADAM))
    assert session.last_team == wanted


@pytest.mark.parametrize("n_samples", [8, 16, 32, 50, 64, 200])
def test_as_many_threads_as_there_are_shares(limits, n_samples):
    limits(paced=0.0)
    network, _ = make_pair(16, LARGE, "float32")
    X, y = make_data(n_samples, 16, 4, "cross_entropy", "float32")
    session = Session(network, "cross_entropy", (), "adam", 8)
    session.epoch(SampleSet(ArrayReader(X), y), EpochPlan(n_samples, True, 0, 0, ADAM))
    assert session.last_team == len(session.shares(n_samples))


@pytest.mark.parametrize("n_threads", [8, 16, 64])
def test_a_large_step_is_shared_out_evenly(isa, n_threads):
    """2048-2048-2048-2048-10, batch 512: no thread has 10 % more to do than the mean; no more than there are panels."""
    network = Network(2048, [(2048, "relu", 0.0)] * 3 + [(10, "softmax", 0.0)], "float32")
    shares = Session(network, "cross_entropy", (), "sgd", n_threads).shares(512)
    n_panels, n_weights = map(sum, zip(*shares, strict=True))
    assert n_weights == network.n_parameters - 3 * 2048 - 10
    assert len(shares) == min(n_threads, n_panels)
    for part in zip(*shares, strict=True):
        assert max(part) <= 1.1 * sum(part) / len(part)


def test_looking_at_the_shares_changes_nothing():
    X, y = make_data(32, 16, 4, "cross_entropy", "float32")
    losses = []
    for look in (False, True):
        network, _ = make_pair(16, SMALL, "float32")
        session = Session(network, "cross_entropy", (), "adam", 1)
        if look:
            session.shares(32)
        losses.append(session.epoch(SampleSet(ArrayReader(X), y), EpochPlan(16, False, 0, 0, ADAM))[0])
    assert losses[0] == losses[1]


# ---- The search for the fastest size -------------------------------------------------------------------------------


def sizes_taken(most, rates, n, longest=1.0, waking=0.0, start=0):
    """The next n intervals as (size, seconds), if each size had the rate (work a second) that `rates` gives.

    A call ends after `longest` seconds at most. The first interval of a changed team takes `waking` seconds longer.
    """
    search = Search(most, start, work=1.0)
    taken = []
    for _ in range(n):
        size, seconds = search.next()
        seconds = min(seconds, longest)
        search.done(rates[size] * seconds, seconds + (waking if taken and size != taken[-1][0] else 0))
        taken.append((size, seconds))
    return taken


def share(taken, wanted):
    """The part of the time for which a size works."""
    return sum(seconds for size, seconds in taken if size == wanted) / sum(seconds for _, seconds in taken)


def test_a_team_that_gains_is_kept():
    sizes = sizes_taken(4, {1: 1e5, 2: 1.9e5, 4: 3.5e5}, 1000)
    assert sizes[2][0] == 4  # the first trial of all, after a moment on one thread
    assert share(sizes, 4) > 0.9


@pytest.mark.parametrize("best", [1, 2, 4, 8, 11])
@pytest.mark.parametrize("others", [0.02, 0.5, 0.9])
def test_the_best_size_is_found_whatever_the_others_are_like(best, others):
    """No size hides another one: four threads may be no better than two where one is best, as with busy neighbours."""
    rates = {size: 1e5 * (1 if size == best else others) for size in (1, 2, 4, 8, 11)}
    for start in (1, 3, 11):
        assert share(sizes_taken(11, rates, 3000, start=start), best) > 0.9


def test_one_thread_is_found_where_four_are_no_better_than_two():
    assert share(sizes_taken(4, {1: 60.0, 2: 1.0, 4: 1.0}, 3000), 1) > 0.9


def test_a_team_that_loses_is_given_up_for_the_best_there_is():
    """As where other processes want the cores."""
    sizes = sizes_taken(8, {1: 1e5, 2: 1.8e5, 4: 1.2e5, 8: 0.5e5}, 1000)
    assert share(sizes, 2) > 0.9
    assert share(sizes_taken(2, {1: 1e5, 2: 0.3e5}, 1000), 1) > 0.9


def test_a_larger_team_than_reckoned_is_tried():
    """The cores may be close to each other; where they are not, or busy, the team stays what it was."""
    sizes = sizes_taken(2, {1: 1e5, 2: 1.2e5}, 1000, start=1)
    assert sizes[0][0] == 1
    assert share(sizes, 2) > 0.9
    assert share(sizes_taken(2, {1: 1e5, 2: 0.3e5}, 1000, start=1), 1) > 0.9


def test_no_team_is_larger_than_the_work_or_smaller_than_one():
    for most in (1, 2, 3, 5, 7):
        rates = {size: 1e5 * (1 + size % 3) for size in range(1, most + 1)}
        assert {size for size, _ in sizes_taken(most, rates, 300)} <= set(rates)


def test_waking_up_is_not_taken_for_being_slow():
    """Epochs of a millisecond, and a thread that takes as long to wake up: two are faster all the same."""
    sizes = sizes_taken(2, {1: 1e5, 2: 1.5e5}, 5000, longest=1e-3, waking=1e-3)
    assert share(sizes, 2) > 0.9
    sizes = sizes_taken(2, {1: 1e5, 2: 0.5e5}, 5000, longest=1e-3, waking=1e-3)
    assert share(sizes, 1) > 0.9


def test_a_failure_is_not_believed_for_long_at_first():
    """A trial that another process spoils is soon repeated."""
    sizes = [size for size, _ in sizes_taken(2, {1: 1e5, 2: 0.9e5}, 5000, longest=1e-3)]
    trials = [i for i in range(1, len(sizes)) if sizes[i] == 2 and sizes[i - 1] == 1]
    assert trials[1] - trials[0] < 100
    assert trials[-1] - trials[-2] > 900


class Machine:
    """A simulated machine of two CPUs, whose second one a neighbour wants at times.

    A step of two threads then takes a part of a time slice longer, as one of them waits for its CPU.

    Parameters
    ----------
    step : float
        Seconds of a step on one thread.
    speedup : float
        How many times as fast two threads are alone.
    period, duty : float
        Seconds after which the neighbour does the same again, and the part of them for which it works.
    """

    def __init__(self, step, speedup, period, duty):
        self.step, self.speedup, self.period, self.duty = step, speedup, period, duty
        self.now = 0.0
        self.random = np.random.default_rng(1)

    def busy(self):
        return self.now % self.period < self.duty * self.period

    def run(self, size):
        seconds = self.step / (1 if size == 1 else self.speedup)
        if size > 1 and self.busy():
            seconds += 0.008 * self.random.random()
        self.now += seconds

    def train(self, n_steps, steps_a_call, choose, work=1.0):
        """Returns the seconds that the steps, of this work, take in calls; choose has next and done of a search."""
        start = self.now
        while n_steps > 0:
            left = min(steps_a_call, n_steps)
            n_steps -= left
            while left > 0:
                size, seconds = choose.next()
                began, done = self.now, 0
                while left > 0 and self.now <= began + seconds:
                    self.run(size)
                    left -= 1
                    done += 1
                choose.done(done * work, self.now - began)
        return self.now - start


class Always:
    def __init__(self, size):
        self.size = size

    def next(self):
        return self.size, 0.05

    def done(self, work, seconds):
        pass


@pytest.mark.parametrize("steps_a_call", [20, 80, 10**9])
@pytest.mark.parametrize("speedup", [0.7, 1.0, 1.8])
@pytest.mark.parametrize(
    ("period", "duty"), [(1.0, 0.0), (1.0, 1.0), (0.004, 0.5), (0.02, 0.5), (0.1, 0.5), (0.5, 0.5), (2.0, 0.5)]
)
def test_more_threads_are_not_slower_with_neighbours(period, duty, speedup, steps_a_call):
    """Steps of 0.1 ms beside a neighbour that is idle, busy, or half busy: at most 5 % over the better of 1 and 2."""
    n_steps = 40_000
    alone = [Machine(1e-4, speedup, period, duty).train(n_steps, steps_a_call, Always(size)) for size in (1, 2)]
    taken = Machine(1e-4, speedup, period, duty).train(n_steps, steps_a_call, Search(2))
    assert taken < 1.05 * min(alone)


class Slices(Machine):
    """The same, where the two take turns by the system's time slices while the neighbour works, it first.

    So two threads may gain on the whole, although they lose for some milliseconds again and again.
    """

    def run(self, size):
        left = self.step / (1 if size == 1 else self.speedup)
        while left > 1e-12:
            place = self.now % self.period
            end, waits = self.turn(place) if size > 1 else (place + left, False)
            seconds = end - place if waits else min(left, end - place)
            left -= 0 if waits else seconds
            self.now += seconds + 1e-9

    def turn(self, place, slice_seconds=0.003):
        """When the turn at this place of the period ends, and whether it is the neighbour's."""
        busy_until = self.duty * self.period
        if place >= busy_until:
            return self.period, False
        i = place // slice_seconds
        return min((i + 1) * slice_seconds, busy_until), i % 2 == 0


@pytest.mark.parametrize("period", [0.02, 0.1])
@pytest.mark.parametrize("duty", [0.25, 0.5, 0.75])
@pytest.mark.parametrize("speedup", [1.2, 1.8])
def test_what_a_half_busy_neighbour_takes_is_weighed_against_the_gain(period, duty, speedup):
    """Steps of 1.6 ms, 3 s of them: at most 8 % over the better of 1 and 2 threads, whichever that is."""
    n_steps = 2000
    alone = [Slices(1.6e-3, speedup, period, duty).train(n_steps, n_steps, Always(size)) for size in (1, 2)]
    assert Slices(1.6e-3, speedup, period, duty).train(n_steps, n_steps, Search(2)) < 1.08 * min(alone)


@pytest.mark.parametrize("period", [0.02, 0.03])
def test_no_rhythm_of_a_neighbour_spoils_every_trial(period):
    """Steps of 1.28 ms, 4 s of them, from 24 places of its period: not every trial falls where it works."""
    for k in range(24):
        machines = [Slices(1.28e-3, 1.9, period, 0.5) for _ in range(3)]
        for machine in machines:
            machine.now = period * k / 24
        one, two, taken = (
            machine.train(3125, 3125, choose)
            for machine, choose in zip(machines, (Always(1), Always(2), Search(2)), strict=True)
        )
        assert taken < 1.12 * min(one, two)


@pytest.mark.parametrize("duty", [0.5, 1.0])
def test_the_first_trials_cost_little(duty):
    """Calls of 8 ms: even the first 0.2 s take hardly longer than on one thread, though a bad step takes 8 ms."""
    taken = Machine(1e-4, 1.8, 0.02, duty).train(2000, 80, Search(2))
    assert taken < 0.2 * 1.1


def test_neighbours_that_come_and_go_are_noticed():
    machine, search = Machine(1e-4, 1.8, 1.0, 0.0), Search(2)
    machine.train(20_000, 80, search)
    assert search.next()[0] == 2
    machine.duty = 1.0
    assert machine.train(10_000, 80, search) < 1.1  # 1.0 on one thread, 45 on two
    machine.duty = 0.0
    machine.train(20_000, 80, search)
    assert machine.train(10_000, 80, search) < 0.6


# ---- What a search learns is kept for the process ------------------------------------------------------------------


@pytest.fixture
def no_lessons():
    forget_lessons()
    yield
    forget_lessons()


@pytest.mark.parametrize(("duty", "most_seconds"), [(0.0, 0.6 * 4), (1.0, 1.05 * 4), (0.5, 1.05 * 4)])
def test_calls_of_one_epoch_learn_from_each_other(no_lessons, duty, most_seconds):
    """500 new sessions of an epoch of 8 ms each: one's search goes on where the other's ended. 4 s on one thread."""
    machine = Machine(1e-4, 1.8, 0.02, duty)
    assert sum(machine.train(80, 80, Search(2, kept=True)) for _ in range(500)) < most_seconds


def test_a_lesson_is_for_steps_of_about_the_same_work(no_lessons):
    machine = Machine(1e-4, 1.8, 1.0, 0.0)
    for _ in range(100):
        machine.train(80, 80, Search(2, work=1.0e6, kept=True), 1.0e6)
    assert Search(2, work=1.0e6, kept=True).next()[0] == 2
    assert Search(2, work=1.01e6, kept=True).next()[0] == 2  # another network: what is fast, not how fast
    assert Search(2, work=9.0e6, kept=True).next()[0] == 1
    assert Search(4, work=1.0e6, kept=True).next()[0] == 1


class BriefCalls:
    """A session that may use two threads, and whose calls take some microseconds."""

    def __init__(self):
        network, _ = make_pair(16, [(4, "softmax", 0.0)], "float32")
        X, y = make_data(100, 16, 4, "cross_entropy", "float32")
        self.samples = SampleSet(ArrayReader(X), y)
        self.session = Session(network, "cross_entropy", (), "adam", 2)

    def team(self):
        """The team of one more call."""
        self.session.epoch(self.samples, EpochPlan(100, False, 0, 0, ADAM))
        return self.session.last_team


def teams_of_the_first_millisecond():
    """The teams of calls by a search that has learned nothing."""
    forget_lessons()
    calls, teams = BriefCalls(), []
    began = time.perf_counter()
    while time.perf_counter() < began + 0.001:
        teams.append(calls.team())
    return teams[:-1]  # the last one may have ended later


def test_nothing_is_tried_before_one_thread_has_worked_for_a_millisecond(limits, no_lessons):
    """What counts is the time of the steps, and not how many calls there were."""
    limits(tried_thread=1.0)
    found = [teams_of_the_first_millisecond() for _ in range(50)]
    assert {team for teams in found for team in teams} == {1}
    assert max(map(len, found)) > 2  # the first call is not measured: the second might have been taken for enough


def teams_after_another_session_tried_two():
    """Of the calls that a session makes in the next 10 ms, after one call of its own before."""
    forget_lessons()
    first, other = BriefCalls(), BriefCalls()
    assert first.team() == 1
    assert any(other.team() == 2 for _ in range(100_000))
    until, teams = time.perf_counter() + 0.01, []
    while time.perf_counter() < until:
        teams.append(first.team())
    return teams[:-1]


def test_a_session_takes_in_what_another_one_has_learned_since_its_last_call(limits, no_lessons):
    """It goes on with the trial, or where that was given up it begins none for at least 60 ms."""
    limits(tried_thread=1.0)
    for _ in range(20):
        teams = teams_after_another_session_tried_two()
        assert 2 not in teams or teams[0] == 2
