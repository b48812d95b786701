"""fastbp trains dense neural networks on CPUs, fast, and to the same bits on any number of threads."""

from fastbp.activations import (
    ELU,
    GELU,
    SELU,
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
from fastbp.cross_validation import CrossValidation, cross_validate
from fastbp.csv_logger import CSVLogger
from fastbp.early_stopping import EarlyStopping
from fastbp.ensemble import Ensemble
from fastbp.history import History
from fastbp.initializers import Glorot, He, LeCun, Normal, Uniform, Zeros
from fastbp.inspection import GradientError, LayerStatistics, ModelStatistics, check_gradients
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
from fastbp.many import fit_many
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
from fastbp.suspects import Suspects, suspect_labels
from fastbp.tabular import Tabular
from fastbp.trainer import Trainer

__version__ = "0.1.0"

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
