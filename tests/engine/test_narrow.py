"""Narrow products: bfloat16 operands, float32 sums; by the instruction where this CPU has it, and emulated.

The oracle is float64 on operands that NumPy rounds. A product differs from it by the rounding of float32 sums alone, so
that the tests are sharp. Of a whole network some activations lie on a boundary of the rounding: each product is
compared on operands that are known.
"""

import numpy as np
import pytest

from engine_helpers import ADAM, assert_same_bits, make_data, make_pair, parameters, predict
from fastbp.engine import kernels, narrow
from fastbp.engine.array_reader import ArrayReader
from fastbp.engine.errors import NonFinite
from fastbp.engine.network import Network
from fastbp.engine.records import EpochPlan, SampleSet
from fastbp.engine.session import Session

# An instruction set, and how narrow products are asked for. On Arm they are not emulated.
WAYS = [("avx512", "always"), ("neon", "always"), ("avx512", "amx")]
WAYS += [("avx512", "emulate"), ("avx2", "emulate"), ("baseline", "emulate")]
WAYS = [way for way in WAYS if way[0] in kernels.compiled_isas()]
# n_samples, n_inputs, n_units: around the tiles, and sums and rows of several cache blocks
SHAPES = [(1, 1, 1), (2, 3, 2), (7, 5, 9), (33, 16, 8), (48, 49, 17), (50, 70, 37), (129, 300, 65), (200, 161, 100)]
SHAPES += [(600, 40, 50), (64, 700, 330), (15, 32, 16), (16, 17, 15), (17, 31, 33), (31, 33, 32), (32, 15, 31)]
SGD = {"learning_rate": 0.1}
SPECS = [(40, "relu", 0.0), (23, "gelu", 0.0), (5, "softmax", 0.0)]


def select(isa, wish):
    """Select the kernels, or skip the test where this machine lacks them."""
    if isa not in kernels.available_isas():
        pytest.skip(f"this CPU does not run {isa}")
    kernels.select_isa(isa, wish)
    if kernels.bf16() is None:
        pytest.skip(f"{isa} has no narrow products of this kind here")


@pytest.fixture
def small():
    """Every size is large enough for narrow products; afterwards the kernels are those from before."""
    former = kernels.isa()
    sizes = narrow.least_sizes(inputs=1, units=1, samples=1, products=1)
    yield
    narrow.least_sizes(**sizes)
    kernels.select_isa(former)


@pytest.fixture(params=WAYS, ids="-".join)
def way(request, small):
    """An instruction set, and how it makes narrow products."""
    select(*request.param)
    return request.param


def rounded(x):
    """Float32 numbers to the nearest bfloat16, ties to even, denormals to zero: float64."""
    x = np.ascontiguousarray(x, np.float32)
    bits = x.view(np.uint32).astype(np.uint64)
    nearest = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16 << 16).astype(np.uint32).view(np.float32)
    return np.where(np.abs(x) < np.finfo(np.float32).tiny, 0, nearest).astype(np.float64)


def forward(network, X, n_threads=1):
    out = np.empty((len(X), network.n_outputs), network.dtype)
    network.forward(ArrayReader(X), out, n_threads, True)
    return out


def gradients(network, X, dZ, n_threads=1):
    """[(dW, db), ...] where dZ is the gradient with respect to the outputs, all of it float32 numbers."""

    def loss(outputs, targets):
        return np.zeros(len(X)), dZ.astype(float) * len(X)  # the engine divides by the number of samples

    session = Session(network, loss, (), "sgd", n_threads, 0, True)
    return session.gradients(SampleSet(ArrayReader(X), np.zeros((len(X), 1), np.float32)))[1]


def narrow_session(network, loss="cross_entropy", optimizer="adam", n_threads=1):
    return Session(network, loss, (), optimizer, n_threads, 0, True)


def plan(batch_size, epoch=0, numbers=ADAM):
    return EpochPlan(batch_size, True, 7, epoch, numbers)


def make_dense(rng, n_inputs, n_units, activation="linear"):
    network = Network(n_inputs, [(n_units, activation, 0.0)], "float32")
    W = rng.normal(size=(n_inputs, n_units)).astype(np.float32)
    b = rng.normal(size=n_units).astype(np.float32)
    network.set_layer(0, W, b)
    return network, W, b


def assert_sums(got, products, absolute):
    """Within 1e-6 of the sum of the absolute products."""
    assert np.all(np.abs(got - products) <= 1e-6 * absolute + 1e-30)


