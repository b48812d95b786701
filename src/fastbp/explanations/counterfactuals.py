"""What would have to change for another answer: the changes that were found, one for each row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.explanations.as_frames import pandas_for_frames
from fastbp.explanations.cells import plainly, text_of
from fastbp.support.checks import counted

__all__ = ["Counterfactuals"]

Array = NDArray[Any]
Floats = NDArray[np.float64]

_SHOWN = 10


@dataclass(frozen=True, repr=False)
class Counterfactuals:
    """Rows with another answer, close to those that were given; ``print`` shows what changes.

    Attributes
    ----------
    data : ndarray of shape (n, n_columns)
        The rows as they were, with text and dates as ``Explanation`` has them.
    changed : ndarray of shape (n, n_columns)
        With the changes; a row for which none was found is as it was.
    reached : bool ndarray of shape (n,)
        Whether the answer is the one that was asked for.
    distances : float64 ndarray of shape (n,)
        The sizes of the changes: the sum of each number's change in units of its column's spread, and 1 for each
        category. Infinite where none was found.
    columns : tuple of str

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, "sigmoid")], inputs=2, dtype="float64")
    >>> model.set_weights([[[2.0], [1.0]], [0.0]])
    >>> found = fb.counterfactual(model, [[-1.0, 0.0]], 1, data=[[-2, -2], [-1, -1], [0, 0], [1, 1], [2, 2]])
    >>> found.reached.tolist(), found.changed[0].tolist() != found.data[0].tolist()
    ([True], True)
    """

    data: Array
    changed: Array
    reached: NDArray[np.bool_]
    distances: Floats
    columns: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.data)

    def changes(self, row: int) -> dict[str, tuple[Any, Any]]:
        """Return what changes in a row: the name of each column that does, with its value before and after."""
        before, after = self.data[row], self.changed[row]
        return {
            name: (before[j], after[j]) for j, name in enumerate(self.columns) if not _are_same(before[j], after[j])
        }

    def __repr__(self) -> str:
        n_found = int(self.reached.sum())
        lines = [f"counterfactuals of {counted(len(self), 'row')}, {n_found:,} found"]
        for i in range(min(_SHOWN, len(self))):
            changes = [f"{name}: {_text(old)} -> {_text(new)}" for name, (old, new) in self.changes(i).items()]
            nothing = "already as asked for" if self.reached[i] else "none found"
            lines.append(f"  {i}: {', '.join(changes) or nothing}")
        if len(self) > _SHOWN:
            lines.append(f"  and {len(self) - _SHOWN:,} more")
        return "\n".join(lines)

    def to_frame(self) -> Any:
        """Return the changes as a pandas DataFrame with the columns row, column, before and after.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        pd = pandas_for_frames()
        found = [(i, name, *both) for i in range(len(self)) for name, both in self.changes(i).items()]
        return pd.DataFrame(found, columns=["row", "column", "before", "after"])

    def _repr_html_(self) -> str:
        """Return a table, for notebooks."""
        from fastbp.support.html_table import card, table  # for notebooks only

        changes = [(i, name, both) for i in range(len(self)) for name, both in self.changes(i).items()]
        found = [(str(i), name, *map(plainly, both)) for i, name, both in changes]
        facts = f"{counted(len(self), 'row')}, {int(self.reached.sum()):,} found"
        return card(
            "Counterfactuals", facts, table(["row", "column", "before", "after"], len(found), found.__getitem__)
        )


def _are_same(one: Any, other: Any) -> bool:
    return bool(one == other or (one != one and other != other))


def _text(value: Any) -> str:
    return text_of(value, 5)
