"""Training on samples in parts, of which this process has some."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NoReturn, cast

import numpy as np

from fastbp.data.samples import Samples
from fastbp.engine.errors import NonFinite
from fastbp.models.nonfinite import explain_nonfinite
from fastbp.training.epochs import EpochParts, Epochs
from fastbp.training.part_data import PartData, PartSteps
from fastbp.training.settings import Figures
from fastbp.training.state import UnfinishedEpoch

if TYPE_CHECKING:
    from fastbp.engine.sharded_session import ShardedSession

__all__ = ["PartEpochs"]


class PartEpochs(Epochs):
    """The epochs of one call of ``fit`` on samples in parts; an unfinished epoch is continued.

    Parameters
    ----------
    parts : EpochParts
    data : PartData
    """

    def __init__(self, parts: EpochParts, data: PartData) -> None:
        super().__init__(parts)
        self._data, self._joined, self._n_samples = data, data.joined(), len(data)
        self._steps = PartSteps(data, self._settings.batch_size_of(len(data)))

    def _run_epoch(self) -> Figures | None:
        """Train on all samples once, or on the rest of an unfinished epoch; None if this one stays unfinished."""
        state, settings = self._state, self._settings
        unfinished = state.unfinished
        if unfinished is not None and not self._continues(unfinished):
            unfinished = None  # it was of other data
        self._start = time.perf_counter() - (unfinished.seconds if unfinished else 0.0)
        samples = self._joined.at(self._steps.order(settings.seed, state.history.n_epochs, settings.shuffle))
        session = cast("ShardedSession", state.session)
        done = None
        session.forget_progress()  # of an attempt before
        try:
            session.use_parts(self._steps.plan(samples, state.exchange))
            with state.turns:
                state.unfinished = unfinished
                while done is None and not state.stopping:
                    n_steps = len(self._steps) - self._n_done(state.unfinished)
                    done = self._train(samples, state.unfinished, self._start, shuffle=False, n_steps=n_steps)
                    self.leave()  # a complete epoch too, until validation and callbacks are done
        except NonFinite as error:
            state.unfinished = None
            self._explain(error, samples)
        except BaseException:
            self.leave()
            raise
        finally:
            session.use_parts(None)
        if done is None:
            return None
        seconds = time.perf_counter() - self._start
        totals = self._evaluator.totals()
        self._data.add_to(totals)
        return {**self._evaluator.figures(*done, totals, None, None), "seconds": seconds}

    def _continues(self, unfinished: UnfinishedEpoch) -> bool:
        return unfinished.n_samples == self._n_samples and unfinished.progress[0] in self._steps.ends

    def _n_done(self, unfinished: UnfinishedEpoch | None) -> int:
        """Return the number of steps that the epoch has made."""
        return 0 if unfinished is None else int(np.searchsorted(self._steps.ends, unfinished.progress[0]))

    def _explain(self, error: NonFinite, samples: Samples) -> NoReturn:
        """Raise the error for NaN and infinity, which the process that has the samples knows, on all."""
        state = self._state
        model = state.model

        def explain() -> NoReturn:
            where = f"in epoch {state.history.n_epochs + 1}"
            explain_nonfinite(error, model.architecture, model.feed, samples, where, state.divergence_remedy())

        state.explain(explain)
