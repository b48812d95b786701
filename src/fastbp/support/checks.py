"""Bad input gets an error sentence: the argument, its value, what was expected, what to do.

Each function takes a public argument and its name, and returns it in the form the library works with, or raises
TypeError (the wrong kind of thing) or ValueError (the right kind, a wrong value).
"""

from __future__ import annotations

import math
import numbers
import operator
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "check_flag",
    "check_int",
    "check_list",
    "check_number",
    "check_path",
    "check_seed",
    "choose_seed",
    "check_word",
    "counted",
    "describe",
    "sentence",
    "shown",
]

_LARGEST_INT = 2**31 - 1  # the kernels count inputs and units in 32-bit integers on every platform


def describe(value: object) -> str:
    """Describe a value briefly: an array by its shape and dtype, anything else by a short repr."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    kind = _with_article(type(value).__name__)
    try:
        shape, dtype = getattr(value, "shape", ()), getattr(value, "dtype", None)
        if not isinstance(shape, tuple) or shape != ():
            what = f"{kind} of shape {shape}"
            return what if dtype is None else f"{what} and dtype {dtype}"
    except Exception:  # an object whose attributes raise
        return kind
    text = shown(value)
    return text if len(text) <= 80 else f"{text[:60]}... ({kind})"


def shown(value: object) -> str:
    """Return what ``repr`` says, or what the object is where its ``repr`` raises: a message must not raise another."""
    try:
        return repr(value)
    except Exception:  # whatever a user's class raises; ValueError for integers of more than 4300 digits
        return f"{_with_article(type(value).__name__)} that cannot be shown"


def _with_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiouAEIO' or noun == 'ndarray' else 'a'} {noun}"


def counted(number: int, noun: str) -> str:
    """Return a number and its noun: "1 epoch", "2 epochs", "3,000 classes"."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def sentence(argument: str, value: object, expected: str, remedy: str = "") -> str:
    """Return the message for an argument that is not what was expected."""
    return f"{argument} is {describe(value)}; expected {expected}.{' ' + remedy if remedy else ''}"


def check_int(value: Any, argument: str, *, minimum: int = 1, maximum: int = _LARGEST_INT, remedy: str = "") -> int:
    """Return an integer argument as an int; booleans and floats are refused."""
    number = _as_integer(value)
    if number is not None and minimum <= number <= maximum:
        return number
    expected = f"an integer of {minimum} or more" if maximum == _LARGEST_INT else f"an integer {minimum} to {maximum}"
    error = TypeError if number is None else ValueError
    raise error(sentence(argument, value, expected, remedy))


def _as_integer(value: Any) -> int | None:
    """Return an integer as an int, None for anything else."""
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)
    except Exception:  # TypeError, or what a user's __index__ raises
        return None


def check_seed(value: Any, argument: str = "seed") -> int:
    """Return a seed, an integer of 64 bits."""
    number = _as_integer(value)
    if number is None:
        raise TypeError(sentence(argument, value, "an integer", "The same seed gives the same numbers."))
    if not 0 <= number < 2**64:
        raise ValueError(sentence(argument, value, "an integer from 0 to 2**64 - 1"))
    return number


def choose_seed(value: Any, argument: str = "seed") -> int:
    """Return a seed as ``check_seed`` does; for None one that the system's randomness gives."""
    return int.from_bytes(os.urandom(7), "little") if value is None else check_seed(value, argument)


def check_number(
    value: Any, argument: str, *, above: float = -math.inf, at_least: float = -math.inf, below: float = math.inf
) -> float:
    """Return a finite real number, at_least <= number < below and number > above, as a float."""
    number: float | None = None
    if not isinstance(value, bool) and isinstance(value, numbers.Real):
        try:
            number = float(value)
        except OverflowError:  # an integer or a fraction beyond all floats
            number = math.inf
        except Exception:  # what a user's __float__ raises
            number = None
    if number is not None and math.isfinite(number) and number > above and at_least <= number < below:
        return number
    bounds = [f"above {above:g}"] if above > -math.inf else []
    bounds += [f"of {at_least:g} or more"] if at_least > -math.inf else []
    bounds += [f"below {below:g}"] if below < math.inf else []
    error = TypeError if number is None else ValueError
    raise error(sentence(argument, value, f"a finite number {' and '.join(bounds)}".rstrip()))


def check_list(values: Any, argument: str, expected: str) -> list[Any]:
    """Return the items of an argument that has several; text is one thing, and not several letters."""
    if isinstance(values, str):
        raise TypeError(sentence(argument, values, expected))
    try:
        return list(values)
    except Exception as error:  # TypeError, or what a user's class raises
        raise TypeError(sentence(argument, values, expected)) from error


def check_flag(value: Any, argument: str) -> bool:
    """Return True or False; NumPy's booleans count."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise TypeError(sentence(argument, value, "True or False"))


def check_word(value: Any, argument: str, words: Sequence[str]) -> str:
    """Return the one of these words that an argument is; arrays, which compare entry by entry, are none."""
    if isinstance(value, str) and value in words:
        return str(value)
    *others, last = map(repr, words)
    listed = f"{', '.join(others)} or {last}" if len(words) < 4 else "one of " + ", ".join([*others, last])
    raise ValueError(sentence(argument, value, listed))


def check_path(value: Any, argument: str = "path") -> Path:
    """Return the name of a file, a str or a path, as a path."""
    from pathlib import Path  # only now: `import fastbp` stays quick

    expected = "the name of a file, a str or a path"
    try:
        name = os.fspath(value)
    except Exception:  # no path, or what a user's __fspath__ raises
        name = None
    if not isinstance(name, str):
        raise TypeError(sentence(argument, value, expected))
    try:
        possible = name != "" and b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:  # half of a pair of surrogates
        possible = False
    if not possible:
        raise ValueError(sentence(argument, value, f"{expected}, that a file can have"))
    return Path(name)
