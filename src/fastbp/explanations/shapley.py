"""Shapley values: each column's share of what a row's answer differs by from the mean answer of a background.

The players are the columns as the user has them. v(S) is the mean of the answers for rows that have the columns in S
from the explained row and all others from a row of the background (the interventional game of Lundberg and Lee, 2017).
Values are exact up to 12 columns that differ from the background. Beyond, they are means over permutations, each taken
forwards and backwards, which is exact for interactions of two columns (Castro, Gomez and Tejada, 2009; Mitchell,
Cooper, Frank and Holmes, 2022).
"""

from __future__ import annotations

from collections.abc import Callable
from math import comb
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_EXACT", "RowValues", "shapley_of_row"]

Array = NDArray[Any]
Floats = NDArray[np.float64]
Answers = Callable[[Array], Floats]  # rows (n, n_columns) -> answers (n, n_answers)

MOST_EXACT = 12  # columns, of which there are 4096 coalitions
_MOST_NUMBERS = 2**18  # of the rows that are made at once: what caches hold


class RowValues(NamedTuple):
    """What is found for a row.

    Attributes
    ----------
    values : float64 ndarray of shape (n_columns, n_answers)
    errors : float64 ndarray of shape (n_columns, n_answers)
        Their standard errors.
    base, answer : float64 ndarray of shape (n_answers,)
        The mean answer of the background, and the row's.
    """

    values: Floats
    errors: Floats
    base: Floats
    answer: Floats


def shapley_of_row(answers: Answers, row: Array, background: Array, orders: Callable[[int], Array]) -> RowValues:
    """Return the Shapley values of one row.

    Parameters
    ----------
    answers : callable
    row : ndarray of shape (n_columns,)
    background : ndarray of shape (n_background, n_columns)
    orders : callable
        orders(n) -> the permutations of n columns, (n_pairs, n); each is used backwards too.
    """
    ends = answers(np.concatenate([row[np.newaxis], background]))
    answer, of_background = ends[0], ends[1:]
    same = (background == row) | (np.isnan(background) & np.isnan(row))
    players = np.flatnonzero(~same.all(axis=0))  # the others change nothing
    n_columns, n_answers = len(row), ends.shape[1]
    values, errors = np.zeros((n_columns, n_answers)), np.zeros((n_columns, n_answers))
    if len(players):
        game = _Game(answers, row, background, players, answer, of_background)
        found = game.exact() if len(players) <= MOST_EXACT else game.by_orders(orders(len(players)))
        values[players], errors[players] = found
    return RowValues(values, errors, of_background.mean(axis=0), answer)


