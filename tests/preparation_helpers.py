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
