"""The steps that count together: those of one trainer, or of several that train on the same samples."""

from __future__ import annotations

from collections.abc import Iterable

from fastbp.privacy.accounting import Steps

__all__ = ["Ledger", "together"]


class Ledger:
    """Private steps on the same samples, whichever model they trained.

    Attributes
    ----------
    runs : list of Steps
        Those with the same sampling probability and noise are counted together.
    n_models : int
        How many trainers write here.
    noise_multiplier : float or None
        The noise that all of them use; None before the first ``fit`` with a budget chooses it.
    """

    def __init__(self, noise_multiplier: float | None) -> None:
        self.runs: list[Steps] = []
        self.n_models = 1
        self.noise_multiplier = noise_multiplier

    def add(self, run: Steps) -> None:
        """Count some steps."""
        self.runs = together([*self.runs, run])

    def take_in(self, other: Ledger) -> None:
        """Count what another ledger has, and its trainers."""
        self.runs = together([*self.runs, *other.runs])
        self.n_models += other.n_models
        if self.noise_multiplier is None:
            self.noise_multiplier = other.noise_multiplier


def together(runs: Iterable[Steps]) -> list[Steps]:
    """Return runs with equal numbers as one."""
    counts: dict[tuple[float, float], int] = {}
    for run in runs:
        numbers = run.sampling_probability, run.noise_multiplier
        counts[numbers] = counts.get(numbers, 0) + run.steps
    return [Steps(q, sigma, steps) for (q, sigma), steps in counts.items()]
