"""Files in the safetensors format, which holds arrays and text and cannot run code.

The metadata has one entry, ``fastbp``: JSON with the version of this layout, a description of the contents under the
name of the file's kind ("model", "trainer", "ensemble"), the tensors' names in order, and two SHA-256 digests:
``sha256`` of the description and the arrays' bytes, and ``sha256_of_arrays`` of their names, dtypes and shapes, which
the files of version 0.1.0 lack.

A model's tensors are ``layers.<i>.W``, ``layers.<i>.b`` and the other arrays of a layer, where i counts the layers that
have arrays, from 0; and ``inputs.E<i>`` for categories. The list of names is left out where W and b alternate.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from fastbp.support.checks import check_path, shown
from fastbp.support.registry import DESCRIPTION_ERRORS
from fastbp.support.replacement import NoRegularFileError, open_regular, replace_file
from fastbp.support.safetensors_format import (
    FormatError,
    check_storable,
    kind_of,
    once,
    raw,
    read_tensors,
    write_tensors,
)

__all__ = [
    "ENSEMBLE",
    "MODEL",
    "TABLE",
    "TRAINER",
    "BrokenFileError",
    "Kind",
    "OtherKindError",
    "blaming_file",
    "read_file",
    "read_model",
    "write_file",
    "write_model",
]

Array = NDArray[Any]

_LAYOUT = 1
_KEY = "fastbp"


@dataclass(frozen=True)
class Kind:
    """A kind of file: its name in the file, and the class that writes and reads it."""

    name: str
    owner: str

    @property
    def loader(self) -> str:
        """What reads it, as a user writes it."""
        return f"{self.owner}.load" if "." in self.owner else f"fb.{self.owner}.load"

    def __str__(self) -> str:
        return f"{'an' if self.name[0] in 'aeiou' else 'a'} {self.name}"


MODEL = Kind("model", "Model")
TRAINER = Kind("trainer", "Trainer")
ENSEMBLE = Kind("ensemble", "Ensemble")
TABLE = Kind("table", "fastbp.sklearn.TabularClassifier or TabularRegressor")
_KINDS = (MODEL, TRAINER, ENSEMBLE, TABLE)


class BrokenFileError(ValueError):
    """A file that ``save`` did not write, or that was changed since."""

    def __init__(self, path: str | os.PathLike[str], kind: Kind, why: str) -> None:
        was = f"{shown(os.fspath(path))} is not {kind} file of fastbp: {why}"
        super().__init__(f"{was}. Expected a file written by {kind.owner}.save.")


class OtherKindError(BrokenFileError):
    """A file of another kind than was expected.

    Attributes
    ----------
    holds : Kind
        What it is.
    """

    def __init__(self, path: str | os.PathLike[str], kind: Kind, holds: Kind) -> None:
        super().__init__(path, kind, f"it holds {holds}: load it with {holds.loader}")
        self.holds = holds


@contextlib.contextmanager
def blaming_file(path: str | os.PathLike[str], kind: Kind) -> Iterator[None]:
    """Raise a BrokenFileError in place of any error that a description of other contents can cause."""
    try:
        yield
    except DESCRIPTION_ERRORS as error:
        why = f"it has no entry {error}" if isinstance(error, KeyError) else str(error)
        raise BrokenFileError(path, kind, f"the description in it does not fit: {why}") from error


def write_model(
    path: str | os.PathLike[str], config: Mapping[str, Any], weights: Sequence[Array], names: Sequence[str]
) -> None:
    """Write an architecture and its weights."""
    write_file(path, MODEL, config, dict(zip(names, weights, strict=True)))


def read_model(path: str | os.PathLike[str]) -> tuple[dict[str, Any], list[Array]]:
    """Return the architecture and the weights of a file.

    Raises
    ------
    OSError
        If it cannot be read.
    BrokenFileError
        If ``write_model`` did not write it, or it was changed since.
    """
    config, tensors = read_file(path, MODEL)
    return config, list(tensors.values())


def write_file(
    path: str | os.PathLike[str], kind: Kind, description: Mapping[str, Any], tensors: Mapping[str, Array]
) -> None:
    """Write arrays and a description that JSON can hold.

    The caller has the arrays for itself: nobody changes them meanwhile. The old file stays until the new one is
    complete and on the disk: whenever the process or the machine dies, one of the two is there, never a part.

    Raises
    ------
    OSError
        If the file cannot be written.
    TypeError, ValueError
        If ``path`` is no path, or JSON or the format cannot hold the contents.
    """
    name = check_path(path)
    arrays = {key: check_storable(array, key) for key, array in tensors.items()}
    described = json.loads(json.dumps(description))  # what is written and what is digested are one
    header = {"layout": _LAYOUT, kind.name: described, "sha256": _digest(described, arrays.values())}
    header["sha256_of_arrays"] = _digest_of_kinds(arrays)
    if list(arrays) != _names(len(arrays)):
        header["names"] = list(arrays)
    metadata = {_KEY: json.dumps(header)}
    replace_file(name, lambda file: write_tensors(file, arrays, metadata))


def read_file(path: str | os.PathLike[str], kind: Kind) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the description and the arrays of a file.

    Raises
    ------
    OSError
        If it cannot be read.
    BrokenFileError
        If ``write_file`` did not write it for this kind, or it was changed since.
    """
    try:
        with open_regular(check_path(path)) as file:
            metadata, stored = read_tensors(file, os.fstat(file.fileno()).st_size)
    except NoRegularFileError as error:
        raise BrokenFileError(path, kind, str(error.strerror)) from error
    except FormatError as error:
        raise BrokenFileError(path, kind, f"it is damaged, truncated or in another format ({error})") from error
    header = _read_header(path, kind, metadata.get(_KEY))
    names = header["names"] or _names(len(stored))
    if set(names) != set(stored) or len(set(names)) < len(names):
        raise BrokenFileError(path, kind, f"its tensors are {', '.join(sorted(stored))}")
    tensors = {name: stored[name] for name in names}
    of_kinds = header["sha256_of_arrays"]
    if _digest(header[kind.name], tensors.values()) != header["sha256"] or (
        of_kinds is not None and _digest_of_kinds(tensors) != of_kinds
    ):
        raise BrokenFileError(path, kind, "its contents were altered: they do not match its SHA-256 digest")
    return header[kind.name], tensors


