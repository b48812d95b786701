"""Epsilon without training: what so many noisy steps reveal, and how much noise a budget asks for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from fastbp.privacy import renyi
from fastbp.support.checks import check_int, check_number, check_word

__all__ = ["ACCOUNTANTS", "AccountantName", "Steps", "check_delta", "epsilon", "epsilon_of", "noise_multiplier"]

AccountantName: TypeAlias = Literal["rdp", "pld"]
ACCOUNTANTS: tuple[AccountantName, ...] = ("rdp", "pld")

_SMALLEST_SIGMA, _LARGEST_SIGMA = 2.0**-10, 2.0**30
_SIGMA_PRECISION = 1e-5  # relative


@dataclass(frozen=True)
class Steps:
    """Some equal steps of training: the share of samples that each takes, its noise, and how many they are."""

    sampling_probability: float
    noise_multiplier: float
    steps: int


def epsilon(
    *,
    sampling_probability: float | Sequence[float],
    noise_multiplier: float | Sequence[float],
    steps: int | Sequence[int],
    delta: float,
    accountant: AccountantName = "rdp",
) -> float:
    """Return the epsilon of training with noise: how much it can reveal about any one sample.

    Neighbouring data sets differ by one sample, added or removed. Each step takes every sample independently with the
    same probability (Poisson sampling), clips each sample's gradient to a norm C, adds the gradients up and adds
    Gaussian noise of standard deviation ``noise_multiplier * C`` to each number.

    Parameters
    ----------
    sampling_probability : float or sequence of float
        The expected batch size divided by the number of samples, 0 to 1; 1 is every sample in every step.
    noise_multiplier : float or sequence of float
        0 or more; without noise epsilon is infinite.
    steps : int or sequence of int
        How many steps, 0 or more. Where the three arguments are sequences, they describe several runs on the same
        samples, and the epsilon is of all of them together.
    delta : float
        The probability with which epsilon may be exceeded, above 0 and below 1. It should be far below one divided by
        the number of samples.
    accountant : {"rdp", "pld"}, default "rdp"
        "rdp" composes Rényi divergences, in NumPy. "pld" composes distributions of the privacy loss: about a tenth
        smaller; it needs the package dp-accounting (``pip install "fastbp[privacy]"``).

    Returns
    -------
    float
        An upper bound, never below the true epsilon: 0 or more, possibly infinite.

    Raises
    ------
    TypeError, ValueError
        For arguments of another kind or out of range.
    ImportError
        ``accountant="pld"`` without dp-accounting.

    Notes
    -----
    Mironov, Talwar and Zhang (2019), arXiv:1908.10530, with the conversion of Canonne, Kamath and Steinke (2020),
    arXiv:2004.00010. "pld" is Koskela et al. (2020) and Doroshenko et al. (2022), as dp-accounting computes it.

    Examples
    --------
    >>> import fastbp as fb
    >>> round(fb.privacy.epsilon(sampling_probability=0.01, noise_multiplier=0.7, steps=120, delta=1e-5), 3)
    3.239
    """
    runs = _check_runs(sampling_probability, noise_multiplier, steps)
    return epsilon_of(runs, check_delta(delta), check_word(accountant, "accountant", ACCOUNTANTS))


def noise_multiplier(
    *,
    target_epsilon: float,
    sampling_probability: float,
    steps: int,
    delta: float,
    accountant: AccountantName = "rdp",
) -> float:
    """Return the smallest noise multiplier with which so many steps stay within an epsilon.

    Parameters
    ----------
    target_epsilon : float
        The budget, above 0.
    sampling_probability : float
        The expected batch size divided by the number of samples, above 0 and up to 1.
    steps : int
        How many steps, 1 or more.
    delta : float
        The probability with which epsilon may be exceeded, above 0 and below 1.
    accountant : {"rdp", "pld"}, default "rdp"
        As for :func:`fastbp.privacy.epsilon`.

    Returns
    -------
    float
        Within 1 part in 100,000 of the smallest, and never below it: its epsilon is at most ``target_epsilon``. Budgets
        that allow less than 2^-10 get that.

    Raises
    ------
    TypeError, ValueError
        For arguments of another kind or out of range, and where no noise keeps the budget.
    ImportError
        ``accountant="pld"`` without dp-accounting.

    Examples
    --------
    >>> import fastbp as fb
    >>> round(fb.privacy.noise_multiplier(target_epsilon=8, sampling_probability=0.04, steps=2000, delta=1e-5), 3)
    1.356
    """
    budget = check_number(target_epsilon, "target_epsilon", above=0)
    q = _check_probability(sampling_probability)
    if q == 0:
        raise ValueError("sampling_probability is 0; expected a number above 0 and up to 1.")
    n = check_int(steps, "steps")
    d = check_delta(delta)
    name = check_word(accountant, "accountant", ACCOUNTANTS)
    return _smallest_noise(lambda sigma: epsilon_of([Steps(q, sigma, n)], d, name), budget)


def _smallest_noise(epsilon_at: Callable[[float], float], budget: float) -> float:
    """Bisect for the noise whose epsilon is the budget; what is returned is on the side that keeps it."""
    enough = 1.0
    while epsilon_at(enough) > budget:
        enough *= 2
        if enough > _LARGEST_SIGMA:
            raise ValueError(
                f"target_epsilon is {budget:g}; no amount of noise keeps it with these steps and delta. "
                "Raise target_epsilon or delta, or take fewer steps."
            )
    too_little = enough / 2
    while epsilon_at(too_little) <= budget:
        enough, too_little = too_little, too_little / 2
        if enough <= _SMALLEST_SIGMA:
            return enough
    while enough > too_little * (1 + _SIGMA_PRECISION):
        middle = math.sqrt(enough * too_little)
        if epsilon_at(middle) <= budget:
            enough = middle
        else:
            too_little = middle
    return enough


def epsilon_of(runs: Iterable[Steps], delta: float, accountant: str = "rdp") -> float:
    """Return the epsilon of several runs on the same samples; the arguments are checked ones."""
    counted = [run for run in runs if run.steps > 0 and run.sampling_probability > 0]
    if not counted:
        return 0.0
    if any(run.noise_multiplier == 0 for run in counted):
        return math.inf
    if accountant == "pld":
        from fastbp.privacy.loss_distribution import epsilon_by_distributions

        return epsilon_by_distributions(
            [(run.sampling_probability, run.noise_multiplier, run.steps) for run in counted], delta
        )

    def together(orders: Sequence[float]) -> renyi.Floats:
        total = np.zeros(len(orders))
        for run in counted:
            total += run.steps * renyi.divergences(run.sampling_probability, run.noise_multiplier, orders)
        return total

    return renyi.smallest_epsilon(together, delta)


def check_delta(delta: Any, argument: str = "delta") -> float:
    """Return delta, above 0 and below 1."""
    return check_number(delta, argument, above=0, below=1)


def _check_probability(value: Any, argument: str = "sampling_probability") -> float:
    probability = check_number(value, argument, at_least=0)
    if probability > 1:
        raise ValueError(f"{argument} is {probability:g}; expected a number from 0 to 1.")
    return probability


def _check_runs(probabilities: Any, multipliers: Any, steps: Any) -> list[Steps]:
    """Return the runs that the three arguments describe, each one number or a sequence as long as the others."""
    columns = {"sampling_probability": probabilities, "noise_multiplier": multipliers, "steps": steps}
    lists = {name: _as_list(value) for name, value in columns.items()}
    n_runs = max(len(values) for values in lists.values())
    for name, values in lists.items():
        if len(values) not in (1, n_runs):
            raise ValueError(
                f"{name} has {len(values)} entries, and another argument has {n_runs}; "
                "expected one number, or one for each run."
            )
    columns = {name: values * n_runs if len(values) == 1 else values for name, values in lists.items()}
    return [
        Steps(
            _check_probability(columns["sampling_probability"][i]),
            check_number(columns["noise_multiplier"][i], "noise_multiplier", at_least=0),
            check_int(columns["steps"][i], "steps", minimum=0),
        )
        for i in range(n_runs)
    ]


def _as_list(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim == 1):
        try:
            return list(value)
        except Exception:  # what a user's class raises; then it is no number either
            return [value]
    return [value]
