"""A trainer's parts, and its arguments as properties."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from fastbp.callbacks.listeners import Listeners
from fastbp.data.chunks import Chunks
from fastbp.data.class_weights import ClassWeight
from fastbp.data.samples import Samples
from fastbp.distributed.mpi import MPI
from fastbp.losses.base import Loss
from fastbp.metrics.base import Metric
from fastbp.models.model import Model
from fastbp.optimizers.all_optimizers import OPTIMIZERS, OptimizerLike
from fastbp.optimizers.averaging import Averaging
from fastbp.optimizers.base import Optimizer
from fastbp.optimizers.lbfgs import LBFGS
from fastbp.support.checks import check_number
from fastbp.support.precision import Precision
from fastbp.support.registry import resolve
from fastbp.training.agreement import agree
from fastbp.training.array_epochs import ArrayEpochs
from fastbp.training.chunk_epochs import ChunkEpochs
from fastbp.training.epochs import EpochParts, Epochs
from fastbp.training.evaluation import Evaluator
from fastbp.training.history import History
from fastbp.training.intake import Intake
from fastbp.training.lbfgs_epochs import LBFGSEpochs
from fastbp.training.private_checks import check_private_optimizer
from fastbp.training.progress import ProgressBar
from fastbp.training.settings import OnNaN, StopReason, TrainerSettings
from fastbp.training.state import TrainingState
from fastbp.training.step_numbers import StepNumbers

if TYPE_CHECKING:
    from fastbp.privacy import PrivacyAccount
    from fastbp.training.part_data import PartData

__all__ = ["Parts", "TrainerParts"]


class Parts(NamedTuple):
    """The parts of a trainer.

    Attributes
    ----------
    settings : TrainerSettings
        Its arguments, in one record.
    intake : Intake
        Reads X and y.
    state : TrainingState
        Where training stands.
    evaluator : Evaluator
        Reports loss and metrics of samples that were read.
    """

    settings: TrainerSettings
    intake: Intake
    state: TrainingState
    evaluator: Evaluator


_OWN = frozenset(
    ("_model", "_settings", "_state", "_intake", "_evaluator", "_stop_reason", "_listeners", "_callback_states")
    + ("_resumes",)
)


class TrainerParts:
    """The parts of a trainer, none of which refers to it, and its properties."""

    def _set_up(self, model: Model, settings: TrainerSettings, n_threads: int | None, mpi: MPI | None = None) -> None:
        """Make the parts; each gets the parts that it needs, none of them this object."""
        self._model, self._settings = model, settings
        self._state = TrainingState(model, settings, StepNumbers(settings, model.architecture), n_threads, mpi)
        self._intake = Intake(model, settings)
        self._evaluator = Evaluator(settings, self._intake, self._state)
        self._stop_reason: StopReason | None = None
        self._listeners: Listeners | None = None  # of the current call of fit
        self._callback_states: dict[str, Any] = {}  # of earlier calls
        self._resumes = False  # whether the next call's callbacks continue from these

    @property
    def model(self) -> Model:
        """The trained model."""
        return self._model

    @property
    def loss(self) -> Loss:
        """The loss that is minimised."""
        return self._settings.loss

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics reported beside the loss."""
        return self._settings.metrics

    @property
    def batch_size(self) -> int | None:
        """The number of samples in a batch; None means all, or, with privacy, as many as chance takes."""
        return self._settings.batch_size

    @property
    def accumulate(self) -> int:
        """The number of batches in a step."""
        return self._settings.accumulate

    @property
    def precision(self) -> Precision:
        """The precision of products: the model's dtype, or "bf16-mixed"."""
        return self._settings.precision or cast("Precision", self._model.dtype.name)

    @property
    def n_threads(self) -> int:
        """The largest number of threads that a call uses; if none was given, that of ``fb.get_num_threads()``."""
        return self._state.n_threads

    @property
    def shuffle(self) -> bool:
        """Whether every epoch shuffles the samples."""
        return self._settings.shuffle

    @property
    def seed(self) -> int:
        """The seed of the shuffling and of dropout."""
        return self._settings.seed

    @property
    def shards(self) -> int:
        """The number of shards that each batch is cut into."""
        return self._settings.shards

    @property
    def distributed(self) -> MPI | None:
        """The processes that train together, or None."""
        return self._state.mpi

    @property
    def clip_value(self) -> float | None:
        """The bound of the gradient's elements, or None."""
        return self._settings.clip_value

    @property
    def clip_norm(self) -> float | None:
        """The bound of the whole gradient's norm, or None."""
        return self._settings.clip_norm

    @property
    def clip_array_norm(self) -> float | None:
        """The bound of the norm of each array of the gradient, or None."""
        return self._settings.clip_array_norm

    @property
    def averaging(self) -> Averaging | None:
        """The average of the weights, or None."""
        return self._settings.averaging

    @property
    def privacy(self) -> PrivacyAccount | None:
        """The account of what private training has revealed; None without privacy."""
        return self._state.account

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
        """The optimizer.

        Another optimizer with the same update rule can be set between epochs, such as one with another learning rate;
        the state (momentum, Adam's averages) is kept.
        """
        return self._settings.optimizer

    @optimizer.setter
    def optimizer(self, optimizer: OptimizerLike) -> None:
        new = resolve(optimizer, OPTIMIZERS, "optimizer")
        if new.rule != self.optimizer.rule:
            raise ValueError(
                f"optimizer is {new!r}; expected one with the update rule of {self.optimizer!r}. To change the rule, "
                "make a new Trainer for the same model."
            )
        if self._settings.privacy is not None:
            check_private_optimizer(new)
        self._settings = dataclasses.replace(self._settings, optimizer=new)
        self._state.numbers.rate_scale = 1.0
        self._state.numbers.use(self._settings)

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step; setting it makes it constant, whatever schedule there was.

        ``trainer.optimizer`` is then a copy with another ``learning_rate``.
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
            raise ValueError(f"the optimizer is {self.optimizer!r}; expected one with a learning rate.")

    @property
    def stop_reason(self) -> StopReason | None:
        """Why the latest call of ``fit`` ended; None before the first call and during a call.

        "epochs" after all epochs, "stopped" by ``stop()``, "converged" when L-BFGS ended earlier, "budget" where
        another step would exceed target_epsilon, "error" after an exception or Ctrl-C.
        """
        return self._stop_reason

    def averaged_model(self) -> Model:
        """Return a new model with the averages of all trained parameters.

        BatchNorm's running statistics and frozen parameters are those of the current model. To continue training with
        the averages call ``trainer.model.set_weights(trainer.averaged_model().get_weights())``.

        Raises
        ------
        ValueError
            If this trainer has no averaging, or the average has no weights yet.
        """
        if self.averaging is None:
            raise ValueError("averaging is None; expected a trainer made with averaging=fb.EMA() or fb.SWA().")
        session = self._state.session
        if session.n_averaged == 0:
            raise ValueError(
                f"averaging is {self.averaging!r} and has averaged no weights yet; expected at least one. Train longer."
            )
        model = self._model.copy()
        model.set_weights(session.get_averages())
        return model

    def __repr__(self) -> str:
        return f"Trainer({self._model!r}, {self._settings.shown(self._state.given_threads)})"

    def _repr_html_(self) -> str:
        """Return tables of the settings, the latest figures and the model, for notebooks."""
        from fastbp.training.trainer_html import trainer_html  # only now: `import fastbp` stays quick

        return trainer_html(self._settings, self._state)

    def _refuse_privacy(self, method: str) -> None:
        """Refuse a method whose steps would be neither noisy nor counted."""
        if self._settings.privacy is not None:
            raise ValueError(
                f"privacy is {self._settings.privacy!r}; expected None for {method}, which gets its samples from the "
                "caller and would not be private. Call fit."
            )

    # ------------------------------------------------------------------------------------------------------ parts

    @property
    def parts(self) -> Parts:
        """The parts that this works with, for those who read samples once and train often."""
        return Parts(self._settings, self._intake, self._state, self._evaluator)

    def _train(
        self,
        data: Samples | Chunks | PartData,
        n_epochs: int,
        validation: Samples | Chunks | PartData | None,
        listeners: Listeners,
        bar: ProgressBar | None,
        on_nan: OnNaN,
        class_weight: ClassWeight | None,
    ) -> None:
        """Run the epochs of one call, and the callbacks from its beginning to its end."""
        with self._state.turns.alone(), listeners.claimed():
            state = self._state
            state.begin()
            state.serve(on=True)
            self._stop_reason = None
            reason: StopReason = "error"
            try:
                if state.mpi is not None and state.exchange is not None:
                    asked = {"epochs": n_epochs, "on_nan": on_nan, "class_weight": class_weight}
                    agree(state.mpi, self._settings, state, data, validation, asked)
                self._begin_listening(listeners)  # a callback may set another optimizer
                parts = EpochParts(self._settings, state, self._evaluator, listeners, validation, bar, on_nan)
                epochs: Epochs
                if isinstance(data, Chunks):
                    epochs = ChunkEpochs(parts, data, self._intake, class_weight)
                elif not isinstance(data, Samples):
                    from fastbp.training.part_epochs import PartEpochs  # only now

                    epochs = PartEpochs(parts, data)
                elif self._settings.privacy is not None:
                    from fastbp.training.private_epochs import PrivateEpochs  # only now: `import fastbp` stays quick

                    epochs = PrivateEpochs(parts, data)
                else:
                    epochs = LBFGSEpochs(parts, data) if isinstance(self.optimizer, LBFGS) else ArrayEpochs(parts, data)
                state.turns.leave = epochs.leave
                reason = epochs.run(n_epochs)
            except BaseException as error:
                state.fail(error)
                raise
            finally:
                self._stop_reason = reason
                try:
                    listeners.fit_end(state.latest)
                finally:
                    state.serve(on=False)
                self._callback_states, self._listeners = self._all_callback_states(), None

    def _begin_listening(self, listeners: Listeners) -> None:
        """Run the callbacks at the beginning of training; after ``load`` they first get their states from the file."""
        self._listeners = listeners
        if self._resumes:
            self._resumes = False
            listeners.set_states(self._callback_states)
        listeners.fit_begin(self._state.latest)

    def _all_callback_states(self) -> dict[str, Any]:
        """Return the callbacks' states by their keys, of this call and of earlier calls."""
        return self._callback_states | ({} if self._listeners is None else self._listeners.get_states())

    def __getstate__(self) -> dict[str, Any]:
        return {
            "model": self._model,
            "settings": self._settings,
            "n_threads": self._state.given_threads,
            "history": self.history,
            "gathered": self._state.gathered() if self._model.built else None,
            "stop_reason": self._stop_reason,
            "callback_states": self._callback_states,
            "resumes": self._resumes,
            "attributes": {name: value for name, value in self.__dict__.items() if name not in _OWN},  # the user's own
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._set_up(state["model"], state["settings"], state["n_threads"])
        self._state.history = state["history"]
        if state["gathered"] is not None:
            self._state.go_on_from(state["gathered"])
        self._stop_reason = state["stop_reason"]
        self._callback_states, self._resumes = state["callback_states"], state["resumes"]
        self.__dict__.update(state["attributes"])
