"""Callbacks, progress bars, and the ends that training comes to, with the estimators."""

import _thread
import math
import threading
import time

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")

from sklearn.exceptions import ConvergenceWarning

import fastbp as fb
from estimator_helpers import DIABETES, X_TEST, X_TRAIN, Y_TEST, Y_TRAIN, X, Y, classifier, regressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_callbacks():
    seen = []
    model = classifier(callbacks=[lambda trainer, figures: seen.append(figures["epoch"])], max_iter=4).fit(X, Y)
    assert seen == [1, 2, 3, 4]
    model.set_params(callbacks=fb.TimeLimit(0.2), max_iter=10**6, tol=0.0, n_iter_no_change=np.inf)
    start = time.perf_counter()
    model.fit(X, Y)
    assert time.perf_counter() - start < 10
    assert model.n_iter_ < 10**6
    history = []
    classifier(solver="lbfgs", callbacks=[lambda trainer, figures: history.append(figures["loss"])]).fit(X, Y)
    assert len(history) == 5 and history[-1] < history[0]


def test_early_stopping_callback_of_fastbp():
    stopping = fb.EarlyStopping("val_loss", patience=3)
    model = classifier(callbacks=stopping, max_iter=400, learning_rate_init=0.02)
    model.fit(X_TRAIN, Y_TRAIN, validation_set=(X_TEST, Y_TEST))
    assert model.n_iter_ == stopping.stopped_epoch < 400


def test_a_callback_that_is_none():
    with pytest.raises(TypeError, match="callbacks"):
        classifier(callbacks=[3]).fit(X, Y)


def test_a_checkpoint_holds_the_network(tmp_path):
    path = tmp_path / "net.safetensors"
    model = classifier(callbacks=[fb.Checkpoint(path, monitor="loss")], dropout=0.1).fit(X, Y)
    twin = fb.Trainer.load(path)
    np.testing.assert_array_equal(twin.model.predict(X), model.predict_proba(X)[:, 1:])
    assert twin.fit(X, Y)["loss"][-1] < model.loss_


def test_the_bar_is_for_long_fits(capsys, monkeypatch):
    classifier(verbose=1).fit(X, Y)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr("fastbp.sklearn.base._BAR_DELAY", 0.0)
    classifier(verbose=1).fit(X, Y)
    out, err = capsys.readouterr()
    assert out == "" and "epoch 5/5" in err
    classifier(verbose=1, solver="lbfgs").fit(X, Y)
    assert "epoch 5/5" in capsys.readouterr().err
    classifier(verbose=2, solver="lbfgs").fit(X, Y)
    out, err = capsys.readouterr()
    assert out.startswith("Iteration 1, loss = ") and err == ""


def test_interruption_keeps_the_last_step():
    def interrupt(trainer, figures):
        if figures["epoch"] == 3:
            threading.Thread(target=_thread.interrupt_main).start()
            time.sleep(0.2)

    with pytest.warns(UserWarning, match=r"Training interrupted by user\."):
        model = classifier(callbacks=[interrupt], max_iter=50).fit(X, Y)
    assert 3 <= model.n_iter_ < 50
    np.testing.assert_array_equal(model.coefs_[0], model._model.get_weights()[0])
    model.set_params(callbacks=None).partial_fit(X, Y)


def test_divergence_is_refused_with_the_place():
    options = dict(solver="sgd", learning_rate_init=1e4, max_iter=30)
    with pytest.raises(ValueError, match=r"Solver produced non-finite parameter weights.*In epoch \d+, batch"):
        regressor(**options).fit(DIABETES[0] * 100, DIABETES[1] * 100)
    with pytest.warns(ConvergenceWarning, match="Training has diverged: in epoch"):
        model = regressor(**options, early_stopping=True).fit(DIABETES[0] * 100, DIABETES[1] * 100)
    assert math.isnan(model.loss_curve_[-1]) and math.isnan(model.validation_scores_[-1])
    assert np.isfinite(model.predict(DIABETES[0])).all()
