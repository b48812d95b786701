"""What the members say of the rows held out, and how much of the prediction is the linear models'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.tabular.targets import NumberTargets, Targets

__all__ = ["Blend", "Said", "choose_share"]

Floats = NDArray[np.float64]

# Shares of the linear models in a small table's prediction that are tried.
_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def choose_share(losses: Sequence[Floats], one_more: float) -> float:
    """Return the largest share of the linear models that is not clearly worse than the best one.

    The best epochs of networks, which have more of a choice, were chosen on the same rows, so the networks look better
    there than they are. Clearly worse is a mean loss that is higher by more than one standard error of the difference,
    row by row (the rule of Breiman, Friedman, Olshen and Stone, 1984, with pairs); and by more than what one row adds
    that all networks get wrong, and that few rows did not have.

    Parameters
    ----------
    losses : sequence of ndarray of shape (n_rows,)
        For each of _SHARES, of the rows held out.
    one_more : float
        What such a row adds to the mean loss of the networks alone.
    """
    best = min(range(len(losses)), key=lambda i: losses[i].mean())
    for i in range(len(losses) - 1, best, -1):
        differences = losses[i] - losses[best]
        error = float(differences.std()) / len(differences) ** 0.5
        if differences.mean() <= np.hypot(error, one_more * (_SHARES[i] - _SHARES[best])):
            return _SHARES[i]
    return _SHARES[best]


@dataclass(frozen=True)
class Blend:
    """How the members are put together.

    Attributes
    ----------
    targets : Targets
        With what was learned of the predictions' level.
    share : float
        Of the linear models.
    errors : dict of str to float
        On rows held out, of "nets", "linear" and "blend", those that there are.
    residuals : ndarray of shape (n, n_outputs) or None
        How far the predictions of rows held out were off, rising; None for classes.
    """

    targets: Targets
    share: float
    errors: dict[str, float]
    residuals: Floats | None


class Said:
    """The means of the networks' and of the linear models' predictions of each row that was held out from them.

    Parameters
    ----------
    targets : Targets
    y : ndarray of shape (n_rows,) of class numbers, or (n_rows, n_outputs)
    """

    def __init__(self, targets: Targets, y: NDArray[Any]) -> None:
        self._targets, self._y = targets, y
        self._sums: dict[str, Floats] = {}
        self._counts: dict[str, Floats] = {}

    def add(self, kind: str, rows: NDArray[np.int64], outputs: NDArray[Any]) -> None:
        """Add the outputs of a member for these rows."""
        if kind not in self._sums:
            self._sums[kind] = np.zeros((len(self._y), self._targets.n_outputs))
            self._counts[kind] = np.zeros(len(self._y))
        self._sums[kind][rows] += self._targets.decode(outputs)
        self._counts[kind][rows] += 1

    def blend(self, metric: str, few: bool = True) -> Blend:
        """Return the best share of the linear models, as far as the rows held out tell it.

        Parameters
        ----------
        metric : str
        few : bool, default True
            Whether the rows are so few that what is as good but for chance is linear; else the share is the best one.
        """
        seen = np.logical_and.reduce([counts > 0 for counts in self._counts.values()])
        if not seen.any():  # Ctrl-C came when no row had an answer of both
            self._sums = {kind: sums for kind, sums in self._sums.items() if kind == next(iter(self._sums))}
            seen = self._counts[next(iter(self._sums))] > 0
        y = self._y[seen]
        means = {kind: sums[seen] / self._counts[kind][seen, np.newaxis] for kind, sums in self._sums.items()}
        errors = {kind: float(self._targets.losses(y, mean, metric).mean()) for kind, mean in means.items()}
        share = 0.0 if "linear" not in means else 1.0
        if len(means) == 2:
            losses = [self._targets.losses(y, s * means["linear"] + (1 - s) * means["nets"], metric) for s in _SHARES]
            one_more = self._targets.one_more(len(y))
            share = choose_share(losses, one_more) if few else _SHARES[int(np.argmin([each.mean() for each in losses]))]
        mixed = np.zeros((len(y), self._targets.n_outputs))
        for kind, part in (("linear", share), ("nets", 1 - share)):
            if part:
                mixed += part * means[kind]
        targets = self._targets
        if isinstance(targets, NumberTargets) and targets.form == "log" and metric != "mae":
            matched = targets.matched(y, mixed)
            mixed, targets = mixed * (matched.factor / targets.factor), matched
        errors["blend"] = float(targets.losses(y, mixed, metric).mean())
        residuals = np.sort(np.abs(y - mixed), axis=0) if isinstance(targets, NumberTargets) else None
        return Blend(targets, share, errors, residuals)
