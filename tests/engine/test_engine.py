"""Epochs, steps, forward passes: against the oracle step by step, the same bits on any team, whole when interrupted."""

import threading
import time

import numpy as np
import pytest

import reference
from engine_helpers import (
    ADAM,
    CLIPPINGS,
    DTYPES,
    OPTIMIZERS,
    SGD,
    SPECS,
    assert_close,
    assert_same_bits,
    batches,
    make_data,
    make_pair,
    parameters,
    predict,
    to_engine,
)
from fastbp.engine.array_reader import ArrayReader
from fastbp.engine.errors import Interrupted, NonFinite
from fastbp.engine.records import EpochPlan, SampleSet
from fastbp.engine.session import Session


@pytest.mark.parametrize(("optimizer", "numbers"), OPTIMIZERS)
@pytest.mark.parametrize(
    "limits_changed", [{}, {"long_step": 0.0, "piece": 0.0}, {"long_step": 0.0, "apart": 0.0, "piece": 0.0}]
)
def test_epochs_follow_the_oracle(isa, limits, optimizer, numbers, limits_changed):
    """Every batch of two epochs, the short last one too, with the update fused and apart."""
    limits(**limits_changed)
    network, layers = make_pair(9, SPECS, "float64")
    X, y = make_data(75, 9, 5, "cross_entropy", "float64")
    session = Session(network, "cross_entropy", ("correct",), optimizer, 1)
    oracle = reference.make_optimizer(optimizer, numbers)
    for epoch in range(2):
        loss, (correct,) = session.epoch(SampleSet(ArrayReader(X), y), EpochPlan(16, True, 11, epoch, numbers))
        wanted_loss, wanted_correct = 0.0, 0
        for rows in batches(75, 16, 11, epoch):
            wanted_correct += round(reference.accuracy(reference.predict(layers, X[rows]), y[rows]) * len(rows))
            wanted_loss += len(rows) * reference.train_step(layers, oracle, X[rows], y[rows], "cross_entropy")
        assert loss == pytest.approx(wanted_loss / 75, rel=1e-10)
        assert correct == [wanted_correct]
    for i, layer in enumerate(layers):
        W, b = network.get_layer(i)
        np.testing.assert_allclose(W, layer.W, rtol=0, atol=1e-10)
        np.testing.assert_allclose(b, layer.b, rtol=0, atol=1e-10)
    assert session.n_steps == 10


def test_sums_belong_to_the_call_that_returned_them():
    """The next call adds up in the same memory."""
    network, _ = make_pair(9, SPECS, "float64")
    X, y = make_data(75, 9, 5, "cross_entropy", "float64")
    session = Session(network, "cross_entropy", ("correct", "log_loss"), "sgd", 1)
    plan = EpochPlan(16, True, 11, 0, {"learning_rate": 0.5})
    _, sums = session.epoch(SampleSet(ArrayReader(X), y), plan)
    before, (_, _, progress) = [part.copy() for part in sums], session.progress(0)
    session.epoch(SampleSet(ArrayReader(X[:16]), y[:16]), plan)
    assert [list(part) for part in sums] == [list(part) for part in before]
    np.testing.assert_array_equal(progress[1:], np.concatenate(before))


def torch_peer(torch, optimizer, numbers, weights, biases):
    """PyTorch's optimizer of the same numbers; a weight decay for the weights alone."""
    names = {"adam": "AdamW" if numbers.get("decoupled") else "Adam"}
    kinds = {
        name.lower(): name for name in ("SGD", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "Rprop")
    }
    arguments = {"lr": numbers["learning_rate"]}
    if "beta_1" in numbers:
        arguments["betas"] = (numbers["beta_1"], numbers["beta_2"])
    elif "beta_2" in numbers:
        arguments["alpha" if optimizer == "rmsprop" else "rho"] = numbers["beta_2"]
    if optimizer == "rprop":
        arguments["etas"] = (numbers["eta_minus"], numbers["eta_plus"])
        arguments["step_sizes"] = (numbers["min_step"], numbers["max_step"])
    theirs = {"epsilon": "eps", "rate_decay": "lr_decay", "initial": "initial_accumulator_value"}
    for name in ("epsilon", "rate_decay", "initial", "momentum", "momentum_decay"):
        if name in numbers:
            arguments[theirs.get(name, name)] = numbers[name]
    arguments |= {name: bool(numbers[name]) for name in ("nesterov", "centered", "amsgrad") if name in numbers}
    groups = [{"params": weights}, {"params": biases}]
    if "weight_decay" in numbers:
        groups[0]["weight_decay"], groups[1]["weight_decay"] = numbers["weight_decay"], 0.0
    elif optimizer == "adam":
        arguments["weight_decay"] = 0.0
    return getattr(torch.optim, (names | kinds)[optimizer])(groups, **arguments)


