"""Many trainers at once: each ends with the bits that it would have alone, and none outlives an error or Ctrl-C."""

import dataclasses
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import fastbp as fb
from fastbp.callbacks.listeners import as_callbacks
from fastbp.ensembles.side_by_side import Job, train_all
from fastbp.support.worker import Worker
from preparation_helpers import make_rows, make_unlearnt

RNG = np.random.default_rng(0)
X = RNG.normal(size=(230, 6))
LABELS = RNG.integers(0, 4, 230)
WEIGHTS = RNG.uniform(0, 2, 230)

LAYERS = {
    "plain": lambda: [fb.Dense(9, "relu"), fb.Dense(4, "softmax")],
    "dropout": lambda: [fb.Dropout(0.1), fb.Dense(20, "tanh"), fb.Dropout(0.3), fb.Dense(4, "softmax")],
    "batch_norm": lambda: [fb.Dense(9), fb.BatchNorm(), fb.Activation("relu"), fb.Dense(4, "softmax")],
    "residual": lambda: [fb.Residual([fb.Dense(6, "gelu")]), fb.Dense(4, "softmax")],
}


def make_trainers(dtype="float32", n=1, **options):
    trainers = []
    for seed in range(n):
        for layers in LAYERS.values():
            model = fb.Model(layers(), inputs=6, dtype=dtype, seed=seed)
            trainers.append(fb.Trainer(model, "cross_entropy", batch_size=32, seed=seed, **options))
    return trainers


def assert_same(trainers, others):
    for trainer, other in zip(trainers, others, strict=True):
        for a, b in zip(trainer.model.get_weights(), other.model.get_weights(), strict=True):
            assert (a == b).all()
        assert without_time(trainer.history) == without_time(other.history)
        assert trainer.n_steps == other.n_steps


def without_time(history):
    return {name: values for name, values in history.items() if name != "seconds"}


# ------------------------------------------------------------------------------------------- the same bits


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_threads", [1, 2, 3, 16])
def test_each_ends_as_if_alone(limits, dtype, n_threads):
    limits(epoch_thread=1.0, call_thread=1.0)  # left-over threads form teams
    together, alone = make_trainers(dtype, averaging="ema"), make_trainers(dtype, averaging="ema")
    validation = (X[:50], LABELS[:50])
    options = {"sample_weight": WEIGHTS, "class_weight": {1: 2.0}, "validation_data": validation}
    histories = fb.fit_many(together, X, LABELS, 3, n_threads=n_threads, **options)
    for trainer in alone:
        trainer.fit(X, LABELS, 3, **options)
    assert histories == [trainer.history for trainer in together]
    assert "val_accuracy" in histories[0]
    assert_same(together, alone)


def test_going_on_is_as_going_through():
    twice, once = make_trainers(), make_trainers()
    fb.fit_many(twice, X, LABELS, 2, n_threads=2)
    fb.fit_many(twice, X, LABELS, 3, n_threads=3)
    fb.fit_many(once, X, LABELS, 5, n_threads=1)
    assert_same(twice, once)


def test_trainers_of_different_sizes_and_losses():
    """Labels for one are numbers for another; lists are converted for each kind."""

    def make():
        classifier = fb.Trainer(fb.Model([fb.Dense(4, "softmax")], inputs=6), "cross_entropy")
        regressor = fb.Trainer(fb.Model([fb.Dense(50, "tanh"), fb.Dense(1)], inputs=6), "mse", optimizer="sgd")
        whole = fb.Trainer(fb.Model([fb.Dense(1)], inputs=6, dtype="float64"), "huber", batch_size=None)
        return [classifier, regressor, whole]

    together, alone = make(), make()
    fb.fit_many(together, X.tolist(), LABELS.tolist(), 4, n_threads=2)
    for trainer in alone:
        trainer.fit(X, LABELS, 4)
    assert_same(together, alone)


