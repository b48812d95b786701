"""Differential privacy: the account of what training reveals, and what is said about it.
It imports support.

The engine adds the noise; here is what the noise is worth.
"""

from typing import TYPE_CHECKING, Any

from fastbp.privacy.accounting import epsilon, noise_multiplier
from fastbp.privacy.public import Public
from fastbp.privacy.settings import DifferentialPrivacy

__all__ = ["Audit", "DifferentialPrivacy", "PrivacyAccount", "Public", "audit", "epsilon", "noise_multiplier"]

if TYPE_CHECKING:
    from fastbp.privacy.account import PrivacyAccount
    from fastbp.privacy.auditing import Audit, audit

_LATER = {"Audit": "auditing", "PrivacyAccount": "account", "audit": "auditing"}  # `import fastbp` stays quick


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'fastbp.privacy' has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"fastbp.privacy.{_LATER[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
