"""`python -m bench.private_peers`: a private step beside Opacus (classic and ghost clipping) and JAX (`vmap`).

The network is fashion's, 784-256-128-10, with expected batches of 256, clipping to 1, a noise multiplier of 1, Adam.
fastbp draws Poisson batches and noise from ChaCha20, as it always does; it is measured as `Trainer.fit`. The others get
batches of exactly 256 that lie ready, without a data loader, and noise from their ordinary generators, which is faster
than secret noise. Each peer has a process of its own on the same CPUs, and they take turns. Opacus must be installed.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import os
from collections.abc import Callable

import numpy as np

from .turns import seconds_in_turns

_UNITS = (784, 256, 128, 10)
_BATCH, _N_BATCHES, _EPOCHS = 256, 60, 2
# Steps of a turn: fastbp's fit, which makes keys and hashes once a call and an epoch, has as many as two short epochs.
_STEPS = {"fastbp": _N_BATCHES * _EPOCHS, "Opacus, classic": 6, "Opacus, ghost clipping": 60, "JAX, vmap": 6}
_RATE = 1e-3


def _data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(_BATCH * _N_BATCHES, _UNITS[0])).astype("float32")
    return X, rng.integers(0, _UNITS[-1], len(X)).astype("int32")


def _fastbp() -> Callable[[], None]:
    import fastbp as fb

    X, y = _data()
    hidden = [fb.Dense(units, "relu") for units in _UNITS[1:-1]]
    model = fb.Model([*hidden, fb.Dense(_UNITS[-1], "softmax")], inputs=_UNITS[0])
    privacy = fb.DifferentialPrivacy(noise_multiplier=1.0, target_delta=1e-5, expected_batch_size=_BATCH)
    trainer = fb.Trainer(model, "cross_entropy", fb.Adam(_RATE), privacy=privacy)
    return lambda: trainer.fit(X, y, epochs=_EPOCHS)


def _opacus(mode: str, n_steps: int) -> Callable[[], None]:
    import warnings

    import torch
    from opacus import PrivacyEngine
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    warnings.simplefilter("ignore")
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    X, y = (torch.from_numpy(each) for each in _data())
    y = y.long()
    a, b, c, d = _UNITS
    model = nn.Sequential(nn.Linear(a, b), nn.ReLU(), nn.Linear(b, c), nn.ReLU(), nn.Linear(c, d))
    made = PrivacyEngine().make_private(
        module=model,
        optimizer=torch.optim.Adam(model.parameters(), _RATE),
        criterion=nn.CrossEntropyLoss(),
        data_loader=DataLoader(TensorDataset(X, y), batch_size=_BATCH),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
        poisson_sampling=False,
        grad_sample_mode=mode,
    )
    model, optimizer = made[0], made[1]
    loss = made[2] if mode == "ghost" else nn.CrossEntropyLoss()

    def turn() -> None:
        for start in range(0, n_steps * _BATCH, _BATCH):
            optimizer.zero_grad()
            loss(model(X[start : start + _BATCH]), y[start : start + _BATCH]).backward()
            optimizer.step()

    return turn


def _jax(n_steps: int) -> Callable[[], None]:
    import jax
    import jax.numpy as jnp
    from jax import lax

    jax.config.update("jax_platforms", "cpu")
    X, y = map(jnp.asarray, _data())
    rng = np.random.default_rng(1)
    pairs = list(itertools.pairwise(_UNITS))
    start = [(jnp.asarray(rng.normal(scale=n**-0.5, size=(n, m)).astype("float32")), jnp.zeros(m)) for n, m in pairs]

    def loss(parameters, x, label):
        for W, b in parameters[:-1]:
            x = jax.nn.relu(x @ W + b)
        W, b = parameters[-1]
        return -jax.nn.log_softmax(x @ W + b)[label]

    def clipped(parameters, x, label):
        gradient = jax.grad(loss)(parameters, x, label)
        norm = jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(gradient)))
        return jax.tree.map(lambda leaf: leaf * jnp.minimum(1.0, 1.0 / norm), gradient)

    def step(state, first):
        parameters, m, v, n_done, key = state
        key, own = jax.random.split(key)
        rows, labels = lax.dynamic_slice_in_dim(X, first, _BATCH), lax.dynamic_slice_in_dim(y, first, _BATCH)
        gradients = jax.tree.map(
            lambda leaf: leaf.sum(axis=0), jax.vmap(clipped, in_axes=(None, 0, 0))(parameters, rows, labels)
        )
        leaves, structure = jax.tree.flatten(gradients)
        keys = jax.random.split(own, len(leaves))
        noisy = [(g + jax.random.normal(k, g.shape)) / _BATCH for g, k in zip(leaves, keys, strict=True)]
        gradients, n_done = jax.tree.unflatten(structure, noisy), n_done + 1
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, gradients)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, gradients)
        scales = 1 / (1 - 0.9**n_done), 1 / (1 - 0.999**n_done)
        parameters = jax.tree.map(
            lambda p, m, v: p - _RATE * m * scales[0] / (jnp.sqrt(v * scales[1]) + 1e-8), parameters, m, v
        )
        return (parameters, m, v, n_done, key), None

    @jax.jit
    def run(state):
        return lax.scan(step, state, jnp.arange(0, n_steps * _BATCH, _BATCH))[0]

    zeros = [jax.tree.map(jnp.zeros_like, start) for _ in range(2)]
    state = (start, *zeros, jnp.zeros(()), jax.random.PRNGKey(0))

    def turn() -> None:
        nonlocal state
        state = run(state)
        jax.block_until_ready(state)

    return turn


_PEERS: dict[str, Callable[[], Callable[[], None]]] = {
    "fastbp": _fastbp,
    "Opacus, classic": functools.partial(_opacus, "hooks", _STEPS["Opacus, classic"]),
    "Opacus, ghost clipping": functools.partial(_opacus, "ghost", _STEPS["Opacus, ghost clipping"]),
    "JAX, vmap": functools.partial(_jax, _STEPS["JAX, vmap"]),
}


def compare(n_threads: int, rounds: int) -> dict[str, np.ndarray]:
    """Return the seconds of a step in each turn of each peer."""
    seconds = seconds_in_turns(_PEERS, n_threads, rounds, warm_ups=1)
    return {peer: values / _STEPS[peer] for peer, values in seconds.items()}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.private_peers", description=__doc__)
    parser.add_argument("--threads", nargs="+", type=int, default=[1])
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    print("| threads | peer | a step, ms | fastbp is faster |\n|---|---|---|---|")
    for n_threads in options.threads:
        seconds = compare(n_threads, options.rounds)
        for peer, values in seconds.items():
            low, middle, high = np.quantile(values / seconds["fastbp"], [0.25, 0.5, 0.75])
            faster = "" if peer == "fastbp" else f"{middle:.2f}x ({low:.2f} to {high:.2f})"
            print(f"| {n_threads} | {peer} | {np.median(values) * 1e3:.2f} | {faster} |", flush=True)


if __name__ == "__main__":
    main()
