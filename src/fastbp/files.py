"""Model files: safetensors, which holds arrays and text and can run no code.

The tensors are ``layers.<i>.W``, ``layers.<i>.b`` and what other arrays a layer has, layers with arrays counted from 0;
and for categories ``inputs.E<i>``.
The metadata has one entry, ``fastbp``: JSON with the version of this layout, the architecture, a SHA-256 digest of
architecture and weights, and the tensors' names in the order of ``get_weights``, unless they are a W and a b in turn.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

__all__ = ["BrokenFileError", "read_model", "write_model"]

Array = NDArray[Any]

_LAYOUT = 1
_KEY = "fastbp"


class BrokenFileError(ValueError):
    """A file that is not what ``Model.save`` wrote."""

    def __init__(self, path: str | os.PathLike[str], why: str) -> None:
        was = f"{os.fspath(path)!r} is not a model file of fastbp: {why}"
        super().__init__(f"{was}. Expected a file written by Model.save.")


def write_model(
    path: str | os.PathLike[str], config: Mapping[str, Any], weights: Sequence[Array], names: Sequence[str]
) -> None:
    """Write an architecture and its weights; what was there before stays until all is written."""
    header = {"layout": _LAYOUT, "model": config, "sha256": _digest(config, weights)}
    if names != _names(len(weights)):
        header["names"] = names
    tensors = dict(zip(names, weights, strict=True))
    target = Path(path)
    unfinished = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        save_file(tensors, unfinished, metadata={_KEY: json.dumps(header)})
        os.replace(unfinished, target)
    except SafetensorError as error:
        raise OSError(f"{os.fspath(path)!r} could not be written: {error}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def read_model(path: str | os.PathLike[str]) -> tuple[dict[str, Any], list[Array]]:
    """Return the architecture and the weights of a file.

    Raises
    ------
    OSError
        If it cannot be read.
    BrokenFileError
        If it is not what ``write_model`` wrote.
    """
    with open(path, "rb"):  # a file that is missing, a directory or forbidden: Python's own errors say it best
        pass
    try:
        with safe_open(path, framework="numpy") as file:
            header = _read_header(path, (file.metadata() or {}).get(_KEY))
            names = header["names"] or _names(len(file.keys()))
            if set(names) != set(file.keys()):
                raise BrokenFileError(path, f"its tensors are {', '.join(sorted(file.keys()))}")
            weights = [file.get_tensor(name) for name in names]
    except SafetensorError as error:
        raise BrokenFileError(path, f"it is damaged, cut short or of another kind ({error})") from error
    if _digest(header["model"], weights) != header["sha256"]:
        raise BrokenFileError(path, "its contents were altered, for their digest is another one than it says")
    return header["model"], weights


def _read_header(path: str | os.PathLike[str], text: str | None) -> dict[str, Any]:
    if text is None:
        raise BrokenFileError(path, f"it is a safetensors file without the entry {_KEY!r} in its metadata")
    try:
        header = json.loads(text)
        layout, model, digest = header["layout"], header["model"], header["sha256"]
        names = list(map(str, header.get("names", [])))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise BrokenFileError(path, "the description in its metadata is damaged") from error
    if layout != _LAYOUT:
        known = f"this fastbp knows version {_LAYOUT}: update fastbp"
        raise BrokenFileError(path, f"its layout has version {layout!r}, and {known}")
    return {"model": model, "sha256": digest, "names": names}


def _names(n_arrays: int) -> list[str]:
    return [f"layers.{i // 2}.{'Wb'[i % 2]}" for i in range(n_arrays)]


def _digest(config: Mapping[str, Any], weights: Sequence[Array]) -> str:
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for weight in weights:
        little_endian = weight.astype(weight.dtype.newbyteorder("<"), copy=False)
        digest.update(np.ascontiguousarray(little_endian).data)
    return digest.hexdigest()
