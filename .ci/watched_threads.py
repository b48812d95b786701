"""Everything in which threads meet, for a thread sanitizer to watch: .ci/thread_sanitizer runs it.

    python watched_threads.py [rounds]

Teams of four on networks with every kind of barrier in a step; predictions, copies, saves and Ctrl-C's flag from other
threads meanwhile; trainers side by side; chunks that are read ahead.
"""

import sys
import tempfile
import threading
from pathlib import Path

import numpy as np

import fastbp as fb
from fastbp.engine.team import work_limits
from fastbp.support import threads

N_THREADS = 4
RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 30)).astype("float32")
y = RNG.integers(0, 3, size=400)
CODED = np.column_stack([X[:, :3], np.arange(400) % 5]).astype("float32")


def dense():
    return [fb.Dense(48, "relu"), fb.Dense(40, "gelu")]


def normalised():
    return [fb.Dense(48, use_bias=False), fb.BatchNorm(), fb.Activation("relu"), fb.Dropout(0.2), fb.LayerNorm()]


def residual():
    return [fb.Dense(48, "prelu"), fb.Residual([fb.Dense(20, "relu"), fb.Dense(48)])]


def penalised():
    return [fb.Dense(48, "relu", l1=1e-3, l2=1e-3, max_norm=2.0)]


def absolute(outputs, targets):
    """A loss that is a Python function."""
    return np.abs(outputs - targets).sum(axis=1), np.sign(outputs - targets)


# What is trained: layers, the last one, loss, optimizer, and what else a trainer takes.
TRAININGS = [
    (dense, fb.Dense(3, "softmax"), "cross_entropy", "adam", {}),
    (dense, fb.Dense(3, "softmax"), "cross_entropy", "sgd", {"clip_norm": 1.0, "averaging": fb.EMA(0.9)}),
    (normalised, fb.Dense(3, "softmax"), "cross_entropy", "rmsprop", {"metrics": ["accuracy", "f1"]}),
    (residual, fb.Dense(3, "softmax"), "cross_entropy", "lion", {"accumulate": 2}),
    (penalised, fb.Dense(3, "softmax"), "cross_entropy", "adamw", {}),
    (dense, fb.Dense(1), absolute, "adam", {}),
]


def make_trainer(layers, last, loss, optimizer, more, inputs=30):
    model = fb.Model([*layers(), last], inputs=inputs, seed=1)
    return fb.Trainer(model, loss, optimizer, batch_size=100, seed=1, n_threads=N_THREADS, **more)


def beside(trainer, folder, ended):
    """What another thread may do while one trains."""
    while not ended.is_set():
        trainer.model.predict(X, n_threads=2)
        trainer.model.get_weights()
        trainer.model.save(folder / "model")
        if trainer.history.n_epochs:
            trainer.save(folder / "trainer")


def train_watched(training, folder):
    trainer, ended = make_trainer(*training), threading.Event()
    targets = y if training[1].units == 3 else X[:, :1]
    trainer.fit(X, targets)
    other = threading.Thread(target=beside, args=(trainer, folder, ended))
    other.start()
    trainer.fit(X, targets, epochs=10)
    ended.set()
    other.join()
    trainer.evaluate(X, targets)


def others():
    """Embeddings, chunks, and trainers side by side."""
    tabular = make_trainer(dense, *TRAININGS[0][1:], inputs=fb.Tabular(3, [5]))
    tabular.fit(CODED, y, epochs=3)
    chunked = make_trainer(*TRAININGS[0])
    chunked.fit(lambda: ((X[i : i + 100], y[i : i + 100]) for i in range(0, 400, 100)), epochs=3)
    fb.fit_many([make_trainer(*TRAININGS[0]) for _ in range(4)], X, y, 3, n_threads=2)


def stopped_from_outside():
    trainer = make_trainer(*TRAININGS[0])
    timer = threading.Timer(0.05, trainer.stop)
    timer.start()
    trainer.fit(X, y, epochs=1000)
    timer.join()


def main(rounds):
    threads._n_cpus = 2 * N_THREADS  # a team as large as this, on any machine
    with tempfile.TemporaryDirectory() as name:
        for _ in range(rounds):
            for changed in ({}, {"long_step": 0.0, "apart": 0.0, "piece": 1e4}):
                former = work_limits(epoch_thread=1.0, call_thread=1.0, paced=0.0, **changed)
                for training in TRAININGS:
                    train_watched(training, Path(name))
                others()
                stopped_from_outside()
                work_limits(**former)
    print("all threads have met")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
