"""The effect of the penalty alpha: the smaller it is, the more irregular the border between two classes.

    python examples/sklearn_penalty.py [--plot FILE]

Three small data sets of two classes in the plane, five penalties, one network each. An example from scikit-learn's
gallery ("Varying regularization in Multi-layer Perceptron"). Only the import differs.
"""

import argparse

import numpy as np
from sklearn.datasets import make_circles, make_classification, make_moons
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastbp.sklearn import MLPClassifier

ALPHAS = np.logspace(-1, 1, 5)


def make_datasets():
    """Yield name, points and classes of each data set."""
    rng = np.random.RandomState(2)
    X, y = make_classification(n_features=2, n_redundant=0, n_informative=2, n_clusters_per_class=1, random_state=0)
    yield "two clouds", X + 2 * rng.uniform(size=X.shape), y
    yield "moons", *make_moons(noise=0.3, random_state=0)
    yield "circles", *make_circles(noise=0.2, factor=0.5, random_state=1)


def fit(alpha, X, y):
    network = MLPClassifier((10, 10), alpha=alpha, random_state=1, learning_rate_init=0.01, max_iter=1000)
    return make_pipeline(StandardScaler(), network).fit(X, y)


def draw(models, X, y, axes):
    """Draw the probability of class 1 over the plane, and the points, one panel per model."""
    low, high = X.min(axis=0) - 0.5, X.max(axis=0) + 0.5
    a, b = np.meshgrid(np.linspace(low[0], high[0], 80), np.linspace(low[1], high[1], 80))
    for ax, (alpha, model) in zip(axes, models.items(), strict=True):
        chance = model.predict_proba(np.column_stack([a.ravel(), b.ravel()]))[:, 1]
        ax.contourf(a, b, chance.reshape(a.shape), levels=20, cmap="RdBu", alpha=0.8)
        ax.scatter(X[:, 0], X[:, 1], c=y, cmap="RdBu", edgecolors="black", s=12)
        ax.set_title(f"alpha {alpha:.2f}", fontsize=8)
        ax.set_axis_off()


def main():
    parser = argparse.ArgumentParser(description="Show the effect of the penalty alpha.")
    parser.add_argument("--plot", metavar="FILE", help="where to write a picture of the borders")
    options = parser.parse_args()
    rows = []
    for name, X, y in make_datasets():
        X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.4, random_state=42)
        models = {alpha: fit(alpha, X_train, y_train) for alpha in ALPHAS}
        for alpha, model in models.items():
            length = np.sqrt(sum((W**2).sum() for W in model[-1].coefs_))
            print(f"{name:10}  alpha {alpha:6.3f}  weights {length:4.1f}  test {model.score(X_test, y_test):.3f}")
        rows.append((models, X, y))
    if options.plot:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(10, 6), layout="constrained")
        for axes, row in zip(figure.subplots(len(rows), len(ALPHAS)), rows, strict=True):
            draw(*row, axes)
        figure.savefig(options.plot)


if __name__ == "__main__":
    main()
