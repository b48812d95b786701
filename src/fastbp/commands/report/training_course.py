"""How a training went, by its losses: whether more epochs would help, or a smaller network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

__all__ = ["Course", "course_of", "describe_course"]

Course = Literal["improving", "overfits", "level"]

_GAIN = 0.01  # of the validation loss, in the last fifth of the epochs: with less, more epochs would bring little
_RISE = 0.05  # of the validation loss after the best epoch: with less, it may be chance
_LEAST = 0.002  # of the first epoch's training loss: a smaller change is of no account
_LITTLE = 0.05  # of the same: a validation loss below it is nearly nothing
_FEWEST_UNITS = 8  # of a layer that is worth advising
_LARGE_GAP = 0.7  # a training loss below this part of the validation loss: the network has enough units


def course_of(loss: Sequence[float], val_loss: Sequence[float], best_epoch: int) -> Course:
    """Return whether the validation loss still falls at the end, or rises while the training loss falls.

    Parameters
    ----------
    loss, val_loss : sequence of float
        Of each epoch.
    best_epoch : int
        That of the smallest validation loss, from 1.

    Examples
    --------
    >>> course_of([1.0, 0.5, 0.2, 0.1, 0.1], [1.1, 0.8, 1.0, 1.2, 1.4], best_epoch=2)
    'overfits'
    >>> course_of([1.0, 0.9, 0.8, 0.7, 0.6], [1.0, 0.9, 0.8, 0.7, 0.6], best_epoch=5)
    'improving'
    """
    n_epochs, best, least = len(val_loss), val_loss[best_epoch - 1], _LEAST * loss[0]
    late = n_epochs - max(1, n_epochs // 5)
    if best_epoch > late:
        before = min(val_loss[:late], default=np.inf)
        return "improving" if before - best > max(_GAIN * best, least) else "level"
    end = float(np.median(val_loss[max(best_epoch, n_epochs - 3) :]))
    falls = loss[-1] < loss[best_epoch - 1]
    return "overfits" if falls and end - best > max(_RISE * best, least) else "level"


def describe_course(loss: Sequence[float], val_loss: Sequence[float], best_epoch: int, hidden: Sequence[int]) -> str:
    """Return in a sentence how the training went, and what to try next.

    Parameters
    ----------
    loss, val_loss : sequence of float
        Of each epoch.
    best_epoch : int
    hidden : sequence of int
        The units of the hidden layers.
    """
    n_epochs = len(val_loss)
    kept = f"epoch {best_epoch} of {n_epochs} is kept"
    course = course_of(loss, val_loss, best_epoch)
    if course == "improving":
        return f"It still improves at the last epoch, {kept}: raise --epochs, for example to {2 * n_epochs}."
    if course == "overfits":
        return (
            f"It overfits from epoch {best_epoch + 1}: the training loss falls on, the validation loss rises; {kept}. "
            f"Try {_smaller(hidden)}fewer columns or more rows."
        )
    ended = f"{kept[0].upper()}{kept[1:]}; the validation loss is level by then"
    if val_loss[best_epoch - 1] < _LITTLE * loss[0]:
        return f"{ended}, and little is left to gain."
    if loss[best_epoch - 1] < _LARGE_GAP * val_loss[best_epoch - 1]:
        return f"{ended}, far above the training loss: try {_smaller(hidden)}more rows or another --seed."
    larger = _sizes(2 * units for units in hidden)
    return f"{ended}. To try next: --epochs {2 * n_epochs}, --hidden {larger}, another --seed."


def _smaller(hidden: Sequence[int]) -> str:
    smaller = [units // 4 for units in hidden]
    return f"--hidden {_sizes(smaller)}, " if min(smaller) >= _FEWEST_UNITS else ""


def _sizes(hidden: Iterable[int]) -> str:
    return ",".join(map(str, hidden))
