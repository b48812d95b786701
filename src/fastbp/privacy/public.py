"""Data that is nobody's secret."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

__all__ = ["Public"]


class Public:
    """Samples that are public: what is reported of them needs no privacy. For ``validation_data`` in private training.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_inputs)
    y : array-like
        Targets as for ``Trainer.fit``.
    sample_weight : array-like of shape (n_samples,) or None, default None

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.Public([[0.0, 1.0]], [1])
    Public(1 sample)
    """

    def __init__(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        self.X, self.y, self.sample_weight = X, y, sample_weight

    @property
    def arrays(self) -> tuple[Any, ...]:
        """What ``validation_data`` takes: X and y, and the sample weights where there are some."""
        return (self.X, self.y) if self.sample_weight is None else (self.X, self.y, self.sample_weight)

    def __repr__(self) -> str:
        try:
            n_samples = len(self.y)  # type: ignore[arg-type]
        except Exception:  # no length, or what a user's class raises
            return "Public(...)"
        return f"Public({n_samples} sample{'' if n_samples == 1 else 's'})"
