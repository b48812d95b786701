"""``fb.faithfulness``: whether an explanation says what the model does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.explanations.explain import explained
from fastbp.explanations.explanation import Explanation
from fastbp.explanations.requests import Request
from fastbp.explanations.subjects import Subject, subject_of
from fastbp.support.arguments import explain_arguments
from fastbp.support.checks import check_number, check_seed, counted, sentence
from fastbp.support.underflow import underflows_to_zero

__all__ = ["Faithfulness", "faithfulness"]

Array = NDArray[Any]
Floats = NDArray[np.float64]

_RANDOM_ORDERS = 10
_MOVES = 5  # of each row, for the sensitivity


@dataclass(frozen=True, repr=False)
class Faithfulness:
    """How well an explanation tells what the model does; ``print`` says what the numbers mean.

    Attributes
    ----------
    completeness_error : float or None
        The largest difference between what the shares add up to and what they should; None where nothing is promised.
    deletion : float64 ndarray of shape (n_columns + 1,) or None
        The mean answer after 0, 1, 2... columns of each row were replaced by the background's, those with the largest
        shares first. None for an explanation that counts from nothing.
    deletion_at_random : float64 ndarray of shape (n_columns + 1,) or None
        The same in random order, the mean over ten of them.
    deletion_gain : float or None
        How much lower the first curve lies than the second on average, in units of the answer: above 0 where the
        explanation finds columns that matter.
    sensitivity : float or None
        The largest change of the values when a row moves a little, divided by the values' size (Yeh, Hsieh, Suggala,
        Inouye and Ravikumar, 2019). None where no column of numbers varies.
    random_weights : float or None
        The mean rank correlation of the sizes of the values with those that a network of the same architecture with
        random weights gets (Adebayo et al., 2018): near 1, the explanation shows the data and not the model. None for
        estimators of tables.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> model = fb.Model([fb.Dense(8, "tanh"), fb.Dense(1)], inputs=5, dtype="float64", seed=0)
    >>> X = np.random.default_rng(0).normal(size=(20, 5))
    >>> found = fb.faithfulness(fb.explain(model, X, "deeplift", baseline=0), model)
    >>> len(found.deletion), found.deletion_gain > 0
    (6, True)
    """

    completeness_error: float | None
    deletion: Floats | None
    deletion_at_random: Floats | None
    deletion_gain: float | None
    sensitivity: float | None
    random_weights: float | None

    def __repr__(self) -> str:
        told = [
            ("completeness error", self.completeness_error, "what the shares are off by when they are added up"),
            ("deletion gain", self.deletion_gain, "how much faster the answer falls than at random; above 0 is good"),
            ("sensitivity", self.sensitivity, "the largest relative change for a small move; small is good"),
            ("random weights", self.random_weights, "rank correlation with a random network; near 1 is bad"),
        ]
        lines = [f"  {name:20} {'-' if value is None else f'{value:.4g}':>10}   {what}" for name, value, what in told]
        return "\n".join(["faithfulness of an explanation", *lines])


@underflows_to_zero
@explain_arguments
def faithfulness(
    explanation: Explanation, model: Any, *, radius: float = 0.01, seed: int = 0, n_threads: int | None = None
) -> Faithfulness:
    """Check an explanation against the model that it explains.

    Parameters
    ----------
    explanation : Explanation
        As ``explain`` returned it, or some of its rows; of one output.
    model : Model, Ensemble, or an estimator of fastbp.sklearn
        The one that was explained.
    radius : float, default 0.01
        How far rows move for the sensitivity: up to so much of each column's standard deviation over the rows and the
        background.
    seed : int, default 0
        Of random orders, moves and weights.
    n_threads : int or None, default None
        As for ``predict``.

    Returns
    -------
    Faithfulness

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of the above.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> model = fb.Model([fb.Dense(8, "tanh"), fb.Dense(1)], inputs=5, dtype="float64")
    >>> X = np.random.default_rng(0).normal(size=(20, 5))
    >>> found = fb.faithfulness(fb.explain(model, X, "deeplift", baseline=0), model)
    >>> found.completeness_error < 1e-12, found.deletion_gain > 0
    (True, True)
    """
    if not isinstance(explanation, Explanation) or explanation.request is None:
        raise TypeError(sentence("explanation", explanation, "what fb.explain returns"))
    if explanation.outputs is not None:
        raise ValueError("several outputs are explained; expected one. Choose it first: explanation.of_output(...).")
    distance, rng = check_number(radius, "radius", above=0), np.random.default_rng(check_seed(seed))
    subject, request = subject_of(model, n_threads), explanation.request
    if request.columns != "original":
        raise ValueError("the explanation has columns='prepared'; expected columns='original', which can be replaced.")
    if len(subject.columns) != explanation.values.shape[1]:
        has, needed = counted(len(subject.columns), "column"), explanation.values.shape[1]
        raise ValueError(f"model has {has}, the explanation {needed}; expected the model that was explained.")
    gap = explanation.completeness_error
    curve, at_random = _deletions(subject, explanation, request, rng)
    return Faithfulness(
        completeness_error=None if gap is None else float(np.abs(gap).max()),
        deletion=curve,
        deletion_at_random=at_random,
        deletion_gain=None if curve is None or at_random is None else float((at_random - curve).mean()),
        sensitivity=_sensitivity(subject, explanation, request, distance, rng),
        random_weights=_agreement_with_random(subject, explanation, request, int(rng.integers(2**31))),
    )


def _deletions(
    subject: Subject, explanation: Explanation, request: Request, rng: np.random.Generator
) -> tuple[Floats | None, Floats | None]:
    """Return the deletion curves by the explanation and at random."""
    if request.background is None:
        return None, None
    by_share = np.argsort(-explanation.values, axis=1, kind="stable")
    at_random = [_deletion(subject, request, rng.permuted(by_share, axis=1)) for _ in range(_RANDOM_ORDERS)]
    return _deletion(subject, request, by_share), np.mean(at_random, axis=0)


def _deletion(subject: Subject, request: Request, orders: NDArray[np.int64]) -> Floats:
    """Return the mean answer as columns are replaced by the background's, in the order that each row has."""
    assert request.background is not None
    n, n_columns = request.rows.shape
    m = len(request.background)
    rows = np.repeat(request.rows, m, axis=0)
    behind, numbers = np.tile(request.background, (n, 1)), np.repeat(np.arange(n), m)
    places = np.arange(n * m)
    means = []
    for k in range(n_columns + 1):
        if k:
            column = np.repeat(orders[:, k - 1], m)
            rows[places, column] = behind[places, column]
        outputs = subject.outputs(rows, request.question.output)
        means.append(float(request.question.answers(outputs, numbers).mean()))
    return np.array(means)


