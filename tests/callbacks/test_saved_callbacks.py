"""Callbacks after a trainer was loaded: those with a state in its file go on, others begin."""

import numpy as np
import pytest

import fastbp as fb

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 3)), RNG.normal(size=(40, 1))


def make_trainer():
    return fb.Trainer(fb.Model([fb.Dense(1)], inputs=3, dtype="float64"), "mse", fb.SGD(1e-3), batch_size=40)


@pytest.mark.parametrize("restore", [True, False])
def test_early_stopping_goes_on_from_a_file(tmp_path, restore):
    """Whether or not it keeps the best weights."""
    stopping = fb.EarlyStopping(monitor="loss", patience=3, min_delta=10.0, restore_best=restore)
    trainer = make_trainer()
    trainer.fit(X, Y, epochs=2, callbacks=stopping)
    trainer.save(tmp_path / "t.ckpt")
    again = fb.Trainer.load(tmp_path / "t.ckpt")
    later = fb.EarlyStopping(monitor="loss", patience=3, min_delta=10.0, restore_best=restore)
    again.fit(X, Y, epochs=20, callbacks=later)
    assert again.stop_reason == "stopped"
    # One epoch is the best, three more are no better: two before the file, two after it.
    assert again.history.n_epochs == 4


def test_a_callback_that_the_file_does_not_know_begins(tmp_path):
    trainer = make_trainer()
    trainer.fit(X, Y, epochs=2, callbacks=fb.EarlyStopping(monitor="loss", patience=3, min_delta=10.0))
    trainer.save(tmp_path / "t.ckpt")
    again = fb.Trainer.load(tmp_path / "t.ckpt")
    checkpoint = fb.Checkpoint(tmp_path / "best.ckpt", monitor="loss")
    again.fit(X, Y, epochs=1, callbacks=[checkpoint, fb.EarlyStopping(monitor="loss", patience=3, min_delta=10.0)])
    assert [path.name for path in checkpoint.files] == ["best.ckpt"]
