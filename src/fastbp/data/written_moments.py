"""Moments that are written as text, all in one way: "2023-01-05", "05.01.2023 17:30", "Jan 5, 2023", "17:30"."""

from __future__ import annotations

import datetime
import functools
import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastbp.data.written_numbers import is_gap, odd_words

__all__ = ["MomentWriting", "are_ambiguous", "find_moment_writing", "is_like_moment"]

_CLOCK = r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
_TIME = rf"(?:[T ,]+{_CLOCK}\s*(?P<half>[AaPp]\.?[Mm]\.?)?\s*(?P<zone>Z|UTC|GMT|[+-]\d{{2}}:?\d{{2}})?)?"
_MONTH = r"(?P<name>[A-Za-z]{3,9})\.?"
_YEAR = r"(?P<year>\d{4}|\d{2})"


_YEAR_FIRST = rf"(?P<year>\d{{4}})(?P<mark>[-/.])(?P<month>\d{{1,2}})(?:(?P=mark)(?P<day>\d{{1,2}}))?{_TIME}"
_DAY_FIRST = rf"(?P<day>\d{{1,2}})(?P<mark>[-/.])(?P<month>\d{{1,2}})(?P=mark){_YEAR}{_TIME}"
_MONTH_FIRST = rf"(?P<month>\d{{1,2}})(?P<mark>[-/])(?P<day>\d{{1,2}})(?P=mark){_YEAR}{_TIME}"
_DAY_NAME = rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th)?[-. ]+{_MONTH}[-., ]+{_YEAR}{_TIME}"
_NAME_DAY = rf"{_MONTH}\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year>\d{{4}}){_TIME}"
_CLOCK_ALONE = rf"{_CLOCK.replace('1,2', '1,4', 1)}\s*(?P<half>[AaPp]\.?[Mm]\.?)?"

_CLOCK_ORDER = "time of the day"  # or a duration: 30:15:00 are thirty hours and a quarter
# In the order in which they are tried; the first three cannot be taken for each other or for another.
_SHAPES = {
    "year first": _YEAR_FIRST,
    "name of the month": _DAY_NAME,
    "name of the month first": _NAME_DAY,
    "day first": _DAY_FIRST,
    "month first": _MONTH_FIRST,
    _CLOCK_ORDER: _CLOCK_ALONE,
}
_CLEAR = ("year first", "name of the month", "name of the month first")  # whatever else is in the column

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_FULL_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october")
_MONTH_NAMES = {name: i % 12 + 1 for i, name in enumerate(_MONTHS)}
_MONTH_NAMES |= {name: i + 1 for i, name in enumerate((*_FULL_MONTHS, "november", "december"))} | {"sept": 9}

_EPOCH = datetime.date(1970, 1, 1).toordinal()
_FEWEST_LEVELS = 3  # different moments that make a way of writing
_LONGEST = 64  # characters of a moment
_MOST_LOOKED_AT = 10_000  # different texts, for words among them that are no moments
_CENTURY_FROM = 69  # a year of two digits is 19xx from here on, as POSIX has it


@functools.cache
def _pattern(order: str) -> re.Pattern[str]:
    """Return a shape, compiled when it is first asked for: importing the package does not wait for it."""
    return re.compile(rf"\s*{_SHAPES[order]}\s*")


