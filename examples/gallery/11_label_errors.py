"""
Label errors found
==================

Some labels of the digits are made wrong on purpose. ``fb.suspect_labels`` ranks all samples by how little networks
that were not trained on them believe their labels.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import fastbp as fb

X, y = load_digits(return_X_y=True)
X = X / 16
rng = np.random.default_rng(0)
spoiled = rng.choice(len(y), 40, replace=False)
given = y.copy()
given[spoiled] = (y[spoiled] + rng.integers(1, 10, 40)) % 10

model = fb.Model([fb.Dense(64, "relu"), fb.Dense(10, "softmax")], inputs=64, seed=0)
suspects = fb.suspect_labels(model, X, given, epochs=20)

# %%
# How many of the first are truly wrong?

wrong = np.isin(suspects.rows, spoiled)
print("of the 40 first,", wrong[:40].sum(), "were spoiled")

figure, panel = plt.subplots()
panel.plot(range(1, 121), np.cumsum(wrong)[:120])
panel.plot([0, 40, 120], [0, 40, 40], color="0.5", linestyle=":", label="the best possible")
panel.set(xlabel="samples looked at", ylabel="wrong labels found")
panel.legend()
plt.show()

# %%
# The most suspicious ones, with the label that they have and the one that the networks propose.

figure, panels = plt.subplots(1, 8, figsize=(8.5, 1.7))
for n, panel in enumerate(panels):
    panel.imshow(X[suspects.rows[n]].reshape(8, 8), cmap="Greys")
    panel.set_title(f"{suspects.given[n]}, or {suspects.predicted[n]}?", fontsize=9)
    panel.axis("off")
plt.show()
