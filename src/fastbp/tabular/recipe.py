"""How the networks of a table are made and trained: the constants, and what depends on the number of rows.

Developed on seventeen public tables of 4,400 to 62,000 rows, each split once; the figures of the parts are in
docs/tables.md. What each part comes from: RealMLP (Holzmueller, Grinsztajn and Steinwart, 2024) for the network, its
waves, schedules and the best epoch; bins of numbers from Gorishniy, Rubachev and Babenko (2022).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from fastbp.engine.number_columns import BOUND
from fastbp.tabular.encoding import FAR_BOUND, Kind

__all__ = [
    "LINEAR",
    "PRESETS",
    "UNCLEAR_ROWS",
    "Member",
    "Preset",
    "batch_size_for",
    "epochs_for",
    "pull",
    "share_exponent",
]


@dataclass(frozen=True)
class Member:
    """One network: how finely numbers are binned, and how it learns."""

    n_bins: int
    learning_rate: float
    weight_decay: float
    dropout: float = 0.15
    width: int = 128
    depth: int = 3
    bound: float = BOUND  # of scaled numbers
    scaling: float = 0.0  # the learning rate of a factor for each input, in those of the rest; 0: no factors
    waves: float = 0.0  # the same of features of each number that are periodic in it, which it has besides; 0: none
    with_values: bool = False  # whether values of numbers that recur have a row of a table each

    @property
    def kind(self) -> str:
        """ "nets" with hidden layers; without, "linear" for numbers with a near bound, or "straight" for the others."""
        return "nets" if self.depth else "linear" if self.bound == BOUND else "straight"

    @property
    def encoded_as(self) -> Kind:
        """Which encoding its inputs have."""
        return Kind(self.n_bins, self.bound, self.with_values)


# Fine bins and a low rate, coarse bins and a high rate, strong weight decay, and waves in place of bins: their mean is
# better than any of them on most tables, and never much worse. Factors of the inputs that learn quickly find the few
# bins or waves that matter. Values that recur help half of them as much as all, and overfit half as much.
_MEMBERS = (
    Member(n_bins=48, learning_rate=0.002, weight_decay=0.05, scaling=6.0),
    Member(n_bins=16, learning_rate=0.005, weight_decay=0.05, scaling=6.0, with_values=True),
    Member(n_bins=32, learning_rate=0.005, weight_decay=0.2, scaling=6.0),
    Member(n_bins=0, learning_rate=0.004, weight_decay=0.02, scaling=6.0, waves=2.0, with_values=True),
)
# What "best" trains in each fold: networks of one and two layers too, which are as good with few rows, and err on other
# rows than deep ones. On most tables the best mixture has some of both; where waves are no good, it has hardly any.
_PORTFOLIO = (
    _MEMBERS[0],
    _MEMBERS[1],
    replace(_MEMBERS[2], depth=2),
    _MEMBERS[3],
    replace(_MEMBERS[2], depth=1, width=512),
    replace(_MEMBERS[3], depth=1, width=256),
)
# No hidden layer: a table may be no more than a straight line, with or without its ends bent. Some columns want the
# one, some the other (the heat of burnt biomass .14 and .21 of the variance; the strength of concrete .41 and .34).
_LINEAR = Member(n_bins=0, learning_rate=0.02, weight_decay=0.05, dropout=0.0, depth=0)
LINEAR = (_LINEAR, replace(_LINEAR, bound=FAR_BOUND))


@dataclass(frozen=True)
class Preset:
    """How many networks, and how long they train.

    So many of all folds together or more, the members in turn. Without a number each fold has all of them, and their
    weights are selected by rows held out.
    """

    members: tuple[Member, ...]
    networks: int | None
    folds: int  # where n_bags does not say it; 1: a single split, or FOLDS_OF_FEW_ROWS
    epochs: int
    least_steps: int  # where an epoch has so few that ``epochs`` would be too short

    @property
    def selects(self) -> bool:
        """Whether the weights of the members are selected by rows held out."""
        return self.networks is None

    def of_fold(self, fold: int, n_folds: int) -> list[Member]:
        """Return the networks of a fold: one at least, and each member once at most."""
        if self.networks is None:
            return list(self.members)
        n = min(max(-(-self.networks // n_folds), 1), len(self.members))
        return [self.members[(n * fold + i) % len(self.members)] for i in range(n)]

    def changed(self, *, learning_rate: float | None = None, dropout: float | None = None) -> Preset:
        """Return this with another learning rate or dropout of all members; None: as they are."""
        changes: dict[str, Any] = {"learning_rate": learning_rate, "dropout": dropout}
        wanted = {name: value for name, value in changes.items() if value is not None}
        return replace(self, members=tuple(replace(member, **wanted) for member in self.members))


PRESETS = {
    "fast": Preset(_MEMBERS[2:3], 1, 1, 16, 375),
    "default": Preset(_MEMBERS, 4, 4, 32, 750),
    "best": Preset(_PORTFOLIO, None, 8, 48, 750),
}

# Rows of tables for values are too many to learn from fewer: with 2,500 rows, the error of diamonds rose by 2 to 5 %,
# and with 7,900, of which one in twenty is of the rarer class, that of lending by 5 %: rows count by how mixed they
# are.
ROWS_FOR_VALUES = 5000

# Up to so many rows one split is too little to choose by, and what it holds out is missed: the rows are in folds.
FEW_ROWS = 4000
FOLDS_OF_FEW_ROWS = 4
_MOST_EPOCHS = 200


def batch_size_for(n_rows: int) -> int:
    """Return the batch size for so many rows to train on."""
    return int(2 ** min(max(round(math.log2(max(n_rows, 1) / 24)), 5), 8))


def epochs_for(n_rows: int, preset: Preset) -> int:
    """Return the number of epochs: the preset's, or more where an epoch has few steps."""
    steps = -(-n_rows // batch_size_for(n_rows))
    return min(max(preset.epochs, -(-preset.least_steps // steps)), max(_MOST_EPOCHS, preset.epochs))


# A linear model's share is chosen beside networks that are alone on a row held out. Their mean, which is predicted, is
# better than each, as that much of their errors differs; where rows are few, so does the linear model's.
_SHARED_ROWS = 2000


def share_exponent(n_rows: int, n_heard: float, n_networks: float) -> float:
    """Return the power of the best share of linear models on rows held out that is their share of the prediction.

    Parameters
    ----------
    n_rows : int
    n_heard : float
        The number of networks whose mean was predicted of a row held out.
    n_networks : float
        The number of those whose mean is predicted of other rows; with four, one of which was heard, it is 2.
    """
    removed = (1 / n_heard - 1 / n_networks) / (1 - 1 / 4)
    return 1 + max(removed, 0.0) * min(n_rows / _SHARED_ROWS, 1.0)


# The best of many epochs by a few rows held out is lucky with them: networks change more from epoch to epoch than
# linear models, and look better than they are. Luck does not matter where they are better by many standard errors.
_LUCKY_ROWS = 400
_MOST_PULL = 0.5
_CLEARLY = 10.0


def pull(n_rows: int, gain: float, error: float) -> float:
    """Return what part of the networks' share is the linear models' instead, as few rows held out tell little.

    Parameters
    ----------
    n_rows : int
        From half of their share where there are hardly any, to nothing from 400 on.
    gain, error : float
        By how much the mean loss of networks is less than that of linear models, and its standard error.
    """
    unclear = 1 - max(gain, 0.0) / (_CLEARLY * error) if error > 0 else float(gain <= 0)
    return _MOST_PULL * max(1 - n_rows / _LUCKY_ROWS, 0.0) * max(unclear, 0.0)


# Of few rows that their columns say nothing of, the members predict chance: worse than a constant by 4 %. Of more,
# they say it themselves, and the errors of a few far targets must not hide what the columns say of the others.
UNCLEAR_ROWS = 2000
