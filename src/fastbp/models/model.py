"""A model: layers, their weights, prediction, gradients and files."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.data.arrays import NoRowsError, as_rows
from fastbp.engine.array_reader import ArrayReader
from fastbp.engine.errors import NonFinite
from fastbp.engine.session import gradients
from fastbp.layers.base import Layer
from fastbp.layers.parameter_list import check_weights, weights_of
from fastbp.layers.tabular import Inputs, Tabular, check_inputs, n_features
from fastbp.losses.custom import as_loss
from fastbp.models.answers import as_frame_like, columns_of_outputs, labels_of
from fastbp.models.architecture import (
    NOT_BUILT,
    Architecture,
    DType,
    check_dtype,
    check_members_loss,
    check_stack,
    outputs_of,
)
from fastbp.models.description import as_stored, describe, named_weights, parse_config
from fastbp.models.differentiable import DifferentiableModel
from fastbp.models.exchanged import ExchangedModel
from fastbp.models.feed import Feed, check_preparation
from fastbp.models.nonfinite import explain_divergence, explain_nonfinite
from fastbp.models.summary import summarise
from fastbp.support.checks import check_flag, choose_seed
from fastbp.support.locks import Lock
from fastbp.support.precision import MIXED, check_precision
from fastbp.support.registry import blaming_config
from fastbp.support.threads import choose_threads

if TYPE_CHECKING:
    from fastbp.data.class_weights import ClassWeight
    from fastbp.losses.custom import LossLike
    from fastbp.models.layer_statistics import ModelStatistics
    from fastbp.preparation.base import Preparation
    from fastbp.preparation.columns import Columns

__all__ = ["Model"]

Array = NDArray[Any]

_building = Lock()  # of a network, which a model has one of


class Model(DifferentiableModel, ExchangedModel):
    """A stack of layers, each fed with the outputs of the one before.

    Parameters
    ----------
    layers : sequence of layers, such as Dense and Dropout
        Layers from the first hidden layer to the output layer. The output layer's activation decides what the model
        outputs: "softmax" a probability for each class, "sigmoid" a probability for each output, "linear" any numbers.
    inputs : int, Tabular or None, default None
        Number of columns of X, or an ``fb.Tabular`` for numeric columns and category codes. None takes it from the
        data: the model is built, and has weights, after ``Trainer.fit`` or ``build`` has seen X.
    prepare : a preparation, a list of them, Columns or None, default None
        Preparation of X before the first layer, in prediction and training: ``fb.Standardize()``, or
        ``[fb.Impute("median"), fb.Standardize()]``, one after the other, or ``fb.Columns`` for numbers and categories.
        Its statistics are learned from the X of the first ``Trainer.fit`` or of ``build``, without sample weights, and
        then stay; the model's file holds them. If it was learned from a data frame, columns are found by their names.
        It is computed batch by batch in float64; X is not copied, unless it holds text.
    prepare_targets : a preparation, a list of them, or None, default None
        Preparation of a regression's targets: ``fb.Standardize()``, ``fb.Scale()`` or ``fb.RobustScale(clip=None)``.
        The loss compares the outputs with the prepared targets; ``predict`` and the metrics use the targets' units.
    dtype : {"float32", "float64"}, default "float32"
        Type of the weights and of all computations.
    seed : int or None, default 0
        Seed of the random weights: the same seed gives the same weights. None draws one; ``model.seed`` tells it.

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of the above.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(8, "tanh"), fb.Dense(3, "softmax")], inputs=4)
    >>> model.predict([[5.1, 3.5, 1.4, 0.2]]).shape
    (1, 3)
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        inputs: Inputs | None = None,
        prepare: Preparation | Sequence[Preparation] | Columns | None = None,
        prepare_targets: Preparation | Sequence[Preparation] | None = None,
        dtype: DType = "float32",
        seed: int | None = 0,
    ) -> None:
        known = None if inputs is None else check_inputs(inputs)
        preparation = check_preparation(prepare, prepare_targets, known)
        checked, kind = check_stack(layers), check_dtype(dtype)
        architecture = Architecture(checked, kind, known if isinstance(known, Tabular) else None)
        self._set_up(architecture, Feed(known, preparation, kind), choose_seed(seed))
        if self._feed.fed is not None:
            self.adopt(self._feed)

    def build(self, X: ArrayLike, y: ArrayLike | None = None) -> None:
        """Learn the preparation from data, and make the weights for its columns; ``Trainer.fit`` does the same.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
            Numbers; or a data frame, array or list with text, if ``prepare`` converts it to numbers.
        y : array-like of shape (n_samples,) or (n_samples, n_targets), optional
            The targets, for ``prepare_targets``.

        Raises
        ------
        TypeError, ValueError
            If the data does not fit the model, or the model is built already.
        """
        if self._feed.ready:
            raise ValueError(
                "the model is built already, and its preparation is fixed; expected a model that is not built. Make a "
                "new fb.Model for other data."
            )
        self.adopt(self._feed.learn(X, y)[0])

    def adopt(self, feed: Feed) -> None:
        """Use a feed that has learned from data; make the weights, unless they exist.

        For callers that read the data themselves, such as a trainer: ``model.feed.learn`` returns the feed.
        """
        fed = feed.fed
        assert fed is not None
        if feed.preparation is not None:
            feed.preparation.check_outputs(outputs_of(self.layers, n_features(fed)))
        with _building:
            network = self._network
            if network is None:
                network = self._architecture.build(fed)
                network.set_arrays(self._architecture.draw(self._seed))
            network.set_features(*feed.native)
            self._feed, self._network = feed, network  # at the end: a call that fails changes nothing

    # -------------------------------------------------------------------------------- prediction and gradients

    @overload
    def predict(
        self, X: Any, n_threads: int | None = None, as_frame: Literal[False] = False, precision: str | None = None
    ) -> Array: ...

    @overload
    def predict(
        self, X: Any, n_threads: int | None = None, as_frame: bool = False, precision: str | None = None
    ) -> Any: ...

    def predict(
        self, X: Any, n_threads: int | None = None, as_frame: bool = False, precision: str | None = None
    ) -> Any:
        """Return the outputs of the last layer.

        A row has the same outputs, to the bit, alone and among others. Repeated calls with one row or a few are faster
        from the fifth call on, until the weights change: a second copy of the weights (up to 64 MB) is stored in the
        order in which a single row reads them. The models of ``fastbp.sklearn`` do without the copy, as their arrays
        may be written to at any time.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
            Any real numbers or booleans. A NumPy array is read in place, whatever its dtype and strides. With
            ``prepare`` also text and missing values, as learned in training. A model that was fitted to a data frame
            also takes one row by the names of its columns, ``{"age": 41, "city": "Rome"}`` or a pandas Series, a list
            of such rows, and a dictionary of columns. No rows give no outputs.
        n_threads : int or None, default None
            Largest number of threads; None means ``fb.get_num_threads()``. The result does not depend on it.
        as_frame : bool, default False
            Whether to return a data frame with the index of X, a pandas DataFrame (or a polars DataFrame): a column for
            each output, named by ``classes``, by the columns of the targets in ``fit``, or by numbers from 0. A single
            output gives a series.
        precision : {"float32", "float64", "bf16-mixed"} or None, default None
            As for ``Trainer``; with "bf16-mixed" a few rows are no faster than a vector of them.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs), of the model's dtype; or a frame or series
            With ``prepare_targets``, in the targets' units.

        Raises
        ------
        TypeError
            If X does not hold real numbers, or is not a data frame with as_frame.
        ValueError
            If X has the wrong shape, lacks a column, or has a NaN or infinity.
        """
        if as_frame is not False and check_flag(as_frame, "as_frame"):
            return self.framed(self.predict(X, n_threads, precision=precision), X)
        try:
            array = self._feed.read(X, "X")
        except NoRowsError:
            return np.empty((0, self.n_outputs), self.dtype)
        return self.predict_read(array, n_threads, precision)

    def predict_classes(
        self, X: Any, n_threads: int | None = None, as_frame: bool = False, precision: str | None = None
    ) -> Any:
        """Return the class of each sample: the one with the largest output, as a label of ``classes``.

        Of a single output it is the second class if a sigmoid's is above 1/2, or a hinge loss's above 0. Several
        outputs of a sigmoid are no classes that exclude each other: they give 0 or 1 each.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
            As for ``predict``.
        n_threads : int or None, default None
            As for ``predict``.
        as_frame : bool, default False
            Whether to return a series with the index of X, a pandas or polars DataFrame; its name is that of the
            targets in ``fit``.
        precision : str or None, default None
            As for ``predict``.

        Returns
        -------
        ndarray of shape (n_samples,), of the labels' dtype; or a series
            Without ``classes`` the number of the output, from 0; for a single output 0 or 1. For several outputs of a
            sigmoid 0 or 1, of shape (n_samples, n_outputs).

        Raises
        ------
        TypeError
            As from ``predict``.
        ValueError
            As from ``predict``, or if the outputs do not tell classes.
        """
        labels = labels_of(
            self.predict(X, n_threads, precision=precision),
            self._architecture.output_activation.name,
            self._feed.classes,
        )
        return self.framed(labels, X) if check_flag(as_frame, "as_frame") else labels

    def framed(self, values: Array, X: Any) -> Any:
        """Return outputs or labels of the rows of a data frame as ``predict`` does with ``as_frame``."""
        feed = self._feed
        columns = columns_of_outputs(self.n_outputs, feed.classes, feed.target_names)
        return as_frame_like(values, X, columns, feed.target_names)

    def predict_read(self, array: Any, n_threads: int | None = None, precision: str | None = None) -> Array:
        """Return the outputs for samples that ``model.feed.read`` returned; to read data once and predict often."""
        network = self._network or self.network  # the property refuses a model that is not built
        rows = ArrayReader(array) if type(array) is np.ndarray else as_rows(array)  # a loop calls predict()
        out = np.empty((len(array), network.n_outputs), self._architecture.dtype)
        try:
            network.forward(rows, out, choose_threads(n_threads), self._is_mixed(precision))
        except NonFinite as error:
            if error.where == "narrow weights":
                explain_divergence(error, self._architecture, self._feed, "in predict", "Pass precision='float32'.")
            self._feed.refuse_inputs(array, "X", error.row)
        if self._feed.preparation is not None:
            self._feed.preparation.restore(out)
        return out

    def _is_mixed(self, precision: str | None) -> bool:
        return precision is not None and check_precision(precision, self.dtype.name) == MIXED

    def loss_and_gradients(
        self,
        X: ArrayLike,
        y: ArrayLike,
        loss: LossLike,
        n_threads: int | None = None,
        sample_weight: ArrayLike | None = None,
        class_weight: ClassWeight | None = None,
        *,
        training: bool = False,
    ) -> tuple[float, list[Array]]:
        """Return the mean loss over samples and its gradient with respect to all parameters, without training.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
        y : array-like
            Targets, as for ``Trainer.fit``; labels that ``classes`` has.
        loss : str, Loss or callable
            As for ``Trainer``.
        n_threads : int or None, default None
            Largest number of threads; None means ``fb.get_num_threads()``. The result does not depend on it.
        sample_weight : array-like of shape (n_samples,) or None, default None
            Weight of each sample in the mean, as for ``Trainer.fit``.
        class_weight : dict of label to float, "balanced" or None, default None
            Weight of the samples of each class, as for ``Trainer.fit``.
        training : bool, default False
            Whether layers behave as in training: BatchNorm uses the statistics of this batch, and Dropout sets the same
            outputs to 0 as the first step of a trainer with seed 0. Otherwise layers behave as in ``predict``.

        Returns
        -------
        loss : float
        gradients : list of ndarray
            [dW0, db0, dW1, db1, ...] in the shapes of ``get_weights``; zeros for arrays that are not trained.

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit the model, or X or y has a NaN or infinity.
        FloatingPointError
            If a layer's outputs or the loss are not finite.
        """
        function = as_loss(loss)
        function.check_output(self._architecture.output_activation, self.n_outputs)
        check_members_loss(function, self.layers)
        self._feed.check_loss(function, self.n_outputs)
        data = self._feed.samples(
            X, y, function, self.n_outputs, sample_weight=sample_weight, class_weight=class_weight
        )
        if check_flag(training, "training"):
            self._architecture.check_batch(len(data), "X")
        try:
            value, arrays = gradients(
                self.network,
                data.for_engine(),
                function.objective,
                choose_threads(n_threads),
                training,
                self._architecture.first_dropout_rates() if training else None,
            )
        except NonFinite as error:
            explain_nonfinite(error, self._architecture, self._feed, data, "in loss_and_gradients")
        return float(value), list(itertools.chain(*arrays))

    # ------------------------------------------------------------------------------------------------- weights

    def get_weights(self) -> list[Array]:
        """Return copies of all parameters: [W0, b0, W1, b1, ...], W of shape (inputs, units), b of shape (units,).

        These are the arrays of dense layers; other layers have the arrays that their classes describe (LayerNorm a gain
        and a shift), in the order of the layers. The tables of ``fb.Tabular`` come first.
        """
        return self.network.get_arrays()

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Set all parameters, in the order and the shapes of ``get_weights``; they are copied.

        Raises
        ------
        TypeError, ValueError
            If their number or a shape is wrong, or an element is not finite. Then nothing is set.
        """
        self.network.set_arrays(check_weights(weights, self._architecture.arrays, self.dtype))

    # ---------------------------------------------------------------------------------------------- description

    def summary(self) -> None:
        """Print a table of the layers: sizes, parameters, memory, floating-point operations (FLOPs).

        Layers are counted from 0, as in ``model.layers``; a layer inside layer 2 is 2.0. A layer maps (n, inputs) to
        (n, units). A FLOP is a multiplication or an addition; activations are not counted. Training takes three times
        the FLOPs of prediction, but twice in the first layer, as the gradient of the data is not needed. It stores a
        gradient and the optimizer's state (Adam: two numbers) for each parameter; and for each sample of a batch, 4096
        at most, about its inputs twice, every layer's outputs twice and their gradients.
        """
        print(summarise(self._architecture))

    def inspect(self, X: ArrayLike, y: ArrayLike | None = None, loss: LossLike | None = None) -> ModelStatistics:
        """Return statistics of every layer for a batch: mean and spread of outputs, dead units, gradient norm.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
        y : array-like, optional
            Targets as for ``Trainer.fit``; with y and loss the gradients are included.
        loss : str, Loss or callable, optional

        Returns
        -------
        ModelStatistics
            ``print`` shows it as a table; ``.layers`` holds the statistics of each layer.

        Raises
        ------
        TypeError, ValueError, FloatingPointError
            If an argument does not fit the model, or only one of y and loss is given.
        """
        from fastbp.models.layer_statistics import layer_statistics  # only now: `import fastbp` stays quick

        if (y is None) != (loss is None):
            given, missing = ("y", "loss") if loss is None else ("loss", "y")
            raise TypeError(f"{given} is given and {missing} is not; expected both, for gradients, or neither.")
        value, slopes = (None, None) if y is None or loss is None else self.loss_and_gradients(X, y, loss)
        return layer_statistics(self._architecture, self._feed, self.get_weights(), X, slopes, value)

    # ---------------------------------------------------------------------------------------- saving and loading

    def to_config(self) -> dict[str, Any]:
        """Return the model without its weights as plain data, as a saved file describes it."""
        return describe(self._architecture, self._feed, self._seed, self._metadata)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], weights: Sequence[ArrayLike]) -> Model:
        """Return the model that ``to_config`` describes, with these weights.

        Raises
        ------
        TypeError, ValueError
            If the description is invalid, or the weights do not fit it.
        """
        model = cls.__new__(cls)
        with blaming_config(config, "Model"):
            model._set_up(*parse_config(config))
            model.metadata = config.get("metadata", {})
        fed = model._feed.fed
        if fed is None:
            raise ValueError(NOT_BUILT)
        model._restore(
            check_weights(weights, weights_of(model.layers, fed), model.dtype), fed
        )  # checked first: the file may be forged
        return model

    def _restore(self, weights: Sequence[Array], fed: Inputs) -> None:
        """Make the network with these weights."""
        network = self._architecture.build(fed)
        network.set_features(*self._feed.native)
        network.set_arrays(weights)
        self._network = network

    def __getstate__(self) -> dict[str, Any]:
        return {"config": self.to_config(), "weights": self.get_weights() if self.built else None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._set_up(*parse_config(state["config"]))
        self.metadata = state["config"].get("metadata", {})
        if state["weights"] is not None and self._feed.fed is not None:
            self._restore(state["weights"], self._feed.fed)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a safetensors file: the weights, and the architecture in the metadata; no pickle.

        A file of that name is replaced once the new one is complete.

        Raises
        ------
        OSError
            If the file cannot be written.
        ValueError
            If a weight is not finite, as after training that diverged, or a dropout rate is a function.
        """
        from fastbp.support.safetensors_file import write_model

        named = named_weights(self._architecture, self.get_weights())
        write_model(path, self.to_config(), [weight for _, weight in named], [name for name, _ in named])

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Model:
        """Return the model that ``save`` wrote.

        Raises
        ------
        OSError
            If there is no such file, or it cannot be read.
        ValueError
            If ``Model.save`` did not write it, or it was truncated or altered.
        """
        from fastbp.support.safetensors_file import MODEL, blaming_file, read_model

        config, weights = read_model(path)
        with blaming_file(path, MODEL):
            return cls.from_config(config, as_stored(config, weights))
