"""What must be the same on all ranks before the first step, and the sentence where it is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["digest_of_arrays", "digest_of_rows", "refuse_differences"]

_ROWS = 1024  # of an array that are looked at


def digest_of_rows(rows: Any, secret: bytes | None = None) -> str:
    """Return a fingerprint of an array-like: its shape, its dtype, and rows from its beginning to its end.

    Not of all rows: of an array that is larger than memory that would take longer than an epoch. Who lacks the secret,
    if there is one, cannot make the fingerprint of the same rows.
    """
    n = len(rows) if hasattr(rows, "__len__") else rows.shape[0]
    chosen = np.unique(np.linspace(0, n - 1, min(n, _ROWS)).astype(np.int64))
    some = rows[chosen]
    hasher = _hasher(str(getattr(rows, "shape", n)).encode(), secret or b"")
    for array in (some.data, some.columns, some.starts) if hasattr(some, "starts") else (np.asarray(some),):
        data = repr(array.tolist()).encode() if array.dtype.hasobject else array.tobytes()
        hasher.update(str(array.dtype).encode() + data)
    return str(hasher.hexdigest())


def digest_of_arrays(arrays: Sequence[Any]) -> str:
    """Return a fingerprint of whole arrays."""
    hasher = _hasher(b"")
    for array in arrays:
        hasher.update(np.ascontiguousarray(array).data)
    return str(hasher.hexdigest())


def _hasher(data: bytes, secret: bytes = b"") -> Any:
    from hashlib import blake2b  # takes its time, and `import fastbp` does not need it

    return blake2b(data, digest_size=16, key=secret)


def refuse_differences(facts_of_ranks: Sequence[Mapping[str, Any]], at: str = "on", what: str = "rank") -> None:
    """Raise the same sentence on every rank where the facts of ranks, or of something else, differ.

    Parameters
    ----------
    facts_of_ranks : sequence of dict
    at, what : str, default "on" and "rank"
        Where the facts are from.

    Raises
    ------
    ValueError
    """
    first = facts_of_ranks[0]
    for name, value in first.items():
        others = [rank for rank, facts in enumerate(facts_of_ranks) if facts.get(name) != value]
        if others:
            other = facts_of_ranks[others[0]].get(name)
            raise ValueError(
                f"{name} {at} {what} 0 is {value!r} and {at} {what} {others[0]} {other!r}; expected the same {at} all "
                f"{len(facts_of_ranks)} {what}s. {_REMEDIES.get(name, _REMEDIES.get(what, _SAME_SCRIPT))}"
            )


_SAME_SCRIPT = "Run the same script everywhere."
_REMEDIES = {
    "part": "Let all parts have the same kind of arrays.",
    "the version of fastbp": "Install the same one everywhere.",
    "the instruction set": "Set FASTBP_ISA to one that all machines have.",
    "the fingerprint of X": "Every rank reads the same rows in the same order.",
    "the fingerprint of y": "Every rank reads the same rows in the same order.",
    "the fingerprint of sample_weight": "Every rank reads the same rows in the same order.",
    "the fingerprint of the weights": "Give fb.Model the same seed, not None, or load the same file everywhere.",
    "seed": "Give fb.Trainer the same seed, not None, everywhere.",
}
