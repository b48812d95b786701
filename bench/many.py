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
import multiprocessing
import os
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

import numpy as np

from .workloads import WORKLOADS, Workload, make_data

_N_BATCHES = 50
_REST_SECONDS = 0.15  # idle threads of one peer spin on the CPUs of the next


def _fastbp_epoch(workload: Workload, n_networks: int, n_threads: int) -> Callable[[], None]:
    import fastbp as fb

    X, y = _data(workload)

    def make_trainer(seed: int) -> fb.Trainer:
        hidden = [fb.Dense(units, "relu") for units in workload.sizes[1:-1]]
        model = fb.Model([*hidden, fb.Dense(workload.sizes[-1], "softmax")], inputs=workload.sizes[0], seed=seed)
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


def _work(connection: Connection, peer: str, workload: str, n_networks: int, cpus: list[int]) -> None:
    """A peer's process: an epoch for each message, answered by its seconds."""
    os.sched_setaffinity(0, cpus)
    os.environ.pop("OPENBLAS_CORETYPE", None)
    epoch = _PEERS[peer](WORKLOADS[workload], n_networks, len(cpus))
    for _ in range(3):
        epoch()
    connection.send("ready")
    while connection.recv():
        start = time.perf_counter()
        epoch()
        connection.send(time.perf_counter() - start)


def compare(workload: str, n_networks: int, n_threads: int, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each peer's turns."""
    cpus = sorted(os.sched_getaffinity(0))[:n_threads]
    context = multiprocessing.get_context("spawn")
    ends: dict[str, Connection] = {}
    processes = []
    for peer in _PEERS:
        ends[peer], theirs = context.Pipe()
        processes.append(context.Process(target=_work, args=(theirs, peer, workload, n_networks, cpus), daemon=True))
        processes[-1].start()
        ends[peer].recv()
    seconds: dict[str, list[float]] = {peer: [] for peer in _PEERS}
    for _ in range(rounds):
        for peer, end in ends.items():
            time.sleep(_REST_SECONDS)
            end.send(True)
            seconds[peer].append(end.recv())
    for end, process in zip(ends.values(), processes, strict=True):
        end.send(False)
        process.join()
    return seconds


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
                ours, theirs = (np.array(seconds[peer]) for peer in _PEERS)
                low, middle, high = np.quantile(theirs / ours, [0.25, 0.5, 0.75])
                print(
                    f"| {workload} | {n_networks} | {n_threads} | {np.median(ours) * 1e3:.1f} ms | "
                    f"{np.median(theirs) * 1e3:.1f} ms | {middle:.2f}x ({low:.2f} to {high:.2f}) |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
