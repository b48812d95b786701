"""Held-out rows: a fraction of the rows, or folds; the same seed gives the same rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.engine.kernels import permutation
from fastbp.support.checks import counted, sentence

__all__ = ["check_groups", "split_folds", "split_fraction"]

RowIndex = NDArray[np.int64]
Labels = NDArray[Any]

_LAST_STREAM = 2**64 - 1  # stream of a seed's permutations; training uses the epochs' numbers, from 0


def check_groups(groups: Any, n_samples: int) -> Labels:
    """Return the group labels of samples, of any type, as an array."""
    expected = f"a label for each sample, shape ({n_samples},)"
    try:
        labels = np.asarray(groups)
    except Exception:  # whatever a foreign __array__ raises, or a list of rows of several lengths
        raise TypeError(sentence("groups", groups, expected)) from None
    if labels.shape != (n_samples,):
        raise ValueError(sentence("groups", labels, expected))
    return labels.astype(str) if labels.dtype == object else labels


def split_fraction(
    n_samples: int, fraction: float, *, classes: Labels | None = None, groups: Labels | None = None, seed: int = 0
) -> tuple[RowIndex, RowIndex]:
    """Return the rows to train on, and the held-out rows, both ascending.

    Parameters
    ----------
    n_samples : int
    fraction : float
        Fraction of rows to hold out, above 0 and below 1, up to rounding to whole rows or groups.
    classes : ndarray of shape (n_samples,), optional
        Classes, each split in this proportion; at least one row of each is trained on.
    groups : ndarray of shape (n_samples,), optional
        Groups that are not split; classes are then not used.
    seed : int

    Raises
    ------
    ValueError
        If there are no rows to train on, or to hold out.
    """
    order = _shuffled(n_samples, seed)
    n_held_out = round(n_samples * fraction)
    if groups is not None:
        held_out = _whole_groups(groups, order, n_samples * fraction)
    elif classes is not None:
        held_out = _share_of_each_class(classes[order], order, fraction, n_held_out)
    else:
        held_out = order[:n_held_out]
    if not 0 < len(held_out) < n_samples:
        what = "samples" if groups is None else f"samples in {len(np.unique(groups))} groups"
        raise ValueError(
            f"{fraction:g} of {n_samples} {what} are {len(held_out)}; expected one or more to hold out, and one or "
            "more to train on."
        )
    rest = np.ones(n_samples, bool)
    rest[held_out] = False
    return np.flatnonzero(rest), np.sort(held_out)


def split_folds(
    n_samples: int,
    n_folds: int,
    *,
    classes: Labels | None = None,
    groups: Labels | None = None,
    shuffle: bool = True,
    seed: int = 0,
) -> list[RowIndex]:
    """Return the rows of each fold, ascending: every row is in one fold.

    Parameters
    ----------
    n_samples, n_folds : int
    classes : ndarray of shape (n_samples,), optional
        Classes: all folds have the same number of rows of each, up to one.
    groups : ndarray of shape (n_samples,), optional
        Groups, each in one fold; the folds have about the same size. Classes are then not used.
    shuffle : bool, default True
        Whether to shuffle the rows first.
    seed : int

    Raises
    ------
    ValueError
        If there are fewer rows, or groups, than folds.
    """
    there = n_samples if groups is None else len(np.unique(groups))
    if there < n_folds:
        available = counted(there, "sample" if groups is None else "group")
        raise ValueError(f"folds is {n_folds} and the data has {available}; expected at least as many.")
    order = _shuffled(n_samples, seed) if shuffle else np.arange(n_samples)
    fold_of = np.empty(n_samples, np.int64)
    if groups is not None:
        fold_of = _deal_groups(groups, order, n_folds)
    elif classes is not None or shuffle:
        if classes is not None:
            order = order[np.argsort(classes[order], kind="stable")]
        fold_of[order] = np.arange(n_samples) % n_folds  # each class starts at the fold after the last one's end
    else:
        fold_of = np.arange(n_samples) * n_folds // n_samples
    return [np.flatnonzero(fold_of == fold) for fold in range(n_folds)]


def _shuffled(n_samples: int, seed: int) -> RowIndex:
    order: RowIndex = permutation(seed, _LAST_STREAM, n_samples)
    return order


def _share_of_each_class(classes: Labels, order: RowIndex, fraction: float, n_held_out: int) -> RowIndex:
    """Return n_held_out rows with each class in proportion, by largest remainders; classes in the order of the rows."""
    _, of_row, counts = np.unique(classes, return_inverse=True, return_counts=True)
    wanted = counts * fraction
    taken = np.minimum(np.floor(wanted).astype(np.int64), counts - 1)
    for i in np.argsort(taken - wanted, kind="stable"):  # the largest remainder first
        if taken.sum() >= n_held_out:
            break
        taken[i] += taken[i] < counts[i] - 1
    by_class = np.argsort(of_row, kind="stable")
    place_in_class = np.empty(len(classes), np.int64)
    place_in_class[by_class] = np.arange(len(classes)) - np.repeat(np.cumsum(counts) - counts, counts)
    held_out: RowIndex = order[place_in_class < taken[of_row]]
    return held_out


def _whole_groups(groups: Labels, order: RowIndex, n_wanted: float) -> RowIndex:
    """Return the rows of groups, taken in this order, each if it brings their number nearer to n_wanted.

    Where all were taken, the one without which the number is nearest is given back, unless it is farther then.
    """
    _, of_row, counts = np.unique(groups, return_inverse=True, return_counts=True)
    _, first = np.unique(of_row[order], return_index=True)
    taken = np.zeros(len(counts), bool)
    n_taken = 0
    for group in np.argsort(first):
        if abs(n_taken + counts[group] - n_wanted) < abs(n_taken - n_wanted):
            taken[group] = True
            n_taken += int(counts[group])
    if taken.all():
        without = np.abs(len(order) - counts - n_wanted)
        taken[without.argmin()] = without.min() > len(order) - n_wanted
    return np.flatnonzero(taken[of_row])


def _deal_groups(groups: Labels, order: RowIndex, n_folds: int) -> RowIndex:
    """Return each row's fold: groups by falling size, each added to the fold with the fewest rows."""
    _, of_row, counts = np.unique(groups, return_inverse=True, return_counts=True)
    _, first = np.unique(of_row[order], return_index=True)
    fold_of_group = np.empty(len(counts), np.int64)
    sizes = np.zeros(n_folds, np.int64)
    for group in np.lexsort((first, -counts)):
        fold_of_group[group] = sizes.argmin()
        sizes[fold_of_group[group]] += counts[group]
    fold_of_row: RowIndex = fold_of_group[of_row]
    return fold_of_row
