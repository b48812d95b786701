"""Metrics of the steps of training: whose outputs they see, on any team, in parts of an epoch, in files."""

import math
import pickle

import numpy as np
import pytest

import fastbp as fb
from metric_helpers import ALL, assert_equal, last_of_each, make_trainer, of_outputs

datasets = pytest.importorskip("sklearn.datasets")
metrics = pytest.importorskip("sklearn.metrics")

# ------------------------------------------------------------------------------------------------------- training


def make_samples(n=200, n_classes=3):
    rng = np.random.default_rng(5)
    X = rng.normal(size=(n, 5))
    return X, (X[:, 0] * 2 + rng.normal(size=n)).astype(int) % n_classes, rng.uniform(0.2, 2, n)


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_figures_of_training_are_those_of_the_steps(accumulate, weighted):
    """An oracle replays them: what the model predicts before each step, all together."""
    X, y, w = make_samples()
    w = w if weighted else None
    trainer = make_trainer(shuffle=False, accumulate=accumulate)
    found = trainer.fit(X, y, sample_weight=w, validation_data=(X[:50], y[:50])).latest
    replay = make_trainer(metrics=[])
    P = np.empty((len(X), 3))
    for start in range(0, len(X), 30 * accumulate):
        batch = slice(start, start + 30 * accumulate)
        P[batch] = replay.model.predict(X[batch])
        replay.step(X[batch], y[batch], None if w is None else w[batch])
    judge = fb.Trainer(of_outputs(3, "softmax"), "cross_entropy", metrics=ALL)
    expected = judge.evaluate(np.log(P), y, w)
    for name, value in expected.items():
        assert_equal(found[name], value, 1e-9)
    for name, value in trainer.evaluate(X[:50], y[:50]).items():
        assert found[f"val_{name}"] == value


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
def test_a_function_sees_rows_and_outputs_in_order(loss):
    X, y, w = make_samples()
    y = np.eye(3)[y] if loss == "binary_cross_entropy" else y
    seen = []

    def watch(y_true, y_pred, sample_weight):
        seen.append((y_true, y_pred, sample_weight))
        return 1

    trainer = make_trainer(loss, metrics=[watch], optimizer=fb.SGD(1e-300))  # the weights do not move
    history = trainer.fit(X, y, sample_weight=w, validation_data=(X[:7], y[:7], w[:7]))
    assert history.latest["watch"] == history.latest["val_watch"] == 1
    for (y_true, y_pred, weights), n in zip(seen, (len(X), 7), strict=True):
        np.testing.assert_array_equal(y_true, y[:n])
        np.testing.assert_array_equal(y_pred, trainer.model.predict(X[:n]))
        np.testing.assert_array_equal(weights, w[:n])


def test_a_function_sees_the_rows_that_are_held_out_and_the_others():
    X, y, w = make_samples()
    seen = []

    def watch(y_true, y_pred, sample_weight):
        seen.append((y_true, y_pred, sample_weight))
        return 0.0

    trainer = make_trainer(metrics=[watch, "roc_auc"], optimizer=fb.SGD(1e-300))
    found = trainer.fit(X, y, sample_weight=w, validation_fraction=0.3).latest
    row_of = {weight: row for row, weight in enumerate(w)}
    rows = [np.array([row_of[weight] for weight in weights]) for _, _, weights in seen]
    assert sorted(np.concatenate(rows)) == list(range(len(X)))
    P = trainer.model.predict(X)
    for (y_true, y_pred, _), part, name in zip(seen, rows, ("roc_auc", "val_roc_auc"), strict=True):
        assert (np.diff(part) > 0).all()
        np.testing.assert_array_equal(y_true, y[part])
        np.testing.assert_array_equal(y_pred, P[part])
        expected = metrics.roc_auc_score(y[part], P[part], multi_class="ovr", sample_weight=w[part])
        assert_equal(found[name], expected)


@pytest.mark.parametrize("batch_size", [30, 5000])
def test_same_bits_on_any_number_of_threads(limits, batch_size):
    limits(epoch_thread=1.0, call_thread=1.0, paced=0.0)
    X, y, w = make_samples(6000)
    runs = []
    for n_threads in (1, 2, 3, 7):
        trainer = make_trainer(n_threads=n_threads, batch_size=batch_size)
        figures = dict(trainer.fit(X, y, 2, (X[:500], y[:500]), sample_weight=w))
        assert trainer.parts.state.session.last_team == n_threads or batch_size == 30
        runs.append({name: values for name, values in figures.items() if name != "seconds"})
    assert runs[1:] == runs[:1] * 3


def test_an_epoch_that_was_left_goes_on():
    X, y, _ = make_samples()
    whole = make_trainer().fit(X, y, 2)

    class StopAt(fb.Callback):
        def on_step_end(self, trainer, figures):
            if figures["step"] == 3:
                trainer.stop()

    trainer = make_trainer()
    trainer.fit(X, y, callbacks=[StopAt()])
    assert trainer.n_steps == 3 and trainer.history.n_epochs == 0
    copy = pickle.loads(pickle.dumps(trainer))
    for going_on in (trainer, copy):
        history = going_on.fit(X, y, 2)
        for name in whole:
            assert name == "seconds" or history[name] == whole[name]


