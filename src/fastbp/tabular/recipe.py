"""How the networks of a table are made and trained: the constants, and what depends on the number of rows.

Developed on eight public tables of 10,000 to 54,000 rows, each split once; the figures of the parts are in
docs/tables.md. What each part comes from: RealMLP (Holzmueller, Grinsztajn and Steinwart, 2024) for the network, its
schedules and the best epoch; bins of numbers from Gorishniy, Rubachev and Babenko (2022).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["LINEAR", "PRESETS", "Member", "Preset", "batch_size_for", "epochs_for"]


@dataclass(frozen=True)
class Member:
    """One network: how finely numbers are binned, and how it learns."""

    n_bins: int
    learning_rate: float
    weight_decay: float
    dropout: float = 0.15
    width: int = 256
    depth: int = 3

    @property
    def kind(self) -> str:
        """ "nets" with hidden layers, "linear" without."""
        return "nets" if self.depth else "linear"


# Fine bins and a low rate, coarse bins and a high rate, strong weight decay, and numbers without bins: their mean is
# better than any of them on most tables, and never much worse.
_MEMBERS = (
    Member(n_bins=48, learning_rate=0.002, weight_decay=0.05),
    Member(n_bins=16, learning_rate=0.005, weight_decay=0.05),
    Member(n_bins=32, learning_rate=0.005, weight_decay=0.2),
    Member(n_bins=0, learning_rate=0.004, weight_decay=0.02),
)
# No hidden layer: a small table may be no more than a straight line.
LINEAR = Member(n_bins=0, learning_rate=0.02, weight_decay=0.05, dropout=0.0, depth=0)


@dataclass(frozen=True)
class Preset:
    """How many networks: of each fold these members, in turn ``a_fold`` of them."""

    members: tuple[Member, ...]
    a_fold: int
    folds: int  # where n_bags does not say it; 1: a single split
    epochs: int

    def changed(self, *, learning_rate: float | None = None, dropout: float | None = None) -> Preset:
        """Return this with another learning rate or dropout of all members; None: as they are."""
        changes: dict[str, Any] = {"learning_rate": learning_rate, "dropout": dropout}
        wanted = {name: value for name, value in changes.items() if value is not None}
        return replace(self, members=tuple(replace(member, **wanted) for member in self.members))


PRESETS = {
    "fast": Preset(_MEMBERS[2:3], 1, 1, 16),
    "default": Preset(_MEMBERS, 4, 1, 32),
    "best": Preset(_MEMBERS, 4, 8, 48),
}

# Up to so many rows one split is too little to choose by, and what it holds out is missed: the rows are in folds.
FEW_ROWS = 4000
FOLDS_OF_FEW_ROWS = 8
_LEAST_STEPS = 1500
_MOST_EPOCHS = 200


def batch_size_for(n_rows: int) -> int:
    """Return the batch size for so many rows to train on."""
    return int(2 ** min(max(round(math.log2(max(n_rows, 1) / 24)), 5), 8))


def epochs_for(n_rows: int, least: int) -> int:
    """Return the number of epochs: ``least``, or more where an epoch has few steps."""
    steps = -(-n_rows // batch_size_for(n_rows))
    return min(max(least, -(-_LEAST_STEPS // steps)), max(_MOST_EPOCHS, least))
