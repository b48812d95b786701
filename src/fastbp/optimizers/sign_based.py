"""Steps that take only the sign of the gradient or of its average."""

from __future__ import annotations

from dataclasses import dataclass

from fastbp.optimizers.base import Optimizer, Scheduled

__all__ = ["Lion", "Rprop"]


@dataclass(frozen=True)
class Lion(Optimizer):
    """Lion (Chen et al., 2023): steps of one size, in the direction of the sign of momentum and gradient together.

    First W -= learning_rate * weight_decay * W, then w -= learning_rate * sign(beta_1 * m + (1 - beta_1) * g),
    m = beta_2 * m + (1 - beta_2) * g.

    Parameters
    ----------
    learning_rate : float or schedule, default 1e-4
        Three to ten times less than would do for Adam, say its authors.
    beta_1 : float, default 0.9
        How much the momentum counts beside the gradient, 0 <= beta_1 < 1.
    beta_2 : float, default 0.99
        How slowly the momentum forgets, 0 <= beta_2 < 1.
    weight_decay : float or schedule, default 0.0
        How much of every weight a step takes away, times the learning rate; biases keep all of theirs.

    Raises
    ------
    TypeError, ValueError
        If a number is out of its range.
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
        """Return the numbers of the update rule by the engine's names."""
        return {
            "learning_rate": self.learning_rate,
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "weight_decay": self.weight_decay,
        }


@dataclass(frozen=True)
class Rprop(Optimizer):
    """Rprop (Riedmiller and Braun, 1993): every weight has a step of its own, and only the gradient's sign counts.

    The step of a weight is multiplied by eta_plus where its gradient has the sign that it had, by eta_minus where that
    has changed, and kept between min_step and max_step; w -= sign(g) * step, but where the sign has changed the weight
    rests once. For full batches only: from batch to batch the sign changes for no reason.

    Parameters
    ----------
    learning_rate : float or schedule, default 0.01
        What all steps start from.
    eta_minus : float, default 0.5
        How much a step shrinks, 0 < eta_minus < 1.
    eta_plus : float, default 1.2
        How much it grows, eta_plus > 1.
    min_step : float, default 1e-6
        The smallest step.
    max_step : float, default 50.0
        The largest step, not below min_step.

    Raises
    ------
    TypeError, ValueError
        If a number is out of its range.
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
        """Return the numbers of the update rule by the engine's names."""
        return {
            "learning_rate": self.learning_rate,
            "eta_minus": self.eta_minus,
            "eta_plus": self.eta_plus,
            "min_step": self.min_step,
            "max_step": self.max_step,
        }
