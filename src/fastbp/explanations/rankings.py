"""What columns, or pairs of them, are worth: numbers with intervals, a table and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastbp.explanations.as_frames import pandas_for_frames
from fastbp.support.checks import check_int

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["COVERAGE", "WIDTH", "Ranking", "WITHOUT_INTERVALS"]

Floats = NDArray[np.float64]

COVERAGE = 0.95  # of all intervals
WIDTH = 1.959963984540054  # standard errors on each side, at which the normal distribution has this coverage
WITHOUT_INTERVALS = "without intervals, which need more rows"
_SHOWN = 10
_MOST_ROWS = 20


@dataclass(frozen=True, repr=False)
class Ranking:
    """Columns, or pairs of columns, with what they are worth, the most valuable first; ``print`` shows ten.

    Attributes
    ----------
    names : tuple of str
        "a" of a column, "a x b" of a pair.
    columns : tuple of int or of (int, int)
        Their numbers.
    values : float64 ndarray of shape (n,)
    low, high : float64 ndarray of shape (n,)
        The ends of intervals of 95 % around them; NaN where there are too few rows for intervals.
    what : str
        What the values are.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> model = fb.Model([fb.Dense(1)], inputs=2)
    >>> model.set_weights([[[1.0], [3.0]], [0.0]])
    >>> ranking = fb.permutation_importance(model, X, model.predict(X))
    >>> ranking.columns, bool(ranking.low[0] > ranking.high[1])
    ((1, 0), True)
    """

    names: tuple[str, ...]
    columns: tuple[Any, ...]
    values: Floats
    low: Floats
    high: Floats
    what: str

    @classmethod
    def of(
        cls, names: Sequence[str], columns: Sequence[Any], values: Floats, low: Floats, high: Floats, what: str
    ) -> Ranking:
        """Return these in order."""
        order = np.argsort(-values, kind="stable")
        return cls(
            tuple(names[i] for i in order),
            tuple(columns[i] for i in order),
            values[order],
            low[order],
            high[order],
            what,
        )

    def __len__(self) -> int:
        return len(self.names)

    @property
    def _how_sure(self) -> str:
        return WITHOUT_INTERVALS if np.isnan(self.low).all() else "with intervals of 95 %"

    def __repr__(self) -> str:
        width = max(map(len, self.names[:_SHOWN]), default=0)
        lines = [f"{self.what}, {self._how_sure}"]
        for i in range(min(_SHOWN, len(self))):
            interval = "" if np.isnan(self.low[i]) else f"   {self.low[i]:.4g} to {self.high[i]:.4g}"
            lines.append(f"  {self.names[i]:{width}}  {self.values[i]:12.5g}{interval}")
        if len(self) > _SHOWN:
            lines.append(f"  and {len(self) - _SHOWN:,} more")
        return "\n".join(lines)

    def to_frame(self) -> Any:
        """Return this as a pandas DataFrame with the columns value, low and high, a row for each name.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        pd = pandas_for_frames()
        return pd.DataFrame({"value": self.values, "low": self.low, "high": self.high}, index=list(self.names))

    def plot(self, *, most: int = 12, ax: Axes | None = None) -> Axes:
        """Draw a bar with its interval for each of the most valuable; return the matplotlib Axes.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        from fastbp.explanations.axes import draw_ranking  # for pictures only

        n = min(check_int(most, "most"), len(self))
        return draw_ranking(self.names[:n], self.values[:n], self.low[:n], self.high[:n], self.what, ax)

    def _repr_html_(self) -> str:
        """Return a table, for notebooks."""
        from fastbp.support.html_table import card, table  # for notebooks only

        rows = table(
            ["", "value", "low", "high"],
            min(len(self), _MOST_ROWS),
            lambda i: [self.names[i], self.values[i], self.low[i], self.high[i]],
        )
        return card(self.what, self._how_sure, rows)
