"""What is public about the columns of a table: their kinds, the range of numbers, the categories that there can be.

Private training may learn none of this from the rows. A person writes it down, in a TOML file or as an object; made-up
rows that follow from it are what the preparation of the columns learns from.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from fastbp.privacy.public import Public
from fastbp.support.checks import check_list, check_path, sentence, shown
from fastbp.support.suggestions import did_you_mean, listed

__all__ = ["ColumnSchema", "Kind", "Schema"]

Kind: TypeAlias = Literal["number", "category", "ignore"]
KINDS: tuple[Kind, ...] = ("number", "category", "ignore")
Category: TypeAlias = str | int | bool

_KEYS = {"number": "range", "category": "categories"}
_READING = {"separator": str, "decimal": str, "encoding": str, "header": bool, "sheet": str}
_LARGEST = 1e30
_FEWEST_ROWS = 12  # of the made-up rows, so that their quartiles are told apart

_HEAD = """\
# What is public about the columns of {source}, for `fastbp train --epsilon`.
# The names and kinds were found in the file; check them. Fill in the rest from what everybody may know, such as a
# questionnaire or a law, never from the rows themselves: private training would reveal them by what stands here.
#
# kind = "number":    range = [0, 100], the least and the largest value that counts; what lies beyond is cut off. Others
#                     in between, as in [0, 1, 1000, 100000], let the network bend there.
# kind = "category":  categories = ["red", "blue"], all that there can be; any other is taken for missing.
# kind = "ignore":    the column is left out.
"""


@dataclass(frozen=True)
class ColumnSchema:
    """What is public about a column.

    Parameters
    ----------
    kind : {"number", "category", "ignore"}
    values : tuple
        Of a number two or more finite numbers that rise, the least and the largest that count first and last; of a
        category the levels, text, whole numbers or truths. Empty where it is not filled in.
    """

    kind: Kind
    values: tuple[Any, ...] = ()


class Schema:
    """What is public about the columns of a table; for ``fastbp train --epsilon``, and for ``public=`` of estimators.

    Parameters
    ----------
    columns : dict of str to list, dict or ColumnSchema
        By the columns' names: two or more rising numbers for a number's range, such as ``[0, 100]`` or
        ``[0, 1, 1000, 100000]``; a list of text for categories; a list of whole numbers for categories too, as
        ``{"kind": "category", "categories": [1, 2, 3]}``; None for a column that is left out.
    reading : dict, optional
        How the file is written: "separator", "decimal", "encoding", "header", "sheet".

    Raises
    ------
    TypeError, ValueError
        If a column is described in another way.

    Examples
    --------
    >>> import fastbp as fb
    >>> schema = fb.privacy.Schema({"age": [0, 100], "smokes": ["yes", "no"], "ill": ["yes", "no"]})
    >>> schema.public("ill")
    Public(12 samples)
    """

    def __init__(self, columns: Mapping[str, Any], reading: Mapping[str, Any] | None = None) -> None:
        if not isinstance(columns, Mapping) or not columns:
            raise TypeError(sentence("columns", columns, "a dictionary from the columns' names to what is public"))
        self.columns = {str(name): _column(str(name), value) for name, value in columns.items()}
        if len(self.columns) < len(columns):
            names = list(map(str, columns))
            twice = next(name for i, name in enumerate(names) if name in names[:i])
            raise ValueError(f"two columns are named {twice!r}; expected names that differ as text.")
        self.reading = _checked_reading({} if reading is None else reading)

    def public(self, target: str, as_text: bool = False) -> Public:
        """Return made-up rows from which a preparation learns what the schema says, and no more.

        Each point of a range and each category occurs, as often as the others or once less, and one row lacks
        everything, so that gaps are known.

        Parameters
        ----------
        target : str
            The column to predict, which must be a number or a category.
        as_text : bool, default False
            Whether categories that are whole numbers or truths are the text of these, as a file of text has them.

        Returns
        -------
        Public
            X is a pandas data frame, whose categories have that dtype.
        """
        self.require(target)
        try:
            import pandas as pd
        except ImportError:
            raise ImportError("Schema.public needs pandas, which is not installed: pip install pandas.") from None

        def column(each: ColumnSchema) -> Any:
            values = [*_repeated(each, n_rows, as_text), math.nan if each.kind == "number" else None]
            return values if each.kind == "number" else pd.Categorical(values)

        used = {name: each for name, each in self.columns.items() if each.kind != "ignore" and name != target}
        if not used:
            raise ValueError(f"the schema has no column beside {target!r} that is not ignored; expected one or more.")
        n_rows = max(_FEWEST_ROWS - 1, *(len(each.values) for each in self.columns.values()))
        columns = {name: column(each) for name, each in used.items()}
        y = list(itertools.islice(itertools.cycle(self.columns[target].values), n_rows + 1))
        return Public(pd.DataFrame(columns), np.array(y))

    def require(self, target: str) -> None:
        """Refuse a target that is not in the schema or ignored, and columns that are not filled in.

        Raises
        ------
        ValueError
            Which says what to fill in.
        """
        if target not in self.columns:
            remedy = did_you_mean(target, self.columns)
            raise ValueError(f"the target is {target!r}, which is not a column of the schema. {remedy}".strip())
        of_target = self.columns[target]
        if of_target.kind == "ignore":
            raise ValueError(f"the target is {target!r}, which the schema ignores; expected a number or a category.")
        missing = [name for name, each in self.columns.items() if each.kind != "ignore" and not each.values]
        if missing:
            raise ValueError(
                f"the schema does not say the range or the categories of {listed(missing)}; expected them for every "
                'column that is not of kind "ignore". Fill them in from what is public, not from the rows.'
            )
        if of_target.kind == "category" and len(of_target.values) < 2:
            raise ValueError(f"the schema has one category of the target {target!r}; expected two or more.")

    # ---------------------------------------------------------------------------------------------------- files

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Schema:
        """Return what a file says that ``fastbp schema`` or ``save`` wrote and a person filled in.

        Raises
        ------
        OSError
            If there is no such file, or it cannot be read.
        TypeError
            If path is no path.
        ValueError
            If it is not TOML, or says something else.
        """
        path = check_path(path)
        try:
            contents = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{str(path)!r} is not TOML, as `fastbp schema` writes it: {error}") from None
        unknown = sorted(contents.keys() - {"reading", "columns"})
        if unknown or not isinstance(contents.get("columns"), dict):
            what = f"has {unknown[0]!r}" if unknown else "has no tables [columns.NAME]"
            raise ValueError(f"{str(path)!r} {what}; expected [reading] and [columns.NAME], as `fastbp schema` writes.")
        try:
            return cls(contents["columns"], contents.get("reading"))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{str(path)!r}: {error}") from None

    def text(self, source: str = "a table") -> str:
        """Return the schema as the text of a TOML file, with a few lines on how to fill it in."""
        lines = [_HEAD.format(source=json.dumps(source))]
        if self.reading:
            lines += ["[reading]", *(f"{key} = {_toml(value)}" for key, value in self.reading.items()), ""]
        for name, each in self.columns.items():
            lines += [f"[columns.{_toml(name)}]", f"kind = {_toml(each.kind)}"]
            if each.kind != "ignore":
                lines.append(f"{_KEYS[each.kind]} = [{', '.join(map(_toml, each.values))}]")
            lines.append("")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"Schema({listed(self.columns, 6)})"


# ---------------------------------------------------------------------------------------------------- checking


def _column(name: str, value: Any) -> ColumnSchema:
    """Return what is said of a column in any of the ways that ``Schema`` takes."""
    if isinstance(value, ColumnSchema):
        value = {"kind": value.kind, **({_KEYS[value.kind]: value.values} if value.kind in _KEYS else {})}
    if value is None:
        return ColumnSchema("ignore")
    if not isinstance(value, Mapping):
        is_text = isinstance(value, Sequence) and not isinstance(value, str) and any(isinstance(v, str) for v in value)
        value = {"kind": "category", "categories": value} if is_text else {"kind": "number", "range": value}
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(sentence(f"the kind of column {name!r}", kind, f"one of {', '.join(map(repr, KINDS))}"))
    known = {"kind"} | ({_KEYS[kind]} if kind in _KEYS else set())
    for key in value:
        if key not in known:
            remedy = did_you_mean(key, known)
            raise ValueError(f"column {name!r} has {key!r}; expected {listed(sorted(known))}. {remedy}".strip())
    if kind == "ignore":
        return ColumnSchema("ignore")
    values = check_list(value.get(_KEYS[kind], ()), f"{_KEYS[kind]} of column {name!r}", "a list")
    check = _check_range if kind == "number" else _check_categories
    return ColumnSchema(kind, check(name, values))


def _check_range(name: str, values: list[Any]) -> tuple[float, ...]:
    numbers = [v for v in values if isinstance(v, (int, float, np.number)) and not isinstance(v, bool)]
    rises = all(a < b for a, b in itertools.pairwise(numbers))
    if len(numbers) < len(values) or len(values) == 1 or not rises or not all(map(_is_usual, numbers)):
        expected = f"two numbers or more that rise, from {-_LARGEST:g} to {_LARGEST:g}, such as [0, 100]"
        raise ValueError(sentence(f"range of column {name!r}", values, expected))
    return tuple(map(float, numbers))


def _is_usual(number: Any) -> bool:
    return math.isfinite(number) and bool(abs(number) <= _LARGEST)


def _check_categories(name: str, values: list[Any]) -> tuple[Category, ...]:
    values = [value.item() if isinstance(value, np.generic) else value for value in values]  # NumPy's as Python's
    for value in values:
        if not isinstance(value, (str, int)):
            raise TypeError(sentence(f"a category of column {name!r}", value, "text, a whole number or a truth"))
        if (isinstance(value, str) and value != value.strip()) or value == "":
            raise ValueError(
                f"a category of column {name!r} is {shown(value)}; expected text without blanks around it."
            )
    texts = list(map(str, values))
    if len(set(texts)) < len(texts):
        twice = next(text for i, text in enumerate(texts) if text in texts[:i])
        raise ValueError(f"categories of column {name!r} have {twice!r} twice; expected each once.")
    if len({type(value) for value in values}) > 1:
        raise TypeError(f"categories of column {name!r} are of several kinds; expected all text, or all whole numbers.")
    return tuple(values)


def is_separator(text: str) -> bool:
    """Say whether a text can separate the fields of a line."""
    return text == r"\s+" or (len(text) == 1 and text not in '"\r\n')


def _checked_reading(reading: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(reading, Mapping):
        raise TypeError(sentence("reading", reading, 'a dictionary, such as {"separator": ";"}'))
    for key, value in reading.items():
        if key not in _READING:
            raise ValueError(f"reading has {key!r}; expected {listed(sorted(_READING))}.")
        if not isinstance(value, _READING[key]):
            raise TypeError(sentence(f"{key} of reading", value, "a truth" if key == "header" else "text"))
        if key == "separator" and not is_separator(str(value)):
            raise ValueError(sentence("separator of reading", value, "one character, or \\s+ for blanks"))
        if key == "decimal" and value not in (".", ","):
            raise ValueError(sentence("decimal of reading", value, "'.' or ','"))
    return dict(reading)


# ------------------------------------------------------------------------------------------------- made-up rows


def _repeated(column: ColumnSchema, n: int, as_text: bool) -> list[Any]:
    """Return n values: the column's in turn; of a number each as often as the others, then gaps."""
    if column.kind == "number":
        whole = n // len(column.values) * len(column.values)
        return [*itertools.islice(itertools.cycle(column.values), whole), *[math.nan] * (n - whole)]
    values = map(str, column.values) if as_text else column.values
    return list(itertools.islice(itertools.cycle(values), n))


# ---------------------------------------------------------------------------------------------------- TOML


def _toml(value: Any) -> str:
    """Return a value as TOML writes it; text as JSON does, which is the same but for one character."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    return repr(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else repr(value)
