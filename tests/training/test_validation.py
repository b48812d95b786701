"""Samples held out by Trainer.fit: which they are, and what is refused."""

import numpy as np
import pytest

import fastbp as fb
from fastbp.data.folds import split_fraction
from trainer_helpers import make_trainer, same_weights

datasets = pytest.importorskip("sklearn.datasets")

# ------------------------------------------------------------------------------------------- validation


def test_a_fraction_is_held_out_and_not_trained_on(iris):
    X, y = iris
    rest, held_out = split_fraction(150, 0.2, classes=y, seed=4)
    assert (np.bincount(y[held_out]) == 10).all()
    trainer, twin = make_trainer(seed=4), make_trainer(seed=4)
    history = trainer.fit(X, y, epochs=3, validation_fraction=0.2)
    wanted = twin.fit(X[rest], y[rest], epochs=3, validation_data=(X[held_out], y[held_out]))
    assert same_weights(trainer, twin)
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert history[name] == wanted[name]


@pytest.mark.parametrize("class_weight", ["balanced", {0: 2.0}])
def test_a_fraction_with_weights(iris, class_weight):
    X, y = iris
    X, y = X[:120], y[:120]
    weights = np.random.default_rng(0).uniform(size=120)
    rest, held_out = split_fraction(120, 0.25, classes=y, seed=0)
    trainer, twin = make_trainer(), make_trainer()
    history = trainer.fit(X, y, validation_fraction=0.25, sample_weight=weights, class_weight=class_weight)
    validation = (X[held_out], y[held_out], weights[held_out])
    wanted = twin.fit(
        X[rest], y[rest], validation_data=validation, sample_weight=weights[rest], class_weight=class_weight
    )
    assert same_weights(trainer, twin)
    assert history["val_loss"] == wanted["val_loss"]
    np.testing.assert_allclose(history["loss"], wanted["loss"], rtol=1e-14)


def test_a_fraction_of_regression_targets_and_of_lbfgs(iris):
    X, _ = iris
    rest, held_out = split_fraction(150, 0.2, seed=0)
    for optimizer in ("adam", "lbfgs"):
        trainers = []
        for _ in range(2):
            model = fb.Model([fb.Dense(5, "tanh"), fb.Dense(1)], inputs=3, dtype="float64")
            trainers.append(fb.Trainer(model, "mse", optimizer, batch_size=None))
        history = trainers[0].fit(X[:, :3], X[:, 3], epochs=5, validation_fraction=0.2)
        validation = (X[held_out, :3], X[held_out, 3])
        wanted = trainers[1].fit(X[rest, :3], X[rest, 3], epochs=5, validation_data=validation)
        assert same_weights(*trainers)
        np.testing.assert_allclose(history["val_r2"], wanted["val_r2"], rtol=1e-13)
        np.testing.assert_allclose(history["r2"], wanted["r2"], rtol=1e-13)


def test_a_fraction_with_a_loss_of_your_own(iris):
    X, _ = iris

    def loss(outputs, targets):
        return np.square(outputs - targets).sum(axis=1), 2 * (outputs - targets)

    rest, held_out = split_fraction(150, 0.2, seed=0)
    trainers = [fb.Trainer(fb.Model([fb.Dense(1)], inputs=3, dtype="float64"), loss, batch_size=20) for _ in range(2)]
    history = trainers[0].fit(X[:, :3], X[:, 3:], epochs=2, validation_fraction=0.2)
    validation = (X[held_out, :3], X[held_out, 3:])
    wanted = trainers[1].fit(X[rest, :3], X[rest, 3:], epochs=2, validation_data=validation)
    assert same_weights(*trainers)
    assert history["val_loss"] == wanted["val_loss"]


@pytest.mark.parametrize("groups", [np.arange(150) // 10, [f"patient {i % 7}" for i in range(150)]])
def test_groups_are_held_out_whole(iris, groups):
    X, y = iris
    marked = np.column_stack([X[:, :3], np.unique(groups, return_inverse=True)[1]])
    seen = []
    trainer = make_trainer()
    rest, held_out = split_fraction(150, 0.3, groups=np.asarray(groups), seed=0)
    assert not set(marked[rest, 3]) & set(marked[held_out, 3])
    trainer.fit(marked, y, validation_fraction=0.3, groups=groups, callbacks=[lambda _, figures: seen.append(figures)])
    twin = make_trainer()
    twin.fit(marked[rest], y[rest])
    assert same_weights(trainer, twin)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"validation_fraction": 0}, "validation_fraction is 0; expected a finite number above 0 and below 1"),
        ({"validation_fraction": 1.0}, "validation_fraction is 1.0; expected a finite number above 0 and below 1"),
        ({"validation_fraction": 0.001}, "validation_fraction is 0.001: 0.001 of 150 samples are 0; expected one or"),
        ({"groups": np.zeros(150)}, "groups is an ndarray of shape (150,) and dtype float64; expected None without"),
        (
            {"validation_fraction": 0.2, "groups": np.zeros(3)},
            "groups is an ndarray of shape (3,) and dtype float64; expected a label for each sample, shape (150,)",
        ),
        ({"validation_fraction": 0.2, "groups": np.zeros(150)}, "0.2 of 150 samples in 1 groups are 0; expected one"),
        (
            {"validation_fraction": 0.2, "validation_data": (np.zeros((1, 4)), [0])},
            "validation_fraction is 0.2 and validation_data is given; expected one of them",
        ),
    ],
)
def test_bad_fractions(iris, arguments, sentence):
    with pytest.raises(ValueError) as error:
        make_trainer().fit(*iris, **arguments)
    assert sentence in str(error.value)


def test_weights_that_leave_nothing_to_hold_out(iris):
    X, y = iris
    _, held_out = split_fraction(150, 0.2, classes=y, seed=0)
    weights = np.ones(150)
    weights[held_out] = 0
    with pytest.raises(ValueError, match="the sample weights of the samples held out in sample_weight are all 0"):
        make_trainer().fit(X, y, validation_fraction=0.2, sample_weight=weights)


def test_a_bad_row_beyond_the_first_batch_is_named_with_a_loss_of_your_own(iris):
    X, y = iris
    bad = X.copy()
    bad[77, 2] = np.nan
    trainer = fb.Trainer(fb.Model([fb.Dense(3)], inputs=4), _squared, batch_size=32, metrics=[])
    with pytest.raises(ValueError, match="row 77, column 2"):
        trainer.evaluate(bad, np.eye(3)[y])


def _squared(outputs, targets):
    return ((outputs - targets) ** 2).sum(axis=1), 2 * (outputs - targets)
