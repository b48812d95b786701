"""A private network for a table: what it learns of the columns comes from public rows, and nothing is chosen by rows.

One network without held-out rows: every choice that the recipe makes by them would reveal them. The constants were
chosen on 26,049 rows of adult, at epsilon 3: tanh, a short average of the weights, and the columns' bins and levels
written out, matter; width, depth and rate hardly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.layers.dense import Dense
from fastbp.layers.tabular import Tabular
from fastbp.models.model import Model
from fastbp.optimizers.adam import Adam
from fastbp.optimizers.averaging import EMA
from fastbp.privacy import DifferentialPrivacy, Promise
from fastbp.schedules import CosineDecay
from fastbp.tabular.encoding import TableEncoding, learn_encoding
from fastbp.tabular.fitted import Course, FittedMember, FittedTable, Record
from fastbp.tabular.learning import Rows
from fastbp.tabular.reading import TableReader
from fastbp.tabular.recipe import Member
from fastbp.tabular.targets import ClassTargets, NumberTargets, Targets
from fastbp.training.trainer import Trainer

__all__ = ["HIDDEN", "PRIVATE_EPOCHS", "PrivateFit", "PrivateTraining", "PublicTable", "expected_batch_for"]

Array = NDArray[Any]
Floats = NDArray[np.float64]

HIDDEN = (64,)
PRIVATE_EPOCHS = 20
_LEARNING_RATE = 0.01
_AVERAGE = 0.98
_MOST_BINS = 32
_MOST_LEVELS = 256  # written out; a category of more has a table, each row of which gets noise
_TABLE_WIDTH = 8
_PART_OF_ROWS = 25  # a step takes this part of them
_LEAST_BATCH = 64


@dataclass(frozen=True)
class PublicTable:
    """What is learned from public rows: the columns' codes and encoding, the targets' range or number of classes.

    Parameters
    ----------
    reader : TableReader
    encoding : TableEncoding
    targets : Targets
    """

    reader: TableReader
    encoding: TableEncoding
    targets: Targets

    @classmethod
    def learn(cls, reader: TableReader, table: Floats, y: Array, n_classes: int) -> PublicTable:
        """Learn from public rows.

        Parameters
        ----------
        reader : TableReader
            Learned from them.
        table : ndarray of shape (n_rows, n_numbers + n_categories)
            What it read.
        y : ndarray of shape (n_rows, n_outputs)
            Numbers; not used for classes.
        n_classes : int
            0 for numbers.
        """
        n_numbers, cardinalities = reader.n_numbers, reader.cardinalities
        encoding = learn_encoding(table, n_numbers, cardinalities, _MOST_BINS, most_levels=_MOST_LEVELS)
        return cls(reader, encoding, ClassTargets(n_classes) if n_classes else NumberTargets.of(y))


@dataclass(frozen=True)
class PrivateFit:
    """How to fit: the checked arguments of the estimators and of the command line; None: by the number of rows.

    Parameters
    ----------
    privacy : DifferentialPrivacy
    epochs : int or None
    learning_rate : float or None
    hidden : tuple of int or None
        Units of the hidden layers.
    n_threads : int or None
    seed : int
        Of the first weights, which are no secret; without ``secure`` of all else too.
    progress : bool
    keeps_interrupted : bool
        Whether Ctrl-C leaves what was trained so far, instead of raising.
    """

    privacy: DifferentialPrivacy
    epochs: int | None = None
    learning_rate: float | None = None
    hidden: tuple[int, ...] | None = None
    n_threads: int | None = None
    seed: int = 0
    progress: bool = False
    keeps_interrupted: bool = False


def expected_batch_for(n_rows: int) -> int:
    """Return the expected batch size for so many rows, a public number."""
    return max(n_rows // _PART_OF_ROWS, min(_LEAST_BATCH, n_rows))


class PrivateTraining:
    """The training of a network on private rows, and the account of it, which is known however training ends.

    Parameters
    ----------
    public : PublicTable
    rows : Rows
        The private ones, as ``public`` reads them.
    fit : PrivateFit
    """

    def __init__(self, public: PublicTable, rows: Rows, fit: PrivateFit) -> None:
        self._public, self._rows, self._fit = public, rows, fit
        self._epochs = fit.epochs or PRIVATE_EPOCHS
        self._hidden = HIDDEN if fit.hidden is None else fit.hidden
        self._rate = fit.learning_rate or _LEARNING_RATE
        self._trainer = self._make_trainer()

    def run(self) -> FittedTable:
        """Train, and return the network.

        Raises
        ------
        ValueError
            If the rows are fewer than the expected batch size, or hold what cannot be learned from; none is named.
        """
        public, rows, fit, trainer = self._public, self._rows, self._fit, self._trainer
        X, y = public.encoding.encode(rows.table), public.targets.encode(rows.y)
        interrupted = False
        try:
            trainer.fit(X, y, epochs=self._epochs, progress=fit.progress, sample_weight=rows.weights)
        except KeyboardInterrupt:
            if not fit.keeps_interrupted or trainer.n_steps == 0:
                raise
            interrupted = True
        width = self._hidden[0] if self._hidden else 0
        member = Member(_MOST_BINS, self._rate, 0.0, dropout=0.0, width=width, depth=len(self._hidden))
        figures = {name: list(values) for name, values in trainer.history.items() if name != "seconds"}
        course = Course(member, 0, figures, trainer.history.n_epochs)
        fitted = FittedMember(_MOST_BINS, trainer.averaged_model(), "nets", course)
        encodings, record = {_MOST_BINS: public.encoding}, Record(interrupted=interrupted)
        return FittedTable(public.reader, public.targets, encodings, [fitted], 0.0, None, record)

    def promise(self) -> Promise:
        """Return what is promised to the rows after the steps so far."""
        account = self._trainer.privacy
        assert account is not None
        return account.promise()

    def _make_trainer(self) -> Trainer:
        public, fit = self._public, self._fit
        last = Dense(public.targets.n_outputs, public.targets.activation)
        layers = [*(Dense(units, "tanh") for units in self._hidden), last]
        n_numeric, many = public.encoding.n_numeric, list(public.encoding.cardinalities.values())
        inputs = Tabular(n_numeric, many, [_TABLE_WIDTH] * len(many)) if many else n_numeric
        return Trainer(
            Model(layers, inputs=inputs, seed=fit.seed),
            public.targets.loss,
            Adam(CosineDecay(self._rate, over=self._epochs)),
            n_threads=fit.n_threads,
            seed=0 if fit.privacy.secure else fit.seed,
            averaging=EMA(_AVERAGE),
            privacy=fit.privacy,
        )
