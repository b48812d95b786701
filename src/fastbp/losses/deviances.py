"""Losses for counts and positive amounts: deviances of Poisson, gamma and Tweedie distributions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fastbp.data.arrays import check_each
from fastbp.layers.activations import Activation
from fastbp.losses.base import Array, Loss, as_outputs, wrong_activation
from fastbp.support.checks import check_number, sentence

__all__ = ["GammaDeviance", "Poisson", "TweedieDeviance"]


class Poisson(Loss):
    """The mean over samples and outputs of A - Y log A: counts with mean A above 0, after a softplus or an exp.

    PyTorch's PoissonNLLLoss with log_input=False and eps=0; Keras's Poisson; half of scikit-learn's
    mean_poisson_deviance minus a constant that depends on the targets alone. Targets are 0 or more. An A below 1e-8
    counts as 1e-8.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, "exp")], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])
    >>> loss, _ = model.loss_and_gradients([[0.0], [1.0]], [1, 3], loss=fb.Poisson())
    >>> round(loss, 4)
    0.3591
    """

    name = "poisson"
    sums_outputs = True
    metrics = ("r2",)

    def check_output(self, activation: Activation, n_outputs: int) -> None:
        """Refuse outputs that are not always above 0."""
        _check_positive(self, activation, n_outputs)

    def as_targets(self, y: ArrayLike, n_outputs: int, argument: str = "y") -> Array:
        """Return numbers of 0 or more (n, n_outputs)."""
        return _check_least(as_outputs(y, n_outputs, argument), argument, zero_too=True)


class GammaDeviance(Loss):
    """The mean over samples and outputs of 2 (log(A / Y) + Y / A - 1): relative errors, after a softplus or an exp.

    scikit-learn's mean_gamma_deviance. Targets are above 0. An A below 1e-8 counts as 1e-8.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, "exp")], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])
    >>> loss, _ = model.loss_and_gradients([[0.0], [1.0]], [1.0, 3.0], loss=fb.GammaDeviance())
    >>> round(loss, 4)
    0.005
    """

    name = "gamma"
    sums_outputs = True
    metrics = ("r2",)

    def check_output(self, activation: Activation, n_outputs: int) -> None:
        """Refuse outputs that are not always above 0."""
        _check_positive(self, activation, n_outputs)

    def as_targets(self, y: ArrayLike, n_outputs: int, argument: str = "y") -> Array:
        """Return numbers above 0 (n, n_outputs)."""
        return _check_least(as_outputs(y, n_outputs, argument), argument, zero_too=False)


@dataclass(frozen=True)
class TweedieDeviance(Loss):
    """The mean of 2 (Y^(2-p) / ((1-p) (2-p)) - Y A^(1-p) / (1-p) + A^(2-p) / (2-p)), p = power, after softplus or exp.

    scikit-learn's mean_tweedie_deviance (Tweedie, 1984; Jorgensen, 1987): for amounts whose variance is proportional to
    their mean to this power. At p = 1 and p = 2 it is the formula's limit. Targets are 0 or more, above 0 if power is 2
    or more. An A below 1e-8 counts as 1e-8.

    Parameters
    ----------
    power : float, default 1.5
        1 <= power <= 3. 1 is the Poisson distribution; between 1 and 2 a sum of a random number of amounts, often 0,
        such as insurance claims; 2 the gamma distribution; 3 the inverse Gaussian.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, "exp")], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])
    >>> loss, _ = model.loss_and_gradients([[0.0], [1.0]], [0.0, 3.0], loss=fb.TweedieDeviance(1.5))
    >>> round(loss, 4)
    2.0084
    """

    power: float = 1.5
    name = "tweedie"
    sums_outputs = True
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


_POSITIVE = ("softplus", "exp", "sigmoid", "softmax")


def _check_positive(loss: Loss, activation: Activation, n_outputs: int) -> None:
    if activation.name not in _POSITIVE:
        remedy = f"End the model with Dense({n_outputs}, 'softplus')"
        needed = "one that is always above 0: " + ", ".join(map(repr, _POSITIVE))
        raise ValueError(wrong_activation(loss, activation, needed, remedy))


def _check_least(array: Array, argument: str, zero_too: bool) -> Array:
    """Return targets unchanged, each checked to be above 0, or 0 if ``zero_too``."""
    least = np.minimum.reduce(array, axis=None)
    if not (least >= 0 if zero_too else least > 0):  # false for NaN
        expected = "a number of 0 or more" if zero_too else "a number above 0"
        remedy = "" if zero_too else "If some amounts are 0, use fb.TweedieDeviance(1.5)."
        check_each(array, lambda block: block >= 0 if zero_too else block > 0, argument, expected, remedy)
    return array
