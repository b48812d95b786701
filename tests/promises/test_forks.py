"""A child forked while other threads train: its trainers stand at a completed step, and go on from there."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import fastbp as fb
from fastbp.engine import gate

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(1500, 24)).astype("float32")
y = RNG.integers(0, 4, size=1500)

GOOD, GOOD_WITHIN_AN_EPOCH, OTHER_BITS, FAILED = 0, 1, 2, 3


def make_trainer(**options):
    layers = [fb.Dense(160, "relu"), fb.Dropout(0.1), fb.Dense(160, "tanh"), fb.Dense(4, "softmax")]
    options = {"loss": "cross_entropy", "metrics": "accuracy", "batch_size": 50, "averaging": "ema"} | options
    return fb.Trainer(fb.Model(layers, inputs=24, seed=1), seed=2, n_threads=1, **options)


def bits(trainer):
    return b"".join(weight.tobytes() for weight in trainer.model.get_weights())


def forked(work):
    """The exit status of a child, which is what the work returns; a child that hangs is killed."""
    child = os.fork()
    if child == 0:
        status = FAILED
        try:
            signal.alarm(30)
            status = work()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def course(n_epochs):
    """Weights and figures after each epoch of a training that nobody disturbs; the first are those of before."""
    trainer = make_trainer()
    states = [(bits(trainer), {})]

    def keep(trainer, figures):
        states.append((bits(trainer), {name: value for name, value in figures.items() if name != "seconds"}))

    trainer.fit(X, y, epochs=n_epochs, callbacks=keep)
    return states


def beside_training(trainer, n_epochs, work):
    """The statuses of children that do the work, forked again and again while another thread trains."""
    thread = threading.Thread(target=trainer.fit, args=(X, y), kwargs={"epochs": n_epochs})
    thread.start()
    statuses = []
    while thread.is_alive() or not statuses:
        time.sleep(RNG.uniform(0, 0.004) if statuses else 0)
        statuses.append(forked(work))
    thread.join()
    return statuses


@pytest.mark.parametrize("by_file", [False, True], ids=["in the child", "by a file from the child"])
def test_fit_goes_on_with_the_epoch_that_another_thread_was_in(by_file, tmp_path):
    states = course(101)

    def finish_the_epoch():
        n_before, within, own = trainer.history.n_epochs, trainer.parts.state.unfinished is not None, trainer
        if by_file:
            trainer.save(tmp_path / "child.ckpt")
            own = fb.Trainer.load(tmp_path / "child.ckpt")
        own.fit(X, y)
        found = (bits(own), {**own.history.latest, "epoch": own.history.n_epochs})
        del found[1]["seconds"]
        if own.history.n_epochs != n_before + 1 or found != states[n_before + 1]:
            return OTHER_BITS
        return GOOD_WITHIN_AN_EPOCH if within else GOOD

    statuses = []
    for _ in range(20):  # where others use the CPUs, a training may end before a child was in the midst of an epoch
        trainer = make_trainer()
        statuses += beside_training(trainer, 100, finish_the_epoch)
        assert bits(trainer) == states[100][0]
        if GOOD_WITHIN_AN_EPOCH in statuses:
            break
    assert set(statuses) == {GOOD, GOOD_WITHIN_AN_EPOCH} or set(statuses) == {GOOD_WITHIN_AN_EPOCH}


def test_everything_else_works_in_the_child_too(tmp_path):
    trainer = make_trainer()

    def use():
        n_steps = trainer.n_steps
        trainer.step(X[:20], y[:20])
        trainer.evaluate(X, y)
        trainer.averaged_model().predict(X)
        trainer.model.loss_and_gradients(X, y, "cross_entropy")
        trainer.model.set_weights(trainer.model.get_weights())
        return GOOD if trainer.n_steps == n_steps + 1 else FAILED

    assert set(beside_training(trainer, 10, use)) == {GOOD}


def test_a_child_of_a_thread_that_makes_single_steps():
    trainer, ended = make_trainer(), threading.Event()

    def train():
        while not ended.is_set():
            trainer.step(X, y)

    def go_on():
        n_steps = trainer.n_steps
        trainer.step(X[:20], y[:20])
        trainer.fit(X, y)
        return GOOD if trainer.n_steps == n_steps + 1 + 30 else FAILED

    thread = threading.Thread(target=train)
    thread.start()
    statuses = [forked(go_on) for _ in range(10)]
    ended.set()
    thread.join(30)
    assert set(statuses) == {GOOD}


def test_epochs_of_chunks_begin_anew():
    trainer = make_trainer(metrics=None)

    def chunks():
        for first in range(0, 1500, 300):
            yield X[first : first + 300], y[first : first + 300]

    def go_on():
        trainer.fit(X, y)
        trainer.fit(chunks)
        return GOOD

    thread = threading.Thread(target=trainer.fit, args=(chunks,), kwargs={"epochs": 10})
    thread.start()
    statuses = [forked(go_on) for _ in range(5)]
    thread.join(30)
    assert set(statuses) == {GOOD}


def test_chunks_that_a_thread_of_the_parent_reads_are_refused_in_the_child():
    """A callback forks, and its training would wait in the child for a thread that is not there."""
    trainer, children = make_trainer(), []

    def fork(trainer, figures):
        if not children:
            children.append(os.fork())
            if children[0] == 0:
                signal.alarm(30)

    try:
        trainer.fit([(X[:700], y[:700]), (X[700:], y[700:])], callbacks=fb.LambdaCallback(on_step_end=fork))
    except RuntimeError as error:
        if children[0] == 0:
            os._exit(GOOD if "call fit again" in str(error) else FAILED)
        raise
    finally:
        if children[0] == 0:
            os._exit(FAILED)
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == GOOD


def test_a_callback_that_forks_has_its_training_in_both():
    """The thread that trains is the one that is in the child: it goes on there, and keeps out others."""
    states, statuses = course(2), []
    trainer = make_trainer()

    def fork(trainer, figures):
        if trainer.n_steps == 40:
            statuses.append(os.fork())
            if statuses[0] == 0:
                signal.alarm(30)
                refused = []

                def step():
                    try:
                        trainer.step(X[:20], y[:20])
                    except RuntimeError:
                        refused.append(True)

                thread = threading.Thread(target=step)
                thread.start()
                thread.join(30)
                statuses[0] = 0 if refused else -1

    trainer.fit(X, y, epochs=2, callbacks=fb.LambdaCallback(on_step_end=fork))
    good = bits(trainer) == states[2][0] and trainer.history.latest["loss"] == states[2][1]["loss"]
    if statuses[0] <= 0:
        os._exit(GOOD if good and statuses[0] == 0 else OTHER_BITS)
    assert os.waitpid(statuses[0], 0)[1] == 0
    assert good


def squares(outputs, targets):
    slopes = outputs - np.eye(4)[targets]
    return (slopes**2).mean(axis=1), slopes / 2


def test_a_loss_function_that_forks_has_its_training_in_both():
    """Within a step, and so within what the training thread locks."""
    wanted = make_trainer(loss=squares, metrics=None)
    wanted.fit(X, y, epochs=2)
    n_calls, children = [], []

    def forking(outputs, targets):
        n_calls.append(1)
        if len(n_calls) == 40:
            children.append(os.fork())
            signal.alarm(30 if children[0] == 0 else 0)
        return squares(outputs, targets)

    trainer, good = make_trainer(loss=forking, metrics=None), False
    try:
        trainer.fit(X, y, epochs=2)
        good = bits(trainer) == bits(wanted)
    finally:
        if children == [0]:
            os._exit(GOOD if good else FAILED)
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == GOOD
    assert good


def test_two_threads_that_fork_at_once_both_have_a_completed_step():
    """While one is between its handlers, the other ends: training waits for both."""
    trainer, ended, between = make_trainer(), threading.Event(), threading.Event()
    looks = []

    def train():
        while not ended.is_set():
            trainer.fit(X, y)

    def slow_fork():
        gate._before_fork()
        between.set()
        time.sleep(0.1)  # the other fork begins and ends meanwhile
        n_steps, weights = trainer.n_steps, bits(trainer)
        time.sleep(0.1)
        looks.append((n_steps, weights) == (trainer.n_steps, bits(trainer)))
        gate._after_fork_in_parent()

    threads = [threading.Thread(target=train), threading.Thread(target=slow_fork)]
    for thread in threads:
        thread.start()
    between.wait(30)
    gate._before_fork()
    gate._after_fork_in_parent()
    threads[1].join(30)
    ended.set()
    threads[0].join(30)
    assert looks == [True]


def test_networks_made_while_another_thread_forks():
    """The list of networks that the fork goes through gets longer meanwhile."""
    models, ended = [], threading.Event()

    def make():
        for _ in itertools.takewhile(lambda _: not ended.is_set(), range(3000)):
            models.append(fb.Model([fb.Dense(1)], inputs=1))

    thread = threading.Thread(target=make)
    thread.start()
    try:
        while thread.is_alive():
            gate._before_fork()
            gate._after_fork_in_parent()
    finally:
        ended.set()
        thread.join(30)
    assert len(models) == 3000


def test_the_first_training_imports_nothing():
    """A child that is forked while another thread imports a module waits for it for ever."""
    program = """
import sys
import numpy as np
import fastbp as fb

X, y = np.zeros((60, 3)), np.zeros(60, int)
trainer = fb.Trainer(fb.Model([fb.Dense(2, "softmax")], inputs=3), "cross_entropy")
before = set(sys.modules)

def chunks():
    yield X, y

trainer.fit(X, y, validation_data=(X, y))
trainer.step(X, y)
trainer.fit(chunks, validation_data=chunks)
trainer.evaluate(chunks)
trainer.model.predict(X)
print(sorted(name for name in set(sys.modules) - before if not name.startswith("numpy")))
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=100)
    assert found.stdout.strip() == "[]"
