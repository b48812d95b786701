"""Labels that may be wrong: the samples with the worst predictions of models not trained on them.

A network trained for long memorises wrong labels, so the loss of a training sample does not reveal them. Out-of-fold
losses do: Northcutt, Jiang and Chuang, "Confident learning: estimating uncertainty in dataset labels" (2021), find
label errors from such predictions; the ranking by self-confidence, the probability of the given label, is theirs too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.data.arrays import refuse_first
from fastbp.data.samples import Samples
from fastbp.ensembles.cross_validation import CrossValidation, cross_validate
from fastbp.layers.composition import innermost
from fastbp.losses.base import Loss
from fastbp.metrics.regression import SquaredError
from fastbp.models.model import Model
from fastbp.support.arguments import explain_arguments
from fastbp.support.checks import check_seed, sentence
from fastbp.training.trainer import Trainer

__all__ = ["Suspects", "suspect_labels"]

Array = NDArray[Any]
MakeTrainer = Callable[[int], Trainer]

_LOSSES = {"softmax": "cross_entropy", "sigmoid": "binary_cross_entropy", "linear": "mse"}
_LABEL_LOSSES = ("cross_entropy", "binary_cross_entropy", "focal")
_LEAST_PROBABILITY = np.finfo(np.float32).tiny  # bounds the loss where a probability rounds to 0
_SHOWN = 10


@dataclass(frozen=True, repr=False)
class Suspects:
    """Samples ranked by their out-of-fold loss, largest first; ``print`` shows the first ten.

    Attributes
    ----------
    rows : int64 ndarray of shape (n_samples,)
        Rows of X: the label of ``rows[0]`` is most likely wrong. Equal losses are in the order of X.
    losses : ndarray of shape (n_samples,)
        Their out-of-fold losses, in this order: minus the logarithm of the probability of the given label, with several
        two-class outputs the mean over them; for numeric targets the squared error, the mean over the outputs.
    given : ndarray
        Their given labels, in this order, as y has them.
    predicted : ndarray
        Their predicted labels, in this order: a label of y, a class number, 0 or 1, or numbers.
    self_confidence : ndarray of shape (n_samples,) or None
        The out-of-fold probability of the given label, in this order; with several two-class outputs the geometric
        mean. None for numeric targets.
    result : CrossValidation
        The cross-validation of the ranking. With bad scores the ranking is unreliable.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> X = np.linspace(-1, 1, 100).reshape(-1, 1)
    >>> y = (X[:, 0] > 0).astype(int)
    >>> y[10] = 1
    >>> model = fb.Model([fb.Dense(8, "tanh"), fb.Dense(1, "sigmoid")], inputs=1)
    >>> suspects = fb.suspect_labels(model, X, y, epochs=100)
    >>> int(suspects.rows[0]), int(suspects.given[0]), int(suspects.predicted[0])
    (10, 1, 0)
    """

    rows: NDArray[np.int64]
    losses: NDArray[np.float64]
    given: Array
    predicted: Array
    self_confidence: NDArray[np.float64] | None
    result: CrossValidation

    @property
    def disputed(self) -> NDArray[np.bool_]:
        """Whether the predicted label differs from the given one, in the order of ``rows``; True for numbers."""
        differs: NDArray[np.bool_] = np.not_equal(self.predicted, self.given).reshape(len(self), -1)
        any_differs: NDArray[np.bool_] = np.logical_or.reduce(differs, axis=1)
        return any_differs

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        lines = [f"{'row':>9}  {'given':>12}  {'predicted':>12}  {'loss':>12}"]
        for i in range(min(_SHOWN, len(self))):
            lines.append(
                f"{self.rows[i]:>9}  {_text(self.given[i]):>12}  {_text(self.predicted[i]):>12}  "
                f"{self.losses[i]:>12.6g}"
            )
        if len(self) > _SHOWN:
            lines.append(f"and {len(self) - _SHOWN:,} more")
        scores = ", ".join(f"{name} {value:.4g}" for name, value in self.result.mean.items())
        lines.append(f"out of fold: {scores}")
        return "\n".join(lines)


def _text(label: Any) -> str:
    if isinstance(label, (str, bool, np.bool_)):
        return str(label)
    return " ".join(f"{number:.4g}" for number in np.atleast_1d(label))


@explain_arguments
def suspect_labels(
    model: Model | Trainer | MakeTrainer,
    X: ArrayLike,
    y: ArrayLike,
    folds: int = 5,
    epochs: int = 20,
    *,
    groups: ArrayLike | None = None,
    seed: int = 0,
    n_threads: int | None = None,
    progress: bool = False,
) -> Suspects:
    """Rank samples by the loss of models that were not trained on them, to find wrong labels.

    The given model is neither used, as it may have memorised the labels, nor changed. New models with its architecture
    are trained, one for each fold.

    Parameters
    ----------
    model : Model, Trainer or callable
        A model: trained with the defaults of ``fb.Trainer`` and, by its last activation (softmax, sigmoid or linear),
        "cross_entropy", "binary_cross_entropy" or "mse". A trainer: its model's architecture is trained with its loss,
        optimizer and other settings. Or a function from the number of a fold to a new trainer, as for
        ``cross_validate``.
    X, y : array-like
        As for ``Trainer.fit``; y holds labels, or numbers that the outputs estimate.
    folds : int, default 5
    epochs : int, default 20
        Number of epochs of each new model: enough for good out-of-fold scores, too few to memorise wrong labels.
    groups : array-like of shape (n_samples,), optional
        Group labels, as for ``cross_validate``: similar samples (such as of one patient) are in the same fold.
    seed : int, default 0
        Seed of the folds and the new weights: the same seed gives the same ranking.
    n_threads, progress
        As for ``fit_many``.

    Returns
    -------
    Suspects

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of the above, the loss is not for labels or for numbers that the outputs estimate, or
        the model has frozen layers.
    FloatingPointError
        If training diverges.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> X = np.linspace(-1, 1, 100).reshape(-1, 1)
    >>> y = (X[:, 0] > 0).astype(int)
    >>> y[10] = 1
    >>> model = fb.Model([fb.Dense(8, "tanh"), fb.Dense(1, "sigmoid")], inputs=1)
    >>> int(fb.suspect_labels(model, X, y, epochs=100).rows[0])
    10
    """
    make_trainer = _as_maker(model, check_seed(seed))
    result = cross_validate(
        make_trainer, X, y, folds, epochs, groups=groups, seed=seed, n_threads=n_threads, progress=progress
    )
    trainer = result.trainers[0]
    return _rank(result, trainer.parts.intake.samples(X, y), trainer.loss)


def _as_maker(model: Model | Trainer | MakeTrainer, seed: int) -> MakeTrainer:
    """Return the function that makes a new trainer for a fold."""
    if isinstance(model, Model):
        activation = model.architecture.output_activation.name
        if activation not in _LOSSES:
            remedy = "Pass a trainer, which has a loss."
            raise ValueError(f"model ends with {activation}; expected one of {', '.join(_LOSSES)}. {remedy}")
        return _maker_like(Trainer(model, _LOSSES[activation]), seed)
    if isinstance(model, Trainer):
        return _maker_like(model, seed)
    if callable(model) and not isinstance(model, type):
        return lambda fold: _check_loss(model(fold))
    expected = "an fb.Model, an fb.Trainer or a function from the number of a fold to a new fb.Trainer"
    raise TypeError(sentence("model", model, expected))


def _maker_like(template: Trainer, seed: int) -> MakeTrainer:
    """Return the function that makes trainers with this one's settings and new models."""
    _check_loss(template)
    model = template.model
    for where, layer in innermost(model.layers):
        if not getattr(layer, "trainable", True):
            raise ValueError(
                f"{where} is {layer!r}, whose weights new models would lack; expected trainable layers only. Pass a "
                "function that makes a trainer with a pretrained model."
            )

    def make(fold: int) -> Trainer:
        new = Model(
            model.layers,
            inputs=None if model.prepare is not None else model.inputs,
            prepare=model.prepare,
            prepare_targets=model.prepare_targets,
            dtype=model.dtype,
            seed=(seed + fold) % 2**64,
        )
        new.classes = model.classes
        return Trainer(new, **template.parts.settings.arguments())

    return make


