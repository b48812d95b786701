"""What ``fb.explain``, ``fb.counterfactual`` and ``fb.partial_dependence`` take of a model of ``fastbp train``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import fastbp as fb
from fastbp.data.classes import check_classes
from fastbp.tabular.fitted import FittedTable

__all__ = ["as_explained"]


def as_explained(model: fb.Model | FittedTable, labels: Sequence[str] | None, n_threads: int | None) -> Any:
    """Return a network as it is, and several as one function of the table's columns.

    Parameters
    ----------
    model : Model or FittedTable
    labels : sequence of str or None
        By which answers are named; None: by their numbers.
    n_threads : int or None
    """
    if isinstance(model, fb.Model):
        return model
    from fastbp.tabular.explained import TableSubject  # for explanations only

    return TableSubject(model, n_threads, None if labels is None else check_classes(list(labels), len(labels)))
