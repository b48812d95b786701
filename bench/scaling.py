"""How fastbp's time per epoch grows with samples, inputs, hidden units and outputs, one at a time.

Backpropagation is linear in each. The exponent is the slope of a straight line through the logarithms: 1 is linear.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .compare import spread, start_workers
from .report import format_seconds, markdown_table, preamble
from .rounds import make_plans, take_turns
from .worker import WorkerError
from .workloads import Workload

_BATCH_SIZE = 128
_N_BATCHES = 16


@dataclass(frozen=True)
class Sweep:
    """One quantity and its values; the rest of the network is small beside it, so that it decides the time."""

    quantity: str
    values: tuple[int, ...]

    def workload(self, value: int) -> Workload:
        """The network and data at one value."""
        sizes, n_batches = {
            "samples": ((128, 128, 10), value // _BATCH_SIZE),
            "inputs": ((value, 128, 10), _N_BATCHES),
            "hidden units": ((128, value, 10), _N_BATCHES),
            "outputs": ((16, 128, value), _N_BATCHES),
        }[self.quantity]
        return Workload(f"{self.quantity}={value}", sizes, _BATCH_SIZE, n_batches)


SWEEPS = (
    Sweep("samples", (1024, 2048, 4096, 8192, 16384, 32768, 65536)),
    Sweep("inputs", (128, 256, 512, 1024, 2048, 4096, 8192)),
    Sweep("hidden units", (128, 256, 512, 1024, 2048, 4096, 8192)),
    Sweep("outputs", (128, 256, 512, 1024, 2048, 4096, 8192)),
)


def fit_exponent(values: Sequence[float], seconds: Sequence[float]) -> float:
    """The p of seconds = c values^p by least squares on the logarithms."""
    slope, _ = np.polyfit(np.log(values), np.log(seconds), 1)
    return float(slope)


def run_sweep(sweep: Sweep, n_threads: int, dtype: str, rounds: int, turn_seconds: float) -> dict[str, Any]:
    """Measure one sweep; all its points take turns.

    Returns
    -------
    dict
        "quantity", "threads", "points" (value, median and quartiles of the time per epoch, FLOPs of it, raw turns),
        "exponent" of the time and "flops_exponent", what the count of operations grows by over the same values.

    Raises
    ------
    WorkerError
        If fastbp could not be set up.
    """
    with ExitStack() as stack:
        workers, plans = {}, {}
        for value in sweep.values:
            workload = sweep.workload(value)
            started, about, failed = start_workers(stack, "training", workload, ["fastbp"], n_threads, dtype)
            if failed:
                raise WorkerError(failed["fastbp"])
            workers[str(value)] = started["fastbp"]
            plans |= make_plans({str(value): started["fastbp"]}, workload.n_batches, turn_seconds)
        turns = take_turns(workers, plans, None, rounds)
    points = []
    for value in sweep.values:
        own = [turn for turn in turns if turn.peer == str(value)]
        points.append(
            {
                "value": value,
                "epoch_seconds": spread(turn.seconds / turn.epochs for turn in own),
                "epoch_flops": sweep.workload(value).step_flops * sweep.workload(value).n_batches,
                "turns": [asdict(turn) for turn in own],
            }
        )
    return {
        "quantity": sweep.quantity,
        "threads": n_threads,
        "versions": about["fastbp"]["versions"],
        "points": points,
        "exponent": fit_exponent(sweep.values, [point["epoch_seconds"]["median"] for point in points]),
        "flops_exponent": fit_exponent(sweep.values, [point["epoch_flops"] for point in points]),
    }


def scaling_table(results: Sequence[Mapping[str, Any]]) -> str:
    """Every point, a table for all sweeps."""
    rows = [
        [
            result["quantity"],
            str(result["threads"]),
            str(point["value"]),
            format_seconds(point["epoch_seconds"]["median"]),
            f"{point['epoch_flops'] / point['epoch_seconds']['median'] / 1e9:.1f}",
        ]
        for result in results
        for point in result["points"]
    ]
    return markdown_table(("swept", "threads", "value", "time an epoch", "GFLOP/s"), rows)


def exponent_table(results: Sequence[Mapping[str, Any]]) -> str:
    """The fitted exponents."""
    rows = [
        [
            result["quantity"],
            str(result["threads"]),
            f"{result['points'][0]['value']} to {result['points'][-1]['value']}",
            f"{result['exponent']:.2f}",
            f"{result['flops_exponent']:.2f}",
        ]
        for result in results
    ]
    return markdown_table(("swept", "threads", "range", "exponent of the time", "of the operations"), rows)


def scaling_markdown(run: Mapping[str, Any]) -> str:
    """The whole report of a scaling run."""
    lines = preamble("Time per epoch against size", run)
    return "\n".join([*lines, "", exponent_table(run["results"]), "", scaling_table(run["results"]), ""])


def draw_scaling(run: Mapping[str, Any], path: Path) -> None:
    """Time per epoch on logarithmic axes, a picture a sweep, with the line of slope 1 through the last point."""
    from matplotlib.figure import Figure

    quantities = list(dict.fromkeys(result["quantity"] for result in run["results"]))
    figure = Figure(figsize=(2.8 * len(quantities), 3.2), layout="constrained")
    axes = figure.subplots(1, len(quantities), squeeze=False)[0]
    for ax, quantity in zip(axes, quantities, strict=True):
        for result in (result for result in run["results"] if result["quantity"] == quantity):
            _draw_sweep(ax, result)
        ax.set_xscale("log", base=2)
        ax.set(yscale="log", xlabel=quantity)
        ax.legend(frameon=False, fontsize=7)
    axes[0].set_ylabel("seconds an epoch")
    figure.suptitle(f"{run['machine']['cpu']}, {run['settings']['dtype']}", fontsize=9)
    figure.savefig(path, dpi=120)


def _draw_sweep(ax: Any, result: Mapping[str, Any]) -> None:
    values = np.array([point["value"] for point in result["points"]])
    seconds = np.array([point["epoch_seconds"]["median"] for point in result["points"]])
    label = f"{result['threads']} thread{'s' if result['threads'] > 1 else ''}: exponent {result['exponent']:.2f}"
    (line,) = ax.plot(values, seconds, "o-", markersize=3, label=label)
    ax.plot(values, seconds[-1] * values / values[-1], ":", color=line.get_color(), linewidth=1)
