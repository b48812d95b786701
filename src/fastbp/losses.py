"""What training makes small: a number for the model's outputs A and the targets Y, averaged over the samples.

The model says what it outputs (its last activation), the loss says what is minimised; a pair that makes no sense is
refused with the fix. A new loss is a class here, an entry in LOSSES, a row in csrc/fastbp.h and its formula in
csrc/kernels/loss.h.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.activations import Activation
from fastbp.checks import check_number, sentence
from fastbp.data import READABLE, as_array, check_each, refuse_first

if TYPE_CHECKING:
    from fastbp._network import Objective

__all__ = [
    "LOSSES",
    "BinaryCrossEntropy",
    "Cosine",
    "CrossEntropy",
    "Focal",
    "GammaDeviance",
    "GaussianNLL",
    "Hinge",
    "Huber",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Poisson",
    "Quantile",
    "SquaredHinge",
    "TweedieDeviance",
]

Array = NDArray[Any]


@dataclass(frozen=True)
class Loss:
    """What all losses have: a name, the metric that goes with them, and their demands on outputs and targets."""

    name: ClassVar[str]
    metrics: ClassVar[tuple[str, ...]]  # what a Trainer reports beside the loss unless told otherwise
    in_python: ClassVar[bool] = False  # whether the engine asks a function for it
    takes_prepared: ClassVar[bool] = False  # whether targets may be moved and scaled, and outputs with them

    @property
    def parameters(self) -> tuple[float, ...]:
        """The numbers that the kernel wants beside outputs and targets."""
        return ()

    @property
    def objective(self) -> Objective:
        """What the engine calls this loss."""
        return self.name, self.parameters

    def check_output(self, activation: Activation, n_outputs: int) -> None:
        """Refuse a last layer that this loss cannot go with."""

    def n_targets(self, n_outputs: int) -> int:
        """Return how many columns the targets of a model with so many outputs have."""
        return n_outputs

    def classes(self, targets: Array, n_outputs: int, argument: str = "y") -> tuple[Array, int]:
        """Return the class of each sample, integers of shape (n,), and how many classes there are."""
        raise ValueError(
            f"class_weight is given and loss is {self.name!r}; expected 'cross_entropy' or 'binary_cross_entropy', "
            "whose targets are classes. Give sample_weight, a weight for each sample."
        )

    def as_targets(self, y: ArrayLike, n_outputs: int, argument: str = "y") -> Array:
        """Return targets as the engine wants them.

        Returns
        -------
        ndarray
            int32 labels of shape (n,), C-contiguous, or numbers of shape (n, n_targets).
        """
        return as_outputs(y, n_outputs, argument, self.n_targets(n_outputs))


class MeanSquaredError(Loss):
    """The mean over samples and outputs of (A - Y)²."""

    name = "mse"
    takes_prepared = True
    metrics = ("r2",)


class MeanAbsoluteError(Loss):
    """The mean over samples and outputs of |A - Y|; its slope at 0 is 0."""

    name = "mae"
    takes_prepared = True
    metrics = ("r2",)


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """The mean over samples of -log A[label]: one class of several, by a softmax.

    Targets are integer labels from 0, of shape (n,), or a probability for each class (one-hot), of shape (n, classes).

    Parameters
    ----------
    label_smoothing : float, default 0
        This share of every target is spread evenly over all classes, 0 <= label_smoothing < 1 (Szegedy et al., 2016):
        PyTorch's CrossEntropyLoss with the same argument.
    """

    label_smoothing: float = 0.0
    name = "cross_entropy"
    metrics = ("accuracy",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "label_smoothing", _check_smoothing(self.label_smoothing))

    @property
    def parameters(self) -> tuple[float, ...]:
        """The share that is spread."""
        return (self.label_smoothing,)

    def check_output(self, activation: Activation, n_outputs: int) -> None:
        """Refuse everything but a softmax over two classes or more."""
        if n_outputs == 1:
            raise ValueError(
                "loss is 'cross_entropy' and the last layer has 1 unit; expected a unit for each class. For yes or "
                "no end the model with Dense(1, 'sigmoid') and use loss='binary_cross_entropy', or end it with "
                "Dense(2, 'softmax')."
            )
        if activation.name != "softmax":
            remedy = f"End the model with Dense({n_outputs}, 'softmax')"
            if activation.name == "sigmoid":
                remedy += ", or use loss='binary_cross_entropy' if a sample can be of several classes at once"
            raise ValueError(_wrong_activation(self, activation, "'softmax'", remedy))

    def classes(self, targets: Array, n_outputs: int, argument: str = "y") -> tuple[Array, int]:
        """Return the labels; of one-hot targets, where the 1 is."""
        if targets.ndim == 2:
            _check_certain(targets, argument)
            return targets.argmax(axis=1), n_outputs
        return targets, n_outputs

    def as_targets(self, y: ArrayLike, n_outputs: int, argument: str = "y") -> Array:
        """Return labels (n,) as int32, or probabilities (n, n_outputs) as they are."""
        if (
            type(y) is np.ndarray  # the one case that must be quick: a loop calls step()
            and y.ndim == 1
            and y.dtype in _UNSIGNED
            and y.flags.aligned
            and len(y)
            # Seen as unsigned, a negative label is a huge one: one comparison does for both ends.
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
    """The mean over samples and outputs of -(Y log A + (1 - Y) log(1 - A)): yes or no for each output, by a sigmoid.

    Targets are 0 and 1, or probabilities between, of shape (n,) for one output or (n, outputs).

    Parameters
    ----------
    label_smoothing : float, default 0
        This share of every target is spread evenly over yes and no, 0 <= label_smoothing < 1 (Szegedy et al., 2016):
        1 becomes 1 - label_smoothing / 2, and 0 becomes label_smoothing / 2.
    """

    label_smoothing: float = 0.0
    name = "binary_cross_entropy"
    metrics = ("accuracy",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "label_smoothing", _check_smoothing(self.label_smoothing))

    @property
    def parameters(self) -> tuple[float, ...]:
        """The share that is spread."""
        return (self.label_smoothing,)

    def check_output(self, activation: Activation, n_outputs: int) -> None:
        """Refuse everything but a sigmoid."""
        _check_sigmoid(self, activation, n_outputs)

    def classes(self, targets: Array, n_outputs: int, argument: str = "y") -> tuple[Array, int]:
        """Return 0 or 1 for each sample of a model with one output."""
        if n_outputs > 1:
            raise ValueError(
                f"class_weight is given and the model has {n_outputs} outputs, a yes or no each; expected 1 output, by "
                "which a sample is of class 0 or of class 1. Give sample_weight, a weight for each sample."
            )
        _check_certain(targets, argument)
        return targets[:, 0].astype(np.int64), 2

    def as_targets(self, y: ArrayLike, n_outputs: int, argument: str = "y") -> Array:
        """Return probabilities (n, n_outputs)."""
        array = as_outputs(y, n_outputs, argument)
        if not (np.minimum.reduce(array, axis=None) >= 0 and np.maximum.reduce(array, axis=None) <= 1):  # NaN: refused
            check_each(
                array,
                lambda block: (block >= 0) & (block <= 1),
                argument,
                "0 (no), 1 (yes) or a probability between",
                "For classes numbered 0, 1, 2... end the model with a softmax and use loss='cross_entropy'.",
            )
        return array


@dataclass(frozen=True)
class Focal(Loss):
    """Binary cross-entropy that cares less for what is easy (Lin et al., 2017), by a sigmoid.

    The mean over samples and outputs of -w (1 - P)^gamma log P, where P is the probability of the right answer: A where
    Y is 1, 1 - A where it is 0. torchvision's sigmoid_focal_loss. Targets are 0 and 1, of shape (n,) for one output or
    (n, outputs).

    Parameters
    ----------
    gamma : float, default 2
        How much less, gamma >= 0; with 0 it is binary cross-entropy.
    alpha : float or None, default 0.25
        w is alpha where Y is 1 and 1 - alpha where it is 0, 0 < alpha < 1; None is w = 1.
    """

    gamma: float = 2.0
    alpha: float | None = 0.25
    name = "focal"
    metrics = ("accuracy",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "gamma", check_number(self.gamma, "gamma", at_least=0))
        if self.alpha is not None:
            object.__setattr__(self, "alpha", check_number(self.alpha, "alpha", above=0, below=1))

    @property
    def parameters(self) -> tuple[float, ...]:
        """Gamma, and the weights of no and yes."""
        return (self.gamma, 1.0, 1.0) if self.alpha is None else (self.gamma, 1 - self.alpha, self.alpha)

    def check_output(self, activation: Activation, n_outputs: int) -> None:
        """Refuse everything but a sigmoid."""
        _check_sigmoid(self, activation, n_outputs)

    def as_targets(self, y: ArrayLike, n_outputs: int, argument: str = "y") -> Array:
        """Return zeros and ones (n, n_outputs)."""
        array = as_outputs(y, n_outputs, argument)
        remedy = "loss='binary_cross_entropy' takes probabilities."
        check_each(array, _is_certain, argument, "0 (no) or 1 (yes)", remedy)
        return array


@dataclass(frozen=True)
class Huber(Loss):
    """The mean over samples and outputs of D²/2 where |D| <= delta, else delta (|D| - delta/2), for D = A - Y.

    Squared errors that outliers cannot rule (Huber, 1964); PyTorch's HuberLoss.

    Parameters
    ----------
    delta : float, default 1.0
        From which error on it grows like a straight line; delta > 0.
    """

    delta: float = 1.0
    name = "huber"
    takes_prepared = True
    metrics = ("r2",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "delta", check_number(self.delta, "delta", above=0))

    @property
    def parameters(self) -> tuple[float, ...]:
        """Where the straight line begins."""
        return (self.delta,)


class LogCosh(Loss):
    """The mean over samples and outputs of log(cosh(A - Y)): like D²/2 for small errors D, like |D| for large ones."""

    name = "log_cosh"
    takes_prepared = True
    metrics = ("r2",)


class Poisson(Loss):
    """The mean over samples and outputs of A - Y log A: counts, whose mean A is above 0, by a softplus or an exp.

    PyTorch's PoissonNLLLoss with log_input=False and eps=0, Keras' Poisson; half of scikit-learn's
    mean_poisson_deviance less a constant of the targets. Targets are 0 or more. An A below 1e-8 counts as 1e-8.
    """

    name = "poisson"
    metrics = ("r2",)

    def check_output(self, activation: Activation, n_outputs: int) -> None:
        """Refuse outputs that are not always above 0."""
        _check_positive(self, activation, n_outputs)

    def as_targets(self, y: ArrayLike, n_outputs: int, argument: str = "y") -> Array:
        """Return numbers of 0 or more (n, n_outputs)."""
        return _check_least(as_outputs(y, n_outputs, argument), argument, zero_too=True)


class GammaDeviance(Loss):
    """The mean over samples and outputs of 2 (log(A / Y) + Y / A - 1): sizes by relative errors, with softplus or exp.

    scikit-learn's mean_gamma_deviance. Targets are above 0. An A below 1e-8 counts as 1e-8.
    """

    name = "gamma"
    metrics = ("r2",)

    def check_output(self, activation: Activation, n_outputs: int) -> None:
        """Refuse outputs that are not always above 0."""
        _check_positive(self, activation, n_outputs)

    def as_targets(self, y: ArrayLike, n_outputs: int, argument: str = "y") -> Array:
        """Return numbers above 0 (n, n_outputs)."""
        return _check_least(as_outputs(y, n_outputs, argument), argument, zero_too=False)


@dataclass(frozen=True)
class TweedieDeviance(Loss):
    """The mean of 2 (Y^(2-p) / ((1-p) (2-p)) - Y A^(1-p) / (1-p) + A^(2-p) / (2-p)), p = power, by a softplus.

    scikit-learn's mean_tweedie_deviance (Tweedie, 1984; Jorgensen, 1987): amounts whose variance goes with their mean
    to this power. For p = 1 and p = 2 the formula's limits. Targets are 0 or more, and above 0 from power 2 on. An A
    below 1e-8 counts as 1e-8.

    Parameters
    ----------
    power : float, default 1.5
        1 is Poisson's distribution, 1 to 2 a sum of a random number of amounts (many are 0, as claims of insurance), 2
        the gamma distribution, 3 the inverse normal one; 1 <= power <= 3.
    """

    power: float = 1.5
    name = "tweedie"
    metrics = ("r2",)

    def __post_init__(self) -> None:
        power = check_number(self.power, "power", at_least=1)
        if power > 3:
            raise ValueError(sentence("power", self.power, "a number 1 to 3"))
        object.__setattr__(self, "power", power)

    @property
    def parameters(self) -> tuple[float, ...]:
        """The power."""
        return (self.power,)

    def check_output(self, activation: Activation, n_outputs: int) -> None:
        """Refuse outputs that are not always above 0."""
        _check_positive(self, activation, n_outputs)

    def as_targets(self, y: ArrayLike, n_outputs: int, argument: str = "y") -> Array:
        """Return numbers of 0 or more, or above 0 (n, n_outputs)."""
        return _check_least(as_outputs(y, n_outputs, argument), argument, zero_too=self.power < 2)


class Hinge(Loss):
    """The mean over samples and outputs of max(0, 1 - Y A): yes or no by the sign of A (Cortes and Vapnik, 1995).

    Targets are -1 and 1, or 0 and 1, of which 0 becomes -1; of shape (n,) for one output or (n, outputs).
    """

    name = "hinge"
    metrics = ("accuracy",)

    def check_output(self, activation: Activation, n_outputs: int) -> None:
        """Refuse outputs that cannot be of both signs up to 1."""
        if activation.name not in ("linear", "tanh"):
            remedy = f"End the model with Dense({n_outputs}, 'linear')"
            if activation.name == "sigmoid":
                remedy += ", or use loss='binary_cross_entropy'"
            raise ValueError(_wrong_activation(self, activation, "'linear' or 'tanh'", remedy))

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
    """The mean over samples and outputs of max(0, 1 - Y A)²; targets as for Hinge."""

    name = "squared_hinge"


@dataclass(frozen=True)
class Quantile(Loss):
    """The pinball loss: A is to be above Y in a share q of all cases (Koenker and Bassett, 1978).

    The mean over samples and outputs of q (Y - A) where Y is above A, else (1 - q) (A - Y); its slope at 0 is 0. For
    one quantile scikit-learn's mean_pinball_loss. With several, the model has an output for each quantile of each
    target, all targets' first quantile first: outputs (n, quantiles * targets) for targets of shape (n, targets).

    Parameters
    ----------
    quantiles : float or sequence of float, default 0.5
        Shares above 0 and below 1, rising, 99 at most; kept as a tuple.
    """

    quantiles: float | Sequence[float] = 0.5
    name = "quantile"
    takes_prepared = True
    metrics = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "quantiles", _check_quantiles(self.quantiles))

    @property
    def parameters(self) -> tuple[float, ...]:
        """The quantiles."""
        assert isinstance(self.quantiles, tuple)
        return self.quantiles

    def n_targets(self, n_outputs: int) -> int:
        """Return how many columns the targets have: an output for each quantile."""
        return n_outputs // len(self.parameters)

    def check_output(self, activation: Activation, n_outputs: int) -> None:
        """Refuse a number of outputs that is not so many for each target."""
        _check_multiple(self, n_outputs, len(self.parameters), "one for each quantile of each target")


@dataclass(frozen=True)
class GaussianNLL(Loss):
    """The mean of (S + (M - Y)² exp(-S)) / 2: a mean M and the logarithm S of a variance for each target.

    The negative log-likelihood of the normal distribution without its constant (Nix and Weigend, 1994): PyTorch's
    GaussianNLLLoss with var = exp(S). The model is linear at its end and has two outputs for each target: all means,
    then all log-variances, shape (n, 2 * targets), for targets of shape (n, targets). Metrics look at the means.

    Parameters
    ----------
    least_variance : float, default 1e-6
        A smaller variance counts as this, so that a target that is hit exactly cannot drive it to nothing.
    """

    least_variance: float = 1e-6
    name = "gaussian_nll"
    metrics = ("r2",)

    def __post_init__(self) -> None:
        checked = check_number(self.least_variance, "least_variance", at_least=1e-30)
        object.__setattr__(self, "least_variance", checked)

    @property
    def parameters(self) -> tuple[float, ...]:
        """The logarithm of the smallest variance."""
        return (math.log(self.least_variance),)

    def n_targets(self, n_outputs: int) -> int:
        """Return how many columns the targets have: half as many as there are outputs."""
        return n_outputs // 2

    def check_output(self, activation: Activation, n_outputs: int) -> None:
        """Refuse everything but pairs of linear outputs."""
        _check_multiple(self, n_outputs, 2, "a mean and a log-variance for each target")
        if activation.name != "linear":
            raise ValueError(_wrong_activation(self, activation, "'linear'", f"End the model with Dense({n_outputs})"))


class Cosine(Loss):
    """The mean over samples of 1 - A · Y / (|A| |Y|): the direction of the outputs, whatever their length.

    1 - PyTorch's cosine_similarity. A length below 1e-8 counts as 1e-8.
    """

    name = "cosine"
    metrics = ()

    def check_output(self, activation: Activation, n_outputs: int) -> None:
        """Refuse a single output: it has no direction."""
        if n_outputs == 1:
            raise ValueError(
                "loss is 'cosine' and the last layer has 1 unit; expected 2 or more, a direction. For a number use "
                "loss='mse'."
            )


def _check_smoothing(label_smoothing: float) -> float:
    return check_number(label_smoothing, "label_smoothing", at_least=0, below=1)


def _check_quantiles(quantiles: float | Sequence[float]) -> tuple[float, ...]:
    expected = "a number above 0 and below 1, or a list of such numbers, rising, 1 to 99 of them"
    values = quantiles.tolist() if isinstance(quantiles, np.ndarray) else quantiles
    if not isinstance(values, (list, tuple)):
        return (check_number(values, "quantiles", above=0, below=1),)
    checked = tuple(check_number(value, f"quantiles[{i}]", above=0, below=1) for i, value in enumerate(values))
    if not 1 <= len(checked) <= 99 or list(checked) != sorted(set(checked)):
        raise ValueError(sentence("quantiles", quantiles, expected))
    return checked


def _check_sigmoid(loss: Loss, activation: Activation, n_outputs: int) -> None:
    if activation.name != "sigmoid":
        remedy = f"End the model with Dense({n_outputs}, 'sigmoid')"
        if activation.name == "softmax":
            remedy += ", or use loss='cross_entropy' if every sample is of exactly one class"
        raise ValueError(_wrong_activation(loss, activation, "'sigmoid'", remedy))


_POSITIVE = ("softplus", "exp", "sigmoid", "softmax")


def _check_positive(loss: Loss, activation: Activation, n_outputs: int) -> None:
    if activation.name not in _POSITIVE:
        remedy = f"End the model with Dense({n_outputs}, 'softplus')"
        needed = "one that is always above 0: " + ", ".join(map(repr, _POSITIVE))
        raise ValueError(_wrong_activation(loss, activation, needed, remedy))


def _check_multiple(loss: Loss, n_outputs: int, width: int, what: str) -> None:
    if n_outputs % width:
        units = f"the last layer has {n_outputs} unit{'s' if n_outputs > 1 else ''}"
        raise ValueError(
            f"loss is {loss!r} and {units}; expected a multiple of {width}, {what}. End the model with Dense({width}) "
            "for one target."
        )


def _check_least(array: Array, argument: str, zero_too: bool) -> Array:
    """Return targets as they are, each checked to be above 0, or 0 where that will do."""
    least = np.minimum.reduce(array, axis=None)
    if not (least >= 0 if zero_too else least > 0):  # a NaN is refused too
        expected = "a number of 0 or more" if zero_too else "a number above 0"
        remedy = "" if zero_too else "For amounts of which some are 0 use fb.TweedieDeviance(1.5)."
        check_each(array, lambda block: block >= 0 if zero_too else block > 0, argument, expected, remedy)
    return array


def _wrong_activation(loss: Loss, activation: Activation, needed: str, remedy: str) -> str:
    was = f"loss is {loss.name!r} and the last layer's activation is {activation.name!r}; expected {needed}"
    return f"{was}. {remedy}."


def as_outputs(y: ArrayLike, n_outputs: int, argument: str, n_targets: int | None = None) -> Array:
    """Return targets of shape (n, n_targets), which are as many as the outputs; shape (n,) will do for one."""
    n_targets = n_targets or n_outputs
    if type(y) is np.ndarray and y.dtype in READABLE and y.flags.aligned:
        array = y
    else:
        array = as_array(y, argument)
    if array.ndim == 1 and n_targets == 1 and len(array):
        return array[:, np.newaxis]
    if array.ndim == 2 and array.shape[1] == n_targets and len(array):
        return array
    expected = "(n_samples,) or (n_samples, 1)" if n_targets == 1 else f"(n_samples, {n_targets})"
    remedy = f"The model has {n_outputs} output{'s' if n_outputs > 1 else ''}"
    remedy += "." if n_targets == n_outputs else f", {n_outputs // n_targets} for each target."
    if array.ndim == 1 and array.dtype.kind in "iub" and n_targets == n_outputs:
        remedy += f" For class labels use loss='cross_entropy', or give np.eye({n_outputs})[{argument}]."
    raise ValueError(f"{argument} has shape {array.shape}; expected {expected}. {remedy}")


def _as_labels(array: Array, n_classes: int, argument: str) -> NDArray[np.int32]:
    """Return labels as int32 (n,), C-contiguous, each checked to be one of the classes."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or len(array) == 0:
        expected = f"labels of shape (n_samples,) or probabilities of shape (n_samples, {n_classes})"
        raise ValueError(f"{argument} has shape {array.shape}; expected {expected}: the model has {n_classes} outputs.")
    expected = f"an integer 0 to {n_classes - 1}, as the model has {n_classes} outputs"
    remedy = "np.unique(labels, return_inverse=True)[1] numbers any labels from 0."
    if array.dtype.kind == "f" and not np.array_equal(array, np.floor(array)):  # NaN is not equal to itself
        refuse_first(array != np.floor(array), array, argument, expected, remedy)
    if np.minimum.reduce(array) < 0 or np.maximum.reduce(array) >= n_classes:
        refuse_first((array < 0) | (array >= n_classes), array, argument, expected, remedy)
    return array.astype(np.int32, order="C")


