"""The account of a trainer's privacy: what its steps have revealed so far, and how many more the budget allows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fastbp.privacy.accounting import Steps, check_delta, epsilon_of, noise_multiplier
from fastbp.privacy.keys import KeyChain
from fastbp.privacy.settings import DifferentialPrivacy
from fastbp.support.checks import check_int, check_number

__all__ = ["PrivacyAccount"]

_MOST_STEPS = 2**40


class PrivacyAccount:
    """What a private trainer has spent; ``trainer.privacy``.

    Parameters
    ----------
    settings : DifferentialPrivacy
    seed : int
        The trainer's seed, used where ``settings.secure`` is False.

    Attributes
    ----------
    settings : DifferentialPrivacy
    runs : list of Steps
        The steps so far: runs with the same sampling probability and noise are counted together.
    noise_multiplier : float or None
        The noise in use; None before the first ``fit`` with a budget chooses it.
    keys : KeyChain
        The secret. Whoever has it can take the noise away.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> model = fb.Model([fb.Dense(1)], inputs=3, seed=0)
    >>> private = fb.DifferentialPrivacy(target_delta=1e-5, expected_batch_size=50, noise_multiplier=2.0)
    >>> trainer = fb.Trainer(model, "mse", privacy=private)
    >>> history = trainer.fit(X, X[:, :1], epochs=1)
    >>> 0 < trainer.privacy.epsilon() < 3, trainer.privacy.n_steps
    (True, 10)
    """

    def __init__(self, settings: DifferentialPrivacy, seed: int) -> None:
        self.settings = settings
        self.runs: list[Steps] = []
        self.noise_multiplier = settings.noise_multiplier
        self.keys = KeyChain(None if settings.secure else seed)
        self._n_samples = 0
        self._n_counted = 0

    # ------------------------------------------------------------------------------------------- for the user

    def epsilon(self, delta: float | None = None) -> float:
        """Return the epsilon of all steps so far, with every weight of every step revealed.

        Parameters
        ----------
        delta : float or None, default None
            None means ``target_delta``.
        """
        d = self.settings.target_delta if delta is None else check_delta(delta)
        return epsilon_of(self.runs, d, self.settings.accountant)

    @property
    def n_steps(self) -> int:
        """The number of steps so far."""
        return sum(run.steps for run in self.runs)

    def statement(self) -> str:
        """Return in words what is promised so far, to whom, and under which conditions."""
        settings, delta = self.settings, self.settings.target_delta
        if not self.runs:
            return "No step was made yet: nothing is revealed."
        once = epsilon_of(
            [Steps(1.0, run.noise_multiplier, math.ceil(run.sampling_probability * run.steps)) for run in self.runs],
            delta,
            settings.accountant,
        )
        noise = ", ".join(sorted({f"{run.noise_multiplier:.4g}" for run in self.runs}))
        secrecy = "Noise and samples come from a secret key of the operating system."
        if not settings.secure:
            secrecy = (
                "NOT PRIVATE: secure=False. Noise and samples follow from the trainer's seed, and whoever knows or "
                "guesses it can take the noise away. The figures are those of the same training with secure=True."
            )
        return (
            f"After {self.n_steps:,} steps of DP-SGD training is (epsilon, delta)-differentially private with epsilon "
            f"{self.epsilon():.4g} and delta {delta:g}, under Poisson sampling, which this training uses "
            f"({settings.accountant.upper()} accountant). Were each sample used once an epoch instead, epsilon would "
            f"be {once:.4g}.\n"
            "Neighbouring data sets differ by one sample, added or removed. Revealed are the weights after every step, "
            "the settings, and the number of steps; no loss and no metric of a private sample. The number of samples, "
            f"{self._n_samples:,}, is taken as public. Each sample's gradient was clipped to a norm of "
            f"{settings.max_grad_norm:g} ({settings.clipping}); the noise multiplier was {noise}; the expected batch "
            f"size {settings.expected_batch_size:,}.\n"
            f"{secrecy} Other trainings on the same samples, choices of settings by their results, and figures of "
            "private samples reveal more: they are not in this account."
        )

    def __repr__(self) -> str:
        spent = (
            f"epsilon {self.epsilon():.4g} at delta {self.settings.target_delta:g}" if self.runs else "nothing spent"
        )
        label = "" if self.settings.secure else ", NOT PRIVATE: secure=False"
        return f"PrivacyAccount({spent}, {self.n_steps:,} steps{label})"

    # ------------------------------------------------------------------------------------------- for training

    def probability(self, n_samples: int) -> float:
        """Return the probability with which each sample is in a step."""
        return min(1.0, self.settings.expected_batch_size / n_samples)

    def steps_of_epoch(self, n_samples: int) -> int:
        """Return how many steps an epoch has: n_samples / expected_batch_size, rounded up."""
        return -(-n_samples // self.settings.expected_batch_size)

    def begin(self, n_samples: int, n_steps: int) -> None:
        """Before some steps on n_samples samples: choose the noise, where the budget does.

        Raises
        ------
        ValueError
            If the samples are too few for the batch size, or the budget is spent.
        """
        settings = self.settings
        if n_samples < settings.expected_batch_size:
            raise ValueError(
                f"expected_batch_size is {settings.expected_batch_size} and X has {n_samples} rows; expected at most "
                "as many as there are rows."
            )
        self._n_samples = n_samples
        if self.noise_multiplier is None:
            assert settings.target_epsilon is not None
            self.noise_multiplier = noise_multiplier(
                target_epsilon=settings.target_epsilon,
                sampling_probability=self.probability(n_samples),
                steps=n_steps,
                delta=settings.target_delta,
                accountant=settings.accountant,
            )
        if self.steps_left(n_samples, 1) == 0:
            raise ValueError(
                f"target_epsilon is {settings.target_epsilon:g}, and {self.n_steps:,} steps have used it up (epsilon "
                f"{self.epsilon():.4g}); expected a budget that allows another step. Make a trainer with a larger one: "
                "its account begins anew, and what both reveal adds up."
            )

    def steps_left(self, n_samples: int, most: int) -> int:
        """Return how many of `most` further steps the budget allows."""
        if self.settings.target_epsilon is None or self._within_budget(n_samples, most):
            return most
        few, many = 0, most
        while many - few > 1:
            middle = (few + many) // 2
            few, many = (middle, many) if self._within_budget(n_samples, middle) else (few, middle)
        return few

    def _within_budget(self, n_samples: int, n_steps: int) -> bool:
        assert self.noise_multiplier is not None and self.settings.target_epsilon is not None
        runs = [*self.runs, Steps(self.probability(n_samples), self.noise_multiplier, n_steps)]
        # Runs with the same numbers count as one, so that the budget's last step is not lost to rounding.
        return epsilon_of(_together(runs), self.settings.target_delta, self.settings.accountant) <= (
            self.settings.target_epsilon
        )

    def count(self, n_steps: int) -> None:
        """Take the steps that a session has made, n_steps in all, into the account."""
        new, self._n_counted = n_steps - self._n_counted, n_steps
        if new > 0:
            assert self.noise_multiplier is not None
            run = Steps(self.probability(self._n_samples), self.noise_multiplier, new)
            self.runs = _together([*self.runs, run])

    # ------------------------------------------------------------------------------------------------ files

    def gathered(self) -> dict[str, Any]:
        """Return all of it as plain data. It has the key: as secret as the data."""
        return {
            "runs": [[run.sampling_probability, run.noise_multiplier, run.steps] for run in self.runs],
            "noise_multiplier": self.noise_multiplier,
            "n_samples": self._n_samples,
            "n_counted": self._n_counted,
            "key": self.keys.key.hex(),
            "circumstances": self.keys.circumstances.hex(),
        }

    def go_on_from(self, gathered: Mapping[str, Any]) -> None:
        """Restore what ``gathered`` returned."""
        self.runs = [
            Steps(
                check_number(q, "sampling probability", above=0, below=1.0 + 1e-12),
                check_number(sigma, "noise multiplier", above=0),
                check_int(steps, "steps", maximum=_MOST_STEPS),
            )
            for q, sigma, steps in gathered["runs"]
        ]
        sigma = gathered["noise_multiplier"]
        self.noise_multiplier = None if sigma is None else check_number(sigma, "noise multiplier", above=0)
        self._n_samples = check_int(gathered["n_samples"], "n_samples", minimum=0)
        self._n_counted = check_int(gathered["n_counted"], "n_counted", minimum=0, maximum=_MOST_STEPS)
        self.keys.restore(bytes.fromhex(gathered["key"]), bytes.fromhex(gathered["circumstances"]))


def _together(runs: list[Steps]) -> list[Steps]:
    """Return runs with equal numbers as one."""
    counts: dict[tuple[float, float], int] = {}
    for run in runs:
        numbers = run.sampling_probability, run.noise_multiplier
        counts[numbers] = counts.get(numbers, 0) + run.steps
    return [Steps(q, sigma, steps) for (q, sigma), steps in counts.items()]
