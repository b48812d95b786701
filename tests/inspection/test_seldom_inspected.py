"""Tables with objects that fail, many columns of targets, and columns without a level."""

import numpy as np
import pytest

import fastbp as fb

RNG = np.random.default_rng(0)


def test_objects_without_text_are_shown_as_such():
    class NoText:
        def __str__(self):
            raise ZeroDivisionError

        __repr__ = __str__

    X = np.empty((4, 1), object)
    X[:, 0] = [NoText() for _ in range(4)]
    (column,) = fb.inspect_data(X).columns
    assert (column.kind, column.n_levels) == ("text", 1)


def test_more_targets_than_are_compared_with_columns():
    X, y = RNG.normal(size=(50, 2)), RNG.normal(size=(50, 20))
    assert len(fb.inspect_data(X, y).targets) == 20


def test_a_column_without_any_value_is_no_evidence():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame({"a": RNG.normal(size=60), "empty": pandas.Series([None] * 60, dtype=object)})
    report = fb.inspect_data(X, np.arange(60) % 3)
    assert report.classes is not None


def test_text_without_any_value_is_no_evidence_of_classes():
    """Of 15 different targets, which could be numbers of something, the columns decide."""
    pandas = pytest.importorskip("pandas")
    y = np.arange(300) % 15
    empty = pandas.Series([None] * 300, dtype="string")
    kinds = [
        fb.inspect_data(pandas.DataFrame({"a": a, "empty": empty}), y).classes is not None
        for a in (np.random.default_rng(0).normal(size=300), y + 0.5)
    ]
    assert kinds == [True, False]
