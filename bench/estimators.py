"""fastbp's estimators beside scikit-learn's: fit, predict and a grid search by the same calls, turn by turn.

Both train the same number of epochs from the same random state, so a fit is the same computation: equal losses show it.
"""

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import machine
from .compare import DifferentComputationError, spread
from .report import format_seconds, markdown_table, preamble
from .rounds import Activity, PeakMeter, ask_in_turns
from .worker import Worker, run_worker
from .workloads import Workload

PEERS = {"fastbp": "fastbp.sklearn", "sklearn": "sklearn.neural_network"}
DTYPES = ("float32", "float64")
HIDDEN = ((16,), (100,), (256, 128))
GRID = {"alpha": [1e-4, 1e-2], "learning_rate_init": [1e-3, 1e-2], "batch_size": [50, 200]}


@dataclass(frozen=True)
class Case:
    """Data, and the number of epochs for which the estimators are fitted to it, with default parameters otherwise."""

    name: str
    epochs: int
    quick_rows: int
    classes: bool = True


CASES = {
    case.name: case
    for case in (
        Case("digits", 60, 200),
        Case("cancer", 100, 200),
        Case("fashion", 5, 300),
        Case("regression", 5, 300, classes=False),
    )
}

QUICK_CASES = ("digits", "regression")


def load(case: Case, dtype: str, quick: bool, directory: str | None) -> tuple[np.ndarray, np.ndarray]:
    """The data of a case. Without its files Fashion-MNIST is replaced by noise of its size, which costs the same."""
    rng = np.random.default_rng(0)
    if case.name == "fashion" and directory is not None:
        from fastbp.demo.datasets import load_fashion_mnist

        X, y, _, _ = load_fashion_mnist(directory)
        X, y = X[:10_000], y[:10_000]
    elif case.name == "fashion":
        X, y = rng.random((10_000, 784)), rng.integers(0, 10, 10_000)
    elif case.name == "regression":
        X = rng.normal(size=(100_000, 50))
        y = np.tanh(X[:, 0]) + X[:, 1] * X[:, 2] + 0.1 * rng.normal(size=len(X))
    else:
        from sklearn.datasets import load_breast_cancer, load_digits
        from sklearn.preprocessing import scale

        X, y = {"digits": load_digits, "cancer": load_breast_cancer}[case.name](return_X_y=True)
        X = scale(X)
    rows = slice(case.quick_rows if quick else None)
    return np.ascontiguousarray(X[rows], dtype), y[rows]


class EstimatorServant:
    """The worker's side: one peer's estimator and the data of one case."""

    def __init__(self, n_threads: int) -> None:
        self.n_threads = n_threads

    def set_up(
        self, peer: str, case: str, hidden: list[int], dtype: str, quick: bool, directory: str | None
    ) -> dict[str, Any]:
        """Import the library, make the data, and fit once to warm up."""
        import importlib
        import warnings

        import sklearn
        from sklearn.exceptions import ConvergenceWarning

        import fastbp

        warnings.simplefilter("ignore", ConvergenceWarning)  # the epochs are fixed, converged or not
        spec = CASES[case]
        module = importlib.import_module(PEERS[peer])
        self.make = module.MLPClassifier if spec.classes else module.MLPRegressor
        self.options = {"hidden_layer_sizes": tuple(hidden), "random_state": 0, "max_iter": spec.epochs, "tol": 0.0}
        if quick:
            self.options["max_iter"] = 2
        self.X, self.y = load(spec, dtype, quick, directory)
        self.many = np.resize(self.X, (len(self.X) if quick else 10_000, self.X.shape[1]))
        self.estimator = self.make(**{**self.options, "max_iter": 1}).fit(self.X, self.y)
        version = {"fastbp": fastbp.__version__, "sklearn": sklearn.__version__}[peer]
        return {
            "versions": {peer: version, "numpy": np.__version__},
            "n_samples": len(self.X),
            "n_inputs": self.X.shape[1],
            "n_outputs": self.estimator.n_outputs_,
        }

    def fit(self) -> dict[str, float]:
        """The time of a whole fit, and its last loss."""
        start = time.perf_counter()
        self.estimator = self.make(**self.options).fit(self.X, self.y)
        return {"seconds": time.perf_counter() - start, "loss": self.estimator.loss_}

    def predict_one(self) -> dict[str, float]:
        """A call of predict with one row: the mean of 100 calls, which the clock can measure."""
        row, n = self.X[:1], 100
        start = time.perf_counter()
        for _ in range(n):
            self.estimator.predict(row)
        return {"seconds": (time.perf_counter() - start) / n}

    def predict_many(self) -> dict[str, float]:
        """A call of predict with 10,000 rows."""
        start = time.perf_counter()
        self.estimator.predict(self.many)
        return {"seconds": time.perf_counter() - start}

    def grid_search(self) -> dict[str, float]:
        """A search over eight settings in three folds, by two processes."""
        from sklearn.model_selection import GridSearchCV

        for variable in machine.THREAD_VARIABLES:  # joblib tells its processes their share
            os.environ.pop(variable, None)
        estimator = self.make(**{**self.options, "max_iter": min(20, self.options["max_iter"])})
        start = time.perf_counter()
        GridSearchCV(estimator, GRID, cv=3, n_jobs=2).fit(self.X, self.y)
        return {"seconds": time.perf_counter() - start}


