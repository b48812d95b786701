"""Pictures of an explanation: bars of one row, a swarm of points for many, one column's values over its numbers."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastbp.explanations.axes import new_axes, put_bars, put_dates, put_names, shortened
from fastbp.explanations.cells import moments_of, text_of
from fastbp.explanations.columns import column_of
from fastbp.explanations.shares import Shares, as_numbers, largest
from fastbp.support.checks import check_word
from fastbp.support.plot_style import TRAINING, VALIDATION, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw"]

Floats = NDArray[np.float64]

_KINDS = ("bars", "beeswarm", "dependence")
_UP, _DOWN = VALIDATION, TRAINING  # what raises the answer, and what lowers it
_SWARM_BINS = 60
_MOST_LABELS = 12  # of categories below an axis


def draw(explanation: Shares, kind: str | None, column: Any, most: int, ax: Axes | None) -> Axes:
    """Draw as ``Explanation.plot`` says."""
    if explanation.outputs is not None:
        raise ValueError("several outputs are explained; expected one. Choose it first: explanation.of_output(...).")
    if kind is None:
        kind = "dependence" if column is not None else "bars" if len(explanation) == 1 else "beeswarm"
    check_word(kind, "kind", _KINDS)
    if (column is None) == (kind == "dependence"):
        raise ValueError(
            f"kind is {kind!r} and column is {column!r}; expected a column with 'dependence', and with nothing else."
        )
    ax = new_axes(ax, 1.1 + 0.32 * min(most, len(explanation.columns)) if kind != "dependence" else 4.0)
    if kind == "dependence":
        _draw_dependence(explanation, column_of(column, explanation.columns), ax)
    elif kind == "bars":
        _draw_bars(explanation, most, ax)
    else:
        _draw_swarm(explanation, most, ax)
    return ax


def _draw_bars(explanation: Shares, most: int, ax: Axes) -> None:
    one = len(explanation) == 1
    sizes = explanation.importance
    order = largest(sizes, most)
    values = explanation.values[0, order] if one else sizes[order]
    errors = None
    if one and explanation.standard_errors is not None:
        errors = 2 * explanation.standard_errors[0, order]
    names = [_with_value(explanation, j) if one else shortened(explanation.columns[j]) for j in order]
    places = np.arange(len(order))
    colours = [_UP if value > 0 else _DOWN for value in values] if one else _DOWN
    ax.barh(places, values, color=colours, height=0.7, xerr=errors, error_kw={"ecolor": "0.5", "lw": 1})
    ax.set_xlabel(_label(explanation) if one else f"mean size of the {_word(explanation)}, {explanation.output}")
    if one and explanation.base_values is not None:
        base = float(explanation.base_values[0])
        ax.set_title(f"from {base:.4g} to {base + explanation.values[0].sum():.4g}", fontsize="medium")
    put_bars(ax, names)


def _draw_swarm(explanation: Shares, most: int, ax: Axes) -> None:
    order = largest(explanation.importance, most)
    numbers = as_numbers(explanation.data)
    are_texts = [any(isinstance(value, str) for value in column) for column in explanation.data.T]
    points = None
    for place, j in enumerate(order):
        values = explanation.values[:, j]
        heights = place + _swarm(values)
        ranks = _ranks(numbers[:, j])
        known = np.isfinite(ranks) & (not are_texts[j])  # categories are neither low nor high
        ax.scatter(values[~known], heights[~known], s=9, color="0.5", linewidths=0)
        if known.any():
            points = ax.scatter(
                values[known], heights[known], c=ranks[known], s=9, cmap="coolwarm", vmin=0, vmax=1, linewidths=0
            )
    ax.axvline(0, color="0.5", linewidth=0.8, zorder=0)
    ax.set_yticks(np.arange(len(order)), [shortened(explanation.columns[j]) for j in order])
    ax.set_ylim(len(order) - 0.4, -0.6)
    ax.set_xlabel(_label(explanation))
    tidy(ax)
    if points is not None and ax.figure is not None:
        bar = ax.figure.colorbar(points, ax=ax, ticks=[0, 1], aspect=30, pad=0.02)
        bar.ax.set_yticklabels(["low", "high"])
        bar.set_label("the column's value", labelpad=-12)
        bar.outline.set_visible(False)


def _swarm(values: Floats) -> Floats:
    """Return how far each point is moved up or down, so that points with about the same value lie side by side."""
    low, high = values.min(), values.max()
    bins = np.zeros(len(values), np.int64) if high <= low else ((values - low) / (high - low) * _SWARM_BINS).astype(int)
    heights = np.zeros(len(values))
    fullest = max(int(np.bincount(bins).max()), 8)
    for number in np.unique(bins):
        inside = np.flatnonzero(bins == number)
        steps = np.arange(len(inside))
        heights[inside] = np.where(steps % 2 == 0, 1, -1) * ((steps + 1) // 2) * (0.8 / fullest)
    return heights


def _ranks(numbers: Floats) -> Floats:
    """Return the share of the rows that have smaller numbers, from 0 to 1; NaN where a number is missing."""
    known = np.isfinite(numbers)
    ranks = np.full(len(numbers), np.nan)
    levels, places = np.unique(numbers[known], return_inverse=True)
    ranks[known] = places / max(len(levels) - 1, 1) if len(levels) > 1 else 0.5
    return ranks


def _draw_dependence(explanation: Shares, j: int, ax: Axes) -> None:
    column, values = explanation.data[:, j], explanation.values[:, j]
    texts = sorted({value for value in column if isinstance(value, str)})
    numbers: Any = as_numbers(explanation.data[:, [j]])[:, 0]
    if any(isinstance(value, datetime) for value in column):
        numbers = moments_of(numbers)
        put_dates(ax)
    if texts:
        rng = np.random.default_rng(0)
        numbers = numbers + rng.uniform(-0.15, 0.15, len(numbers))  # so that points do not cover each other
        if len(texts) <= _MOST_LABELS:
            put_names(ax, texts)
    errors = None if explanation.standard_errors is None else 2 * explanation.standard_errors[:, j]
    ax.errorbar(numbers, values, yerr=errors, fmt="none", ecolor="0.5", elinewidth=0.8, zorder=1)
    ax.scatter(numbers, values, s=14, color=_DOWN, alpha=0.7, linewidths=0, zorder=2)
    ax.axhline(0, color="0.5", linewidth=0.8)
    ax.set_xlabel(shortened(explanation.columns[j]))
    ax.set_ylabel(_label(explanation))
    tidy(ax)


def _label(explanation: Shares) -> str:
    of = "" if explanation.title in (explanation.output, "output") else f" of {shortened(explanation.title)}"
    return f"{_word(explanation)} of the {explanation.output}{of}"


def _word(explanation: Shares) -> str:
    """Return what a value is called."""
    return "slope" if explanation.method in ("saliency", "smoothgrad") else "share"


def _with_value(explanation: Shares, j: int) -> str:
    return f"{shortened(explanation.columns[j])} = {shortened(text_of(explanation.data[0, j], 4))}"
