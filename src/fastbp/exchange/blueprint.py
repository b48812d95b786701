"""A built model as plain parts: what every exporter reads, whatever it writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.data.classes import Classes
from fastbp.layers.base import Layer, Stage
from fastbp.preparation.learned import Learned

__all__ = ["Blueprint", "BuiltStage", "folded", "only_prediction"]

Array = NDArray[Any]


@dataclass(frozen=True)
class BuiltStage:
    """One stage of the engine and its arrays, in the order of ``get_weights``.

    The arrays of a kind: dense W (inputs, units) and b (units,) unless ``use_bias`` is False; prelu slopes (units,);
    parametric alphas (units,); scaling factors (units,); basis frequencies and phases (groups, size); grouped W
    (groups, inputs, size) and b (groups, size); layer_norm gain and shift; batch_norm gain, shift, mean and variance;
    tabular a table (cardinality + 1, dim) a category.
    """

    spec: Stage
    arrays: tuple[Array, ...]

    @property
    def kind(self) -> str:
        """The kind of the stage, as the engine names it."""
        return str(self.spec["kind"])

    @property
    def activation(self) -> str:
        """The activation that the stage applies to its outputs."""
        return str(self.spec.get("activation", "linear"))

    @property
    def parameter(self) -> float:
        """The parameter of the activation: a slope, or the limit of an elu."""
        return float(self.spec.get("parameter", 0.0))

    @property
    def weights(self) -> tuple[Array, Array]:
        """W (inputs, units) and b (units,) of a dense stage; zeros where it has no bias."""
        W = self.arrays[0]
        return W, self.arrays[1] if len(self.arrays) > 1 else np.zeros(W.shape[1], W.dtype)


@dataclass(frozen=True)
class Blueprint:
    """A built model.

    Attributes
    ----------
    dtype : numpy.dtype
        float32 or float64.
    layers : tuple of Layer
    stages : tuple of BuiltStage
    n_columns : int
        Of X.
    n_outputs : int
    output_activation : str
    learned, targets : Learned or None
        What the preparations of X and of the targets have learned.
    names : tuple of str or int, or None
        The names of the columns of X.
    classes : Classes or None
    """

    dtype: np.dtype[Any]
    layers: tuple[Layer, ...]
    stages: tuple[BuiltStage, ...]
    n_columns: int
    n_outputs: int
    output_activation: str
    learned: Learned | None = None
    targets: Learned | None = None
    names: tuple[str | int, ...] | None = None
    classes: Classes | None = None


def only_prediction(stages: Sequence[BuiltStage]) -> Iterator[BuiltStage]:
    """Yield the stages that do something in prediction: all but dropout."""
    return (stage for stage in stages if stage.kind != "dropout")


def folded(stages: Sequence[BuiltStage]) -> list[BuiltStage]:
    """Return the stages of prediction; a batch norm behind a dense stage, or a scaling before one, as a part of it.

    Only where no activation comes between the two.
    """
    result: list[BuiltStage] = []
    for stage in only_prediction(stages):
        before = result[-1] if result else None
        if (
            stage.kind == "batch_norm"
            and before is not None
            and (before.kind, before.activation) == ("dense", "linear")
        ):
            result[-1] = _fold(before, stage)
        elif stage.kind == "dense" and before is not None and (before.kind, before.activation) == ("scaling", "linear"):
            W, *b = stage.arrays
            scaled = W.astype(np.float64) * before.arrays[0].astype(np.float64)[:, np.newaxis]
            result[-1] = replace(stage, arrays=(scaled.astype(W.dtype), *b))
        else:
            result.append(stage)
    return result


def _fold(dense: BuiltStage, norm: BuiltStage) -> BuiltStage:
    """Return one dense stage that does what the two do, computed in float64."""
    W, b = (array.astype(np.float64) for array in dense.weights)
    gain, shift, mean, variance = (array.astype(np.float64) for array in norm.arrays)
    factor = gain / np.sqrt(variance + norm.spec["epsilon"])
    dtype = dense.arrays[0].dtype
    spec = dense.spec | {key: norm.spec[key] for key in ("activation", "parameter") if key in norm.spec}
    arrays = ((W * factor).astype(dtype), ((b - mean) * factor + shift).astype(dtype))
    return replace(dense, spec=spec | {"use_bias": True}, arrays=arrays)
