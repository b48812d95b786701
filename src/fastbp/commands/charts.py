"""The charts of a report, as text that an HTML page can hold."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fastbp.training.history import History

__all__ = ["confusion", "curves", "importances", "residuals"]

_TRAINING, _VALIDATION = "#2563a8", "#d97706"


def curves(history: History, metric: str, best_epoch: int) -> str:
    """Return the loss (left) and a metric (right), epoch by epoch, in training and validation."""
    figure = _figure(9.6, 3.2)
    axes = figure.subplots(1, 2)
    epochs = np.arange(1, history.n_epochs + 1)
    for ax, name in zip(axes, ("loss", metric), strict=True):
        ax.plot(epochs, history[name], color=_TRAINING, lw=1.6, label="training")
        ax.plot(epochs, history[f"val_{name}"], color=_VALIDATION, lw=1.6, label="validation")
        ax.axvline(best_epoch, color="0.6", lw=1, ls=":", label=f"epoch {best_epoch}, kept")
        ax.set(xlabel="epoch", title=name)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend(frameon=False)
    if min(history["loss"] + history["val_loss"]) > 0:
        _scale_by_factors(axes[0])
    return _image(figure, "Loss and score by epoch")


def confusion(y: NDArray[Any], predicted: NDArray[Any], classes: Sequence[Any]) -> str:
    """Return the confusion matrix: a row for each true class, whose cells are the fractions predicted as each class."""
    n = len(classes)
    counts = np.bincount(y * n + predicted, minlength=n * n).reshape(n, n)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = min(2.2 + 0.5 * n, 9.0)
    figure = _figure(size + 0.8, size)
    ax = figure.subplots()
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    names = [_short(name) for name in classes]
    if n <= 30:
        ax.set_xticks(range(n), names, rotation=45 if max(map(len, names)) > 3 else 0, ha="center")
        ax.set_yticks(range(n), names)
    if n <= 15:
        for i, j in np.ndindex(n, n):
            color = "white" if shares[i, j] > 0.55 else "0.15"
            ax.text(j, i, f"{counts[i, j]:,}", ha="center", va="center", color=color, fontsize=9)
    ax.set(xlabel="predicted", ylabel="true")
    ax.spines[:].set_visible(False)
    ax.grid(visible=False)
    return _image(figure, "Confusion matrix of the rows held out")


def residuals(y: NDArray[Any], predicted: NDArray[Any], target: str) -> str:
    """Return predictions against the truth (left), and how the errors are spread (right)."""
    figure = _figure(9.6, 3.8)
    left, right = figure.subplots(1, 2)
    low, high = float(min(y.min(), predicted.min())), float(max(y.max(), predicted.max()))
    left.hexbin(y, predicted, gridsize=60, bins="log", mincnt=1, cmap="Blues", extent=(low, high, low, high))
    left.plot([low, high], [low, high], color=_VALIDATION, lw=1)
    left.set(xlabel=f"true {target}", ylabel=f"predicted {target}", title="predictions")
    errors = predicted - y
    edge = float(np.quantile(np.abs(errors), 0.99)) or 1.0
    right.hist(np.clip(errors, -edge, edge), bins=60, color=_TRAINING)
    right.axvline(0, color=_VALIDATION, lw=1)
    right.set(xlabel="predicted - true", ylabel="rows", title="errors (outermost 1 % at the edges)")
    return _image(figure, "Predictions and errors on the rows held out")


def importances(losses: Mapping[str, float], what: str) -> str:
    """Return the feature importance: a bar for what shuffling each column costs, longest first."""
    ranked = sorted(losses.items(), key=lambda item: item[1])[-20:]
    figure = _figure(7.0, 0.6 + 0.28 * len(ranked))
    ax = figure.subplots()
    ax.barh(range(len(ranked)), [max(loss, 0.0) for _, loss in ranked], color=_TRAINING)
    ax.set_yticks(range(len(ranked)), [_short(name, 28) for name, _ in ranked])
    ax.set(xlabel=f"{what} lost when the column is shuffled")
    ax.grid(visible=False, axis="y")
    return _image(figure, "Feature importance")


def _scale_by_factors(ax: Axes) -> None:
    """Let the vertical axis be logarithmic, with plain numbers at it."""
    from matplotlib.ticker import LogLocator, StrMethodFormatter

    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.yaxis.set_minor_locator(LogLocator(subs=()))


def _short(name: Any, length: int = 14) -> str:
    text = str(name)
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure  # no pyplot: neither a display nor global state is needed

    return Figure(figsize=(width, height), layout="constrained")


def _image(figure: Figure, title: str) -> str:
    """Return a figure as an <img> that holds its own picture."""
    for ax in figure.axes:
        _tidy(ax)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=144)
    width = round(96 * figure.get_figwidth())  # CSS pixels, so that all charts have letters of one size
    picture = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{title}" width="{width}" src="data:image/png;base64,{picture}">'


def _tidy(ax: Axes) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(length=0)
    ax.set_axisbelow(True)
    if ax.get_images():
        return
    ax.grid(alpha=0.25, lw=0.6)
