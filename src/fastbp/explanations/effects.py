"""How an answer depends on one column: a curve with intervals, and those of single rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastbp.explanations.as_frames import pandas_for_frames
from fastbp.explanations.cells import plainly, text_of
from fastbp.explanations.rankings import WITHOUT_INTERVALS
from fastbp.support.checks import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Effect"]

Array = NDArray[Any]
Floats = NDArray[np.float64]

_NARROWEST = 12  # of the values that are printed
_MOST_TICKS = 200  # of the data, below the curve


@dataclass(frozen=True, repr=False)
class Effect:
    """How the answer depends on a column; ``print`` shows the curve as a table.

    Attributes
    ----------
    column : str
    grid : ndarray of shape (n_grid,)
        Values of the column: numbers, dates and times (datetime64), or categories as the user writes them.
    means : float64 ndarray of shape (n_grid,), or (n_grid, n_outputs) where all outputs were asked for
    low, high : float64 ndarray of the shape of ``means``
        The ends of intervals of 95 %; NaN where there are too few rows for intervals.
    of_rows : float64 ndarray of shape (n_rows, n_grid) or (n_rows, n_grid, n_outputs), or None
        Of a partial dependence the curve of each row.
    seen : ndarray
        The column's numbers, or its dates and times, in the rows; empty for categories.
    outputs : tuple or None
        What each of several outputs is called.
    what : str
        "partial dependence" or "accumulated effect".
    of : str
        What is explained.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1)], inputs=2)
    >>> model.set_weights([[[3.0], [1.0]], [0.0]])
    >>> effect = fb.partial_dependence(model, [[0, 2], [1, 4]], 0)
    >>> effect.grid.tolist(), effect.means.tolist()
    ([0.0, 1.0], [3.0, 6.0])
    """

    column: str
    grid: Array
    means: Floats
    low: Floats
    high: Floats
    of_rows: Floats | None
    seen: Array
    outputs: tuple[Any, ...] | None
    what: str
    of: str

    def __len__(self) -> int:
        return len(self.grid)

    @property
    def _how_sure(self) -> str:
        return WITHOUT_INTERVALS if np.isnan(self.low).all() else ""

    def __repr__(self) -> str:
        lines = [", ".join(filter(None, [f"{self.what} of {self.of} on {self.column}", self._how_sure]))]
        if self.outputs is not None:
            counts = f"{counted(len(self.outputs), 'output')}, {counted(len(self), 'value')}"
            return f"{lines[0]}, {counts}; to_frame() has the table"
        values = [text_of(value, 5) for value in self.grid.tolist()]
        width = max(_NARROWEST, *map(len, values))
        for value, mean, low, high in zip(values, self.means, self.low, self.high, strict=True):
            interval = "" if np.isnan(low) else f"   {low:.4g} to {high:.4g}"
            lines.append(f"  {value:>{width}}  {mean:12.5g}{interval}")
        return "\n".join(lines)

    def to_frame(self) -> Any:
        """Return this as a pandas DataFrame: a row for each value of the column; mean, low and high of one output.

        Of several outputs it has their means.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        pd = pandas_for_frames()
        index = pd.Index(self.grid.tolist(), name=self.column)
        if self.outputs is not None:
            return pd.DataFrame(self.means, index=index, columns=list(self.outputs))
        return pd.DataFrame({"mean": self.means, "low": self.low, "high": self.high}, index=index)

    def plot(self, *, rows: bool | None = None, ax: Axes | None = None) -> Axes:
        """Draw the curve with its interval, and ticks where the data lie; return the matplotlib Axes.

        Parameters
        ----------
        rows : bool or None, default None
            Whether to draw the curves of single rows too, sixty at most; None: where there is one output and they are
            known.
        ax : matplotlib Axes, optional

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If rows are asked for and there are none, or there are several outputs.
        """
        from fastbp.explanations.axes import draw_curves  # for pictures only

        can = self.of_rows is not None and self.outputs is None
        if rows and not can:
            raise ValueError("rows is True; expected a partial dependence of one output. Give it a target.")
        several = self.outputs is not None
        curves, low, high = (part if several else part[:, np.newaxis] for part in (self.means, self.low, self.high))
        step = -(-len(self.seen) // _MOST_TICKS) or 1
        return draw_curves(
            self.grid,
            curves,
            (low, high),
            None if self.outputs is None else list(map(str, self.outputs)),
            self.of_rows if can and rows is not False else None,
            (self.column, f"{self.what} of {self.of}"),
            np.sort(self.seen)[::step],
            ax,
        )

    def _repr_html_(self) -> str:
        """Return a table, for notebooks."""
        from fastbp.support.html_table import card, table  # for notebooks only

        grid = list(map(plainly, self.grid.tolist()))
        if self.outputs is not None:
            headings = [self.column, *map(str, self.outputs)]
            rows = table(headings, len(self), lambda i: [grid[i], *self.means[i]])
        else:
            cells = (grid, self.means, self.low, self.high)
            rows = table([self.column, "mean", "low", "high"], len(self), lambda i: [part[i] for part in cells])
        return card(f"{self.what} of {self.of} on {self.column}", self._how_sure, rows)
