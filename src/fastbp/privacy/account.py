"""The account of a trainer's privacy: what its steps have revealed so far, and how many more the budget allows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fastbp.privacy.accounting import Steps, check_delta, epsilon_of, noise_multiplier
from fastbp.privacy.keys import KeyChain
from fastbp.privacy.ledger import Ledger, together
from fastbp.privacy.settings import DifferentialPrivacy
from fastbp.support.checks import check_int, check_number

if TYPE_CHECKING:
    from fastbp.privacy.promise import Promise

__all__ = ["PrivacyAccount", "join_accounts"]

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
        The steps so far: runs with the same sampling probability and noise are counted together. Where ``fit_many`` or
        ``fb.privacy.join`` joined several trainers' accounts, the steps of all of them.
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
        self._ledger = Ledger(settings.noise_multiplier)
        self.keys = KeyChain(None if settings.secure else seed)
        self._n_samples = 0
        self._n_counted = 0

    @property
    def runs(self) -> list[Steps]:
        """The steps so far, of all trainers that share this account."""
        return self._ledger.runs

    @property
    def noise_multiplier(self) -> float | None:
        """The noise in use."""
        return self._ledger.noise_multiplier

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

    def promise(self) -> Promise:
        """Return the account as it stands, without its key: what is published with a model."""
        from fastbp.privacy.promise import Promise  # few programs ask for it

        delta, secure = self.settings.target_delta, self.settings.secure
        return Promise(self.epsilon(), delta, self.n_steps, secure, self.statement())

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
        models = self._ledger.n_models
        of_models = "" if models == 1 else f" of {models} models on the same samples together"
        return (
            f"After {self.n_steps:,} steps{of_models}, DP-SGD training is (epsilon, delta)-differentially private with "
            f"epsilon {self.epsilon():.4g} and delta {delta:g}, under Poisson sampling, which this training uses "
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
            self._ledger.noise_multiplier = noise_multiplier(
                target_epsilon=settings.target_epsilon,
                sampling_probability=self.probability(n_samples),
                steps=n_steps * self._ledger.n_models,  # the others are expected to make as many
                delta=settings.target_delta,
                accountant=settings.accountant,
            )
        if self.steps_left(n_samples, 1) == 0:
            raise ValueError(
                f"target_epsilon is {settings.target_epsilon:g}, and {self.n_steps:,} steps have used it up (epsilon "
                f"{self.epsilon():.4g}); expected a budget that allows another step. Make a trainer with a larger one: "
                "its account begins anew, and what both reveal adds up."
            )

    def follow(self, n_samples: int, noise_multiplier: float) -> None:
        """Take over the noise that ``begin`` has chosen in another process, for steps on n_samples samples."""
        self._n_samples = n_samples
        self._ledger.noise_multiplier = noise_multiplier

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
        return epsilon_of(together(runs), self.settings.target_delta, self.settings.accountant) <= (
            self.settings.target_epsilon
        )

    def count(self, n_steps: int) -> None:
        """Take the steps that a session has made, n_steps in all, into the account."""
        new, self._n_counted = n_steps - self._n_counted, n_steps
        if new > 0:
            assert self.noise_multiplier is not None
            self._ledger.add(Steps(self.probability(self._n_samples), self.noise_multiplier, new))

    # ------------------------------------------------------------------------------------------------ files

    def gathered(self) -> dict[str, Any]:
        """Return all of it as plain data. It has the key: as secret as the data."""
        return {
            "runs": [[run.sampling_probability, run.noise_multiplier, run.steps] for run in self.runs],
            "noise_multiplier": self.noise_multiplier,
            "n_models": self._ledger.n_models,
            "n_samples": self._n_samples,
            "n_counted": self._n_counted,
            "key": self.keys.key.hex(),
            "circumstances": self.keys.circumstances.hex(),
        }

    def go_on_from(self, gathered: Mapping[str, Any]) -> None:
        """Restore what ``gathered`` returned."""
        ledger = self._ledger = Ledger(None)
        ledger.runs = [
            Steps(
                check_number(q, "sampling probability", above=0, below=1.0 + 1e-12),
                check_number(sigma, "noise multiplier", above=0),
                check_int(steps, "steps", maximum=_MOST_STEPS),
            )
            for q, sigma, steps in gathered["runs"]
        ]
        sigma = gathered["noise_multiplier"]
        ledger.noise_multiplier = None if sigma is None else check_number(sigma, "noise multiplier", above=0)
        ledger.n_models = check_int(gathered.get("n_models", 1), "n_models")
        self._n_samples = check_int(gathered["n_samples"], "n_samples", minimum=0)
        self._n_counted = check_int(gathered["n_counted"], "n_counted", minimum=0, maximum=_MOST_STEPS)
        self.keys.restore(bytes.fromhex(gathered["key"]), bytes.fromhex(gathered["circumstances"]))


def join_accounts(accounts: Sequence[PrivacyAccount], names: Sequence[str]) -> None:
    """Let accounts count together: each has the steps of all from now on, and one budget.

    Raises
    ------
    ValueError
        If their settings, or the noise that was chosen before, differ; ``names`` are what messages call them.
    """
    first = accounts[0]
    ledgers = list({id(account._ledger): account._ledger for account in accounts}.values())
    chosen = {ledger.noise_multiplier for ledger in ledgers if ledger.noise_multiplier is not None}
    for account, name in zip(accounts, names, strict=True):
        if account.settings != first.settings:
            raise ValueError(
                f"{name} has privacy={account.settings!r}, and {names[0]} has {first.settings!r}; expected the same of "
                "all: they have one budget. Train the others apart, and add up with fb.privacy.epsilon."
            )
    if len(chosen) > 1:
        raise ValueError(
            f"{names[0]} and others have chosen different noise multipliers, {', '.join(map(str, sorted(chosen)))}, in "
            "a fit before; expected new trainers, or the same noise. Give noise_multiplier, or join them before fit."
        )
    ledger = ledgers[0]
    for other in ledgers[1:]:
        ledger.take_in(other)
    for account in accounts:
        account._ledger = ledger
