"""`python -m bench.distributed WHAT`: training in shards and on several ranks, beside the arithmetic on paper.

shards    what cutting a batch into shards costs on one machine: interleaved rounds, medians of the ratios
scaling   strong and weak scaling over networks of limited rate, between namespaces of this machine (root only), beside
          the times on paper and, where PyTorch is installed, its DistributedDataParallel on gloo; writes a chart
plan      the efficiency on paper for 2 to 64 machines at some network rates; nothing is measured
memory    what each rank of a job has in memory, and how much of the optimizer's state

Ranks on one machine share its cores, so none of this is a speed-up: measured is whether the times on paper hold.
"""

import argparse
import importlib.util
import itertools
import math
import os
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fastbp as fb

from . import machine
from .peers.fastbp_peer import make_model
from .ranks import (
    N_PARAMETERS,
    WIDE,
    Namespaces,
    measure,
    mpiexec,
    reason_to_skip,
    samples,
    seconds_on_paper,
)
from .report import markdown_table, preamble, write

# ---- Shards on one machine ----


def shards(batch: int, n_threads: int, rounds: int) -> None:
    """Print what shards cost beside a plain step, in rounds that take turns."""
    numbers = (1, 2, 8, 64)
    X, y = samples(4 * batch)
    trainers = {
        v: fb.Trainer(
            make_model(WIDE, "float32"), "cross_entropy", batch_size=batch, shards=v, n_threads=n_threads, metrics=[]
        )
        for v in numbers
    }
    seconds: dict[int, list[float]] = {v: [] for v in numbers}
    for round_number in range(rounds + 1):
        for v, trainer in trainers.items():
            start = time.perf_counter()
            trainer.fit(X, y)
            if round_number > 0:
                seconds[v].append((time.perf_counter() - start) / 4)
    rows = [
        [
            str(v),
            f"{1e3 * statistics.median(seconds[v]):.1f}",
            f"{100 * (statistics.median(a / b for a, b in zip(seconds[v], seconds[1], strict=True)) - 1):+.1f} %",
        ]
        for v in numbers
    ]
    print(f"{WIDE.network}, batch {batch}, {n_threads} threads, {rounds} rounds\n")
    print(markdown_table(["shards", "ms a step", "cost"], rows))


# ---- The model ----


def plan(flops: float) -> None:
    """Print the efficiency on paper, and the time of a step, for several machines."""
    rows = []
    for gigabits, batch in itertools.product((1, 10, 25, 100), (256, 2048, 8192)):
        compute = 6 * N_PARAMETERS * batch / flops
        cells = [f"{100 * compute / seconds_on_paper(compute, r, gigabits):.0f} %" for r in (2, 4, 8, 64, math.inf)]
        rows.append([f"{gigabits} Gbit", str(batch), f"{1e3 * compute:.1f}", *cells])
    header = ["network", "rows a machine", "ms of computing", "R = 2", "4", "8", "64", "limit"]
    print(f"{WIDE.network}, F = {flops / 1e12:g} Tflop/s, no overlap: on paper, not measured\n")
    print(markdown_table(header, rows))


# ---- Scaling between namespaces ----


