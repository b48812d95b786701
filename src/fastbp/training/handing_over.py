"""What a trainer has become elsewhere, in a copy that was sent to another process, and how it comes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastbp.training.trainer import Trainer

__all__ = ["hand_over", "take_over"]


def hand_over(trainer: Trainer) -> dict[str, Any]:
    """Return what training has made, for ``take_over`` by the trainer that this one is a copy of."""
    made = {"weights": trainer.model.get_weights(), "optimizer": trainer.optimizer}  # a callback may have set another
    return {**trainer.__getstate__(), **made, "model": None, "settings": None}


def take_over(trainer: Trainer, training: Mapping[str, Any]) -> None:
    """Let a trainer become what its copy has become by training."""
    trainer.optimizer = training["optimizer"]  # first: it resets what the rest restores
    state = trainer._state
    state.restore((training["weights"], training["gathered"]))
    state.history = training["history"]
    trainer._stop_reason = training["stop_reason"]
    trainer._callback_states, trainer._resumes = training["callback_states"], training["resumes"]
