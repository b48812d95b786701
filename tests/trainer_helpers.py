"""A small classifier and its trainer."""

import pytest

import fastbp as fb

datasets = pytest.importorskip("sklearn.datasets")


def make_trainer(optimizer="adam", n_inputs=4, n_classes=3, **arguments):
    model = fb.Model([fb.Dense(12, "relu"), fb.Dense(n_classes, "softmax")], inputs=n_inputs, dtype="float64")
    return fb.Trainer(model, "cross_entropy", optimizer, **arguments)


def same_weights(a, b):
    return all((x == y).all() for x, y in zip(a.model.get_weights(), b.model.get_weights(), strict=True))
