"""scikit-learn's multilayer perceptrons as layers, and layers as its estimators."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError
from sklearn.neural_network import MLPClassifier, MLPRegressor

from fastbp.exchange.blueprint import Blueprint
from fastbp.exchange.foreign import Collector, Network, check_plain
from fastbp.layers.activations import ACTIVATIONS
from fastbp.layers.dense import Dense
from fastbp.layers.dropout import Dropout
from fastbp.support.checks import sentence

__all__ = ["estimator_of", "network_of"]

Array = NDArray[Any]

_OURS = {
    "identity": "linear",
    "logistic": "sigmoid",
    "relu": "relu",
    "tanh": "tanh",
    "softmax": "softmax",
    "exp": "exp",
}
_THEIRS = {ours: theirs for theirs, ours in _OURS.items()}


def network_of(mlp: Any) -> Network:
    """Return the layers and the classes of a fitted estimator.

    Raises
    ------
    TypeError
        If it is no MLPClassifier or MLPRegressor of scikit-learn.
    ValueError
        If it is not fitted, or has an activation that fastbp lacks.
    """
    if not isinstance(mlp, (MLPClassifier, MLPRegressor)):
        raise TypeError(sentence("mlp", mlp, "scikit-learn's MLPClassifier or MLPRegressor"))
    if not hasattr(mlp, "coefs_"):
        raise NotFittedError(f"mlp is {mlp!r}; expected a fitted estimator. Call its fit first.")
    collector = Collector()
    for i, (W, b) in enumerate(zip(mlp.coefs_, mlp.intercepts_, strict=True)):
        name = mlp.out_activation_ if i == len(mlp.coefs_) - 1 else mlp.activation
        if name not in _OURS:
            raise ValueError(sentence("activation", name, f"one of {', '.join(map(repr, _OURS))}, which fastbp has"))
        collector.dense(W, b, activation=ACTIVATIONS[_OURS[name]]())
    network = collector.network("mlp")
    return network._replace(classes=_labels(mlp, network.layers[-1].n_outputs(0)))


def _labels(mlp: Any, n_outputs: int) -> list[Any] | None:
    """Return the labels of classes, of which a sample has one; None where they number the outputs from 0."""
    classes = getattr(mlp, "classes_", None)
    if classes is None or isinstance(classes, list) or len(classes) != (2 if n_outputs == 1 else n_outputs):
        return None
    labels = np.asarray(classes).tolist()
    plain = all(type(label) is int for label in labels) and labels == list(range(len(labels)))
    several = mlp.out_activation_ == "logistic" and n_outputs > 1
    return None if plain or several else labels


def estimator_of(model: Blueprint) -> Any:
    """Return a model as a fitted estimator: a classifier for softmax and sigmoid, else a regressor.

    Raises
    ------
    ValueError
        If the model has what an MLP of scikit-learn has not.
    """
    check_plain(model, "to_sklearn", "an MLP of scikit-learn takes numbers")
    layers, arrays = _dense_layers(model), [array for stage in model.stages for array in stage.arrays]
    *hidden, last = layers
    activations = {layer.activation.name for layer in hidden}
    if len(activations) > 1:
        raise ValueError(
            f"the model's hidden layers have the activations {', '.join(sorted(activations))}; expected one for all, "
            "as an MLP of scikit-learn has."
        )
    name = next(iter(activations), "linear")
    options = {"hidden_layer_sizes": [layer.units for layer in hidden], "activation": _THEIRS[name], "alpha": 0.0}
    X = np.zeros((2, model.n_columns), model.dtype)
    if last.activation.name in ("linear", "exp"):
        loss = {"loss": "poisson"} if last.activation.name == "exp" else {}
        estimator: Any = MLPRegressor(**options, **loss)
        estimator.partial_fit(X, np.zeros((2, last.units), model.dtype) if last.units > 1 else np.zeros(2, model.dtype))
    else:
        estimator = _classifier(model, last, options, X)
    if len(estimator.coefs_) != len(layers) or estimator.out_activation_ != _THEIRS[last.activation.name]:
        raise ValueError(
            f"the model ends with {last!r}; expected 'softmax' for three classes or more, 'sigmoid' for two or for "
            "labels that do not exclude each other, or 'linear', as MLPs of scikit-learn end."
        )
    for own, array in zip([*estimator.coefs_, *estimator.intercepts_], [*arrays[::2], *arrays[1::2]], strict=True):
        own[...] = array
    vars(estimator).pop("_optimizer", None)  # its moments are of other weights
    estimator.t_, estimator.n_iter_, estimator.loss_curve_ = 0, 0, []
    if model.names is not None and all(isinstance(each, str) for each in model.names):
        estimator.feature_names_in_ = np.array(model.names, dtype=object)
    return estimator


def _classifier(model: Blueprint, last: Dense, options: dict[str, Any], X: Array) -> Any:
    """Return a classifier that has seen the classes; its weights are set later."""
    estimator = MLPClassifier(**options)
    if last.activation.name == "sigmoid" and last.units > 1:
        y = np.stack([np.zeros(last.units, int), np.ones(last.units, int)])
        return estimator.partial_fit(X, y, classes=np.arange(last.units))
    n_classes = max(last.units, 2)
    labels: Any = np.arange(n_classes) if model.classes is None else np.asarray(model.classes.to_config())
    if not (labels[:-1] < labels[1:]).all():
        raise ValueError(
            f"the model's classes are {labels.tolist()}; expected them in sorted order, as scikit-learn has them."
        )
    return estimator.partial_fit(X, labels[:2], classes=labels)


def _dense_layers(model: Blueprint) -> list[Dense]:
    layers = []
    for i, layer in enumerate(model.layers):
        if isinstance(layer, Dropout):
            continue
        if not isinstance(layer, Dense) or not layer.use_bias or layer.activation.name not in _THEIRS:
            raise ValueError(
                sentence(
                    f"layers[{i}]",
                    layer,
                    "an fb.Dense with a bias and one of "
                    + ", ".join(map(repr, _THEIRS))
                    + ", as MLPs of scikit-learn have",
                )
            )
        layers.append(layer)
    return layers
