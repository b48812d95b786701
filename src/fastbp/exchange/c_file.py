"""A model as C source: one file with the network and its weights, and its header."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.exchange.blueprint import Blueprint
from fastbp.exchange.c_features import write_features, write_units
from fastbp.exchange.c_functions import ACTIVATIONS, FUNCTIONS
from fastbp.exchange.c_memory import Place
from fastbp.exchange.c_numbers import comment, constant_array
from fastbp.exchange.c_stages import Code, write_network
from fastbp.support.checks import counted, sentence

__all__ = ["as_c", "check_c_path"]

Array = NDArray[Any]

_MOST_WEIGHTS = 2**24
_TOLERANCES = {"float32": 1e-5, "float64": 1e-12}  # of the largest output of the self-test


def check_c_path(path: Path) -> Path:
    """Return the name of a C file, checked: its header is beside it, and is included by name."""
    if path.suffix != ".c" or any(each in path.name for each in '"\\\n\r'):
        raise ValueError(sentence("path", str(path), "a name that ends with .c, such as 'net.c'"))
    return path


def as_c(model: Blueprint, name: str, header: str, pairs: tuple[Array, Array]) -> tuple[str, str]:
    """Return the source and the header of a model.

    Parameters
    ----------
    model : Blueprint
    name : str
        The beginning of all names that the header declares.
    header : str
        The file name of the header.
    pairs : (ndarray of shape (n, n_columns), ndarray of shape (n, n_outputs))
        Inputs, and what ``predict`` makes of them, for the self-test.

    Raises
    ------
    ValueError
        If the model has too many weights for a source file.
    """
    n_weights = sum(array.size for stage in model.stages for array in stage.arrays)
    if n_weights > _MOST_WEIGHTS:
        raise ValueError(
            f"the model has {counted(n_weights, 'weight')}; expected {_MOST_WEIGHTS:,} at most, as compilers take "
            "minutes for more. Use to_onnx."
        )
    code = Code(model.dtype)
    if model.learned is None:
        x = Place("x", model.n_columns, writable=False)
    else:
        x = write_features(code, model.learned)
    write_network(code, x, model.stages, model.n_outputs)
    if model.targets is not None:
        write_units(code, model.targets, model.n_outputs)
    return _source(model, code, name, header, pairs), _header(model, code, name, n_weights)


def _source(model: Blueprint, code: Code, name: str, header: str, pairs: tuple[Array, Array]) -> str:
    single = model.dtype.itemsize == 4
    parts = [
        f"/* The network of {header}, made by fastbp {_version()}. No -ffast-math: a gap is NaN. */\n",
        f'#include "{header}"\n\n#include <math.h>\n#include <stddef.h>\n',
        f"typedef {name}_real real;\n",
        f"#define REAL(number) number{'##f' if single else ''}\n"
        f"#define MATH(function) function{'##f' if single else ''}\n",
        *code.constants,
        *(text for key, text in FUNCTIONS.items() if key in code.functions),
        *map(_activation, code.activations),
        _predict(code, name),
        _selftest(model, name, pairs),
    ]
    return "\n".join(parts)


def _activation(name: str) -> str:
    parameter = ", real p" if "p *" in ACTIVATIONS[name] else ""
    return (
        f"static void apply_{name}(real *a, int n{parameter})\n{{\n    for (int i = 0; i < n; i++) {{\n"
        f"        const real z = a[i];\n        a[i] = {ACTIVATIONS[name]};\n    }}\n}}\n"
    )


def _predict(code: Code, name: str) -> str:
    unused = [] if code.memory.size else ["(void)scratch;"]
    body = "\n".join(f"    {line}" for line in [*unused, *code.lines])
    return (
        f"void {name}_predict_with({name}_real *scratch, const {name}_input *x, {name}_real *y)\n{{\n{body}\n}}\n\n"
        f"void {name}_predict(const {name}_input *x, {name}_real *y)\n{{\n"
        f"    static {name}_real scratch[{name.upper()}_SCRATCH];\n    {name}_predict_with(scratch, x, y);\n}}\n"
    )


def _selftest(model: Blueprint, name: str, pairs: tuple[Array, Array]) -> str:
    X, Y = pairs
    big = name.upper()
    inputs = constant_array("test_inputs", X.astype(_input_dtype(model)), "inputs of the self-test")
    outputs = constant_array("test_outputs", Y, "what the model's predict makes of them")
    largest = float(np.abs(Y).max()) or 1.0
    bound = _TOLERANCES[model.dtype.name] * largest
    return (
        f"{inputs}\n{outputs}\n"
        f"int {name}_selftest(void)\n{{\n    {name}_real y[{big}_N_OUTPUTS];\n"
        f"    for (int row = 0; row < {len(X)}; row++) {{\n"
        f"        {name}_predict(test_inputs + row * {big}_N_INPUTS, y);\n"
        f"        for (int i = 0; i < {big}_N_OUTPUTS; i++)\n"
        f"            if (!(MATH(fabs)(y[i] - test_outputs[row * {big}_N_OUTPUTS + i]) <= (real){bound:.3g}))\n"
        "                return row + 1;\n    }\n    return 0;\n}\n"
    )


def _input_dtype(model: Blueprint) -> np.dtype[Any]:
    return model.dtype if model.learned is None else np.dtype(np.float64)


def _header(model: Blueprint, code: Code, name: str, n_weights: int) -> str:
    big, real = name.upper(), "float" if model.dtype.itemsize == 4 else "double"
    inputs = "float" if _input_dtype(model).itemsize == 4 else "double"
    scratch = max(code.memory.size, 1)
    n_products = sum(stage.arrays[0].size for stage in model.stages if stage.kind == "dense")
    about = [
        f"A network of {counted(n_weights, 'weight')}, made by fastbp {_version()}: C99, or C++11; math.h and no more.",
        "",
        f"Flash: {code.n_bytes:,} bytes of constants, and the code. The self-test's rows are more, if it is linked.",
        f"RAM: {scratch * model.dtype.itemsize:,} bytes of scratch memory; no heap.",
        f"Operations: {2 * n_products:,} multiplications and additions a row, besides activations.",
        "",
        *_columns(model),
        *_outputs(model),
    ]
    text = "\n".join(f" * {line}".rstrip() for line in about)
    return f"""/*
{text}
 */