class _Game:
    """The coalitions of a row's columns, and the answers for them.

    Parameters
    ----------
    players : int64 ndarray of shape (n_players,)
        The columns that differ from the background.
    answer : float64 ndarray of shape (n_answers,)
        With all of them from the row.
    of_background : float64 ndarray of shape (n_background, n_answers)
        With none.
    """

    def __init__(
        self,
        answers: Answers,
        row: Array,
        background: Array,
        players: NDArray[np.int64],
        answer: Floats,
        of_background: Floats,
    ) -> None:
        self._answers, self._background, self._players = answers, background, players
        integers = np.dtype(f"i{background.itemsize}")
        # The background's bits, and those that differ in the row, as one long row of integers each.
        self._bits = np.ascontiguousarray(background).view(integers).reshape(-1)
        self._other_bits = self._bits ^ np.tile(row.astype(background.dtype).view(integers), len(background))
        self._answer, self._of_background = answer, of_background

    def _worth(self, coalitions: NDArray[np.bool_]) -> Floats:
        """Return the answers for coalitions (n, n_players), with each background row: (n, n_background, n_answers)."""
        n_background, n_columns = self._background.shape
        worth = np.empty((len(coalitions), n_background, len(self._answer)))
        at_once = max(1, _MOST_NUMBERS // (n_background * n_columns))
        for start in range(0, len(coalitions), at_once):
            part = coalitions[start : start + at_once]
            taken = np.zeros((len(part), n_columns), self._bits.dtype)
            taken[:, self._players] = -part.astype(self._bits.dtype)  # all bits of the columns that come from the row
            rows = np.repeat(taken[:, np.newaxis], n_background, axis=1).reshape(len(part), -1)
            rows &= self._other_bits
            rows ^= self._bits
            answers = self._answers(rows.view(self._background.dtype).reshape(-1, n_columns))
            worth[start : start + len(part)] = answers.reshape(len(part), n_background, -1)
        return worth

    def exact(self) -> tuple[Floats, Floats]:
        """Return values and errors, (n_players, n_answers), from all coalitions."""
        n = len(self._players)
        members = (np.arange(2**n)[:, np.newaxis] >> np.arange(n)) & 1 == 1
        worth = np.empty((2**n, *self._of_background.shape))
        worth[0], worth[-1] = self._of_background, self._answer
        worth[1:-1] = self._worth(members[1:-1])
        sizes = members.sum(axis=1)
        # A coalition of s players weighs 1 / (n C(n-1, s-1)) for its members, -1 / (n C(n-1, s)) for the others.
        joined = np.array([0.0, *(1 / (n * comb(n - 1, s - 1)) for s in range(1, n + 1))])[sizes]
        left = np.array([*(1 / (n * comb(n - 1, s)) for s in range(n)), 0.0])[sizes]
        weights = np.where(members, joined[:, np.newaxis], -left[:, np.newaxis]).T
        of_background = np.tensordot(weights, worth, axes=1)  # (n_players, n_background, n_answers)
        return of_background.mean(axis=1), np.sqrt(_error_of_mean(of_background, 1))

    def by_orders(self, orders: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Return values and errors, (n_players, n_answers), from permutations (n_pairs, n_players) and their reverses.

        The errors are those of a crossed design: both means vary, and what varies with pair and row together, which is
        in the variance of both, counts once (Searle, Casella and McCulloch, "Variance components", 1992, chapter 4).
        """
        n_pairs, n = orders.shape
        both = np.stack([orders, orders[:, ::-1]], axis=1)  # (n_pairs, 2, n)
        places = np.argsort(both, axis=2)  # at which each player joins
        members = places[:, :, np.newaxis, :] < np.arange(1, n)[:, np.newaxis]  # after 1 to n - 1 have joined
        worth = np.empty((n_pairs, 2, n + 1, *self._of_background.shape))
        worth[:, :, 0], worth[:, :, n] = self._of_background, self._answer
        worth[:, :, 1:n] = self._worth(members.reshape(-1, n)).reshape(n_pairs, 2, n - 1, *self._of_background.shape)
        joining = np.diff(worth, axis=2)  # (n_pairs, 2, n, n_background, n_answers)
        pairs, directions = np.ogrid[:n_pairs, :2]
        of_players = joining[pairs[..., np.newaxis], directions[..., np.newaxis], places].mean(axis=1)
        values = of_players.mean(axis=(0, 2))
        of_pairs, of_background = of_players.mean(axis=2), of_players.mean(axis=0)
        squares = _error_of_mean(of_pairs, 0), _error_of_mean(of_background, 1)
        together = of_players - of_pairs[:, :, np.newaxis] - of_background + values[:, np.newaxis]
        n_freedom = (n_pairs - 1) * (of_players.shape[2] - 1)
        twice = np.square(together).sum(axis=(0, 2)) / max(n_freedom, 1) / (n_pairs * of_players.shape[2])
        return values, np.sqrt(np.maximum(squares[0] + squares[1] - twice, np.maximum(*squares)))


def _error_of_mean(values: Floats, axis: int) -> Floats:
    """Return the squared standard error of a mean over an axis; 0 over one value, which is all there is."""
    n = values.shape[axis]
    if n == 1:
        return np.zeros(np.delete(values.shape, axis))
    squares: Floats = values.var(axis=axis, ddof=1) / n
    return squares
