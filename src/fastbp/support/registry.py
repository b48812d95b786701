"""Strings are shorthand for objects: "adam" is fb.Adam().

A registry is a dictionary from name to class. Its classes are frozen dataclasses with a class attribute ``name``; a
saved file holds the values of their fields.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, TypeVar

from fastbp.support.checks import sentence

__all__ = ["Named", "from_config", "resolve", "shorthand", "to_config"]


class Named(Protocol):
    """A frozen dataclass that a registry holds under its name."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    name: ClassVar[str]


T = TypeVar("T", bound=Named)


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
    fields = dict(config)
    name = fields.pop("name", None)
    if name not in registry:
        raise ValueError(sentence(argument, name, "one of " + ", ".join(map(repr, registry))))
    return registry[name](**fields)
