"""Samples in chunks: the bits of one array, whatever the chunks; read ahead, and what goes wrong is passed on."""

import gc
import itertools
import queue
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import fastbp as fb
from fastbp.data.chunks import Chunks
from fastbp.data.prefetch import Prefetch
from fastbp.support.worker import Worker


def make_data(n=230, n_classes=3):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 7)).astype(np.float32)
    return X, rng.integers(0, n_classes, n)


def make_trainer(n_threads=1, **options):
    layers = [fb.Dense(16, "relu"), fb.Dropout(0.2), fb.Dense(3, "softmax")]
    arguments = dict(loss="cross_entropy", optimizer=fb.Adam(fb.CosineDecay(0.02, 80, per="step")), batch_size=20)
    return fb.Trainer(fb.Model(layers, inputs=7), n_threads=n_threads, **(arguments | options))


def cut(lengths, *arrays):
    """These arrays in chunks of such lengths, the last of what is left."""
    ends = np.cumsum(lengths)
    places = [0, *ends[ends < len(arrays[0])], len(arrays[0])]
    return [tuple(array[a:b] for array in arrays) for a, b in itertools.pairwise(places)]


def assert_same_bits(trainer, wanted):
    for a, b in zip(trainer.model.get_weights(), wanted.model.get_weights(), strict=True):
        assert a.tobytes() == b.tobytes()


LENGTHS = st.lists(st.integers(1, 70), min_size=1, max_size=12)


@given(LENGTHS, st.sampled_from([{}, {"accumulate": 3}, {"batch_size": 64}, {"averaging": "ema"}]), st.booleans())
@settings(max_examples=40, deadline=None)
def test_unshuffled_chunks_are_as_one_array(lengths, options, weighted):
    X, y = make_data()
    weights = [np.random.default_rng(1).uniform(0.1, 2, len(X))] if weighted else []
    wanted, trainer = make_trainer(shuffle=False, **options), make_trainer(n_threads=3, shuffle=False, **options)
    history = wanted.fit(X, y, epochs=2, sample_weight=weights[0] if weighted else None)
    result = trainer.fit(cut(lengths, X, y, *weights), epochs=2)
    assert_same_bits(trainer, wanted)
    assert trainer.n_steps == wanted.n_steps
    np.testing.assert_allclose(result["loss"], history["loss"], rtol=1e-13)
    np.testing.assert_allclose(result["accuracy"], history["accuracy"], rtol=1e-13)


def test_shuffled_chunks_are_an_order_of_their_own_each_epoch():
    X, y = make_data()
    chunks = cut([90, 60], X, y)
    trainers = [make_trainer(seed=seed) for seed in (0, 0, 1)]
    for trainer in trainers:
        trainer.fit(chunks, epochs=2)
    assert_same_bits(trainers[0], trainers[1])
    assert (trainers[0].model.get_weights()[0] != trainers[2].model.get_weights()[0]).any()
    plain = make_trainer(shuffle=False)
    plain.fit(chunks, epochs=2)
    assert (trainers[0].model.get_weights()[0] != plain.model.get_weights()[0]).any()
    assert trainers[0].n_steps == 24


def test_a_shuffled_epoch_takes_every_sample_once():
    """By a loss of one's own, which sees the targets: their numbers."""
    seen = []

    def loss(outputs, targets):
        seen.extend(targets[:, 0].tolist())
        return np.square(outputs[:, 0]), 2 * outputs

    X, _ = make_data(n=97)
    numbers = np.arange(97.0).reshape(-1, 1)
    trainer = fb.Trainer(fb.Model([fb.Dense(1)], inputs=7), loss, batch_size=10)
    trainer.fit(cut([30, 41], X, numbers))
    assert sorted(seen) == list(range(97))
    assert seen != sorted(seen)
    assert set(seen[:30]) == set(range(30))  # within their chunk


