"""The comparison: every peer does the same with the same network, turn by turn."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .peers import PEERS, is_installed
from .rounds import PeakMeter, Turn, choose_epoch, make_plans, take_turns
from .worker import Worker, WorkerError
from .workloads import Workload

_CHECK_BATCHES = 2
_CHECK_EPOCHS = 3

# Rounding alone, and scikit-learn's epsilon, which goes into Adam at another place: well below this.
LOSS_TOLERANCE = 3e-4


class DifferentComputationError(RuntimeError):
    """The peers do not compute the same, so their times are not to be compared."""


@dataclass(frozen=True)
class Task:
    """What the peers are compared in. Its steps are what is counted and timed: of training, or calls of predict."""

    command: str
    step_flops: Callable[[Workload], int]
    describe: Callable[[Workload], dict[str, Any]]  # what the report says of the workload besides its name
    check: Callable[[Mapping[str, Worker], Mapping[str, Mapping[str, Any]]], dict[str, Any]]  # see `check_losses`


def find_missing(peers: Iterable[str]) -> dict[str, str]:
    """What to tell of each of these peers that is not installed."""
    return {peer: f"not installed: pip install {PEERS[peer].pip_name}" for peer in peers if not is_installed(peer)}


def start_workers(
    stack: ExitStack, command: str, workload: Workload, peers: Iterable[str], n_threads: int, dtype: str
) -> tuple[dict[str, Worker], dict[str, dict[str, Any]], dict[str, str]]:
    """A process for every peer, set up for the command and the workload.

    Returns
    -------
    workers : dict of peer to Worker
        Closed by `stack`.
    about : dict of peer to dict
        Versions, settings and note of each.
    failed : dict of peer to str
        Why a peer takes no part.
    """
    workers, about, failed = {}, {}, {}
    for peer in peers:
        worker = stack.enter_context(closing(Worker(n_threads)))
        try:
            about[peer] = worker.set_up(command, peer, workload, dtype)
            workers[peer] = worker
        except WorkerError as error:
            failed[peer] = f"failed to set up: {error}"
    return workers, about, failed


def check_losses(workers: Mapping[str, Worker], about: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Train everybody from the same weights on the same batches, and compare the losses of each epoch.

    Returns
    -------
    dict
        See `find_differences`; also "losses": those of each peer.

    Raises
    ------
    DifferentComputationError
        If a peer is further than `LOSS_TOLERANCE` from the reference, unless its note says that it must be.
    """
    request = {"n_batches": _CHECK_BATCHES, "epochs": _CHECK_EPOCHS}
    alike = [peer for peer in workers if not about[peer]["note"]]
    losses = {peer: workers[peer].ask("losses", **request)["losses"] for peer in alike}
    return {**find_differences("losses", losses, LOSS_TOLERANCE, _relative_difference), "losses": losses}


def find_differences(
    what: str, values: Mapping[str, Any], tolerance: float, difference: Callable[[Any, Any], float]
) -> dict[str, Any]:
    """Compare the values of each peer with pure NumPy's, or with the first peer's where NumPy takes no part.

    Returns
    -------
    dict
        "reference": the peer the others are compared with; "differences": of each peer from it.

    Raises
    ------
    DifferentComputationError
        If a difference is above the tolerance, or no number.
    """
    reference = "numpy" if "numpy" in values else next(iter(values), None)
    differences = {peer: difference(own, values[reference]) for peer, own in values.items()}
    for peer, size in differences.items():
        if not size <= tolerance:
            raise DifferentComputationError(
                f"{peer} does not compute what {reference} does: its {what} differ by {size:.2g}, and more than "
                f"{tolerance:g} is not rounding"
            )
    return {"reference": reference, "differences": differences}


def _relative_difference(losses: list[float], reference: list[float]) -> float:
    return float(np.max(np.abs(np.subtract(losses, reference)) / np.abs(reference)))


TRAINING = Task(
    "training", lambda workload: workload.step_flops, lambda workload: {"network": workload.describe()}, check_losses
)


def spread(values: Iterable[float]) -> dict[str, float]:
    """Median and quartiles."""
    low, median, high = np.percentile(list(values), [25, 50, 75])
    return {"median": float(median), "low": float(low), "high": float(high)}


def summarise(step_flops: int, turns: list[Turn]) -> dict[str, dict[str, Any]]:
    """The figures of each peer.

    Parameters
    ----------
    step_flops : int
        Operations of a step.
    turns : list of Turn

    Returns
    -------
    dict of peer to dict
        "step_seconds": median and quartiles of the time of a step; "gflops": from the median; "peak_fraction": of the
        FMA peak measured around each turn; "ratio": the peer's time over fastbp's in the same round; "turns": the raw
        times. What could not be measured (no fastbp, no peak) is None.
    """
    own = {turn.round: turn.step_seconds for turn in turns if turn.peer == "fastbp"}
    return {
        peer: _summarise_peer(step_flops, [turn for turn in turns if turn.peer == peer], own)
        for peer in dict.fromkeys(turn.peer for turn in turns)
    }


def _summarise_peer(step_flops: int, turns: list[Turn], own: Mapping[int, float]) -> dict[str, Any]:
    step = spread(turn.step_seconds for turn in turns)
    fractions = [step_flops / turn.step_seconds / turn.peak_flops for turn in turns if turn.peak_flops]
    return {
        "step_seconds": step,
        "gflops": step_flops / step["median"] / 1e9,
        "peak_fraction": spread(fractions) if fractions else None,
        "ratio": spread(turn.step_seconds / own[turn.round] for turn in turns) if own else None,
        "turns": [asdict(turn) for turn in turns],
    }


def compare(
    task: Task, workload: Workload, peers: Iterable[str], n_threads: int, dtype: str, rounds: int, turn_seconds: float
) -> dict[str, Any]:
    """Run one workload on so many threads.

    Returns
    -------
    dict
        What the report needs: the workload, "agreement", "failed", and the figures, versions and settings of each peer.

    Raises
    ------
    DifferentComputationError
        See `find_differences`.
    """
    step_flops = task.step_flops(workload)
    with ExitStack() as stack:
        workers, about, failed = start_workers(stack, task.command, workload, peers, n_threads, dtype)
        result = {
            "workload": workload.name,
            **task.describe(workload),
            "step_flops": step_flops,
            "threads": n_threads,
            "failed": failed,
        }
        if not workers:
            return {**result, "agreement": None, "n_batches": None, "peers": {}}
        agreement = task.check(workers, about)
        estimates = [worker.ask("estimate")["step_seconds"] for worker in workers.values()]
        n_batches = choose_epoch(workload.n_batches, estimates, turn_seconds)
        plans = make_plans(workers, n_batches, turn_seconds)
        meter = stack.enter_context(closing(PeakMeter(n_threads, dtype))) if "fastbp" in workers else None
        figures = summarise(step_flops, take_turns(workers, plans, meter, rounds))
    merged = {peer: {**about[peer], **figures[peer]} for peer in workers}
    return {**result, "agreement": agreement, "n_batches": n_batches, "peers": merged}
