"""Strings are shorthand for objects: "adam" is fb.Adam().

A registry is a dictionary from name to class. Its classes are frozen dataclasses with a class attribute ``name``; a
saved file holds the values of their fields.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Protocol, TypeVar

from fastbp.support.checks import describe, sentence

__all__ = ["DESCRIPTION_ERRORS", "Named", "blaming_config", "from_config", "resolve", "shorthand", "to_config"]


class Named(Protocol):
    """A frozen dataclass that a registry holds under its name."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    name: ClassVar[str]


T = TypeVar("T", bound=Named)

# What reading a description of anything can raise.
DESCRIPTION_ERRORS = (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError, OverflowError)


def resolve(value: T | str, registry: Mapping[str, type[T]], argument: str) -> T:
    """Return an argument that is an object, or make the object that it names.

    Raises
    ------
    ValueError
        If ``value`` is a string that names nothing in the registry.
    TypeError
        If ``value`` is neither a string nor an object of one of the registry's classes.
    """
    names = "one of " + ", ".join(map(repr, registry))
    if isinstance(value, str):
        if value in registry:
            return registry[value]()
        raise ValueError(sentence(argument, value, names, _suggestion(value, registry)))
    if isinstance(value, tuple(registry.values())):
        return value
    if isinstance(value, type) and value in registry.values():
        raise TypeError(sentence(argument, value, "an object", f"Add parentheses: {value.__name__}()."))
    raise TypeError(sentence(argument, value, f"{names}, or an object such as {_example(registry)}"))


def _suggestion(value: str, registry: Mapping[str, type[T]]) -> str:
    from fastbp.support.foreign_names import OBJECTS  # imported for error messages only
    from fastbp.support.suggestions import did_you_mean

    return did_you_mean(value, registry, OBJECTS)


def _example(registry: Mapping[str, type[T]]) -> str:
    return f"fb.{next(iter(registry.values())).__name__}()"


def shorthand(value: Named, registry: Mapping[str, type[T]]) -> str:
    """Return the shortest way to write an object: its name in quotes if all its fields have defaults, else its repr."""
    known = registry.get(value.name)
    return repr(value.name) if known is not None and value == known() else repr(value)


def to_config(value: Named) -> dict[str, Any]:
    """Return an object as plain data: its name and its fields."""
    return {"name": value.name, **dataclasses.asdict(value)}


def from_config(config: Mapping[str, Any], registry: Mapping[str, type[T]], argument: str) -> T:
    """Return the object described by ``to_config``; its class checks the fields."""
    if not isinstance(config, Mapping):
        raise TypeError(sentence(argument, config, "a dictionary, with the name of its class"))
    name = config.get("name")
    if not isinstance(name, str) or name not in registry:
        raise ValueError(sentence(argument, name, "one of " + ", ".join(map(repr, registry))))
    return registry[name](**{field: value for field, value in config.items() if field != "name"})


@contextlib.contextmanager
def blaming_config(config: Any, owner: str) -> Iterator[None]:
    """Raise a TypeError for what is no description, and a ValueError for any error that another one can cause."""
    expected = f"what {owner}.to_config returns"
    if not isinstance(config, Mapping):
        raise TypeError(sentence("config", config, f"{expected}, a dictionary"))
    try:
        yield
    except DESCRIPTION_ERRORS as error:
        why = f"it has no entry {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"config is {describe(config)}; expected {expected}: {why}") from error
