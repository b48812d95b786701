"""The stages of a network as calls of C functions, and the constants that they read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.exchange.blueprint import BuiltStage, folded
from fastbp.exchange.c_functions import ACTIVATIONS, FUNCTIONS
from fastbp.exchange.c_memory import Memory, Place
from fastbp.exchange.c_numbers import constant_array, literal
from fastbp.layers.stages import units_after

__all__ = ["Code", "write_network"]

Array = NDArray[Any]

_MAKING = ("dense", "tabular", "basis", "grouped")  # stages whose outputs lie elsewhere than their inputs


class Code:
    """The parts of a C file while it is made.

    Attributes
    ----------
    constants : list of str
        Definitions of arrays.
    lines : list of str
        The statements of the function that predicts.
    functions : list of str
        The names of those that the statements call, each after those that it calls itself.
    n_bytes : int
        The size of all constants.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype, self.memory = dtype, Memory()
        self.constants: list[str] = []
        self.lines: list[str] = []
        self.functions: list[str] = []
        self.activations: list[str] = []
        self.n_bytes = 0

    def constant(self, wish: str, array: Array, of_what: str) -> str:
        """Define an array, and return its name: the wish and a number."""
        name = f"{wish}_{len(self.constants)}"
        self.constants.append(constant_array(name, array, of_what))
        self.n_bytes += array.nbytes
        return name

    def real(self, value: float) -> str:
        """Return a constant of the model's dtype."""
        return literal(value, self.dtype)

    def call(self, function: str, *arguments: str | int) -> None:
        """Add a call of one of the functions."""
        self.use(function)
        self.lines.append(f"{function}({', '.join(map(str, arguments))});")

    def use(self, function: str) -> None:
        """Have the file hold a function."""
        if function not in self.functions:
            self.functions.append(function)


def write_network(code: Code, x: Place, stages: Sequence[BuiltStage], n_outputs: int) -> None:
    """Add the statements that compute the outputs ``y`` from the features in a place."""
    forks: list[Place] = []
    listed = folded(stages)
    last = _last_making(listed)
    for i, stage in enumerate(listed):
        if stage.kind == "fork":
            forks.append(x)
            continue
        if stage.kind in _MAKING:
            made = Place("y", n_outputs) if i == last else code.memory.take(units_after(stage.spec, x.width))
            _WRITE[stage.kind](code, stage, x, made)
            if x not in forks:
                code.memory.release(x)
            x = made
        else:
            other = forks.pop() if stage.kind == "add" else None
            x = _own(code, x, forks)
            if other is None:
                _CHANGE[stage.kind](code, stage, x)
            else:
                code.call("add", other.name, x.name, x.width)
                if other is not x and other not in forks:
                    code.memory.release(other)
        x = _activate(code, stage, x, forks)
    if x.name != "y":
        code.call("copy", x.name, "y", n_outputs)


def _last_making(stages: Sequence[BuiltStage]) -> int:
    """Return the stage whose outputs can be written to y: the last that makes some, outside of all residuals."""
    made = [i for i, stage in enumerate(stages) if stage.kind in _MAKING]
    later = [stage.kind for stage in stages[made[-1] :]]
    return -1 if "add" in later or "fork" in later else made[-1]


def _own(code: Code, x: Place, forks: list[Place]) -> Place:
    """Return x, or a copy where something else still needs it."""
    if x.writable and x not in forks:
        return x
    copied = code.memory.take(x.width)
    code.call("copy", x.name, copied.name, x.width)
    return copied


def _activate(code: Code, stage: BuiltStage, x: Place, forks: list[Place]) -> Place:
    name = stage.activation
    if name == "linear":
        return x
    x = _own(code, x, forks)
    if name == "softmax":
        code.call("softmax", x.name, x.width)
        return x
    if "log1p_of_exp" in ACTIVATIONS[name]:
        code.use("log1p_of_exp")
    if name not in code.activations:
        code.activations.append(name)
    arguments = [x.name, str(x.width)]
    if "p *" in ACTIVATIONS[name]:
        arguments.append(code.real(stage.parameter))
    code.lines.append(f"apply_{name}({', '.join(arguments)});")
    return x


