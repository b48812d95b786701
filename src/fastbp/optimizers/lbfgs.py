"""The options of L-BFGS, which makes its steps itself."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

from fastbp.optimizers.base import Optimizer, Scheduled
from fastbp.support.checks import check_int

__all__ = ["LBFGS"]


@dataclass(frozen=True)
class LBFGS(Optimizer):
    """L-BFGS (Liu and Nocedal, 1989): Newton's direction from the last few gradients, and a search along it.

    SciPy's L-BFGS-B on the loss of all samples, for small data and few weights; it needs SciPy, and batch_size=None.
    An epoch is one iteration, which asks for loss and gradient once or a few times; loss and metrics are those behind
    it. Training ends before all epochs are done where a tolerance is reached. Each call of ``fit`` begins anew, without
    what the last one gathered. A float64 model suits it better: float32 rounds off what the search goes by.

    Parameters
    ----------
    memory : int, default 10
        How many gradients are remembered.
    gradient_tolerance : float, default 1e-5
        Enough is reached when no element of the gradient is larger.
    loss_tolerance : float, default 2.2e-9
        Or when an iteration gains less than this share of the loss.
    line_search : int, default 20
        How often a search asks for the loss, at most.
    max_calls : int or None, default None
        How often all searches of a call of ``fit`` together ask for it, at most; None is no limit of its own.

    Raises
    ------
    TypeError, ValueError
        If a number is out of its range.
    ImportError
        If there is no SciPy.
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
        """Return nothing: the engine makes none of its steps."""
        return {}
