"""How the gradient changes the weights.

The arithmetic is the engine's (csrc/kernels/optimizer.h), the definitions are PyTorch's; here are their numbers. In
the formulas g is the gradient of the mean loss, t the number of the step from 1 on, and what is averaged or added up
starts from zero. Weight decay leaves all but the W of dense layers alone, unless a Trainer says ``decay_biases=True``.
Learning rates and weight decays may be schedules (`fastbp.schedules`), or functions of the number of steps done.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any, ClassVar

from fastbp.checks import check_flag, check_int, check_number
from fastbp.schedules import Schedule, as_schedule

__all__ = [
    "LBFGS",
    "OPTIMIZERS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Lion",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
]

Scheduled = float | Schedule  # a number, or one that changes while training goes on


@dataclass(frozen=True)
class Optimizer:
    """What all optimizers have: a name, the engine's rule they follow, and the numbers it needs."""

    name: ClassVar[str]
    rule: ClassVar[str]  # what the engine calls it; optimizers of one rule can take over each other's state
    full_batch: ClassVar[bool] = False  # whether it makes sense on the gradient of all samples only
    native: ClassVar[bool] = True  # whether the engine makes its steps

    def numbers(self) -> dict[str, Scheduled]:
        """Return the numbers of the update rule by the engine's names; what is absent is 0."""
        raise NotImplementedError

    def _store(self, field: str, value: Scheduled) -> None:
        object.__setattr__(self, field, value)

    def _check_schedule(self, field: str, **bounds: Any) -> None:
        self._store(field, as_schedule(getattr(self, field), field, **bounds))

    def _check_number(self, field: str, **bounds: Any) -> None:
        self._store(field, check_number(getattr(self, field), field, **bounds))

    def _check_flag(self, field: str) -> None:
        self._store(field, check_flag(getattr(self, field), field))


@dataclass(frozen=True)
class SGD(Optimizer):
    """Gradient descent, stochastic or not: w -= learning_rate * v, where v = momentum * v + gradient.

    Parameters
    ----------
    learning_rate : float or schedule, default 0.01
    momentum : float, default 0.0
        How much of the last step is kept, 0 <= momentum < 1.
    nesterov : bool, default False
        Look ahead: w -= learning_rate * (gradient + momentum * v). Needs momentum.
    weight_decay : float or schedule, default 0.0
        weight_decay * W is added to the gradient of the weights (L2 regularisation), not to that of the biases.

    Raises
    ------
    TypeError, ValueError
        If a number is out of its range.
    """

    learning_rate: Scheduled = 0.01
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: Scheduled = 0.0
    name = "sgd"
    rule = "sgd"

    def __post_init__(self) -> None:
        self._check_schedule("learning_rate", above=0)
        self._check_number("momentum", at_least=0, below=1)
        self._check_flag("nesterov")
        self._check_schedule("weight_decay", at_least=0)
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov is True and momentum is 0; Nesterov's step needs momentum, say momentum=0.9.")

    def numbers(self) -> dict[str, Scheduled]:
        """Return the numbers of the update rule by the engine's names."""
        return {
            "learning_rate": self.learning_rate,
            "momentum": self.momentum,
            "nesterov": float(self.nesterov),
            "weight_decay": self.weight_decay,
        }


@dataclass(frozen=True)
class _Moments(Optimizer):
    """What Adam and its kin share: averages m of the gradient and v of its size, and weight decay."""

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
        """Return the numbers of the update rule by the engine's names."""
        return {
            "learning_rate": self.learning_rate,
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "weight_decay": self.weight_decay,
        }


@dataclass(frozen=True)
class _AdamRule(_Moments):
    """What Adam and AdamW share: everything but what weight decay means."""

    amsgrad: bool = False
    epsilon_hat: bool = False
    rule = "adam"
    decoupled: ClassVar[bool]

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_flag("amsgrad")
        self._check_flag("epsilon_hat")

    def numbers(self) -> dict[str, Scheduled]:
        """Return the numbers of the update rule by the engine's names."""
        return super().numbers() | {
            "amsgrad": float(self.amsgrad),
            "epsilon_hat": float(self.epsilon_hat),
            "decoupled": float(self.decoupled),
        }


