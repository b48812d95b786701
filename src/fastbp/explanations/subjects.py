"""What is explained: a model, as a function of rows in which every column is a number.

The columns are the user's, as they came: a number, or the code of a category, NaN where a value is missing. The
preparation comes after whatever an explanation changes in them.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fastbp.data.arrays import refuse_nonfinite
from fastbp.data.classes import Classes
from fastbp.data.sparse import Sparse, is_sparse
from fastbp.ensembles.ensemble import Ensemble
from fastbp.explanations.cells import moments_of
from fastbp.explanations.twins import logits_of_mean, mixes_probabilities, redrawn, twin
from fastbp.explanations.usual_values import usual_values
from fastbp.layers.tabular import Tabular
from fastbp.models.answers import columns_of_outputs
from fastbp.models.model import Model
from fastbp.preparation.learned import Learned
from fastbp.support.checks import counted, sentence
from fastbp.support.underflow import underflows_to_zero

__all__ = ["Explicable", "ModelSubject", "Subject", "codes_known", "in_words", "moments_learned", "subject_of"]

Array = NDArray[Any]
Floats = NDArray[np.float64]


class Subject:
    """A model as a function of rows of numbers.

    Attributes
    ----------
    columns : tuple of str
        The names of the user's columns; numbers from 0 where they have none.
    classes : Classes or None
        The labels of the outputs; of a single output, those of 0 and of 1.
    n_outputs : int
    activation : str
        The last one's name.
    output_names : list
        What each output is called.
    members : tuple of Subject
        The members of an ensemble, each of which is explained; empty for one model.
    moments : collection of int
        The columns of dates and times, which rows have as seconds since 1970.
    row_dtype : numpy.dtype
        Of rows that are made for ``outputs``: one that loses nothing of ``read``'s.
    """

    columns: tuple[str, ...]
    classes: Classes | None
    n_outputs: int
    activation: str
    output_names: list[Any]
    members: Sequence[Subject] = ()
    moments: Collection[int] = ()
    row_dtype: np.dtype[Any] = np.dtype(np.float64)

    def __explained__(self) -> Subject:
        """Return this: it is what it is explained as."""
        return self

    def parts(self, by_answers: bool) -> list[tuple[Subject, float]]:
        """Return what is explained by itself, and the share of each in the mean.

        Parameters
        ----------
        by_answers : bool
            Whether answers only are asked for; else networks are looked into.
        """
        members = self.members or (self,)
        return [(member, 1 / len(members)) for member in members]

    def read(self, X: Any, argument: str) -> Array:
        """Return the user's rows as numbers, (n_rows, n_columns)."""
        raise NotImplementedError

    def outputs(self, rows: Array, output: str) -> Floats:
        """Return what the model says, "prediction" or "logit", of rows that ``read`` returned or like them."""
        raise NotImplementedError

    def check(self, rows: Array) -> None:
        """Refuse rows that cannot be predicted, by their numbers."""
        self.outputs(rows, "prediction")

    def shown(self, rows: Array) -> Array:
        """Return rows as a user reads them: text where the column has text, and dates where it has dates."""
        raise NotImplementedError

    def usual(self) -> Floats:
        """Return the row of usual values that the preparation knows, (n_columns,).

        Raises
        ------
        ValueError
            If it does not know them all.
        """
        raise ValueError(
            "baseline and background are None, and the model has no preparation that knows usual values; expected "
            "one of the two. Give rows of the training data as background=."
        )

    def values_of(self, j: int) -> Floats | None:
        """Return the codes of all categories that are known of a column; None for a column of numbers."""
        raise NotImplementedError

    def with_random_weights(self, seed: int) -> Subject | None:
        """Return this with new random weights; None where that cannot be done."""
        return None

    def predicted(self, rows: Array) -> NDArray[np.int64]:
        """Return the number of the class that is predicted for each row.

        Raises
        ------
        ValueError
            If the outputs tell no classes that exclude each other.
        """
        single = self.n_outputs == 1
        if not (self.activation == "softmax" or (single and (self.activation == "sigmoid" or self.classes))):
            raise ValueError(
                f"target is 'predicted', and the last layer has {counted(self.n_outputs, 'output')} and the activation "
                f"{self.activation!r}; expected a model that predicts one class of several. Give the number of an "
                "output, or None for all."
            )
        outputs = self.outputs(rows, "prediction")
        if single:
            return (outputs[:, 0] > (0.5 if self.activation == "sigmoid" else 0.0)).astype(np.int64)
        return np.asarray(outputs.argmax(axis=1))


@runtime_checkable
class Explicable(Protocol):
    """An object that is not a model and says how it is explained, as the estimators do."""

    def __explained__(self) -> Subject:
        """Return it as a function of rows of numbers."""


