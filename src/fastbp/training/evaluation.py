"""Evaluating on samples that come in chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastbp.data.chunks import Chunks, Totals
from fastbp.data.prefetch import Prefetch
from fastbp.metrics.regression import R2

if TYPE_CHECKING:
    from fastbp.data.class_weights import ClassWeight
    from fastbp.models.model import Model
    from fastbp.training.trainer import Trainer

__all__ = ["evaluate_chunks", "totals_for"]


def evaluate_chunks(
    trainer: Trainer, chunks: Chunks, class_weight: ClassWeight | None, model: Model
) -> dict[str, float]:
    """Return loss and metrics of a model over chunks; metrics that need all outputs are NaN."""
    totals = totals_for(trainer)
    total_loss, sums = 0.0, None
    with Prefetch(chunks.read(lambda X, y, w, names: trainer._samples(X, y, w, class_weight, names))) as read:
        for chunk in read:
            totals.add(chunk)
            loss, of_chunk = trainer._judge(chunk, model, None)
            total_loss += loss * chunk.total_weight
            sums = of_chunk if sums is None else [a + b for a, b in zip(sums, of_chunk, strict=True)]
    assert sums is not None
    return trainer._figures(total_loss / totals.total_weight, sums, totals, None, None)


def totals_for(trainer: Trainer) -> Totals:
    """Return where the figures' sums over all chunks are added up."""
    wants_spread = any(isinstance(metric, R2) for metric in trainer.metrics)
    return Totals(trainer.loss, trainer.loss.n_targets(trainer.model.n_outputs), wants_spread)
