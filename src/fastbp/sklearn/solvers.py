"""The solvers: scikit-learn's, with its learning rates, and every optimizer of fastbp."""

from __future__ import annotations

from typing import Any

from fastbp.optimizers.adam import Adam
from fastbp.optimizers.all_optimizers import OPTIMIZERS
from fastbp.optimizers.base import Optimizer
from fastbp.optimizers.lbfgs import LBFGS
from fastbp.optimizers.sgd import SGD
from fastbp.support.registry import resolve
from fastbp.training.trainer import Trainer

__all__ = ["LearningRate", "is_lbfgs", "is_stochastic", "make_optimizer", "set_learning_rate"]


def make_optimizer(estimator: Any) -> Optimizer:
    """Return the optimizer that the parameters of an estimator describe.

    scikit-learn's three use these parameters; others, given by name, have fastbp's defaults.
    """
    name = estimator.solver if isinstance(estimator.solver, str) else None
    if name == "sgd":
        momentum = float(estimator.momentum)
        nesterov = bool(estimator.nesterovs_momentum) and momentum > 0
        return SGD(float(estimator.learning_rate_init), momentum, nesterov)
    if name == "adam":
        return Adam(
            float(estimator.learning_rate_init),
            float(estimator.beta_1),
            float(estimator.beta_2),
            float(estimator.epsilon),
            epsilon_hat=True,
        )
    if name == "lbfgs":
        return LBFGS(gradient_tolerance=float(estimator.tol), max_calls=int(estimator.max_fun))
    optimizer: Optimizer = resolve(estimator.solver, OPTIMIZERS, "solver")
    return optimizer


def is_stochastic(solver: Any) -> bool:
    """Return whether a solver makes its steps from batches."""
    known = OPTIMIZERS.get(solver) if isinstance(solver, str) else type(solver)
    return not getattr(known, "full_batch", False)


def is_lbfgs(solver: Any) -> bool:
    """Return whether a solver is L-BFGS."""
    return isinstance(solver, LBFGS) or (isinstance(solver, str) and solver == "lbfgs")


class LearningRate:
    """scikit-learn's learning rates: constant, falling with the samples seen, or falling after epochs without progress.

    Parameters
    ----------
    schedule : {"constant", "invscaling", "adaptive"}
        Schedule of the solver "sgd"; other solvers have a constant rate.
    start : float
    power : float
        Exponent of "invscaling".

    Attributes
    ----------
    learning_rate : float
        The learning rate of the next epoch.
    """

    def __init__(self, schedule: str, start: float, power: float) -> None:
        self.schedule, self.start, self.power = schedule, start, power
        self.learning_rate = start

    def end_epoch(self, n_seen: int) -> None:
        """Lower the rate with the number of samples seen, for "invscaling"."""
        if self.schedule == "invscaling":
            self.learning_rate = self.start / (n_seen + 1) ** self.power

    def gains_nothing(self, message: str, verbose: bool) -> bool:
        """Return whether to stop after epochs without progress; if not ("adaptive"), divide the rate by 5."""
        stops = self.schedule != "adaptive" or self.learning_rate <= 1e-6
        if not stops:
            self.learning_rate /= 5
        if verbose:
            if not stops:
                outcome = f"Setting learning rate to {self.learning_rate:f}"
            else:
                outcome = "Learning rate too small. Stopping." if self.schedule == "adaptive" else "Stopping."
            print(f"{message} {outcome}")
        return stops


def set_learning_rate(trainer: Trainer, learning_rate: float) -> None:
    """Set a trainer's learning rate, and keep the size of its last step.

    scikit-learn's velocity is the step itself; fastbp's (and PyTorch's) is the step divided by the learning rate.
    """
    before = trainer.learning_rate
    if learning_rate == before:
        return
    trainer.learning_rate = learning_rate
    session = trainer.parts.state.session
    state = [(name, array * (before / learning_rate)) for name, array in session.get_state()]
    session.set_state(state)
