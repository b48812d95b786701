"""Differential privacy: the account of what training reveals, and what is said about it.
It imports support.

The engine adds the noise; here is what the noise is worth.
"""

from fastbp.privacy.accounting import epsilon, noise_multiplier

__all__ = ["epsilon", "noise_multiplier"]
