"""The methods of ``fb.explain`` by their names."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

from numpy.typing import NDArray

from fastbp.explanations.by_answers import shapley
from fastbp.explanations.findings import Found
from fastbp.explanations.gradients import input_x_gradient, saliency, smoothgrad
from fastbp.explanations.multipliers import deepshap
from fastbp.explanations.networks import Network
from fastbp.explanations.options import Options
from fastbp.explanations.paths import expected_gradients, integrated_gradients
from fastbp.explanations.prepared import Features
from fastbp.explanations.questions import Question
from fastbp.explanations.relevance import relevance
from fastbp.explanations.subjects import Subject

__all__ = ["METHODS", "Method", "apply", "by_answers", "counts_from_something", "takes_one_baseline", "takes_losses"]

Array = NDArray[Any]

Method: TypeAlias = Literal[
    "shapley",
    "saliency",
    "input_x_gradient",
    "smoothgrad",
    "integrated_gradients",
    "expected_gradients",
    "deeplift",
    "deepshap",
    "lrp",
]

METHODS = get_args(Method)
_AT_THE_ROW = {"saliency": saliency, "input_x_gradient": input_x_gradient, "smoothgrad": smoothgrad, "lrp": relevance}
_FROM_ROWS = {"integrated_gradients": integrated_gradients, "expected_gradients": expected_gradients}


def by_answers(method: str) -> bool:
    """Return whether a method asks for answers only, and looks into no network."""
    return method == "shapley"


def counts_from_something(method: str) -> bool:
    """Return whether a method takes a baseline or a background."""
    return method not in _AT_THE_ROW


def takes_one_baseline(method: str) -> bool:
    """Return whether a method counts from one row only."""
    return method == "deeplift"


def takes_losses(method: str) -> bool:
    """Return whether a method explains the loss of a row."""
    return method not in ("deeplift", "deepshap", "lrp")


def apply(
    method: str,
    subject: Subject,
    question: Question,
    rows: Array,
    background: Array | None,
    columns: str,
    options: Options,
) -> tuple[Found, tuple[str, ...], Array]:
    """Return what a method finds for one model, and the names and the values of the columns that it is about.

    Parameters
    ----------
    background : ndarray of shape (n_background, n_columns) or None
        None for methods that count from nothing.
    """
    original = columns == "original"
    if by_answers(method):
        assert background is not None
        features = None if original else Features(subject, options.n_threads)
        found = shapley(subject, question, rows, background, features, options.n_permutations, options.seed)
        return found, *((subject.columns, rows) if features is None else (features.names, features.of(rows)))
    network = Network(subject, question.output, options.n_threads)
    if method in _AT_THE_ROW:
        found = _AT_THE_ROW[method](network, question, rows, original, options)
    else:
        assert background is not None
        if method in _FROM_ROWS:
            found = _FROM_ROWS[method](network, question, rows, background, original, options)
        else:
            found = deepshap(network, question, rows, background, original, options, method)
    return found, *((subject.columns, rows) if original else (network.names, network.inputs(rows)))
