"""Predicting with the same network: how long one call takes for a few rows and for many."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from .compare import Task, find_differences
from .worker import Worker
from .workloads import WORKLOADS, Workload

# One row as it comes to a policy, a batch, a data set.
ROWS = (1, 64, 10_000)
DEFAULT_WORKLOADS = ("rl", "fashion", "wide")

# Between probabilities. The rounding of float32 is below a tenth of it.
OUTPUT_TOLERANCE = 1e-5


def make_workloads(names: Iterable[str]) -> list[Workload]:
    """Each network with each number of rows, which are the one batch of its data."""
    return [replace(WORKLOADS[name], batch_size=rows, n_batches=1) for name in names for rows in ROWS]


def check_outputs(workers: Mapping[str, Worker], about: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Have everybody predict the batch that is timed, with the same weights, and compare the probabilities.

    Returns
    -------
    dict
        See `find_differences`.

    Raises
    ------
    DifferentComputationError
        If a probability is further than `OUTPUT_TOLERANCE` from the reference's, unless the peer's note says that it
        must be.
    """
    alike = [peer for peer in workers if not about[peer]["note"]]
    outputs = {peer: workers[peer].ask("outputs")["outputs"] for peer in alike}
    return find_differences("outputs", outputs, OUTPUT_TOLERANCE, _absolute_difference)


def _absolute_difference(outputs: list[list[float]], reference: list[list[float]]) -> float:
    if np.shape(outputs) != np.shape(reference):
        return float("inf")
    return float(np.max(np.abs(np.subtract(outputs, reference))))


PREDICT = Task(
    "predict",
    lambda workload: workload.predict_flops,
    lambda workload: {"network": workload.network, "rows": workload.batch_size},
    check_outputs,
)
