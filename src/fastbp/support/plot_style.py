"""One look for all pictures: a colour for training and one for validation, a light grid, no frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastbp.support.replacement import replace_file

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["LINE_WIDTH", "TRAINING", "VALIDATION", "mark_kept", "save_picture", "tidy"]

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


def save_picture(figure: Figure, path: Path) -> None:
    """Write a picture as a whole, in the format of the file's extension; a name without one gets ".png".

    Raises
    ------
    OSError
        If the file cannot be written; a former one is then as it was.
    ValueError
        If the extension is of no format that matplotlib writes.
    """
    target = path if path.suffix else path.with_name(f"{path.name}.png")
    replace_file(target, lambda file: figure.savefig(file, format=target.suffix[1:].lower(), dpi=120))
