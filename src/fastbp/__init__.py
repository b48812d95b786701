"""fastbp trains dense neural networks on CPUs, fast, and to the same bits on any number of threads."""

from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from fastbp import distributed, privacy
from fastbp.callbacks.base import Callback
from fastbp.callbacks.checkpoint import Checkpoint
from fastbp.callbacks.csv_logger import CSVLogger
from fastbp.callbacks.early_stopping import EarlyStopping
from fastbp.callbacks.lambda_callback import LambdaCallback
from fastbp.callbacks.time_limit import TimeLimit
from fastbp.layers.activation_layer import Activation
from fastbp.layers.activations import (
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
    Parametric,
    PReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)
from fastbp.layers.batch_ensemble import BatchEnsemble
from fastbp.layers.composition import Residual
from fastbp.layers.dense import Dense
from fastbp.layers.dropout import Dropout
from fastbp.layers.initializers import Glorot, He, LeCun, Normal, Uniform, Zeros
from fastbp.layers.normalisation import BatchNorm, LayerNorm
from fastbp.layers.numeric_embeddings import Periodic, PiecewiseLinear
from fastbp.layers.scaling import Scaling
from fastbp.layers.tabular import Tabular
from fastbp.losses.classification import BinaryCrossEntropy, CrossEntropy, Focal, Hinge, SquaredHinge
from fastbp.losses.deviances import GammaDeviance, Poisson, TweedieDeviance
from fastbp.losses.policy import PolicyGradient
from fastbp.losses.regression import Cosine, GaussianNLL, Huber, LogCosh, MeanAbsoluteError, MeanSquaredError, Quantile
from fastbp.metrics.classification import (
    F1,
    Accuracy,
    BalancedAccuracy,
    Brier,
    LogLoss,
    Precision,
    Recall,
    TopKAccuracy,
)
from fastbp.metrics.function import FunctionMetric
from fastbp.metrics.ranking import ROCAUC, AveragePrecision
from fastbp.metrics.regression import R2, AbsoluteError, PercentageError, RootSquaredError, SquaredError
from fastbp.models.model import Model
from fastbp.optimizers.adam import Adam, Adamax, AdamW, NAdam, RAdam
from fastbp.optimizers.adaptive import Adadelta, Adagrad, RMSprop
from fastbp.optimizers.averaging import EMA, SWA
from fastbp.optimizers.lbfgs import LBFGS
from fastbp.optimizers.sgd import SGD
from fastbp.optimizers.sign_based import Lion, Rprop
from fastbp.preparation.columns import Columns
from fastbp.preparation.encoding import OneHot, Ordinal
from fastbp.preparation.imputing import Impute
from fastbp.preparation.running import RunningStandardize
from fastbp.preparation.scaling import RobustScale, Scale, Standardize
from fastbp.privacy import DifferentialPrivacy, Public
from fastbp.schedules import (
    CosineDecay,
    CosLog,
    ExponentialDecay,
    FlatCosine,
    FunctionSchedule,
    InverseScaling,
    OneCycle,
    Plateau,
    PolynomialDecay,
    StepDecay,
)
from fastbp.support.arguments import explain_constructors as _explain_constructors
from fastbp.support.config import describe_config as _describe_config
from fastbp.support.threads import get_num_threads, set_num_threads
from fastbp.training.history import History
from fastbp.training.parameter import Parameter
from fastbp.training.trainer import Trainer

