"""A model's classes: labels in the order of its outputs, and targets that name them as numbers."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastbp.data.arrays import as_array
from fastbp.data.target_labels import Kind, Labels, kind_of, plain_labels, read_labels
from fastbp.support.checks import counted, sentence

__all__ = ["Classes", "LossOfClasses", "check_classes", "number_targets"]

Array = NDArray[Any]

_SHOWN = 5


class LossOfClasses(Protocol):
    """The part of a loss that decides what targets are."""

    @property
    def name(self) -> str:
        """The name in messages."""

    @property
    def by_margin(self) -> bool:
        """Whether two classes are told by the sign of an output, and targets may be -1 and 1."""

    def n_classes(self, n_outputs: int) -> int | None:
        """Return the number of classes of which a sample is one; None if targets are something else."""


class Classes:
    """The labels of a model's classes, in the order of its outputs; of a single output, those of 0 and of 1.

    Parameters
    ----------
    labels : list of str, bool, int or float
        Different labels of one kind.
    """

    def __init__(self, labels: list[Any]) -> None:
        self._labels = labels
        self._kind = kind_of(labels[0])
        self._places = {label: i for i, label in enumerate(labels)}
        array = np.asarray(labels)
        self.array: Array = array if array.tolist() == labels else np.array(labels, dtype=object)

    def __len__(self) -> int:
        return len(self._labels)

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Classes) and self._kind == other._kind and self._labels == other._labels
        )

    def __hash__(self) -> int:
        return hash(tuple(self._labels))

    def __str__(self) -> str:
        shown = ", ".join(map(repr, self._labels[:_SHOWN]))
        return shown if len(self) <= _SHOWN else f"{shown}, ... ({len(self):,})"

    def to_config(self) -> list[Any]:
        """Return the labels as plain data."""
        return list(self._labels)

    @property
    def are_numbers(self) -> bool:
        """Whether a number 0, 1, 2... is itself the label of its class, or stands for it as 0 does for False."""
        return self._labels == list(range(len(self)))  # False is 0

    def place_of(self, label: Any, argument: str) -> int:
        """Return the number of a label's class.

        Raises
        ------
        ValueError
            If no class has it.
        """
        item = label.item() if isinstance(label, np.generic) else label
        place = self._places.get(item) if self._takes(kind_of(item)) else None
        if place is None:
            raise ValueError(sentence(argument, item, f"one of the model's {self._counted}", self._remedy(item)))
        return place

    def _takes(self, kind: Kind | None) -> bool:
        """Return whether labels of a kind are compared with these: True is not the label 1, unless 0 and 1 are all."""
        return kind == self._kind or (self.are_numbers and kind in ("boolean", "number"))

    @property
    def _counted(self) -> str:
        return f"{counted(len(self), 'class')}, {self}"

    def _remedy(self, item: Any) -> str:
        if self._kind == "text" and kind_of(item) == "number":
            return "model.classes[numbers] makes labels of numbers from 0."
        return "model.classes are the labels of the first fit, or those that were set."

    def number(self, labels: Labels, argument: str) -> Array:
        """Return the class number of each sample.

        Raises
        ------
        ValueError
            If a label is not that of a class.
        """
        if labels.levels == self._labels and labels.kind == self._kind:
            return labels.numbers
        takes = self._takes(labels.kind)
        places = [self._places.get(level, -1) if takes else -1 for level in labels.levels]
        numbers: Array = np.array(places, np.int32)[labels.numbers]
        if numbers.min() < 0:
            row = int(np.argmax(numbers < 0))
            self.place_of(labels.levels[int(labels.numbers[row])], f"{argument}[{row}]")
        return numbers


def check_classes(labels: Any, n_outputs: int | None, argument: str = "classes") -> Classes:
    """Return labels that a user or a file gives, checked: different, of one kind, and as many as a model needs.

    Parameters
    ----------
    labels : array-like of str, bool, int or float
        A label for each output, in their order; of a single output, the labels of 0 and of 1.
    n_outputs : int or None
        None: not known yet.
    argument : str
        The name of ``labels`` in messages.

    Raises
    ------
    TypeError, ValueError
        If they are not such labels.
    """
    expected = "a label for each output, in their order" if n_outputs != 1 else "two labels: of 0 and of 1"
    is_list = hasattr(labels, "__iter__") and not isinstance(labels, (str, bytes, dict, set))
    if not is_list or getattr(labels, "ndim", 1) != 1:
        raise TypeError(sentence(argument, labels, expected))
    classes = Classes(plain_labels(list(labels), argument))
    if len(set(classes.to_config())) < len(classes):
        raise ValueError(sentence(argument, labels, "labels that differ"))
    n_classes = len(classes) if n_outputs is None else 2 if n_outputs == 1 else n_outputs
    if len(classes) != n_classes:
        raise ValueError(
            f"{argument} has {counted(len(classes), 'label')}; expected {expected}. The model has "
            f"{counted(n_outputs or 0, 'output')}."
        )
    return classes


def number_targets(
    y: Any, loss: LossOfClasses, n_outputs: int, classes: Classes | None, argument: str, learn: bool
) -> tuple[Any, Classes | None]:
    """Return targets with labels as class numbers, and the model's classes, known or learned now.

    Targets that are not labels are returned as they are, for the loss to check: numbers 0, 1, 2..., or a number for
    each output.

    Parameters
    ----------
    y : array-like
    loss : LossOfClasses
    n_outputs : int
    classes : Classes or None
        The model's classes; None if it has none yet.
    argument : str
        The name of ``y`` in messages.
    learn : bool
        Whether y may say what the classes are.

    Raises
    ------
    TypeError, ValueError
        If a label is missing, or is not that of a class, or there are not as many labels as classes.
    """
    learns_signs = learn and loss.by_margin
    if classes is None and type(y) is np.ndarray and y.dtype.kind in "iuf" and not learns_signs:
        return y, None  # the fast path, for loops that call step()
    n_classes = loss.n_classes(n_outputs)
    if n_classes is None:
        return (y.values() if isinstance(y, Labels) else y), classes
    labels = read_labels(y, argument)
    if classes is None:
        if isinstance(labels, Labels):
            return _number_first(labels, n_classes, n_outputs, argument, learn)
        return labels, _signs(labels, argument) if learns_signs else None
    if not isinstance(labels, Labels):
        if classes.are_numbers or (loss.by_margin and classes.to_config() == [-1, 1]):
            return labels, classes
        labels = _label_numbers(labels, n_outputs, argument)
    return (classes.number(labels, argument) if isinstance(labels, Labels) else labels), classes


def _number_first(
    labels: Labels, n_classes: int, n_outputs: int, argument: str, learn: bool
) -> tuple[Array, Classes | None]:
    """Return the numbers of labels for a model without classes, and the classes, if they may be learned."""
    found = labels.levels if labels.in_order and len(labels.levels) == n_classes else labels.occurring()
    if labels.kind != "text" and set(found) <= set(range(n_classes)) and not (learn and len(found) == n_classes):
        return labels.values(), None  # categories of numbers from 0, or False and True, which stand for 0 and 1
    if not learn:
        raise ValueError(
            f"{argument} holds labels such as {found[0]!r}, and the model knows no classes; expected a model that was "
            "fitted to labels. Or set them in the order of its outputs: model.classes = [...]."
        )
    if len(found) != n_classes:
        needs = counted(n_classes, "class") + (", those of a single output" if n_outputs == 1 else "")
        was = f"{argument} has {counted(len(found), 'different label')}, {Classes(found)}"
        raise ValueError(f"{was}; expected {needs}. {_fitting(len(found), n_classes)}")
    classes = check_classes(found, n_outputs, f"the labels in {argument}")
    return classes.number(labels, argument), classes


def _fitting(n_found: int, n_classes: int) -> str:
    """Return what to do when there are not as many labels as classes."""
    if n_found > n_classes:
        return f"End the model with Dense({n_found}, 'softmax') and use loss='cross_entropy'."
    return (
        "If some do not occur here, name all of them in the order of the outputs: model.classes = [...]. Otherwise "
        "end the model with fewer units."
    )


def _signs(y: Any, argument: str) -> Classes | None:
    """Return the classes that numbers -1 and 1, or 0 and 1, name; None for other targets."""
    found = np.unique(as_array(y, argument)).tolist()
    return Classes([int(label) for label in found]) if found in ([-1, 1], [0, 1]) else None


def _label_numbers(y: Any, n_outputs: int, argument: str) -> Any:
    """Return numbers that are labels as Labels, and a number for each output as it is."""
    array = as_array(y, argument)
    if array.ndim == 2 and array.shape[1] == n_outputs:
        return array
    column = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if column.ndim != 1 or not len(column):
        return array  # which the loss refuses
    levels, numbers = np.unique(column, return_inverse=True)
    return Labels(levels.tolist(), numbers, True)