@pytest.mark.parametrize("kind", ["arrays", "read-only views", "sparse"])
def test_a_source_may_use_its_arrays_again(kind):
    X, y = make_data()
    weights = np.linspace(0.5, 1.5, len(X))

    def chunks():
        room = [np.empty((50, 7), np.float32), np.empty(50, int), np.empty(50)]
        for a in range(0, len(X), 50):
            n = min(50, len(X) - a)
            for array, values in zip(room, (X, y, weights), strict=True):
                array[:n] = values[a : a + n]
            chunk = [array[:n] for array in room]
            if kind == "read-only views":
                for view in chunk:
                    view.flags.writeable = False
            if kind == "sparse":
                chunk[0] = pytest.importorskip("scipy.sparse").csr_matrix(chunk[0])
            yield tuple(chunk)
            room[0][:], room[1][:], room[2][:] = np.nan, -1, np.nan
            if kind == "sparse":
                chunk[0].data[:] = np.nan

    wanted, trainer = make_trainer(shuffle=False), make_trainer(shuffle=False)
    wanted.fit(X, y, epochs=2, sample_weight=weights)
    trainer.fit(chunks, epochs=2)
    assert_same_bits(trainer, wanted)


def test_what_cannot_change_is_read_in_place(tmp_path):
    X, y = make_data()
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    trainer = make_trainer()
    for source, array in (([(X, y)], X), (iter([(mapped, y)]), mapped)):
        (chunk,) = Chunks(source, "X").read(lambda X, y, w, names: trainer.parts.intake.samples(X, y, w, None, names))
        assert np.shares_memory(chunk.X, array)


@pytest.mark.parametrize("loss", ["mse", "mae"])
def test_r2_is_that_of_all_samples(loss):
    X, _ = make_data()
    y = 1000 + X[:, :2] * [[1, 10]]
    wanted, trainer = (
        fb.Trainer(fb.Model([fb.Dense(2)], inputs=7, dtype="float64"), loss, shuffle=False) for _ in range(2)
    )
    history = wanted.fit(X, y, epochs=2, validation_data=(X, y))
    result = trainer.fit(cut([50, 99], X, y), epochs=2, validation_data=lambda: cut([10, 20], X, y))
    for name in ("r2", "val_r2", "val_loss"):
        np.testing.assert_allclose(result[name], history[name], rtol=1e-10)


def test_validation_in_chunks_beside_arrays():
    X, y = make_data()
    wanted, trainer = make_trainer(), make_trainer()
    history = wanted.fit(X, y, validation_data=(X, y))
    result = trainer.fit(X, y, validation_data=lambda: cut([100], X, y))
    np.testing.assert_allclose(result["val_loss"], history["val_loss"], rtol=1e-12)


def test_evaluation_in_chunks():
    X, y = make_data()
    weights = np.random.default_rng(1).uniform(0.1, 2, len(X))
    trainer = make_trainer(metrics=["accuracy", "f1", "log_loss"])
    for arrays, by_class in [((X, y), None), ((X, y, weights), {0: 3.0})]:
        whole = trainer.evaluate(*arrays, class_weight=by_class)
        for chunks in (cut([50, 99], *arrays), iter(cut([3], *arrays)), lambda arrays=arrays: cut([100], *arrays)):
            result = trainer.evaluate(chunks, class_weight=by_class)
            assert result.keys() == whole.keys()
            np.testing.assert_allclose(list(result.values()), list(whole.values()), rtol=1e-12)


def test_metrics_that_need_all_outputs_are_nan_in_training():
    X, y = make_data(n_classes=2)
    model = fb.Model([fb.Dense(2, "softmax")], inputs=7)
    trainer = fb.Trainer(model, "cross_entropy", metrics=["accuracy", "roc_auc"])
    history = trainer.fit(cut([100], X, y), validation_data=(X, y))
    assert np.isnan(history["roc_auc"][0])
    assert 0 < history["val_roc_auc"][0] < 1


def test_dtypes_may_differ_from_chunk_to_chunk():
    X, y = make_data()
    X = np.round(X)
    chunks = [(X[:55].astype(np.int8), y[:55]), (X[55:90].astype(np.float64), y[55:90]), (X[90:].tolist(), y[90:])]
    wanted, trainer = make_trainer(shuffle=False), make_trainer(shuffle=False)
    wanted.fit(X, y)
    trainer.fit(chunks)
    assert_same_bits(trainer, wanted)


