"""Reads and checks X and y once; everything after works on the samples read here."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.data.chunks import Chunks, is_source
from fastbp.data.class_weights import ClassWeight
from fastbp.data.folds import check_groups, split_fraction
from fastbp.data.frames import names_of
from fastbp.data.samples import NAMES, Samples
from fastbp.layers.tabular import n_features
from fastbp.models.architecture import outputs_of
from fastbp.models.model import Model
from fastbp.support.checks import check_number, sentence
from fastbp.training.settings import TrainerSettings, check_loss

__all__ = ["Intake"]

Array = NDArray[Any]
RowIndex = NDArray[np.int64]


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
    ) -> Samples:
        """Return samples for a built model."""
        model = self._model
        return model.feed.samples(X, y, self._loss, model.n_outputs, names, sample_weight, class_weight)

    def targets(self, y: ArrayLike) -> Array:
        """Return y as the loss takes it, as far as the model is known."""
        n_outputs = self._model.architecture.known_outputs
        return np.asarray(y) if n_outputs is None else self._loss.as_targets(y, n_outputs)

    def learn(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        rows: RowIndex | None = None,
        targets: Array | None = None,
    ) -> Samples:
        """Return samples; a model that is not built learns from these rows first (None: all).

        ``targets`` is the result of the method of that name for y, where it was called before.
        """
        model, loss = self._model, self._loss
        if model.feed.ready:
            array = model.feed.read(X, "X")
            targets = self.targets(y) if targets is None else targets
            samples = Samples(array, targets, model.n_outputs, loss, NAMES, sample_weight)
            self.keep_names(names_of(X))
            return samples
        targets = self.targets(y) if targets is None else targets
        feed, array = model.feed.learn(X, targets, rows)
        assert feed.fed is not None
        n_outputs = outputs_of(model.layers, n_features(feed.fed))
        if model.architecture.known_outputs is None:
            targets = loss.as_targets(targets, n_outputs)
        samples = Samples(array, targets, n_outputs, loss, NAMES, sample_weight)
        model.adopt(feed)
        check_loss(loss, model.architecture, feed)
        return samples

    def keep_names(self, names: tuple[str, ...] | None) -> None:
        """Let the model know the names of its columns, where it knows none: ``predict`` finds columns by them."""
        feed = self._model.feed
        if feed.names is None and names is not None:
            named = feed.named(names)
            if named is not feed:
                self._model.adopt(named)

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
            was = f"validation_fraction is {fraction!r} and validation_data is given"
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

    def check_chunked_training(self) -> None:
        """Refuse settings that need all samples at once, and a model that has to learn from data first."""
        feed = self._model.feed
        if not feed.ready:
            what, remedy = "number of inputs depends", ", or give fb.Model the number of inputs"
            if feed.preparation is not None:
                what, remedy = f"preparation, {feed.preparation!r}, depends", ""
            raise ValueError(
                f"X is a source of chunks, and the model's {what} on data not seen yet; expected a model that is "
                f"built. Call model.build(X, y) with some of the samples first{remedy}."
            )
        batch_size = self._settings.batch_size
        if batch_size is None:
            remedy = "Chunks are not all in memory at once."
            raise ValueError(sentence("batch_size", None, "a number with X a source of chunks", remedy))
        self._model.architecture.check_training(batch_size, batch_size)

    # ------------------------------------------------------------------------------------------------ validation

    def validation(self, validation_data: Any) -> Samples | Chunks | None:
        """Return validation data in arrays or in chunks."""
        if not isinstance(validation_data, (tuple, list)) and is_source(validation_data):
            chunks = Chunks(validation_data, "validation_data")
            if chunks.once:
                remedy = "Pass a function that returns a new iterator for each epoch."
                raise ValueError(sentence("validation_data", validation_data, "a source for several passes", remedy))
            return chunks
        return self.validation_arrays(validation_data)

    def validation_arrays(self, validation_data: Any) -> Samples | None:
        """Return validation data that must be in arrays."""
        if validation_data is None:
            return None
        if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3):
            expected = "a pair (X_val, y_val), or (X_val, y_val, sample_weight), or a source of chunks"
            raise TypeError(sentence("validation_data", validation_data, expected))
        X, y, *weights = validation_data
        names = ("validation_data[0]", "validation_data[1]", "validation_data[2]")
        return self.samples(X, y, weights[0] if weights else None, None, names)
