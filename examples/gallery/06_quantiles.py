"""
Quantiles: a fan instead of a line
==================================

``fb.Quantile`` trains several quantiles of the target at once. No distribution is assumed.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastbp as fb

rng = np.random.default_rng(0)
x = rng.uniform(0, 10, 2000)
y = 2 + np.sin(x) + rng.gamma(2.0, 0.1 + 0.06 * x)  # skewed, and wider to the right
QUANTILES = [0.05, 0.25, 0.5, 0.75, 0.95]

# %%
# One output for each quantile.

model = fb.Model([fb.Dense(64, "tanh"), fb.Dense(64, "tanh"), fb.Dense(5)], prepare=fb.Standardize(), seed=0)
fb.Trainer(model, fb.Quantile(QUANTILES), fb.Adam(2e-3), seed=0).fit(x.reshape(-1, 1), y, epochs=60)

grid = np.linspace(0, 10, 200)
lines = model.predict(grid.reshape(-1, 1)).T
figure, panel = plt.subplots()
panel.scatter(x, y, s=3, color="0.75")
panel.fill_between(grid, lines[0], lines[4], alpha=0.25, label="nine in ten")
panel.fill_between(grid, lines[1], lines[3], alpha=0.35, color="tab:blue", label="half")
panel.plot(grid, lines[2], color="black", label="median")
panel.legend()
plt.show()

# %%
# How many of the targets lie below each?

for quantile, line in zip(QUANTILES, model.predict(x.reshape(-1, 1)).T, strict=True):
    print(f"{quantile:.2f}: {(y < line).mean():.2f}")
