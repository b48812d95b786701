"""What is stored of each peer, a file each, and the report that brings the peers together."""

import json
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from .. import machine
from ..report import markdown_table
from .tasks import TASKS

OUTPUT = Path(__file__).resolve().parents[1] / "results"
SHIFT = 0.01
_KEY = ("task", "split", "rows", "threads")

Run = dict[str, Any]


def record(figures: Mapping[str, float], task: str, split: int, rows: int | None, n_threads: int) -> Run:
    """What is stored of one fit: its figures, and of what, when and where they are."""
    return {
        "task": task,
        "split": split,
        "rows": rows,
        "threads": n_threads,
        **{name: round(value, 6) for name, value in figures.items()},
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{machine.describe()['cpu']}, {os.cpu_count()} CPUs",
    }


def add(folder: Path, peer: str, run: Run) -> None:
    """Store one fit of a peer, in place of an earlier one of the same task, split, rows and threads."""
    path = folder / f"{peer}.json"
    runs = json.loads(path.read_text()) if path.exists() else []
    runs = [other for other in runs if any(other[name] != run[name] for name in _KEY)] + [run]
    runs.sort(key=lambda each: (list(TASKS).index(each["task"]), each["rows"] or 0, each["split"], each["threads"]))
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text("[\n" + ",\n".join(f" {json.dumps(each)}" for each in runs) + "\n]\n")


def stored(folder: Path) -> dict[str, list[Run]]:
    """All fits, by peer."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def shifted_mean(values: Iterable[float]) -> float:
    """exp(mean(log(x + shift))) - shift"""
    return float(np.exp(np.mean(np.log(np.array(list(values)) + SHIFT))) - SHIFT)


def _by_task(runs: Iterable[Run], rows: int | None, splits: Mapping[str, set[int]] | None = None) -> dict[str, Run]:
    """The means over the splits of each task, or over those splits that are asked for."""
    tasks: dict[str, list[Run]] = {}
    for run in runs:
        if run["rows"] == rows and (splits is None or run["split"] in splits.get(run["task"], ())):
            tasks.setdefault(run["task"], []).append(run)
    names = ("error", "fit_seconds", "fit_cpu_seconds")
    return {
        task: {name: float(np.mean([each[name] for each in of])) for name in names} | {"splits": len(of)}
        for task, of in tasks.items()
    }


def ratios(own: Iterable[Run], theirs: Iterable[Run], rows: int | None) -> dict[str, float] | None:
    """fastbp's shifted geometric means divided by a peer's, on the tasks and splits that both have; None if none."""
    own, theirs = list(own), list(theirs)
    splits: dict[str, set[int]] = {}
    for run in theirs:
        if run["rows"] == rows and any(
            (mine["task"], mine["split"], mine["rows"]) == (run["task"], run["split"], rows) for mine in own
        ):
            splits.setdefault(run["task"], set()).add(run["split"])
    if not splits:
        return None
    mine, others = _by_task(own, rows, splits), _by_task(theirs, rows, splits)
    names = ("error", "fit_seconds", "fit_cpu_seconds")
    means = {
        name: shifted_mean(mine[t][name] for t in splits) / shifted_mean(others[t][name] for t in splits)
        for name in names
    }
    return means | {"worst": max(mine[t]["error"] / others[t]["error"] for t in splits), "tasks": len(splits)}


def _errors(figures: Mapping[str, list[Run]], rows: int | None) -> str:
    lines = []
    for peer, runs in figures.items():
        tasks = _by_task(runs, rows)
        if not tasks:
            continue
        cells = [f"{tasks[t]['error']:.4f}" + f" ({tasks[t]['splits']})" if t in tasks else "-" for t in TASKS]
        cpu = shifted_mean(each["fit_cpu_seconds"] for each in tasks.values())
        lines.append([peer, *cells, f"{cpu:.1f}"])
    return markdown_table(("peer", *TASKS, "CPU s a fit"), lines)


def _comparisons(figures: Mapping[str, list[Run]], rows: int | None) -> str:
    lines = []
    own_names = [peer for peer in figures if peer.startswith("fastbp")]
    for own in own_names:
        for peer, runs in figures.items():
            means = None if peer in own_names else ratios(figures[own], runs, rows)
            if means is not None:
                names = ("error", "worst", "fit_cpu_seconds", "fit_seconds")
                lines.append([own, peer, f"{means['tasks']:.0f}", *(f"{means[name]:.3g}x" for name in names)])
    return markdown_table(("of", "beside", "tasks", "error", "worst task", "CPU time", "wall time"), lines)


def report(figures: Mapping[str, list[Run]]) -> str:
    """The errors by task and peer, and the ratios of fastbp's means to each peer's."""
    machines = sorted({run["machine"] for runs in figures.values() for run in runs})
    sizes = {run["rows"] for runs in figures.values() for run in runs}
    parts = [
        "# Tables",
        "",
        "    python -m bench.tabular --gather",
        "",
        f"Fitted on {'; '.join(machines)}. Errors are on a fifth of the rows that no peer has seen: RMSE divided by "
        "the targets' deviation, the share of wrong classes, or 1 - AUC; the number of splits in brackets. A ratio is "
        "that of shifted geometric means, exp(mean(log(x + 0.01))) - 0.01, over the tasks and splits that both have; "
        "the worst task is the one with the largest ratio of errors. The CPUs' time is of all threads. Each fit has "
        "its load average in its file: where that is above the number of CPUs, wall times say little.",
    ]
    for rows in sorted(sizes, key=lambda size: size or 10**9):
        title = "All rows" if rows is None else f"At most {rows:,} rows to train on"
        parts += ["", f"## {title}", "", _errors(figures, rows), "", _comparisons(figures, rows)]
    return "\n".join(parts) + "\n"
