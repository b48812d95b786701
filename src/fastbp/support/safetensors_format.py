"""The safetensors format: a JSON header with the place of each array, then the arrays' bytes.

Layout: the length of the header (8 bytes, little-endian), the header, the data. The header holds dtype, shape and
data_offsets of each tensor under its name, and a dictionary of text under ``__metadata__``. The tensors lie side by
side, by falling alignment and then by their names; the header ends at a multiple of 8 bytes. See
https://github.com/huggingface/safetensors.

Arrays are read into their own memory, one after the other: a file that ends too early, or becomes shorter meanwhile, is
an error, and no more memory is used than the file has bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastbp.support.checks import sentence

__all__ = ["FormatError", "check_storable", "kind_of", "once", "raw", "read_tensors", "write_tensors"]

Array = NDArray[Any]

_METADATA = "__metadata__"
_LARGEST_HEADER = 100_000_000  # bytes, as in the format's own library

# In order of rising alignment, as the format's own library has them.
_KINDS = {
    "BOOL": "?",
    "U8": "u1",
    "I8": "i1",
    "I16": "i2",
    "U16": "u2",
    "F16": "f2",
    "I32": "i4",
    "U32": "u4",
    "F32": "f4",
    "F64": "f8",
    "I64": "i8",
    "U64": "u8",
}
_RANKS = {kind: rank for rank, kind in enumerate(_KINDS)}
_KIND_OF = {np.dtype(code): kind for kind, code in _KINDS.items()}


class FormatError(ValueError):
    """Contents that are not in this format."""


class _Place(NamedTuple):
    """Where an array lies, relative to the end of the header."""

    begin: int
    end: int
    name: str
    kind: str
    shape: tuple[int, ...]


def kind_of(array: Array) -> str:
    """Return the format's name of an array's dtype."""
    return _KIND_OF[array.dtype.newbyteorder("=")]


def check_storable(array: Array, argument: str) -> Array:
    """Return an array if a file can hold it."""
    if array.dtype.newbyteorder("=") not in _KIND_OF:
        raise TypeError(sentence(argument, array, "booleans, integers or floats of up to 64 bits"))
    return array


# ------------------------------------------------------------------------------------------------------ writing


def write_tensors(file: BinaryIO, tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> None:
    """Write arrays and text."""
    names = sorted(tensors, key=lambda name: (-_RANKS[kind_of(tensors[name])], name))
    header: dict[str, Any] = {_METADATA: dict(metadata)}
    place = 0
    for name in names:
        array = tensors[name]
        offsets = [place, place + array.nbytes]
        header[name] = {"dtype": kind_of(array), "shape": list(array.shape), "data_offsets": offsets}
        place += array.nbytes
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for name in names:
        file.write(raw(tensors[name]))


def raw(array: Array) -> memoryview:
    """Return the bytes of an array in the file's order, without a copy where it has that order."""
    return _bytes_of(np.ascontiguousarray(array, array.dtype.newbyteorder("<")))


def _bytes_of(array: Array) -> memoryview:
    """Return the memory of a C-contiguous array."""
    memory: Any = array.reshape(-1).view(np.uint8)
    return memoryview(memory)


# ------------------------------------------------------------------------------------------------------ reading


def read_tensors(file: BinaryIO, size: int) -> tuple[dict[str, str], dict[str, Array]]:
    """Return the text and the arrays of a file of ``size`` bytes, in the order in which they lie.

    Raises
    ------
    FormatError
        If it is not in this format, or ends too early.
    """
    length = int.from_bytes(_read(file, 8), "little")
    if length > min(size - 8, _LARGEST_HEADER):
        raise FormatError(f"its header of {length} bytes does not fit in the file")
    try:
        header = json.loads(_read(file, length).decode(), object_pairs_hook=once)
        metadata = _metadata_of(header)
        places = sorted(_place_of(name, header[name]) for name in header)
    except FormatError:
        raise
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise FormatError(f"its header is none of safetensors: {error}") from None
    end = 0
    for place in places:
        if place.begin != end:
            raise FormatError(f"its tensor {place.name!r} begins at byte {place.begin} of the data, not at {end}")
        end = place.end
    if 8 + length + end != size:
        raise FormatError(f"it has {size} bytes; expected {8 + length + end}")
    return metadata, {place.name: _read_array(file, place) for place in places}


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object as a dictionary; a key that occurs twice is refused, of which readers take one or the other.

    Raises
    ------
    FormatError
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        raise FormatError("a name occurs twice in it")
    return found


def _metadata_of(header: Any) -> dict[str, str]:
    """Take the text out of the header and return it."""
    if not isinstance(header, dict):
        raise FormatError("its header is no JSON object")
    metadata = header.pop(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise FormatError("its metadata is no dictionary of text")
    return metadata


def _place_of(name: str, described: Mapping[str, Any]) -> _Place:
    kind, shape = described["dtype"], tuple(map(_natural, described["shape"]))
    begin, end = map(_natural, described["data_offsets"])
    if kind not in _KINDS:
        raise FormatError(f"its tensor {name!r} is of dtype {kind}, which is none of {', '.join(_KINDS)}")
    n_bytes = math.prod(shape) * np.dtype(_KINDS[kind]).itemsize
    if end - begin != n_bytes:
        raise FormatError(f"its tensor {name!r} has {end - begin} bytes; expected {n_bytes}")
    return _Place(begin, end, name, kind, shape)


def _natural(number: Any) -> int:
    if type(number) is not int or not 0 <= number < 2**62:
        raise FormatError(f"its header has {str(number)[:30]}, where a size belongs")
    return number


def _read_array(file: BinaryIO, place: _Place) -> Array:
    try:
        array = np.empty(place.shape, np.dtype(_KINDS[place.kind]).newbyteorder("<"))
    except ValueError as error:  # too many dimensions
        raise FormatError(f"its tensor {place.name!r} has a shape that no array has: {error}") from None
    memory = _bytes_of(array)
    if _read_into(file, memory) < len(memory):
        raise FormatError(f"it ends within the tensor {place.name!r}")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _read(file: BinaryIO, length: int) -> bytes:
    data = file.read(length)
    if len(data) < length:
        raise FormatError("it ends within its header")
    return data


def _read_into(file: BinaryIO, memory: memoryview) -> int:
    """Fill memory from a file; return the number of bytes, which is smaller where the file ends."""
    n_read = 0
    while n_read < len(memory):
        n_more: int = file.readinto(memory[n_read:])  # type: ignore[attr-defined]
        if n_more == 0:
            break
        n_read += n_more
    return n_read
