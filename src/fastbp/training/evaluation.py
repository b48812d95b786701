"""Loss and metrics of a model, on samples in arrays or in chunks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.data.chunks import Chunks, Totals
from fastbp.data.class_weights import ClassWeight
from fastbp.data.prefetch import Prefetch
from fastbp.data.samples import Measured, Samples
from fastbp.engine.errors import NonFinite
from fastbp.losses.custom import CustomLoss, mean_of_function
from fastbp.metrics.base import OutputMetric
from fastbp.metrics.choose import measure
from fastbp.metrics.regression import R2
from fastbp.models.model import Model
from fastbp.models.nonfinite import DivergenceError, explain_nonfinite
from fastbp.training.intake import Intake
from fastbp.training.settings import Figures, TrainerSettings
from fastbp.training.state import TrainingState

__all__ = ["Evaluator"]

Array = NDArray[Any]
Sums = Sequence[NDArray[np.float64]]  # the engine's sums: an array for each metric


class Evaluator:
    """Computes loss and metrics.

    Parameters
    ----------
    settings : TrainerSettings
    intake : Intake
        Reader of chunks.
    state : TrainingState
        State with the trained model and the number of threads.
    """

    def __init__(self, settings: TrainerSettings, intake: Intake, state: TrainingState) -> None:
        self._settings, self._intake, self._state = settings, intake, state
        self._wants_outputs = any(isinstance(metric, OutputMetric) for metric in settings.metrics)

    def evaluate(
        self, data: Samples | Chunks, model: Model | None = None, class_weight: ClassWeight | None = None
    ) -> Figures:
        """Return loss and metrics of a model; None means the trained one.

        With chunks, metrics that need all outputs at once are NaN. ``class_weight`` is for chunks; samples include
        their class weights.
        """
        model = model or self._state.model
        if isinstance(data, Chunks):
            return self._evaluate_chunks(data, model, class_weight)
        outputs = self.room_for_outputs(data)
        loss, sums = self._loss_and_sums(data, model, outputs)
        return self.figures(loss, sums, data, outputs, data.subset)

    def _evaluate_chunks(self, chunks: Chunks, model: Model, class_weight: ClassWeight | None) -> Figures:
        totals = self.totals()
        total_loss, sums = 0.0, None
        read = chunks.read(lambda X, y, weights, names: self._intake.samples(X, y, weights, class_weight, names))
        with Prefetch(read) as samples:
            for chunk in samples:
                totals.add(chunk)
                loss, of_chunk = self._loss_and_sums(chunk, model, None)
                total_loss += loss * chunk.total_weight
                sums = of_chunk if sums is None else [a + b for a, b in zip(sums, of_chunk, strict=True)]
        assert sums is not None
        return self.figures(total_loss / totals.total_weight, sums, totals, None, None)

    def _loss_and_sums(self, data: Samples, model: Model, outputs: Array | None) -> tuple[float, Sums]:
        """Return the mean loss of a model and the metrics' sums; store the outputs in ``outputs``, if given."""
        settings, n_threads = self._settings, self._state.n_threads
        sums: Sums = ()
        try:
            if isinstance(settings.loss, CustomLoss):
                batch_size = settings.batch_size or len(data)
                loss = mean_of_function(
                    settings.loss, model.network, data, batch_size, n_threads, outputs, settings.narrow
                )
            else:
                objective = settings.loss.objective
                loss, sums = model.network.evaluate(
                    data.for_engine(), objective, settings.sums, n_threads, outputs, settings.narrow
                )
        except NonFinite as error:
            explain_nonfinite(error, model.architecture, model.feed, data, f"in the evaluation on {data.names[0]}")
        if not math.isfinite(loss):
            raise DivergenceError(
                f"the loss on {data.names[0]} is {loss}; expected a finite number. The model's outputs or their "
                f"squares overflow {model.dtype}: training diverged, or {data.names[0]} is on another scale "
                "than the training data."
            )
        return loss, sums

    def room_for_outputs(self, data: Samples) -> Array | None:
        """Return an array of NaN for the outputs of all samples; None if no metric needs them."""
        if not self._wants_outputs:
            return None
        model = self._state.model
        return np.full((len(data), model.n_outputs), np.nan, model.dtype)

    def figures(
        self, loss: float, sums: Sums, data: Measured, outputs: Array | None, rows: NDArray[np.int64] | None
    ) -> Figures:
        """Return loss and metrics from the engine's sums; ``rows`` are the rows of the outputs."""
        if not self._settings.metrics:
            return {"loss": float(loss)}
        feed = self._state.model.feed
        in_units = feed.in_units(dict(zip(self._settings.sums, sums, strict=True)))
        restored = None if outputs is None else feed.restored(outputs)
        return {"loss": float(loss), **measure(self._settings.metrics, in_units, data, restored, rows)}

    def totals(self) -> Totals:
        """Return the object that sums over all chunks."""
        wants_spread = any(isinstance(metric, R2) for metric in self._settings.metrics)
        loss = self._settings.loss
        return Totals(loss, loss.n_targets(self._state.model.n_outputs), wants_spread)
