"""Losses for numbers, by the distance of outputs and targets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastbp.layers.activations import Activation
from fastbp.losses.base import Loss, wrong_activation
from fastbp.support.checks import check_number, counted, sentence

__all__ = ["Cosine", "GaussianNLL", "Huber", "LogCosh", "MeanAbsoluteError", "MeanSquaredError", "Quantile"]


class MeanSquaredError(Loss):
    """The mean over samples and outputs of (A - Y)².

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1)], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])
    >>> loss, _ = model.loss_and_gradients([[1.0], [3.0]], [1.0, 1.0], loss=fb.MeanSquaredError())
    >>> round(loss, 4)
    2.0
    """

    name = "mse"
    sums_outputs = True
    takes_prepared = True
    metrics = ("r2",)


class MeanAbsoluteError(Loss):
    """The mean over samples and outputs of |A - Y|; its slope at 0 is 0.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1)], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])
    >>> loss, _ = model.loss_and_gradients([[1.0], [3.0]], [1.0, 1.0], loss=fb.MeanAbsoluteError())
    >>> round(loss, 4)
    1.0
    """

    name = "mae"
    sums_outputs = True
    takes_prepared = True
    metrics = ("r2",)


@dataclass(frozen=True)
class Huber(Loss):
    """The mean over samples and outputs of D²/2 where |D| <= delta, else delta (|D| - delta/2), for D = A - Y.

    Less sensitive to outliers than the squared error (Huber, 1964); PyTorch's HuberLoss.

    Parameters
    ----------
    delta : float, default 1.0
        The error from which on the loss is linear; delta > 0.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1)], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])
    >>> loss, _ = model.loss_and_gradients([[1.5], [3.0]], [1.0, 1.0], loss=fb.Huber(1.0))
    >>> round(loss, 4)
    0.8125
    """

    delta: float = 1.0
    name = "huber"
    sums_outputs = True
    takes_prepared = True
    metrics = ("r2",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "delta", check_number(self.delta, "delta", above=0))

    @property
    def parameters(self) -> tuple[float, ...]:
        """Where the linear part begins."""
        return (self.delta,)


class LogCosh(Loss):
    """The mean over samples and outputs of log(cosh(A - Y)): like D²/2 for small errors D, like |D| for large ones.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1)], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])
    >>> loss, _ = model.loss_and_gradients([[1.0], [3.0]], [1.0, 1.0], loss=fb.LogCosh())
    >>> round(loss, 4)
    0.6625
    """

    name = "log_cosh"
    sums_outputs = True
    takes_prepared = True
    metrics = ("r2",)


@dataclass(frozen=True)
class Quantile(Loss):
    """The pinball loss: A estimates the quantile q of Y, above Y with probability q (Koenker and Bassett, 1978).

    The mean over samples and outputs of q (Y - A) where Y is above A, else (1 - q) (A - Y); its slope at 0 is 0. With
    one quantile it is scikit-learn's mean_pinball_loss. With several, the model has an output for each quantile of each
    target, ordered by quantile, then by target: outputs (n, quantiles * targets) for targets of shape (n, targets).

    Parameters
    ----------
    quantiles : float or sequence of float, default 0.5
        One to 99 numbers above 0 and below 1, increasing; stored as a tuple.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1)], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])
    >>> loss, _ = model.loss_and_gradients([[1.0], [3.0]], [2.0, 2.0], loss=fb.Quantile(0.9))  # 0.9 below y, 0.1 above
    >>> round(loss, 4)
    0.5
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
        """Return the number of target columns: the outputs divided by the number of quantiles."""
        return n_outputs // len(self.parameters)

    def check_output(self, activation: Activation, n_outputs: int) -> None:
        """Refuse outputs that are not a multiple of the number of quantiles."""
        _check_multiple(self, n_outputs, len(self.parameters), "one for each quantile of each target")


@dataclass(frozen=True)
class GaussianNLL(Loss):
    """The mean of (S + (M - Y)² exp(-S)) / 2: a mean M and the logarithm S of a variance for each target.

    The negative log-likelihood of the normal distribution without its constant (Nix and Weigend, 1994); PyTorch's
    GaussianNLLLoss with var = exp(S). The output layer is linear, with two outputs for each target: all means, then all
    log-variances, shape (n, 2 * targets), for targets of shape (n, targets). Metrics use the means.

    Parameters
    ----------
    least_variance : float, default 1e-6
        Lower bound of the variance, so that a target predicted exactly cannot drive it to 0.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(2)], inputs=2, dtype="float64")
    >>> model.set_weights([[[1, 0], [0, 1]], [0, 0]])
    >>> loss, _ = model.loss_and_gradients([[1.0, 0.0]], [3.0], loss=fb.GaussianNLL())  # mean 1, variance exp(0)
    >>> round(loss, 4)
    2.0
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
        """Return the number of target columns: half the number of outputs."""
        return n_outputs // 2

    def check_output(self, activation: Activation, n_outputs: int) -> None:
        """Refuse everything but linear outputs in pairs."""
        _check_multiple(self, n_outputs, 2, "a mean and a log-variance for each target")
        if activation.name != "linear":
            raise ValueError(wrong_activation(self, activation, "'linear'", f"End the model with Dense({n_outputs})"))


class Cosine(Loss):
    """The mean over samples of 1 - A · Y / (|A| |Y|): the direction of the outputs, not their length.

    It is 1 - PyTorch's cosine_similarity. A length below 1e-8 counts as 1e-8.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(2)], inputs=2, dtype="float64")
    >>> model.set_weights([[[1, 0], [0, 1]], [0, 0]])
    >>> loss, _ = model.loss_and_gradients([[1.0, 1.0]], [[1.0, 0.0]], loss=fb.Cosine())
    >>> round(loss, 4)
    0.2929
    """

    name = "cosine"
    metrics = ()

    def check_output(self, activation: Activation, n_outputs: int) -> None:
        """Refuse a single output: it has no direction."""
        if n_outputs == 1:
            raise ValueError(
                "loss is 'cosine' and the last layer has 1 unit; expected 2 or more, a vector. For a number use "
                "loss='mse'."
            )


def _check_quantiles(quantiles: float | Sequence[float]) -> tuple[float, ...]:
    expected = "a number above 0 and below 1, or a list of 1 to 99 such numbers, increasing"
    values = quantiles.tolist() if isinstance(quantiles, np.ndarray) else quantiles
    if not isinstance(values, (list, tuple)):
        return (check_number(values, "quantiles", above=0, below=1),)
    checked = tuple(check_number(value, f"quantiles[{i}]", above=0, below=1) for i, value in enumerate(values))
    if not 1 <= len(checked) <= 99 or list(checked) != sorted(set(checked)):
        raise ValueError(sentence("quantiles", quantiles, expected))
    return checked


def _check_multiple(loss: Loss, n_outputs: int, width: int, what: str) -> None:
    if n_outputs % width:
        units = f"the last layer has {counted(n_outputs, 'unit')}"
        raise ValueError(
            f"loss is {loss!r} and {units}; expected a multiple of {width}, {what}. End the model with Dense({width}) "
            "for one target."
        )
