"""
Why is it this digit?
=====================

Each pixel's share of the answer, by integrated gradients: red speaks for the digit, blue against it.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import fastbp as fb

X, y = load_digits(return_X_y=True)
X = X / 16
model = fb.Model([fb.Dense(64, "gelu"), fb.Dense(10, "softmax")], inputs=64, seed=0)
fb.Trainer(model, "cross_entropy", fb.Adam(2e-3), seed=0).fit(X, y, epochs=30)

# %%
# Shares are counted from a baseline, here an empty picture. They add up to the difference of the two logits.

rows = [int(np.flatnonzero(y == digit)[0]) for digit in range(8)]
why = fb.explain(model, X[rows], "integrated_gradients", baseline=np.zeros(64), target="predicted")
print("largest error of the sums:", f"{np.abs(why.completeness_error).max():.0e}")

figure, panels = plt.subplots(2, 8, figsize=(9, 2.6))
for n, (image, shares) in enumerate(zip(X[rows], why.values, strict=True)):
    panels[0, n].imshow(image.reshape(8, 8), cmap="Greys")
    most = np.abs(shares).max()
    panels[1, n].imshow(shares.reshape(8, 8), cmap="RdBu_r", vmin=-most, vmax=most)
for panel in panels.flat:
    panel.axis("off")
plt.show()
