"""Cross-validation: every sample is predicted by a model not trained on it; the folds are trained in parallel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.data.class_weights import ClassWeight
from fastbp.data.folds import check_groups, split_folds
from fastbp.data.samples import Samples
from fastbp.data.target_labels import read_labels
from fastbp.ensembles.ensemble import Ensemble
from fastbp.ensembles.naming import named
from fastbp.ensembles.side_by_side import CallbacksOf, Job, check_callbacks, read_once, train_all
from fastbp.support.arguments import explain_arguments
from fastbp.support.checks import check_flag, check_int, check_seed, counted, sentence
from fastbp.support.figures import explaining_missing_figures
from fastbp.support.threads import choose_threads
from fastbp.training.trainer import Trainer

__all__ = ["CrossValidation", "Stratify", "cross_validate"]

Array = NDArray[Any]
RowIndex = NDArray[np.int64]
Stratify = bool | Literal["auto"]


@dataclass(frozen=True, repr=False)
class CrossValidation:
    """The result of ``cross_validate``; ``print`` shows it as a table.

    Attributes
    ----------
    scores : dict of str to ndarray of shape (folds,)
        Loss and metrics on each fold, of the model that was not trained on it.
    predictions : ndarray of shape (n_samples, n_outputs)
        Outputs for each sample, in the order of X, of the model that was not trained on it. Labels of y are the
        columns in the order of ``ensemble.classes``, which are learned from all samples.
    folds : list of int64 ndarray
        Rows of each fold, ascending.
    trainers : list of Trainer
        The trainer of each fold, with its model and its history.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> X = np.linspace(-1, 1, 40).reshape(-1, 1)
    >>> def make_trainer(fold):
    ...     return fb.Trainer(fb.Model([fb.Dense(1)], inputs=1, seed=fold), "mse", fb.Adam(0.1))
    >>> result = fb.cross_validate(make_trainer, X, 3 * X[:, 0], folds=4, epochs=200)
    >>> result.mean["loss"] < 1e-3, [len(rows) for rows in result.folds]
    (True, [10, 10, 10, 10])
    """

    scores: dict[str, NDArray[np.float64]]
    predictions: Array
    folds: list[RowIndex]
    trainers: list[Trainer] = field(compare=False)

    @property
    def mean(self) -> dict[str, float]:
        """The mean of each score over the folds."""
        return {name: float(values.mean()) for name, values in self.scores.items()}

    @property
    def std(self) -> dict[str, float]:
        """The standard deviation of each score over the folds, with the divisor n_folds (not n_folds - 1)."""
        return {name: float(values.std()) for name, values in self.scores.items()}

    @property
    def ensemble(self) -> Ensemble:
        """The models of all folds, as an ensemble."""
        return Ensemble([trainer.model for trainer in self.trainers])

    def __repr__(self) -> str:
        lines = [f"{'fold':>4}  {'samples':>9}" + "".join(f"  {name:>12}" for name in self.scores)]
        for i, rows in enumerate(self.folds):
            figures = "".join(f"  {values[i]:>12.6g}" for values in self.scores.values())
            lines.append(f"{i:>4}  {len(rows):>9,}{figures}")
        for what, figures_of in (("mean", self.mean), ("std", self.std)):
            lines.append(f"{what:>4}  {'':>9}" + "".join(f"  {value:>12.6g}" for value in figures_of.values()))
        return "\n".join(lines)


@explain_arguments
def cross_validate(
    make_trainer: Callable[[int], Trainer],
    X: ArrayLike,
    y: ArrayLike,
    folds: int = 5,
    epochs: int = 10,
    *,
    stratify: Stratify = "auto",
    groups: ArrayLike | None = None,
    shuffle: bool = True,
    seed: int = 0,
    n_threads: int | None = None,
    progress: bool = False,
    sample_weight: ArrayLike | None = None,
    class_weight: ClassWeight | None = None,
    callbacks: CallbacksOf | None = None,
    validate: bool = False,
) -> CrossValidation:
    """Train a new model for each fold on all other folds, in parallel, and score it on its fold.

    The folds' data is not copied.

    Parameters
    ----------
    make_trainer : callable
        Function from the fold's number, from 0, to a new Trainer with a new model.
    X, y : array-like
        As for ``Trainer.fit``.
    folds : int, default 5
        Number of folds, 2 or more.
    epochs : int, default 10
        Number of epochs of each trainer.
    stratify : {"auto", True, False}, default "auto"
        Whether all folds have the same number of samples of each class, up to one, as in scikit-learn's
        StratifiedKFold; "auto" means True if the targets are classes.
    groups : array-like of shape (n_samples,), optional
        Group labels: samples with the same label (such as a patient) are in the same fold, as in scikit-learn's
        GroupKFold; classes are then not used.
    shuffle : bool, default True
        Whether to shuffle the samples before they are assigned to folds.
    seed : int, default 0
        Seed of the folds.
    n_threads, progress
        As for ``fit_many``.
    sample_weight, class_weight
        As for ``Trainer.fit``; "balanced" is computed from the training samples of each fold. Scores are weighted by
        sample_weight.
    callbacks : callable or None, default None
        Function from the number of a fold to its callbacks, as for ``fit_many``.
    validate : bool, default False
        Whether to evaluate each model on its fold after every epoch: the trainers' histories then have "val_loss" and
        so on. With early stopping on them the scores are too optimistic.

    Returns
    -------
    CrossValidation

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of the above, or two folds have trainers for the same model.
    Exception, KeyboardInterrupt
        As ``fit_many``.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 4))
    >>> y = (X.sum(axis=1) > 0).astype(int)
    >>> def make_trainer(fold):
    ...     return fb.Trainer(fb.Model([fb.Dense(1, "sigmoid")], inputs=4, seed=fold), "binary_cross_entropy")
    >>> result = fb.cross_validate(make_trainer, X, y, folds=4, epochs=20)
    >>> result.predictions.shape
    (200, 1)
    """
    n_folds = check_int(folds, "folds", minimum=2)
    n_epochs = check_int(epochs, "epochs", minimum=0)
    validates = check_flag(validate, "validate")
    trainers = _make_trainers(make_trainer, n_folds)
    y = read_labels(y, "y")
    targets = trainers[0].parts.intake.targets(y).values
    labels = None if groups is None else check_groups(groups, len(targets))
    classes = _classes(trainers[0], targets, stratify, labels is not None)
    rows = split_folds(
        len(targets),
        n_folds,
        classes=classes,
        groups=labels,
        shuffle=check_flag(shuffle, "shuffle"),
        seed=check_seed(seed),
    )
    outside = [_outside(len(targets), fold) for fold in rows]
    data = read_once(trainers, X, y, sample_weight, outside, "the trainer of fold {}")
    held_out = [
        part.part(fold, f"the samples of fold {i}") for i, (part, fold) in enumerate(zip(data, rows, strict=True))
    ]
    trained = [_others(part, rest, i, class_weight) for i, (part, rest) in enumerate(zip(data, outside, strict=True))]
    listeners = check_callbacks(callbacks, n_folds)
    jobs = [
        Job(f"the trainer of fold {i}", trainers[i], trained[i], held_out[i] if validates else None, listeners[i])
        for i in range(n_folds)
    ]
    threads = choose_threads(n_threads)
    shows = check_flag(progress, "progress")
    with explaining_missing_figures("Pass validate=True to cross_validate."):
        train_all(jobs, n_epochs, n_threads, shows)
    return _judge(trainers, held_out, rows, threads)


def _make_trainers(make_trainer: Callable[[int], Trainer], n_folds: int) -> list[Trainer]:
    """Return a trainer for each fold, with separate models of the same kind."""
    if not callable(make_trainer):
        remedy = "Each fold needs a model that was not trained on it."
        raise TypeError(
            sentence("make_trainer", make_trainer, "a function from the number of a fold to a new fb.Trainer", remedy)
        )
    trainers = [_check_made(make_trainer(i), i) for i in range(n_folds)]
    if len({id(trainer.model) for trainer in trainers}) < n_folds:
        raise ValueError(
            "make_trainer returned two trainers for the same model; expected a new model for each fold: a model "
            "trained on a fold cannot be scored on it."
        )
    figures = [[metric.figure for metric in trainer.metrics] for trainer in trainers]
    for i, of_trainer in enumerate(figures):
        if of_trainer != figures[0]:
            raise ValueError(
                f"make_trainer({i}) has the metrics {of_trainer}, make_trainer(0) has {figures[0]}; expected the same "
                "of all, to compare them."
            )
    Ensemble([trainer.model for trainer in trainers])  # refuses models with other inputs, outputs or dtypes
    return trainers


def _check_made(trainer: Any, fold: int) -> Trainer:
    if not isinstance(trainer, Trainer):
        raise TypeError(sentence(f"the result of make_trainer({fold})", trainer, "an fb.Trainer"))
    if trainer.privacy is not None:
        raise ValueError(
            f"the result of make_trainer({fold}) has privacy={trainer.privacy.settings!r}; expected None: scores on "
            "folds would reveal the samples in them. Call fb.privacy.join(trainers), fit each on its rows, and "
            "evaluate on public samples."
        )
    if trainer.n_steps > 0:
        raise ValueError(
            f"the result of make_trainer({fold}) has made {counted(trainer.n_steps, 'step')}; expected a new trainer "
            "with a new model: a model trained on a fold cannot be scored on it."
        )
    return trainer


def _classes(trainer: Trainer, targets: Array, stratify: Stratify, grouped: bool) -> Array | None:
    """Return each sample's class, None without stratification."""
    if not (isinstance(stratify, (bool, np.bool_)) or (isinstance(stratify, str) and stratify == "auto")):
        raise ValueError(sentence("stratify", stratify, "True, False or 'auto'"))
    if not stratify:
        return None
    if isinstance(stratify, str):
        return None if grouped else trainer.parts.intake.classes(targets)
    if grouped:
        raise ValueError("stratify is True and groups is given; expected one of them: groups are not split.")
    classes = trainer.parts.intake.classes(targets)
    if classes is None:
        expected = f"False or 'auto' with loss={trainer.loss.name!r} and these targets, which are not classes"
        raise ValueError(sentence("stratify", stratify, expected))
    return classes


