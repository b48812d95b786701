"""`python -m bench.privacy`: what private steps cost beside plain ones of as many samples, and the noise alone.

Each of the three is measured in turn, round by round, and the medians of the ratios are shown.
"""

import argparse
import itertools
import statistics
import time

import numpy as np

import fastbp as fb
from fastbp.data.samples import NAMES
from fastbp.engine.private_session import PrivateSession, PrivateSteps
from fastbp.engine.records import EpochPlan
from fastbp.engine.session import Session

from .report import markdown_table

# Name: (units of each layer from the inputs on, samples of a step).
NETWORKS = {
    "fashion, batch 2048": ((784, 256, 128, 10), 2048),
    "fashion, batch 256": ((784, 256, 128, 10), 256),
    "tabular, batch 1024": ((100, 512, 512, 512, 2), 1024),
    "small, batch 256": ((16, 64, 64, 4), 256),
}
NUMBERS = {"learning_rate": 1e-3, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}


def measure(units: tuple[int, ...], batch: int, n_threads: int, rounds: int) -> dict[str, list[float]]:
    """Seconds of a step, plain, clipped, and clipped with noise, in each round."""
    n_steps = max(4, int(3e9 / sum(a * b for a, b in itertools.pairwise(units)) / batch / 6))
    rng = np.random.default_rng(0)
    X = rng.normal(size=(batch * n_steps, units[0])).astype("float32")
    y = rng.integers(0, units[-1], len(X)).astype("int32")
    layers = [fb.Dense(n, "relu") for n in units[1:-1]] + [fb.Dense(units[-1], "softmax")]
    trainer = fb.Trainer(fb.Model(layers, inputs=units[0]), "cross_entropy")
    samples = trainer.parts.intake.samples(X, y, None, None, NAMES).for_engine()
    network, objective = trainer.model.network, trainer.loss.objective
    plain = Session(network, objective, (), "adam", n_threads)
    private = PrivateSession(network, objective, (), "adam", n_threads)

    def steps(sigma: float) -> None:
        plan = PrivateSteps(n_steps, NUMBERS, bytes(range(32)), 1 / n_steps, float(batch), 1.0, sigma)
        private.private_steps(samples, plan)

    ways = {
        "plain": lambda: plain.epoch(samples, EpochPlan(batch, True, 0, 0, NUMBERS)),
        "clipped": lambda: steps(0.0),
        "with noise": lambda: steps(1.0),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, run in ways.items():
            start = time.perf_counter()
            run()
            seconds[name].append((time.perf_counter() - start) / n_steps)
    return {name: values[1:] for name, values in seconds.items()}  # the first round warms up


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.privacy", description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    rows = []
    for name, (units, batch) in NETWORKS.items():
        seconds = measure(units, batch, options.threads, options.rounds + 1)
        ratios = [
            statistics.median(a / b for a, b in zip(seconds[way], seconds["plain"], strict=True))
            for way in ("clipped", "with noise")
        ]
        rows.append([name, f"{min(seconds['plain']) * 1e6:.0f}", *(f"{ratio:.2f}" for ratio in ratios)])
    print(markdown_table(["network", "plain step, us", "clipped, times", "clipped and noisy, times"], rows))


if __name__ == "__main__":
    main()
