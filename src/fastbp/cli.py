"""The ``fastbp`` command: ``fastbp demo``, ``fastbp demo fashion-mnist --data DIR``, ``fastbp info``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import fastbp
from fastbp.threads import choose_threads

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 done, 1 could not be done, 2 misspelt, 130 interrupted.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows ``fastbp`` on the command line; ``sys.argv[1:]`` if None.
    """
    parser = _make_parser()
    options = parser.parse_args(arguments)
    if options.command == "info":
        fastbp.show_config()
        return 0
    if options.command == "bench":
        return _run_bench(parser, options)
    if options.dataset == "digits" and options.data is not None:
        parser.error("--data is for `fastbp demo fashion-mnist`; the digits come with scikit-learn")
    try:
        n_threads = choose_threads(options.threads)
    except ValueError as error:
        parser.error(str(error))
    return _run_demo(options, n_threads)


def _run_bench(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    from fastbp.commands import bench
    from fastbp.commands.errors import CommandError

    try:
        bench.run(options.seconds, options.threads and choose_threads(options.threads), options.chart)
    except ValueError as error:
        parser.error(str(error))
    except CommandError as error:
        print(f"fastbp: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nfastbp: interrupted", file=sys.stderr)
        return 130
    return 0


def _run_demo(options: argparse.Namespace, n_threads: int) -> int:
    from fastbp.demo import DemoError, run  # not needed by `fastbp info`

    try:
        agreed = run(
            options.dataset,
            data=options.data,
            output=options.output,
            epochs=options.epochs,
            n_threads=n_threads,
        )
    except DemoError as error:
        print(f"fastbp: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nfastbp: interrupted; nothing was saved", file=sys.stderr)
        return 130
    return 0 if agreed else 1


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fastbp", description="Fast, reproducible backpropagation on multicore CPUs.")
    parser.add_argument("--version", action="version", version=f"fastbp {fastbp.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    demo = commands.add_parser(
        "demo",
        help="train a network on real images, beside the same training in pure NumPy",
        description="Train a network on real images and print its test accuracy; train the same network from the same "
        "weights over the same batches in pure NumPy; compare their losses and their times; save the model and a "
        "picture of the learning curves.",
    )
    demo.add_argument(
        "dataset",
        nargs="?",
        default="digits",
        choices=["digits", "fashion-mnist"],
        help="digits (default): 1,797 handwritten digits that come with scikit-learn; fashion-mnist: 70,000 images",
    )
    demo.add_argument(
        "--data", type=Path, metavar="DIR", help="directory of the IDX files of fashion-mnist, gzipped or not"
    )
    demo.add_argument(
        "--output", type=Path, default=Path(), metavar="DIR", help="where model and picture go (default: here)"
    )
    demo.add_argument(
        "--epochs", type=_positive, metavar="N", help="passes over the data (default: 20; fashion-mnist: 10)"
    )
    demo.add_argument(
        "--threads", type=_positive, metavar="N", help="threads of fastbp (default: as many as there are)"
    )

    bench = commands.add_parser(
        "bench",
        help="compare a training step with pure NumPy on this machine, in about a minute",
        description="Train five networks in turn by fastbp and by pure NumPy, each in a process of its own, and show "
        "what a step takes.",
    )
    bench.add_argument("--seconds", type=_seconds, default=60.0, metavar="S", help="how long to measure (default: 60)")
    bench.add_argument(
        "--threads", type=_positive, metavar="N", help="threads of fastbp (default: as many as there are)"
    )
    bench.add_argument("--chart", type=Path, metavar="FILE", help="draw a chart there: PNG, SVG or PDF by its name")

    commands.add_parser("info", help="show the version, the instruction set and the threads in use")
    return parser


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)
