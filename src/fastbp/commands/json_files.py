"""Tables in JSON, and in JSON Lines, read by pandas; what is none is refused in words of our own."""

from __future__ import annotations

import codecs
import io
import json
from typing import Any

from fastbp.commands.errors import CommandError

__all__ = ["read_json"]


def read_json(pandas: Any, contents: bytes, in_lines: bool) -> Any:
    """Return the data frame of a list of rows, or of an object of columns; or of rows, one in each line.

    Raises
    ------
    CommandError
        If it, or a line, is no JSON, or holds no table or row; the message begins with a verb.
    """
    text = _as_utf8(contents)
    options = {"lines": True} if in_lines else {"convert_axes": False}
    try:
        return pandas.read_json(io.BytesIO(text), dtype=False, **options, **_no_dates(pandas))
    except (ValueError, TypeError):
        (_refuse_lines if in_lines else _refuse_json)(text)
        raise


def _as_utf8(contents: bytes) -> bytes:
    """Return JSON of any encoding that it may have in UTF-8, without the mark that programs of Windows write."""
    encoding = json.detect_encoding(contents)
    if encoding.startswith("utf-8"):
        return contents.removeprefix(codecs.BOM_UTF8)
    try:
        return contents.decode(encoding).encode()
    except UnicodeError as error:
        raise CommandError(f"is not JSON: {error}") from None


def _no_dates(pandas: Any) -> dict[str, Any]:
    """Return what keeps a reader of JSON from taking columns for dates by their names; from pandas 3 on it does not."""
    return {"convert_dates": False} if pandas.__version__.startswith("2.") else {}


def _refuse_json(text: bytes) -> None:
    """Refuse what is no JSON, or no table, of which pandas speaks in words of its own."""
    found = _parsed(text, "")
    parts = list(found.values()) if isinstance(found, dict) else found if isinstance(found, list) else []
    of_one_kind = len({type(part) for part in parts}) == 1 and isinstance(parts[0], (list, dict))
    if not of_one_kind or (isinstance(found, dict) and len({*map(len, parts)}) > 1):
        raise CommandError(
            'holds no table; expected a list of rows, such as [{"a": 1}, {"a": 2}], or an object of columns of one '
            'length, such as {"a": [1, 2]}'
        )


def _refuse_lines(text: bytes) -> None:
    """Refuse the first line that is no JSON, or that is no row as the others are."""
    first: type | None = None
    for number, line in enumerate(text.split(b"\n"), 1):
        if not line.strip():
            continue
        kind = type(_parsed(line, f" in line {number}"))
        first = first or kind
        if kind is not first or kind not in (dict, list):
            expected = 'expected one in each line, such as {"a": 1, "b": "x"}'
            raise CommandError(f"holds no row in line {number}; {expected}")


def _parsed(text: bytes, where: str) -> Any:
    """Return what JSON says, with numbers of any length; what is none is refused."""
    try:
        return json.loads(text, parse_int=float)
    except ValueError as error:
        raise CommandError(f"is not JSON{where}: {error}") from None
    except RecursionError:
        raise CommandError(f"has too many brackets one in another{where}; expected rows of plain values") from None
