"""Differential privacy: the account of what training reveals, and what is said about it.
It imports support.

The engine adds the noise; here is what the noise is worth.

Examples
--------
>>> import fastbp as fb
>>> run = dict(sampling_probability=0.01, steps=1000, delta=1e-5)
>>> noise = fb.privacy.noise_multiplier(target_epsilon=3.0, **run)
>>> fb.privacy.epsilon(noise_multiplier=noise, **run) <= 3.0
True
"""

from fastbp.privacy.account import PrivacyAccount
from fastbp.privacy.accounting import epsilon, noise_multiplier
from fastbp.privacy.auditing import Audit, audit
from fastbp.privacy.public import Public
from fastbp.privacy.settings import DifferentialPrivacy

__all__ = ["Audit", "DifferentialPrivacy", "PrivacyAccount", "Public", "audit", "epsilon", "noise_multiplier"]
