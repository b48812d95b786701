"""
Optimizers in a narrow valley
=============================

A network of two weights, whose loss is a valley 49 times as steep across as along. Forty steps of each optimizer.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastbp as fb

INPUTS, TARGETS = np.array([[7.0, 0.0], [0.0, 1.0]]), np.zeros(2)
OPTIMIZERS = {
    "SGD": fb.SGD(0.02),
    "SGD, momentum": fb.SGD(0.005, momentum=0.9),
    "SGD, Nesterov": fb.SGD(0.005, momentum=0.9, nesterov=True),
    "RMSprop": fb.RMSprop(0.02),
    "Adam": fb.Adam(0.1),
    "Lion": fb.Lion(0.05),
}


def path(optimizer):
    model = fb.Model([fb.Dense(1, use_bias=False)], inputs=2, dtype="float64")
    model.set_weights([[[0.4], [2.0]]])
    trainer = fb.Trainer(model, "mse", optimizer, batch_size=None, shuffle=False)
    points = [model.get_weights()[0].ravel()]
    for _ in range(40):
        trainer.step(INPUTS, TARGETS)
        points.append(model.get_weights()[0].ravel())
    return np.array(points)


# %%
# The lowest point is the star.

across, along = np.linspace(-0.8, 0.8, 101), np.linspace(-1.6, 2.4, 101)
loss = (49 * across[None, :] ** 2 + along[:, None] ** 2) / 2
figure, panels = plt.subplots(2, 3, figsize=(9, 6), sharex=True, sharey=True)
for panel, (name, optimizer) in zip(panels.flat, OPTIMIZERS.items(), strict=True):
    panel.contour(across, along, loss, levels=np.geomspace(0.05, 20, 10), cmap="Greys")
    panel.plot(*path(optimizer).T, marker=".")
    panel.plot(0, 0, "*", markersize=12)
    panel.set_title(name)
plt.show()
