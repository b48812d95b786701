"""Training on samples in chunks."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from fastbp.data.chunks import Chunks, form_batches, orders
from fastbp.data.class_weights import ClassWeight
from fastbp.data.classes import Classes
from fastbp.data.frames import names_of
from fastbp.data.prefetch import Prefetch  # not later: a fork would meet the import
from fastbp.data.samples import Samples
from fastbp.data.target_labels import target_names_of
from fastbp.engine.errors import NonFinite
from fastbp.models.nonfinite import explain_nonfinite
from fastbp.training.epochs import EpochParts, Epochs
from fastbp.training.intake import Intake
from fastbp.training.settings import Figures
from fastbp.training.state import UnfinishedEpoch

if TYPE_CHECKING:
    from fastbp.engine.divided_session import DividedSession

__all__ = ["ChunkEpochs"]

Sums = Sequence[NDArray[np.float64]]


class ChunkEpochs(Epochs):
    """The epochs of one call of ``fit`` on samples in chunks; an unfinished epoch is not continued.

    Parameters
    ----------
    parts : EpochParts
    chunks : Chunks
        The training samples; a chunk is read while the one before is in use.
    intake : Intake
    class_weight : dict of int to float or None
    """

    def __init__(self, parts: EpochParts, chunks: Chunks, intake: Intake, class_weight: ClassWeight | None) -> None:
        super().__init__(parts)
        self._chunks, self._intake, self._class_weight = chunks, intake, class_weight
        batch_size = self._settings.batch_size
        assert batch_size is not None  # the intake refuses None
        self._batch_size = batch_size
        # What the first chunks say: the reading thread learns it, and the model is told between calls of the engine.
        self._names: tuple[str, ...] | None = None  # of the columns
        self._target_names: tuple[str, ...] | None = None
        self._classes: Classes | None = getattr(parts.validation, "classes", None)

    def _run_epoch(self) -> Figures | None:
        """Train on all chunks once; None if training was stopped."""
        self._state.unfinished = None
        start = time.perf_counter()
        totals = self._evaluator.totals()
        done: tuple[float, Sums] | None = None
        for block in self._blocks():
            n_before = len(totals)
            totals.add(block)
            self._intake.keep(self._names, self._classes, self._target_names)
            done = self._train_on(block, n_before, start)
            if done is None:
                return None
        assert done is not None  # there is at least one chunk
        if self._bar is not None:
            self._bar.learn_length(len(totals))
        return {**self._evaluator.figures(*done, totals, None, None), "seconds": time.perf_counter() - start}

    def _blocks(self) -> Iterator[Samples]:
        """Yield the epoch's samples in blocks of whole steps, except the last."""
        settings = self._settings
        order = orders(settings.seed, self._state.history.n_epochs) if settings.shuffle else None
        own = None
        if self._state.exchange is not None:
            own = cast("DividedSession", self._state.session).own_rows
        with Prefetch(self._chunks.read(self._read_chunk)) as chunks:
            yield from form_batches(chunks, self._batch_size * settings.accumulate, order, own)

    def _read_chunk(self, X: Any, y: Any, sample_weight: Any, names: tuple[str, str, str]) -> Samples:
        samples = self._intake.samples(
            X, y, sample_weight, self._class_weight, names, learn=True, classes=self._classes
        )
        self._classes = samples.classes
        self._names = self._names or names_of(X)
        self._target_names = self._target_names or target_names_of(y)
        return samples

    def _train_on(self, block: Samples, n_before: int, start: float) -> tuple[float, Sums] | None:
        """Train on a block, after n_before samples of the epoch; None if training is to stop."""
        state, batch_size = self._state, self._batch_size
        architecture = state.model.architecture
        if len(block) % batch_size:
            architecture.check_batch(len(block) % batch_size, f"the last batch of {self._chunks.argument}")
        before = state.session.progress(state.history.n_epochs) if n_before else None
        standing = None if before is None else UnfinishedEpoch(len(block), (0, *before[1:]), 0.0, None)
        done = None
        try:
            with state.turns:
                while done is None and not state.stopping:
                    done = self._train(block, standing, start, shuffle=False, n_before=n_before)
                    standing = self.standing(start)
            state.turns.let_others()
        except NonFinite as error:
            batch = n_before // batch_size + error.batch  # of a step it is known
            where = f"in epoch {state.history.n_epochs + 1}, batch {batch + 1}"
            explain_nonfinite(error, architecture, state.model.feed, block, where, state.divergence_remedy())
        return done

    def resumable(self, standing: UnfinishedEpoch | None) -> UnfinishedEpoch | None:
        """Return None: a source of chunks may not give the same samples again."""
        return None
