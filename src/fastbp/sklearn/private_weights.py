"""Weights of samples in private training: those of classes are public, whichever classes occur."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import _check_sample_weight

from fastbp.data.class_weights import weights_by_class
from fastbp.data.classes import check_classes

__all__ = ["private_weights", "public_class_weights"]

Array = NDArray[Any]


def public_class_weights(class_weight: Any, labels: Array) -> Array | None:
    """Return the weight of each class, (n_classes,); None without class weights.

    Parameters
    ----------
    class_weight : dict or None
    labels : ndarray of shape (n_classes,)
        All classes that there can be, which are public: no sample's label is looked at.

    Raises
    ------
    TypeError, ValueError
        If a key is not a class, or a weight is below 0.
    """
    if class_weight is None:
        return None
    classes = check_classes(labels.tolist(), None)
    return weights_by_class(class_weight, np.arange(len(classes)), len(classes), classes)


def private_weights(sample_weight: Any, of_classes: Array | None, targets: Array) -> Array | None:
    """Return the weight of each sample, multiplied with that of its class; None where all count alike.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,) or None
    of_classes : ndarray of shape (n_classes,) or None
    targets : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        With ``of_classes`` the classes' numbers.
    """
    weights = None
    if sample_weight is not None:
        weights = _check_sample_weight(sample_weight, targets, ensure_non_negative=True)
    if of_classes is None:
        return weights
    each = of_classes[targets.ravel()]
    return each if weights is None else weights * each
