"""Trainings that must have the same bits on any number of ranks: kinds of layers, optimizers, options of a trainer."""

import contextlib
import hashlib
import warnings

import numpy as np

import fastbp as fb
from fastbp.engine import kernels

N_SAMPLES = 300  # a last batch of 44: some of its shards are empty
BATCH_SIZE = 128


def data(n_inputs=6):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_SAMPLES, n_inputs)).astype(np.float32)
    return X, rng.integers(0, 3, N_SAMPLES)


def classifier(*hidden, inputs=6, dtype="float32"):
    return fb.Model([*hidden, fb.Dense(3, "softmax")], inputs=inputs, seed=1, dtype=dtype)


def train(
    model,
    optimizer="adam",
    mpi=None,
    shards=8,
    fit=None,
    data=data,
    loss="cross_entropy",
    raises=(),
    **options,
):
    """Train for two epochs; return the trainer."""
    X, y = data()
    options = ({} if "privacy" in options else {"batch_size": BATCH_SIZE}) | options
    n_threads = 1 if mpi is None else 1 + mpi.rank % 2  # no result depends on it
    with contextlib.suppress(raises), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a training that is rolled back
        warnings.filterwarnings("ignore", "precision is 'bf16-mixed'")  # on a CPU where it does not pay
        trainer = fb.Trainer(model, loss, optimizer, shards=shards, distributed=mpi, n_threads=n_threads, **options)
        trainer.fit(X, y, **{"epochs": 2} | (fit or {}))
    return trainer


def tabular_data():
    rng = np.random.default_rng(2)
    X = np.column_stack([rng.normal(size=N_SAMPLES), rng.integers(0, 30, N_SAMPLES), rng.integers(0, 5, N_SAMPLES)])
    return X, rng.integers(0, 3, N_SAMPLES)


def chunks():
    X, y = data()
    return [(X[:170], y[:170]), (X[170:], y[170:])], None


def regression_chunks():
    X, _ = data()
    weights = np.linspace(0, 2, N_SAMPLES)
    for start in range(0, N_SAMPLES, 70):
        rows = slice(start, start + 70)
        yield X[rows], X[rows].sum(axis=1), weights[rows]


def part(number):
    """One of the parts, which differ in size and in the sum of their weights."""
    rng = np.random.default_rng(number)
    n = 10 + 7 * number
    return rng.normal(size=(n, 6)).astype(np.float32), rng.integers(0, 3, n), rng.uniform(0, 2, n)


def in_parts():
    return fb.distributed.Part(part), None


def own_loss(outputs, targets):
    difference = outputs - np.eye(3)[targets]
    return (difference**2).sum(axis=1), 2 * difference


def weighted():
    return {"sample_weight": np.random.default_rng(3).uniform(0, 2, N_SAMPLES), "class_weight": {0: 2.0, 1: 0.5}}


class Halves(fb.Callback):
    """Halves the learning rate after an epoch, and changes a weight: all ranks must take that over."""

    def on_epoch_end(self, trainer, figures):
        trainer.learning_rate /= 2
        weights = trainer.model.get_weights()
        weights[0][0, 0] += 1
        trainer.model.set_weights(weights)


class StopsInside(fb.Callback):
    """Stops inside the second epoch."""

    def on_step_end(self, trainer, figures):
        if figures["step"] == 4:
            trainer.stop()


def steps_by_hand(mpi=None, shards=8):
    """Steps on single batches, and by gradients that somebody else computed, which all ranks have whole."""
    X, y = data()
    model = classifier(fb.Dense(20, "relu", l2=1e-2), fb.BatchNorm(), inputs=6)
    trainer = fb.Trainer(
        model,
        "cross_entropy",
        fb.SGD(0.1, momentum=0.9),
        shards=shards,
        distributed=mpi,
        clip_norm=0.5,
        averaging="ema",
    )
    for first in (0, 100):
        trainer.step(X[first : first + 100], y[first : first + 100])
    _, gradients = model.loss_and_gradients(X, y, "cross_entropy")
    trainer.apply_gradients(gradients)
    trainer.step_gradient(X, np.full((len(X), 3), 1e-3))
    return trainer


def private(expected=64, **changes):
    return fb.DifferentialPrivacy(
        **{"noise_multiplier": 1.0, "target_delta": 1e-5, "expected_batch_size": expected, "secure": False} | changes
    )


