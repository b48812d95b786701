"""Class weights: factors of the sample weights of each class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastbp.data.classes import Classes
from fastbp.support.checks import check_int, check_number, sentence

__all__ = ["ClassWeight", "weights_by_class"]

ClassWeight: TypeAlias = Mapping[Any, float] | Literal["balanced"]


def weights_by_class(
    class_weight: Any, labels: NDArray[Any], n_classes: int, classes: Classes | None = None
) -> NDArray[np.float64]:
    """Return the weight of each sample's class.

    Parameters
    ----------
    class_weight : dict of label to float, or "balanced"
        Class weights, by the classes' labels or else by their numbers; a class that is not in the dictionary has 1.
        "balanced" is n_samples / (number of classes that occur * samples of the class), so that all classes have the
        same total weight; scikit-learn's definition.
    labels : ndarray of shape (n_samples,)
        The class of each sample.
    n_classes : int
    classes : Classes or None
        The labels of the classes.

    Raises
    ------
    TypeError, ValueError
        If ``class_weight`` is neither, names a class that does not exist, or gives a weight below 0.
    """
    if isinstance(class_weight, str) and class_weight == "balanced":
        counts = np.bincount(labels, minlength=n_classes)
        weights: NDArray[np.float64] = len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1.0))
    else:
        weights = _from_mapping(class_weight, n_classes, classes)
    of_samples: NDArray[np.float64] = weights[labels]
    return of_samples


def _from_mapping(class_weight: Any, n_classes: int, classes: Classes | None) -> NDArray[np.float64]:
    if not isinstance(class_weight, Mapping):
        expected = "'balanced' or a dictionary from class to weight, such as {0: 1, 1: 5}"
        error = ValueError if isinstance(class_weight, str) else TypeError
        raise error(sentence("class_weight", class_weight, expected))
    weights = np.ones(n_classes)
    for label, weight in class_weight.items():
        where = "a key of class_weight"
        number = _number_of(label, where, n_classes) if classes is None else classes.place_of(label, where)
        name = number if classes is None else label
        weights[number] = check_number(weight, f"class_weight[{name!r}]", at_least=0)
    return weights


def _number_of(label: Any, where: str, n_classes: int) -> int:
    return check_int(label, where, minimum=0, maximum=n_classes - 1, remedy=f"The classes are 0 to {n_classes - 1}.")
