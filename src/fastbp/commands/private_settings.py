"""What ``fastbp train --epsilon`` was asked for, and what it refuses: all that would tell of private rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from fastbp.commands.errors import CommandError
from fastbp.commands.outcome import Settings
from fastbp.commands.roles import Choice

__all__ = ["PrivateSettings", "check_private_options", "private_settings"]

_BY_SCHEMA = "the schema says what the columns are"
_BY_ROWS = "it would be decided by private rows"
_NO_RECIPE = "one network is trained, on all rows"


class PrivateSettings(NamedTuple):
    """The options of private training.

    Attributes
    ----------
    epsilon, delta : float
    schema : Path
    public_test : Path or None
        A table that is public, to score on.
    max_grad_norm : float
    """

    epsilon: float
    delta: float
    schema: Path
    public_test: Path | None = None
    max_grad_norm: float = 1.0


def private_settings(options: Any) -> PrivateSettings | None:
    """Return the options of private training, None where it was not asked for.

    Raises
    ------
    CommandError
        If one of them is missing, or is given without --epsilon.
    """
    others = {
        "--delta": options.delta,
        "--schema": options.schema,
        "--public-test": options.public_test,
        "--max-grad-norm": options.max_grad_norm,
    }
    if options.epsilon is None:
        for option, value in others.items():
            if value is not None:
                raise CommandError(f"{option} is for private training; pass --epsilon too, or leave it out")
        return None
    if options.delta is None:
        raise CommandError("--epsilon needs --delta, far below one divided by the number of rows, such as --delta 1e-5")
    if options.schema is None:
        raise CommandError(
            "--epsilon needs --schema FILE, which says the ranges and categories of the columns: they may not be "
            f"learned from private rows. `fastbp schema {options.data}` begins such a file, to be filled in from what "
            "is public"
        )
    norm = 1.0 if options.max_grad_norm is None else options.max_grad_norm
    return PrivateSettings(options.epsilon, options.delta, options.schema, options.public_test, norm)


def check_private_options(kind: str, settings: Settings, choice: Choice) -> None:
    """Refuse options whose effect would depend on private rows, or that have none.

    Raises
    ------
    CommandError
        Which names the option and what to do.
    """
    refused = {
        "--task": (kind if kind != "auto" else None, _BY_SCHEMA),
        "--drop": (choice.drop, f'{_BY_SCHEMA}: kind = "ignore" drops one'),
        "--keep": (choice.keep, _BY_SCHEMA),
        "--id": (choice.ids, f'{_BY_SCHEMA}: kind = "ignore" leaves one out'),
        "--categorical": (choice.categorical, _BY_SCHEMA),
        "--numeric": (choice.numeric, _BY_SCHEMA),
        "--sample-weight": (choice.weight, "each row counts alike"),
        "--test": (settings.test, "scores would reveal its rows; pass --public-test if they are public"),
        "--preset": (settings.preset, _NO_RECIPE),
        "--folds": (settings.folds, _BY_ROWS),
        "--refit": (settings.refit, _NO_RECIPE),
        "--time-limit": (settings.time_limit, "the steps are counted beforehand; pass --epochs"),
        "--metric": (settings.metric if settings.metric != "auto" else None, _BY_ROWS),
        "--loss": (settings.loss if settings.loss != "auto" else None, "cross_entropy or mse is minimised"),
        "--class-weight": (settings.class_weight, "each class counts alike"),
        "--dropout": (settings.dropout, "noise does what dropout is for"),
        "--precision": (settings.precision, "rounded products have norms that are not bounded"),
    }
    for option, (value, why) in refused.items():
        if value:
            raise CommandError(f"{option} does not go with --epsilon: {why}. Leave it out")
