"""Whole numbers as targets: names of classes, or numbers of something; decided by the columns."""

import numpy as np
import pytest

from fastbp.inspection.label_order import are_classes

N = 600


def targets(n_labels, seed=0):
    return np.random.default_rng(seed).permutation(np.resize(np.arange(n_labels), N)).astype(float)


def never():
    raise AssertionError("no column is needed to decide")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.zeros(0), False),
        (np.array([1.0, np.inf] * 50), False),
        (np.array([1.0, 2.5] * 50), False),
        (np.array([7.0, 900.0] * 3), True),
        (targets(10), True),
        (np.arange(600.0) // 4, False),  # four rows of each
        (np.arange(6000.0) // 5 % 1001, False),  # 1001 different ones
    ],
)
def test_what_the_targets_alone_tell(values, expected):
    assert are_classes(values, never) is expected


@pytest.mark.parametrize("n_labels", [11, 20, 21, 100])
@pytest.mark.parametrize("columns", ["none", "noise", "constant", "zero", "missing"])
def test_without_evidence_few_are_classes(n_labels, columns):
    """No column, or none that depends on the targets: 20 different ones are classes, more are numbers."""
    noise = np.random.default_rng(1).normal(size=N)
    found = {"none": [], "noise": [noise], "constant": [np.ones(N)], "zero": [np.zeros(N)]}
    found["missing"] = [np.full(N, np.nan), np.where(np.arange(N) < 3, 1.0, np.nan)]
    assert are_classes(targets(n_labels), lambda: found[columns]) is (n_labels <= 20)


@pytest.mark.parametrize("n_labels", [15, 60])
def test_columns_that_follow_the_order_tell_numbers(n_labels):
    y, rng = targets(n_labels), np.random.default_rng(2)
    follows = y + rng.normal(size=N)
    assert not are_classes(y, lambda: [follows])
    assert not are_classes(y, lambda: [-1e200 * follows])  # its squares overflow
    assert not are_classes(y, lambda: [np.where(rng.random(N) < 0.3, np.nan, follows), rng.normal(size=N)])
    shuffled = rng.permutation(n_labels)[y.astype(int)] + rng.normal(size=N)
    assert are_classes(y, lambda: [shuffled])


def test_the_columns_that_tell_most_decide():
    """One column follows the order a little, and one tells the targets apart in another order."""
    y, rng = targets(30), np.random.default_rng(3)
    apart = 20.0 * rng.permutation(30)[y.astype(int)] + rng.normal(size=N)
    assert are_classes(y, lambda: [0.2 * y + rng.normal(size=N), apart])
    assert not are_classes(y, lambda: [20.0 * y + rng.normal(size=N), 0.02 * apart + rng.normal(size=N)])


def test_a_column_that_tells_nothing_tells_nothing_wherever_its_numbers_lie():
    y, rng = targets(30), np.random.default_rng(4)
    follows, noise = y + rng.normal(size=N), rng.normal(size=N)
    for far in (0.0, 1000.0, -1e6):
        assert not are_classes(y, lambda far=far: [follows, noise + far])
