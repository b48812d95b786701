"""`python -m bench.first_fit`: how long the first `fit` takes on a data frame with text.

The model has no inputs yet: `fit` reads the frame, `fb.Columns` learns the categories of its text, the weights are
made, and one epoch is trained. The time until training begins is measured apart from the time of the epoch.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import fastbp as fb

_N_NUMBERS = 20
_N_TEXTS = 10
_FEWEST, _MOST = 5, 1000  # categories of a column of text


def make_frame(n_rows: int) -> tuple[Any, np.ndarray]:
    """A pandas frame of 20 columns of numbers and 10 of text, and targets (n_rows,)."""
    import pandas as pd

    rng = np.random.default_rng(0)
    columns: dict[str, Any] = {f"number_{j}": rng.standard_normal(n_rows) for j in range(_N_NUMBERS)}
    for j, n_categories in enumerate(np.geomspace(_FEWEST, _MOST, _N_TEXTS).astype(int)):
        names = np.array([f"category {i}" for i in range(n_categories)], dtype=object)
        columns[f"text_{j}"] = names[rng.integers(0, n_categories, n_rows)]
    return pd.DataFrame(columns), rng.standard_normal(n_rows)


def as_categories(frame: Any) -> Any:
    """The same frame, its text as pandas' own categories."""
    return frame.astype({name: "category" for name in frame.columns if name.startswith("text")})


KINDS: dict[str, Callable[[Any], Any]] = {"text": lambda frame: frame, "categories": as_categories}


def time_fit(X: Any, y: np.ndarray, n_threads: int | None) -> tuple[float, float, float]:
    """Seconds until training begins, seconds of one epoch, and the loss, by which two versions can be compared."""
    model = fb.Model([fb.Dense(8, "relu"), fb.Dense(1)], prepare=fb.Columns())
    trainer = fb.Trainer(model, "mse", batch_size=256, n_threads=n_threads)
    begun: list[float] = []

    def note_the_time(trainer: fb.Trainer, figures: object) -> None:
        begun.append(time.perf_counter())

    start = time.perf_counter()
    history = trainer.fit(X, y, callbacks=fb.LambdaCallback(on_fit_begin=note_the_time))
    return begun[0] - start, time.perf_counter() - begun[0], history["loss"][-1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.first_fit", description=__doc__)
    parser.add_argument("--rows", type=int, default=500_000, help="of the frame (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="how often to fit a new model (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="default: all CPUs")
    arguments = parser.parse_args()
    frame, y = make_frame(arguments.rows)
    print(f"fastbp {fb.__version__}; {arguments.rows:,} rows of {_N_NUMBERS} numbers and {_N_TEXTS} texts; medians")
    for kind, convert in KINDS.items():
        X = convert(frame)
        times = [time_fit(X, y, arguments.threads) for _ in range(arguments.repeats)]
        reading, training, _ = map(statistics.median, zip(*times, strict=True))
        print(f"{kind:>10}: reading and learning {reading:.2f} s, one epoch {training:.2f} s; loss {times[-1][2]!r}")


if __name__ == "__main__":
    main()