class Adam(_AdamRule):
    """Adam (Kingma and Ba, 2015): steps scaled by the gradient's recent size, both averages corrected for their start.

    m = beta_1 * m + (1 - beta_1) * g, v = beta_2 * v + (1 - beta_2) * g**2,
    w -= learning_rate * m / (1 - beta_1**t) / (sqrt(v / (1 - beta_2**t)) + epsilon).

    Parameters
    ----------
    learning_rate : float or schedule, default 1e-3
    beta_1 : float, default 0.9
        How slowly the average of the gradient forgets, 0 <= beta_1 < 1.
    beta_2 : float, default 0.999
        How slowly the average of its square forgets, 0 <= beta_2 < 1.
    epsilon : float, default 1e-8
        Added to the square root below the fraction line.
    weight_decay : float or schedule, default 0.0
        weight_decay * W is added to the gradient of the weights (L2 regularisation), not to that of the biases.
        See AdamW for decay that is not scaled along with the gradient.
    amsgrad : bool, default False
        AMSGrad (Reddi, Kale and Kumar, 2018): divide by the root of the largest v so far, so that steps do not grow
        again.
    epsilon_hat : bool, default False
        Add epsilon to sqrt(v) before the correction, as section 2 of the paper ends and as scikit-learn and TensorFlow
        do: epsilon / sqrt(1 - beta_2**t) stands in the formula.

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
    learning_rate : float or schedule, default 1e-3
    beta_1 : float, default 0.9
        How slowly the average of the gradient forgets, 0 <= beta_1 < 1.
    beta_2 : float, default 0.999
        How slowly the average of its square forgets, 0 <= beta_2 < 1.
    epsilon : float, default 1e-8
        Added to the square root below the fraction line.
    weight_decay : float or schedule, default 0.01
        How much of every weight a step takes away, times the learning rate; biases keep all of theirs.
    amsgrad : bool, default False
        AMSGrad (Reddi, Kale and Kumar, 2018): divide by the root of the largest v so far, so that steps do not grow
        again.
    epsilon_hat : bool, default False
        Add epsilon to sqrt(v) before the correction, as section 2 of the paper ends and as scikit-learn and TensorFlow
        do: epsilon / sqrt(1 - beta_2**t) stands in the formula.

    Raises
    ------
    TypeError, ValueError
        If a number is out of its range.
    """

    weight_decay: Scheduled = 0.01
    name = "adamw"
    decoupled = True


@dataclass(frozen=True)
class Adamax(_Moments):
    """Adamax (Kingma and Ba, 2015, section 7): Adam by the largest gradient of late in place of the average of squares.

    m = beta_1 * m + (1 - beta_1) * g, v = max(beta_2 * v, abs(g) + epsilon),
    w -= learning_rate / (1 - beta_1**t) * m / v.

    Parameters
    ----------
    learning_rate : float or schedule, default 2e-3
    beta_1 : float, default 0.9
        How slowly the average of the gradient forgets, 0 <= beta_1 < 1.
    beta_2 : float, default 0.999
        How slowly its largest size is forgotten, 0 <= beta_2 < 1.
    epsilon : float, default 1e-8
        Added to the gradient's size.
    weight_decay : float or schedule, default 0.0
        weight_decay * W is added to the gradient of the weights (L2 regularisation), not to that of the biases.

    Raises
    ------
    TypeError, ValueError
        If a number is out of its range.
    """

    learning_rate: Scheduled = 2e-3
    name = "adamax"
    rule = "adamax"


