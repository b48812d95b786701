"""What a Trainer reports beside the loss.

Most metrics are made from sums that the engine adds up on the way; some need every sample's outputs, which the engine
keeps for them, as they were at the step that used them, where such a metric is asked for. A new metric is a class here
and an entry in METRICS; a sum that the engine does not make yet is a kernel of its own.
"""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastbp.checks import check_int, sentence
from fastbp.curves import average_precision, roc_auc
from fastbp.losses import Loss
from fastbp.registry import resolve
from fastbp.samples import Measured, Samples

__all__ = [
    "METRICS",
    "F1",
    "R2",
    "ROCAUC",
    "AbsoluteError",
    "Accuracy",
    "AveragePrecision",
    "BalancedAccuracy",
    "Brier",
    "FunctionMetric",
    "LogLoss",
    "Metric",
    "MetricLike",
    "OutputMetric",
    "PercentageError",
    "Precision",
    "Recall",
    "RootSquaredError",
    "SquaredError",
    "TopKAccuracy",
    "choose_metrics",
    "measure",
]

Array = NDArray[Any]
Sums = NDArray[np.float64]
Average = Literal["auto", "binary", "macro", "micro", "weighted"]
_AVERAGES = ("auto", "binary", "macro", "micro", "weighted")

# The losses whose first outputs estimate the targets themselves.
_REGRESSION = ("mse", "mae", "huber", "log_cosh", "gaussian_nll", "poisson", "gamma", "tweedie")
# Those whose outputs are probabilities.
_PROBABILITIES = ("cross_entropy", "binary_cross_entropy", "focal")
# What an epoch's figures have beside metrics.
_RESERVED = ("loss", "seconds", "epoch", "step", "samples")


@dataclass(frozen=True)
class Metric:
    """What all metrics have: a name, the engine's sums that they are made from, and the losses that they go with."""

    name: ClassVar[str]
    sums: ClassVar[str | None]  # what the engine calls them; None: it keeps the outputs instead
    losses: ClassVar[tuple[str, ...]]

    @property
    def figure(self) -> str:
        """What the history calls it."""
        return self.name

    def check(self, loss: Loss, n_outputs: int) -> None:
        """Refuse a model that the metric's parameters do not fit."""

    def value(self, sums: Sums, data: Measured) -> float:
        """Return the figure, given the engine's sums over all samples."""
        raise NotImplementedError


# ------------------------------------------------------------------------------------------------ right answers


class Accuracy(Metric):
    """The share of right answers.

    For cross_entropy a sample is right if its likeliest class is the target's, for binary_cross_entropy and focal an
    output is right if it is on the target's side of 1/2, for the hinge losses if it has the target's sign.
    """

    name = "accuracy"
    sums = "correct"
    losses = (*_PROBABILITIES, "hinge", "squared_hinge")

    def value(self, sums: Sums, data: Measured) -> float:
        """Return the share, from 0 to 1."""
        return float(sums[0]) / _n_answers(data)


