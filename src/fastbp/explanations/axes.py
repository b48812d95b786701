"""Axes for pictures of explanations, and the pictures of rankings and of curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastbp.explanations.cells import as_moment
from fastbp.support.plot_style import LINE_WIDTH, TRAINING, VALIDATION, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_curves", "draw_ranking", "new_axes", "put_bars", "put_dates", "put_names", "shortened"]

Array = NDArray[Any]
Floats = NDArray[np.float64]

_LONGEST_NAME = 28
_DATES = {"minticks": 2, "maxticks": 5}  # between which there is an interval of the calendar for any range
_NUMBERS = 5  # ticks below bars, whose names take a part of the width
_SPREAD = 0.6  # of the points of several curves at a name
_ROOM = 40  # characters that stand side by side below an axis
_MOST_LINES = 60  # of single rows
_COLOURS, _LINES, _MARKS = (TRAINING, VALIDATION), ("-", "--", ":", "-."), "os^D"  # of several curves


def new_axes(ax: Axes | None, height: float) -> Axes:
    """Return the axes to draw on: those given, or those of a new figure of some height in inches."""
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError:
        remedy = "pip install 'fastbp[plot]'"
        raise ImportError(f"a picture needs matplotlib, which is not installed: {remedy}.") from None
    _, made = pyplot.subplots(figsize=(7, max(height, 2.2)), layout="constrained")
    return made


def put_bars(ax: Axes, names: Sequence[str]) -> None:
    """Name bars, the first one at the top, with few numbers below them."""
    ax.axvline(0, color="0.5", linewidth=0.8)
    ax.set_yticks(np.arange(len(names)), names)
    ax.invert_yaxis()
    if ax.get_xscale() == "linear":  # of axes that were given it may be another
        ax.locator_params(axis="x", nbins=_NUMBERS)
    tidy(ax)
    ax.grid(visible=False, axis="y")


def put_names(ax: Axes, names: Sequence[str]) -> None:
    """Name the places 0, 1, 2... below an axis, aslant where the names would not fit side by side."""
    shown = [shortened(name) for name in names]
    if sum(map(len, shown)) <= _ROOM:
        ax.set_xticks(range(len(shown)), shown)
    else:
        ax.set_xticks(range(len(shown)), shown, rotation=30, ha="right", rotation_mode="anchor")


def put_dates(ax: Axes) -> None:
    """Let the ticks below moments be dates, as they are written elsewhere."""
    from matplotlib import dates

    untyped: Any = dates
    ax.xaxis.set_major_locator(untyped.AutoDateLocator(**_DATES))
    ax.xaxis.set_major_formatter(lambda place, _: as_moment(untyped.num2date(place).timestamp()))
    ax.tick_params(axis="x", labelsize="small")


def shortened(text: str) -> str:
    """Return a name that fits beside an axis."""
    return text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 1]}…"


def _both_ends(text: str) -> str:
    """Return the ends of a name that fits beside an axis: those of a pair tell of both columns."""
    half = _LONGEST_NAME // 2
    return text if len(text) <= _LONGEST_NAME else f"{text[:half]}…{text[1 - half :]}"


def draw_ranking(names: Sequence[str], values: Floats, low: Floats, high: Floats, what: str, ax: Axes | None) -> Axes:
    """Draw a bar with its interval for each name."""
    ax = new_axes(ax, 1.1 + 0.32 * len(names))
    places = np.arange(len(names))
    around = np.maximum(np.stack([values - low, high - values]), 0)
    ax.barh(places, values, color=TRAINING, height=0.7, xerr=around, error_kw={"ecolor": "0.5", "lw": 1})
    ax.set_xlabel(what)
    put_bars(ax, [_both_ends(name) for name in names])
    return ax


def draw_curves(
    grid: Array,
    curves: Floats,
    around: tuple[Floats, Floats],
    labels: Sequence[str] | None,
    of_rows: Floats | None,
    titles: tuple[str, str],
    seen: Floats | None,
    ax: Axes | None,
) -> Axes:
    """Draw curves with their intervals over a grid.

    Parameters
    ----------
    grid : ndarray of shape (n_grid,)
        Numbers, moments, or text, which stands side by side.
    curves : float64 ndarray of shape (n_grid, n_curves)
    around : two float64 ndarrays of shape (n_grid, n_curves)
        The ends of the intervals.
    labels : sequence of str or None
        What several curves are called.
    of_rows : float64 ndarray of shape (n_rows, n_grid) or None
        The curves of single rows, thin lines behind that of all.
    titles : (str, str)
        Of both axes.
    seen : float64 ndarray or None
        Numbers or moments of the data, as ticks below.
    ax : matplotlib Axes or None
    """
    ax = new_axes(ax, 4.0)
    is_text = grid.dtype == object
    x = np.arange(len(grid)) if is_text else grid
    if grid.dtype.kind == "M":
        put_dates(ax)
    if of_rows is not None:
        step = -(-len(of_rows) // _MOST_LINES)
        ax.plot(x, of_rows[::step].T, color="0.5", linewidth=0.6, alpha=0.6)
    for i in range(curves.shape[1]):
        colour, kind = _COLOURS[i % 2], i // 2 % len(_LINES)
        label = None if labels is None else shortened(labels[i])
        low, high = around[0][:, i], around[1][:, i]
        if is_text:
            ends = np.maximum(np.stack([curves[:, i] - low, high - curves[:, i]]), 0)
            beside = (i + 0.5) / curves.shape[1] - 0.5  # so that points of several curves do not cover each other
            ax.errorbar(
                x + _SPREAD * beside, curves[:, i], yerr=ends, fmt=_MARKS[kind], color=colour, capsize=3, label=label
            )
        else:
            ax.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
            ax.plot(x, curves[:, i], color=colour, linestyle=_LINES[kind], linewidth=LINE_WIDTH, label=label)
    if is_text:
        put_names(ax, list(map(str, grid)))
        ax.set_xlim(-0.5, len(grid) - 0.5)
    elif seen is not None and len(seen):
        ax.plot(seen, np.full(len(seen), 0.01), "|", color="0.5", markersize=6, transform=ax.get_xaxis_transform())
    if labels is not None:
        ax.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)  # above, where no point lies
    ax.set_xlabel(shortened(titles[0]))
    ax.set_ylabel(titles[1])
    tidy(ax)
    return ax