if _TYPE_CHECKING:
    from fastbp.ensembles.cross_validation import CrossValidation, cross_validate
    from fastbp.ensembles.ensemble import Ensemble
    from fastbp.ensembles.label_errors import Suspects, suspect_labels
    from fastbp.ensembles.side_by_side import fit_many
    from fastbp.explanations.counterfactual import counterfactual
    from fastbp.explanations.counterfactuals import Counterfactuals
    from fastbp.explanations.dependence import accumulated_effects, partial_dependence
    from fastbp.explanations.effects import Effect
    from fastbp.explanations.explain import explain
    from fastbp.explanations.explanation import Explanation
    from fastbp.explanations.faithfulness import Faithfulness, faithfulness
    from fastbp.explanations.importance import permutation_importance
    from fastbp.explanations.interaction import interaction_strength
    from fastbp.explanations.rankings import Ranking
    from fastbp.inspection.data import inspect_data
    from fastbp.inspection.report import ColumnReport, DataReport, Finding
    from fastbp.models.gradient_check import GradientError, check_gradients
    from fastbp.models.layer_statistics import LayerStatistics, ModelStatistics

__version__ = "0.1.0"


def show_config() -> None:
    """Print version, instruction sets, OpenMP and threads, for bug reports.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.show_config()  # doctest: +ELLIPSIS
    fastbp ...
    threads ...
    """
    print(_describe_config(__version__))


_explain_constructors(value for name, value in globals().items() if not name.startswith("_"))


# Names that few programs use are imported on first use, so that `import fastbp` is quick: the module of each name.
_LATER = {
    "ColumnReport": "inspection.report",
    "Counterfactuals": "explanations.counterfactuals",
    "CrossValidation": "ensembles.cross_validation",
    "DataReport": "inspection.report",
    "Ensemble": "ensembles.ensemble",
    "Effect": "explanations.effects",
    "Explanation": "explanations.explanation",
    "Faithfulness": "explanations.faithfulness",
    "Finding": "inspection.report",
    "GradientError": "models.gradient_check",
    "LayerStatistics": "models.layer_statistics",
    "ModelStatistics": "models.layer_statistics",
    "Ranking": "explanations.rankings",
    "Suspects": "ensembles.label_errors",
    "accumulated_effects": "explanations.dependence",
    "check_gradients": "models.gradient_check",
    "counterfactual": "explanations.counterfactual",
    "cross_validate": "ensembles.cross_validation",
    "explain": "explanations.explain",
    "faithfulness": "explanations.faithfulness",
    "fit_many": "ensembles.side_by_side",
    "inspect_data": "inspection.data",
    "interaction_strength": "explanations.interaction",
    "partial_dependence": "explanations.dependence",
    "permutation_importance": "explanations.importance",
    "suspect_labels": "ensembles.label_errors",
}


def __getattr__(name: str) -> _Any:
    if name not in _LATER:
        raise AttributeError(f"module 'fastbp' has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"fastbp.{_LATER[name]}"), name)
    _explain_constructors([value])
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
    "RunningStandardize",
    "Impute",
    "OneHot",
    "Ordinal",
    "Columns",
    # layers
    "Dense",
    "Activation",
    "LayerNorm",
    "BatchNorm",
    "Scaling",
    "Periodic",
    "PiecewiseLinear",
    "Residual",
    "BatchEnsemble",
    "Dropout",
    # training
    "Trainer",
    "History",
    "Parameter",
    # many models
    "fit_many",
    "Ensemble",
    "cross_validate",
    "CrossValidation",
    # inspecting data
    "inspect_data",
    "DataReport",
    "ColumnReport",
    "Finding",
    "suspect_labels",
    "Suspects",
    # explaining
    "explain",
    "Explanation",
    "permutation_importance",
    "partial_dependence",
    "accumulated_effects",
    "interaction_strength",
    "Ranking",
    "Effect",
    "counterfactual",
    "Counterfactuals",
    "faithfulness",
    "Faithfulness",
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
    "Parametric",
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
    "PolicyGradient",
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
    "CosLog",
    "FlatCosine",
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
    # inspecting a model
    "check_gradients",
    "GradientError",
    "ModelStatistics",
    "LayerStatistics",
    # several processes
    "distributed",
    # differential privacy
    "DifferentialPrivacy",
    "Public",
    "privacy",
    # threads and information
    "set_num_threads",
    "get_num_threads",
    "show_config",
    "__version__",
]
