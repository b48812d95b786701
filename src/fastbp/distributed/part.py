"""Training data that no process has whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastbp.support.checks import sentence

__all__ = ["Part"]


class Part:
    """Training data in parts, one for each shard, for ``trainer.fit``: each rank reads the parts of its own shards.

    For data that no machine is to hold whole, or that lie on several machines. There are as many parts as the trainer
    has ``shards``, whatever the number of ranks, and a rank has the parts of several shards: with ``shards=64`` and 8
    ranks rank 0 reads parts 0 to 7. Every step takes of each part in proportion to its size, about ``batch_size``
    samples together, and a part's samples are shuffled among themselves. So the trained weights depend on the parts,
    and on nothing that ranks do: with any number of ranks, one included, they have the same bits.

    Compared with whole data, a batch is not drawn from all samples, but from each part: let parts be alike, such as
    every 64th row of a table. Shards pass through the network one at a time, so they should have some dozens of samples
    in a step.

    Parameters
    ----------
    read : callable
        read(part) returns (X, y) or (X, y, sample_weight) of part 0, 1, ..., shards - 1, arrays as ``fit`` takes them,
        of one dtype for all parts. It is called once for each part in a call of ``fit``. Labels are numbers, or those
        of ``model.classes``.

    Raises
    ------
    TypeError
        If ``read`` is no function.

    Examples
    --------
    >>> import numpy as np
    >>> import fastbp as fb
    >>> def read(part):  # on several machines: np.load(f"part{part}.npz")
    ...     X = np.random.default_rng(part).normal(size=(100, 2))
    ...     return X, X.sum(axis=1)
    >>> model = fb.Model([fb.Dense(1)], inputs=2, seed=0)
    >>> trainer = fb.Trainer(model, "mse", fb.Adam(0.1), batch_size=64, shards=4)
    >>> history = trainer.fit(fb.distributed.Part(read), epochs=50)
    >>> round(history["loss"][-1], 3)
    0.0
    """

    def __init__(self, read: Callable[[int], tuple[Any, ...]]) -> None:
        if not callable(read):
            raise TypeError(sentence("read", read, "a function of a part's number that returns its (X, y)"))
        self.read = read

    def __repr__(self) -> str:
        return f"Part({getattr(self.read, '__qualname__', self.read)})"

    def arrays(self, part: int, n_parts: int) -> tuple[Any, Any, Any]:
        """Return X, y and sample weights or None of one of n_parts parts.

        Raises
        ------
        TypeError
            If ``read`` returned something else.
        """
        found = self.read(part)
        if not isinstance(found, (tuple, list)) or len(found) not in (2, 3):
            remedy = f"There are {n_parts} parts, one for each shard, counted from 0."
            raise TypeError(sentence(f"part {part} of X", found, "(X, y) or (X, y, sample_weight)", remedy))
        X, y, *weights = found
        return X, y, weights[0] if weights else None