class ModelSubject(Subject):
    """A model.

    Parameters
    ----------
    model : Model
        It is not changed.
    n_threads : int or None
    texts : dict of int to tuple of str, or None
        The texts that the codes of the rows stand for, where they are not those that the model learned: a member of an
        ensemble may know others than the next one.
    """

    def __init__(
        self, model: Model, n_threads: int | None = None, texts: Mapping[int, tuple[str, ...]] | None = None
    ) -> None:
        feed = model.feed
        feed.check_ready()
        self._model, self._n_threads = model, n_threads
        preparation = feed.preparation
        self._learned: Learned | None = None if preparation is None else preparation.inputs
        self.moments = moments_learned(self._learned)
        names = self._learned.names if self._learned is not None and self._learned.names is not None else feed.names
        self.columns = _numbered(model.n_inputs) if names is None else tuple(map(str, names))
        self.classes, self.n_outputs = feed.classes, model.n_outputs
        self.activation = model.architecture.output_activation.name
        self.output_names = columns_of_outputs(self.n_outputs, feed.classes, feed.target_names)
        self._is_plain = preparation is None and model.inputs == model.n_inputs
        if self._is_plain:
            self.row_dtype = model.dtype
        self._own_codes = {
            j: _codes_of(known, self.texts[j]) for j, known in (texts or {}).items() if known != self.texts[j]
        }

    @property
    def model(self) -> Model:
        """The model itself."""
        return self._model

    @functools.cached_property
    def _logits(self) -> Model:
        """The model that ends before its softmax or sigmoid."""
        return twin(self._model, "logit")

    @property
    def texts(self) -> dict[int, tuple[str, ...]]:
        """The texts that the codes of each column of text stand for."""
        return {} if self._learned is None else self._learned.texts

    def read(self, X: Any, argument: str) -> Array:
        """Return the user's rows as numbers, (n_rows, n_columns), with the codes of ``texts``."""
        if isinstance(X, Sparse) or is_sparse(X):
            raise TypeError(sentence(argument, X, "a dense array", f"Pass {argument}.toarray()."))
        read: Array = self._model.feed.read(X, argument)
        if read.dtype == self.row_dtype:
            return read
        with np.errstate(over="ignore"):
            rows: Array = read.astype(self.row_dtype)
        if not np.array_equal(np.isfinite(rows), np.isfinite(read)):
            refuse_nonfinite(read, self.row_dtype, argument)  # told as it came, not as it became
        return rows

    def own(self, rows: Array) -> Array:
        """Return rows with the codes that the model learned."""
        if not self._own_codes:
            return rows
        own = rows.copy()
        for j, codes in self._own_codes.items():
            known = rows[:, j] >= 0  # not missing, and not unknown to all
            own[known, j] = codes[rows[known, j].astype(np.int64)]
        return own

    @underflows_to_zero
    def outputs(self, rows: Array, output: str) -> Floats:
        """Return what the model says of rows."""
        is_of_mean = output == "logit" and mixes_probabilities(self._model)
        model = self._logits if output == "logit" and not is_of_mean else self._model
        found = model.predict_read(self.own(rows), self._n_threads)
        return logits_of_mean(model, found) if is_of_mean else found.astype(np.float64)

    def check(self, rows: Array) -> None:
        """Refuse rows that cannot be predicted; finite numbers of a model that takes them as they are can be."""
        if not self._is_plain or not np.isfinite(rows).all():
            super().check(rows)

    def shown(self, rows: Array) -> Array:
        """Return rows as a user reads them: text where the column has text, and dates where it has dates."""
        return in_words(rows, self.texts, self.moments)

    def usual(self) -> Floats:
        """Return the row of usual values that the preparation knows."""
        preparation = self._model.feed.preparation
        return super().usual() if preparation is None else usual_values(preparation, self.columns)

    def with_random_weights(self, seed: int) -> ModelSubject:
        """Return this with the weights of another model of the same architecture, drawn as before training."""
        other = copy.copy(self)
        other._model = redrawn(self._model, seed)
        other.__dict__.pop("_logits", None)
        return other

    def values_of(self, j: int) -> Floats | None:
        """Return the codes of all categories that are known of a column."""
        inputs = self._model.inputs
        if self._learned is not None:
            return codes_known(self._learned, j)
        if isinstance(inputs, Tabular) and j >= inputs.numeric:
            return np.arange(inputs.categories[j - inputs.numeric], dtype=np.float64)
        return None


