"""A trainer whose model has yet to learn what it makes of its data, and data for it."""

import numpy as np
import pytest

import fastbp as fb


def make_unlearnt(fold=0):
    prepare = fb.Columns(numeric=[fb.Impute("median"), fb.Standardize()])
    layers = [fb.Dense(8, "relu"), fb.Dense(2, "softmax")]
    return fb.Trainer(fb.Model(layers, prepare=prepare, seed=fold), "cross_entropy")


def make_rows(n=120):
    rng = np.random.default_rng(0)
    kinds = rng.choice(["bat", "ball", "net"], n)
    size = np.where(rng.random(n) < 0.1, np.nan, rng.normal(1000, 10, n))
    return pytest.importorskip("pandas").DataFrame({"kind": kinds, "size": size}), (kinds == "bat").astype(int)


STANDARDIZED = (fb.Standardize(),)


CHAIN = [fb.Impute("median", indicator=True), fb.Standardize(), fb.RobustScale()]


def make_data(n=300, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5)) * [1, 1e-3, 1e4, 30, 1] + [0, 1, 1.6e9, 0, 0]
    y = 5e6 + 1e5 * (X[:, :1] + np.sin(X[:, 3:4] / 30))
    X[rng.random(X.shape) < 0.1] = np.nan
    return X, y


def make_mixed(n=300, seed=0):
    X, y = make_data(n, seed)
    mixed = X.astype(object)
    mixed[:, 1] = np.random.default_rng(seed).choice(["red", "green", None], n)
    return mixed, y


def make_model(prepare=CHAIN, targets=STANDARDIZED, inputs=None, dtype="float32", units=7):
    layers = [fb.Dense(units, "tanh"), fb.Dense(1)]
    return fb.Model(layers, inputs=inputs, prepare=prepare, prepare_targets=targets, dtype=dtype, seed=3)


def trained(model=None, data=None, **options):
    X, y = data or make_data()
    trainer = fb.Trainer(model or make_model(), "mse", fb.Adam(0.01), **options)
    trainer.fit(X, y, epochs=4)
    return trainer


def bits(arrays):
    return [array.tobytes() for array in arrays]
