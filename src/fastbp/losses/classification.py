"""Losses for classes: by probabilities and by margins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.data.arrays import as_array, check_each, refuse_first
from fastbp.layers.activations import Activation
from fastbp.losses.base import Array, Loss, as_outputs, wrong_activation
from fastbp.support.checks import check_number

__all__ = ["BinaryCrossEntropy", "CrossEntropy", "Focal", "Hinge", "SquaredHinge"]


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """The mean over samples of -log A[label]: one class of several, after a softmax.

    Targets are labels of shape (n,), text, booleans, categories or integers from 0, or a probability for each class
    (one-hot), of shape (n, classes).

    Parameters
    ----------
    label_smoothing : float, default 0
        Fraction of every target that is spread evenly over all classes, 0 <= label_smoothing < 1 (Szegedy et al.,
        2016), as in PyTorch's CrossEntropyLoss.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(2, "softmax")], inputs=2, dtype="float64")
    >>> model.set_weights([[[1, 0], [0, 1]], [0, 0]])
    >>> loss, _ = model.loss_and_gradients([[0.0, 0.0]], [1], loss=fb.CrossEntropy())  # log(2)
    >>> round(loss, 4)
    0.6931
    """

    label_smoothing: float = 0.0
    name = "cross_entropy"
    metrics = ("accuracy",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "label_smoothing", _check_smoothing(self.label_smoothing))

    @property
    def parameters(self) -> tuple[float, ...]:
        """The fraction that is spread."""
        return (self.label_smoothing,)

    def check_output(self, activation: Activation, n_outputs: int) -> None:
        """Refuse everything but a softmax over two classes or more."""
        if n_outputs == 1:
            raise ValueError(
                "loss is 'cross_entropy' and the last layer has 1 unit; expected a unit for each class. For two "
                "classes end the model with Dense(1, 'sigmoid') and use loss='binary_cross_entropy', or with "
                "Dense(2, 'softmax')."
            )
        if activation.name != "softmax":
            remedy = f"End the model with Dense({n_outputs}, 'softmax')"
            if activation.name == "sigmoid":
                remedy += ", or use loss='binary_cross_entropy' if a sample can belong to several classes"
            raise ValueError(wrong_activation(self, activation, "'softmax'", remedy))

    def n_classes(self, n_outputs: int) -> int | None:
        """Return the number of outputs."""
        return n_outputs

    def classes(self, targets: Array, n_outputs: int, argument: str = "y") -> tuple[Array, int]:
        """Return the labels; for one-hot targets the position of the 1."""
        if targets.ndim == 2:
            _check_certain(targets, argument)
            return targets.argmax(axis=1), n_outputs
        return targets, n_outputs

    def as_targets(self, y: ArrayLike, n_outputs: int, argument: str = "y") -> Array:
        """Return labels (n,) as int32, or probabilities (n, n_outputs) unchanged."""
        if (
            type(y) is np.ndarray  # the fast path, for loops that call step()
            and y.ndim == 1
            and y.dtype in _UNSIGNED
            and y.flags.aligned
            and len(y)
            # As an unsigned integer a negative label is very large: one comparison checks both bounds.
            and np.maximum.reduce(y.view(_UNSIGNED[y.dtype])) < n_outputs
        ):
            return y.astype(np.int32, order="C", copy=False)
        array = as_array(y, argument)
        if array.ndim == 2 and array.shape[1] == n_outputs:
            return _check_probabilities(array, argument)
        return _as_labels(array, n_outputs, argument)


_UNSIGNED: dict[np.dtype[Any], np.dtype[Any]] = {
    np.dtype(np.int64): np.dtype(np.uint64),
    np.dtype(np.int32): np.dtype(np.uint32),
}


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """The mean over samples and outputs of -(Y log A + (1 - Y) log(1 - A)): two classes per output, after a sigmoid.

    Targets are 0, 1 or probabilities, of shape (n,) for one output or (n, outputs); for one output also two labels.

    Parameters
    ----------
    label_smoothing : float, default 0
        Fraction of every target that is spread evenly over 0 and 1, 0 <= label_smoothing < 1 (Szegedy et al., 2016): 1
        becomes 1 - label_smoothing / 2, and 0 becomes label_smoothing / 2.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, "sigmoid")], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])
    >>> loss, _ = model.loss_and_gradients([[0.0], [2.0]], [0, 1], loss=fb.BinaryCrossEntropy())
    >>> round(loss, 4)
    0.41
    """

    label_smoothing: float = 0.0
    name = "binary_cross_entropy"
    sums_outputs = True
    metrics = ("accuracy",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "label_smoothing", _check_smoothing(self.label_smoothing))

    @property
    def parameters(self) -> tuple[float, ...]:
        """The fraction that is spread."""
        return (self.label_smoothing,)

    def check_output(self, activation: Activation, n_outputs: int) -> None:
        """Refuse everything but a sigmoid."""
        _check_sigmoid(self, activation, n_outputs)

    def n_classes(self, n_outputs: int) -> int | None:
        """Return 2 for one output."""
        return _two_if_one(n_outputs)

    def classes(self, targets: Array, n_outputs: int, argument: str = "y") -> tuple[Array, int]:
        """Return 0 or 1 for each sample of a model with one output."""
        if n_outputs > 1:
            raise ValueError(
                f"class_weight is given and the model has {n_outputs} outputs, two classes each; expected 1 output, so "
                "that a sample is of class 0 or of class 1. Use sample_weight, a weight for each sample."
            )
        _check_certain(targets, argument)
        return targets[:, 0].astype(np.int64), 2

    def as_targets(self, y: ArrayLike, n_outputs: int, argument: str = "y") -> Array:
        """Return probabilities (n, n_outputs)."""
        array = as_outputs(y, n_outputs, argument)
        if not (np.minimum.reduce(array, axis=None) >= 0 and np.maximum.reduce(array, axis=None) <= 1):  # false for NaN
            check_each(
                array,
                lambda block: (block >= 0) & (block <= 1),
                argument,
                "0 (no), 1 (yes) or a probability between them",
                "For classes numbered 0, 1, 2... end the model with a softmax and use loss='cross_entropy'.",
            )
        return array


@dataclass(frozen=True)
class Focal(Loss):
    """Binary cross-entropy with less weight on easy samples (Lin et al., 2017), after a sigmoid.

    The mean over samples and outputs of -w (1 - P)^gamma log P, where P is the probability of the true class: A where Y
    is 1, 1 - A where Y is 0; torchvision's sigmoid_focal_loss. Targets are 0 and 1, of shape (n,) for one output or (n,
    outputs); for one output also two labels.

    Parameters
    ----------
    gamma : float, default 2
        Exponent, gamma >= 0; with 0 (and alpha=None) it is binary cross-entropy.
    alpha : float or None, default 0.25
        Class balance, 0 < alpha < 1: w is alpha where Y is 1 and 1 - alpha where Y is 0. None means w = 1.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, "sigmoid")], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])
    >>> loss, _ = model.loss_and_gradients([[0.0], [2.0]], [0, 1], loss=fb.Focal(gamma=2.0, alpha=0.25))
    >>> round(loss, 4)
    0.0652
    """

    gamma: float = 2.0
    alpha: float | None = 0.25
    name = "focal"
    sums_outputs = True
    metrics = ("accuracy",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "gamma", check_number(self.gamma, "gamma", at_least=0))
        if self.alpha is not None:
            object.__setattr__(self, "alpha", check_number(self.alpha, "alpha", above=0, below=1))

    @property
    def parameters(self) -> tuple[float, ...]:
        """Gamma, and w for the targets 0 and 1."""
        return (self.gamma, 1.0, 1.0) if self.alpha is None else (self.gamma, 1 - self.alpha, self.alpha)

    def check_output(self, activation: Activation, n_outputs: int) -> None:
        """Refuse everything but a sigmoid."""
        _check_sigmoid(self, activation, n_outputs)

    def n_classes(self, n_outputs: int) -> int | None:
        """Return 2 for one output."""
        return _two_if_one(n_outputs)

    def as_targets(self, y: ArrayLike, n_outputs: int, argument: str = "y") -> Array:
        """Return zeros and ones (n, n_outputs)."""
        array = as_outputs(y, n_outputs, argument)
        remedy = "loss='binary_cross_entropy' takes probabilities."
        check_each(array, _is_certain, argument, "0 (no) or 1 (yes)", remedy)
        return array


class Hinge(Loss):
    """The mean over samples and outputs of max(0, 1 - Y A): two classes, by the sign of A (Cortes and Vapnik, 1995).

    Targets are -1 and 1, or 0 and 1, where 0 means -1; of shape (n,) for one output or (n, outputs). For one output
    also two labels.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1)], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])
    >>> loss, _ = model.loss_and_gradients([[0.5], [2.0]], [1, -1], loss=fb.Hinge())
    >>> round(loss, 4)
    1.75
    """

    name = "hinge"
    sums_outputs = True
    metrics = ("accuracy",)
    by_margin = True

    def check_output(self, activation: Activation, n_outputs: int) -> None:
        """Refuse activations whose outputs cannot range from -1 to 1."""
        if activation.name not in ("linear", "tanh"):
            remedy = f"End the model with Dense({n_outputs}, 'linear')"
            if activation.name == "sigmoid":
                remedy += ", or use loss='binary_cross_entropy'"
            raise ValueError(wrong_activation(self, activation, "'linear' or 'tanh'", remedy))

    def n_classes(self, n_outputs: int) -> int | None:
        """Return 2 for one output."""
        return _two_if_one(n_outputs)

    def as_targets(self, y: ArrayLike, n_outputs: int, argument: str = "y") -> Array:
        """Return targets of -1 and 1 (n, n_outputs)."""
        array = as_outputs(y, n_outputs, argument)
        no = 0 if np.count_nonzero(array) < array.size else -1
        expected = "-1 (no) or 1 (yes), or 0 (no) or 1 (yes)"
        check_each(array, lambda block: (block == 1) | (block == no), argument, expected)
        signs: Array = np.equal(array, 1).view(np.int8)
        signs *= 2
        signs -= 1
        return signs


class SquaredHinge(Hinge):
    """The mean over samples and outputs of max(0, 1 - Y A)²; targets as for Hinge.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1)], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])
    >>> loss, _ = model.loss_and_gradients([[0.5], [2.0]], [1, -1], loss=fb.SquaredHinge())
    >>> round(loss, 4)
    4.625
    """

    name = "squared_hinge"


def _check_smoothing(label_smoothing: float) -> float:
    return check_number(label_smoothing, "label_smoothing", at_least=0, below=1)


def _two_if_one(n_outputs: int) -> int | None:
    return 2 if n_outputs == 1 else None


def _check_sigmoid(loss: Loss, activation: Activation, n_outputs: int) -> None:
    if activation.name != "sigmoid":
        remedy = f"End the model with Dense({n_outputs}, 'sigmoid')"
        if activation.name == "softmax":
            remedy += ", or use loss='cross_entropy' if every sample belongs to exactly one class"
        raise ValueError(wrong_activation(loss, activation, "'sigmoid'", remedy))


def _as_labels(array: Array, n_classes: int, argument: str) -> NDArray[np.int32]:
    """Return labels as int32 (n,), C-contiguous, each checked to be a class."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or len(array) == 0:
        expected = f"labels of shape (n_samples,) or probabilities of shape (n_samples, {n_classes})"
        raise ValueError(f"{argument} has shape {array.shape}; expected {expected}: the model has {n_classes} outputs.")
    expected = f"an integer 0 to {n_classes - 1}, as the model has {n_classes} outputs"
    remedy = f"If these are labels, name them in the order of the outputs: model.classes = np.unique({argument})."
    if array.dtype.kind == "f" and not np.array_equal(array, np.floor(array)):  # NaN is not equal to itself
        refuse_first(array != np.floor(array), array, argument, expected, remedy)
    if np.minimum.reduce(array) < 0 or np.maximum.reduce(array) >= n_classes:
        refuse_first((array < 0) | (array >= n_classes), array, argument, expected, remedy)
    return array.astype(np.int32, order="C")


def _check_certain(array: Array, argument: str) -> None:
    """Refuse targets that are probabilities: such a sample belongs to several classes."""
    remedy = "Use sample_weight, a weight for each sample."
    check_each(array, _is_certain, argument, "0 or 1, as class_weight needs the class of each sample", remedy)


def _is_certain(targets: Array) -> NDArray[np.bool_]:
    certain: NDArray[np.bool_] = (targets == 0) | (targets == 1)
    return certain


def _check_probabilities(array: Array, argument: str) -> Array:
    """Return the probabilities of the classes unchanged, each row checked to sum to 1."""
    if len(array) == 0:
        raise ValueError(f"{argument} has shape {array.shape}: no samples; expected one row or more.")
    if not np.minimum.reduce(array, axis=None) >= 0:
        check_each(array, lambda block: block >= 0, argument, "the probability of a class, 0 to 1")
    sums = np.add.reduce(array, axis=1, dtype=np.float64)
    bad = ~(np.abs(sums - 1) <= 1e-3)  # the precision of float16 probabilities
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"the probabilities in {argument}[{row}] sum to {sums[row]:g}; expected 1. If a sample can belong to "
            "several classes, end the model with a sigmoid and use loss='binary_cross_entropy'."
        )
    return array
