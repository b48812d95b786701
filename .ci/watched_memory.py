"""What .ci/valgrind watches: training, predicting, sparse and tabular input, chunks, derivatives, privacy, files."""

import contextlib
import sys
import tempfile
from pathlib import Path

import numpy as np
from scipy import sparse

import fastbp as fb
from fastbp.engine import kernels

RNG = np.random.default_rng(0)
X = RNG.normal(size=(61, 13)).astype("float32")
y = RNG.integers(0, 3, size=61)
CODED = np.column_stack([X[:, :3], np.arange(61) % 5]).astype("float32")


def make_model(dtype="float32"):
    inner = fb.Residual([fb.Dense(17, "prelu")])
    layers = [fb.Dense(21, "relu"), fb.BatchNorm(), fb.Dropout(0.2), fb.Dense(17, "gelu"), fb.LayerNorm(), inner]
    return fb.Model([*layers, fb.Dense(3, "softmax")], inputs=13, dtype=dtype, seed=1)


def make_trainer(dtype="float32", optimizer="adam", **options):
    return fb.Trainer(make_model(dtype), "cross_entropy", optimizer, batch_size=16, seed=1, n_threads=2, **options)


def train_and_save(dtype, folder):
    trainer = make_trainer(dtype, metrics=["accuracy", "f1", "roc_auc"], averaging=fb.EMA(0.9), clip_norm=1.0)
    trainer.fit(X, y, epochs=2, validation_data=(X[:20], y[:20]))
    trainer.evaluate(X, y)
    holes = sparse.random(61, 13, 0.3, "csr", dtype=dtype, random_state=1)
    trainer.fit(holes, y)
    trainer.fit(lambda: ((X[i : i + 20], y[i : i + 20]) for i in range(0, 61, 20)))
    model = trainer.model
    for rows in (X, X[:1], X[::-1], np.asfortranarray(X), holes.tocsc()):
        model.predict(rows)
    model.loss_and_gradients(X, y, loss="cross_entropy")
    model.jacobian(X[:5])
    model.vjp(X, np.ones((61, 3)))
    trainer.save(folder / "trainer")
    fb.Trainer.load(folder / "trainer").fit(X, y)
    model.save(folder / "model")
    fb.Ensemble([fb.Model.load(folder / "model"), model]).predict(X)


def other_trainings():
    for optimizer in ("sgd", "adamw", "rmsprop", "lion", "adagrad"):
        make_trainer(optimizer=optimizer, accumulate=2).fit(X, y)
    kernels.select_isa(kernels.isa(), "emulate")
    if kernels.bf16() is not None:
        make_trainer(precision="bf16-mixed").fit(X, y)
    tabular = fb.Model([fb.Dense(9, "relu"), fb.Dense(1)], inputs=fb.Tabular(3, [5]), seed=1)
    fb.Trainer(tabular, "mse", fb.SGD(0.1, momentum=0.9), batch_size=8, n_threads=2).fit(CODED, X[:, :1])
    private = fb.DifferentialPrivacy(max_grad_norm=1.0, noise_multiplier=1.0, target_delta=1e-5, expected_batch_size=16)
    plain = fb.Model([fb.Dense(9, "relu"), fb.Dense(3, "softmax")], inputs=13, seed=1)
    fb.Trainer(plain, "cross_entropy", "sgd", privacy=private).fit(X, y)


def read_what_nobody_wrote():
    """A fault of ours, for valgrind to find: the engine looks whether numbers are finite that were never set."""
    with contextlib.suppress(ValueError):
        make_model().predict(np.empty((61, 13), "float32"))


def main(planted):
    if planted:
        read_what_nobody_wrote()
        return
    with tempfile.TemporaryDirectory() as name:
        for dtype in ("float32", "float64"):
            train_and_save(dtype, Path(name))
    other_trainings()


if __name__ == "__main__":
    main("planted" in sys.argv[1:])
    print("all memory has been read")