def _check_certain(array: Array, argument: str) -> None:
    """Refuse targets that are probabilities: such a sample is of several classes."""
    remedy = "Give sample_weight, a weight for each sample."
    check_each(array, _is_certain, argument, "0 or 1, as class_weight goes by the class of each sample", remedy)


def _is_certain(targets: Array) -> NDArray[np.bool_]:
    certain: NDArray[np.bool_] = (targets == 0) | (targets == 1)
    return certain


def _check_probabilities(array: Array, argument: str) -> Array:
    """Return the probabilities of the classes as they are, each row checked to sum to 1."""
    if len(array) == 0:
        raise ValueError(f"{argument} has shape {array.shape}: no samples; expected one row or more.")
    if not np.minimum.reduce(array, axis=None) >= 0:
        check_each(array, lambda block: block >= 0, argument, "the probability of a class, 0 to 1")
    sums = np.add.reduce(array, axis=1, dtype=np.float64)
    bad = ~(np.abs(sums - 1) <= 1e-3)  # float16 probabilities are no better
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"the probabilities in {argument}[{row}] sum to {sums[row]:g}; expected 1. If a sample can be of several "
            "classes at once, end the model with a sigmoid and use loss='binary_cross_entropy'."
        )
    return array


LOSSES: dict[str, type[Loss]] = {
    cls.name: cls
    for cls in (
        MeanSquaredError,
        MeanAbsoluteError,
        CrossEntropy,
        BinaryCrossEntropy,
        Huber,
        LogCosh,
        Quantile,
        GaussianNLL,
        Poisson,
        GammaDeviance,
        TweedieDeviance,
        Hinge,
        SquaredHinge,
        Focal,
        Cosine,
    )
}
