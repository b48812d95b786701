"""Chunks that are read ahead on a thread: in order, whatever the source and the system do."""

import time

import numpy as np
import pytest

import fastbp as fb
from fastbp.data import prefetch
from fastbp.data.prefetch import Prefetch


class Source:
    """Numbers, each after a while, that notes when it is closed."""

    def __init__(self, n, seconds=0.0):
        self._numbers, self._seconds, self.closed = iter(range(n)), seconds, False

    def __iter__(self):
        return self

    def __next__(self):
        time.sleep(self._seconds)
        return next(self._numbers)

    def close(self):
        self.closed = True


def test_where_no_thread_can_be_started_items_are_read_when_they_are_wanted(monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(prefetch.Worker, "start", refuse)
    source = Source(5)
    with Prefetch(source) as items:
        assert [next(items), next(items)] == [0, 1]
        assert next(source) == 2  # nothing was read ahead
    assert source.closed


def test_a_slow_source_is_waited_for(monkeypatch):
    monkeypatch.setattr(prefetch, "_LOOK_SECONDS", 0.005)
    with Prefetch(Source(3, seconds=0.03)) as items:
        assert list(items) == [0, 1, 2]


def test_a_source_that_cannot_be_closed():
    with Prefetch(iter([1, 2, 3])) as items:
        assert list(items) == [1, 2, 3]


def test_a_source_is_closed_where_its_reader_leaves():
    source = Source(1000)
    with Prefetch(source) as items:
        assert next(items) == 0
    assert source.closed


def test_a_thread_that_cannot_say_why_it_ended_is_not_waited_for(monkeypatch):
    """As in want of memory: the error is found where it was left."""

    def hand_over(self, item, error):
        raise MemoryError("no room for a chunk")

    monkeypatch.setattr(prefetch, "_LOOK_SECONDS", 0.005)
    monkeypatch.setattr(Prefetch, "_hand_over", hand_over)
    with Prefetch(Source(3)) as items, pytest.raises(MemoryError, match="no room for a chunk"):
        next(items)


def test_training_has_the_same_bits_with_and_without_the_thread(monkeypatch):
    rng = np.random.default_rng(0)
    chunks = [(rng.normal(size=(20, 3)), rng.normal(size=(20, 1))) for _ in range(4)]

    def trained():
        trainer = fb.Trainer(fb.Model([fb.Dense(4, "tanh"), fb.Dense(1)], inputs=3, seed=1), "mse", batch_size=8)
        trainer.fit(chunks, epochs=2)
        return np.concatenate([array.ravel() for array in trainer.model.get_weights()])

    ahead = trained()

    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(prefetch.Worker, "start", refuse)
    np.testing.assert_array_equal(trained(), ahead)
