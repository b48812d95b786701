"""The options of L-BFGS; SciPy computes its steps, not the engine."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

from fastbp.optimizers.base import Optimizer, Scheduled
from fastbp.support.checks import check_int

__all__ = ["LBFGS"]


@dataclass(frozen=True)
class LBFGS(Optimizer):
    """L-BFGS (Liu and Nocedal, 1989): a quasi-Newton direction from the last few gradients, and a line search along it.

    SciPy's L-BFGS-B on the loss of all samples, for small data and few weights; it needs SciPy and batch_size=None. An
    epoch is one iteration, which evaluates loss and gradient once or a few times; the epoch's loss and metrics are
    those after it. Training ends early when a tolerance is reached. Each call of ``fit`` starts without the gradients
    of the call before. Prefer a float64 model: the line search needs more precision than float32 has.

    Parameters
    ----------
    memory : int, default 10
        Number of past gradients that are stored.
    gradient_tolerance : float, default 1e-5
        Training ends when no element of the gradient is larger in absolute value.
    loss_tolerance : float, default 2.2e-9
        Training ends when an iteration lowers the loss by less than this fraction of it.
    line_search : int, default 20
        Largest number of loss evaluations in one line search.
    max_calls : int or None, default None
        Largest number of loss evaluations in one call of ``fit``; None means no such limit.

    Raises
    ------
    TypeError, ValueError
        If a number is out of its range.
    ImportError
        If SciPy is not installed.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> X = np.linspace(-1, 1, 50).reshape(-1, 1)
    >>> model = fb.Model([fb.Dense(8, "tanh"), fb.Dense(1)], inputs=1, dtype="float64", seed=0)
    >>> trainer = fb.Trainer(model, "mse", fb.LBFGS(), batch_size=None)
    >>> trainer.fit(X, X**2, epochs=100)["loss"][-1] < 1e-4
    True
    """

    memory: int = 10
    gradient_tolerance: float = 1e-5
    loss_tolerance: float = 2.2e-9
    line_search: int = 20
    max_calls: int | None = None
    name = "lbfgs"
    rule = "lbfgs"
    full_batch = True
    native = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "memory", check_int(self.memory, "memory"))
        self._check_number("gradient_tolerance", at_least=0)
        self._check_number("loss_tolerance", at_least=0)
        object.__setattr__(self, "line_search", check_int(self.line_search, "line_search"))
        if self.max_calls is not None:
            object.__setattr__(self, "max_calls", check_int(self.max_calls, "max_calls"))
        if importlib.util.find_spec("scipy") is None:
            raise ImportError("LBFGS needs SciPy, which is not installed: pip install 'fastbp[lbfgs]'.")

    def numbers(self) -> dict[str, Scheduled]:
        """Return nothing: the engine does not compute its steps."""
        return {}
