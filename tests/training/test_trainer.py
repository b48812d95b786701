"""Trainer: training on real data, in one go or in parts, in batches of any size, watched, stopped and interrupted."""

import copy
import math
import pickle
import re
import signal
import threading

import numpy as np
import pytest

import fastbp as fb
from fastbp.optimizers.all_optimizers import OPTIMIZERS
from fastbp.training.evaluation import Evaluator
from trainer_helpers import make_trainer, same_weights

datasets = pytest.importorskip("sklearn.datasets")


# ---------------------------------------------------------------------------------------------- it learns


def test_learns_digits(digits):
    X, y = digits
    model = fb.Model([fb.Dense(64, "relu"), fb.Dense(10, "softmax")], inputs=64)
    trainer = fb.Trainer(model, loss="cross_entropy", optimizer=fb.Adam(3e-3))
    history = trainer.fit(X[:1350], y[:1350], epochs=20, validation_data=(X[1350:], y[1350:]))
    assert history["loss"][-1] < 0.05 < history["loss"][0]
    assert history["val_accuracy"][-1] > 0.95
    assert trainer.evaluate(X[1350:], y[1350:]) == {
        "loss": history["val_loss"][-1],
        "accuracy": history["val_accuracy"][-1],
    }


def test_linear_regression_finds_the_least_squares_solution():
    X, y = datasets.load_diabetes(return_X_y=True)
    X, y = X / X.std(axis=0), y / y.std()
    model = fb.Model([fb.Dense(1)], inputs=10, dtype="float64")
    trainer = fb.Trainer(model, "mse", fb.SGD(0.05, momentum=0.9), batch_size=None)
    history = trainer.fit(X, y, epochs=3000)
    solution, *_ = np.linalg.lstsq(np.column_stack([X, np.ones(len(X))]), y)
    np.testing.assert_allclose(np.append(model.get_weights()[0], model.get_weights()[1]), solution, atol=1e-6)
    assert history["r2"][-1] == pytest.approx(
        0.5177, abs=1e-4
    )  # scikit-learn's LinearRegression().fit(X, y).score(X, y)


