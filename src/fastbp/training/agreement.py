"""Several processes that train one model: what they compare before the first step, and callbacks that run on one."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from fastbp.callbacks.base import Callback
from fastbp.callbacks.listeners import Listeners
from fastbp.data.chunks import Chunks
from fastbp.data.samples import Samples
from fastbp.distributed.agreement import digest_of_arrays, digest_of_rows, refuse_differences
from fastbp.distributed.mpi import MPI, as_sent
from fastbp.engine import kernels
from fastbp.optimizers.base import Optimizer
from fastbp.preparation.running import RunningMoments
from fastbp.training.settings import TrainerSettings
from fastbp.training.state import TrainingState

__all__ = ["AgreedListeners", "agree", "ends_all_ranks", "merge_outputs"]

_SECRET_BYTES = 32

Method = TypeVar("Method", bound=Callable[..., Any])


def ends_all_ranks(method: Method) -> Method:
    """Let an error of a trainer's method that only this rank has end the job: the others would wait for it."""

    @functools.wraps(method)
    def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except BaseException as error:
            self.parts.state.fail(error)
            raise

    return cast("Method", guarded)


def agree(
    mpi: MPI, settings: TrainerSettings, state: TrainingState, data: Any, validation: Any, asked: Mapping[str, Any]
) -> None:
    """Refuse to train where the ranks differ in anything that the result depends on.

    Parameters
    ----------
    mpi : MPI
    settings : TrainerSettings
    state : TrainingState
    data, validation : Samples, Chunks or None
        The second by what schedules and callbacks see of it.
    asked : mapping of str to object
        Further arguments of ``fit`` by their names.

    Raises
    ------
    ValueError
        The same on all ranks.
    """
    import json  # only now: `import fastbp` stays quick

    secret = None
    if settings.privacy is not None:  # a fingerprint alone would tell whether somebody's guess of the rows is right
        secret = mpi.from_first(os.urandom(_SECRET_BYTES), "what the ranks compare before the first step")
    facts = {
        "the version of fastbp": sys.modules["fastbp"].__version__,  # no import, which would go upward
        "the instruction set": kernels.isa(),
        "the bfloat16 products": kernels.bf16() if settings.narrow else None,
        "the model": json.dumps(state.model.to_config(), default=_shown, sort_keys=True),
        **{name: _shown(value) for name, value in settings.arguments().items()},
        **{name: _shown(value) for name, value in asked.items()},
        "the number of steps so far": state.n_steps,
        "the fingerprint of the weights": digest_of_arrays(state.model.get_weights()),
        **_facts_of(data, secret),
        **{f"{name} of validation": fact for name, fact in _facts_of(validation).items()},
    }
    refuse_differences(mpi.all_objects(facts, "what the ranks compare before the first step"))


def _shown(value: Any) -> str:
    """Return what repr says, without addresses, which each process has its own of."""
    import re

    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def _facts_of(data: Any, secret: bytes | None = None) -> dict[str, Any]:
    """Return facts of samples or parts; of a source of chunks nothing is known before it is read.

    With a secret that the ranks share, fingerprints say whether they are equal and nothing else.
    """
    if data is None or isinstance(data, Chunks):
        return {}
    if not isinstance(data, Samples):  # parts, of which each rank has others
        return {"the sizes of the parts": digest_of_arrays([data.sizes])}
    weights, subset = data.sample_weights, data.subset
    return {
        "the number of samples": len(data),
        "the fingerprint of X": digest_of_rows(data.X, secret),
        "the fingerprint of y": digest_of_rows(data.y, secret),
        "the fingerprint of sample_weight": None if weights is None else digest_of_rows(weights, secret),
        "the fingerprint of the training rows": None if subset is None else digest_of_rows(subset, secret),
    }


def merge_outputs(mpi: MPI | None, outputs: NDArray[Any] | None) -> NDArray[Any] | None:
    """Return the outputs of all samples of an epoch, of which each rank has those of its shards, and NaN elsewhere."""
    if mpi is None or mpi.n_ranks == 1 or outputs is None:
        return outputs
    what, width = "the outputs of an epoch", outputs.shape[1]
    rows = np.flatnonzero(~np.isnan(outputs).all(axis=1))
    counts = [int(n) for n in mpi.all_numbers(np.array([len(rows)], np.float64))[:, 0]]
    all_rows = np.empty(sum(counts), rows.dtype)
    values = np.empty((sum(counts), width), outputs.dtype)
    mpi.gather_slices(rows, all_rows, counts, what)
    mpi.gather_slices(outputs[rows].reshape(-1), values.reshape(-1), [width * n for n in counts], what)
    merged = np.full_like(outputs, np.nan)
    merged[all_rows] = values
    return merged


class _Changes(NamedTuple):
    """What callbacks have done on rank 0; None: nothing of the kind."""

    stop: bool
    optimizer: Optimizer | None
    weights: list[NDArray[Any]] | None
    moments: RunningMoments | None
    kept_epoch: int | None
    error: BaseException | None


