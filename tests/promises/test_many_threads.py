"""What may be called from which thread, as docs/threads.md says: no result is of half a step, none waits for ever."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import fastbp as fb

RNG = np.random.default_rng(0)
X = RNG.normal(size=(1500, 24)).astype("float32")
y = RNG.integers(0, 4, size=1500)
ROWS = [X[:1], X[3:6], X[:700]]  # without panels, the same with packed weights, and a sweep without the GIL

STACKS = {
    "dense": lambda: [fb.Dense(160, "relu"), fb.Dense(160, "tanh"), fb.Dense(4, "softmax")],
    "normalised": lambda: [
        fb.Dense(160),
        fb.BatchNorm(),
        fb.Activation("relu"),
        fb.Dense(160, "tanh"),
        fb.Dense(4, "softmax"),
    ],
}


def make_trainer(stack, **options):
    model = fb.Model(STACKS[stack](), inputs=24, seed=1)
    return fb.Trainer(model, loss="cross_entropy", batch_size=50, seed=2, **options)


def bits(arrays):
    return b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)


def in_threads(jobs, seconds=120):
    """Runs all at once; raises the first exception, and fails where one does not end."""
    start = threading.Barrier(len(jobs))

    def run(job):
        start.wait()
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return [future.result(timeout=seconds) for future in [pool.submit(run, job) for job in jobs]]


def until(event, work):
    """A job that works again and again until the event, and returns the results."""

    def job():
        results = []
        while not event.is_set():
            results.append(work())
        return results

    return job


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("stack", list(STACKS))
def test_predictions_while_training_are_of_completed_steps(stack, n_threads, limits):
    """Four threads predict, read weights and evaluate; each result is one that was there after some step."""
    limits(epoch_thread=1.0, call_thread=1.0)
    sizes = range(len(ROWS))

    def state_of(model):
        return [bits([model.predict(rows, n_threads=1)]) for rows in ROWS] + [bits(model.get_weights())]

    trainer = make_trainer(stack, n_threads=1)
    snapshots = [state_of(trainer.model)]
    after_step = fb.LambdaCallback(on_step_end=lambda trainer, figures: snapshots.append(state_of(trainer.model)))
    trainer.fit(X, y, epochs=4, callbacks=[after_step])
    known = [set(column) for column in zip(*snapshots, strict=True)]
    assert len(known[0]) == len(snapshots) == 121

    trainer, ended = make_trainer(stack, n_threads=n_threads), threading.Event()

    def fit():
        try:
            for _ in range(4):
                trainer.fit(X, y, epochs=1)
        finally:
            ended.set()

    model = trainer.model
    readers = [lambda i=i: bits([model.predict(ROWS[i], n_threads=n_threads)]) for i in sizes]
    readers.append(lambda: bits(model.get_weights()))
    _, *results = in_threads([fit, *[until(ended, reader) for reader in readers]])
    assert state_of(model) == snapshots[-1]
    for i, found in enumerate(results):
        assert set(found) <= known[i]
    assert sum(len(set(found)) for found in results) > len(results)  # some met training at several steps


def test_evaluations_and_gradients_while_training_are_of_completed_steps():
    model = make_trainer("normalised").model
    snapshots = []

    def figures_of(trainer):
        loss, gradients = trainer.model.loss_and_gradients(X[:300], y[:300], "cross_entropy")
        return trainer.evaluate(X[:300], y[:300])["loss"], bits([np.float64(loss), *gradients])

    trainer = make_trainer("normalised")
    snapshots.append(figures_of(trainer))
    after_step = fb.LambdaCallback(on_step_end=lambda *_: snapshots.append(figures_of(trainer)))
    trainer.fit(X, y, epochs=2, callbacks=[after_step])
    trainer, ended = make_trainer("normalised"), threading.Event()

    def fit():
        try:
            trainer.fit(X, y, epochs=2)
        finally:
            ended.set()

    def evaluate():
        return trainer.evaluate(X[:300], y[:300])["loss"]

    def gradients():
        loss, arrays = trainer.model.loss_and_gradients(X[:300], y[:300], "cross_entropy")
        return bits([np.float64(loss), *arrays])

    _, losses, slopes = in_threads([fit, until(ended, evaluate), until(ended, gradients)])
    known = [set(column) for column in zip(*snapshots, strict=True)]
    assert set(losses) <= known[0]
    assert set(slopes) <= known[1]
    assert model.n_parameters


@pytest.mark.parametrize("stack", list(STACKS))
def test_weights_that_are_set_are_all_set_or_none(stack):
    """One thread sets one of two lists of weights, others predict: no prediction mixes them."""
    models = [fb.Model(STACKS[stack](), inputs=24, seed=seed) for seed in (1, 2)]
    weights = [model.get_weights() for model in models]
    known = [{bits([model.predict(rows)]) for model in models} for rows in ROWS]
    model, ended = models[0], threading.Event()

    def change():
        try:
            for i in range(400):
                model.set_weights(weights[i % 2])
        finally:
            ended.set()

    _, *results = in_threads([change, *[until(ended, lambda rows=rows: bits([model.predict(rows)])) for rows in ROWS]])
    for i, found in enumerate(results):
        assert set(found) <= known[i]


@pytest.mark.parametrize("stack", list(STACKS))
def test_the_first_predictions_after_a_change_may_come_all_at_once(stack):
    """What depends on the weights is computed by the first, and the others wait for it. Weights are packed likewise."""
    model = fb.Model(STACKS[stack](), inputs=24, seed=1)
    weights = model.get_weights()
    wanted = [bits([model.predict(rows)]) for rows in ROWS]
    for _ in range(100):
        model.set_weights(weights)
        jobs = [lambda i=i: [bits([model.predict(ROWS[i])]) for _ in range(8)] for i in (0, 1, 2) * 2]
        for i, found in zip((0, 1, 2) * 2, in_threads(jobs), strict=True):
            assert set(found) == {wanted[i]}


def test_trainers_side_by_side_end_as_alone():
    def train(seed):
        trainer = make_trainer("dense")
        trainer.fit(X + seed, y, epochs=3)
        return bits(trainer.model.get_weights())

    alone = [train(seed) for seed in range(8)]
    assert in_threads([lambda seed=seed: train(seed) for seed in range(8)]) == alone


@pytest.mark.parametrize("stack", list(STACKS))
def test_one_model_predicts_in_eight_threads_as_in_one(stack):
    """Each has rows of its own, few and many, and none gets those of another."""
    model = make_trainer(stack).model
    rows = [X[i : i + n] for i, n in enumerate([1, 2, 700, 1, 33, 1, 700, 5])]
    alone = [bits([model.predict(each)]) for each in rows]

    def predict(i):
        return {bits([model.predict(rows[i])]) for _ in range(50)}

    found = in_threads([lambda i=i: predict(i) for i in range(8)])
    assert found == [{each} for each in alone]


def test_a_trainer_is_for_one_thread_at_a_time():
    trainer, inside, go_on = make_trainer("dense"), threading.Event(), threading.Event()

    def wait(trainer, figures):
        inside.set()
        assert go_on.wait(60)

    def fit_too():
        assert inside.wait(60)
        try:
            with pytest.raises(RuntimeError, match="already training, in another thread"):
                trainer.fit(X, y)
        finally:
            go_on.set()

    in_threads([lambda: trainer.fit(X, y, epochs=1, callbacks=[wait]), fit_too])
    assert trainer.history.n_epochs == 1
    trainer.fit(X, y)
    assert trainer.history.n_epochs == 2


def test_a_callback_with_a_state_is_for_one_fit_at_a_time():
    shared, inside, go_on = fb.EarlyStopping("loss"), threading.Event(), threading.Event()

    def wait(trainer, figures):
        inside.set()
        assert go_on.wait(60)

    def fit_too():
        assert inside.wait(60)
        try:
            with pytest.raises(RuntimeError, match="which another call of fit is using"):
                make_trainer("dense").fit(X, y, callbacks=[shared])
        finally:
            go_on.set()

    first = make_trainer("dense")
    in_threads([lambda: first.fit(X, y, callbacks=[shared, wait]), fit_too])
    second = make_trainer("dense")
    second.fit(X, y, callbacks=[shared])  # after the other call
    assert second.history.n_epochs == 1


def test_functions_and_own_callbacks_may_be_shared():
    seen = []
    jobs = [
        lambda: make_trainer("dense").fit(X, y, callbacks=[lambda trainer, figures: seen.append(figures["epoch"])])
    ] * 3
    in_threads(jobs)
    assert seen == [1, 1, 1]


def test_one_model_that_is_not_built_gets_one_network():
    for _ in range(20):
        model = fb.Model(STACKS["dense"](), seed=1)
        feed, _ = model.feed.learn(X, None)
        in_threads([lambda model=model, feed=feed: model.adopt(feed)] * 4)
        assert model.predict(X[:1]).shape == (1, 4)


def test_training_is_not_kept_out_by_predictions():
    """Threads that predict without a pause, and training: both go on."""
    trainer, ended = make_trainer("dense", n_threads=1), threading.Event()
    n_done = []

    def fit():
        try:
            trainer.fit(X, y, epochs=5)
        finally:
            ended.set()

    def predict():
        trainer.model.predict(ROWS[2])
        n_done.append(1)

    started = time.monotonic()
    in_threads([fit, *[until(ended, predict)] * 3])
    assert trainer.n_steps == 150
    assert len(n_done) > 20
    assert time.monotonic() - started < 100


def reader_that_waits(model, seconds=10):
    """A thread that has to wait before it predicts, or None where all that are tried in these seconds go in."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        reader = threading.Thread(target=model.predict, args=(X[:1],))
        reader.start()
        reader.join(0.2)
        if reader.is_alive():
            return reader
    return None


