"""A model: layers, their weights, and what can be asked of them."""

from __future__ import annotations

import copy
import itertools
import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastbp.data.arrays import as_rows
from fastbp.engine.errors import NonFinite
from fastbp.engine.network import Network
from fastbp.engine.session import gradients
from fastbp.layers.base import Layer
from fastbp.layers.parameter_list import check_weights
from fastbp.layers.tabular import Inputs, Tabular, check_inputs, n_features
from fastbp.losses.custom import as_loss
from fastbp.models.architecture import NOT_BUILT, Architecture, check_dtype, check_stack, outputs_of
from fastbp.models.description import describe, named_weights, parse_config
from fastbp.models.feed import Feed, check_preparation
from fastbp.models.layer_statistics import ModelStatistics, layer_statistics
from fastbp.models.nonfinite import explain_nonfinite
from fastbp.models.summary import summarise
from fastbp.preparation.model_preparation import ModelPreparation
from fastbp.support.checks import check_flag, check_seed, sentence
from fastbp.support.threads import choose_threads

if TYPE_CHECKING:
    from fastbp.data.class_weights import ClassWeight
    from fastbp.losses.base import Loss
    from fastbp.losses.custom import LossFunction
    from fastbp.preparation.base import Preparation
    from fastbp.preparation.columns import Columns

__all__ = ["Model"]

Array = NDArray[Any]


