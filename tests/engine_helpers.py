"""Networks made for the engine and for the oracle alike."""

import numpy as np

import reference
from fastbp.engine import kernels
from fastbp.engine.array_reader import ArrayReader
from fastbp.engine.network import Network
from fastbp.engine.records import EpochPlan, SampleSet
from fastbp.engine.session import Session

ADAM = {"learning_rate": 1e-2, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}

# What float32 may be off, relative to the largest number of an array, after sums of a few thousand terms.
TOLERANCE = {"float32": 2e-5, "float64": 1e-12}


def make_pair(n_inputs, specs, dtype, seed=0):
    """The same random network for the engine and the oracle; specs: (units, activation, parameter)."""
    layers = reference.make_layers(np.random.default_rng(seed), n_inputs, specs)
    layers = [
        layer._replace(W=layer.W.astype(dtype).astype(float), b=layer.b.astype(dtype).astype(float)) for layer in layers
    ]
    return to_engine(n_inputs, specs, layers, dtype), layers


def to_engine(n_inputs, specs, layers, dtype):
    network = Network(n_inputs, list(specs), dtype)
    for i, layer in enumerate(layers):
        network.set_layer(i, layer.W, layer.b)
    return network


def make_data(n_samples, n_inputs, n_outputs, loss, dtype, seed=1, labelled=True):
    """X, and the targets as the oracle takes them."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, n_inputs)).astype(dtype)
    if loss == "cross_entropy":
        labels = rng.integers(0, n_outputs, n_samples).astype(np.int32)
        return X, labels if labelled else np.eye(n_outputs)[labels].astype(dtype)
    if loss == "binary_cross_entropy":
        return X, rng.integers(0, 2, (n_samples, n_outputs)).astype(dtype)
    targets = reference.make_targets(rng, loss, n_samples, n_outputs // reference.outputs_a_target(loss))
    if targets.ndim == 1:
        return X, targets.astype(np.int32) if labelled else np.eye(n_outputs)[targets].astype(dtype)
    return X, targets.astype(dtype)


def targets_of(y):
    """As the engine takes them."""
    return y if y.ndim == 1 else ArrayReader(y)


def predict(network, X, n_threads=1):
    out = np.empty((len(X), network.n_outputs), network.dtype)
    network.forward(ArrayReader(X), out, n_threads)
    return out


def parameters(network):
    return [array for i in range(network.n_layers) for array in network.get_layer(i)]


def assert_close(got, wanted, dtype, factor=1):
    """Relative to the array's largest element: a sum is rounded relative to its terms, not to what is left of them."""
    scale = max(np.abs(wanted).max(), 1e-3)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=factor * TOLERANCE[dtype] * scale)


def assert_same_bits(got, wanted):
    for a, b in zip(got, wanted, strict=True):
        assert a.tobytes() == b.tobytes()


def train(
    n_inputs, specs, dtype, X, y, loss, n_threads, batch_size, epochs=2, optimizer="adam", numbers=None, metrics=None
):
    """A fresh network after some epochs: its parameters, and the epochs' losses and sums."""
    network, _ = make_pair(n_inputs, specs, dtype)
    if metrics is None:
        metrics = ("correct",) if "entropy" in loss else ("squared_error", "absolute_error")
    session = Session(network, loss, metrics, optimizer, n_threads)
    results = [
        session.epoch(SampleSet(ArrayReader(X), targets_of(y)), EpochPlan(batch_size, True, 7, epoch, numbers or ADAM))
        for epoch in range(epochs)
    ]
    return parameters(network), results


DTYPES = ["float32", "float64"]


SPECS = [(40, "relu", 0.0), (23, "gelu", 0.0), (5, "softmax", 0.0)]


SGD = {"learning_rate": 0.05}


RMSPROP = {"learning_rate": 0.01, "beta_2": 0.99, "epsilon": 1e-8}


OPTIMIZERS = [
    ("sgd", SGD),
    ("sgd", {**SGD, "weight_decay": 0.1}),
    ("sgd", {**SGD, "momentum": 0.9, "weight_decay": 0.01}),
    ("sgd", {**SGD, "momentum": 0.9, "nesterov": 1.0, "weight_decay": 0.01}),
    ("adam", ADAM),
    ("adam", {**ADAM, "beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3, "weight_decay": 0.1}),
    ("adam", {**ADAM, "weight_decay": 0.1, "decoupled": 1.0}),
    ("adam", {**ADAM, "beta_2": 0.5, "weight_decay": 0.1, "amsgrad": 1.0}),
    ("adam", {**ADAM, "epsilon": 0.01, "epsilon_hat": 1.0}),
    ("rmsprop", RMSPROP),
    ("rmsprop", {**RMSPROP, "momentum": 0.8, "weight_decay": 0.1}),
    ("rmsprop", {**RMSPROP, "centered": 1.0}),
    ("rmsprop", {**RMSPROP, "momentum": 0.8, "centered": 1.0, "weight_decay": 0.1}),
    ("adagrad", {"learning_rate": 0.1, "epsilon": 1e-10}),
    ("adagrad", {"learning_rate": 0.1, "epsilon": 1e-4, "rate_decay": 0.1, "initial": 0.2, "weight_decay": 0.1}),
    ("adadelta", {"learning_rate": 1.0, "beta_2": 0.9, "epsilon": 1e-6, "weight_decay": 0.1}),
    ("adamax", {**ADAM, "weight_decay": 0.1}),
    ("nadam", {**ADAM, "momentum_decay": 4e-3, "weight_decay": 0.1}),
    ("radam", {**ADAM, "weight_decay": 0.1}),
    ("radam", {**ADAM, "beta_2": 0.9}),
    ("lion", {"learning_rate": 1e-3, "beta_1": 0.9, "beta_2": 0.99, "weight_decay": 0.1}),
    ("rprop", {"learning_rate": 1e-3, "eta_minus": 0.5, "eta_plus": 1.2, "min_step": 1e-6, "max_step": 50.0}),
]


def batches(n, batch_size, seed, epoch, shuffle=True):
    order = kernels.permutation(seed, epoch, n) if shuffle else np.arange(n)
    return [order[i : i + batch_size] for i in range(0, n, batch_size)]


CLIPPINGS = [{"clip_value": 0.01}, {"clip_norm": 0.1}, {"clip_norm": 0.4}, {"clip_array_norm": 0.05}]
