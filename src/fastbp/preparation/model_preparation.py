"""A model's preparation: how it converts X and the targets, and what it has learned for that."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.data.arrays import as_array, as_matrix
from fastbp.data.blocks import BLOCK_ROWS
from fastbp.data.sparse import Sparse
from fastbp.engine.features import Features
from fastbp.preparation.columns import (
    Chain,
    Columns,
    check_prepare,
    check_prepare_targets,
    prepare_from_config,
    prepare_to_config,
)
from fastbp.preparation.learn import learn, learn_without_data
from fastbp.preparation.learned import Learned, all_numbers
from fastbp.preparation.running import RunningMoments, RunningStandardize
from fastbp.preparation.tables import TypedColumns, read_table
from fastbp.support.underflow import underflows_to_zero
from fastbp.support.user_warnings import warn_user

__all__ = ["ModelPreparation"]

Array = NDArray[Any]

_POWER_OF_SUM = {"absolute_error": 1, "squared_error": 2}  # of the targets' unit, in the engine's sums of errors


class ModelPreparation:
    """How a model converts X and its targets, and what it has learned for that.

    Parameters
    ----------
    prepare, prepare_targets
        As ``fb.Model`` takes them.
    """

    def __init__(self, prepare: Any, prepare_targets: Any) -> None:
        self.prepare = check_prepare(prepare)
        self.prepare_targets = check_prepare_targets(prepare_targets)
        self.inputs: Learned | None = None
        self.targets: Learned | None = None
        alone = self.prepare[0] if isinstance(self.prepare, tuple) else None
        self.running = alone if isinstance(alone, RunningStandardize) else None
        self.moments: RunningMoments | None = None  # of the rows that it has seen, where it is running

    @property
    def ready(self) -> bool:
        """Whether everything is learned."""
        return (self.prepare is None or self.inputs is not None) and (
            self.prepare_targets is None or self.targets is not None
        )

    @property
    def learns_targets(self) -> bool:
        """Whether it has still to learn from targets."""
        return self.prepare_targets is not None and self.targets is None

    @property
    def keeps_width(self) -> bool:
        """Whether there is one feature for each column, whatever the data is."""
        if isinstance(self.prepare, Columns):
            return not any(each.widens for each in self.prepare.numeric + self.prepare.categorical)
        return self.prepare is None or not any(each.widens for each in self.prepare)

    def expect(self, n_columns: int) -> None:
        """Learn what needs no data, for n_columns columns of X."""
        if isinstance(self.prepare, tuple) and not any(each.learns for each in self.prepare):
            self.inputs = learn_without_data(self.prepare, n_columns)

    def moments_with(self, array: Array) -> RunningMoments:
        """Return the running statistics of these rows too, which ``read`` returned."""
        assert self.inputs is not None
        return (self.moments or RunningMoments.of_nothing(self.inputs.n_columns)).with_rows(array)

    def with_moments(self, moments: RunningMoments) -> ModelPreparation:
        """Return this, whose statistics are running, with these."""
        assert self.running is not None and self.inputs is not None
        before = self.inputs
        given = copy.copy(self)
        given.moments = moments
        features = self.running.features(moments)
        given.inputs = Learned(before.n_columns, before.names, before.texts, features, before.writings)
        return given

    def after(
        self,
        X: ArrayLike | TypedColumns,
        y: ArrayLike | None,
        rows: NDArray[np.int64] | None,
        names: tuple[str, str],
        n_columns: int | None,
    ) -> tuple[ModelPreparation, Array | Sparse]:
        """Return this with everything learned that it needs from X and y, and X as an array that the engine reads.

        Parameters
        ----------
        X : array-like or TypedColumns
            The second is what ``read_table`` returned for X. It is read once.
        y : array-like or None
        rows : int64 ndarray or None
            The samples to learn from; None is all. The array has all samples.
        names : (str, str)
            The names of X and y in messages.
        n_columns : int or None
            The columns that X must have; None is any number.

        Raises
        ------
        TypeError, ValueError
            If X or y is not what the preparation needs.
        """
        learned = ModelPreparation(self.prepare, self.prepare_targets)
        learned.inputs, learned.targets, learned.moments = self.inputs, self.targets, self.moments
        if self.prepare is not None and self.inputs is None:
            table = X if isinstance(X, TypedColumns) else read_table(X, names[0])
            if y is not None and len(y) != table.n_rows:  # type: ignore[arg-type]
                raise ValueError(
                    f"{names[0]} has {table.n_rows} rows, {names[1]} has {len(y)}; expected a target for each sample."  # type: ignore[arg-type]
                )
            array: Array | Sparse
            learned.inputs, array = learn(self.prepare, table, rows)
            if n_columns is not None and table.n_columns != n_columns:
                raise ValueError(f"{names[0]} has {table.n_columns} columns; expected {n_columns}, the model's inputs.")
        else:
            array = self._read(X, n_columns, names[0])
        if self.learns_targets:
            assert self.prepare_targets is not None
            learned.targets = self._learn_targets(self.prepare_targets, y, rows, names[1])
        return learned, array

    @staticmethod
    def _learn_targets(
        prepare_targets: Chain, y: ArrayLike | None, rows: NDArray[np.int64] | None, argument: str
    ) -> Learned:
        if y is None:
            raise TypeError(f"y is None; expected the targets, from which {list(prepare_targets)!r} learns.")
        array = as_array(y, argument)
        columns = array[:, np.newaxis] if array.ndim == 1 else array
        return learn(prepare_targets, read_table(columns, argument), rows)[0]

    def check_ready(self) -> None:
        """Refuse to go on before everything is learned."""
        if not self.ready:
            raise ValueError(
                f"the model's preparation, {self!r}, has learned from no data yet; expected that Trainer.fit, or "
                "model.build(X, y), is called first."
            )

    def read(self, X: ArrayLike | TypedColumns, n_columns: int, argument: str) -> Array | Sparse:
        """Return samples, or what ``read_table`` returned for them, as an array that the engine reads."""
        self.check_ready()
        return self._read(X, n_columns, argument)

    def _read(self, X: ArrayLike | TypedColumns, n_columns: int | None, argument: str) -> Array | Sparse:
        if self.inputs is not None:
            return self.inputs.read(X, argument)
        return as_matrix(all_numbers(X) if isinstance(X, TypedColumns) else X, n_columns, argument)

    @property
    def native(self) -> tuple[Features | None, Features | None]:
        """The steps of X and of the targets, as the engine runs them."""
        return (
            None if self.inputs is None else self.inputs.native,
            None if self.targets is None else self.targets.native,
        )

    # ------------------------------------------------------------------------------------------------- targets

    def check_outputs(self, n_outputs: int) -> None:
        """Refuse a number of outputs that is not a multiple of the number of targets."""
        if self.targets is not None and n_outputs % len(self.targets.features):
            raise ValueError(
                f"prepare_targets is for {len(self.targets.features)} columns of targets, and the model has "
                f"{n_outputs} outputs; expected the same number for each."
            )

    @underflows_to_zero
    def restore(self, outputs: Array) -> None:
        """Convert outputs back to the targets' own units, in place; warn of those that become infinite."""
        if self.targets is None:
            return
        n_repeats = outputs.shape[1] // len(self.targets.features)
        for start in range(0, len(outputs), BLOCK_ROWS):
            block = outputs[start : start + BLOCK_ROWS].astype(np.float64)
            for i, steps in enumerate([steps for _, steps in self.targets.features] * n_repeats):
                for _, a, b, c in reversed(steps):
                    block[:, i] = (block[:, i] - c) / b + a
            try:
                with np.errstate(over="raise"):
                    outputs[start : start + BLOCK_ROWS] = block
            except FloatingPointError:
                _warn_of_infinite(block, outputs.dtype)
                with np.errstate(over="ignore"):
                    outputs[start : start + BLOCK_ROWS] = block

    def check_metric(self, metric: str, sums: str | None) -> None:
        """Refuse a metric whose sums over prepared targets cannot be converted to the targets' own units."""
        if self.prepare_targets is not None and sums is not None and sums not in _POWER_OF_SUM:
            raise ValueError(
                f"metrics has {metric!r} and prepare_targets is {list(self.prepare_targets)!r}; expected metrics of "
                "distances with it, such as mae, mse or r2. Or omit prepare_targets."
            )

    @underflows_to_zero
    def in_units(self, name: str, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the engine's sums of errors, one for each target, in the targets' own units."""
        power = _POWER_OF_SUM.get(name)
        if self.targets is None or power is None:
            return sums
        in_units: NDArray[np.float64] = sums * np.abs(self._units) ** power
        return in_units

    def units_of_outputs(self, n_outputs: int) -> NDArray[np.float64] | None:
        """Return how much ``restore`` changes each output for a change of 1; None where it changes nothing."""
        if self.targets is None:
            return None
        return np.tile(self._units, n_outputs // len(self.targets.features))

    @property
    def _units(self) -> NDArray[np.float64]:
        assert self.targets is not None
        return np.array([math.prod(1 / b for _, _, b, _ in steps) for _, steps in self.targets.features])

    # ----------------------------------------------------------------------------------------------- restoring

    def __repr__(self) -> str:
        parts = {"prepare": self.prepare, "prepare_targets": self.prepare_targets}
        return ", ".join(
            f"{name}={list(part) if isinstance(part, tuple) else part!r}"
            for name, part in parts.items()
            if part is not None
        )

    def to_config(self) -> dict[str, Any]:
        """Return this as plain data."""
        return {
            "prepare": prepare_to_config(self.prepare),
            "prepare_targets": prepare_to_config(self.prepare_targets),
            "inputs": None if self.inputs is None else self.inputs.to_config(),
            "targets": None if self.targets is None else self.targets.to_config(),
        } | ({} if self.moments is None else {"moments": self.moments.to_config()})

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> ModelPreparation:
        """Return what ``to_config`` described."""
        preparing = cls(prepare_from_config(config["prepare"]), prepare_from_config(config["prepare_targets"]))
        if config["inputs"] is not None:
            preparing.inputs = Learned.from_config(config["inputs"])
            if preparing.running is not None and "moments" in config:
                preparing.moments = RunningMoments.from_config(config["moments"], preparing.inputs.n_columns)
        if config["targets"] is not None:
            preparing.targets = Learned.from_config(config["targets"])
            for _, steps in preparing.targets.features:
                if any(step[0] != "affine" or step[2] == 0 for step in steps):
                    raise ValueError("the targets have steps that cannot be undone.")
        return preparing


def _warn_of_infinite(block: NDArray[np.float64], dtype: np.dtype[Any]) -> None:
    largest = float(np.abs(block[np.isfinite(block)]).max(initial=0))
    warn_user(
        f"some outputs are infinite: in the targets' units they are numbers up to {largest:.3g}, too large for "
        f"{dtype}, the model's dtype. Make the model with dtype='float64', or give the targets in larger units.",
        RuntimeWarning,
    )
