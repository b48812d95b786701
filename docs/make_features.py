"""Write docs/features.md from the package's registries, so that the list agrees with the code.

    python docs/make_features.py

A test compares the file with what this script would write.
"""

import inspect
import re
from collections.abc import Mapping
from pathlib import Path

from fastbp.layers.activations import ACTIVATIONS
from fastbp.layers.composition import LAYERS
from fastbp.layers.initializers import INITIALIZERS
from fastbp.layers.tabular import INPUTS
from fastbp.losses.all_losses import LOSSES
from fastbp.metrics.choose import METRICS
from fastbp.metrics.function import FunctionMetric
from fastbp.optimizers.all_optimizers import OPTIMIZERS
from fastbp.optimizers.averaging import AVERAGINGS
from fastbp.preparation.columns import PREPARATIONS
from fastbp.schedules import SCHEDULES

PATH = Path(__file__).with_name("features.md")

REGISTRIES = {
    "Inputs": INPUTS,
    "Preparation of data": PREPARATIONS,
    "Layers": LAYERS,
    "Activations": ACTIVATIONS,
    "Losses": LOSSES,
    "Optimizers": OPTIMIZERS,
    "Schedules": SCHEDULES,
    "Averages of the weights": AVERAGINGS,
    "Initializers": INITIALIZERS,
    "Metrics": METRICS | {"a function": FunctionMetric},
}

_SECTION = re.compile(r"^(Parameters|Raises|Attributes|Examples|Notes)\n-+$", re.MULTILINE)


def describe(cls: type) -> str:
    """The class's docstring up to its list of parameters, as one paragraph."""
    text = inspect.getdoc(cls) or ""
    return " ".join(_SECTION.split(text)[0].split())


def signature(cls: type) -> str:
    """How an object of the class is written, with the defaults."""
    parameters = inspect.signature(cls).parameters.values()
    return f"fb.{cls.__name__}({', '.join(map(_parameter, parameters))})"


def _parameter(parameter: inspect.Parameter) -> str:
    return parameter.name if parameter.default is parameter.empty else f"{parameter.name}={parameter.default!r}"


def section(title: str, registry: Mapping[str, type]) -> str:
    """One registry as a list."""
    entries = [f"- **{name}**: `{signature(cls)}`\n  {describe(cls)}" for name, cls in registry.items()]
    return f"## {title}\n\n" + "\n".join(entries) + "\n"


def features() -> str:
    """The whole page."""
    head = (
        "# What fastbp can do\n\n"
        "Written from the code's registries by `python docs/make_features.py`; every entry has its formula and its "
        'source.\nThe name in bold is the shorthand: `"relu"` is `fb.ReLU()`.\n'
    )
    return "\n".join([head, *(section(title, registry) for title, registry in REGISTRIES.items())])


if __name__ == "__main__":
    PATH.write_text(features(), encoding="utf-8")
