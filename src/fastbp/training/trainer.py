"""Training: a model, a loss, an optimizer, and how the samples are dealt into batches."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.callbacks.base import Callback
from fastbp.callbacks.listeners import CallbackLike, as_callbacks, keyed
from fastbp.data.chunks import Chunks, ChunkSource, is_source
from fastbp.data.class_weights import ClassWeight
from fastbp.data.folds import check_groups, split_fraction
from fastbp.data.samples import NAMES, Measured, Samples
from fastbp.engine.network import NonFinite
from fastbp.engine.records import SampleSet
from fastbp.engine.session import Session
from fastbp.layers.composition import innermost
from fastbp.layers.dense import Dense
from fastbp.layers.dropout import Dropout
from fastbp.layers.normalisation import BatchNorm
from fastbp.losses.all_losses import LOSSES
from fastbp.losses.base import Loss
from fastbp.losses.custom import CustomLoss, LossFunction, as_loss, mean_of_function
from fastbp.metrics.base import Metric, OutputMetric
from fastbp.metrics.choose import MetricLike, choose_metrics, measure
from fastbp.models.model import Model
from fastbp.models.nonfinite import DivergenceError, explain_nonfinite
from fastbp.optimizers.all_optimizers import OPTIMIZERS
from fastbp.optimizers.averaging import AVERAGINGS, Averaging
from fastbp.optimizers.base import Optimizer
from fastbp.schedules import Schedule
from fastbp.support.checks import check_flag, check_int, check_number, check_seed, sentence
from fastbp.support.registry import resolve, shorthand
from fastbp.support.threads import choose_threads
from fastbp.training.chunk_epochs import ChunkedFitting
from fastbp.training.epochs import ArrayFitting, Fitting, OnNaN, StopReason, Unfinished
from fastbp.training.evaluation import evaluate_chunks
from fastbp.training.history import History
from fastbp.training.progress import ProgressBar
from fastbp.training.step_numbers import check_decay_biases, check_decay_factors, check_rate_factors

__all__ = ["Trainer"]


class Trainer:
    """Trains a model by backpropagation.

    Parameters
    ----------
    model : Model
        What is trained, in place.
    loss : str, Loss or callable
        "mse", "mae", "huber", "log_cosh", "quantile", "gaussian_nll", "cosine"; "poisson", "gamma", "tweedie" (the
        model ends with a softplus); "cross_entropy" (with a softmax); "binary_cross_entropy", "focal" (with a sigmoid);
        "hinge", "squared_hinge"; or an object such as ``fb.Quantile([0.1, 0.5, 0.9])``. Or a function of one batch,
        loss(outputs, targets) -> (losses, gradient): each sample's loss (n,), and its gradient with respect to the
        outputs (n, n_outputs), neither divided by n; ``targets`` are the batch's rows of y. It is called once a batch,
        with all of it; what it raises comes out of ``fit`` with the model as after the last completed step.
    optimizer : str or Optimizer, default "adam"
        "sgd", "adam", "adamw", "rmsprop", "adagrad", "adadelta", "adamax", "nadam", "radam", "lion", "rprop" and
        "lbfgs" (these two with batch_size=None only), or an object such as ``fb.Adam(learning_rate=1e-4)``.
    batch_size : int or None, default 32
        How many samples a step averages the gradient over. None is all of them (full-batch gradient descent), 1 is
        stochastic gradient descent. A last batch that is shorter is trained on like the others.
    n_threads : int or None, default None
        At most so many; None takes OMP_NUM_THREADS or all CPUs. The result does not depend on it.
    shuffle : bool, default True
        Whether every epoch goes through the samples in an order of its own.
    seed : int, default 0
        Where these orders come from: the same seed gives the same ones.
    metrics : list of str, Metric or function, or None, default None
        What is reported beside the loss. Where outputs are probabilities: "accuracy", "balanced_accuracy", "precision",
        "recall", "f1", "roc_auc", "average_precision", "log_loss", "brier" and, for classes, "top_k_accuracy"; for
        hinge losses "accuracy". Where outputs estimate the targets: "r2", "mae", "mse", "rmse", "mape". Or an object
        such as ``fb.F1(average="weighted")``; or a function of (y_true, y_pred), or with sample_weight, that returns a
        number, such as those of sklearn.metrics: see ``fb.FunctionMetric``. A loss function of your own goes with
        functions. None is "accuracy" or "r2" (with "quantile" and "cosine" nothing), [] is nothing.
    clip_value : float or None, default None
        Every element of the gradient is cut off at -clip_value and clip_value before the optimizer sees it.
    clip_norm : float or None, default None
        Where the norm of the gradient, of all that is learnt together, is larger than this, the gradient is scaled
        down to it: times clip_norm / (norm + 1e-6), as PyTorch does.
    clip_array_norm : float or None, default None
        The same for each array of parameters alone, every layer's W, every layer's b and so on (Keras' ``clipnorm``,
        whose ``global_clipnorm`` is clip_norm here). One of the three at most.
    learning_rate_factors : dict of int to float or None, default None
        What a layer's learning rate is of the optimizer's: ``{0: 0.1}`` gives model.layers[0] a tenth of it, whatever
        a schedule makes of it. Any layer that learns, counted from 0 as in model.layers; a Residual is one, and its
        factor is for all layers in it. Above 0; 1 where a layer is not named. (PyTorch's parameter groups. Rprop's
        learning rate is only what its steps start from.)
    weight_decay_factors : dict of int to float or None, default None
        The same for the weight decay; 0 is none.
    decay_biases : bool, default False
        Whether weight decay is for all that is learnt, as in PyTorch, and not for the W of dense layers alone: biases,
        and the gains, shifts and slopes of other layers.
    averaging : str or Averaging or None, default None
        "ema", "swa", or an object such as ``fb.EMA(0.99)``: an average of the weights is kept beside them, for
        ``averaged_model`` and ``evaluate(averaged=True)``.
    accumulate : int, default 1
        So many batches make one step of ``fit``, by the gradient of the mean over all their samples: as one batch that
        is so many times as large, up to rounding. Dropout draws for each batch, BatchNorm normalises each by itself,
        and a loss function of your own is called with one batch at a time. The last step of an epoch takes what is
        left. ``step`` takes what it is given.

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of the above, or the loss cannot go with the model's last activation.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(8, "tanh"), fb.Dense(1, "sigmoid")], inputs=2)
    >>> trainer = fb.Trainer(model, loss="binary_cross_entropy", optimizer=fb.Adam(0.05), batch_size=None)
    >>> history = trainer.fit([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0], epochs=200)
    >>> history["accuracy"][-1]
    1.0
    """

    def __init__(
        self,
        model: Model,
        loss: str | Loss | LossFunction,
        optimizer: str | Optimizer = "adam",
        batch_size: int | None = 32,
        n_threads: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        metrics: MetricLike | Sequence[MetricLike] | None = None,
        clip_value: float | None = None,
        clip_norm: float | None = None,
        averaging: str | Averaging | None = None,
        accumulate: int = 1,
        clip_array_norm: float | None = None,
        learning_rate_factors: Mapping[int, float] | None = None,
        weight_decay_factors: Mapping[int, float] | None = None,
        decay_biases: bool = False,
    ) -> None:
        if not isinstance(model, Model):
            raise TypeError(sentence("model", model, "an fb.Model"))
        self._model = model
        self._loss = as_loss(loss)
        self._check_loss()
        self._optimizer = resolve(optimizer, OPTIMIZERS, "optimizer")
        self._clipping = _check_clipping(
            {"clip_value": clip_value, "clip_norm": clip_norm, "clip_array_norm": clip_array_norm}
        )
        self._decay_biases = check_decay_biases(check_flag(decay_biases, "decay_biases"), self._optimizer)
        self._rate_factors = check_rate_factors(learning_rate_factors, model)
        self._decay_factors = check_decay_factors(weight_decay_factors, model, self._optimizer, self._decay_biases)
        self._averaging = None if averaging is None else resolve(averaging, AVERAGINGS, "averaging")
        self._rate_scale = 1.0  # of the learning rate: less where training was rolled back
        self._revision = 0  # counts the changes of what the engine's updates go by
        self._take_numbers(self._optimizer)
        self._memories: dict[str, Any] = {}  # what schedules must know of the epochs before
        self._batch_size = _check_batch_size(batch_size, self._optimizer)
        self._accumulate = _check_accumulate(accumulate, self._batch_size)
        if not self._optimizer.native:
            self._check_without_engine()
        self._n_threads = choose_threads(n_threads)
        self._shuffle = check_flag(shuffle, "shuffle")
        self._seed = check_seed(seed)
        self._metrics = choose_metrics(metrics, self._loss, model.n_outputs)
        if model._preparing is not None:
            for metric in self._metrics:
                model._preparing.check_metric(metric.name, metric.sums)
        self._sums = tuple(dict.fromkeys(metric.sums for metric in self._metrics if metric.sums))  # each once
        self._history = History()
        self._stopping = False
        self._stop_reason: StopReason | None = None
        self._unfinished: Unfinished | None = None  # the epoch that was left before its end
        self._listeners: list[Callback] = []  # of the call of fit that is under way
        self._saved_callbacks: dict[str, Any] = {}  # the states of those before
        self._from_file = False  # whether these are for the callbacks of the next call
        if model.built:
            self._session = self._new_session()

    @cached_property
    def _session(self) -> Session:
        return self._new_session()

    def _check_loss(self) -> None:
        """Refuse a loss that cannot go with the model, as far as that one is known."""
        if self._model._n_outputs is not None:
            self._loss.check_output(self._model._output_activation, self._model._n_outputs)
        self._model._check_targets(self._loss)

    def _new_session(self) -> Session:
        self._check_loss()
        rule = self._optimizer.rule if self._optimizer.native else "sgd"  # whose steps are not made then
        return Session(self._model._network, self._loss.objective, self._sums, rule, self._n_threads, self._seed)

    def _check_without_engine(self) -> None:
        """Refuse what only the engine's own steps do."""
        name = type(self._optimizer).__name__
        options: dict[str, Any] = self._clipping | {"learning_rate_factors": self._rate_factors or None}
        if self._averaging is not None and self._averaging.numbers():
            options["averaging"] = self._averaging
        for option, value in options.items():
            if value is not None:
                raise ValueError(f"{option} is {value!r}; expected none with {name}, whose steps are not the engine's.")
        for where, layer in innermost(self._model.layers):
            was = f"{where} is {layer!r} and the optimizer {self._optimizer!r}, "
            if isinstance(layer, Dropout):
                raise ValueError(
                    f"{was}which needs a loss that does not change from one look to the next. Leave the dropout out, "
                    "or take another optimizer."
                )
            if isinstance(layer, BatchNorm):
                raise ValueError(
                    f"{was}which makes no steps that could move running statistics. Take fb.LayerNorm, or another "
                    "optimizer."
                )
            if isinstance(layer, Dense) and layer.max_norm is not None:
                raise ValueError(
                    f"{was}which does not know of lengths that weights must keep to. Leave max_norm out, or take "
                    "another optimizer."
                )

    def _take_numbers(self, optimizer: Optimizer) -> None:
        """Set what the engine's updates go by: what stays, and the schedules, the dropout rates' too."""
        numbers: dict[str, Any] = {
            **optimizer.numbers(),
            **self._clipping,
            **(self._averaging.numbers() if self._averaging else {}),
            "rate_factors": self._by_stage(self._rate_factors),
            "decay_factors": self._by_stage(self._decay_factors),
            "decay_biases": self._decay_biases,
        }
        rates = {_rate_name(where): layer.rate for where, layer, _ in self._model._dropouts}
        self._schedules = {name: value for name, value in (numbers | rates).items() if isinstance(value, Schedule)}
        self._numbers = {name: value for name, value in numbers.items() if name not in self._schedules}
        if "learning_rate" in self._numbers:
            self._numbers["learning_rate"] *= self._rate_scale
        self._revision += 1

    def _scale_rates(self, scale: float) -> None:
        """Let the learning rate be that share of what the optimizer says."""
        self._rate_scale = scale
        self._take_numbers(self._optimizer)

    def _by_stage(self, factors: Mapping[int, float]) -> dict[int, float]:
        """Return what is given by layer for all stages of these layers."""
        return {stage: factors[i] for stage, i in enumerate(self._model._layer_of_stage) if i in factors}

    def _numbers_of_steps(self, n_steps: int) -> dict[str, Any]:
        """Return what the engine goes by in the next steps: for a schedule, a number for each step."""
        if not self._schedules:  # quickly: a loop calls step()
            return self._numbers
        values = {
            name: schedule.of_steps(self.n_steps, n_steps, self._history.n_epochs, self._memories.get(name))
            for name, schedule in self._schedules.items()
        }
        if "learning_rate" in values:
            values["learning_rate"] = values["learning_rate"] * self._rate_scale
        return self._numbers | values | {"dropout_rates": self._dropout_rates(values)}

    def _remember(self, figures: dict[str, float]) -> None:
        """Let the schedules that depend on them know an epoch's figures."""
        for name, schedule in self._schedules.items():
            self._memories[name] = schedule.observe(figures, self._memories.get(name))

    def _dropout_rates(self, values: dict[str, NDArray[np.float64]]) -> dict[int, NDArray[np.float64]]:
        """Return the scheduled ones by the stage's number."""
        return {
            number: layer.check_rates(values[_rate_name(where)], where, self.n_steps)
            for where, layer, number in self._model._dropouts
            if _rate_name(where) in values
        }

    @property
    def model(self) -> Model:
        """What is trained."""
        return self._model

    @property
    def loss(self) -> Loss:
        """What is minimised."""
        return self._loss

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What is reported beside the loss."""
        return self._metrics

    @property
    def batch_size(self) -> int | None:
        """The samples of a step; None is all."""
        return self._batch_size

    @property
    def accumulate(self) -> int:
        """The batches of a step."""
        return self._accumulate

    @property
    def n_threads(self) -> int:
        """The number of threads used at most."""
        return self._n_threads

    @property
    def shuffle(self) -> bool:
        """Whether every epoch has an order of its own."""
        return self._shuffle

    @property
    def seed(self) -> int:
        """Where the orders come from."""
        return self._seed

    @property
    def clip_value(self) -> float | None:
        """The largest element that the gradient may have, or None."""
        return self._clipping.get("clip_value")

    @property
    def clip_norm(self) -> float | None:
        """The largest norm that the gradient as a whole may have, or None."""
        return self._clipping.get("clip_norm")

    @property
    def clip_array_norm(self) -> float | None:
        """The largest norm that each array of the gradient may have, or None."""
        return self._clipping.get("clip_array_norm")

    @property
    def averaging(self) -> Averaging | None:
        """How the weights are averaged, or None."""
        return self._averaging

    @property
    def n_steps(self) -> int:
        """The number of updates so far."""
        return self._session.n_steps if self._model.built else 0

    @property
    def history(self) -> History:
        """The figures of all epochs so far."""
        return self._history

    @property
    def optimizer(self) -> Optimizer:
        """How the gradient changes the weights.

        Another one of the same rule may be set between epochs, with another learning rate, say; what it has gathered
        (momentum, Adam's averages) is kept.
        """
        return self._optimizer

    @optimizer.setter
    def optimizer(self, optimizer: str | Optimizer) -> None:
        new = resolve(optimizer, OPTIMIZERS, "optimizer")
        if new.rule != self._optimizer.rule:
            raise ValueError(
                f"optimizer is {new!r}; expected one that can go on from {self._optimizer!r}. Make a new Trainer for "
                "the same model to change the rule."
            )
        self._optimizer = new
        self._rate_scale = 1.0
        self._take_numbers(new)

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step; setting it makes it constant, whatever schedule there was.

        ``trainer.optimizer`` is the same with another ``learning_rate`` then.
        """
        self._check_has_rate()
        return float(np.max(self._numbers_of_steps(1)["learning_rate"]))

    @learning_rate.setter
    def learning_rate(self, learning_rate: float) -> None:
        self._check_has_rate()
        number = check_number(learning_rate, "learning_rate", above=0)
        self.optimizer = dataclasses.replace(self._optimizer, learning_rate=number)  # type: ignore[call-arg]

    def _check_has_rate(self) -> None:
        if "learning_rate" not in self._optimizer.numbers():
            raise ValueError(f"the optimizer is {self._optimizer!r}; expected one that has a learning rate.")

    @property
    def stop_reason(self) -> StopReason | None:
        """Why the latest call of ``fit`` ended; None before the first, and while one is under way.

        "epochs" when all were done, "stopped" by ``stop()``, "converged" where L-BFGS found nothing to gain, "error"
        by an exception or Ctrl-C.
        """
        return self._stop_reason

    def __repr__(self) -> str:
        return (
            f"Trainer({self._model!r}, loss={shorthand(self._loss, LOSSES)}, optimizer={self._optimizer!r}, "
            f"batch_size={self._batch_size}, n_threads={self._n_threads}, shuffle={self._shuffle}, seed={self._seed}, "
            f"metrics={[metric.figure for metric in self._metrics]}{self._options_repr()})"
        )

    def _options_repr(self) -> str:
        options = self._clipping | {
            "averaging": self._averaging,
            "learning_rate_factors": self._rate_factors or None,
            "weight_decay_factors": self._decay_factors or None,
            "decay_biases": self._decay_biases or None,
            "accumulate": None if self._accumulate == 1 else self._accumulate,
        }
        return "".join(f", {name}={value!r}" for name, value in options.items() if value is not None)

    # --------------------------------------------------------------------------------------------- training

    def fit(
        self,
        X: ArrayLike | ChunkSource,
        y: ArrayLike | None = None,
        epochs: int = 1,
        validation_data: tuple[ArrayLike, ...] | ChunkSource | None = None,
        callbacks: Iterable[CallbackLike] | CallbackLike = (),
        progress: bool = False,
        sample_weight: ArrayLike | None = None,
        class_weight: ClassWeight | None = None,
        on_nan: OnNaN = "raise",
        validation_fraction: float | None = None,
        groups: ArrayLike | None = None,
    ) -> History:
        """Train for a number of epochs; called again, go on from there.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
            Any real numbers or booleans. A NumPy array is read in place, batch by batch, whatever its dtype and
            strides. Or, without y, chunks of samples: an iterable of (X, y) or (X, y, sample_weight), or a function
            that returns one for each epoch. A chunk is read, on a thread of its own, while the one before is trained
            on; the source may use its arrays again. Batches are formed across the chunks' boundaries; with ``shuffle``
            samples change places within their chunk, without it the result is that of ``fit`` on all chunks in one
            array. An epoch over chunks that is left is not gone on with, and metrics that need all outputs at once
            (such as "roc_auc") are NaN in training.
        y : array-like or None, default None
            For cross_entropy class labels (n_samples,), integers from 0, or a probability for each class (n_samples,
            classes); else numbers (n_samples, n_outputs), or (n_samples,) for one output, such as the loss's class
            asks for. A model for "quantile" or "gaussian_nll" has several outputs for each column of targets.
        epochs : int, default 1
            How often to go through the samples; an epoch that was left unfinished counts as one. 0 does nothing.
        validation_data : (X, y) or (X, y, sample_weight), or source of chunks, or None, default None
            Samples to evaluate the model on after every epoch. A tuple or a list is arrays; chunks come from another
            iterable or a function, as for X.
        callbacks : sequence of Callback or function, default ()
            What to run between epochs; a function is called with the trainer and the figures after every epoch.
        progress : bool, default False
            Whether to show a progress bar.
        sample_weight : array-like of shape (n_samples,) or None, default None
            How often each sample counts: 2 is as if it stood there twice, 0 as if it were not there (its numbers must
            be finite all the same, and in the statistics of BatchNorm it counts once). The loss of a batch is sum(w *
            loss of the sample) / sum(w) over its samples; loss and metrics of the epoch are weighted means likewise.
            From a batch whose weights are all 0 nothing is learnt: no weight and no average of the optimizer moves,
            only the number of steps grows. The result does not depend on the number of threads. None counts every
            sample once, and costs nothing.
        class_weight : dict of int to float, "balanced" or None, default None
            For cross_entropy, and for binary_cross_entropy with one output (classes 0 and 1): how often the samples of
            each class count, multiplied with sample_weight; PyTorch's ``weight`` of CrossEntropyLoss. A class that the
            dictionary lacks has the weight 1; "balanced" gives class c the weight n_samples / (classes * samples of c)
            over the classes that occur, as scikit-learn does. Targets that are probabilities are refused, and so are
            several outputs of binary_cross_entropy, where a sample is of no one class. Validation data keeps its own
            weights.
        on_nan : {"raise", "rollback"}, default "raise"
            What to do when training diverges: the weights, a layer's outputs or the loss, in training or on the
            validation data, are infinite or NaN. "rollback" goes back to the end of the last good epoch, or to where
            this call began, and goes on with half the learning rate, with a warning; after ten times in a row it
            raises. It keeps a copy of weights and optimizer state.
        validation_fraction : float or None, default None
            Evaluate on this fraction of the samples after every epoch, and do not train on them; in place of
            validation_data. Which they are follows from the trainer's seed and their number alone: classes are split
            in this proportion, groups not at all. Nothing is copied.
        groups : array-like of shape (n_samples,) or None, default None
            With validation_fraction: samples with the same label (a patient, say) are held out together or not at all.

        Returns
        -------
        History
            The figures of all epochs so far, those of former calls included: "loss" and the metrics over the epoch,
            each batch before its step, the same with "val_" after it, "seconds" of training.

        Raises
        ------
        TypeError, ValueError
            If an argument is not one of the above, or X or y has a NaN or infinity.
        FloatingPointError
            If a layer's outputs or the loss cease to be finite: training has diverged.
        KeyboardInterrupt
            On Ctrl-C. The model is as after the last completed step, the history as after the last completed epoch;
            ``fit`` called again with as many samples goes on with the unfinished one.
        """
        n_epochs = check_int(epochs, "epochs", minimum=0)
        listeners = as_callbacks(callbacks)
        rule = _check_on_nan(on_nan)
        show = check_flag(progress, "progress")
        if y is None:
            refused = {
                "sample_weight": sample_weight,
                "validation_fraction": validation_fraction,
                "groups": groups,
            }
            chunks = self._check_chunks(X, n_epochs, class_weight, refused)
            self._model._check_ready()
            self._check_chunked_training()
            validation = self._check_validation(validation_data)
            bar = ProgressBar(n_epochs, None) if show else None
            with bar or contextlib.nullcontext():
                self._run(ChunkedFitting(self, chunks, validation, listeners, bar, rule, class_weight), n_epochs)
            return self._history
        parts = self._split(y, validation_fraction, validation_data, groups)
        self._let_learn(X, y, None if parts is None else parts[0])
        data = self._samples(X, y, sample_weight)
        if parts is None:
            validation = self._check_validation(validation_data)
        else:
            rest, held_out = parts
            validation = data.part(held_out, "the samples held out")
            data = data.part(rest, "the samples to train on")
        if class_weight is not None:
            data.weigh_classes(class_weight)
        self._model._check_training(len(data), self._batch_size)
        bar = ProgressBar(n_epochs, len(data)) if show else None
        with bar or contextlib.nullcontext():
            self._run(ArrayFitting(self, data, validation, listeners, bar, rule), n_epochs)
        return self._history

    def _run(self, fitting: Fitting, n_epochs: int) -> None:
        """Train on what was checked; callbacks hear of it from the beginning to the end."""
        listeners = fitting.listeners
        self._stopping, self._stop_reason = False, None
        reason: StopReason = "error"
        try:
            self._begin_listening(listeners)
            reason = fitting.run(n_epochs)
        finally:
            self._stop_reason = reason
            for listener in listeners:
                listener.on_fit_end(self, self._latest())
            self._saved_callbacks, self._listeners = self._callback_states(), []

    @contextlib.contextmanager
    def _on_threads(self, n_threads: int) -> Iterator[None]:
        """Use so many threads for a while; the result does not depend on it."""
        usual = self._n_threads
        self._n_threads = self._session.n_threads = n_threads
        try:
            yield
        finally:
            self._n_threads = self._session.n_threads = usual

    def _let_learn(self, X: Any, y: ArrayLike, rows: NDArray[np.int64] | None = None) -> None:
        """Let a model that waits for data learn from these rows of it; None is all."""
        if self._model._is_ready:
            return
        self._model._learn(X, self._targets(y), rows)
        self._check_loss()

    def _targets(self, y: ArrayLike) -> NDArray[Any]:
        """Return y as the loss wants it, as far as the model is known."""
        n_outputs = self._model._n_outputs
        return np.asarray(y) if n_outputs is None else self._loss.as_targets(y, n_outputs)

    def _classes(self, targets: NDArray[Any]) -> NDArray[Any] | None:
        """Return the class of each sample; None where targets are no classes."""
        with contextlib.suppress(ValueError):
            return self._loss.classes(targets, self._model.n_outputs)[0]
        return None

    def _begin_listening(self, listeners: Sequence[Callback]) -> None:
        """Let callbacks know that training begins; those of a trainer from a file go on from their states in it."""
        self._listeners = list(listeners)
        if self._from_file:
            self._from_file = False
            for key, listener in keyed(listeners).items():
                if key in self._saved_callbacks:
                    listener.set_state(self._saved_callbacks[key])
        for listener in listeners:
            listener.on_fit_begin(self, self._latest())

    def _callback_states(self) -> dict[str, Any]:
        """Return what callbacks remember, by their keys."""
        states = {key: listener.get_state() for key, listener in keyed(self._listeners).items()}
        return self._saved_callbacks | {key: state for key, state in states.items() if state}

    def stop(self) -> None:
        """End training: behind this epoch's end where that is called for, behind the step where one is under way.

        For callbacks, and for other threads. ``fit`` called again with as many samples goes on with the epoch.
        """
        self._stopping = True

    def _batch_size_of(self, n_samples: int) -> int:
        """Return how many samples a batch has, where there are so many in all."""
        return n_samples if self._batch_size is None else min(self._batch_size, n_samples)

    def step(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        class_weight: Mapping[int, float] | None = None,
    ) -> float:
        """Make one update on one batch of samples, whatever its size; for online and reinforcement learning.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
        y : array-like
            Targets as for ``fit``.
        sample_weight : array-like of shape (n_samples,) or None, default None
            As for ``fit``; not all of them are 0.
        class_weight : dict of int to float or None, default None
            As for ``fit``; "balanced" is refused, as one batch does not say how common a class is.

        Returns
        -------
        float
            The mean loss over the batch before the update. The history knows nothing of it.

        Raises
        ------
        TypeError, ValueError
            If X or y does not fit the model, or has a NaN or infinity.
        FloatingPointError
            If a layer's outputs or the loss are not finite: training has diverged.
        """
        if not self._optimizer.native:
            raise ValueError(
                f"the optimizer is {self._optimizer!r}, which goes by what it saw in the iterations before; expected "
                "one that makes single steps. Call fit."
            )
        if isinstance(class_weight, str):
            remedy = "One batch does not say how common a class is."
            raise ValueError(sentence("class_weight", class_weight, "a dictionary from class to weight", remedy))
        data = self._samples(X, y, sample_weight, class_weight)
        self._model._check_training(len(data))
        try:
            return float(
                self._session.step(SampleSet(data.rows, data.targets, data.weights), self._numbers_of_steps(1))
            )
        except NonFinite as error:
            explain_nonfinite(error, self._model, data, f"in step {self.n_steps + 1}", self._divergence())

    def _divergence(self) -> str:
        rate = float(np.max(self._numbers_of_steps(1)["learning_rate"]))
        return (
            f"Most likely the learning rate, {rate:g}, is too large: try {rate / 10:g}, and scale the columns of X to "
            "similar sizes."
        )

    # ------------------------------------------------------------------------------------------- evaluating

    def evaluate(
        self,
        X: ArrayLike | ChunkSource,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        class_weight: ClassWeight | None = None,
        averaged: bool = False,
    ) -> dict[str, float]:
        """Return loss and metrics of the model as it is, or of the average of its weights.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
            Or, without y, a source of chunks, as for ``fit``.
        y : array-like or None, default None
            Targets as for ``fit``.
        sample_weight : array-like of shape (n_samples,) or None, default None
            How often each sample counts in loss and metrics.
        class_weight : dict of int to float, "balanced" or None, default None
            How often the samples of each class count, as for ``fit``.
        averaged : bool, default False
            Whether to take the averaged weights, as ``averaged_model`` has them.

        Returns
        -------
        dict
            {"loss": ..., "accuracy": ...}, with the metrics of this trainer.

        Raises
        ------
        TypeError, ValueError
            If X or y does not fit the model, or has a NaN or infinity.
        FloatingPointError
            If a layer's outputs or the loss are not finite.
        """
        model = self.averaged_model() if check_flag(averaged, "averaged") else self._model
        if y is None:
            chunks = self._check_chunks(X, 1, class_weight, {"sample_weight": sample_weight})
            return evaluate_chunks(self, chunks, class_weight, model)
        return self._evaluate(self._samples(X, y, sample_weight, class_weight), model)

    def averaged_model(self) -> Model:
        """Return a new model with the averaged weights, biases and what else is learnt by its gradient.

        The running statistics of BatchNorm, and what is frozen, are those of the model as it is.

        ``trainer.model.set_weights(trainer.averaged_model().get_weights())`` goes on with them.

        Raises
        ------
        ValueError
            If this trainer keeps no average, or that has taken nothing in yet.
        """
        if self._averaging is None:
            raise ValueError("averaging is None; expected a trainer made with averaging=fb.EMA() or fb.SWA().")
        if self._session.n_averaged == 0:
            raise ValueError(
                f"averaging is {self._averaging!r} and has taken no weights in yet; train for longer first."
            )
        return Model.from_config(self._model.to_config(), self._session.get_averages())

    def _evaluate(self, data: Samples, model: Model) -> dict[str, float]:
        outputs = self._room_for_outputs(data)
        loss, sums = self._judge(data, model, outputs)
        return self._figures(loss, sums, data, outputs, data.subset)

    def _judge(
        self, data: Samples, model: Model, outputs: NDArray[Any] | None
    ) -> tuple[float, Sequence[NDArray[np.float64]]]:
        """Return the mean loss of a model, and the metrics' sums; leave the outputs where there is room for them."""
        network = model._network
        sums: Sequence[Any] = ()
        try:
            if isinstance(self._loss, CustomLoss):
                batch_size = self._batch_size or len(data)
                loss = mean_of_function(self._loss, network, data, batch_size, self._n_threads, outputs)
            else:
                loss, sums = network.evaluate(
                    SampleSet(data.rows, data.targets, data.weights, data.subset),
                    self._loss.objective,
                    self._sums,
                    self._n_threads,
                    outputs,
                )
        except NonFinite as error:
            explain_nonfinite(error, model, data, f"in the evaluation on {data.names[0]}")
        if not math.isfinite(loss):
            raise DivergenceError(
                f"the loss on {data.names[0]} is {loss}; expected a finite number. The model's outputs or their "
                f"squares are beyond {self._model.dtype}: training diverged, or {data.names[0]} is on another scale "
                "than the data of training."
            )
        return loss, sums

    def _room_for_outputs(self, data: Samples) -> NDArray[Any] | None:
        """Return where the engine is to leave the outputs of all samples, NaN so far; None where no metric asks."""
        if not any(isinstance(metric, OutputMetric) for metric in self._metrics):
            return None
        return np.full((len(data), self._model.n_outputs), np.nan, self._model.dtype)

    def _figures(
        self,
        loss: float,
        sums: Sequence[Any],
        data: Measured,
        outputs: NDArray[Any] | None,
        rows: NDArray[np.int64] | None,
    ) -> dict[str, float]:
        by_name = dict(zip(self._sums, sums, strict=True))
        in_units = {name: self._model._in_units(name, value) for name, value in by_name.items()}
        restored = None if outputs is None else self._model._restored(outputs)
        return {"loss": float(loss), **measure(self._metrics, in_units, data, restored, rows)}

    def _latest(self) -> dict[str, float]:
        return {"epoch": self._history.n_epochs, **self._history.latest} if self._history.n_epochs else {}

    # --------------------------------------------------------------------------------------------- checking

    def _samples(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        class_weight: ClassWeight | None = None,
        names: tuple[str, str, str] = NAMES,
    ) -> Samples:
        model = self._model
        X = model._read(X, names[0])
        return Samples(X, y, X.shape[1], model.n_outputs, self._loss, names, sample_weight, class_weight)

    def _check_chunks(
        self, X: Any, n_epochs: int, class_weight: ClassWeight | None, refused: Mapping[str, Any]
    ) -> Chunks:
        """Return X as a source of chunks, which some arguments cannot go with."""
        if not is_source(X):
            remedy = "Without y, X is a source of chunks: an iterable of (X, y), or a function that returns one."
            raise TypeError(sentence("y", None, "targets, as X is an array-like", remedy))
        for name, value in refused.items():
            if value is not None:
                remedy = "A chunk may be (X, y, sample_weight)." if name == "sample_weight" else ""
                raise ValueError(sentence(name, value, "None with X a source of chunks", remedy))
        if isinstance(class_weight, str):
            remedy = "Chunks do not say beforehand how common a class is."
            raise ValueError(sentence("class_weight", class_weight, "a dictionary with X a source of chunks", remedy))
        chunks = Chunks(X, "X")
        if chunks.once and n_epochs > 1:
            remedy = "Pass a list, or a function that returns a new iterator for each epoch."
            raise ValueError(f"X is an iterator, for one pass, and epochs is {n_epochs}; expected epochs=1. {remedy}")
        return chunks

    def _check_chunked_training(self) -> None:
        """Refuse what cannot be trained chunk by chunk."""
        if self._batch_size is None:
            remedy = "Chunks are not there all at a time."
            raise ValueError(sentence("batch_size", None, "a number with X a source of chunks", remedy))
        self._model._check_training(self._batch_size, self._batch_size)

    def _check_validation(self, validation_data: Any) -> Samples | Chunks | None:
        """Return validation data in arrays or in chunks."""
        if not isinstance(validation_data, (tuple, list)) and is_source(validation_data):
            chunks = Chunks(validation_data, "validation_data")
            if chunks.once:
                remedy = "Pass a function that returns a new iterator for each epoch."
                raise ValueError(sentence("validation_data", validation_data, "more than one pass", remedy))
            return chunks
        return self._check_validation_data(validation_data)

    def _check_validation_data(self, validation_data: Any) -> Samples | None:
        if validation_data is None:
            return None
        if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3):
            expected = "a pair (X_val, y_val), or with weights (X_val, y_val, sample_weight), or a source of chunks"
            raise TypeError(sentence("validation_data", validation_data, expected))
        X, y, *weights = validation_data
        names = ("validation_data[0]", "validation_data[1]", "validation_data[2]")
        return self._samples(X, y, weights[0] if weights else None, None, names)

    def _split(
        self, y: ArrayLike, fraction: float | None, validation_data: Any, groups: ArrayLike | None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        """Return the rows to train on, and those to evaluate on; None where none are to be held out."""
        if fraction is None:
            if groups is not None:
                raise ValueError(sentence("groups", groups, "None without validation_fraction, which it is for"))
            return None
        if validation_data is not None:
            was = f"validation_fraction is {fraction!r} and validation_data is given"
            raise ValueError(f"{was}; expected one of them.")
        share = check_number(fraction, "validation_fraction", above=0, below=1)
        targets = self._targets(y)
        classes = self._classes(targets)
        labels = None if groups is None else check_groups(groups, len(targets))
        try:
            return split_fraction(len(targets), share, classes=classes, groups=labels, seed=self._seed)
        except ValueError as error:
            raise ValueError(f"validation_fraction is {share!r}: {error}") from None

    # ------------------------------------------------------------------------------- keeping and restoring

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write to a file all that the rest of the training depends on, but the data; no pickle.

        That is the model, the optimizer and what it has gathered, schedules, averages of the weights, the history,
        where in its epoch the training is, and what callbacks remember. What was in the file before stays until all is
        written and on the disk: after a crash the old file is there or the new one. ``fb.Checkpoint`` calls this.

        Raises
        ------
        OSError
            If the file cannot be written.
        ValueError
            If a weight is not finite, or a dropout rate is a function.
        TypeError
            If a callback remembers what a file cannot hold.
        """
        from fastbp.training.trainer_file import save_trainer

        save_trainer(self, path)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        n_threads: int | None = None,
        loss: LossFunction | None = None,
        optimizer: Optimizer | None = None,
        metrics: MetricLike | Sequence[MetricLike] | None = None,
    ) -> Trainer:
        """Return the trainer that ``save`` wrote, to go on by ``fit``: the same data, and it ends with the same bits.

        Parameters
        ----------
        path : str or path-like
        n_threads : int or None, default None
            As for ``Trainer``; the result does not depend on it.
        loss : callable or None, default None
            The loss, if it is a function of yours, which no file can hold.
        optimizer : Optimizer or None, default None
            The optimizer, if one of its schedules is a function.
        metrics : list of str, Metric or function, or None, default None
            The metrics, if one of them is a function.

        Returns
        -------
        Trainer
            ``trainer.model`` is its model, ``trainer.history.n_epochs`` says how far it came. A callback passed to its
            first ``fit`` goes on from the state of the one of the same class in the file.

        Raises
        ------
        OSError
            If there is no such file, or it cannot be read.
        ValueError
            If it is not a file of ``Trainer.save``, was truncated or altered, or needs a function.
        """
        from fastbp.training.trainer_file import load_trainer

        return load_trainer(cls, path, choose_threads(n_threads), loss, optimizer, metrics)

    def _get_state(self) -> dict[str, Any]:
        """Return what training has gathered beside the model's weights and the history."""
        averages = None if self._averaging is None else (self._session.get_averages(), self._session.n_averaged)
        return {
            "n_steps": self._session.n_steps,
            "optimizer_state": self._session.get_state(),
            "averages": averages,
            "memories": dict(self._memories),
            "rate_scale": self._rate_scale,
            "unfinished": self._unfinished,
        }

    def _set_state(self, state: dict[str, Any]) -> None:
        self._session.set_state(state["optimizer_state"])
        self._session.n_steps = state["n_steps"]
        if state["averages"] is not None:
            self._session.set_averages(*state["averages"])
        self._memories = dict(state["memories"])
        self._unfinished = state["unfinished"]
        self._scale_rates(state["rate_scale"])

    def _snapshot(self) -> tuple[list[NDArray[Any]], dict[str, Any]]:
        return self._model.get_weights(), self._get_state()

    def _restore(self, snapshot: tuple[list[NDArray[Any]], dict[str, Any]]) -> None:
        weights, state = snapshot
        self._model._network.set_arrays(weights)
        self._set_state(state)

    def __getstate__(self) -> dict[str, Any]:
        attributes = {name: value for name, value in self.__dict__.items() if name not in ("_session", "_listeners")}
        return {"attributes": attributes, "state": self._get_state() if self._model.built else None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state["attributes"])
        self._listeners = []
        if state["state"] is not None:
            self._session = self._new_session()
            self._set_state(state["state"])


def _rate_name(where: str) -> str:
    return f"rate of {where}"


def _check_clipping(clipping: dict[str, float | None]) -> dict[str, float]:
    """Return what is given of these, one at most."""
    given = {name: bound for name, bound in clipping.items() if bound is not None}
    if len(given) > 1:
        was = " and ".join(f"{name} is {bound!r}" for name, bound in given.items())
        raise ValueError(f"{was}; expected one of them at most.")
    return {name: check_number(bound, name, above=0) for name, bound in given.items()}


def _check_on_nan(on_nan: Any) -> OnNaN:
    if on_nan not in ("raise", "rollback"):
        raise ValueError(sentence("on_nan", on_nan, "'raise' or 'rollback'"))
    return "rollback" if on_nan == "rollback" else "raise"


def _check_batch_size(batch_size: int | None, optimizer: Optimizer) -> int | None:
    if batch_size is None:
        return None
    if optimizer.full_batch:
        name = type(optimizer).__name__
        remedy = f"From batch to batch the gradient changes, and {name} takes that for the loss: pass batch_size=None."
        raise ValueError(sentence("batch_size", batch_size, f"None, all samples at once, with {name}", remedy))
    return check_int(batch_size, "batch_size", remedy="None is all the samples at once.")


def _check_accumulate(accumulate: int, batch_size: int | None) -> int:
    number = check_int(accumulate, "accumulate")
    if batch_size is None and number > 1:
        raise ValueError(
            f"accumulate is {number} and batch_size is None, all samples at once; expected accumulate=1 with it, or a "
            "batch_size."
        )
    return number
