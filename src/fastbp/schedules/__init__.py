"""Schedules: learning rates, weight decays and dropout rates that change with the steps or epochs.
It imports support.

A schedule is a function of the number of steps (or epochs) done, so that training continued from a file continues the
schedule. An epoch's values are computed before it starts; the engine reads them from an array.
"""

from fastbp.schedules.all_schedules import SCHEDULES, FunctionSchedule, Plateau, PlateauMemory, as_schedule
from fastbp.schedules.formulas import (
    CosineDecay,
    CosLog,
    ExponentialDecay,
    FlatCosine,
    InverseScaling,
    OneCycle,
    PolynomialDecay,
    Schedule,
    StepDecay,
)

__all__ = [
    "SCHEDULES",
    "CosLog",
    "CosineDecay",
    "ExponentialDecay",
    "FlatCosine",
    "FunctionSchedule",
    "InverseScaling",
    "OneCycle",
    "Plateau",
    "PlateauMemory",
    "PolynomialDecay",
    "Schedule",
    "StepDecay",
    "as_schedule",
]
