"""Training many networks by joblib's backends: other processes, or the machines of a Dask, Ray or Spark cluster.

joblib is used only where the program has chosen a backend by ``joblib.parallel_config``. A trainer is sent with its
data, trained there on one thread, and its state is brought back: each ends with the same bits as here.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from fastbp.callbacks.base import Callback
from fastbp.data.samples import Samples
from fastbp.ensembles.naming import named
from fastbp.support.checks import counted
from fastbp.training.handing_over import hand_over, take_over
from fastbp.training.trainer import Trainer

__all__ = ["has_backend", "n_of_backend", "train_elsewhere"]


class JobOfTrainer(Protocol):
    """A trainer, its name in messages, and its data."""

    @property
    def name(self) -> str: ...
    @property
    def trainer(self) -> Trainer: ...
    @property
    def data(self) -> Samples: ...
    @property
    def validation(self) -> Samples | None: ...
    @property
    def listeners(self) -> list[Callback]: ...


def has_backend() -> bool:
    """Return whether the program has chosen a backend of joblib for more than one job."""
    return _n_jobs() != 1


def n_of_backend() -> int:
    """Return how many trainings the backend that the program has chosen makes at once; 0 where it has chosen none."""
    if not has_backend():
        return 0
    import joblib

    return int(joblib.effective_n_jobs(_n_jobs()))


def _n_jobs() -> int:
    """Return how many jobs ``joblib.Parallel()`` has, -1: all; a cluster's backend has that unless told otherwise."""
    joblib = sys.modules.get("joblib")
    if joblib is None:
        return 1
    backend, n_jobs = joblib.parallel.get_active_backend()
    return int(getattr(backend, "default_n_jobs", 1) if n_jobs is None else n_jobs)


def train_elsewhere(jobs: Sequence[JobOfTrainer], n_epochs: int) -> None:
    """Train all by joblib, each on one thread; the first error stops those that have not begun.

    Raises
    ------
    Exception
        The first exception of a trainer, with a note of which one it was, or joblib's where a worker died or took too
        long; then no trainer has changed.
    """
    import joblib

    call = joblib.delayed(_train_there)
    results = joblib.Parallel()(
        call(job.name, job.trainer, job.data, job.validation, job.listeners, n_epochs) for job in jobs
    )
    if len(results) != len(jobs):
        raise RuntimeError(f"joblib returned {counted(len(results), 'result')} of {counted(len(jobs), 'trainer')}.")
    for job, (training, states) in zip(jobs, results, strict=True):
        take_over(job.trainer, training)
        for listener, state in zip(job.listeners, states, strict=True):
            if state:
                listener.set_state(state)


def _train_there(
    name: str,
    trainer: Trainer,
    data: Samples,
    validation: Samples | None,
    listeners: list[Callback],
    n_epochs: int,
) -> tuple[Mapping[str, Any], list[dict[str, Any]]]:
    """Train in the worker; return what the trainer and its callbacks have become."""
    with named(name), trainer.parts.state.on_threads(1):
        trainer.fit_samples(data, n_epochs, validation, listeners)
    return hand_over(trainer), [listener.get_state() for listener in listeners]
