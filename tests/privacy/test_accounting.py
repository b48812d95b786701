"""The account of privacy against dp-accounting, closed forms and integrals at thirty digits."""

import itertools
import math
import sys

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastbp as fb
from fastbp.privacy import renyi

# (sampling probability, noise multiplier, steps, delta, epsilon by Rényi divergences, by loss distributions or None)
ORACLES = [
    (150 / 60000, 1.3, 6000, 1e-5, 0.7242234026, None),  # TensorFlow Privacy's own test
    (1e-3, 1.0, 30000, 1e-7, 1.4154988495, None),  # the same
    (0.01, 0.7, 120, 1e-5, 3.2392676, 2.4612381),
    (1.0, 0.7, 2, 1e-5, 10.8602036, 10.1224946),
    (0.04, 1.5, 2250, 1e-5, 7.32911117143, 6.769),  # Opacus
    (256 / 60000, 1.1, 3516, 1e-5, 1.2813, 1.134),
    (256 / 60000, 1.3, 3516, 1e-5, 0.9546, 0.865),
    (1.0, 4.530877117, 1, 1e-6, 1.0, 0.92739),
]


def epsilon(q, sigma, steps, delta, accountant="rdp"):
    return fb.privacy.epsilon(
        sampling_probability=q, noise_multiplier=sigma, steps=steps, delta=delta, accountant=accountant
    )


def divergence_by_mpmath(q, sigma, order):
    """The integral that defines the divergence, at thirty digits."""
    with mpmath.workdps(30):
        q, s, a = (mpmath.mpf(x) for x in (q, sigma, order))

        def integrand(z):
            return mpmath.npdf(z, 0, s) * ((1 - q) + q * mpmath.exp((2 * z - 1) / (2 * s * s))) ** a

        crossing = s * s * mpmath.log(1 / q - 1) + mpmath.mpf(1) / 2
        points = {-20 * s, a + 20 * s, mpmath.mpf(0), a, crossing}
        points |= {centre + k * s for centre in (crossing, a, 0) for k in (-4, 4)}
        inside = sorted(point for point in points if -20 * s <= point <= a + 20 * s)
        return float(mpmath.log(mpmath.quad(integrand, inside)) / (a - 1))


def gaussian_delta(epsilon, sigma):
    """The delta of a Gaussian without sampling, exactly (Balle and Wang 2018, theorem 8)."""
    normal = mpmath.ncdf
    return normal(1 / (2 * sigma) - epsilon * sigma) - mpmath.exp(epsilon) * normal(-1 / (2 * sigma) - epsilon * sigma)


@pytest.mark.parametrize(("q", "sigma", "steps", "delta", "by_divergences", "by_distributions"), ORACLES)
def test_published_values(q, sigma, steps, delta, by_divergences, by_distributions):
    assert epsilon(q, sigma, steps, delta) == pytest.approx(by_divergences, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("q", "sigma", "steps", "delta", "expected"), [(*row[:4], row[5]) for row in ORACLES[2:] if row[5]]
)
def test_published_values_by_distributions(q, sigma, steps, delta, expected):
    pytest.importorskip("dp_accounting")
    value = epsilon(q, sigma, steps, delta, "pld")
    assert value == pytest.approx(expected, abs=6e-4)
    assert value < epsilon(q, sigma, steps, delta)


def test_divergences_of_tensorflow_privacys_test():
    rho = 50 * renyi.divergences(0.01, 2.5, [5, 50, 100])
    assert rho == pytest.approx([2.18075656e-3, 2.38460375e-2, 167.416308], rel=1e-7)


@pytest.mark.parametrize(("q", "sigma"), [(1e-8, 0.7), (1e-4, 100.0), (0.01, 0.7), (0.5, 2.5), (0.9, 0.3)])
def test_divergences_are_those_of_the_integral(q, sigma):
    for order in (1.1, 2.5, 3.0):
        expected = divergence_by_mpmath(q, sigma, order)
        assert renyi.divergences(q, sigma, [order])[0] == pytest.approx(expected, rel=1e-10), order