def _sensitivity(
    subject: Subject, explanation: Explanation, request: Request, radius: float, rng: np.random.Generator
) -> float | None:
    """Return the largest relative change of the values for moves of the rows' numbers."""
    parts = [request.rows] if request.background is None else [request.rows, request.background]
    whole = np.concatenate(parts).astype(np.float64)
    is_number = np.array([subject.values_of(j) is None for j in range(whole.shape[1])])
    with np.errstate(invalid="ignore"):
        scale = np.where(
            is_number, np.nan_to_num(np.nanstd(np.where(np.isnan(whole).all(axis=0), 0, whole), axis=0)), 0
        )
    if not scale.any():
        return None
    sizes = np.linalg.norm(explanation.values, axis=1)
    largest = 0.0
    for _ in range(_MOVES):
        moves = radius * scale * rng.uniform(-1, 1, request.rows.shape)
        moved = explained(subject, replace(request, rows=(request.rows + moves).astype(request.rows.dtype)))
        changes = np.linalg.norm(moved.values - explanation.values, axis=1)
        largest = max(largest, float((changes / np.where(sizes > 0, sizes, 1)).max()))
    return largest


def _agreement_with_random(subject: Subject, explanation: Explanation, request: Request, seed: int) -> float | None:
    """Return the mean rank correlation of the values' sizes with those of a network with random weights."""
    other = subject.with_random_weights(seed)
    if other is None or explanation.values.shape[1] < 2:
        return None
    of_random = np.abs(explained(other, request).values)
    found = [_rank_correlation(*pair) for pair in zip(np.abs(explanation.values), of_random, strict=True)]
    return float(np.mean(found))


def _rank_correlation(one: Floats, other: Floats) -> float:
    """Return Spearman's rank correlation; 0 where all of one are equal."""
    ranks = [_ranks(each) for each in (one, other)]
    deviations = [each - each.mean() for each in ranks]
    size = float(np.sqrt(np.prod([np.square(each).sum() for each in deviations])))
    return float((deviations[0] * deviations[1]).sum() / size) if size > 0 else 0.0


def _ranks(values: Floats) -> Floats:
    """Return ranks, of equal values the mean."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[places])
