"""Everything in which threads meet, for a thread sanitizer to watch: .ci/thread_sanitizer runs it.

    python watched_threads.py [rounds]

Teams of four on networks with every kind of barrier in a step, on dense rows, sparse ones and tables, and in bfloat16;
predictions, copies, saves and Ctrl-C's flag from other threads meanwhile; derivatives of one model by several threads;
trainers side by side; chunks that are read ahead; one of several processes, with its part of the weights.
"""

import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from scipy import sparse

import fastbp as fb
from fastbp.engine import array_reader, kernels
from fastbp.engine.array_reader import ArrayReader
from fastbp.engine.divided_session import DividedSession
from fastbp.engine.records import EpochPlan, SampleSet
from fastbp.engine.team import work_limits
from fastbp.support import threads

N_THREADS = 4
RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 30)).astype("float32")
y = RNG.integers(0, 3, size=400)
CODED = np.column_stack([X[:, :3], np.arange(400) % 5]).astype("float32")
HOLES = sparse.random(400, 30, 0.3, "csr", dtype="float32", random_state=1)
TABLE = fb.Tabular(3, [5])
ADAM = {"learning_rate": 1e-2, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8, "clip_norm": 1.0}
PRIVACY = fb.DifferentialPrivacy(
    target_delta=1e-5, expected_batch_size=100, noise_multiplier=1.0, max_physical_batch_size=48
)


def dense():
    return [fb.Dense(48, "relu"), fb.Dense(40, "gelu")]


def normalised():
    return [fb.Dense(48, use_bias=False), fb.BatchNorm(), fb.Activation("relu"), fb.Dropout(0.2), fb.LayerNorm()]


def residual():
    return [fb.Dense(48, "prelu"), fb.Residual([fb.Dense(20, "relu"), fb.Dense(48)])]


def penalised():
    return [fb.Dense(48, "relu", l1=1e-3, l2=1e-3, max_norm=2.0)]


def waves():
    return [fb.Periodic(3, 5, columns=[0]), fb.PiecewiseLinear([[-1.0, 0.0, 1.0]], columns=[1], units=4), *dense()]


def nothing():
    return []


def absolute(outputs, targets):
    """A loss that is a Python function."""
    return np.abs(outputs - targets).sum(axis=1), np.sign(outputs - targets)


SOFTMAX = fb.Dense(3, "softmax")
MEMBERS = fb.BatchEnsemble(3, [fb.Dense(24, "relu"), fb.Dropout(0.2), SOFTMAX], adapters="all")

# What is trained: layers, the last one, loss, optimizer, and what else a trainer takes.
TRAININGS = [
    (dense, SOFTMAX, "cross_entropy", "adam", {}),
    (dense, SOFTMAX, "cross_entropy", "sgd", {"clip_norm": 1.0, "averaging": fb.EMA(0.9)}),
    (normalised, SOFTMAX, "cross_entropy", "rmsprop", {"metrics": ["accuracy", "f1"]}),
    (residual, SOFTMAX, "cross_entropy", "lion", {"accumulate": 2}),
    (penalised, SOFTMAX, "cross_entropy", "adamw", {}),
    (dense, fb.Dense(1), absolute, "adam", {}),
    (nothing, MEMBERS, "cross_entropy", "adam", {}),
    (normalised, SOFTMAX, "cross_entropy", "adam", {"shards": 4, "clip_norm": 1.0}),
    (dense, SOFTMAX, "cross_entropy", "sgd", {"privacy": PRIVACY}),
    (dense, SOFTMAX, "cross_entropy", "sgd", {"privacy": PRIVACY, "shards": 4}),
]
IN_GROUPS = (dense, SOFTMAX, "cross_entropy", "adam", {"shards": 4, "batch_size": 9000})  # of shards, one by one
IN_TABLES = [(waves, SOFTMAX, "cross_entropy", "adam", {}), (dense, SOFTMAX, "cross_entropy", "sgd", {"shards": 2})]


def make_trainer(layers, last, loss, optimizer, more, inputs=30):
    model = fb.Model([*layers(), last], inputs=inputs, seed=1)
    more = more if "privacy" in more else {"batch_size": 100} | more
    return fb.Trainer(model, loss, optimizer, n_threads=N_THREADS, **more)


def beside(trainer, rows, folder, ended):
    """What another thread may do while one trains."""
    while not ended.is_set():
        trainer.model.predict(rows, n_threads=2)
        trainer.model.get_weights()
        trainer.model.save(folder / "model")
        if trainer.history.n_epochs:
            trainer.save(folder / "trainer")


