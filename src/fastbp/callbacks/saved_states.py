"""Callbacks' states in a file, checked when it is read and not only when a callback gets them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fastbp.callbacks.base import Callback
from fastbp.callbacks.checkpoint import Checkpoint
from fastbp.callbacks.early_stopping import EarlyStopping
from fastbp.callbacks.trainer_view import ModelView
from fastbp.support.checks import sentence

__all__ = ["check_states"]

# The callbacks of this package that have a state, each with a function that makes one.
_OF_THIS_PACKAGE: dict[str, Callable[[], Callback]] = {
    EarlyStopping.__name__: EarlyStopping,
    Checkpoint.__name__: lambda: Checkpoint("any", best_only=True),
}


def check_states(states: Mapping[str, Any], model: ModelView) -> None:
    """Refuse states that this package's callbacks did not return, as far as their entries tell that they are theirs.

    A user's class may have the same name and other entries; its state is its own affair.

    Raises
    ------
    TypeError, ValueError
        If a state has something else in one of its entries.
    """
    for key, state in states.items():
        make = _OF_THIS_PACKAGE.get(key.partition("-")[0])
        if make is None:
            continue
        if not isinstance(state, Mapping):
            raise TypeError(sentence(f"the state of {key}", state, "a dictionary"))
        callback = make()
        if set(state) == set(callback.get_state()):
            callback.set_state(state)
            if isinstance(callback, EarlyStopping):
                _check_weights(callback, model)


def _check_weights(callback: EarlyStopping, model: ModelView) -> None:
    """Refuse best weights that are not those of this model."""
    if callback.best_weights is None:
        return
    expected = [(array.shape, array.dtype) for array in model.get_weights()]
    was = [(array.shape, array.dtype) for array in map(np.asarray, callback.best_weights)]
    if was != expected:
        raise ValueError("the best weights in the state of EarlyStopping are not of this model")