def test_who_waits_to_write_goes_before_those_who_come_to_read_later():
    """Not only the first time: those who waited before are no longer counted."""
    model = make_trainer("dense").model
    weights = model.get_weights()
    for _ in range(3):
        with model.network.at_rest():
            writer = threading.Thread(target=model.set_weights, args=(weights,))
            writer.start()
            reader = reader_that_waits(model)
            assert writer.is_alive()
        assert reader is not None
        for thread in (writer, reader):
            thread.join(30)
            assert not thread.is_alive()


def test_the_engine_can_be_held_between_two_steps():
    """As a thread does that saves a trainer while another one trains it."""
    trainer, ended = make_trainer("dense"), threading.Event()

    def fit():
        try:
            trainer.fit(X, y, epochs=5)
        finally:
            ended.set()

    def look():
        with trainer.model.network.at_rest():
            first = bits(trainer.model.get_weights()), trainer.n_steps
            time.sleep(0.002)
            trainer.model.predict(ROWS[2])
            assert (bits(trainer.model.get_weights()), trainer.n_steps) == first

    in_threads([fit, until(ended, look)])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_beside_training_has_the_weights_of_a_completed_step():
    """The child has no thread that trains, and does not wait for it."""
    trainer, ended = make_trainer("dense"), threading.Event()
    model = trainer.model
    snapshots = [bits(model.get_weights())]
    after_step = fb.LambdaCallback(on_step_end=lambda *_: snapshots.append(bits(model.get_weights())))
    trainer.fit(X, y, epochs=2, callbacks=[after_step])
    trainer, ended = make_trainer("dense"), threading.Event()
    model = trainer.model

    def fit():
        try:
            trainer.fit(X, y, epochs=2)
        finally:
            ended.set()

    statuses = []

    def fork():
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            good = bits(model.get_weights()) in snapshots and model.predict(ROWS[2]).shape == (700, 4)
            os._exit(0 if good else 1)
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    in_threads([fit, until(ended, fork)])
    assert set(statuses) == {0}


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="this system has no such signal")
def test_a_signal_handler_may_predict_but_not_change_what_it_interrupts():
    """The handler runs within a prediction, while another thread waits to set weights: nobody waits for ever."""
    model = fb.Model([fb.Dense(400, "relu"), fb.Dense(400, "relu"), fb.Dense(4, "softmax")], inputs=24)
    weights = model.get_weights()
    many = np.tile(X, (60, 1))
    wanted = bits([model.predict(X[:1])])
    predicted, refused, ended = [], [], threading.Event()

    def handler(signum, frame):
        predicted.append(bits([model.predict(X[:1])]))
        try:
            model.set_weights(weights)
        except RuntimeError as error:
            refused.append(str(error))

    def change():
        while not ended.is_set():
            model.set_weights(weights)

    former = signal.signal(signal.SIGALRM, handler)
    thread = threading.Thread(target=change)
    try:
        thread.start()
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
        started = time.monotonic()
        while not refused and time.monotonic() - started < 60:
            model.predict(many, n_threads=1)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
        ended.set()
        thread.join(60)
    assert not thread.is_alive()
    assert "signal handler" in refused[0]
    assert set(predicted) == {wanted}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_forked_between_two_steps_trains_what_its_parent_was_training():
    trainer = make_trainer("dense", n_threads=1)
    in_callback, forked = threading.Event(), threading.Event()

    class Waits(fb.Callback):
        def on_epoch_end(self, trainer, figures):
            in_callback.set()
            forked.wait(30)

    callbacks = [Waits(), fb.EarlyStopping("loss")]
    thread = threading.Thread(target=trainer.fit, args=(X, y), kwargs={"callbacks": callbacks})
    thread.start()
    in_callback.wait(30)
    child = os.fork()
    if child == 0:
        try:
            trainer.fit(X, y, callbacks=callbacks[1])
        except BaseException:
            os._exit(1)
        os._exit(0)
    forked.set()
    thread.join(30)
    assert os.waitpid(child, 0)[1] == 0
