"""The charts of a report: each takes numbers and returns a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastbp.commands.report.curves import ClassCurve, Reliability, interval_of_share
from fastbp.commands.report.pictures import draw
from fastbp.commands.words import shortened
from fastbp.support.plot_style import TRAINING, VALIDATION, mark_kept, tidy
from fastbp.tabular.fitted import Course

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "calibration",
    "class_curves",
    "errors",
    "importances",
    "learning_curve",
    "learning_curves",
    "residuals",
    "true_and_predicted",
]

Vector = NDArray[Any]

_PANEL = (4.3, 3.2)  # inches
_WITH_NAMES = (4.3, 3.9)  # of curves, below it
_MOST_POINTS = 600  # rows that are drawn as points; more are drawn as a density
_MOST_OF_CURVE = 300  # points of a curve
_STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))


def learning_curve(history: Mapping[str, Sequence[float]], name: str, best_epoch: int) -> str:
    """Return a figure, epoch by epoch, in training and validation."""

    from matplotlib.ticker import MaxNLocator

    def paint(figure: Figure) -> None:
        ax = figure.subplots()
        epochs = np.arange(1, len(history[name]) + 1)
        marker = "o" if len(epochs) == 1 else ""  # a single point needs one
        for key, colour, label in ((name, TRAINING, "training"), (f"val_{name}", VALIDATION, "validation")):
            ax.plot(epochs, history[key], color=colour, lw=1.6, marker=marker, label=label)
        mark_kept(ax, best_epoch)
        ax.set(xlabel="epoch", title=name)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        if name == "loss" and _many_times_larger(history[name], history[f"val_{name}"]):
            _scale_by_factors(ax)
        ax.legend()
        tidy(ax)

    return draw(paint, _PANEL, f"{name} by epoch")


def learning_curves(courses: Sequence[Course], name: str) -> str:
    """Return a figure of the rows held out, epoch by epoch, of several networks; a dot marks the epoch that is kept."""

    from matplotlib.ticker import MaxNLocator

    def paint(figure: Figure) -> None:
        ax = figure.subplots()
        for i, course in enumerate(courses):
            values = course.figures[f"val_{name}"]
            style, colour = _STYLES[i % len(_STYLES)], TRAINING if i % 2 == 0 else VALIDATION
            ax.plot(np.arange(1, len(values) + 1), values, color=colour, lw=1.3, ls=style, label=course.name)
            if course.best_epoch:
                ax.plot(course.best_epoch, values[course.best_epoch - 1], "o", color=colour, ms=5)
        ax.set(xlabel="epoch", title=f"{name} of rows held out")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        if name == "loss" and _many_times_larger(*(course.figures["val_loss"] for course in courses)):
            _scale_by_factors(ax)
        ax.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.45, -0.17), ncols=2)  # curves are everywhere
        tidy(ax)

    return draw(paint, _WITH_NAMES, f"{name} of rows held out, by epoch")


def class_curves(
    curves: Sequence[ClassCurve], names: Sequence[str], xlabel: str, ylabel: str, title: str, chance: bool
) -> str:
    """Return curves of classes, the first of them in the strongest line.

    Parameters
    ----------
    curves : sequence of ClassCurve
    names : sequence of str
        For the legend, one for each.
    xlabel, ylabel, title : str
    chance : bool
        Whether the diagonal is that of guesses.
    """

    def paint(figure: Figure) -> None:
        ax = figure.subplots()
        if chance:
            ax.plot([0, 1], [0, 1], color="0.5", lw=0.8, ls=":")
        for i, (curve, name) in enumerate(zip(curves, names, strict=True)):
            (line,) = ax.plot(*_thinned(curve.x, curve.y), color=TRAINING, lw=2, label=f"{name}: {curve.area:.3f}")
            if i:
                line.set(color=VALIDATION, lw=1.1, ls=_STYLES[(i - 1) % len(_STYLES)])
            if curve.label >= 0 and not chance:
                line.set_drawstyle("steps-pre")
        ax.set(xlabel=xlabel, ylabel=ylabel, title=title, xlim=(-0.02, 1.02), ylim=(-0.02, 1.04))
        ax.legend(loc="lower right" if chance else "lower left")
        tidy(ax)

    return draw(paint, (4.3, 3.7), title, names)


def calibration(bins: Reliability, what: str) -> str:
    """Return what happened over what was predicted, how far chance reaches, and how many rows each prediction has."""

    def paint(figure: Figure) -> None:
        ax, below = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": (3, 1)})
        ax.plot([0, 1], [0, 1], color="0.5", lw=0.8, ls=":", label="ideal")
        low, high = interval_of_share(bins.happened, bins.counts)
        ax.vlines(bins.predicted, low, high, color=VALIDATION, lw=1.4, label="95 % interval")
        ax.plot(bins.predicted, bins.happened, "o-", color=TRAINING, lw=1.6, ms=4, label="held-out rows")
        ax.set(ylabel="share of the rows", ylim=(-0.03, 1.03))
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)  # intervals may be anywhere
        below.bar(bins.predicted, bins.counts, width=0.03, color=TRAINING)
        below.set(xlabel=f"probability of {what}", ylabel="rows", xlim=(-0.03, 1.03))
        for each in (ax, below):
            tidy(each)

    return draw(paint, (4.3, 3.7), "calibration", [what])


def importances(means: Vector, low: Vector, high: Vector, columns: Sequence[str], loss: str) -> str:
    """Return a bar for what shuffling each column costs, the costliest first, with its interval from low to high."""
    names = [shortened(name, 24) for name in columns]

    def paint(figure: Figure) -> None:
        ax = figure.subplots()
        places = np.arange(len(means))[::-1]
        around = np.maximum(np.stack([means - low, high - means]), 0)
        ax.barh(places, means, height=0.7, color=TRAINING)
        ax.errorbar(
            means, places, xerr=around, fmt="none", color=VALIDATION, ecolor=VALIDATION, elinewidth=1.6, capsize=2
        )
        _write_short_numbers(ax)
        ax.set_yticks(places, names)
        ax.set(xlabel=f"increase of the {loss} when the column is shuffled", ylim=(-0.6, len(means) - 0.4))
        tidy(ax)
        ax.grid(visible=False, axis="y")

    return draw(paint, (5.2, 0.75 + 0.25 * len(means)), "importance of the columns", [*names, loss])


# ------------------------------------------------------------------------------------------------- numbers


def true_and_predicted(y: Vector, predicted: Vector, target: str) -> str:
    """Return predictions over the truth, with the line where they are equal."""

    def paint(figure: Figure) -> None:
        ax = figure.subplots()
        low, high = float(min(y.min(), predicted.min())), float(max(y.max(), predicted.max()))
        _scatter(ax, y, predicted, [[low, high], [low, high]])
        ax.plot([low, high], [low, high], color=VALIDATION, lw=1.2)
        ax.set(xlabel=f"true {shortened(target, 24)}", ylabel="predicted", title="predictions")
        tidy(ax)

    return draw(paint, _PANEL, "predicted and true values", [target])


def residuals(y: Vector, predicted: Vector, target: str) -> str:
    """Return the errors over the predictions: a trend, or a spread that grows, would be seen."""

    def paint(figure: Figure) -> None:
        ax = figure.subplots()
        _scatter(ax, predicted, predicted - y)
        ax.axhline(0, color=VALIDATION, lw=1.2)
        ax.set(xlabel=f"predicted {shortened(target, 24)}", ylabel="predicted - true", title="errors by prediction")
        tidy(ax)

    return draw(paint, _PANEL, "errors by prediction", [target])


def errors(y: Vector, predicted: Vector) -> str:
    """Return how the errors are spread; the outermost hundredth is at the edges."""

    def paint(figure: Figure) -> None:
        ax = figure.subplots()
        differences = predicted - y
        edge = float(np.quantile(np.abs(differences), 0.99)) or 1.0
        n_bars = int(np.clip(len(y) / 10, 10, 50))
        ax.hist(np.clip(differences, -edge, edge), bins=n_bars, color=TRAINING)
        _write_short_numbers(ax)
        ax.axvline(0, color=VALIDATION, lw=1.2)
        ax.set(xlabel="predicted - true", ylabel="rows", title="errors (outermost 1 % at the edges)")
        tidy(ax)

    return draw(paint, _PANEL, "distribution of the errors")


# -------------------------------------------------------------------------------------------------- drawing


def _scatter(ax: Axes, x: Vector, y: Vector, bounds: list[list[float]] | None = None) -> None:
    """Draw points; many of them as the logarithm of their density."""
    _write_short_numbers(ax)
    if len(x) <= _MOST_POINTS:
        ax.plot(x, y, "o", ms=3, mew=0, alpha=0.5, color=TRAINING)
        return
    counts, x_edges, y_edges = np.histogram2d(x, y, bins=50, range=bounds)
    darkness = np.log1p(counts.T) / np.log1p(counts.max())
    image = np.zeros((*darkness.shape, 4))
    image[..., :3] = _rgb(TRAINING)
    image[..., 3] = np.where(darkness > 0, 0.15 + 0.85 * darkness, 0)
    extent = (x_edges[0], x_edges[-1], y_edges[0], y_edges[-1])
    ax.imshow(image, origin="lower", extent=extent, aspect="auto", interpolation="none")


def _write_short_numbers(ax: Axes) -> None:
    """Write large numbers as 20k and 1.5M: the labels of an axis have little room."""
    from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator

    in_thousands = EngFormatter(sep="")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
        axis.set_major_formatter(
            FuncFormatter(lambda value, _: in_thousands(value) if 1e4 <= abs(value) < 1e13 else f"{value:.4g}")
        )


def _rgb(colour: str) -> tuple[float, ...]:
    from matplotlib.colors import to_rgb

    return tuple(to_rgb(colour))


def _thinned(x: Vector, y: Vector) -> tuple[Vector, Vector]:
    """Return so many points of a curve that no eye sees the difference: the last of those in each small step."""
    if len(x) <= _MOST_OF_CURVE:
        return x, y
    steps = np.floor((np.asarray(x) + np.asarray(y)) * _MOST_OF_CURVE / 2)
    kept = np.append(np.diff(steps) != 0, True)
    kept[0] = True
    return x[kept], y[kept]


def _many_times_larger(*lines: Sequence[float]) -> bool:
    values = np.concatenate(lines)
    values = values[np.isfinite(values)]
    return bool(len(values) and values.min() > 0 and values.max() > 5 * values.min())


def _scale_by_factors(ax: Axes) -> None:
    """Let the vertical axis be logarithmic, with plain numbers at it."""
    from matplotlib.ticker import LogLocator, StrMethodFormatter

    ax.set_yscale("log")
    low, high = ax.get_ylim()
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 1000 * low else (1,)))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.yaxis.set_minor_locator(LogLocator(subs=()))