class EnsembleSubject(Subject):
    """The mean of models, each of which is explained.

    Parameters
    ----------
    ensemble : Ensemble
    n_threads : int or None
    """

    def __init__(self, ensemble: Ensemble, n_threads: int | None = None) -> None:
        members = [ModelSubject(model, n_threads) for model in ensemble.models]
        first = members[0]
        for i, member in enumerate(members):
            if member.columns != first.columns or member.texts.keys() != first.texts.keys():
                raise ValueError(
                    f"models[{i}] of the ensemble has other columns, or other columns of text, than models[0]; "
                    "expected the same for all."
                )
        self._texts = {
            j: tuple(dict.fromkeys(text for member in members for text in member.texts[j])) for j in first.texts
        }
        self._readers = members
        self.members: tuple[ModelSubject, ...] = tuple(
            ModelSubject(model, n_threads, self._texts) for model in ensemble.models
        )
        self.columns, self.classes, self.n_outputs = first.columns, first.classes, first.n_outputs
        self.activation, self.output_names, self.row_dtype = first.activation, first.output_names, first.row_dtype
        self.moments = first.moments

    def read(self, X: Any, argument: str) -> Array:
        """Return the user's rows as numbers, with codes for all texts that any member knows."""
        rows = self._readers[0].read(X, argument).copy()
        of_members = [rows.copy(), *(each.read(X, argument) for each in self._readers[1:])] if self._texts else []
        for j, known in self._texts.items():
            for reader, own in zip(self._readers, of_members, strict=True):
                told = own[:, j] >= 0
                rows[told, j] = _codes_of(reader.texts[j], known)[own[told, j].astype(np.int64)]
        return rows

    def outputs(self, rows: Array, output: str) -> Floats:
        """Return the mean of what the members say."""
        mean: Floats = np.mean([member.outputs(rows, output) for member in self.members], axis=0)
        return mean

    def shown(self, rows: Array) -> Array:
        """Return rows as a user reads them."""
        return in_words(rows, self._texts, self.moments)

    def usual(self) -> Floats:
        """Return the usual values that the first member's preparation knows."""
        return self._readers[0].usual()

    def with_random_weights(self, seed: int) -> EnsembleSubject:
        """Return this with new random weights for each member."""
        other = copy.copy(self)
        other.members = tuple(member.with_random_weights(seed + i) for i, member in enumerate(self.members))
        return other

    def values_of(self, j: int) -> Floats | None:
        """Return the codes of all categories that are known of a column."""
        if j in self._texts:
            return np.arange(len(self._texts[j]), dtype=np.float64)
        found = [codes for each in self._readers if (codes := each.values_of(j)) is not None]
        return np.unique(np.concatenate(found)) if found else None


@functools.lru_cache(maxsize=8)
def _numbered(n: int) -> tuple[str, ...]:
    """Return the names of columns that have none; to make them takes long where there are many."""
    return tuple(map(str, range(n)))


def _codes_of(texts: Sequence[str], among: Sequence[str]) -> Floats:
    """Return the code of each text among others, -1 for none."""
    codes = {text: float(i) for i, text in enumerate(among)}
    return np.array([codes.get(text, -1.0) for text in texts])


def subject_of(model: Any, n_threads: int | None = None) -> Subject:
    """Return a model, an ensemble or an estimator as what is explained.

    Raises
    ------
    TypeError
        If it is nothing of that kind.
    """
    if isinstance(model, Model):
        return ModelSubject(model, n_threads)
    if isinstance(model, Ensemble):
        return EnsembleSubject(model, n_threads)
    if isinstance(model, Explicable) and not isinstance(model, type):
        return model.__explained__()
    remedy = "Of a trainer give trainer.model." if hasattr(model, "model") else ""
    raise TypeError(sentence("model", model, "an fb.Model, an fb.Ensemble or an estimator of fastbp.sklearn", remedy))


def in_words(rows: Array, texts: Mapping[int, tuple[str, ...]], moments: Collection[int]) -> Array:
    """Return rows with the text of codes, and the dates of seconds in columns of moments.

    None stands where such a value is missing, "(other)" for a category that is not known.
    """
    if not texts and not moments:
        return rows
    words = rows.astype(object)
    for j, known in texts.items():
        words[:, j] = [_word(code, known) for code in rows[:, j]]
    for j in moments:
        words[:, j] = moments_of(rows[:, j]).tolist()
    return words


def moments_learned(learned: Learned | None) -> Collection[int]:
    """Return the columns that a preparation learned as dates and times."""
    return () if learned is None else [j for j in learned.writings if learned.holds_moments(j)]


def _word(code: float, known: Sequence[str]) -> str | None:
    if np.isnan(code):
        return None
    return known[int(code)] if 0 <= code < len(known) else "(other)"


def codes_known(learned: Learned, j: int) -> Floats | None:
    """Return the codes of all categories of a column that a preparation learned; None for a column of numbers."""
    codes: set[float] = set()
    categorical = False
    for column, steps in learned.features:
        if column == j:
            for kind, *numbers in steps:
                if kind in ("equals", "code"):
                    categorical = True
                    codes.update(numbers)
    if j in learned.texts:
        return np.arange(len(learned.texts[j]), dtype=np.float64)
    return np.array(sorted(codes)) if categorical else None
