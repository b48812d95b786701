"""What the user asks for: the bound of a sample's influence, the noise, and the budget."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from fastbp.privacy.accounting import ACCOUNTANTS, AccountantName, check_delta
from fastbp.support.checks import check_flag, check_int, check_number, check_word

__all__ = ["Clipping", "DifferentialPrivacy"]

Clipping: TypeAlias = Literal["flat", "per_layer", "automatic"]
_CLIPPINGS: tuple[Clipping, ...] = ("flat", "per_layer", "automatic")
_MOST_PHYSICAL = 4096  # a micro-batch of the engine
_LEAST_NORM, _MOST_NORM = 1e-6, 1e6  # float32 gradients have their squares between these with room to spare


@dataclass(frozen=True, kw_only=True)
class DifferentialPrivacy:
    """Training that reveals little about any one sample: DP-SGD, for ``Trainer(privacy=...)``.

    Each step takes every sample with probability expected_batch_size / n_samples, independently. Each sample's gradient
    is scaled down to a norm of at most C = max_grad_norm; Gaussian noise of standard deviation noise_multiplier * C is
    added to their sum, and the sum is divided by expected_batch_size. Whoever sees all weights of all steps then learns
    little about whether any one sample was there: how little, ``trainer.privacy.epsilon(delta)`` says.

    Parameters
    ----------
    target_delta : float
        The probability with which epsilon may be exceeded, above 0 and below 1: far below 1 / n_samples.
    expected_batch_size : int
        The expected number of samples in a step; large ones, of hundreds or thousands, are the better bargain.
    noise_multiplier : float or None, default None
        Standard deviation of the noise divided by C, above 0. None means as much as the budget asks for.
    target_epsilon : float or None, default None
        The budget, above 0: training stops before the step that would exceed it. Without noise_multiplier the first
        ``fit`` chooses the noise with which its epochs use the budget up. At least one of the two must be given.
    max_grad_norm : float, default 1.0
        C, from 1e-6 to 1e6. Without knowing better take 1.0 and try learning rates; C is not a secret.
    clipping : {"flat", "per_layer", "automatic"}, default "flat"
        "flat" multiplies a sample's gradient g by min(1, C / |g|). "per_layer" does this in each layer that learns with
        C divided by the root of their number. "automatic" multiplies by C / (|g| + 0.01) (Bu et al. 2022).
    accountant : {"rdp", "pld"}, default "rdp"
        As for ``fb.privacy.epsilon``.
    secure : bool, default True
        Whether noise and samples come from a secret key of the operating system. False takes the trainer's seed, for
        reproducible experiments: whoever knows the seed can take the noise away, so that NOTHING IS PRIVATE.
    max_physical_batch_size : int, default 4096
        The most samples whose gradients are computed at once, 1 to 4096; it limits memory and changes no statistics.
        With ``shards`` it counts in whole 16, at least one.

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of the above, or neither noise_multiplier nor target_epsilon is given.

    Notes
    -----
    Abadi et al., "Deep learning with differential privacy", 2016 (arXiv:1607.00133). Norms without gradients of single
    samples: Goodfellow, "Efficient per-example gradient computations", 2015 (arXiv:1510.01799).

    Examples
    --------
    >>> import numpy as np
    >>> import fastbp as fb
    >>> X = np.random.default_rng(0).normal(size=(4000, 5))
    >>> model = fb.Model([fb.Dense(16, "tanh"), fb.Dense(1)], inputs=5)
    >>> privacy = fb.DifferentialPrivacy(target_epsilon=3, target_delta=1e-5, expected_batch_size=400)
    >>> trainer = fb.Trainer(model, loss="mse", optimizer=fb.Adam(0.01), privacy=privacy)
    >>> history = trainer.fit(X, X[:, 0], epochs=5)
    >>> trainer.privacy.epsilon() <= 3
    True
    """

    target_delta: float
    expected_batch_size: int
    noise_multiplier: float | None = None
    target_epsilon: float | None = None
    max_grad_norm: float = 1.0
    clipping: Clipping = "flat"
    accountant: AccountantName = "rdp"
    secure: bool = True
    max_physical_batch_size: int = _MOST_PHYSICAL

    def __post_init__(self) -> None:
        if self.noise_multiplier is None and self.target_epsilon is None:
            raise ValueError(
                "noise_multiplier and target_epsilon are None; expected at least one of them: the noise, or the budget "
                "that it follows from, such as target_epsilon=3."
            )
        checked: dict[str, Any] = {
            "target_delta": check_delta(self.target_delta, "target_delta"),
            "expected_batch_size": check_int(self.expected_batch_size, "expected_batch_size"),
            "max_grad_norm": check_number(
                self.max_grad_norm, "max_grad_norm", at_least=_LEAST_NORM, below=_MOST_NORM * (1 + 1e-9)
            ),
            "clipping": check_word(self.clipping, "clipping", _CLIPPINGS),
            "accountant": check_word(self.accountant, "accountant", ACCOUNTANTS),
            "secure": check_flag(self.secure, "secure"),
            "max_physical_batch_size": check_int(
                self.max_physical_batch_size, "max_physical_batch_size", maximum=_MOST_PHYSICAL
            ),
        }
        for name in ("noise_multiplier", "target_epsilon"):
            if getattr(self, name) is not None:
                checked[name] = check_number(getattr(self, name), name, above=0)
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        """Return what makes such an object, with the arguments that are not the defaults."""
        shown = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        ]
        return f"DifferentialPrivacy({', '.join(shown)})"
