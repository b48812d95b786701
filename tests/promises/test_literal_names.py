"""Editors complete the names that arguments take: the Literal types are those of the registries and of the checks."""

import inspect
import sys
import typing

import pytest

import fastbp as fb
from fastbp.callbacks.best_figure import Mode
from fastbp.data.class_weights import ClassWeight
from fastbp.ensembles.cross_validation import Stratify
from fastbp.layers.activations import ACTIVATIONS, ActivationName
from fastbp.layers.initializers import INITIALIZERS, InitializerName
from fastbp.losses.all_losses import LOSSES, LossName
from fastbp.losses.custom import LossLike
from fastbp.metrics.choose import METRICS, MetricName
from fastbp.models.architecture import DType, check_dtype
from fastbp.models.gradient_check import check_gradients
from fastbp.optimizers.all_optimizers import OPTIMIZERS, OptimizerName
from fastbp.optimizers.averaging import AVERAGINGS, AveragingName
from fastbp.training.settings import check_on_nan

REGISTRIES = [
    (ActivationName, ACTIVATIONS),
    (InitializerName, INITIALIZERS),
    (LossName, LOSSES),
    (OptimizerName, OPTIMIZERS),
    (AveragingName, AVERAGINGS),
    (MetricName, METRICS),
]


def names_in(annotation):
    """The strings of all Literal types in an annotation, and whether it takes any str."""
    if typing.get_origin(annotation) is typing.Literal:
        return {name for name in typing.get_args(annotation) if isinstance(name, str)}, False
    names, any_str = set(), annotation is str
    for part in typing.get_args(annotation):
        inner, takes = names_in(part)
        names |= inner
        any_str |= takes
    return names, any_str


def annotation_of(function, argument):
    """The annotation of an argument, read with the names that its module has for type checkers alone."""
    text = inspect.signature(function).parameters[argument].annotation
    later = {"LossLike": LossLike, "ClassWeight": ClassWeight}
    return eval(text, vars(sys.modules[function.__module__]) | later)


@pytest.mark.parametrize(("names", "registry"), REGISTRIES)
def test_the_names_are_those_of_the_registry(names, registry):
    assert typing.get_args(names) == tuple(registry)


@pytest.mark.parametrize(
    ("function", "argument", "registry"),
    [
        (fb.Dense.__init__, "activation", ACTIVATIONS),
        (fb.Activation.__init__, "activation", ACTIVATIONS),
        (fb.Dense.__init__, "initializer", {"auto", *INITIALIZERS}),
        (fb.Trainer.__init__, "loss", LOSSES),
        (fb.Trainer.__init__, "optimizer", OPTIMIZERS),
        (fb.Trainer.__init__, "metrics", METRICS),
        (fb.Trainer.__init__, "averaging", AVERAGINGS),
        (fb.Trainer.load, "metrics", METRICS),
        (fb.Model.loss_and_gradients, "loss", LOSSES),
        (fb.Model.inspect, "loss", LOSSES),
        (check_gradients, "loss", LOSSES),
        (fb.Model.__init__, "dtype", {"float32", "float64"}),
    ],
)
def test_names_of_objects_are_completed_and_any_str_is_taken(function, argument, registry):
    """A name may come from a file of settings, as a str that no type checker knows."""
    names, any_str = names_in(annotation_of(function, argument))
    assert names == set(registry)
    assert any_str


@pytest.mark.parametrize(
    ("function", "argument", "expected"),
    [
        (fb.Trainer.fit, "on_nan", {"raise", "rollback"}),
        (fb.Trainer.fit, "class_weight", {"balanced"}),
        (fb.EarlyStopping.__init__, "mode", {"auto", "min", "max"}),
        (fb.Checkpoint.__init__, "mode", {"auto", "min", "max"}),
        (fb.Impute.__init__, "strategy", {"mean", "median"}),
        (fb.He.__init__, "distribution", {"normal", "uniform"}),
        (fb.F1.__init__, "average", {"auto", "binary", "macro", "micro", "weighted"}),
        (fb.StepDecay.__init__, "per", {"step", "epoch"}),
        (fb.Tabular.__init__, "dims", {"auto"}),
        (fb.Columns.__init__, "categories", {"auto"}),
        (fb.cross_validate, "stratify", {"auto"}),
    ],
)
def test_a_closed_set_of_names_is_a_literal(function, argument, expected):
    assert names_in(annotation_of(function, argument))[0] == expected


def test_the_checks_take_the_names_of_the_literals_and_no_other():
    takers = [
        (check_on_nan, annotation_of(fb.Trainer.fit, "on_nan")),
        (lambda mode: fb.EarlyStopping(mode=mode), Mode),
        (fb.Impute, annotation_of(fb.Impute.__init__, "strategy")),
        (lambda distribution: fb.He(distribution), annotation_of(fb.He.__init__, "distribution")),
        (lambda average: fb.F1(average), annotation_of(fb.F1.__init__, "average")),
        (lambda per: fb.StepDecay(0.1, 2, per=per), annotation_of(fb.StepDecay.__init__, "per")),
        (check_dtype, DType),
    ]
    for take, annotation in takers:
        names, _ = names_in(annotation)
        assert names
        for name in names:
            take(name)
        with pytest.raises(ValueError, match="nothing of the kind"):
            take("nothing of the kind")
    assert names_in(Stratify)[0] == {"auto"}


def test_the_estimators_names_are_those_that_fit_accepts():
    sklearn = pytest.importorskip("fastbp.sklearn", exc_type=ImportError)
    from sklearn.utils._param_validation import StrOptions

    for estimator in (sklearn.MLPClassifier, sklearn.MLPRegressor):
        completed = 0
        for argument, constraints in estimator._parameter_constraints.items():
            accepted = {name for each in constraints if isinstance(each, StrOptions) for name in each.options}
            if argument != "verbose":
                names, _ = names_in(annotation_of(estimator.__init__, argument))
                assert names == accepted, argument
                completed += bool(names)
        assert completed >= 8