def scaling(
    batch: int, n_steps: int, numbers: Sequence[int], rates: Sequence[float], kinds: Sequence[str]
) -> list[Any]:
    """Measure steps of a batch that is divided (strong), and of one that grows with the ranks (weak).

    Returns
    -------
    list of dict
        "kind", "scaling", "gigabits", "ranks", "rows" of a rank, and the seconds "alone" of one rank with its rows, "on
        paper" and "measured".
    """
    results = []
    with Namespaces(1, "1gbit"):
        alone = {
            (kind, rows): measure(1, rows, n_steps, kind)
            for kind in kinds
            for rows in sorted({batch // n for n in numbers} | {batch // max(numbers)})
        }
    for gigabits, n_ranks in itertools.product(rates, numbers):
        with Namespaces(n_ranks, f"{round(gigabits * 1000)}mbit"):
            for kind, (scaling, rows) in itertools.product(
                kinds, {"strong": batch // n_ranks, "weak": batch // max(numbers)}.items()
            ):
                results.append(
                    {
                        "kind": kind,
                        "scaling": scaling,
                        "gigabits": gigabits,
                        "ranks": n_ranks,
                        "rows": rows,
                        "alone": alone[kind, rows],
                        "on paper": seconds_on_paper(
                            alone[kind, rows] * max(1, n_ranks / (os.cpu_count() or 1)), n_ranks, gigabits
                        ),
                        "measured": measure(n_ranks, rows * n_ranks, n_steps, kind),
                    }
                )
                print(results[-1], flush=True)
    return results


def scaling_markdown(run: Mapping[str, Any]) -> str:
    """Return the report."""
    header = ["", "scaling", "network", "ranks", "rows a rank", "ms alone", "ms on paper", "ms measured", "difference"]
    rows = [
        [
            result["kind"],
            result["scaling"],
            f"{result['gigabits']:g} Gbit",
            str(result["ranks"]),
            str(result["rows"]),
            *(f"{1e3 * result[what]:.0f}" for what in ("alone", "on paper", "measured")),
            f"{100 * (result['measured'] / result['on paper'] - 1):+.0f} %",
        ]
        for result in run["results"]
    ]
    about = f"{WIDE.network}, one thread a rank, {run['machine']['cpus']} CPUs shared by the ranks."
    return "\n".join(
        [*preamble("Ranks over a network of limited rate", run), "", about, "", markdown_table(header, rows)]
    )


def draw_scaling(run: Mapping[str, Any], path: Path) -> None:
    """Draw seconds of a step against the number of ranks: measured, and on paper."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.4), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    colours = {"fastbp": "C0", "torch": "C1"}
    for ax, name in zip(axes, ("strong", "weak"), strict=True):
        for kind, gigabits in dict.fromkeys((r["kind"], r["gigabits"]) for r in run["results"]):
            chosen = [r for r in run["results"] if (r["kind"], r["gigabits"], r["scaling"]) == (kind, gigabits, name)]
            marker = "os^"[sorted({r["gigabits"] for r in run["results"]}).index(gigabits) % 3]
            numbers = [r["ranks"] for r in chosen]
            label = f"{'PyTorch DDP' if kind == 'torch' else 'fastbp'}, {gigabits:g} Gbit"
            ax.plot(numbers, [1e3 * r["measured"] for r in chosen], marker + "-", color=colours[kind], label=label)
            if kind == "fastbp":
                ax.plot(numbers, [1e3 * r["on paper"] for r in chosen], marker + ":", color="0.5", markersize=4)
        ax.set(title=f"{name} scaling", xlabel="ranks", xticks=sorted({r["ranks"] for r in run["results"]}))
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylim(0, 1.1e3 * max(max(r["measured"], r["on paper"]) for r in run["results"]))
    axes[0].set_ylabel("ms a step (dotted: on paper)")
    axes[0].legend(frameon=False, fontsize=7)
    figure.suptitle(f"{run['machine']['cpu']}, {run['machine']['cpus']} CPUs shared by all ranks", fontsize=9)
    figure.savefig(path, dpi=120)


def run_scaling(options: argparse.Namespace) -> None:
    """Measure, print and write; or say why not."""
    reason = reason_to_skip()
    if reason is not None:
        print(reason)
        return
    kinds = [kind for kind in options.kinds if kind != "torch" or importlib.util.find_spec("torch")]
    results = scaling(options.batch, options.steps, options.ranks, options.gigabits, kinds)
    words = ["python", "-m", "bench.distributed", "scaling", "--batch", options.batch, "--steps", options.steps]
    words += ["--ranks", *options.ranks, "--gigabits", *(f"{rate:g}" for rate in options.gigabits), "--kinds", *kinds]
    run = {
        "command": shlex.join(map(str, words)),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": machine.describe(),
        "settings": {"quick": options.steps < 5},
        "versions": {"fastbp": fb.__version__},
        "results": results,
    }
    markdown = scaling_markdown(run)
    print(f"\n{markdown}")
    for message in write(run, options.output, "distributed", markdown, draw_scaling):
        print(message)


# ---- Memory ----


def memory(n_ranks: int, units: int) -> None:
    """Print what each rank of a job has, for a network with two layers of so many units."""
    launcher = mpiexec()
    if launcher is None:
        print("bench distributed: skipped; it needs mpiexec.")
        return
    for n in range(1, n_ranks + 1):
        subprocess.run([launcher, "-n", str(n), sys.executable, "-m", "bench.ranks", "memory", str(units)], check=True)


def main() -> None:
    """Run one of the measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("shards", "scaling", "plan", "memory"))
    parser.add_argument("--batch", type=int, default=2048, help="rows of a step; with weak scaling those of all ranks")
    parser.add_argument("--threads", type=int, default=fb.get_num_threads())
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--ranks", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--gigabits", type=float, nargs="+", default=[1.0, 2.0])
    parser.add_argument("--kinds", nargs="+", choices=("fastbp", "torch"), default=["fastbp", "torch"])
    parser.add_argument("--units", type=int, default=2048, help="of a layer of the network whose memory is measured")
    parser.add_argument("--flops", type=float, default=0.5e12, help="of a machine, for the plan")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    if options.what == "shards":
        shards(options.batch, options.threads, options.rounds)
    elif options.what == "plan":
        plan(options.flops)
    elif options.what == "memory":
        memory(max(options.ranks), options.units)
    else:
        run_scaling(options)


if __name__ == "__main__":
    main()
