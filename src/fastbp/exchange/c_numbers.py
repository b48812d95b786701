"""Numbers, arrays, names and comments as C writes them."""

from __future__ import annotations

import re
import textwrap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.support.checks import sentence

__all__ = ["check_name", "comment", "constant_array", "literal"]

Array = NDArray[Any]

_TYPES = {"f4": "float", "f8": "double", "i4": "int"}


def literal(value: float, dtype: np.dtype[Any]) -> str:
    """Return a constant that a compiler reads as the same number: 9 digits of a float, 17 of a double."""
    if dtype.kind == "i":
        return str(int(value))
    if np.isnan(value):
        return "NAN"
    digits, suffix = (9, "f") if dtype.itemsize == 4 else (17, "")
    text = f"{value:.{digits}g}"
    return (text if re.search(r"[.en]", text) else text + ".0") + suffix


def constant_array(name: str, array: Array, of_what: str) -> str:
    """Return the definition of a constant array, its shape in a comment; the last axis is contiguous."""
    kind = f"{array.dtype.kind}{array.dtype.itemsize}"
    numbers = ", ".join(literal(value, array.dtype) for value in array.ravel().tolist())
    rows = textwrap.fill(numbers, 118, initial_indent="    ", subsequent_indent="    ", break_long_words=False)
    shape = "".join(f"[{n}]" for n in array.shape)
    return f"/* {of_what}, {shape} */\nstatic const {_TYPES[kind]} {name}[{array.size}] = {{\n{rows}\n}};\n"


def comment(text: str) -> str:
    """Return text of any origin so that a comment can hold it: ASCII, and nothing that ends it or begins another."""
    return ascii(text)[1:-1].replace("*/", "* /").replace("/*", "/ *").replace("??", "? ?")


def check_name(name: Any) -> str:
    """Return the prefix of all that a C file defines for others, checked."""
    if not isinstance(name, str):
        raise TypeError(sentence("name", name, "text that begins names in C, such as 'net'"))
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,29}", name):
        raise ValueError(
            sentence("name", name, "a letter and up to 29 letters, digits and underscores, as names in C begin")
        )
    return name