class Model:
    """A stack of layers, each fed with the outputs of the one before.

    Parameters
    ----------
    layers : sequence of layers, such as Dense and Dropout
        From the first hidden layer to the output layer, whose activation says what the model outputs: "softmax" a
        probability for each class, "sigmoid" a probability for each output, "linear" any numbers.
    inputs : int, Tabular or None, default None
        How many numbers a sample has: the columns of X. Or ``fb.Tabular``, for numbers beside codes of categories. None
        leaves it to the data: the model is built, and has weights, once ``Trainer.fit`` or ``build`` has seen X.
    prepare : a preparation, a list of them, Columns or None, default None
        What is made of X before the first layer is fed with it, here and in training: ``fb.Standardize()``, say, or
        ``[fb.Impute("median"), fb.Standardize()]``, one after the other; or ``fb.Columns``, for numbers beside
        categories. It learns from the X of the first ``Trainer.fit``, or of ``build``, and goes by that ever after; the
        model's file holds it. Sample weights do not count for it. Where it has learned from a data frame, columns are
        found by their names. It is made batch by batch, in float64; X is not copied, unless it holds text.
    prepare_targets : a preparation, a list of them, or None, default None
        The same for the targets of a regression: ``fb.Standardize()``, ``fb.Scale()`` or ``fb.RobustScale(clip=None)``.
        The loss compares the outputs with what is made of the targets; ``predict`` returns, and metrics are in, the
        targets' own units.
    dtype : {"float32", "float64"}, default "float32"
        What weights are kept and all is computed in.
    seed : int, default 0
        Where the random weights come from: the same seed gives the same weights.

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
        dtype: DTypeLike = "float32",
        seed: int = 0,
    ) -> None:
        known = None if inputs is None else check_inputs(inputs)
        preparation = check_preparation(prepare, prepare_targets, known)
        self._set_up(check_stack(layers), known, check_dtype(dtype), check_seed(seed), preparation)
        if self._feed.fed is not None:
            self.adopt(self._feed)

    def _set_up(
        self,
        layers: tuple[Layer, ...],
        inputs: Inputs | None,
        dtype: np.dtype[Any],
        seed: int,
        preparation: ModelPreparation | None,
    ) -> None:
        """Take in all that can be said before the width of the data is known."""
        self._architecture = Architecture(layers, dtype, inputs if isinstance(inputs, Tabular) else None)
        self._feed = Feed(inputs, preparation, dtype)
        self._seed = seed
        self._metadata: dict[str, Any] = {}
        self._network: Network | None = None

    def build(self, X: ArrayLike, y: ArrayLike | None = None) -> None:
        """Let the preparation learn from data, and make the weights that depend on its width; ``Trainer.fit`` does so.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
            Numbers; a data frame, or an array or a list with text, where ``prepare`` is to make numbers of it.
        y : array-like of shape (n_samples,) or (n_samples, n_targets), optional
            The targets, for ``prepare_targets``.

        Raises
        ------
        TypeError, ValueError
            If the data is not what the model needs, or the model has learned and has weights already.
        """
        if self._feed.ready:
            raise ValueError(
                "the model is built already, and what it has learned of its data stays; expected one that is not. Make "
                "a new fb.Model to learn from other data."
            )
        self.adopt(self._feed.learn(X, y)[0])

    def adopt(self, feed: Feed) -> None:
        """Go on with a feed that has learned from data; make the weights, unless they are there.

        For those who read the data themselves, such as a trainer: ``model.feed.learn`` returns the feed.
        """
        fed = feed.fed
        assert fed is not None
        if feed.preparation is not None:
            feed.preparation.check_outputs(outputs_of(self.layers, n_features(fed)))
        network = self._network
        if network is None:
            network = self._architecture.build(fed)
            network.set_arrays(self._architecture.draw(self._seed))
        network.set_features(*feed.native)
        self._feed, self._network = feed, network  # at the end: nothing is left of a call that fails

    # -------------------------------------------------------------------------------------------------- its parts

    @property
    def built(self) -> bool:
        """Whether the model has weights: else it waits for data, to know its width."""
        return self._network is not None

    @property
    def architecture(self) -> Architecture:
        """The layers, and all that follows from them without a weight."""
        return self._architecture

    @property
    def feed(self) -> Feed:
        """How samples get in and outputs out."""
        return self._feed

    @property
    def network(self) -> Network:
        """The engine's part: weights, and what computes with them."""
        if self._network is None:
            raise ValueError(NOT_BUILT)
        return self._network

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, first to last."""
        return self._architecture.layers

    @property
    def inputs(self) -> Inputs | None:
        """The number of columns of X, or a Tabular; None until the data has told."""
        return self._feed.inputs

    @property
    def n_inputs(self) -> int:
        """The number of columns of X."""
        return self._feed.n_inputs

    @property
    def prepare(self) -> Preparation | Sequence[Preparation] | Columns | None:
        """What is made of X before the first layer is fed with it."""
        return None if self._feed.preparation is None else self._feed.preparation.prepare

    @property
    def prepare_targets(self) -> Sequence[Preparation] | None:
        """What is made of the targets before the loss looks at them."""
        return None if self._feed.preparation is None else self._feed.preparation.prepare_targets

    @property
    def n_outputs(self) -> int:
        """The number of columns of what ``predict`` returns."""
        return self._architecture.n_outputs

    @property
    def n_parameters(self) -> int:
        """How many numbers ``get_weights`` returns: weights, biases and what else layers have."""
        return self.network.n_parameters

    @property
    def metadata(self) -> dict[str, Any]:
        """Whatever is to be kept with the model, and in its file: plain data under names, none at first.

        What the classes are called, say: ``model.metadata = {"classes": ["cat", "dog"]}``.
        """
        return copy.deepcopy(self._metadata)

    @metadata.setter
    def metadata(self, metadata: Mapping[str, Any]) -> None:
        expected = "a dictionary of what JSON can hold: text, numbers, None, lists and dictionaries of them"
        try:
            if not isinstance(metadata, Mapping):
                raise TypeError
            self._metadata = json.loads(json.dumps(dict(metadata), allow_nan=False))
        except (TypeError, ValueError, RecursionError):
            raise TypeError(sentence("metadata", metadata, expected)) from None

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self._architecture.dtype

    @property
    def seed(self) -> int:
        """What the first weights were drawn from."""
        return self._seed

    def __repr__(self) -> str:
        layers = ", ".join(map(repr, self.layers))
        preparation = "" if self._feed.preparation is None else f" {self._feed.preparation!r},"
        return f"Model([{layers}], inputs={self.inputs!r},{preparation} dtype={self.dtype.name!r}, seed={self._seed})"

    # ------------------------------------------------------------------------------------------------ using it

    def predict(self, X: ArrayLike, n_threads: int | None = None) -> Array:
        """Return what the last layer outputs.

        A row has the same outputs, to the bit, alone and among others. Who predicts a row or a few, one call after the
        other, is served faster from the fifth call on, until the weights change: they are kept once more (up to 64 MB)
        in the order in which a row alone reads them. The models of ``fastbp.sklearn`` leave that out: their arrays may
        be written to at any time.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
            Any real numbers or booleans. A NumPy array is read in place, whatever its dtype and strides. With
            ``prepare`` also text and what is missing, as it has learned.
        n_threads : int or None, default None
            None takes OMP_NUM_THREADS or all CPUs. The result does not depend on it.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs), of the model's dtype
            With ``prepare_targets`` in the targets' own units.

        Raises
        ------
        TypeError
            If X does not hold real numbers.
        ValueError
            If X has the wrong shape, no rows, or a NaN or infinity.
        """
        return self.predict_read(self._feed.read(X, "X"), n_threads)

    def predict_read(self, array: Any, n_threads: int | None = None) -> Array:
        """Return the outputs for samples as ``model.feed.read`` returns them; for those who read once and ask often."""
        out = np.empty((len(array), self.n_outputs), self.dtype)
        try:
            self.network.forward(as_rows(array), out, choose_threads(n_threads))
        except NonFinite as error:
            self._feed.refuse_inputs(array, "X", error.row)
        self._feed.restore(out)
        return out

    def loss_and_gradients(
        self,
        X: ArrayLike,
        y: ArrayLike,
        loss: str | Loss | LossFunction,
        n_threads: int | None = None,
        sample_weight: ArrayLike | None = None,
        class_weight: ClassWeight | None = None,
        *,
        training: bool = False,
    ) -> tuple[float, list[Array]]:
        """Return the mean loss over samples and its gradient with respect to every weight and bias; train nothing.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
        y : array-like
            Targets, as for ``Trainer.fit``.
        loss : str, Loss or callable
            As for ``Trainer``.
        n_threads : int or None, default None
            None takes OMP_NUM_THREADS or all CPUs. The result does not depend on it.
        sample_weight : array-like of shape (n_samples,) or None, default None
            How often each sample counts in the mean, as for ``Trainer.fit``.
        class_weight : dict of int to float, "balanced" or None, default None
            How often the samples of each class count, as for ``Trainer.fit``.
        training : bool, default False
            Whether layers do what they do in training: BatchNorm goes by the statistics of this batch, Dropout drops
            what the first step of a trainer with seed 0 drops. Else all are as in ``predict``.

        Returns
        -------
        loss : float
        gradients : list of ndarray
            [dW0, db0, dW1, db1, ...] in the shapes of ``get_weights``; zeros for what is not trained.

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit the model, or X or y has a NaN or infinity.
        FloatingPointError
            If a layer's outputs or the loss are not finite.
        """
        function = as_loss(loss)
        function.check_output(self._architecture.output_activation, self.n_outputs)
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

        So for dense layers; others have what their classes say (LayerNorm a gain and a shift), in the layers' order.
        The tables of ``fb.Tabular`` come first.
        """
        return self.network.get_arrays()

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Set all parameters, in the order and the shapes of ``get_weights``; they are copied.

        Raises
        ------
        TypeError, ValueError
            If there are not as many, or one has the wrong shape or a number that is not finite. Nothing is set then.
        """
        self.network.set_arrays(check_weights(weights, self.layers, self._architecture.feeding, self.dtype))

    # -------------------------------------------------------------------------------------------- telling about

    def summary(self) -> None:
        """Print a table of the layers: sizes, parameters, memory, floating-point operations; and what they take.

        A layer makes (n, units) of (n, inputs). An operation is a multiplication or an addition; activations are not
        counted. Training does three times those of a prediction, but for the first layer, where nobody needs the
        gradient of the data. It keeps a gradient, and what the optimizer remembers (Adam: two numbers), for each
        parameter; and for each sample of a batch, 4096 at most, about its inputs twice, every layer's outputs twice and
        their gradients.
        """
        print(summarise(self._architecture))

    def inspect(
        self, X: ArrayLike, y: ArrayLike | None = None, loss: str | Loss | LossFunction | None = None
    ) -> ModelStatistics:
        """Return what every layer makes of a batch: mean and spread of its outputs, dead units, length of its gradient.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
        y : array-like, optional
            Targets as for ``Trainer.fit``; with them, and a loss, the gradients are looked at too.
        loss : str, Loss or callable, optional

        Returns
        -------
        ModelStatistics
            ``print`` shows it as a table; ``.layers`` holds the figures of each layer.

        Raises
        ------
        TypeError, ValueError, FloatingPointError
            If an argument does not fit the model, or only one of y and loss is given.
        """
        if (y is None) != (loss is None):
            given, missing = ("y", "loss") if loss is None else ("loss", "y")
            raise TypeError(f"{given} is given and {missing} is not; expected both, for gradients, or neither.")
        value, slopes = (None, None) if y is None or loss is None else self.loss_and_gradients(X, y, loss)
        return layer_statistics(self._architecture, self._feed, self.get_weights(), X, slopes, value)

    # ------------------------------------------------------------------------------------- keeping and restoring

    def to_config(self) -> dict[str, Any]:
        """Return all but the weights as plain data: what a saved file describes the model with."""
        return describe(self._architecture, self._feed, self._seed, self._metadata)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], weights: Sequence[ArrayLike]) -> Model:
        """Return the model that ``to_config`` describes, with these weights.

        Raises
        ------
        KeyError, TypeError, ValueError
            If the description is not one, or the weights do not fit it.
        """
        model = cls.__new__(cls)
        model._set_up(*parse_config(config))
        model.metadata = config.get("metadata", {})
        fed = model._feed.fed
        if fed is None:
            raise ValueError(NOT_BUILT)
        model._restore(
            check_weights(weights, model.layers, fed, model.dtype), fed
        )  # checked first: they may be made up
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

        A file of that name is replaced, and only once the new one is complete.

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
            If it is not a file of ``Model.save``, or was truncated or altered.
        """
        from fastbp.support.safetensors_file import MODEL, BrokenFileError, read_model

        config, weights = read_model(path)
        try:
            return cls.from_config(config, weights)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise BrokenFileError(path, MODEL, f"the description in it does not fit: {error}") from error
