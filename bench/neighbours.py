"""`python -m bench.neighbours`: whether more threads are ever slower, whatever else the CPUs have to do.

Three networks are trained with n_threads 2, 4 and 64, beside neighbours that are idle, busy, or busy for half of the
time, and under a CPU quota; by long calls of `fit`, and by calls of one epoch each. Each time is compared with the
better one of one thread and of a team that is held at two. Every number of threads has a process of its own, which
keeps what it learns; the processes take turns, and the medians of the rounds are compared.
"""

import argparse
import contextlib
import multiprocessing
import os
import statistics
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from .workloads import WORKLOADS, initial_weights, make_data

_HELD = "2 held"  # a team of two, whatever is measured
_THREADS: dict[str, int] = {"1": 1, _HELD: 2, "2": 2, "4": 4, "64": 64}
_NEIGHBOURS = {
    "idle": [],
    "half": [0.5],
    "busy": [1.0],
    "two busy": [1.0, 1.0],
}  # of each neighbour, the part of the time
_QUOTAS = {"quota 0.5": 0.5, "quota 1": 1.0}
_PERIOD = 0.02  # seconds in which a neighbour works for its part
_REST = 0.02  # seconds before a turn: OpenMP's threads wait awake for some milliseconds after the turn before
_CGROUPS = Path("/sys/fs/cgroup")
_spawn = multiprocessing.get_context("spawn")


