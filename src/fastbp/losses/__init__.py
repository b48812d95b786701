"""Losses: functions that training minimises, one family per file.
It imports data, engine, layers and support.
"""

from fastbp.losses.all_losses import LOSSES
from fastbp.losses.base import Array, Loss, as_outputs
from fastbp.losses.classification import BinaryCrossEntropy, CrossEntropy, Focal, Hinge, SquaredHinge
from fastbp.losses.deviances import GammaDeviance, Poisson, TweedieDeviance
from fastbp.losses.policy import PolicyGradient
from fastbp.losses.regression import Cosine, GaussianNLL, Huber, LogCosh, MeanAbsoluteError, MeanSquaredError, Quantile

__all__ = [
    "Array",
    "BinaryCrossEntropy",
    "Cosine",
    "CrossEntropy",
    "Focal",
    "GammaDeviance",
    "GaussianNLL",
    "Hinge",
    "Huber",
    "LOSSES",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Poisson",
    "PolicyGradient",
    "Quantile",
    "SquaredHinge",
    "TweedieDeviance",
    "as_outputs",
]
