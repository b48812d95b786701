"""Folds: every row once, classes and groups as they should be; scikit-learn's definitions where it has them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastbp.data.folds import split_folds, split_fraction

LABELS = st.lists(st.integers(0, 5), min_size=4, max_size=80).map(np.array)
FRACTIONS = st.floats(0.05, 0.95)


@given(st.integers(2, 200), FRACTIONS, st.integers(0, 2**64 - 1))
def test_a_fraction_is_held_out(n, fraction, seed):
    if not 0 < round(n * fraction) < n:
        with pytest.raises(ValueError, match="expected one or more to hold out, and one or more to train on"):
            split_fraction(n, fraction, seed=seed)
        return
    train, held_out = split_fraction(n, fraction, seed=seed)
    assert len(held_out) == round(n * fraction)
    assert sorted([*train, *held_out]) == list(range(n))
    assert (np.diff(train) > 0).all()
    assert (np.diff(held_out) > 0).all()
    again = split_fraction(n, fraction, seed=seed)
    assert (again[0] == train).all()


@given(LABELS, FRACTIONS)
def test_classes_are_held_out_in_proportion(classes, fraction):
    try:
        train, held_out = split_fraction(len(classes), fraction, classes=classes)
    except ValueError:
        return
    assert sorted([*train, *held_out]) == list(range(len(classes)))
    for label in np.unique(classes):
        count, taken = np.sum(classes == label), np.sum(classes[held_out] == label)
        assert taken < count
        assert abs(taken - fraction * count) <= 1 or taken == count - 1


@given(LABELS, FRACTIONS)
def test_groups_stay_together(groups, fraction):
    try:
        train, held_out = split_fraction(len(groups), fraction, groups=groups)
    except ValueError:
        assert len(np.unique(groups)) < 4 or fraction < 0.2 or fraction > 0.8
        return
    assert sorted([*train, *held_out]) == list(range(len(groups)))
    assert not set(groups[train]) & set(groups[held_out])


def test_all_groups_are_not_held_out_where_all_but_one_come_nearer():
    """Groups of 2, 4, 1 and 1 rows, the largest as the last that is taken: 8 of 8 rows are nearer to 6.25 than 4."""
    groups = np.array([2, 0, 3, 1, 1, 1, 0, 1])
    train, _ = split_fraction(8, 0.78125, groups=groups)
    assert groups[train].tolist() == [0, 0]
    with pytest.raises(ValueError, match=r"0\.95 of 8 samples in 2 groups are 8; expected one"):
        split_fraction(8, 0.95, groups=groups % 2)


def test_seeds_differ():
    assert (split_fraction(100, 0.5, seed=0)[0] != split_fraction(100, 0.5, seed=1)[0]).any()


@given(LABELS, st.integers(2, 4), st.booleans())
@settings(deadline=None)
def test_every_row_is_in_one_fold(classes, n_folds, shuffle):
    for labels in (None, classes):
        folds = split_folds(len(classes), n_folds, classes=labels, shuffle=shuffle)
        assert sorted(np.concatenate(folds)) == list(range(len(classes)))
        assert np.ptp([len(fold) for fold in folds]) <= 1
        if labels is not None:
            for label in np.unique(classes):
                assert np.ptp([np.sum(classes[fold] == label) for fold in folds]) <= 1


@given(LABELS, st.integers(2, 4))
def test_folds_of_groups(groups, n_folds):
    if len(np.unique(groups)) < n_folds:
        with pytest.raises(ValueError, match=r"folds is \d and the data has \d groups?; expected at least as many"):
            split_folds(len(groups), n_folds, groups=groups)
        return
    folds = split_folds(len(groups), n_folds, groups=groups)
    assert sorted(np.concatenate(folds)) == list(range(len(groups)))
    seen = [set(groups[fold]) for fold in folds]
    assert sum(map(len, seen)) == len(set(groups))


def test_unshuffled_folds_are_those_of_scikit_learn():
    selection = pytest.importorskip("sklearn.model_selection")
    for n, n_folds in [(10, 2), (12, 3), (20, 5)]:
        theirs = [rows for _, rows in selection.KFold(n_folds).split(np.zeros(n))]
        for a, b in zip(split_folds(n, n_folds, shuffle=False), theirs, strict=True):
            assert (a == b).all()


def test_groups_are_dealt_as_by_scikit_learn():
    selection = pytest.importorskip("sklearn.model_selection")
    groups = np.repeat(np.arange(8), [7, 1, 4, 3, 9, 2, 5, 6])
    theirs = [rows for _, rows in selection.GroupKFold(3).split(groups, groups=groups)]
    ours = split_folds(len(groups), 3, groups=groups, shuffle=False)
    assert sorted(len(rows) for rows in ours) == sorted(len(rows) for rows in theirs)


def test_too_few_rows():
    with pytest.raises(ValueError, match="folds is 5 and the data has 4 samples; expected at least as many"):
        split_folds(4, 5)
