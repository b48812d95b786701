"""
Initial weights, layer by layer
===============================

Ten layers with a relu each, before any training. Weights of the wrong size let the numbers fade or explode on
their way.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastbp as fb

X = np.random.default_rng(0).normal(size=(500, 100)).astype("float32")

# %%
# ``Model.inspect`` has the statistics of every layer for a batch.

figure, panel = plt.subplots()
for name, initializer in {
    "normal, deviation 0.05": fb.Normal(standard_deviation=0.05),
    "Glorot": fb.Glorot(),
    "He: made for relu": fb.He(),
    "normal, deviation 0.3": fb.Normal(standard_deviation=0.3),
}.items():
    layers = [fb.Dense(100, "relu", initializer=initializer) for _ in range(10)]
    statistics = fb.Model([*layers, fb.Dense(1)], inputs=100, seed=0).inspect(X)
    panel.plot(range(1, 11), [layer.std for layer in statistics.layers[:10]], marker="o", label=name)
panel.set(xlabel="layer", ylabel="deviation of its outputs", yscale="log", xticks=range(1, 11))
panel.legend()
plt.show()
