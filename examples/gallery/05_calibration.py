"""
Calibration: are nine in ten of the "90 %" right?
=================================================

A network that was trained for too long is too sure of itself. Stopping early and smoothing the labels help.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_classification

import fastbp as fb

X, y = make_classification(6000, 20, n_informative=6, flip_y=0.2, class_sep=0.8, random_state=0)
train, test = slice(0, 1500), slice(1500, None)


def probabilities(loss, epochs):
    model = fb.Model([fb.Dense(128, "relu"), fb.Dense(128, "relu"), fb.Dense(1, "sigmoid")], inputs=20, seed=0)
    fb.Trainer(model, loss, fb.Adam(1e-3), seed=0).fit(X[train], y[train], epochs=epochs)
    return model.predict(X[test])[:, 0]


def reliability(p, bins=10):
    """The mean prediction in each of some bins, and the share of ones there."""
    bin_of = np.minimum((p * bins).astype(int), bins - 1)
    full = [b for b in range(bins) if (bin_of == b).sum() >= 20]
    return [p[bin_of == b].mean() for b in full], [y[test][bin_of == b].mean() for b in full]


# %%
# The straight line is what should be: of the samples that get 0.9, nine in ten are ones.

figure, panel = plt.subplots(figsize=(5, 4.6))
panel.plot([0, 1], [0, 1], color="0.5", linestyle=":")
for title, loss, epochs in [
    ("4 epochs", fb.BinaryCrossEntropy(), 4),
    ("40 epochs", fb.BinaryCrossEntropy(), 40),
    ("40 epochs, labels smoothed", fb.BinaryCrossEntropy(label_smoothing=0.2), 40),
]:
    panel.plot(*reliability(probabilities(loss, epochs)), marker="o", label=title)
panel.set(xlabel="predicted probability", ylabel="share of ones")
panel.legend()
plt.show()