def test_a_loss_of_ones_own_and_iterations():
    pytest.importorskip("scipy")

    def squared(outputs, targets):
        difference = outputs.astype(np.float64) - targets[:, np.newaxis]
        return (difference**2).sum(axis=1), 2 * difference

    def make():
        own = [fb.Trainer(fb.Model([fb.Dense(1)], inputs=6, seed=seed), squared) for seed in range(3)]
        model = fb.Model([fb.Dense(5, "tanh"), fb.Dense(1)], inputs=6, dtype="float64")
        return [*own, fb.Trainer(model, "mse", optimizer="lbfgs", batch_size=None)]

    together, alone = make(), make()
    fb.fit_many(together, X, LABELS, 3, n_threads=3)
    for trainer in alone:
        trainer.fit(X, LABELS, 3)
    assert_same(together, alone)


def test_the_number_of_threads_is_what_it_was():
    trainers = make_trainers(n_threads=7)
    seen = []

    def callbacks(i):
        return [lambda trainer, figures: seen.append(trainer.n_threads)]

    fb.fit_many(trainers, X, LABELS, n_threads=2, callbacks=callbacks)
    assert seen == [1] * 4
    assert all("n_threads=7" in repr(trainer) for trainer in trainers)


def test_callbacks_are_each_trainers_own():
    trainers = make_trainers()
    heard = {}

    def callbacks(i):
        def hear(trainer, figures):
            heard.setdefault(i, []).append((trainer, threading.current_thread() is threading.main_thread()))
            if figures["epoch"] == i + 1:
                trainer.stop()

        return [hear, fb.TimeLimit(60)]

    fb.fit_many(trainers, X, LABELS, 6, n_threads=3, callbacks=callbacks)
    assert [trainer.history.n_epochs for trainer in trainers] == [1, 2, 3, 4]
    assert {trainer.stop_reason for trainer in trainers} == {"stopped"}
    for i, trainer in enumerate(trainers):
        assert heard[i] == [(trainer, False)] * (i + 1)


def test_no_epochs():
    trainers = make_trainers()
    assert [history.n_epochs for history in fb.fit_many(trainers, X, LABELS, 0)] == [0] * 4


def test_one_bar_for_all(capsys):
    fb.fit_many(make_trainers(), X, LABELS, 3, progress=True)
    assert "12/12" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------- too few threads


@pytest.fixture
def startable(monkeypatch):
    """A list whose first element is how many more threads the system starts; it gets each worker that asks for one."""
    left, start = [0], Worker.start

    def limited(worker):
        left.append(worker)
        if left[0] == 0:
            raise RuntimeError("can't start new thread")
        left[0] -= 1
        start(worker)

    monkeypatch.setattr(Worker, "start", limited)
    return left


@pytest.mark.parametrize("n", [0, 1, 3])
def test_those_threads_that_can_be_started_train_all(startable, n):
    startable[0] = n
    together, alone = make_trainers(), make_trainers()
    names = [set() for _ in together]

    def callbacks(i):
        return lambda trainer, figures: names[i].add(threading.get_ident())

    fb.fit_many(together, X, LABELS, 3, n_threads=4, callbacks=callbacks)
    assert len(startable) == 1 + n + 1  # none asked again after the first that failed
    assert len(set().union(*names)) <= max(n, 1)
    assert all(len(own) == 1 for own in names)
    if n == 0:
        assert set().union(*names) == {threading.get_ident()}
    for trainer in alone:
        trainer.fit(X, LABELS, 3)
    assert_same(together, alone)


def test_without_threads_an_error_ends_all_and_the_bar_goes_on(startable, capsys):
    trainers = make_trainers()
    before = [trainer.model.get_weights() for trainer in trainers]

    def callbacks(i):
        def fail(trainer, figures):
            raise OSError("disk full")

        return [fail]

    with pytest.raises(OSError, match="disk full") as caught:
        fb.fit_many(trainers, X, LABELS, 3, n_threads=4, callbacks=callbacks)
    assert len(caught.value.__notes__) == 1
    begun = [trainer.n_steps > 0 for trainer in trainers]
    assert sum(begun) == 1
    for trainer, weights in zip(trainers, before, strict=True):
        same = all((a == b).all() for a, b in zip(trainer.model.get_weights(), weights, strict=True))
        assert same == (trainer.n_steps == 0)
    fb.fit_many(trainers, X, LABELS, 3, n_threads=4, progress=True)
    assert "12/12" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------- the caller's thread


