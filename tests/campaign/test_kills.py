"""Killed while it saves, interrupted while it trains: a whole file, old or new, and the model of a completed step."""

import os
import signal
import threading
import time

import numpy as np
import pytest

import fastbp as fb
from campaign_helpers import SEED, block_name, blocks, needs_fork, random_of, time_limit

pytestmark = [pytest.mark.campaign, pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 20)).astype("float32")
y = RNG.integers(0, 3, size=400)

N_EPOCHS, STEPS_AN_EPOCH = 8, 20
SLOWEST_INTERRUPT = 20  # seconds; a hang and no promise, that is 100 ms on a quiet machine


def make_model(seed):
    return fb.Model([fb.Dense(64, "relu"), fb.BatchNorm(), fb.Dense(3, "softmax")], inputs=20, seed=seed)


def make_trainer(seed=1, n_threads=1):
    return fb.Trainer(make_model(seed), "cross_entropy", "adam", batch_size=20, seed=seed, n_threads=n_threads)


def saved_objects():
    """Name to two objects that are saved in turn under one name, and the function that loads them."""
    trainers = [make_trainer(seed) for seed in (1, 2)]
    for trainer in trainers:
        trainer.fit(X, y)
    models = [make_model(seed) for seed in (1, 2)]
    ensembles = [fb.Ensemble([make_model(seed), make_model(seed + 5)]) for seed in (1, 2)]
    return {
        "model": (models, fb.Model.load),
        "trainer": (trainers, fb.Trainer.load),
        "ensemble": (ensembles, fb.Ensemble.load),
    }


# ---- kill -9 while files are written ----


def killed_while_saving(objects, path, seconds):
    """A child saves one and the other, again and again; it is killed after some seconds."""
    began, begin = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(begin, b"!")
            while True:
                for each in objects:
                    each.save(path)
        finally:
            os._exit(1)
    os.read(began, 1)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(began)
    os.close(begin)
    assert status == -signal.SIGKILL


@needs_fork
@pytest.mark.parametrize("block", blocks(10, 1000, of=10), ids=block_name)
def test_a_kill_leaves_the_old_file_or_the_new_one(tmp_path, block):
    saved = saved_objects()
    for case in block:
        rng = random_of("kill", case)
        objects, load = saved[rng.choice(list(saved))]
        path = tmp_path / "saved"
        whole = []
        for each in objects:
            each.save(path)
            whole.append(path.read_bytes())
        seconds = rng.uniform(0, 0.03)
        killed_while_saving(objects, path, seconds)
        assert path.read_bytes() in whole, f"case {case} of seed {SEED}: killed after {seconds:.4f} s"
        load(path)
        objects[0].save(path)
        assert path.read_bytes() == whole[0]
        assert os.listdir(tmp_path) == ["saved"]  # what the killed process left is gone


# ---- Ctrl-C while it trains ----


def bits(model):
    return b"".join(array.tobytes() for array in model.get_weights())


@pytest.fixture(scope="module")
def steps():
    """The weights before the first step and after each one."""
    trainer = make_trainer()
    after = [bits(trainer.model)]
    trainer.fit(X, y, epochs=N_EPOCHS, callbacks=[lambda_at_step(lambda: after.append(bits(trainer.model)))])
    assert len(after) == trainer.n_steps + 1 == N_EPOCHS * STEPS_AN_EPOCH + 1
    return after


def lambda_at_step(function):
    return fb.LambdaCallback(on_step_end=lambda trainer, figures: function())


@pytest.fixture
def interrupts():
    """Ctrl-C raises KeyboardInterrupt, as at a prompt."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


def interrupted(trainer, seconds):
    """Train, and interrupt that after some seconds; return whether the interrupt came in the midst."""
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        trainer.fit(X, y, epochs=N_EPOCHS)
        timer.cancel()
        timer.join()
        time.sleep(0.001)  # for an interrupt that was on its way
    except KeyboardInterrupt:
        timer.join()
        return 0 < trainer.n_steps < N_EPOCHS * STEPS_AN_EPOCH
    return False


@needs_fork  # where a process can send itself the signal of Ctrl-C
@pytest.mark.parametrize("block", blocks(5, 1000, of=5), ids=block_name)
def test_an_interrupt_leaves_a_completed_step(steps, interrupts, limits, block):
    limits(epoch_thread=1.0, paced=0.0)
    for case in block:
        rng = random_of("interrupt", case)
        n_threads = rng.choice([1, 2, 3])
        trainer = make_trainer(n_threads=n_threads)
        seconds = rng.uniform(0, 0.003 * n_threads)
        with time_limit(SLOWEST_INTERRUPT):
            interrupted(trainer, seconds)
        done = trainer.n_steps
        assert bits(trainer.model) == steps[done], f"case {case} of seed {SEED}: at step {done}"
        with time_limit(SLOWEST_INTERRUPT):  # it goes on in the epoch that was cut
            for _ in range(N_EPOCHS - trainer.history.n_epochs):
                trainer.fit(X, y)
        assert bits(trainer.model) == steps[-1], f"case {case} of seed {SEED}: went on from step {done}"


@needs_fork
def test_interrupts_do_come_in_the_midst_of_training(interrupts):
    """The campaign proves something only if some do."""
    assert any(interrupted(make_trainer(), 0.0001 * (i % 30)) for i in range(600))  # a training takes 2 ms or more
