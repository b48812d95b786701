"""One look for all pictures: a colour for training and one for validation, a light grid, no frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["TRAINING", "VALIDATION", "mark_kept", "tidy"]

TRAINING, VALIDATION = "#2563a8", "#d97706"  # blue and orange, which colour-blind readers tell apart


def tidy(ax: Axes) -> None:
    """Take the upper and right edge off a panel, and lay a light grid under its curves."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(visible=True, color="0.5", alpha=0.25, linewidth=0.6)
    ax.set_axisbelow(True)


def mark_kept(ax: Axes, epoch: int) -> None:
    """Mark the epoch whose weights were kept by a dotted line, with its number in the legend."""
    ax.axvline(epoch, color="0.5", linewidth=1, linestyle=":", label=f"epoch {epoch}, kept")