@dataclass(frozen=True)
class TopKAccuracy(Metric):
    """The share of samples whose class is among the k likeliest; of equally likely classes the last comes first.

    scikit-learn's top_k_accuracy_score, for cross_entropy.

    Parameters
    ----------
    k : int, default 5
        1 <= k < classes.
    """

    k: int = 5
    name = "top_k_accuracy"
    sums = "ranks"
    losses = ("cross_entropy",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", check_int(self.k, "k"))

    @property
    def figure(self) -> str:
        """The name, with another k than 5 in it."""
        return self.name if self.k == 5 else f"top_{self.k}_accuracy"

    def check(self, loss: Loss, n_outputs: int) -> None:
        """Refuse a k that makes every answer right."""
        if self.k >= n_outputs:
            remedy = f"All samples would be right: try fb.TopKAccuracy(k={max(1, min(3, n_outputs - 1))})."
            expected = f"one with k below the model's {n_outputs} outputs"
            raise ValueError(sentence("metrics", self, expected, remedy))

    def value(self, sums: Sums, data: Measured) -> float:
        """Return the share, from 0 to 1."""
        return float(sums[: self.k].sum()) / data.total_weight


class BalancedAccuracy(Metric):
    """The mean over classes of the share of their samples that are recognised (Brodersen et al., 2010).

    Over the classes that occur. Yes and no are the classes of an output of binary_cross_entropy and focal; with several
    outputs the mean of theirs.
    """

    name = "balanced_accuracy"
    sums = "counts"
    losses = _PROBABILITIES

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
    """A quotient of counts for each class, and how the classes are averaged."""

    average: Average = "auto"
    sums = "counts"
    losses = _PROBABILITIES

    def __post_init__(self) -> None:
        if self.average not in _AVERAGES:
            raise ValueError(sentence("average", self.average, "one of " + ", ".join(map(repr, _AVERAGES))))

    @property
    def figure(self) -> str:
        """The name, with the average in it unless that is "auto"."""
        return self.name if self.average == "auto" else f"{self.name}_{self.average}"

    def check(self, loss: Loss, n_outputs: int) -> None:
        """Refuse the score of yes where there are more classes than yes and no."""
        if self.average == "binary" and not _is_binary(loss, n_outputs):
            remedy = "There are more classes than yes and no: try average='macro'."
            raise ValueError(sentence("metrics", self, "another average", remedy))

    def parts(self, true_positives: Sums, false_positives: Sums, false_negatives: Sums) -> tuple[Sums, Sums]:
        """Return what is divided by what, for each class."""
        raise NotImplementedError

    def value(self, sums: Sums, data: Measured) -> float:
        """Return the average; a class whose quotient is 0/0 counts 0."""
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
        one_of_several = binary or data.loss.name == "cross_entropy"  # then a class that nobody named is none
        there = np.sum(counts, axis=0) > 0
        return float(np.mean(scores[there] if one_of_several else scores))


class F1(_ClassScore):
    """F1 = 2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall (van Rijsbergen, 1979).

    TP, FP, FN are a class's true positives, false positives and false negatives. 0/0 counts 0.

    Parameters
    ----------
    average : {"auto", "binary", "macro", "micro", "weighted"}, default "auto"
        As in scikit-learn's f1_score: "binary" is that of class 1 (yes), "macro" the mean over the classes (with
        cross_entropy over those that occur), "weighted" the mean weighted by their samples, "micro" is made from the
        counts of all classes together. "auto" is "binary" for one output or two classes, else "macro".
    """

    name = "f1"

    def parts(self, true_positives: Sums, false_positives: Sums, false_negatives: Sums) -> tuple[Sums, Sums]:
        """Return 2 TP and 2 TP + FP + FN."""
        return 2 * true_positives, 2 * true_positives + false_positives + false_negatives


class Precision(_ClassScore):
    """TP / (TP + FP), the share of right answers among those that name a class; scikit-learn's precision_score.

    TP, FP are a class's true and false positives. 0/0 counts 0.

    Parameters
    ----------
    average : {"auto", "binary", "macro", "micro", "weighted"}, default "auto"
        As for ``F1``.
    """

    name = "precision"

    def parts(self, true_positives: Sums, false_positives: Sums, false_negatives: Sums) -> tuple[Sums, Sums]:
        """Return TP and TP + FP."""
        return true_positives, true_positives + false_positives


class Recall(_ClassScore):
    """TP / (TP + FN), the share of a class's samples that are recognised; scikit-learn's recall_score.

    TP, FN are a class's true positives and false negatives. 0/0 counts 0.

    Parameters
    ----------
    average : {"auto", "binary", "macro", "micro", "weighted"}, default "auto"
        As for ``F1``.
    """

    name = "recall"

    def parts(self, true_positives: Sums, false_positives: Sums, false_negatives: Sums) -> tuple[Sums, Sums]:
        """Return TP and TP + FN."""
        return true_positives, true_positives + false_negatives


def _n_answers(data: Measured) -> float:
    """Return the weight of all answers: one a sample where it names a class, else one for each output."""
    return data.total_weight * (1 if data.loss.name == "cross_entropy" else data.n_targets)


def _is_binary(loss: Loss, n_outputs: int) -> bool:
    """Return whether a sample is of one of two classes."""
    return n_outputs == (2 if loss.name == "cross_entropy" else 1)


def _counts(sums: Sums, data: Measured) -> Sums:
    """Return true positives, false positives and false negatives of each class; no and yes are those of one output."""
    if data.loss.name == "cross_entropy":
        return sums.reshape(3, -1)
    if data.n_targets > 1:
        return sums.reshape(4, -1)[:3]
    true, wrong_yes, wrong_no, true_no = sums
    return np.array([[true_no, true], [wrong_no, wrong_yes], [wrong_yes, wrong_no]])


def _share(part: Sums, whole: Sums) -> Sums:
    """Return part / whole, 0 where there is nothing."""
    share: Sums = np.divide(part, whole, out=np.zeros_like(whole), where=whole != 0)
    return share


def _mean_of_shares(parts: Sums, wholes: Sums) -> Sums:
    """Return the mean of parts / wholes along the first axis, over those that have something."""
    mean: Sums = _share(parts, wholes).sum(axis=0) / np.sum(wholes != 0, axis=0)
    return mean


# ------------------------------------------------------------------------------------------------ probabilities


class LogLoss(Metric):
    """The mean over samples (and outputs) of -log A[label], whatever else the loss minimises: no smoothing, no penalty.

    For binary_cross_entropy and focal of -(Y log A + (1 - Y) log(1 - A)). Each probability counts as at least the
    dtype's epsilon, and at most 1 less it; scikit-learn's log_loss.
    """

    name = "log_loss"
    sums = "log_loss"
    losses = _PROBABILITIES

    def value(self, sums: Sums, data: Measured) -> float:
        """Return the mean."""
        return float(sums[0]) / _n_answers(data)


class Brier(Metric):
    """The mean over samples of the sum over classes of (A - Y)² (Brier, 1950), half of it for two classes.

    For binary_cross_entropy and focal the mean over samples and outputs of (A - Y)². scikit-learn's brier_score_loss.
    """

    name = "brier"
    sums = "squared_probability"
    losses = _PROBABILITIES

    def value(self, sums: Sums, data: Measured) -> float:
        """Return the mean, from 0 to 1, or to 2 for more than two classes."""
        two_classes = data.loss.name == "cross_entropy" and data.n_targets == 2
        return float(sums[0]) / _n_answers(data) / (2 if two_classes else 1)


# ------------------------------------------------------------------------------------------------------ numbers


class R2(Metric):
    """The share of the targets' variance that the model explains: 1 is perfect, 0 is no better than their mean.

    With several outputs the mean of theirs. An output whose targets are all alike counts 1 if it is hit exactly, else
    0. Of a single sample it is NaN.
    """

    name = "r2"
    sums = "squared_error"
    losses = _REGRESSION

    def value(self, sums: Sums, data: Measured) -> float:
        """Return the coefficient of determination."""
        if len(data) < 2:
            return float("nan")
        alike = data.spread == 0
        ratio = sums / np.where(alike, 1.0, data.spread)
        return float(np.mean(np.where(alike, sums == 0, 1 - ratio)))


class AbsoluteError(Metric):
    """The mean over samples and outputs of |A - Y|."""

    name = "mae"
    sums = "absolute_error"
    losses = _REGRESSION

    def value(self, sums: Sums, data: Measured) -> float:
        """Return the mean."""
        return float(sums.sum()) / (data.total_weight * data.n_targets)


class SquaredError(Metric):
    """The mean over samples and outputs of (A - Y)²."""

    name = "mse"
    sums = "squared_error"
    losses = _REGRESSION

    def value(self, sums: Sums, data: Measured) -> float:
        """Return the mean."""
        return float(sums.sum()) / (data.total_weight * data.n_targets)


class RootSquaredError(Metric):
    """The square root of the mean over samples of (A - Y)²; with several outputs the mean of their roots.

    scikit-learn's root_mean_squared_error.
    """

    name = "rmse"
    sums = "squared_error"
    losses = _REGRESSION

    def value(self, sums: Sums, data: Measured) -> float:
        """Return the root."""
        return float(np.mean(np.sqrt(sums / data.total_weight)))


class PercentageError(Metric):
    """The mean over samples and outputs of |A - Y| / max(|Y|, 2^-52): 0.1 is ten percent; a target of 0 spoils it.

    scikit-learn's mean_absolute_percentage_error.
    """

    name = "mape"
    sums = "percentage_error"
    losses = _REGRESSION

    def value(self, sums: Sums, data: Measured) -> float:
        """Return the mean."""
        return float(sums.sum()) / (data.total_weight * data.n_targets)


# ------------------------------------------------------------------------------------------ from all the outputs


@dataclass(frozen=True)
class Seen:
    """What the model made of some samples, and what would have been right.

    Attributes
    ----------
    targets : ndarray of shape (n,) or (n, n_targets)
        Rows of y, as the loss takes them.
    outputs : ndarray of shape (n, n_outputs)
    weights : float64 ndarray of shape (n,) or None
    """

    targets: Array
    outputs: Array
    weights: NDArray[np.float64] | None

    def columns(self) -> Iterator[tuple[NDArray[np.bool_], Array]]:
        """Return for each class, or output of yes and no, what is one and its probability; of two classes the last."""
        n_outputs = self.outputs.shape[1]
        for n in range(1 if n_outputs == 2 and self.targets.ndim == 1 else 0, n_outputs):
            yes = self.targets == n if self.targets.ndim == 1 else self.targets[:, n] > 0.5
            yield yes, self.outputs[:, n]


@dataclass(frozen=True)
class OutputMetric(Metric):
    """A metric that needs the outputs of all samples; of training those of each batch before its step."""

    sums = None

    def of_outputs(self, seen: Seen, loss: Loss) -> float:
        """Return the figure."""
        raise NotImplementedError


class _CurveMetric(OutputMetric):
    losses = _PROBABILITIES

    def area(self, yes: NDArray[np.bool_], scores: Array, weights: NDArray[np.float64] | None) -> float:
        """Return the area under the curve of one class."""
        raise NotImplementedError

    def of_outputs(self, seen: Seen, loss: Loss) -> float:
        """Return the mean of the areas of the classes, or outputs of yes and no."""
        if loss.name == "cross_entropy" and seen.targets.ndim == 2:
            seen = Seen(seen.targets.argmax(axis=1), seen.outputs, seen.weights)
        if seen.weights is not None:
            there = seen.weights > 0
            seen = Seen(seen.targets[there], seen.outputs[there], seen.weights[there])
        return float(np.mean([self.area(yes, scores, seen.weights) for yes, scores in seen.columns()]))


class ROCAUC(_CurveMetric):
    """The area under the receiver operating characteristic (Fawcett, 2006): how often a yes is above what is none.

    With several classes the mean over them of each against the rest, with several outputs the mean of theirs; NaN where
    one of them has no yes, or nothing else. scikit-learn's roc_auc_score with multi_class="ovr". The epoch's outputs
    are kept for it; of an epoch that a loaded trainer goes on with, that is NaN.
    """

    name = "roc_auc"

    def area(self, yes: NDArray[np.bool_], scores: Array, weights: NDArray[np.float64] | None) -> float:
        """Return the area under the curve of one class."""
        return roc_auc(yes, scores, weights)


class AveragePrecision(_CurveMetric):
    """The sum over thresholds of (R[i] - R[i - 1]) P[i], recall R, precision P: the area below their curve, in steps.

    With several classes, or outputs, the mean of theirs, where one that has no yes counts 0. scikit-learn's
    average_precision_score. The epoch's outputs are kept for it, as for ROCAUC.
    """

    name = "average_precision"

    def area(self, yes: NDArray[np.bool_], scores: Array, weights: NDArray[np.float64] | None) -> float:
        """Return the area under the curve of one class."""
        return average_precision(yes, scores, weights)


@dataclass(frozen=True, init=False)
class FunctionMetric(OutputMetric):
    """A function of yours, function(y_true, y_pred) -> float, such as most of sklearn.metrics. It goes with every loss.

    It is called after the epoch, once for training and once for validation. y_pred are the model's outputs as
    ``predict`` returns them, (n, n_outputs): in training as each batch's were before its step. y_true are the rows of
    y: labels (n,) for classes, else of shape (n, n_targets). Where training is weighted and the function has a
    parameter of that name, it is also given ``sample_weight``, (n,). What it raises comes out of ``fit``. The epoch's
    outputs are kept for it, as for ROCAUC.

    Parameters
    ----------
    function : callable
    name : str or None, default None
        What the history calls it; None is the function's ``__name__``.
    """

    function: Callable[..., float]
    called: str
    name = "function"

    def __init__(self, function: Callable[..., float], name: str | None = None) -> None:
        if not callable(function) or isinstance(function, type):
            raise TypeError(sentence("function", function, "a function of (y_true, y_pred)"))
        if name is None:
            name = getattr(function, "__name__", None)
            if not isinstance(name, str) or name == "<lambda>":
                remedy = "Give it one: fb.FunctionMetric(function, name='cost')."
                raise ValueError(sentence("function", function, "one that has a name", remedy))
        if not isinstance(name, str):
            raise TypeError(sentence("name", name, "a string"))
        if not name or name in _RESERVED or name.startswith("val_"):
            remedy = "The history has other figures of that name."
            raise ValueError(sentence("name", name, "another name, which does not begin with 'val_'", remedy))
        object.__setattr__(self, "function", function)
        object.__setattr__(self, "called", name)

    def __repr__(self) -> str:
        return f"FunctionMetric({getattr(self.function, '__qualname__', repr(self.function))}, name={self.called!r})"

    @property
    def figure(self) -> str:
        """The name that it was given, or has."""
        return self.called

    def of_outputs(self, seen: Seen, loss: Loss) -> float:
        """Return what the function says."""
        weights = {}
        if seen.weights is not None and _takes_weights(self.function):
            weights = {"sample_weight": seen.weights.copy()}
        value = self.function(seen.targets.copy(), seen.outputs.copy(), **weights)  # which it may spoil
        if isinstance(value, np.ndarray) and value.ndim == 0:
            value = value[()]
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, (numbers.Real, np.floating)):
            raise TypeError(sentence(f"what the metric {self.figure!r} returned", value, "a number"))
        return float(value)


