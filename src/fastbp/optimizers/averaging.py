"""Averages of the weights over training; they often predict better than the last weights.

They are stored beside the weights in the model's dtype, as PyTorch defines them (torch.optim.swa_utils.AveragedModel):
an average starts as a copy of the first weights that it takes in. The trained weights are not changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from fastbp.support.checks import check_int, check_number

__all__ = ["AVERAGINGS", "EMA", "SWA", "Averaging", "AveragingLike", "AveragingName"]


@dataclass(frozen=True)
class Averaging:
    """The base of all averages: a name, the engine's numbers for each step, and what happens after an epoch."""

    name: ClassVar[str]

    def numbers(self) -> dict[str, float]:
        """Return the numbers that the engine's updates use; absent ones are 0."""
        return {}

    def takes_epoch(self, epoch: int) -> bool:
        """Return whether the weights at the end of an epoch, counted from 1, enter the average."""
        return False


@dataclass(frozen=True)
class EMA(Averaging):
    """Exponential moving average: A = decay * A + (1 - decay) * W (Polyak and Juditsky, 1992, on averaging).

    It is updated after every step, or after every ``every`` steps.

    Parameters
    ----------
    decay : float, default 0.999
        Fraction of the average that is kept, 0 <= decay < 1.
    every : int, default 1
        Number of steps between updates of the average.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, use_bias=False)], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]]])
    >>> trainer = fb.Trainer(model, "mse", fb.SGD(0.25), averaging=fb.EMA(0.5))
    >>> losses = [trainer.step([[1.0]], [0.0]) for _ in range(3)]  # w is 0.5, 0.25, 0.125
    >>> trainer.averaged_model().get_weights()[0].tolist()
    [[0.25]]
    """

    decay: float = 0.999
    every: int = 1
    name = "ema"

    def __post_init__(self) -> None:
        object.__setattr__(self, "decay", check_number(self.decay, "decay", at_least=0, below=1))
        object.__setattr__(self, "every", check_int(self.every, "every"))

    def numbers(self) -> dict[str, float]:
        """Return the numbers that the engine's updates use."""
        return {"average_every": self.every, "average_decay": self.decay}


@dataclass(frozen=True)
class SWA(Averaging):
    """Stochastic weight averaging (Izmailov et al., 2018): the plain mean of the weights at the ends of epochs.

    It averages the epochs start_epoch, start_epoch + every, start_epoch + 2 * every and so on, counted from 1 over all
    calls of ``fit``. Use it with a learning rate that stays large until the end, or with a cyclic one.

    Parameters
    ----------
    start_epoch : int, default 1
        First epoch whose weights enter the average.
    every : int, default 1
        Number of epochs between updates of the average.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, use_bias=False)], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]]])
    >>> trainer = fb.Trainer(model, "mse", fb.SGD(0.25), averaging=fb.SWA(start_epoch=2))
    >>> history = trainer.fit([[1.0]], [0.0], epochs=3)  # w is 0.5, 0.25, 0.125
    >>> trainer.averaged_model().get_weights()[0].tolist()
    [[0.1875]]
    """

    start_epoch: int = 1
    every: int = 1
    name = "swa"

    def __post_init__(self) -> None:
        object.__setattr__(self, "start_epoch", check_int(self.start_epoch, "start_epoch"))
        object.__setattr__(self, "every", check_int(self.every, "every"))

    def takes_epoch(self, epoch: int) -> bool:
        """Return whether the weights at the end of an epoch, counted from 1, enter the average."""
        return epoch >= self.start_epoch and (epoch - self.start_epoch) % self.every == 0


AveragingName: TypeAlias = Literal["ema", "swa"]
AveragingLike: TypeAlias = AveragingName | str | Averaging

AVERAGINGS: dict[str, type[Averaging]] = {cls.name: cls for cls in (EMA, SWA)}
