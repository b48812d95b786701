"""Preparations of columns before the first layer: scales, fillings of missing values, codes of categories.
It imports data, engine and support.
"""

from fastbp.preparation.base import Numbers, Preparation
from fastbp.preparation.columns import (
    PREPARATIONS,
    Chain,
    Columns,
    check_chain,
    check_prepare,
    check_prepare_targets,
    prepare_from_config,
    prepare_to_config,
)
from fastbp.preparation.encoding import OneHot, Ordinal
from fastbp.preparation.imputing import Impute
from fastbp.preparation.running import RunningStandardize
from fastbp.preparation.scaling import RobustScale, Scale, Standardize

__all__ = [
    "Chain",
    "Columns",
    "Impute",
    "Numbers",
    "OneHot",
    "Ordinal",
    "PREPARATIONS",
    "Preparation",
    "RobustScale",
    "RunningStandardize",
    "Scale",
    "Standardize",
    "check_chain",
    "check_prepare",
    "check_prepare_targets",
    "prepare_from_config",
    "prepare_to_config",
]