def _takes_weights(function: Callable[..., float]) -> bool:
    try:
        return "sample_weight" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # written in C, with nothing to read
        return False


METRICS: dict[str, type[Metric]] = {
    cls.name: cls
    for cls in (
        Accuracy,
        TopKAccuracy,
        BalancedAccuracy,
        Precision,
        Recall,
        F1,
        ROCAUC,
        AveragePrecision,
        LogLoss,
        Brier,
        R2,
        AbsoluteError,
        SquaredError,
        RootSquaredError,
        PercentageError,
    )
}

MetricLike: TypeAlias = str | Metric | Callable[..., float]


def choose_metrics(metrics: MetricLike | Sequence[MetricLike] | None, loss: Loss, n_outputs: int) -> tuple[Metric, ...]:
    """Return the metrics that an argument names; None are those that go with the loss."""
    if metrics is None:
        metrics = loss.metrics
    elif isinstance(metrics, (str, Metric)) or callable(metrics):
        metrics = [metrics]
    elif not isinstance(metrics, Sequence):
        raise TypeError(sentence("metrics", metrics, "a list such as ['accuracy'], or None"))
    chosen = tuple(map(_as_metric, metrics))
    for metric in chosen:
        if not isinstance(metric, FunctionMetric):
            _check_fits(metric, loss)
        metric.check(loss, n_outputs)
    figures = [metric.figure for metric in chosen]
    if len(set(figures)) < len(figures):
        raise ValueError(f"metrics is {figures}; expected each once.")
    return chosen


