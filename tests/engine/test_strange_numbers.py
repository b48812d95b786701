"""NaN, infinity and denormal numbers: named with their row, batch or layer, trained on by nobody, or taken for zero."""

import platform

import numpy as np
import pytest

from engine_helpers import DTYPES, SGD, SPECS, make_data, make_pair, parameters, predict
from fastbp.engine import kernels
from fastbp.engine.array_reader import ArrayReader
from fastbp.engine.errors import NonFinite
from fastbp.engine.network import Network
from fastbp.engine.records import EpochPlan, SampleSet
from fastbp.engine.session import Session


@pytest.mark.parametrize("n_threads", [1, 3])
def test_bad_input_is_found_and_not_trained_on(isa, limits, n_threads):
    limits(epoch_thread=1.0, call_thread=1.0, paced=0.0)
    for value in (np.nan, np.inf, -np.inf):
        network, _ = make_pair(9, SPECS, "float32")
        X, y = make_data(200, 9, 5, "cross_entropy", "float32")
        X[150, 3] = value
        session = Session(network, "cross_entropy", (), "sgd", n_threads)
        with pytest.raises(NonFinite) as caught:
            session.epoch(SampleSet(ArrayReader(X), y), EpochPlan(32, False, 0, 0, SGD))
        assert (caught.value.where, caught.value.batch, caught.value.row) == ("inputs", 4, 150)
        assert session.n_steps == 4
        assert all(np.isfinite(array).all() for array in parameters(network))
        with pytest.raises(NonFinite) as caught:
            predict(network, X, n_threads)
        assert (caught.value.where, caught.value.row) == ("inputs", 150)


def test_a_number_too_large_for_the_dtype_is_found(isa):
    network, _ = make_pair(2, [(1, "linear", 0.0)], "float32")
    with pytest.raises(NonFinite) as caught:
        predict(network, np.array([[1.0, 2.0], [3.0, 1e300]]))
    assert (caught.value.where, caught.value.row) == ("inputs", 1)


def test_bad_targets_are_found_shuffled_too(isa):
    network, _ = make_pair(9, [(4, "relu", 0.0), (2, "linear", 0.0)], "float64")
    X, y = make_data(100, 9, 2, "mse", "float64")
    y[77, 1] = np.nan
    with pytest.raises(NonFinite) as caught:
        Session(network, "mse", (), "sgd", 1).epoch(
            SampleSet(ArrayReader(X), ArrayReader(y)), EpochPlan(10, True, 5, 0, SGD)
        )
    position = list(kernels.permutation(5, 0, 100)).index(77)
    assert (caught.value.where, caught.value.batch, caught.value.row) == ("targets", position // 10, 77)


def test_divergence_is_found_and_its_layer_named(isa):
    network, _ = make_pair(9, [(4, "relu", 0.0), (6, "relu", 0.0), (2, "linear", 0.0)], "float32")
    W, b = network.get_layer(1)
    network.set_layer(1, np.full_like(W, 1e38), b)
    X, y = make_data(40, 9, 2, "mse", "float32")
    with pytest.raises(NonFinite) as caught:
        Session(network, "mse", (), "sgd", 1).epoch(
            SampleSet(ArrayReader(100 * X), ArrayReader(y)), EpochPlan(10, False, 0, 0, SGD)
        )
    assert (caught.value.where, caught.value.batch, caught.value.layer) == ("loss", 0, 1)
    assert all(np.isfinite(array).all() for array in parameters(network))


@pytest.mark.parametrize("kind", ["dense", "layer_norm", "prelu"])
@pytest.mark.parametrize("n_samples", [1, 5, 17, 33])
def test_lanes_without_a_sample_have_no_part_in_gradients(isa, kind, n_samples):
    """Where inputs are 0, as there, exp(b) and its slope are infinite; every sample's are small."""
    after = [(5, "linear", 0.0)] if kind == "dense" else [{"kind": kind, "epsilon": 1e-5}, (5, "linear", 0.0)]
    network = Network(3, [(4, "exp", 0.0), *after], "float32")
    network.set_layer(0, np.full((3, 4), -200 / 3), np.full(4, 200.0))
    X = np.ones((n_samples, 3), np.float32)
    targets = ArrayReader(np.ones((n_samples, 5), np.float32))
    _, gradients = Session(network, "mse", (), "sgd", 1).gradients(SampleSet(ArrayReader(X), targets))
    assert all(np.isfinite(array).all() for arrays in gradients for array in arrays)


def test_weights_that_overflow_in_the_last_update_are_found(isa):
    network, _ = make_pair(3, [(2, "linear", 0.0)], "float32")
    X, y = make_data(10, 3, 2, "mse", "float32")
    with pytest.raises(NonFinite) as caught:
        Session(network, "mse", (), "sgd", 1).epoch(
            SampleSet(ArrayReader(X), ArrayReader(100 * y)), EpochPlan(10, False, 0, 0, {"learning_rate": 3e38})
        )
    assert (caught.value.where, caught.value.layer) == ("weights", 0)


CAN_FLUSH = platform.machine().lower() in ("x86_64", "amd64", "aarch64", "arm64")


@pytest.mark.skipif(not CAN_FLUSH, reason="denormal numbers are as they are on this CPU")
@pytest.mark.parametrize("dtype", DTYPES)
def test_training_takes_denormal_numbers_for_zero(isa, dtype):
    """What it reads and what it writes: they would be a hundred times as slow."""
    smallest = float(np.finfo(dtype).smallest_normal)
    network = Network(1, [(1, "linear", 0.0)], dtype)
    network.set_layer(0, [[smallest / 16]], [0.0])
    targets = ArrayReader(np.zeros((1, 1), dtype))
    large = SampleSet(ArrayReader(np.array([[1 / smallest]], dtype)), targets)
    assert network.evaluate(large, "mse", (), 1)[0] == 1 / 256
    session = Session(network, "mse", (), "sgd", 1)
    plan = EpochPlan(1, False, 0, 0, {"learning_rate": 1 / 3})
    assert session.epoch(large, plan)[0] == 0
    network.set_layer(0, [[0.0]], [1.5 * smallest])
    session.epoch(SampleSet(ArrayReader(np.zeros((1, 1), dtype)), targets), plan)  # half of the smallest would be left
    assert network.get_layer(0)[1][0] == 0
