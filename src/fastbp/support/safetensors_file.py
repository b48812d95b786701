"""Files in the safetensors format, which holds arrays and text and cannot run code.

The metadata has one entry, ``fastbp``: JSON with the version of this layout, a description of the contents under the
name of the file's kind ("model", "trainer", "ensemble"), a SHA-256 digest of description and arrays, and the tensors'
names in order.

A model's tensors are ``layers.<i>.W``, ``layers.<i>.b`` and the other arrays of a layer, where i counts the layers that
have arrays, from 0; and ``inputs.E<i>`` for categories. The list of names is left out where W and b alternate.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

__all__ = [
    "ENSEMBLE",
    "MODEL",
    "TRAINER",
    "BrokenFileError",
    "Kind",
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

    def __str__(self) -> str:
        return f"{'an' if self.name[0] in 'aeiou' else 'a'} {self.name}"


MODEL = Kind("model", "Model")
TRAINER = Kind("trainer", "Trainer")
ENSEMBLE = Kind("ensemble", "Ensemble")
_KINDS = (MODEL, TRAINER, ENSEMBLE)


class BrokenFileError(ValueError):
    """A file that ``save`` did not write, or that was changed since."""

    def __init__(self, path: str | os.PathLike[str], kind: Kind, why: str) -> None:
        was = f"{os.fspath(path)!r} is not {kind} file of fastbp: {why}"
        super().__init__(f"{was}. Expected a file written by {kind.owner}.save.")


@contextlib.contextmanager
def blaming_file(path: str | os.PathLike[str], kind: Kind) -> Iterator[None]:
    """Raise a BrokenFileError in place of any error that a description of other contents can cause."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError, OverflowError) as error:
        raise BrokenFileError(path, kind, f"the description in it does not fit: {error}") from error


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

    The old file stays until the new one is complete and on the disk: whenever the process or the machine dies, one of
    the two is there, never a part.
    """
    header = {"layout": _LAYOUT, kind.name: description, "sha256": _digest(description, tensors.values())}
    if list(tensors) != _names(len(tensors)):
        header["names"] = list(tensors)
    target = Path(path)
    _remove_left_behind(target)
    unfinished = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        contents = save(dict(tensors), metadata={_KEY: json.dumps(header)})
        with open(unfinished, "wb") as file:
            file.write(contents)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, target)
        _sync_directory(target.parent)
    except SafetensorError as error:
        raise OSError(f"{os.fspath(path)!r} could not be written: {error}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _sync_directory(path: Path) -> None:
    """Write a directory's entries to the disk."""
    if os.name != "posix":
        return  # only POSIX systems can open a directory
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_left_behind(target: Path) -> None:
    """Remove unfinished copies of this file, left by processes that were killed."""
    for part in target.parent.glob(f"{_literally(target.name)}.*.part"):
        writer = part.name.removeprefix(f"{target.name}.").removesuffix(".part")
        if writer.isascii() and writer.isdecimal() and not _is_alive(int(writer)):
            with contextlib.suppress(OSError):  # it may belong to another user
                part.unlink()


def _literally(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _is_alive(process: int) -> bool:
    if os.name != "posix":
        return True  # there is no way to ask: os.kill would end the process
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def read_file(path: str | os.PathLike[str], kind: Kind) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the description and the arrays of a file.

    Raises
    ------
    OSError
        If it cannot be read.
    BrokenFileError
        If ``write_file`` did not write it for this kind, or it was changed since.
    """
    with open(path, "rb"):  # if it is missing, a directory or forbidden, Python's own error says so
        pass
    try:
        with safe_open(path, framework="numpy") as file:
            header = _read_header(path, kind, (file.metadata() or {}).get(_KEY))
            names = header["names"] or _names(len(file.keys()))
            if set(names) != set(file.keys()) or len(set(names)) < len(names):
                raise BrokenFileError(path, kind, f"its tensors are {', '.join(sorted(file.keys()))}")
            tensors = {name: file.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise BrokenFileError(path, kind, f"it is damaged, truncated or in another format ({error})") from error
    if _digest(header[kind.name], tensors.values()) != header["sha256"]:
        raise BrokenFileError(path, kind, "its contents were altered: they do not match its SHA-256 digest")
    return header[kind.name], tensors


def _read_header(path: str | os.PathLike[str], kind: Kind, text: str | None) -> dict[str, Any]:
    if text is None:
        raise BrokenFileError(path, kind, f"it is a safetensors file without the entry {_KEY!r} in its metadata")
    try:
        header = json.loads(text)
        for other in _KINDS:
            if other.name in header and kind.name not in header:
                raise BrokenFileError(path, kind, f"it holds {other}: load it with fb.{other.owner}.load")
        layout, description, digest = header["layout"], header[kind.name], header["sha256"]
        names = list(map(str, header.get("names", [])))
    except BrokenFileError:
        raise
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise BrokenFileError(path, kind, "the description in its metadata is damaged") from error
    if layout != _LAYOUT:
        known = f"this fastbp knows version {_LAYOUT}: update fastbp"
        raise BrokenFileError(path, kind, f"its layout is version {layout!r}, and {known}")
    return {kind.name: description, "sha256": digest, "names": names}


def _names(n_arrays: int) -> list[str]:
    return [f"layers.{i // 2}.{'Wb'[i % 2]}" for i in range(n_arrays)]


def _digest(description: Mapping[str, Any], arrays: Any) -> str:
    digest = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    for array in arrays:
        little_endian = array.astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(np.ascontiguousarray(little_endian).data)
    return digest.hexdigest()
