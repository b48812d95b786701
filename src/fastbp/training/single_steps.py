"""Single steps of a trainer: on a batch, by a gradient of the outputs, by gradients of the parameters."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping, Sequence
from threading import get_ident
from types import ModuleType
from typing import Any, Literal, NoReturn, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.data.arrays import as_array, as_rows, refuse_nonfinite
from fastbp.data.samples import Samples
from fastbp.engine.array_reader import ArrayReader
from fastbp.engine.errors import NonFinite
from fastbp.engine.records import SampleSet
from fastbp.engine.session import LARGEST_BATCH
from fastbp.layers.batch_ensemble import refuse_batch_ensemble
from fastbp.layers.parameter_list import check_weights
from fastbp.models.nonfinite import explain_divergence, explain_nonfinite
from fastbp.support.checks import check_flag, check_word, sentence
from fastbp.support.underflow import underflows_to_zero
from fastbp.training.trainer_parts import TrainerParts

__all__ = ["TrainerSteps"]

_FUSED = ("softmax", "sigmoid")  # what output="logit" leaves out


class TrainerSteps(TrainerParts):
    """The steps that a trainer makes one at a time."""

    @overload
    def step(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        class_weight: Mapping[int, float] | None = None,
        return_losses: Literal[False] = False,
    ) -> float: ...

    @overload
    def step(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        class_weight: Mapping[int, float] | None = None,
        *,
        return_losses: Literal[True],
    ) -> tuple[float, NDArray[np.float64]]: ...

    def step(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        class_weight: Mapping[int, float] | None = None,
        return_losses: bool = False,
    ) -> float | tuple[float, NDArray[np.float64]]:
        """Make one update on one batch of samples of any size; for online and reinforcement learning.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
        y : array-like
            Targets as for ``fit``.
        sample_weight : array-like of shape (n_samples,) or (n_samples, n_outputs), or None, default None
            As for ``fit``; at least one is above 0. Or a weight for each output of each sample, for losses whose mean
            is over outputs too, such as mse, huber and binary_cross_entropy: the loss is the sum of weight times loss
            over samples and outputs, divided by the sum of the weights. With 1 for the action that was taken and 0 for
            the others only the value of that action is learned.
        class_weight : dict of label to float or None, default None
            As for ``fit``; "balanced" is refused, as one batch does not show the frequency of a class.
        return_losses : bool, default False
            Whether to return each sample's own loss too, without its weights: its priority in a replay buffer.

        Returns
        -------
        loss : float
            The mean loss over the batch before the update. It is not added to the history.
        losses : float64 ndarray of shape (n_samples,)
            Only with ``return_losses``.

        Raises
        ------
        TypeError, ValueError
            If X or y does not fit the model, or has a NaN or infinity.
        FloatingPointError
            If a layer's outputs or the loss are not finite: training has diverged.
        """
        self._check_single_steps("step")
        model, state, turns = self._model, self._state, self._state.turns
        samples = data = losses = None
        try:
            # No call in a loop.
            wants_losses = return_losses is not False and check_flag(return_losses, "return_losses")
            if wants_losses and state.exchange is not None:
                remedy = "Each rank knows the losses of its own shards only."
                raise ValueError(sentence("return_losses", True, "False with several ranks", remedy))
            if sample_weight is None and class_weight is None:
                samples = self._intake.plain_batch(X, y)
            if samples is None:
                if isinstance(class_weight, str):
                    remedy = "One batch does not show the frequency of a class."
                    raise ValueError(
                        sentence("class_weight", class_weight, "a dictionary from class to weight", remedy)
                    )
                data = self._intake.batch(X, y, sample_weight, class_weight)
                samples = data.for_engine()
            model.architecture.check_training(samples.n_samples)
            losses = np.empty(samples.n_samples) if wants_losses else None
            turns.stepping = get_ident()
            if turns.n_between:
                turns.stand_back()
            loss = state.session.step(samples, state.numbers_of(1), losses)
        except NonFinite as error:
            self._explain(error, data or self._intake.batch(X, y, None, None))
        except BaseException as error:
            state.give_up(error)
            raise
        finally:
            turns.stepping = 0
        return loss if losses is None else (loss, losses)

    def _explain(self, error: NonFinite, data: Samples) -> NoReturn:
        """Raise the error for what the engine met in a single step; with several ranks what one of them knows."""
        model, state = self._model, self._state
        where, remedy = f"in step {self.n_steps + 1}", state.divergence_remedy()
        state.explain(lambda: explain_nonfinite(error, model.architecture, model.feed, data, where, remedy))

    @underflows_to_zero
    def step_gradient(self, X: ArrayLike, output_gradient: ArrayLike, output: str = "prediction") -> None:
        """Make one update on one batch, by the gradient of some loss by the model's outputs; the trainer's is not used.

        For a loss that depends on more than this model: an actor's, whose gradient comes from its critic's ``vjp``, or
        one that another library differentiates. Penalties of layers are added. It does the same as ``step`` up to
        rounding, given the gradient of the same loss; and to the bit, given what ``loss.output_gradient`` returns,
        which for losses that go with a softmax or a sigmoid is the gradient by the logits.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
        output_gradient : array-like of shape (n_samples, n_outputs)
            The gradient of the batch's mean loss: already divided by the number of samples, which is not done again.
        output : {"prediction", "logit"}, default "prediction"
            By what: by what ``predict`` returns, in the targets' units; or by that without the last layer's softmax or
            sigmoid.

        Raises
        ------
        TypeError, ValueError
            If X or the gradient does not fit the model, or has a NaN or infinity.
        FloatingPointError
            If a layer's outputs are not finite: training has diverged.

        Examples
        --------
        >>> import fastbp as fb
        >>> actor = fb.Model([fb.Dense(1)], inputs=1)
        >>> actor.set_weights([[[1.0]], [0.0]])
        >>> trainer = fb.Trainer(actor, loss="mse", optimizer=fb.SGD(0.1))
        >>> trainer.step_gradient([[2.0]], [[-1.0]])  # a larger output would be better
        >>> round(actor.predict([[2.0]]).item(), 4)
        2.5
        """
        self._check_single_steps("step_gradient")
        try:
            array, gradient, from_Z = self._read_gradient(X, output_gradient, output)
            samples = SampleSet(as_rows(array), ArrayReader(gradient))
            with self._stepping():
                _given().step_gradient(self._state.session, samples, self._state.numbers_of(1), from_Z)
        except NonFinite as error:
            self._explain_gradient(error, array, gradient)
        except BaseException as error:
            self._state.give_up(error)
            raise

    def _read_gradient(
        self, X: ArrayLike, output_gradient: ArrayLike, output: str
    ) -> tuple[NDArray[Any], NDArray[Any], bool]:
        """Return what ``step_gradient`` got, as the engine takes it; and whether the gradient is by the last Z."""
        model, logit = self._model, check_word(output, "output", ("prediction", "logit")) == "logit"
        array = model.feed.read(X, "X", observes=model.feed.runs_in_steps)
        gradient = as_array(output_gradient, "output_gradient")
        if gradient.shape != (len(array), model.n_outputs):
            raise ValueError(
                f"output_gradient has shape {gradient.shape}; expected ({len(array)}, {model.n_outputs}): a row for "
                "each sample of X, a column for each output."
            )
        if logit:
            refuse_batch_ensemble(model.layers, 'with output="logit"', 'Pass output="prediction".')
        from_Z = logit and model.architecture.output_activation.name in _FUSED
        units = (
            None
            if from_Z or model.feed.preparation is None
            else model.feed.preparation.units_of_outputs(model.n_outputs)
        )
        gradient = gradient if units is None else gradient * units
        model.architecture.check_training(len(array))
        self._intake.see(array)
        return array, gradient, from_Z

    def _explain_gradient(self, error: NonFinite, array: NDArray[Any], gradient: NDArray[Any]) -> NoReturn:
        """As ``_explain``, in ``step_gradient``."""
        model, state = self._model, self._state

        def explain() -> NoReturn:
            if error.where == "inputs":
                model.feed.refuse_inputs(array, "X", error.row)
            if error.where == "targets":
                refuse_nonfinite(gradient, model.dtype, "output_gradient", error.row)
            where = f"in step {self.n_steps + 1}"
            explain_divergence(error, model.architecture, model.feed, where, state.divergence_remedy())

        state.explain(explain)

    @underflows_to_zero
    def apply_gradients(self, gradients: Sequence[ArrayLike]) -> None:
        """Make one update by gradients of all parameters, such as ``Model.loss_and_gradients`` returns.

        The optimizer, its schedules, clipping and averaging work as in ``step``. A row of a table of ``fb.Tabular``
        whose gradient is 0 is left as it is. Arrays that are not trained, and BatchNorm's running statistics, stay.

        Parameters
        ----------
        gradients : list of array-like
            An array for each of ``model.get_weights()``, in its shape.

        Raises
        ------
        TypeError, ValueError
            If their number or a shape is wrong, or an element is not finite.
        FloatingPointError
            If the update has made weights infinite: training has diverged.

        Examples
        --------
        >>> import fastbp as fb
        >>> model = fb.Model([fb.Dense(1)], inputs=1)
        >>> model.set_weights([[[1.0]], [0.0]])
        >>> trainer = fb.Trainer(model, loss="mse", optimizer=fb.SGD(0.5))
        >>> trainer.apply_gradients([[[1.0]], [-1.0]])
        >>> [array.tolist() for array in model.get_weights()]
        [[[0.5]], [0.5]]
        """
        self._check_single_steps("apply_gradients")
        model, state = self._model, self._state

        def check() -> list[NDArray[Any]]:
            arrays = check_weights(gradients, model.architecture.arrays, model.dtype, "gradients")
            model.architecture.check_training(LARGEST_BATCH)
            return arrays

        arrays = check() if state.exchange is None else state.exchange.together(check)
        try:
            with self._stepping():
                _given().apply_gradients(state.session, arrays, state.numbers_of(1))
        except NonFinite as error:
            self._explain_weights(error)

    def _explain_weights(self, error: NonFinite) -> NoReturn:
        """As ``_explain``, of weights that ``apply_gradients`` has made infinite."""
        model, state = self._model, self._state
        where, remedy = f"in step {self.n_steps}", state.divergence_remedy()
        state.explain(lambda: explain_divergence(error, model.architecture, model.feed, where, remedy))

    def _check_single_steps(self, method: str) -> None:
        settings = self._settings
        if settings.privacy is not None:
            self._refuse_privacy(method)
        if not settings.optimizer.native:
            raise ValueError(
                f"the optimizer is {self.optimizer!r}, which needs several iterations; expected one that makes single "
                "steps. Call fit."
            )
        if self._state.exchange is not None:
            self._state.begin()  # that an earlier call of fit was stopped is no reason to leave this step out

    @contextlib.contextmanager
    def _stepping(self) -> Iterator[None]:
        """Inside the ``with`` a single step is made, and nobody looks at what stands between two steps."""
        turns = self._state.turns
        try:
            turns.stepping = get_ident()
            if turns.n_between:
                turns.stand_back()
            yield
        finally:
            turns.stepping = 0


@functools.cache
def _given() -> ModuleType:
    """Return the engine's module for gradients that somebody else computed, loaded when it is first needed."""
    from fastbp.engine import given_gradients

    return given_gradients