@pytest.mark.parametrize(
    ("optimizer", "numbers"), [case for case in OPTIMIZERS if case[0] != "lion" and "epsilon_hat" not in case[1]]
)
def test_ten_steps_follow_pytorch(isa, torch, optimizer, numbers):
    network, layers = make_pair(9, SPECS, "float64")
    X, y = make_data(40, 9, 5, "cross_entropy", "float64")
    modules = []
    for layer in layers:
        linear = torch.nn.Linear(*layer.W.shape, dtype=torch.float64)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(layer.W.T))
            linear.bias.copy_(torch.from_numpy(layer.b))
        modules += [
            linear,
            {"relu": torch.nn.ReLU, "gelu": torch.nn.GELU, "softmax": torch.nn.Identity}[layer.activation](),
        ]
    model = torch.nn.Sequential(*modules)
    weights = [m.weight for m in modules if isinstance(m, torch.nn.Linear)]
    biases = [m.bias for m in modules if isinstance(m, torch.nn.Linear)]
    peer = torch_peer(torch, optimizer, numbers, weights, biases)
    session = Session(network, "cross_entropy", (), optimizer, 1)
    for _ in range(10):
        peer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(torch.from_numpy(X)), torch.from_numpy(y).long())
        loss.backward()
        peer.step()
        assert session.step(SampleSet(ArrayReader(X), y), numbers) == pytest.approx(loss.item(), rel=1e-10)
    for i, module in enumerate(m for m in modules if isinstance(m, torch.nn.Linear)):
        W, b = network.get_layer(i)
        np.testing.assert_allclose(W, module.weight.detach().numpy().T, rtol=0, atol=1e-10)
        np.testing.assert_allclose(b, module.bias.detach().numpy(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("optimizer", "numbers"), OPTIMIZERS)
def test_a_step_s_change_in_the_network_s_own_dtype(isa, dtype, optimizer, numbers):
    """Gradients of all magnitudes, weights of zero: what is seen is the change, to a few roundings of the dtype."""
    rng = np.random.default_rng(4)
    n_inputs, n_outputs = 97, 3
    X = (rng.normal(size=(1, n_inputs)) * 10.0 ** rng.integers(-12, 4, n_inputs)).astype(dtype)
    y = np.full((1, n_outputs), -1.0, dtype)
    layers = [reference.Layer(np.zeros((n_inputs, n_outputs)), np.zeros(n_outputs), "linear")]
    network = to_engine(n_inputs, [(n_outputs, "linear", 0.0)], layers, dtype)
    Session(network, "mse", (), optimizer, 1).step(SampleSet(ArrayReader(X), ArrayReader(y)), numbers)
    reference.train_step(layers, reference.make_optimizer(optimizer, numbers), X.astype(float), y.astype(float), "mse")
    np.testing.assert_allclose(network.get_layer(0)[0], layers[0].W, rtol=20 * np.finfo(dtype).eps, atol=1e-30)


@pytest.mark.parametrize("clipping", CLIPPINGS, ids=str)
@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("limits_changed", [{}, {"long_step": 0.0, "apart": 0.0, "piece": 0.0}])
def test_clipped_gradients_follow_the_oracle(isa, limits, clipping, n_threads, limits_changed):
    limits(epoch_thread=1.0, call_thread=1.0, paced=0.0, **limits_changed)
    numbers = {**SGD, "momentum": 0.9, "weight_decay": 0.01}
    network, layers = make_pair(9, SPECS, "float64")
    X, y = make_data(75, 9, 5, "cross_entropy", "float64")
    session = Session(network, "cross_entropy", (), "sgd", n_threads)
    oracle = reference.make_optimizer("sgd", numbers)
    norms = []
    for epoch in range(2):
        session.epoch(SampleSet(ArrayReader(X), y), EpochPlan(16, True, 11, epoch, numbers | clipping))
        for rows in batches(75, 16, 11, epoch):
            _, whole = reference.loss_and_gradients(layers, X[rows], y[rows], "cross_entropy")
            norms.append(np.sqrt(sum((g**2).sum() for pair in whole for g in pair)))
            reference.train_step(layers, oracle, X[rows], y[rows], "cross_entropy", **clipping)
    assert max(norms) > clipping.get("clip_norm", 0)
    for i, layer in enumerate(layers):
        W, b = network.get_layer(i)
        np.testing.assert_allclose(W, layer.W, rtol=0, atol=1e-10)
        np.testing.assert_allclose(b, layer.b, rtol=0, atol=1e-10)


@pytest.mark.parametrize("clipping", [{"clip_norm": 0.1}, {"clip_array_norm": 0.1}], ids=str)
def test_a_batch_of_many_chunks_is_clipped_as_one(isa, clipping):
    numbers = SGD | clipping
    network, layers = make_pair(6, [(7, "tanh", 0.0), (2, "linear", 0.0)], "float64")
    X, y = make_data(9000, 6, 2, "mse", "float64")
    Session(network, "mse", (), "sgd", 1).step(SampleSet(ArrayReader(X), ArrayReader(y)), numbers)
    reference.train_step(layers, reference.make_optimizer("sgd", SGD), X, y, "mse", **clipping)
    for i, layer in enumerate(layers):
        np.testing.assert_allclose(network.get_layer(i)[0], layer.W, rtol=0, atol=1e-12)


# ---- Metrics ----


@pytest.mark.parametrize("dtype", DTYPES)
def test_error_sums(isa, dtype):
    network, layers = make_pair(6, [(7, "tanh", 0.0), (3, "linear", 0.0)], dtype)
    X, y = make_data(333, 6, 3, "mse", dtype)
    _, (squared, absolute) = network.evaluate(
        SampleSet(ArrayReader(X), ArrayReader(y)), "mse", ("squared_error", "absolute_error"), 1
    )
    error = reference.predict(layers, X.astype(float)) - y
    assert_close(squared, (error**2).sum(axis=0), dtype)
    assert_close(absolute, np.abs(error).sum(axis=0), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_correct_counts(isa, dtype):
    for loss, last in (("cross_entropy", "softmax"), ("binary_cross_entropy", "sigmoid")):
        network, layers = make_pair(6, [(7, "tanh", 0.0), (3, last, 0.0)], dtype)
        X, y = make_data(333, 6, 3, loss, dtype, labelled=False)
        _, (correct,) = network.evaluate(SampleSet(ArrayReader(X), ArrayReader(y)), loss, ("correct",), 1)
        A = reference.predict(layers, X.astype(float))
        hits = (A.argmax(axis=1) == y.argmax(axis=1)) if loss == "cross_entropy" else (A > 0.5) == (y > 0.5)
        assert correct == [hits.sum()]


# ---- The user's data, read in place ----

SOURCES = [
    "bool",
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float16",
    "float32",
    "float64",
]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_any_numeric_dtype_and_strides(isa, source, dtype):
    rng = np.random.default_rng(2)
    values = rng.integers(0, 2 if source == "bool" else 100, (41, 70))
    X = (values - (50 if source[0] in "if" else 0)).astype(source)
    network, _ = make_pair(35, [(3, "linear", 0.0)], dtype)
    for view in (X[:, :35], X[:, ::2], X[::-1, 69:34:-1], np.asfortranarray(X)[:, 10:45]):
        np.testing.assert_array_equal(predict(network, view), predict(network, np.ascontiguousarray(view, dtype=dtype)))


def test_every_half_precision_number():
    halves = np.arange(65536, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)].reshape(-1, 1)
    network, _ = make_pair(1, [(1, "linear", 0.0)], "float32")
    network.set_layer(0, np.ones((1, 1)), np.zeros(1))
    np.testing.assert_array_equal(predict(network, halves), halves.astype(np.float32))


def test_rows_refuse_what_they_cannot_read():
    for array in (np.zeros((2, 2), complex), np.zeros((2, 2), ">f4"), np.zeros(3), np.zeros((2, 2, 2))):
        with pytest.raises((TypeError, ValueError)):
            ArrayReader(array)


# ---- State ----


@pytest.mark.parametrize(("optimizer", "numbers"), OPTIMIZERS)
def test_state_goes_on_where_it_was(optimizer, numbers):
    X, y = make_data(100, 9, 5, "cross_entropy", "float32")
    network, _ = make_pair(9, SPECS, "float32")
    session = Session(network, "cross_entropy", (), optimizer, 1)
    session.epoch(SampleSet(ArrayReader(X), y), EpochPlan(10, True, 0, 0, numbers))
    other, _ = make_pair(9, SPECS, "float32")
    for i in range(3):
        other.set_layer(i, *network.get_layer(i))
    resumed = Session(other, "cross_entropy", (), optimizer, 1)
    resumed.set_state(session.get_state())
    resumed.n_steps = session.n_steps
    session.epoch(SampleSet(ArrayReader(X), y), EpochPlan(10, True, 0, 1, numbers))
    resumed.epoch(SampleSet(ArrayReader(X), y), EpochPlan(10, True, 0, 1, numbers))
    assert_same_bits(parameters(other), parameters(network))


@pytest.mark.parametrize("limits_changed", [{}, {"long_step": 0.0, "piece": 0.0}])
def test_on_tick_sees_the_epoch_pass(limits, limits_changed):
    limits(**limits_changed)
    X, y = make_data(20_000, 33, 5, "cross_entropy", "float32")
    network, _ = make_pair(33, [(400, "relu", 0.0), (400, "relu", 0.0), (5, "softmax", 0.0)], "float32")
    ticks = []
    loss, _ = Session(network, "cross_entropy", (), "adam", 1).epoch(
        SampleSet(ArrayReader(X), y),
        EpochPlan(32, True, 0, 0, ADAM, on_tick=lambda done, mean: ticks.append((done, mean))),
    )
    assert len(ticks) >= 2
    assert [done for done, _ in ticks] == sorted({done for done, _ in ticks})
    assert ticks[-1] == (20_000, loss)


# ---- Parts of an epoch, parts of the rows ----


def started(n_threads=1, dtype="float32"):
    network, _ = make_pair(33, SPECS, dtype)
    return network, Session(network, "cross_entropy", ("correct",), "adam", n_threads)


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_an_epoch_left_by_on_tick_goes_on_to_the_same_bits(n_threads, shuffle, weighted):
    X, y = make_data(203, 33, 5, "cross_entropy", "float32")
    weights = np.random.default_rng(5).uniform(0, 2, 203) if weighted else None
    whole, session = started(n_threads)
    wanted = session.epoch(SampleSet(ArrayReader(X), y, weights), EpochPlan(20, shuffle, 3, 0, ADAM))
    network, session = started(n_threads)
    seen = []
    samples = SampleSet(ArrayReader(X), y, weights)
    stop_at = iter([60, 160, 1000])

    def on_tick(done, loss):
        seen.append(done)
        return done >= limit

    result, progress = None, None
    while result is None:
        limit = next(stop_at)
        plan = EpochPlan(20, shuffle, 3, 0, ADAM, progress=progress, on_tick=on_tick, every_step=True)
        result = session.epoch(samples, plan)
        progress = session.progress(0)
    assert seen == [*range(20, 201, 20), 203]
    assert session.n_steps == 11
    assert result[0] == wanted[0]
    assert_same_bits(result[1], wanted[1])
    assert_same_bits(parameters(network), parameters(whole))


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_an_epoch_over_a_subset_is_one_over_those_rows_alone(shuffle, weighted):
    X, y = make_data(203, 33, 5, "cross_entropy", "float32")
    rng = np.random.default_rng(5)
    weights = rng.uniform(0, 2, 203) if weighted else None
    rows = rng.permutation(203)[:150]
    alone, session = started()
    wanted = session.epoch(
        SampleSet(ArrayReader(X[rows]), y[rows], weights[rows] if weighted else None),
        EpochPlan(20, shuffle, 3, 0, ADAM),
    )
    network, session = started()
    result = session.epoch(SampleSet(ArrayReader(X), y, weights, rows), EpochPlan(20, shuffle, 3, 0, ADAM))
    assert result[0] == wanted[0]
    assert_same_bits(parameters(network), parameters(alone))


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("weighted", [True, False])
def test_an_evaluation_of_a_subset_is_one_of_those_rows_alone(n_threads, weighted):
    X, y = make_data(2003, 33, 5, "cross_entropy", "float32")
    rng = np.random.default_rng(5)
    weights = rng.uniform(0, 2, 2003) if weighted else None
    rows = rng.permutation(2003)[:1500]
    network, _ = started()
    wanted = network.evaluate(
        SampleSet(ArrayReader(X[rows]), y[rows], weights[rows] if weighted else None),
        "cross_entropy",
        ("correct",),
        n_threads,
    )
    result = network.evaluate(SampleSet(ArrayReader(X), y, weights, rows), "cross_entropy", ("correct",), n_threads)
    assert result[0] == wanted[0]
    assert_same_bits(result[1], wanted[1])


@pytest.mark.parametrize("dtype", DTYPES)
def test_groups_to_score_have_samples_each(isa, dtype):
    """Else a rank that is given the last one has nothing to do."""
    network, _ = make_pair(3, [(2, "linear", 0.0)], dtype)
    size = network.group_samples
    assert [network.n_groups(n) for n in (1, size - 1, size, size + 1, 2 * size)] == [1, 1, 1, 2, 2]


def test_bad_input_in_a_subset_is_named_by_its_row_among_all():
    X, y = make_data(203, 33, 5, "cross_entropy", "float32")
    X[77, 3] = np.nan
    network, session = started()
    rows = np.arange(50, 150)
    with pytest.raises(NonFinite) as found:
        session.epoch(SampleSet(ArrayReader(X), y, subset=rows), EpochPlan(20, True, 3, 0, ADAM))
    assert (found.value.where, found.value.row) == ("inputs", 77)
    with pytest.raises(NonFinite) as found:
        network.evaluate(SampleSet(ArrayReader(X), y, subset=rows), "cross_entropy", (), 1)
    assert (found.value.where, found.value.row) == ("inputs", 77)


@pytest.mark.parametrize(
    ("specs", "changed"),
    [
        (SPECS, {}),
        ([(1000, "relu", 0.0), (1000, "relu", 0.0), (5, "softmax", 0.0)], {"long_step": 0.0, "piece": 1e7}),
    ],
)
def test_another_thread_interrupts(limits, specs, changed):
    limits(**changed)
    X, y = make_data(4000, 33, 5, "cross_entropy", "float32")
    network, _ = make_pair(33, specs, "float32")
    session = Session(network, "cross_entropy", (), "adam", 1)
    ended = []

    def train():
        try:
            for epoch in range(1_000_000):
                session.epoch(SampleSet(ArrayReader(X), y), EpochPlan(2000, True, 3, epoch, ADAM))
        except Interrupted:
            ended.append(time.perf_counter())

    thread = threading.Thread(target=train)
    thread.start()
    time.sleep(0.3)
    began = time.perf_counter()
    network.interrupted = True
    thread.join()
    assert ended[0] - began < 1.0  # what an overloaded machine may add to the 100 ms that are aimed at
    with pytest.raises(Interrupted):  # until it is taken back
        session.epoch(SampleSet(ArrayReader(X), y), EpochPlan(2000, True, 3, 0, ADAM))
    network.interrupted = False
    before = session.n_steps
    session.epoch(SampleSet(ArrayReader(X), y), EpochPlan(2000, True, 3, 0, ADAM))
    assert session.n_steps == before + 2