@pytest.mark.parametrize(("q", "sigma", "steps", "delta"), [row[:4] for row in ORACLES])
def test_dp_accounting_agrees(q, sigma, steps, delta):
    """It overestimates fractional orders, so that it is above by less than 0.001; whole orders are the same."""
    dp_event = pytest.importorskip("dp_accounting.dp_event")
    rdp = pytest.importorskip("dp_accounting.rdp")
    step = (
        dp_event.GaussianDpEvent(sigma)
        if q == 1
        else dp_event.PoissonSampledDpEvent(q, dp_event.GaussianDpEvent(sigma))
    )
    whole = [order for order in renyi.ORDERS if float(order).is_integer()]
    for orders in (renyi.ORDERS, whole):
        accountant = rdp.RdpAccountant(orders)
        accountant.compose(step, steps)
        theirs = accountant.get_epsilon(delta)
        mine = renyi.smallest_epsilon(lambda at: steps * renyi.divergences(q, sigma, at), delta, orders)
        assert mine == pytest.approx(theirs, abs=1e-3)
        if orders is whole:
            assert theirs <= mine < theirs * (1 + 1e-8)


@settings(max_examples=60, deadline=None)
@given(sigma=st.floats(0.2, 50), steps=st.integers(1, 1000), log_delta=st.floats(-9, -1))
def test_never_below_the_exact_value_without_sampling(sigma, steps, log_delta):
    delta = 10**log_delta
    bound = epsilon(1.0, sigma, steps, delta)
    assert gaussian_delta(bound, sigma / math.sqrt(steps)) <= delta


@settings(max_examples=25, deadline=None)
@given(q=st.floats(1e-6, 1), sigma=st.floats(0.3, 20), steps=st.integers(1, 10**5), log_delta=st.floats(-9, -2))
def test_more_of_anything_reveals_more(q, sigma, steps, log_delta):
    delta = 10**log_delta
    value = epsilon(q, sigma, steps, delta)
    assert value >= 0
    assert epsilon(q / 2, sigma, steps, delta) <= value
    assert epsilon(q, sigma * 1.5, steps, delta) <= value
    assert epsilon(q, sigma, steps + 1, delta) >= value
    assert epsilon(q, sigma, steps, delta / 2) >= value


def test_runs_compose():
    together = epsilon([0.01, 0.01], [1.1, 1.1], [300, 700], 1e-5)
    assert together == pytest.approx(epsilon(0.01, 1.1, 1000, 1e-5), rel=1e-12)
    # Gaussians without sampling: sigma^-2 adds up.
    s = (0.5**-2 + 1.5**-2) ** -0.5
    assert epsilon(1.0, [0.5, 1.5], 1, 1e-5) == pytest.approx(epsilon(1.0, s, 1, 1e-5), rel=1e-12)
    assert epsilon([0.01, 0.02], [1.0, 2.0], np.array([100, 50]), 1e-5) > epsilon(0.01, 1.0, 100, 1e-5)


def test_large_orders_are_tried_as_needed():
    """With very much noise the best order is far above the usual ones; exact: sigma 1000, one step."""
    value = epsilon(1.0, 1000.0, 1, 1e-5)
    assert value < 0.006
    assert gaussian_delta(value, 1000.0) <= 1e-5


def test_edges():
    assert epsilon(0.0, 1.0, 100, 1e-5) == 0
    assert epsilon(0.5, 1.0, 0, 1e-5) == 0
    assert epsilon(0.5, 0.0, 1, 1e-5) == math.inf
    assert math.isfinite(epsilon(0.5, 1e-3, 10, 1e-5))
    assert epsilon(1.0, 1e-200, 1, 1e-5) == math.inf


@pytest.mark.parametrize("accountant", ["rdp", "pld"])
def test_noise_keeps_the_budget(accountant):
    if accountant == "pld":
        pytest.importorskip("dp_accounting")
    targets = [(8.0, 0.04, 2000, 1e-5), (0.3, 0.01, 1000, 1e-6)] if accountant == "rdp" else [(1.0, 1.0, 1, 1e-6)]
    for target, q, steps, delta in targets:
        sigma = fb.privacy.noise_multiplier(
            target_epsilon=target, sampling_probability=q, steps=steps, delta=delta, accountant=accountant
        )
        assert (
            epsilon(q, sigma, steps, delta, accountant) <= target < epsilon(q, sigma * 0.999, steps, delta, accountant)
        )


