"""What estimators seldom meet: loss names that scikit-learn did not check, one class, scores that are no number."""

import math
import types

import numpy as np
import pytest

import fastbp as fb

sklearn = pytest.importorskip("sklearn")

from fastbp.sklearn import MLPClassifier, MLPRegressor, TabularClassifier
from fastbp.sklearn.epochs import Validation

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
y = (X[:, 0] > 0).astype(int)
PRIVACY = fb.DifferentialPrivacy(target_delta=1e-4, expected_batch_size=10, noise_multiplier=1.0)


@pytest.mark.parametrize(("estimator", "targets"), [(MLPClassifier, y), (MLPRegressor, X[:, 0])])
def test_the_name_of_a_loss_where_scikit_learn_checks_nothing(estimator, targets):
    with (
        sklearn.config_context(skip_parameter_validation=True),
        pytest.raises(ValueError, match="loss is 'hinge'; expected one of"),
    ):
        estimator(loss="hinge").fit(X, targets)


def test_going_on_after_a_fit_that_has_converged_counts_from_nothing():
    estimator = MLPClassifier((4,), early_stopping=True, n_iter_no_change=1, tol=1.0, random_state=0).fit(X, y)
    assert estimator._no_improvement_count == 2
    estimator.partial_fit(X, y, validation_set=(X, y))
    assert estimator._no_improvement_count == 1
    assert estimator.n_iter_ == 1


def test_one_class_is_too_few_with_privacy():
    with pytest.raises(ValueError, match=r"classes has 1 class; expected two or more"):
        MLPClassifier(privacy=PRIVACY, classes=[1]).fit(X, y)
    with pytest.raises(ValueError, match=r"public has one class; expected all classes that there can be"):
        TabularClassifier(privacy=PRIVACY, epochs=1, public=fb.privacy.Public(X, np.zeros(60, int))).fit(X, y)


def test_rows_and_targets_that_do_not_match_with_privacy():
    """What is wrong is not said, as it would tell of the rows."""
    with pytest.raises(ValueError, match="Check the columns and the targets against those of public"):
        TabularClassifier(privacy=PRIVACY, epochs=1, public=fb.privacy.Public(X, y)).fit(X, y[:50])


class TwoRows:
    """As much of ``Samples`` as a validation reads."""

    X, y, sample_weights = X[:2], y[:2], None

    def __len__(self):
        return 2

    def rows_from(self, start, stop):
        return slice(start, stop)


def test_a_score_of_outputs_that_are_not_finite_is_nan():
    outputs = np.array([[0.5], [np.inf]])
    objective = types.SimpleNamespace(constant=lambda targets, weights: 0.0)
    model = types.SimpleNamespace(predict=lambda *arguments, **options: outputs)
    trainer = types.SimpleNamespace(model=model, precision=None)
    assert math.isnan(Validation(TwoRows(), objective, lambda *arguments: 1.0, 1).score(trainer))
