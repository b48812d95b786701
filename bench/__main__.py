"""`python -m bench` and `python -m bench scaling`, from the root of the repository. See README.md."""

import argparse
import shlex
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import compare, machine, report, scaling
from .peers import PEERS
from .worker import WorkerError
from .workloads import DEFAULT_WORKLOADS, WORKLOADS

_DEFAULT_OUTPUT = Path(__file__).resolve().parent / "results"
_QUICK_WORKLOADS = ("rl", "digits")


def make_parser() -> argparse.ArgumentParser:
    """The options of both commands."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "what", nargs="?", choices=("training", "scaling"), default="training", help="default: %(default)s"
    )
    parser.add_argument(
        "--workloads",
        nargs="+",
        choices=WORKLOADS,
        metavar="NAME",
        help=f"of {', '.join(WORKLOADS)} (default: the first {len(DEFAULT_WORKLOADS)})",
    )
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS), metavar="NAME", help=", ".join(PEERS))
    parser.add_argument("--threads", nargs="+", type=_positive, metavar="N", help="default: 1, and all CPUs")
    parser.add_argument("--rounds", type=_positive, help="turns of each peer (default: 9; scaling 5; quick 2)")
    parser.add_argument("--turn", type=float, metavar="SECONDS", help="length of a turn (default: 0.3; quick 0.03)")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32", help="default: %(default)s")
    parser.add_argument(
        "--output", type=Path, default=_DEFAULT_OUTPUT, metavar="DIR", help="for the files (default: bench/results)"
    )
    parser.add_argument("--quick", action="store_true", help="small and short, to see whether everything works")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def fill_in(arguments: argparse.Namespace) -> None:
    """Defaults that depend on other options and on the machine."""
    quick = arguments.quick
    if arguments.workloads is None:
        arguments.workloads = list(_QUICK_WORKLOADS if quick else DEFAULT_WORKLOADS)
    if arguments.threads is None:
        arguments.threads = sorted({1, len(machine.usable_cpus())})
    if arguments.rounds is None:
        arguments.rounds = 2 if quick else {"training": 9, "scaling": 5}[arguments.what]
    if arguments.turn is None:
        arguments.turn = 0.03 if quick else 0.3


def describe_run(arguments: argparse.Namespace, results: list[dict[str, Any]]) -> dict[str, Any]:
    """What both kinds of run have in common, for the JSON file."""
    settings = {name: value for name, value in vars(arguments).items() if name not in ("what", "output")}
    if arguments.what == "scaling":
        del settings["workloads"], settings["peers"]
    return {
        "command": command(arguments.what, settings),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": machine.describe(),
        "settings": settings,
        "results": results,
    }


def command(what: str, settings: dict[str, Any]) -> str:
    """The command that repeats a run, with every option written out, whatever the defaults will be."""
    words = ["python", "-m", "bench", what]
    for name, value in settings.items():
        if value is True:
            words.append(f"--{name}")
        elif value is not False:
            words += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
    return shlex.join(words)


def run_training(arguments: argparse.Namespace) -> None:
    """Compare the peers on every workload, and report."""
    missing = compare.find_missing(arguments.peers)
    for peer, reason in missing.items():
        print(f"{peer}: {reason}", flush=True)
    present = [peer for peer in arguments.peers if peer not in missing]
    results = []
    for name in arguments.workloads:
        for n_threads in arguments.threads:
            print(f"\n{name} {WORKLOADS[name].describe()}, threads: {n_threads}", flush=True)
            result = compare.compare(
                WORKLOADS[name], present, n_threads, arguments.dtype, arguments.rounds, arguments.turn
            )
            for peer, reason in result["failed"].items():
                print(f"{peer}: {reason}")
            missing |= result["failed"]
            results.append(result)
            print(report.comparison_table([result]), flush=True)
    versions = {}
    for result in results:
        for figures in result["peers"].values():
            versions |= figures["versions"]
    run = {**describe_run(arguments, results), "versions": versions, "missing": missing}
    finish(run, arguments.output, "training", report.comparison_markdown(run), report.draw_comparison)


def run_scaling(arguments: argparse.Namespace) -> None:
    """Measure how fastbp's time grows, and report."""
    missing = compare.find_missing(["fastbp"])
    if missing:
        raise SystemExit(f"scaling measures fastbp, which is {missing['fastbp']}")
    sweeps = [replace(sweep, values=sweep.values[:3]) if arguments.quick else sweep for sweep in scaling.SWEEPS]
    results = []
    for sweep in sweeps:
        for n_threads in arguments.threads:
            print(f"\n{sweep.quantity}, threads: {n_threads}", flush=True)
            result = scaling.run_sweep(sweep, n_threads, arguments.dtype, arguments.rounds, arguments.turn)
            results.append(result)
            print(f"{scaling.scaling_table([result])}\n\n{scaling.exponent_table([result])}", flush=True)
    run = {**describe_run(arguments, results), "versions": results[0]["versions"]}
    finish(run, arguments.output, "scaling", scaling.scaling_markdown(run), scaling.draw_scaling)


def finish(run: dict[str, Any], output: Path, stem: str, markdown: str, draw: Any) -> None:
    """Print the report and write the files."""
    print(f"\n{markdown}")
    for message in report.write(run, output, stem, markdown, draw):
        print(message)


def main(argv: list[str] | None = None) -> None:
    """Run what the command line asks for."""
    arguments = make_parser().parse_args(argv)
    fill_in(arguments)
    try:
        {"training": run_training, "scaling": run_scaling}[arguments.what](arguments)
    except (WorkerError, compare.DifferentComputationError) as error:
        raise SystemExit(f"bench: {error}") from error


if __name__ == "__main__":
    main()