def _check_loss(trainer: Trainer) -> Trainer:
    """Refuse a loss whose outputs do not rank labels; objects that are not trainers are refused elsewhere."""
    if isinstance(trainer, Trainer) and not (_is_of_labels(trainer.loss) or _is_of_numbers(trainer)):
        remedy = f"Use one of {', '.join((*_LABEL_LOSSES, *SquaredError.losses))}."
        raise ValueError(
            f"the loss is {trainer.loss.name!r}; expected one whose outputs are probabilities of labels, or estimates "
            f"of the targets. {remedy}"
        )
    return trainer


def _is_of_labels(loss: Loss) -> bool:
    return loss.name in _LABEL_LOSSES


def _is_of_numbers(trainer: Trainer) -> bool:
    return trainer.loss.name in SquaredError.losses


def _certain(labels: Array) -> Array:
    """Return labels, each checked to be 0 or 1."""
    uncertain = (labels != 0) & (labels != 1)
    if uncertain.any():
        refuse_first(uncertain, labels, "y", "0 (no) or 1 (yes)", "A probability is not a label.")
    return labels.astype(np.int64)


def _rank(result: CrossValidation, data: Samples, loss: Loss) -> Suspects:
    outputs = result.predictions.astype(np.float64)
    confidence = None
    if not _is_of_labels(loss):
        given, predicted = data.y.astype(np.float64), outputs[:, : data.n_targets]
        losses = np.square(predicted - given).mean(axis=1)
    else:
        if loss.name == "cross_entropy":
            given = _certain(data.y).argmax(axis=1) if data.y.ndim == 2 else data.y
            predicted = outputs.argmax(axis=1)
            probabilities = outputs[np.arange(len(given)), given][:, np.newaxis]
        else:
            given = _certain(data.y)
            predicted = (outputs > 0.5).astype(np.int64)
            probabilities = np.where(given, outputs, 1 - outputs)
        losses = -np.log(np.maximum(probabilities, _LEAST_PROBABILITY)).mean(axis=1)
        confidence = np.exp(-losses)
    order = np.argsort(-losses, kind="stable")
    if given.ndim == 2 and given.shape[1] == 1:
        given, predicted = given[:, 0], predicted[:, 0]
    if data.classes is not None and confidence is not None and given.ndim == 1:
        given, predicted = data.classes.array[given], data.classes.array[predicted]
    return Suspects(
        order, losses[order], given[order], predicted[order], None if confidence is None else confidence[order], result
    )
