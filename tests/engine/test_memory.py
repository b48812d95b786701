"""Arrays that are mapped into memory are read where they lie: what training takes does not grow with them."""

import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory are Linux's")

_FILE_MB, _ALLOWED_MB = 256, 64

# Pages of the mapped file are the system's own: no limit of the process's data counts them, any copy is counted.
_PREAMBLE = f"""
import resource
import sys
from pathlib import Path

import numpy as np

import fastbp as fb

N, WIDTH = {_FILE_MB} * 2**20 // (4 * 256), 256


def memory(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def limit():
    bound = memory("VmData") + {_ALLOWED_MB} * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (bound, bound))


path = Path(sys.argv[1]) / "data.bin"
with path.open("wb") as file:
    file.truncate(4 * N * WIDTH)  # zeros that take no room on the disk
X = np.memmap(path, np.float32, "r", shape=(N, WIDTH))
layers = [fb.Dense(4, "relu")]
"""


def run(tmp_path, program):
    source = _PREAMBLE + textwrap.dedent(program)
    command = [sys.executable, "-c", source, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_copy_would_be_noticed(tmp_path):
    program = """
        limit()
        try:
            X + 1
        except MemoryError:
            print("too much")
    """
    assert run(tmp_path, program) == "too much\n"


@pytest.mark.parametrize(
    "options",
    [
        "",
        ", validation_fraction=0.2",
        ", validation_data=(X, y)",
        ", sample_weight=np.ones(N, np.float32)",
        ", class_weight='balanced'",
    ],
)
def test_shuffled_training_in_bounded_memory(tmp_path, options):
    program = f"""
        y = np.arange(N) % 2
        trainer = fb.Trainer(fb.Model([*layers, fb.Dense(2, "softmax")], inputs=WIDTH), "cross_entropy", batch_size=512)
        trainer.step(X[:512], y[:512])
        before, peak = memory("RssAnon"), []
        limit()
        look = fb.LambdaCallback(on_tick=lambda *_: peak.append(memory("RssAnon")))
        trainer.fit(X, y, callbacks=look{options})
        trainer.evaluate(X, y)
        trainer.model.predict(X)
        assert max([*peak, memory("RssAnon")]) - before < {_ALLOWED_MB} * 2**20
    """
    run(tmp_path, program)


@pytest.mark.parametrize("loss", ["mse", "huber", "poisson", "binary_cross_entropy", "focal", "hinge", "cosine"])
def test_mapped_targets_in_bounded_memory(tmp_path, loss):
    activation = {"poisson": "softplus", "binary_cross_entropy": "sigmoid", "focal": "sigmoid"}.get(loss, "linear")
    program = f"""
        Y = X[: N // 2]
        model = fb.Model([*layers, fb.Dense(WIDTH, "{activation}")], inputs=WIDTH)
        trainer = fb.Trainer(model, "{loss}", batch_size=512, metrics=[])
        limit()
        trainer.fit(Y[:, ::-1], Y)
    """
    run(tmp_path, program)


def test_probabilities_that_are_mapped(tmp_path):
    program = """
        Y = np.memmap(path, np.float32, "r+", shape=(N, WIDTH))
        Y[: N // 4, 0] = 1
        Y = np.memmap(path, np.float32, "r", shape=(N // 4, WIDTH))
        model = fb.Model([*layers, fb.Dense(WIDTH, "softmax")], inputs=WIDTH)
        limit()
        fb.Trainer(model, "cross_entropy", batch_size=512).fit(Y, Y)
        Y = np.memmap(path, np.float32, "r", shape=(N, WIDTH))
        try:
            fb.Trainer(model, "cross_entropy", batch_size=512).fit(Y, Y)
        except ValueError as error:
            print(error)
    """
    assert run(tmp_path, program).startswith("the probabilities in y[65536] sum to 0; expected 1.")


@pytest.mark.parametrize("loss", ["mse", "focal"])
def test_a_number_that_is_not_finite_is_found_in_bounded_memory(tmp_path, loss):
    activation = "sigmoid" if loss == "focal" else "linear"
    program = f"""
        Y = np.memmap(path, np.float32, "r+", shape=(N, WIDTH))
        Y[N - 3, 2] = np.nan
        Y = np.memmap(path, np.float32, "r", shape=(N, WIDTH))
        model = fb.Model([*layers, fb.Dense(WIDTH, "{activation}")], inputs=WIDTH)
        limit()
        try:
            fb.Trainer(model, "{loss}", batch_size=512).fit(Y, Y)
        except ValueError as error:
            print(error)
    """
    assert "nan; expected" in run(tmp_path, program)
