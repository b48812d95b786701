"""Philox against the published vectors; permutations that are permutations, fair, functions of seed and epoch alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
from fastbp.engine import kernels

# Known answers of Random123, the authors' own implementation (kat_vectors, philox4x32-10).
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "wanted"), KNOWN)
def test_philox_known_answers(counter, key, wanted):
    assert kernels.philox(counter, key) == wanted
    assert tuple(reference.philox(np.array(counter), key[1] << 32 | key[0])) == wanted


@given(seed=st.integers(0, 2**64 - 1), epoch=st.integers(0, 2**64 - 1), n=st.integers(0, 3000))
def test_permutation_is_one(seed, epoch, n):
    order = kernels.permutation(seed, epoch, n)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(n))
    np.testing.assert_array_equal(order, kernels.permutation(seed, epoch, n))


@given(seed=st.integers(0, 2**64 - 1), stream=st.integers(0, 2**64 - 1), n=st.sampled_from([1, 2, 31, 32, 33, 65]))
def test_permutation_is_made_of_philox_for_every_isa(seed, stream, n):
    expected = []
    for i in range(n):
        words = kernels.philox((i // 2, 0, stream % 2**32, stream >> 32), (seed % 2**32, seed >> 32))
        draw = words[1] << 32 | words[0] if i % 2 == 0 else words[3] << 32 | words[2]
        j = draw * (i + 1) >> 64
        expected.append(i)
        expected[i], expected[j] = expected[j], i
    former = kernels.isa()
    try:
        for isa in kernels.available_isas():
            kernels.select_isa(isa)
            assert kernels.permutation(seed, stream, n).tolist() == expected, isa
    finally:
        kernels.select_isa(former)


def test_permutations_differ_between_seeds_and_epochs():
    orders = {tuple(kernels.permutation(seed, epoch, 50)) for seed in range(20) for epoch in range(20)}
    assert len(orders) == 400


def test_permutation_is_fair():
    """Chi-squared of where each of 6 elements lands, over 6,000 seeds: 25 degrees of freedom, 99.99 % below 61."""
    counts = np.zeros((6, 6))
    for seed in range(6000):
        counts[np.arange(6), kernels.permutation(seed, 0, 6)] += 1
    assert ((counts - 1000) ** 2 / 1000).sum() < 61
