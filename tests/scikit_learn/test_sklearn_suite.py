"""The tests that scikit-learn has of its own MLPs, from the installed package, run with our two classes in their place.

Left out are those that look into what is private there and has no counterpart here; LEFT_OUT says which and why.
"""

import importlib.util
from unittest import mock

import pytest

pytest.importorskip("sklearn", minversion="1.6")

import sklearn.neural_network

import fastbp.sklearn

LEFT_OUT = {
    "test_gradient": "it calls _loss_grad_lbfgs with buffers of scikit-learn's; test_gradients.py has our differences",
}


def load_suite():
    """The module of tests as a module of its own, made while sklearn.neural_network has our classes."""
    found = importlib.util.find_spec("sklearn.neural_network.tests.test_mlp")
    if found is None:
        pytest.skip("this scikit-learn is installed without its tests", allow_module_level=True)
    suite = importlib.util.module_from_spec(found)
    ours = {name: getattr(fastbp.sklearn, name) for name in ("MLPClassifier", "MLPRegressor")}
    with mock.patch.multiple(sklearn.neural_network, **ours):
        found.loader.exec_module(suite)
    return suite


SUITE = load_suite()
TESTS = {name: test for name, test in vars(SUITE).items() if name.startswith("test_") and callable(test)}
globals().update({name: test for name, test in TESTS.items() if name not in LEFT_OUT})

pytestmark = [
    pytest.mark.filterwarnings("default"),  # as in scikit-learn's own runs
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


@pytest.fixture(params=[42])
def global_random_seed(request):
    return request.param


def test_the_suite_runs_with_our_classes():
    assert SUITE.MLPClassifier is fastbp.sklearn.MLPClassifier
    assert SUITE.MLPRegressor is fastbp.sklearn.MLPRegressor
    assert len(TESTS) >= 40
    assert set(LEFT_OUT) < set(TESTS)
