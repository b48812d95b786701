"""Metrics of a ranking: they need all outputs at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastbp.data.samples import LossOfSamples
from fastbp.metrics.base import PROBABILITY_LOSSES, Array, OutputMetric, Seen
from fastbp.metrics.threshold_curves import average_precision, roc_auc

__all__ = ["AveragePrecision", "ROCAUC"]


class _CurveMetric(OutputMetric):
    losses = PROBABILITY_LOSSES

    def area(self, yes: NDArray[np.bool_], scores: Array, weights: NDArray[np.float64] | None) -> float:
        """Return the area under the curve of one class."""
        raise NotImplementedError

    def of_outputs(self, seen: Seen, loss: LossOfSamples) -> float:
        """Return the mean of the areas over the classes, or over two-class outputs."""
        if loss.name == "cross_entropy" and seen.targets.ndim == 2:
            seen = Seen(seen.targets.argmax(axis=1), seen.outputs, seen.sample_weights)
        if seen.sample_weights is not None:
            there = seen.sample_weights > 0
            seen = Seen(seen.targets[there], seen.outputs[there], seen.sample_weights[there])
        return float(np.mean([self.area(yes, scores, seen.sample_weights) for yes, scores in seen.columns()]))


class ROCAUC(_CurveMetric):
    """The area under the ROC curve (Fawcett, 2006): how often a positive scores above a negative.

    With several classes it is the mean over the classes, each against the rest; with several outputs the mean over the
    outputs. It is NaN if one of them has no positives or no negatives. scikit-learn's roc_auc_score with
    multi_class="ovr". The epoch's outputs are stored for it; it is NaN for an epoch that a loaded trainer continues.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(2, "softmax")], inputs=2, dtype="float64")
    >>> model.set_weights([[[1, 0], [0, 1]], [0, 0]])
    >>> trainer = fb.Trainer(model, "cross_entropy", metrics=[fb.ROCAUC()])
    >>> figures = trainer.evaluate([[2, 0], [0, 1], [0, 3], [0, 2]], [0, 1, 0, 1])
    >>> round(figures["roc_auc"], 4)
    0.5
    """

    name = "roc_auc"

    def area(self, yes: NDArray[np.bool_], scores: Array, weights: NDArray[np.float64] | None) -> float:
        """Return the area under the curve of one class."""
        return roc_auc(yes, scores, weights)


class AveragePrecision(_CurveMetric):
    """The sum over thresholds of (R[i] - R[i - 1]) P[i], recall R, precision P: the area under their step curve.

    With several classes or outputs it is the mean over them, where one without positives counts as 0. scikit-learn's
    average_precision_score. The epoch's outputs are stored for it, as for ROCAUC.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(2, "softmax")], inputs=2, dtype="float64")
    >>> model.set_weights([[[1, 0], [0, 1]], [0, 0]])
    >>> trainer = fb.Trainer(model, "cross_entropy", metrics=[fb.AveragePrecision()])
    >>> figures = trainer.evaluate([[2, 0], [0, 1], [0, 3], [0, 2]], [0, 1, 0, 1])
    >>> round(figures["average_precision"], 4)
    0.5833
    """

    name = "average_precision"

    def area(self, yes: NDArray[np.bool_], scores: Array, weights: NDArray[np.float64] | None) -> float:
        """Return the area under the curve of one class."""
        return average_precision(yes, scores, weights)
