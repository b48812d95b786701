"""The ``fastbp`` command: it parses the arguments and calls the modules of the commands."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import fastbp
from fastbp.commands.console import in_sentences, prepare_console
from fastbp.commands.errors import CommandError
from fastbp.commands.private_arguments import add_private_options, add_schema_command
from fastbp.support.precision import check_precision
from fastbp.support.threads import choose_threads

if TYPE_CHECKING:
    from fastbp.commands.written_tables import Reading

__all__ = ["main", "make_parser"]

_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 success, 1 failure, 2 wrong arguments, 130 interrupted.

    Parameters
    ----------
    arguments : sequence of str, optional
        Arguments after ``fastbp`` on the command line; ``sys.argv[1:]`` if None.
    """
    prepare_console()
    parser = make_parser()
    options = parser.parse_args(arguments)
    if options.command == "info":
        return in_sentences(fastbp.show_config)
    if options.command in _COMMANDS:
        return _run_command(parser, options)
    if options.dataset == "digits" and options.data is not None:
        parser.error("--data is for `fastbp demo fashion-mnist`; the digits come with scikit-learn")
    try:
        n_threads = choose_threads(options.threads)
    except ValueError as error:
        parser.error(str(error))
    return _run_demo(options, n_threads)


def _run_command(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    try:
        n_threads = choose_threads(getattr(options, "threads", None))
    except ValueError as error:
        parser.error(str(error))
    return in_sentences(lambda: _COMMANDS[options.command](options, n_threads))


def _bench(options: argparse.Namespace, n_threads: int) -> None:
    from fastbp.commands import bench

    bench.run(options.seconds, n_threads, options.chart)


def _train(options: argparse.Namespace, n_threads: int) -> None:
    from fastbp.commands import outcome, private_settings, roles, train

    private = private_settings.private_settings(options)
    settings = outcome.Settings(
        hidden=options.hidden,
        epochs=options.epochs,
        batch_size=options.batch_size,
        seed=options.seed,
        n_threads=n_threads,
        progress=not options.quiet,
        precision=_precision(options),
        preset=options.preset,
        time_limit=options.time_limit,
        metric=options.metric,
        folds=options.folds,
        refit=options.refit,
        dropout=options.dropout,
        learning_rate=options.learning_rate,
        loss=options.loss,
        class_weight=options.class_weight,
        test=options.test,
    )
    choice = roles.Choice(
        options.drop, options.keep, options.id, options.categorical, options.numeric, options.sample_weight
    )
    if private is not None:
        from fastbp.commands import private_train  # which other trainings do not need

        private_train.train_privately(options, private, settings, choice, _reading(options))
        return
    train.run(
        options.data,
        options.target,
        options.task,
        settings,
        out=options.out,
        report=options.report,
        choice=choice,
        reading=_reading(options),
    )


def _schema(options: argparse.Namespace, n_threads: int) -> None:
    from fastbp.commands import schema_file

    schema_file.run(options.data, options.out, _reading(options))


def _predict(options: argparse.Namespace, n_threads: int) -> None:
    from fastbp.commands import predict

    predict.run(
        options.model,
        options.data,
        options.out,
        wanted=predict.Wanted(options.carry, options.interval),
        reading=_reading(options),
        n_threads=n_threads,
        precision=_precision(options),
    )


def _explain(options: argparse.Namespace, n_threads: int) -> None:
    from fastbp.commands import explain

    explain.run(
        options.model,
        options.data,
        rows=options.rows,
        background=options.background,
        report=options.report,
        reading=_reading(options),
        n_threads=n_threads,
    )


def _inspect(options: argparse.Namespace, n_threads: int) -> None:
    from fastbp.commands import inspect

    inspect.run(options.data, options.target, _reading(options))


def _export(options: argparse.Namespace, n_threads: int) -> None:
    from fastbp.commands import export

    export.run(options.model, options.out, opset=options.opset, name=options.name, check=options.check)


def _reading(options: argparse.Namespace) -> Reading:
    from fastbp.commands.written_tables import Reading

    return Reading(options.sep, options.encoding, options.decimal, options.header, options.sheet)


_COMMANDS = {
    "bench": _bench,
    "schema": _schema,
    "train": _train,
    "predict": _predict,
    "explain": _explain,
    "inspect": _inspect,
    "export": _export,
}


def _run_demo(options: argparse.Namespace, n_threads: int) -> int:
    from fastbp.demo import run  # not needed by `fastbp info`

    def demo() -> int:
        agreed = run(
            options.dataset, data=options.data, output=options.output, epochs=options.epochs, n_threads=n_threads
        )
        return 0 if agreed else 1

    return in_sentences(demo, interrupted="interrupted; nothing was saved")


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command and of all that follow it."""
    parser = argparse.ArgumentParser(prog="fastbp", description="Fast, reproducible backpropagation on multicore CPUs.")
    parser.add_argument("--version", action="version", version=f"fastbp {fastbp.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    for add in (_add_demo, _add_bench, _add_train, _add_predict, _add_explain, _add_inspect, _add_export):
        add(commands)
    add_schema_command(commands, _add_data)
    commands.add_parser("info", help="show the version, the instruction set and the threads in use")
    return parser


def _add_demo(commands: _Commands) -> None:
    demo = commands.add_parser(
        "demo",
        help="train a network on real images, and the same network in pure NumPy",
        description="Train a network on real images and print its test accuracy; train the same network with the same "
        "initial weights and batches in pure NumPy; compare losses and times; save the model and a picture of the "
        "learning curves.",
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
        "--output", type=Path, default=Path(), metavar="DIR", help="where to save model and picture (default: here)"
    )
    demo.add_argument("--epochs", type=_positive, metavar="N", help="number of epochs (default: 20; fashion-mnist: 10)")
    _add_threads(demo)


def _add_bench(commands: _Commands) -> None:
    bench = commands.add_parser(
        "bench",
        help="compare a training step with pure NumPy on this machine, in about a minute",
        description="Train five networks in turn with fastbp and with pure NumPy, each in its own process, and show "
        "the time of a step.",
    )
    bench.add_argument("--seconds", type=_seconds, default=60.0, metavar="S", help="how long to measure (default: 60)")
    _add_threads(bench)
    bench.add_argument("--chart", type=Path, metavar="FILE", help="write a chart to this PNG, SVG or PDF file")


def _add_predict(commands: _Commands) -> None:
    predict = commands.add_parser(
        "predict",
        help="apply a model of `fastbp train` to another table",
        description="Predict each row of a table. Columns are found by their names in any order; columns that "
        "the model does not know are ignored.",
    )
    predict.add_argument("model", type=Path, metavar="MODEL", help="the file that `fastbp train` saved")
    _add_data(predict)
    predict.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="file for the predictions: .csv, .tsv, .parquet, .feather, .xlsx, .jsonl or .npy; - writes CSV to a pipe",
    )
    predict.add_argument(
        "--carry",
        action="append",
        default=[],
        metavar="COLUMNS",
        help="columns of DATA to write beside the predictions, with commas between them; identifiers always are",
    )
    predict.add_argument(
        "--interval",
        type=_share,
        metavar="SHARE",
        help="also write the interval around each number in which this share of rows lies, such as 0.9",
    )
    _add_threads(predict)
    _add_precision(predict)


def _add_explain(commands: _Commands) -> None:
    explain = commands.add_parser(
        "explain",
        help="say why a model of `fastbp train` predicts what it does",
        description="Show each column's share of the prediction of some rows: its Shapley value, counted from the mean "
        "of other rows; and for classes the smallest change that leads to another one.",
    )
    explain.add_argument("model", type=Path, metavar="MODEL", help="the file that `fastbp train` saved")
    _add_data(explain)
    explain.add_argument(
        "--rows", type=_sizes, metavar="N,N", help="numbers of rows, from 1 after the header (default: the first five)"
    )
    explain.add_argument(
        "--background", type=Path, metavar="FILE", help="a table with the rows to compare with (default: DATA)"
    )
    explain.add_argument("--report", type=Path, metavar="FILE", help="write pictures and sentences to this HTML file")
    _add_threads(explain)


def _add_inspect(commands: _Commands) -> None:
    inspect = commands.add_parser(
        "inspect",
        help="report problems of a table: missing values, constant or duplicate columns, scales",
        description="Report problems of a table before training on it.",
    )
    _add_data(inspect)
    inspect.add_argument("--target", metavar="COLUMN", help="the column to predict, if known")


def _add_export(commands: _Commands) -> None:
    export = commands.add_parser(
        "export",
        help="write a saved model as ONNX or as C source",
        description="Write a model of `fastbp train`, or another model that fastbp saved, for other programs.",
    )
    export.add_argument("model", type=Path, metavar="MODEL", help="the file that was saved")
    export.add_argument("out", type=Path, metavar="OUT", help="file to write: .onnx, or .c with its .h beside it")
    export.add_argument("--opset", type=_positive, default=17, metavar="N", help="of ONNX, 17 (default) to 23")
    export.add_argument("--check", action="store_true", help="run the ONNX file on made-up rows, and compare")
    export.add_argument("--name", default="net", metavar="TEXT", help="what names in C begin with (default: net)")


def _add_train(commands: _Commands) -> None:
    train = commands.add_parser(
        "train",
        help="train networks on a table, and save them for `fastbp predict`",
        description="Train networks to predict one column of a table from the others: those of the recipe for tables, "
        "or with --hidden a single one. Text columns are categories, missing values are imputed, and a fifth of the "
        "rows is held out for the scores.",
    )
    _add_data(train)
    _add_columns(train)
    _add_recipe(train)
    add_private_options(train)
    train.add_argument(
        "--seed", type=_whole, default=0, metavar="N", help="seed of weights, shuffling and split (default: 0)"
    )
    train.add_argument(
        "--test",
        type=Path,
        metavar="FILE",
        help="another table, with the target, to score on; without it a fifth of DATA is held out",
    )
    _add_threads(train)
    _add_precision(train)
    train.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="where to save the model (default: DATA's name.fastbp.safetensors, here)",
    )
    train.add_argument("--report", type=Path, metavar="FILE", help="write a report to this HTML file")
    train.add_argument("--quiet", action="store_true", help="no progress bar")


def _add_columns(train: argparse.ArgumentParser) -> None:
    columns = train.add_argument_group("what the columns are, found out where nothing is said")
    columns.add_argument("--target", required=True, metavar="COLUMN", help="the column to predict")
    columns.add_argument(
        "--task",
        choices=["auto", "class", "regression"],
        default="auto",
        help="kind of target (default: classes for text, for a few different whole numbers, and for more of them that "
        "have no natural order; else numbers)",
    )
    for option, help_text in (
        ("--drop", "columns to leave out"),
        ("--keep", "columns to learn from that would be left out, as identifiers are"),
        ("--id", "columns that name the rows: left out, and written beside the predictions"),
        ("--categorical", "columns of categories, such as codes, that would be read as numbers"),
        ("--numeric", "columns of numbers that would be read as text"),
    ):
        columns.add_argument(
            option, action="append", default=[], metavar="COLUMNS", help=f"{help_text}; commas between names"
        )
    columns.add_argument("--sample-weight", metavar="COLUMN", help="the column of how much each row counts")


def _add_recipe(train: argparse.ArgumentParser) -> None:
    recipe = train.add_argument_group("how it is trained")
    recipe.add_argument(
        "--preset",
        choices=["fast", "default", "best"],
        help="one network (up to 4,000 rows four); one of each of four folds (default); six of each of eight, weighted",
    )
    recipe.add_argument("--time-limit", type=_seconds, metavar="S", help="seconds that training may take")
    recipe.add_argument(
        "--metric",
        choices=["auto", "accuracy", "log_loss", "roc_auc", "rmse", "mae"],
        default="auto",
        help="what decides which epoch is best (default: accuracy, roc_auc where one of two classes is rare, rmse)",
    )
    recipe.add_argument("--folds", type=_folds, metavar="N", help="parts of the rows, each held out once")
    recipe.add_argument("--refit", action="store_true", help="train again on all rows, but those of the scores")
    recipe.add_argument(
        "--loss",
        choices=["auto", "cross_entropy", "mse", "mae", "huber", "log_cosh", "log", "poisson"],
        default="auto",
        help="what is minimised (default: cross_entropy; for numbers mse, log for skewed ones or poisson for counts "
        "where held-out rows are predicted better)",
    )
    recipe.add_argument(
        "--class-weight", metavar="WEIGHTS", help='"balanced", or weights of classes such as yes=5,no=1'
    )
    recipe.add_argument("--dropout", type=_rate_of_dropout, metavar="P", help="share of units left out in each step")
    recipe.add_argument("--learning-rate", type=_rate, metavar="R", help="the highest learning rate")
    recipe.add_argument(
        "--hidden", type=_sizes, metavar="N,N", help="train one network with hidden layers of so many units instead"
    )
    recipe.add_argument("--epochs", type=_positive, metavar="N", help="most epochs (default: by the number of rows)")
    recipe.add_argument(
        "--batch-size", type=_positive, metavar="N", help="rows per step (default: by the number of rows)"
    )


def _add_data(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "data",
        type=Path,
        metavar="DATA",
        help="CSV (also compressed), Parquet, Feather, Excel, JSON lines, NPY or NPZ; - is the standard input",
    )
    reading = command.add_argument_group("how DATA is written, found out where nothing is said")
    reading.add_argument("--sep", type=_separator, metavar="TEXT", help="what separates fields: , ; | or tab")
    reading.add_argument("--encoding", metavar="NAME", help="of a file of text, such as utf-8 or cp1252")
    reading.add_argument("--decimal", choices=[".", ","], help="the decimal mark")
    reading.add_argument(
        "--header", action=argparse.BooleanOptionalAction, help="whether the first row has the columns' names"
    )
    reading.add_argument("--sheet", metavar="NAME", help="of a workbook: the name of a sheet, or its number from 1")


def _add_threads(command: argparse.ArgumentParser) -> None:
    command.add_argument("--threads", type=_positive, metavar="N", help="threads of fastbp (default: all CPUs)")


def _add_precision(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--precision",
        choices=["float32", "bf16-mixed"],
        help="of products (default: float32); bf16-mixed is faster on CPUs that multiply bfloat16, see `fastbp info`",
    )


def _precision(options: argparse.Namespace) -> str | None:
    """Return --precision; refuse what this machine cannot do before the data are read."""
    try:
        return check_precision(options.precision, "float32")
    except ValueError as error:
        raise CommandError(f"--{error}") from None


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(_positive(size.strip()) for size in text.split(","))


def _separator(text: str) -> str:
    return {"tab": "\t", "\\t": "\t", "blank": r"\s+", " ": r"\s+"}.get(text, text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share above 0 and below 1, such as 0.9")
    return share


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) >= 2**64:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 0 or more")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds


def _folds(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 2 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 2 to 100")
    return int(text)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a learning rate above 0 and up to 1, such as 0.002")
    return rate


def _rate_of_dropout(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0 <= rate < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share of 0 or more and below 1, such as 0.15")
    return rate


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)
