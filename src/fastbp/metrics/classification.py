"""Metrics for classes, from the engine's sums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from fastbp.data.samples import LossOfSamples, Measured
from fastbp.losses.base import Loss
from fastbp.metrics.base import PROBABILITY_LOSSES, Metric, Sums
from fastbp.support.checks import check_int, check_word, sentence

__all__ = ["Accuracy", "BalancedAccuracy", "Brier", "F1", "LogLoss", "Precision", "Recall", "TopKAccuracy"]


Average = Literal["auto", "binary", "macro", "micro", "weighted"]

_AVERAGES = ("auto", "binary", "macro", "micro", "weighted")


class Accuracy(Metric):
    """The share of correct predictions.

    For cross_entropy a sample is correct if its most probable class is the target's; for binary_cross_entropy and focal
    an output is correct if it is on the target's side of 1/2; for the hinge losses if it has the target's sign.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(2, "softmax")], inputs=2, dtype="float64")
    >>> model.set_weights([[[1, 0], [0, 1]], [0, 0]])
    >>> trainer = fb.Trainer(model, "cross_entropy", metrics=[fb.Accuracy()])
    >>> figures = trainer.evaluate([[2, 0], [0, 1], [0, 3], [0, 2]], [0, 0, 1, 1])
    >>> round(figures["accuracy"], 4)
    0.75
    """

    name = "accuracy"
    sums = "correct"
    losses = (*PROBABILITY_LOSSES, "hinge", "squared_hinge")

    def value(self, sums: Sums, data: Measured) -> float:
        """Return the share, from 0 to 1."""
        return float(sums[0]) / _n_answers(data)


@dataclass(frozen=True)
class TopKAccuracy(Metric):
    """The share of samples whose class is among the k most probable; of equally probable classes the last comes first.

    scikit-learn's top_k_accuracy_score, for cross_entropy.

    Parameters
    ----------
    k : int, default 5
        1 <= k < classes.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(3, "softmax")], inputs=3, dtype="float64")
    >>> model.set_weights([[[1, 0, 0], [0, 1, 0], [0, 0, 1]], [0, 0, 0]])
    >>> trainer = fb.Trainer(model, "cross_entropy", metrics=[fb.TopKAccuracy(2)])
    >>> trainer.evaluate([[3, 2, 1], [1, 2, 3]], [1, 0])["top_2_accuracy"]
    0.5
    """

    k: int = 5
    name = "top_k_accuracy"
    sums = "ranks"
    losses = ("cross_entropy",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", check_int(self.k, "k"))

    @property
    def figure(self) -> str:
        """The name; it includes k unless k is 5."""
        return self.name if self.k == 5 else f"top_{self.k}_accuracy"

    def check(self, loss: Loss, n_outputs: int) -> None:
        """Refuse a k that makes every prediction correct."""
        if self.k >= n_outputs:
            remedy = f"All samples would be correct: try fb.TopKAccuracy(k={max(1, min(3, n_outputs - 1))})."
            expected = f"one with k below the model's {n_outputs} outputs"
            raise ValueError(sentence("metrics", self, expected, remedy))

    def value(self, sums: Sums, data: Measured) -> float:
        """Return the share, from 0 to 1."""
        return float(sums[: self.k].sum()) / data.total_weight


class BalancedAccuracy(Metric):
    """The mean over classes of their recall (Brodersen et al., 2010).

    Only classes that occur are counted. An output of binary_cross_entropy or focal has two classes, 0 and 1; with
    several outputs it is the mean over the outputs.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(2, "softmax")], inputs=2, dtype="float64")
    >>> model.set_weights([[[1, 0], [0, 1]], [0, 0]])
    >>> trainer = fb.Trainer(model, "cross_entropy", metrics=[fb.BalancedAccuracy()])
    >>> figures = trainer.evaluate([[2, 0], [0, 1], [0, 3], [0, 2]], [0, 1, 1, 0])
    >>> round(figures["balanced_accuracy"], 4)
    0.75
    """

    name = "balanced_accuracy"
    sums = "counts"
    losses = PROBABILITY_LOSSES

    def value(self, sums: Sums, data: Measured) -> float:
        """Return the mean, from 0 to 1."""
        if data.loss.name == "cross_entropy":
            true_positives, _, false_negatives = _counts(sums, data)
            return float(_mean_of_shares(true_positives, true_positives + false_negatives))
        true, wrong_yes, wrong_no, true_no = sums.reshape(4, -1)
        right = np.stack([true_no, true])
        return float(np.mean(_mean_of_shares(right, right + np.stack([wrong_yes, wrong_no]))))


@dataclass(frozen=True)
class _ClassScore(Metric):
    """A ratio of counts for each class, averaged over the classes."""

    average: Average = "auto"
    sums = "counts"
    losses = PROBABILITY_LOSSES

    def __post_init__(self) -> None:
        check_word(self.average, "average", _AVERAGES)

    @property
    def figure(self) -> str:
        """The name; it includes the average unless that is "auto"."""
        return self.name if self.average == "auto" else f"{self.name}_{self.average}"

    def check(self, loss: Loss, n_outputs: int) -> None:
        """Refuse average="binary" for more than two classes."""
        if self.average == "binary" and not _is_binary(loss, n_outputs):
            remedy = "There are more than two classes: try average='macro'."
            raise ValueError(sentence("metrics", self, "another average", remedy))

    def parts(self, true_positives: Sums, false_positives: Sums, false_negatives: Sums) -> tuple[Sums, Sums]:
        """Return numerator and denominator for each class."""
        raise NotImplementedError

    def value(self, sums: Sums, data: Measured) -> float:
        """Return the average; a class whose ratio is 0/0 counts as 0."""
        counts = _counts(sums, data)
        above, below = self.parts(*counts)
        average = self.average
        binary = _is_binary(data.loss, data.n_targets)
        if average == "auto":
            average = "binary" if binary else "macro"
        if average == "micro":
            return float(_share(above.sum(), below.sum()))
        scores = _share(above, below)
        if average == "binary":
            return float(scores[1])
        if average == "weighted":
            support = counts[0] + counts[2]
            return float(_share(scores @ support, support.sum()))
        one_of_several = (
            binary or data.loss.name == "cross_entropy"
        )  # a class without targets and predictions is left out
        there = np.sum(counts, axis=0) > 0
        return float(np.mean(scores[there] if one_of_several else scores))


class F1(_ClassScore):
    """F1 = 2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall (van Rijsbergen, 1979).

    TP, FP, FN are a class's true positives, false positives and false negatives. A ratio 0/0 counts as 0.

    Parameters
    ----------
    average : {"auto", "binary", "macro", "micro", "weighted"}, default "auto"
        As in scikit-learn's f1_score: "binary" is the score of class 1, the second of ``model.classes``, "macro" the
        mean over the classes (with cross_entropy over those that occur), "weighted" the mean weighted by the classes'
        samples, "micro" the score from the counts of all classes together. "auto" is "binary" for one output or two
        classes, else "macro".

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(2, "softmax")], inputs=2, dtype="float64")
    >>> model.set_weights([[[1, 0], [0, 1]], [0, 0]])
    >>> trainer = fb.Trainer(model, "cross_entropy", metrics=[fb.F1()])
    >>> figures = trainer.evaluate([[2, 0], [0, 1], [0, 3], [0, 2]], [0, 0, 1, 1])
    >>> round(figures["f1"], 4)
    0.8
    """

    name = "f1"

    def parts(self, true_positives: Sums, false_positives: Sums, false_negatives: Sums) -> tuple[Sums, Sums]:
        """Return 2 TP and 2 TP + FP + FN."""
        return 2 * true_positives, 2 * true_positives + false_positives + false_negatives


class Precision(_ClassScore):
    """TP / (TP + FP), the share of correct ones among the predictions of a class; scikit-learn's precision_score.

    TP and FP are a class's true and false positives. A ratio 0/0 counts as 0.

    Parameters
    ----------
    average : {"auto", "binary", "macro", "micro", "weighted"}, default "auto"
        As for ``F1``.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(2, "softmax")], inputs=2, dtype="float64")
    >>> model.set_weights([[[1, 0], [0, 1]], [0, 0]])
    >>> trainer = fb.Trainer(model, "cross_entropy", metrics=[fb.Precision()])
    >>> figures = trainer.evaluate([[2, 0], [0, 1], [0, 3], [0, 2]], [0, 0, 1, 1])
    >>> round(figures["precision"], 4)
    0.6667
    """

    name = "precision"

    def parts(self, true_positives: Sums, false_positives: Sums, false_negatives: Sums) -> tuple[Sums, Sums]:
        """Return TP and TP + FP."""
        return true_positives, true_positives + false_positives


class Recall(_ClassScore):
    """TP / (TP + FN), the share of a class's samples that are predicted correctly; scikit-learn's recall_score.

    TP and FN are a class's true positives and false negatives. A ratio 0/0 counts as 0.

    Parameters
    ----------
    average : {"auto", "binary", "macro", "micro", "weighted"}, default "auto"
        As for ``F1``.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(2, "softmax")], inputs=2, dtype="float64")
    >>> model.set_weights([[[1, 0], [0, 1]], [0, 0]])
    >>> trainer = fb.Trainer(model, "cross_entropy", metrics=[fb.Recall()])
    >>> figures = trainer.evaluate([[2, 0], [0, 1], [0, 3], [0, 2]], [0, 0, 1, 1])
    >>> round(figures["recall"], 4)
    1.0
    """

    name = "recall"

    def parts(self, true_positives: Sums, false_positives: Sums, false_negatives: Sums) -> tuple[Sums, Sums]:
        """Return TP and TP + FN."""
        return true_positives, true_positives + false_negatives


def _n_answers(data: Measured) -> float:
    """Return the sum of sample weights over all predictions: one per sample for cross_entropy, else one per output."""
    return data.total_weight * (1 if data.loss.name == "cross_entropy" else data.n_targets)


def _is_binary(loss: LossOfSamples, n_outputs: int) -> bool:
    """Return whether a sample is of one of two classes."""
    return n_outputs == (2 if loss.name == "cross_entropy" else 1)


def _counts(sums: Sums, data: Measured) -> Sums:
    """Return true positives, false positives and false negatives of each class; one output has the classes 0 and 1."""
    if data.loss.name == "cross_entropy":
        return sums.reshape(3, -1)
    if data.n_targets > 1:
        return sums.reshape(4, -1)[:3]
    true, wrong_yes, wrong_no, true_no = sums
    return np.array([[true_no, true], [wrong_no, wrong_yes], [wrong_yes, wrong_no]])


def _share(part: Sums, whole: Sums) -> Sums:
    """Return part / whole, 0 where whole is 0."""
    share: Sums = np.divide(part, whole, out=np.zeros_like(whole), where=whole != 0)
    return share


def _mean_of_shares(parts: Sums, wholes: Sums) -> Sums:
    """Return the mean of parts / wholes along the first axis, where wholes is not 0."""
    with np.errstate(invalid="ignore"):  # NaN where there is none
        mean: Sums = _share(parts, wholes).sum(axis=0) / np.sum(wholes != 0, axis=0)
    return mean


class LogLoss(Metric):
    """The mean over samples (and outputs) of -log A[label], without the loss's label smoothing and penalties.

    For binary_cross_entropy and focal it is the mean of -(Y log A + (1 - Y) log(1 - A)). Probabilities are clipped to
    the range from the dtype's epsilon to 1 - epsilon; scikit-learn's log_loss.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(2, "softmax")], inputs=2, dtype="float64")
    >>> model.set_weights([[[1, 0], [0, 1]], [0, 0]])
    >>> trainer = fb.Trainer(model, "cross_entropy", metrics=[fb.LogLoss()])
    >>> figures = trainer.evaluate([[2, 0], [0, 1], [0, 3], [0, 2]], [0, 0, 1, 1])
    >>> round(figures["log_loss"], 4)
    0.4039
    """

    name = "log_loss"
    sums = "log_loss"
    losses = PROBABILITY_LOSSES

    def value(self, sums: Sums, data: Measured) -> float:
        """Return the mean."""
        return float(sums[0]) / _n_answers(data)


class Brier(Metric):
    """The mean over samples of the sum over classes of (A - Y)² (Brier, 1950), half of that for two classes.

    For binary_cross_entropy and focal it is the mean over samples and outputs of (A - Y)². scikit-learn's
    brier_score_loss.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(2, "softmax")], inputs=2, dtype="float64")
    >>> model.set_weights([[[1, 0], [0, 1]], [0, 0]])
    >>> trainer = fb.Trainer(model, "cross_entropy", metrics=[fb.Brier()])
    >>> figures = trainer.evaluate([[2, 0], [0, 1], [0, 3], [0, 2]], [0, 0, 1, 1])
    >>> round(figures["brier"], 4)
    0.1413
    """

    name = "brier"
    sums = "squared_probability"
    losses = PROBABILITY_LOSSES

    def value(self, sums: Sums, data: Measured) -> float:
        """Return the mean, from 0 to 1, or to 2 for more than two classes."""
        two_classes = data.loss.name == "cross_entropy" and data.n_targets == 2
        return float(sums[0]) / _n_answers(data) / (2 if two_classes else 1)
