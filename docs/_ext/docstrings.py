"""Docstrings are plain text: |A - Y| is a distance in them, and n_features_in_ a name, and neither is markup."""

import re

from sphinx.application import Sphinx

_LITERAL = re.compile(r"(``.+?``|:\w+:`.+?`|`.+?`_?)")
_END = r"(?=[\s,.;:)\]\"'{}]|$)"


def escaped(line: str) -> str:
    """The line with bars and trailing underscores escaped, except in code."""
    if line.lstrip().startswith((">>>", "...", ".. ")):
        return line
    field = re.match(r"\s*:[^`:]+:", line)
    if field:
        return field[0] + escaped(line[field.end() :])
    parts = _LITERAL.split(line)
    for n in range(0, len(parts), 2):
        bars = parts[n].replace("|", r"\|")
        parts[n] = re.sub(rf"(?<![\w\\*])(\w+)_{_END}", r"\1\_", bars)
    return "".join(parts)


def process(_app: Sphinx, _what: str, _name: str, _object: object, _options: object, lines: list[str]) -> None:
    """Called with each docstring after numpydoc has laid it out."""
    lines[:] = [escaped(line) for line in lines]


def setup(app: Sphinx) -> dict:
    app.connect("autodoc-process-docstring", process, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
