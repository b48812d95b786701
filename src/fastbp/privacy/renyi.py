"""Rényi differential privacy of the Poisson-sampled Gaussian mechanism, and what it says of epsilon.

A step takes every sample with probability q, independently. It adds up vectors of norm 1 at most, one of each sample
taken, and adds Gaussian noise of standard deviation sigma. Data sets are neighbours where one has one sample more.

    rho(a) = log(A(a)) / (a - 1),   A(a) = E of (1 + x)^a over z ~ N(0, sigma²),
    x = q (exp((2 z - 1) / (2 sigma²)) - 1)

Sources: Mironov, Talwar and Zhang, "Rényi differential privacy of the sampled Gaussian mechanism", 2019
(arXiv:1908.10530), for A; Canonne, Kamath and Steinke, "The discrete Gaussian for differential privacy", 2020
(arXiv:2004.00010), proposition 12, for epsilon. (dp-accounting 0.6 adds the terms of Mironov's series without their
signs: its divergences of fractional orders are up to a quarter too large, its epsilon by less than 0.001.)

Everything is computed as A - 1, whose terms are all positive: for rare samples A is 1 and a tiny rest that matters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["ORDERS", "divergences", "epsilon_of_divergences", "smallest_epsilon"]

Floats = NDArray[np.float64]

ORDERS: tuple[float, ...] = (*(round(1 + i / 10, 1) for i in range(1, 100)), *range(11, 64), 128, 256, 512, 1024)
_LARGEST_ORDER = 2**17

# What rounding may take from a divergence is given back many times over: an account is never below the true value.
_ROUNDING = 1 + 1e-9

_TAIL = 14.0  # standard deviations beyond which a Gaussian is nothing: exp(-98)
_MOST_POINTS = 1 << 15  # of a quadrature: with sigma below about .03 fractional orders are left out


def smallest_epsilon(
    divergences_at: Callable[[Sequence[float]], Floats], delta: float, orders: Sequence[float] | None = None
) -> float:
    """Return the smallest epsilon that any order gives for `delta`.

    `divergences_at` returns the divergences of all steps together at these orders. Without `orders` larger ones are
    tried for as long as the largest is the best.
    """
    tried = list(ORDERS if orders is None else orders)
    values = epsilon_of_divergences(divergences_at(tried), tried, delta)
    while orders is None and values[-1] == values.min() and 0 < values[-1] < math.inf and tried[-1] < _LARGEST_ORDER:
        tried = [2 * tried[-1]]
        values = np.append(values, epsilon_of_divergences(divergences_at(tried), tried, delta))
    return float(values.min())


def epsilon_of_divergences(rho: Floats, orders: Sequence[float], delta: float) -> Floats:
    """Return the epsilon that each order gives: rho + log(1 - 1/a) - log(delta a) / (a - 1), never below 0.

    Parameters
    ----------
    rho : ndarray, [n_orders]
        Divergences; infinite ones are allowed.
    orders : sequence of float
        Above 1.
    delta : float
        Above 0 and below 1.
    """
    a = np.asarray(orders, dtype=np.float64)
    return np.maximum(rho * _ROUNDING + np.log1p(-1 / a) - (math.log(delta) + np.log(a)) / (a - 1), 0)


def divergences(q: float, sigma: float, orders: Sequence[float]) -> Floats:
    """Return rho of one step at these orders, [n_orders]: infinite without noise, 0 where no sample is ever taken."""
    return _divergences(q, sigma, tuple(orders))


@lru_cache(maxsize=64)  # training asks again after every epoch
def _divergences(q: float, sigma: float, orders: tuple[float, ...]) -> Floats:
    if q == 0:
        return np.zeros(len(orders))
    if sigma * sigma == 0:
        return np.full(len(orders), np.inf)
    if q == 1:
        return np.asarray(orders, dtype=np.float64) / (2 * sigma * sigma)
    return np.array([_divergence(q, sigma, float(order)) for order in orders])


def _divergence(q: float, sigma: float, order: float) -> float:
    log_rest = _log_rest_whole(q, sigma, int(order)) if order.is_integer() else _log_rest_between(q, sigma, order)
    return float(np.logaddexp(0, log_rest)) / (order - 1)


def _log_rest_whole(q: float, sigma: float, order: int) -> float:
    """Return log(A - 1) of a whole order: the sum over k of binom(a, k) (1-q)^(a-k) q^k (exp(c_k) - 1).

    c_k is k (k-1) / (2 sigma²). The subtracted ones add up to 1, and k = 0 and 1 have nothing left.
    """
    k = np.arange(2, order + 1, dtype=np.float64)
    factorials = _log_factorials(order)
    log_binomials = factorials[order] - factorials[2:] - factorials[order - 2 :: -1]
    grown = k * (k - 1) / (2 * sigma * sigma)
    with np.errstate(divide="ignore"):  # a sigma so large that a term is nothing
        log_grown = np.where(grown < 30, np.log(np.expm1(np.minimum(grown, 30))), grown)
    return _log_sum(log_binomials + (order - k) * math.log1p(-q) + k * math.log(q) + log_grown)


@lru_cache(maxsize=32)
def _log_factorials(n: int) -> Floats:
    """Return log(0!) to log(n!), [n + 1]."""
    return np.append(0.0, np.cumsum(np.log(np.arange(1, n + 1))))


def _log_rest_between(q: float, sigma: float, order: float) -> float:
    """Return log(A - 1) of any order, by quadrature of (1 + x)^a - 1 - a x, which is nowhere negative; E x is 0.

    The trapezium rule with equal steps is as exact as floats are where the integrand is analytic around the real line
    (Trefethen and Weideman, 2014): here within pi sigma² of it, where 1 + x has its nearest zero.
    """
    step = min(sigma / 4, sigma * sigma / 2)
    n_points = (order + 2 * _TAIL * sigma) / step
    if not n_points < _MOST_POINTS:
        return math.inf
    z = np.arange(-_TAIL * sigma, order + _TAIL * sigma, step)
    log_density = -(z * z) / (2 * sigma * sigma)  # without its constant
    exponent = (2 * z - 1) / (2 * sigma * sigma)
    log_power = order * np.logaddexp(math.log1p(-q), math.log(q) + exponent)  # of (1 + x)^a
    largest = max(0.0, float(np.max(log_density + log_power)))
    # density (1 + a x) is density (1 - a q), and a q times the density around 1.
    line = (1 - order * q) * np.exp(log_density - largest)
    line += order * q * np.exp(log_density + exponent - largest)
    rest = np.exp(log_density + log_power - largest) - line
    x = q * np.expm1(np.minimum(exponent, 700.0))
    small = np.abs(x) * (order + 1) < 0.01
    rest[small] = np.exp(log_density[small] - largest) * _power_beyond_line(x[small], order)
    total = float(np.sum(rest))
    if total <= 0:  # every term is below what a float can be
        return -math.inf
    return math.log(total) + largest + math.log(step / (sigma * math.sqrt(2 * math.pi)))


def _power_beyond_line(x: Floats, order: float) -> Floats:
    """Return (1 + x)^a - 1 - a x for small x, by its series."""
    tail = np.ones_like(x)
    for k in range(11, 2, -1):
        tail = 1 + (order - k + 1) / k * x * tail
    return order * (order - 1) / 2 * x * x * tail


def _log_sum(logs: Floats) -> float:
    """Return log(sum(exp(logs))); -infinity where all are."""
    largest = float(np.max(logs))
    if math.isinf(largest):
        return largest
    return largest + math.log(float(np.sum(np.exp(logs - largest))))