@pytest.fixture
def launched(monkeypatch):
    """The threads that are started beside the caller's."""
    threads, launch = [], Worker.launch

    def listed(worker):
        threads.append(worker)
        launch(worker)

    monkeypatch.setattr(Worker, "launch", listed)
    return threads


def squares(threads, fails=()):
    """A loss that notes whether the main thread calls it, and fails in threads of a kind once both kinds have begun."""

    def loss(outputs, targets):
        here = threading.current_thread() is threading.main_thread()
        threads.append(here)
        if here in fails and {True, False} <= set(threads):
            raise OSError("disk full")
        difference = outputs.astype(np.float64) - targets[:, np.newaxis]
        return (difference**2).sum(axis=1), 2 * difference

    return loss


def make_regressions(n, loss):
    return [fb.Trainer(fb.Model([fb.Dense(1)], inputs=6, seed=seed), loss) for seed in range(n)]


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_without_callbacks_the_callers_thread_is_one_of_them(launched, n_threads):
    threads = []
    together, alone = make_regressions(5, squares(threads)), make_regressions(5, squares([]))
    fb.fit_many(together, X, LABELS, 2, n_threads=n_threads)
    assert len(launched) == n_threads - 1
    assert True in threads
    if n_threads == 1:
        assert False not in threads
    for trainer in alone:
        trainer.fit(X, LABELS, 2)
    assert_same(together, alone)
    assert not any(thread.is_alive() for thread in launched)


@pytest.mark.parametrize("here", [True, False])
def test_an_error_in_the_callers_thread_or_in_another_stops_both(launched, here):
    trainers = make_regressions(2, squares([], fails=(here,)))
    with pytest.raises(OSError, match="disk full") as caught:
        fb.fit_many(trainers, X, LABELS, 10**6, n_threads=2)
    assert len(caught.value.__notes__) == 1
    assert len(launched) == 1 and not launched[0].is_alive()
    assert {trainer.stop_reason for trainer in trainers} == {"error"}
    others = make_regressions(2, "mse")
    assert [history.n_epochs for history in fb.fit_many(others, X, LABELS, 1, n_threads=2)] == [1, 1]


def test_what_a_thread_leaves_that_dies_at_once_the_callers_thread_does(monkeypatch):
    """As in want of memory."""
    monkeypatch.setattr(Worker, "_run", lambda worker, life: None)
    together, alone = make_trainers(), make_trainers()
    fb.fit_many(together, X, LABELS, 3, n_threads=3)
    for trainer in alone:
        trainer.fit(X, LABELS, 3)
    assert_same(together, alone)


# ------------------------------------------------------------------------------------------- errors and Ctrl-C


def test_the_first_error_ends_all():
    trainers = make_trainers(n=2)

    def callbacks(i):
        def fail(trainer, figures):
            if i == 5 and figures["epoch"] == 2:
                raise OSError("disk full")

        return [fail]

    with pytest.raises(OSError, match="disk full") as caught:
        fb.fit_many(trainers, X, LABELS, 10**6, n_threads=8, callbacks=callbacks)
    assert caught.value.__notes__ == ["This was trainers[5]."]
    assert trainers[5].history.n_epochs == 2
    assert {trainer.stop_reason for trainer in trainers} == {"error"}
    before = [trainer.history.n_epochs for trainer in trainers]
    assert max(before) < 10**6
    histories = fb.fit_many(trainers, X, LABELS, 1, n_threads=2)  # they go on, with the epoch they were in
    assert [history.n_epochs for history in histories] == [n + 1 for n in before]


def test_what_was_interrupted_goes_on_to_the_same_bits():
    trainers, alone = make_trainers(), make_trainers()

    def callbacks(i):
        return [fb.LambdaCallback(on_step_end=fail)] if i == 3 else []

    def fail(trainer, figures):
        if figures["step"] == 12:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fb.fit_many(trainers, X, LABELS, 10**6, n_threads=4, callbacks=callbacks)
    most = max(trainer.history.n_epochs for trainer in trainers) + 1
    for trainer, other in zip(trainers, alone, strict=True):
        trainer.fit(X, LABELS, most - trainer.history.n_epochs)
        other.fit(X, LABELS, most)
    assert_same(trainers, alone)


