"""The picture of the confusion matrix: with numbers for a few classes, with names for some, as a pattern for many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastbp.commands.report.pictures import draw
from fastbp.commands.words import shortened
from fastbp.support.plot_style import TRAINING, VALIDATION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["MOST_WITH_NAMES", "confusion_matrix"]

MOST_WITH_NUMBERS, MOST_WITH_NAMES = 15, 40
_LETTER = 0.075  # inches, the width of one
_MOST_LABELS = 30  # of classes, where not all have room


def confusion_matrix(counts: NDArray[np.int64], classes: Sequence[Any]) -> str:
    """Return the matrix: a row for each true class; the shares predicted right are blue, those predicted wrong orange.

    Parameters
    ----------
    counts : int ndarray of shape (n, n)
        Rows of each true (row) and predicted (column) class.
    classes : sequence of n names
        In the order of the matrix.
    """
    n = len(classes)
    names = [shortened(name, 14) for name in classes]

    def paint(figure: Figure) -> None:
        ax = figure.subplots()
        opacities = _opacities(counts, n <= MOST_WITH_NUMBERS)
        ax.imshow(_colours(opacities), interpolation="none")
        if n <= MOST_WITH_NUMBERS:
            _write_numbers(ax, counts, opacities)
        _write_names(ax, names, side)
        ax.set(xlabel="predicted", ylabel="true")
        ax.spines[:].set(color="0.5", alpha=0.4)

    side = min(2.0 + (0.5 if n <= MOST_WITH_NUMBERS else 0.19) * n, 8.4) if n <= MOST_WITH_NAMES else 7.6
    return draw(paint, (side + 0.6, side), "confusion matrix", names, wide=side > 5.5)


def _opacities(counts: NDArray[np.int64], large: bool) -> NDArray[np.float64]:
    """Return how opaque each cell is: by its share; in small cells small shares would not be seen, so by its root."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return np.where(counts > 0, 0.15 + 0.85 * (shares if large else np.sqrt(shares)), 0)


def _colours(opacities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the colour of each cell."""
    from matplotlib.colors import to_rgb

    n = len(opacities)
    image = np.zeros((n, n, 4))
    image[..., :3] = to_rgb(VALIDATION)
    image[np.arange(n), np.arange(n), :3] = to_rgb(TRAINING)
    image[..., 3] = opacities
    return image


def _write_numbers(ax: Axes, counts: NDArray[np.int64], opacities: NDArray[np.float64]) -> None:
    size = 9 if len(counts) <= 8 and counts.max() < 10_000 else 7
    for i, j in np.ndindex(*counts.shape):
        if counts[i, j]:
            colour = "white" if opacities[i, j] > 0.55 else ax.xaxis.label.get_color()
            ax.text(j, i, f"{counts[i, j]:,}", ha="center", va="center", fontsize=size, color=colour)


def _write_names(ax: Axes, names: Sequence[str], side: float) -> None:
    step = 1 if len(names) <= MOST_WITH_NAMES else -(-len(names) // _MOST_LABELS)
    places, shown = range(0, len(names), step), names[::step]
    size = "medium" if len(names) <= MOST_WITH_NUMBERS else "small"
    upright = _LETTER * max(map(len, names)) > (side - 1) / len(names)
    ax.set_yticks(places, shown, fontsize=size)
    ax.set_xticks(places, shown, fontsize=size, rotation=90 if upright else 0)
