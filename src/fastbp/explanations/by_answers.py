"""Shapley values of rows, by what a model says of rows made for it."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.explanations.findings import Found
from fastbp.explanations.overflow import finite
from fastbp.explanations.prepared import Features
from fastbp.explanations.questions import Question
from fastbp.explanations.shapley import shapley_of_row
from fastbp.explanations.subjects import Subject

__all__ = ["shapley"]

Array = NDArray[Any]
Floats = NDArray[np.float64]


def shapley(
    subject: Subject,
    question: Question,
    rows: Array,
    background: Array,
    features: Features | None,
    n_permutations: int,
    seed: int,
) -> Found:
    """Return the Shapley values of rows.

    Parameters
    ----------
    subject : Subject
    question : Question
    rows, background : ndarray of shape (n, n_columns), (n_background, n_columns)
    features : Features or None
        Where these are the players, and not the columns.
    n_permutations : int
        Each is used forwards and backwards.
    seed : int
        Of the permutations, which are the same for all rows: a row has the same values alone and among others.
    """
    outputs = subject.outputs if features is None else features.outputs
    if features is not None:
        rows, background = features.of(rows), features.of(background)
    orders = functools.cache(lambda n: _orders(n, n_permutations, seed))

    def answers(i: int, made: Array) -> Floats:
        return question.answers(finite(outputs(made, question.output), "the model's outputs"), i)

    found = [shapley_of_row(functools.partial(answers, i), row, background, orders) for i, row in enumerate(rows)]
    values, base = np.stack([each.values for each in found]), np.stack([each.base for each in found])
    gap = base + values.sum(axis=1) - np.stack([each.answer for each in found])
    return Found(values, base, gap, np.stack([each.errors for each in found]))


def _orders(n_players: int, n_permutations: int, seed: int) -> NDArray[np.int64]:
    rng = np.random.default_rng(seed)
    return np.stack([rng.permutation(n_players) for _ in range(n_permutations)])
