"""How many threads work together: by the work there is, and by what proves faster."""

import pytest

from engine_helpers import ADAM, make_data, make_pair
from fastbp.engine import team
from fastbp.engine.array_reader import ArrayReader
from fastbp.engine.network import Network
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


def share(sizes, size):
    return sizes.count(size) / len(sizes)


def test_a_team_that_gains_is_kept():
    sizes = team.sizes_taken(4, {1: 1e5, 2: 1.9e5, 4: 3.5e5}, 1000)
    assert sizes[0] == 4
    assert share(sizes, 4) > 0.9


def test_a_team_that_loses_is_given_up_for_the_best_there_is():
    """As where other processes want the cores."""
    sizes = team.sizes_taken(8, {1: 1e5, 2: 1.8e5, 4: 1.2e5, 8: 0.5e5}, 1000)
    assert share(sizes, 2) > 0.9
    assert share(team.sizes_taken(2, {1: 1e5, 2: 0.3e5}, 1000), 1) > 0.9


def test_a_larger_team_than_reckoned_is_tried():
    """The cores may be close to each other; where they are not, or busy, the team stays what it was."""
    sizes = team.sizes_taken(2, {1: 1e5, 2: 1.2e5}, 1000, start=1)
    assert sizes[0] == 1
    assert share(sizes, 2) > 0.9
    assert share(team.sizes_taken(2, {1: 1e5, 2: 0.3e5}, 1000, start=1), 1) > 0.9


def test_no_team_is_larger_than_the_work_or_smaller_than_one():
    for most in (1, 2, 3, 5, 7):
        rates = {size: 1e5 * (1 + size % 3) for size in range(1, most + 1)}
        assert set(team.sizes_taken(most, rates, 300)) <= set(rates)


def test_waking_up_is_not_taken_for_being_slow():
    """Epochs of a millisecond, and a thread that takes as long to wake up: two are faster all the same."""
    sizes = team.sizes_taken(2, {1: 1e5, 2: 1.5e5}, 5000, longest=1e-3, waking=1e-3)
    assert share(sizes, 2) > 0.9
    sizes = team.sizes_taken(2, {1: 1e5, 2: 0.5e5}, 5000, longest=1e-3, waking=1e-3)
    assert share(sizes, 1) > 0.9


def test_a_failure_is_not_believed_for_long_at_first():
    """A trial that another process spoils is soon repeated."""
    sizes = team.sizes_taken(2, {1: 1e5, 2: 1.5e5}, 5000, longest=1e-3)
    trials = [i for i in range(1, len(sizes)) if sizes[i] == 1 and sizes[i - 1] == 2]
    assert trials[1] - trials[0] < 100
    assert trials[-1] - trials[-2] > 900
