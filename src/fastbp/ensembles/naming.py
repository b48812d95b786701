"""Whose error it is, where many train."""

from __future__ import annotations

from types import TracebackType

__all__ = ["named"]


class named:  # noqa: N801 (it is used as a function; a generator takes longer, and training may be short)
    """Add a note with the trainer's name to exceptions inside a ``with``."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            error.add_note(f"This was {self._name}.")
