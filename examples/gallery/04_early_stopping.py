"""
Early stopping
==============

A network that is too large for its few data learns them by heart. Rows held out show when to stop.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer

import fastbp as fb

X, y = load_breast_cancer(return_X_y=True)


def trained(epochs, callbacks=()):
    layers = [fb.Dense(256, "relu"), fb.Dense(256, "relu"), fb.Dense(1, "sigmoid")]
    model = fb.Model(layers, inputs=30, prepare=fb.Standardize(), seed=0)
    trainer = fb.Trainer(model, "binary_cross_entropy", fb.Adam(3e-4), seed=0)
    return trainer.fit(X, y, epochs=epochs, validation_fraction=0.4, callbacks=list(callbacks))


# %%
# Without it: the loss on the training data goes to 0, and the other one comes back up.

history = trained(60)

# %%
# With it: training ends when the validation loss has not improved for 10 epochs, and the best weights are put back.

early = fb.EarlyStopping("val_loss", patience=10)
stopped = trained(60, [early])
print("stopped after", stopped.n_epochs, "epochs; the weights are those of epoch", early.best_epoch)

figure, panel = plt.subplots()
panel.plot(history["loss"], label="training")
panel.plot(history["val_loss"], label="held out")
panel.axvline(early.best_epoch - 1, color="0.5", linestyle=":", label="the best epoch")
panel.set(xlabel="epoch", ylabel="loss", ylim=(0, 0.3))
panel.legend()
plt.show()
