"""What a trainer is made of: its parts, and its arguments as properties."""

from __future__ import annotations

import dataclasses
from typing import Any

from fastbp.callbacks.listeners import Listeners
from fastbp.losses.base import Loss
from fastbp.metrics.base import Metric
from fastbp.models.model import Model
from fastbp.optimizers.all_optimizers import OPTIMIZERS
from fastbp.optimizers.averaging import Averaging
from fastbp.optimizers.base import Optimizer
from fastbp.support.checks import check_number
from fastbp.support.registry import resolve
from fastbp.training.evaluation import Evaluator
from fastbp.training.history import History
from fastbp.training.intake import Intake
from fastbp.training.settings import StopReason, TrainerSettings
from fastbp.training.state import TrainingState
from fastbp.training.step_numbers import StepNumbers

__all__ = ["TrainerParts"]


class TrainerParts:
    """The parts of a trainer, none of which knows it, and what can be asked of them without training."""

    def _set_up(self, model: Model, settings: TrainerSettings, n_threads: int) -> None:
        """Make the parts; each gets those that it needs, none of them this."""
        self._model, self._settings = model, settings
        self._state = TrainingState(model, settings, StepNumbers(settings, model.architecture), n_threads)
        self._intake = Intake(model, settings)
        self._evaluator = Evaluator(settings, self._intake, self._state)
        self._stop_reason: StopReason | None = None
        self._listeners: Listeners | None = None  # of the call of fit that is under way
        self._callback_states: dict[str, Any] = {}  # of the calls before
        self._resumes = False  # whether these are for the callbacks of the next call

    @property
    def model(self) -> Model:
        """What is trained."""
        return self._model

    @property
    def loss(self) -> Loss:
        """What is minimised."""
        return self._settings.loss

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What is reported beside the loss."""
        return self._settings.metrics

    @property
    def batch_size(self) -> int | None:
        """The samples of a step; None is all."""
        return self._settings.batch_size

    @property
    def accumulate(self) -> int:
        """The batches of a step."""
        return self._settings.accumulate

    @property
    def n_threads(self) -> int:
        """The number of threads used at most."""
        return self._state.n_threads

    @property
    def shuffle(self) -> bool:
        """Whether every epoch has an order of its own."""
        return self._settings.shuffle

    @property
    def seed(self) -> int:
        """Where the orders come from."""
        return self._settings.seed

    @property
    def clip_value(self) -> float | None:
        """The largest element that the gradient may have, or None."""
        return self._settings.clip_value

    @property
    def clip_norm(self) -> float | None:
        """The largest norm that the gradient as a whole may have, or None."""
        return self._settings.clip_norm

    @property
    def clip_array_norm(self) -> float | None:
        """The largest norm that each array of the gradient may have, or None."""
        return self._settings.clip_array_norm

    @property
    def averaging(self) -> Averaging | None:
        """How the weights are averaged, or None."""
        return self._settings.averaging

    @property
    def n_steps(self) -> int:
        """The number of updates so far."""
        return self._state.n_steps

    @property
    def history(self) -> History:
        """The figures of all epochs so far."""
        return self._state.history

    @property
    def optimizer(self) -> Optimizer:
        """How the gradient changes the weights.

        Another one of the same rule may be set between epochs, with another learning rate, say; what it has gathered
        (momentum, Adam's averages) is kept.
        """
        return self._settings.optimizer

    @optimizer.setter
    def optimizer(self, optimizer: str | Optimizer) -> None:
        new = resolve(optimizer, OPTIMIZERS, "optimizer")
        if new.rule != self.optimizer.rule:
            raise ValueError(
                f"optimizer is {new!r}; expected one that can go on from {self.optimizer!r}. Make a new Trainer for "
                "the same model to change the rule."
            )
        self._settings = dataclasses.replace(self._settings, optimizer=new)
        self._state.numbers.rate_scale = 1.0
        self._state.numbers.use(self._settings)

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step; setting it makes it constant, whatever schedule there was.

        ``trainer.optimizer`` is the same with another ``learning_rate`` then.
        """
        self._check_has_rate()
        return self._state.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: float) -> None:
        self._check_has_rate()
        number = check_number(learning_rate, "learning_rate", above=0)
        self.optimizer = dataclasses.replace(self.optimizer, learning_rate=number)  # type: ignore[call-arg]

    def _check_has_rate(self) -> None:
        if "learning_rate" not in self.optimizer.numbers():
            raise ValueError(f"the optimizer is {self.optimizer!r}; expected one that has a learning rate.")

    @property
    def stop_reason(self) -> StopReason | None:
        """Why the latest call of ``fit`` ended; None before the first, and while one is under way.

        "epochs" when all were done, "stopped" by ``stop()``, "converged" where L-BFGS found nothing to gain, "error"
        by an exception or Ctrl-C.
        """
        return self._stop_reason

    def __repr__(self) -> str:
        return f"Trainer({self._model!r}, {self._settings.shown(self.n_threads)})"

    # -------------------------------------------------------------------------------------------------- its parts

    @property
    def settings(self) -> TrainerSettings:
        """What this was made with, in one record."""
        return self._settings

    @property
    def intake(self) -> Intake:
        """What reads X and y."""
        return self._intake

    @property
    def state(self) -> TrainingState:
        """Where training stands."""
        return self._state

    @property
    def evaluator(self) -> Evaluator:
        """What reports loss and metrics of samples that were read."""
        return self._evaluator

    def _all_callback_states(self) -> dict[str, Any]:
        """Return what callbacks remember, those of this call and of the calls before, by their keys."""
        return self._callback_states | ({} if self._listeners is None else self._listeners.get_states())

    def __getstate__(self) -> dict[str, Any]:
        return {
            "model": self._model,
            "settings": self._settings,
            "n_threads": self.n_threads,
            "history": self.history,
            "gathered": self._state.gathered() if self._model.built else None,
            "stop_reason": self._stop_reason,
            "callback_states": self._callback_states,
            "resumes": self._resumes,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._set_up(state["model"], state["settings"], state["n_threads"])
        self._state.history = state["history"]
        if state["gathered"] is not None:
            self._state.go_on_from(state["gathered"])
        self._stop_reason = state["stop_reason"]
        self._callback_states, self._resumes = state["callback_states"], state["resumes"]
