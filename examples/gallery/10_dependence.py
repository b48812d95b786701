"""
How an answer depends on a column
=================================

Partial dependence and accumulated effects of a network that predicts the progress of diabetes.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_diabetes

import fastbp as fb

X, y = load_diabetes(return_X_y=True, as_frame=True)
layers = [fb.Dense(64, "gelu"), fb.Dropout(0.3), fb.Dense(1)]
model = fb.Model(layers, prepare=fb.Standardize(), prepare_targets=fb.Standardize(), seed=0)
early = fb.EarlyStopping("val_loss", patience=20)
fb.Trainer(model, "mse", fb.Adam(1e-3), seed=0).fit(X, y, epochs=200, validation_fraction=0.2, callbacks=[early])

# %%
# Which columns matter?

ranking = fb.permutation_importance(model, X, y)
ranking.plot()
plt.show()

# %%
# The body mass index is one of them. Partial dependence sets it to a value in every row and takes the mean; the
# thin lines are single rows.

fb.partial_dependence(model, X, "bmi").plot()
plt.show()

# %%
# Accumulated effects look only at values that are near those of the row. They are to be preferred where columns go
# together.

fb.accumulated_effects(model, X, "bmi").plot()
plt.show()
