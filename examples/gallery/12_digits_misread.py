"""
Digits misread
==============

Which digits are taken for which, and what the hardest ones look like.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import fastbp as fb

X, y = load_digits(return_X_y=True)
X = X / 16


def make_trainer(fold):
    model = fb.Model([fb.Dense(64, "relu"), fb.Dense(10, "softmax")], inputs=64, seed=fold)
    return fb.Trainer(model, "cross_entropy", fb.Adam(2e-3), seed=fold)


# %%
# In a cross-validation, each digit is read by a network that was not trained on it.

result = fb.cross_validate(make_trainer, X, y, folds=5, epochs=20)
read = result.predictions.argmax(axis=1)
print("read correctly:", round(float((read == y).mean()), 3))

counts = np.zeros((10, 10), int)
np.add.at(counts, (y, read), 1)
np.fill_diagonal(counts, 0)

figure, panel = plt.subplots(figsize=(5, 4.4))
drawn = panel.imshow(counts, cmap="Oranges")
panel.set(xticks=range(10), yticks=range(10), xlabel="read as", ylabel="digit", title="mistakes")
panel.grid(visible=False)
figure.colorbar(drawn)
plt.show()

# %%
# The ones that were read wrong with the greatest certainty.

certainty = np.where(read == y, 0, result.predictions.max(axis=1))
figure, panels = plt.subplots(1, 8, figsize=(8.5, 1.7))
for row, panel in zip(np.argsort(-certainty), panels, strict=False):
    panel.imshow(X[row].reshape(8, 8), cmap="Greys")
    panel.set_title(f"{y[row]}, as {read[row]}", fontsize=9)
    panel.axis("off")
plt.show()
