"""Write docs/instruction-sets.md: how far the same training differs between two instruction sets.

    python docs/make_instruction_sets.py

Every optimizer on one network, and one optimizer on every kind of layer, ten steps each from the same weights, with the
same data and seed, on each instruction set that this CPU runs. A difference is given in epsilons of the dtype
(float32: 1.2e-7, float64: 2.2e-16), relative to the largest weight of its array. The figures change with CPU and
compiler a little, so no test compares them; tests/engine/test_isa_differences.py has what must hold.
"""

from __future__ import annotations

import itertools
import platform
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import fastbp as fb
from fastbp.engine.kernels import available_isas, isa, select_isa
from fastbp.optimizers.all_optimizers import OPTIMIZERS

PATH = Path(__file__).with_name("instruction-sets.md")

N_STEPS, BATCH_SIZE, N_INPUTS, N_CLASSES = 10, 64, 50, 5
DTYPES = ("float32", "float64")

# Name to the layers before the last one; each in a network of its own, trained by plain gradient descent.
LAYER_KINDS: dict[str, Callable[[], list[object]]] = {
    "dense, relu": lambda: [fb.Dense(70, "relu"), fb.Dense(40, "relu")],
    "dense, tanh": lambda: [fb.Dense(70, "tanh"), fb.Dense(40, "tanh")],
    "dense, gelu": lambda: [fb.Dense(70, "gelu"), fb.Dense(40, "gelu")],
    "dense, softmax": lambda: [fb.Dense(70, "softmax"), fb.Dense(40, "softmax")],
    "dense, prelu": lambda: [fb.Dense(70, "prelu"), fb.Dense(40, "prelu")],
    "layer norm": lambda: [fb.Dense(70), fb.LayerNorm(), fb.Activation("relu"), fb.Dense(40, "relu"), fb.LayerNorm()],
    "batch norm": lambda: [fb.Dense(70), fb.BatchNorm(), fb.Activation("relu"), fb.Dense(40, "relu"), fb.BatchNorm()],
    "residual": lambda: [fb.Dense(70, "relu"), fb.Residual([fb.Dense(40, "relu"), fb.Dense(70)])],
    "dropout": lambda: [fb.Dense(70, "relu"), fb.Dropout(0.3), fb.Dense(40, "relu")],
    "six dense layers": lambda: [fb.Dense(70, "relu") for _ in range(6)],
}

Weights = Sequence[NDArray[np.floating]]


def trained(layers: Sequence[object], optimizer: object, dtype: str) -> Weights:
    """Return the weights after ten steps, on the instruction set in use."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_STEPS * BATCH_SIZE, N_INPUTS)).astype(dtype)
    y = np.abs(X[:, :N_CLASSES]).argmax(axis=1)
    model = fb.Model([*layers, fb.Dense(N_CLASSES, "softmax")], inputs=N_INPUTS, dtype=dtype, seed=1)
    whole = optimizer == "rprop"  # it takes all samples at once
    trainer = fb.Trainer(model, "cross_entropy", optimizer, batch_size=None if whole else BATCH_SIZE, seed=1)
    trainer.fit(X, y, epochs=N_STEPS if whole else 1)
    return model.get_weights()


def on_each(train: Callable[[], Weights]) -> dict[str, Weights]:
    """Return what a training gives on each instruction set of this CPU."""
    former = isa()
    try:
        return {name: (select_isa(name), train())[1] for name in available_isas()}
    finally:
        select_isa(former)


def difference(some: Weights, others: Weights) -> float:
    """Return the largest difference of two weights, in epsilons, relative to the largest weight of the array."""
    return max(
        float(np.abs(a - b).max() / (np.finfo(a.dtype).eps * max(np.abs(b).max(), 1e-3)))
        for a, b in zip(some, others, strict=True)
    )


def optimizers() -> Iterator[tuple[str, object]]:
    """Yield what trains step by step; L-BFGS takes all samples at once, in float64 outside the engine."""
    for name in OPTIMIZERS:
        if name != "lbfgs":
            yield name, name
    yield "sgd, momentum 0.9", fb.SGD(momentum=0.9)


def pairs() -> list[tuple[str, str]]:
    """Return the instruction sets to compare, best first."""
    return list(itertools.combinations(available_isas(), 2))


def row(layers: Callable[[], list[object]], optimizer: object) -> list[float]:
    """Return the differences of each dtype and pair."""
    found = []
    for dtype in DTYPES:
        results = on_each(lambda dtype=dtype: trained(layers(), optimizer, dtype))
        found += [difference(results[a], results[b]) for a, b in pairs()]
    return found


def table(title: str, rows: dict[str, list[float]]) -> str:
    """Return a table in Markdown."""
    heads = [f"{dtype}: {a}, {b}" for dtype in DTYPES for a, b in pairs()]
    lines = [f"| {title} | " + " | ".join(heads) + " |", "|---|" + "---:|" * len(heads)]
    lines += [f"| {name} | " + " | ".join(f"{value:,.0f}" for value in values) + " |" for name, values in rows.items()]
    return "\n".join(lines) + "\n"


def page() -> str:
    """The whole page."""
    network = LAYER_KINDS["dense, relu"]
    by_optimizer = {name: row(network, optimizer) for name, optimizer in optimizers()}
    by_layer = {name: row(layers, "sgd") for name, layers in LAYER_KINDS.items()}
    return HEAD + table("optimizer", by_optimizer) + MIDDLE + table("layers", by_layer) + END.format(platform.machine())


HEAD = f"""# Two instruction sets, one training

fastbp has a table of kernels for each instruction set: `fastbp info` lists them, `FASTBP_ISA` chooses one. On one of
them the same seed and data give the same bits, on any number of threads. Two of them differ by rounding: a wider
vector adds up a sum in other pieces, and the baseline rounds a product before it adds it, where the others round
once. What is random is the same on all: first weights, order of the samples, dropout.

How large is that? Each row trains the same network from the same weights for {N_STEPS} steps of {BATCH_SIZE} samples,
once on each instruction set. A number is the largest difference of a weight, relative to the largest weight of its
array, in epsilons of the dtype: 1.2e-7 for float32, 2.2e-16 for float64. 10 in float32 is the sixth digit.

## By optimizer

{N_INPUTS} inputs, hidden layers of 70 and 40 relu units, {N_CLASSES} classes, each optimizer with its defaults (rprop
with all samples in each step).

"""

MIDDLE = """
Optimizers that divide a gradient by its own size (adam and its kin, rmsprop, adadelta, rprop), or take its sign
(lion), carry the rounding of a gradient that is almost 0 into a whole step of the weight: that is a property of the
rule, and any two programs that round differently show it. SGD shows what the kernels themselves differ by.

## By kind of layer

Trained by plain gradient descent.

"""

END = """
Written by `python docs/make_instruction_sets.py` on {}; another CPU, compiler or seed gives numbers of the same size,
not the same numbers. A training is chaotic: the differences grow from step to step, and after some epochs two runs
are two runs of the same quality. Results that must have the same bits on several machines need one instruction set,
by `FASTBP_ISA=avx2` say, and the same build of fastbp.
"""

if __name__ == "__main__":
    PATH.write_text(page(), encoding="utf-8")
