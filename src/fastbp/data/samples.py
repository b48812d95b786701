"""Checked samples: the user's X, y and sample weights as arrays that the engine reads."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.data.arrays import as_array, as_good_weights, as_rows, as_weights
from fastbp.data.blocks import BLOCK_ROWS
from fastbp.data.class_weights import ClassWeight, weights_by_class
from fastbp.data.classes import Classes
from fastbp.data.sparse import Sparse
from fastbp.engine.array_reader import ArrayReader
from fastbp.engine.records import SampleSet
from fastbp.support.checks import sentence
from fastbp.support.underflow import underflows_to_zero

if TYPE_CHECKING:
    from fastbp.engine.records import Targets

__all__ = ["NAMES", "LossOfSamples", "Measured", "Origin", "Samples"]

NAMES = ("X", "y", "sample_weight")
_CACHED = ("_sum_of_weights", "_shift", "spread")


class LossOfSamples(Protocol):
    """The part of a loss that samples use."""

    @property
    def name(self) -> str:
        """The name in the engine and in messages."""

    @property
    def in_python(self) -> bool:
        """Whether it is computed by a Python function."""

    @property
    def sums_outputs(self) -> bool:
        """Whether it is a mean over outputs that do not depend on each other."""

    def n_targets(self, n_outputs: int) -> int:
        """Return the number of target columns for a model with n_outputs outputs."""

    def as_targets(self, y: ArrayLike, n_outputs: int, argument: str = "y") -> NDArray[Any]:
        """Return targets as the engine takes them, checked."""

    def classes(self, targets: NDArray[Any], n_outputs: int, argument: str = "y") -> tuple[NDArray[Any], int]:
        """Return the class of each sample, and the number of classes."""


class Measured(Protocol):
    """The data that figures describe: samples, or the totals over chunks."""

    @property
    def loss(self) -> LossOfSamples:
        """The loss."""

    @property
    def n_targets(self) -> int:
        """The number of target columns."""

    @property
    def total_weight(self) -> float:
        """The sum of the sample weights."""

    @property
    def spread(self) -> NDArray[np.float64]:
        """Sum of squared deviations of the targets from their mean, for each output."""

    def __len__(self) -> int: ...


class Origin(NamedTuple):
    """Where some rows of samples were taken from.

    Attributes
    ----------
    names : tuple of str
        The user's names of the X, y and sample weights there.
    numbers : int64 ndarray
        The rows' numbers there.
    whole : Samples or None
        All samples there; None where they are not to be kept in memory.
    """

    names: tuple[str, str, str]
    numbers: NDArray[np.int64]
    whole: Samples | None


class Samples:
    """Inputs and targets of n_samples samples, checked for one model and one loss.

    Parameters
    ----------
    X : ndarray or Sparse of shape (rows, n_inputs)
        Inputs as the engine reads them.
    y : ndarray of shape (rows,) or (rows, n_targets)
        Targets as the loss takes them.
    n_outputs : int
        The model's number of outputs.
    loss : LossOfSamples
    names : tuple of str
        The user's names of X, y and the sample weights.
    sample_weight : array-like of shape (rows,) or None
        Weight of each sample; None means 1.
    class_weight : dict, "balanced" or None
        Weight of the samples of each class.
    classes : Classes or None
        The labels of the class numbers in y, where they have some.

    Attributes
    ----------
    sample_weights : float64 ndarray of shape (rows,) or None
    subset : int64 ndarray or None
        The samples' rows in X, y and sample_weights; None means all.
    origins : tuple of Origin
        Where the rows of X were taken from, one after the other, if they are copies or views of other samples.

    Raises
    ------
    TypeError, ValueError
        If X and y differ in length, or the sample weights are invalid.
    """

    def __init__(
        self,
        X: Any,
        y: NDArray[Any],
        n_outputs: int,
        loss: LossOfSamples,
        names: tuple[str, str, str] = NAMES,
        sample_weight: ArrayLike | None = None,
        class_weight: ClassWeight | None = None,
        classes: Classes | None = None,
    ) -> None:
        if len(X) != len(y):
            raise ValueError(
                f"{names[0]} has {len(X)} rows, {names[1]} has {len(y)}; expected a target for each sample."
            )
        self.X, self.y = X, y
        self.sample_weights = None if sample_weight is None else as_weights(sample_weight, len(X), names[2])
        self.subset: NDArray[np.int64] | None = None
        self.n_outputs, self.n_targets = n_outputs, loss.n_targets(n_outputs)
        self.loss, self.classes = loss, classes
        self.names = names
        self.origins: tuple[Origin, ...] = ()
        if class_weight is not None:
            self.weigh_classes(class_weight)
        self._refer()

    def __len__(self) -> int:
        return len(self.X) if self.subset is None else len(self.subset)

    @underflows_to_zero
    def weigh_classes(self, class_weight: ClassWeight) -> None:
        """Multiply the sample weights by the weights of the samples' classes."""
        labels, n_classes = self.loss.classes(self.y, self.n_outputs, self.names[1])
        rows = slice(None) if self.subset is None else self.subset
        weights = np.zeros(len(self.X))
        weights[rows] = weights_by_class(class_weight, labels[rows], n_classes, self.classes)
        if self.sample_weights is not None:
            weights *= self.sample_weights
        self.sample_weights = as_weights(weights, len(self.X), f"class_weight and {self.names[2]} together")

    def weigh_outputs(self, weights: ArrayLike) -> None:
        """Take a weight for each output of each sample, (rows, n_outputs), in place of one for each sample."""
        name, shape = self.names[2], (len(self.X), self.n_outputs)
        array = as_array(weights, name)
        if array.shape != shape:
            raise ValueError(
                f"{name} has shape {array.shape}; expected ({shape[0]},), a weight for each sample, or {shape}, one "
                "for each of its outputs."
            )
        if not self.loss.sums_outputs:
            remedy = f"The loss {self.loss.name!r} is of all outputs together."
            raise ValueError(sentence(name, array, f"a weight for each sample, of shape ({shape[0]},)", remedy))
        assert self.sample_weights is None  # a loss that is a sum of several outputs takes no class_weight
        self.sample_weights = as_good_weights(array, name)

    def part(self, rows: NDArray[np.int64], what: str) -> Samples:
        """Return these rows of all of X as new samples, without copies; messages call them ``what``."""
        if self.sample_weights is not None and not self.sample_weights[rows].any():
            raise ValueError(
                f"the sample weights of {what} in {self.names[2]} are all 0; expected one above 0: the loss is divided "
                "by their sum."
            )
        return self.at(rows)

    def at(self, rows: NDArray[np.int64]) -> Samples:
        """The same as ``part``, without the check of the sample weights."""
        part = copy.copy(self)  # which has nothing that was computed
        part.subset = rows
        return part

    def select(
        self,
        rows: NDArray[np.int64] | slice,
        keep_whole: bool = False,
        read: tuple[int, int] | None = None,
    ) -> Samples:
        """Return these rows of all of X as new samples: views for a slice, else copies.

        ``keep_whole`` keeps these samples in memory as long as the new ones. With ``read`` nobody looks at other rows
        of X than so many of the new ones, from one to before another, and of dense X the others are not read.
        """
        if read is None or isinstance(rows, slice) or isinstance(self.X, Sparse):
            X = self.X[rows]
        else:
            start, stop = (min(max(i, 0), len(rows)) for i in read)
            X = np.zeros((len(rows), *self.X.shape[1:]), self.X.dtype)
            X[start:stop] = self.X[rows[start:stop]]
        part = self._with(X, self.y[rows], None if self.sample_weights is None else self.sample_weights[rows])
        numbers = np.arange(len(self.X))[rows]
        part.origins = (Origin(self.names, numbers, self if keep_whole else None),)
        return part

    def joined(self, *others: Samples) -> Samples:
        """Return these samples followed by others; all rows of all."""
        for other in others:
            if self.y.ndim != other.y.ndim:
                raise ValueError(
                    f"{other.names[1]} has shape {other.y.shape}, and the chunk before {self.y.shape}; expected the "
                    "same kind of targets in all chunks."
                )
            if isinstance(self.X, Sparse) != isinstance(other.X, Sparse):
                raise ValueError(f"one of {other.names[0]} and the chunk before is sparse; expected both or neither.")
        given = [of.sample_weights for of in (self, *others) if of.sample_weights is not None]
        weights = np.concatenate(given) if len(given) == 1 + len(others) else None
        X: Any = self.X
        if isinstance(X, Sparse):
            for other in others:
                X = X.joined(other.X)
        else:
            X = np.concatenate([X, *(other.X for other in others)])
        joined = self._with(X, np.concatenate([self.y, *(other.y for other in others)]), weights)
        joined.origins = sum((other.origins for other in others), self.origins)
        return joined

    def origin_of(self, row: int) -> tuple[Samples, int, NDArray[np.int64] | None]:
        """Return the samples that a row of X was taken from, the row there, and the numbers of their rows for messages.

        Of samples that are gone, those that are here are returned, in their order there; None numbers rows from 0.
        """
        start = 0
        for origin in self.origins:
            stop = start + len(origin.numbers)
            if row < stop:
                if origin.whole is not None:
                    return origin.whole, int(origin.numbers[row - start]), None
                order = np.argsort(origin.numbers)
                there = self._with(self.X[start:stop][order], self.y[start:stop][order], None)
                there.names = origin.names
                return there, int(np.flatnonzero(order == row - start)[0]), origin.numbers[order]
            start = stop
        return self, row, None

    def owned(self) -> Samples:
        """Return the same samples, all rows, in arrays that cannot change; writable arrays are copied."""
        return self._with(
            _owned(self.X), _owned(self.y), None if self.sample_weights is None else _owned(self.sample_weights)
        )

    def _with(self, X: Any, y: NDArray[Any], weights: NDArray[np.float64] | None) -> Samples:
        """Return samples with the same settings and other arrays."""
        samples = copy.copy(self)
        samples.X, samples.y, samples.sample_weights, samples.subset = X, y, weights, None
        samples._refer()
        return samples

    def for_engine(self) -> SampleSet:
        """Return what a call of the engine takes."""
        return SampleSet(self.rows, self.targets, self.sample_weights, self.subset)

    def refuse_targets(self, row: int) -> None:
        """Raise the error for targets that were changed to what the loss does not take while the engine read this row.

        Nothing is raised for numbers that are not finite: the model knows their place.
        """
        if self.y.ndim == 1:
            self.loss.as_targets(self.y, self.n_outputs, self.names[1])
            raise ValueError(f"{self.names[1]} had a label that is no class while it was read; expected classes only.")
        if np.isfinite(self.y[row]).all():
            self.loss.as_targets(self.y, self.n_outputs, self.names[1])

    def __getstate__(self) -> dict[str, Any]:
        """Return all but the engine's readers and what is computed from the arrays."""
        left_out = ("rows", "targets", *_CACHED)
        return {name: value for name, value in self.__dict__.items() if name not in left_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._refer()

    def _refer(self) -> None:
        """Pass the arrays to the engine's reader."""
        self.rows = ArrayReader(self.X) if type(self.X) is np.ndarray else as_rows(self.X)  # a loop calls step()
        self.targets: Targets = ArrayReader(self.y) if self.y.ndim == 2 and not self.loss.in_python else self.y

    def rows_from(self, start: int, stop: int) -> NDArray[np.int64] | slice:
        """Return the index of the samples start..stop in X, y and sample weights."""
        return slice(start, stop) if self.subset is None else self.subset[start:stop]

    @property
    def total_weight(self) -> float:
        """The sum of the sample weights, the divisor of a mean over the samples."""
        return float(len(self)) if self.sample_weights is None else self._sum_of_weights

    @cached_property
    def _sum_of_weights(self) -> float:
        assert self.sample_weights is not None
        return float(self.sample_weights[self.rows_from(0, len(self))].sum())

    @cached_property
    @underflows_to_zero
    def spread(self) -> NDArray[np.float64]:
        """Sum of squared deviations of the targets from their mean, for each output; used by r2."""
        first = self._first
        shift = self._shift
        return self._sum_over_samples(lambda block: np.square(block - first - shift))

    @property
    def mean(self) -> NDArray[np.float64]:
        """The mean of the targets, for each output."""
        return self._first + self._shift

    @cached_property
    @underflows_to_zero
    def _shift(self) -> NDArray[np.float64]:
        """The mean minus the first sample's targets."""
        first = self._first
        return self._sum_over_samples(lambda block: block - first) / self.total_weight

    @property
    def _first(self) -> NDArray[np.float64]:
        """The first sample's targets: relative to them, equal targets are exactly 0."""
        first: NDArray[np.float64] = self.y[0 if self.subset is None else self.subset[0]].astype(np.float64)
        return first

    @underflows_to_zero
    def _sum_over_samples(self, function: Callable[[NDArray[Any]], NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return the weighted sum of a function of the rows of y, block by block."""
        total = np.zeros(self.y.shape[1])
        for i in range(0, len(self), BLOCK_ROWS):
            rows = self.rows_from(i, i + BLOCK_ROWS)
            values = function(self.y[rows])
            total += values.sum(axis=0) if self.sample_weights is None else self.sample_weights[rows] @ values
        return total


def _owned(array: Any) -> Any:
    """Return an array that cannot change: the same array if neither it nor its base can be written to, else a copy."""
    base = array
    while isinstance(base, np.ndarray) and not base.flags.writeable:
        base = base.base
    return array[:] if isinstance(array, Sparse) else array.copy() if isinstance(base, np.ndarray) else array
