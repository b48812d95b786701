"""Forward pass and both gradients against the float64 oracle: every shape around the tiles, every dtype and ISA."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from engine_helpers import assert_close, make_data, make_pair, predict, targets_of
from fastbp.engine import kernels
from fastbp.engine.array_reader import ArrayReader
from fastbp.engine.records import SampleSet
from fastbp.engine.session import gradients

DTYPES = ["float32", "float64"]
ACTIVATIONS = list(reference.ACTIVATIONS)

# A tile has at most 8 rows and 3 panels (or vectors), a vector 2 to 16 elements; sums are cut at 144 and 224.
UNITS = [1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 15, 16, 17, 31, 33, 49]
INPUTS = [1, 3, 4, 5, 8, 15, 16, 17, 33, 48, 49, 65, 143, 145, 223, 225, 289, 449]
SAMPLES = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 47, 48, 49, 97, 193]


def check(n_samples, n_inputs, specs, dtype, loss, labelled=True, n_threads=1):
    network, layers = make_pair(n_inputs, specs, dtype)
    X, y = make_data(n_samples, n_inputs, specs[-1][0], loss, dtype, labelled=labelled)
    assert_close(predict(network, X, n_threads), reference.predict(layers, X.astype(float)), dtype)
    wanted_loss, wanted = reference.loss_and_gradients(layers, X.astype(float), y, loss)
    got_loss, got = gradients(network, SampleSet(ArrayReader(X), targets_of(y)), loss, n_threads)
    assert_close(got_loss, wanted_loss, dtype)
    for (dW, db), (dW_wanted, db_wanted) in zip(got, wanted, strict=True):
        assert_close(dW, dW_wanted, dtype)
        assert_close(db, db_wanted, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_units", UNITS)
def test_units_around_the_tile(isa, dtype, n_units):
    check(33, 17, [(n_units, "relu", 0.0), (5, "linear", 0.0)], dtype, "mse")
    check(33, 17, [(9, "relu", 0.0), (n_units, "linear", 0.0)], dtype, "mse")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_inputs", INPUTS)
def test_inputs_around_the_tile_and_the_block(isa, dtype, n_inputs):
    check(35, n_inputs, [(6, "relu", 0.0), (3, "linear", 0.0)], dtype, "mse")
    check(35, 5, [(n_inputs, "relu", 0.0), (3, "linear", 0.0)], dtype, "mse")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_samples", SAMPLES)
def test_samples_around_the_panel(isa, dtype, n_samples):
    check(n_samples, 19, [(11, "relu", 0.0), (3, "softmax", 0.0)], dtype, "cross_entropy")


@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_packed_and_cut_into_blocks(isa, dtype):
    """Large enough for every loop of the input gradient to run more than once, with ragged ends."""
    check(150, 37, [(701, "relu", 0.0), (457, "tanh", 0.0), (3, "linear", 0.0)], dtype, "mse")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_hidden_and_last(isa, dtype, activation):
    alpha = 0.1 if activation in ("leaky_relu", "elu") else 0.0
    between = "tanh" if activation == "exp" else activation  # a tower of exponentials overflows
    check(37, 7, [(13, activation, alpha), (9, between, alpha), (4, activation, alpha)], dtype, "mse")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("loss", "activation"), reference.EXAMPLES)
@pytest.mark.parametrize("n_targets", [1, 2, 3, 10, 17])
def test_losses(isa, dtype, loss, activation, n_targets):
    if n_targets == 1 and loss in ("cosine", ("cross_entropy", (0.1,))):
        return  # nothing is left of the gradient but rounding, and losses.py refuses it
    n_outputs = n_targets * reference.outputs_a_target(loss)
    for labelled in {False, "cross_entropy" in loss}:
        check(41, 6, [(8, "tanh", 0.0), (n_outputs, activation, 0.0)], dtype, loss, labelled)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", [loss for loss, activation in reference.EXAMPLES if activation == "linear"])
def test_losses_of_outputs_through_an_activation(isa, dtype, loss):
    """Whose slope is a factor of the gradient: these losses have none built in."""
    check(41, 6, [(8, "tanh", 0.0), (3 * reference.outputs_a_target(loss), "tanh", 0.0)], dtype, loss)


@settings(max_examples=60, deadline=None)
@given(
    n_samples=st.integers(1, 120),
    widths=st.lists(st.integers(1, 70), min_size=2, max_size=5),
    activation=st.sampled_from([name for name in ACTIVATIONS if name != "exp"]),  # towers of it overflow
    dtype=st.sampled_from(DTYPES),
    isa_name=st.sampled_from(kernels.available_isas()),
    n_threads=st.sampled_from([1, 3]),
)
def test_any_network(n_samples, widths, activation, dtype, isa_name, n_threads):
    former = kernels.isa()
    kernels.select_isa(isa_name)
    try:
        specs = [(n, activation, 0.01) for n in widths[1:-1]] + [(widths[-1], "linear", 0.0)]
        check(n_samples, widths[0], specs, dtype, "mse", n_threads=n_threads)
    finally:
        kernels.select_isa(former)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_sample_s_output_does_not_depend_on_its_neighbours(isa, dtype):
    network, _ = make_pair(21, [(30, "tanh", 0.0), (4, "softmax", 0.0)], dtype)
    X, _ = make_data(70, 21, 4, "cross_entropy", dtype)
    together = predict(network, X)
    for i in (0, 15, 16, 69):
        np.testing.assert_array_equal(predict(network, X[i : i + 1])[0], together[i])


@pytest.mark.parametrize(
    ("specs", "loss"),
    [
        *[([(5, a, 0.1), (3, a, 0.1)], loss) for a in ACTIVATIONS for loss in ("mse", "mae")],
        *[([(5, a, 0.1), (3, "softmax", 0.0)], "cross_entropy") for a in ACTIVATIONS],
        *[([(5, a, 0.1), (3, "sigmoid", 0.0)], "binary_cross_entropy") for a in ACTIVATIONS],
        *[([(5, "tanh", 0.1), (3 * reference.outputs_a_target(loss), a, 0.1)], loss) for loss, a in reference.EXAMPLES],
    ],
)
def test_finite_differences(isa, specs, loss):
    """The engine's gradient against the engine's own loss, in float64: relative error under 1e-6."""
    n_inputs, step = 4, 1e-6
    network, layers = make_pair(n_inputs, specs, "float64", seed=3)
    X, y = make_data(6, n_inputs, specs[-1][0], loss, "float64", labelled=False)
    _, pairs = gradients(network, SampleSet(ArrayReader(X), ArrayReader(y)), loss, 1)
    got = np.concatenate([array.ravel() for pair in pairs for array in pair])
    flat = np.concatenate([array.ravel() for layer in layers for array in (layer.W, layer.b)])

    def loss_at(values):
        start = 0
        for i, layer in enumerate(layers):
            W = values[start : start + layer.W.size].reshape(layer.W.shape)
            start += layer.W.size
            network.set_layer(i, W, values[start : start + layer.b.size])
            start += layer.b.size
        return network.evaluate(SampleSet(ArrayReader(X), ArrayReader(y)), loss, (), 1)[0]

    slopes = np.array([(loss_at(flat + step * e) - loss_at(flat - step * e)) / (2 * step) for e in np.eye(len(flat))])
    assert np.linalg.norm(got - slopes) <= 1e-6 * (np.linalg.norm(got) + np.linalg.norm(slopes))
