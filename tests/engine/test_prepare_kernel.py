"""Features made natively: every step, dtype, stride and instruction set against NumPy."""

import numpy as np
import pytest

import fastbp as fb
from fastbp.engine.array_reader import ArrayReader
from fastbp.engine.features import Features
from fastbp.engine.records import EpochPlan, SampleSet

DTYPES = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"]


def clip(x, bound):
    return x / np.sqrt(1 + (x / bound) ** 2)


def code(x, values):
    result = np.full(x.shape, -1.0)
    for i, value in enumerate(values):
        result[x == value] = i
    return np.where(np.isnan(x), np.nan, result)


STEPS = {
    "fill": lambda x, a: np.where(np.isnan(x), a, x),
    "affine": lambda x, a, b, c: (x - a) * b + c,
    "clip": clip,
    "missing": lambda x: np.isnan(x).astype(float),
    "equals": lambda x, a: (x == a).astype(float),
    "code": lambda x, *values: code(x, values),
}


def oracle(X, features):
    columns = []
    for column, steps in features:
        x = X[:, column].astype(np.float64)
        for kind, *numbers in steps:
            x = STEPS[kind](x, *numbers)
        columns.append(x)
    return np.stack(columns, axis=1)


def apply(X, features, dtype=np.float64):
    return Features(features).apply(ArrayReader(X), np.empty((len(X), len(features)), dtype))


def random_features(rng, n_columns):
    """Runs of every kind and length: columns in a row, one column again and again, and any order."""
    chains = [
        list,
        lambda: [("fill", rng.normal())],
        lambda: [("affine", *rng.normal(size=3))],
        lambda: [("fill", rng.normal()), ("affine", *rng.normal(size=3)), ("clip", rng.uniform(1, 4))],
        lambda: [("missing",)],
        lambda: [("equals", float(rng.integers(-2, 3)))],
        lambda: [("code", *sorted(rng.choice(7, 4, replace=False) - 3.0)), ("fill", 4.0)],
        lambda: [("code",), ("fill", 0.0)],
    ]
    features = []
    for _ in range(rng.integers(1, 6)):
        chain, n = chains[rng.integers(len(chains))], int(rng.integers(1, 40))
        way = rng.integers(3)
        first = int(rng.integers(n_columns))
        columns = [first] * n if way == 0 else [(first + i) % n_columns for i in range(n)]
        if way == 2:
            columns = rng.integers(0, n_columns, n).tolist()
        features += [(column, chain()) for column in columns]
    return features


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 2, 7, 16, 33])
def test_features_are_the_oracle_s(isa, dtype, n):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        n_columns = int(rng.integers(1, 40))
        X = rng.integers(-3, 4, (n, n_columns)) + rng.choice([0.0, 0.25], (n, n_columns))
        X[rng.random(X.shape) < 0.2] = np.nan
        features = random_features(rng, n_columns)
        wanted = oracle(X, features)
        width = 1e-14 if dtype == "float64" else 2e-7
        np.testing.assert_allclose(apply(X, features, dtype), wanted, rtol=width, atol=width)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_and_stride(isa, dtype):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(21, 60)) * 30
    X = (np.abs(X) if dtype.startswith("u") else X).astype(dtype)  # what a negative number becomes is the CPU's own
    features = [(j, [("affine", 3.0, 0.5, 0.0)]) for j in range(20)] + [(5, [("equals", float(X[3, 5]))])]
    for view in (X, X.T.copy().T, X[::-1], X[:, ::-2], X[::3, 10:], np.broadcast_to(X[:, :1], (21, 20))):
        np.testing.assert_array_equal(apply(view, features), oracle(view, features))


def test_a_second_of_today_is_not_lost_in_float32(isa):
    seconds = 1.6e9 + np.arange(50.0)
    made = apply(seconds[:, np.newaxis], [(0, [("affine", 1.6e9, 1.0, 0.0)])], np.float32)
    np.testing.assert_array_equal(made[:, 0], np.arange(50))


def test_what_is_far_out_is_clipped_and_what_is_infinite_stays(isa):
    x = np.array([[1e200, -1e200, 1e-200, 0.0, np.inf, -np.inf, np.nan]]).T
    made = apply(x, [(0, [("clip", 3.0)])])[:, 0]
    np.testing.assert_allclose(made, [3, -3, 1e-200, 0, np.inf, -np.inf, np.nan])


def test_a_row_alone_has_the_bits_that_it_has_among_others(isa):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(40, 30))
    for dtype in ("float32", "float64"):
        features = random_features(rng, 30)
        together = apply(X, features, dtype)
        alone = np.vstack([apply(X[i : i + 1], features, dtype) for i in range(40)])
        assert together.tobytes() == alone.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_features", [1, 15, 16, 17, 70])
def test_a_network_fed_with_features_is_one_fed_with_the_array_of_them(isa, dtype, n_features):
    """The same bits: in predictions, evaluations, gradients and training, in any order of the rows."""
    rng = np.random.default_rng(n_features)
    X, y = rng.normal(size=(150, 9)) * 100, rng.normal(size=(150, 2)) * 1e5
    features = [
        (int(rng.integers(9)), [("affine", *rng.normal(size=2), 0.0), ("clip", 3.0)]) for _ in range(n_features)
    ]
    targets = [(1, [("affine", 4.0, 1e-5, 0.0)]), (0, [("affine", -3.0, 2e-5, 1.0)])]
    made = apply(X, features, dtype)
    wanted_y = apply(y, targets, dtype)
    models = [fb.Model([fb.Dense(7, "tanh"), fb.Dense(2)], inputs=n_features, dtype=dtype) for _ in range(2)]
    network = models[0].network
    network.set_features(Features(features), Features(targets))
    for rows in (1, 5, 150):
        outs = [np.empty((rows, 2), dtype) for _ in range(2)]
        network.forward(ArrayReader(X[:rows]), outs[0], 2)
        models[1].network.forward(ArrayReader(made[:rows]), outs[1], 2)
        assert outs[0].tobytes() == outs[1].tobytes()
    results = []
    for model, data in zip(models, ((X, y), (made, wanted_y)), strict=True):
        trainer = fb.Trainer(model, "mse", batch_size=32, n_threads=2)
        session, (inputs, outputs) = trainer.parts.state.session, map(ArrayReader, data)
        results.append([session.gradients(SampleSet(inputs, outputs))])
        for epoch in range(2):
            session.epoch(SampleSet(inputs, outputs), EpochPlan(32, True, 0, epoch, trainer.parts.state.numbers_of(5)))
        results[-1].append(model.network.evaluate(SampleSet(inputs, outputs), "mse", ("squared_error",), 2))
        results[-1].append(model.get_weights())
    assert repr(results[0]) == repr(results[1])
    for a, b in zip(results[0][-1], results[1][-1], strict=True):
        assert a.tobytes() == b.tobytes()
