"""Estimators as scikit-learn has them: its MLPClassifier and MLPRegressor trained by fastbp, and two for raw tables.
It imports callbacks, data, engine, exchange, explanations, layers, losses, models, optimizers, privacy, support,
tabular and training.

``from fastbp.sklearn import MLPClassifier, MLPRegressor`` in place of ``from sklearn.neural_network import ...``.
"""

try:
    import sklearn
except ImportError as error:
    raise ImportError(
        "fastbp.sklearn needs scikit-learn, which is not installed: pip install 'fastbp[sklearn]'."
    ) from (error)
if tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 6):
    raise ImportError(
        f"fastbp.sklearn needs scikit-learn 1.6 or newer, and {sklearn.__version__} is installed: "
        "pip install 'fastbp[sklearn]'."
    )

from fastbp.sklearn.classifier import MLPClassifier
from fastbp.sklearn.regressor import MLPRegressor
from fastbp.sklearn.tabular import TabularClassifier, TabularRegressor
from fastbp.support.arguments import explain_constructors

__all__ = ["MLPClassifier", "MLPRegressor", "TabularClassifier", "TabularRegressor"]

explain_constructors([MLPClassifier, MLPRegressor, TabularClassifier, TabularRegressor])