def test_callbacks_see_one_epoch():
    X, y = make_data()
    steps, epochs = [], []
    trainer, twin = make_trainer(shuffle=False), make_trainer(shuffle=False)
    trainer.fit(
        cut([33, 50], X, y),
        epochs=2,
        callbacks=fb.LambdaCallback(
            on_step_end=lambda _, figures: steps.append((figures["step"], figures["samples"], figures["loss"])),
            on_epoch_end=lambda _, figures: epochs.append(figures["epoch"]),
        ),
    )
    assert [step for step, _, _ in steps] == list(range(1, 25))
    assert [samples for _, samples, _ in steps[:12]] == [*range(20, 221, 20), 230]
    assert epochs == [1, 2]
    losses = []
    twin.fit(X, y, epochs=2, callbacks=fb.LambdaCallback(on_step_end=lambda _, figures: losses.append(figures["loss"])))
    np.testing.assert_allclose([loss for _, _, loss in steps], losses, rtol=1e-10)


def test_stop_ends_behind_the_step_and_the_next_epoch_begins_anew(tmp_path):
    X, y = make_data()
    trainer = make_trainer()

    def stop(trainer, figures):
        if figures["step"] == 5:
            trainer.save(tmp_path / "run")
            trainer.stop()

    trainer.fit(cut([90], X, y), epochs=3, callbacks=fb.LambdaCallback(on_step_end=stop))
    assert (trainer.n_steps, trainer.history.n_epochs, trainer.stop_reason) == (5, 0, "stopped")
    trainer.fit(cut([90], X, y))
    assert (trainer.n_steps, trainer.history.n_epochs) == (17, 1)
    assert fb.Trainer.load(tmp_path / "run").n_steps == 5


def test_progress_without_a_known_length(capsys):
    X, y = make_data()
    make_trainer().fit(cut([90], X, y), epochs=2, progress=True)
    assert "epoch 2/2" in capsys.readouterr().err


# ---- Reading ahead ----


def readers():
    return [each for each in gc.get_objects() if isinstance(each, Worker) and each.is_alive()]


def test_a_chunk_is_read_while_the_one_before_is_trained_on():
    X, y = make_data()
    main, events = threading.get_ident(), []

    def chunks():
        for i in range(3):
            assert threading.get_ident() != main
            events.append(("read", i))
            yield X[i * 60 : i * 60 + 60], y[i * 60 : i * 60 + 60]

    def slowly(trainer, figures):
        time.sleep(0.02)
        events.append(("step", figures["step"]))

    make_trainer().fit(chunks, callbacks=fb.LambdaCallback(on_step_end=slowly))
    assert events.index(("read", 1)) < events.index(("step", 3))
    assert events.index(("read", 2)) < events.index(("step", 6))
    assert not readers()


def test_what_the_source_raises_comes_out_behind_completed_steps():
    X, y = make_data()

    def chunks():
        yield X[:100], y[:100]
        raise OSError("the disk is gone")

    trainer, twin = make_trainer(shuffle=False), make_trainer(shuffle=False)
    with pytest.raises(OSError, match="the disk is gone"):
        trainer.fit(chunks)
    twin.fit(X[:100], y[:100])
    assert_same_bits(trainer, twin)
    assert trainer.history.n_epochs == 0
    assert not readers()


def test_a_reader_that_cannot_hand_over_its_error_is_not_waited_for(monkeypatch):
    """In want of memory even the queue fails; the one who waits at it hears of that."""
    X, y = make_data()

    def fails(self, *args, **kwargs):
        raise MemoryError("no room in the queue")

    monkeypatch.setattr(queue.Queue, "put", fails)
    with pytest.raises(MemoryError, match="no room"):
        make_trainer().fit(cut([100, 100, 30], X, y), epochs=1)


def test_an_iterator_is_closed_where_no_thread_can_read_it(monkeypatch):
    def no_thread(self):
        raise RuntimeError("can't start new thread")

    class Numbers:
        """An iterator that is no generator: nothing closes it but a call."""

        n_closed = 0

        def __iter__(self):
            return self

        def __next__(self):
            return 7

        def close(self):
            self.n_closed += 1

    monkeypatch.setattr(Worker, "start", no_thread)
    numbers = Numbers()
    with Prefetch(numbers) as items:
        assert next(items) == 7
        assert numbers.n_closed == 0
    assert numbers.n_closed == 1