# ---- The products ----


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_forward_is_a_product_of_rounded_operands(way, shape):
    n_samples, n_inputs, n_units = shape
    rng = np.random.default_rng(n_inputs)
    network, W, b = make_dense(rng, n_inputs, n_units)
    X = rng.normal(size=(n_samples, n_inputs)).astype(np.float32)
    x, w = rounded(X), rounded(W)
    assert_sums(forward(network, X), x @ w + b, np.abs(x) @ np.abs(w) + np.abs(b))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_weight_gradient_is_a_product_of_rounded_operands(way, shape):
    n_samples, n_inputs, n_units = shape
    rng = np.random.default_rng(n_inputs)
    network, _, _ = make_dense(rng, n_inputs, n_units)
    X = rng.normal(size=(n_samples, n_inputs)).astype(np.float32)
    dZ = rng.normal(size=(n_samples, n_units)).astype(np.float32)
    ((dW, db),) = gradients(network, X, dZ)
    x, d = rounded(X), rounded(dZ)
    assert_sums(dW, x.T @ d, np.abs(x).T @ np.abs(d))
    assert_sums(db, dZ.astype(float).sum(axis=0), np.abs(dZ).sum(axis=0))  # no product: not rounded


@pytest.mark.parametrize("activation", ["linear", "relu"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_input_gradient_is_a_product_of_rounded_operands(way, shape, activation):
    """The gradient of the biases below shows dZ of a single sample, where the others have none."""
    n_samples, n_inputs, n_units = shape
    rng = np.random.default_rng(n_inputs)
    network = Network(3, [(n_inputs, activation, 0.0), (n_units, "linear", 0.0)], "float32")
    W0, b0 = rng.normal(size=(3, n_inputs)).astype(np.float32), rng.normal(size=n_inputs).astype(np.float32)
    W1 = rng.normal(size=(n_inputs, n_units)).astype(np.float32)
    network.set_layer(0, W0, b0)
    network.set_layer(1, W1, np.zeros(n_units, np.float32))
    X = rng.normal(size=(n_samples, 3)).astype(np.float32)
    w = rounded(W1)
    for sample in {0, n_samples // 2, n_samples - 1}:
        dZ = np.zeros((n_samples, n_units), np.float32)
        dZ[sample] = rng.normal(size=n_units)
        (_, db), _ = gradients(network, X, dZ)
        d = rounded(dZ[sample])
        expected, absolute = w @ d, np.abs(w) @ np.abs(d)
        if activation == "relu":
            expected = expected * (rounded(X[sample]) @ rounded(W0) + b0 > 0)
        assert_sums(db, expected, absolute)


def test_numbers_are_rounded_to_the_nearest_ties_to_even(way):
    """Random bits, ties, the largest number that stays finite, and denormals, seen through weights of one 1 each."""
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**32, 4000, dtype=np.uint32)
    ties = bits[:1000] & 0xFFFF0000 | 0x8000
    special = np.array([0, 0x80000000, 1, 0x007FFFFF, 0x807FFFFF, 0x00800000, 0x7F7F7FFF, 0xFF7F7FFF], np.uint32)
    numbers = np.concatenate([bits, ties, special]).view(np.float32)
    numbers = numbers[np.abs(numbers) <= np.array(0x7F7F7FFF, np.uint32).view(np.float32)]
    X = np.zeros((len(numbers) // 8, 8), np.float32)
    X.ravel()[:] = numbers[: X.size]
    network = Network(8, [(8, "linear", 0.0)], "float32")
    network.set_layer(0, np.eye(8, dtype=np.float32), np.zeros(8, np.float32))
    np.testing.assert_array_equal(forward(network, X), rounded(X))


def test_what_rounds_to_infinity_is_named(way):
    network, _, _ = make_dense(np.random.default_rng(0), 4, 3, "softmax")
    X = np.zeros((40, 4), np.float32)
    X[11] = np.finfo(np.float32).max  # the next bfloat16 is infinity
    with pytest.raises(NonFinite) as raised:
        narrow_session(network).epoch(SampleSet(ArrayReader(X), np.zeros(40, np.int32)), plan(40))
    assert raised.value.where == "loss"


# ---- The same bits ----


def sums_by_amx(x, w):
    """x @ w of rounded operands, in the order and with the roundings that csrc/kernels/amx/tiles.h names."""
    n_inputs = -(-x.shape[1] // 32) * 32
    x = np.pad(x, [(0, 0), (0, n_inputs - x.shape[1])]).astype(np.float32)
    w = np.pad(w, [(0, n_inputs - w.shape[0]), (0, 0)]).astype(np.float32)
    total = np.zeros((len(x), w.shape[1]), np.float32)
    for step in range(0, n_inputs, 32):
        of_parity = np.zeros((2, *total.shape), np.float32)
        for k in range(step, step + 32):
            of_parity[k % 2] += x[:, k, np.newaxis] * w[k]  # the product of two bfloat16 is exact
        total += of_parity[0] + of_parity[1]
    return total


@pytest.mark.parametrize("n_inputs", [1, 31, 32, 33, 300])
def test_amx_adds_up_in_the_order_that_is_written_down(small, n_inputs):
    select("avx512", "amx")
    rng = np.random.default_rng(n_inputs)
    network, W, _ = make_dense(rng, n_inputs, 37)
    network.set_layer(0, W, np.zeros(37, np.float32))
    X = rng.normal(size=(53, n_inputs)).astype(np.float32)
    assert_same_bits([forward(network, X)], [sums_by_amx(rounded(X), rounded(W))])


@pytest.mark.parametrize("widths", [(40, 23, 19, 5), (7, 9, 40, 5)])
def test_numbers_beyond_a_layer_are_not_read(way, widths):
    """What a wider layer left in a panel, infinite where a row overflowed, does not come into the next rows' sums.

    The second network's third layer leaves it where the next rows' first layer puts its own.
    """
    rng = np.random.default_rng(0)
    network, _ = make_pair(33, [(n, "linear" if i else "relu", 0.0) for i, n in enumerate(widths)], "float32")
    X = rng.normal(size=(3000, 33)).astype(np.float32)
    alone = forward(network, X[1500:])
    X[:1500] = np.sign(X[:1500]) * np.float32(3e38)
    out = forward(network, X)
    assert not np.isfinite(out[:1500]).all()
    assert_same_bits([out[1500:]], [alone])


@pytest.mark.parametrize("batch_size", [7, 50, 64, 200])
def test_the_instruction_and_its_emulation_have_the_same_bits(small, batch_size):
    select("avx512", "always")
    X, y = make_data(200, 33, 5, "cross_entropy", "float32")
    X[3] = 1e-39  # denormal
    trained = []
    for wish in ("always", "emulate"):
        select("avx512", wish)
        network, _ = make_pair(33, SPECS, "float32")
        session = narrow_session(network)
        losses = [session.epoch(SampleSet(ArrayReader(X), y), plan(batch_size, epoch))[0] for epoch in range(3)]
        trained.append([*parameters(network), forward(network, X), np.array(losses)])
    assert_same_bits(*trained)


@pytest.mark.parametrize("batch_size", [1, 50, 64, 5000])
def test_the_same_bits_on_any_number_of_threads_and_in_pieces(way, limits, batch_size):
    limits(epoch_thread=1.0, call_thread=1.0, paced=0.0)
    X, y = make_data(5000 if batch_size == 5000 else 100, 70, 5, "cross_entropy", "float32")

    def train(n_threads):
        network, _ = make_pair(70, SPECS, "float32")
        session = narrow_session(network, n_threads=n_threads)
        loss, _ = session.epoch(SampleSet(ArrayReader(X), y), plan(batch_size))
        return [*parameters(network), forward(network, X, n_threads), np.array(loss)]

    alone = train(1)
    for n_threads in (2, 3, 7):
        assert_same_bits(train(n_threads), alone)
    limits(long_step=0.0, apart=0.0, piece=0.0)
    assert_same_bits(train(3), alone)


# ---- The copies of the weights ----


def test_the_update_writes_the_copies(way):
    """A session that made them at its start goes on as a new one that rounds the weights again."""
    X, y = make_data(90, 33, 5, "cross_entropy", "float32")
    samples = SampleSet(ArrayReader(X), y)
    together, apart = make_pair(33, SPECS, "float32")[0], make_pair(33, SPECS, "float32")[0]
    session = narrow_session(together, optimizer="sgd")
    for epoch in range(3):
        session.epoch(samples, plan(32, epoch, SGD))
        narrow_session(apart, optimizer="sgd").epoch(samples, plan(32, epoch, SGD))
    assert_same_bits(parameters(together), parameters(apart))


def test_weights_that_others_change_are_rounded_again(way):
    X, y = make_data(90, 33, 5, "cross_entropy", "float32")
    samples = SampleSet(ArrayReader(X), y)
    network, other = make_pair(33, SPECS, "float32")[0], make_pair(33, SPECS, "float32", seed=5)[0]
    session = narrow_session(network, optimizer="sgd")
    session.epoch(samples, plan(32, 0, SGD))
    forward(network, X)
    network.set_arrays(other.get_arrays())
    assert_same_bits([forward(network, X)], [forward(other, X)])
    session.epoch(samples, plan(32, 0, SGD))
    narrow_session(other, optimizer="sgd").epoch(samples, plan(32, 0, SGD))
    assert_same_bits(parameters(network), parameters(other))
    network.parameter_views()[0][:] = 0.5  # written to directly, as the estimators' coefs_ are
    other.parameter_views()[0][:] = 0.5
    assert_same_bits([forward(network, X)], [forward(other, X)])


def test_a_loss_that_changes_the_weights_between_forward_and_backward(way):
    """In float32 the backward pass sees the weights as they are then; so it does here."""
    X, _ = make_data(40, 33, 5, "cross_entropy", "float32")
    targets = np.zeros((40, 5), np.float32)
    results = []
    for _ in range(2):
        network, _ = make_pair(33, [(40, "relu", 0.0), (5, "linear", 0.0)], "float32")
        other, _ = make_pair(33, [(40, "relu", 0.0), (5, "linear", 0.0)], "float32", seed=5)

        def loss(outputs, targets, network=network, other=other):
            network.set_arrays(other.get_arrays())
            return np.zeros(len(outputs)), np.ones(outputs.shape)

        narrow_session(network, loss, "sgd").epoch(SampleSet(ArrayReader(X), targets), plan(40, 0, SGD))
        results.append(parameters(network))
    assert_same_bits(*results)
    assert not np.array_equal(results[0][0], other.get_arrays()[0])


def test_validation_in_the_same_precision(way):
    X, y = make_data(90, 33, 5, "cross_entropy", "float32")
    network, _ = make_pair(33, SPECS, "float32")
    loss, _ = network.evaluate(SampleSet(ArrayReader(X), y), "cross_entropy", (), 2, None, True)
    expected = -np.log(forward(network, X)[np.arange(90), y].astype(float)).mean()
    assert loss == pytest.approx(expected, rel=1e-5)
    assert loss != network.evaluate(SampleSet(ArrayReader(X), y), "cross_entropy", (), 2)[0]


# ---- Which layers are narrow ----


def test_small_layers_stay_float32(small):
    select(kernels.isa(), "emulate")
    narrow.least_sizes(inputs=24, units=16, samples=32)
    X, y = make_data(64, 23, 5, "cross_entropy", "float32")
    for specs, batch_size in [(SPECS[1:], 64), (SPECS, 31)]:
        results = []
        for is_narrow in (False, True):
            network, _ = make_pair(23, specs, "float32")
            session = Session(network, "cross_entropy", (), "adam", 1, 0, is_narrow)
            session.epoch(SampleSet(ArrayReader(X), y), plan(batch_size))
            results.append(parameters(network))
        assert_same_bits(*results)


def test_layers_of_many_products_are_narrow(way):
    """From 2^17 products on: as measured for AMX, and elsewhere if asked for."""
    narrow.least_sizes(inputs=0, units=0, samples=0, products=0 if "amx" in way else 2**17)
    X, y = make_data(64, 32, 5, "cross_entropy", "float32")
    for n_units, is_narrow in [(63, False), (64, True)]:
        network, _ = make_pair(32, [(n_units, "relu", 0.0), (5, "softmax", 0.0)], "float32")
        other, _ = make_pair(32, [(n_units, "relu", 0.0), (5, "softmax", 0.0)], "float32")
        narrow_session(network).epoch(SampleSet(ArrayReader(X), y), plan(64))
        Session(other, "cross_entropy", (), "adam", 1, 0, False).epoch(SampleSet(ArrayReader(X), y), plan(64))
        assert np.array_equal(network.get_arrays()[0], other.get_arrays()[0]) != is_narrow


def test_a_session_goes_from_small_batches_to_large_ones(small):
    select(kernels.isa(), "emulate")
    narrow.least_sizes(samples=32)
    X, y = make_data(64, 33, 5, "cross_entropy", "float32")
    samples = SampleSet(ArrayReader(X), y)
    network, _ = make_pair(33, SPECS, "float32")
    session = narrow_session(network, optimizer="sgd")
    apart, _ = make_pair(33, SPECS, "float32")
    for epoch, batch_size in enumerate([16, 64, 16, 64]):
        session.epoch(samples, plan(batch_size, epoch, SGD))
        narrow_session(apart, optimizer="sgd").epoch(samples, plan(batch_size, epoch, SGD))
    assert_same_bits(parameters(network), parameters(apart))


def test_float32_predictions_are_not_touched(way):
    X, _ = make_data(90, 33, 5, "cross_entropy", "float32")
    network, _ = make_pair(33, SPECS, "float32")
    before = predict(network, X)
    assert not np.array_equal(forward(network, X), before)
    assert_same_bits([predict(network, X)], [before])
