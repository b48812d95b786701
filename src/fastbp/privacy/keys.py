"""The secret key of the noise: never the same for two different trainings, always the same for one that goes on.

Noise that is used twice is none: of two trainings with the same noise on different data, or from different weights, the
difference shows the data. So whenever anything that training depends on is not as it was left, the key becomes a hash
of itself and of all that. Training that goes on, in another process too, finds all as it was left, and keeps the key.
"""

from __future__ import annotations

import os

__all__ = ["KeyChain"]

_KEY_BYTES = 32


class KeyChain:
    """A key, and the circumstances that it belongs to.

    Parameters
    ----------
    seed : int or None
        None: the key comes from the operating system. A number: everybody who knows it has the key.

    Attributes
    ----------
    key : bytes
        32 of them.
    circumstances : bytes
        A hash of all that training depends on, made with the key; empty before the first step.
    """

    def __init__(self, seed: int | None) -> None:
        self.key = os.urandom(_KEY_BYTES) if seed is None else _hash(b"seed", seed.to_bytes(8, "little"))
        self.circumstances = b""

    def key_for(self, circumstances: bytes) -> bytes:
        """Return the key for steps under these circumstances: another one, unless training was left under them."""
        if _hash(self.key, circumstances) != self.circumstances:
            self.key = _hash(self.key, b"next" + circumstances)
        return self.key

    def leave(self, circumstances: bytes) -> None:
        """Note the circumstances under which training was left."""
        self.circumstances = _hash(self.key, circumstances)

    def restore(self, key: bytes, circumstances: bytes) -> None:
        """Take a saved key with its circumstances."""
        if len(key) != _KEY_BYTES:
            raise ValueError(f"the key has {len(key)} bytes; expected {_KEY_BYTES}")
        self.key, self.circumstances = key, circumstances


def _hash(key: bytes, data: bytes) -> bytes:
    from hashlib import blake2b  # takes its time, and `import fastbp` does not need it

    return blake2b(data, key=key, digest_size=_KEY_BYTES).digest()
