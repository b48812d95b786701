"""Classify images of clothes without giving any of them away: Fashion-MNIST at epsilon 1, 3 and 8, delta 1e-5.

    python examples/private_fashion_mnist.py --data DIR --epsilon 3

DIR holds the four IDX files, gzipped or not. Without --data, the same code runs on the handwritten digits that come
with scikit-learn: they are few, and privacy costs them much more accuracy.
"""

import argparse

import fastbp as fb
from fastbp.demo.datasets import load_digits, load_fashion_mnist

# Of pixels from 0 to 1, about what is published for Fashion-MNIST: constants, so that nothing is learnt from images.
CENTRE, SPREAD = 0.3, 0.35


def load(directory):
    """Return the directory's data, or the digits."""
    if directory is None:
        print("No --data DIR: running on scikit-learn's handwritten digits instead of Fashion-MNIST.")
        return load_digits()
    return load_fashion_mnist(directory)


def main():
    parser = argparse.ArgumentParser(description="Train a private network on Fashion-MNIST.")
    parser.add_argument("--data", metavar="DIR", help="directory of the four IDX files")
    parser.add_argument("--epsilon", type=float, default=3.0)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--units", type=int, default=128)
    parser.add_argument(
        "--batch", type=int, default=None, help="expected batch size; default: a thirtieth of the samples"
    )
    parser.add_argument("--rate", type=float, default=1.0)
    parser.add_argument("--seeds", type=int, default=1, help="models that are trained, each with its own noise")
    options = parser.parse_args()
    X, y, X_test, y_test = load(options.data)
    X, X_test = ((images - CENTRE) / SPREAD for images in (X, X_test))

    accuracies = []
    for seed in range(options.seeds):
        layers = [fb.Dense(options.units, "tanh"), fb.Dense(10, "softmax")]
        model = fb.Model(layers, inputs=X.shape[1], seed=seed)
        trainer = fb.Trainer(
            model,
            loss="cross_entropy",
            optimizer=fb.SGD(options.rate, momentum=0.9),
            averaging=fb.EMA(0.98),
            privacy=fb.DifferentialPrivacy(
                max_grad_norm=0.5,
                target_epsilon=options.epsilon,
                target_delta=1e-5,
                expected_batch_size=options.batch or max(len(X) // 30, 1),
            ),
        )
        trainer.fit(X, y, epochs=options.epochs, progress=True)
        accuracies.append(trainer.evaluate(X_test, y_test, averaged=True)["accuracy"])
        print(f"seed {seed}: test accuracy {accuracies[-1]:.4f}")
    print(f"mean test accuracy at epsilon {options.epsilon:g}: {sum(accuracies) / len(accuracies):.4f}")
    print(trainer.privacy.statement())


if __name__ == "__main__":
    main()
