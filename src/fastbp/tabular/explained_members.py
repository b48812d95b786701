"""A network of a fitted table as what gradient methods explain: its inputs, and how they change with the columns."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastbp.explanations.subjects import Subject
from fastbp.explanations.twins import blank, twin
from fastbp.layers.dense import Dense
from fastbp.models.model import Model
from fastbp.tabular.encoding import TableEncoding
from fastbp.tabular.explained_waves import without_waves
from fastbp.tabular.fitted import FittedMember, FittedTable
from fastbp.tabular.targets import NumberTargets

__all__ = ["MemberSubject", "TableFeatures"]

Array = NDArray[Any]
Floats = NDArray[np.float64]


class MemberSubject(Subject):
    """One network of a table.

    Parameters
    ----------
    whole : Subject
        The table, whose columns it has.
    member : FittedMember
    fitted : FittedTable
    order : int64 ndarray of shape (n_columns,)
        The user's column of each column of the table.
    """

    def __init__(self, whole: Subject, member: FittedMember, fitted: FittedTable, order: NDArray[np.int64]) -> None:
        self.columns, self.classes, self.n_outputs = whole.columns, whole.classes, whole.n_outputs
        self.activation, self.output_names = whole.activation, whole.output_names
        self._member, self._fitted, self._order = member, fitted, order

    def features(self) -> TableFeatures:
        """Return what the network reads."""
        return TableFeatures(self.columns, self._member, self._fitted, self._order)


class TableFeatures:
    """The inputs of a table's network.

    Parameters
    ----------
    names : sequence of str
        Of the user's columns.
    member, fitted, order
        As for ``MemberSubject``.

    Attributes
    ----------
    names : tuple of str
    columns : int64 ndarray of shape (n_features,)
        The user's column of each.
    """

    def __init__(
        self, names: tuple[str, ...], member: FittedMember, fitted: FittedTable, order: NDArray[np.int64]
    ) -> None:
        self._encoding = fitted.encodings[member.encoded_as]
        self._targets, self._order, self._names = fitted.targets, order, names
        self._waves, self._model = without_waves(member.model)
        made = _features(self._encoding)
        if self._waves is not None:
            made = [(made[place][0], " wave") for place in self._waves.places] + made
        self.columns = order[np.array([place for place, _ in made], np.int64)]
        self.names = tuple(names[order[place]] + what for place, what in made)

    def of(self, rows: Array) -> Array:
        """Return the features of rows, (n_rows, n_features)."""
        inputs = self._encoding.encode(np.ascontiguousarray(rows[:, self._order]))
        return inputs if self._waves is None else self._waves.of(inputs)

    def network(self, output: Literal["logit", "prediction"]) -> Model:
        """Return the network; of numbers with outputs in their units, which have no bounds."""
        if isinstance(self._targets, NumberTargets):
            return _in_units(self._model, self._targets)
        return twin(self._model, output, prepared=True)

    def slopes_by_column(self, rows: Array, slopes: Floats) -> Floats:
        """Return slopes by the features as slopes by the user's columns at these rows.

        Raises
        ------
        ValueError
            If a column holds categories.
        """
        n_numbers = len(self._encoding.numbers)
        if n_numbers < len(self._order):
            name = self._names[self._order[n_numbers]]
            raise ValueError(
                f"column {name!r} of X holds categories, by which nothing can be differentiated; expected numbers in "
                "all columns. Use method='shapley' or 'integrated_gradients', which give categories their shares."
            )
        by_column = np.zeros((len(rows), len(self._order), slopes.shape[2]))
        table = rows[:, self._order].astype(np.float64)
        first = _number_slopes(self._encoding, table)
        if self._waves is not None:
            first = self._waves.slopes(self._encoding.encode(table), first)
        for place, column in enumerate(self.columns[: first.shape[1]]):  # a value's row of a table has no slope
            by_column[:, column] += first[:, place, np.newaxis] * slopes[:, place]
        return by_column


def _features(encoding: TableEncoding) -> list[tuple[int, str]]:
    """Return for each input of a network its column of the table, and what it says of it."""
    made: list[tuple[int, str]] = []
    for j, number in enumerate(encoding.numbers):
        n_bins = max(len(number.edges) - 1, 0)
        whats = ["", *([" missing"] if number.with_gaps else []), *(f" bin {i + 1}" for i in range(n_bins))]
        made += [(j, what) for what in whats]
    n_numbers = len(encoding.numbers)
    for k, level in encoding.levels.items():
        made += [(n_numbers + k, f" level {i + 1}") for i in range(len(level.centres))]
    made += [(n_numbers + k, "") for k in encoding.cardinalities]
    return made + [(j, " value") for j in encoding.coded_numbers]


def _number_slopes(encoding: TableEncoding, table: Floats) -> Floats:
    """Return the slopes of numbers' inputs by their columns, (n_rows, n_inputs); 0 where there is a gap.

    At the edge between two bins, it is the slope of the bin above.
    """
    slopes = []
    for number, values in zip(encoding.numbers, table.T, strict=False):
        known = ~np.isnan(values)
        slopes.append(np.where(known, number.slopes(values, encoding.bound), 0.0))
        if number.with_gaps:
            slopes.append(np.zeros(len(values)))
        low, high = number.edges[:-1], number.edges[1:]
        with np.errstate(invalid="ignore"):
            inside = (values[:, np.newaxis] >= low) & (values[:, np.newaxis] < high)
        slopes.extend(np.where(inside, 2 / (high - low), 0.0).T if len(low) else ())
    return np.stack(slopes, axis=1)


def _in_units(model: Model, targets: NumberTargets) -> Model:
    """Return a network of float64 whose outputs are what ``targets.decode`` makes of another's, but for the bounds."""
    *before, last = model.layers
    assert isinstance(last, Dense)
    *weights, W, b = (np.asarray(array, np.float64) for array in model.get_weights())
    factor, shift = targets.in_units
    activation = "linear" if targets.form == "plain" else "exp"
    layers = [*map(blank, before), Dense(last.units, activation, "zeros")]
    copy = Model(layers, inputs=model.inputs, dtype="float64")
    copy.set_weights([*weights, W * factor, b * factor + shift])
    return copy
