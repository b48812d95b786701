"""Loss curves for learning rates and momentum of gradient descent, and for Adam, on four small data sets.

    python examples/sklearn_learning_rates.py [--plot FILE]

An example from scikit-learn's gallery ("Compare Stochastic learning strategies for MLPClassifier"). Only the import
differs.
"""

import argparse
import warnings

from sklearn.datasets import load_digits, load_iris, make_circles, make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import minmax_scale

from fastbp.sklearn import MLPClassifier

GENTLE = {"solver": "sgd", "momentum": 0, "learning_rate_init": 0.2}
STRATEGIES = {
    "constant learning rate": GENTLE,
    "with momentum": GENTLE | {"momentum": 0.9, "nesterovs_momentum": False},
    "with Nesterov's momentum": GENTLE | {"momentum": 0.9, "nesterovs_momentum": True},
    "falling learning rate": GENTLE | {"learning_rate": "invscaling"},
    "falling, with momentum": GENTLE | {"learning_rate": "invscaling", "momentum": 0.9},
    "Adam": {"solver": "adam", "learning_rate_init": 0.01},
}


def train(X, y, max_iter):
    """Train a network for each strategy."""
    networks = {}
    for name, options in STRATEGIES.items():
        networks[name] = MLPClassifier(random_state=0, max_iter=max_iter, **options).fit(X, y)
    return networks


def main():
    parser = argparse.ArgumentParser(description="Compare learning rates.")
    parser.add_argument("--plot", metavar="FILE", help="where to write a picture of the loss curves")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)  # some do not converge in so few epochs
    datasets = {
        "iris": (*load_iris(return_X_y=True), 100),
        "digits": (*load_digits(return_X_y=True), 15),
        "circles": (*make_circles(noise=0.2, factor=0.5, random_state=1), 100),
        "moons": (*make_moons(noise=0.3, random_state=0), 100),
    }
    curves = {}
    for name, (X, y, max_iter) in datasets.items():
        X = minmax_scale(X)
        curves[name] = train(X, y, max_iter)
        print(name)
        for strategy, network in curves[name].items():
            loss = network.loss_
            print(f"  {strategy:26} {network.n_iter_:3} epochs, loss {loss:.4f}, right {network.score(X, y):.3f}")
    if options.plot:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(10, 7), layout="constrained")
        for ax, (name, networks) in zip(figure.subplots(2, 2).ravel(), curves.items(), strict=True):
            for strategy, network in networks.items():
                ax.plot(network.loss_curve_, label=strategy)
            ax.set(title=name, xlabel="epoch", ylabel="loss")
        ax.legend(fontsize=7)
        figure.savefig(options.plot)


if __name__ == "__main__":
    main()
