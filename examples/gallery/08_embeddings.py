"""
Embeddings: what a table of categories has learned
==================================================

``fb.Tabular`` trains a row of numbers for each category. Categories that act alike come to lie side by side.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastbp as fb

MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
rng = np.random.default_rng(0)
month, place = rng.integers(0, 12, 5000), rng.normal(size=5000)

# %%
# The temperature goes up and down with the months, and the place decides how much. The network sees nothing but the
# numbers of the months, as codes without an order.

angle = 2 * np.pi * (month - 0.5) / 12
temperature = 10 - 10 * np.cos(angle) * (1 + 0.3 * place) + 4 * np.sin(angle) + rng.normal(0, 1, 5000)
X = np.column_stack([place, month])

inputs = fb.Tabular(numeric=1, categories=[12], dims=[2])
model = fb.Model([fb.Dense(32, "gelu"), fb.Dense(1)], inputs=inputs, prepare_targets=fb.Standardize(), seed=1)
history = fb.Trainer(model, "mse", fb.Adam(5e-3), metrics=["r2"], seed=0).fit(X, temperature, epochs=40)
print("share of the variance explained:", round(history["r2"][-1], 3))

# %%
# The table has a row of two numbers for each month. Joined in the order of the calendar, they are a ring: summer
# at one end and winter at the other.

table = model.get_weights()[0][:12]  # the thirteenth row is for months that are unknown
figure, panel = plt.subplots(figsize=(5, 4.6))
panel.plot(*np.vstack([table, table[:1]]).T, color="0.7")
panel.scatter(*table.T, c=np.cos(2 * np.pi * (np.arange(12) - 0.5) / 12), cmap="coolwarm_r", s=60, zorder=3)
for name, point in zip(MONTHS, table, strict=True):
    panel.annotate(name, point, xytext=(5, 5), textcoords="offset points")
plt.show()
