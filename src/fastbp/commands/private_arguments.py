"""The arguments of private training, and of the command that writes a schema for it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["add_private_options", "add_schema_command"]


def add_private_options(train: argparse.ArgumentParser) -> None:
    """Add the options of ``fastbp train`` that make it private."""
    private = train.add_argument_group("private training: little is revealed about any one row")
    private.add_argument(
        "--epsilon", type=_above_zero, metavar="E", help="the budget of differential privacy, such as 3; less is safer"
    )
    private.add_argument(
        "--delta", type=_probability, metavar="D", help="far below one divided by the number of rows, such as 1e-5"
    )
    private.add_argument(
        "--schema", type=Path, metavar="FILE", help="ranges and categories of the columns; `fastbp schema` begins one"
    )
    private.add_argument(
        "--public-test", type=Path, metavar="FILE", help="another table, whose rows are public, to score on"
    )
    private.add_argument(
        "--max-grad-norm", type=_norm, metavar="C", help="what each row's gradient is cut to (default: 1)"
    )


def add_schema_command(commands: Any, add_data: Callable[[argparse.ArgumentParser], None]) -> None:
    """Add ``fastbp schema``; `add_data` adds the arguments of a table."""
    schema = commands.add_parser(
        "schema",
        help="begin the schema that private training needs",
        description="Write the names and kinds of a table's columns to a file in which you say what is public: ranges "
        "and categories. No value of the table goes into it.",
    )
    add_data(schema)
    schema.add_argument(
        "--out", type=Path, metavar="FILE", help="where to write it (default: DATA's name.schema.toml, here)"
    )


def _above_zero(text: str) -> float:
    number = _number(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0, such as 3")
    return number


def _probability(text: str) -> float:
    number = _number(text)
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0 and below 1, such as 1e-5")
    return number


def _norm(text: str) -> float:
    number = _number(text)
    if not 1e-6 <= number <= 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1e-6 to 1e6, such as 1")
    return number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