@dataclass(frozen=True)
class MomentWriting:
    """One way to write moments.

    Attributes
    ----------
    order : str
        A key of the shapes above. Empty: the moments were no text; text is read where it can mean one day only.
    example : str
        One of the texts, for messages.
    gaps : tuple of str
        The words that stood for a missing moment; so do all of GAP_WORDS.
    """

    order: str
    example: str
    gaps: tuple[str, ...] = ()

    @property
    def what(self) -> str:
        """What it writes, in the plural."""
        return "times or durations" if self.order == _CLOCK_ORDER else "dates or times"

    @property
    def has_days(self) -> bool:
        """Whether these are moments, and not times of the day or durations."""
        return self.order != _CLOCK_ORDER

    def read(self, text: str) -> float | None:
        """Return the seconds since 1970 in UTC, or since midnight; NaN for a gap, None for another way of writing.

        What can mean one day only, such as 2023-01-05 or 5 Jan 2023, is read whatever the way is.
        """
        if is_gap(text) or text in self.gaps:
            return float("nan")
        if self.order == _CLOCK_ORDER:
            return _seconds(text, self.order)
        for order in dict.fromkeys((self.order, *_CLEAR)):
            seconds = _seconds(text, order) if order else None
            if seconds is not None:
                return seconds
        return None

    def to_config(self) -> dict[str, Any]:
        """Return this as plain data."""
        return {"kind": "moment", "order": self.order, "example": self.example, "gaps": list(self.gaps)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> MomentWriting:
        """Return what ``to_config`` wrote down."""
        order = str(config["order"])
        if order and order not in _SHAPES:
            raise ValueError(f"moments are written {order!r}; expected one of {', '.join(_SHAPES)}.")
        return cls(order, str(config["example"]), tuple(map(str, config["gaps"])))


def find_moment_writing(levels: Sequence[str], counts: Sequence[int]) -> MomentWriting | None:
    """Return the one way in which all of these different texts write moments; None if there is none, or two.

    Parameters
    ----------
    levels : sequence of str
        The different texts of a column.
    counts : sequence of int
        How often each occurs.
    """
    odd = [
        text
        for text in itertools.islice(levels, _MOST_LOOKED_AT)
        if not any(map(str.isdigit, text)) and not is_gap(text)
    ]
    gaps = odd_words(odd, levels, counts)
    if gaps is None:
        return None
    texts = [text for text in levels if text not in gaps]
    orders = _orders(texts)
    if not orders or {"day first", "month first"} <= set(orders):
        return None
    example = next(text for text in texts if not is_gap(text)).strip()
    return MomentWriting(orders[0], example, (*gaps, *(text for text in levels if is_gap(text) and text)))


def are_ambiguous(levels: Sequence[str]) -> bool:
    """Return whether these texts write dates of which nobody can tell the day from the month."""
    return {"day first", "month first"} <= set(_orders(levels))


def is_like_moment(text: str) -> bool:
    """Return whether a text is a moment, however it is written."""
    return any(_seconds(text, order) is not None for order in _SHAPES)


def _orders(levels: Sequence[str]) -> list[str]:
    """Return in which ways all of these texts can be read."""
    first = list(itertools.islice((text for text in levels if not is_gap(text)), 20))
    orders = [order for order in _SHAPES if all(_seconds(text, order) is not None for text in first)]
    if len(first) < _FEWEST_LEVELS or not orders:
        return []
    texts = [text for text in levels if not is_gap(text)]
    return [order for order in orders if all(_seconds(text, order) is not None for text in texts)]


def _seconds(text: str, order: str) -> float | None:
    """Return the seconds of one moment, read in one way; None if it is not written so, or there is no such day."""
    found = _pattern(order).fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        return None
    parts = found.groupdict()
    clock = _clock(parts, most_hours=math.inf if order == _CLOCK_ORDER else 23)
    if clock is None or order == _CLOCK_ORDER:
        return clock
    month = _MONTH_NAMES.get(parts["name"].lower()) if "name" in parts else int(parts["month"])
    year = int(parts["year"])
    if len(parts["year"]) == 2:
        year += 1900 if year >= _CENTURY_FROM else 2000
    try:
        days = datetime.date(year, month or 0, int(parts["day"] or 1)).toordinal() - _EPOCH
    except ValueError:
        return None
    return days * 86400.0 + clock - _offset(parts["zone"])


def _clock(parts: Mapping[str, str | None], most_hours: float) -> float | None:
    """Return the seconds since midnight; None for a time that no clock shows."""
    hour, minute, second = (int(parts[key] or 0) for key in ("hour", "minute", "second"))
    half = (parts["half"] or "").lower()
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half[0] == "p" else 0)
    if hour > most_hours or minute > 59 or second > 60:
        return None
    return hour * 3600.0 + minute * 60.0 + second + float(f"0.{parts['fraction'] or 0}")


def _offset(zone: str | None) -> float:
    """Return how many seconds a zone is ahead of UTC."""
    if not zone or zone[0] not in "+-":
        return 0.0
    seconds = int(zone[1:3]) * 3600.0 + int(zone[-2:]) * 60.0
    return -seconds if zone[0] == "-" else seconds
