"""What a user may have meant: by case, by other libraries' names, by the beginning of a name, by spelling."""

import pytest

from fastbp.layers.activations import ACTIVATIONS
from fastbp.layers.initializers import INITIALIZERS
from fastbp.losses.all_losses import LOSSES
from fastbp.metrics.choose import METRICS
from fastbp.optimizers.all_optimizers import OPTIMIZERS
from fastbp.support.foreign_names import ARGUMENTS, OBJECTS
from fastbp.support.suggestions import closest, did_you_mean, listed


@pytest.mark.parametrize(
    ("wrong", "names", "meant"),
    [
        ("Churn", ["age", "churn"], ["churn"]),
        ("chrun", [f"column_{i}" for i in range(200)] + ["churn"], ["churn"]),
        (" total-price", ["total_price", "total"], ["total_price"]),
        ("acc", ["accuracy", "mae"], ["accuracy"]),
        ("pre", ["precision", "price", "prelude"], []),  # the beginning of two, and no spelling of any
        ("income", ["age", "height"], []),
        ("0", [0, 1], [0]),
        (5, ["5", "6"], ["5"]),
        (12, [10, 11], []),
        ("z", ["x", "y"], []),  # no letter is the same
        ("egnder", ["gender"], ["gender"]),  # the first two letters are swapped, which is one mistake
        ("egndre", ["gender"], ["gender"]),
        ("x", [], []),
    ],
)
def test_names_of_columns(wrong, names, meant):
    assert closest(wrong, names) == meant


@pytest.mark.parametrize(
    ("wrong", "registry", "meant"),
    [
        ("ReLU", ACTIVATIONS, "relu"),
        ("LeakyReLU", ACTIVATIONS, "leaky_relu"),
        ("swish", ACTIVATIONS, "silu"),
        ("logistic", ACTIVATIONS, "sigmoid"),
        ("identity", ACTIVATIONS, "linear"),
        ("categorical_crossentropy", LOSSES, "cross_entropy"),
        ("sparse_categorical_crossentropy", LOSSES, "cross_entropy"),
        ("log_loss", LOSSES, "cross_entropy"),
        ("bce", LOSSES, "binary_cross_entropy"),
        ("BCEWithLogitsLoss", LOSSES, "binary_cross_entropy"),
        ("binary_crossentropy", LOSSES, "binary_cross_entropy"),
        ("mean_squared_error", LOSSES, "mse"),
        ("MSELoss", LOSSES, "mse"),
        ("L1Loss", LOSSES, "mae"),
        ("smooth_l1", LOSSES, "huber"),
        ("Adam", OPTIMIZERS, "adam"),
        ("adma", OPTIMIZERS, "adam"),
        ("RMSProp", OPTIMIZERS, "rmsprop"),
        ("L-BFGS", OPTIMIZERS, "lbfgs"),
        ("acc", METRICS, "accuracy"),
        ("auc", METRICS, "roc_auc"),
        ("F1-score", METRICS, "f1"),
        ("r2_score", METRICS, "r2"),
        ("root_mean_squared_error", METRICS, "rmse"),
        ("xavier_uniform", INITIALIZERS, "glorot"),
        ("kaiming_normal_", INITIALIZERS, "he"),
    ],
)
def test_what_other_libraries_call_it(wrong, registry, meant):
    assert did_you_mean(wrong, registry, OBJECTS) == f"Did you mean {meant!r}?"


def test_one_name_for_two():
    assert did_you_mean("betas", ["beta_1", "beta_2"], ARGUMENTS) == "Did you mean 'beta_1' and 'beta_2'?"
    assert did_you_mean("betas", ["beta_2", "gamma"], ARGUMENTS) == "Did you mean 'beta_2'?"


@pytest.mark.parametrize("table", [ARGUMENTS, OBJECTS])
def test_a_table_is_written_as_it_is_looked_up(table):
    for name, meant in table.items():
        assert name == name.lower().replace("_", "").replace(" ", ""), name
        assert meant, name


@pytest.mark.parametrize("registry", [ACTIVATIONS, LOSSES, OPTIMIZERS, METRICS, INITIALIZERS])
def test_a_letter_left_out_or_swapped_is_found(registry):
    for name in registry:
        if len(name) > 5:
            assert closest(name[:2] + name[3:], registry) == [name]
            assert closest(name[1] + name[0] + name[2:], registry) == [name]


def test_many_names_are_cut():
    assert listed(["a", "b"]) == "'a', 'b'"
    assert listed([f"c{i}" for i in range(200)], most=3) == "'c0', 'c1', 'c2' and 197 more"
