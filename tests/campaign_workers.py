"""Work for other processes, in a module that they can import."""

import numpy as np

import fastbp as fb

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 20)).astype("float32")
y = RNG.integers(0, 3, size=300)


def make_trainer(seed=1, n_threads=2):
    model = fb.Model([fb.Dense(64, "relu"), fb.Dense(32, "tanh"), fb.Dense(3, "softmax")], inputs=20, seed=seed)
    return fb.Trainer(model, "cross_entropy", "adam", batch_size=100, seed=seed, n_threads=n_threads)


def train(seed=1, n_threads=2):
    """The weights after an epoch, and predictions."""
    trainer = make_trainer(seed, n_threads)
    trainer.fit(X, y)
    return bits(trainer.model, n_threads)


def bits(model, n_threads=2):
    return b"".join(array.tobytes() for array in [*model.get_weights(), model.predict(X, n_threads=n_threads)])


def go_on(trainer):
    """The same of a trainer that was sent here, after one more epoch."""
    trainer.fit(X, y)
    return bits(trainer.model)