class AgreedListeners(Listeners):
    """The callbacks of a fit on several ranks: they run on rank 0, and all ranks take over what they change.

    Parameters
    ----------
    callbacks : sequence of Callback
    trainer : Trainer
    mpi : MPI
    state : TrainingState
    """

    def __init__(self, callbacks: Sequence[Callback], trainer: Any, mpi: MPI, state: TrainingState) -> None:
        super().__init__(callbacks if mpi.rank == 0 else (), trainer)
        self._wrote = False  # whether a callback has changed weights inside the epoch
        self._mpi, self._state, self._any = mpi, state, bool(callbacks)

    def fit_begin(self, latest: Callable[[], Any]) -> None:
        """Run the callbacks at the beginning of a call of ``fit``."""
        self._together(super().fit_begin, latest)

    def epoch_begin(self, latest: Callable[[], Any]) -> None:
        """Run the callbacks at the beginning of an epoch."""
        self._together(super().epoch_begin, latest)

    def epoch_end(self, latest: Callable[[], Any]) -> None:
        """Run the callbacks after an epoch and its validation."""
        self._check_weights()
        self._together(super().epoch_end, latest)

    def fit_end(self, latest: Callable[[], Any]) -> None:
        """Run the callbacks at the end of a call of ``fit``; where a rank is lost, nobody waits for what they did."""
        if self._mpi.lost:
            super().fit_end(latest)
        else:
            self._together(super().fit_end, latest)

    def _check_weights(self) -> None:
        """Refuse weights that differ: callbacks inside the epoch ran on rank 0, and nobody took over what they did.

        Raises
        ------
        RuntimeError
            The same on all ranks.
        """
        mpi, state = self._mpi, self._state
        hears = self.hear_steps or self.hear_ticks
        hears, wrote = mpi.from_first((hears, self._wrote), "whether callbacks ran inside the epoch")
        self._wrote = False
        if not hears:
            return
        moments = state.model.feed.moments
        seen = [] if moments is None else [moments.mean, moments.squares]
        digests = mpi.all_objects(digest_of_arrays([*state.model.get_weights(), *seen]), "the weights after an epoch")
        if wrote or any(digest != digests[0] for digest in digests):
            assert state.exchange is not None
            state.exchange.agreed = RuntimeError(
                "a callback has changed weights, or running statistics, inside the epoch; expected that at its end, in "
                "on_epoch_end, with several ranks: the others have gone on with those from before."
            )
            raise state.exchange.agreed

    def step_end(self, figures: Any) -> None:
        """Run the callbacks after a step."""
        self._watch(super().step_end, figures)

    def tick(self, figures: Any) -> None:
        """Run the callbacks at a tick inside an epoch."""
        self._watch(super().tick, figures)

    def _watch(self, run: Callable[[Any], None], figures: Any) -> None:
        """Notice changed weights: in the next step the other ranks send theirs, and the change could not be seen.

        The others are in the next step, or at the end of the epoch: there all ranks raise what a callback raises here.
        """
        network, exchange = self._state.model.network, self._state.exchange
        assert exchange is not None
        before = network.n_writings
        try:
            if exchange.deferred is None:
                run(figures)
        except Exception as error:
            exchange.deferred = error
        self._wrote = self._wrote or network.n_writings != before

    def _together(self, run: Callable[[Callable[[], Any]], None], latest: Callable[[], Any]) -> None:
        """Run callbacks on rank 0, and do on the others what they did."""
        mpi = self._mpi
        mine = self._run(run, latest) if mpi.rank == 0 else None
        changes: _Changes = mpi.from_first(mine, "the callbacks of rank 0")
        if changes.error is not None:
            assert self._state.exchange is not None
            self._state.exchange.agreed = changes.error
            raise changes.error
        self._state.stopping = self._state.stopping or any(
            mpi.all_numbers(np.array([changes.stop or self._state.stop_wanted], np.float64))[:, 0]
        )
        if mpi.rank > 0:
            self._take_over(changes)

    def _run(self, run: Callable[[Callable[[], Any]], None], latest: Callable[[], Any]) -> _Changes:
        trainer, state = self._trainer, self._state
        revision, seen = state.numbers.revision, state.model.feed.moments
        before = digest_of_arrays(state.model.get_weights()) if self._any else ""
        error: BaseException | None = None
        assert state.exchange is not None
        deferred, state.exchange.deferred = state.exchange.deferred, None
        try:
            if deferred is not None:
                raise deferred
            run(latest)
        except Exception as raised:
            error = as_sent(raised)
        weights = state.model.get_weights() if self._any else []
        return _Changes(
            state.stop_wanted,
            None if state.numbers.revision == revision else trainer.optimizer,
            weights if self._any and digest_of_arrays(weights) != before else None,
            None if state.model.feed.moments is seen else state.model.feed.moments,
            state.history.kept_epoch,
            error,
        )

    def _take_over(self, changes: _Changes) -> None:
        trainer, state = self._trainer, self._state
        if changes.optimizer is not None:  # even an equal one: the learning rate is no longer scaled
            trainer.optimizer = changes.optimizer
        if changes.weights is not None:
            state.model.set_weights(changes.weights)
        if changes.moments is not None:
            state.model.adopt(state.model.feed.with_moments(changes.moments))
        state.history.kept_epoch = changes.kept_epoch
