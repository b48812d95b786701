"""Stochastic gradient descent, with momentum."""

from __future__ import annotations

from dataclasses import dataclass

from fastbp.optimizers.base import Optimizer, Scheduled

__all__ = ["SGD"]


@dataclass(frozen=True)
class SGD(Optimizer):
    """Gradient descent, stochastic or not: v = momentum * v + g, w -= learning_rate * v.

    Here g is the gradient. With ``nesterov`` (Sutskever et al., 2013) v is updated in the same way, and then
    w -= learning_rate * (g + momentum * v). PyTorch's definition, without dampening.

    Parameters
    ----------
    learning_rate : float or schedule, default 0.01
    momentum : float, default 0.0
        Fraction of the last step that is kept, 0 <= momentum < 1.
    nesterov : bool, default False
        Whether to use Nesterov momentum; needs momentum above 0.
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
    >>> trainer = fb.Trainer(model, "mse", fb.SGD(0.1, momentum=0.9))
    >>> losses = [trainer.step([[1.0]], [0.0]) for _ in range(2)]  # the loss is w², its gradient 2 w
    >>> model.get_weights()[0].round(4).tolist()
    [[0.46]]
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
            raise ValueError("nesterov is True and momentum is 0; expected momentum above 0 with it. Try momentum=0.9.")

    def numbers(self) -> dict[str, Scheduled]:
        """Return the update rule's numbers under the engine's names."""
        return {
            "learning_rate": self.learning_rate,
            "momentum": self.momentum,
            "nesterov": float(self.nesterov),
            "weight_decay": self.weight_decay,
        }
