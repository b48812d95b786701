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

from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from fastbp.privacy.accounting import epsilon, noise_multiplier
from fastbp.privacy.public import Public
from fastbp.privacy.settings import DifferentialPrivacy

if _TYPE_CHECKING:
    from fastbp.privacy.account import PrivacyAccount
    from fastbp.privacy.auditing import Audit, audit
    from fastbp.privacy.joining import join
    from fastbp.privacy.promise import Promise
    from fastbp.privacy.schema import Schema

__all__ = [
    "Audit",
    "DifferentialPrivacy",
    "PrivacyAccount",
    "Promise",
    "Public",
    "Schema",
    "audit",
    "epsilon",
    "join",
    "noise_multiplier",
]

_LATER = {  # imported on first use: `import fastbp` stays quick
    "Audit": "auditing",
    "PrivacyAccount": "account",
    "Promise": "promise",
    "Schema": "schema",
    "audit": "auditing",
    "join": "joining",
}


def __getattr__(name: str) -> _Any:
    if name not in _LATER:
        raise AttributeError(f"module 'fastbp.privacy' has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"fastbp.privacy.{_LATER[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