def _outside(n_samples: int, fold: RowIndex) -> RowIndex:
    """Return the rows that are not in a fold."""
    outside = np.ones(n_samples, bool)
    outside[fold] = False
    return np.flatnonzero(outside)


def _others(data: Samples, rest: RowIndex, number: int, class_weight: ClassWeight | None) -> Samples:
    """Return the samples that are not in a fold."""
    part = data.part(rest, f"the samples outside fold {number}")
    if class_weight is not None:
        with named(f"fold {number}"):
            part.weigh_classes(class_weight)
    return part


def _judge(
    trainers: Sequence[Trainer], held_out: Sequence[Samples], folds: list[RowIndex], n_threads: int
) -> CrossValidation:
    """Return the scores and predictions of each model on its fold."""
    n_samples = sum(map(len, folds))
    predictions = np.empty((n_samples, trainers[0].model.n_outputs), trainers[0].model.dtype)
    scores: list[Mapping[str, float]] = []
    for i, (trainer, part, rows) in enumerate(zip(trainers, held_out, folds, strict=True)):
        with named(f"the trainer of fold {i}"), trainer.parts.state.on_threads(n_threads):
            scores.append(trainer.parts.evaluator.evaluate(part))
            predictions[rows] = trainer.model.predict_read(part.X[rows], n_threads)
    return CrossValidation(
        {name: np.array([score[name] for score in scores]) for name in scores[0]}, predictions, folds, list(trainers)
    )
