"""Training on samples that come in chunks."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastbp.callbacks.base import Callback
from fastbp.data.chunks import Chunks, form_batches, orders
from fastbp.data.prefetch import Prefetch
from fastbp.data.samples import Samples
from fastbp.engine.network import NonFinite
from fastbp.models.nonfinite import explain_nonfinite
from fastbp.training.epochs import Figures, Fitting, OnNaN, Unfinished
from fastbp.training.evaluation import totals_for
from fastbp.training.progress import ProgressBar

if TYPE_CHECKING:
    from fastbp.data.class_weights import ClassWeight
    from fastbp.training.trainer import Trainer

__all__ = ["ChunkedFitting"]

Sums = Sequence[NDArray[np.float64]]


class ChunkedFitting(Fitting):
    """The epochs of one call whose samples come in chunks; an epoch that is left is forgotten.

    Parameters
    ----------
    trainer : Trainer
    chunks : Chunks
        What is trained on; a chunk is read while the one before is in use.
    validation : Samples, Chunks or None
    listeners, bar, on_nan
        As for Fitting.
    class_weight : dict of int to float or None
    """

    def __init__(
        self,
        trainer: Trainer,
        chunks: Chunks,
        validation: Samples | Chunks | None,
        listeners: Sequence[Callback],
        bar: ProgressBar | None,
        on_nan: OnNaN,
        class_weight: ClassWeight | None,
    ) -> None:
        super().__init__(trainer, validation, listeners, bar, on_nan)
        self._chunks, self._class_weight = chunks, class_weight

    def _run_epoch(self) -> Figures | None:
        """Train on all chunks once; None where this was ended before."""
        trainer = self._trainer
        trainer._unfinished = None
        start = time.perf_counter()
        totals = totals_for(trainer)
        done: tuple[float, Sums] | None = None
        for block in self._blocks():
            n_before = len(totals)
            totals.add(block)
            done = self._train_on(block, n_before, start)
            if done is None:
                return None
        assert done is not None  # there was a chunk
        if self._bar is not None:
            self._bar.learn_length(len(totals))
        return {**trainer._figures(*done, totals, None, None), "seconds": time.perf_counter() - start}

    def _blocks(self) -> Iterator[Samples]:
        """Go through the epoch's samples in blocks of whole steps, but for the last."""
        trainer = self._trainer
        assert trainer.batch_size is not None
        order = orders(trainer.seed, trainer.history.n_epochs) if trainer.shuffle else None
        chunks = self._chunks.read(lambda X, y, w, names: trainer._samples(X, y, w, self._class_weight, names))
        with Prefetch(chunks) as read:
            yield from form_batches(read, trainer.batch_size * trainer.accumulate, order)

    def _train_on(self, block: Samples, n_before: int, start: float) -> tuple[float, Sums] | None:
        """Train on a block, behind so many samples of the epoch; None where training is to end."""
        trainer = self._trainer
        batch_size = trainer.batch_size
        assert batch_size is not None
        if len(block) % batch_size:
            trainer._model._check_batch(len(block) % batch_size, f"the last batch of {self._chunks.argument}")
        before = trainer._session.progress() if n_before else None
        standing = None if before is None else Unfinished(len(block), (0, *before[1:]), 0.0, None)
        done = None
        try:
            while done is None and not trainer._stopping:
                done = self._train(block, standing, start, shuffle=False, n_before=n_before)
                standing = self._standing(start)
        except NonFinite as error:
            where = f"in epoch {trainer.history.n_epochs + 1}"
            if error.batch >= 0:
                where += f", batch {n_before // batch_size + error.batch + 1}"
            explain_nonfinite(error, trainer.model, block, where, trainer._divergence())
        return done

    def _kept(self, standing: Unfinished | None) -> Unfinished | None:
        return None  # nobody can say of a source of chunks that it gives the same again
