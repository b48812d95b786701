"""Every layer with every optimizer in every dtype: the same bits on any number of threads, wherever the data lie.

tests/engine/test_same_bits.py and tests/layers try each of these alone; here they meet.
"""

import itertools
from typing import NamedTuple

import numpy as np
import pytest

import fastbp as fb
from campaign_helpers import random_of, size
from fastbp.optimizers import OPTIMIZERS
from layer_models import DTYPES, MODELS, data_for, make_model, max_norms

pytestmark = pytest.mark.campaign

N_SAMPLES, BATCH_SIZE = 72, 23
WHOLE = ("lbfgs", "rprop")  # their batch is all samples
N_THREADS = (1, 2, 3, 7, 64)


def shifted(n_bytes):
    """A copy that begins so many bytes behind a multiple of 64."""

    def copy(array):
        memory = np.zeros(array.nbytes + 128, np.uint8)
        start = -memory.ctypes.data % 64 + n_bytes
        moved = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
        moved[...] = array
        return moved

    return copy


def every_second(array):
    return np.repeat(array, 2, axis=0)[::2]


def inside_wider(array):
    return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(3, 2)])[..., 3:-2]


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def in_chunks(X, y):
    return [(X[:9], y[:9]), (X[9:50], y[9:50]), (X[50:], y[50:])]


LAYOUTS = {
    "aligned": shifted(0),
    "one item off": shifted(8),
    "one byte off": shifted(1),
    "by columns": np.asfortranarray,
    "backwards": lambda array: array[::-1].copy()[::-1],
    "every second row": every_second,
    "inside a wider array": inside_wider,
    "foreign byte order": lambda array: array.astype(array.dtype.newbyteorder()),
    "read-only": read_only,
    "in chunks": None,
}


class Group(NamedTuple):
    """Combinations that train one network: all of them end with the same bits."""

    model: str
    optimizer: str
    dtype: str
    shuffle: bool


def contains(layers, kinds):
    return any(isinstance(layer, kinds) or contains(layer.layers, kinds) for layer in layers)


def possible(group, layout):
    """Chunks come in their order and in batches; L-BFGS has one function to minimise, and no state beside it."""
    layers, _ = MODELS[group.model]
    if group.optimizer == "lbfgs" and (max_norms(layers) or contains(layers, (fb.BatchNorm, fb.Dropout))):
        return False
    return layout != "in chunks" or not (group.shuffle or group.optimizer in WHOLE)


GROUPS = [Group(*each) for each in itertools.product(MODELS, OPTIMIZERS, DTYPES, (False, True))]
COMBINATIONS = [
    (group, n_threads, layout)
    for group, n_threads, layout in itertools.product(GROUPS, N_THREADS, LAYOUTS)
    if possible(group, layout)
]


def chosen():
    """Group to the combinations of it that are tried."""
    n = size(20, len(COMBINATIONS))
    groups = {}
    for group, n_threads, layout in sorted(random_of("bits", 0).sample(COMBINATIONS, n)):
        groups.setdefault(group, []).append((n_threads, layout))
    return groups


CHOSEN = chosen()


def train(group, n_threads, layout):
    """The bits of the weights and of the losses of two epochs."""
    model, loss = make_model(group.model, group.dtype)
    X, y = data_for(model, loss, N_SAMPLES, group.dtype)
    trainer = fb.Trainer(
        model,
        loss,
        group.optimizer,
        batch_size=None if group.optimizer in WHOLE else BATCH_SIZE,
        shuffle=group.shuffle,
        seed=5,
        n_threads=n_threads,
    )
    if layout == "in chunks":
        trainer.fit(in_chunks(X, y), epochs=2)
    else:
        trainer.fit(LAYOUTS[layout](X), LAYOUTS[layout](y), epochs=2)
    outputs = model.predict(X, n_threads=n_threads)
    losses = np.array(trainer.history["loss"])
    return b"".join(array.tobytes() for array in [*model.get_weights(), losses, outputs])


@pytest.mark.filterwarnings("ignore")  # of losses that do not suit, and of L-BFGS that has not converged
@pytest.mark.parametrize("group", CHOSEN, ids=lambda group: f"{group.model}, {group.optimizer}, {group.dtype}")
def test_the_same_bits(limits, group):
    alone = train(group, 1, "aligned")
    limits(epoch_thread=1.0, call_thread=1.0, paced=0.0)
    different = [each for each in CHOSEN[group] if train(group, *each) != alone]
    assert different == [], f"of {group}"


def test_the_layouts_are_what_they_say():
    """The campaign proves something only if the arrays lie where they should, and hold the same numbers."""
    X = np.arange(720.0).reshape(72, 10)
    made = {name: layout(X) for name, layout in LAYOUTS.items() if layout is not None}
    for array in made.values():
        np.testing.assert_array_equal(array, X)
    addresses = {name: array.ctypes.data % 64 for name, array in made.items()}
    assert (addresses["aligned"], addresses["one item off"], addresses["one byte off"]) == (0, 8, 1)
    assert not made["one byte off"].flags.aligned
    strides = {name: array.strides for name, array in made.items()}
    assert strides["by columns"] == (8, 576)
    assert strides["backwards"] == (-80, 8)
    assert strides["every second row"] == (160, 8)
    assert strides["inside a wider array"] == (120, 8)
    assert not made["foreign byte order"].dtype.isnative
