"""scikit-learn's own checks of an estimator, over both of ours."""

import pytest

pytest.importorskip("sklearn", minversion="1.6")

from sklearn.utils.estimator_checks import parametrize_with_checks

from fastbp.sklearn import MLPClassifier, MLPRegressor


# As in scikit-learn's own run of these checks over its MLPs, 100 epochs; no failure is expected.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks([MLPClassifier(max_iter=100), MLPRegressor(max_iter=100)])
def test_estimator_passes_check(estimator, check):
    check(estimator)
