"""Reads and checks X and y once; everything after works on the samples read here."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.data.arrays import as_array
from fastbp.data.chunks import Chunks, is_source
from fastbp.data.class_weights import ClassWeight
from fastbp.data.classes import Classes, number_targets
from fastbp.data.folds import check_groups, split_fraction
from fastbp.data.frames import names_of
from fastbp.data.samples import NAMES, Samples
from fastbp.data.target_labels import target_names_of
from fastbp.distributed.part import Part
from fastbp.engine.records import SampleSet, plain_samples
from fastbp.layers.tabular import n_features
from fastbp.losses.base import Loss
from fastbp.models.architecture import outputs_of
from fastbp.models.model import Model
from fastbp.support.checks import check_number, sentence, shown
from fastbp.training.private_checks import public_arrays, refuse_learning, without_values
from fastbp.training.settings import TrainerSettings, check_loss

if TYPE_CHECKING:
    from fastbp.distributed.exchange import Exchange
    from fastbp.training.part_data import PartData

__all__ = ["Intake", "Targets"]

Array = NDArray[Any]
RowIndex = NDArray[np.int64]


class Targets(NamedTuple):
    """Targets that were read.

    Attributes
    ----------
    values : array-like with a length
        As the loss takes them, labels as class numbers; or as y holds them, if the model's outputs are not known yet.
    classes : Classes or None
        The labels of the class numbers, known or learned from these targets.
    names : tuple of str or None
        The names of the targets' columns.
    """

    values: Any
    classes: Classes | None
    names: tuple[str, ...] | None


class Intake:
    """Reads data for one model and one loss.

    Parameters
    ----------
    model : Model
        The model; ``learn`` builds it if it needs data first.
    settings : TrainerSettings
    """

    def __init__(self, model: Model, settings: TrainerSettings) -> None:
        self._model, self._settings, self._loss = model, settings, settings.loss

    # ---------------------------------------------------------------------------------------------------- arrays

    def samples(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        class_weight: ClassWeight | None = None,
        names: tuple[str, str, str] = NAMES,
        *,
        learn: bool = False,
        classes: Classes | None = None,
    ) -> Samples:
        """Return samples for a built model.

        With ``learn`` the labels in y may say what its classes are, if ``classes`` does not; ``keep`` tells the model.
        """
        model = self._model
        feed = model.feed if classes is None else model.feed.labelled(classes, None)
        return feed.samples(X, y, self._loss, model.n_outputs, names, sample_weight, class_weight, learn)

    def batch(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None, class_weight: ClassWeight | None) -> Samples:
        """Return the samples of one step; the labels of the first one are the model's classes."""
        model = self._model
        feed = model.feed
        of_outputs = None
        if sample_weight is not None:
            sample_weight = as_array(sample_weight, NAMES[2])
            if sample_weight.ndim == 2 and sample_weight.shape[1] > 1:
                of_outputs, sample_weight = sample_weight, None
        n_outputs, observes = model.network.n_outputs, feed.runs_in_steps
        samples = feed.samples(X, y, self._loss, n_outputs, NAMES, sample_weight, class_weight, True, observes)
        if of_outputs is not None:
            samples.weigh_outputs(of_outputs)
        if samples.classes is not feed.classes:
            self.keep(None, samples.classes, target_names_of(y))
        if observes:
            self.see(samples.X)
        return samples

    def plain_batch(self, X: Any, y: Any) -> SampleSet | None:
        """Return the samples of one step as ``batch`` does, for the engine; None where there is anything to convert.

        This is the quick way for loops that call ``step`` with arrays of the model's dtype.
        """
        model = self._model
        feed = model.feed
        if not feed.is_plain or feed.known_inputs is None:
            return None
        return plain_samples(X, y, model.dtype, feed.known_inputs, self._n_plain_targets, self._loss.in_python)

    @cached_property
    def _n_plain_targets(self) -> int:
        """How many columns targets have, where the loss takes numbers as they are; else -1."""
        loss, n_outputs = self._loss, self._model.n_outputs
        is_plain = type(loss).as_targets is Loss.as_targets and loss.n_classes(n_outputs) is None
        return loss.n_targets(n_outputs) if is_plain else -1

    def see(self, array: Any) -> None:
        """Take the rows of one step, as they were read, into running statistics, where steps do that."""
        model = self._model
        if model.feed.runs_in_steps:
            model.adopt(model.feed.observed(array, "X"))

    def targets(self, y: ArrayLike) -> Targets:
        """Return y as the loss takes it."""
        n_outputs = self._model.architecture.n_outputs
        numbers, classes = number_targets(y, self._loss, n_outputs, self._model.feed.classes, "y", learn=True)
        return Targets(self._loss.as_targets(numbers, n_outputs), classes, target_names_of(y))

    def learn(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        rows: RowIndex | None = None,
        targets: Targets | None = None,
    ) -> Samples:
        """Return samples; a model that is not built learns from these rows first (None: all).

        ``targets`` is the result of the method of that name for y, where it was called before. With privacy nothing is
        learned but the number of columns.
        """
        if self._settings.privacy is None:
            return self._learn(X, y, sample_weight, rows, targets)
        refuse_learning(self._model, y)
        return without_values(lambda: self._learn(X, y, sample_weight, rows, targets))

    def _learn(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        rows: RowIndex | None,
        targets: Targets | None,
    ) -> Samples:
        model, loss = self._model, self._loss
        if model.feed.ready:
            array = model.feed.read(X, "X")
            targets = self.targets(y) if targets is None else targets
            samples = Samples(
                array, targets.values, model.n_outputs, loss, NAMES, sample_weight, classes=targets.classes
            )
            self.keep(names_of(X), targets.classes, targets.names)
            return samples
        targets = self.targets(y) if targets is None else targets
        feed, array = model.feed.learn(X, targets.values, rows)
        assert feed.fed is not None
        n_outputs = outputs_of(model.layers, n_features(feed.fed))
        samples = Samples(array, targets.values, n_outputs, loss, NAMES, sample_weight, classes=targets.classes)
        model.adopt(feed.labelled(targets.classes, feed.target_names or targets.names))
        check_loss(loss, model.architecture, feed)
        return samples

    def keep(
        self, names: tuple[str, ...] | None, classes: Classes | None, target_names: tuple[str, ...] | None
    ) -> None:
        """Let the model know the names of its columns, and the labels of its classes, where it knows none."""
        feed = self._model.feed
        told = feed if feed.names is not None else feed.named(names)
        told = told.labelled(feed.classes or classes, feed.target_names or target_names)
        if told is not feed:
            self._model.adopt(told)

    def classes(self, targets: Array) -> Array | None:
        """Return the class of each sample; None if the targets are not classes."""
        with contextlib.suppress(ValueError):
            return self._loss.classes(targets, self._model.n_outputs)[0]
        return None

    @staticmethod
    def check_hold_out(fraction: float | None, validation_data: Any, groups: ArrayLike | None) -> None:
        """Refuse arguments about held-out samples that contradict each other."""
        if fraction is None and groups is not None:
            raise ValueError(sentence("groups", groups, "None without validation_fraction"))
        if fraction is not None and validation_data is not None:
            was = f"validation_fraction is {shown(fraction)} and validation_data is given"
            raise ValueError(f"{was}; expected one of them.")

    def hold_out(self, targets: Array, fraction: float, groups: ArrayLike | None) -> tuple[RowIndex, RowIndex]:
        """Return the rows for training and for validation."""
        share = check_number(fraction, "validation_fraction", above=0, below=1)
        classes = self.classes(targets)
        labels = None if groups is None else check_groups(groups, len(targets))
        try:
            return split_fraction(len(targets), share, classes=classes, groups=labels, seed=self._settings.seed)
        except ValueError as error:
            raise ValueError(f"validation_fraction is {share!r}: {error}") from None

    # ---------------------------------------------------------------------------------------------------- chunks

    def chunks(self, X: Any, n_epochs: int, class_weight: ClassWeight | None, refused: Mapping[str, Any]) -> Chunks:
        """Return X as a source of chunks; arguments that cannot be used with chunks are refused."""
        if not is_source(X):
            remedy = "Without y, X is a source of chunks: an iterable of (X, y), or a function that returns one."
            raise TypeError(sentence("y", None, "targets, as X is an array-like", remedy))
        for name, value in refused.items():
            if value is not None:
                remedy = "A chunk may be (X, y, sample_weight)." if name == "sample_weight" else ""
                raise ValueError(sentence(name, value, "None with X a source of chunks", remedy))
        if isinstance(class_weight, str):
            remedy = "The frequency of a class in chunks is not known beforehand."
            raise ValueError(sentence("class_weight", class_weight, "a dictionary with X a source of chunks", remedy))
        chunks = Chunks(X, "X")
        if chunks.once and n_epochs > 1:
            remedy = "Pass a list, or a function that returns a new iterator for each epoch."
            raise ValueError(
                f"X is an iterator, for one pass only, and epochs is {n_epochs}; expected epochs=1. {remedy}"
            )
        return chunks

    def parts(
        self,
        X: Part,
        class_weight: ClassWeight | None,
        exchange: Exchange | None,
        refused: Mapping[str, Any] | None = None,
    ) -> PartData:
        """Return samples in parts, those of this process; arguments that cannot be used with them are refused."""
        from fastbp.training.part_data import PartData  # only now: `import fastbp` stays quick

        n_parts = self._settings.shards
        if n_parts == 1:
            raise ValueError(
                f"X is {X!r} and shards is 1; expected a trainer with shards, as there is a part for each shard."
            )
        for name, value in (refused or {}).items():
            if value is not None:
                remedy = "A part may be (X, y, sample_weight)." if name == "sample_weight" else ""
                raise ValueError(sentence(name, value, "None with X in parts", remedy))
        if isinstance(class_weight, str):
            remedy = "The frequency of a class in all parts is not known beforehand."
            raise ValueError(sentence("class_weight", class_weight, "a dictionary with X in parts", remedy))
        self.check_ready("X is in parts")
        return PartData(
            X,
            n_parts,
            exchange,
            lambda X, y, weights, names: self.samples(X, y, weights, class_weight, names),
            self._settings.wants_spread,
        )

    def check_chunked_training(self) -> None:
        """Refuse settings that need all samples at once, and a model that has to learn from data first."""
        self.check_ready("X is a source of chunks")
        batch_size = self._settings.batch_size
        if batch_size is None:
            remedy = "Chunks are not all in memory at once."
            raise ValueError(sentence("batch_size", None, "a number with X a source of chunks", remedy))
        self._model.architecture.check_training(batch_size, batch_size)

    def check_ready(self, was: str) -> None:
        """Refuse a model that has to learn from data first."""
        feed = self._model.feed
        if not feed.ready:
            what, remedy = "number of inputs depends", ", or give fb.Model the number of inputs"
            if feed.preparation is not None:
                what, remedy = f"preparation, {feed.preparation!r}, depends", ""
            raise ValueError(
                f"{was}, and the model's {what} on data not seen yet; expected a model that is "
                f"built. Call model.build(X, y) with some of the samples first{remedy}."
            )
        feed.check_observed()

    # ------------------------------------------------------------------------------------------------ validation

    def validation(
        self, validation_data: Any, *, learn: bool = False, exchange: Exchange | None = None
    ) -> Samples | Chunks | PartData | None:
        """Return validation data in arrays, chunks or parts; with ``learn``, arrays may say what the classes are."""
        if isinstance(validation_data, Part):
            return self.parts(validation_data, None, exchange)
        validation_data = public_arrays(validation_data, private=self._settings.privacy is not None)
        in_arrays = validation_data is None or isinstance(validation_data, (tuple, list))
        if not in_arrays and is_source(validation_data):
            chunks = Chunks(validation_data, "validation_data")
            if chunks.once:
                remedy = "Pass a function that returns a new iterator for each epoch."
                raise ValueError(sentence("validation_data", validation_data, "a source for several passes", remedy))
            return chunks
        return self.validation_arrays(validation_data, learn=learn)

    def validation_arrays(self, validation_data: Any, *, learn: bool = False) -> Samples | None:
        """Return validation data that must be in arrays."""
        if validation_data is None:
            return None
        if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3):
            expected = "a pair (X_val, y_val), or (X_val, y_val, sample_weight), or a source of chunks"
            raise TypeError(sentence("validation_data", validation_data, expected))
        X, y, *weights = validation_data
        names = ("validation_data[0]", "validation_data[1]", "validation_data[2]")
        return self.samples(X, y, weights[0] if weights else None, None, names, learn=learn)
