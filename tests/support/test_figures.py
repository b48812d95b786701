"""A figure that is watched and missing: each caller says how there can be one, in its own words."""

import pickle

import numpy as np
import pytest

import fastbp as fb
from fastbp.support.figures import MissingFigureError

sklearn = pytest.importorskip("fastbp.sklearn", exc_type=ImportError)

rng = np.random.default_rng(0)
X, y = rng.normal(size=(40, 3)), rng.integers(0, 2, 40)


def trainer(optimizer="adam"):
    return fb.Trainer(fb.Model([fb.Dense(1, "sigmoid")], inputs=3), "binary_cross_entropy", optimizer)


def watch(_=None):
    return [fb.EarlyStopping("val_loss")]


PLATEAU = fb.SGD(fb.Plateau(0.1, monitor="val_loss"))
CALLS = {
    "fit": (lambda: trainer().fit(X, y, callbacks=watch()), "Give fit validation_data or validation_fraction."),
    "chunks": (lambda: trainer().fit([(X, y)], callbacks=watch()), "Give fit validation_data."),
    "plateau": (lambda: trainer(PLATEAU).fit(X, y), "Give fit validation_data or validation_fraction."),
    "best file": (
        lambda: trainer().fit(X, y, callbacks=fb.Checkpoint("never.ckpt", best_only=True)),
        "Give fit validation_data or validation_fraction.",
    ),
    "many": (lambda: fb.fit_many([trainer()], X, y, callbacks=watch), "Give fit_many validation_data."),
    "folds": (
        lambda: fb.cross_validate(lambda _: trainer(), X, y, callbacks=watch),
        "Pass validate=True to cross_validate.",
    ),
    "estimator": (
        lambda: sklearn.MLPClassifier(callbacks=watch()).fit(X, y),
        "Give fit a validation_set=(X, y), or make the estimator with early_stopping=True.",
    ),
    "partial": (
        lambda: sklearn.MLPClassifier(callbacks=watch()).partial_fit(X, y, classes=[0, 1]),
        "Give partial_fit a validation_set=(X, y).",
    ),
    "l-bfgs": (
        lambda: sklearn.MLPRegressor(solver="lbfgs", callbacks=watch()).fit(X, y),
        "Give fit a validation_set=(X, y).",
    ),
}
FOLLOWED = {
    "fit": lambda: trainer().fit(X, y, validation_fraction=0.2, callbacks=watch()),
    "chunks": lambda: trainer().fit([(X, y)], validation_data=(X, y), callbacks=watch()),
    "plateau": lambda: trainer(PLATEAU).fit(X, y, validation_data=(X, y)),
    "many": lambda: fb.fit_many([trainer()], X, y, validation_data=(X, y), callbacks=watch),
    "folds": lambda: fb.cross_validate(lambda _: trainer(), X, y, callbacks=watch, validate=True),
    "estimator": lambda: sklearn.MLPClassifier(max_iter=2, early_stopping=True, callbacks=watch()).fit(X, y),
    "partial": lambda: sklearn.MLPClassifier(callbacks=watch()).partial_fit(
        X, y, classes=[0, 1], validation_set=(X, y)
    ),
    "l-bfgs": lambda: sklearn.MLPRegressor(solver="lbfgs", callbacks=watch()).fit(X, y, validation_set=(X, y)),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_remedy_is_of_the_call(name):
    call, remedy = CALLS[name]
    with pytest.raises(
        ValueError, match="monitor is 'val_loss'; expected one of the history's figures: 'loss'"
    ) as error:
        call()
    assert str(error.value).endswith(f". {remedy}")


@pytest.mark.parametrize("name", FOLLOWED)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_remedy_works(name):
    FOLLOWED[name]()


def test_a_name_that_is_nearly_right():
    with pytest.raises(ValueError, match=r"Did you mean 'val_accuracy'\?$") as error:
        trainer().fit(X, y, validation_fraction=0.2, callbacks=[fb.EarlyStopping("val_acc")])
    assert isinstance(pickle.loads(pickle.dumps(error.value)), MissingFigureError)  # it can come from a worker process
