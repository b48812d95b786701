"""Every optimizer by its name."""

from __future__ import annotations

from typing import Literal, TypeAlias

from fastbp.optimizers.adam import Adam, Adamax, AdamW, NAdam, RAdam
from fastbp.optimizers.adaptive import Adadelta, Adagrad, RMSprop
from fastbp.optimizers.base import Optimizer
from fastbp.optimizers.lbfgs import LBFGS
from fastbp.optimizers.sgd import SGD
from fastbp.optimizers.sign_based import Lion, Rprop

__all__ = ["OPTIMIZERS", "OptimizerLike", "OptimizerName"]

OptimizerName: TypeAlias = Literal[
    "sgd",
    "adam",
    "adamw",
    "rmsprop",
    "adagrad",
    "adadelta",
    "adamax",
    "nadam",
    "radam",
    "lion",
    "rprop",
    "lbfgs",
]
OptimizerLike: TypeAlias = OptimizerName | str | Optimizer


OPTIMIZERS: dict[str, type[Optimizer]] = {
    cls.name: cls for cls in (SGD, Adam, AdamW, RMSprop, Adagrad, Adadelta, Adamax, NAdam, RAdam, Lion, Rprop, LBFGS)
}
