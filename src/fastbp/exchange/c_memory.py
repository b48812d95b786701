"""Which part of the scratch memory each value of a C file lies in."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Memory", "Place"]


@dataclass(frozen=True)
class Place:
    """Where a value lies: its first element as C writes it, its length, and its offset in the scratch, -1 outside."""

    name: str
    width: int
    offset: int = -1
    writable: bool = True


class Memory:
    """The scratch memory while a file is made.

    Attributes
    ----------
    size : int
        The numbers that it needs so far.
    """

    def __init__(self) -> None:
        self.size = 0
        self._used: list[Place] = []

    def take(self, width: int) -> Place:
        """Return the first free place of this width."""
        offset = 0
        for place in sorted(self._used, key=lambda place: place.offset):
            if place.offset - offset >= width:
                break
            offset = max(offset, place.offset + place.width)
        taken = Place("scratch" if offset == 0 else f"scratch + {offset}", width, offset)
        self._used.append(taken)
        self.size = max(self.size, offset + width)
        return taken

    def release(self, place: Place) -> None:
        """Give a place back; outside of the scratch nothing happens."""
        self._used = [each for each in self._used if each is not place]
