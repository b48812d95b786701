"""Training: a model, a loss, an optimizer, and how the samples are dealt into batches."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp._engine import Session
from fastbp._network import NonFinite
from fastbp.callbacks import Callback, CallbackLike, as_callbacks
from fastbp.checks import check_flag, check_int, check_number, check_seed, sentence
from fastbp.history import History
from fastbp.losses import LOSSES, Loss
from fastbp.metrics import Metric, choose_metrics
from fastbp.model import Model
from fastbp.nonfinite import explain_nonfinite
from fastbp.optimizers import OPTIMIZERS, Optimizer, Scheduled
from fastbp.progress import ProgressBar
from fastbp.registry import resolve, shorthand
from fastbp.samples import Samples
from fastbp.schedules import Schedule
from fastbp.threads import choose_threads

__all__ = ["Trainer"]


class Trainer:
    """Trains a model by backpropagation.

    Parameters
    ----------
    model : Model
        What is trained, in place.
    loss : str or Loss
        "mse", "mae", "huber", "log_cosh", "quantile", "gaussian_nll", "cosine"; "poisson", "gamma", "tweedie" (the
        model ends with a softplus); "cross_entropy" (with a softmax); "binary_cross_entropy", "focal" (with a sigmoid);
        "hinge", "squared_hinge"; or an object such as ``fb.Quantile([0.1, 0.5, 0.9])``.
    optimizer : str or Optimizer, default "adam"
        "sgd", "adam", "adamw", "rmsprop", "adagrad", "adadelta", "adamax", "nadam", "radam", "lion", "rprop" (with
        batch_size=None only), or an object such as ``fb.Adam(learning_rate=1e-4)``.
    batch_size : int or None, default 32
        How many samples a step averages the gradient over. None is all of them (full-batch gradient descent), 1 is
        stochastic gradient descent. A last batch that is shorter is trained on like the others.
    n_threads : int or None, default None
        At most so many; None takes OMP_NUM_THREADS or all CPUs. The result does not depend on it.
    shuffle : bool, default True
        Whether every epoch goes through the samples in an order of its own.
    seed : int, default 0
        Where these orders come from: the same seed gives the same ones.
    metrics : list of str or Metric, or None, default None
        What is reported beside the loss: "accuracy" where the answer is yes or no or a class; "r2", "mae", "mse" where
        outputs estimate the targets. None is "accuracy" or "r2" (with "quantile" and "cosine" nothing), [] is nothing.
    clip_value : float or None, default None
        Every element of the gradient is cut off at -clip_value and clip_value before the optimizer sees it.
    clip_norm : float or None, default None
        Where the norm of the gradient, of all weights and biases together, is larger than this, the gradient is scaled
        down to it: times clip_norm / (norm + 1e-6), as PyTorch does. Not both.

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
        loss: str | Loss,
        optimizer: str | Optimizer = "adam",
        batch_size: int | None = 32,
        n_threads: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        metrics: str | Metric | Sequence[str | Metric] | None = None,
        clip_value: float | None = None,
        clip_norm: float | None = None,
    ) -> None:
        if not isinstance(model, Model):
            raise TypeError(sentence("model", model, "an fb.Model"))
        self._model = model
        self._loss = resolve(loss, LOSSES, "loss")
        self._loss.check_output(model._output_activation, model.n_outputs)
        self._optimizer = resolve(optimizer, OPTIMIZERS, "optimizer")
        self._clip_value, self._clip_norm = _check_clipping(clip_value, clip_norm)
        self._numbers = self._numbers_of(self._optimizer)
        self._memories: dict[str, Any] = {}  # what schedules must know of the epochs before
        self._batch_size = _check_batch_size(batch_size, self._optimizer)
        self._n_threads = choose_threads(n_threads)
        self._shuffle = check_flag(shuffle, "shuffle")
        self._seed = check_seed(seed)
        self._metrics = choose_metrics(metrics, self._loss)
        self._sums = tuple(dict.fromkeys(metric.sums for metric in self._metrics))  # each once
        self._history = History()
        self._stopping = False
        self._session = self._new_session()

    def _new_session(self) -> Session:
        return Session(
            self._model._network, self._loss.objective, self._sums, self._optimizer.rule, self._n_threads, self._seed
        )

    def _numbers_of(self, optimizer: Optimizer) -> dict[str, Scheduled]:
        """Return what the engine's updates go by."""
        return optimizer.numbers() | {"clip_value": self._clip_value or 0.0, "clip_norm": self._clip_norm or 0.0}

    def _numbers_of_steps(self, n_steps: int) -> dict[str, float | NDArray[np.float64]]:
        """Return the numbers of the next steps: for a schedule, one for each step."""
        return {
            name: number.of_steps(self.n_steps, n_steps, self._history.n_epochs, self._memories.get(name))
            if isinstance(number, Schedule)
            else number
            for name, number in self._numbers.items()
        }

    def _remember(self, figures: dict[str, float]) -> None:
        """Let the schedules that depend on them know an epoch's figures."""
        for name, number in self._numbers.items():
            if isinstance(number, Schedule):
                self._memories[name] = number.observe(figures, self._memories.get(name))

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
        return self._clip_value

    @property
    def clip_norm(self) -> float | None:
        """The largest norm that the gradient may have, or None."""
        return self._clip_norm

    @property
    def n_steps(self) -> int:
        """The number of updates so far."""
        return self._session.n_steps

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
        self._numbers = self._numbers_of(new)

    def __repr__(self) -> str:
        return (
            f"Trainer({self._model!r}, loss={shorthand(self._loss, LOSSES)}, optimizer={self._optimizer!r}, "
            f"batch_size={self._batch_size}, n_threads={self._n_threads}, shuffle={self._shuffle}, seed={self._seed}, "
            f"metrics={[metric.name for metric in self._metrics]}{self._clipping_repr()})"
        )

    def _clipping_repr(self) -> str:
        if self._clip_norm is not None:
            return f", clip_norm={self._clip_norm}"
        return "" if self._clip_value is None else f", clip_value={self._clip_value}"

    # --------------------------------------------------------------------------------------------- training

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        epochs: int = 1,
        validation_data: tuple[ArrayLike, ArrayLike] | None = None,
        callbacks: Iterable[CallbackLike] | CallbackLike = (),
        progress: bool = False,
    ) -> History:
        """Train for a number of epochs; called again, go on from there.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
            Any real numbers or booleans. A NumPy array is read in place, batch by batch, whatever its dtype and
            strides.
        y : array-like
            For cross_entropy class labels (n_samples,), integers from 0, or a probability for each class (n_samples,
            classes); else numbers (n_samples, n_outputs), or (n_samples,) for one output, such as the loss's class
            asks for. A model for "quantile" or "gaussian_nll" has several outputs for each column of targets.
        epochs : int, default 1
            How often to go through the samples.
        validation_data : (X, y) or None, default None
            Samples to evaluate the model on after every epoch.
        callbacks : sequence of Callback or function, default ()
            What to run between epochs; a function is called with the trainer and the figures after every epoch.
        progress : bool, default False
            Whether to show a progress bar.

        Returns
        -------
        History
            The figures of all epochs so far, those of former calls included: "loss" and the metrics as means over the
            epoch while the weights changed, the same with "val_" after it, "seconds" of training.

        Raises
        ------
        TypeError, ValueError
            If an argument is not one of the above, or X or y has a NaN or infinity.
        FloatingPointError
            If a layer's outputs or the loss cease to be finite: training has diverged.
        KeyboardInterrupt
            On Ctrl-C. The model is as after the last completed step, the history as after the last completed epoch.
        """
        data = self._samples(X, y)
        self._model._check_training(len(data), self._batch_size)
        validation = self._check_validation_data(validation_data)
        n_epochs = check_int(epochs, "epochs")
        listeners = as_callbacks(callbacks)
        bar = ProgressBar(n_epochs, len(data)) if check_flag(progress, "progress") else None
        self._stopping = False
        with bar or contextlib.nullcontext():
            try:
                for listener in listeners:
                    listener.on_fit_begin(self, self._latest())
                self._run_epochs(n_epochs, data, validation, listeners, bar)
            finally:
                for listener in listeners:
                    listener.on_fit_end(self, self._latest())
        return self._history

    def stop(self) -> None:
        """End training after this epoch; for callbacks."""
        self._stopping = True

    def _run_epochs(
        self,
        n_epochs: int,
        data: Samples,
        validation: Samples | None,
        listeners: list[Callback],
        bar: ProgressBar | None,
    ) -> None:
        for _ in range(n_epochs):
            figures = self._run_epoch(data, bar)
            if validation is not None:
                figures |= {f"val_{name}": value for name, value in self._evaluate(validation).items()}
            self._remember(figures)
            self._history.append(figures)
            if bar is not None:
                bar.end_epoch(figures)
            for listener in listeners:
                listener.on_epoch_end(self, self._latest())
            if self._stopping:
                return

    def _run_epoch(self, data: Samples, bar: ProgressBar | None) -> dict[str, float]:
        epoch = self._history.n_epochs
        batch_size = len(data) if self._batch_size is None else min(self._batch_size, len(data))
        on_tick = None if bar is None else bar.tick
        start = time.perf_counter()
        numbers = self._numbers_of_steps(-(-len(data) // batch_size))
        try:
            loss, sums = self._session.epoch(
                data.rows, data.targets, batch_size, self._shuffle, self._seed, epoch, numbers, on_tick
            )
        except NonFinite as error:
            where = f"in epoch {epoch + 1}" + (f", batch {error.batch + 1}" if error.batch >= 0 else "")
            explain_nonfinite(error, self._model, data, where, self._divergence())
        seconds = time.perf_counter() - start
        return {**self._figures(loss, sums, data), "seconds": seconds}

    def step(self, X: ArrayLike, y: ArrayLike) -> float:
        """Make one update on one batch of samples, whatever its size; for online and reinforcement learning.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
        y : array-like
            Targets as for ``fit``.

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
        data = self._samples(X, y)
        self._model._check_training(len(data))
        try:
            return float(self._session.step(data.rows, data.targets, self._numbers_of_steps(1)))
        except NonFinite as error:
            explain_nonfinite(error, self._model, data, f"in step {self.n_steps + 1}", self._divergence())

    def _divergence(self) -> str:
        rate = float(np.max(self._numbers_of_steps(1)["learning_rate"]))
        return (
            f"Most likely the learning rate, {rate:g}, is too large: try {rate / 10:g}, and scale the columns of X to "
            "similar sizes."
        )

    # ------------------------------------------------------------------------------------------- evaluating

    def evaluate(self, X: ArrayLike, y: ArrayLike) -> dict[str, float]:
        """Return loss and metrics of the model as it is.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
        y : array-like
            Targets as for ``fit``.

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
        return self._evaluate(self._samples(X, y))

    def _evaluate(self, data: Samples) -> dict[str, float]:
        try:
            loss, sums = self._model._network.evaluate(
                data.rows, data.targets, self._loss.objective, self._sums, self._n_threads
            )
        except NonFinite as error:
            explain_nonfinite(error, self._model, data, f"in the evaluation on {data.names[0]}")
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the loss on {data.names[0]} is {loss}; expected a finite number. The model's outputs or their "
                f"squares are beyond {self._model.dtype}: training diverged, or {data.names[0]} is on another scale "
                "than the data of training."
            )
        return self._figures(loss, sums, data)

    def _figures(self, loss: float, sums: Sequence[Any], data: Samples) -> dict[str, float]:
        by_name = dict(zip(self._sums, sums, strict=True))
        return {"loss": float(loss)} | {
            metric.name: metric.value(by_name[metric.sums], data) for metric in self._metrics
        }

    def _latest(self) -> dict[str, float]:
        return {"epoch": self._history.n_epochs, **self._history.latest} if self._history.n_epochs else {}

    # --------------------------------------------------------------------------------------------- checking

    def _samples(self, X: ArrayLike, y: ArrayLike, names: tuple[str, str] = ("X", "y")) -> Samples:
        return Samples(X, y, self._model._n_inputs, self._model._n_outputs, self._loss, names)

    def _check_validation_data(self, validation_data: Any) -> Samples | None:
        if validation_data is None:
            return None
        if not isinstance(validation_data, (tuple, list)) or len(validation_data) != 2:
            raise TypeError(sentence("validation_data", validation_data, "a pair (X_val, y_val)"))
        X, y = validation_data
        return self._samples(X, y, ("validation_data[0]", "validation_data[1]"))

    # ------------------------------------------------------------------------------------------- restoring

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in self.__dict__.items() if name != "_session"}
        return {"attributes": state, "n_steps": self._session.n_steps, "optimizer_state": self._session.get_state()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state["attributes"])
        self._session = self._new_session()
        self._session.set_state(state["optimizer_state"])
        self._session.n_steps = state["n_steps"]


def _check_clipping(clip_value: float | None, clip_norm: float | None) -> tuple[float | None, float | None]:
    if clip_value is not None and clip_norm is not None:
        raise ValueError(
            f"clip_value is {clip_value!r} and clip_norm is {clip_norm!r}; expected one of the two or neither."
        )
    return (
        None if clip_value is None else check_number(clip_value, "clip_value", above=0),
        None if clip_norm is None else check_number(clip_norm, "clip_norm", above=0),
    )


def _check_batch_size(batch_size: int | None, optimizer: Optimizer) -> int | None:
    if batch_size is None:
        return None
    if optimizer.full_batch:
        name = type(optimizer).__name__
        remedy = f"From batch to batch the gradient's sign changes, by which {name} goes: pass batch_size=None."
        raise ValueError(sentence("batch_size", batch_size, f"None, all samples at once, with {name}", remedy))
    return check_int(batch_size, "batch_size", remedy="None is all the samples at once.")
