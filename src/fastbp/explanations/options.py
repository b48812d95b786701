"""What can be set for a method, and which method takes it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastbp.support.checks import check_int, check_number, check_seed, check_word

__all__ = ["Options", "options_of"]

RULES = ("epsilon", "gamma", "z+", "alpha-beta")

# Each setting's methods.
_METHODS = {
    "n_permutations": ("shapley",),
    "n_samples": ("smoothgrad", "expected_gradients"),
    "noise": ("smoothgrad",),
    "n_steps": ("integrated_gradients",),
    "tolerance": ("integrated_gradients",),
    "rule": ("lrp",),
    "epsilon": ("lrp",),
    "gamma": ("lrp",),
    "alpha": ("lrp",),
}


# How each setting is checked.
_CHECKS: dict[str, Callable[[Any, str], Any]] = {
    **dict.fromkeys(("n_permutations", "n_samples"), functools.partial(check_int, minimum=2)),
    "n_steps": functools.partial(check_int, maximum=10_000),
    **dict.fromkeys(("noise", "tolerance"), functools.partial(check_number, above=0)),
    "rule": functools.partial(check_word, words=RULES),
    **dict.fromkeys(("epsilon", "gamma"), functools.partial(check_number, at_least=0)),
    "alpha": functools.partial(check_number, at_least=1),
}


@dataclass(frozen=True)
class Options:
    """The settings of all methods, with their defaults.

    Attributes
    ----------
    n_permutations : int
        Of Shapley values; each is used forwards and backwards.
    n_samples : int
        Of noise, or of points between the rows and the background.
    noise : float
        The standard deviation of noise, in units of the first layer's inputs.
    n_steps : int or None
        Points between a row and a baseline; None: as many as the tolerance needs.
    tolerance : float
        The completeness error that is allowed, as a share of what is explained.
    rule : str
        Of relevance propagation.
    epsilon, gamma, alpha : float
        The numbers of the rules.
    seed : int
    n_threads : int or None
    """

    n_permutations: int = 10
    n_samples: int = 100
    noise: float = 0.1
    n_steps: int | None = None
    tolerance: float = 1e-3
    rule: str = "epsilon"
    epsilon: float = 1e-6
    gamma: float = 0.25
    alpha: float = 2.0
    seed: int = 0
    n_threads: int | None = None


def options_of(method: str, given: Mapping[str, Any], seed: Any, n_threads: int | None) -> Options:
    """Return the settings that were given, not None, checked, and the others' defaults.

    Raises
    ------
    TypeError, ValueError
        If one is wrong, or the method does not take it.
    """
    settings = {name: value for name, value in given.items() if value is not None}
    for name in settings:
        if method not in _METHODS[name]:
            of = " or ".join(map(repr, _METHODS[name]))
            raise ValueError(f"{name} is given and method is {method!r}; expected it with method={of}.")
        settings[name] = _CHECKS[name](settings[name], name)
    _check_rule(settings)
    return Options(**settings, seed=check_seed(seed), n_threads=n_threads)


def _check_rule(settings: Mapping[str, Any]) -> None:
    """Refuse the number of a rule that is not used."""
    rule = settings.get("rule", "epsilon")
    for name, of in (("gamma", "gamma"), ("alpha", "alpha-beta")):
        if name in settings and rule != of:
            raise ValueError(f"{name} is given and rule is {rule!r}; expected it with rule={of!r}.")
    if "tolerance" in settings and "n_steps" in settings:
        raise ValueError("tolerance and n_steps are given; expected one of them, as each decides how many steps.")
