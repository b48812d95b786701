"""`python -m bench training`, predict, costs, scaling or estimators; from the root of the repository. See README.md."""

import argparse
import shlex
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import compare, costs, estimators, machine, predict, report, scaling
from .peers import PEERS, peers_of, usual_peers_of
from .worker import WorkerError
from .workloads import DEFAULT_WORKLOADS, WORKLOADS, Workload

_DEFAULT_OUTPUT = Path(__file__).resolve().parent / "results"
_WORKLOADS = {
    "training": DEFAULT_WORKLOADS,
    "predict": predict.DEFAULT_WORKLOADS,
    "costs": costs.DEFAULT_WORKLOADS,
}
_QUICK_WORKLOADS = {"training": ("rl", "digits"), "predict": ("rl",), "costs": ("rl",)}
_ROUNDS = {"training": 9, "predict": 9, "costs": 9, "scaling": 5, "estimators": 5}


def make_parser() -> argparse.ArgumentParser:
    """The options of all commands."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("what", nargs="?", choices=_ROUNDS, default="training", help="default: %(default)s")
    parser.add_argument(
        "--workloads",
        nargs="+",
        choices=WORKLOADS,
        metavar="NAME",
        help=f"of {', '.join(WORKLOADS)} (default: the first {len(DEFAULT_WORKLOADS)}; "
        f"predict: {', '.join(predict.DEFAULT_WORKLOADS)}; costs: {', '.join(costs.DEFAULT_WORKLOADS)})",
    )
    parser.add_argument(
        "--peers", nargs="+", choices=PEERS, metavar="NAME", help=f"of {', '.join(PEERS)} (default: all but the -bf16)"
    )
    parser.add_argument("--threads", nargs="+", type=_positive, metavar="N", help="default: 1, and all CPUs")
    parser.add_argument(
        "--rounds", type=_positive, help="turns of each peer (default: 9; scaling, estimators: 5; quick: 2)"
    )
    parser.add_argument("--turn", type=float, metavar="SECONDS", help="length of a turn (default: 0.3; quick: 0.03)")
    parser.add_argument(
        "--dtype", nargs="+", choices=estimators.DTYPES, help="default: float32; one, but of estimators both"
    )
    parser.add_argument(
        "--output", type=Path, default=_DEFAULT_OUTPUT, metavar="DIR", help="for the files (default: bench/results)"
    )
    parser.add_argument("--data", metavar="DIR", help="of the files of Fashion-MNIST, for estimators")
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
    if arguments.data is None:
        del arguments.data
    elif arguments.what != "estimators":
        raise SystemExit(f"bench: --data: not for {arguments.what}, whose data are synthetic")
    if arguments.what in _WORKLOADS:
        fill_in_comparison(arguments)
    else:
        take_away(arguments, "workloads", "peers")
    if arguments.threads is None:
        arguments.threads = sorted({1, len(machine.usable_cpus())})
    if arguments.rounds is None:
        arguments.rounds = 2 if quick else _ROUNDS[arguments.what]
    if arguments.what == "estimators":  # whole calls
        take_away(arguments, "turn")
        arguments.dtype = arguments.dtype or list(estimators.DTYPES[: 1 if quick else None])
        return
    arguments.dtype = the_one_of(arguments.dtype or ["float32"], arguments.what)
    if arguments.turn is None:
        arguments.turn = 0.03 if quick else 0.3


def the_one_of(dtypes: list[str], what: str) -> str:
    """The dtype of a command that has one."""
    if len(dtypes) > 1:
        raise SystemExit(f"bench: --dtype: one for {what}, not {' and '.join(dtypes)}")
    return dtypes[0]


def take_away(arguments: argparse.Namespace, *names: str) -> None:
    """Remove options that a command does not have, and refuse them where they are given."""
    for name in names:
        if getattr(arguments, name) is not None:
            raise SystemExit(f"bench: --{name}: not for {arguments.what}")
        delattr(arguments, name)


def fill_in_comparison(arguments: argparse.Namespace) -> None:
    """What is compared, and who takes part."""
    if arguments.workloads is None:
        arguments.workloads = list((_QUICK_WORKLOADS if arguments.quick else _WORKLOADS)[arguments.what])
    able = peers_of(arguments.what)
    if arguments.peers is None:
        arguments.peers = usual_peers_of(arguments.what)
    unable = [peer for peer in arguments.peers if peer not in able]
    if unable:
        raise SystemExit(f"bench: {', '.join(unable)}: not a peer in {arguments.what}")


def describe_run(arguments: argparse.Namespace, results: list[dict[str, Any]]) -> dict[str, Any]:
    """What all kinds of run have in common, for the JSON file."""
    settings = {name: value for name, value in vars(arguments).items() if name not in ("what", "output")}
    if "data" in settings:
        settings["data"] = "DIR"  # where it lies is this machine's affair
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


def find_peers(names: list[str]) -> tuple[list[str], dict[str, str]]:
    """The peers that are installed; and what to tell of those that are not, which is printed too."""
    missing = compare.find_missing(names)
    for peer, reason in missing.items():
        print(f"{peer}: {reason}", flush=True)
    return [peer for peer in names if peer not in missing], missing


def run_training(arguments: argparse.Namespace) -> None:
    """Compare the peers in training every workload, and report."""
    workloads = [WORKLOADS[name] for name in arguments.workloads]
    run_comparison(arguments, compare.TRAINING, workloads, report.TRAINING)


def run_predict(arguments: argparse.Namespace) -> None:
    """Compare the peers in predicting for every workload and number of rows, and report."""
    run_comparison(arguments, predict.PREDICT, predict.make_workloads(arguments.workloads), report.PREDICT)


def run_comparison(
    arguments: argparse.Namespace, task: compare.Task, workloads: list[Workload], wording: report.Wording
) -> None:
    """Compare the peers on every workload and number of threads, and report."""
    present, missing = find_peers(arguments.peers)
    results = []
    for workload in workloads:
        for n_threads in arguments.threads:
            print(f"\n{workload.name} {workload.describe()}, threads: {n_threads}", flush=True)
            result = compare.compare(
                task, workload, present, n_threads, arguments.dtype, arguments.rounds, arguments.turn
            )
            for peer, reason in result["failed"].items():
                print(f"{peer}: {reason}")
            missing |= result["failed"]
            results.append(result)
            print(report.comparison_table([result], wording), flush=True)
    versions = {}
    for result in results:
        for figures in result["peers"].values():
            versions |= figures["versions"]
    run = {**describe_run(arguments, results), "versions": versions, "missing": missing}
    finish(run, arguments.output, task.command, report.comparison_markdown(run, wording), report.draw_comparison)


def run_costs(arguments: argparse.Namespace) -> None:
    """Measure what each feature costs every peer, and report."""
    present, missing = find_peers(arguments.peers)
    results = []
    for name in arguments.workloads:
        for n_threads in arguments.threads:
            for feature in costs.FEATURES:
                workload, options = WORKLOADS[name], (arguments.dtype, arguments.rounds, arguments.turn)
                results.append(costs.measure(workload, feature, present, n_threads, *options))
                print(f"\n{costs.costs_table(results[-1:])}", flush=True)
    versions = {name: version for result in results for name, version in result["versions"].items()}
    run = {**describe_run(arguments, results), "versions": versions, "missing": missing}
    finish(run, arguments.output, "costs", costs.costs_markdown(run), costs.draw_costs)


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


def run_estimators(arguments: argparse.Namespace) -> None:
    """Compare the estimators on all data, and report."""
    missing = compare.find_missing(["fastbp", "sklearn"])
    if missing:
        raise SystemExit(
            "; ".join(f"estimators compares fastbp and sklearn; {peer}: {missing[peer]}" for peer in missing)
        )
    quick, directory = arguments.quick, getattr(arguments, "data", None)
    results = []
    for case in [estimators.CASES[name] for name in (estimators.QUICK_CASES if quick else estimators.CASES)]:
        for hidden in estimators.HIDDEN[:1] if quick else estimators.HIDDEN:
            for dtype in arguments.dtype:
                for n_threads in arguments.threads:
                    rounds = arguments.rounds
                    results.append(estimators.measure(case, hidden, dtype, n_threads, rounds, quick, directory))
                    print(f"\n{estimators.estimators_table(results[-1:])}", flush=True)
    run = {**describe_run(arguments, results), "versions": results[0]["versions"]}
    finish(run, arguments.output, "estimators", estimators.estimators_markdown(run), estimators.draw_estimators)


def finish(run: dict[str, Any], output: Path, stem: str, markdown: str, draw: Any) -> None:
    """Print the report and write the files."""
    print(f"\n{markdown}")
    for message in report.write(run, output, stem, markdown, draw):
        print(message)


_COMMANDS = {
    "training": run_training,
    "predict": run_predict,
    "costs": run_costs,
    "scaling": run_scaling,
    "estimators": run_estimators,
}


def main(argv: list[str] | None = None) -> None:
    """Run what the command line asks for."""
    arguments = make_parser().parse_args(argv)
    fill_in(arguments)
    try:
        _COMMANDS[arguments.what](arguments)
    except (WorkerError, compare.DifferentComputationError) as error:
        raise SystemExit(f"bench: {error}") from error


if __name__ == "__main__":
    main()
