"""The names that the estimators' parameters take, for editors, which complete them; a test compares them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from fastbp.layers.activations import ActivationLike
from fastbp.losses.base import Loss

__all__ = [
    "BatchSize",
    "ClassWeights",
    "ClassifierLoss",
    "DTypeName",
    "HiddenActivations",
    "LearningRateName",
    "Missing",
    "RegressorLoss",
    "WarmStart",
]

TheirActivation: TypeAlias = Literal["identity", "logistic"]  # scikit-learn's names for ours
HiddenActivations: TypeAlias = TheirActivation | ActivationLike | Sequence[TheirActivation | ActivationLike]
LearningRateName: TypeAlias = Literal["constant", "invscaling", "adaptive"]
BatchSize: TypeAlias = Literal["auto"] | int
WarmStart: TypeAlias = Literal["continue"] | bool
Missing: TypeAlias = Literal["error", "impute"]
DTypeName: TypeAlias = Literal["float32", "float64", "bf16-mixed"]
ClassWeights: TypeAlias = Literal["balanced"] | Mapping[Any, float]
ClassifierLoss: TypeAlias = Literal["log_loss", "focal"] | str | Loss
RegressorLoss: TypeAlias = (
    Literal["squared_error", "poisson", "gamma", "tweedie", "mse", "mae", "huber", "log_cosh", "quantile"] | str | Loss
)
