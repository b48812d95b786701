"""Callbacks: told in order, between epochs and inside them; they stop training and change its learning rate."""

import csv
import math
import pickle
import time
from types import SimpleNamespace

import numpy as np
import pytest

import fastbp as fb
from fastbp.callbacks import time_limit

EVENTS = ["on_fit_begin", "on_epoch_begin", "on_step_end", "on_tick", "on_epoch_end", "on_fit_end"]


def make_data(n=100, n_inputs=3):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, n_inputs))
    return X, X[:, :1] * 2 - X[:, 1:2]


def make_trainer(optimizer="adam", n_inputs=3, **options):
    model = fb.Model([fb.Dense(8, "tanh"), fb.Dense(1)], inputs=n_inputs, dtype="float64")
    return fb.Trainer(model, "mse", optimizer, **({"batch_size": 30} | options))


def recorder(told):
    """A callback that writes down everything."""

    def function_for(event):
        return lambda trainer, figures: told.append((event, dict(figures)))

    return fb.LambdaCallback(**{event: function_for(event) for event in EVENTS})


def test_every_event_is_told_in_order():
    X, y = make_data()
    told = []
    trainer = make_trainer()
    trainer.fit(X, y, epochs=2, callbacks=recorder(told))
    epoch = ["on_epoch_begin", *["on_step_end", "on_tick"] * 4, "on_epoch_end"]
    assert [event for event, _ in told] == ["on_fit_begin", *epoch, *epoch, "on_fit_end"]
    steps = [figures for event, figures in told if event == "on_step_end"]
    assert [(each["epoch"], each["step"], each["samples"]) for each in steps] == [
        (epoch, 4 * (epoch - 1) + i + 1, samples) for epoch in (1, 2) for i, samples in enumerate([30, 60, 90, 100])
    ]
    ticks = [figures["loss"] for event, figures in told if event == "on_tick"]
    assert [ticks[3], ticks[7]] == trainer.history["loss"]


def test_a_step_tells_the_loss_of_its_samples():
    X, y = make_data()
    losses = []
    trainer = make_trainer(shuffle=False)
    twin = make_trainer(shuffle=False)
    trainer.fit(X, y, callbacks=fb.LambdaCallback(on_step_end=lambda _, figures: losses.append(figures["loss"])))
    wanted = [twin.step(X[i : i + 30], y[i : i + 30]) for i in range(0, 100, 30)]
    np.testing.assert_allclose(losses, wanted, rtol=1e-12)


def test_a_step_whose_samples_weigh_nothing_has_no_loss():
    X, y = make_data()
    losses = []
    weights = np.ones(100)
    weights[:60] = 0
    callback = fb.LambdaCallback(on_step_end=lambda _, figures: losses.append(figures["loss"]))
    make_trainer(shuffle=False).fit(X, y, sample_weight=weights, callbacks=callback, progress=False)
    assert [math.isnan(loss) for loss in losses] == [True, True, False, False]


def test_listening_to_steps_changes_no_bit():
    X, y = make_data()
    trainer, twin = make_trainer(), make_trainer()
    trainer.fit(X, y, epochs=3, callbacks=recorder([]))
    twin.fit(X, y, epochs=3)
    assert trainer.history["loss"] == twin.history["loss"]
    for a, b in zip(trainer.model.get_weights(), twin.model.get_weights(), strict=True):
        assert (a == b).all()


def test_stop_inside_an_epoch_ends_behind_the_step():
    X, y = make_data()
    trainer = make_trainer()

    def stop(trainer, figures):
        if figures["step"] == 6:
            trainer.stop()

    trainer.fit(X, y, epochs=9, callbacks=fb.LambdaCallback(on_step_end=stop))
    assert (trainer.n_steps, trainer.history.n_epochs, trainer.stop_reason) == (6, 1, "stopped")
    trainer.fit(X, y)
    assert (trainer.n_steps, trainer.history.n_epochs, trainer.stop_reason) == (8, 2, "epochs")


def test_stop_before_the_first_step():
    X, y = make_data()
    trainer = make_trainer()
    trainer.fit(X, y, callbacks=fb.LambdaCallback(on_fit_begin=lambda trainer, _: trainer.stop()))
    assert (trainer.n_steps, trainer.stop_reason) == (0, "stopped")