def _dense(code: Code, stage: BuiltStage, x: Place, y: Place) -> None:
    W, *b = stage.arrays[: 2 if stage.spec.get("use_bias", True) else 1]
    weights = code.constant("W", W, "weights, [inputs][units]")
    bias = code.constant("b", b[0], "biases") if b else "0"
    code.call("dense", x.name, x.width, weights, bias, y.name, y.width)


def _tables(code: Code, stage: BuiltStage, x: Place, y: Place) -> None:
    """The numbers, then for each code the row of its table."""
    numeric = int(stage.spec["numeric"])
    if numeric:
        code.call("copy", x.name, y.name, numeric)
    place = numeric
    for j, table in enumerate(stage.arrays):
        name = code.constant("table", table, "a row for each code, the last for unknown ones")
        code.call(
            "embed", f"({x.name})[{numeric + j}]", name, len(table) - 1, f"{y.name} + {place}", int(table.shape[1])
        )
        place += int(table.shape[1])


def _basis(code: Code, stage: BuiltStage, x: Place, y: Place) -> None:
    """The waves or bins of each column, then all numbers."""
    waves = stage.spec["waves"]
    frequencies, phases = (array.astype(np.float64) for array in stage.arrays)
    turns = (phases / (2 * np.pi) if waves else phases).astype(code.dtype)
    columns = stage.spec["columns"]
    numbers = np.arange(len(turns), dtype=np.int32) if columns is None else np.array(columns, np.int32)
    names = [
        code.constant("column", numbers, "columns that have features"),
        code.constant("frequency", frequencies.astype(code.dtype), "factors, [columns][features]"),
        code.constant(
            "phase", turns, "phases in turns, [columns][features]" if waves else "offsets, [columns][features]"
        ),
    ]
    code.call("waves" if waves else "ramps", x.name, x.width, *names, *turns.shape, y.name)


def _grouped(code: Code, stage: BuiltStage, x: Place, y: Place) -> None:
    W, b = stage.arrays
    names = [code.constant("W", W, "weights, [groups][inputs][units]"), code.constant("b", b, "biases")]
    code.call("grouped", x.name, x.width, *names, *W.shape, y.name)


def _only_activation(code: Code, stage: BuiltStage, x: Place) -> None:
    """Nothing but what ``_activate`` adds."""


def _prelu(code: Code, stage: BuiltStage, x: Place) -> None:
    code.call("prelu", x.name, x.width, code.constant("slope", stage.arrays[0], "slopes below zero"))


def _scaling(code: Code, stage: BuiltStage, x: Place) -> None:
    code.call("scale", x.name, x.width, code.constant("scale", stage.arrays[0], "factors"))


def _parametric(code: Code, stage: BuiltStage, x: Place) -> None:
    function = f"parametric_{stage.spec['function']}"
    if "log1p_of_exp" in FUNCTIONS[function]:
        code.use("log1p_of_exp")
    code.call(function, x.name, x.width, code.constant("alpha", stage.arrays[0], "shares of the activation"))


def _layer_norm(code: Code, stage: BuiltStage, x: Place) -> None:
    gain, shift = (
        code.constant(*each) for each in zip(("gain", "shift"), stage.arrays, ("gains", "shifts"), strict=True)
    )
    code.call("layer_norm", x.name, x.width, gain, shift, code.real(stage.spec["epsilon"]))


def _batch_norm(code: Code, stage: BuiltStage, x: Place) -> None:
    gain, shift, mean, variance = (array.astype(np.float64) for array in stage.arrays)
    factor = gain / np.sqrt(variance + stage.spec["epsilon"])
    names = [
        code.constant(wish, array.astype(code.dtype), f"{wish}s of a batch norm")
        for wish, array in (("centre", mean), ("factor", factor), ("shift", shift))
    ]
    code.call("affine", x.name, x.width, *names)


_WRITE: dict[str, Callable[[Code, BuiltStage, Place, Place], None]] = {
    "dense": _dense,
    "tabular": _tables,
    "basis": _basis,
    "grouped": _grouped,
}
_CHANGE: dict[str, Callable[[Code, BuiltStage, Place], None]] = {
    "activation": _only_activation,
    "prelu": _prelu,
    "parametric": _parametric,
    "scaling": _scaling,
    "layer_norm": _layer_norm,
    "batch_norm": _batch_norm,
}
