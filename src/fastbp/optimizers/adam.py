"""Adam and its variants: steps from moments of the gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fastbp.optimizers.base import Optimizer, Scheduled

__all__ = ["Adam", "AdamW", "Adamax", "NAdam", "RAdam"]


@dataclass(frozen=True)
class _Moments(Optimizer):
    """The base of Adam and its variants: averages m of the gradient and v of its size, and weight decay."""

    learning_rate: Scheduled = 1e-3
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: Scheduled = 0.0

    def __post_init__(self) -> None:
        self._check_schedule("learning_rate", above=0)
        self._check_number("beta_1", at_least=0, below=1)
        self._check_number("beta_2", at_least=0, below=1)
        self._check_number("epsilon", above=0)
        self._check_schedule("weight_decay", at_least=0)

    def numbers(self) -> dict[str, Scheduled]:
        """Return the update rule's numbers under the engine's names."""
        return {
            "learning_rate": self.learning_rate,
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "weight_decay": self.weight_decay,
        }


@dataclass(frozen=True)
class _AdamRule(_Moments):
    """The base of Adam and AdamW, which differ in weight decay only."""

    amsgrad: bool = False
    epsilon_hat: bool = False
    rule = "adam"
    decoupled: ClassVar[bool]

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_flag("amsgrad")
        self._check_flag("epsilon_hat")

    def numbers(self) -> dict[str, Scheduled]:
        """Return the update rule's numbers under the engine's names."""
        return super().numbers() | {
            "amsgrad": float(self.amsgrad),
            "epsilon_hat": float(self.epsilon_hat),
            "decoupled": float(self.decoupled),
        }


class Adam(_AdamRule):
    """Adam (Kingma and Ba, 2015): steps scaled by the gradient's recent size, with bias correction of both averages.

    m = beta_1 * m + (1 - beta_1) * g, v = beta_2 * v + (1 - beta_2) * g**2,
    w -= learning_rate * m / (1 - beta_1**t) / (sqrt(v / (1 - beta_2**t)) + epsilon).

    Parameters
    ----------
    learning_rate : float or schedule, default 1e-3
    beta_1 : float, default 0.9
        Decay rate of the average of the gradient, 0 <= beta_1 < 1.
    beta_2 : float, default 0.999
        Decay rate of the average of the squared gradient, 0 <= beta_2 < 1.
    epsilon : float, default 1e-8
        Added to the square root in the denominator.
    weight_decay : float or schedule, default 0.0
        weight_decay * W is added to the gradient of the weights (L2 regularisation), not of the biases. See AdamW for
        decay that is not scaled with the gradient.
    amsgrad : bool, default False
        AMSGrad (Reddi, Kale and Kumar, 2018): replace v by its largest value so far, so that steps do not grow again.
    epsilon_hat : bool, default False
        Add epsilon to sqrt(v) before the bias correction, as at the end of the paper's section 2 and as scikit-learn
        and TensorFlow do: the formula's epsilon becomes epsilon / sqrt(1 - beta_2**t).

    Raises
    ------
    TypeError, ValueError
        If a number is out of its range.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, use_bias=False)], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]]])
    >>> trainer = fb.Trainer(model, "mse", fb.Adam(0.1))
    >>> losses = [trainer.step([[1.0]], [0.0]) for _ in range(2)]  # the loss is w², its gradient 2 w
    >>> model.get_weights()[0].round(4).tolist()
    [[0.8004]]
    """

    name = "adam"
    decoupled = False


@dataclass(frozen=True)
class AdamW(_AdamRule):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019): first W -= learning_rate * weight_decay * W.

    Parameters
    ----------
    learning_rate : float or schedule, default 1e-3
    beta_1 : float, default 0.9
        Decay rate of the average of the gradient, 0 <= beta_1 < 1.
    beta_2 : float, default 0.999
        Decay rate of the average of the squared gradient, 0 <= beta_2 < 1.
    epsilon : float, default 1e-8
        Added to the square root in the denominator.
    weight_decay : float or schedule, default 0.01
        W -= learning_rate * weight_decay * W at each step; biases do not decay.
    amsgrad : bool, default False
        AMSGrad (Reddi, Kale and Kumar, 2018): replace v by its largest value so far, so that steps do not grow again.
    epsilon_hat : bool, default False
        Add epsilon to sqrt(v) before the bias correction, as at the end of the paper's section 2 and as scikit-learn
        and TensorFlow do: the formula's epsilon becomes epsilon / sqrt(1 - beta_2**t).

    Raises
    ------
    TypeError, ValueError
        If a number is out of its range.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, use_bias=False)], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]]])
    >>> trainer = fb.Trainer(model, "mse", fb.AdamW(0.1))
    >>> losses = [trainer.step([[1.0]], [0.0]) for _ in range(2)]  # the loss is w², its gradient 2 w
    >>> model.get_weights()[0].round(4).tolist()
    [[0.7985]]
    """

    weight_decay: Scheduled = 0.01
    name = "adamw"
    decoupled = True


