"""What is said of trainers, and what a trainer does where hardly anything is to be done."""

import numpy as np
import pytest

import fastbp as fb
from fastbp.losses import LOSSES, CrossEntropy
from fastbp.losses.penalised import PenalisedLoss

X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)


def test_no_iterations_change_nothing():
    trainer = fb.Trainer(fb.Model([fb.Dense(1)], inputs=3, seed=0), "mse", "lbfgs", batch_size=None)
    before = trainer.model.get_weights()
    assert trainer.fit(X, X[:, 0], epochs=0).n_epochs == 0
    np.testing.assert_array_equal(before[0], trainer.model.get_weights()[0])


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_labels_before_the_model_is_built(optimizer):
    """A model that learns its inputs and the number of classes is not known when the labels are read."""
    labels = np.array(["a", "b", "c", "d"])[np.arange(40) % 4]
    model = fb.Model([fb.Dense(4, "softmax")], prepare=fb.Standardize(), seed=0)
    trainer = fb.Trainer(model, "cross_entropy", optimizer, batch_size=None if optimizer == "lbfgs" else 8)
    trainer.fit(X, labels, validation_fraction=0.25)
    assert list(model.classes) == ["a", "b", "c", "d"]


def test_a_loss_with_a_penalty_is_the_loss_within_in_all_else():
    """Weights of outputs are allowed where the loss within is a sum over outputs, and classes are its classes."""
    for inner in ("mse", "cross_entropy", "hinge"):
        loss = LOSSES[inner]()
        penalised = PenalisedLoss(loss, 1.0, 0.1)
        assert penalised.sums_outputs == loss.sums_outputs and penalised.by_margin == loss.by_margin
    found, n = PenalisedLoss(CrossEntropy(), 1.0, 0.1).classes(np.array([2, 0, 1]), 3)
    assert found.tolist() == [2, 0, 1] and n == 3