def measure(
    case: Case,
    hidden: tuple[int, ...],
    dtype: str,
    n_threads: int,
    rounds: int,
    quick: bool = False,
    directory: str | None = None,
) -> dict[str, Any]:
    """Both peers do every task, in turns, each in a process of its own.

    Returns
    -------
    dict
        "data", "hidden", "dtype", "threads", "epochs", "versions", and "tasks": for each task a dictionary of the
        median and quartiles of each peer's seconds, under "ratio" of scikit-learn's over fastbp's in a round, and for
        "fit" under "peak_fraction" of what each peer made of the FMA peak measured around it.

    Raises
    ------
    DifferentComputationError
        If the losses that the fits end with are not the same.
    """
    tasks = ["fit", "predict_one", "predict_many"]
    if case.name == "digits" and hidden == HIDDEN[0] and n_threads > 1:
        tasks.append("grid_search")
    versions: dict[str, str] = {}
    with ExitStack() as stack:
        workers = {}
        for peer in PEERS:
            workers[peer] = stack.enter_context(closing(Worker(n_threads, module="bench.estimators")))
            about = workers[peer].ask(
                "set_up", peer=peer, case=case.name, hidden=hidden, dtype=dtype, quick=quick, directory=directory
            )
            versions |= about.pop("versions")
            fit_flops = count_fit_flops(case, hidden, **about)
        meter = stack.enter_context(closing(PeakMeter(n_threads, dtype)))
        turns = take_turns(workers, tasks, meter, rounds)
    check_losses({turn.peer: turn.loss for turn in turns if turn.loss is not None}, dtype)
    return {
        "data": case.name,
        "hidden": list(hidden),
        "dtype": dtype,
        "threads": n_threads,
        "epochs": case.epochs,
        "versions": versions,
        "tasks": {
            task: summarise([turn for turn in turns if turn.task == task], fit_flops if task == "fit" else None)
            for task in tasks
        },
    }


def count_fit_flops(case: Case, hidden: tuple[int, ...], n_samples: int, n_inputs: int, n_outputs: int) -> int:
    """Floating point operations of a whole fit, counted as those of a training step are: see `Workload`."""
    return Workload(case.name, (n_inputs, *hidden, n_outputs), n_samples, case.epochs).step_flops * case.epochs


@dataclass(frozen=True)
class Turn:
    """What one peer did; `peak_flops` is the mean of the FMA peaks measured before and after it, for fits only."""

    task: str
    peer: str
    seconds: float
    loss: float | None
    peak_flops: float | None


def take_turns(workers: Mapping[str, Worker], tasks: Sequence[str], meter: PeakMeter, rounds: int) -> list[Turn]:
    """Every worker does every task once a round; the peak is measured around each fit."""
    activities = [Activity(task, meter=meter if task == "fit" else None) for task in tasks]
    return [
        Turn(each.do, each.peer, each.answer["seconds"], each.answer.get("loss"), each.peak_flops)
        for each in ask_in_turns(workers, activities, rounds)
    ]


