"""
One class is rare
=================

Three in a hundred samples are of class 1. What do class weights and the focal loss change?
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_classification
from sklearn.metrics import precision_recall_curve

import fastbp as fb

X, y = make_classification(8000, 12, n_informative=5, weights=[0.97], class_sep=0.9, flip_y=0.01, random_state=1)
train, test = slice(0, 4000), slice(4000, None)


def scores(loss, class_weight=None):
    model = fb.Model([fb.Dense(32, "relu"), fb.Dense(1, "sigmoid")], inputs=12, seed=0)
    fb.Trainer(model, loss, fb.Adam(2e-3), seed=0).fit(X[train], y[train], epochs=30, class_weight=class_weight)
    return model.predict(X[test])[:, 0]


found = {
    "as it is": scores("binary_cross_entropy"),
    "class weights": scores("binary_cross_entropy", "balanced"),
    "focal loss": scores(fb.Focal(gamma=2.0, alpha=0.75)),
}

# %%
# The curves of precision and recall hardly differ: the order of the samples is nearly the same. What differs is
# where the threshold of one half, a dot, lies on the curve.

figure, panel = plt.subplots(figsize=(5.4, 4.4))
for name, score in found.items():
    precision, recall, _ = precision_recall_curve(y[test], score)
    (line,) = panel.plot(recall, precision, label=name)
    positive = score > 0.5
    hits = np.sum(positive & (y[test] == 1))
    panel.plot(hits / y[test].sum(), hits / positive.sum(), "o", color=line.get_color(), markersize=9)
panel.set(xlabel="recall: share of the rare class that is found", ylabel="precision: share of the found that is right")
panel.legend()
plt.show()
