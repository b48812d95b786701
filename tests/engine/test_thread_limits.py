"""Where the system starts no more threads, fewer do the work: OpenMP by itself would end the process."""

import os
import subprocess
import sys

import pytest

from fastbp.engine import kernels

resource = pytest.importorskip("resource", reason="this system has no such limits")

SCRIPT = """
import os, pathlib, resource, sys, threading
import numpy as np
import fastbp as fb
import fastbp.data.prefetch  # now, and pathlib: another user may not be able to
from fastbp.engine.team import work_limits
from fastbp.support import threads

threads._n_cpus = 64
work_limits(epoch_thread=1.0, call_thread=1.0, paced=0.0)
X = np.random.default_rng(0).normal(size=(600, 20)).astype("float32")
y = np.arange(600) % 3

def train(n_threads):
    model = fb.Model([fb.Dense(90, "relu"), fb.Dense(3, "softmax")], inputs=20)
    trainer = fb.Trainer(model, "cross_entropy", batch_size=200, n_threads=n_threads)
    trainer.fit(X, y, epochs=2)
    out = model.predict(X, n_threads=n_threads)
    return out.tobytes(), trainer.parts.state.session.last_team

alone, _ = train(1)
fit_many = fb.fit_many  # imported now: another user may not be able to
{limit}
together, team = train(8)
assert together == alone
assert 1 <= team <= {most}, team
if {most} < 3:
    chunks = [(X[:300], y[:300]), (X[300:], y[300:])]
    model = fb.Model([fb.Dense(3, "softmax")], inputs=20)
    fb.Trainer(model, "cross_entropy").fit(lambda: iter(chunks), epochs=2)
    models = [fb.Model([fb.Dense(3, "softmax")], inputs=20, seed=seed) for seed in range(4)]
    fit_many([fb.Trainer(model, "cross_entropy") for model in models], X, y, epochs=2, n_threads=4)
print("team", team)
"""

NO_ADDRESSES = """
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 400 * 2**20,) * 2)
"""

NO_THREADS = """
resource.setrlimit(resource.RLIMIT_NPROC, ({n},) * 2)
os.setuid(54321)
"""


def run(limit, most, **environment):
    script = SCRIPT.replace("{limit}", limit).replace("{most}", str(most))
    command = [sys.executable, "-c", script]
    return subprocess.run(
        command,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_little_address_space_makes_a_smaller_team():
    """Stacks of 150 MB, and 400 MB to be had: seven more threads do not fit."""
    done = run(NO_ADDRESSES, 3, OMP_STACKSIZE="150M")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "team" in done.stdout


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.geteuid() != 0, reason="becomes another user, whom the limit binds"
)
@pytest.mark.parametrize("n", [1, 3])
def test_few_threads_of_a_user_make_a_smaller_team(n):
    done = run(NO_THREADS.replace("{n}", str(n)), n)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"team {n}" in done.stdout


def test_without_a_limit_the_team_is_as_large_as_asked_for():
    done = run("", 8)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "team 8" in done.stdout


def test_the_measurement_of_the_peak_says_how_many_threads_it_wanted(monkeypatch):
    from concurrent.futures import ThreadPoolExecutor

    def refuse(*args):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(ThreadPoolExecutor, "submit", refuse)
    with pytest.raises(RuntimeError, match="n_threads is 3, and the system does not start so many threads now"):
        kernels.fma_peak("float32", 0.001, 3)
