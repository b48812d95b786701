"""`python -m bench.calls`: what a call of `fit` costs beyond its steps, and each of its epochs, in microseconds.

The time of `fit` on one batch, less that of a step: what a batch more adds to an epoch. So is an epoch's: what an epoch
more adds to a call. Each is measured many times in turn, and the fastest twentieth counts: what is asked is what a call
costs, and not what else the machine does. The network is small (16-64-64-4), its arrays are NumPy's own, float32 and
int64, as in reinforcement learning; nothing is converted.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np

import fastbp as fb

_SIZES = (16, 64, 64, 4)
_BATCH = 32
_MANY = 33  # batches, or epochs, of the longer calls


def make_trainer(metrics: list[str] | None) -> fb.Trainer:
    """A trainer on one thread; None means the loss's own metrics."""
    hidden = [fb.Dense(units, "relu") for units in _SIZES[1:-1]]
    model = fb.Model([*hidden, fb.Dense(_SIZES[-1], "softmax")], inputs=_SIZES[0], seed=0)
    return fb.Trainer(model, "cross_entropy", fb.Adam(1e-5), batch_size=_BATCH, n_threads=1, metrics=metrics)


def make_data(n_batches: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise: float32 (n_batches * _BATCH, inputs) and int64 labels."""
    rng = np.random.default_rng(0)
    n_samples = n_batches * _BATCH
    return rng.standard_normal((n_samples, _SIZES[0]), np.float32), rng.integers(0, _SIZES[-1], n_samples)


def time_in_turn(tasks: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Microseconds of each task: the twentieth part of its times that was fastest is below them."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(repeats):
        for name, task in tasks.items():
            task()  # the caches are this task's own
            start = time.perf_counter()
            task()
            times[name].append(time.perf_counter() - start)
    return {name: float(np.quantile(own, 0.05)) * 1e6 for name, own in times.items()}


def measure(metrics: list[str] | None, repeats: int) -> dict[str, float]:
    """Microseconds of a step, an epoch and a call of `fit`, and of `step`."""
    trainer = make_trainer(metrics)
    one, many = make_data(1), make_data(_MANY)
    times = time_in_turn(
        {
            "call": lambda: trainer.fit(*one),
            "batches": lambda: trainer.fit(*many),
            "epochs": lambda: trainer.fit(*one, epochs=_MANY),
            "step()": lambda: trainer.step(*one),
        },
        repeats,
    )
    step = (times["batches"] - times["call"]) / (_MANY - 1)
    epoch = (times["epochs"] - times["call"]) / (_MANY - 1) - step
    return {"step": step, "epoch": epoch, "call": times["call"] - epoch - step, "step()": times["step()"] - step}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.calls", description=__doc__)
    parser.add_argument("--repeats", type=int, default=300, help="of each measurement (default: %(default)s)")
    arguments = parser.parse_args()
    print(f"fastbp {fb.__version__}; {'-'.join(map(str, _SIZES))}, batch {_BATCH}, one thread; microseconds")
    for name, metrics in (("metrics=[]", []), ("default metrics", None)):
        of = measure(metrics, arguments.repeats)
        print(
            f"{name:>15}: a step {of['step']:.1f}; beyond its steps an epoch {of['epoch']:.1f}, a call of fit "
            f"{of['call']:.1f} (together {of['epoch'] + of['call']:.1f}), a call of step {of['step()']:.1f}"
        )


if __name__ == "__main__":
    main()
