"""One look for all pictures: a colour for training and one for validation, a light grid, no frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LINE_WIDTH", "TRAINING", "VALIDATION", "mark_kept", "tidy"]

TRAINING, VALIDATION = "#2563a8", "#d97706"  # blue and orange, which colour-blind readers tell apart
LINE_WIDTH = 1.6


def tidy(ax: Axes) -> None:
    """Take the upper and the right edge and the ticks off a panel, and lay a light grid under curves."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(length=0)
    ax.set_axisbelow(True)
    if not ax.get_images():  # a picture, such as a confusion matrix, is not to be ruled
        ax.grid(visible=True, color="0.5", alpha=0.25, linewidth=0.6)


def mark_kept(ax: Axes, epoch: int, what: str = "kept") -> None:
    """Mark the epoch whose weights were kept, or that is special for another reason, by a dotted line."""
    ax.axvline(epoch, color="0.5", linewidth=1, linestyle=":", label=f"epoch {epoch}, {what}")
