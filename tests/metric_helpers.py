"""Models whose outputs are given, and what metrics are compared by."""

import numpy as np
import pytest

import fastbp as fb

datasets = pytest.importorskip("sklearn.datasets")
metrics = pytest.importorskip("sklearn.metrics")

CLASSES = ["accuracy", "balanced_accuracy", "roc_auc", "average_precision", "log_loss", "brier"]


def of_outputs(n_outputs, last, dtype="float64"):
    """A model whose Z are its inputs."""
    model = fb.Model([fb.Dense(n_outputs, last)], inputs=n_outputs, dtype=dtype)
    model.set_weights([np.eye(n_outputs), np.zeros(n_outputs)])
    return model


def assert_equal(found, expected, tolerance=1e-12):
    assert found == pytest.approx(expected, rel=tolerance, abs=tolerance, nan_ok=True)


def make_trainer(loss="cross_entropy", **options):
    model = fb.Model(
        [fb.Dense(16, "tanh"), fb.Dense(3, "sigmoid" if loss == "binary_cross_entropy" else "softmax")],
        inputs=5,
        dtype="float64",
        seed=1,
    )
    options = {"optimizer": fb.SGD(0.3), "batch_size": 30, "metrics": ALL} | options
    return fb.Trainer(model, loss, **options)


def last_of_each(y, P, sample_weight=None):
    """A figure that depends on the order of the rows."""
    weights = np.ones(len(P)) if sample_weight is None else sample_weight
    return float(np.arange(len(P)) * weights @ P[:, 0])


ALL = [*CLASSES, "f1", fb.TopKAccuracy(2), last_of_each]
