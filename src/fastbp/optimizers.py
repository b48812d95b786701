"""How the gradient changes the weights.

The arithmetic is the engine's (csrc/kernels/optimizer.h); here are its numbers. Weight decay never touches biases.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fastbp.checks import check_flag, check_number

__all__ = ["OPTIMIZERS", "SGD", "Adam", "AdamW", "Optimizer"]


@dataclass(frozen=True)
class Optimizer:
    """What all optimizers have: a name, the engine's rule they follow, and the numbers it needs."""

    name: ClassVar[str]
    rule: ClassVar[str]  # what the engine calls it; optimizers of one rule can take over each other's state

    def numbers(self) -> dict[str, float]:
        """Return the numbers of the update rule by the engine's names; what is absent is 0."""
        raise NotImplementedError

    def _store(self, field: str, value: float | bool) -> None:
        object.__setattr__(self, field, value)


@dataclass(frozen=True)
class SGD(Optimizer):
    """Gradient descent, stochastic or not: w -= learning_rate * v, where v = momentum * v + gradient.

    Parameters
    ----------
    learning_rate : float, default 0.01
    momentum : float, default 0.0
        How much of the last step is kept, 0 <= momentum < 1.
    nesterov : bool, default False
        Look ahead: w -= learning_rate * (gradient + momentum * v). Needs momentum.
    weight_decay : float, default 0.0
        weight_decay * W is added to the gradient of the weights (L2 regularisation); never to that of the biases.

    Raises
    ------
    TypeError, ValueError
        If a number is out of its range.
    """

    learning_rate: float = 0.01
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    name = "sgd"
    rule = "sgd"

    def __post_init__(self) -> None:
        self._store("learning_rate", check_number(self.learning_rate, "learning_rate", above=0))
        self._store("momentum", check_number(self.momentum, "momentum", at_least=0, below=1))
        self._store("nesterov", check_flag(self.nesterov, "nesterov"))
        self._store("weight_decay", check_number(self.weight_decay, "weight_decay", at_least=0))
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov is True and momentum is 0; Nesterov's step needs momentum, say momentum=0.9.")

    def numbers(self) -> dict[str, float]:
        """Return the numbers of the update rule by the engine's names."""
        return {
            "learning_rate": self.learning_rate,
            "momentum": self.momentum,
            "nesterov": float(self.nesterov),
            "weight_decay": self.weight_decay,
        }


@dataclass(frozen=True)
class _AdamRule(Optimizer):
    """What Adam and AdamW share: everything but what weight decay means."""

    learning_rate: float = 1e-3
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    rule = "adam"
    decoupled: ClassVar[bool]

    def __post_init__(self) -> None:
        self._store("learning_rate", check_number(self.learning_rate, "learning_rate", above=0))
        self._store("beta_1", check_number(self.beta_1, "beta_1", at_least=0, below=1))
        self._store("beta_2", check_number(self.beta_2, "beta_2", at_least=0, below=1))
        self._store("epsilon", check_number(self.epsilon, "epsilon", above=0))
        self._store("weight_decay", check_number(self.weight_decay, "weight_decay", at_least=0))

    def numbers(self) -> dict[str, float]:
        """Return the numbers of the update rule by the engine's names."""
        return {
            "learning_rate": self.learning_rate,
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "weight_decay": self.weight_decay,
            "decoupled": float(self.decoupled),
        }


class Adam(_AdamRule):
    """Adam (Kingma and Ba, 2015): steps scaled by the gradient's recent size, both averages corrected for their start.

    Parameters
    ----------
    learning_rate : float, default 1e-3
    beta_1 : float, default 0.9
        How slowly the average of the gradient forgets, 0 <= beta_1 < 1.
    beta_2 : float, default 0.999
        How slowly the average of its square forgets, 0 <= beta_2 < 1.
    epsilon : float, default 1e-8
        Added to the square root below the fraction line.
    weight_decay : float, default 0.0
        weight_decay * W is added to the gradient of the weights (L2 regularisation); never to that of the biases.
        See AdamW for decay that is not scaled along with the gradient.

    Raises
    ------
    TypeError, ValueError
        If a number is out of its range.
    """

    name = "adam"
    decoupled = False


@dataclass(frozen=True)
class AdamW(_AdamRule):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019): first W -= learning_rate * weight_decay * W.

    Parameters
    ----------
    learning_rate : float, default 1e-3
    beta_1 : float, default 0.9
        How slowly the average of the gradient forgets, 0 <= beta_1 < 1.
    beta_2 : float, default 0.999
        How slowly the average of its square forgets, 0 <= beta_2 < 1.
    epsilon : float, default 1e-8
        Added to the square root below the fraction line.
    weight_decay : float, default 0.01
        How much of every weight a step takes away, times the learning rate; biases keep all.

    Raises
    ------
    TypeError, ValueError
        If a number is out of its range.
    """

    weight_decay: float = 0.01
    name = "adamw"
    decoupled = True


OPTIMIZERS: dict[str, type[Optimizer]] = {cls.name: cls for cls in (SGD, Adam, AdamW)}
