"""Samples in parts, one for each shard, of which a process has some; and how the steps of an epoch go through them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastbp.data.chunks import Totals, orders
from fastbp.data.samples import Samples
from fastbp.distributed.agreement import refuse_differences
from fastbp.distributed.exchange import Exchange, shards_of
from fastbp.distributed.part import Part

__all__ = ["PartData", "PartSteps"]

Integers = NDArray[np.int64]


class _Summary(NamedTuple):
    """What all processes know of a part."""

    n_samples: int
    total_weight: float
    mean: NDArray[np.float64] | None
    spread: NDArray[np.float64] | None
    facts: dict[str, Any]


class PartData:
    """All parts: the samples of some, and what is known of the others.

    Parameters
    ----------
    parts : Part
    n_parts : int
    exchange : Exchange or None
        The other processes, which read the other parts; None: this one reads all.
    make : callable
        make(X, y, sample_weight or None, names) returns samples.
    wants_spread : bool
        Whether figures need the spread of the targets.

    Attributes
    ----------
    samples : list of Samples
        Those of the parts that this process has.
    first : int
        The number of the first of them.
    sizes : int64 ndarray of shape (n_parts,)
        The number of samples of each part.

    Raises
    ------
    TypeError, ValueError
        If a part is not one, on all processes; or if parts differ in their columns, dtypes or kinds of targets.
    """

    def __init__(
        self,
        parts: Part,
        n_parts: int,
        exchange: Exchange | None,
        make: Callable[[Any, Any, Any, tuple[str, str, str]], Samples],
        wants_spread: bool,
    ) -> None:
        self.first, end = (0, n_parts) if exchange is None else shards_of(exchange.rank, exchange.n_ranks, n_parts)

        def read() -> list[Samples]:
            found = []
            for part in range(self.first, end):
                X, y, weights = parts.arrays(part, n_parts)
                where = f"part {part}"
                names = f"X of {where}", f"y of {where}", f"sample_weight of {where}"
                found.append(make(X, y, weights, names).select(slice(None)))  # which knows where its rows are from
            return found

        def summarise() -> list[_Summary]:
            return [_summary(samples, wants_spread) for samples in self.samples]

        if exchange is None:
            self.samples = read()
            self._summaries = summarise()
        else:
            self.samples = exchange.together(read)
            own = exchange.together(summarise)
            self._summaries = [each for of_rank in exchange.all_objects(own, "the parts") for each in of_rank]
        refuse_differences([summary.facts for summary in self._summaries], "of", "part")
        self.sizes = np.array([summary.n_samples for summary in self._summaries], np.int64)

    def __len__(self) -> int:
        return int(self.sizes.sum())

    @property
    def weighted(self) -> bool:
        """Whether there are sample weights."""
        return self.samples[0].sample_weights is not None

    def joined(self) -> Samples:
        """Return the samples that this process has, one part after the other."""
        return self.samples[0].joined(*self.samples[1:]) if len(self.samples) > 1 else self.samples[0]

    def add_to(self, totals: Totals) -> None:
        """Add all parts, in their order."""
        for summary in self._summaries:
            totals.add_summary(*summary[:4])


def _summary(samples: Samples, wants_spread: bool) -> _Summary:
    has_spread = wants_spread and samples.total_weight > 0
    facts = {
        "the number of columns": samples.X.shape[1],
        "the dtype of X": str(samples.X.dtype),
        "whether X is sparse": hasattr(samples.X, "starts"),
        "the dtype of y": str(samples.y.dtype),
        "the shape of a sample's target": samples.y.shape[1:],
        "whether there is sample_weight": samples.sample_weights is not None,
    }
    mean, spread = (samples.mean, samples.spread) if has_spread else (None, None)
    return _Summary(len(samples), samples.total_weight, mean, spread, facts)


class PartSteps:
    """How the steps of an epoch go through the parts.

    A step takes of each part in proportion to its size: before step s part i of V has given (size * cuts[s] + cut_of *
    i // V) // cut_of samples.

    Parameters
    ----------
    data : PartData
    batch_size : int
        How many samples a step has at most about.
    """

    def __init__(self, data: PartData, batch_size: int) -> None:
        self._data, self._batch_size = data, batch_size
        self.cut_of = -(-len(data) // batch_size)
        cuts = np.arange(self.cut_of + 1)
        before = np.zeros(len(cuts), np.int64)
        for part in range(len(data.sizes)):
            before += self._given(part, cuts)
        has_samples = np.concatenate([[True], np.diff(before) > 0])  # a step without any is left out
        self._cuts, self.ends = cuts[has_samples], before[has_samples]

    def __len__(self) -> int:
        return len(self.ends) - 1

    def _given(self, part: int, cuts: Integers) -> Integers:
        phase = self.cut_of * part // len(self._data.sizes)
        given: Integers = (self._data.sizes[part] * cuts + phase) // self.cut_of
        return given

    def order(self, seed: int, epoch: int, shuffle: bool) -> Integers:
        """Return the rows of the joined samples of this process in the order of an epoch."""
        data, order, before = self._data, orders(seed, epoch), 0
        rows = []
        for part, samples in enumerate(data.samples, data.first):
            n = len(samples)
            rows.append(before + (order(part, n) if shuffle else np.arange(n)))
            before += n
        return np.concatenate(rows)

    def plan(
        self, samples: Samples, exchange: Exchange | None
    ) -> tuple[Integers, Integers, int, Integers, NDArray[np.float64], int, int]:
        """Return what ``ShardedSession.use_parts`` takes, for joined samples in their order."""
        data = self._data
        weights = np.diff(self.ends).astype(np.float64)
        if data.weighted:
            weights = self._weights(samples, exchange)
        return data.sizes, self._cuts, self.cut_of, self.ends, weights, self._batch_size, data.first

    def _weights(self, samples: Samples, exchange: Exchange | None) -> NDArray[np.float64]:
        """Return the sum of the sample weights of each step, added part by part."""
        data, before = self._data, 0
        assert samples.sample_weights is not None
        in_order = samples.sample_weights[samples.rows_from(0, len(samples))]
        own = []
        for part, of_part in enumerate(data.samples, data.first):
            ends = self._given(part, self._cuts)
            of_rows = np.append(in_order[before : before + len(of_part)], 0.0)
            sums = np.add.reduceat(of_rows, ends[:-1])
            own.append(np.where(np.diff(ends) > 0, sums, 0.0))
            before += len(of_part)
        of_ranks = [own] if exchange is None else exchange.all_objects(own, "the sample weights of an epoch")
        total = np.zeros(len(self))
        for of_rank in of_ranks:
            for of_one in of_rank:
                total += of_one
        return total