def summarise(turns: Sequence[Turn], flops: int | None) -> dict[str, Any]:
    """Medians and quartiles of each peer's seconds, of the ratio round by round, and of the fractions of the peak."""
    of_peers = {peer: [turn for turn in turns if turn.peer == peer] for peer in PEERS}
    pairs = zip(of_peers["sklearn"], of_peers["fastbp"], strict=True)
    summary: dict[str, Any] = {peer: spread(turn.seconds for turn in own) for peer, own in of_peers.items()}
    summary["ratio"] = spread(theirs.seconds / ours.seconds for theirs, ours in pairs)
    if flops is not None:
        summary["peak_fraction"] = {
            peer: spread(flops / turn.seconds / turn.peak_flops for turn in own if turn.peak_flops)
            for peer, own in of_peers.items()
        }
    return summary


def check_losses(losses: Mapping[str, float], dtype: str) -> None:
    """Refuse to compare the times of fits whose losses differ."""
    tolerance = 1e-6 if dtype == "float64" else 2e-2  # where rounding has led them apart
    if not np.isclose(losses["fastbp"], losses["sklearn"], rtol=tolerance):
        raise DifferentComputationError(f"the fits end with the losses {losses}: that is not the same computation")


def estimators_table(results: Sequence[Mapping[str, Any]]) -> str:
    """A row a task."""
    header = ("data", "hidden", "dtype", "threads", "task", "fastbp", "scikit-learn", "fastbp is faster", "of the peak")
    return markdown_table(header, [row for result in results for row in _rows(result)])


def _rows(result: Mapping[str, Any]) -> list[list[str]]:
    return [
        [
            result["data"],
            str(tuple(result["hidden"])),
            result["dtype"],
            str(result["threads"]),
            task.replace("_", " "),
            format_seconds(figures["fastbp"]["median"]),
            format_seconds(figures["sklearn"]["median"]),
            "{median:.1f}x ({low:.1f} to {high:.1f})".format(**figures["ratio"]),
            _fractions(figures.get("peak_fraction")),
        ]
        for task, figures in result["tasks"].items()
    ]


def _fractions(fractions: Mapping[str, Any] | None) -> str:
    return f"{fractions['fastbp']['median']:.2f}, {fractions['sklearn']['median']:.2f}" if fractions else ""


def estimators_markdown(run: Mapping[str, Any]) -> str:
    """The whole report."""
    epochs = ", ".join(f"{case.name} {case.epochs}" for case in CASES.values())
    where = run["settings"].get("data")
    fashion = "Fashion-MNIST's first 10,000 images" if where else "noise of 10,000 times 784 in ten classes"
    return "\n".join(
        [
            *preamble("The estimators", run),
            "",
            f"Default parameters but for the epochs of a fit: {epochs}; `fashion` is {fashion}.",
            "",
            "Median of the paired ratios (quartiles); of the peak: the fractions of the FMA peak, fastbp's and",
            "scikit-learn's, that the matrix products of a whole fit make.",
            "",
            estimators_table(run["results"]),
            "",
        ]
    )


def draw_estimators(run: Mapping[str, Any], path: Any) -> None:
    """Bars: how much faster fastbp fits, a picture a dtype and number of threads."""
    from matplotlib.figure import Figure

    kinds = list(dict.fromkeys((result["dtype"], result["threads"]) for result in run["results"]))
    figure = Figure(figsize=(9, 2.6 * len(kinds)), layout="constrained")
    for ax, kind in zip(figure.subplots(len(kinds), squeeze=False)[:, 0], kinds, strict=True):
        results = [result for result in run["results"] if (result["dtype"], result["threads"]) == kind]
        labels = [f"{result['data']}\n{tuple(result['hidden'])}" for result in results]
        ax.bar(range(len(results)), [result["tasks"]["fit"]["ratio"]["median"] for result in results], color="#c0392b")
        ax.set_xticks(range(len(results)), labels, fontsize=6)
        ax.axhline(1, color="black", linewidth=0.8)
        ax.set_title(f"{kind[0]}, {kind[1]} thread{'s' if kind[1] > 1 else ''}", loc="left")
        ax.set_ylabel("times as fast")
        ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    run_worker(EstimatorServant)
