"""Whose error it is, where many train."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

__all__ = ["named"]


@contextlib.contextmanager
def named(name: str) -> Iterator[None]:
    """Add a note with the trainer's name to exceptions."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"This was {name}.")
        raise
