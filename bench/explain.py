"""`python -m bench.explain`: explanations beside Captum and shap, which explain the same network in PyTorch.

All tasks of a row take turns in one process, and the fastest twentieth of each one's times counts, by row explained.
Points, permutations and backgrounds are as many in all; shap gives no standard errors. float32. Peers that are not
installed are left out.
"""

import argparse
import importlib.util
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import fastbp as fb

from .calls import time_in_turn

Tasks = dict[str, Callable[[], object]]

IMAGES, SMALL, TABLE = (784, 256, 128, 10), (16, 64, 64, 4), (20, 64, 64, 1)
N_PERMUTATIONS = 10


def make_model(sizes: tuple[int, ...]) -> fb.Model:
    """A network with relu, without a last activation."""
    hidden = [fb.Dense(units, "relu") for units in sizes[1:-1]]
    return fb.Model([*hidden, fb.Dense(sizes[-1])], inputs=sizes[0], seed=0)


def make_twin(model: fb.Model, n_threads: int) -> Any:
    """The same network in PyTorch."""
    import torch

    torch.set_num_threads(n_threads)
    modules: list[Any] = []
    weights = model.get_weights()
    for W, b in zip(weights[::2], weights[1::2], strict=True):
        linear = torch.nn.Linear(*W.shape)
        linear.weight.data, linear.bias.data = torch.tensor(W.T.copy()), torch.tensor(b)
        modules += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*modules[:-1])


def has(*names: str) -> bool:
    """Whether modules are installed."""
    return all(importlib.util.find_spec(name) is not None for name in names)


def of_integrated_gradients(sizes: tuple[int, ...], n_rows: int, n_threads: int) -> Tasks:
    """50 points between each row and zero, of one output."""
    model, rng = make_model(sizes), np.random.default_rng(0)
    X = rng.standard_normal((n_rows, sizes[0]), np.float32)
    tasks: Tasks = {
        "fastbp": lambda: fb.explain(model, X, "integrated_gradients", 1, baseline=0, n_steps=50, n_threads=n_threads)
    }
    if has("torch", "captum"):
        import torch
        from captum.attr import IntegratedGradients

        theirs, x = IntegratedGradients(make_twin(model, n_threads)), torch.tensor(X)
        tasks["captum"] = lambda: theirs.attribute(x, target=1, n_steps=50)
    return tasks


def of_deepshap(sizes: tuple[int, ...], n_rows: int, n_threads: int) -> Tasks:
    """All outputs, against 100 rows."""
    model, rng = make_model(sizes), np.random.default_rng(0)
    X, background = (rng.standard_normal((n, sizes[0]), np.float32) for n in (n_rows, 100))
    tasks: Tasks = {"fastbp": lambda: fb.explain(model, X, "deepshap", background=background, n_threads=n_threads)}
    if has("torch", "shap"):
        import shap
        import torch

        theirs = shap.DeepExplainer(make_twin(model, n_threads), torch.tensor(background))
        x = torch.tensor(X)
        tasks["shap"] = lambda: theirs.shap_values(x, check_additivity=False)
    return tasks


def of_shapley(sizes: tuple[int, ...], n_rows: int, n_threads: int) -> Tasks:
    """Ten permutations forwards and backwards, against 100 rows."""
    model, rng = make_model(sizes), np.random.default_rng(0)
    X, background = (rng.standard_normal((n, sizes[0]), np.float32) for n in (n_rows, 100))
    tasks: Tasks = {
        "fastbp": lambda: fb.explain(
            model, X, background=background, n_permutations=N_PERMUTATIONS, n_threads=n_threads
        )
    }
    if has("torch", "shap"):
        import shap
        import torch

        twin = make_twin(model, n_threads)

        def answers(rows: np.ndarray) -> np.ndarray:
            with torch.no_grad():
                return np.asarray(twin(torch.tensor(rows, dtype=torch.float32)).numpy()[:, 0])

        masker = shap.maskers.Independent(background, max_samples=100)
        theirs = shap.PermutationExplainer(answers, masker)
        n_evaluations = N_PERMUTATIONS * (2 * sizes[0] + 1)
        tasks["shap"] = lambda: theirs(X, max_evals=n_evaluations, silent=True)
    return tasks


ROWS: dict[str, tuple[Callable[[tuple[int, ...], int, int], Tasks], tuple[int, ...]]] = {
    "integrated gradients": (of_integrated_gradients, IMAGES),
    "integrated gradients of a small network": (of_integrated_gradients, SMALL),
    "deepshap": (of_deepshap, IMAGES),
    "shapley": (of_shapley, TABLE),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.explain", description=__doc__)
    parser.add_argument("--repeats", type=int, default=20, help="of each measurement (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=16, help="that are explained in a call (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="of all peers (default: %(default)s)")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    print(
        f"fastbp {fb.__version__}; float32, {arguments.threads} threads; milliseconds for each of {arguments.rows} rows"
    )
    for name, (make_tasks, sizes) in ROWS.items():
        times = time_in_turn(make_tasks(sizes, arguments.rows, arguments.threads), arguments.repeats)
        shown = [f"{task} {each / 1000 / arguments.rows:.3f}" for task, each in times.items()]
        faster = [f"{each / times['fastbp']:.1f}x {task}" for task, each in times.items() if task != "fastbp"]
        print(f"{name}, {'-'.join(map(str, sizes))}: {'; '.join(shown + faster)}", flush=True)


if __name__ == "__main__":
    main()
