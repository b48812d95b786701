"""ChaCha20 against the vectors of RFC 8439 and a plain version; Gaussian numbers by their moments and distribution."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fastbp.engine import kernels, secret_numbers

KEY = bytes(range(32))
DTYPES = ["float32", "float64"]

# (key, nonce, counter, the block's bytes): RFC 8439, sections 2.3.2 and A.1.
RFC = [
    (
        bytes(range(32)),
        "000000090000004a00000000",
        1,
        "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4ed2826446079faa0914c2d705d98b02a2b5129cd1de164eb9"
        "cbd083e8a2503c4e",
    ),
    (
        bytes(32),
        "00" * 12,
        0,
        "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7da41597c5157488d7724e03fb8d84a376a43b8f41518a11c"
        "c387b669b2ee6586",
    ),
    (
        bytes(32),
        "00" * 12,
        1,
        "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed29b721769ce64e43d57133b074d839d531ed1f28510afb45"
        "ace10a1f4b794d6f",
    ),
]


def plain_block(key, nonce, counter):
    """One block as the RFC's pseudocode writes it, in Python's integers."""
    words = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574, *np.frombuffer(key, "<u4").tolist(), counter, *nonce]
    x = list(words)

    def turn(a, b, c, d):
        for p, q, r, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            x[p] = (x[p] + x[q]) % 2**32
            rotated = x[r] ^ x[p]
            x[r] = (rotated << n | rotated >> (32 - n)) % 2**32

    for _ in range(10):
        for i in range(4):
            turn(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            turn(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return [(a + b) % 2**32 for a, b in zip(x, words, strict=True)]


@pytest.mark.parametrize(("key", "nonce", "counter", "block"), RFC)
def test_the_vectors_of_the_rfc(isa, key, nonce, counter, block):
    words = np.frombuffer(bytes.fromhex(nonce), "<u4").tolist()
    assert secret_numbers.random_blocks(key, words, counter, 1).astype("<u4").tobytes().hex() == block
    assert plain_block(key, words, counter) == np.frombuffer(bytes.fromhex(block), "<u4").tolist()


@settings(max_examples=20, deadline=None)
@given(key=st.binary(min_size=32, max_size=32), nonce=st.tuples(*[st.integers(0, 2**32 - 1)] * 3), data=st.data())
def test_blocks_are_the_plain_ones(key, nonce, data):
    first, n = data.draw(st.integers(0, 2**32 - 40)), data.draw(st.sampled_from([1, 15, 16, 17, 33]))
    expected = [plain_block(key, nonce, first + i) for i in range(n)]
    former = kernels.isa()
    try:
        for isa in kernels.available_isas():
            kernels.select_isa(isa)
            assert secret_numbers.random_blocks(key, nonce, first, n).tolist() == expected, isa
    finally:
        kernels.select_isa(former)


def noise(step, first, n, dtype, key=KEY, deviation=1.0):
    return secret_numbers.noise(key, step, first, n, deviation, dtype)


def plain_normals(step, n_groups, dtype):
    """The formula in float64: four draws of two pairs of uniform numbers, added and halved."""
    blocks = secret_numbers.random_blocks(KEY, (step, 0, 0), 0, 16 * n_groups).astype(np.float64)
    if dtype == "float32":
        uniform = ((blocks // 2**16) * 2.0**-16 + (blocks % 2**16 + 0.5) * 2.0**-32)[..., None][..., 0]
    else:
        uniform = blocks[:, 0::2] * 2.0**-32 + (blocks[:, 1::2] + 0.5) * 2.0**-64
    u1, v1, u2, v2 = np.moveaxis(uniform.reshape(len(blocks), -1, 4), -1, 0)
    draws = 0.0
    for u, v in ((u1, v1), (u2, v2)):
        quarter = np.floor(4 * v)
        angle = (4 * v - quarter - 0.5) * np.pi / 2 + quarter * np.pi / 2
        draws = draws + np.sqrt(-2 * np.log(u)) * (np.cos(angle) + np.sin(angle))
    return (draws / 2).reshape(n_groups, 16, -1).transpose(0, 2, 1).ravel()


@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_are_those_of_the_formula(isa, dtype):
    expected = plain_normals(3, 40, dtype)
    found = noise(3, 0, len(expected), dtype)
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-6 if dtype == "float32" else 1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_number_depends_on_its_place_alone(isa, dtype):
    all_of_them = noise(5, 0, 500, dtype)
    for first, n in ((0, 1), (1, 7), (63, 2), (64, 64), (100, 400), (33, 130)):
        np.testing.assert_array_equal(noise(5, first, n, dtype), all_of_them[first : first + n])


@pytest.mark.parametrize("dtype", DTYPES)
def test_steps_keys_and_purposes_share_nothing(dtype):
    numbers = [noise(step, 0, 4000, dtype) for step in (0, 1, 2**32, 2**40)]
    numbers.append(noise(0, 0, 4000, dtype, key=bytes(31) + b"\1"))
    assert np.abs(np.corrcoef(numbers) - np.eye(len(numbers))).max() < 0.08
    words = [secret_numbers.random_blocks(KEY, (7, 0, purpose), 0, 1) for purpose in (0, 1)]
    assert not (words[0] == words[1]).any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_are_gaussian(dtype):
    n = 2_000_000
    x = noise(11, 0, n, dtype).astype(np.float64)
    for power, moment in ((1, 0), (2, 1), (3, 0), (4, 3), (6, 15)):
        spread = np.sqrt({1: 1, 2: 2, 3: 15, 4: 96, 6: 10170}[power] / n)
        assert abs((x**power).mean() - moment) < 5 * spread, power
    assert stats.kstest(x[:500_000], "norm").pvalue > 1e-3
    for bound in (3, 4):
        expected = 2 * stats.norm.sf(bound) * n
        assert abs((np.abs(x) > bound).sum() - expected) < 5 * np.sqrt(expected)
    for lag in (1, 2, 8, 16, 32, 64, 1024):  # within a block, a vector, a group, and beyond
        assert abs((x[lag:] * x[:-lag]).mean()) < 5 / np.sqrt(n), lag
        assert abs(((x[lag:] ** 2 - 1) * (x[:-lag] ** 2 - 1)).mean()) < 5 * 2 / np.sqrt(n), lag


def test_float32_numbers_are_not_the_few_that_one_draw_can_be():
    """Of one draw by 32 bits many floats near 0 are never met; of the sum of four all are about as likely."""
    x = noise(13, 0, 400_000, "float32")
    assert len(np.unique(x)) > 0.98 * len(x)


@pytest.mark.parametrize("probability", [1e-3, 0.1, 0.7, 1.0])
def test_each_row_is_taken_with_the_probability(isa, probability):
    n, n_steps = 5000, 200
    taken = np.zeros((n_steps, n), bool)
    for step in range(n_steps):
        rows = secret_numbers.poisson_rows(KEY, step, probability, 0, n)
        assert (np.diff(rows) > 0).all()
        taken[step, rows] = True
    p, total = probability, n * n_steps
    assert abs(taken.sum() - p * total) <= 5 * np.sqrt(p * (1 - p) * total)
    if p == 1.0:
        return
    sizes = taken.sum(axis=1)  # binomial: as spread as independent draws are
    assert sizes.var() == pytest.approx(n * p * (1 - p), rel=0.5)
    for other in (np.roll(taken, 1, axis=0), np.roll(taken, 1, axis=1), np.roll(taken, 16, axis=1)):
        both = (taken & other).sum()
        assert abs(both - p * p * total) <= 5 * np.sqrt(p * p * total) + 5 * p * np.sqrt(p * (1 - p) * total)


def test_rows_do_not_depend_on_how_they_are_split(isa):
    whole = secret_numbers.poisson_rows(KEY, 9, 0.3, 0, 9000)
    for cuts in ((0, 1, 9000), (0, 255, 256, 257, 9000), (0, 700, 4095, 4096, 4097, 9000)):
        parts = [secret_numbers.poisson_rows(KEY, 9, 0.3, a, b) for a, b in itertools.pairwise(cuts)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)
    # The first chunk by the formula: the words of 16 blocks, word by word, are 128 numbers of 64 bits.
    words = secret_numbers.random_blocks(KEY, (9, 0, 1), 0, 16).T.ravel().astype(np.uint64)
    uniform = ((words[0::2] << np.uint64(32) | words[1::2]) >> np.uint64(11)).astype(float) + 0.5
    skips = np.floor(np.log(uniform * 2.0**-53) / np.log1p(-0.3)).astype(int)
    np.testing.assert_array_equal(whole[: len(skips)], np.cumsum(skips + 1) - 1)
