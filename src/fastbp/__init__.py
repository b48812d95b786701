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
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)
from fastbp.callbacks import Callback
from fastbp.config import show_config
from fastbp.history import History
from fastbp.initializers import Glorot, He, LeCun, Normal, Uniform, Zeros
from fastbp.layers import Dense
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
from fastbp.metrics import R2, AbsoluteError, Accuracy, SquaredError
from fastbp.model import Model
from fastbp.optimizers import SGD, Adam, AdamW
from fastbp.trainer import Trainer

__version__ = "0.1.0"

__all__ = [
    # building
    "Model",
    "Dense",
    # training
    "Trainer",
    "History",
    "Callback",
    # activations
    "Linear",
    "ReLU",
    "LeakyReLU",
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
    # initializers
    "He",
    "Glorot",
    "LeCun",
    "Zeros",
    "Normal",
    "Uniform",
    # metrics
    "Accuracy",
    "R2",
    "AbsoluteError",
    "SquaredError",
    # telling about
    "show_config",
    "__version__",
]
