"""Training the networks of a table: the folds, one trainer each member, and what is held out to choose by."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.callbacks.base import Callback, Figures
from fastbp.callbacks.early_stopping import EarlyStopping
from fastbp.data.folds import split_folds, split_fraction
from fastbp.ensembles.elsewhere import n_of_backend
from fastbp.ensembles.side_by_side import Job, train_all
from fastbp.models.model import Model
from fastbp.optimizers.adam import AdamW
from fastbp.schedules import CosLog, FlatCosine
from fastbp.support.threads import choose_threads
from fastbp.tabular.blending import Said
from fastbp.tabular.encoding import Kind, TableEncoding, learn_encodings
from fastbp.tabular.fitted import Course, FittedMember, FittedTable, Record
from fastbp.tabular.networks import factors_of, make_model
from fastbp.tabular.reading import TableReader
from fastbp.tabular.recipe import (
    FEW_ROWS,
    FOLDS_OF_FEW_ROWS,
    LINEAR,
    ROWS_FOR_VALUES,
    Member,
    Preset,
    batch_size_for,
    epochs_for,
)
from fastbp.tabular.targets import ClassTargets, Targets
from fastbp.tabular.temperatures import divide_logits, say_always
from fastbp.tabular.time_budget import TimeBudget, TimeShare
from fastbp.training.trainer import Trainer

__all__ = ["Fit", "Split", "fit_table", "make_splits"]

Array = NDArray[Any]
Floats = NDArray[np.float64]
RowIndex = NDArray[np.int64]
Split = tuple[RowIndex, RowIndex]  # to train on, and held out

_HELD_OUT = 0.2
_BLOCK_ROWS = 8192
_TIMED_ROWS = 2048  # by which the time of a prediction is measured
_MOST_BYTES = 400_000_000  # of all encodings of all rows together, where fewer bins can keep them to that


@dataclass(frozen=True)
class Fit:
    """How to fit: the checked arguments of the estimators.

    Attributes
    ----------
    preset : Preset
    metric : str
        What decides the best epoch: "accuracy", "log_loss", "roc_auc"; "rmse" or "mae".
    epochs, batch_size : int or None
        None: by the preset and the number of rows.
    refit : bool
        Whether all members are trained again, on all rows, for as many epochs as were best.
    budget : TimeBudget or None
        The time that the fit may take.
    n_threads : int or None
    seed : int
    progress : bool
    precision : str or None
        Of products, as ``Trainer`` has it.
    keeps_interrupted : bool
        Whether Ctrl-C leaves the best epochs so far of the networks that have one, instead of raising.
    may_be_constant : bool
        Whether a constant is predicted where it is hardly worse. Not where somebody said how long to train.
    """

    preset: Preset
    metric: str
    epochs: int | None
    refit: bool
    budget: TimeBudget | None
    n_threads: int | None
    seed: int
    progress: bool
    batch_size: int | None = None
    precision: str | None = None
    keeps_interrupted: bool = False
    may_be_constant: bool = False


def make_splits(
    y: Array, targets: Targets, n_bags: int | None, preset: Preset, groups: Array | None, seed: int
) -> list[Split]:
    """Return the splits into rows to train on and rows held out: one, or a fold each."""
    n = len(y)
    there = n if groups is None else len(np.unique(groups))
    if groups is not None and there < 2:
        raise ValueError("groups has one group; expected two or more: groups are held out whole.")
    classes = y if isinstance(targets, ClassTargets) else None
    n_folds = n_bags or (preset.folds if preset.folds > 1 else FOLDS_OF_FEW_ROWS if n <= FEW_ROWS else 1)
    if n_folds == 1:
        train, held_out = split_fraction(n, _HELD_OUT, classes=classes, groups=groups, seed=seed)
        return [(train, held_out)]
    n_folds = min(n_folds, there)
    folds = split_folds(n, n_folds, classes=classes, groups=groups, seed=seed)
    outside = np.ones(n, bool)
    splits = []
    for fold in folds:
        outside[fold] = False
        splits.append((np.flatnonzero(outside), fold))
        outside[fold] = True
    return splits


def fit_table(
    reader: TableReader,
    table: Floats,
    targets: Targets,
    y: Array,
    weights: Floats | None,
    splits: Sequence[Split],
    fit: Fit,
) -> FittedTable:
    """Train the members of every split, and return them with what they said of the rows held out.

    Parameters
    ----------
    reader : TableReader
    table : ndarray of shape (n_rows, n_numbers + n_categories)
        What the reader read.
    targets : Targets
    y : ndarray of shape (n_rows,) of class numbers, or (n_rows, n_outputs)
    weights : ndarray of shape (n_rows,) or None
    splits : sequence of (rows to train on, rows held out)
    fit : Fit
    """
    work = _Work(reader, table, targets, y, weights, splits, fit)
    return work.run()


class _Work:
    """One fit."""

    def __init__(
        self,
        reader: TableReader,
        table: Floats,
        targets: Targets,
        y: Array,
        weights: Floats | None,
        splits: Sequence[Split],
        fit: Fit,
    ) -> None:
        self.reader, self.table, self.targets, self.y, self.weights = reader, table, targets, y, weights
        self.splits, self.fit = splits, fit
        n_rows = min(len(train) for train, _ in splits)
        self.batch_size = fit.batch_size or batch_size_for(n_rows)
        self.n_epochs = fit.epochs or epochs_for(n_rows, fit.preset)
        self.encoded_y = targets.encode(y)
        # Of one split the rows held out teach nothing, not even a quantile; folds share what all rows teach.
        self.learned_from = splits[0][0] if len(splits) == 1 else np.arange(len(y))
        wanted = [member.encoded_as for member in (*fit.preset.members, *LINEAR)]
        n_cells = len(table) * reader.n_numbers
        # Codes of values take no memory that bins need.
        self.has_values = targets.n_telling(y) >= ROWS_FOR_VALUES and most_bins(n_cells, wanted) > 0
        if not self.has_values:
            wanted = [kind._replace(with_values=False) for kind in wanted]
        self.most_bins = most_bins(n_cells, wanted)
        self.settings = [self._as_here(member) for member in fit.preset.members]
        self.encodings: dict[Kind, TableEncoding] = {}
        self.encoded: dict[Kind, Array] = {}

    # ------------------------------------------------------------------------------------------------ plan

    @property
    def _monitor(self) -> str:
        """The figure that decides the best epoch: of the loss itself where that is the metric."""
        loss = self.targets.loss_name
        is_loss = self.fit.metric == "log_loss" and loss == "cross_entropy"
        is_loss = is_loss or (self.fit.metric == "rmse" and (loss == "mse"))
        return "val_loss" if is_loss else f"val_{self.fit.metric}"

    def members_of(self, fold: int) -> list[Member]:
        """Return the members that are trained on a fold: networks in turn, and linear models, which take little."""
        chosen = [self._as_here(member) for member in self.fit.preset.of_fold(fold, len(self.splits))]
        return chosen + [member for member in LINEAR if member not in chosen]

    def _as_here(self, member: Member) -> Member:
        """Return a member with as many bins as there is memory for, and values if there are rows to learn them from."""
        n_bins = min(member.n_bins, self.most_bins)
        return replace(member, n_bins=n_bins, with_values=member.with_values and self.has_values)

    def _setting_of(self, member: Member) -> int:
        """Return which of the settings a network has, where they are weighted; else 0, as for linear models."""
        return self.settings.index(member) if self.fit.preset.selects and member.kind == "nets" else 0

    def run(self) -> FittedTable:
        said = Said(self.targets, self.y, self.weights)
        fitted: list[FittedMember] = []
        self._encode()
        self._share_time()
        planned = self._planned()
        jobs = [(fold, member, self._job(fold, member, i)) for i, (fold, member) in enumerate(planned)]
        self._reserve(jobs[0][2].trainer.model, jobs[0][1])
        interrupted = self._train([job for _, _, job in jobs])
        for fold, member, job in jobs:
            course = self._course(fold, member, job)
            if interrupted and not course.best_epoch:
                continue
            held_out = self.splits[fold][1]
            for start in range(0, len(held_out), _BLOCK_ROWS):  # a copy of all rows held out would be large
                rows = held_out[start : start + _BLOCK_ROWS]
                said.add(member.kind, rows, self._outputs(job.trainer.model, member, rows), self._setting_of(member))
            fitted.append(FittedMember(job.trainer.model, course))
        if not fitted:
            raise KeyboardInterrupt
        n_networks = sum(known.kind == "nets" for known in fitted)
        blend = said.blend(self.fit.metric, n_networks, self.fit.may_be_constant, self.fit.preset.selects)
        if blend.settings:
            fitted = self._weighed(fitted, blend.settings)
        if self.fit.refit and not interrupted:
            fitted = self._refitted(fitted)
        if blend.temperature != 1:
            for known in fitted:
                divide_logits(known.model, blend.temperature)
        if blend.constant is not None:
            for known in fitted:
                say_always(known.model, blend.constant)
        record = Record(
            self.fit.metric,
            len(self.splits),
            blend.errors,
            self.fit.refit,
            interrupted,
            blend.temperature,
            blend.constant is not None,
        )
        return FittedTable(self.reader, blend.targets, self.encodings, fitted, blend.shares, blend.residuals, record)

    def _weighed(self, fitted: Sequence[FittedMember], settings: Mapping[int, float]) -> list[FittedMember]:
        """Return members whose networks have the weights of their settings, shared out to all of a setting alike.

        After Ctrl-C one setting may have networks of more folds than another.
        """
        of_each = [self._setting_of(known.course.member) if known.kind == "nets" else None for known in fitted]
        return [
            known if setting is None else replace(known, weight=settings[setting] / of_each.count(setting))
            for known, setting in zip(fitted, of_each, strict=True)
        ]

    def _share_time(self) -> None:
        """Say what trainings the time that is left is for."""
        if self.fit.budget is None:
            return
        members = [member for _, member in self._planned()]
        longer = len(self.y) / min(len(train) for train, _ in self.splits)
        self._expect(members, longer * self._rounds_of(members) if self.fit.refit else 0.0)

    def _expect(self, members: Sequence[Member], rounds_after: float = 0.0) -> None:
        """Tell the budget what is trained side by side."""
        assert self.fit.budget is not None
        n = sum(map(self._is_counted, members))
        self.fit.budget.expect(n, self._rounds_of(members), rounds_after, len(members) - n)

    def _rounds_of(self, members: Sequence[Member]) -> int:
        """Return how many durations of a training they take."""
        at_once = n_of_backend() or choose_threads(self.fit.n_threads)
        return -(-sum(map(self._is_counted, members)) // at_once)

    def _is_counted(self, member: Member) -> bool:
        """Return whether a member shares the time: a linear model beside networks takes a few hundredths of theirs."""
        return bool(member.depth) == bool(self.fit.preset.members[0].depth)

    def _outputs(self, model: Model, member: Member, rows: RowIndex) -> Array:
        outputs: Array = model.predict(self.encoded[member.encoded_as][rows], n_threads=self.fit.n_threads)
        return outputs

    def _reserve(self, model: Model, member: Member) -> None:
        """Keep the time for what a time limit does not stop: the outputs for the rows held out, of each member."""
        if self.fit.budget is None or self.fit.budget.has_reserve:
            return
        rows = self.splits[0][1][:_TIMED_ROWS]
        seconds = []
        for _ in range(2):  # the first time memory is new
            begin = time.perf_counter()
            self._outputs(model, member, rows)
            seconds.append(time.perf_counter() - begin)
        to_come = sum(len(held_out) * len(self.members_of(fold)) for fold, (_, held_out) in enumerate(self.splits))
        self.fit.budget.reserve(to_come * min(seconds) / len(rows))

    def _train(self, jobs: list[Job]) -> bool:
        """Train all, and return whether Ctrl-C ended it; then each has its best epoch so far, if it has one."""
        try:
            train_all(jobs, self.n_epochs, self.fit.n_threads, self.fit.progress)
        except KeyboardInterrupt:
            if not self.fit.keeps_interrupted:
                raise
        else:
            return False
        for job in jobs:
            best = stopping_of(job).best_weights
            if best is not None:
                job.trainer.model.set_weights(best)
        return True

    def _course(self, fold: int, member: Member, job: Job) -> Course:
        history = job.trainer.history
        best = stopping_of(job).best_epoch
        figures = {name: list(values) for name, values in history.items() if name != "seconds"}
        return Course(member, fold, figures, best)

    def _planned(self) -> list[tuple[int, Member]]:
        """Return the folds and members that are trained, all side by side."""
        return [(fold, member) for fold in range(len(self.splits)) for member in self.members_of(fold)]

    # ------------------------------------------------------------------------------------------- a member

    def _encode(self) -> None:
        """Make the encodings of all members, and all rows in each."""
        rows = None if len(self.learned_from) == len(self.table) else self.learned_from
        kinds = sorted({member.encoded_as for _, member in self._planned()})
        self.encodings = learn_encodings(self.table, self.reader.n_numbers, self.reader.cardinalities, kinds, rows)
        if not any(encoding.n_numeric or encoding.table_sizes for encoding in self.encodings.values()):
            raise ValueError(
                "every column of X is a category that is the same in all rows to train on; expected one or more that "
                "say something of a row."
            )
        for kind, encoding in self.encodings.items():
            same = kind._replace(with_values=False)  # which comes first, and is the same where no values recur
            is_there = same in self.encoded and not encoding.coded_numbers
            self.encoded[kind] = self.encoded[same] if is_there else encoding.encode(self.table)

    def _job(self, fold: int, member: Member, number: int) -> Job:
        train, held_out = self.splits[fold]
        trainer = self._trainer(member, len(train), self.fit.seed + 1009 * fold + 31 * number)
        data = self._samples(trainer, member)
        listeners: list[Callback] = [EarlyStopping(self._monitor, self.n_epochs, ties="last")]
        if self.fit.budget is not None:
            listeners.append(TimeShare(self.fit.budget, self._is_counted(member)))
        parts = data.part(train, "the rows to train on"), data.part(held_out, "the rows held out")
        return Job(f"member {number} of fold {fold}", trainer, *parts, listeners)

    def _samples(self, trainer: Trainer, member: Member) -> Any:
        X = self.encoded[member.encoded_as]
        return trainer.parts.intake.samples(X, self.encoded_y, self.weights, None, ("X", "y", "sample_weight"))

    def _trainer(self, member: Member, n_rows: int, seed: int) -> Trainer:
        n_steps = self.n_epochs * -(-n_rows // self.batch_size)
        model = make_model(member, self.encodings[member.encoded_as], self.targets, n_steps, seed)
        rates, decays = factors_of(member, model)
        return Trainer(
            model,
            self.targets.loss,
            AdamW(
                CosLog(member.learning_rate, over=n_steps),
                beta_2=0.95,
                weight_decay=FlatCosine(member.weight_decay, over=n_steps),
            ),
            batch_size=self.batch_size,
            seed=seed,
            metrics=[] if self._monitor == "val_loss" else [self.fit.metric],
            precision=self.fit.precision,
            learning_rate_factors=rates,
            weight_decay_factors=decays,
        )

    def _refitted(self, fitted: Sequence[FittedMember]) -> list[FittedMember]:
        """Return the members trained on all rows, each for as many epochs as were best for it."""
        jobs = []
        for number, known in enumerate(fitted):
            member, course = known.course.member, known.course
            trainer = self._trainer(member, len(self.y), self.fit.seed + 1009 * course.fold + 31 * number + 7)
            listeners: list[Callback] = [_StopAfter(course.best_epoch or course.n_epochs)]
            if self.fit.budget is not None:
                listeners.append(TimeShare(self.fit.budget, self._is_counted(member)))
            jobs.append(Job(f"member {number}, on all rows", trainer, self._samples(trainer, member), None, listeners))
        if self.fit.budget is not None:
            self._expect([known.course.member for known in fitted])
        train_all(jobs, self.n_epochs, self.fit.n_threads, self.fit.progress)
        return [replace(known, model=job.trainer.model) for known, job in zip(fitted, jobs, strict=True)]


class _StopAfter(Callback):
    """Stops after so many epochs; 0 stops after the first one."""

    def __init__(self, n_epochs: int) -> None:
        self._n_epochs = n_epochs

    def on_epoch_end(self, trainer: Any, figures: Figures) -> None:
        if figures["epoch"] >= self._n_epochs:
            trainer.stop()


def most_bins(n_cells: int, wanted: Sequence[Kind]) -> int:
    """Return how many bins a number of a large table may have at most, so that all encodings fit in memory.

    Parameters
    ----------
    n_cells : int
        Of the columns of numbers.
    wanted : sequence of Kind
        How each member's inputs are encoded; what is the same, also after this bound, is one encoding.
    """
    most = max(kind.n_bins for kind in wanted)
    while most > 0:
        different = {kind._replace(n_bins=min(kind.n_bins, most)) for kind in wanted}
        if 4 * n_cells * sum(1 + kind.n_bins + kind.with_values for kind in different) <= _MOST_BYTES:
            break
        most -= 1
    return most


def stopping_of(job: Job) -> EarlyStopping:
    """Return the listener that knows the best epoch."""
    listener = job.listeners[0]
    assert isinstance(listener, EarlyStopping)
    return listener