def train_watched(training, folder, rows=X, inputs=30):
    trainer, ended = make_trainer(*training, inputs=inputs), threading.Event()
    targets = X[:, :1] if training[2] is absolute else np.resize(y, rows.shape[0])
    trainer.fit(rows, targets)
    with ThreadPoolExecutor() as pool:
        other = pool.submit(beside, trainer, rows, folder, ended)
        try:
            trainer.fit(rows, targets, epochs=10)
        finally:
            ended.set()
        other.result()
    trainer.evaluate(rows, targets)


def first_teams():
    """Two teams at once, before there was any."""
    numbers = np.zeros(2**21)
    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(lambda _: array_reader.is_finite(numbers, N_THREADS), range(2)))


def others():
    """Chunks, and trainers side by side."""
    chunked = make_trainer(*TRAININGS[0])
    chunked.fit(lambda: ((X[i : i + 100], y[i : i + 100]) for i in range(0, 400, 100)), epochs=3)
    fb.fit_many([make_trainer(*TRAININGS[0]) for _ in range(4)], X, y, 3, n_threads=2)


def stopped_from_outside():
    trainer = make_trainer(*TRAININGS[0])
    timer = threading.Timer(0.05, trainer.stop)
    timer.start()
    trainer.fit(X, y, epochs=1000)
    timer.join()


def asked_by_several():
    """One model, smooth, whose derivatives and figures three threads ask for while a fourth one trains it."""
    layers = [fb.Dense(48, "tanh"), fb.LayerNorm(), fb.Residual([fb.Dense(48, "silu")])]
    trainer = make_trainer(lambda: layers, *TRAININGS[0][1:])
    model, rows, up = trainer.model, X[:100], np.ones((100, 30), "float32")
    across = np.ones((100, 3), "float32")

    def ask():
        for n_threads in (2, 3):
            model.predict(rows, n_threads=n_threads)
            model.vjp(rows, across, n_threads=n_threads)
            model.jvp(rows, up, n_threads=n_threads)
            model.jacobian(rows, n_threads=n_threads)
            model.hvp(rows, up, across, n_threads=n_threads)
            model.laplacian(rows, n_threads=n_threads)
            model.input_gradients(rows, y[:100], "cross_entropy", n_threads=n_threads)
            model.activations(rows, 0, n_threads=n_threads)
            model.loss_and_gradients(rows, y[:100], "cross_entropy", n_threads=n_threads)
            trainer.evaluate(rows, y[:100])
            fb.explain(model, rows[:20], "integrated_gradients", baseline=0.0, n_threads=n_threads)

    with ThreadPoolExecutor(3) as pool:
        several = [pool.submit(ask) for _ in range(3)]
        while not all(each.done() for each in several):
            trainer.fit(X, y, epochs=2)
            trainer.step(rows, y[:100])
        for each in several:
            each.result()


class Alone:
    """The part of other processes in a step, where there is one process alone."""

    def sum_samples(self, session):
        for total, own in zip(session.root, session.partials[0][2:], strict=True):
            total[:] = own

    def share_squares(self, session):
        """All rows are here."""

    def share_parameters(self, session):
        session.arriving[:] = session.fresh

    def ahead(self, session, n_threads):
        return [(i, 0, (end - first) // ld) for i, first, end, ld, is_bias in session.array_bounds if not is_bias]

    def advance(self, session, n_done):
        return True


def divided():
    """One of several processes, each with some of the shards and some of the parameters."""
    session = DividedSession(fb.Model([*dense(), SOFTMAX], inputs=30, seed=1).network, "cross_entropy", (), "adam", 4)
    session.cut_into(4)
    session.share_with(Alone(), 0, 1)
    for epoch in range(3):
        session.epoch(SampleSet(ArrayReader(X), y.astype("int32")), EpochPlan(100, True, 1, epoch, ADAM))
    session.own_states()


def everything(folder):
    for training in TRAININGS:
        train_watched(training, folder)
    if kernels.bf16() is not None:
        train_watched((dense, SOFTMAX, "cross_entropy", "adam", {"precision": "bf16-mixed"}), folder)
    train_watched(TRAININGS[0], folder, rows=HOLES)
    train_watched(IN_GROUPS, folder, rows=np.tile(X, (23, 1)))
    for training in IN_TABLES:
        train_watched(training, folder, rows=CODED, inputs=TABLE)
    others()
    divided()
    asked_by_several()
    stopped_from_outside()


def main(rounds):
    threads._n_cpus = 2 * N_THREADS  # a team as large as this, on any machine
    kernels.select_isa(kernels.isa(), "always" if kernels.bf16() == "native" else "emulate")
    first_teams()
    with tempfile.TemporaryDirectory() as name:
        for _ in range(rounds):
            for changed in ({}, {"long_step": 0.0, "apart": 0.0, "piece": 1e4, "ahead_seconds": 0.0}):
                former = work_limits(epoch_thread=1.0, call_thread=1.0, paced=0.0, **changed)
                everything(Path(name))
                work_limits(**former)
    print("all threads have met")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