@pytest.mark.parametrize("optimizer", [fb.SGD(0.1), fb.SGD(fb.StepDecay(0.1, 100))])
def test_the_learning_rate_may_change_behind_any_step(optimizer):
    X, y = make_data()
    trainer, twin = make_trainer(optimizer, shuffle=False), make_trainer(fb.SGD(0.1), shuffle=False)

    def change(trainer, figures):
        if figures["step"] == 2:
            assert trainer.learning_rate == 0.1
            trainer.learning_rate = 0.01

    trainer.fit(X, y, callbacks=fb.LambdaCallback(on_step_end=change))
    for i in range(0, 100, 30):
        twin.step(X[i : i + 30], y[i : i + 30])
        if i == 30:
            twin.learning_rate = 0.01
    assert trainer.learning_rate == 0.01
    assert trainer.optimizer == fb.SGD(0.01)
    for a, b in zip(trainer.model.get_weights(), twin.model.get_weights(), strict=True):
        assert (a == b).all()


def test_the_learning_rate_is_checked():
    trainer = make_trainer()
    with pytest.raises(ValueError, match="learning_rate is 0; expected a finite number above 0"):
        trainer.learning_rate = 0
    trainer = make_trainer("lbfgs", batch_size=None)
    with pytest.raises(ValueError, match=r"the optimizer is LBFGS.*expected one with a learning rate"):
        _ = trainer.learning_rate


def test_a_schedule_that_raises_leaves_no_epoch_out():
    X, y = make_data()
    failures = [RuntimeError("no rate")]

    def rate(epoch):
        if epoch == 2 and failures:
            raise failures.pop()
        return 0.01 / (epoch + 1)

    trainers = [make_trainer(fb.SGD(fb.FunctionSchedule(rate, per="epoch"))) for _ in range(2)]
    with pytest.raises(RuntimeError, match="no rate"):
        trainers[0].fit(X, y, epochs=4)
    trainers[0].fit(X, y, epochs=2)
    trainers[1].fit(X, y, epochs=4)
    assert trainers[0].history["loss"] == trainers[1].history["loss"]


@pytest.mark.parametrize("event", ["on_step_end", "on_tick", "on_epoch_begin", "on_epoch_end"])
def test_an_exception_leaves_the_model_at_a_completed_step(event):
    X, y = make_data()
    trainer, twin = make_trainer(), make_trainer()
    twin.fit(X, y, epochs=3)

    def fail(trainer, figures):
        if trainer.n_steps >= 4:
            raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        trainer.fit(X, y, epochs=3, callbacks=[fb.LambdaCallback(**{event: fail})])
    assert trainer.stop_reason == "error"
    trainer.fit(X, y, epochs=3 - trainer.history.n_epochs)
    assert trainer.n_steps == twin.n_steps
    for a, b in zip(trainer.model.get_weights(), twin.model.get_weights(), strict=True):
        assert (a == b).all()


# ---- EarlyStopping ----


def fit_with_losses(losses, early, restore=None):
    """Trains so many epochs, of which the callbacks see these as validation losses."""
    X, y = make_data()
    trainer = make_trainer()
    weights = []

    class Replace(fb.Callback):
        def on_epoch_end(self, trainer, figures):
            weights.append(trainer.model.get_weights())
            early.on_epoch_end(trainer, {**figures, "val_loss": losses[int(figures["epoch"]) - 1]})

        def on_fit_begin(self, trainer, figures):
            early.on_fit_begin(trainer, figures)

        def on_fit_end(self, trainer, figures):
            early.on_fit_end(trainer, figures)

    trainer.fit(X, y, epochs=len(losses), callbacks=[Replace()])
    return trainer, weights


@pytest.mark.parametrize(
    ("losses", "patience", "min_delta", "best", "stopped"),
    [
        ([5, 4, 3, 3, 3, 3, 3], 2, 0.0, 3, 5),
        ([5, 4, 3, 4, 2, 4, 4, 4], 2, 0.0, 5, 7),
        ([5, 4, 3, 2, 1], 1, 0.0, 5, 0),
        ([5, 4.5, 4, 3.5, 3, 2.5], 2, 0.9, 5, 0),
        ([5, 4.5, 4.4, 4.3, 4.2, 4.1], 2, 0.6, 1, 3),
        ([math.nan, 3, math.nan, math.nan, 3], 2, 0.0, 2, 4),
        ([math.inf, 3, 2], 1, 0.0, 3, 0),
        ([-math.inf, 3, 2], 1, 0.0, 1, 2),
    ],
)
def test_early_stopping(losses, patience, min_delta, best, stopped):
    early = fb.EarlyStopping(patience=patience, min_delta=min_delta)
    trainer, weights = fit_with_losses(losses, early)
    assert (early.best_epoch, early.stopped_epoch) == (best, stopped)
    assert early.best == losses[best - 1]
    assert trainer.history.n_epochs == (stopped or len(losses))
    for a, b in zip(trainer.model.get_weights(), weights[best - 1], strict=True):
        assert (a == b).all()


