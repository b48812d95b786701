"""What the reference has to show: the public names of the package, in the groups of `fastbp.__all__`."""

import inspect
import re
from pathlib import Path
from types import ModuleType

import fastbp
import fastbp.sklearn

# Methods and attributes that are public for the package's own modules, not for its users.
INNER = {
    "adopt", "append", "at", "batch_sizes", "begin", "blueprint", "built", "check", "check_output", "check_rates",
    "count", "draw", "ends", "feed", "figure", "fit_samples", "flops", "framed", "from_config", "gathered", "get_state",
    "go_on_from", "hears", "network", "objective", "observe", "of_steps", "parts", "predict_read", "probability",
    "runs_alone", "runs_last", "set_state", "stages", "steps_left", "steps_of_epoch", "sums", "to_config", "watched",
}  # fmt: skip

# Classes whose methods are shown. Of the others the parameters are all that there is to say.
WITH_METHODS = {
    "Model", "Trainer", "History", "Parameter", "Ensemble", "CrossValidation", "DataReport", "Suspects", "Explanation",
    "Ranking", "Effect", "Counterfactuals", "Callback", "MLPClassifier", "MLPRegressor", "TabularClassifier",
    "TabularRegressor", "PrivacyAccount", "Audit", "Faithfulness",
}  # fmt: skip


def groups() -> dict[str, list[str]]:
    """Title of each group of `fastbp.__all__`, with its names: the comments in the list are the titles."""
    source = Path(fastbp.__file__).read_text(encoding="utf-8")
    listed = source[source.index("__all__ = [") :]
    found: dict[str, list[str]] = {}
    for title, name in re.findall(r'^    (?:# (.+)|"(\w+)",)$', listed, re.MULTILINE):
        if title:
            found[title] = []
        elif not name.startswith("__"):
            found[list(found)[-1]].append(name)
    return found


def everything() -> dict[str, object]:
    """Every public name, as it is imported, with its object."""
    found: dict[str, object] = {}
    for names in groups().values():
        for name in names:
            value = getattr(fastbp, name)
            found[f"fastbp.{name}"] = value
            if isinstance(value, ModuleType):
                found |= {f"fastbp.{name}.{each}": getattr(value, each) for each in own_names(value)}
    return found | {f"fastbp.sklearn.{name}": getattr(fastbp.sklearn, name) for name in fastbp.sklearn.__all__}


def own_names(module: ModuleType) -> list[str]:
    """The public names of a module that `fastbp` itself does not have."""
    return [name for name in module.__all__ if name not in fastbp.__all__]


def methods(cls: type) -> list[str]:
    """The methods and properties that a class's entry shows, in the order of its own source, then its bases'."""
    if cls.__name__ not in WITH_METHODS:
        return []
    found = []
    for each in cls.__mro__:
        if each.__module__.startswith("fastbp"):
            found += [name for name in vars(each) if name not in found and _shown(cls, name)]
    return found


def _shown(cls: type, name: str) -> bool:
    if name.startswith("_") or name in INNER:
        return False
    value = inspect.getattr_static(cls, name)
    of_use = isinstance(value, (classmethod, staticmethod, property)) or inspect.isfunction(value)
    return of_use and bool(inspect.getdoc(getattr(cls, name)))