@pytest.mark.parametrize("how", ["stop", "raise"])
def test_a_source_that_is_left_is_closed(how):
    X, y = make_data()
    closed = []

    def chunks():
        try:
            while True:
                yield X, y
        finally:
            closed.append(threading.get_ident())

    def leave(trainer, figures):
        if figures["step"] == 15:
            if how == "raise":
                raise RuntimeError("no more")
            trainer.stop()

    trainer = make_trainer()
    if how == "raise":
        with pytest.raises(RuntimeError, match="no more"):
            trainer.fit(chunks, callbacks=fb.LambdaCallback(on_step_end=leave))
    else:
        trainer.fit(chunks, callbacks=fb.LambdaCallback(on_step_end=leave))
    assert len(closed) == 1
    assert not readers()


# ---- What goes wrong ----


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ([(1, 2, 3, 4)], "chunk 0 of X, counted from 0, is (1, 2, 3, 4); expected (X, y) or (X, y, sample_weight)"),
        ([5.0], "chunk 0 of X, counted from 0, is 5.0; expected"),
        (lambda: 5, "the result of X is 5; expected an iterable"),
        ([], "X gave no chunk; expected at least one"),
        ([make_data(30), (*make_data(30), np.ones(30))], "chunk 1 of X, counted from 0, has sample_weight and those"),
        ([(*make_data(30), np.ones(30)), make_data(30)], "chunk 1 of X, counted from 0, has no sample_weight and"),
        ([(np.zeros((5, 6)), np.zeros(5, int))], "X of chunk 0 of X has 6 columns"),
        ([(np.zeros((5, 7)), np.zeros(4, int))], "X of chunk 0 of X has 5 rows, y of chunk 0 of X has 4"),
        (
            [make_data(30), (np.zeros((6, 7)), np.eye(3)[[0, 1, 2] * 2])],
            "expected the same kind of targets in all chunks",
        ),
        ([make_data(30), (np.full((40, 7), np.nan), np.zeros(40, int))], "of X of chunk"),
    ],
)
def test_bad_chunks_are_named(source, sentence):
    with pytest.raises((TypeError, ValueError)) as error:
        make_trainer(shuffle=False).fit(source)
    assert sentence in str(error.value)
    assert not readers()


@pytest.mark.parametrize(
    ("options", "arguments", "sentence"),
    [
        ({}, {"epochs": 2, "X": iter([])}, "X is an iterator, for one pass only, and epochs is 2; expected epochs=1"),
        (
            {},
            {"sample_weight": np.ones(3)},
            "sample_weight is an ndarray of shape (3,) and dtype float64; expected None",
        ),
        ({}, {"validation_fraction": 0.1}, "validation_fraction is 0.1; expected None with X a source of chunks"),
        ({}, {"class_weight": "balanced"}, "class_weight is 'balanced'; expected a dictionary"),
        ({}, {"X": np.zeros((3, 7))}, "y is None; expected targets, as X is an array-like"),
        ({}, {"X": sparse.coo_matrix(np.zeros((3, 7)))}, "y is None; expected targets, as X is an array-like"),
        ({}, {"X": 5}, "y is None; expected targets"),
        ({}, {"validation_data": iter([])}, "expected a source for several passes"),
        ({"batch_size": None}, {}, "batch_size is None; expected a number with X a source of chunks"),
    ],
)
def test_what_does_not_go_with_chunks(options, arguments, sentence):
    with pytest.raises((TypeError, ValueError)) as error:
        make_trainer(**options).fit(**({"X": [make_data()]} | arguments))
    assert sentence in str(error.value)


def test_a_last_batch_that_is_too_short_is_refused():
    layers = [fb.Dense(4), fb.BatchNorm(), fb.Dense(3, "softmax")]
    trainer = fb.Trainer(fb.Model(layers, inputs=7), "cross_entropy", batch_size=10)
    with pytest.raises(ValueError, match="the last batch of X has 1 sample; expected 2 to"):
        trainer.fit([make_data(31)])
    trainer.fit([make_data(32)])


def test_divergence_names_the_batch_of_the_epoch():
    X, y = make_data()
    X[150] = 1e38
    trainer = make_trainer(shuffle=False)
    with pytest.raises(FloatingPointError, match=r"in epoch 1, batch 8, "):
        trainer.fit(cut([33, 50], X * np.float32(3), y))
