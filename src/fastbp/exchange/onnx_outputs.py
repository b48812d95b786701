"""What an ONNX model gives out: numbers in the targets' units or probabilities, and labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastbp.data.classes import Classes
from fastbp.exchange.onnx_graph import Graph
from fastbp.preparation.learned import Learned

__all__ = ["declare_outputs", "in_units", "spoiled"]

_THRESHOLDS = {"sigmoid": 0.5, "linear": 0.0, "tanh": 0.0}  # as in predict_classes
_OF_PROBABILITIES = ("softmax", "sigmoid")


def spoiled(graph: Graph, y: str, features: str) -> str:
    """Return y, (rows, n_outputs), with NaN in the rows whose features are not all finite.

    ``predict`` refuses such rows. A runtime cannot, and its relu may make a number of NaN.
    """
    difference = graph.add("Sub", features, features)  # 0, or NaN
    axis = graph.constant(np.array([1]))
    return graph.add("Add", y, graph.add("ReduceSum", difference, axis, keepdims=1))


def in_units(graph: Graph, y: str, targets: Learned, n_outputs: int, dtype: np.dtype[Any]) -> str:
    """Return outputs, (rows, n_outputs), in the targets' units: the preparation undone in float64."""
    y = graph.cast(y, np.float64)
    n_repeats = n_outputs // len(targets.features)
    for of_targets in reversed(list(zip(*(steps for _, steps in targets.features), strict=True))):
        a, b, c = (np.tile(row, n_repeats).reshape(1, -1) for row in np.array([each[1:] for each in of_targets]).T)
        y = graph.add("Sub", y, graph.constant(c)) if c.any() else y
        y = graph.add("Div", y, graph.constant(b))
        y = graph.add("Add", y, graph.constant(a)) if a.any() else y
    return graph.cast(y, dtype)


def declare_outputs(
    graph: Graph, y: str, n_outputs: int, activation: str, classes: Classes | None, dtype: np.dtype[Any]
) -> list[str]:
    """Declare the outputs of a model, and the labels where ``predict_classes`` gives some; return their names.

    Parameters
    ----------
    graph : Graph
    y : str
        Of shape (rows, n_outputs) and this dtype.
    n_outputs : int
    activation : str
        The last one's name.
    classes : Classes or None
    dtype : numpy.dtype
    """
    wish = "probabilities" if activation in _OF_PROBABILITIES else "predictions"
    names = [graph.declare_output(y, wish, dtype, ["rows", n_outputs])]
    if activation == "softmax":
        names.append(_declare_label(graph, graph.add("ArgMax", y, axis=1, keepdims=0), classes))
    elif activation == "sigmoid" or (activation in _THRESHOLDS and classes is not None):
        yes = graph.cast(graph.add("Greater", y, graph.constant(_THRESHOLDS[activation], dtype)), np.int64)
        if n_outputs > 1:
            names.append(graph.declare_output(yes, "label", np.int64, ["rows", n_outputs]))
        else:
            number = graph.add("Reshape", yes, graph.constant(np.array([-1])))
            names.append(_declare_label(graph, number, classes))
    return names


def _declare_label(graph: Graph, number: str, classes: Classes | None) -> str:
    """Declare the label of each row's class, of shape (rows,)."""
    if classes is None:
        return graph.declare_output(number, "label", np.int64, ["rows"])
    labels = np.asarray(classes.to_config())
    dtype = str if labels.dtype.kind == "U" else labels.dtype
    label = graph.add("Gather", graph.constant(labels), number, axis=0)
    return graph.declare_output(label, "label", dtype, ["rows"])
