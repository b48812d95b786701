"""Pieces of HTML: everything that a user's data may have said is escaped here."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastbp.commands.words import plain

__all__ = ["cards", "code", "heading", "items", "paragraph", "side_by_side", "section", "table"]

_MOST_ITEMS = 12  # of a list that are seen at once


def section(title: str, *parts: str) -> str:
    """Return a part of the page under a title."""
    return f"<section><h2>{html.escape(title)}</h2>\n{''.join(parts)}</section>\n"


def heading(text: str) -> str:
    """Return the title of a part of a section."""
    return f"<h3>{html.escape(text)}</h3>\n"


def paragraph(text: str, quiet: bool = False) -> str:
    """Return a paragraph, pale for what is said on the side."""
    start = '<p class="quiet">' if quiet else "<p>"
    return f"{start}{html.escape(text)}</p>\n"


def items(sentences: Sequence[str]) -> str:
    """Return a list of sentences; of a long one the rest is seen on a click."""
    first, rest = sentences[:_MOST_ITEMS], sentences[_MOST_ITEMS:]
    more = f"<details><summary>{len(rest):,} more</summary>{_list(rest)}</details>" if rest else ""
    return _list(first) + more


def _list(sentences: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{html.escape(sentence)}</li>' for sentence in sentences)}</ul>\n"


def cards(figures: Iterable[tuple[str, str, str]]) -> str:
    """Return figures in large letters: the name of each, its value, and what stands under it."""
    each = (
        f'<div class="score">{html.escape(name)}<b>{html.escape(value)}</b><span>{html.escape(under)}</span></div>'
        for name, value, under in figures
    )
    return f'<div class="scores">{"".join(each)}</div>\n'


def table(head: Mapping[str, bool] | None, rows: Iterable[Sequence[Any]]) -> str:
    """Return a table that moves sideways where it is wider than the page.

    Parameters
    ----------
    head : dict of str to bool, or None
        The names of the columns, and whether each holds numbers; None for a table without a head, of two columns.
    rows : iterable of sequences
    """
    numeric = [False, False] if head is None else list(head.values())
    sides = [' class="n"' if each else "" for each in numeric]
    top = "" if head is None else f"<tr>{_cells('th', head, sides)}</tr>\n"
    body = "".join(f"<tr>{_cells('td', map(_cell_text, row), sides)}</tr>\n" for row in rows)
    return f'<div class="scroll"><table>{top}{body}</table></div>\n'


def _cells(tag: str, texts: Iterable[str], sides: Sequence[str]) -> str:
    return "".join(f"<{tag}{side}>{html.escape(text)}</{tag}>" for text, side in zip(texts, sides, strict=True))


def _cell_text(value: Any) -> str:
    """Return what stands in a cell; nothing for nothing."""
    return plain(value) if str(value) else ""


def code(text: str, folds: bool = False) -> str:
    """Return lines as they are, or folded where they are longer than the page is wide."""
    start = '<pre class="folds">' if folds else "<pre>"
    return f"{start}{html.escape(text)}</pre>\n"


def side_by_side(*parts: str) -> str:
    """Return pictures and tables beside each other where there is room, else under each other."""
    return f'<div class="beside">{"".join(f"<div>{part}</div>" for part in parts)}</div>\n'
