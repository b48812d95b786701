"""A process of its own for one peer: it does what it is asked over a pipe.

One JSON object a line comes in on stdin, one goes out on what was stdout; whatever a library prints goes to stderr.
`Worker` is the other end of the pipe. Nothing but the standard library and NumPy is imported before the number of
threads is set.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import machine
from .peers import make_peer, versions
from .workloads import Workload, initial_weights, make_data

_ROOT = Path(__file__).resolve().parent.parent


class WorkerError(RuntimeError):
    """The worker could not do what it was asked; the message says what it said."""


class Worker:
    """The bench's side of a worker process.

    Parameters
    ----------
    n_threads : int
        Threads, and CPUs, of the process.
    environment : dict, optional
        Further environment variables.
    module : str, default "bench.worker"
        Whose servant does the work.
    """

    def __init__(self, n_threads: int, environment: dict[str, str] | None = None, module: str = "bench.worker"):
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, "--threads", str(n_threads)],
            cwd=_ROOT,
            env={**machine.worker_environment(n_threads), **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Send a request, wait for the answer.

        Raises
        ------
        WorkerError
            If the request failed in the worker or the process has ended.
        """
        try:
            self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except OSError:
            line = ""
        if not line:
            raise WorkerError(f"the worker process ended with code {self.process.wait()} while asked to {do}")
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def set_up(self, command: str, peer: str, workload: Workload, dtype: str) -> dict[str, Any]:
        """Have the worker import the peer's library and make the data; returns versions, settings and note."""
        return self.ask("set_up", command=command, peer=peer, workload=asdict(workload), dtype=dtype)

    def close(self) -> None:
        """End the process: it stops when its stdin ends."""
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


class Servant:
    """The worker's side: one method a request.

    What is timed is done in epochs of `n_batches` steps. For the command predict a step is a call of `predict`,
    always on the same batch.
    """

    def __init__(self, n_threads: int):
        self.n_threads = n_threads

    def set_up(self, command: str, peer: str, workload: dict[str, Any], dtype: str) -> dict[str, Any]:
        """Import the library, make the data and the network."""
        spec = Workload(**{**workload, "sizes": tuple(workload["sizes"])})
        self.peer = make_peer(command, peer, spec, dtype, self.n_threads)
        self.weights = initial_weights(spec, dtype)
        self.peer.reset(self.weights)
        if command == "predict":
            self.X = make_data(spec, dtype)[0][: spec.batch_size]
        self.run = self._predict if command == "predict" else self._train
        return {"versions": versions(peer), "settings": self.peer.settings, "note": self.peer.note}

    def _train(self, n_batches: int, epochs: int) -> None:
        self.peer.train(n_batches, epochs, shuffle=True)

    def _predict(self, n_batches: int, epochs: int) -> None:
        predict, X = self.peer.predict, self.X
        for _ in range(n_batches * epochs):
            predict(X)

    def losses(self, n_batches: int, epochs: int) -> dict[str, Any]:
        """Mean loss of each epoch from the initial weights, batches in order; then start again."""
        losses = self.peer.train(n_batches, epochs, shuffle=False)
        self.peer.reset(self.weights)
        return {"losses": losses}

    def outputs(self) -> dict[str, Any]:
        """What the peer predicts for the batch."""
        return {"outputs": self.peer.predict(self.X).tolist()}

    def estimate(self) -> dict[str, float]:
        """Warm up; about how long a step takes."""
        self.run(1, 1)
        return {"step_seconds": min(self.turn(1, 1)["seconds"] for _ in range(2))}

    def calibrate(self, n_batches: int, seconds: float) -> dict[str, int]:
        """Warm up at this length of an epoch; how many epochs fill a turn of about `seconds`."""
        self.run(n_batches, 1)
        epochs = 1
        for _ in range(3):
            epochs = max(1, round(epochs * seconds / self.turn(n_batches, epochs)["seconds"]))
        return {"epochs": epochs}

    def turn(self, n_batches: int, epochs: int) -> dict[str, float]:
        """Train or predict, by the clock."""
        start = time.perf_counter()
        self.run(n_batches, epochs)
        return {"seconds": time.perf_counter() - start}

    def peak(self, dtype: str, seconds: float) -> dict[str, float]:
        """FLOP/s of independent multiply-adds in registers on all threads."""
        from fastbp.engine import kernels

        return {"flops": kernels.fma_peak(dtype, seconds, self.n_threads)}


def serve(servant: Any, requests, answers) -> None:
    """Answer every request until the requests end. An error is an answer too."""
    for line in requests:
        request = json.loads(line)
        try:
            answer = getattr(servant, request.pop("do"))(**request)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def run_worker(servant: Callable[[int], Any]) -> None:
    """Take stdout for the answers, hold the process to its CPUs, serve by what ``servant(n_threads)`` makes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, required=True)
    n_threads = parser.parse_args().threads
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    machine.pin(n_threads)
    serve(servant(n_threads), sys.stdin, answers)


if __name__ == "__main__":
    run_worker(Servant)