@pytest.mark.parametrize(
    ("losses", "best", "stopped"),
    [([5, 3, 3, 3, 4, 5, 3], 4, 6), ([3, 4, 3, 4, 3, 4, 3], 7, 0), ([math.nan, 3, 3], 3, 0)],
)
def test_the_last_of_several_best_epochs(losses, best, stopped):
    """It also counts as an improvement, so that training goes on."""
    early = fb.EarlyStopping(patience=2, ties="last")
    trainer, weights = fit_with_losses(losses, early)
    assert (early.best_epoch, early.stopped_epoch) == (best, stopped)
    for a, b in zip(trainer.model.get_weights(), weights[best - 1], strict=True):
        assert (a == b).all()


def test_the_last_of_epochs_that_differ_is_not_asked_for():
    with pytest.raises(ValueError, match=r"ties is 'last' and min_delta is 0\.1; expected min_delta=0"):
        fb.EarlyStopping(min_delta=0.1, ties="last")
    with pytest.raises(ValueError, match="ties is 'both'"):
        fb.EarlyStopping(ties="both")


def test_the_last_weights_are_kept_if_so_wanted():
    early = fb.EarlyStopping(patience=2, restore_best=False)
    trainer, weights = fit_with_losses([1, 2, 3, 4], early)
    assert trainer.history.n_epochs == 3
    for a, b in zip(trainer.model.get_weights(), weights[2], strict=True):
        assert (a == b).all()


@pytest.mark.parametrize(
    ("monitor", "mode", "grows"),
    [
        ("val_loss", "auto", False),
        ("loss", "auto", False),
        ("val_accuracy", "auto", True),
        ("balanced_accuracy", "auto", True),
        ("val_r2", "auto", True),
        ("val_roc_auc", "auto", True),
        ("val_f1_macro", "auto", True),
        ("roc_auc_score", "auto", True),
        ("brier", "auto", False),
        ("rmse", "auto", False),
        ("val_log_loss", "auto", False),
        ("rmse", "max", True),
        ("accuracy", "min", False),
    ],
)
def test_what_is_better(monitor, mode, grows):
    early = fb.EarlyStopping(monitor, patience=5, mode=mode)
    trainer = make_trainer()
    for epoch, value in enumerate([0.5, 0.7, 0.3], start=1):
        early.on_epoch_end(trainer, {"epoch": epoch, monitor: value})
    assert early.best == (0.7 if grows else 0.3)


def test_after_an_error_the_last_weights_stay():
    X, y = make_data()
    trainer = make_trainer(fb.SGD(0.01))
    early = fb.EarlyStopping("seconds", patience=10, mode="max")  # the first epoch need not be the best

    def fail(trainer, figures):
        if figures["epoch"] == 3:
            raise RuntimeError("no more")

    with pytest.raises(RuntimeError):
        trainer.fit(X, y, epochs=5, callbacks=[early, fail])
    twin = make_trainer(fb.SGD(0.01))
    twin.fit(X, y, epochs=3)
    for a, b in zip(trainer.model.get_weights(), twin.model.get_weights(), strict=True):
        assert (a == b).all()


def test_passed_again_it_counts_on_and_with_another_trainer_anew():
    X, y = make_data()
    trainer = make_trainer(fb.SGD(1e-12))
    early = fb.EarlyStopping("loss", patience=4, min_delta=1e-3)
    trainer.fit(X, y, epochs=3, callbacks=[early])
    trainer.fit(X, y, epochs=10, callbacks=[early])
    assert (early.best_epoch, early.stopped_epoch, trainer.history.n_epochs) == (1, 5, 5)
    trainer.fit(X, y, epochs=10, callbacks=[early])  # it has stopped training: so anew
    assert (early.best_epoch, early.stopped_epoch) == (6, 10)
    other = make_trainer(fb.SGD(1e-12))
    other.fit(X, y, epochs=2, callbacks=[early])
    assert (early.best_epoch, early.stopped_epoch) == (1, 0)
    assert pickle.loads(pickle.dumps(early)).best == early.best


