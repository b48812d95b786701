"""A loss times a factor, plus a penalty on the weights that is divided among the samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike, NDArray

from fastbp.losses.all_losses import LOSSES
from fastbp.losses.base import Loss
from fastbp.support.checks import check_number
from fastbp.support.registry import from_config, resolve, to_config

if TYPE_CHECKING:
    from fastbp.engine.network import Objective
    from fastbp.layers.activations import Activation

__all__ = ["PenalisedLoss"]

Array = NDArray[Any]


@dataclass(frozen=True)
class PenalisedLoss(Loss):
    """factor * loss + penalty / 2 * sum(W²) / (sum of the sample weights of a step), W of all dense layers.

    The penalty is scikit-learn's alpha: each step divides it by the sum of its sample weights, so it is larger in a
    shorter last batch. ``evaluate`` has no penalty.

    Parameters
    ----------
    loss : str or Loss
    factor : float, default 1.0
        Above 0.
    penalty : float, default 0.0
        0 or more.
    """

    loss: Loss | str
    factor: float = 1.0
    penalty: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "loss", resolve(self.loss, LOSSES, "loss"))
        object.__setattr__(self, "factor", check_number(self.factor, "factor", above=0))
        object.__setattr__(self, "penalty", check_number(self.penalty, "penalty", at_least=0))

    @property
    def _inner(self) -> Loss:
        assert isinstance(self.loss, Loss)
        return self.loss

    @property
    def name(self) -> str:  # type: ignore[override]
        """The name of the loss, for metrics and messages."""
        return self._inner.name

    @property
    def metrics(self) -> tuple[str, ...]:  # type: ignore[override]
        """The default metrics of the loss."""
        return self._inner.metrics

    @property
    def parameters(self) -> tuple[float, ...]:
        """The parameters of the loss."""
        return self._inner.parameters

    @property
    def objective(self) -> Objective:
        """The engine's description of this loss."""
        return self.name, self.parameters, self.factor, self.penalty / 2

    def check_output(self, activation: Activation, n_outputs: int) -> None:
        """Refuse what the loss refuses."""
        self._inner.check_output(activation, n_outputs)

    def n_targets(self, n_outputs: int) -> int:
        """Return the number of target columns of the loss."""
        return self._inner.n_targets(n_outputs)

    @property
    def sums_outputs(self) -> bool:  # type: ignore[override]
        """Whether the loss is a mean over outputs that do not depend on each other."""
        return self._inner.sums_outputs

    @property
    def by_margin(self) -> bool:  # type: ignore[override]
        """Whether the sign of an output tells two classes."""
        return self._inner.by_margin

    def n_classes(self, n_outputs: int) -> int | None:
        """Return the number of classes of the loss."""
        return self._inner.n_classes(n_outputs)

    def classes(self, targets: Array, n_outputs: int, argument: str = "y") -> tuple[Array, int]:
        """Return the classes, as the loss does."""
        return self._inner.classes(targets, n_outputs, argument)

    def as_targets(self, y: ArrayLike, n_outputs: int, argument: str = "y") -> Array:
        """Return targets as the loss takes them."""
        return self._inner.as_targets(y, n_outputs, argument)

    def to_config(self) -> dict[str, Any]:
        """Return this as plain data."""
        return {"penalised": to_config(self._inner), "factor": self.factor, "penalty": self.penalty}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> PenalisedLoss:
        """Return the loss described by ``to_config``."""
        return cls(from_config(config["penalised"], LOSSES, "loss"), config["factor"], config["penalty"])
