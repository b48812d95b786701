"""Several private trainers on the same samples: one account, one budget, one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastbp import privacy
from fastbp.callbacks.base import Callback
from fastbp.ensembles.naming import named
from fastbp.support.threads import check_threads, choose_threads
from fastbp.training.trainer import Trainer

__all__ = ["fit_privately"]


def fit_privately(
    trainers: Sequence[Trainer],
    X: Any,
    y: Any,
    epochs: int,
    listeners: Sequence[list[Callback]],
    n_threads: int | None,
    **options: Any,
) -> None:
    """Join the trainers' accounts and fit each, with all threads: the budget is looked at before every step.

    Parameters
    ----------
    trainers : sequence of Trainer
    X, y, epochs
        As for ``Trainer.fit``, and the ``options`` too.
    listeners : sequence of list of Callback
        Of each trainer.
    n_threads : int or None

    Raises
    ------
    TypeError, ValueError
        If one of the trainers is not private, or their settings differ; and as for ``Trainer.fit``.
    """
    threads = choose_threads() if n_threads is None else check_threads(n_threads)
    privacy.join(trainers)
    for i, (trainer, own) in enumerate(zip(trainers, listeners, strict=True)):
        with named(f"trainers[{i}]"), trainer.parts.state.on_threads(threads):
            trainer.fit(X, y, epochs, callbacks=own, **options)