def test_published_noise():
    sigma = fb.privacy.noise_multiplier(target_epsilon=8, sampling_probability=0.04, steps=2000, delta=1e-5)
    assert sigma == pytest.approx(1.3562, abs=1e-3)
    exact = 4.2246789  # epsilon 1 at delta 1e-6, by the Gaussian's formula
    assert gaussian_delta(1, exact) == pytest.approx(1e-6, rel=1e-6)
    assert fb.privacy.noise_multiplier(target_epsilon=1, sampling_probability=1, steps=1, delta=1e-6) > exact


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sampling_probability": 1.5}, "sampling_probability is 1.5; expected a number from 0 to 1"),
        ({"sampling_probability": "all"}, "sampling_probability is 'all'"),
        ({"noise_multiplier": -1.0}, "noise_multiplier is -1"),
        ({"steps": 1.5}, "steps is 1.5"),
        ({"delta": 0.0}, "delta is 0"),
        ({"delta": 1.0}, "delta is 1"),
        ({"accountant": "gdp"}, "accountant is 'gdp'; expected 'rdp' or 'pld'"),
        ({"steps": [1, 2], "noise_multiplier": [1.0, 1.0, 1.0]}, "steps has 2 entries, and another argument has 3"),
    ],
)
def test_refusals(change, words):
    arguments = {"sampling_probability": 0.1, "noise_multiplier": 1.0, "steps": 10, "delta": 1e-5, **change}
    with pytest.raises((TypeError, ValueError), match=words):
        fb.privacy.epsilon(**arguments)


def test_a_budget_that_no_noise_keeps():
    with pytest.raises(ValueError, match="target_epsilon is 1e-12; no amount of noise keeps it"):
        fb.privacy.noise_multiplier(target_epsilon=1e-12, sampling_probability=1.0, steps=10**6, delta=1e-9)


def test_without_dp_accounting_pld_is_refused(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("dp_accounting")] or ["dp_accounting"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "dp_accounting", None)
    with pytest.raises(ImportError, match=r'pip install "fastbp\[privacy\]"'):
        epsilon(0.1, 1.0, 10, 1e-5, "pld")


def test_orders_rise():
    assert all(a < b for a, b in itertools.pairwise(renyi.ORDERS))


# ---- Edges ----


def test_steps_that_take_no_sample_cost_nothing():
    assert epsilon(0.0, 0.0, 100, 1e-5) == 0
    assert epsilon([0.0, 0.01], [0.0, 1.0], [50, 100], 1e-5) == epsilon(0.01, 1.0, 100, 1e-5)
    with pytest.raises(ValueError, match=r"sampling_probability is 0; expected a number above 0 and up to 1"):
        fb.privacy.noise_multiplier(target_epsilon=1, sampling_probability=0, steps=10, delta=1e-5)


def test_a_budget_that_hardly_any_noise_keeps():
    """The noise is small, and no larger than is needed."""
    budget = 1e7
    sigma = fb.privacy.noise_multiplier(target_epsilon=budget, sampling_probability=1.0, steps=1, delta=1e-5)
    assert 0 < sigma < 1e-3 and epsilon(1.0, sigma, 1, 1e-5) <= budget


def test_a_saved_key_of_another_length_is_refused():
    from fastbp.privacy.keys import KeyChain

    with pytest.raises(ValueError, match=r"the key has 5 bytes; expected "):
        KeyChain(None).restore(b"short", b"")


def test_public_data_says_how_much_it_is():
    class Odd:
        def __len__(self):
            raise RuntimeError("no length")

    shown = [repr(fb.Public(np.zeros((n, 2)), y)) for n, y in ((3, np.zeros(3)), (1, np.zeros(1)), (1, Odd()))]
    assert shown == ["Public(3 samples)", "Public(1 sample)", "Public(...)"]


def test_pld_of_a_few_sampled_steps_is_a_little_below_rdp():
    pytest.importorskip("dp_accounting")
    values = {name: epsilon(0.5, 2.0, 3, 1e-3, name) for name in ("rdp", "pld")}
    assert 0.7 * values["rdp"] < values["pld"] < values["rdp"]
    assert epsilon(1.0, 2.0, 3, 1e-3, "pld") > 1.5 * values["pld"]  # all rows in each step


def test_a_divergence_below_every_float_is_none():
    assert renyi._log_rest_between(1e-300, 1.0, 1.5) == -np.inf
