"""What is explained of a model's outputs: one of them, each row's predicted class, all, or each row's loss."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.data.classes import number_targets
from fastbp.explanations.subjects import Subject
from fastbp.losses.base import Loss
from fastbp.losses.classification import BinaryCrossEntropy, CrossEntropy
from fastbp.losses.regression import MeanSquaredError
from fastbp.support.checks import check_word, sentence

__all__ = ["OUTPUTS", "LossQuestion", "OutputQuestion", "Question", "question_of"]

Array = NDArray[Any]
Floats = NDArray[np.float64]

OUTPUTS = ("logit", "prediction", "loss")


class Question:
    """What is explained, as a function of a model's outputs.

    Attributes
    ----------
    output : str
        Which outputs of the model it takes: "logit" or "prediction".
    names : list or None
        What each answer is called, where there are several; None for one answer.
    title : str
        What the answer is, for pictures.
    is_linear : bool
        Whether its slopes depend on nothing.
    """

    output: str
    names: list[Any] | None = None
    title: str
    is_linear: bool

    def take(self, rows: Any) -> Question:
        """Return the question about some of the rows: a slice, numbers or booleans."""
        raise NotImplementedError

    def answers(self, outputs: Floats, rows: NDArray[np.int64] | int) -> Floats:
        """Return the answers, (n, n_answers).

        Parameters
        ----------
        outputs : float64 ndarray of shape (n, n_outputs)
        rows : int64 ndarray of shape (n,), or int
            The explained row that each belongs to, or all of them.
        """
        raise NotImplementedError

    def slopes(self, outputs: Floats, rows: NDArray[np.int64] | int) -> list[Floats]:
        """Return the gradient of each answer with respect to the outputs, an array (n, n_outputs) for each."""
        raise NotImplementedError


class OutputQuestion(Question):
    """One output of each row, or all outputs.

    Parameters
    ----------
    output : {"logit", "prediction"}
    names : list
        What the outputs are called.
    numbers : int64 ndarray of shape (n_rows,), int or None
        The output of each row; None for all.
    flip : bool ndarray of shape (n_rows,) or bool
        Where the other class of a single output is meant: minus the logit, or 1 - the probability.
    title : str
    """

    is_linear = True

    def __init__(
        self,
        output: str,
        names: list[Any],
        numbers: NDArray[np.int64] | int | None,
        flip: NDArray[np.bool_] | bool,
        title: str,
    ) -> None:
        self.output, self._numbers, self._flip, self.title = output, numbers, flip, title
        self.names = names if numbers is None and len(names) > 1 else None

    def take(self, rows: Any) -> OutputQuestion:
        """Return the question about some of the rows."""
        some = copy.copy(self)
        if isinstance(self._numbers, np.ndarray):
            some._numbers = self._numbers[rows]
        if isinstance(self._flip, np.ndarray):
            some._flip = self._flip[rows]
        return some

    def only(self, number: int) -> OutputQuestion:
        """Return the question about one of all outputs."""
        assert self.names is not None
        return OutputQuestion(self.output, self.names, number, False, str(self.names[number]))

    def _of_rows(self, rows: NDArray[np.int64] | int) -> tuple[Any, Any]:
        numbers = self._numbers[rows] if isinstance(self._numbers, np.ndarray) else self._numbers
        return numbers, self._flip[rows] if isinstance(self._flip, np.ndarray) else self._flip

    def answers(self, outputs: Floats, rows: NDArray[np.int64] | int) -> Floats:
        """Return the chosen outputs."""
        numbers, flip = self._of_rows(rows)
        chosen = outputs
        if isinstance(numbers, np.ndarray) and numbers.ndim:
            chosen = outputs[np.arange(len(outputs)), numbers][:, np.newaxis]
        elif numbers is not None:
            chosen = outputs[:, int(numbers), np.newaxis]
        if flip is False:
            return chosen
        other = -chosen if self.output == "logit" else 1 - chosen
        return np.where(np.broadcast_to(flip, len(chosen))[:, np.newaxis], other, chosen)

    def slopes(self, outputs: Floats, rows: NDArray[np.int64] | int) -> list[Floats]:
        """Return 1 at the chosen output and 0 elsewhere."""
        numbers, flip = self._of_rows(rows)
        signs = 1.0 if flip is False else np.where(flip, -1.0, 1.0)
        result = []
        for number in range(outputs.shape[1]) if numbers is None else (numbers,):
            slope = np.zeros(outputs.shape)
            slope[np.arange(len(outputs)) if isinstance(number, np.ndarray) else slice(None), number] = signs
            result.append(slope)
        return result


class LossQuestion(Question):
    """The loss of each row: cross-entropy for a softmax or a sigmoid, the mean squared error for other outputs.

    Parameters
    ----------
    kind : {"softmax", "sigmoid", "numbers"}
    targets : float64 ndarray of shape (n_rows, n_outputs)
        Of classes the probability of each, mostly 0 or 1.
    """

    title = "loss"
    is_linear = False

    def __init__(self, kind: str, targets: Floats) -> None:
        self._kind, self._targets = kind, targets
        self.output = "prediction" if kind == "numbers" else "logit"

    def take(self, rows: Any) -> LossQuestion:
        """Return the question about some of the rows."""
        return LossQuestion(self._kind, self._targets[rows])

    def answers(self, outputs: Floats, rows: NDArray[np.int64] | int) -> Floats:
        """Return the losses, (n, 1)."""
        targets = self._targets[rows]
        if self._kind == "softmax":  # -sum of y log(p), with log(p) = z - log(sum of exp(z))
            highest = outputs.max(axis=1, keepdims=True)
            total = highest + np.log(np.exp(outputs - highest).sum(axis=1, keepdims=True))
            return np.asarray(((total - outputs) * targets).sum(axis=1, keepdims=True))
        if self._kind == "sigmoid":  # log(1 + exp(z)) - y z
            return np.asarray((np.logaddexp(0, outputs) - targets * outputs).mean(axis=1, keepdims=True))
        return np.asarray(np.square(outputs - targets).mean(axis=1, keepdims=True))

    def slopes(self, outputs: Floats, rows: NDArray[np.int64] | int) -> list[Floats]:
        """Return the gradient of the loss with respect to logits or predictions."""
        targets, n_outputs = self._targets[rows], outputs.shape[1]
        if self._kind == "softmax":
            shares = np.exp(outputs - outputs.max(axis=1, keepdims=True))
            shares /= shares.sum(axis=1, keepdims=True)
            return [shares * np.sum(targets, axis=-1, keepdims=True) - targets]
        if self._kind == "sigmoid":
            return [(np.exp(-np.logaddexp(0, -outputs)) - targets) / n_outputs]
        return [2 * (outputs - targets) / n_outputs]


def question_of(subject: Subject, rows: Array, target: Any, output: Any, y: Any) -> Question:
    """Return what is asked about rows that ``subject.read`` returned.

    Raises
    ------
    TypeError, ValueError
        If target, output or y is none of what they can be, or they do not go together.
    """
    check_word(output, "output", OUTPUTS)
    if output == "loss":
        if y is None:
            raise TypeError("output is 'loss' and y is None; expected the targets of the rows, as for Trainer.fit.")
        if target is not None:
            raise ValueError(sentence("target", target, "None with output='loss', as a row has one loss"))
        return _loss_question(subject, y, len(rows))
    if y is not None:
        raise TypeError(f"y is given and output is {output!r}; expected output='loss' with it, or no y.")
    names, single = subject.output_names, subject.n_outputs == 1
    if target is None:
        title = str(names[0]) if single and isinstance(names[0], str) else "output"
        return OutputQuestion(output, names, None, False, title)
    if isinstance(target, str) and target == "predicted" and not _is_label(subject, target):
        numbers = subject.predicted(rows)
        if single:
            return OutputQuestion(output, names, 0, numbers == 0, "the predicted class")
        return OutputQuestion(output, names, numbers, False, "the predicted class")
    return _question_of_number(subject, target, output)


def _is_label(subject: Subject, target: str) -> bool:
    return subject.classes is not None and target in subject.classes.to_config()


def _question_of_number(subject: Subject, target: Any, output: str) -> OutputQuestion:
    """Return the question about one output, given by its number, its label, or the name of a target's column."""
    names = subject.output_names
    if subject.classes is not None:
        number = subject.classes.place_of(target, "target")
        title = str(subject.classes.to_config()[number])
        if subject.n_outputs == 1:
            return OutputQuestion(output, names, 0, number == 0, title)
        return OutputQuestion(output, names, number, False, title)
    if isinstance(target, str) and target in names:
        return OutputQuestion(output, names, names.index(target), False, target)
    is_integer = isinstance(target, (int, np.integer)) and not isinstance(target, bool)
    if not is_integer or not 0 <= target < subject.n_outputs:
        expected = f"the number of an output, 0 to {subject.n_outputs - 1}, 'predicted' or None"
        error = ValueError if is_integer or isinstance(target, str) else TypeError
        raise error(sentence("target", target, expected, "The model has no labels."))
    return OutputQuestion(output, names, int(target), False, str(names[int(target)]))


def _loss_question(subject: Subject, y: Any, n_rows: int) -> LossQuestion:
    losses: dict[str, Loss] = {"softmax": CrossEntropy(), "sigmoid": BinaryCrossEntropy()}
    loss = losses.get(subject.activation, MeanSquaredError())
    numbers, _ = number_targets(y, loss, subject.n_outputs, subject.classes, "y", False)
    targets = loss.as_targets(numbers, subject.n_outputs, "y")
    if len(targets) != n_rows:
        raise ValueError(f"X has {n_rows} rows and y has {len(targets)}; expected a target for each row.")
    if targets.ndim == 1:
        places: Sequence[int] = targets.tolist()
        targets = np.eye(subject.n_outputs)[places]
    kind = subject.activation if subject.activation in losses else "numbers"
    targets = np.asarray(targets, np.float64)
    if not np.isfinite(targets).all():
        raise ValueError("y has NaN or infinity; expected finite numbers. Leave out those rows.")
    return LossQuestion(kind, targets)
