"""``fastbp export``: writes a saved model for other programs, as ONNX or as C source."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastbp as fb
from fastbp.commands.errors import CommandError
from fastbp.commands.outputs import check_outputs, say

__all__ = ["run"]


def run(model_file: Path, out: Path, *, opset: int = 17, name: str = "net", check: bool = False) -> None:
    """Write a model of ``fastbp train``, or another file that fastbp saved, to a file.

    Parameters
    ----------
    model_file : path
        Of a model, an ensemble, or an estimator of tables.
    out : path
        What it ends with says what is written: ".onnx", or ".c", whose header goes beside it.
    opset : int
        Of ONNX.
    name : str
        What the names in C begin with.
    check : bool
        Whether the ONNX file is run and compared before it is written.

    Raises
    ------
    CommandError
        If a file cannot be used.
    """
    if out.suffix not in (".onnx", ".c"):
        raise CommandError(f"OUT is {str(out)!r}; expected a name that ends with .onnx or .c")
    header = out.with_suffix(".h") if out.suffix == ".c" else None
    check_outputs({"OUT": out, "the header": header}, {"the model": model_file})
    model = _load(model_file)
    try:
        if header is None:
            model.to_onnx(out, opset, check)
        elif isinstance(model, fb.Model):
            model.to_c(out, name)
        else:
            raise CommandError(f"{str(model_file)!r} holds several networks; expected one for C. Export it as .onnx")
    except (ImportError, OSError) as error:
        raise CommandError(str(error)) from None
    say(f"saved {out}" if header is None else f"saved {out} and {header}")


def _load(model_file: Path) -> Any:
    """Return whatever model a file holds; of ``fastbp train``'s, with the labels of its classes."""
    errors = []
    for load in (_load_model, fb.Ensemble.load, *_loaders_of_tables()):
        try:
            return load(model_file)
        except OSError as error:
            raise CommandError(str(error)) from None
        except ValueError as error:
            errors.append(str(error))
    raise CommandError(errors[0].replace("file written by Model.save", "model of `fastbp train`"))


def _load_model(model_file: Path) -> fb.Model:
    model = fb.Model.load(model_file)
    labels = model.metadata.get("classes")
    if model.classes is None and labels:
        model.classes = labels
    return model


def _loaders_of_tables() -> list[Callable[[Path], Any]]:
    try:
        from fastbp.sklearn import TabularClassifier, TabularRegressor
    except ImportError:  # without scikit-learn none can be loaded
        return []
    return [TabularClassifier.load, TabularRegressor.load]
