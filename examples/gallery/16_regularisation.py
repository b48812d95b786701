"""
Against learning by heart
=========================

Thirty noisy points and a network of thousands of weights: what weight decay, dropout and stopping early do to the
curve.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastbp as fb

rng = np.random.default_rng(2)
x = np.sort(rng.uniform(-3, 3, 30))
y = np.sin(x) + rng.normal(0, 0.3, 30)
grid = np.linspace(-3.2, 3.2, 300).reshape(-1, 1)


def curve(optimizer, epochs=3000, dropout=0.0):
    layers = [fb.Dense(100, "tanh"), fb.Dense(100, "tanh"), fb.Dropout(dropout), fb.Dense(1)]
    if not dropout:
        del layers[2]
    model = fb.Model(layers, inputs=1, seed=0)
    fb.Trainer(model, "mse", optimizer, batch_size=None, seed=0).fit(x.reshape(-1, 1), y, epochs=epochs)
    return model.predict(grid)


# %%
# The dotted line is the truth.

CASES = {
    "nothing": curve(fb.Adam(3e-3)),
    "weight decay": curve(fb.AdamW(3e-3, weight_decay=5.0)),
    "dropout": curve(fb.Adam(3e-3), dropout=0.3),
    "200 epochs instead of 3000": curve(fb.Adam(3e-3), epochs=200),
}
figure, panels = plt.subplots(2, 2, figsize=(8.4, 5), sharex=True, sharey=True)
for panel, (name, line) in zip(panels.flat, CASES.items(), strict=True):
    panel.plot(grid, np.sin(grid), color="0.5", linestyle=":")
    panel.plot(grid, line)
    panel.scatter(x, y, s=12, color="black")
    panel.set(title=name, ylim=(-2, 2))
plt.show()
