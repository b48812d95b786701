"""Calls of fit that few programs make: of no epoch, after a stop on other data, ended by an error, seen by others."""

import pickle
import threading

import numpy as np
import pytest

import fastbp as fb

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 3)), RNG.integers(0, 2, 40)


def make_trainer(optimizer="adam", **options):
    model = fb.Model([fb.Dense(6, "tanh"), fb.Dense(2, "softmax")], inputs=3, dtype="float64", seed=1)
    return fb.Trainer(model, "cross_entropy", optimizer, **{"batch_size": 8} | options)


def part_of(n_rows):
    """Data in four parts, one for each shard, of so many rows each."""
    return fb.distributed.Part(lambda i: (X[n_rows * i : n_rows * (i + 1)], Y[n_rows * i : n_rows * (i + 1)]))


class At(fb.Callback):
    """Something that is done after a step, once."""

    def __init__(self, step, do):
        self._step, self._do = step, do

    def on_step_end(self, trainer, figures):
        if trainer.n_steps == self._step:
            self._do(trainer)


def weights_of(trainer):
    return np.concatenate([array.ravel() for array in trainer.model.get_weights()])


def make_private():
    privacy = fb.DifferentialPrivacy(target_delta=1e-5, noise_multiplier=1.0, expected_batch_size=8)
    model = fb.Model([fb.Dense(2, "softmax")], inputs=3)
    return fb.Trainer(model, "cross_entropy", fb.SGD(0.1), privacy=privacy, metrics=[])


@pytest.mark.parametrize("kind", ["arrays", "chunks", "private"])
def test_no_epochs_change_nothing(kind):
    told = []

    class Tells(fb.Callback):
        def on_fit_begin(self, trainer, figures):
            told.append("begin")

        def on_epoch_begin(self, trainer, figures):
            told.append("epoch")

        def on_fit_end(self, trainer, figures):
            told.append("end")

    trainer = make_private() if kind == "private" else make_trainer()
    before = weights_of(trainer)
    data = ([(X, Y)],) if kind == "chunks" else (X, Y)
    assert trainer.fit(*data, epochs=0, callbacks=[Tells()]).n_epochs == 0
    np.testing.assert_array_equal(weights_of(trainer), before)
    assert (trainer.stop_reason, trainer.n_steps) == ("epochs", 0)
    assert told == ["begin", "end"]
    if kind == "private":
        assert trainer.privacy.epsilon() == 0


@pytest.mark.parametrize("kind", ["arrays", "parts"])
def test_an_epoch_of_other_data_does_not_go_on(kind):
    """Stopped after two steps of five: three are left, of the same data alone."""
    in_parts = kind == "parts"
    trainer = make_trainer(**({"shards": 4} if in_parts else {}))
    trainer.fit(*((part_of(10),) if in_parts else (X, Y)), epochs=1, callbacks=[At(2, lambda trainer: trainer.stop())])
    assert (trainer.n_steps, trainer.history.n_epochs) == (2, 0)
    trainer.fit(*((part_of(6),) if in_parts else (X[:24], Y[:24])), epochs=1)
    assert (trainer.n_steps, trainer.history.n_epochs) == (2 + 3, 1)


def test_an_epoch_in_parts_that_an_error_ended_goes_on():
    def fail(trainer):
        raise LookupError("no more rows")

    whole, broken = make_trainer(shards=4), make_trainer(shards=4)
    whole.fit(part_of(10), epochs=2)
    with pytest.raises(LookupError, match="no more rows"):
        broken.fit(part_of(10), epochs=2, callbacks=[At(7, fail)])
    assert (broken.n_steps, broken.history.n_epochs) == (7, 1)
    broken.fit(part_of(10), epochs=1)
    np.testing.assert_array_equal(weights_of(broken), weights_of(whole))
    assert broken.history["loss"] == whole.history["loss"]


def test_who_saves_sees_no_half_of_a_step_by_given_gradients(tmp_path):
    trainer = make_trainer()
    gradients = [np.ones_like(array) for array in trainer.model.get_weights()]
    before, seen = weights_of(trainer), []
    inside = threading.Event()

    def look():
        with trainer.parts.state.turns.between_steps():
            inside.set()
            threading.Event().wait(0.05)
            seen.append(weights_of(trainer))

    thread = threading.Thread(target=look)
    thread.start()
    inside.wait()
    trainer.apply_gradients(gradients)
    thread.join()
    np.testing.assert_array_equal(seen[0], before)
    assert (weights_of(trainer) < before).all()


def test_after_an_epoch_of_chunks_the_time_left_is_known(capsys):
    make_trainer().fit(lambda: iter([(X, Y), (X, Y)]), epochs=3, progress=True)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert [" left, " in line for line in lines] == [True, True, False]
    assert " in all, " in lines[-1]


def test_a_trainer_whose_model_is_not_built_is_pickled():
    trainer = pickle.loads(pickle.dumps(fb.Trainer(fb.Model([fb.Dense(1)], seed=1), "mse")))
    other = fb.Trainer(fb.Model([fb.Dense(1)], seed=1), "mse")
    for each in (trainer, other):
        each.fit(X, Y)
    np.testing.assert_array_equal(weights_of(trainer), weights_of(other))


def test_a_forked_child_trains_where_another_thread_had_just_begun_to():
    """A fit that another thread has entered, and that has no epoch yet: in the child it will never have one."""
    trainer = make_trainer()
    turns, inside, over = trainer.parts.state.turns, threading.Event(), threading.Event()

    def begin(lock):
        with lock:
            inside.set()
            over.wait()

    thread = threading.Thread(target=begin, args=(turns._training,))
    thread.start()
    inside.wait()
    with pytest.raises(RuntimeError, match="already training, in another thread"):
        trainer.fit(X, Y)
    turns.renew()  # what is called in a forked child
    trainer.fit(X, Y)
    over.set()
    thread.join()
    assert trainer.n_steps == 5


def test_tables_that_an_update_made_infinite_are_named():
    model = fb.Model([fb.Dense(1, trainable=False)], inputs=fb.Tabular(1, [3]))
    trainer = fb.Trainer(model, "mse", fb.SGD(3e38), batch_size=40)
    rows = np.stack([X[:, 0], np.arange(40) % 3], axis=1)
    with pytest.raises(
        FloatingPointError, match=r"made the weights of the inputs, Tabular\(numeric=1.*\), infinite or"
    ):
        trainer.fit(rows, 1e3 * X[:, 1])
