"""Optimizers that use only the sign of the gradient or of its average."""

from __future__ import annotations

from dataclasses import dataclass

from fastbp.optimizers.base import Optimizer, Scheduled

__all__ = ["Lion", "Rprop"]


@dataclass(frozen=True)
class Lion(Optimizer):
    """Lion (Chen et al., 2023): steps of one size, by the sign of an average of momentum and gradient.

    First W -= learning_rate * weight_decay * W, then w -= learning_rate * sign(beta_1 * m + (1 - beta_1) * g),
    m = beta_2 * m + (1 - beta_2) * g.

    Parameters
    ----------
    learning_rate : float or schedule, default 1e-4
        The authors recommend a third to a tenth of Adam's.
    beta_1 : float, default 0.9
        Weight of the momentum in the step's direction, 0 <= beta_1 < 1.
    beta_2 : float, default 0.99
        Decay rate of the momentum, 0 <= beta_2 < 1.
    weight_decay : float or schedule, default 0.0
        W -= learning_rate * weight_decay * W at each step; biases do not decay.

    Raises
    ------
    TypeError, ValueError
        If a number is out of its range.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, use_bias=False)], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]]])
    >>> trainer = fb.Trainer(model, "mse", fb.Lion(0.1))
    >>> losses = [trainer.step([[1.0]], [0.0]) for _ in range(2)]  # the loss is w², its gradient 2 w
    >>> model.get_weights()[0].round(4).tolist()
    [[0.8]]
    """

    learning_rate: Scheduled = 1e-4
    beta_1: float = 0.9
    beta_2: float = 0.99
    weight_decay: Scheduled = 0.0
    name = "lion"
    rule = "lion"

    def __post_init__(self) -> None:
        self._check_schedule("learning_rate", above=0)
        self._check_number("beta_1", at_least=0, below=1)
        self._check_number("beta_2", at_least=0, below=1)
        self._check_schedule("weight_decay", at_least=0)

    def numbers(self) -> dict[str, Scheduled]:
        """Return the update rule's numbers under the engine's names."""
        return {
            "learning_rate": self.learning_rate,
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "weight_decay": self.weight_decay,
        }


@dataclass(frozen=True)
class Rprop(Optimizer):
    """Rprop (Riedmiller and Braun, 1993): each weight has its own step size, and only the gradient's sign is used.

    A weight's step size is multiplied by eta_plus if its gradient keeps its sign, by eta_minus if the sign changes, and
    clipped to min_step and max_step. Then w -= sign(g) * step, except that a weight whose gradient changed sign is not
    changed in this step. For full batches only: between batches the sign changes at random.

    Parameters
    ----------
    learning_rate : float or schedule, default 0.01
        Initial step size of every weight.
    eta_minus : float, default 0.5
        Factor where the sign changes, 0 < eta_minus < 1.
    eta_plus : float, default 1.2
        Factor where the sign stays the same, eta_plus > 1.
    min_step : float, default 1e-6
        Smallest step size.
    max_step : float, default 50.0
        Largest step size, not below min_step.

    Raises
    ------
    TypeError, ValueError
        If a number is out of its range.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, use_bias=False)], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]]])
    >>> trainer = fb.Trainer(model, "mse", fb.Rprop(0.1), batch_size=None)
    >>> losses = [trainer.step([[1.0]], [0.0]) for _ in range(2)]  # the loss is w², its gradient 2 w
    >>> model.get_weights()[0].round(4).tolist()
    [[0.78]]
    """

    learning_rate: Scheduled = 0.01
    eta_minus: float = 0.5
    eta_plus: float = 1.2
    min_step: float = 1e-6
    max_step: float = 50.0
    name = "rprop"
    rule = "rprop"
    full_batch = True

    def __post_init__(self) -> None:
        self._check_schedule("learning_rate", above=0)
        self._check_number("eta_minus", above=0, below=1)
        self._check_number("eta_plus", above=1)
        self._check_number("min_step", above=0)
        self._check_number("max_step", at_least=self.min_step)

    def numbers(self) -> dict[str, Scheduled]:
        """Return the update rule's numbers under the engine's names."""
        return {
            "learning_rate": self.learning_rate,
            "eta_minus": self.eta_minus,
            "eta_plus": self.eta_plus,
            "min_step": self.min_step,
            "max_step": self.max_step,
        }
