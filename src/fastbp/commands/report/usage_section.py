"""The section on how to predict with the model."""

from __future__ import annotations

import shlex
from pathlib import Path

from fastbp.commands.report import markup
from fastbp.commands.task import Kind

__all__ = ["how_to_predict_in_python", "usage_section"]

_READERS = {  # how pandas reads a file of each format
    ".tsv": 'read_csv("{}", sep="\\t")',
    ".parquet": 'read_parquet("{}")',
    ".feather": 'read_feather("{}")',
    ".jsonl": 'read_json("{}", lines=True)',
    ".xlsx": 'read_excel("{}")',
    ".npy": 'DataFrame(np.load("{}")).rename(columns=str)',
}


def usage_section(kind: Kind, source: str, model_name: str, is_network: bool) -> str:
    """Return the command and the lines of Python that predict."""
    new = f"new{_format(source)}"
    command = f"fastbp predict {shlex.quote(model_name)} {new} --out predictions.csv"
    said = f"{new} stands for your file with the same columns, in any order; the target may be missing."
    return markup.section(
        "How to predict",
        markup.code(command, folds=True),
        markup.paragraph(said, quiet=True),
        markup.paragraph("The same in Python:"),
        markup.code(how_to_predict_in_python(kind, source, model_name, is_network), folds=True),
    )


def how_to_predict_in_python(kind: Kind, source: str, model_name: str, is_network: bool) -> str:
    """Return lines of Python that load the model and predict a file like that of the data."""
    suffix = _format(source)
    reader = _READERS.get(suffix, 'read_csv("{}")').format(f"new{suffix}")
    lines = ["import numpy as np"] if suffix == ".npy" else []
    is_class = kind == "class"
    estimator = "TabularClassifier" if is_class else "TabularRegressor"
    package, loaded = ("import fastbp as fb", "fb.Model") if is_network else (None, estimator)
    lines += [package] if package else []
    lines += ["import pandas as pd"] + ([] if is_network else [f"from fastbp.sklearn import {estimator}"])
    lines += ["", f"model = {loaded}.load({model_name!r})", f"table = pd.{reader}"]
    if not is_class:
        return "\n".join([*lines, "predictions = model.predict(table)"])
    calls = ("predict", "predict_classes") if is_network else ("predict_proba", "predict")
    return "\n".join([*lines, f"probabilities = model.{calls[0]}(table)", f"labels = model.{calls[1]}(table)"])


def _format(source: str) -> str:
    """Return the format of a file of the same kind that is not compressed."""
    suffixes = [suffix.lower() for suffix in Path(source).suffixes]
    return next((suffix for suffix in reversed(suffixes) if suffix in _READERS), ".csv")
