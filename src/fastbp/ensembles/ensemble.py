"""An ensemble: the mean of several models is the prediction, their spread its uncertainty."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.data.classes import Classes
from fastbp.exchange.extras import require
from fastbp.models.answers import labels_of
from fastbp.models.description import as_stored, named_weights
from fastbp.models.model import Model
from fastbp.support.checks import check_flag, check_int, check_list, check_path, counted, sentence
from fastbp.support.html_table import card, table
from fastbp.support.underflow import underflows_to_zero

__all__ = ["Ensemble"]

Array = NDArray[Any]


class Ensemble:
    """Models that predict together, such as models trained from several seeds (Lakshminarayanan et al., 2017).

    Parameters
    ----------
    models : sequence of Model
        Models with the same inputs, outputs, dtype, last activation and classes. They are not copied.

    Raises
    ------
    TypeError, ValueError
        If they are not such models.

    Examples
    --------
    >>> import fastbp as fb
    >>> ensemble = fb.Ensemble([fb.Model([fb.Dense(3, "softmax")], inputs=4, seed=seed) for seed in range(5)])
    >>> mean, spread = ensemble.predict_spread([[5.1, 3.5, 1.4, 0.2]])
    >>> mean.shape, spread.shape
    ((1, 3), (1, 3))
    """

    def __init__(self, models: Sequence[Model]) -> None:
        self._models = _check_models(models)

    @property
    def models(self) -> tuple[Model, ...]:
        """The members."""
        return self._models

    @property
    def n_inputs(self) -> int:
        """The number of columns of X."""
        return self._models[0].n_inputs

    @property
    def n_outputs(self) -> int:
        """The number of columns of the result of ``predict``."""
        return self._models[0].n_outputs

    @property
    def dtype(self) -> np.dtype[Any]:
        """The members' dtype."""
        return self._models[0].dtype

    @property
    def classes(self) -> Array | None:
        """The labels of the members' classes, as ``Model.classes``."""
        return self._models[0].classes

    def __len__(self) -> int:
        return len(self._models)

    def __repr__(self) -> str:
        return f"Ensemble({len(self)} models, the first {self._models[0]!r})"

    def _repr_html_(self) -> str:
        """Return a table of the members, for notebooks."""
        models = self._models
        facts = _outside(models[0])
        return card(
            f"Ensemble of {counted(len(self), 'model')}",
            facts,
            table(["model", "seed", "parameters", "layers"], len(self), lambda i: _row(i, models[i])),
        )

    @overload
    def predict(
        self, X: Any, n_threads: int | None = None, as_frame: Literal[False] = False, precision: str | None = None
    ) -> Array: ...

    @overload
    def predict(
        self, X: Any, n_threads: int | None = None, as_frame: bool = False, precision: str | None = None
    ) -> Any: ...

    def predict(
        self, X: Any, n_threads: int | None = None, as_frame: bool = False, precision: str | None = None
    ) -> Any:
        """Return the mean of the members' outputs.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
            As for ``Model.predict``.
        n_threads : int or None, default None
            As for ``Model.predict``; the result does not depend on it.
        as_frame : bool, default False
            As for ``Model.predict``.
        precision : str or None, default None
            As for ``Model.predict``.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs), of the models' dtype; or a frame or series
            The mean, summed in float64.

        Raises
        ------
        TypeError, ValueError
            As ``Model.predict``, or if the members' classes are no longer the same.
        """
        outputs = self.predict_spread(X, n_threads, precision)[0]
        return self._models[0].framed(outputs, X) if check_flag(as_frame, "as_frame") else outputs

    def predict_classes(
        self, X: Any, n_threads: int | None = None, as_frame: bool = False, precision: str | None = None
    ) -> Any:
        """Return the class of each sample by the mean of the members' outputs, as ``Model.predict_classes`` does.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
            As for ``Model.predict``.
        n_threads : int or None, default None
            As for ``Model.predict``.
        as_frame : bool, default False
            As for ``Model.predict_classes``.
        precision : str or None, default None
            As for ``Model.predict``.

        Returns
        -------
        ndarray of shape (n_samples,), of the labels' dtype; or a series

        Raises
        ------
        TypeError, ValueError
            As ``Model.predict_classes``.
        """
        first = self._models[0]
        activation = first.architecture.output_activation.name
        labels = labels_of(self.predict_spread(X, n_threads, precision)[0], activation, first.feed.classes)
        return first.framed(labels, X) if check_flag(as_frame, "as_frame") else labels

    @underflows_to_zero
    def predict_spread(
        self, X: ArrayLike, n_threads: int | None = None, precision: str | None = None
    ) -> tuple[Array, Array]:
        """Return the mean and the standard deviation of the members' outputs.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
        n_threads : int or None, default None
            As for ``Model.predict``; the result does not depend on it.
        precision : str or None, default None
            As for ``Model.predict``.

        Returns
        -------
        mean, spread : ndarray of shape (n_samples, n_outputs), of the models' dtype
            The spread is the standard deviation over the n members, with the divisor n (not n - 1).

        Raises
        ------
        TypeError, ValueError
            As ``Model.predict``.
        """
        _check_classes(self._models)  # a member may have been trained since
        mean: Any = 0.0
        squares: Any = 0.0
        for i, model in enumerate(self._models):  # Welford (1962): no two numbers of about the same size are subtracted
            outputs = model.predict(X, n_threads, precision=precision).astype(np.float64)
            deviation = outputs - mean
            mean += deviation / (i + 1)
            squares += deviation * (outputs - mean)
        return mean.astype(self.dtype), np.sqrt(squares / len(self)).astype(self.dtype)

    # ---------------------------------------------------------------------------------------- saving and loading

    def to_onnx(self, path: str | os.PathLike[str], opset: int = 17, check: bool = False) -> None:
        """Write all members to one ONNX file, whose outputs are their mean, as ``Model.to_onnx`` does for one.

        Parameters
        ----------
        path, opset, check
            As for ``Model.to_onnx``.

        Raises
        ------
        ImportError, OSError, TypeError, ValueError, RuntimeError
            As from ``Model.to_onnx``, or if the members read different columns.
        """
        require("onnx", "to_onnx", '"fastbp[onnx]"')
        from fastbp.exchange.onnx_check import check_agreement
        from fastbp.exchange.onnx_file import as_onnx, check_opset, write

        opset, target = check_opset(opset), check_path(path)
        _check_classes(self._models)
        blueprints = [model.blueprint() for model in self._models]
        model = as_onnx(blueprints, opset)
        if check_flag(check, "check"):
            check_agreement(model, blueprints[0].learned, self.n_inputs, self.predict, self.dtype)
        write(model, target)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all members to one safetensors file, as ``Model.save`` does for one; no pickle.

        Raises
        ------
        OSError
            If the file cannot be written.
        ValueError
            If a weight is not finite, or a dropout rate is a function.
        """
        from fastbp.support.safetensors_file import ENSEMBLE, write_file

        tensors: dict[str, Array] = {}
        for i, model in enumerate(self._models):
            try:
                named = named_weights(model.architecture, model.get_weights())
            except ValueError as error:
                raise ValueError(f"in models[{i}], {error}") from None
            tensors |= {f"models.{i}.{name}": array for name, array in named}
        write_file(path, ENSEMBLE, {"models": [model.to_config() for model in self._models]}, tensors)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Ensemble:
        """Return the ensemble that ``save`` wrote.

        Raises
        ------
        OSError
            If there is no such file, or it cannot be read.
        ValueError
            If ``Ensemble.save`` did not write it, or it was truncated or altered.
        """
        from fastbp.support.safetensors_file import ENSEMBLE, blaming_file, read_file

        description, tensors = read_file(path, ENSEMBLE)
        with blaming_file(path, ENSEMBLE):
            return cls(_models_from(description["models"], tensors))


def _row(i: int, model: Model) -> list[str | int | None]:
    layers = ", ".join(map(repr, model.layers))
    return [str(i), model.seed, model.n_parameters if model.built else None, layers]


def _models_from(configs: Sequence[Mapping[str, Any]], tensors: Mapping[str, Array]) -> list[Model]:
    """Return the models of a file; the tensors' names start with their model's."""
    weights: list[list[Array]] = [[] for _ in configs]
    for name, array in tensors.items():
        _, number, _ = name.split(".", 2)
        weights[check_int(int(number), "the number of a model", minimum=0)].append(array)
    pairs = zip(configs, weights, strict=True)
    return [Model.from_config(config, as_stored(config, arrays)) for config, arrays in pairs]


def _check_models(models: Sequence[Model]) -> tuple[Model, ...]:
    if isinstance(models, (Model, str)) or not isinstance(models, Iterable):
        raise TypeError(sentence("models", models, "a list of fb.Model objects"))
    checked = tuple(check_list(models, "models", "a list of fb.Model objects"))
    if not checked:
        raise ValueError("models is empty; expected one fb.Model or more.")
    for i, model in enumerate(checked):
        if not isinstance(model, Model):
            raise TypeError(sentence(f"models[{i}]", model, "an fb.Model"))
        if _outside(model) != _outside(checked[0]):
            raise ValueError(
                f"models[{i}] has {_outside(model)}, models[0] has {_outside(checked[0])}; expected the same for all, "
                "to average them."
            )
    _check_classes(checked)
    return checked


def _check_classes(models: Sequence[Model]) -> None:
    """Refuse models whose outputs are for other classes, or in another order."""
    first = models[0].feed.classes
    for i, model in enumerate(models):
        classes = model.feed.classes
        if classes != first:
            raise ValueError(
                f"models[{i}] has {_named(classes)}, models[0] has {_named(first)}; expected the same classes in the "
                "same order, to average their outputs."
            )


def _named(classes: Classes | None) -> str:
    return "no classes" if classes is None else f"the classes {classes}"


def _outside(model: Model) -> str:
    """Describe a model's inputs, outputs, dtype and last activation."""
    name = model.architecture.output_activation.name
    known = model.feed.known_inputs
    inputs = "unknown inputs" if known is None else counted(known, "input")
    return f"{inputs}, {counted(model.n_outputs, 'output')}, dtype {model.dtype.name} and output activation {name}"
