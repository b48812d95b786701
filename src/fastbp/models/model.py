"""A model: layers, their weights, and what can be asked of them."""

from __future__ import annotations

import contextlib
import copy
import functools
import itertools
import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastbp.data.arrays import as_matrix, as_rows, refuse_nonfinite
from fastbp.data.samples import Samples
from fastbp.data.sparse import is_sparse
from fastbp.engine.network import Network, NonFinite
from fastbp.engine.records import SampleSet
from fastbp.engine.session import gradients
from fastbp.layers.base import Layer, Stage
from fastbp.layers.composition import check_layers, innermost, layer_from_config
from fastbp.layers.dense import Dense
from fastbp.layers.dropout import Dropout
from fastbp.layers.initializers import make_generator
from fastbp.layers.parameter_list import check_weights, weights_of
from fastbp.layers.stages import output_activation, plan
from fastbp.layers.tabular import Inputs, Tabular, check_inputs, inputs_from_config, n_columns, n_features
from fastbp.losses.custom import as_loss
from fastbp.models.nonfinite import explain_nonfinite
from fastbp.preparation.model_preparation import Preparing
from fastbp.schedules import FunctionSchedule, Schedule
from fastbp.support.checks import check_flag, check_seed, sentence
from fastbp.support.threads import choose_threads

