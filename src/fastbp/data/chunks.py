"""Samples in chunks: sources of chunks, and batches across their boundaries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastbp.data.samples import LossOfSamples, Samples
from fastbp.data.sparse import is_sparse
from fastbp.engine.kernels import permutation
from fastbp.support.checks import describe, sentence
from fastbp.support.underflow import underflows_to_zero

__all__ = ["ChunkSource", "Chunks", "Totals", "form_batches", "is_source", "orders"]

ChunkSource: TypeAlias = Iterable[Any] | Callable[[], Iterable[Any]]

_EXPECTED = "(X, y) or (X, y, sample_weight)"


def is_source(X: Any) -> bool:
    """Return whether an argument is a source of chunks and not an array-like."""
    is_table = hasattr(X, "__array__") or hasattr(X, "columns") or is_sparse(X)
    return callable(X) or (isinstance(X, Iterable) and not is_table)


class Chunks:
    """A source of chunks, read once per epoch.

    Parameters
    ----------
    source : iterable of (X, y) or (X, y, sample_weight), or function that returns such
        An object that can be iterated over repeatedly (a list, a dataset), or a function that returns a new iterator at
        each call; an iterator, such as a generator, can be used for one pass.
    argument : str
        The user's name for it.
    """

    def __init__(self, source: Any, argument: str) -> None:
        self._source, self.argument = source, argument

    @property
    def once(self) -> bool:
        """Whether it can be read once only."""
        return not callable(self._source) and iter(self._source) is self._source

    def read(
        self, make: Callable[[Any, Any, Any, tuple[str, str, str]], Samples], first: int = 0, step: int = 1
    ) -> Iterator[Samples]:
        """Yield the chunks as samples, each from make(X, y, sample_weight or None, names).

        A source may reuse its arrays, so writable arrays are copied, except for chunks in a list or tuple.

        Parameters
        ----------
        make : callable
        first, step : int, default 0 and 1
            Which chunks: first, first + step and so on; those between are read only where the source is no sequence.

        Raises
        ------
        TypeError, ValueError
            If one is not a chunk, only some have sample weights, or there is none.
        """
        weighted = None
        source = self._source() if callable(self._source) else self._source
        if not isinstance(source, Iterable):
            raise TypeError(sentence(f"the result of {self.argument}", source, f"an iterable of {_EXPECTED}"))
        empty = True
        for i, chunk in _numbered(source, first, step):
            empty = False
            if i % step != first:
                continue
            where = f"chunk {i} of {self.argument}"
            if not isinstance(chunk, (tuple, list)) or len(chunk) not in (2, 3):
                raise TypeError(f"{where}, counted from 0, is {describe(chunk)}; expected {_EXPECTED}.")
            X, y, *weights = chunk
            if weighted not in (None, bool(weights)):
                raise ValueError(
                    f"{where}, counted from 0, has {'' if weights else 'no '}sample_weight and those before "
                    f"{'none' if weights else 'have'}; expected the same of all chunks."
                )
            weighted = bool(weights)
            names = f"X of {where}", f"y of {where}", f"sample_weight of {where}"
            samples = make(X, y, weights[0] if weights else None, names)
            # The source's code may fill the same arrays again during training on them.
            yield samples if isinstance(source, (list, tuple)) else samples.owned()
        if empty and first == 0:
            raise ValueError(
                f"{self.argument} gave no chunk; expected at least one. An iterator that was used before gives "
                "nothing: pass a list, or a function that returns a new iterator."
            )


def _numbered(source: Iterable[Any], first: int, step: int) -> Iterator[tuple[int, Any]]:
    """Yield chunks with their numbers, of a sequence only those that are wanted."""
    if step > 1 and isinstance(source, Sequence):
        for i in range(first, len(source), step):
            yield i, source[i]
    else:
        yield from enumerate(source)


def orders(seed: int, epoch: int) -> Callable[[int, int], NDArray[np.int64]]:
    """Return order(chunk, n): the order of the n samples of a chunk in an epoch; chunks and epochs count from 0."""

    def order(chunk: int, n: int) -> NDArray[np.int64]:
        rows: NDArray[np.int64] = permutation(seed ^ (0x9E3779B97F4A7C15 * (chunk + 1) & (2**64 - 1)), epoch, n)
        return rows

    return order


def form_batches(
    chunks: Iterable[Samples],
    step_size: int,
    order: Callable[[int, int], NDArray[np.int64]] | None,
    own: Callable[[int], tuple[int, int]] | None = None,
) -> Iterator[Samples]:
    """Yield the samples of all chunks in blocks of whole steps, except the last.

    The rest of a chunk is joined with the next one. Only samples of steps that extend over two chunks are copied.

    Parameters
    ----------
    chunks : iterable of Samples
    step_size : int
        Number of samples of a step.
    order : callable or None
        Result of ``orders``; None: no shuffling.
    own : callable or None
        own(n) returns the first of the samples of a step of n that are used here, and the one after the last: no others
        are copied. None: all are used.
    """
    left: list[Callable[[int, int], Samples]] = []  # pieces of the next step: piece(a, b) reads its samples a..b
    n_left = 0
    for i, chunk in enumerate(chunks):
        n = len(chunk)
        rows = np.arange(n) if order is None else order(i, n)
        start = 0
        if left:
            start = min(step_size - n_left, n)
            left.append(_piece(chunk, rows[:start], start < n, at_once=own is None))
            n_left += start
            if n_left < step_size:
                continue
            yield _joined(left, n_left, own)
            left = []
        stop = n - (n - start) % step_size
        if stop > start:
            yield chunk.select(slice(start, stop), keep_whole=True) if order is None else chunk.at(rows[start:stop])
        if stop < n:
            left, n_left = [_piece(chunk, rows[stop:], False, at_once=own is None)], n - stop
    if left:
        yield _joined(left, n_left, own)


def _piece(
    chunk: Samples, rows: NDArray[np.int64], keep_whole: bool, *, at_once: bool
) -> Callable[[int, int], Samples]:
    """Return a function that returns rows of a chunk, some of them read; at once, all of them are read here."""
    if at_once:
        read = chunk.select(rows, keep_whole)
        return lambda start, stop: read
    return lambda start, stop: chunk.select(rows, keep_whole, (start, stop))


def _joined(
    pieces: Sequence[Callable[[int, int], Samples]], n: int, own: Callable[[int], tuple[int, int]] | None
) -> Samples:
    """Return the samples of all pieces, n together, of which those that are used here are read."""
    start, stop = (0, n) if own is None else own(n)
    parts: list[Samples] = []
    before = 0
    for piece in pieces:
        parts.append(piece(start - before, stop - before))
        before += len(parts[-1])
    return parts[0].joined(*parts[1:]) if len(parts) > 1 else parts[0]


class Totals:
    """Totals over all samples that figures need, summed chunk by chunk.

    Attributes
    ----------
    loss : LossOfSamples
    n_targets : int
    total_weight : float
    """

    def __init__(self, loss: LossOfSamples, n_targets: int, wants_spread: bool) -> None:
        self.loss, self.n_targets = loss, n_targets
        self.total_weight = 0.0
        self._n_samples = 0
        self._wants_spread = wants_spread
        self._mean = np.zeros(n_targets)
        self._spread = np.zeros(n_targets)

    def __len__(self) -> int:
        return self._n_samples

    @property
    def spread(self) -> NDArray[np.float64]:
        """Sum of squared deviations of the targets from their mean, for each output."""
        return self._spread

    def add(self, chunk: Samples) -> None:
        """Add a chunk."""
        spread = self._wants_spread and chunk.total_weight > 0
        self.add_summary(len(chunk), chunk.total_weight, *((chunk.mean, chunk.spread) if spread else (None, None)))

    @underflows_to_zero
    def add_summary(
        self,
        n_samples: int,
        weight: float,
        mean: NDArray[np.float64] | None,
        spread: NDArray[np.float64] | None,
    ) -> None:
        """Add what is known of a chunk; means and squares are merged as in Chan, Golub and LeVeque (1983)."""
        self._n_samples += n_samples
        if mean is not None and spread is not None:
            step = mean - self._mean
            share = weight / (self.total_weight + weight)
            self._mean = self._mean + step * share
            self._spread = self._spread + spread + np.square(step) * self.total_weight * share
        self.total_weight += weight
