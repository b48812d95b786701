"""`python -m bench.derivatives`: derivatives by the inputs beside PyTorch, and the steps of reinforcement learning.

All tasks of a row take turns in one process, on one thread, and the fastest twentieth of each one's times counts.
Arrays are NumPy's for fastbp and tensors for PyTorch, which has the same weights; float32. Without PyTorch its columns
are left out.
"""

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

import fastbp as fb

from .calls import time_in_turn

Tasks = dict[str, Callable[[], object]]


def make_model(sizes: tuple[int, ...]) -> fb.Model:
    """A network with relu, without a last activation."""
    hidden = [fb.Dense(units, "relu") for units in sizes[1:-1]]
    return fb.Model([*hidden, fb.Dense(sizes[-1])], inputs=sizes[0], seed=0)


def torch_twin(model: fb.Model) -> Any:
    """The same network in PyTorch; None where it is not installed."""
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(1)
    modules: list[Any] = []
    weights = model.get_weights()
    for W, b in zip(weights[::2], weights[1::2], strict=True):
        linear = torch.nn.Linear(*W.shape)
        linear.weight.data, linear.bias.data = torch.tensor(W.T.copy()), torch.tensor(b)
        modules += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*modules[:-1]).requires_grad_(False)


def of_products(sizes: tuple[int, ...], n: int) -> Tasks:
    """One backward pass, of n rows."""
    model, rng = make_model(sizes), np.random.default_rng(0)
    X, V = (rng.standard_normal((n, width), np.float32) for width in (sizes[0], sizes[-1]))
    U = rng.standard_normal(X.shape, np.float32)
    tasks: Tasks = {
        "predict": lambda: model.predict(X, n_threads=1),
        "vjp": lambda: model.vjp(X, V, n_threads=1),
        "jvp": lambda: model.jvp(X, U, n_threads=1),
        "hvp": lambda: model.hvp(X, U, V, n_threads=1),
    }
    twin = torch_twin(model)
    if twin is not None:
        import torch

        x, v = torch.tensor(X, requires_grad=True), torch.tensor(V)
        tasks["autograd.grad"] = lambda: torch.autograd.grad(twin(x), x, grad_outputs=v)
    return tasks


def of_jacobians(sizes: tuple[int, ...], n: int) -> Tasks:
    """All derivatives, of n rows."""
    model, rng = make_model(sizes), np.random.default_rng(0)
    X = rng.standard_normal((n, sizes[0]), np.float32)
    tasks: Tasks = {
        "predict": lambda: model.predict(X, n_threads=1),
        "jacobian": lambda: model.jacobian(X, n_threads=1),
        "laplacian": lambda: model.laplacian(X, n_threads=1),
    }
    twin = torch_twin(model)
    if twin is not None:
        import torch

        x = torch.tensor(X)
        jacobian = torch.func.vmap(torch.func.jacrev(twin))
        tasks["vmap(jacrev)"] = lambda: jacobian(x)
    return tasks


def squares(outputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean squared error as a Python function."""
    d = outputs - targets
    return (d * d).mean(axis=1), d * (2 / d.shape[1])


def of_steps(sizes: tuple[int, ...], n: int) -> Tasks:
    """Steps of n rows, and what a target network costs."""
    model, rng = make_model(sizes), np.random.default_rng(0)
    X, y = (rng.standard_normal((n, width), np.float32) for width in (sizes[0], sizes[-1]))
    mask = np.eye(sizes[-1])[rng.integers(0, sizes[-1], n)]
    target = model.copy()
    by_mse, by_function = (
        fb.Trainer(model.copy(), loss, optimizer=fb.Adam(1e-5), n_threads=1) for loss in ("mse", squares)
    )
    gradients = by_mse.model.loss_and_gradients(X, y, "mse")[1]
    return {
        "step": lambda: by_mse.step(X, y),
        "return_losses": lambda: by_mse.step(X, y, return_losses=True),
        "mask": lambda: by_mse.step(X, y, sample_weight=mask),
        "Python loss": lambda: by_function.step(X, y),
        "step_gradient": lambda: by_mse.step_gradient(X, y),
        "apply_gradients": lambda: by_mse.apply_gradients(gradients),
        "copy": model.copy,
        "blend": lambda: target.blend(model, 0.01),
    }


ROWS: dict[str, Callable[[], Tasks]] = {
    "64 rows of 784-256-128-10": lambda: of_products((784, 256, 128, 10), 64),
    "64 rows of 16-64-64-4": lambda: of_products((16, 64, 64, 4), 64),
    "128 rows of 10-64-64-10": lambda: of_jacobians((10, 64, 64, 10), 128),
    "64 rows of 4-64-64-2": lambda: of_steps((4, 64, 64, 2), 64),
    "1 row of 4-64-64-2": lambda: of_steps((4, 64, 64, 2), 1),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.derivatives", description=__doc__)
    parser.add_argument("--repeats", type=int, default=300, help="of each measurement (default: %(default)s)")
    arguments = parser.parse_args()
    print(f"fastbp {fb.__version__}; float32, one thread; microseconds")
    for name, make_tasks in ROWS.items():
        times = time_in_turn(make_tasks(), arguments.repeats)
        print(f"{name:>25}: " + "; ".join(f"{task} {microseconds:.1f}" for task, microseconds in times.items()))


if __name__ == "__main__":
    main()