def neighbour(part: float, cpu: int) -> None:
    """Work for a part of the time, on one CPU."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {cpu})
    while True:
        start = time.perf_counter()
        while time.perf_counter() - start < part * _PERIOD:
            pass
        time.sleep((1 - part) * _PERIOD)


@contextlib.contextmanager
def neighbours(parts: list[float]) -> Iterator[None]:
    """Neighbours on the last CPUs."""
    cpus = sorted(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1))
    processes = [
        _spawn.Process(target=neighbour, args=(part, cpus[-1 - i % len(cpus)]), daemon=True)
        for i, part in enumerate(parts)
    ]
    for process in processes:
        process.start()
    if processes:
        time.sleep(1.0)  # until they work
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.join()


@contextlib.contextmanager
def quota(cpus: float) -> Iterator[Path]:
    """A control group whose processes get this many CPUs; OSError where none can be made."""
    version_2 = (_CGROUPS / "cgroup.controllers").exists()
    group = (_CGROUPS if version_2 else _CGROUPS / "cpu") / f"fastbp-bench-{os.getpid()}"
    group.mkdir()
    try:
        if version_2:
            (group / "cpu.max").write_text(f"{int(cpus * 100_000)} 100000")
        else:
            (group / "cpu.cfs_period_us").write_text("100000")
            (group / "cpu.cfs_quota_us").write_text(str(int(cpus * 100_000)))
        yield group / "cgroup.procs"
    finally:
        group.rmdir()


def work(orders: Connection, name: str, label: str, group: Path | None) -> None:
    """A process that trains one network with one number of threads, again and again."""
    if group is not None:
        group.write_text(str(os.getpid()))
    import fastbp as fb
    from fastbp.engine.team import work_limits

    if label == _HELD:
        work_limits(epoch_thread=1.0, paced=0.0)
    workload = WORKLOADS[name]
    X, y = make_data(workload, "float32")
    sizes = [n_units for _, n_units in workload.layers]
    layers = [fb.Dense(n, "relu") for n in sizes[:-1]] + [fb.Dense(sizes[-1], "softmax")]
    model = fb.Model(layers, inputs=workload.sizes[0])
    model.set_weights(initial_weights(workload, "float32"))
    trainer = fb.Trainer(
        model, "cross_entropy", fb.Adam(1e-4), workload.batch_size, n_threads=_THREADS[label], metrics=[]
    )
    held = trainer.parts.state.on_threads(2) if label == _HELD else contextlib.nullcontext()  # whatever the quota is
    with held:
        answer(orders, trainer, X, y)


def answer(orders: Connection, trainer: Any, X: Any, y: Any) -> None:
    """Train whenever that is ordered, and send the seconds of an epoch."""
    while True:
        n_epochs, n_calls = orders.recv()
        if n_calls == 0:
            return
        start = time.perf_counter()
        for _ in range(n_calls):
            trainer.fit(X, y, epochs=n_epochs)
        orders.send((time.perf_counter() - start) / (n_epochs * n_calls))


def measure(name: str, rounds: int, seconds: float, group: Path | None) -> dict[str, dict[str, float]]:
    """Seconds of an epoch, by kind of call and number of threads: medians of the rounds."""
    pipes: dict[str, Connection] = {}
    processes = []
    for label in _THREADS:
        here, there = _spawn.Pipe()
        process = _spawn.Process(target=work, args=(there, name, label, group), daemon=True)
        process.start()
        pipes[label] = here
        processes.append(process)
    times: dict[str, dict[str, list[float]]] = {kind: {label: [] for label in _THREADS} for kind in ("long", "calls")}
    epoch = min(ask(pipes["1"], 1, 1) for _ in range(3))
    n_epochs = max(1, round(seconds / epoch))
    for label in _THREADS:
        ask(pipes[label], n_epochs, 1)  # not counted
    for _ in range(rounds):
        for label, pipe in pipes.items():
            times["long"][label].append(ask(pipe, n_epochs, 1))
            times["calls"][label].append(ask(pipe, 1, n_epochs))
    for pipe in pipes.values():
        pipe.send((0, 0))
    for process in processes:
        process.join()
    return {
        kind: {label: statistics.median(found) for label, found in of_kind.items()} for kind, of_kind in times.items()
    }


def ask(pipe: Connection, n_epochs: int, n_calls: int) -> float:
    """Have a process train."""
    time.sleep(_REST)
    pipe.send((n_epochs, n_calls))
    seconds: float = pipe.recv()
    return seconds


def row(where: str, name: str, kind: str, times: dict[str, float]) -> str:
    """A row of the table: milliseconds an epoch, and each number of threads against the better of 1 and 2."""
    best = min(times["1"], times[_HELD])
    shown = [f"{1000 * times[label]:.3f}" for label in ("1", _HELD)]
    shown += [f"{1000 * times[label]:.3f} ({times[label] / best:.2f})" for label in ("2", "4", "64")]
    return f"| {where} | {name} | {kind} | " + " | ".join(shown) + " |"


def run(names: list[str], situations: list[str], rounds: int, seconds: float) -> None:
    """Measure and print, a row at a time."""
    print("| CPUs | network | calls of | 1 | 2 held | 2 | 4 | 64 |")
    print("|---|---|---|--:|--:|--:|--:|--:|", flush=True)
    for where in situations:
        with contextlib.ExitStack() as stack:
            group = None
            if where in _QUOTAS:
                try:
                    group = stack.enter_context(quota(_QUOTAS[where]))
                except OSError as error:
                    print(f"| {where} | the control group cannot be written: {error.strerror} |", flush=True)
                    continue
            else:
                stack.enter_context(neighbours(_NEIGHBOURS[where]))
            for name in names:
                for kind, times in measure(name, rounds, seconds, group).items():
                    words = "many epochs" if kind == "long" else "one epoch"
                    print(row(where, name, words, times), flush=True)


def main(argv: list[str] | None = None) -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m bench.neighbours", description=__doc__)
    every: dict[str, Any] = {**_NEIGHBOURS, **_QUOTAS}
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=["rl", "digits", "fashion"])
    parser.add_argument("--cpus", nargs="+", choices=every, default=list(every), help="what else the CPUs have to do")
    parser.add_argument("--rounds", type=int, default=15, help="turns of each (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=0.3, help="of a turn (default: %(default)s)")
    arguments = parser.parse_args(argv)
    run(arguments.workloads, arguments.cpus, arguments.rounds, arguments.seconds)


if __name__ == "__main__":
    main()