def test_breast_cancer_by_a_sigmoid():
    X, y = datasets.load_breast_cancer(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    trainer = fb.Trainer(fb.Model([fb.Dense(1, "sigmoid")], inputs=30), "binary_cross_entropy", fb.Adam(0.01))
    assert trainer.fit(X, y, epochs=20)["accuracy"][-1] > 0.97


# ------------------------------------------------------------------------------------- batches and epochs


def test_full_batch_is_one_step_an_epoch(iris):
    X, y = iris
    trainer, by_hand = make_trainer(batch_size=None), make_trainer()
    history = trainer.fit(X, y, epochs=3)
    losses = [by_hand.step(X, y) for _ in range(3)]
    assert trainer.n_steps == by_hand.n_steps == 3
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-12)
    for a, b in zip(trainer.model.get_weights(), by_hand.model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


@pytest.mark.parametrize("batch_size", [1, 7, 32, 149, 150, 1000])
def test_the_last_short_batch_is_trained_on(iris, batch_size):
    X, y = iris
    trainer, by_hand = make_trainer("sgd", batch_size=batch_size, shuffle=False), make_trainer("sgd")
    history = trainer.fit(X, y)
    starts = range(0, 150, batch_size)
    losses = [by_hand.step(X[i : i + batch_size], y[i : i + batch_size]) for i in starts]
    assert trainer.n_steps == len(starts)
    assert same_weights(trainer, by_hand)
    sizes = [min(batch_size, 150 - i) for i in starts]
    assert history["loss"][0] == pytest.approx(np.average(losses, weights=sizes), rel=1e-12)


def test_fit_called_again_goes_on(iris):
    X, y = iris
    at_once, in_parts = make_trainer(), make_trainer()
    expected = at_once.fit(X, y, epochs=5)
    for epochs in (2, 1, 2):
        history = in_parts.fit(X, y, epochs=epochs)
    assert same_weights(at_once, in_parts)
    assert history["loss"] == expected["loss"]
    assert history is in_parts.history
    assert history.n_epochs == 5


def test_seed_decides_the_order(iris):
    X, y = iris
    one, same, other, unshuffled = (
        make_trainer(**arguments) for arguments in ({}, {}, {"seed": 1}, {"shuffle": False})
    )
    for trainer in (one, same, other, unshuffled):
        trainer.fit(X, y, epochs=2)
    assert same_weights(one, same)
    assert not same_weights(one, other)
    assert not same_weights(one, unshuffled)


def test_threads_do_not_change_a_bit(digits):
    X, y = digits
    trainers = [make_trainer(n_inputs=64, n_classes=10, n_threads=n) for n in (1, 2, 3, 7)]
    for trainer in trainers:
        trainer.fit(X, y, epochs=2)
    assert all(same_weights(trainers[0], trainer) for trainer in trainers[1:])


def test_step_takes_batches_of_any_size(iris):
    X, y = iris
    trainer = make_trainer()
    for size in (1, 64, 3, 150, 2):
        expected, _ = trainer.model.loss_and_gradients(X[:size], y[:size], "cross_entropy")
        loss = trainer.step(X[:size], y[:size])
        assert type(loss) is float
        assert loss == pytest.approx(expected, rel=1e-12)
    assert trainer.n_steps == 5
    assert trainer.history.n_epochs == 0


def test_two_trainers_can_share_a_model(iris):
    X, y = iris
    first = make_trainer()
    second = fb.Trainer(first.model, "cross_entropy", "sgd")
    first.fit(X, y)
    second.fit(X, y)
    assert first.evaluate(X, y) == second.evaluate(X, y)


def test_the_learning_rate_can_change_between_epochs(iris):
    X, y = iris
    trainer, steady = make_trainer(fb.Adam(0.01)), make_trainer(fb.Adam(0.01))
    trainer.fit(X, y)
    steady.fit(X, y)
    trainer.optimizer = fb.Adam(1e-9)
    before = trainer.model.get_weights()
    trainer.fit(X, y)
    for a, b in zip(trainer.model.get_weights(), before, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    trainer.model.set_weights(before)
    trainer.optimizer = "adamw"
    assert trainer.optimizer == fb.AdamW()
    with pytest.raises(ValueError, match=r"expected one with the update rule of AdamW.* make a new Trainer"):
        trainer.optimizer = "sgd"


def test_evaluate_trains_nothing(iris):
    X, y = iris
    trainer = make_trainer()
    before = trainer.model.get_weights()
    first = trainer.evaluate(X, y)
    assert list(first) == ["loss", "accuracy"]
    assert first == trainer.evaluate(X, y)
    assert all((a == b).all() for a, b in zip(before, trainer.model.get_weights(), strict=True))
    assert trainer.n_steps == 0


# ------------------------------------------------------------------------------- history, progress, callbacks


def test_history(iris):
    X, y = iris
    trainer = make_trainer()
    assert repr(trainer.history) == "History(0 epochs)"
    assert repr(make_trainer().fit(X, y)).startswith("History(1 epoch; latest: loss=")
    history = trainer.fit(X, y, epochs=2)
    trainer.fit(X, y, validation_data=(X[:50], y[:50]))
    trainer.fit(X, y)
    assert list(history) == ["loss", "accuracy", "seconds", "val_loss", "val_accuracy"]
    assert {len(values) for values in history.values()} == {4}
    assert [math.isnan(value) for value in history["val_loss"]] == [True, True, False, True]
    assert history.latest["loss"] == history["loss"][-1]
    assert all(0 < seconds < 60 for seconds in history["seconds"])
    assert re.fullmatch(r"History\(4 epochs; latest: loss=\d\.\d+, accuracy=.*\)", repr(history))
    with pytest.raises(KeyError, match="f1"):
        history["f1"]


def test_progress_bar(iris, capsys):
    X, y = iris
    make_trainer().fit(X, y, epochs=3, validation_data=(X, y), progress=True)
    lines = capsys.readouterr().err.splitlines()  # no terminal: a line for each epoch
    assert [line.split(",")[0] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    number = r"[\d.e-]+"
    for line in lines:  # of training and validation
        assert re.search(rf", [\d.]+[kM]/s, loss {number}/{number}, accuracy {number}/{number}$", line)
    make_trainer().fit(X, y)
    assert capsys.readouterr() == ("", "")


def test_progress_moves_inside_an_epoch(digits, monkeypatch):
    X, y = digits
    ticks = []
    monkeypatch.setattr(
        "fastbp.training.progress.ProgressBar.tick", lambda self, n_done, loss: ticks.append((n_done, loss))
    )
    X, y = np.tile(X, (100, 1)), np.tile(y, 100)
    make_trainer(n_inputs=64, n_classes=10, batch_size=1, n_threads=1).fit(X, y, progress=True)
    done = [n_done for n_done, _ in ticks]
    assert done == sorted(set(done))
    assert 0 < done[0] < len(X)
    assert all(math.isfinite(loss) for _, loss in ticks)


def test_callbacks_are_told_in_order(iris):
    X, y = iris
    told = []

    class Recorder(fb.Callback):
        def on_fit_begin(self, trainer, figures):
            told.append(("begin", dict(figures)))

        def on_epoch_end(self, trainer, figures):
            told.append((trainer.n_steps, figures["epoch"], figures["val_loss"]))

        def on_fit_end(self, trainer, figures):
            told.append(("end", figures["epoch"]))

    trainer = make_trainer(batch_size=50)
    history = trainer.fit(X, y, epochs=2, validation_data=(X, y), callbacks=[Recorder()])
    assert told == [("begin", {}), (3, 1, history["val_loss"][0]), (6, 2, history["val_loss"][1]), ("end", 2)]
    seen = []
    trainer.fit(X, y, callbacks=lambda trainer, figures: seen.append(figures["epoch"]))
    assert seen == [3]


def test_a_callback_stops_training(iris):
    X, y = iris
    trainer = make_trainer()

    def stop_at_two(trainer, figures):
        if figures["epoch"] == 2:
            trainer.stop()

    assert trainer.fit(X, y, epochs=100, callbacks=[stop_at_two]).n_epochs == 2
    assert trainer.fit(X, y, epochs=3).n_epochs == 5  # the wish to stop is forgotten


def test_an_error_in_a_callback_ends_training_in_order(iris):
    X, y = iris
    ended = []

    class Failing(fb.Callback):
        def on_epoch_end(self, trainer, figures):
            raise RuntimeError("disk full")

        def on_fit_end(self, trainer, figures):
            ended.append(figures["epoch"])

    trainer = make_trainer()
    with pytest.raises(RuntimeError, match="disk full"):
        trainer.fit(X, y, epochs=9, callbacks=[Failing()])
    assert ended == [1]
    assert trainer.fit(X, y).n_epochs == 2


def test_ctrl_c_leaves_a_model_that_can_go_on(digits):
    X, y = digits
    trainer = make_trainer(n_inputs=64, n_classes=10)
    timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(X, y, epochs=10**6)
    timer.join()
    done = trainer.history.n_epochs
    assert {len(values) for values in trainer.history.values()} == {done}
    assert np.isfinite(trainer.evaluate(X, y)["loss"])
    assert trainer.fit(X, y).n_epochs == done + 1


def test_an_epoch_left_in_its_validation_is_not_trained_again(digits, monkeypatch):
    X, y = digits
    trainer, whole = (make_trainer(n_inputs=64, n_classes=10, averaging="ema") for _ in range(2))
    evaluate = Evaluator.evaluate

    def interrupted(self, *arguments, **options):
        monkeypatch.setattr(Evaluator, "evaluate", evaluate)
        raise KeyboardInterrupt

    trainer.fit(X, y, validation_data=(X[:100], y[:100]))
    monkeypatch.setattr(Evaluator, "evaluate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(X, y, validation_data=(X[:100], y[:100]))
    assert trainer.history.n_epochs == 1
    steps = trainer.n_steps
    trainer.fit(X, y, validation_data=(X[:100], y[:100]))
    assert trainer.n_steps == steps
    whole.fit(X, y, 2, validation_data=(X[:100], y[:100]))
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert trainer.history[name] == whole.history[name]
    trainer.fit(X, y)
    whole.fit(X, y)
    for a, b in zip(trainer.model.get_weights(), whole.model.get_weights(), strict=True):
        assert (a == b).all()


# --------------------------------------------------------------------------------------------- divergence


def test_divergence_is_named(iris):
    X, y = iris
    model = fb.Model([fb.Dense(8, "relu"), fb.Dense(8, "relu"), fb.Dense(1)], inputs=4)
    trainer = fb.Trainer(model, "mse", fb.SGD(1e4), batch_size=10)
    sentence = (
        r"in epoch \d+, batch \d+, the (outputs of layer \d of 3|loss is not finite).*"
        r"Most likely the learning rate, 10000, is too large: try 1000"
    )
    with pytest.raises(FloatingPointError, match=sentence):
        trainer.fit(X, y * 100, epochs=50)
    assert trainer.history.n_epochs < 50
    trainer = fb.Trainer(fb.Model([fb.Dense(1)], inputs=4), "mse", fb.SGD(1e38))
    trainer.step(X, y)
    with pytest.raises(FloatingPointError, match=r"in step 2, the .* is too large: try 1e\+37"):
        trainer.step(X, y)


def test_an_overflowing_layer_is_named():
    model = fb.Model([fb.Dense(2), fb.Dense(2), fb.Dense(1)], inputs=1)
    model.set_weights([np.ones((1, 2)), np.zeros(2), np.full((2, 2), 1e30), np.zeros(2), np.ones((2, 1)), [0]])
    with pytest.raises(
        FloatingPointError, match=r"outputs of layer 1 \(counted from 0\), Dense\(2, 'linear'\), are not"
    ):
        fb.Trainer(model, "mse").fit([[1e30]], [1])
    with pytest.raises(FloatingPointError, match=r"the loss on X is (nan|inf); expected a finite number"):
        fb.Trainer(model, "mse").evaluate([[1e30]], [1])
    with pytest.raises(FloatingPointError, match="in loss_and_gradients, the outputs of layer 1 "):
        model.loss_and_gradients([[1e30]], [1], "mse")


def test_weights_that_overflow_in_the_last_step_are_named():
    model = fb.Model([fb.Dense(1)], inputs=1)
    with pytest.raises(FloatingPointError, match="in epoch 1, batch 1, an update made the weights of layer 0 "):
        fb.Trainer(model, "mse", fb.SGD(1e38)).fit([[1e9]], [1e9])


# ------------------------------------------------------------------------------------------ telling, copying


def test_attributes_and_repr(iris):
    trainer = make_trainer(fb.SGD(0.5), batch_size=None, n_threads=2, seed=5)
    assert (trainer.batch_size, trainer.n_threads, trainer.shuffle, trainer.seed) == (None, 2, True, 5)
    assert trainer.loss == fb.CrossEntropy()
    assert repr(trainer) == (
        "Trainer(Model([Dense(12, 'relu'), Dense(3, 'softmax')], inputs=4, dtype='float64', seed=0), "
        "loss='cross_entropy', optimizer=SGD(learning_rate=0.5, momentum=0.0, nesterov=False, weight_decay=0.0), "
        "batch_size=None, n_threads=2, shuffle=True, seed=5, metrics=['accuracy'])"
    )
    with pytest.raises(AttributeError):
        trainer.n_threads = 4


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda trainer: pickle.loads(pickle.dumps(trainer))])
@pytest.mark.parametrize(
    "optimizer",
    [*OPTIMIZERS, fb.SGD(momentum=0.9), fb.Adam(amsgrad=True), fb.RMSprop(momentum=0.9, centered=True)],
    ids=str,
)
def test_a_copy_goes_on_alike_and_apart(iris, copied, optimizer):
    X, y = iris
    trainer = make_trainer(optimizer, batch_size=None if optimizer in ("rprop", "lbfgs") else 32)
    trainer.fit(X, y, epochs=2)
    twin = copied(trainer)
    assert twin.n_steps == trainer.n_steps
    assert twin.fit(X, y, epochs=2)["loss"] == trainer.fit(X, y, epochs=2)["loss"]
    assert same_weights(twin, trainer)
    assert twin.model is not trainer.model


def test_show_config(capsys):
    fb.show_config()
    shown = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert shown["fastbp"] == fb.__version__
    assert shown["NumPy"] == np.__version__
    assert "set" in shown["instruction"]
    assert int(shown["threads"].split()[0]) >= 1


class Named(fb.Trainer):
    """A trainer of a user's, with attributes and methods whose names say nothing to fastbp."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.state, self.tag = {"mine": 1}, "hi"

    def train(self):
        return "mine"


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda trainer: pickle.loads(pickle.dumps(trainer))])
def test_what_users_add_to_a_trainer_is_kept_and_in_nobodys_way(iris, copied):
    model = fb.Model([fb.Dense(3, "softmax")], inputs=4)
    trainer = Named(model, "cross_entropy")
    trainer.fit(*iris)
    twin = copied(trainer)
    assert (twin.state, twin.tag, twin.train()) == ({"mine": 1}, "hi", "mine")
    trainer.fit(*iris)
    twin.fit(*iris)
    assert same_weights(trainer, twin)


def test_wrong_threads_are_not_the_files_fault(iris, tmp_path):
    make_trainer().save(tmp_path / "x")
    with pytest.raises(ValueError, match="n_threads is -1; expected an integer 1 to 1024"):
        fb.Trainer.load(tmp_path / "x", n_threads=-1)
    with pytest.raises(ValueError, match="n_threads is -1"):
        fb.Trainer.load(tmp_path / "nowhere", n_threads=-1)


def test_more_rows_than_before_are_as_good_as_the_first(tmp_path):
    """What is kept from one call to the next fits the data of the next: one that begins there ends the same."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300_000, 2)).astype("f4")
    y = X[:, :1] - X[:, 1:]
    trainer = fb.Trainer(fb.Model([fb.Dense(1)], inputs=2), "mse", "sgd", batch_size=10_000)
    trainer.fit(X[:8], y[:8], epochs=1)
    trainer.save(tmp_path / "few.ckpt")
    other = fb.Trainer.load(tmp_path / "few.ckpt")
    for each in (trainer, other):
        each.fit(X, y, epochs=2)
    assert same_weights(trainer, other)
