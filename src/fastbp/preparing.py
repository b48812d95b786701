"""A model's preparation: what was learnt from the training data, and the way of X and of the targets through it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp._features import Features
from fastbp._rows import Rows
from fastbp.checks import check_int, check_number, sentence
from fastbp.data import READABLE, as_array, as_matrix
from fastbp.draft import Draft, Feature
from fastbp.frames import Name, Table, encode, is_text, name_of, read_table
from fastbp.preparations import (
    Chain,
    Columns,
    Prepare,
    check_prepare,
    check_prepare_targets,
    prepare_from_config,
    prepare_to_config,
)

if TYPE_CHECKING:
    from fastbp._features import Step

__all__ = ["Learnt", "Preparing"]

Array = NDArray[Any]

_BLOCK_ROWS = 4096
_NUMBERS_OF_STEP = {"fill": 1, "affine": 3, "clip": 1, "missing": 0, "equals": 1}  # "code" has as many as it likes


class Learnt:
    """What becomes of the columns of an array or of a data frame.

    Parameters
    ----------
    n_columns : int
    names : tuple of str or int, or None
        Of the columns, where they were learnt from a data frame.
    texts : dict of int to tuple of str
        The categories of each column of text, in the order of their codes.
    features : list of (column, steps)
        What the first layer is fed with; a column of text is its codes there.
    """

    def __init__(
        self,
        n_columns: int,
        names: tuple[Name, ...] | None,
        texts: Mapping[int, Sequence[str]],
        features: Sequence[Feature],
    ) -> None:
        self.n_columns, self.names = n_columns, names
        self.texts = {j: tuple(categories) for j, categories in texts.items()}
        self.features = tuple(features)
        self.native = Features(list(self.features))
        self._codes = {j: {text: float(i) for i, text in enumerate(texts)} for j, texts in self.texts.items()}

    def read(self, values: ArrayLike, argument: str) -> Array:
        """Return samples as an array that the engine reads, (n_samples, n_columns): text as codes.

        Raises
        ------
        TypeError, ValueError
            If they have other columns than those that were learnt from.
        """
        if type(values) is np.ndarray and values.dtype in READABLE and not self.texts:  # quickly: a loop calls predict
            return as_matrix(values, self.n_columns, argument)
        table = read_table(values, argument)
        places = self._places(table)
        if places is None:
            if table.n_columns != self.n_columns:
                raise ValueError(
                    f"{argument} has {table.n_columns} columns; expected {self.n_columns}, as many as the preparation "
                    "was learnt from. A row is a sample, a column an input."
                )
            places = range(self.n_columns)
        return _assemble(table, places, self._codes)

    def _places(self, table: Table) -> Sequence[int] | None:
        """Return where the columns are in a table that names its own; None where nothing is to be said of names."""
        if self.names is None or table.names is None:
            return None
        found = {name: i for i, name in enumerate(table.names)}
        missing = [name for name in self.names if name not in found]
        if missing:
            listed = ", ".join(map(repr, missing[:5])) + (", ..." if len(missing) > 5 else "")
            raise ValueError(
                f"{table.argument} has no column {listed}; expected all {self.n_columns} that the preparation was "
                "learnt from. Their order is free, and others are left out."
            )
        return [found[name] for name in self.names]

    def apply(self, array: Array, dtype: np.dtype[Any]) -> Array:
        """Return the features of what ``read`` returned."""
        return self.native.apply(Rows(array), np.empty((len(array), len(self.features)), dtype))

    def refuse(self, array: Array, row: int, dtype: np.dtype[Any], argument: str) -> NoReturn:
        """Raise the ValueError that names the number in this row which no finite feature comes from."""
        features = self.apply(array[row : row + 1], dtype)[0]
        bad = np.flatnonzero(~np.isfinite(features))
        if len(bad) == 0:  # the array was changed by someone else meanwhile
            raise ValueError(f"{argument} held NaN or infinity while it was read; expected finite numbers.") from None
        column = self.features[bad[0]][0]
        value = array[row, column].item()
        place = f"row {row}, {name_of(column, self.names, argument)}"
        remedy = "Leave out that row or fill the gap first."
        if math.isfinite(value):
            remedy = f"Prepared, it is infinite in {dtype}, the model's dtype: scale it down."
        elif math.isnan(value):
            remedy += " A model with fb.Impute() among its preparations fills it."
        raise ValueError(sentence(place, value, "a finite number", remedy)) from None

    def to_config(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "n_columns": self.n_columns,
            "names": None if self.names is None else list(self.names),
            "texts": [[j, list(categories)] for j, categories in self.texts.items()],
            "features": [[column, [list(step) for step in steps]] for column, steps in self.features],
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Learnt:
        """Return what ``to_config`` wrote down, each part checked: the engine trusts it."""
        n_columns = check_int(config["n_columns"], "n_columns")
        names = config["names"]
        if names is not None and (len(set(names)) != n_columns or not all(isinstance(n, (str, int)) for n in names)):
            raise ValueError(sentence("names", names, f"{n_columns} names"))
        texts = {
            check_int(j, "a column", minimum=0, maximum=n_columns - 1): [str(text) for text in texts]
            for j, texts in config["texts"]
        }
        features = [
            (check_int(column, "a column", minimum=0, maximum=n_columns - 1), tuple(map(_check_step, steps)))
            for column, steps in config["features"]
        ]
        if not features:
            raise ValueError("features is empty; expected one at least.")
        return cls(n_columns, None if names is None else tuple(names), texts, features)


def _check_step(step: Sequence[Any]) -> Step:
    kind, *numbers = step
    if kind != "code" and len(numbers) != _NUMBERS_OF_STEP[kind]:
        raise ValueError(sentence("a step", step, f"{_NUMBERS_OF_STEP[kind]} numbers"))
    checked = [check_number(number, f"a number of {kind}") for number in numbers]
    if kind == "code" and any(a >= b for a, b in itertools.pairwise(checked)):
        raise ValueError(sentence("the values of a step", step, "rising ones"))
    return (kind, *checked)


# ---------------------------------------------------------------------------------------------------- reading


def _assemble(table: Table, places: Sequence[int], codes: Mapping[int, Mapping[str, float]]) -> Array:
    """Return columns of a table as one array that the engine reads: numbers as they are, text as codes."""
    if table.array is not None and not codes and list(places) == list(range(table.n_columns)):
        return table.array
    columns = []
    for j, place in enumerate(places):
        column = table.column(place)
        if j in codes:
            columns.append(_codes_of(column, codes[j], table.place(place)))
            continue
        if is_text(column):
            raise TypeError(
                f"{table.place(place)} holds text; expected numbers. fb.Columns prepares columns of numbers and "
                "columns of categories, each in its way."
            )
        columns.append(column)
    matrix = np.empty((table.n_rows, len(columns)), np.result_type(*(column.dtype for column in columns)))
    for j, column in enumerate(columns):
        matrix[:, j] = column
    return as_array(matrix, table.argument)


def _codes_of(column: Array, codes: Mapping[str, float], place: str) -> NDArray[np.float32]:
    if not is_text(column) and np.isnan(column.astype(np.float64)).all():  # nobody can tell what a gap is a gap of
        return np.full(len(column), np.nan, np.float32)
    if not is_text(column):
        raise TypeError(
            f"{place} holds numbers ({column.dtype}); expected text, as the preparation was learnt from. Make it text: "
            ".astype(str)."
        )
    return encode(column, codes)


# --------------------------------------------------------------------------------------------------- learning


def _learn(prepare: Prepare | None, values: ArrayLike, rows: NDArray[np.int64] | None, argument: str) -> Learnt:
    """Return what a preparation learns from these rows of X; None: from all."""
    table = read_table(values, argument)
    categorical = _categorical(prepare, table)
    texts = {j: _texts(table, j, rows) for j in categorical if is_text(table.column(j))}
    codes = {j: {text: float(i) for i, text in enumerate(found)} for j, found in texts.items()}
    array = _assemble(table, range(table.n_columns), codes)
    if isinstance(prepare, Columns):
        numeric = [j for j in range(table.n_columns) if j not in categorical]
        ways: list[tuple[Chain, Sequence[int]]] = [(prepare.numeric, numeric), (prepare.categorical, categorical)]
    else:
        ways = [(prepare or (), range(table.n_columns))]
    n_texts = {j: len(found) for j, found in texts.items()}
    features: list[Feature] = []
    for chain, columns in ways:
        draft = Draft(columns, array, rows, n_texts, table.place)
        features += _draw_up(chain, draft)
    if not features:
        raise ValueError(f"nothing comes out of the preparation of {argument}; expected one feature at least.")
    return Learnt(table.n_columns, table.names, texts, features)


def _learn_blindly(chain: Chain, n_columns: int) -> Learnt:
    """Return what a chain that must see no data makes of so many columns."""
    return Learnt(n_columns, None, {}, _draw_up(chain, Draft(range(n_columns), None, None, {}, str)))


def _draw_up(chain: Chain, draft: Draft) -> list[Feature]:
    for preparation in chain if draft.columns else ():
        preparation.learn(draft)
    return draft.features()


def _categorical(prepare: Prepare | None, table: Table) -> list[int]:
    """Return the columns of categories."""
    if isinstance(prepare, tuple):
        return list(range(table.n_columns)) if prepare[0].categorical else []
    if prepare is None:
        return []
    if isinstance(prepare.categories, str):
        return [j for j in range(table.n_columns) if table.is_category(j) or is_text(table.column(j))]
    return sorted(_find(name, table) for name in prepare.categories)


def _find(name: Name, table: Table) -> int:
    if table.names is not None and name in table.names:
        return table.names.index(name)
    if isinstance(name, int) and name < table.n_columns and not (table.names and isinstance(table.names[0], int)):
        return name
    raise ValueError(
        f"categories has {name!r}, and {table.argument} no such column; expected names of its columns, or places from "
        f"0 to {table.n_columns - 1}."
    )


def _texts(table: Table, j: int, rows: NDArray[np.int64] | None) -> list[str]:
    """Return the categories of a column of text."""
    own = table.categories(j)
    if own is not None:
        return [str(text) for text in own]
    column = table.column(j)
    return sorted(map(str, set((column if rows is None else column[rows]).tolist()) - {None}))


# -------------------------------------------------------------------------------------------------- the model's


class Preparing:
    """What a model does to X and to its targets, and what it has learnt for that.

    Parameters
    ----------
    prepare, prepare_targets
        As ``fb.Model`` takes them.
    """

    def __init__(self, prepare: Any, prepare_targets: Any) -> None:
        self.prepare = check_prepare(prepare)
        self.prepare_targets = check_prepare_targets(prepare_targets)
        self.inputs: Learnt | None = None
        self.targets: Learnt | None = None

    @property
    def ready(self) -> bool:
        """Whether all is learnt."""
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
            self.inputs = _learn_blindly(self.prepare, n_columns)

    def after(
        self,
        X: ArrayLike,
        y: ArrayLike | None,
        rows: NDArray[np.int64] | None,
        names: tuple[str, str],
        n_columns: int | None,
    ) -> Preparing:
        """Return this, and what was not learnt yet learnt from X, of so many columns, and y.

        Raises
        ------
        TypeError, ValueError
            If X or y is not what the preparation needs.
        """
        learnt = Preparing(self.prepare, self.prepare_targets)
        learnt.inputs, learnt.targets = self.inputs, self.targets
        if self.prepare is not None and self.inputs is None:
            learnt.inputs = _learn(self.prepare, X, rows, names[0])
            if learnt.inputs.n_columns != (n_columns or learnt.inputs.n_columns):
                raise ValueError(
                    f"{names[0]} has {learnt.inputs.n_columns} columns; expected {n_columns}, as the model's inputs are."
                )
        if self.prepare_targets is not None and self.targets is None:
            if y is None:
                raise TypeError(
                    f"y is None; expected the targets, of which {list(self.prepare_targets)!r} is to learn."
                )
            array = as_array(y, names[1])
            columns = array[:, np.newaxis] if array.ndim == 1 else array
            learnt.targets = _learn(self.prepare_targets, columns, rows, names[1])
        return learnt

    def check_ready(self) -> None:
        """Refuse to go on without what is to be learnt."""
        if not self.ready:
            raise ValueError(
                f"the model's preparation, {self!r}, has learnt from no data yet; expected that Trainer.fit, or "
                "model.build(X, y), is called first."
            )

    def read(self, X: ArrayLike, n_columns: int, argument: str) -> Array:
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

    def in_units(self, name: str, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the engine's sums of errors, a number a target, in the targets' own units."""
        power = {"absolute_error": 1, "squared_error": 2}.get(name)
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
    def from_config(cls, config: Mapping[str, Any]) -> Preparing:
        """Return what ``to_config`` wrote down."""
        preparing = cls(prepare_from_config(config["prepare"]), prepare_from_config(config["prepare_targets"]))
        if config["inputs"] is not None:
            preparing.inputs = Learnt.from_config(config["inputs"])
        if config["targets"] is not None:
            preparing.targets = Learnt.from_config(config["targets"])
            for _, steps in preparing.targets.features:
                if any(step[0] != "affine" or step[2] == 0 for step in steps):
                    raise ValueError("the targets have steps that cannot be undone.")
        return preparing
