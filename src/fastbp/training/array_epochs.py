"""Training on samples in arrays."""

from __future__ import annotations

import functools
import time
from typing import NoReturn

from fastbp.data.samples import Samples
from fastbp.engine.errors import NonFinite
from fastbp.models.nonfinite import explain_nonfinite
from fastbp.training.agreement import merge_outputs
from fastbp.training.epochs import EpochParts, Epochs
from fastbp.training.settings import Figures

__all__ = ["ArrayEpochs"]


class ArrayEpochs(Epochs):
    """The epochs of one call of ``fit`` on samples in arrays; an unfinished epoch is continued.

    Parameters
    ----------
    parts : EpochParts
    data : Samples
        The training samples.
    """

    def __init__(self, parts: EpochParts, data: Samples) -> None:
        super().__init__(parts)
        self._data, self._n_samples = data, len(data)

    def _run_epoch(self) -> Figures | None:
        """Train on all samples once, or on the rest of an unfinished epoch; None if this one stays unfinished."""
        state, n_samples = self._state, len(self._data)
        unfinished = state.unfinished
        if unfinished is not None and unfinished.n_samples != n_samples:
            unfinished = None  # it was of other data
        seconds_before = unfinished.seconds if unfinished else 0.0
        self._outputs = unfinished.outputs if unfinished else None
        if self._outputs is None:
            self._outputs = self._evaluator.room_for_outputs(self._data)
        self._start = time.perf_counter() - seconds_before
        done = None
        state.session.forget_progress()  # of an attempt before
        try:
            with state.turns:
                state.unfinished = unfinished
                while done is None and not state.stopping:
                    done = self._train(self._data, state.unfinished, self._start, shuffle=self._settings.shuffle)
                    self.leave()  # a complete epoch too, until validation and callbacks are done
            seconds = time.perf_counter() - self._start
            rows = state.session.rows_in_order()
            figures = None
            if done is not None:
                outputs = merge_outputs(state.mpi, self._outputs)
                figures = self._evaluator.figures(*done, self._data, outputs, rows)
        except NonFinite as error:
            state.unfinished = None
            epoch = state.history.n_epochs + 1
            where = f"in epoch {epoch}" + (f", batch {error.batch + 1}" if error.batch >= 0 else "")
            state.explain(functools.partial(self._explain, error, where))
        except BaseException:
            self.leave()
            raise
        return None if figures is None else {**figures, "seconds": seconds}

    def _explain(self, error: NonFinite, where: str) -> NoReturn:
        state, model = self._state, self._state.model
        explain_nonfinite(error, model.architecture, model.feed, self._data, where, state.divergence_remedy())
