"""Numbers that are written as text, all in one way: "$1,234.50", "12 kg", "3,5 %", "(7.00)"."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["GAP_WORDS", "NumberWriting", "find_number_writing", "is_gap", "is_like_number", "odd_words"]

# What stands for a missing number or moment in tables of many origins, in lower case.
GAP_WORDS = frozenset(
    ("", "?", "-", "--", "—", "–", ".", "..", "na", "n/a", "n.a.", "nan", "-nan", "null", "none", "nil", "<na>", "nat")
    + ("#n/a", "#na", "#n/a n/a", "#value!", "#div/0!", "-1.#ind", "1.#qnan", "-1.#qnan", "1.#ind")
    + ("missing", "unknown", "not available")
)

_CURRENCY = (
    r"[$€£¥₹₩₽₺₪฿₫₴₦]|[A-Z]{1,2}\$|(?:USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|SEK|NOK|DKK|PLN|BRL|Rs\.?|kr\.?|Fr\.?)"
)
_UNIT = r"(?:[^\W\d_]|[%‰°€£¥₹₩₽₺₪฿₫₴₦$])[^\d\s,()+-]{0,15}(?: [^\W\d_]{1,6}\.?)?"
_SHAPE = (
    rf"\s*(?P<open>\()?\s*(?P<sign>[-+−]?)\s*(?P<before>{_CURRENCY})?\s*(?P<inner>[-+−]?)"
    r"(?P<body>\d[\d.,'’ \u00a0\u202f]*(?:(?<=[\d.])[eE][-+]?\d+)?|[.,]\d+)"
    rf"\s*(?P<after>{_UNIT})?\s*(?P<close>\))?\s*"
)
_SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "’": "'"})
# Grouping and decimal mark, in the order in which they are tried: "1,234" is a thousand, "1,5" is one and a half.
_CONVENTIONS = [("", "."), (",", "."), ("", ","), (".", ","), (" ", "."), (" ", ","), ("'", "."), ("'", ",")]
_LONGEST = 64  # characters of a number with its unit

_FEWEST_LEVELS = 3  # different numbers that make a way of writing
_FEWEST_PLAIN_LEVELS = 21  # of numbers without unit and grouping: fewer are taken for the names of categories
_MOST_ODD_WORDS = 3  # that are no numbers, in a column that is nearly numeric
_MOST_ODD_SHARE = 0.05  # of its rows


@dataclass(frozen=True)
class NumberWriting:
    """One way to write numbers.

    Attributes
    ----------
    before, after : str
        The currency before the number and the unit after it; both may be empty.
    grouping, decimal : str
        What separates thousands (empty: nothing does), and what stands before fractions.
    gaps : tuple of str
        The words that stood for a missing number; so do all of GAP_WORDS.
    example : str
        One of the texts, for messages.
    """

    before: str
    after: str
    grouping: str
    decimal: str
    gaps: tuple[str, ...]
    example: str

    what = "numbers"

    def read(self, text: str) -> float | None:
        """Return the number that a text writes, NaN for a gap, None if it is written in another way."""
        if is_gap(text) or text in self.gaps:
            return float("nan")
        found = _shape(text)
        if found is None or _unit(found) != (self.before, self.after):
            return None
        body = _body(found)
        if not _convention(self.grouping, self.decimal).fullmatch(body):
            return None
        if self.grouping:
            body = body.replace(self.grouping, "")
        number = float(body.replace(self.decimal, "."))
        return -number if _is_negative(found) else number

    def to_config(self) -> dict[str, Any]:
        """Return this as plain data."""
        return {"kind": "number", **self.__dict__, "gaps": list(self.gaps)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> NumberWriting:
        """Return what ``to_config`` wrote down."""
        before, after, grouping, decimal, example = (
            str(config[key]) for key in ("before", "after", "grouping", "decimal", "example")
        )
        if (grouping, decimal) not in _CONVENTIONS:
            raise ValueError(f"numbers are grouped by {grouping!r} with the mark {decimal!r}; expected a known way.")
        return cls(before, after, grouping, decimal, tuple(map(str, config["gaps"])), example)


def find_number_writing(levels: Sequence[str], counts: Sequence[int]) -> NumberWriting | None:
    """Return the one way in which all of these different texts write numbers; None if there is none.

    Parameters
    ----------
    levels : sequence of str
        The different texts of a column.
    counts : sequence of int
        How often each occurs.
    """
    first = itertools.islice((text for text in levels if not is_gap(text)), 50)
    if sum(_shape(text) is None for text in first) > _MOST_ODD_WORDS:  # told quickly of most columns of words
        return None
    texts = [text for text in levels if not is_gap(text)]
    found = [(text, _shape(text)) for text in texts]
    shaped = [(text, match) for text, match in found if match is not None]
    gaps = odd_words([text for text, match in found if match is None], levels, counts)
    units = {_unit(match) for _, match in shaped}
    if gaps is None or len(shaped) < _FEWEST_LEVELS or len(units) != 1:
        return None
    bodies = [_body(match) for _, match in shaped]
    (unit,) = units
    convention = _convention_of(bodies, unit)
    gaps = (*gaps, *(text for text in levels if is_gap(text) and text))
    if convention is None or (unit == ("", "") and convention == ("", ".") and _are_names(bodies, bool(gaps))):
        return None
    (before, after), (grouping, decimal) = unit, convention
    longest = max((text for text, _ in shaped), key=len)
    return NumberWriting(before, after, grouping, decimal, gaps, longest.strip())


def is_gap(text: str) -> bool:
    """Return whether a text is one of the words that stand for a missing number or moment."""
    return text.strip().lower() in GAP_WORDS


def _shape(text: str) -> re.Match[str] | None:
    return _pattern(_SHAPE).fullmatch(text) if len(text) <= _LONGEST else None


@functools.cache
def _pattern(text: str) -> re.Pattern[str]:
    """Return a pattern, compiled when it is first asked for: importing the package does not wait for it."""
    return re.compile(text)


def _convention_of(bodies: Sequence[str], unit: tuple[str, str]) -> tuple[str, str] | None:
    """Return the first convention that fits all; of money, three digits after each point are thousands."""
    fitting = [each for each in _CONVENTIONS if all(map(_convention(*each).fullmatch, bodies))]
    if any(map(_pattern(_CURRENCY).fullmatch, unit)) and (".", ",") in fitting and any("." in body for body in bodies):
        return ".", ","
    return fitting[0] if fitting else None


def is_like_number(text: str) -> bool:
    """Return whether a text is a number with or without a unit, however it is written."""
    return _shape(text) is not None


def odd_words(odd: Sequence[str], levels: Sequence[str], counts: Sequence[int]) -> tuple[str, ...] | None:
    """Return the words for a gap that are this column's own; None if there are too many for that.

    Parameters
    ----------
    odd : sequence of str
        The texts that are no numbers.
    levels, counts
        All different texts, and how often each occurs.
    """
    if not odd:
        return ()
    if len(odd) > _MOST_ODD_WORDS or any(character.isdigit() for text in odd for character in text):
        return None
    count_of = dict(zip(levels, counts, strict=True))
    return tuple(odd) if sum(count_of[text] for text in odd) <= _MOST_ODD_SHARE * sum(counts) else None


def _are_names(bodies: Sequence[str], has_gaps: bool) -> bool:
    """Return whether numbers without unit and grouping are names of categories, such as postal codes."""
    if any(map(_pattern(r"0\d+").fullmatch, bodies)) or len(bodies) < _FEWEST_PLAIN_LEVELS:
        return True
    return not has_gaps and all(map(str.isdigit, bodies))


def _unit(found: re.Match[str]) -> tuple[str, str]:
    return found["before"] or "", (found["after"] or "").strip()


def _body(found: re.Match[str]) -> str:
    return found["body"].translate(_SPACES).strip()


def _is_negative(found: re.Match[str]) -> bool:
    in_brackets = bool(found["open"] and found["close"])
    return in_brackets or (found["sign"] + found["inner"]) in ("-", "−")


def _convention(grouping: str, decimal: str) -> re.Pattern[str]:
    """Return what numbers look like that are grouped and marked like this."""
    g, d = re.escape(grouping), re.escape(decimal)
    whole = rf"(?:0|[1-9]\d{{0,2}}(?:{g}\d{{3}})*|\d{{1,3}}(?!{g}))" if grouping else r"\d+"
    exponent = "" if grouping else r"(?:[eE][-+]?\d+)?"
    return _pattern(rf"(?:{whole}(?:{d}\d*)?|{d}\d+){exponent}")
