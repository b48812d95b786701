"""An explanation as a table for notebooks."""

from __future__ import annotations

from typing import Any

from fastbp.explanations.cells import text_of
from fastbp.explanations.shares import Shares, largest
from fastbp.support.checks import counted
from fastbp.support.html_table import card, table

__all__ = ["explanation_html"]

_MOST = 20


def explanation_html(explanation: Shares) -> str:
    """Return the columns that matter most, and their values: of one row, or their mean sizes."""
    facts = f"{explanation.output}, {counted(len(explanation), 'row')}, {counted(len(explanation.columns), 'column')}"
    title = f"{explanation.method} of {explanation.title}"
    if explanation.outputs is not None:
        sizes = explanation.importance
        order = largest(sizes.mean(axis=1), _MOST)
        headings = ["column", *(f"mean size, {name}" for name in explanation.outputs)]
        return card(title, facts, table(headings, len(order), lambda i: _sizes(explanation, sizes, order[i])))
    order = largest(explanation.importance, _MOST)
    if len(explanation) == 1:
        headings = ["column", "is", "value", *_more(explanation)]
        return card(title, facts, table(headings, len(order), lambda i: _of_row(explanation, order[i])))
    headings = ["column", "mean size", "mean"]
    return card(title, facts, table(headings, len(order), lambda i: _of_many(explanation, order[i])))


def _more(explanation: Shares) -> list[str]:
    names = {"standard error": explanation.standard_errors, "spread of the members": explanation.spread}
    return [name for name, found in names.items() if found is not None]


def _of_row(explanation: Shares, j: int) -> list[Any]:
    more = [part[0, j] for part in (explanation.standard_errors, explanation.spread) if part is not None]
    return [explanation.columns[j], text_of(explanation.data[0, j], 5), explanation.values[0, j], *more]


def _of_many(explanation: Shares, j: int) -> list[Any]:
    return [explanation.columns[j], explanation.importance[j], explanation.values[:, j].mean()]


def _sizes(explanation: Shares, sizes: Any, j: int) -> list[Any]:
    return [explanation.columns[j], *sizes[j]]
