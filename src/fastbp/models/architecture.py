"""A model's architecture: its layers, the engine's stages for them, and the batch sizes that they allow."""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastbp.data.arrays import refuse_first
from fastbp.engine.network import Network
from fastbp.layers.activation_layer import Activation
from fastbp.layers.base import Layer, Parameter
from fastbp.layers.batch_ensemble import BatchEnsemble, refuse_batch_ensemble
from fastbp.layers.composition import Residual, arrays_of, check_layers, innermost
from fastbp.layers.dense import Dense
from fastbp.layers.dropout import Dropout
from fastbp.layers.initializers import make_generator
from fastbp.layers.parameter_list import Weight, weights_of
from fastbp.layers.stages import n_arrays, output_activation, plan
from fastbp.layers.tabular import Inputs, Tabular, n_columns, n_features
from fastbp.losses.base import Loss
from fastbp.losses.custom import CustomLoss
from fastbp.schedules import Schedule
from fastbp.support.checks import counted, sentence

__all__ = ["NOT_BUILT", "Architecture", "DType", "check_dtype", "check_members_loss", "check_stack", "outputs_of"]

Array = NDArray[Any]
DType: TypeAlias = Literal["float32", "float64"] | DTypeLike

_MOST_WEIGHTS = 2**48  # with the optimizer's state they are 2**53 bytes
_LARGEST_WIDTH = 2**31 - 1

NOT_BUILT = (
    "the model is not built yet: its number of inputs, and so its weights, depend on the data. Call Trainer.fit first, "
    "or model.build(X), or give fb.Model the number of inputs."
)


class Architecture:
    """Layers, and everything that depends on them but not on the weights.

    Parameters
    ----------
    layers : tuple of Layer
        As ``check_stack`` returns them, or a single layer.
    dtype : numpy.dtype
        float32 or float64.
    tables : Tabular or None, default None
        The embedding tables before the first layer, if X has category codes.

    Attributes
    ----------
    fed : int, Tabular or None
        The inputs of the first layer; None until ``build``.
    stages : list of dict
        The engine's stages.
    known_outputs : int or None
        Number of outputs for a sample. None until ``build`` where it is the number of inputs: of one layer alone, which
        ``layer_statistics`` looks at; a model has a Dense.
    tables : Tabular or None
    layer_of_stage : list of int
        The index of each stage's layer; -1 for tables.
    output_activation : Activation
        The last layer's activation.
    """

    def __init__(self, layers: tuple[Layer, ...], dtype: np.dtype[Any], tables: Tabular | None = None) -> None:
        self.layers, self.dtype, self.tables = layers, dtype, tables
        self.fed: Inputs | None = None
        self.stages, self.layer_of_stage = plan(layers)
        if tables is not None:
            self.stages = [tables.stage(), *self.stages]
            self.layer_of_stage = [-1, *self.layer_of_stage]
        self.output_activation = output_activation(self.stages)
        self.known_outputs = _known_outputs_of(layers)
        self._with_batch_sizes = [layer for layer in layers if layer.batch_sizes != (1, math.inf)]

    # ------------------------------------------------------------------------------------------- sizes and arrays

    @property
    def n_outputs(self) -> int:
        """The number of outputs."""
        assert self.known_outputs is not None
        return self.known_outputs

    @property
    def feeding(self) -> Inputs:
        """The inputs of the first layer, once they are known."""
        if self.fed is None:
            raise ValueError(NOT_BUILT)
        return self.fed

    def is_like(self, other: Architecture) -> bool:
        """Whether another model's weights are as many, of the same kinds, shapes and dtype; both are built."""
        own, others = ([(each.name, each.shape) for each in architecture.arrays] for architecture in (self, other))
        return self.dtype == other.dtype and own == others

    @functools.cached_property
    def to_logits(self) -> Architecture:
        """The same layers without the softmax or sigmoid that they end with; its weights are the same."""
        return Architecture(tuple(_without_last_activation(self.layers)), self.dtype, self.tables)

    @property
    def arrays(self) -> list[Weight]:
        """The arrays of the model: names, shapes, and which are trained."""
        if self.fed is None:
            raise ValueError(NOT_BUILT)
        return self._arrays

    def build(self, fed: Inputs) -> Network:
        """Return the network of these layers for these inputs; its weights are 0."""
        if fed is self.fed:  # of a copy, quickly
            return Network(n_columns(fed), self.stages, self.dtype.name)
        known_outputs = outputs_of(self.layers, n_features(fed))
        _check_size(self.layers, fed)
        network = Network(n_columns(fed), self.stages, self.dtype.name)
        self._arrays = weights_of(self.layers, fed)
        self.fed, self.known_outputs = fed, known_outputs
        self._learns = any(array.trained for array in self._arrays)  # read at every step
        return network

    def draw(self, seed: int) -> list[Array]:
        """Return the initial weights for a seed, in the order of ``arrays``.

        Raises
        ------
        ValueError
            If one is not finite in the model's dtype: then a layer's settings are too large for it.
        """
        generators = (make_generator(seed, i) for i in itertools.count())
        n_inputs = n_features(self.feeding)
        weights: list[Array] = [] if self.tables is None else self.tables.draw(generators)
        for layer in self.layers:
            weights += layer.draw(n_inputs, generators)
            n_inputs = layer.n_outputs(n_inputs)
        for each, array in zip(self.arrays, weights, strict=True):
            with np.errstate(over="ignore", under="ignore"):
                finite = np.isfinite(array.astype(self.dtype))
            if not finite.all():
                refuse_first(~finite, array, f"the initial {each.name}", f"a number that is finite in {self.dtype}")
        return weights

    # --------------------------------------------------------------------------------------------------- training

    def check_training(self, n_samples: int, batch_size: int | None = None) -> None:
        """Refuse a model without trainable layers, and batch sizes that a layer does not allow."""
        if not self._learns:
            raise ValueError("no layer of the model is trainable; expected at least one. Make a layer trainable=True.")
        if self._with_batch_sizes:  # skipped for speed: step() is called in loops
            self.check_batch(min(n_samples, batch_size or n_samples), "the batch")
            self.check_batch(n_samples % batch_size if batch_size else 0, f"the last batch of {n_samples} samples")

    def check_batch(self, size: int, what: str) -> None:
        """Refuse a batch size that a layer does not allow; 0 means no batch."""
        for layer in self._with_batch_sizes if size else ():
            least, most = layer.batch_sizes
            if not least <= size <= most:
                raise ValueError(
                    f"{what} has {counted(size, 'sample')}; expected {least} to {most:,} for {layer!r}, whose "
                    "statistics are over the whole batch. Choose another batch_size."
                )

    @property
    def dropouts(self) -> list[tuple[str, Dropout, int]]:
        """The dropout layers: the place of each, the layer, and the index of its stage."""
        numbers = [i for i, stage in enumerate(self.stages) if stage["kind"] == "dropout"]
        layers = [(where, layer) for where, layer in innermost(self.layers) if isinstance(layer, Dropout)]
        return [(where, layer, number) for (where, layer), number in zip(layers, numbers, strict=True)]

    def first_dropout_rates(self) -> dict[int, NDArray[np.float64]]:
        """Return the scheduled rates of the first step, by stage index."""
        return {
            number: layer.check_rates(layer.rate.of_steps(0, 1, 0, None), where, 0)
            for where, layer, number in self.dropouts
            if isinstance(layer.rate, Schedule)
        }

    def arrays_of(self, i: int) -> list[Parameter]:
        """Return the arrays of layer i, or of the inputs with -1; the shapes are those for one input."""
        if i >= 0:
            return arrays_of(self.layers[i])
        shapes = self.tables.shapes if self.tables is not None else []
        return [Parameter(f"E{j}", shape) for j, shape in enumerate(shapes)]

    def arrays_by_stage(self) -> list[list[tuple[int, Parameter]]]:
        """Return the arrays of each stage, each with the index of its layer; -1 for tables."""
        left = {i: iter(self.arrays_of(i)) for i in set(self.layer_of_stage)}
        pairs = zip(self.stages, self.layer_of_stage, strict=True)
        return [[(i, next(left[i])) for _ in range(n_arrays(stage))] for stage, i in pairs]