def _as_metric(metric: MetricLike) -> Metric:
    if isinstance(metric, FunctionMetric):
        return metric
    if callable(metric) and not isinstance(metric, type):
        return FunctionMetric(metric)
    return resolve(metric, METRICS, "metrics")  # type: ignore[arg-type]


def _check_fits(metric: Metric, loss: Loss) -> None:
    if loss.name in metric.losses:
        return
    fitting = [repr(name) for name, cls in METRICS.items() if loss.name in cls.losses]
    raise ValueError(
        f"metrics has {metric.name!r} and loss is {loss.name!r}; with that loss go "
        f"{', '.join([*fitting, 'functions of (y_true, y_pred)'])}."
    )


def measure(
    metrics: Sequence[Metric],
    sums: Mapping[str, Sums],
    data: Measured,
    outputs: Array | None = None,
    rows: NDArray[np.int64] | None = None,
) -> dict[str, float]:
    """Return the figures.

    Parameters
    ----------
    metrics : sequence of Metric
    sums : dict of str to ndarray
        The engine's, over all samples.
    data : Measured
        What they are of; Samples, where there are outputs.
    outputs : ndarray of shape (n_samples, n_outputs) or None
        Where a metric needs them. NaN what is not known; then these metrics are NaN too.
    rows : int64 ndarray of shape (n_samples,) or None
        Which row of X each row of the outputs belongs to; None: the same.
    """
    seen = None
    if outputs is not None and isinstance(data, Samples) and not np.isnan(outputs).any():
        seen = _see(data, outputs, rows)
    figures = {}
    for metric in metrics:
        if not isinstance(metric, OutputMetric):
            assert metric.sums is not None
            figures[metric.figure] = metric.value(sums[metric.sums], data)
        else:
            figures[metric.figure] = float("nan") if seen is None else metric.of_outputs(seen, data.loss)
    return figures


def _see(data: Samples, outputs: Array, rows: NDArray[np.int64] | None) -> Seen:
    """Return outputs, targets and weights in the order of the rows."""
    if rows is None:
        return Seen(data.y, outputs, data.weights)
    order = np.argsort(rows)
    rows = rows[order]
    return Seen(data.y[rows], outputs[order], None if data.weights is None else data.weights[rows])
