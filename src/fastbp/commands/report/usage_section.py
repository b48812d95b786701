"""The section on how to predict with the model."""

from __future__ import annotations

import shlex
from pathlib import Path

from fastbp.commands.report import markup
from fastbp.commands.task import Task

__all__ = ["how_to_predict_in_python", "usage_section"]

_READERS = {  # how pandas reads a file of each format
    ".tsv": 'read_csv("{}", sep="\\t")',
    ".parquet": 'read_parquet("{}")',
    ".feather": 'read_feather("{}")',
    ".jsonl": 'read_json("{}", lines=True)',
    ".xlsx": 'read_excel("{}")',
    ".npy": 'DataFrame(np.load("{}")).rename(columns=str)',
}


def usage_section(task: Task, source: str, model_name: str) -> str:
    """Return the command and the lines of Python that predict."""
    new = f"new{_format(source)}"
    command = f"fastbp predict {shlex.quote(model_name)} {new} --out predictions.csv"
    said = f"{new} stands for your file with the same columns, in any order; the target may be missing."
    return markup.section(
        "How to predict",
        markup.code(command, folds=True),
        markup.paragraph(said, quiet=True),
        markup.paragraph("The same in Python:"),
        markup.code(how_to_predict_in_python(task, source, model_name), folds=True),
    )


def how_to_predict_in_python(task: Task, source: str, model_name: str) -> str:
    """Return lines of Python that load the model and predict a file like that of the data."""
    suffix = _format(source)
    reader = _READERS.get(suffix, 'read_csv("{}")').format(f"new{suffix}")
    lines = ["import fastbp as fb", "import pandas as pd", "", f"model = fb.Model.load({model_name!r})"]
    if suffix == ".npy":
        lines.insert(1, "import numpy as np")
    what = "probabilities" if task.kind == "class" else "predictions"
    lines += [f"table = pd.{reader}", f"{what} = model.predict(table)"]
    if task.kind == "class":
        lines.append("labels = model.predict_classes(table)")
    return "\n".join(lines)


def _format(source: str) -> str:
    """Return the format of a file of the same kind that is not compressed."""
    suffixes = [suffix.lower() for suffix in Path(source).suffixes]
    return next((suffix for suffix in reversed(suffixes) if suffix in _READERS), ".csv")
