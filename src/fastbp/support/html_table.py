"""Small tables for notebooks: plain HTML without scripts or colours of its own, readable in light and in dark.

All text is escaped, and the size is bounded whatever is shown.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["MOST_ROWS", "card", "table"]

MOST_ROWS = 40
_MOST_COLUMNS = 12
_MOST_LETTERS = 120  # of a cell
_MOST_OF_SENTENCE = 400

_LINE = "1px solid rgba(128, 128, 128, 0.45)"


def card(title: str, facts: str, *parts: str) -> str:
    """Return a title, a line of facts, and below them tables or other cards."""
    said = f'<div style="opacity: 0.8">{_text(facts, _MOST_OF_SENTENCE)}</div>' if facts else ""
    return f'<div style="line-height: 1.4; margin: 4px 0"><b>{_text(title)}</b>{said}{"".join(parts)}</div>'


def table(headings: Sequence[str], n_rows: int, row: Callable[[int], Sequence[Any]], n_last: int = 0) -> str:
    """Return a table of at most 40 rows and 12 columns, with the numbers of the others; "" without rows.

    Parameters
    ----------
    headings : sequence of str
        Those of the columns; no line for them if all are empty.
    n_rows : int
    row : callable
        row(i) -> the cells of row i. Numbers are formatted and stand at the right; None and NaN are a dash.
    n_last : int, default 0
        How many of the rows that are shown are the last ones instead of the first, if there are more than 40.
    """
    if n_rows == 0:
        return ""
    if n_rows <= MOST_ROWS:
        first, last = range(n_rows), range(0)
    else:
        first, last = range(MOST_ROWS - n_last), range(n_rows - n_last, n_rows)
    lines = [_line([_cell(cell) for cell in _bounded(row(i))]) for i in first]
    if n_left := n_rows - len(first) - len(last):
        lines.append(f'<tr><td colspan="{len(_bounded(headings))}"{_style("left")}>... and {n_left:,} more</td></tr>')
    lines += [_line([_cell(cell) for cell in _bounded(row(i))]) for i in last]
    if any(headings):
        cells = zip(_bounded(headings), _bounded(row(0)), strict=True)
        lines.insert(0, _line([_heading(heading, _side(cell)) for heading, cell in cells]))
    return f'<table style="border-collapse: collapse; margin: 6px 0">{"".join(lines)}</table>'


def _bounded(cells: Sequence[Any]) -> Sequence[Any]:
    n_more = len(cells) - _MOST_COLUMNS
    if n_more <= 0:
        return cells
    return [*cells[:_MOST_COLUMNS], f"... and {n_more} more" if isinstance(cells[0], str) else "..."]


def _line(cells: Sequence[str]) -> str:
    return f"<tr>{''.join(cells)}</tr>"


def _cell(value: Any) -> str:
    return f"<td{_style(_side(value))}>{_text(_shown(value), _MOST_OF_SENTENCE)}</td>"


def _heading(name: str, side: str) -> str:
    return f"<th{_style(side, f'; border-bottom: {_LINE}')}>{_text(name)}</th>"


def _style(side: str, more: str = "") -> str:
    return f' style="text-align: {side}; vertical-align: top; padding: 2px 14px 2px 0{more}"'


def _side(value: Any) -> str:
    return "right" if value is None or isinstance(value, numbers.Number) else "left"


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return str(value)
    if isinstance(value, numbers.Integral):
        return f"{int(value):,}"
    return "–" if math.isnan(value) else f"{float(value):.5g}"


def _text(text: str, most: int = _MOST_LETTERS) -> str:
    import html  # for notebooks only

    return html.escape(text if len(text) <= most else f"{text[: most - 1]}…")
