"""Classify images of clothes: Fashion-MNIST, 60,000 training images and 10,000 test images.

    python examples/fashion_mnist.py --data DIR

DIR holds the four IDX files (train-images-idx3-ubyte and so on), gzipped or not. Without --data, the same code runs on
the handwritten digits that come with scikit-learn.
"""

import argparse

import numpy as np

import fastbp as fb
from fastbp.demo.datasets import load_digits, load_fashion_mnist

LEARNING_RATE = 2e-3

CLOTHES = ["T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"]


def load(directory):
    """Return the directory's data, or the digits, and the names of the classes."""
    if directory is None:
        print("No --data DIR: running on scikit-learn's handwritten digits instead of Fashion-MNIST.")
        return load_digits(), [f"digit {i}" for i in range(10)]
    return load_fashion_mnist(directory), CLOTHES


def show_hardest_classes(probabilities, labels, names):
    """Print the accuracy of each class, the worst first, and its most frequent wrong prediction."""
    predicted = probabilities.argmax(axis=1)
    confusion = np.zeros((len(names), len(names)), dtype=int)  # [true class, predicted class]
    np.add.at(confusion, (labels, predicted), 1)
    accuracies = confusion.diagonal() / confusion.sum(axis=1)
    mistakes = confusion - np.diag(confusion.diagonal())
    for i in accuracies.argsort()[:3]:
        print(f"  {names[i]:9s} {accuracies[i]:6.1%} right; most often taken for: {names[mistakes[i].argmax()]}")


def main():
    parser = argparse.ArgumentParser(description="Train a network on Fashion-MNIST.")
    parser.add_argument("--data", metavar="DIR", help="directory of the four IDX files")
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    (X, y, X_test, y_test), names = load(options.data)

    model = fb.Model([fb.Dense(256, "relu"), fb.Dense(128, "relu"), fb.Dense(10, "softmax")], inputs=X.shape[1], seed=0)
    model.summary()
    trainer = fb.Trainer(model, loss="cross_entropy", optimizer=fb.Adam(LEARNING_RATE), batch_size=128, seed=0)

    def lower_learning_rate(trainer, figures):
        """Lower the learning rate linearly to a tenth, epoch by epoch: small last steps lower the loss further."""
        done = figures["epoch"] / options.epochs
        trainer.optimizer = fb.Adam(LEARNING_RATE * (1 - 0.9 * done))

    trainer.fit(
        X,
        y,
        epochs=options.epochs,
        validation_data=(X_test, y_test),
        callbacks=[lower_learning_rate],
        progress=True,
    )

    print(f"test: {trainer.evaluate(X_test, y_test)}")
    print("hardest classes:")
    show_hardest_classes(model.predict(X_test), y_test, names)


if __name__ == "__main__":
    main()