def _read_header(path: str | os.PathLike[str], kind: Kind, text: str | None) -> dict[str, Any]:
    if text is None:
        raise BrokenFileError(path, kind, f"it is a safetensors file without the entry {_KEY!r} in its metadata")
    try:
        header = json.loads(text, object_pairs_hook=once)
        for other in _KINDS:
            if other.name in header and kind.name not in header:
                raise OtherKindError(path, kind, other)
        layout, description, digest = header["layout"], header[kind.name], header["sha256"]
        names = list(map(str, header.get("names", [])))
    except BrokenFileError:
        raise
    except FormatError as error:
        raise BrokenFileError(path, kind, f"the description in its metadata is damaged: {error}") from None
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise BrokenFileError(path, kind, "the description in its metadata is damaged") from error
    if layout != _LAYOUT:
        known = f"this fastbp knows version {_LAYOUT}: update fastbp"
        raise BrokenFileError(path, kind, f"its layout is version {layout!r}, and {known}")
    of_arrays = header.get("sha256_of_arrays")
    return {kind.name: description, "sha256": digest, "sha256_of_arrays": of_arrays, "names": names}


def _names(n_arrays: int) -> list[str]:
    return [f"layers.{i // 2}.{'Wb'[i % 2]}" for i in range(n_arrays)]


def _digest(description: Mapping[str, Any], arrays: Iterable[Array]) -> str:
    digest = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    for array in arrays:
        digest.update(raw(array))
    return digest.hexdigest()


def _digest_of_kinds(arrays: Mapping[str, Array]) -> str:
    """Return the digest of the arrays' names, dtypes and shapes: the same bytes may be other numbers."""
    kinds = [[name, kind_of(array), list(array.shape)] for name, array in arrays.items()]
    return hashlib.sha256(json.dumps(kinds).encode()).hexdigest()