@dataclass(frozen=True)
class Adamax(_Moments):
    """Adamax (Kingma and Ba, 2015, section 7): Adam with the largest recent gradient in place of averaged squares.

    m = beta_1 * m + (1 - beta_1) * g, v = max(beta_2 * v, abs(g) + epsilon),
    w -= learning_rate / (1 - beta_1**t) * m / v.

    Parameters
    ----------
    learning_rate : float or schedule, default 2e-3
    beta_1 : float, default 0.9
        Decay rate of the average of the gradient, 0 <= beta_1 < 1.
    beta_2 : float, default 0.999
        Decay rate of the largest gradient, 0 <= beta_2 < 1.
    epsilon : float, default 1e-8
        Added to the gradient's absolute value.
    weight_decay : float or schedule, default 0.0
        weight_decay * W is added to the gradient of the weights (L2 regularisation), not of the biases.

    Raises
    ------
    TypeError, ValueError
        If a number is out of its range.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, use_bias=False)], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]]])
    >>> trainer = fb.Trainer(model, "mse", fb.Adamax(0.1))
    >>> losses = [trainer.step([[1.0]], [0.0]) for _ in range(2)]  # the loss is w², its gradient 2 w
    >>> model.get_weights()[0].round(4).tolist()
    [[0.8052]]
    """

    learning_rate: Scheduled = 2e-3
    name = "adamax"
    rule = "adamax"


@dataclass(frozen=True)
class NAdam(_Moments):
    """NAdam (Dozat, 2016): Adam with Nesterov momentum, where the momentum increases with the steps.

    Averages m and v as in Adam, mu(t) = beta_1 * (1 - 0.96**(t * momentum_decay) / 2), M(t) = mu(1) * ... * mu(t),
    w -= learning_rate * (g * (1 - mu(t)) / (1 - M(t)) + m * mu(t + 1) / (1 - M(t + 1)))
    / (sqrt(v / (1 - beta_2**t)) + epsilon).

    Parameters
    ----------
    learning_rate : float or schedule, default 2e-3
    beta_1 : float, default 0.9
        Decay rate of the average of the gradient, 0 <= beta_1 < 1.
    beta_2 : float, default 0.999
        Decay rate of the average of the squared gradient, 0 <= beta_2 < 1.
    epsilon : float, default 1e-8
        Added to the square root in the denominator.
    weight_decay : float or schedule, default 0.0
        weight_decay * W is added to the gradient of the weights (L2 regularisation), not of the biases.
    momentum_decay : float, default 4e-3
        Rate at which the momentum increases from beta_1 / 2 to beta_1.

    Raises
    ------
    TypeError, ValueError
        If a number is out of its range.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, use_bias=False)], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]]])
    >>> trainer = fb.Trainer(model, "mse", fb.NAdam(0.1))
    >>> losses = [trainer.step([[1.0]], [0.0]) for _ in range(2)]  # the loss is w², its gradient 2 w
    >>> model.get_weights()[0].round(4).tolist()
    [[0.82]]
    """

    learning_rate: Scheduled = 2e-3
    momentum_decay: float = 4e-3
    name = "nadam"
    rule = "nadam"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_number("momentum_decay", at_least=0)

    def numbers(self) -> dict[str, Scheduled]:
        """Return the update rule's numbers under the engine's names."""
        return super().numbers() | {"momentum_decay": self.momentum_decay}


class RAdam(_Moments):
    """Rectified Adam (Liu et al., 2020): Adam without its denominator while v averages too few steps.

    Averages m and v as in Adam, R = 2 / (1 - beta_2) - 1, r = R - 2 * t * beta_2**t / (1 - beta_2**t), w -=
    learning_rate * m / (1 - beta_1**t) while r <= 5 (the first five steps by default); afterwards that step is
    multiplied by sqrt((r - 4) * (r - 2) * R / ((R - 4) * (R - 2) * r)) * sqrt(1 - beta_2**t) / (sqrt(v) + epsilon).

    Parameters
    ----------
    learning_rate : float or schedule, default 1e-3
    beta_1 : float, default 0.9
        Decay rate of the average of the gradient, 0 <= beta_1 < 1.
    beta_2 : float, default 0.999
        Decay rate of the average of the squared gradient, 0 <= beta_2 < 1.
    epsilon : float, default 1e-8
        Added to the square root in the denominator.
    weight_decay : float or schedule, default 0.0
        weight_decay * W is added to the gradient of the weights (L2 regularisation), not of the biases.

    Raises
    ------
    TypeError, ValueError
        If a number is out of its range.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, use_bias=False)], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]]])
    >>> trainer = fb.Trainer(model, "mse", fb.RAdam(0.1))
    >>> losses = [trainer.step([[1.0]], [0.0]) for _ in range(2)]  # the loss is w², its gradient 2 w
    >>> model.get_weights()[0].round(4).tolist()
    [[0.6211]]
    """

    name = "radam"
    rule = "radam"
