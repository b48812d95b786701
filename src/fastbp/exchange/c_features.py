"""The preparation of X in C, in double, and the targets' units."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.exchange.c_memory import Place
from fastbp.exchange.c_numbers import literal
from fastbp.exchange.c_stages import Code
from fastbp.preparation.column_statistics import Feature
from fastbp.preparation.learned import Learned

__all__ = ["write_features", "write_units"]

Array = NDArray[Any]

_DOUBLE = np.dtype(np.float64)


def write_features(code: Code, learned: Learned) -> Place:
    """Add the statements that make the features of the columns ``x``; return where they are."""
    to = code.memory.take(len(learned.features))
    start = 0
    for run in _runs(learned.features):
        column = _column_of(code, [each for each, _ in run])
        body = [f"double v = (double)x[{column}];"]
        for of_features in zip(*(steps for _, steps in run), strict=True):
            body.append(_step(code, of_features))
        place = "i" if start == 0 else f"{start} + i"
        body.append(f"({to.name})[{place}] = (real)v;")
        _add_loop(code, len(run), body)
        start += len(run)
    return to


def write_units(code: Code, targets: Learned, n_outputs: int) -> None:
    """Add the statements that convert the outputs ``y`` to the targets' units."""
    body = ["double v = (double)y[i];"]
    n_repeats = n_outputs // len(targets.features)
    for of_targets in reversed(list(zip(*(steps for _, steps in targets.features), strict=True))):
        a, b, c = (_number(code, np.tile(row, n_repeats)) for row in np.array([each[1:] for each in of_targets]).T)
        body.append(f"v = (v - {c}) / {b} + {a};")
    body.append("y[i] = (real)v;")
    _add_loop(code, n_outputs, body)


def _add_loop(code: Code, n: int, body: Sequence[str]) -> None:
    code.lines += [f"for (int i = 0; i < {n}; i++) {{", *(f"    {line}" for line in body), "}"]


def _runs(features: Sequence[Feature]) -> Iterator[list[Feature]]:
    """Yield features that follow each other and have the same kinds of steps; those with codes one by one."""
    for kinds, run in itertools.groupby(features, lambda feature: tuple(step[0] for step in feature[1])):
        listed = list(run)
        if "code" in kinds:
            yield from ([each] for each in listed)
        else:
            yield listed


def _column_of(code: Code, columns: list[int]) -> str:
    """Return what C writes for the column of the i-th feature of a run."""
    first = columns[0]
    if len(set(columns)) == 1:
        return str(first)
    if columns == list(range(first, first + len(columns))):
        return f"{first} + i" if first else "i"
    return f"{code.constant('column', np.array(columns, np.int32), 'columns of the features')}[i]"


def _step(code: Code, of_features: Sequence[Any]) -> str:
    """Return the statement of one step of a run."""
    kind = of_features[0][0]
    if kind == "code":
        values = np.array(of_features[0][1:], np.float64)
        if not len(values):
            return "v = v != v ? v : -1.0;"
        code.use("code_of")
        return f"v = code_of(v, {code.constant('values', values, 'categories')}, {len(values)});"
    numbers = [_number(code, row) for row in np.array([each[1:] for each in of_features]).T]
    if kind == "clip":
        code.use("bounded")
    return {
        "fill": "v = v != v ? {0} : v;",
        "affine": "v = (v - {0}) * {1} + {2};",
        "clip": "v = bounded(v, {0});",
        "missing": "v = v != v ? 1.0 : 0.0;",
        "equals": "v = v == {0} ? 1.0 : 0.0;",
    }[kind].format(*numbers)


def _number(code: Code, numbers: Array) -> str:
    """Return what C writes for the i-th of some numbers."""
    if (numbers == numbers[0]).all():
        text = literal(float(numbers[0]), _DOUBLE)
        return f"({text})" if numbers[0] < 0 else text
    return f"{code.constant('numbers', np.asarray(numbers, np.float64), 'of the preparation')}[i]"
