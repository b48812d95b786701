"""How the answer depends on one column: partial dependence, and accumulated effects."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastbp.explanations.asked import Asked
from fastbp.explanations.cells import moments_of
from fastbp.explanations.columns import column_of, values_to_try
from fastbp.explanations.effects import Effect
from fastbp.explanations.levels import by_similarity, effects_of_levels, levels_seen
from fastbp.explanations.rankings import WIDTH
from fastbp.support.arguments import explain_arguments
from fastbp.support.checks import check_int, check_word
from fastbp.support.underflow import underflows_to_zero

__all__ = ["accumulated_effects", "partial_dependence"]

Array = NDArray[Any]
Floats = NDArray[np.float64]


@underflows_to_zero
@explain_arguments
def partial_dependence(
    model: Any,
    X: Any,
    column: str | int,
    *,
    target: Any = None,
    output: Literal["prediction", "logit"] = "prediction",
    grid: Any = 20,
    n_threads: int | None = None,
) -> Effect:
    """Return the mean answer over the rows when all have the same value in a column (Friedman, 2001).

    Also each row's own curve (individual conditional expectation: Goldstein, Kapelner, Bleich and Pitkin, 2015): where
    these are not parallel, the column's effect depends on others. Where columns depend on each other the mean includes
    rows that cannot exist; ``accumulated_effects`` avoids that.

    Parameters
    ----------
    model : Model, Ensemble, or an estimator of fastbp.sklearn
    X : array-like of shape (n, n_columns)
        Rows whose other columns are kept.
    column : str or int
        The name or the number of a column of X. It is changed before the preparation.
    target : int, label, "predicted" or None, default None
        As for ``explain``.
    output : {"prediction", "logit"}, default "prediction"
        As for ``explain``.
    grid : int or array-like, default 20
        How many quantiles of the column; or the values. Of a column of categories all that the model knows are taken.
    n_threads : int or None, default None
        As for ``predict``.

    Returns
    -------
    Effect
        The intervals are for the mean over rows like these; one row tells none.

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of the above.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1)], inputs=2)
    >>> model.set_weights([[[3.0], [1.0]], [0.0]])
    >>> fb.partial_dependence(model, [[0, 2], [1, 4]], 0).means.tolist()
    [3.0, 6.0]
    """
    asked = Asked(model, X, target, _output(output), n_threads=n_threads)
    j = column_of(column, asked.subject.columns)
    values = values_to_try(asked.subject, j, asked.rows, grid)
    curves = asked.with_values([j], values[:, np.newaxis]).swapaxes(0, 1)  # (n_rows, n_values, n_answers)
    errors = _error_of_mean(curves)
    return _effect(asked, j, values, curves.mean(axis=0), errors, curves, "partial dependence", output)


@underflows_to_zero
@explain_arguments
def accumulated_effects(
    model: Any,
    X: Any,
    column: str | int,
    *,
    target: Any = None,
    output: Literal["prediction", "logit"] = "prediction",
    n_bins: int | None = None,
    order: Literal["similarity", "levels"] | None = None,
    n_threads: int | None = None,
) -> Effect:
    """Return the accumulated local effects of a column (Apley and Zhu, 2020).

    Between two neighbouring quantiles of the column the answer's change is averaged over the rows that lie there; the
    changes are added up, and their mean over the rows is 0. A row is moved within its bin only, so that columns that
    depend on each other are not torn apart.

    The levels of a column of categories are put in an order, and a row is moved to the neighbours of its own level. The
    differences of neighbours are what can be relied on; another order gives others.

    Parameters
    ----------
    model : Model, Ensemble, or an estimator of fastbp.sklearn
    X : array-like of shape (n, n_columns)
    column : str or int
        The name or the number of a column of X. It is changed before the preparation. Rows in which it is missing, or
        has a category that the model does not know, take no part.
    target : int, label, "predicted" or None, default None
        As for ``explain``.
    output : {"prediction", "logit"}, default "prediction"
        As for ``explain``.
    n_bins : int or None, default None
        Of a column of numbers: how many parts with about as many rows each. None is 20.
    order : {"similarity", "levels"} or None, default None
        Of a column of categories: so that neighbours have similar rows, as far as the other columns tell; or the order
        of the categories that the model knows, where it means something. None is "similarity".
    n_threads : int or None, default None
        As for ``predict``.

    Returns
    -------
    Effect
        At the edges of the bins, or at the levels that X has, in their order. The intervals take these as they are; a
        bin of one row counts as uncertain as the others are on average.

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of the above.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1)], inputs=1)
    >>> model.set_weights([[[3.0]], [7.0]])
    >>> fb.accumulated_effects(model, [[0], [1], [2]], 0).means.round(6).tolist()
    [-3.0, 0.0, 3.0]
    """
    bins = 20 if n_bins is None else check_int(n_bins, "n_bins")
    if order is not None:
        check_word(order, "order", ("similarity", "levels"))
    asked = Asked(model, X, target, _output(output), n_threads=n_threads)
    subject = asked.subject
    j = column_of(column, subject.columns)
    is_category = subject.values_of(j) is not None
    _refuse_other_kind("n_bins", n_bins, is_category, "numbers", subject.columns[j])
    _refuse_other_kind("order", order, not is_category, "categories", subject.columns[j])
    if is_category:
        return _of_levels(asked, j, order or "similarity", output)
    edges = values_to_try(subject, j, asked.rows, bins + 1)
    if len(edges) < 2:
        raise ValueError(f"column {subject.columns[j]!r} has the value {edges[0]:g} alone; expected two or more.")
    means, errors = _accumulated(asked, j, edges)
    return _effect(asked, j, edges, means, errors, None, "accumulated effect", output)


def _refuse_other_kind(name: str, given: Any, is_other: bool, kind: str, column: str) -> None:
    """Refuse an argument that columns of another kind do not take."""
    if given is not None and is_other:
        raise ValueError(
            f"{name} is {given!r} and column {column!r} holds no {kind}; expected None, or a column that does."
        )


def _of_levels(asked: Asked, j: int, order: str, output: str) -> Effect:
    """Return the effects of a column of categories."""
    levels, places = levels_seen(asked, j)
    if order == "similarity":
        chosen = by_similarity(asked, j, len(levels), places)
        at = np.append(np.argsort(chosen), -1)  # the last one is that of rows without a place
        levels, places = levels[chosen], at[places]
    means, errors = effects_of_levels(asked, j, levels, places)
    return _effect(asked, j, levels, means, errors, None, "accumulated effect", output)


def _output(output: Any) -> str:
    return check_word(output, "output", ("prediction", "logit"))


def _accumulated(asked: Asked, j: int, edges: Floats) -> tuple[Floats, Floats]:
    """Return the effects at edges, (n_edges, n_answers), and their standard errors."""
    present = np.flatnonzero(np.isfinite(asked.rows[:, j]))
    column = asked.rows[present, j]
    # A value at an edge belongs to the bin below it, the lowest to the first one.
    places = np.clip(np.searchsorted(edges, column, side="left") - 1, 0, len(edges) - 2)
    ends = []
    for above in (0, 1):
        made = asked.rows[present].copy()
        made[:, j] = edges[places + above]
        ends.append(asked.answers(made, present))
    changes = ends[1] - ends[0]  # (n, n_answers)
    n_bins, n_answers = len(edges) - 1, changes.shape[1]
    counts = np.bincount(places, minlength=n_bins).astype(np.float64)
    means, variances = np.zeros((n_bins, n_answers)), np.zeros((n_bins, n_answers))
    for k in np.flatnonzero(counts):
        inside = changes[places == k]
        means[k] = inside.mean(axis=0)
        if counts[k] > 1:
            variances[k] = inside.var(axis=0, ddof=1)
    variances[counts == 1] = _pooled(variances, counts - 1)
    squares = variances / np.maximum(counts, 1)[:, np.newaxis]
    # Effects are a linear map of the bins' means: added up, minus the mean over the rows, which lie between two edges.
    added = np.tri(n_bins + 1, n_bins, -1)
    shares = (column - edges[places]) / (edges[places + 1] - edges[places])
    at_edges = np.bincount(places, 1 - shares, n_bins + 1) + np.bincount(places + 1, shares, n_bins + 1)
    mapped = added - at_edges @ added / len(column)
    return mapped @ means, np.sqrt(np.square(mapped) @ squares)


def _pooled(variances: Floats, freedoms: Floats) -> Floats:
    """Return the mean variance of the bins with several rows, by their degrees of freedom; NaN without such a bin."""
    weights = np.maximum(freedoms, 0)
    total = weights.sum()
    return weights @ variances / total if total > 0 else np.full(variances.shape[1], np.nan)


def _error_of_mean(curves: Floats) -> Floats:
    n = len(curves)
    return np.asarray(curves.std(axis=0, ddof=1) / np.sqrt(n)) if n > 1 else np.full(curves.shape[1:], np.nan)


def _effect(
    asked: Asked,
    j: int,
    values: Array,
    means: Floats,
    errors: Floats,
    curves: Floats | None,
    what: str,
    output: str,
) -> Effect:
    probe = np.repeat(asked.rows[:1].astype(np.float64), len(values), axis=0)
    probe[:, j] = values
    shown, names = asked.subject.shown(probe)[:, j], asked.question.names
    is_text = asked.subject.values_of(j) is not None

    def plain(part: Floats) -> Floats:
        return part if names is not None else part[..., 0]

    column = asked.rows[:, j].astype(np.float64)
    seen = np.empty(0) if is_text else column[np.isfinite(column)]
    is_moments = j in asked.subject.moments
    return Effect(
        column=asked.subject.columns[j],
        grid=np.asarray(shown, object if is_text else "datetime64[us]" if is_moments else np.float64),
        means=plain(means),
        low=plain(means - WIDTH * errors),
        high=plain(means + WIDTH * errors),
        of_rows=None if curves is None else plain(curves),
        seen=moments_of(seen) if is_moments else seen,
        outputs=None if names is None else tuple(names),
        what=what,
        of=asked.question.title if asked.question.title != "output" else output,
    )