CASES = {
    "single steps": steps_by_hand,
    "sgd with momentum, clip_norm": lambda **k: train(
        classifier(fb.Dense(40, "relu")), fb.SGD(0.1, momentum=0.9, nesterov=True), clip_norm=0.5, **k
    ),
    "adam, dropout, layer_norm, penalties": lambda **k: train(
        classifier(fb.Dense(30, "gelu", l1=1e-3, l2=1e-3, max_norm=2.0), fb.LayerNorm(), fb.Dropout(0.2)), **k
    ),
    "adamw, batch_norm, prelu, residual, ema": lambda **k: train(
        classifier(fb.Dense(24, "prelu"), fb.BatchNorm(), fb.Residual([fb.Dense(24, "tanh")])),
        fb.AdamW(0.01, weight_decay=0.1),
        averaging=fb.EMA(0.9),
        **k,
    ),
    "adagrad, embeddings, clip_array_norm": lambda **k: train(
        classifier(fb.Dense(20, "relu"), inputs=fb.Tabular(1, [40, 5])),
        "adagrad",
        data=tabular_data,
        clip_array_norm=0.1,
        **k,
    ),
    "rmsprop, weights of samples and classes, validation, roc_auc": lambda **k: train(
        classifier(fb.Dense(16, "elu")),
        "rmsprop",
        metrics=["accuracy", "roc_auc"],
        fit=weighted() | {"validation_fraction": 0.2, "on_nan": "rollback"},
        **k,
    ),
    "nadam, own loss, float64": lambda **k: train(
        fb.Model([fb.Dense(9, "silu"), fb.Dense(3)], inputs=6, seed=1, dtype="float64"),
        "nadam",
        loss=own_loss,
        metrics=[],
        fit={"validation_data": data()},
        **k,
    ),
    "regression, validation in chunks, r2": lambda **k: train(
        fb.Model([fb.Dense(9, "silu"), fb.Dense(1)], inputs=6, seed=1),
        loss="mse",
        data=lambda: (data()[0], data()[0].sum(axis=1)),
        metrics=["r2", "mae"],
        fit={"validation_data": regression_chunks},
        **k,
    ),
    "radam, callbacks": lambda **k: train(
        classifier(fb.Dense(8, "mish")), "radam", fit={"callbacks": [Halves(), fb.EarlyStopping("loss")]}, **k
    ),
    "lion, stopped inside an epoch": lambda **k: train(
        classifier(fb.Dense(8, "relu")), "lion", fit={"callbacks": StopsInside()}, **k
    ),
    "diverges and rolls back": lambda **k: train(
        classifier(fb.Dense(8, "relu")), fb.SGD(1e11), fit={"on_nan": "rollback"}, raises=FloatingPointError, **k
    ),
    "bf16-mixed": lambda **k: train(
        classifier(fb.Dense(256, "relu"), fb.Dense(256, "relu"), inputs=256),
        data=lambda: data(256),
        precision="bf16-mixed" if kernels.bf16() else None,
        **k,
    ),
    "chunks": lambda **k: train(classifier(fb.Dense(8, "relu")), data=chunks, **k),
    "parts, validation in parts": lambda **k: train(
        classifier(fb.Dense(20, "relu"), fb.Dropout(0.2)), data=in_parts, fit={"validation_data": in_parts()[0]}, **k
    ),
    "parts, batch_norm, clip_norm, stopped inside an epoch": lambda **k: train(
        classifier(fb.Dense(20, "relu"), fb.BatchNorm()),
        fb.SGD(0.1, momentum=0.9),
        data=in_parts,
        clip_norm=0.5,
        fit={"callbacks": StopsInside(), "class_weight": {1: 3.0}},
        **k,
    ),
    "private, dropout, layer_norm, penalties, ema, a budget": lambda **k: train(
        classifier(fb.Dense(30, "prelu", l2=1e-3, max_norm=2.0), fb.LayerNorm(), fb.Dropout(0.2)),
        averaging=fb.EMA(0.9),
        privacy=private(noise_multiplier=None, target_epsilon=2.0, clipping="per_layer"),
        fit=weighted() | {"validation_data": fb.Public(*data())},
        **k,
    ),
    "private, embeddings, momentum, micro-batches": lambda **k: train(
        classifier(fb.Dense(20, "tanh"), inputs=fb.Tabular(1, [40, 5])),
        fb.SGD(0.1, momentum=0.9),
        data=tabular_data,
        privacy=private(200, max_physical_batch_size=20, clipping="automatic"),
        **k,
    ),
    "private, steps without samples, a callback stops": lambda **k: train(
        classifier(fb.Dense(8, "tanh")), privacy=private(1), fit={"callbacks": StopsInside(), "epochs": 1}, **k
    ),
    "private, stopped at the end of the budget": lambda **k: train(
        classifier(fb.Dense(8, "tanh")), privacy=private(target_epsilon=6.0), fit={"epochs": 99}, **k
    ),
    "an ensemble of members, dropout, validation, ema": lambda **k: train(
        fb.Model(
            [fb.BatchEnsemble(4, [fb.Dense(20, "relu"), fb.Dropout(0.2), fb.Dense(3, "softmax")], adapters="all")],
            inputs=6,
            seed=1,
        ),
        "adamw",
        averaging=fb.EMA(0.9),
        metrics=["accuracy", "roc_auc"],
        fit=weighted() | {"validation_fraction": 0.2},
        **k,
    ),
    "numbers and words, periodic, piecewise linear, clip_norm": lambda **k: train(
        classifier(
            fb.Periodic(3, 5, columns=[0]),
            fb.PiecewiseLinear([[-1.0, 0.0, 1.0]], columns=[1], units=4),
            fb.Dense(20, "relu", l2=1e-3),
            inputs=fb.Tabular(1, [40, 5]),
        ),
        "nadam",
        data=tabular_data,
        clip_norm=0.5,
        **k,
    ),
    "rprop": lambda **k: train(classifier(fb.Dense(8, "relu")), "rprop", batch_size=None, **k),
    "adadelta": lambda **k: train(classifier(fb.Dense(8, "relu")), "adadelta", **k),
    "adamax": lambda **k: train(classifier(fb.Dense(8, "relu")), "adamax", **k),
}


def digest(trainer):
    """Return a SHA-256 of weights, averages, the optimizer's state and the history."""
    hasher = hashlib.sha256()
    state = trainer.parts.state.gathered()
    averages = state["averages"][0] if state["averages"] else []
    arrays = [*trainer.model.get_weights(), *averages, *(array for _, array in state["optimizer_state"])]
    for array in arrays:
        hasher.update(np.ascontiguousarray(array).data)
    history = {name: values for name, values in trainer.history.items() if name != "seconds"}
    account = state.get("privacy")  # with the key
    hasher.update(repr((history, trainer.n_steps, trainer.stop_reason, trainer.history.kept_epoch, account)).encode())
    return hasher.hexdigest()
