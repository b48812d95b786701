"""Epsilon by distributions of the privacy loss: a tighter account, which the package dp-accounting computes."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["epsilon_by_distributions"]

# The width of a bin of the loss: rounded up, so that epsilon is never below the true one.
_INTERVAL = 1e-4


def epsilon_by_distributions(runs: Sequence[tuple[float, float, int]], delta: float) -> float:
    """Return the epsilon of runs of (sampling probability, noise multiplier, steps), all above 0."""
    try:
        from dp_accounting import dp_event, privacy_accountant
        from dp_accounting.pld import pld_privacy_accountant
    except ImportError as error:
        raise ImportError(
            'accountant="pld" needs the package dp-accounting: pip install "fastbp[privacy]". '
            'accountant="rdp" needs nothing more, and its epsilon is about a tenth larger.'
        ) from error
    accountant = pld_privacy_accountant.PLDAccountant(
        privacy_accountant.NeighboringRelation.ADD_OR_REMOVE_ONE, value_discretization_interval=_INTERVAL
    )
    for probability, sigma, steps in runs:
        step = dp_event.GaussianDpEvent(sigma)
        if probability < 1:
            step = dp_event.PoissonSampledDpEvent(probability, step)
        accountant.compose(step, steps)
    return float(accountant.get_epsilon(delta))
