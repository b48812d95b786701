"""A model as a small table for notebooks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from fastbp.layers.base import Layer
from fastbp.layers.tabular import Tabular, n_features
from fastbp.models.architecture import Architecture
from fastbp.models.feed import Feed
from fastbp.support.checks import counted
from fastbp.support.html_table import card, table

__all__ = ["model_html"]


def model_html(architecture: Architecture, feed: Feed, seed: int) -> str:
    """Return what a model is, and a table of its layers, counted from 0 as in ``model.layers``."""
    fed = architecture.fed
    rows = list(_rows(architecture.layers, None if fed is None else n_features(fed)))
    if isinstance(fed, Tabular):
        rows.insert(0, ["", repr(fed), fed.n_features, sum(math.prod(shape) for shape in fed.shapes)])
    preparation = feed.preparation
    prepared = [] if preparation is None else [("prepare", preparation.prepare)]
    prepared += [] if preparation is None else [("prepare_targets", preparation.prepare_targets)]
    shown = [
        (name, repr(list(value) if isinstance(value, tuple) else value))
        for name, value in prepared
        if value is not None
    ]
    return card(
        "Model",
        _facts(architecture, feed, seed),
        table(["", ""], len(shown), lambda i: shown[i]),
        table(["layer", "", "outputs", "parameters"], len(rows), lambda i: rows[i]),
    )


def _facts(architecture: Architecture, feed: Feed, seed: int) -> str:
    settings = f"{architecture.dtype.name}, seed {seed}"
    if architecture.fed is None:
        return f"not built yet: its inputs come from the data; {settings}"
    n_parameters = sum(math.prod(array.shape) for array in architecture.arrays)
    return (
        f"{counted(feed.n_inputs, 'input')}, {counted(architecture.n_outputs, 'output')}; "
        f"{counted(n_parameters, 'parameter')}, {n_parameters * architecture.dtype.itemsize / 1e6:.3g} MB; {settings}"
    )


def _rows(layers: Sequence[Layer], n_inputs: int | None, outer: str = "") -> Iterator[list[Any]]:
    """Yield the number, the layer, its outputs and its parameters; inner layers after the layer that contains them."""
    for i, layer in enumerate(layers):
        what = type(layer).__name__ if layer.layers else repr(layer)
        if n_inputs is None:
            yield [f"{outer}{i}", what, None, None]
        else:
            n_parameters = sum(math.prod(parameter.shape) for parameter in layer.parameters(n_inputs))
            yield [f"{outer}{i}", what, layer.n_outputs(n_inputs), n_parameters]
        yield from _rows(layer.layers, n_inputs, f"{outer}{i}.")
        n_inputs = None if n_inputs is None else layer.n_outputs(n_inputs)
