"""Optimizers: rules by which a gradient changes the weights, one family per file.
It imports schedules and support.
"""

from fastbp.optimizers.adam import Adam, Adamax, AdamW, NAdam, RAdam
from fastbp.optimizers.adaptive import Adadelta, Adagrad, RMSprop
from fastbp.optimizers.all_optimizers import OPTIMIZERS
from fastbp.optimizers.base import Optimizer, Scheduled
from fastbp.optimizers.lbfgs import LBFGS
from fastbp.optimizers.sgd import SGD
from fastbp.optimizers.sign_based import Lion, Rprop

__all__ = [
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "LBFGS",
    "Lion",
    "NAdam",
    "OPTIMIZERS",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SGD",
    "Scheduled",
]
