"""Loss and metrics of a model, on samples in arrays or in chunks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastbp.data.chunks import Chunks, Totals
from fastbp.data.class_weights import ClassWeight
from fastbp.data.prefetch import Prefetch  # not later: a fork would meet the import
from fastbp.data.samples import Measured, Samples
from fastbp.engine.errors import NonFinite
from fastbp.losses.custom import CustomLoss, mean_of_function, sums_of_function
from fastbp.metrics.base import OutputMetric
from fastbp.metrics.choose import measure
from fastbp.models.model import Model
from fastbp.models.nonfinite import DivergenceError, explain_nonfinite
from fastbp.training.intake import Intake
from fastbp.training.settings import Figures, TrainerSettings
from fastbp.training.state import TrainingState

if TYPE_CHECKING:
    from fastbp.distributed.exchange import Exchange
    from fastbp.training.part_data import PartData

__all__ = ["Evaluator"]

Array = NDArray[Any]
Sums = Sequence[NDArray[np.float64]]  # the engine's sums: an array for each metric


class _Scored(NamedTuple):
    """What is known of a chunk after its evaluation."""

    n_samples: int
    total_weight: float
    mean: NDArray[np.float64] | None
    spread: NDArray[np.float64] | None
    mean_loss: float
    sums: Sums

    @classmethod
    def of(cls, chunk: Samples, loss: float, sums: Sums, wants_spread: bool) -> _Scored:
        mean, spread = (chunk.mean, chunk.spread) if wants_spread and chunk.total_weight > 0 else (None, None)
        return cls(len(chunk), chunk.total_weight, mean, spread, loss, sums)


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
        self._wants_spread = settings.wants_spread

    def evaluate(
        self,
        data: Samples | Chunks | PartData,
        model: Model | None = None,
        class_weight: ClassWeight | None = None,
        exchange: Exchange | None = None,
    ) -> Figures:
        """Return loss and metrics of a model; None means the trained one.

        With chunks, metrics that need all outputs at once are NaN. ``class_weight`` is for chunks; samples include
        their class weights. With an exchange each rank computes a part, all get the figures, and all get the error if
        one has an error; the figures are those of one rank to the bit.
        """
        model = model or self._state.model
        if isinstance(data, Chunks):
            return self._evaluate_chunks(data, model, class_weight, exchange)
        if not isinstance(data, Samples):
            return self._evaluate_parts(data, model, exchange)
        outputs = self.room_for_outputs(data)
        loss, sums = self._loss_and_sums(data, model, outputs, exchange)
        return self.figures(loss, sums, data, outputs, data.subset)

    def _evaluate_chunks(
        self, chunks: Chunks, model: Model, class_weight: ClassWeight | None, exchange: Exchange | None
    ) -> Figures:
        """Each rank computes every so many-th chunk."""
        step, first = (1, 0) if exchange is None else (exchange.n_ranks, exchange.rank)
        own: list[_Scored] = []

        def score() -> None:
            read = chunks.read(
                lambda X, y, weights, names: self._intake.samples(X, y, weights, class_weight, names), first, step
            )
            with Prefetch(read) as samples:
                for chunk in samples:
                    loss, sums = self._loss_and_sums(chunk, model, None, None)
                    own.append(_Scored.of(chunk, loss, sums, self._wants_spread))

        if exchange is None:
            score()
            scored = own
        else:
            exchange.together(score)
            of_ranks = exchange.all_objects(own, "the figures of the validation chunks")
            n_chunks = sum(map(len, of_ranks))
            scored = [of_ranks[i % step][i // step] for i in range(n_chunks)]
        return self._figures_of(scored)

    def _evaluate_parts(self, data: PartData, model: Model, exchange: Exchange | None) -> Figures:
        """Each rank computes the parts that it has."""

        def score() -> list[_Scored]:
            return [
                _Scored.of(part, *self._loss_and_sums(part, model, None, None), self._wants_spread)
                for part in data.samples
            ]

        if exchange is None:
            return self._figures_of(score())
        own = exchange.together(score)
        of_ranks = exchange.all_objects(own, "the figures of the validation parts")
        return self._figures_of([part for of_rank in of_ranks for part in of_rank])

    def _figures_of(self, scored: Sequence[_Scored]) -> Figures:
        """Return the figures of all samples from those of chunks."""
        totals = self.totals()
        total_loss, sums = 0.0, None
        for chunk in scored:
            totals.add_summary(*chunk[:4])
            total_loss += chunk.mean_loss * chunk.total_weight
            sums = chunk.sums if sums is None else [a + b for a, b in zip(sums, chunk.sums, strict=True)]
        assert sums is not None
        return self.figures(total_loss / totals.total_weight, sums, totals, None, None)

    def _loss_and_sums(
        self, data: Samples, model: Model, outputs: Array | None, exchange: Exchange | None
    ) -> tuple[float, Sums]:
        """Return the mean loss of a model and the metrics' sums; store the outputs in ``outputs``, if given."""
        loss, sums = self._scores(data, model, outputs, exchange)
        if not math.isfinite(loss):
            raise DivergenceError(
                f"the loss on {data.names[0]} is {loss}; expected a finite number. The model's outputs or their "
                f"squares overflow {model.dtype}: training diverged, or {data.names[0]} is on another scale "
                "than the training data."
            )
        return loss, sums

    def _scores(
        self, data: Samples, model: Model, outputs: Array | None, exchange: Exchange | None
    ) -> tuple[float, Sums]:
        """Return the same, whatever the loss is."""
        settings, n_threads, network = self._settings, self._state.n_threads, model.network
        given, narrow, samples = settings.loss, settings.narrow, data.for_engine()
        if isinstance(given, CustomLoss):
            size = settings.batch_size or len(data)
            n_parts = -(-len(data) // size)
        else:
            size, n_parts = network.group_samples, network.n_groups(len(data))

        def score(first: int, end: int) -> Array:
            try:
                if isinstance(given, CustomLoss):
                    return sums_of_function(given, network, data, size, n_threads, outputs, narrow, first, end)
                return network.score_groups(
                    samples, given.objective, settings.sums, n_threads, first, end, outputs, narrow
                )
            except NonFinite as error:
                explain_nonfinite(error, model.architecture, model.feed, data, f"in the evaluation on {data.names[0]}")

        if exchange is None:
            scores = score(0, n_parts)
        else:
            scores = exchange.join_parts(n_parts, score)
            if outputs is not None:
                exchange.join_rows(outputs, size)
        if isinstance(given, CustomLoss):
            return mean_of_function(scores, data, network), ()
        return network.sum_groups(samples, given.objective, settings.sums, scores)

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
        loss = self._settings.loss
        return Totals(loss, loss.n_targets(self._state.model.n_outputs), self._wants_spread)
