"""The table that ``Model.summary`` prints."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastbp.layers.base import Layer, Stage
from fastbp.layers.composition import innermost
from fastbp.layers.dense import Dense
from fastbp.layers.stages import units_after
from fastbp.layers.tabular import Inputs, Tabular, n_columns, n_features
from fastbp.models.architecture import Architecture

__all__ = ["summarise"]


def summarise(architecture: Architecture) -> str:
    """Return the layers of a built model as a table: sizes, parameters, memory, floating-point operations."""
    layers, fed, dtype = architecture.layers, architecture.feeding, architecture.dtype
    lines = [
        f"{'layer':>5}  {'kind':12}  {'inputs':>9}  {'units':>9}  {'activation':12}  {'parameters':>13}  "
        f"{'kB':>10}  {'FLOPs a sample':>14}",
        *_row_of_tables(fed, dtype),
        *_rows(layers, n_features(fed), dtype),
    ]
    n_inputs, forward_flops = n_features(fed), 0
    for layer in layers:
        forward_flops += layer.flops(n_inputs)
        n_inputs = layer.n_outputs(n_inputs)
    n_parameters = sum(math.prod(array.shape) for array in architecture.arrays)
    first = next(layer for _, layer in innermost(layers) if isinstance(layer, Dense))
    n_numbers = fed.numeric if isinstance(fed, Tabular) else fed
    training = 3 * forward_flops
    if not layers[-1].closing:  # members' factors of the inputs need the gradient of the first product's inputs
        training -= first.flops(n_numbers)
    lines.append(f"{n_parameters:,} parameters in {dtype.name}, {n_parameters * dtype.itemsize / 1e6:.3g} MB")
    n_kept = _n_kept(architecture.stages, n_columns(fed))
    lines.append(f"training keeps about {n_kept * dtype.itemsize / 1e3:,.1f} kB for each sample of a batch")
    lines.append(f"{forward_flops:,} FLOPs to predict a sample, {training:,} to train on it")
    return "\n".join(lines)


def _rows(layers: Sequence[Layer], n_inputs: int, dtype: np.dtype[Any], outer: str = "") -> list[str]:
    """Return a line of the summary for each layer, inner layers after the layer that contains them."""
    lines = []
    for i, layer in enumerate(layers):
        number, units = f"{outer}{i}", layer.n_outputs(n_inputs)
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
    """Return the line of the summary for embedding tables, if there are any, before the first layer."""
    if not isinstance(inputs, Tabular):
        return []
    n_parameters = sum(math.prod(shape) for shape in inputs.shapes)
    return [
        f"{'-':>5}  {'Tabular':12}  {inputs.n_columns:>9,}  {inputs.n_features:>9,}  {'-':12}  {n_parameters:>13,}  "
        f"{n_parameters * dtype.itemsize / 1e3:>10,.1f}  {0:>14,}"
    ]


def _n_kept(stages: Sequence[Stage], n_inputs: int) -> int:
    """Return about how many numbers training stores for a sample; a fork's output is its input."""
    n_kept, units, members = 2 * n_inputs, n_inputs, 1
    for stage in stages:
        members = stage.get("members", members) if stage["kind"] != "mean" else 1
        units = units_after(stage, units)
        n_kept += members * (units if stage["kind"] == "fork" else 3 * units)
    return n_kept
