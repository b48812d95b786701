"""The section about how the prediction depends on the most important columns."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

import fastbp as fb
from fastbp.commands.outcome import Outcome
from fastbp.commands.report import markup
from fastbp.commands.report.pictures import draw
from fastbp.commands.words import shortened
from fastbp.support.checks import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["dependence_section"]

_MOST_COLUMNS = 4
_MOST_ROWS = 200
_MOST_CURVES = 5  # classes that are drawn together
_PANEL = (4.3, 3.0)  # inches


def dependence_section(outcome: Outcome, columns: Sequence[str]) -> str:
    """Return the partial dependence on some columns.

    Parameters
    ----------
    outcome : Outcome
    columns : sequence of str
        Names of columns, the most important first; up to four are drawn.
    """
    n_rows = min(len(outcome.test_rows), _MOST_ROWS)
    rows = np.random.default_rng(0).permutation(outcome.test_rows)[:n_rows]
    task = outcome.task
    what = task.target
    target = None
    if task.kind == "class" and (len(task.classes) == 2 or len(task.classes) > _MOST_CURVES):
        target = 1 if len(task.classes) == 2 else int(np.bincount(task.y).argmax())
        what = f"probability of {shortened(task.classes[target], 30)}"
    elif task.kind == "class":
        what = "probability of each class"
    model, pictures = outcome.trained.explained(), []
    for name in columns[:_MOST_COLUMNS]:
        effect = fb.partial_dependence(
            model, task.X.iloc[rows], str(name), target=target, n_threads=outcome.trained.n_threads
        )
        pictures.append(_picture(effect, task.classes, what))
    said = f"The mean prediction for {counted(n_rows, 'held-out row')}, when all have the same value in a column; the "
    said += "band, or the bar, is an interval of 95 % for it. Thin lines are single rows: where they cross, other "
    said += "columns decide what this one does."
    return markup.section(
        "Dependence on the most important columns", markup.paragraph(said, quiet=True), markup.side_by_side(*pictures)
    )


def _picture(effect: fb.Effect, classes: Sequence[str], what: str) -> str:
    if effect.outputs is not None:
        effect = replace(effect, outputs=tuple(shortened(name, 20) for name in classes))
    names = [effect.column, what, *map(str, effect.grid), *map(str, effect.outputs or ())]
    return draw(functools.partial(_paint, effect, what), _PANEL, f"dependence on {effect.column}", names)


def _paint(effect: fb.Effect, what: str, figure: Figure) -> None:
    ax = effect.plot(ax=figure.subplots())
    ax.set_ylabel(shortened(what, 30))
