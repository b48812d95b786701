"""An audit: what an attacker finds out from the model, as a lower bound of epsilon."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.privacy.accounting import check_delta
from fastbp.support.checks import check_int, check_number, check_seed

__all__ = ["Audit", "audit"]

_LARGEST_EPSILON = 50.0


class Trained(Protocol):
    """What training returns: a trainer, or anything else that evaluates."""

    def evaluate(self, X: Any, y: Any) -> dict[str, float]:
        """Return the figures of samples, with "loss" among them."""


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes
    ----------
    epsilon : float
        With this confidence the training's epsilon, at this delta, is larger. 0 where nothing was found out.
    delta, confidence : float
    n_canaries : int
        How many samples were in the training data with probability 1/2 each.
    n_guesses, n_right : int
        Of how many the attacker guessed whether they were, and how many guesses were right.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(50, 5)), rng.integers(0, 2, 50)
    >>> canaries = rng.normal(size=(40, 5)), rng.integers(0, 2, 40)
    >>> def train(X, y):
    ...     model = fb.Model([fb.Dense(2, "softmax")], inputs=5)
    ...     trainer = fb.Trainer(model, "cross_entropy")
    ...     trainer.fit(X, y)
    ...     return trainer
    >>> found = fb.privacy.audit(train, X, y, canaries, delta=1e-5)
    >>> found.n_canaries, found.n_right <= found.n_guesses
    (40, True)
    """

    epsilon: float
    delta: float
    confidence: float
    n_canaries: int
    n_guesses: int
    n_right: int


def audit(
    train: Callable[[NDArray[Any], NDArray[Any]], Trained],
    X: ArrayLike,
    y: ArrayLike,
    canaries: tuple[ArrayLike, ArrayLike],
    *,
    delta: float,
    n_guesses: int | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> Audit:
    """Attack a training: which of some conspicuous samples, the canaries, were in its data?

    Each canary is put into the data with probability 1/2, the model is trained once, and the canaries with the smallest
    losses are guessed to have been there, those with the largest not. Few attackers guess well by chance; no attacker
    guesses better than epsilon allows. So many right guesses prove that epsilon is not small. A bound above that of the
    account proves a mistake. One below it proves nothing: other attacks may find more.

    Parameters
    ----------
    train : callable
        train(X, y) trains a new model from its beginning and returns the trainer.
    X : array-like of shape (n_samples, n_inputs)
        The samples without the canaries.
    y : array-like
        Their targets.
    canaries : (array-like, array-like)
        X and y of the canaries: samples that a model learns only by having seen them, such as inputs far from all
        others with labels at random from many classes. Hundreds are needed to prove much.
    delta : float
        As of the training.
    n_guesses : int or None, default None
        How many canaries are guessed, half of them to have been there; None means half of the canaries.
    confidence : float, default 0.95
        The probability with which the bound is right, above 0 and below 1.
    seed : int, default 0
        Of the choice of canaries.

    Returns
    -------
    Audit

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of the above.

    Notes
    -----
    Steinke, Nasr and Jagielski, "Privacy auditing with one training run", 2023 (arXiv:2305.08846), theorem 5.2.

    Examples
    --------
    >>> import numpy as np
    >>> import fastbp as fb
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(50, 30)), rng.integers(0, 10, 50)
    >>> strange = 5 * rng.normal(size=(80, 30)), rng.integers(0, 10, 80)
    >>> def train(X, y):  # without privacy
    ...     model = fb.Model([fb.Dense(64, "relu"), fb.Dense(10, "softmax")], inputs=30)
    ...     trainer = fb.Trainer(model, "cross_entropy", fb.Adam(0.01))
    ...     trainer.fit(X, y, epochs=100)
    ...     return trainer
    >>> fb.privacy.audit(train, X, y, strange, delta=1e-5).epsilon > 1
    True
    """
    d = check_delta(delta)
    level = check_number(confidence, "confidence", above=0, below=1)
    strange_X, strange_y = np.asarray(canaries[0]), np.asarray(canaries[1])
    n = len(strange_X)
    if n != len(strange_y) or n < 2:
        raise ValueError(f"canaries has {n} rows of X and {len(strange_y)} of y; expected as many, 2 or more.")
    half = check_int(n // 2 if n_guesses is None else n_guesses, "n_guesses", minimum=2, maximum=n) // 2
    there = np.random.default_rng(check_seed(seed)).random(n) < 0.5
    trained = train(
        np.concatenate([np.asarray(X), strange_X[there]]), np.concatenate([np.asarray(y), strange_y[there]])
    )
    losses = [trained.evaluate(strange_X[i : i + 1], strange_y[i : i + 1])["loss"] for i in range(n)]
    order = np.argsort(losses, kind="stable")
    n_right = int(there[order[:half]].sum() + (~there[order[n - half :]]).sum())
    bound = _largest_refuted(n, 2 * half, n_right, d, 1 - level)
    return Audit(bound, d, level, n, 2 * half, n_right)


def _largest_refuted(n: int, n_guesses: int, n_right: int, delta: float, level: float) -> float:
    """Return the largest epsilon with which so many right guesses have a probability of at most `level`."""
    low, high = 0.0, _LARGEST_EPSILON
    if probability_of_guesses(n, n_guesses, n_right, low, delta) > level:
        return 0.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        if probability_of_guesses(n, n_guesses, n_right, middle, delta) <= level:
            low = middle
        else:
            high = middle
    return low


def probability_of_guesses(n: int, n_guesses: int, n_right: int, epsilon: float, delta: float) -> float:
    """Return a bound of the probability of at least n_right right guesses, of n canaries, with this epsilon and delta.

    Without delta each guess is right with probability at most e^epsilon / (1 + e^epsilon), whatever the others are.
    """
    q = 1 / (1 + math.exp(-epsilon))
    k = np.arange(n_guesses + 1)
    factorials = np.append(0.0, np.cumsum(np.log(np.arange(1, n_guesses + 1))))
    logs = factorials[-1] - factorials - factorials[::-1] + k * math.log(q) + (n_guesses - k) * math.log1p(-q)
    chances = np.exp(logs)  # [n_guesses + 1] of the binomial distribution
    tail = float(chances[n_right:].sum())
    below = np.cumsum(chances[:n_right][::-1]) / np.arange(1, n_right + 1)
    return min(1.0, tail + 2 * n * delta * float(below.max(initial=0.0)))
