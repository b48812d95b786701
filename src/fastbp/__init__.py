"""fastbp trains dense neural networks on CPUs, fast, and to the same bits on any number of threads."""

from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from fastbp.activations import (
    ELU,
    GELU,
    SELU,
    Exp,
    GELUTanh,
    HardSigmoid,
    HardSwish,
    LeakyReLU,
    Linear,
    Mish,
    PReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)
from fastbp.averaging import EMA, SWA
from fastbp.callbacks import Callback, LambdaCallback, TimeLimit
from fastbp.checkpoint import Checkpoint
from fastbp.config import show_config
from fastbp.csv_logger import CSVLogger
from fastbp.early_stopping import EarlyStopping
from fastbp.history import History
from fastbp.initializers import Glorot, He, LeCun, Normal, Uniform, Zeros
from fastbp.layers import Activation, BatchNorm, Dense, Dropout, LayerNorm, Residual
from fastbp.losses import (
    BinaryCrossEntropy,
    Cosine,
    CrossEntropy,
    Focal,
    GammaDeviance,
    GaussianNLL,
    Hinge,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanSquaredError,
    Poisson,
    Quantile,
    SquaredHinge,
    TweedieDeviance,
)
from fastbp.metrics import (
    F1,
    R2,
    ROCAUC,
    AbsoluteError,
    Accuracy,
    AveragePrecision,
    BalancedAccuracy,
    Brier,
    FunctionMetric,
    LogLoss,
    PercentageError,
    Precision,
    Recall,
    RootSquaredError,
    SquaredError,
    TopKAccuracy,
)
from fastbp.model import Model
from fastbp.optimizers import LBFGS, SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, Lion, NAdam, RAdam, RMSprop, Rprop
from fastbp.preparations import Columns, Impute, OneHot, Ordinal, RobustScale, Scale, Standardize
from fastbp.schedules import (
    CosineDecay,
    ExponentialDecay,
    FunctionSchedule,
    InverseScaling,
    OneCycle,
    Plateau,
    PolynomialDecay,
    StepDecay,
)
from fastbp.tabular import Tabular
from fastbp.trainer import Trainer

if _TYPE_CHECKING:
    from fastbp.cross_validation import CrossValidation, cross_validate
    from fastbp.data_inspection import inspect_data
    from fastbp.data_report import ColumnReport, DataReport, Finding
    from fastbp.ensemble import Ensemble
    from fastbp.inspection import GradientError, LayerStatistics, ModelStatistics, check_gradients
    from fastbp.many import fit_many
    from fastbp.suspects import Suspects, suspect_labels

__version__ = "0.1.0"

# What few programs ask for is imported when they do, so that `import fastbp` stays quick: the module of each name.
_LATER = {
    "ColumnReport": "data_report",
    "CrossValidation": "cross_validation",
    "DataReport": "data_report",
    "Ensemble": "ensemble",
    "Finding": "data_report",
    "GradientError": "inspection",
    "LayerStatistics": "inspection",
    "ModelStatistics": "inspection",
    "Suspects": "suspects",
    "check_gradients": "inspection",
    "cross_validate": "cross_validation",
    "fit_many": "many",
    "inspect_data": "data_inspection",
    "suspect_labels": "suspects",
}


def __getattr__(name: str) -> _Any:
    if name not in _LATER:
        raise AttributeError(f"module 'fastbp' has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"fastbp.{_LATER[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})


__all__ = [
    # building
    "Model",
    "Tabular",
    # preparing data
    "Scale",
    "Standardize",
    "RobustScale",
    "Impute",
    "OneHot",
    "Ordinal",
    "Columns",
    # layers
    "Dense",
    "Activation",
    "LayerNorm",
    "BatchNorm",
    "Residual",
    "Dropout",
    # training
    "Trainer",
    "History",
    # many models
    "fit_many",
    "Ensemble",
    "cross_validate",
    "CrossValidation",
    # looking at data
    "inspect_data",
    "DataReport",
    "ColumnReport",
    "Finding",
    "suspect_labels",
    "Suspects",
    # callbacks
    "Callback",
    "EarlyStopping",
    "Checkpoint",
    "CSVLogger",
    "TimeLimit",
    "LambdaCallback",
    # activations
    "Linear",
    "ReLU",
    "LeakyReLU",
    "PReLU",
    "Tanh",
    "Sigmoid",
    "Softmax",
    "GELU",
    "GELUTanh",
    "SiLU",
    "ELU",
    "SELU",
    "Softplus",
    "Exp",
    "Softsign",
    "Mish",
    "HardSigmoid",
    "HardSwish",
    # losses
    "MeanSquaredError",
    "MeanAbsoluteError",
    "CrossEntropy",
    "BinaryCrossEntropy",
    "Huber",
    "LogCosh",
    "Quantile",
    "GaussianNLL",
    "Poisson",
    "GammaDeviance",
    "TweedieDeviance",
    "Hinge",
    "SquaredHinge",
    "Focal",
    "Cosine",
    # optimizers
    "SGD",
    "Adam",
    "AdamW",
    "RMSprop",
    "Adagrad",
    "Adadelta",
    "Adamax",
    "NAdam",
    "RAdam",
    "Lion",
    "Rprop",
    "LBFGS",
    # schedules
    "StepDecay",
    "ExponentialDecay",
    "PolynomialDecay",
    "InverseScaling",
    "CosineDecay",
    "OneCycle",
    "Plateau",
    "FunctionSchedule",
    # averages of the weights
    "EMA",
    "SWA",
    # initializers
    "He",
    "Glorot",
    "LeCun",
    "Zeros",
    "Normal",
    "Uniform",
    # metrics
    "Accuracy",
    "TopKAccuracy",
    "BalancedAccuracy",
    "Precision",
    "Recall",
    "F1",
    "ROCAUC",
    "AveragePrecision",
    "LogLoss",
    "Brier",
    "R2",
    "AbsoluteError",
    "SquaredError",
    "RootSquaredError",
    "PercentageError",
    "FunctionMetric",
    # looking into a model
    "check_gradients",
    "GradientError",
    "ModelStatistics",
    "LayerStatistics",
    # telling about
    "show_config",
    "__version__",
]
