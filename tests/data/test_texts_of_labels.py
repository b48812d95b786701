"""The texts of categories: values that are one, of whatever library, have one text, and others have another."""

import datetime
import decimal
import fractions
import math

import numpy as np
import pytest

import fastbp as fb
from fastbp.data.columns import read_column
from fastbp.data.labels import NoLabelError, label_of, labelled

pd = pytest.importorskip("pandas", reason="pandas is not installed")

MOMENT = datetime.datetime(2024, 2, 3, 4, 5, 6, 789000)
ONES = [
    [np.datetime64(MOMENT, "us"), np.datetime64(MOMENT, "ns"), pd.Timestamp(MOMENT), MOMENT],
    [np.datetime64("2024-02-03"), datetime.date(2024, 2, 3), datetime.datetime(2024, 2, 3)],
    [np.datetime64("1969-12-31T23:59:59.5"), datetime.datetime(1969, 12, 31, 23, 59, 59, 500000)],
    [np.timedelta64(90_500, "ms"), pd.Timedelta(seconds=90.5), datetime.timedelta(seconds=90.5)],
    [np.timedelta64(-1500, "ms"), pd.Timedelta(seconds=-1.5), datetime.timedelta(seconds=-1.5)],
    [math.inf, np.float32(np.inf), decimal.Decimal("Infinity")],
    [-math.inf, np.float64(-np.inf)],
    [0.5, np.float32(0.5), fractions.Fraction(1, 2), decimal.Decimal("0.5"), 0.5 + 0j],
    [3, 3.0, np.int8(3), np.complex64(3)],
    [2**60 + 1, np.int64(2**60 + 1), fractions.Fraction(2**60 + 1)],
    [(1, "a"), (1.0, "a")],
    [frozenset([1, 2]), frozenset([2.0, 1])],
]


@pytest.mark.parametrize("values", ONES, ids=lambda values: repr(values[0]))
def test_one_value_has_one_text(values):
    texts = {label_of(value) for value in values}
    assert len(texts) == 1


def test_others_have_others():
    texts = [label_of(values[0]) for values in ONES] + [label_of(2**60), label_of("3"), label_of(1 + 2j)]
    assert len(set(texts)) == len(texts)


def test_a_value_without_a_text_of_its_own():
    class Nameless:
        pass

    with pytest.raises(NoLabelError, match="Nameless has no text of its own"):
        labelled(np.array([Nameless(), Nameless()], object))


def test_integers_beyond_all_floats_are_infinite_numbers():
    column = read_column(np.array([10**400, -(10**400), 1, None], object))
    assert column.kind == "numbers"
    np.testing.assert_array_equal(column.values, [np.inf, -np.inf, 1, np.nan])


def test_weights_that_are_finite_and_whose_sum_is_not():
    trainer = fb.Trainer(fb.Model([fb.Dense(1)], inputs=1), "mse")
    with pytest.raises(ValueError, match=r"the sample weights in sample_weight sum to inf; expected a finite sum"):
        trainer.fit(np.ones((4, 1)), np.ones(4), sample_weight=[1e308] * 4)
