"""The networks, their data, their initial weights, and what a step of training and a call of predict cost.

Everything here depends on fixed seeds alone, so that every process of a run works on the same numbers.
"""

from dataclasses import dataclass

import numpy as np

# So small that every network's loss falls smoothly from the first step: the comparison of the losses needs that.
LEARNING_RATE = 1e-4
BETA_1 = 0.9
BETA_2 = 0.999
EPSILON = 1e-8

# Of the features whose cost is measured.
DROPOUT_RATE = 0.2
CLIP = 1.0
EMA_DECAY = 0.999
LABEL_SMOOTHING = 0.1

_DATA_SEED = 1986
_WEIGHTS_SEED = 533
_LABEL_NOISE = 0.2


@dataclass(frozen=True)
class Workload:
    """A network (ReLU, softmax cross-entropy, Adam), a batch size and how many whole batches the data holds."""

    name: str
    sizes: tuple[int, ...]  # inputs, units of each hidden layer, outputs
    batch_size: int
    n_batches: int
    feature: str = "plain"  # what is trained beside it, for the command costs: see costs.py

    @property
    def n_samples(self) -> int:
        """Samples in the data: only whole batches."""
        return self.batch_size * self.n_batches

    @property
    def layers(self) -> list[tuple[int, int]]:
        """(inputs, units) of every layer."""
        return list(zip(self.sizes[:-1], self.sizes[1:], strict=True))

    @property
    def step_flops(self) -> int:
        """Floating point operations of a step: 2MNK a matrix product and nothing else.

        A layer has three products (forward, weight gradient, input gradient), the first layer two, as nobody
        needs the gradient with respect to the data.
        """
        products = [n_inputs * n_units * (2 if i == 0 else 3) for i, (n_inputs, n_units) in enumerate(self.layers)]
        return 2 * self.batch_size * sum(products)

    @property
    def predict_flops(self) -> int:
        """Floating point operations of predicting one batch: 2MNK for the product of each layer and nothing else."""
        return 2 * self.batch_size * sum(n_inputs * n_units for n_inputs, n_units in self.layers)

    @property
    def network(self) -> str:
        """The sizes as they are written in the tables: 16-64-64-4."""
        return "-".join(map(str, self.sizes))

    def describe(self) -> str:
        """Sizes and batch: 16-64-64-4, batch 32."""
        return f"{self.network}, batch {self.batch_size}"


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("rl", (16, 64, 64, 4), 32, 64),
        Workload("digits", (64, 100, 10), 200, 40),
        Workload("fashion", (784, 256, 128, 10), 128, 48),
        Workload("tabular", (100, 512, 512, 512, 2), 1024, 24),
        Workload("wide", (784, 1024, 1024, 10), 256, 24),
        Workload("large", (2048, 2048, 2048, 2048, 10), 512, 24),
        # Nothing divides by a vector; and neighbours where everything does, to compare the GFLOP/s with.
        Workload("odd", (45, 131, 71, 6), 83, 48),
        Workload("odd-neighbour", (48, 144, 48, 16), 80, 48),
        Workload("deep", (60, *10 * (100,), 10), 70, 48),
        Workload("deep-neighbour", (48, *10 * (96,), 16), 64, 48),
        Workload("uneven", (310, 1100, 9, 1100, 21), 54, 48),
        Workload("uneven-neighbour", (288, 1104, 16, 1104, 16), 48, 48),
    )
}
DEFAULT_WORKLOADS = ("rl", "digits", "fashion", "tabular", "wide", "large")


def make_data(workload: Workload, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Normal inputs and the classes that a random linear teacher gives them.

    A fifth of the labels are random, so that the loss falls but does not reach zero, where the moments would
    become denormal numbers and the timing would measure those.

    Parameters
    ----------
    workload : Workload
    dtype : str
        "float32" or "float64".

    Returns
    -------
    X : ndarray of dtype, shape (n_samples, inputs)
    y : ndarray of int64, shape (n_samples,)
        Every class occurs in the first batch.
    """
    rng = np.random.default_rng(_DATA_SEED)
    n_classes = workload.sizes[-1]
    X = rng.standard_normal((workload.n_samples, workload.sizes[0]), dtype=np.float32)
    teacher = rng.standard_normal((workload.sizes[0], n_classes), dtype=np.float32)
    y = (X @ teacher).argmax(axis=1)
    noisy = rng.random(workload.n_samples) < _LABEL_NOISE
    y[noisy] = rng.integers(n_classes, size=noisy.sum())
    n_present = min(n_classes, workload.batch_size)
    y[:n_present] = np.arange(n_present)
    return X.astype(dtype, copy=False), y


def initial_weights(workload: Workload, dtype: str) -> list[np.ndarray]:
    """He-normal weights of shape (inputs, units) and small normal biases of shape (units,): [W0, b0, W1, b1, ...]."""
    rng = np.random.default_rng(_WEIGHTS_SEED)
    weights = []
    for n_inputs, n_units in workload.layers:
        weights.append((rng.standard_normal((n_inputs, n_units)) * np.sqrt(2 / n_inputs)).astype(dtype))
        weights.append((rng.standard_normal(n_units) * 0.01).astype(dtype))
    return weights
