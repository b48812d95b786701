"""A model's preparation: what it makes of X and of the targets, and what it has learned for that."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.data.arrays import as_array, as_matrix
from fastbp.engine.features import Features
from fastbp.preparation.columns import (
    Columns,
    check_prepare,
    check_prepare_targets,
    prepare_from_config,
    prepare_to_config,
)
from fastbp.preparation.learn import learn, learn_blindly
from fastbp.preparation.learned import Learned

__all__ = ["ModelPreparation"]

Array = NDArray[Any]

_BLOCK_ROWS = 4096
_POWER_OF_SUM = {"absolute_error": 1, "squared_error": 2}  # of the targets' unit, in the engine's sums over errors


class ModelPreparation:
    """What a model does to X and to its targets, and what it has learned for that.

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

    @property
    def ready(self) -> bool:
        """Whether all is learned."""
        return (self.prepare is None or self.inputs is not None) and (
            self.prepare_targets is None or self.targets is not None
        )

    @property
    def keeps_width(self) -> bool:
        """Whether as many numbers as columns come out, whatever the data is."""
        if isinstance(self.prepare, Columns):
            return not any(each.widens for each in self.prepare.numeric + self.prepare.categorical)
        return self.prepare is None or not any(each.widens for each in self.prepare)

    def expect(self, n_columns: int) -> None:
        """Learn at once what needs no data, for so many columns of X."""
        if isinstance(self.prepare, tuple) and not any(each.learns for each in self.prepare):
            self.inputs = learn_blindly(self.prepare, n_columns)

    def after(
        self,
        X: ArrayLike,
        y: ArrayLike | None,
        rows: NDArray[np.int64] | None,
        names: tuple[str, str],
        n_columns: int | None,
    ) -> tuple[ModelPreparation, Any]:
        """Return this, and what was not learned yet learned from X, of so many columns, and y.

        Raises
        ------
        TypeError, ValueError
            If X or y is not what the preparation needs.
        """
        learned = ModelPreparation(self.prepare, self.prepare_targets)
        learned.inputs, learned.targets = self.inputs, self.targets
        if self.prepare is not None and self.inputs is None:
            learned.inputs = inputs = learn(self.prepare, X, rows, names[0])
            if n_columns is not None and inputs.n_columns != n_columns:
                raise ValueError(
                    f"{names[0]} has {inputs.n_columns} columns; expected {n_columns}, as the model's inputs are."
                )
        if self.prepare_targets is not None and self.targets is None:
            if y is None:
                raise TypeError(
                    f"y is None; expected the targets, of which {list(self.prepare_targets)!r} is to learn."
                )
            array = as_array(y, names[1])
            columns = array[:, np.newaxis] if array.ndim == 1 else array
            learned.targets = learn(self.prepare_targets, columns, rows, names[1])
        return learned, learned.read(X, n_columns, names[0])  # type: ignore[arg-type]

    def check_ready(self) -> None:
        """Refuse to go on without what is to be learned."""
        if not self.ready:
            raise ValueError(
                f"the model's preparation, {self!r}, has learned from no data yet; expected that Trainer.fit, or "
                "model.build(X, y), is called first."
            )

    def read(self, X: Any, n_columns: int, argument: str) -> Any:
        """Return samples as an array that the engine reads."""
        self.check_ready()
        return as_matrix(X, n_columns, argument) if self.inputs is None else self.inputs.read(X, argument)

    @property
    def native(self) -> tuple[Features | None, Features | None]:
        """What the engine makes of X, and of the targets."""
        return (
            None if self.inputs is None else self.inputs.native,
            None if self.targets is None else self.targets.native,
        )

    # ------------------------------------------------------------------------------------------------- targets

    def check_outputs(self, n_outputs: int) -> None:
        """Refuse outputs that are no whole number for each column of targets."""
        if self.targets is not None and n_outputs % len(self.targets.features):
            raise ValueError(
                f"prepare_targets is for {len(self.targets.features)} columns of targets, and the model has "
                f"{n_outputs} outputs; expected as many for each."
            )

    def restore(self, outputs: Array) -> None:
        """Bring outputs back to the targets' own units, in place."""
        if self.targets is None:
            return
        n_repeats = outputs.shape[1] // len(self.targets.features)
        for start in range(0, len(outputs), _BLOCK_ROWS):
            block = outputs[start : start + _BLOCK_ROWS].astype(np.float64)
            for i, steps in enumerate([steps for _, steps in self.targets.features] * n_repeats):
                for _, a, b, c in reversed(steps):
                    block[:, i] = (block[:, i] - c) / b + a
            with np.errstate(over="ignore"):
                outputs[start : start + _BLOCK_ROWS] = block

    def check_metric(self, metric: str, sums: str | None) -> None:
        """Refuse a metric whose sums, made from prepared targets, say nothing of the targets themselves."""
        if self.prepare_targets is not None and sums is not None and sums not in _POWER_OF_SUM:
            raise ValueError(
                f"metrics has {metric!r} and prepare_targets is {list(self.prepare_targets)!r}; expected metrics of "
                "distances, such as mae, mse or r2, with it. Or leave prepare_targets out."
            )

    def in_units(self, name: str, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the engine's sums of errors, a number a target, in the targets' own units."""
        power = _POWER_OF_SUM.get(name)
        if self.targets is None or power is None:
            return sums
        units = np.array([math.prod(1 / b for _, _, b, _ in steps) for _, steps in self.targets.features])
        in_units: NDArray[np.float64] = sums * np.abs(units) ** power
        return in_units

    # ----------------------------------------------------------------------------------------------- restoring

    def __repr__(self) -> str:
        parts = {"prepare": self.prepare, "prepare_targets": self.prepare_targets}
        return ", ".join(
            f"{name}={list(part) if isinstance(part, tuple) else part!r}"
            for name, part in parts.items()
            if part is not None
        )

    def to_config(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "prepare": prepare_to_config(self.prepare),
            "prepare_targets": prepare_to_config(self.prepare_targets),
            "inputs": None if self.inputs is None else self.inputs.to_config(),
            "targets": None if self.targets is None else self.targets.to_config(),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> ModelPreparation:
        """Return what ``to_config`` wrote down."""
        preparing = cls(prepare_from_config(config["prepare"]), prepare_from_config(config["prepare_targets"]))
        if config["inputs"] is not None:
            preparing.inputs = Learned.from_config(config["inputs"])
        if config["targets"] is not None:
            preparing.targets = Learned.from_config(config["targets"])
            for _, steps in preparing.targets.features:
                if any(step[0] != "affine" or step[2] == 0 for step in steps):
                    raise ValueError("the targets have steps that cannot be undone.")
        return preparing
