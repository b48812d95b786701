"""The weights of the first layer as pictures, in a network for handwritten digits.

    python examples/sklearn_weights.py [--plot FILE]

An example from scikit-learn's gallery ("Visualization of MLP weights on MNIST"), on the digits of 8 x 8 pixels that
come with scikit-learn in place of a download. Only the import differs.
"""

import argparse
import warnings

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from fastbp.sklearn import MLPClassifier

SHADES = " .:-=+*#%@"


def as_text(weights):
    """Return a unit's 8 x 8 weights as lines of text, the largest darkest."""
    shades = np.interp(weights, [weights.min(), weights.max()], [0, len(SHADES) - 1]).round().astype(int)
    return ["".join(2 * SHADES[shade] for shade in row) for row in shades]


def main():
    parser = argparse.ArgumentParser(description="Look at the weights of a network for digits.")
    parser.add_argument("--plot", metavar="FILE", help="where to write a picture of the weights")
    options = parser.parse_args()
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0, test_size=0.7)
    network = MLPClassifier(
        hidden_layer_sizes=(40,), max_iter=8, alpha=1e-4, solver="sgd", verbose=10, random_state=1,
        learning_rate_init=0.2,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # eight epochs are enough
        network.fit(X_train, y_train)
    print(f"right in training {network.score(X_train, y_train):.3f}, in the test {network.score(X_test, y_test):.3f}")
    pictures = network.coefs_[0].T.reshape(-1, 8, 8)
    for lines in zip(*map(as_text, pictures[:4]), strict=True):
        print("    ".join(lines))
    if options.plot:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6, 4))
        for ax, picture in zip(figure.subplots(5, 8).ravel(), pictures, strict=True):
            ax.matshow(picture, cmap="gray", vmin=pictures.min() / 2, vmax=pictures.max() / 2)
            ax.set_axis_off()
        figure.savefig(options.plot)


if __name__ == "__main__":
    main()
