"""Optimizers that divide by the size of the gradients so far."""

from __future__ import annotations

from dataclasses import dataclass

from fastbp.optimizers.base import Optimizer, Scheduled

__all__ = ["Adadelta", "Adagrad", "RMSprop"]


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """RMSprop (Tieleman and Hinton, 2012): the gradient divided by the root of its squares' average.

    v = rho * v + (1 - rho) * g**2, u = momentum * u + g / (sqrt(v) + epsilon), w -= learning_rate * u.
    With ``centered``, m = rho * m + (1 - rho) * g and u uses max(v - m**2, 0) in place of v.

    Parameters
    ----------
    learning_rate : float or schedule, default 0.01
    rho : float, default 0.99
        Decay rate of the averages, 0 <= rho < 1; PyTorch's alpha.
    epsilon : float, default 1e-8
        Added to the square root in the denominator.
    weight_decay : float or schedule, default 0.0
        weight_decay * W is added to the gradient of the weights (L2 regularisation), not of the biases.
    momentum : float, default 0.0
        Fraction of the last step that is kept, 0 <= momentum < 1.
    centered : bool, default False
        Whether to divide by the root of the gradient's variance, v - m**2 (Graves, 2013).

    Raises
    ------
    TypeError, ValueError
        If a number is out of its range.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, use_bias=False)], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]]])
    >>> trainer = fb.Trainer(model, "mse", fb.RMSprop(0.01))
    >>> losses = [trainer.step([[1.0]], [0.0]) for _ in range(2)]  # the loss is w², its gradient 2 w
    >>> model.get_weights()[0].round(4).tolist()
    [[0.8329]]
    """

    learning_rate: Scheduled = 0.01
    rho: float = 0.99
    epsilon: float = 1e-8
    weight_decay: Scheduled = 0.0
    momentum: float = 0.0
    centered: bool = False
    name = "rmsprop"
    rule = "rmsprop"

    def __post_init__(self) -> None:
        self._check_schedule("learning_rate", above=0)
        self._check_number("rho", at_least=0, below=1)
        self._check_number("epsilon", above=0)
        self._check_schedule("weight_decay", at_least=0)
        self._check_number("momentum", at_least=0, below=1)
        self._check_flag("centered")

    def numbers(self) -> dict[str, Scheduled]:
        """Return the update rule's numbers under the engine's names."""
        return {
            "learning_rate": self.learning_rate,
            "beta_2": self.rho,
            "epsilon": self.epsilon,
            "weight_decay": self.weight_decay,
            "momentum": self.momentum,
            "centered": float(self.centered),
        }


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """Adagrad (Duchi, Hazan and Singer, 2011): the gradient divided by the root of the sum of its squares so far.

    s = s + g**2, w -= learning_rate / (1 + (t - 1) * lr_decay) * g / (sqrt(initial_accumulator_value + s) + epsilon).

    Parameters
    ----------
    learning_rate : float or schedule, default 0.01
    lr_decay : float, default 0.0
        Decay of the learning rate with the number of steps.
    weight_decay : float or schedule, default 0.0
        weight_decay * W is added to the gradient of the weights (L2 regularisation), not of the biases.
    initial_accumulator_value : float, default 0.0
        Initial value of the sum of squares.
    epsilon : float, default 1e-10
        Added to the square root in the denominator.

    Raises
    ------
    TypeError, ValueError
        If a number is out of its range.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, use_bias=False)], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]]])
    >>> trainer = fb.Trainer(model, "mse", fb.Adagrad(0.1))
    >>> losses = [trainer.step([[1.0]], [0.0]) for _ in range(2)]  # the loss is w², its gradient 2 w
    >>> model.get_weights()[0].round(4).tolist()
    [[0.8331]]
    """

    learning_rate: Scheduled = 0.01
    lr_decay: float = 0.0
    weight_decay: Scheduled = 0.0
    initial_accumulator_value: float = 0.0
    epsilon: float = 1e-10
    name = "adagrad"
    rule = "adagrad"

    def __post_init__(self) -> None:
        self._check_schedule("learning_rate", above=0)
        self._check_number("lr_decay", at_least=0)
        self._check_schedule("weight_decay", at_least=0)
        self._check_number("initial_accumulator_value", at_least=0)
        self._check_number("epsilon", above=0)

    def numbers(self) -> dict[str, Scheduled]:
        """Return the update rule's numbers under the engine's names."""
        return {
            "learning_rate": self.learning_rate,
            "rate_decay": self.lr_decay,
            "weight_decay": self.weight_decay,
            "initial": self.initial_accumulator_value,
            "epsilon": self.epsilon,
        }


@dataclass(frozen=True)
class Adadelta(Optimizer):
    """Adadelta (Zeiler, 2012): steps of the size of recent steps, scaled by the gradient's recent size.

    v = rho * v + (1 - rho) * g**2, d = g * sqrt(c + epsilon) / sqrt(v + epsilon), c = rho * c + (1 - rho) * d**2,
    w -= learning_rate * d.

    Parameters
    ----------
    learning_rate : float or schedule, default 1.0
    rho : float, default 0.9
        Decay rate of both averages of squares, 0 <= rho < 1.
    epsilon : float, default 1e-6
        Added to both averages under the root; it sets the size of the first steps.
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
    >>> trainer = fb.Trainer(model, "mse", fb.Adadelta())
    >>> losses = [trainer.step([[1.0]], [0.0]) for _ in range(2)]  # the loss is w², its gradient 2 w
    >>> model.get_weights()[0].round(4).tolist()
    [[0.9936]]
    """

    learning_rate: Scheduled = 1.0
    rho: float = 0.9
    epsilon: float = 1e-6
    weight_decay: Scheduled = 0.0
    name = "adadelta"
    rule = "adadelta"

    def __post_init__(self) -> None:
        self._check_schedule("learning_rate", above=0)
        self._check_number("rho", at_least=0, below=1)
        self._check_number("epsilon", above=0)
        self._check_schedule("weight_decay", at_least=0)

    def numbers(self) -> dict[str, Scheduled]:
        """Return the update rule's numbers under the engine's names."""
        return {
            "learning_rate": self.learning_rate,
            "beta_2": self.rho,
            "epsilon": self.epsilon,
            "weight_decay": self.weight_decay,
        }
