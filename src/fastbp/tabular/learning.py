"""From rows of a table and their targets to the fitted networks: what the estimators and the command line share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.tabular.fitted import FittedTable
from fastbp.tabular.fitting import Fit, Split, fit_table, make_splits
from fastbp.tabular.reading import TableReader
from fastbp.tabular.recipe import LINEAR, PRESETS
from fastbp.tabular.targets import ClassTargets, NumberTargets, Targets, candidate_forms

__all__ = ["CLASS_METRICS", "NUMBER_METRICS", "Rows", "choose_metric", "fit_linear", "fit_rows", "splits_of"]

Array = NDArray[Any]
Floats = NDArray[np.float64]

CLASS_METRICS = ("accuracy", "log_loss", "roc_auc")
NUMBER_METRICS = ("rmse", "mae")

_RARE = 0.1  # the share of the rarer of two classes, below which hardly any prediction is that class
_PILOT_EPOCHS = 12  # of the networks that try the forms of the targets
_PILOT_ROWS = 20_000
_PILOT_TIME = 1 / 8  # of a limit, for each form
_CLEARLY = 0.98  # times the error of the plain numbers: another form is taken below that


@dataclass(frozen=True)
class Rows:
    """What is learned from.

    Attributes
    ----------
    table : ndarray of shape (n_rows, n_numbers + n_categories)
        What the reader read.
    y : ndarray of shape (n_rows,) of class numbers, or (n_rows, n_outputs)
    weights : ndarray of shape (n_rows,) or None
        Of the rows; above 0.
    groups : ndarray of shape (n_rows,) or None
        Rows of the same group are held out together.
    """

    table: Floats
    y: Array
    weights: Floats | None = None
    groups: Array | None = None

    def and_to_choose_by(self, table: Floats, y: Array) -> tuple[Rows, list[Split]]:
        """Return these rows followed by others, and the split that holds those out."""
        n, n_more = len(self.y), len(y)
        weights = None if self.weights is None else np.concatenate([self.weights, np.ones(n_more)])
        rows = Rows(np.concatenate([self.table, table]), np.concatenate([self.y, y]), weights)
        return rows, [(np.arange(n), np.arange(n, n + n_more))]


def choose_metric(y: Array, n_classes: int) -> tuple[str, str]:
    """Return the metric that "auto" stands for, and why.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        Class numbers.
    n_classes : int
        0 for numbers.
    """
    if not n_classes:
        return "rmse", "the target is a number"
    counts = np.bincount(y, minlength=n_classes)
    if n_classes == 2 and counts.min() < _RARE * len(y):
        return "roc_auc", f"the rarer of two classes has {counts.min() / len(y):.1%} of the rows"
    return "accuracy", "the target is one of several classes"


def splits_of(rows: Rows, fit: Fit, n_bags: int | None, n_classes: int) -> list[Split]:
    """Return the splits of rows into those to train on and those held out.

    Parameters
    ----------
    rows : Rows
    fit : Fit
    n_bags : int or None
        Number of folds; None: by the preset and the number of rows.
    n_classes : int
        0 for numbers.
    """
    targets = ClassTargets(n_classes) if n_classes else NumberTargets.of(rows.y)
    return make_splits(rows.y, targets, n_bags, fit.preset, rows.groups, fit.seed)


def fit_rows(
    reader: TableReader,
    rows: Rows,
    loss: str,
    fit: Fit,
    splits: Sequence[Split],
    n_classes: int = 0,
) -> FittedTable:
    """Train the networks of a table.

    Parameters
    ----------
    reader : TableReader
    rows : Rows
    loss : str
        Of numbers, one of NUMBER_LOSSES; or "auto": the squared error, or where the rows held out are predicted clearly
        better, that of logarithms, or the deviance of counts. Classes have the cross-entropy.
    fit : Fit
    splits : sequence of (rows to train on, rows held out)
    n_classes : int
        0 for numbers.
    """
    y = rows.y
    known = ClassTargets(n_classes) if n_classes else None
    seen = y[np.unique(np.concatenate([train for train, _ in splits]))]
    if known is None and loss == "auto":
        loss = _best_loss(reader, rows, splits, fit, seen)
    targets: Targets = known or NumberTargets.of(seen, loss)
    return fit_table(reader, rows.table, targets, y, rows.weights, splits, fit)


def fit_linear(reader: TableReader, rows: Rows, fit: Fit, n_classes: int) -> FittedTable:
    """Return the linear model of a table, trained as the networks are: to compare with."""
    preset = replace(PRESETS["fast"], members=LINEAR[:1])
    linear = replace(fit, preset=preset, refit=False, progress=False, may_be_constant=False)
    return fit_rows(reader, rows, "mse", linear, splits_of(rows, linear, None, n_classes), n_classes)


def _best_loss(reader: TableReader, rows: Rows, splits: Sequence[Split], fit: Fit, seen: Floats) -> str:
    """Return the loss of numbers by which a small network predicts the rows held out best."""
    losses = ["mse" if form == "plain" else form for form in candidate_forms(rows.y)]
    if len(losses) == 1:
        return "mse"
    train, held_out = (part[:_PILOT_ROWS] for part in splits[0])
    both = np.concatenate([train, held_out])
    split = np.arange(len(train)), np.arange(len(train), len(both))
    weights = None if rows.weights is None else rows.weights[both]
    pilot = replace(
        fit,
        preset=replace(PRESETS["fast"], epochs=_PILOT_EPOCHS),
        refit=False,
        progress=False,
        may_be_constant=False,
    )
    errors = {}
    for loss in losses:
        targets = NumberTargets.of(seen, loss)
        timed = replace(pilot, budget=None if fit.budget is None else fit.budget.part(_PILOT_TIME))
        fitted = fit_table(reader, rows.table[both], targets, rows.y[both], weights, [split], timed)
        errors[loss] = fitted.record.errors["blend"]
    best = min(losses, key=errors.__getitem__)
    return best if errors[best] < _CLEARLY * errors["mse"] else "mse"