#ifndef FASTBP_{big}_H
#define FASTBP_{big}_H

#ifdef __cplusplus
extern "C" {{
#endif

#define {big}_N_INPUTS {model.n_columns}
#define {big}_N_OUTPUTS {model.n_outputs}
#define {big}_SCRATCH {scratch} /* numbers */

typedef {inputs} {name}_input;
typedef {real} {name}_real;

/* y[{big}_N_OUTPUTS] = the model's outputs for x[{big}_N_INPUTS], one row. One caller at a time: scratch is its own. */
void {name}_predict(const {name}_input *x, {name}_real *y);

/* The same from any number of threads, each with a scratch[{big}_SCRATCH] that may hold anything. */
void {name}_predict_with({name}_real *scratch, const {name}_input *x, {name}_real *y);

/* 0 if the rows stored give the outputs that the model gave when it was written, else the number of a row, from 1. */
int {name}_selftest(void);

#ifdef __cplusplus
}}
#endif

#endif
"""


def _columns(model: Blueprint) -> list[str]:
    """Return what x holds, a line for each column that has a name or categories."""
    learned, names = model.learned, model.names
    lines = []
    for j in range(model.n_columns):
        named = "" if names is None else f" {comment(str(names[j]))}"
        if learned is not None and j in learned.texts:
            codes = ", ".join(f"{i} {comment(text)}" for i, text in enumerate(learned.texts[j]))
            lines.append(f"x[{j}]{named}: -1 unknown, NAN missing; {codes}")
        elif learned is not None and learned.holds_moments(j):
            lines.append(f"x[{j}]{named}: seconds since 1970, UTC")
        elif named:
            lines.append(f"x[{j}]{named}")
    return lines


def _outputs(model: Blueprint) -> list[str]:
    if model.classes is None:
        return []
    labels = ", ".join(comment(str(label)) for label in model.classes.to_config())
    return [f"The classes, in the order of y (of a single output, of 0 and of 1): {labels}"]


def _version() -> str:
    return str(sys.modules["fastbp"].__version__)  # the one place that says it; no import, which would go upward