def test_a_figure_that_there_is_not_is_named():
    X, y = make_data()
    with pytest.raises(ValueError, match=r"monitor is 'val_loss'; expected one of .*: 'loss', 'r2'. Give fit valid"):
        make_trainer().fit(X, y, callbacks=[fb.EarlyStopping()])
    with pytest.raises(ValueError, match=r"monitor is 'los'; .*: 'loss', 'r2', .*, 'val_r2'. Did you mean 'loss'\?$"):
        make_trainer().fit(X, y, validation_data=(X, y), callbacks=[fb.EarlyStopping("los")])


# ---- The others ----


def test_a_time_limit_stops_inside_an_epoch():
    X, y = make_data(3_000_000)
    trainer = make_trainer(batch_size=1)  # an epoch of seconds
    began = time.perf_counter()
    trainer.fit(X, y, epochs=100, callbacks=[fb.TimeLimit(0.2)])
    assert time.perf_counter() - began < 2.0  # what an overloaded machine may add
    assert trainer.stop_reason == "stopped"
    assert trainer.history.n_epochs == 0
    assert trainer.n_steps > 0


def test_a_time_limit_stops_no_sooner_than_it_says(monkeypatch):
    """A clock that a callback moves: 1.5 s an epoch, and 4 s in all."""
    clock = SimpleNamespace(monotonic=lambda: clock.now, now=1000.0)
    monkeypatch.setattr(time_limit, "time", clock)
    X, y = make_data()
    trainer = make_trainer()

    def pass_time(trainer, figures):
        clock.now += 1.5

    for n_epochs in (3, 6):  # each call has its own limit
        history = trainer.fit(X, y, epochs=10, callbacks=[pass_time, fb.TimeLimit(4.0)])
        assert (history.n_epochs, trainer.stop_reason) == (n_epochs, "stopped")


def test_a_time_limit_holds_for_optimizers_that_step_themselves():
    X, y = make_data()
    trainer = make_trainer("lbfgs", batch_size=None)
    trainer.fit(X, y, epochs=10_000, callbacks=[fb.TimeLimit(1e-6)])
    assert trainer.stop_reason == "stopped"
    assert trainer.history.n_epochs <= 1  # none where the machine is busy: it is stopped inside the first one


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_csv_file_is_the_history(tmp_path):
    X, y = make_data()
    trainer = make_trainer()
    path = tmp_path / "log.csv"
    path.write_text("what was there before")
    seen = []
    callbacks = [fb.CSVLogger(path), lambda *_: seen.append(len(read(path)))]
    trainer.fit(X, y, epochs=2, callbacks=callbacks)
    assert seen == [1, 2]
    trainer.fit(X, y, epochs=2)  # unwatched
    trainer.fit(X, y, epochs=2, validation_data=(X, y), callbacks=callbacks)
    rows = read(path)
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    assert list(rows[0]) == ["epoch", *trainer.history]
    for name, values in trainer.history.items():
        np.testing.assert_array_equal([float(row[name]) for row in rows], values)


def test_a_csv_file_with_semicolons(tmp_path):
    X, y = make_data()
    make_trainer().fit(X, y, callbacks=[fb.CSVLogger(tmp_path / "log.csv", ";")])
    assert (tmp_path / "log.csv").read_text().startswith("epoch;loss;r2;seconds\n1;")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: fb.EarlyStopping(patience=0), "patience is 0; expected an integer of 1 or more"),
        (lambda: fb.EarlyStopping(min_delta=-1), "min_delta is -1; expected a finite number of 0 or more"),
        (lambda: fb.EarlyStopping(7), "monitor is 7; expected the name of a figure"),
        (lambda: fb.EarlyStopping(mode="best"), "mode is 'best'; expected 'auto', 'min' or 'max'"),
        (lambda: fb.EarlyStopping(restore_best=1), "restore_best is 1; expected True or False"),
        (lambda: fb.TimeLimit(0), "seconds is 0; expected a finite number above 0"),
        (lambda: fb.TimeLimit("1 h"), "seconds is '1 h'; expected a finite number above 0"),
        (lambda: fb.CSVLogger(7), "path is 7; expected the name of a file"),
        (lambda: fb.CSVLogger("log.csv", "--"), "separator is '--'; expected one character"),
        (lambda: fb.LambdaCallback(on_tick=5), "on_tick is 5; expected a function of (trainer, figures), or None"),
    ],
)
def test_bad_arguments(make, sentence):
    with pytest.raises((TypeError, ValueError)) as error:
        make()
    assert sentence in str(error.value)


