"""Derivatives of a model's outputs with respect to its inputs, in the units of the outputs and of the columns of X."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.data.arrays import NoRowsError, as_array, as_rows, find_nonfinite, refuse_nonfinite
from fastbp.engine.array_reader import ArrayReader
from fastbp.engine.derivatives import Derivatives
from fastbp.engine.errors import NonFinite
from fastbp.layers.batch_ensemble import refuse_batch_ensemble
from fastbp.layers.stages import plan
from fastbp.layers.tabular import Tabular
from fastbp.losses.custom import CustomLoss, as_loss
from fastbp.models.nonfinite import DivergenceError, explain_nonfinite
from fastbp.preparation.slopes import Slopes, slopes_of
from fastbp.support.checks import check_int, check_list, check_word, sentence
from fastbp.support.threads import choose_threads
from fastbp.support.underflow import underflows_to_zero

if TYPE_CHECKING:
    from fastbp.engine.network import Network
    from fastbp.losses.custom import LossLike
    from fastbp.models.architecture import Architecture
    from fastbp.models.feed import Feed

__all__ = ["InputDerivatives", "activations"]

Array = NDArray[Any]

_FUSED = ("softmax", "sigmoid")  # what output="logit" leaves out


class InputDerivatives:
    """What the methods of a model compute for one call: which outputs by which inputs.

    Parameters
    ----------
    native : Derivatives
        The engine's, of the model's network.
    architecture, feed
        The model's.
    output, space, n_threads
        As the methods of a model take them.
    """

    def __init__(
        self,
        native: Derivatives,
        architecture: Architecture,
        feed: Feed,
        output: str = "prediction",
        space: str = "original",
        n_threads: int | None = None,
    ) -> None:
        self._native, self._architecture, self._feed = native, architecture, feed
        self._dtype = architecture.dtype
        self._original = check_word(space, "space", ("original", "prepared")) == "original"
        self._logit = check_word(output, "output", ("prediction", "logit")) == "logit"
        self._n_threads = choose_threads(n_threads)
        plain = self._logit and architecture.output_activation.name in _FUSED
        preparation = None if plain else feed.preparation
        self._units = None if preparation is None else preparation.units_of_outputs(native.n_outputs)

    @property
    def _n_inputs(self) -> int:
        """The number of inputs by which is differentiated."""
        return self._feed.n_inputs if self._original else self._native.n_features

    # ------------------------------------------------------------------------------------------- what is computed

    def vjp(self, X: Any, V: ArrayLike) -> tuple[Array, Array]:
        """Return the outputs, and the gradient by the inputs for the gradient V of the outputs."""
        if self._feed.is_plain and type(X) is type(V) is np.ndarray:  # quickly: NumPy computes nothing
            return self._vjp(X, V)
        return underflows_to_zero(self._vjp)(X, V)

    def _vjp(self, X: Any, V: ArrayLike) -> tuple[Array, Array]:
        array, slopes = self._read(X)
        of_outputs = self._given(V, "V", self._native.n_outputs, len(array))
        if self._units is not None:
            of_outputs = of_outputs * self._units
        outputs, gradient = self._empty(array, self._native.n_outputs), self._empty(array, self._native.n_features)
        self._call(self._native.vjp, array, of_outputs, "V", outputs, gradient)
        return self._restored(outputs), self._by_columns(gradient, slopes)

    @underflows_to_zero
    def jvp(self, X: Any, U: ArrayLike) -> tuple[Array, Array]:
        """Return the outputs, and their derivative along the direction U of the inputs."""
        array, slopes = self._read(X)
        direction = self._given(U, "U", self._n_inputs, len(array))
        if slopes is not None:
            direction = slopes.to_features(direction)
        outputs, tangent = self._empty(array, self._native.n_outputs), self._empty(array, self._native.n_outputs)
        self._call(self._native.jvp, array, direction, "U", outputs, tangent)
        if self._units is not None:
            tangent *= self._units
        return self._restored(outputs), tangent

    @underflows_to_zero
    def jacobian(self, X: Any) -> Array:
        """Return each sample's Jacobian, (n, n_outputs, n_inputs), by whichever side is shorter."""
        array, slopes = self._read(X)
        n_outputs, n_features = self._native.n_outputs, self._native.n_features
        by_outputs = n_outputs <= n_features
        shape = (n_outputs, n_features) if by_outputs else (n_features, n_outputs)
        jacobian = np.empty((len(array), *shape), self._dtype)
        if len(array):
            try:
                self._native.jacobian(as_rows(array), jacobian, self._n_threads, self._logit, by_outputs)
            except NonFinite as error:
                self._feed.refuse_inputs(array, "X", error.row)
        if not by_outputs:
            jacobian = np.ascontiguousarray(jacobian.transpose(0, 2, 1))
        if self._units is not None:
            jacobian *= self._units[:, np.newaxis]
        return self._by_columns(jacobian, slopes)

    @underflows_to_zero
    def hvp(self, X: Any, U: ArrayLike, V: ArrayLike) -> Array:
        """Return the Hessian of sum(V * outputs) by the inputs, times U."""
        array, slopes = self._read(X)
        direction = self._given(U, "U", self._n_inputs, len(array))
        of_outputs = self._given(V, "V", self._native.n_outputs, len(array))
        of_features = direction if slopes is None else slopes.to_features(direction)
        if self._units is not None:
            of_outputs = of_outputs * self._units
        product, gradient = self._empty(array, self._native.n_features), self._empty(array, self._native.n_features)
        if len(array):
            readers = as_rows(array), ArrayReader(of_outputs), ArrayReader(of_features)
            try:
                self._native.hessian_product(
                    *readers, product, None if slopes is None else gradient, self._n_threads, self._logit
                )
            except NonFinite as error:
                if error.where == "inputs":
                    self._feed.refuse_inputs(array, "X", error.row)
                if find_nonfinite(of_outputs, self._dtype) is not None:
                    refuse_nonfinite(of_outputs, self._dtype, "V")
                refuse_nonfinite(of_features, self._dtype, "U")
        if slopes is None:
            return product
        bent = slopes.to_columns(gradient * direction[:, slopes.columns], slopes.second)
        return (slopes.to_columns(product) + bent).astype(self._dtype)

    @underflows_to_zero
    def laplacian(self, X: Any, columns: Sequence[int | str] | None) -> Array:
        """Return the sum of each output's second derivatives by the inputs, or by some of them."""
        array, slopes = self._read(X)
        chosen = self._chosen(columns)
        laplacian = self._empty(array, self._native.n_outputs)
        members = [[j] for j in chosen]
        readers: tuple[ArrayReader | None, ArrayReader | None] = (None, None)
        if slopes is not None:
            members = [[i for i, column in enumerate(slopes.columns) if column == j] for j in chosen]
            among = np.isin(slopes.columns, chosen)
            shape = (len(array), self._native.n_features)
            first, second = (
                np.broadcast_to(each, shape) for each in (slopes.first, np.where(among, slopes.second, 0.0))
            )
            readers = ArrayReader(first), ArrayReader(second)
        if len(array):
            try:
                self._native.laplacian(as_rows(array), members, *readers, laplacian, self._n_threads, self._logit)
            except NonFinite as error:
                self._feed.refuse_inputs(array, "X", error.row)
        if self._units is not None:
            laplacian *= self._units
        return laplacian

    def _chosen(self, columns: Sequence[int | str] | None) -> list[int]:
        """Return the places of the inputs that are named by their places or their names."""
        n_inputs = self._n_inputs
        if columns is None:
            return list(range(n_inputs))
        chosen = check_list(columns, "columns", "a list of places or names of columns, or None for all")
        names = (self._feed.column_names if self._original else None) or ()
        places = [
            names.index(column)
            if isinstance(column, str) and column in names
            else check_int(column, f"columns[{i}]", minimum=0, maximum=n_inputs - 1)
            for i, column in enumerate(chosen)
        ]
        if len(set(places)) < len(places):
            raise ValueError(sentence("columns", chosen, "each column once"))
        return places

    @underflows_to_zero
    def loss_gradients(self, X: Any, y: ArrayLike, loss: LossLike) -> Array:
        """Return the gradient of each sample's own loss by its inputs."""
        function, n_outputs = as_loss(loss), self._native.n_outputs
        function.check_output(self._architecture.output_activation, n_outputs)
        self._feed.check_loss(function, n_outputs)
        data = self._feed.samples(X, y, function, n_outputs)
        slopes = self._slopes(data.X)
        gradient = self._empty(data.X, self._native.n_features)
        try:
            if isinstance(function, CustomLoss):
                self._gradient_of_function(function, data.X, data.y, gradient)
            else:
                self._native.loss_gradients(data.for_engine(), function.objective, gradient, self._n_threads)
        except NonFinite as error:
            explain_nonfinite(error, self._architecture, self._feed, data, "in input_gradients")
        return self._by_columns(gradient, slopes)

    def _gradient_of_function(self, function: CustomLoss, X: Array, y: Array, gradient: Array) -> None:
        """Write the gradient of a loss that is a Python function."""
        outputs = self._empty(X, self._native.n_outputs)
        self._native.outputs(as_rows(X), outputs, self._n_threads)
        if not np.isfinite(outputs).all():
            raise DivergenceError("in input_gradients, the model's outputs are not all finite.")
        _, of_outputs = function.judge(outputs, y.copy())
        try:
            self._native.vjp(as_rows(X), ArrayReader(of_outputs), None, gradient, self._n_threads)
        except NonFinite as error:  # not the targets: those are the function's own business
            raise NonFinite("gradient" if error.where == "targets" else error.where, row=error.row) from None

    # -------------------------------------------------------------------------------------------- reading, writing

    def _read(self, X: Any) -> tuple[Array, Slopes | None]:
        """Return samples as the engine reads them, also none, and the slopes of their preparation, if there is one."""
        try:
            array = self._feed.read(X, "X")
        except NoRowsError:
            array = np.empty((0, self._feed.n_inputs), self._dtype)
        return array, self._slopes(array)

    def _slopes(self, array: Array) -> Slopes | None:
        if not self._original:
            return None
        if isinstance(self._feed.inputs, Tabular):
            raise ValueError(
                f"the model's inputs are {self._feed.inputs!r}, with columns of codes, by which nothing can be "
                "differentiated; expected numbers in all columns. Pass space='prepared' for derivatives by the numbers "
                "that the first layer reads: the numeric columns, then the embedded vectors."
            )
        preparation = self._feed.preparation
        return None if preparation is None or preparation.inputs is None else slopes_of(preparation.inputs, array, "X")

    def _given(self, values: ArrayLike, argument: str, n_columns: int, n_rows: int) -> Array:
        """Return V or U, checked to have a row for each sample of X."""
        array = as_array(values, argument)
        if array.shape != (n_rows, n_columns):
            a_number = "input" if self._original else "number that the first layer reads"
            a_number = "output" if argument == "V" else a_number
            raise ValueError(
                f"{argument} has shape {array.shape}; expected ({n_rows}, {n_columns}): a row for each sample of X, a "
                f"column for each {a_number}."
            )
        return array

    def _empty(self, array: Array, n_columns: int) -> Array:
        return np.empty((len(array), n_columns), self._dtype)

    def _call(
        self, compute: Any, array: Array, given: Array, argument: str, outputs: Array, derivatives: Array
    ) -> None:
        """Call the engine, unless there are no samples."""
        if not len(array):
            return
        try:
            compute(as_rows(array), ArrayReader(given), outputs, derivatives, self._n_threads, self._logit)
        except NonFinite as error:
            if error.where == "inputs":
                self._feed.refuse_inputs(array, "X", error.row)
            refuse_nonfinite(given, self._dtype, argument, error.row)

    def _restored(self, outputs: Array) -> Array:
        """Return outputs in the targets' units; in place."""
        if self._units is not None and self._feed.preparation is not None:
            self._feed.preparation.restore(outputs)
        return outputs

    def _by_columns(self, gradient: Array, slopes: Slopes | None) -> Array:
        """Return gradients by the features as gradients by the columns, of the model's dtype."""
        return gradient if slopes is None else slopes.to_columns(gradient).astype(self._dtype)


