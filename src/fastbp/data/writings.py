"""How a column of text writes numbers or moments: found in the training data, kept, and used for all later tables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.data.columns import TypedColumn
from fastbp.data.written_moments import MomentWriting, are_ambiguous, find_moment_writing, is_like_moment
from fastbp.data.written_numbers import NumberWriting, find_number_writing, is_like_number

__all__ = ["Writing", "are_ambiguous_dates", "find_writing", "numbers_written", "several_ways", "writing_from_config"]

Writing = NumberWriting | MomentWriting

_DIGITS = re.compile(r"\d+")
_FEWEST_LEVELS = 20  # of text that may have been meant as numbers
_MOST_LOOKED_AT = 1000  # of these
_NEARLY_ALL = 0.6


def find_writing(column: TypedColumn, rows: NDArray[np.int64] | None = None) -> Writing | None:
    """Return the one way in which a column of text writes numbers or moments in these rows (None: in all), or None."""
    levels, counts = _levels(column, rows)
    return find_moment_writing(levels, counts) or find_number_writing(levels, counts)


def are_ambiguous_dates(column: TypedColumn, rows: NDArray[np.int64] | None = None) -> bool:
    """Return whether a column of text holds dates of which nobody can tell the day from the month."""
    return are_ambiguous(_levels(column, rows)[0])


def several_ways(column: TypedColumn) -> tuple[str, str] | None:
    """Return two texts of a column in which numbers or moments are written in several ways; None of all others."""
    levels = _levels(column, None)[0]
    some = levels[:_MOST_LOOKED_AT]
    alike = [text for text in some if is_like_number(text) or is_like_moment(text)]
    if len(levels) < _FEWEST_LEVELS or len(alike) < _NEARLY_ALL * len(some) or find_writing(column) is not None:
        return None
    other = next((text for text in some if _form(text) != _form(alike[0])), None)
    return None if other is None else (alike[0], other)


def _form(text: str) -> str:
    """Return a text with one digit in place of each of its numbers."""
    return _DIGITS.sub("0", text)


def _levels(column: TypedColumn, rows: NDArray[np.int64] | None) -> tuple[Sequence[str], list[int]]:
    """Return the texts that occur in these rows, and how often."""
    codes = column.values if rows is None else column.values[rows]
    counts = np.bincount(codes + 1, minlength=len(column.levels) + 1)[1:].tolist()
    there = [i for i, count in enumerate(counts) if count]
    return [column.levels[i] for i in there], [counts[i] for i in there]


def numbers_written(column: TypedColumn, writing: Writing, place: str) -> NDArray[np.float64]:
    """Return the numbers, or the seconds, that a column of text writes.

    Raises
    ------
    ValueError
        If a text is written in another way; its row and the column's place are in the message.
    """
    of_levels = [writing.read(level) for level in column.levels]
    values = np.array([np.nan if number is None else number for number in of_levels] + [np.nan])
    unread = np.array([number is None for number in of_levels] + [False])[column.values]  # -1 is the last
    if unread.any():
        row = int(unread.argmax())
        written = f"such as {writing.example!r}" if writing.example else "such as '2023-01-05 17:30'"
        raise ValueError(
            f"row {row}, {place} is {column.levels[column.values[row]]!r}; expected {writing.what} {written}, as the "
            "preparation was learned from."
        )
    numbers: NDArray[np.float64] = values[column.values]
    return numbers


def writing_from_config(config: Mapping[str, Any]) -> Writing:
    """Return what ``to_config`` of a writing wrote down."""
    kinds: dict[str, type[NumberWriting] | type[MomentWriting]] = {"number": NumberWriting, "moment": MomentWriting}
    if config["kind"] not in kinds:
        raise ValueError(f"a writing is of kind {config['kind']!r}; expected one of {', '.join(kinds)}.")
    return kinds[config["kind"]].from_config(config)
