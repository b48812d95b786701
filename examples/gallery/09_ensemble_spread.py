"""
Where an ensemble disagrees
===========================

Five networks with different first weights, trained side by side. Where the boundary leaves the data, they disagree.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons

import fastbp as fb

X, y = make_moons(300, noise=0.15, random_state=0)
models = [
    fb.Model([fb.Dense(50, "relu"), fb.Dense(50, "relu"), fb.Dense(1, "sigmoid")], inputs=2, seed=seed)
    for seed in range(5)
]
trainers = [fb.Trainer(model, "binary_cross_entropy", fb.Adam(3e-3), seed=n) for n, model in enumerate(models)]
fb.fit_many(trainers, X, y, epochs=150)

# %%
# The mean of the predictions, and their standard deviation.

side = np.linspace(-4, 5, 150), np.linspace(-4, 4, 150)
plane = np.stack(np.meshgrid(*side), axis=-1).reshape(-1, 2)
mean, spread = fb.Ensemble(models).predict_spread(plane)

figure, panels = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True)
for panel, values, cmap, title in zip(panels, (mean, spread), ("RdBu_r", "magma"), ("mean", "spread"), strict=True):
    drawn = panel.contourf(*side, values.reshape(150, 150), levels=20, cmap=cmap)
    panel.scatter(*X.T, s=4, color="white", edgecolors="black", linewidths=0.3)
    panel.set_title(title)
    figure.colorbar(drawn, ax=panel)
plt.show()
