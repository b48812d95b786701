"""What the members say of the rows held out, and how the prediction is mixed of the networks' and of linear models'."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.tabular.recipe import UNCLEAR_ROWS, pull, share_exponent
from fastbp.tabular.selection import select
from fastbp.tabular.targets import ClassTargets, NumberTargets, Targets
from fastbp.tabular.temperatures import Logits, best_temperature, mean_and_error

__all__ = ["Blend", "Said"]

Floats = NDArray[np.float64]
_Key = tuple[str, int]  # a kind of members, and which of its settings

# Shares of the linear models in the prediction that are tried.
_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
_TELLING_ROWS = 20_000  # by which the temperature and the weights of settings are found, at most


@dataclass(frozen=True)
class Blend:
    """How the members are put together.

    Attributes
    ----------
    targets : Targets
        With what was learned of the predictions' level.
    shares : dict of str to float
        Of each kind of members; one kind of linear models at most has a share.
    temperature : float
        By which the logits of all members are to be divided.
    errors : dict of str to float
        On rows held out, of "nets", "linear" and "blend", those that there are.
    residuals : ndarray of shape (n, n_outputs) or None
        How far the predictions of rows held out were off, rising; None for classes.
    constant : ndarray of shape (n_outputs,) or None
        What the sums of all members' last layers are to be, whatever the row; None: as they learned.
    settings : dict of int to float
        The weight of each setting among the networks, 1 together; empty: all networks count alike.
    """

    targets: Targets
    shares: dict[str, float]
    temperature: float
    errors: dict[str, float]
    residuals: Floats | None
    constant: Floats | None
    settings: dict[int, float]


class Said:
    """The means of what each kind of members predicts for each row that was held out from them.

    Parameters
    ----------
    targets : Targets
    y : ndarray of shape (n_rows,) of class numbers, or (n_rows, n_outputs)
    weights : ndarray of shape (n_rows,) or None, default None
        Of the rows, in what is chosen; None: all alike.
    """

    def __init__(self, targets: Targets, y: NDArray[Any], weights: Floats | None = None) -> None:
        self._targets, self._y, self._weights = targets, y, np.ones(len(y)) if weights is None else weights
        self._sums: dict[_Key, Floats] = {}
        self._counts: dict[_Key, Floats] = {}
        self._logits: dict[_Key, list[Logits]] = {}
        self._step = -(-len(y) // _TELLING_ROWS)

    def add(self, kind: str, rows: NDArray[np.int64], outputs: NDArray[Any], setting: int = 0) -> None:
        """Add the outputs of a member for these rows.

        Parameters
        ----------
        kind : str
        rows : ndarray of int
        outputs : ndarray of shape (len(rows), n_outputs)
        setting : int, default 0
            Which of the settings of its kind the member has.
        """
        key = kind, setting
        if key not in self._sums:
            self._sums[key] = np.zeros((len(self._y), self._targets.n_outputs))
            self._counts[key] = np.zeros(len(self._y))
        self._sums[key][rows] += self._targets.decode(outputs)
        self._counts[key][rows] += 1
        if isinstance(self._targets, ClassTargets):
            some = rows % self._step == 0
            self._logits.setdefault(key, []).append(Logits.of(kind, rows[some] // self._step, outputs[some]))

    def blend(
        self, metric: str, n_networks: int = 1, may_be_constant: bool = False, selects_settings: bool = False
    ) -> Blend:
        """Return the best mixture of the kinds of members, as far as the rows held out tell it.

        Parameters
        ----------
        metric : str
        n_networks : int
            Whose mean is to be predicted; of a row held out, only those of its fold have said something.
        may_be_constant : bool
            Whether a constant is predicted where the members are not better by more than a standard error.
        selects_settings : bool
            Whether the settings of networks have the weights that are best, where every row has an answer of each.
        """
        kinds = list(dict.fromkeys(kind for kind, _ in self._sums))
        while len(kinds) > 1 and not self._rows_of(kinds).any():  # Ctrl-C came when no row had an answer of all
            kinds.pop()
        seen = self._rows_of(kinds)
        y, weights = self._y[seen], self._weights[seen]

        def losses(predicted: Floats) -> Floats:
            return self._targets.losses(y, predicted, metric)

        settings = self._selected(seen, metric) if selects_settings and "nets" in kinds else {}
        means = {kind: self._mean(kind, seen, settings if kind == "nets" else {}) for kind in kinds}
        errors = {kind: float(np.average(losses(mean), weights=weights)) for kind, mean in means.items()}
        exponent = 1.0
        if "nets" in kinds:
            n_heard, n_alike = self._numbers_of_networks(seen, n_networks, settings)
            exponent = share_exponent(len(y), n_heard, n_alike)
        shares = _best_shares(means, errors, losses, weights, exponent)
        mixed: Floats = sum((share * means[kind] for kind, share in shares.items()), np.zeros_like(means[kinds[0]]))
        targets, temperature = self._targets, 1.0
        if isinstance(targets, NumberTargets) and targets.form == "log" and metric != "mae":
            matched = targets.matched(y, mixed)
            mixed, targets = mixed * (matched.factor / targets.factor), matched
        constant = None
        # Areas under curves are of ranks: whatever ranks rows is no worse than what does not.
        if may_be_constant and metric != "roc_auc" and len(y) < UNCLEAR_ROWS:
            level = targets.level(self._y, self._weights, metric)
            alike = np.tile(level, (len(y), 1))
            gain, error = mean_and_error(losses(alike) - losses(mixed), weights)
            if gain <= error:
                mixed, constant = alike, targets.before_activation(level)
        if self._logits and constant is None:
            temperature = self._temperature(shares, settings)
        found = {kind: error for kind, error in errors.items() if kind == "nets"}
        linear = [error for kind, error in errors.items() if kind != "nets"]
        found |= {"linear": min(linear)} if linear else {}
        found["blend"] = float(np.average(targets.losses(y, mixed, metric), weights=weights))
        residuals = np.sort(np.abs(y - mixed), axis=0) if isinstance(targets, NumberTargets) else None
        return Blend(targets, shares, temperature, found, residuals, constant, settings)

    def _keys_of(self, kind: str) -> list[_Key]:
        """Return the settings of a kind that have said something."""
        return [key for key in self._sums if key[0] == kind]

    def _count(self, kind: str) -> Floats:
        """Return how many members of a kind have answered each row, (n_rows,)."""
        return np.asarray(sum((self._counts[key] for key in self._keys_of(kind)), np.zeros(len(self._y))))

    def _rows_of(self, kinds: Sequence[str]) -> NDArray[np.bool_]:
        """Return which rows all of these kinds have answered."""
        return np.asarray(np.logical_and.reduce([self._count(kind) > 0 for kind in kinds]))

    def _mean(self, kind: str, rows: NDArray[np.bool_], settings: Mapping[int, float]) -> Floats:
        """Return the mean of a kind's answers for some rows; of its settings, where they have weights."""
        if settings:
            parts = [share * self._answers((kind, setting), rows) for setting, share in settings.items()]
            return np.asarray(np.sum(parts, axis=0))
        total = np.sum([self._sums[key][rows] for key in self._keys_of(kind)], axis=0)
        return np.asarray(total / self._count(kind)[rows, np.newaxis])

    def _answers(self, key: _Key, rows: NDArray[Any]) -> Floats:
        """Return the mean of a setting's answers for some rows."""
        return np.asarray(self._sums[key][rows] / self._counts[key][rows, np.newaxis])

    def _selected(self, rows: NDArray[np.bool_], metric: str) -> dict[int, float]:
        """Return the weights of the networks' settings; none where a row has no answer of a setting."""
        keys = self._keys_of("nets")
        if not all((self._counts[key][rows] > 0).all() for key in keys):
            return {}
        some = np.flatnonzero(rows)[:: self._step]
        y = self._y[some]
        predicted = [self._answers(key, some) for key in keys]
        shares = select(predicted, lambda mixed: self._targets.losses(y, mixed, metric), self._weights[some])
        return {setting: share for (_, setting), share in zip(keys, shares, strict=True)}

    def _numbers_of_networks(
        self, rows: NDArray[np.bool_], n_networks: int, settings: Mapping[int, float]
    ) -> tuple[float, float]:
        """Return of how many networks the mean was heard, and of how many it is predicted; by weights, as if alike."""
        if not settings:
            return float(self._count("nets")[rows].mean()), n_networks
        heard = 1 / sum(share**2 for share in settings.values())
        return heard, heard * n_networks / len(settings)

    def _temperature(self, shares: Mapping[str, float], settings: Mapping[int, float]) -> float:
        """Return by which temperature the logits are to be divided."""
        said = [each for of_setting in self._logits.values() for each in of_setting]
        if settings and "nets" in shares:  # each is a kind of its own then
            said = [replace(each, kind=f"{kind} {i}") for (kind, i), of in self._logits.items() for each in of]
            parts = {f"nets {i}": shares["nets"] * share for i, share in settings.items()}
            shares = parts | {f"{kind} 0": share for kind, share in shares.items() if kind != "nets"}
        return best_temperature(said, shares, self._y[:: self._step], self._weights[:: self._step])


def _best_shares(
    means: Mapping[str, Floats],
    errors: Mapping[str, float],
    losses: Callable[[Floats], Floats],
    weights: Floats,
    exponent: float,
) -> dict[str, float]:
    """Return the shares of the networks and of the better linear models.

    The share of linear models whose mixture has the least error is right for networks as they were heard; raised to the
    exponent it is that for the mean of all. Where few rows tell, the linear models have a part of the rest too.
    """
    linear = min((kind for kind in means if kind != "nets"), key=errors.__getitem__, default="")
    if not linear or "nets" not in means:
        return {linear or "nets": 1.0}
    of_rows = [losses(share * means[linear] + (1 - share) * means["nets"]) for share in _SHARES]
    share = _SHARES[int(np.argmin([np.average(each, weights=weights) for each in of_rows]))] ** exponent
    share += (1 - share) * pull(len(weights), *mean_and_error(of_rows[-1] - of_rows[0], weights))
    return {kind: part for kind, part in (("nets", 1 - share), (linear, share)) if part}
