"""Averages of the weights over training, which often predict better than the last weights.

They are kept beside the weights in the model's dtype, by PyTorch's definition (torch.optim.swa_utils.AveragedModel):
the first weights that an average takes in are copied. What is trained is not touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fastbp.support.checks import check_int, check_number

__all__ = ["AVERAGINGS", "EMA", "SWA", "Averaging"]


@dataclass(frozen=True)
class Averaging:
    """What all averages have: a name, what the engine does after its steps, and what happens after an epoch."""

    name: ClassVar[str]

    def numbers(self) -> dict[str, float]:
        """Return what the engine's updates go by; what is absent is 0."""
        return {}

    def takes_epoch(self, epoch: int) -> bool:
        """Return whether the weights at the end of an epoch, counted from 1, are taken in."""
        return False


@dataclass(frozen=True)
class EMA(Averaging):
    """Exponential moving average (Polyak and Juditsky, 1992, for its purpose): A = decay * A + (1 - decay) * W.

    Taken after every step, or after every ``every``-th.

    Parameters
    ----------
    decay : float, default 0.999
        How much of the average is kept, 0 <= decay < 1.
    every : int, default 1
        Steps from one to the next.
    """

    decay: float = 0.999
    every: int = 1
    name = "ema"

    def __post_init__(self) -> None:
        object.__setattr__(self, "decay", check_number(self.decay, "decay", at_least=0, below=1))
        object.__setattr__(self, "every", check_int(self.every, "every"))

    def numbers(self) -> dict[str, float]:
        """Return what the engine's updates go by."""
        return {"average_every": self.every, "average_decay": self.decay}


@dataclass(frozen=True)
class SWA(Averaging):
    """Stochastic weight averaging (Izmailov et al., 2018): the plain mean of the weights at the ends of epochs.

    Of the epochs start_epoch, start_epoch + every, start_epoch + 2 * every and so on, counted from 1 over all calls of
    ``fit``. A learning rate that stays large towards the end, or goes up and down, suits it.

    Parameters
    ----------
    start_epoch : int, default 1
        The first epoch whose weights are taken in.
    every : int, default 1
        Epochs from one to the next.
    """

    start_epoch: int = 1
    every: int = 1
    name = "swa"

    def __post_init__(self) -> None:
        object.__setattr__(self, "start_epoch", check_int(self.start_epoch, "start_epoch"))
        object.__setattr__(self, "every", check_int(self.every, "every"))

    def takes_epoch(self, epoch: int) -> bool:
        """Return whether the weights at the end of an epoch, counted from 1, are taken in."""
        return epoch >= self.start_epoch and (epoch - self.start_epoch) % self.every == 0


AVERAGINGS: dict[str, type[Averaging]] = {cls.name: cls for cls in (EMA, SWA)}
