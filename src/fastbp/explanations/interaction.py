"""How much of two columns' joint effect is more than the sum of their own: Friedman's H."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastbp.explanations.asked import Asked
from fastbp.explanations.columns import columns_of
from fastbp.explanations.rankings import COVERAGE, Ranking
from fastbp.support.arguments import explain_arguments
from fastbp.support.checks import check_int, check_seed, check_word
from fastbp.support.underflow import underflows_to_zero

__all__ = ["interaction_strength"]

Array = NDArray[Any]
Floats = NDArray[np.float64]

_N_RESAMPLES = 200
_FEWEST_FOR_INTERVALS = 3  # rows: of two, a resample is both or one of them alone
_LEAST = 1e-12  # a share of the answers' variance below which an effect is rounding


@underflows_to_zero
@explain_arguments
def interaction_strength(
    model: Any,
    X: Any,
    *,
    columns: Sequence[str | int] | None = None,
    target: Any = None,
    output: Literal["prediction", "logit"] = "prediction",
    n_rows: int = 100,
    seed: int = 0,
    n_threads: int | None = None,
) -> Ranking:
    """Return Friedman's H² for pairs of columns (Friedman and Popescu, 2008).

    H² is the share of the variance of two columns' joint partial dependence that the sum of their single ones does not
    explain: 0 for an additive model, 1 where one column only matters through the other. It is large, and uncertain, for
    pairs of columns that hardly matter. Where columns depend on each other, it sees rows that cannot exist, as
    ``partial_dependence`` does.

    Parameters
    ----------
    model : Model, Ensemble, or an estimator of fastbp.sklearn
    X : array-like of shape (n, n_columns)
    columns : sequence of str or int, or None, default None
        Those whose pairs are tried; None is all.
    target : int or label, optional
        Which of several outputs, as for ``explain``; it is needed where there are several.
    output : {"prediction", "logit"}, default "prediction"
        As for ``explain``.
    n_rows : int, default 100
        How many rows of X are drawn, at most. Each pair needs the square of that many predictions.
    seed : int, default 0
        Of what is drawn.
    n_threads : int or None, default None
        As for ``predict``.

    Returns
    -------
    Ranking
        The intervals are from 200 resamples of the rows (Efron, 1979; those of percentiles); two rows tell none.

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of the above.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(2, "relu"), fb.Dense(1)], inputs=2, dtype="float64")
    >>> model.set_weights([[[1, -1], [1, -1]], [0, 0], [[1], [1]], [-1]])  # x1 x2, where both are 1 or -1
    >>> fb.interaction_strength(model, [[1, 1], [1, -1], [-1, 1], [-1, -1]]).values.tolist()
    [1.0]
    """
    most, rng = check_int(n_rows, "n_rows", minimum=2), np.random.default_rng(check_seed(seed))
    asked = Asked(model, X, target, check_word(output, "output", ("prediction", "logit")), n_threads=n_threads)
    if asked.question.names is not None:
        raise ValueError(
            f"target is None and the model has {len(asked.question.names)} outputs; expected the number or the label "
            "of one."
        )
    n = len(asked.rows)
    if n < 2:
        raise ValueError("X has 1 row; expected two or more, over which effects vary.")
    numbers = np.sort(rng.permutation(n)[:most])
    chosen = columns_of(columns, asked.subject.columns)
    if len(chosen) < 2:
        raise ValueError(f"columns has {len(chosen)} column; expected two or more, which make pairs.")
    # How often each row is in each resample; the first has every row once. (n_resamples + 1, n_rows)
    weights = np.vstack(
        [np.ones(len(numbers)), rng.multinomial(len(numbers), [1 / len(numbers)] * len(numbers), _N_RESAMPLES)]
    )
    game = _Pairs(asked, numbers, weights / len(numbers))
    singles = {j: game.dependence((j,)) for j in chosen}
    pairs = list(combinations(chosen, 2))
    found = np.array([game.strength(singles[a], singles[b], game.dependence((a, b))) for a, b in pairs])
    low, high = np.quantile(found[:, 1:], [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2], axis=1)
    if len(numbers) < _FEWEST_FOR_INTERVALS:
        low, high = np.full((2, len(pairs)), np.nan)
    names = [f"{asked.subject.columns[a]} x {asked.subject.columns[b]}" for a, b in pairs]
    return Ranking.of(names, pairs, found[:, 0], low, high, "H² of the pair")


class _Pairs:
    """Partial dependence of columns at the rows themselves, for resamples of the rows.

    Parameters
    ----------
    asked : Asked
    numbers : int64 ndarray of shape (n_rows,)
        The rows that are used.
    weights : float64 ndarray of shape (n_resamples, n_rows)
        Of the rows in each resample; their sum is 1.
    """

    def __init__(self, asked: Asked, numbers: NDArray[np.int64], weights: Floats) -> None:
        self._asked, self._numbers, self._weights = asked, numbers, weights
        self._rows = asked.rows[numbers]
        answers = asked.answers(self._rows, numbers)[:, 0]
        self._least = _LEAST * max(float(answers.var()), np.finfo(float).tiny)

    def dependence(self, columns: tuple[int, ...]) -> Floats:
        """Return the mean answer with some columns from each row, centred, (n_resamples, n_rows)."""
        answers = self._asked.with_values(list(columns), self._rows[:, columns], self._numbers)[:, :, 0]
        means = self._weights @ answers.T
        return np.asarray(means - (means * self._weights).sum(axis=1, keepdims=True))

    def strength(self, one: Floats, other: Floats, both: Floats) -> Floats:
        """Return H² of a pair for each resample, (n_resamples,); 0 where the columns have no effect at all."""
        beyond = (self._weights * np.square(both - one - other)).sum(axis=1)
        whole = (self._weights * np.square(both)).sum(axis=1)
        has_effect = whole > self._least
        return np.where(has_effect, beyond / np.where(has_effect, whole, 1), 0)
