"""
Hidden units and the boundary between two classes
=================================================

Two half-moons, and the same training with 1, 3 and 30 hidden units.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons

import fastbp as fb

X, y = make_moons(400, noise=0.2, random_state=0)
side = np.linspace(-2, 3, 150), np.linspace(-1.5, 2, 150)
plane = np.stack(np.meshgrid(*side), axis=-1).reshape(-1, 2)

# %%
# One unit can draw one line. Three draw three lines, which the last layer combines. With thirty the boundary bends.

figure, panels = plt.subplots(1, 3, figsize=(9, 3.2), sharey=True)
for panel, units in zip(panels, (1, 3, 30), strict=True):
    model = fb.Model([fb.Dense(units, "relu"), fb.Dense(1, "sigmoid")], inputs=2, seed=3)
    trainer = fb.Trainer(model, "binary_cross_entropy", fb.Adam(0.01), seed=0)
    trainer.fit(X, y, epochs=200)
    panel.contourf(*side, model.predict(plane).reshape(150, 150), levels=20, cmap="RdBu_r", vmin=0, vmax=1)
    panel.scatter(*X.T, c=y, s=16, cmap="RdBu_r", edgecolors="white", linewidths=0.5)
    panel.set_title(f"hidden units: {units}, {trainer.evaluate(X, y)['accuracy']:.0%} right")
plt.show()
