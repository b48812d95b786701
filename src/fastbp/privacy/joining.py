"""Several trainers on the same samples have one account."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from fastbp.privacy.account import PrivacyAccount, join_accounts
from fastbp.support.checks import check_list, sentence

__all__ = ["join"]


class HasAccount(Protocol):
    """A trainer, as far as it matters here."""

    @property
    def privacy(self) -> PrivacyAccount | None: ...


def join(trainers: Iterable[HasAccount]) -> None:
    """Let private trainers that train on the same samples, or on parts of them such as folds, have one account.

    Each of them then counts the steps of all, and what they have made before; with ``target_epsilon`` all of them
    together keep the budget. With ``target_epsilon`` alone the noise is that with which each may make as many steps
    as the first one's first ``fit``. Counting all steps for every sample is right for folds too, and an upper bound: no
    sample is in all of them. Joined trainers train one after another, not in several threads at once.
    ``fb.fit_many`` joins its trainers.

    Parameters
    ----------
    trainers : sequence of Trainer
        With the same ``fb.DifferentialPrivacy``. A trainer that is copied, pickled or loaded from a file is on its own
        from then on, with all that was counted before.

    Raises
    ------
    TypeError, ValueError
        If one of them is not a private trainer, or their settings or their noise differ.

    Examples
    --------
    >>> import numpy as np
    >>> import fastbp as fb
    >>> X = np.random.default_rng(0).normal(size=(1000, 3))
    >>> privacy = fb.DifferentialPrivacy(target_epsilon=2, target_delta=1e-5, expected_batch_size=100)
    >>> models = [fb.Model([fb.Dense(1)], inputs=3, seed=seed) for seed in range(2)]
    >>> trainers = [fb.Trainer(model, "mse", privacy=privacy) for model in models]
    >>> fb.privacy.join(trainers)
    >>> for trainer, part in zip(trainers, (X[:800], X[200:])):
    ...     history = trainer.fit(part, part[:, 0], epochs=3)
    >>> trainers[0].privacy.epsilon() == trainers[1].privacy.epsilon() <= 2
    True
    """
    checked = check_list(trainers, "trainers", "a list of fb.Trainer objects with privacy")
    accounts = [_account_of(trainer, f"trainers[{i}]") for i, trainer in enumerate(checked)]
    if accounts:
        join_accounts(accounts, [f"trainers[{i}]" for i in range(len(accounts))])


def _account_of(trainer: Any, name: str) -> PrivacyAccount:
    account = getattr(trainer, "privacy", None)
    if not isinstance(account, PrivacyAccount):
        remedy = "What a trainer without privacy reveals has no bound."
        raise TypeError(sentence(name, trainer, "an fb.Trainer with privacy=fb.DifferentialPrivacy(...)", remedy))
    return account
