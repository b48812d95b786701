"""``fastbp bench``: a minute's comparison with pure NumPy on this machine.

Each side runs in a process of its own, because its idle threads would take time from the other side's turn. The turns
alternate, and medians are printed.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import numpy as np

import fastbp as fb
from fastbp.commands import numpy_network
from fastbp.commands.errors import CommandError
from fastbp.commands.extras import require_matplotlib
from fastbp.engine.kernels import isa
from fastbp.support.plot_style import save_picture

__all__ = ["Result", "run"]

_LEARNING_RATE = 1e-4  # so small that nothing diverges however long the turns
_REST_SECONDS = 0.15  # idle threads spin for tens of milliseconds
_SIDES = ("fastbp", "NumPy")


class Task(NamedTuple):
    """A network (relu, softmax, cross-entropy, Adam) and its batches."""

    sizes: tuple[int, ...]
    batch_size: int
    n_batches: int

    @property
    def title(self) -> str:
        """The sizes and the batch."""
        return f"{'-'.join(map(str, self.sizes))}, {self.batch_size}"


TASKS = (
    Task((16, 64, 64, 4), 32, 64),
    Task((64, 100, 10), 200, 16),
    Task((784, 256, 128, 10), 128, 16),
    Task((100, 512, 512, 512, 2), 1024, 4),
    Task((784, 1024, 1024, 10), 256, 4),
)


class Result(NamedTuple):
    """Medians of the times of a step, in seconds, and of their ratio."""

    task: Task
    fastbp: float
    numpy: float
    ratio: float


def run(seconds: float = 60.0, n_threads: int | None = None, picture: Path | None = None) -> list[Result]:
    """Compare both, print a row for each network when it is done, and draw a chart.

    Parameters
    ----------
    seconds : float
        About how long to measure.
    n_threads : int, optional
        Threads of fastbp; NumPy takes what its BLAS takes.
    picture : Path, optional
        The chart is written there, as PNG, SVG or another format, by its extension.

    Raises
    ------
    CommandError
        If the picture cannot be written.
    """
    if picture is not None:
        _check_picture(picture)
    print(f"a training step (shuffle, gather, forward, loss, backward, Adam), float32, {isa()} kernels\n")
    print(f"{'network, batch':34}  {'fastbp':>10}  {'NumPy':>10}  {'times as fast':>13}")
    results = []
    for task in TASKS:
        result = _compare(task, seconds / len(TASKS), n_threads)
        results.append(result)
        print(f"{task.title:34}  {_show(result.fastbp):>10}  {_show(result.numpy):>10}  {_bar(result.ratio)}")
    print("\nmedians of alternating turns; NumPy as a textbook writes it, with the BLAS that came with it")
    if picture is not None:
        _draw(picture, results)
        print(f"saved {picture}")
    return results


def _compare(task: Task, seconds: float, n_threads: int | None) -> Result:
    """Let both sides take turns on one network."""
    context = multiprocessing.get_context("spawn")
    workers = []
    ends: list[Connection] = []
    for side in _SIDES:
        here, there = context.Pipe()
        worker = context.Process(target=work, args=(there, side, task, n_threads), daemon=True)
        worker.start()
        there.close()
        workers.append(worker)
        ends.append(here)
    try:
        for end in ends:
            end.send(0.0)  # to warm up
            end.recv()
        n_rounds = 5
        turn = max(0.02, seconds / (2 * n_rounds) - _REST_SECONDS)
        rounds = [[_take_turn(end, turn) for end in ends] for _ in range(n_rounds)]
    except EOFError:
        raise CommandError("a process of the comparison has ended; is there enough memory?") from None
    finally:
        for end in ends:
            end.close()  # which ends the worker
        for worker in workers:
            worker.join()
    fast, plain = (statistics.median(times) for times in zip(*rounds, strict=True))
    return Result(task, fast, plain, statistics.median(b / a for a, b in rounds))


def _take_turn(end: Connection, seconds: float) -> float:
    time.sleep(_REST_SECONDS)
    end.send(seconds)
    return float(end.recv())


def work(end: Connection, side: str, task: Task, n_threads: int | None) -> None:
    """Be one side, in a process of its own: for each number of seconds received, send what a step took."""
    epoch = _fastbp_epoch(task, n_threads) if side == "fastbp" else _numpy_epoch(task)
    try:
        while True:
            seconds = end.recv()
            n_epochs, start = 0, time.perf_counter()
            while n_epochs == 0 or time.perf_counter() - start < seconds:
                epoch()
                n_epochs += 1
            end.send((time.perf_counter() - start) / (n_epochs * task.n_batches))
    except (EOFError, KeyboardInterrupt, BrokenPipeError):
        return  # the comparison is over


def _make_data(task: Task) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    n_samples = task.batch_size * task.n_batches
    X = rng.normal(size=(n_samples, task.sizes[0])).astype(np.float32)
    return X, rng.integers(0, task.sizes[-1], n_samples)


def _make_model(task: Task) -> fb.Model:
    layers = [*(fb.Dense(units, "relu") for units in task.sizes[1:-1]), fb.Dense(task.sizes[-1], "softmax")]
    return fb.Model(layers, inputs=task.sizes[0])


def _fastbp_epoch(task: Task, n_threads: int | None) -> Callable[[], object]:
    X, y = _make_data(task)
    trainer = fb.Trainer(
        _make_model(task), "cross_entropy", fb.Adam(_LEARNING_RATE), task.batch_size, n_threads, metrics=[]
    )
    return lambda: trainer.fit(X, y)


def _numpy_epoch(task: Task) -> Callable[[], object]:
    X, y = _make_data(task)
    weights = _make_model(task).get_weights()
    adam = numpy_network.Adam(weights)
    rng = np.random.default_rng(0)
    return lambda: numpy_network.train_epoch(
        weights, adam, X, y, batch_size=task.batch_size, learning_rate=_LEARNING_RATE, order=rng.permutation(len(X))
    )


def _show(seconds: float) -> str:
    return f"{seconds * 1e6:,.1f} us" if seconds < 1e-3 else f"{seconds * 1e3:,.2f} ms"


def _bar(ratio: float) -> str:
    return f"{ratio:12.1f}x  {'#' * max(1, min(40, round(2 * ratio)))}"


def _check_picture(path: Path) -> None:
    """Refuse a path that could not be written a minute later."""
    require_matplotlib("the chart", "plot")
    if not path.absolute().parent.is_dir():
        raise CommandError(f"--chart is {str(path)!r}, but the directory does not exist; create it first")


def _draw(path: Path, results: list[Result]) -> None:
    """Write a chart: a bar a network, as long as fastbp is times as fast."""
    from matplotlib.figure import Figure  # no pyplot: neither a display nor global state is needed

    figure = Figure(figsize=(8.0, 0.6 * len(results) + 1.4), layout="constrained")
    axes = figure.subplots()
    places = range(len(results))[::-1]
    bars = axes.barh(places, [result.ratio for result in results], color="tab:blue")
    labels = [f"{r.ratio:.1f}x: {_show(r.fastbp)}, NumPy {_show(r.numpy)}" for r in results]
    axes.bar_label(bars, labels, padding=4)
    axes.set_yticks(places, [result.task.title for result in results])
    axes.axvline(1, color="black", lw=0.8)
    axes.set(xlabel="times as fast as pure NumPy, a training step", xlim=(0, 1.9 * max(r.ratio for r in results)))
    axes.spines[["top", "right"]].set_visible(False)
    try:
        save_picture(figure, path)
    except (OSError, ValueError) as error:
        raise CommandError(f"--chart is {str(path)!r}, which could not be written: {error}") from None