def test_a_file_does_not_keep_the_outputs(tmp_path):
    X, y, _ = make_samples()
    whole = make_trainer().fit(X, y, 2)

    class SaveAt(fb.Callback):
        def on_step_end(self, trainer, figures):
            if figures["step"] == 3:
                trainer.save(tmp_path / "trainer")

    make_trainer().fit(X, y, callbacks=[SaveAt()])
    with pytest.raises(ValueError, match=r"metrics has a function, .* fb.Trainer.load\(path, metrics="):
        fb.Trainer.load(tmp_path / "trainer")
    with pytest.raises(ValueError, match=r"figures \['accuracy', .*'last_of_each'\]; .* not \['r'\]"):
        fb.Trainer.load(tmp_path / "trainer", metrics=fb.FunctionMetric(last_of_each, name="r"))
    history = fb.Trainer.load(tmp_path / "trainer", metrics=ALL).fit(X, y, 2)
    of_outputs = ("roc_auc", "average_precision", "last_of_each")
    for name in whole:
        if name in of_outputs:
            assert math.isnan(history[name][0]) and history[name][1] == whole[name][1]
        elif name != "seconds":
            assert history[name] == whole[name]
    make_trainer(metrics=["f1"]).save(tmp_path / "plain")
    assert fb.Trainer.load(tmp_path / "plain").metrics == (fb.F1(),)
    with pytest.raises(ValueError, match="metrics is in it; expected metrics=None"):
        fb.Trainer.load(tmp_path / "plain", metrics=["f1"])


def test_lbfgs_reports_what_evaluate_does():
    pytest.importorskip("scipy")
    X, y, w = make_samples()
    trainer = make_trainer(optimizer="lbfgs", batch_size=None)
    found = trainer.fit(X, y, 3, sample_weight=w).latest
    for name, value in trainer.evaluate(X, y, sample_weight=w).items():
        assert found[name] == pytest.approx(value, rel=1e-12)


def test_functions_of_a_loss_of_ones_own():
    X, y, w = make_samples()
    Y = np.eye(3)[y]

    def squares(outputs, targets):
        return np.square(outputs - targets).mean(axis=1), 2 * (outputs - targets) / 3

    runs = []
    for loss in (squares, "mse"):
        model = fb.Model([fb.Dense(16, "tanh"), fb.Dense(3)], inputs=5, dtype="float64", seed=1)
        chosen = [last_of_each, metrics.mean_absolute_error]
        trainer = fb.Trainer(model, loss, fb.SGD(0.1), batch_size=30, metrics=chosen, accumulate=2)
        runs.append(trainer.fit(X, Y, 2, (X[:70], Y[:70], w[:70]), sample_weight=w).latest)
    for name in ("last_of_each", "mean_absolute_error", "val_last_of_each", "val_mean_absolute_error", "loss"):
        assert runs[0][name] == pytest.approx(runs[1][name], rel=1e-9)


@pytest.mark.parametrize(
    "function", [metrics.log_loss, metrics.brier_score_loss, metrics.roc_auc_score, metrics.mean_squared_error]
)
def test_scikit_learns_functions_are_metrics(function):
    X, _, w = make_samples()
    model = fb.Model([fb.Dense(1, "sigmoid")], inputs=5, dtype="float64")
    y = (X[:, 1] > 0).astype(int)
    trainer = fb.Trainer(model, "binary_cross_entropy", metrics=[function])
    expected = function(y, model.predict(X)[:, 0], sample_weight=w)
    assert_equal(trainer.evaluate(X, y, sample_weight=w)[function.__name__], expected)


def test_a_function_that_raises_leaves_the_epoch_to_be_gone_on_with():
    X, y, _ = make_samples()
    failures = [KeyError("once")]

    def fails(y_true, y_pred):
        y_pred[:] = 0  # what it is given is its own
        y_true[:] = 0
        if failures:
            raise failures.pop()
        return 0.5

    trainer, other = make_trainer(metrics=[fails, "f1", last_of_each]), make_trainer(metrics=["f1", last_of_each])
    expected = y.copy()
    with pytest.raises(KeyError, match="once"):
        trainer.fit(X, y)
    assert trainer.history.n_epochs == 0 and trainer.n_steps == 7
    found, known = trainer.fit(X, y, 2), other.fit(X, y, 2)
    assert trainer.n_steps == other.n_steps
    for name in ("loss", "f1", "last_of_each"):
        assert found[name] == known[name]
    assert found["fails"] == [0.5, 0.5]
    np.testing.assert_array_equal(y, expected)


def test_names_in_the_history():
    def two(y_true, y_pred):
        return np.float32(2)

    trainer = make_trainer(
        metrics=["f1", fb.F1("micro"), fb.TopKAccuracy(2), fb.TopKAccuracy(1), fb.FunctionMetric(two, name="two")]
    )
    assert [metric.figure for metric in trainer.metrics] == [
        "f1",
        "f1_micro",
        "top_2_accuracy",
        "top_1_accuracy",
        "two",
    ]
    found = trainer.evaluate(np.zeros((2, 5)), [0, 1])
    assert list(found)[1:] == [metric.figure for metric in trainer.metrics] and found["two"] == 2.0
    assert fb.TopKAccuracy().figure == "top_k_accuracy"
    assert repr(fb.FunctionMetric(make_samples)) == "FunctionMetric(make_samples, name='make_samples')"