@dataclass(frozen=True)
class NAdam(_Moments):
    """NAdam (Dozat, 2016): Adam with Nesterov's momentum, which grows with the steps.

    Averages m and v as in Adam, mu(t) = beta_1 * (1 - 0.96**(t * momentum_decay) / 2), M(t) = mu(1) * ... * mu(t),
    w -= learning_rate * (g * (1 - mu(t)) / (1 - M(t)) + m * mu(t + 1) / (1 - M(t + 1)))
    / (sqrt(v / (1 - beta_2**t)) + epsilon).

    Parameters
    ----------
    learning_rate : float or schedule, default 2e-3
    beta_1 : float, default 0.9
        How slowly the average of the gradient forgets, 0 <= beta_1 < 1.
    beta_2 : float, default 0.999
        How slowly the average of its square forgets, 0 <= beta_2 < 1.
    epsilon : float, default 1e-8
        Added to the square root below the fraction line.
    weight_decay : float or schedule, default 0.0
        weight_decay * W is added to the gradient of the weights (L2 regularisation), not to that of the biases.
    momentum_decay : float, default 4e-3
        How fast the momentum grows from half of beta_1 to beta_1.

    Raises
    ------
    TypeError, ValueError
        If a number is out of its range.
    """

    learning_rate: Scheduled = 2e-3
    momentum_decay: float = 4e-3
    name = "nadam"
    rule = "nadam"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_number("momentum_decay", at_least=0)

    def numbers(self) -> dict[str, Scheduled]:
        """Return the numbers of the update rule by the engine's names."""
        return super().numbers() | {"momentum_decay": self.momentum_decay}


class RAdam(_Moments):
    """Rectified Adam (Liu et al., 2020): Adam that does without its denominator until there are squares enough for it.

    Averages m and v as in Adam, R = 2 / (1 - beta_2) - 1, r = R - 2 * t * beta_2**t / (1 - beta_2**t),
    w -= learning_rate * m / (1 - beta_1**t) while r <= 5 (the first five steps by default); from then on times
    sqrt((r - 4) * (r - 2) * R / ((R - 4) * (R - 2) * r)) * sqrt(1 - beta_2**t) / (sqrt(v) + epsilon).

    Parameters
    ----------
    learning_rate : float or schedule, default 1e-3
    beta_1 : float, default 0.9
        How slowly the average of the gradient forgets, 0 <= beta_1 < 1.
    beta_2 : float, default 0.999
        How slowly the average of its square forgets, 0 <= beta_2 < 1.
    epsilon : float, default 1e-8
        Added to the square root below the fraction line.
    weight_decay : float or schedule, default 0.0
        weight_decay * W is added to the gradient of the weights (L2 regularisation), not to that of the biases.

    Raises
    ------
    TypeError, ValueError
        If a number is out of its range.
    """

    name = "radam"
    rule = "radam"


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """RMSprop (Tieleman and Hinton, 2012): the gradient over the root of its squares' average.

    v = rho * v + (1 - rho) * g**2, u = momentum * u + g / (sqrt(v) + epsilon), w -= learning_rate * u.

    Parameters
    ----------
    learning_rate : float or schedule, default 0.01
    rho : float, default 0.99
        How slowly the average of squares forgets, 0 <= rho < 1; PyTorch calls it alpha.
    epsilon : float, default 1e-8
        Added to the square root below the fraction line.
    weight_decay : float or schedule, default 0.0
        weight_decay * W is added to the gradient of the weights (L2 regularisation), not to that of the biases.
    momentum : float, default 0.0
        How much of the last step is kept, 0 <= momentum < 1.
    centered : bool, default False
        Divide by the root of the gradient's variance: v less the square of the gradient's average (Graves, 2013).

    Raises
    ------
    TypeError, ValueError
        If a number is out of its range.
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
        """Return the numbers of the update rule by the engine's names."""
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
    """Adagrad (Duchi, Hazan and Singer, 2011): the gradient over the root of the sum of all its squares so far.

    s = s + g**2, w -= learning_rate / (1 + (t - 1) * lr_decay) * g / (sqrt(initial_accumulator_value + s) + epsilon).

    Parameters
    ----------
    learning_rate : float or schedule, default 0.01
    lr_decay : float, default 0.0
        How fast the learning rate falls with the steps.
    weight_decay : float or schedule, default 0.0
        weight_decay * W is added to the gradient of the weights (L2 regularisation), not to that of the biases.
    initial_accumulator_value : float, default 0.0
        What the sum of squares starts from.
    epsilon : float, default 1e-10
        Added to the square root below the fraction line.

    Raises
    ------
    TypeError, ValueError
        If a number is out of its range.
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
        """Return the numbers of the update rule by the engine's names."""
        return {
            "learning_rate": self.learning_rate,
            "rate_decay": self.lr_decay,
            "weight_decay": self.weight_decay,
            "initial": self.initial_accumulator_value,
            "epsilon": self.epsilon,
        }


