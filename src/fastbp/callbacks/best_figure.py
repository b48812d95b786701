"""A figure that is watched, and what counts as better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from fastbp.support.checks import check_number, sentence

__all__ = ["Mode", "BestFigure"]

Mode = Literal["auto", "min", "max"]

# What is the better the larger it is; all else, above all losses and errors, the smaller.
_LARGER_IS_BETTER = ("accuracy", "r2", "f1", "precision", "recall", "auc", "average_precision")
# What names may end in beside: scikit-learn's functions, and averages over classes.
_SUFFIXES = ("_score", "_binary", "_macro", "_micro", "_weighted")


class BestFigure:
    """The best value so far of one figure of the epochs.

    Parameters
    ----------
    figure : str
        Its name in the history, such as "val_loss".
    mode : {"auto", "min", "max"}
        Whether smaller or larger is better; "auto" goes by the name: accuracies, r2, f1, precision, recall and areas
        under a curve are to grow, all else is to fall.
    min_delta : float
        What it must be better by.
    """

    def __init__(self, figure: Any, mode: Any, min_delta: Any = 0.0) -> None:
        if not isinstance(figure, str):
            raise TypeError(sentence("monitor", figure, "the name of a figure of the history, such as 'val_loss'"))
        if mode not in ("auto", "min", "max"):
            raise ValueError(sentence("mode", mode, "'auto', 'min' or 'max'"))
        self.figure = figure
        self.min_delta = check_number(min_delta, "min_delta", at_least=0)
        self._sign = 1.0 if mode == "max" or (mode == "auto" and _grows(figure)) else -1.0
        self.reset()

    def reset(self) -> None:
        """Forget the best."""
        self.best, self.best_epoch = math.nan, 0  # none yet

    def see(self, figures: Mapping[str, float]) -> bool:
        """Return whether an epoch is the best so far, and remember it if so; NaN never is.

        Raises
        ------
        ValueError
            If the epoch has no such figure.
        """
        if self.figure not in figures:
            known = ", ".join(repr(name) for name in figures if name not in ("epoch", "seconds"))
            remedy = " Give fit validation_data or validation_fraction." if self.figure.startswith("val_") else ""
            raise ValueError(
                f"monitor is {self.figure!r}; expected one of the figures that there are: {known}.{remedy}"
            )
        value = figures[self.figure]
        first = self.best_epoch == 0
        if math.isnan(value) or not (first or self._sign * (value - self.best) > self.min_delta):
            return False
        self.best, self.best_epoch = value, int(figures["epoch"])
        return True

    def get_state(self) -> dict[str, Any]:
        """Return the best so far as plain data."""
        return {"best": self.best, "best_epoch": self.best_epoch}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.best, self.best_epoch = float(state["best"]), int(state["best_epoch"])


def _grows(figure: str) -> bool:
    """Return whether a figure of that name is the better the larger it is."""
    name = figure.removeprefix("val_")
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return name.endswith(_LARGER_IS_BETTER)