if TYPE_CHECKING:
    from fastbp.data.class_weights import ClassWeight
    from fastbp.losses.base import Loss
    from fastbp.losses.custom import LossFunction
    from fastbp.models.layer_statistics import ModelStatistics
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
        model's file holds it. Sample weights do not count for it. Where it has learnt from a data frame, columns are
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
        self._describe(
            _check_layers(layers),
            None if inputs is None else check_inputs(inputs),
            _check_dtype(dtype),
            check_seed(seed),
            _check_preparing(prepare, prepare_targets, inputs),
        )
        if self._fed is not None:
            self._build(self._fed)
            self._draw()

    def _describe(
        self,
        layers: tuple[Layer, ...],
        inputs: Inputs | None,
        dtype: np.dtype[Any],
        seed: int,
        preparing: Preparing | None,
    ) -> None:
        """Take in all that can be said before the width of the data is known."""
        self._layers, self._inputs, self._dtype, self._seed = layers, inputs, dtype, seed
        self._preparing = preparing
        self._metadata: dict[str, Any] = {}
        self._n_inputs = None if inputs is None else n_columns(inputs)
        self._fed = _fed_with(inputs, preparing)
        self._built: Network | None = None
        self._n_outputs = _known_outputs_of(layers)
        self._stages, self._layer_of_stage = plan(layers)
        if isinstance(inputs, Tabular):
            self._stages = [inputs.stage(), *self._stages]
            self._layer_of_stage = [-1, *self._layer_of_stage]
        self._output_activation = output_activation(self._stages)
        self._with_batch_sizes = [layer for layer in layers if layer.batch_sizes != (1, math.inf)]

    def _build(self, fed: Inputs) -> None:
        """Make the network, whose first layer is fed with so many numbers; its weights are 0."""
        n_outputs = _outputs_of(self._layers, n_features(fed))
        network = Network(n_columns(fed), self._stages, self._dtype.name)
        if self._preparing is not None:
            network.set_features(*self._preparing.native)
        self._fed, self._n_outputs, self._built = fed, n_outputs, network
        # What training asks at every step.
        self._learns = any(weight.trained for weight in weights_of(self._layers, fed))

    def _draw(self) -> None:
        """Let the network begin with weights that the seed gives."""
        generators = (make_generator(self._seed, i) for i in itertools.count())
        n_inputs = n_features(self._feeding)
        weights: list[Array] = self._inputs.draw(generators) if isinstance(self._inputs, Tabular) else []
        for layer in self._layers:
            weights += layer.draw(n_inputs, generators)
            n_inputs = layer.n_outputs(n_inputs)
        self._network.set_arrays(weights)

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
            If the data is not what the model needs, or the model has learnt and has weights already.
        """
        if self._is_ready:
            raise ValueError(
                "the model is built already, and what it has learnt of its data stays; expected one that is not. Make "
                "a new fb.Model to learn from other data."
            )
        self._learn(X, y)

    def _learn(
        self,
        X: ArrayLike,
        y: ArrayLike | None,
        rows: NDArray[np.int64] | None = None,
        names: tuple[str, str] = ("X", "y"),
    ) -> None:
        """Learn from these rows of the data, None: all, and build, unless that is done already."""
        if self._is_ready:
            return
        preparing = self._preparing and self._preparing.after(X, y, rows, names, self._n_inputs)
        learnt = preparing and preparing.inputs
        inputs = self._inputs
        if inputs is None:
            inputs = learnt.n_columns if learnt else as_matrix(X, None, names[0]).shape[1]
        fed = len(learnt.features) if learnt else inputs
        n_outputs = _outputs_of(self._layers, n_features(fed))
        if preparing is not None:
            preparing.check_outputs(n_outputs)
        # Nothing is left of a call that fails before here.
        self._preparing, self._inputs, self._n_inputs = preparing, inputs, n_columns(inputs)
        if self._built is None:
            self._build(fed)
            self._draw()
        elif preparing is not None:
            self._built.set_features(*preparing.native)

    @property
    def _is_ready(self) -> bool:
        """Whether there are weights, and all is learnt that the preparation needs."""
        return self._built is not None and (self._preparing is None or self._preparing.ready)

    def _check_ready(self) -> None:
        """Refuse to go on before the data has been seen."""
        if self._built is None:
            raise ValueError(_NOT_BUILT)
        if self._preparing is not None:
            self._preparing.check_ready()

    @property
    def built(self) -> bool:
        """Whether the model has weights: else it waits for data, to know its width."""
        return self._built is not None

    @property
    def _network(self) -> Network:
        if self._built is None:
            raise ValueError(_NOT_BUILT)
        return self._built

    @property
    def _feeding(self) -> Inputs:
        """What the first layer is fed with: so many numbers, or a Tabular."""
        if self._fed is None:
            raise ValueError(_NOT_BUILT)
        return self._fed

    def _read(self, X: Any, argument: str) -> Any:
        """Return samples as an array that the engine reads, of as many columns as the model has inputs."""
        if self._built is None:
            raise ValueError(_NOT_BUILT)
        if self._preparing is None:  # the one case that must be quick: a loop calls step() and predict()
            return as_matrix(X, self._n_inputs, argument)
        if self.prepare is not None and is_sparse(X):
            raise TypeError(sentence(argument, X, "a dense array with prepare", f"Give {argument}.toarray()."))
        return self._preparing.read(X, self.n_inputs, argument)

    def _refuse_inputs(self, X: Any, argument: str, row: int) -> NoReturn:
        """Name the number of this row of X that the engine found not to be finite."""
        if self._preparing is not None and self._preparing.inputs is not None:
            self._preparing.inputs.refuse(X, row, self._dtype, argument)
        refuse_nonfinite(self._numbers_of(X), self._dtype, argument, row)

    def _refuse_targets(self, y: Array, argument: str, row: int) -> NoReturn:
        """The same for targets."""
        if self._preparing is not None and self._preparing.targets is not None:
            self._preparing.targets.refuse(y, row, self._dtype, argument)
        refuse_nonfinite(y, self._dtype, argument, row)

    @property
    def _dropouts(self) -> list[tuple[str, Dropout, int]]:
        """The dropout layers: where each is, the layer, and the number of its stage."""
        numbers = [i for i, stage in enumerate(self._stages) if stage["kind"] == "dropout"]
        layers = [(where, layer) for where, layer in innermost(self._layers) if isinstance(layer, Dropout)]
        return [(where, layer, number) for (where, layer), number in zip(layers, numbers, strict=True)]

    def _first_dropout_rates(self) -> dict[int, NDArray[np.float64]]:
        """Return the rates that are scheduled, by the number of the stage, as a first step has them."""
        return {
            number: layer.check_rates(layer.rate.of_steps(0, 1, 0, None), where, 0)
            for where, layer, number in self._dropouts
            if isinstance(layer.rate, Schedule)
        }

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, first to last."""
        return self._layers

    @property
    def inputs(self) -> Inputs | None:
        """The number of columns of X, or a Tabular; None until the data has told."""
        return self._inputs

    @property
    def _n_numbers(self) -> int:
        """The first columns of X, that must hold finite numbers."""
        return self._inputs.numeric if isinstance(self._inputs, Tabular) else self.n_inputs

    def _numbers_of(self, X: Any) -> Any:
        """Return the columns that must hold finite numbers."""
        return X if self._n_numbers == self._n_inputs else X[:, : self._n_numbers]

    @property
    def n_inputs(self) -> int:
        """The number of columns of X."""
        if self._n_inputs is None:
            raise ValueError(_NOT_BUILT)
        return self._n_inputs

    @property
    def prepare(self) -> Preparation | Sequence[Preparation] | Columns | None:
        """What is made of X before the first layer is fed with it."""
        return None if self._preparing is None else self._preparing.prepare

    @property
    def prepare_targets(self) -> Sequence[Preparation] | None:
        """What is made of the targets before the loss looks at them."""
        return None if self._preparing is None else self._preparing.prepare_targets

    @property
    def n_outputs(self) -> int:
        """The number of columns of what ``predict`` returns."""
        if self._n_outputs is None:
            raise ValueError(_NOT_BUILT)
        return self._n_outputs

    @property
    def n_parameters(self) -> int:
        """How many numbers ``get_weights`` returns: weights, biases and what else layers have."""
        return self._network.n_parameters

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
        return self._dtype

    @property
    def seed(self) -> int:
        """What the first weights were drawn from."""
        return self._seed

    def __repr__(self) -> str:
        layers = ", ".join(map(repr, self._layers))
        preparing = "" if self._preparing is None else f" {self._preparing!r},"
        return f"Model([{layers}], inputs={self._inputs!r},{preparing} dtype={self._dtype.name!r}, seed={self._seed})"

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
            ``prepare`` also text and what is missing, as it has learnt.
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
        return self._predict(self._read(X, "X"), n_threads)

    def _predict(self, array: Any, n_threads: int | None) -> Array:
        """Return the outputs for samples that were read."""
        out = np.empty((len(array), self.n_outputs), self._dtype)
        try:
            self._network.forward(as_rows(array), out, choose_threads(n_threads))
        except NonFinite as error:
            self._refuse_inputs(array, "X", error.row)
        if self._preparing is not None:
            self._preparing.restore(out)
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
        function.check_output(self._output_activation, self.n_outputs)
        self._check_targets(function)
        data = Samples(
            self._read(X, "X"),
            y,
            self.n_inputs,
            self.n_outputs,
            function,
            sample_weight=sample_weight,
            class_weight=class_weight,
        )
        if check_flag(training, "training"):
            self._check_batch(len(data), "X")
        try:
            value, arrays = gradients(
                self._network,
                SampleSet(data.rows, data.targets, data.weights),
                function.objective,
                choose_threads(n_threads),
                training,
                self._first_dropout_rates() if training else None,
            )
        except NonFinite as error:
            explain_nonfinite(error, self, data, "in loss_and_gradients")
        return float(value), list(itertools.chain(*arrays))

    # ------------------------------------------------------------------------------------------------- weights

    def get_weights(self) -> list[Array]:
        """Return copies of all parameters: [W0, b0, W1, b1, ...], W of shape (inputs, units), b of shape (units,).

        So for dense layers; others have what their classes say (LayerNorm a gain and a shift), in the layers' order.
        The tables of ``fb.Tabular`` come first.
        """
        return self._network.get_arrays()

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Set all parameters, in the order and the shapes of ``get_weights``; they are copied.

        Raises
        ------
        TypeError, ValueError
            If there are not as many, or one has the wrong shape or a number that is not finite. Nothing is set then.
        """
        self._network.set_arrays(check_weights(weights, self._layers, self._feeding, self._dtype))

    # -------------------------------------------------------------------------------------------- telling about

    def summary(self) -> None:
        """Print a table of the layers: sizes, parameters, memory, floating-point operations; and what they take.

        A layer makes (n, units) of (n, inputs). An operation is a multiplication or an addition; activations are not
        counted. Training does three times those of a prediction, but for the first layer, where nobody needs the
        gradient of the data. It keeps a gradient, and what the optimizer remembers (Adam: two numbers), for each
        parameter; and for each sample of a batch, 4096 at most, about its inputs twice, every layer's outputs twice and
        their gradients.
        """
        print(self._summarise())

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
        from fastbp.models.layer_statistics import inspect_model

        return inspect_model(self, X, y, loss)

    def _summarise(self) -> str:
        lines = [
            f"{'layer':>5}  {'kind':12}  {'inputs':>9}  {'units':>9}  {'activation':12}  {'parameters':>13}  "
            f"{'kB':>10}  {'FLOPs a sample':>14}",
            *_row_of_tables(self._feeding, self._dtype),
            *_rows(self._layers, n_features(self._feeding), self._dtype),
        ]
        n_inputs, forward_flops = n_features(self._feeding), 0
        for layer in self._layers:
            forward_flops += layer.flops(n_inputs)
            n_inputs = layer.n_outputs(n_inputs)
        size = self.n_parameters * self._dtype.itemsize / 1e6
        first = next(layer for _, layer in innermost(self._layers) if isinstance(layer, Dense))
        n_numbers = self._feeding.numeric if isinstance(self._feeding, Tabular) else self._feeding
        training = 3 * forward_flops - first.flops(n_numbers)
        lines.append(f"{self.n_parameters:,} parameters in {self._dtype.name}, {size:.3g} MB")
        n_kept = _n_kept(self._stages, n_columns(self._feeding))
        lines.append(f"training keeps about {n_kept * self._dtype.itemsize / 1e3:,.1f} kB for each sample of a batch")
        lines.append(f"{forward_flops:,} FLOPs to predict a sample, {training:,} to train on it")
        return "\n".join(lines)

    # ------------------------------------------------------------------------------------- keeping and restoring

    def to_config(self) -> dict[str, Any]:
        """Return all but the weights as plain data: what a saved file describes the model with."""
        config: dict[str, Any] = {
            "inputs": self._inputs.to_config() if isinstance(self._inputs, Tabular) else self._inputs,
            "dtype": self._dtype.name,
            "seed": self._seed,
            "layers": [layer.to_config() for layer in self._layers],
        }
        if self._metadata:
            config["metadata"] = self._metadata
        return config if self._preparing is None else config | {"preparing": self._preparing.to_config()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], weights: Sequence[ArrayLike]) -> Model:
        """Return the model that ``to_config`` describes, with these weights.

        Raises
        ------
        KeyError, TypeError, ValueError
            If the description is not one, or the weights do not fit it.
        """
        model = cls.__new__(cls)
        model._describe(*_parse(config))
        model.metadata = config.get("metadata", {})
        # First: the sizes may be made up.
        checked = check_weights(weights, model._layers, model._feeding, model._dtype)
        model._build(model._feeding)
        model._network.set_arrays(checked)
        return model

    def _check_training(self, n_samples: int, batch_size: int | None = None) -> None:
        """Refuse to train what cannot be, or in batches that a layer cannot be trained with."""
        if not self._learns:
            raise ValueError("no layer of the model is trainable; expected one at least. Make a layer trainable=True.")
        if self._with_batch_sizes:  # else quickly: a loop calls step()
            self._check_batch(min(n_samples, batch_size or n_samples), "the batch")
            self._check_batch(n_samples % batch_size if batch_size else 0, f"the last batch of {n_samples} samples")

    def _check_batch(self, size: int, what: str) -> None:
        for layer in self._with_batch_sizes if size else ():
            least, most = layer.batch_sizes
            if not least <= size <= most:
                raise ValueError(
                    f"{what} has {size} sample{'s' * (size > 1)}; expected {least} to {most} for {layer!r}, whose "
                    "statistics are of the whole batch. Choose another batch_size."
                )

    def _check_targets(self, loss: Loss) -> None:
        """Refuse a loss that says something else of targets than of what was made of them."""
        if self._preparing is None or self._preparing.prepare_targets is None:
            return
        if not loss.takes_prepared:
            raise ValueError(
                f"prepare_targets is {list(self._preparing.prepare_targets)!r} and the loss {loss!r}; expected one "
                "that measures distances: mse, mae, huber, log_cosh or quantile. Or leave prepare_targets out."
            )
        if self._preparing.targets is not None and len(self._preparing.targets.features) != loss.n_targets(
            self.n_outputs
        ):
            raise ValueError(
                f"prepare_targets was learnt from {len(self._preparing.targets.features)} columns of targets; expected "
                f"{loss.n_targets(self.n_outputs)}, as {loss!r} has with {self.n_outputs} outputs."
            )

    def _in_units(self, name: str, sums: Array) -> Array:
        """Return the engine's sums of errors, a number a target, in the targets' own units."""
        return sums if self._preparing is None else self._preparing.in_units(name, sums)

    def _restored(self, outputs: Array) -> Array:
        """Return outputs in the targets' own units."""
        if self._preparing is None:
            return outputs
        restored = outputs.copy()
        self._preparing.restore(restored)
        return restored

    def _features(self, X: ArrayLike) -> Array:
        """Return what the first layer is fed with, unless that is X itself."""
        array = self._read(X, "X")
        learnt = None if self._preparing is None else self._preparing.inputs
        features: Array = array if learnt is None else learnt.apply(array, self._dtype)
        return features

    def _part(self, layer: Layer, inputs: Inputs, weights: Sequence[Array]) -> Model:
        """Return a model of one of this model's layers alone."""
        part = Model.__new__(Model)
        part._describe((layer,), inputs, self._dtype, self._seed, None)
        part._build(inputs)
        part._network.set_arrays(weights)
        return part

    def __getstate__(self) -> dict[str, Any]:
        return {"config": self.to_config(), "weights": self.get_weights() if self.built else None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._describe(*_parse(state["config"]))
        self.metadata = state["config"].get("metadata", {})
        if state["weights"] is not None:
            self._build(self._feeding)
            self._network.set_arrays(state["weights"])

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

        named = self._named_weights()
        write_model(path, self.to_config(), [weight for _, weight in named], [name for name, _ in named])

    def _named_weights(self) -> list[tuple[str, Array]]:
        """Return the arrays with their names in a file.

        Raises
        ------
        ValueError
            If a file cannot hold the model.
        """
        for where, layer, _ in self._dropouts:
            if isinstance(layer.rate, FunctionSchedule):
                raise ValueError(
                    f"{where} is {layer!r}, and a file cannot hold a function; expected a rate or another schedule, "
                    "such as fb.PolynomialDecay. pickle can, if the function is one of a module."
                )
        weights, kinds = self.get_weights(), weights_of(self._layers, self._feeding)
        for kind, weight in zip(kinds, weights, strict=True):
            if not np.isfinite(weight).all():
                raise ValueError(
                    f"{kind.name} has numbers that are not finite; expected a model that "
                    "works. Train it again from the start, with a smaller learning rate."
                )
        return [(kind.key, weight) for kind, weight in zip(kinds, weights, strict=True)]

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


def _rows(layers: Sequence[Layer], n_inputs: int, dtype: np.dtype[Any], outer: str = "") -> list[str]:
    """Return a line of the summary for each layer, those in others behind the one they are in."""
    lines = []
    for i, layer in enumerate(layers):
        number, units = f"{outer}{i + 1}", layer.n_outputs(n_inputs)
        activation = getattr(layer, "activation", None)
        n_parameters = sum(math.prod(parameter.shape) for parameter in layer.parameters(n_inputs))
        lines.append(
            f"{number:>5}  {type(layer).__name__:12}  {n_inputs:>9,}  {units:>9,}  "
            f"{activation.name if activation else '-':12}  {n_parameters:>13,}  "
            f"{n_parameters * dtype.itemsize / 1e3:>10,.1f}  {layer.flops(n_inputs):>14,}"
        )
        lines += _rows(layer.layers, n_inputs, dtype, f"{number}.")
        n_inputs = units
    return lines


def _row_of_tables(inputs: Inputs, dtype: np.dtype[Any]) -> list[str]:
    """Return the line of the summary for the tables, if there are any, in front of the first layer."""
    if not isinstance(inputs, Tabular):
        return []
    n_parameters = sum(math.prod(shape) for shape in inputs.shapes)
    return [
        f"{'-':>5}  {'Tabular':12}  {inputs.n_columns:>9,}  {inputs.n_features:>9,}  {'-':12}  {n_parameters:>13,}  "
        f"{n_parameters * dtype.itemsize / 1e3:>10,.1f}  {0:>14,}"
    ]


def _n_kept(stages: Sequence[Stage], n_inputs: int) -> int:
    """Return about how many numbers training keeps for a sample; a fork's output is what it was given."""
    n_kept, units = 2 * n_inputs, n_inputs
    for stage in stages:
        units = stage.get("units", units)
        n_kept += units if stage["kind"] == "fork" else 3 * units
    return n_kept


def _parse(
    config: Mapping[str, Any],
) -> tuple[tuple[Layer, ...], Inputs | None, np.dtype[Any], int, Preparing | None]:
    """Return layers, inputs, dtype, seed and preparation of what ``to_config`` wrote down, each checked."""
    layers = [layer_from_config(layer) for layer in config["layers"]]
    inputs = None if config["inputs"] is None else inputs_from_config(config["inputs"])
    preparing = None if config.get("preparing") is None else Preparing.from_config(config["preparing"])
    if preparing is not None and preparing.inputs is not None:
        if inputs != preparing.inputs.n_columns:
            raise ValueError(f"inputs is {inputs!r}, and the preparation of {preparing.inputs.n_columns} columns.")
        preparing.check_outputs(_outputs_of(layers, len(preparing.inputs.features)))
    return _check_layers(layers), inputs, _check_dtype(config["dtype"]), check_seed(config["seed"]), preparing


_NOT_BUILT = (
    "the model is not built yet: what it is fed with, and so its weights, depends on the data. Call Trainer.fit first, "
    "or model.build(X); or give fb.Model the number of inputs."
)


def _check_preparing(prepare: Any, prepare_targets: Any, inputs: Any) -> Preparing | None:
    """Return what is made of X and of the targets, None for nothing."""
    if prepare is None and prepare_targets is None:
        return None
    preparing = Preparing(prepare, prepare_targets)
    if prepare is not None and isinstance(inputs, Tabular):
        raise ValueError(
            f"prepare is {prepare!r} and inputs {inputs!r}; expected inputs=None, or a number of columns, with it: "
            "fb.Tabular takes numbers and codes as they are."
        )
    if inputs is not None:
        preparing.expect(n_columns(inputs))
    return preparing


def _fed_with(inputs: Inputs | None, preparing: Preparing | None) -> Inputs | None:
    """Return what the first layer is fed with; None where that is not known yet."""
    if preparing is not None and preparing.inputs is not None:
        return len(preparing.inputs.features)
    return inputs if preparing is None or preparing.keeps_width else None


def _outputs_of(layers: Sequence[Layer], n_inputs: int) -> int:
    """Return how many numbers layers put out; those that do not fit are refused."""
    return functools.reduce(lambda width, layer: layer.n_outputs(width), layers, n_inputs)


def _known_outputs_of(layers: Sequence[Layer]) -> int | None:
    """Return how many numbers layers put out, if that does not depend on how many they take."""
    width = None
    for layer in layers:
        if isinstance(layer, Dense) or width is not None:
            width = layer.n_outputs(width or 1)
    return width


def _check_layers(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    checked = check_layers(layers)
    if isinstance(checked[-1], Dropout):
        raise ValueError(
            f"layers ends with {checked[-1]!r}; expected an fb.Dense, whose outputs are the model's. Leave the dropout "
            "out, or add a layer."
        )
    if not any(isinstance(layer, Dense) for _, layer in innermost(checked)):
        raise ValueError(
            f"layers is {list(checked)!r}; expected one fb.Dense at least, whose weights are what a network learns."
        )
    return checked


def _check_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    with contextlib.suppress(TypeError):  # what NumPy knows no dtype for is refused like the wrong dtypes
        if dtype is not None and np.dtype(dtype) in (np.dtype(np.float32), np.dtype(np.float64)):
            return np.dtype(dtype)
    raise ValueError(sentence("dtype", dtype, "'float32' or 'float64'"))
