"""Every loss by its name."""

from __future__ import annotations

from typing import Literal, TypeAlias

from fastbp.losses.base import Loss
from fastbp.losses.classification import BinaryCrossEntropy, CrossEntropy, Focal, Hinge, SquaredHinge
from fastbp.losses.deviances import GammaDeviance, Poisson, TweedieDeviance
from fastbp.losses.policy import PolicyGradient
from fastbp.losses.regression import Cosine, GaussianNLL, Huber, LogCosh, MeanAbsoluteError, MeanSquaredError, Quantile

__all__ = ["LOSSES", "LossName"]

LossName: TypeAlias = Literal[
    "mse",
    "mae",
    "cross_entropy",
    "binary_cross_entropy",
    "huber",
    "log_cosh",
    "quantile",
    "gaussian_nll",
    "poisson",
    "gamma",
    "tweedie",
    "hinge",
    "squared_hinge",
    "focal",
    "cosine",
    "policy_gradient",
]


LOSSES: dict[str, type[Loss]] = {
    cls.name: cls
    for cls in (
        MeanSquaredError,
        MeanAbsoluteError,
        CrossEntropy,
        BinaryCrossEntropy,
        Huber,
        LogCosh,
        Quantile,
        GaussianNLL,
        Poisson,
        GammaDeviance,
        TweedieDeviance,
        Hinge,
        SquaredHinge,
        Focal,
        Cosine,
        PolicyGradient,
    )
}