@dataclass(frozen=True)
class Adadelta(Optimizer):
    """Adadelta (Zeiler, 2012): steps as large as those of late, scaled by the gradient's recent size.

    v = rho * v + (1 - rho) * g**2, d = g * sqrt(c + epsilon) / sqrt(v + epsilon), c = rho * c + (1 - rho) * d**2,
    w -= learning_rate * d.

    Parameters
    ----------
    learning_rate : float or schedule, default 1.0
    rho : float, default 0.9
        How slowly both averages of squares forget, 0 <= rho < 1.
    epsilon : float, default 1e-6
        Added to them below the root; the first steps are of its size.
    weight_decay : float or schedule, default 0.0
        weight_decay * W is added to the gradient of the weights (L2 regularisation), not to that of the biases.

    Raises
    ------
    TypeError, ValueError
        If a number is out of its range.
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
        """Return the numbers of the update rule by the engine's names."""
        return {
            "learning_rate": self.learning_rate,
            "beta_2": self.rho,
            "epsilon": self.epsilon,
            "weight_decay": self.weight_decay,
        }


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


@dataclass(frozen=True)
class LBFGS(Optimizer):
    """L-BFGS (Liu and Nocedal, 1989): Newton's direction from the last few gradients, and a search along it.

    SciPy's L-BFGS-B on the loss of all samples, for small data and few weights; it needs SciPy, and batch_size=None.
    An epoch is one iteration, which asks for loss and gradient once or a few times; loss and metrics are those behind
    it. Training ends before all epochs are done where a tolerance is reached. Each call of ``fit`` begins anew, without
    what the last one gathered. A float64 model suits it better: float32 rounds off what the search goes by.

    Parameters
    ----------
    memory : int, default 10
        How many gradients are remembered.
    gradient_tolerance : float, default 1e-5
        Enough is reached when no element of the gradient is larger.
    loss_tolerance : float, default 2.2e-9
        Or when an iteration gains less than this share of the loss.
    line_search : int, default 20
        How often a search asks for the loss, at most.
    max_calls : int or None, default None
        How often all searches of a call of ``fit`` together ask for it, at most; None is no limit of its own.

    Raises
    ------
    TypeError, ValueError
        If a number is out of its range.
    ImportError
        If there is no SciPy.
    """

    memory: int = 10
    gradient_tolerance: float = 1e-5
    loss_tolerance: float = 2.2e-9
    line_search: int = 20
    max_calls: int | None = None
    name = "lbfgs"
    rule = "lbfgs"
    full_batch = True
    native = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "memory", check_int(self.memory, "memory"))
        self._check_number("gradient_tolerance", at_least=0)
        self._check_number("loss_tolerance", at_least=0)
        object.__setattr__(self, "line_search", check_int(self.line_search, "line_search"))
        if self.max_calls is not None:
            object.__setattr__(self, "max_calls", check_int(self.max_calls, "max_calls"))
        if importlib.util.find_spec("scipy") is None:
            raise ImportError("LBFGS needs SciPy, which is not installed: pip install 'fastbp[lbfgs]'.")

    def numbers(self) -> dict[str, Scheduled]:
        """Return nothing: the engine makes none of its steps."""
        return {}


OPTIMIZERS: dict[str, type[Optimizer]] = {
    cls.name: cls for cls in (SGD, Adam, AdamW, RMSprop, Adagrad, Adadelta, Adamax, NAdam, RAdam, Lion, Rprop, LBFGS)
}
