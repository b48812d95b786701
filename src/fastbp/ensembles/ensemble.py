"""An ensemble: the mean of several models is the prediction, their spread its uncertainty."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.models.description import named_weights
from fastbp.models.model import Model
from fastbp.support.checks import counted, sentence
from fastbp.support.html_table import card, table

__all__ = ["Ensemble"]

Array = NDArray[Any]


class Ensemble:
    """Models that predict together, such as models trained from several seeds (Lakshminarayanan et al., 2017).

    Parameters
    ----------
    models : sequence of Model
        Models with the same inputs, outputs, dtype and last activation. They are not copied.

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

    def predict(self, X: ArrayLike, n_threads: int | None = None) -> Array:
        """Return the mean of the members' outputs.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
        n_threads : int or None, default None
            As for ``Model.predict``; the result does not depend on it.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs), of the models' dtype
            The mean, summed in float64.

        Raises
        ------
        TypeError, ValueError
            As ``Model.predict``.
        """
        return self.predict_spread(X, n_threads)[0]

    def predict_spread(self, X: ArrayLike, n_threads: int | None = None) -> tuple[Array, Array]:
        """Return the mean and the standard deviation of the members' outputs.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
        n_threads : int or None, default None
            As for ``Model.predict``; the result does not depend on it.

        Returns
        -------
        mean, spread : ndarray of shape (n_samples, n_outputs), of the models' dtype
            The spread is the standard deviation over the n members, with the divisor n (not n - 1).

        Raises
        ------
        TypeError, ValueError
            As ``Model.predict``.
        """
        mean: Any = 0.0
        squares: Any = 0.0
        for i, model in enumerate(self._models):  # Welford (1962): no two numbers of about the same size are subtracted
            outputs = model.predict(X, n_threads).astype(np.float64)
            deviation = outputs - mean
            mean += deviation / (i + 1)
            squares += deviation * (outputs - mean)
        return mean.astype(self.dtype), np.sqrt(squares / len(self)).astype(self.dtype)

    # ---------------------------------------------------------------------------------------- saving and loading

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
        weights[int(number)].append(array)
    return [Model.from_config(config, arrays) for config, arrays in zip(configs, weights, strict=True)]


def _check_models(models: Sequence[Model]) -> tuple[Model, ...]:
    if isinstance(models, (Model, str)) or not isinstance(models, Iterable):
        raise TypeError(sentence("models", models, "a list of fb.Model objects"))
    checked = tuple(models)
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
    return checked


def _outside(model: Model) -> str:
    """Describe a model's inputs, outputs, dtype and last activation."""
    name = model.architecture.output_activation.name
    known = model.feed.known_inputs
    inputs = "unknown inputs" if known is None else counted(known, "input")
    return f"{inputs}, {counted(model.n_outputs, 'output')}, dtype {model.dtype.name} and output activation {name}"
