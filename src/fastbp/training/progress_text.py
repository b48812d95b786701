"""The text of the progress bar: as much as fits its line, loss and metrics before all else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import NamedTuple

__all__ = ["Fitted", "Version", "text_of", "versions"]

Figures = Mapping[str, float]

_HEADS = (
    "{desc} |{bar}| {remaining} left, {rate_noinv_fmt}",
    "{desc}, {remaining} left, {rate_noinv_fmt}",
    "{desc}, {remaining} left",
    "{desc}",
)
_LONGEST = {"bar": "####", "remaining": "0:00:00", "rate_noinv_fmt": "99.9k/s"}  # what room is left for


class Version(NamedTuple):
    """A line of the bar.

    Attributes
    ----------
    head : str
        tqdm's format of what stands before the figures.
    epoch : str
        The head's {desc}: "epoch 3/20".
    figures : str
        Loss and metrics.
    """

    head: str
    epoch: str
    figures: str

    @property
    def width(self) -> int:
        """The number of columns that it needs."""
        return len(self.head.format(desc=self.epoch, **_LONGEST)) + len(", ") + len(self.figures)


def versions(epoch: str, figures: Figures) -> list[Version]:
    """Return the lines for an epoch, such as "3/20", each shorter than the one before.

    The bar goes first, then the rate and the time left, then digits, then letters of the names, then the metrics in
    training where there are those of the validation.
    """
    said = f"epoch {epoch}"
    shorter = (text_of(figures, 3), _abbreviated(figures), _of_validation(figures))
    return [
        *(Version(head, said, text_of(figures)) for head in _HEADS),
        *(Version("{desc}", said, text) for text in shorter),
        Version("{desc}", epoch, _of_validation(figures).replace(" 0.", " .")),
    ]


class Fitted:
    """The lines of one bar.

    One that has become shorter stays so until the width changes, or it would change its form with every digit.
    """

    def __init__(self) -> None:
        self._index = 0
        self._width: int | None = None

    def line(self, epoch: str, figures: Figures, width: int | None) -> Version:
        """Return the fullest line of this width or less; None: of any width."""
        lines = versions(epoch, figures)
        if width is None:
            return lines[0]
        start = self._index if width == self._width else 0
        self._width = width
        self._index = next((i for i in range(start, len(lines)) if lines[i].width <= width), len(lines) - 1)
        return _cut(lines[self._index], width)


def _cut(line: Version, width: int) -> Version:
    """Return a line without the last figures that it has no room for."""
    shown = line.figures.split(", ")
    while line.width > width and len(shown) > 1:
        shown.pop()
        line = line._replace(figures=", ".join([*shown, "..."]))
    return line


def text_of(figures: Figures, digits: int = 4) -> str:
    """Return figures with their names, and the validation's beside those of training."""
    return ", ".join(_pairs(figures, digits))


def _abbreviated(figures: Figures) -> str:
    return ", ".join(_pairs({_shorten(name): value for name, value in figures.items()}, 3))


def _of_validation(figures: Figures) -> str:
    """Return the figures of the validation, and those that have none."""
    number = partial(_number, digits=3)
    alone = [f"{_shorten(name)} {number(value)}" for name, value in figures.items() if _is_alone(name, figures)]
    validated = [(name.removeprefix("val_"), value) for name, value in figures.items() if name.startswith("val_")]
    both = ", ".join(f"{_shorten(name)} {number(value)}" for name, value in validated)
    return ", ".join([*alone, f"val: {both}"] if both else alone)


def _is_alone(name: str, figures: Figures) -> bool:
    return not name.startswith("val_") and f"val_{name}" not in figures


def _pairs(figures: Figures, digits: int) -> Iterator[str]:
    for name, value in figures.items():
        validation = figures.get(f"val_{name}")
        if not (name.startswith("val_") and name.removeprefix("val_") in figures):
            beside = "" if validation is None else f"/{_number(validation, digits)}"
            yield f"{name} {_number(value, digits)}{beside}"


def _shorten(name: str) -> str:
    """Return a name with three letters of each long word: "balanced_accuracy" is "bal_acc"."""
    return "_".join(word if len(word) <= 4 else word[:3] for word in name.split("_"))


def _number(value: float, digits: int) -> str:
    text = f"{value:.{digits}g}"
    return f"{value:.0f}" if "e+0" in text and abs(value) < 1e7 else text  # 12345 rather than 1.234e+04
