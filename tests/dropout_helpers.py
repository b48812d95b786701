"""The masks of dropout, read off a model's weights, and those of version 0.1."""

import numpy as np

import fastbp as fb
import reference

GOLDEN = 0x9E3779B97F4A7C15


def key_of(seed, stage):
    """The random key of a stage."""
    return (seed + GOLDEN * (stage + 1)) % 2**64


def masks_of_a_step(rate, n_samples, n_features, dtype, behind_a_layer=False, seed=0, step=0, by_lane=False, **options):
    """What the dropout multiplies each number of a batch with, read off the weights that one step of SGD makes.

    The layer after the dropout has a unit a sample, no weights yet, and targets that make dZ the unit matrix.
    """
    identity = [fb.Dense(n_features, "linear")] if behind_a_layer else []
    model = fb.Model([*identity, fb.Dropout(rate), fb.Dense(n_samples)], inputs=n_features, dtype=dtype)
    first = [np.eye(n_features), np.zeros(n_features)] if behind_a_layer else []
    model.set_weights([*first, np.zeros((n_features, n_samples)), np.zeros(n_samples)])
    options = {"batch_size": None, "n_threads": 1} | options
    trainer = fb.Trainer(model, "mse", fb.SGD(1.0), seed=seed, shuffle=False, **options)
    session = trainer.parts.state.session
    session.n_steps = step
    if by_lane:
        session.dropout_mask = 1
    trainer.fit(np.ones((n_samples, n_features)), np.eye(n_samples) * n_samples**2 / 2)
    return model.get_weights()[-2].T.astype(float)


def masks_by_lane(rate, n_samples, n_units, key, step, lanes, dtype):
    """Those of version 0.1, (n_samples, n_units): drawn panel by panel, for `lanes` samples at once.

    A round of 16 counters gives a draw of 64 bits for each word of that size, first from their first two words.
    """
    n_bits = 8 * np.dtype(dtype).itemsize
    n_panels, n_rounds = -(-n_samples // lanes), -(-n_units * lanes * n_bits // 2048)
    counters = np.zeros((n_panels * n_rounds * 16, 4), np.uint64)
    counters[:, 0] = np.arange(len(counters))
    counters[:, 2:] = step % 2**32, step >> 32
    words = reference.philox(counters, key).reshape(-1, 16, 2, 2).transpose(0, 2, 1, 3)  # round, half, counter, word
    words = words.astype("<u4").reshape(n_panels, -1)
    if n_bits == 64:
        words = words.view("<u8")
    elements = words[:, : n_units * lanes] & np.array(2 ** (n_bits - 1) - 1, words.dtype)
    dropped = elements.astype(np.uint64) < np.uint64(rate * 2.0 ** (n_bits - 1))
    by_sample = dropped.reshape(n_panels, n_units, lanes).transpose(0, 2, 1).reshape(-1, n_units)
    return np.where(by_sample[:n_samples], 0.0, 1.0 / (1.0 - rate))