# ---- on_nan ----


def make_linear(learning_rate, batch_size):
    """A trainer that diverges with a large learning rate: nothing keeps the outputs of a linear model in bounds."""
    model = fb.Model([fb.Dense(1)], inputs=3, dtype="float64")
    return fb.Trainer(model, "mse", fb.SGD(learning_rate), batch_size=batch_size)


@pytest.mark.parametrize("rate", [2.0, fb.StepDecay(2.0, 100)])
def test_rollback_goes_back_and_halves_the_learning_rate(rate):
    X, y = make_data(2000)
    rates = []
    trainer = make_linear(rate, 1)

    def record(trainer, figures):
        rates.append(trainer.learning_rate)

    with pytest.warns(RuntimeWarning) as warned:
        trainer.fit(X, y, epochs=5, callbacks=[record], on_nan="rollback")
    told = str(warned[0].message)
    assert told.startswith("in epoch 1, batch ")
    assert told.endswith("Rolled back to the end of epoch 0; training continues with half the learning rate, 1.")
    assert rates[0] == 2.0 / 2 ** len(warned)
    assert trainer.history.n_epochs == 5
    assert trainer.n_steps == 5 * 2000
    assert np.isfinite(trainer.history["loss"]).all()
    assert rates == [rates[0]] * 5


def test_rollback_is_as_if_the_bad_epoch_had_never_been():
    """The weights, the optimizer's memory and the order of the samples are those of the end of the good epoch."""
    X, y = make_data()

    def spoil_once(trainer, figures):
        if figures["step"] == 10 and trainer.learning_rate == 0.01:
            trainer.model.set_weights([w * 1e200 for w in trainer.model.get_weights()])

    trainer, twin = make_trainer(fb.SGD(0.01, momentum=0.9)), make_trainer(fb.SGD(0.01, momentum=0.9))
    trainer.fit(X, y, epochs=2)
    with pytest.warns(RuntimeWarning, match="Rolled back to the end of epoch 2"):
        trainer.fit(X, y, epochs=2, on_nan="rollback", callbacks=fb.LambdaCallback(on_step_end=spoil_once))
    twin.fit(X, y, epochs=2)
    twin.optimizer = fb.SGD(0.005, momentum=0.9)
    twin.fit(X, y, epochs=2)
    assert trainer.learning_rate == 0.005
    for a, b in zip(trainer.model.get_weights(), twin.model.get_weights(), strict=True):
        assert (a == b).all()


def test_a_loss_on_validation_data_that_is_not_finite_rolls_back_too():
    X, y = make_data()
    trainer = make_trainer(fb.SGD(0.01))
    huge = y.copy()
    huge[0] = 1e200
    with (
        pytest.warns(RuntimeWarning, match=r"the loss on validation_data\[0\] is inf.*Rolled back"),
        pytest.raises(FloatingPointError),
    ):
        trainer.fit(X, y, validation_data=(X, huge), on_nan="rollback")
    assert trainer.n_steps == 0


def test_rollback_gives_up_after_ten_times():
    X, y = make_data()
    trainer = make_linear(1e200, 30)
    before = trainer.model.get_weights()
    with pytest.warns(RuntimeWarning, match="Rolled back"), pytest.raises(FloatingPointError) as error:
        trainer.fit(X, y, on_nan="rollback")
    assert "has halved the learning rate 10 times" in error.value.__notes__[0]
    assert (trainer.model.get_weights()[0] == before[0]).all()


def test_rollback_never_hides_bad_data():
    X, y = make_data()
    X[50, 1] = np.nan
    with pytest.raises(ValueError, match="row 50, column 1 of X"):
        make_trainer().fit(X, y, on_nan="rollback")


def test_an_error_of_a_callback_is_no_divergence():
    X, y = make_data()

    def fail(trainer, figures):
        raise FloatingPointError("my own")

    for event in ("on_step_end", "on_epoch_end"):
        with pytest.raises(FloatingPointError, match="my own"):
            make_trainer().fit(X, y, on_nan="rollback", callbacks=fb.LambdaCallback(**{event: fail}))
