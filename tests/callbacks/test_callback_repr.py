"""A callback's repr is the call that makes it, as an optimizer's is."""

from pathlib import Path

import numpy as np
import pytest

import fastbp as fb


@pytest.mark.parametrize(
    ("callback", "expected"),
    [
        (
            fb.EarlyStopping(),
            "EarlyStopping(monitor='val_loss', patience=10, min_delta=0.0, restore_best=True, mode='auto', "
            "ties='first')",
        ),
        (
            fb.EarlyStopping("f1", 3, 1e-5, False, "max"),
            "EarlyStopping(monitor='f1', patience=3, min_delta=1e-05, restore_best=False, mode='max', ties='first')",
        ),
        (
            fb.Checkpoint(Path("run.ckpt"), keep=None, best_only=True, monitor="loss"),
            "Checkpoint(path='run.ckpt', every=1, keep=None, best_only=True, monitor='loss', mode='auto', "
            "seconds=None)",
        ),
        (fb.CSVLogger("log.csv", ";"), "CSVLogger(path='log.csv', separator=';')"),
        (fb.TimeLimit(60), "TimeLimit(seconds=60.0)"),
        (fb.Callback(), "Callback()"),
    ],
)
def test_it_makes_the_same_callback_again(callback, expected):
    assert repr(callback) == expected
    assert repr(eval(expected, vars(fb).copy())) == expected


def test_functions_are_named():
    def log(trainer, figures):
        """A function of one's own."""

    text = repr(fb.LambdaCallback(on_epoch_end=log, on_tick=lambda trainer, figures: None))
    assert text == "LambdaCallback(on_tick=<lambda>, on_epoch_end=log)"


class Watch(fb.Callback):
    def __init__(self, X, every=2, secret=None):
        self.X, self._every = X, every  # the secret is not kept, and so not shown
        self.watches = [self]


def test_ones_own_callback_shows_what_it_holds_briefly():
    assert repr(Watch(np.zeros((1000, 30)))) == "Watch(X=an ndarray of shape (1000, 30) and dtype float64, every=2)"
    looped = Watch(None)
    looped.X = [looped]
    assert repr(looped) == "Watch(X=[...], every=2)"
