"""A model: layers, their weights, and what can be asked of them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastbp._engine import gradients
from fastbp._network import Network, NonFinite
from fastbp._rows import Rows
from fastbp.checks import check_int, check_seed, sentence
from fastbp.custom_loss import as_loss
from fastbp.data import as_matrix, refuse_nonfinite
from fastbp.initializers import make_generator
from fastbp.layers import LAYERS, Dense, Dropout, Layer
from fastbp.nonfinite import explain_nonfinite
from fastbp.samples import Samples
from fastbp.schedules import FunctionSchedule, Schedule
from fastbp.threads import choose_threads
from fastbp.weights import check_weights, weight_names

if TYPE_CHECKING:
    from fastbp.class_weights import ClassWeight
    from fastbp.custom_loss import LossFunction
    from fastbp.inspection import ModelStatistics
    from fastbp.losses import Loss

__all__ = ["Model"]

Array = NDArray[Any]


class Model:
    """A stack of layers, each fed with the outputs of the one before.

    Parameters
    ----------
    layers : sequence of Dense and Dropout
        From the first hidden layer to the output layer, whose activation says what the model outputs: "softmax" a
        probability for each class, "sigmoid" a probability for each output, "linear" any numbers.
    inputs : int
        How many numbers a sample has: the columns of X.
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

    def __init__(self, layers: Sequence[Layer], *, inputs: int, dtype: DTypeLike = "float32", seed: int = 0) -> None:
        self._build(_check_layers(layers), check_int(inputs, "inputs"), _check_dtype(dtype), check_seed(seed))
        n_inputs = self._n_inputs
        weights: list[Array] = []
        for i, layer in enumerate(self._dense):
            weights.append(layer.initializer.draw(make_generator(self._seed, i), n_inputs, layer.units))
            weights.append(np.zeros(layer.units))
            n_inputs = layer.units
        self._set_weights(weights)

    def _build(self, layers: tuple[Layer, ...], n_inputs: int, dtype: np.dtype[Any], seed: int) -> None:
        self._layers, self._n_inputs, self._dtype, self._seed = layers, n_inputs, dtype, seed
        self._dense = [layer for layer in layers if isinstance(layer, Dense)]
        self._n_outputs = self._dense[-1].units
        self._network = Network(n_inputs, [_specify(layer) for layer in layers], dtype.name)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, first to last."""
        return self._layers

    @property
    def n_inputs(self) -> int:
        """The number of columns of X."""
        return self._n_inputs

    @property
    def n_outputs(self) -> int:
        """The number of columns of what ``predict`` returns."""
        return self._n_outputs

    @property
    def n_parameters(self) -> int:
        """The number of weights and biases."""
        return self._network.n_parameters

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
        return f"Model([{layers}], inputs={self._n_inputs}, dtype={self._dtype.name!r}, seed={self._seed})"

    # ------------------------------------------------------------------------------------------------ using it

    def predict(self, X: ArrayLike, n_threads: int | None = None) -> Array:
        """Return what the last layer outputs.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
            Any real numbers or booleans. A NumPy array is read in place, whatever its dtype and strides.
        n_threads : int or None, default None
            None takes OMP_NUM_THREADS or all CPUs. The result does not depend on it.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs), of the model's dtype

        Raises
        ------
        TypeError
            If X does not hold real numbers.
        ValueError
            If X has the wrong shape, no rows, or a NaN or infinity.
        """
        array = as_matrix(X, self._n_inputs, "X")
        out = np.empty((len(array), self._n_outputs), self._dtype)
        try:
            self._network.forward(Rows(array), out, choose_threads(n_threads))
        except NonFinite as error:
            refuse_nonfinite(array, self._dtype, "X", error.row)
        return out

    def loss_and_gradients(
        self,
        X: ArrayLike,
        y: ArrayLike,
        loss: str | Loss | LossFunction,
        n_threads: int | None = None,
        sample_weight: ArrayLike | None = None,
        class_weight: ClassWeight | None = None,
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

        Returns
        -------
        loss : float
        gradients : list of ndarray
            [dW0, db0, dW1, db1, ...] in the shapes of ``get_weights``.

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit the model, or X or y has a NaN or infinity.
        FloatingPointError
            If a layer's outputs or the loss are not finite.
        """
        function = as_loss(loss)
        function.check_output(self._dense[-1].activation, self._n_outputs)
        data = Samples(
            X,
            y,
            self._n_inputs,
            self._n_outputs,
            function,
            sample_weight=sample_weight,
            class_weight=class_weight,
        )
        try:
            value, pairs = gradients(
                self._network, data.rows, data.targets, function.objective, choose_threads(n_threads), data.weights
            )
        except NonFinite as error:
            explain_nonfinite(error, self, data, "in loss_and_gradients")
        return float(value), [array for pair in pairs for array in pair]

    # ------------------------------------------------------------------------------------------------- weights

    def get_weights(self) -> list[Array]:
        """Return copies of all parameters: [W0, b0, W1, b1, ...], W of shape (inputs, units), b of shape (units,)."""
        return [array for i in self._network.dense_layers for array in self._network.get_layer(i)]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Set all parameters, in the order and the shapes of ``get_weights``; they are copied.

        Raises
        ------
        TypeError, ValueError
            If there are not as many, or one has the wrong shape or a number that is not finite. Nothing is set then.
        """
        self._set_weights(check_weights(weights, self._layers, self._n_inputs, self._dtype))

    def _set_weights(self, weights: Sequence[Array]) -> None:
        for j, i in enumerate(self._network.dense_layers):
            self._network.set_layer(i, weights[2 * j], weights[2 * j + 1])

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
        from fastbp.inspection import inspect_model

        return inspect_model(self, X, y, loss)

    def _summarise(self) -> str:
        lines = [
            f"{'layer':>5}  {'kind':7}  {'inputs':>9}  {'units':>9}  {'activation':12}  {'parameters':>13}  "
            f"{'kB':>10}  {'FLOPs a sample':>14}"
        ]
        n_inputs, forward_flops, n_kept = self._n_inputs, 0, 2 * self._n_inputs
        for i, layer in enumerate(self._layers):
            dense = isinstance(layer, Dense)
            units = layer.units if isinstance(layer, Dense) else n_inputs
            activation = layer.activation.name if isinstance(layer, Dense) else "-"
            n_parameters, flops = ((n_inputs + 1) * units, 2 * n_inputs * units) if dense else (0, 0)
            lines.append(
                f"{i + 1:>5}  {type(layer).__name__:7}  {n_inputs:>9,}  {units:>9,}  {activation:12}  "
                f"{n_parameters:>13,}  {n_parameters * self._dtype.itemsize / 1e3:>10,.1f}  {flops:>14,}"
            )
            n_inputs = units
            forward_flops += flops
            n_kept += 3 * units
        size = self.n_parameters * self._dtype.itemsize / 1e6
        training = 3 * forward_flops - 2 * self._n_inputs * self._dense[0].units
        lines.append(f"{self.n_parameters:,} parameters in {self._dtype.name}, {size:.3g} MB")
        lines.append(f"training keeps about {n_kept * self._dtype.itemsize / 1e3:,.1f} kB for each sample of a batch")
        lines.append(f"{forward_flops:,} FLOPs to predict a sample, {training:,} to train on it")
        return "\n".join(lines)

    # ------------------------------------------------------------------------------------- keeping and restoring

    def to_config(self) -> dict[str, Any]:
        """Return all but the weights as plain data: what a saved file describes the model with."""
        return {
            "inputs": self._n_inputs,
            "dtype": self._dtype.name,
            "seed": self._seed,
            "layers": [layer.to_config() for layer in self._layers],
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any], weights: Sequence[ArrayLike]) -> Model:
        """Return the model that ``to_config`` describes, with these weights.

        Raises
        ------
        KeyError, TypeError, ValueError
            If the description is not one, or the weights do not fit it.
        """
        layers, n_inputs, dtype, seed = _parse(config)
        checked = check_weights(weights, layers, n_inputs, dtype)  # first: the sizes may be made up
        model = cls.__new__(cls)
        model._build(layers, n_inputs, dtype, seed)
        model._set_weights(checked)
        return model

    def __getstate__(self) -> dict[str, Any]:
        return {"config": self.to_config(), "weights": self.get_weights()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._build(*_parse(state["config"]))
        self._set_weights(state["weights"])

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
        from fastbp.files import write_model

        for i, layer in enumerate(self._layers):
            if isinstance(layer, Dropout) and isinstance(layer.rate, FunctionSchedule):
                raise ValueError(
                    f"layers[{i}] is {layer!r}, and a file cannot hold a function; expected a rate or another "
                    "schedule, such as fb.PolynomialDecay. pickle can, if the function is one of a module."
                )
        weights = self.get_weights()
        for name, weight in zip(weight_names(self._layers), weights, strict=True):
            if not np.isfinite(weight).all():
                raise ValueError(
                    f"{name} has numbers that are not finite; expected a model that "
                    "works. Train it again from the start, with a smaller learning rate."
                )
        write_model(path, self.to_config(), weights)

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
        from fastbp.files import BrokenFileError, read_model

        config, weights = read_model(path)
        try:
            return cls.from_config(config, weights)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BrokenFileError(path, f"the description in it does not fit: {error}") from error


def _specify(layer: Layer) -> tuple[int, str, float] | tuple[str, float]:
    """Return a layer as the engine wants it."""
    if isinstance(layer, Dropout):
        return "dropout", 0.0 if isinstance(layer.rate, Schedule) else layer.rate  # a schedule is the trainer's
    return layer.units, layer.activation.name, layer.activation.parameter


def _parse(config: Mapping[str, Any]) -> tuple[tuple[Layer, ...], int, np.dtype[Any], int]:
    """Return layers, number of inputs, dtype and seed of what ``to_config`` wrote down, each checked."""
    layers = [LAYERS[layer["type"]].from_config(layer) for layer in config["layers"]]
    return (
        _check_layers(layers),
        check_int(config["inputs"], "inputs"),
        _check_dtype(config["dtype"]),
        check_seed(config["seed"]),
    )


def _check_layers(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    example = "[fb.Dense(64, 'relu'), fb.Dense(10, 'softmax')]"
    if isinstance(layers, Layer):
        raise TypeError(f"layers is {layers!r}; expected a list. Put it in brackets: [{layers!r}].")
    if not isinstance(layers, Sequence) or isinstance(layers, str):
        raise TypeError(sentence("layers", layers, f"a list such as {example}"))
    if not layers:
        raise ValueError(f"layers is empty; expected one layer or more, such as {example}.")
    for i, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            remedy = f"Give fb.Dense({layer}, 'relu')." if isinstance(layer, int) else ""
            raise TypeError(sentence(f"layers[{i}]", layer, "an fb.Dense or fb.Dropout", remedy))
        if isinstance(layer, Dropout) and i > 0 and isinstance(layers[i - 1], Dropout):
            raise ValueError(f"layers[{i}] is {layer!r} and follows {layers[i - 1]!r}; expected one of the two.")
    if not isinstance(layers[-1], Dense):
        raise ValueError(
            f"layers ends with {layers[-1]!r}; expected an fb.Dense, whose outputs are the model's. Leave the dropout "
            "out, or add a layer."
        )
    return tuple(layers)


def _check_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    with contextlib.suppress(TypeError):  # what NumPy knows no dtype for is refused like the wrong dtypes
        if dtype is not None and np.dtype(dtype) in (np.dtype(np.float32), np.dtype(np.float64)):
            return np.dtype(dtype)
    raise ValueError(sentence("dtype", dtype, "'float32' or 'float64'"))
