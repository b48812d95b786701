"""fastbp: `Trainer.fit` and `Model.predict` as a user calls them."""

from typing import Any, ClassVar

import numpy as np

import fastbp as fb
from fastbp.engine import kernels

from ..workloads import (
    BETA_1,
    BETA_2,
    CLIP,
    DROPOUT_RATE,
    EMA_DECAY,
    EPSILON,
    LABEL_SMOOTHING,
    LEARNING_RATE,
    Workload,
    make_data,
)


def make_model(workload: Workload, dtype: str, seed: int = 0) -> fb.Model:
    """The network of a workload: relu, and a softmax at the end."""
    layers = [fb.Dense(units, "relu") for units in workload.sizes[1:-1]] + [fb.Dense(workload.sizes[-1], "softmax")]
    return fb.Model(layers, inputs=workload.sizes[0], dtype=dtype, seed=seed)


class FastbpPeer:
    """One call of `Trainer.fit` for all epochs of a turn. No metrics, as no peer computes any."""

    settings = "Trainer.fit(epochs=k, progress=False), metrics=[]"
    note = ""

    def __init__(self, workload: Workload, dtype: str, n_threads: int):
        self.batch_size = workload.batch_size
        self.n_threads = n_threads
        self.X, self.y = make_data(workload, dtype)
        self.model = make_model(workload, dtype)
        self.settings = f"{FastbpPeer.settings}, {kernels.isa()} kernels"

    def reset(self, weights: list[np.ndarray]) -> None:
        """See `Peer`. One trainer for the timed turns, which shuffle, one for the comparison, which does not."""
        self.model.set_weights(weights)
        self.trainers = {shuffle: self._make_trainer(shuffle) for shuffle in (True, False)}

    def _make_trainer(self, shuffle: bool, **options: Any) -> fb.Trainer:
        return fb.Trainer(
            self.model,
            loss=options.pop("loss", "cross_entropy"),
            optimizer=fb.Adam(LEARNING_RATE, beta_1=BETA_1, beta_2=BETA_2, epsilon=EPSILON),
            metrics=[],
            batch_size=self.batch_size,
            n_threads=self.n_threads,
            shuffle=shuffle,
            seed=0,
            **options,
        )

    def train(self, n_batches: int, epochs: int, shuffle: bool) -> list[float]:
        """See `Peer`."""
        n_samples = n_batches * self.batch_size
        history = self.trainers[shuffle].fit(self.X[:n_samples], self.y[:n_samples], epochs=epochs, progress=False)
        return list(history["loss"][-epochs:])


_NARROW_NOTE = "products of operands rounded to bfloat16"


class FastbpNarrowPeer(FastbpPeer):
    """The same with bfloat16 products."""

    note = _NARROW_NOTE

    def __init__(self, workload: Workload, dtype: str, n_threads: int):
        super().__init__(workload, dtype, n_threads)
        self.settings += f", precision='bf16-mixed' ({kernels.bf16()})"

    def reset(self, weights: list[np.ndarray]) -> None:
        """See `Peer`."""
        self.model.set_weights(weights)
        self.trainers = {shuffle: self._make_trainer(shuffle, precision="bf16-mixed") for shuffle in (True, False)}


class FastbpCostPeer(FastbpPeer):
    """The same with one feature more, from its own initial weights: a norm brings parameters of its own."""

    _options: ClassVar[dict[str, dict[str, Any]]] = {
        "clip_value": {"clip_value": CLIP},
        "clip_norm": {"clip_norm": CLIP},
        "ema": {"averaging": fb.EMA(EMA_DECAY)},
        "label_smoothing": {"loss": fb.CrossEntropy(label_smoothing=LABEL_SMOOTHING)},
    }

    def __init__(self, workload: Workload, dtype: str, n_threads: int):
        super().__init__(workload, dtype, n_threads)
        hidden = [layer for units in workload.sizes[1:-1] for layer in _hidden_layers(units, workload.feature)]
        layers = [*hidden, fb.Dense(workload.sizes[-1], "softmax")]
        self.model = fb.Model(layers, inputs=workload.sizes[0], dtype=dtype, seed=0)
        self.options = self._options.get(workload.feature, {})

    def reset(self, weights: list[np.ndarray]) -> None:
        """See `Peer`; the weights stay as they are."""
        self.trainers = {True: self._make_trainer(True, **self.options)}


def _hidden_layers(units: int, feature: str) -> list[Any]:
    """A dense layer, its ReLU and what the feature has for it."""
    if feature == "layer_norm":
        return [fb.Dense(units), fb.LayerNorm(), fb.Activation("relu")]
    if feature == "batch_norm":
        return [fb.Dense(units), fb.BatchNorm(), fb.Activation("relu")]
    dropout = [fb.Dropout(DROPOUT_RATE)] if feature == "dropout" else []
    return [fb.Dense(units, "relu"), *dropout]


class FastbpPredictor:
    """`Model.predict`, the number of threads from the environment."""

    note = ""

    def __init__(self, workload: Workload, dtype: str, n_threads: int):
        self.model = make_model(workload, dtype)
        self.settings = f"model.predict(X), OMP_NUM_THREADS, {kernels.isa()} kernels"

    def reset(self, weights: list[np.ndarray]) -> None:
        """See `Predictor`."""
        self.model.set_weights(weights)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """See `Predictor`."""
        return self.model.predict(X)


class FastbpNarrowPredictor(FastbpPredictor):
    """The same with bfloat16 products."""

    note = _NARROW_NOTE

    def predict(self, X: np.ndarray) -> np.ndarray:
        """See `Predictor`."""
        return self.model.predict(X, precision="bf16-mixed")


def versions() -> dict[str, str]:
    """See `bench.peers`."""
    return {"fastbp": fb.__version__, "fastbp ISA": kernels.isa()}
