"""
Activations and their slopes
============================

What each activation makes of a number, and its slope, which is what backpropagation multiplies by. The slope comes
from :meth:`fastbp.Model.vjp`, through a network of one layer that does nothing else.
"""

# %%
# A layer of one unit with the weight 1 and the bias 0 is the function itself.

import matplotlib.pyplot as plt
import numpy as np

import fastbp as fb

Z = np.linspace(-4, 4, 401).reshape(-1, 1)
NAMES = ["relu", "leaky_relu", "gelu", "silu", "tanh", "sigmoid", "softplus", "elu", "hard_swish"]


def function(name):
    model = fb.Model([fb.Dense(1, name)], inputs=1, dtype="float64")
    model.set_weights([[[1.0]], [0.0]])
    return model


# %%
# The slope is the gradient of the output by the input: a vector of ones, multiplied from the left.

figure, panels = plt.subplots(3, 3, figsize=(8, 7), sharex=True)
for name, panel in zip(NAMES, panels.flat, strict=True):
    model = function(name)
    panel.plot(Z, model.predict(Z), label="value")
    panel.plot(Z, model.vjp(Z, np.ones_like(Z))[1], linestyle="--", label="slope")
    panel.set_title(name)
panels[0, 0].legend()
plt.show()

# %%
# Where the slope is 0, nothing is learned from a sample: that is how a relu dies, and how a sigmoid saturates.
