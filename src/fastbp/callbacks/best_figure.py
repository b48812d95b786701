"""A monitored figure, and the rule for what is better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from fastbp.support.checks import check_int, check_number, check_word, sentence
from fastbp.support.figures import missing_figure

__all__ = ["BestFigure", "Mode", "Ties"]

Mode = Literal["auto", "min", "max"]
Ties = Literal["first", "last"]

# Figures for which larger is better; for all others, such as losses and errors, smaller is.
_LARGER_IS_BETTER = ("accuracy", "r2", "f1", "precision", "recall", "auc", "average_precision")
# Further suffixes of such names: scikit-learn's functions, and averages over classes.
_SUFFIXES = ("_score", "_binary", "_macro", "_micro", "_weighted")


class BestFigure:
    """The best value so far of one figure of the epochs.

    Parameters
    ----------
    figure : str
        Its name in the history, such as "val_loss".
    mode : {"auto", "min", "max"}
        Whether smaller or larger is better; "auto" decides by the name: larger for accuracies, r2, f1, precision,
        recall and areas under a curve, smaller for all others.
    min_delta : float
        Smallest difference that counts as better.
    ties : {"first", "last"}
        Which of several epochs with the best value counts as the best.
    """

    def __init__(self, figure: Any, mode: Any, min_delta: Any = 0.0, ties: Any = "first") -> None:
        if not isinstance(figure, str):
            raise TypeError(sentence("monitor", figure, "the name of a figure of the history, such as 'val_loss'"))
        check_word(mode, "mode", ("auto", "min", "max"))
        self.figure = figure
        self.min_delta = check_number(min_delta, "min_delta", at_least=0)
        self._takes_ties = check_word(ties, "ties", ("first", "last")) == "last"
        if self._takes_ties and self.min_delta > 0:
            raise ValueError(f"ties is 'last' and min_delta is {min_delta!r}; expected min_delta=0 with it.")
        self._sign = 1.0 if mode == "max" or (mode == "auto" and _grows(figure)) else -1.0
        self.reset()

    def reset(self) -> None:
        """Forget the best value."""
        self.best, self.best_epoch = math.nan, 0  # no epoch yet

    def see(self, figures: Mapping[str, float]) -> bool:
        """Return whether an epoch is the best so far, and store it if so; NaN never is.

        Raises
        ------
        ValueError
            If the epoch has no such figure.
        """
        if self.figure not in figures:
            raise missing_figure(self.figure, figures)
        value = figures[self.figure]
        first = self.best_epoch == 0
        gain = self._sign * (value - self.best)
        if math.isnan(value) or not (first or gain > self.min_delta or (self._takes_ties and gain == 0)):
            return False
        self.best, self.best_epoch = value, int(figures["epoch"])
        return True

    def get_state(self) -> dict[str, Any]:
        """Return the best so far as plain data."""
        return {"best": self.best, "best_epoch": self.best_epoch}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""
        best, epoch = state["best"], state["best_epoch"]
        if type(best) not in (int, float):
            raise TypeError(sentence("best", best, "a number"))
        self.best, self.best_epoch = float(best), check_int(epoch, "best_epoch", minimum=0)


def _grows(figure: str) -> bool:
    """Return whether larger is better for a figure of that name."""
    name = figure.removeprefix("val_")
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return name.endswith(_LARGER_IS_BETTER)