def activations(
    network: Network, architecture: Architecture, feed: Feed, X: Any, layer: int, output: str, n_threads: int | None
) -> Array:
    """Return the outputs of a layer, by its place among the model's layers."""
    n_layers = len(architecture.layers)
    if check_int(layer, "layer", minimum=-n_layers, maximum=n_layers - 1) < 0:
        layer += n_layers
    logit = check_word(output, "output", ("prediction", "logit")) == "logit"
    native = _up_to(network, architecture, feed, layer)
    try:
        array = feed.read(X, "X")
    except NoRowsError:
        return np.empty((0, native.n_outputs), architecture.dtype)
    outputs = np.empty((len(array), native.n_outputs), architecture.dtype)
    try:
        native.outputs(as_rows(array), outputs, choose_threads(n_threads), logit)
    except NonFinite as error:
        feed.refuse_inputs(array, "X", error.row)
    return outputs


def _up_to(network: Network, architecture: Architecture, feed: Feed, layer: int) -> Derivatives:
    """Return the engine's derivatives of a layer's outputs."""
    refuse_batch_ensemble(architecture.layers[: layer + 1], "among the layers of activations", "Use predict.")
    stages, _ = plan(architecture.layers[: layer + 1])
    while stages and stages[-1]["kind"] == "dropout":
        stages.pop()
    # An activation after the layer may be part of the network's stage, but not of the layer.
    activation = (stages[-1].get("activation", "linear"), stages[-1].get("parameter", 0.0)) if stages else None
    return Derivatives(network, len(stages) + isinstance(feed.inputs, Tabular), activation)
