"""Training: a model, a loss, an optimizer, and the batches."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from fastbp.callbacks.base import Callback
from fastbp.callbacks.listeners import CallbackLike, Listeners, as_callbacks
from fastbp.data.chunks import Chunks, ChunkSource
from fastbp.data.class_weights import ClassWeight
from fastbp.data.samples import Samples
from fastbp.distributed.mpi import MPI
from fastbp.distributed.part import Part
from fastbp.losses.custom import LossFunction, LossLike
from fastbp.metrics.choose import MetricLike
from fastbp.models.model import Model
from fastbp.optimizers.all_optimizers import OptimizerLike
from fastbp.optimizers.averaging import AveragingLike
from fastbp.optimizers.base import Optimizer
from fastbp.privacy import DifferentialPrivacy, Public
from fastbp.support.arguments import explain_arguments
from fastbp.support.checks import check_flag, check_int, sentence
from fastbp.support.figures import explaining_missing_figures
from fastbp.support.threads import check_threads
from fastbp.training.agreement import AgreedListeners, ends_all_ranks
from fastbp.training.array_factors import FactorsLike
from fastbp.training.history import History
from fastbp.training.private_checks import check_private_fit
from fastbp.training.progress import ProgressBar
from fastbp.training.settings import USUAL_BATCH_SIZE, OnNaN, check_on_nan, check_settings
from fastbp.training.single_steps import TrainerSteps

if TYPE_CHECKING:
    from fastbp.training.part_data import PartData

__all__ = ["Trainer"]


class Trainer(TrainerSteps):
    """Trains a model by backpropagation.

    Parameters
    ----------
    model : Model
        The model, trained in place.
    loss : str, Loss or callable
        The loss: "mse", "mae", "huber", "log_cosh", "quantile", "gaussian_nll", "cosine"; "poisson", "gamma", "tweedie"
        (the model ends with a softplus); "cross_entropy", "policy_gradient" (with a softmax); "binary_cross_entropy",
        "focal" (with a sigmoid); "hinge", "squared_hinge"; or an object such as ``fb.Quantile([0.1, 0.5, 0.9])``. Or a
        function of one batch, loss(outputs, targets) -> (losses, gradient): each sample's loss (n,), and its gradient
        with respect to the outputs (n, n_outputs), neither divided by n; ``targets`` are the batch's rows of y. It is
        called once per batch, with the whole batch; its exceptions are raised by ``fit``, with the model as after the
        last completed step.
    optimizer : str or Optimizer, default "adam"
        The optimizer: "sgd", "adam", "adamw", "rmsprop", "adagrad", "adadelta", "adamax", "nadam", "radam", "lion",
        "rprop" and "lbfgs" (these two with batch_size=None only), or an object such as ``fb.Adam(learning_rate=1e-4)``.
    batch_size : int or None, default 32
        Number of samples over which a step averages the gradient. None means all (full-batch gradient descent), 1 is
        stochastic gradient descent. A shorter last batch is used like the others.
    n_threads : int or None, default None
        Largest number of threads; None means ``fb.get_num_threads()`` at each call. The result does not depend on it.
    shuffle : bool, default True
        Whether every epoch shuffles the samples.
    seed : int or None, default 0
        Seed of the shuffling and of dropout: the same seed gives the same orders. None draws one.
    metrics : list of str, Metric or function, or None, default None
        Metrics reported beside the loss. If outputs are probabilities: "accuracy", "balanced_accuracy", "precision",
        "recall", "f1", "roc_auc", "average_precision", "log_loss", "brier" and, for classes, "top_k_accuracy"; for
        hinge losses "accuracy". If outputs estimate the targets: "r2", "mae", "mse", "rmse", "mape". Or an object such
        as ``fb.F1(average="weighted")``; or a function of (y_true, y_pred), or with sample_weight, that returns a
        number, such as those of sklearn.metrics: see ``fb.FunctionMetric``. With your own loss function only functions
        can be used. None means "accuracy" or "r2" (none with "quantile" and "cosine"), [] means none.
    clip_value : float or None, default None
        Every element of the gradient is clipped to -clip_value .. clip_value before the optimizer uses it.
    clip_norm : float or None, default None
        If the norm of the whole gradient, over all trained parameters, is larger than this, the gradient is multiplied
        by clip_norm / (norm + 1e-6), as in PyTorch.
    clip_array_norm : float or None, default None
        The same for each array of parameters alone: every layer's W, every layer's b and so on (Keras's ``clipnorm``;
        its ``global_clipnorm`` is clip_norm here). At most one of the three can be given.
    learning_rate_factors : dict or None, default None
        Factors of the learning rate by layer, above 0: ``{0: 0.1}`` gives model.layers[0] a tenth of the optimizer's,
        with schedules too; ``{0: {"W": 0.5, "b": 0.1}}`` names single arrays of a layer, "inputs" the tables of an
        fb.Tabular. All that is not named has 1. A Residual is one layer: its factor applies to all in it, and its
        arrays are "0.W" and so on. (PyTorch's parameter groups. For Rprop the learning rate is only the initial step
        size.)
    weight_decay_factors : dict or None, default None
        The same for the weight decay, 0 or more. Arrays that are named decay, also biases.
    decay_biases : bool, default False
        Whether weight decay applies to all trained parameters, as in PyTorch, instead of to the W of dense layers only:
        also to biases, and to the gains, shifts and slopes of other layers.
    averaging : str or Averaging or None, default None
        "ema", "swa", or an object such as ``fb.EMA(0.99)``: an average of the weights, stored beside them, for
        ``averaged_model`` and ``evaluate(averaged=True)``.
    accumulate : int, default 1
        Number of batches per step of ``fit`` (gradient accumulation): the gradient is of the mean over all their
        samples, as with one batch of that many times the size, up to rounding. Dropout draws for each batch, BatchNorm
        normalises each batch separately, and your own loss function is called with one batch at a time. The last step
        of an epoch uses the batches that are left. ``step`` does not use it.
    precision : {"float32", "float64", "bf16-mixed"} or None, default None
        Precision of dense layers' products; None means the model's dtype. "bf16-mixed" rounds the operands of large
        ones to bfloat16, also in validation; all else remains float32. It needs a CPU that multiplies bfloat16.
    privacy : DifferentialPrivacy or None, default None
        Whether training is to reveal little about any one sample, and how little: see ``fb.DifferentialPrivacy``. It
        has a batch size of its own, no figures of the training samples, and an account, ``trainer.privacy``.
    shards : int or None, default None
        Number of parts that each batch is cut into, a power of two, whose gradients are added in one fixed order,
        whoever computes them. The result depends on it, as it depends on batch_size. BatchNorm normalises each shard
        separately, and your own loss function is called with one at a time. None means 1, or 64 with ``distributed``.
    distributed : MPI or None, default None
        The processes that train this model together: see ``fb.distributed.MPI``. The result does not depend on how
        many there are.
    epsilon_factors : dict or None, default None
        The same for the optimizer's epsilon, above 0, where it has one.

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of the above, or the loss does not fit the model's last activation.

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
        loss: LossLike,
        optimizer: OptimizerLike = "adam",
        batch_size: int | None = USUAL_BATCH_SIZE,
        n_threads: int | None = None,
        shuffle: bool = True,
        seed: int | None = 0,
        metrics: MetricLike | Sequence[MetricLike] | None = None,
        clip_value: float | None = None,
        clip_norm: float | None = None,
        averaging: AveragingLike | None = None,
        accumulate: int = 1,
        clip_array_norm: float | None = None,
        learning_rate_factors: FactorsLike | None = None,
        weight_decay_factors: FactorsLike | None = None,
        decay_biases: bool = False,
        precision: str | None = None,
        privacy: DifferentialPrivacy | None = None,
        shards: int | None = None,
        distributed: MPI | None = None,
        epsilon_factors: FactorsLike | None = None,
    ) -> None:
        if not isinstance(model, Model):
            raise TypeError(sentence("model", model, "an fb.Model"))
        _check_distributed(distributed)
        settings = check_settings(
            model.architecture,
            model.feed,
            loss=loss,
            optimizer=optimizer,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            metrics=metrics,
            clipping={"clip_value": clip_value, "clip_norm": clip_norm, "clip_array_norm": clip_array_norm},
            averaging=averaging,
            accumulate=accumulate,
            learning_rate_factors=learning_rate_factors,
            weight_decay_factors=weight_decay_factors,
            epsilon_factors=epsilon_factors,
            decay_biases=decay_biases,
            precision=precision,
            privacy=privacy,
            shards=shards,
            n_ranks=None if distributed is None else distributed.n_ranks,
        )
        self._set_up(model, settings, None if n_threads is None else check_threads(n_threads), distributed)

    # --------------------------------------------------------------------------------------------- training

    @ends_all_ranks
    @explain_arguments
    def fit(
        self,
        X: ArrayLike | ChunkSource | Part,
        y: ArrayLike | None = None,
        epochs: int = 1,
        validation_data: tuple[ArrayLike, ...] | Public | ChunkSource | Part | None = None,
        callbacks: Iterable[CallbackLike] | CallbackLike = (),
        progress: bool = False,
        sample_weight: ArrayLike | None = None,
        class_weight: ClassWeight | None = None,
        on_nan: OnNaN = "raise",
        validation_fraction: float | None = None,
        groups: ArrayLike | None = None,
    ) -> History:
        """Train for a number of epochs; called again, continue from there.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
            Any real numbers or booleans. A NumPy array is read in place, batch by batch, whatever its dtype and
            strides. Or, without y, chunks of samples: an iterable of (X, y) or (X, y, sample_weight), or a function
            that returns one for each epoch. A separate thread reads the next chunk during training on the one before;
            the source may reuse its arrays. Batches extend across the chunks' boundaries. With ``shuffle`` samples are
            shuffled within their chunk; without it the result is that of ``fit`` on all chunks in one array. An
            unfinished epoch over chunks is not continued, and metrics that need all outputs at once (such as "roc_auc")
            are NaN in training. Or, without y, an ``fb.distributed.Part``: data that no process has whole.
        y : array-like or None, default None
            Targets. For cross_entropy class labels (n_samples,), or a probability for each class (n_samples, classes);
            for binary_cross_entropy, focal and the hinge losses with one output labels of two classes too. Labels are
            text, booleans or categories, which ``model.classes`` then holds and later calls have to use; or integers
            from 0. For other losses numbers (n_samples, n_outputs), or (n_samples,) for one output, as
            the loss's class describes. A model for "quantile" or "gaussian_nll" has several outputs for each column of
            targets.
        epochs : int, default 1
            Number of passes over the samples; finishing an unfinished epoch counts as one. 0 does nothing.
        validation_data : (X, y) or (X, y, sample_weight), source of chunks, Part, or None, default None
            Samples on which the model is evaluated after every epoch. A tuple or list holds arrays; any other iterable
            or a function is a source of chunks, as for X.
        callbacks : sequence of Callback or function, default ()
            Callbacks to run; a function is called with the trainer and the figures after every epoch.
        progress : bool, default False
            Whether to show a progress bar on stderr; where that is not a terminal or a notebook, but a file or a log,
            plain lines, about a hundred at most.
        sample_weight : array-like of shape (n_samples,) or None, default None
            Weight of each sample: 2 is as if it were in the data twice, 0 as if it were not (its numbers must still be
            finite, and it counts once in the statistics of BatchNorm). The loss of a batch is sum(w * loss of the
            sample) / sum(w) over its samples; loss and metrics of the epoch are weighted means too. A batch whose
            sample weights are all 0 changes no parameter and no optimizer state, only the number of steps. The result
            does not depend on the number of threads. None means 1 for every sample, and takes no time.
        class_weight : dict of label to float, "balanced" or None, default None
            Weight of each class, by its label or else its number, multiplied with sample_weight, for cross_entropy and
            for binary_cross_entropy with one output (classes 0 and 1); PyTorch's ``weight`` of CrossEntropyLoss. A
            class that is not in the dictionary has 1; "balanced" gives class c the weight n_samples / (classes *
            samples of c) over the classes that occur, as scikit-learn does. Targets that are probabilities are refused,
            and so are several outputs of binary_cross_entropy, where a sample does not have one class. It does not
            apply to validation data.
        on_nan : {"raise", "rollback"}, default "raise"
            What to do when training diverges: the weights, a layer's outputs or the loss, in training or on the
            validation data, are infinite or NaN. "rollback" restores the end of the last good epoch, or the beginning
            of this call, and continues with half the learning rate, with a warning; after ten times in a row it raises.
            It stores a copy of the weights and the optimizer's state.
        validation_fraction : float or None, default None
            Fraction of the samples held out of training and evaluated after every epoch, in place of validation_data.
            The choice depends only on the trainer's seed, the number of samples, and their classes or groups: classes
            are split in this proportion, groups are not split. Nothing is copied.
        groups : array-like of shape (n_samples,) or None, default None
            Group labels for validation_fraction: samples with the same label (such as a patient) are held out together
            or not at all.

        Returns
        -------
        History
            The figures of all epochs so far, including earlier calls: "loss" and the metrics over the epoch, each batch
            before its step; the same with "val_" on the validation data after the epoch; "seconds" of training.

        Raises
        ------
        TypeError, ValueError
            If an argument is not one of the above, or X or y has a NaN or infinity.
        FloatingPointError
            If a layer's outputs or the loss are no longer finite: training has diverged.
        KeyboardInterrupt
            On Ctrl-C. The model is as after the last completed step, the history as after the last completed epoch;
            ``fit`` called again with as many samples continues the unfinished epoch.
        """
        n_epochs = check_int(epochs, "epochs", minimum=0)
        listeners = as_callbacks(callbacks)
        rule = check_on_nan(on_nan)
        show = check_flag(progress, "progress") and self._state.is_first
        intake, model, settings = self._intake, self._model, self._settings
        if settings.privacy is not None:
            check_private_fit(y, validation_fraction, groups, class_weight, rule, listeners)
        data: Samples | Chunks | PartData
        validation: Samples | Chunks | PartData | None
        refused = {"sample_weight": sample_weight, "validation_fraction": validation_fraction, "groups": groups}
        if isinstance(X, Part):
            data, validation = self._read_parts(X, refused | {"y": y}, class_weight, validation_data)
            bar = ProgressBar(n_epochs, len(data)) if show else None
        elif y is None:
            data = intake.chunks(X, n_epochs, class_weight, refused)
            intake.check_chunked_training()
            validation = intake.validation(validation_data, learn=True)  # before the first chunk is read
            bar = ProgressBar(n_epochs, None) if show else None
        else:
            intake.check_hold_out(validation_fraction, validation_data, groups)
            if validation_fraction is None:
                data = intake.learn(X, y, sample_weight)
                validation = intake.validation(validation_data)
            else:
                targets = intake.targets(y)
                rest, held_out = intake.hold_out(targets.values, validation_fraction, groups)
                data = intake.learn(X, y, sample_weight, rest, targets)
                validation = data.part(held_out, "the samples held out")
                data = data.part(rest, "the samples to train on")
            if class_weight is not None:
                data.weigh_classes(class_weight)
            model.architecture.check_training(len(data), settings.batch_size)
            bar = ProgressBar(n_epochs, len(data)) if show else None
        remedy = f"Give fit {'validation_data' if y is None else 'validation_data or validation_fraction'}."
        with explaining_missing_figures(remedy), bar or contextlib.nullcontext():
            self._train(data, n_epochs, validation, self._listen(listeners), bar, rule, class_weight)
        return self.history

    def fit_samples(
        self,
        data: Samples | Chunks | PartData,
        n_epochs: int,
        validation: Samples | Chunks | PartData | None = None,
        callbacks: Sequence[Callback] = (),
        bar: ProgressBar | None = None,
        on_nan: OnNaN = "raise",
        class_weight: ClassWeight | None = None,
    ) -> None:
        """Train on samples read and checked before: ``fit`` without the reading, to read data once and train often.

        Parameters
        ----------
        data : Samples, Chunks or PartData
        n_epochs : int
            0 or more.
        validation : Samples, Chunks, PartData or None, default None
        callbacks : sequence of Callback, default ()
            Callbacks in the order in which they run.
        bar : ProgressBar or None, default None
        on_nan : {"raise", "rollback"}, default "raise"
        class_weight : dict of int to float or None, default None
            Class weights of chunks; samples include theirs.
        """
        self._refuse_privacy("fit_samples")
        self._train(data, n_epochs, validation, self._listen(callbacks), bar, on_nan, class_weight)

    def _read_parts(
        self, parts: Part, refused: Mapping[str, Any], class_weight: ClassWeight | None, validation_data: Any
    ) -> tuple[PartData, Samples | Chunks | PartData | None]:
        """Return the parts that this process has, and the validation data."""
        exchange = self._state.exchange
        data = self._intake.parts(parts, class_weight, exchange, refused)
        self._model.architecture.check_training(len(data), self._settings.batch_size)
        return data, self._intake.validation(validation_data, exchange=exchange)

    def _listen(self, callbacks: Sequence[Callback]) -> Listeners:
        """Return the callbacks of one call of ``fit``."""
        state = self._state
        if state.mpi is None or state.exchange is None:
            return Listeners(callbacks, self)
        return AgreedListeners(callbacks, self, state.mpi, state)

    def stop(self) -> None:
        """Stop training: after the epoch if called at its end, after the step if called inside an epoch.

        For callbacks and other threads. ``fit`` called again with as many samples continues the epoch.
        """
        self._state.stop()

    # ------------------------------------------------------------------------------------------- evaluating

    @explain_arguments
    def evaluate(
        self,
        X: ArrayLike | ChunkSource,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        class_weight: ClassWeight | None = None,
        averaged: bool = False,
    ) -> dict[str, float]:
        """Return loss and metrics of the model, with its current or its averaged weights.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
            Or, without y, a source of chunks, as for ``fit``.
        y : array-like or None, default None
            Targets as for ``fit``.
        sample_weight : array-like of shape (n_samples,) or None, default None
            Weight of each sample in loss and metrics.
        class_weight : dict of label to float, "balanced" or None, default None
            Weight of each class, as for ``fit``.
        averaged : bool, default False
            Whether to use the averaged weights of ``averaged_model``.

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
            chunks = self._intake.chunks(X, 1, class_weight, {"sample_weight": sample_weight})
            return self._evaluator.evaluate(chunks, model, class_weight)
        return self._evaluator.evaluate(self._intake.samples(X, y, sample_weight, class_weight), model)

    # ---------------------------------------------------------------------------------- saving and loading

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write to a file everything that the rest of the training depends on, except the data; no pickle.

        That is the model, the optimizer and its state, schedules, averages of the weights, the history, the position in
        the epoch, and the callbacks' states. The old file stays until the new one is complete and on the disk: after a
        crash one of the two is there. ``fb.Checkpoint`` calls this. Another thread may call it during ``fit``: it waits
        until a step ends, and saves what ``fit`` can be continued from. With ``distributed`` all ranks have to call it,
        except in callbacks, as each has a part of the optimizer's state; rank 0 alone writes the file, which can be
        continued with any number of ranks, or none.

        Raises
        ------
        OSError
            If the file cannot be written.
        ValueError
            If a weight is not finite, or a dropout rate is a function.
        TypeError
            If a callback's state cannot be saved.
        """
        from fastbp.training.trainer_file import gather, write_trainer  # only now: `import fastbp` stays quick

        state = self._state
        if not state.is_first and state.exchange is not None and state.exchange.serving:
            return
        with state.turns.between_steps():
            contents = gather(self._settings, state, self._all_callback_states())
        if state.is_first:
            write_trainer(path, contents)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        n_threads: int | None = None,
        loss: LossFunction | None = None,
        optimizer: Optimizer | None = None,
        metrics: MetricLike | Sequence[MetricLike] | None = None,
        precision: str | None = None,
        distributed: MPI | None = None,
    ) -> Trainer:
        """Return the trainer that ``save`` wrote; continued by ``fit`` on the same data, it ends with the same bits.

        Parameters
        ----------
        path : str or path-like
        n_threads : int or None, default None
            As for ``Trainer``; the result does not depend on it.
        loss : callable or None, default None
            The loss, if it is your own function, which a file cannot hold.
        optimizer : Optimizer or None, default None
            The optimizer, if one of its schedules is a function.
        metrics : list of str, Metric or function, or None, default None
            The metrics, if one of them is a function.
        precision : str or None, default None
            Replaces the saved one: "float32" continues on a machine without bfloat16, with other bits.
        distributed : MPI or None, default None
            The processes that continue together; the result does not depend on it, if the file's trainer has shards.
            All of them must call this: they wait for each other, so that what rank 0 has just saved is there.

        Returns
        -------
        Trainer
            ``trainer.model`` is its model, ``trainer.history.n_epochs`` its number of completed epochs. A callback
            passed to its first ``fit`` continues from the saved state of the callback of the same class.

        Raises
        ------
        OSError
            If there is no such file, or it cannot be read.
        ValueError
            If ``Trainer.save`` did not write it, it was truncated or altered, a function is needed, or with
            ``distributed`` its batches are not cut into shards.
        """
        from fastbp.training.trainer_file import read_trainer

        threads = None if n_threads is None else check_threads(n_threads)
        _check_distributed(distributed)
        if distributed is not None:
            distributed.meet("all ranks to load a trainer")  # rank 0 may still be writing the file
        n_ranks = None if distributed is None else distributed.n_ranks
        with read_trainer(path, loss, optimizer, metrics, precision, n_ranks) as saved:
            arguments = {"shards": 1} | saved.arguments
            trainer = cls(saved.model, n_threads=threads, distributed=distributed, **arguments)
            saved.set_progress(trainer.parts.state)
            trainer._callback_states, trainer._resumes = saved.callback_states, True
        return trainer


def _check_distributed(distributed: object) -> None:
    if distributed is not None and not isinstance(distributed, MPI):
        raise TypeError(sentence("distributed", distributed, "an fb.distributed.MPI or None"))
