"""Peers that take turns: each in a process of its own, all on the same CPUs."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection

import numpy as np

_REST_SECONDS = 0.15  # idle threads of one peer spin on the CPUs of the next

MakeTurn = Callable[[], Callable[[], None]]


def seconds_in_turns(
    peers: Mapping[str, MakeTurn], n_threads: int, rounds: int, warm_ups: int
) -> dict[str, np.ndarray]:
    """Return the seconds of each peer's turns, (rounds,).

    Parameters
    ----------
    peers : dict of str to callable
        Called in the peer's process, on n_threads CPUs, for the function that is a turn.
    n_threads, rounds : int
    warm_ups : int
        Turns before the first that is measured.
    """
    cpus = sorted(os.sched_getaffinity(0))[:n_threads]
    context = multiprocessing.get_context("spawn")
    ends: dict[str, Connection] = {}
    processes = []
    for peer, make_turn in peers.items():
        ends[peer], theirs = context.Pipe()
        processes.append(context.Process(target=_work, args=(theirs, make_turn, cpus, warm_ups), daemon=True))
        processes[-1].start()
        ends[peer].recv()
    seconds: dict[str, list[float]] = {peer: [] for peer in peers}
    for _ in range(rounds):
        for peer, end in ends.items():
            time.sleep(_REST_SECONDS)
            end.send(True)
            seconds[peer].append(end.recv())
    for end, process in zip(ends.values(), processes, strict=True):
        end.send(False)
        process.join()
    return {peer: np.array(values) for peer, values in seconds.items()}


def _work(connection: Connection, make_turn: MakeTurn, cpus: list[int], warm_ups: int) -> None:
    """A peer's process: a turn for each message, answered by its seconds."""
    os.sched_setaffinity(0, cpus)
    os.environ.pop("OPENBLAS_CORETYPE", None)
    turn = make_turn()
    for _ in range(warm_ups):
        turn()
    connection.send("ready")
    while connection.recv():
        start = time.perf_counter()
        turn()
        connection.send(time.perf_counter() - start)
