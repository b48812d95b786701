"""Numbers and users' names as short text, for pictures, tables and sentences."""

from __future__ import annotations

import itertools
import math
import unicodedata
from collections.abc import Sequence
from typing import Any

__all__ = ["figure", "listed", "percent", "plain", "shortened", "shares"]


def figure(value: float) -> str:
    """Return a number as text: four digits, thousands apart; a dash where there is none.

    Examples
    --------
    >>> [figure(value) for value in (0.123456, -0.0, 12345.6, float("nan"))]
    ['0.1235', '0', '12,346', '–']
    """
    if math.isnan(value):
        return "–"
    if value == 0:
        return "0"
    return f"{value:,.0f}" if 9999.5 <= abs(value) < 1e15 else f"{value:.4g}"


def percent(share: float) -> str:
    """Return a share as text; a digit more below one in a hundred, and never 0 for what is not.

    Examples
    --------
    >>> [percent(share) for share in (0.5, 0.0512, 0.001, 0.00001, 0.9996, 1)]
    ['50 %', '5 %', '0.1 %', '< 0.1 %', '> 99.9 %', '100 %']
    """
    if 0 < share < 0.001:
        return "< 0.1 %"
    if 0.999 < share < 1:
        return "> 99.9 %"
    close = share and (share < 0.01 or 0.99 < share < 1)
    return f"{100 * share:.1f} %" if close else f"{100 * share:.0f} %"


def shares(values: Sequence[float]) -> str:
    """Return the range of some shares: "5 %", or "0.1 % to 23 %"."""
    low, high = percent(min(values)), percent(max(values))
    return low if low == high else f"{low} to {high}"


def plain(name: Any) -> str:
    """Return a name of the user on one line, without characters that cannot be seen."""
    text = " ".join(str(name).split())
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text) or "(empty)"


def shortened(name: Any, width: int = 14) -> str:
    """Return a plain name of at most this width; a letter of Chinese, Japanese or Korean is as wide as two others.

    Examples
    --------
    >>> shortened("a very long name"), shortened("名" * 20, 10)
    ('a very long n…', '名名名名…')
    """
    text = plain(name)
    if sum(map(_width, text)) <= width:
        return text
    ends = itertools.accumulate(map(_width, text))
    return f"{text[: sum(end < width for end in ends)]}…"


def _width(letter: str) -> int:
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def listed(names: Sequence[Any], most: int = 3) -> str:
    """Return the first of some names, shortened: "a, b, c, ..."."""
    return ", ".join([*(shortened(name, 40) for name in names[:most]), *(["..."] if len(names) > most else [])])
