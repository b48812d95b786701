"""scikit-learn's MLPClassifier."""

import warnings

import numpy as np
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from ..workloads import BETA_1, BETA_2, EPSILON, LEARNING_RATE, Workload, make_data


class SklearnPeer:
    """One call of `MLPClassifier.fit` for all epochs of a turn, going on from the weights that it has."""

    settings = "MLPClassifier.fit, solver adam, alpha=0, no early stopping, warm_start=True, max_iter=epochs"

    def __init__(self, workload: Workload, dtype: str, n_threads: int):
        self.batch_size = workload.batch_size
        self.X, self.y = make_data(workload, dtype)
        self.note = "two classes are one logistic output here" if workload.sizes[-1] == 2 else ""
        self.classifier = MLPClassifier(
            workload.sizes[1:-1],
            activation="relu",
            solver="adam",
            alpha=0.0,
            batch_size=self.batch_size,
            learning_rate_init=LEARNING_RATE,
            beta_1=BETA_1,
            beta_2=BETA_2,
            epsilon=EPSILON,
            max_iter=1,
            tol=0.0,
            n_iter_no_change=10**9,
            warm_start=True,
            random_state=np.random.RandomState(0),
        )
        warnings.simplefilter("ignore", ConvergenceWarning)
        # The attributes that warm_start goes on from exist only after a fit.
        self.train(n_batches=1, epochs=1, shuffle=False)

    def reset(self, weights: list[np.ndarray]) -> None:
        """See `Peer`. Every fit makes a new optimizer."""
        if not self.note:
            self.classifier.coefs_ = [W.copy() for W in weights[::2]]
            self.classifier.intercepts_ = [b.copy() for b in weights[1::2]]

    def train(self, n_batches: int, epochs: int, shuffle: bool) -> list[float]:
        """See `Peer`."""
        n_samples = n_batches * self.batch_size
        self.classifier.set_params(max_iter=epochs, shuffle=shuffle)
        self.classifier.fit(self.X[:n_samples], self.y[:n_samples])
        return [float(loss) for loss in self.classifier.loss_curve_[-epochs:]]


class SklearnPredictor:
    """`MLPClassifier.predict_proba` of a classifier that was not fitted, but given what a fit leaves behind.

    Two classes are two softmax outputs here, as for the others, and not the logistic one that `fit` would make.
    """

    settings = "MLPClassifier.predict_proba"
    note = ""

    def __init__(self, workload: Workload, dtype: str, n_threads: int):
        self.classifier = MLPClassifier(workload.sizes[1:-1], activation="relu")
        self.classifier.n_features_in_ = workload.sizes[0]
        self.classifier.n_outputs_ = workload.sizes[-1]
        self.classifier.n_layers_ = len(workload.sizes)
        self.classifier.out_activation_ = "softmax"

    def reset(self, weights: list[np.ndarray]) -> None:
        """See `Predictor`."""
        self.classifier.coefs_, self.classifier.intercepts_ = weights[::2], weights[1::2]

    def predict(self, X: np.ndarray) -> np.ndarray:
        """See `Predictor`."""
        return self.classifier.predict_proba(X)


def versions() -> dict[str, str]:
    """See `bench.peers`."""
    return {"scikit-learn": sklearn.__version__}