def outputs_of(layers: Sequence[Layer], n_inputs: int) -> int:
    """Return the number of outputs of layers; layers that do not fit each other are refused."""
    return functools.reduce(lambda width, layer: layer.n_outputs(width), layers, n_inputs)


def _check_size(layers: Sequence[Layer], fed: Inputs) -> None:
    """Refuse sizes that no memory holds, before anything is computed from them in 64 bits."""
    if n_features(fed) > _LARGEST_WIDTH:
        raise ValueError(
            f"the tables have {n_features(fed):,} features together; expected {_LARGEST_WIDTH:,} at most. Choose "
            "smaller dims."
        )
    n_weights = sum(math.prod(weight.shape) for weight in weights_of(layers, fed))
    if n_weights > _MOST_WEIGHTS:
        raise ValueError(
            f"the model has {n_weights:,} weights; expected {_MOST_WEIGHTS:,} at most. Choose smaller layers."
        )


def _known_outputs_of(layers: Sequence[Layer]) -> int | None:
    """Return the number of outputs of layers, if it does not depend on the number of inputs."""
    width = None
    for layer in layers:
        if isinstance(layer, Residual) and width is None:
            width = _known_outputs_of(layer.layers)  # which has as many inputs
        elif isinstance(layer, Dense | BatchEnsemble) or width is not None:
            width = layer.n_outputs(width or 1)
    return width


def check_stack(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Return a model's layers, checked: at least one dense layer, and no dropout of the outputs."""
    checked = check_layers(layers)
    if isinstance(checked[-1], Dropout):
        raise ValueError(
            f"layers ends with {checked[-1]!r}; expected an fb.Dense, whose outputs are the model's. Remove the "
            "dropout, or add a layer."
        )
    if not any(isinstance(layer, Dense) for _, layer in innermost(checked)):
        raise ValueError(f"layers is {list(checked)!r}; expected at least one fb.Dense, whose weights are trained.")
    return checked


def check_members_loss(loss: Loss, layers: Sequence[Layer]) -> None:
    """Refuse a function as the loss of members: the engine calls it with the outputs of a whole model."""
    if isinstance(loss, CustomLoss):
        remedy = "Each member has a loss of its own: use one of fastbp's losses."
        refuse_batch_ensemble(layers, f"with the loss {loss!r}", remedy)


def check_dtype(dtype: DType) -> np.dtype[Any]:
    """Return float32 or float64."""
    with contextlib.suppress(Exception):  # values that are not dtypes, and may raise anything, are refused below
        if dtype is not None and np.dtype(dtype) in (np.dtype(np.float32), np.dtype(np.float64)):
            return np.dtype(dtype)
    raise ValueError(sentence("dtype", dtype, "'float32' or 'float64'"))


def _without_last_activation(layers: Sequence[Layer]) -> list[Layer]:
    """Return layers that end in a softmax or a sigmoid without it; the arrays are the same."""
    *before, last = layers
    if isinstance(last, Dense):
        return [*before, Dense(last.units, "linear", use_bias=last.use_bias)]
    assert isinstance(last, Activation)
    while isinstance(before[-1], Dropout):  # which does nothing in prediction, and cannot be last
        before.pop()
    return before