def test_divergence_is_named():
    trainers = make_trainers()
    model = fb.Model([fb.Dense(3, "relu"), fb.Dense(1)], inputs=6)
    trainers.append(fb.Trainer(model, "mse", optimizer=fb.SGD(1e6)))
    with pytest.raises(FloatingPointError, match="learning rate") as caught:
        fb.fit_many(trainers, X, LABELS, 200, n_threads=2)
    assert caught.value.__notes__ == ["This was trainers[4]."]


def test_those_that_had_not_begun_are_as_they_were():
    trainers = make_trainers()
    before = [trainer.model.get_weights() for trainer in trainers]
    spoilt = X.copy()
    spoilt[100, 3] = np.nan
    with pytest.raises(ValueError, match=r"row 100, column 3 of X"):
        fb.fit_many(trainers, spoilt, LABELS, 3, n_threads=1)
    largest = max(range(4), key=lambda i: trainers[i].model.n_parameters)
    for i, trainer in enumerate(trainers):
        if i != largest:
            assert all((a == b).all() for a, b in zip(trainer.model.get_weights(), before[i], strict=True))
    assert [history.n_epochs for history in fb.fit_many(trainers, X, LABELS, 1)] == [1] * 4


@pytest.mark.skipif(os.name != "posix", reason="only POSIX systems send a process SIGINT")
def test_ctrl_c_ends_all_at_a_completed_step(tmp_path):
    """A process of its own gets the signal that a terminal sends; afterwards every model goes on to the same bits."""
    program = textwrap.dedent(
        """
        import time, numpy as np, fastbp as fb

        rng = np.random.default_rng(0)
        X, y = rng.normal(size=(3000, 30)), rng.integers(0, 5, 3000)

        def make():
            models = [fb.Model([fb.Dense(50, "relu"), fb.Dropout(0.2), fb.Dense(5, "softmax")], inputs=30, seed=seed)
                      for seed in range(3)]
            return [fb.Trainer(model, "cross_entropy", batch_size=16, seed=i) for i, model in enumerate(models)]

        trainers, alone = make(), make()
        print("ready", flush=True)
        try:
            fb.fit_many(trainers, X, y, epochs=10**6, n_threads=2, validation_data=(X, y))
        except KeyboardInterrupt:
            print("ended", flush=True)
        n = max(trainer.history.n_epochs for trainer in trainers) + 1
        for trainer, other in zip(trainers, alone):
            trainer.fit(X, y, n - trainer.history.n_epochs)
            other.fit(X, y, n)
            pairs = zip(trainer.model.get_weights(), other.model.get_weights())
            assert all((a == b).all() for a, b in pairs)
        print("same", flush=True)
        """
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "ready\n"
        timer = threading.Timer(0.5, process.send_signal, [signal.SIGINT])
        timer.start()
        assert process.communicate(timeout=60)[0] == "ended\nsame\n"
    finally:
        process.kill()
    assert process.returncode == 0


# ------------------------------------------------------------------------------------------- bad input


def one_trainer():
    return make_trainers()[0]


ONE = fb.TimeLimit(1)


def twice(trainer):
    return [trainer, trainer]


BAD = [
    (lambda: fb.fit_many([], X, LABELS), ValueError, "trainers is empty; expected one fb.Trainer or more"),
    (lambda: fb.fit_many(one_trainer(), X, LABELS), TypeError, r"trainers is Trainer\(.*; expected a list of"),
    (lambda: fb.fit_many(3, X, LABELS), TypeError, "trainers is 3; expected a list of fb.Trainer objects"),
    (lambda: fb.fit_many([one_trainer(), "x"], X, LABELS), TypeError, r"trainers\[1\] is 'x'; expected an fb.Trainer"),
    (lambda: fb.fit_many(twice(one_trainer()), X, LABELS), ValueError, r"trainers\[1\] is the same as trainers\[0\]"),
    (
        lambda: fb.fit_many([fb.Trainer(m, "cross_entropy") for m in twice(one_trainer().model)], X, LABELS),
        ValueError,
        r"trainers\[1\] is for the same model as trainers\[0\]; expected a trainer with a separate model",
    ),
    (lambda: fb.fit_many(make_trainers(), X[:, :5], LABELS), ValueError, "X has 5 columns"),
    (lambda: fb.fit_many(make_trainers(), X, LABELS[:9]), ValueError, "X has 230 rows, y has 9"),
    (lambda: fb.fit_many(make_trainers(), X, LABELS, -1), ValueError, "epochs is -1; expected an integer of 0 or more"),
    (lambda: fb.fit_many(make_trainers(), X, LABELS, n_threads=0), ValueError, "n_threads is 0"),
    (lambda: fb.fit_many(make_trainers(), X, LABELS, progress="yes"), TypeError, "progress is 'yes'"),
    (lambda: fb.fit_many(make_trainers(), X, LABELS, validation_data=X), TypeError, "validation_data is an ndarray"),
    (lambda: fb.fit_many(make_trainers(), X, LABELS, sample_weight=[1]), ValueError, r"sample_weight has shape \(1,\)"),
    (
        lambda: fb.fit_many(make_trainers(), X, LABELS, callbacks=[fb.TimeLimit(1)]),
        TypeError,
        r"callbacks is .*; expected a function from an index to a list, or None. Each trainer needs its own",
    ),
    (
        lambda: fb.fit_many(make_trainers(), X, LABELS, callbacks=lambda i: [ONE]),
        ValueError,
        r"callbacks\(1\) has .*, which callbacks\(0\) has too; expected new objects",
    ),
]


@pytest.mark.parametrize(("call", "error", "sentence"), BAD)
def test_bad_input_gets_a_sentence(call, error, sentence):
    with pytest.raises(error) as caught:
        call()
    assert re.search(sentence, str(caught.value)), str(caught.value)


def test_a_batch_that_a_layer_cannot_take_is_refused_before_any_training():
    trainers = make_trainers()
    with pytest.raises(ValueError, match="the last batch of 225 samples has 1 sample") as caught:
        fb.fit_many(trainers, X[:225], LABELS[:225])
    assert caught.value.__notes__ == ["This was trainers[2]."]
    assert {trainer.n_steps for trainer in trainers} == {0}


def test_preparations_learn_each_for_itself():
    X, y = make_rows()
    trainers = [make_unlearnt(0), make_unlearnt(1)]
    fb.fit_many(trainers, X, y, epochs=3)
    for i, trainer in enumerate(trainers):
        wanted = make_unlearnt(i)
        wanted.fit(X, y, epochs=3)
        assert (trainer.model.predict(X) == wanted.model.predict(X)).all()
    ensemble = fb.Ensemble([trainer.model for trainer in trainers])
    mean = np.mean([trainer.model.predict(X).astype(float) for trainer in trainers], axis=0)
    np.testing.assert_allclose(ensemble.predict(X), mean, rtol=1e-6)


def test_a_long_validation_is_interrupted_too():
    """Each validation takes seconds; the error of another trainer does not wait for it."""
    models = [fb.Model([fb.Dense(width, "relu"), fb.Dense(1)], inputs=6) for width in (4, 2000)]
    trainers = [fb.Trainer(model, "mse") for model in models]
    many_rows = np.lib.stride_tricks.as_strided(X, (3_000_000, 6), (0, 8))  # no memory

    def callbacks(i):
        return [lambda trainer, figures: fail()] if i == 0 else [fb.LambdaCallback(on_fit_end=note)]

    def fail():
        time.sleep(0.5)  # the other has done its epoch
        failed.append(time.perf_counter())
        raise RuntimeError

    def note(trainer, figures):
        ended.append(time.perf_counter())

    failed, ended = [], []
    validation = (many_rows, np.zeros(len(many_rows)))
    jobs = [
        Job(f"trainers[{i}]", trainer, trainer.parts.intake.samples(X, LABELS), None, as_callbacks(callbacks(i)))
        for i, trainer in enumerate(trainers)
    ]
    jobs[1] = dataclasses.replace(jobs[1], validation=trainers[1].parts.intake.validation_arrays(validation))
    with pytest.raises(RuntimeError):
        train_all(jobs, 1, 2, progress=False)
    assert trainers[1].history.n_epochs == 0
    assert ended[0] - failed[0] < 1.0  # what an overloaded machine may add to the 100 ms that are aimed at
    trainers[1].fit(X, LABELS)
    assert trainers[1].n_steps == 8  # what was trained is not trained again
