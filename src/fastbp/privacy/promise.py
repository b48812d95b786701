"""What is promised of a trained model, as it is kept with the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Promise"]


@dataclass(frozen=True)
class Promise:
    """The account of a training that has ended, as plain data without its key.

    Attributes
    ----------
    epsilon, delta : float
    n_steps : int
    secure : bool
        False: NOT PRIVATE, the noise follows from a seed.
    statement : str
        What is promised, to whom, under which conditions.

    Examples
    --------
    >>> import fastbp as fb
    >>> promise = fb.privacy.Promise(epsilon=3.0, delta=1e-5, n_steps=1000, secure=True, statement="...")
    >>> promise.short()
    'epsilon 3 at delta 1e-05, 1,000 steps'
    """

    epsilon: float
    delta: float
    n_steps: int
    secure: bool
    statement: str

    def to_config(self) -> dict[str, Any]:
        """Return this as plain data."""
        return asdict(self)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Promise:
        """Return what ``to_config`` described."""
        return cls(
            float(config["epsilon"]),
            float(config["delta"]),
            int(config["n_steps"]),
            bool(config["secure"]),
            str(config["statement"]),
        )

    def short(self) -> str:
        """Return the promise in a line."""
        label = "" if self.secure else "NOT PRIVATE (secure=False): "
        return f"{label}epsilon {self.epsilon:.4g} at delta {self.delta:g}, {self.n_steps:,} steps"
