"""Bundled data, and small estimators that are quick to fit; where scikit-learn is installed."""

from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import scale

from fastbp.sklearn import MLPClassifier, MLPRegressor

X, Y = load_breast_cancer(return_X_y=True)
X = scale(X)
X_TRAIN, X_TEST, Y_TRAIN, Y_TEST = train_test_split(X, Y, random_state=0)
IRIS = load_iris(return_X_y=True)
DIABETES = scale(load_diabetes().data), scale(load_diabetes().target)


def classifier(**options):
    return MLPClassifier(**{"hidden_layer_sizes": 8, "max_iter": 5, "random_state": 0, **options})


def regressor(**options):
    return MLPRegressor(**{"hidden_layer_sizes": 8, "max_iter": 5, "random_state": 0, **options})
