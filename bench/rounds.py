"""Taking turns: who works when, next to which measurement of the peak.

A step is one of training, or one call of predict; an epoch of predictions is one call.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from .worker import Worker

# The idle threads of one peer (OpenBLAS, XLA, OpenMP, ONNX Runtime) spin for tens of ms on the core of the next.
REST_SECONDS = 0.15
PEAK_SECONDS = 0.03


@dataclass(frozen=True)
class Plan:
    """What a peer does in one turn."""

    n_batches: int  # in an epoch, the same for all peers
    epochs: int  # as many as fill the turn


@dataclass(frozen=True)
class Turn:
    """What came of it. `peak_flops` is the mean of the peaks measured just before and just after, if there is one."""

    round: int
    peer: str
    seconds: float
    steps: int
    epochs: int
    peak_flops: float | None

    @property
    def step_seconds(self) -> float:
        """Time per step, everything in it that the epoch does."""
        return self.seconds / self.steps


class PeakMeter:
    """Measures the peak of fused multiply-adds in a process of its own, on the same CPUs as the peers.

    Its idle threads sleep at once, so that they take nothing from the turn that follows.
    """

    def __init__(self, n_threads: int, dtype: str):
        self.worker = Worker(n_threads, {"OMP_WAIT_POLICY": "passive"})
        self.dtype = dtype
        self.read()

    def read(self) -> float:
        """FLOP/s now."""
        return float(self.worker.ask("peak", dtype=self.dtype, seconds=PEAK_SECONDS)["flops"])

    def close(self) -> None:
        """End the process."""
        self.worker.close()


def choose_epoch(n_batches: int, step_seconds: list[float], turn_seconds: float) -> int:
    """How many batches an epoch has, for all peers: all there are, or as many as the fastest does in a turn."""
    return max(1, min(n_batches, round(turn_seconds / min(step_seconds))))


def make_plans(workers: Mapping[str, Worker], n_batches: int, turn_seconds: float) -> dict[str, Plan]:
    """Warm every worker up for epochs of `n_batches` and find how many fill a turn."""
    plans = {}
    for peer, worker in workers.items():
        epochs = worker.ask("calibrate", n_batches=n_batches, seconds=turn_seconds)["epochs"]
        plans[peer] = Plan(n_batches, epochs)
        time.sleep(REST_SECONDS)
    return plans


@dataclass(frozen=True)
class Activity:
    """What all workers are asked to do, one after the other."""

    do: str
    arguments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by peer; none for those not named
    meter: PeakMeter | None = None  # measures the peak before and after each worker's turn


@dataclass(frozen=True)
class Answer:
    """What a worker answered in one turn. `peak_flops` is as in `Turn`."""

    round: int
    do: str
    peer: str
    answer: dict[str, Any]
    peak_flops: float | None


def ask_in_turns(workers: Mapping[str, Worker], activities: Sequence[Activity], rounds: int) -> Iterator[Answer]:
    """Every worker is asked for every activity once a round.

    Another worker begins each round, and there is a rest after every turn.
    """
    peers = list(workers)
    for i in range(rounds):
        first = i % len(peers)
        for activity in activities:
            meter = activity.meter
            peak = meter.read() if meter else 0.0
            for peer in peers[first:] + peers[:first]:
                answer = workers[peer].ask(activity.do, **activity.arguments.get(peer, {}))
                time.sleep(REST_SECONDS)
                before, peak = peak, meter.read() if meter else 0.0
                yield Answer(i, activity.do, peer, answer, (before + peak) / 2 if meter else None)


def take_turns(
    workers: Mapping[str, Worker], plans: Mapping[str, Plan], meter: PeakMeter | None, rounds: int
) -> list[Turn]:
    """Every worker works as planned, once a round.

    Parameters
    ----------
    workers, plans : mapping of peer to Worker and to Plan
    meter : PeakMeter or None
        None where fastbp, which has the kernel for it, is not installed.
    rounds : int

    Returns
    -------
    list of Turn
        In the order in which they were taken.
    """
    turn = Activity("turn", {peer: asdict(plan) for peer, plan in plans.items()}, meter)
    turns = []
    for each in ask_in_turns(workers, [turn], rounds):
        plan = plans[each.peer]
        steps = plan.n_batches * plan.epochs
        turns.append(Turn(each.round, each.peer, each.answer["seconds"], steps, plan.epochs, each.peak_flops))
    return turns
