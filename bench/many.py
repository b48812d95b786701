"""`python -m bench.many`: many small networks at once, `fb.fit_many` beside JAX's `vmap` over the same networks.

Every network has the same sizes and the same data, weights of its own, and an order of rows of its own in every epoch:
softmax cross-entropy, Adam, float32. JAX's epoch is one jit-compiled `lax.scan` of a step that `vmap` makes of all
networks, its state donated, the orders from NumPy. Each peer has a process of its own on the same CPUs, and they take
turns. A row of the table is the median time of an epoch of all networks, and the median of the ratios of neighbouring
turns with their quartiles.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import os
from collections.abc import Callable

import numpy as np

from .turns import seconds_in_turns
from .workloads import WORKLOADS, Workload, make_data

_N_BATCHES = 50


def _fastbp_epoch(workload: Workload, n_networks: int, n_threads: int) -> Callable[[], None]:
    import fastbp as fb

    from .peers.fastbp_peer import make_model

    X, y = _data(workload)

    def make_trainer(seed: int) -> fb.Trainer:
        model = make_model(workload, "float32", seed)
        return fb.Trainer(model, "cross_entropy", fb.Adam(1e-4), batch_size=workload.batch_size, metrics=[], seed=seed)

    trainers = [make_trainer(seed) for seed in range(n_networks)]
    return lambda: fb.fit_many(trainers, X, y, epochs=1, n_threads=n_threads)


def _jax_epoch(workload: Workload, n_networks: int, n_threads: int) -> Callable[[], None]:
    import jax
    import jax.numpy as jnp
    from jax import lax

    from .peers.jax_peer import _configure, _step

    _configure("float32")
    X, y = (jnp.asarray(each) for each in _data(workload))
    rng = np.random.default_rng(0)
    parameters = []
    for n_inputs, n_units in zip(workload.sizes[:-1], workload.sizes[1:], strict=True):
        W = rng.normal(scale=n_inputs**-0.5, size=(n_networks, n_inputs, n_units)).astype(np.float32)
        parameters.append((jnp.asarray(W), jnp.zeros((n_networks, n_units), jnp.float32)))
    zeros = [jax.tree.map(jnp.zeros_like, parameters) for _ in range(2)]
    state = (parameters, *zeros, jnp.zeros(n_networks, jnp.float32))

    @jax.jit
    def run(state, orders):
        """`orders`: (n_batches, n_networks, batch_size)."""
        return lax.scan(lambda carry, rows: jax.vmap(lambda s, r: _step(X, y, s, r))(carry, rows), state, orders)

    def epoch() -> None:
        nonlocal state
        orders = [rng.permutation(len(X)).reshape(_N_BATCHES, -1) for _ in range(n_networks)]
        state, losses = run(state, np.stack(orders, axis=1).astype(np.int32))
        losses.block_until_ready()

    return epoch


_PEERS = {"fastbp": _fastbp_epoch, "jax": _jax_epoch}


def _data(workload: Workload) -> tuple[np.ndarray, np.ndarray]:
    X, y = make_data(dataclasses.replace(workload, n_batches=_N_BATCHES), "float32")
    return X, y.astype(np.int32)


def compare(workload: str, n_networks: int, n_threads: int, rounds: int) -> dict[str, np.ndarray]:
    """Return the seconds of each peer's turns."""
    peers = {
        peer: functools.partial(make_epoch, WORKLOADS[workload], n_networks, n_threads)
        for peer, make_epoch in _PEERS.items()
    }
    return seconds_in_turns(peers, n_threads, rounds, warm_ups=3)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.many", description=__doc__)
    parser.add_argument("--workloads", nargs="+", default=["rl", "digits"], choices=list(WORKLOADS), metavar="NAME")
    parser.add_argument("--networks", nargs="+", type=int, default=[16, 64])
    parser.add_argument("--threads", nargs="+", type=int, default=sorted({1, len(os.sched_getaffinity(0))}))
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    print("| workload | networks | threads | fastbp | JAX, vmap | fastbp is faster |\n|---|---|---|---|---|---|")
    for workload in options.workloads:
        for n_networks in options.networks:
            for n_threads in options.threads:
                seconds = compare(workload, n_networks, n_threads, options.rounds)
                ours, theirs = (seconds[peer] for peer in _PEERS)
                low, middle, high = np.quantile(theirs / ours, [0.25, 0.5, 0.75])
                print(
                    f"| {workload} | {n_networks} | {n_threads} | {np.median(ours) * 1e3:.1f} ms | "
                    f"{np.median(theirs) * 1e3:.1f} ms | {middle:.2f}x ({low:.2f} to {high:.2f}) |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
