"""What an explanation is: each column's share of each row's answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fastbp.explanations.as_frames import pandas_for_frames
from fastbp.explanations.cells import text_of
from fastbp.explanations.shares import Shares, as_numbers, largest
from fastbp.support.checks import check_int, counted, describe, sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Explanation"]

_SHOWN = 10


@dataclass(frozen=True, repr=False)
class Explanation(Shares):
    """Each column's share of each row's answer; ``print`` shows the columns that matter most.

    Attributes
    ----------
    values : float64 ndarray of shape (n, n_columns), or (n, n_columns, n_outputs) where several outputs are explained
        In units of the output that is explained: logits, the prediction's units, or those of the loss. Gradients
        (saliency and smoothgrad) are in these units for each unit of the column.
    base_values : float64 ndarray of shape (n,) or (n, n_outputs), or None
        What the values are counted from: the answer of the baseline, or the mean answer of the background. None for
        methods that count from nothing.
    data : ndarray of shape (n, n_columns)
        The explained rows: numbers, text where the columns have text, and ``datetime.datetime`` where they have dates
        or times; None where one of these is missing.
    columns : tuple of str
    completeness_error : float64 ndarray of shape (n,) or (n, n_outputs), or None
        base_values + the sum of the values - the row's answer. None for methods that promise no sum.
    standard_errors : float64 ndarray of the shape of ``values``, or None
        Of values that are means over what was drawn: permutations, steps, and the background's rows, as a sample of
        all rows that could have been given. None where nothing was drawn.
    method : str
    output : {"logit", "prediction", "loss"}
    title : str
        What is explained.
    outputs : tuple or None
        What each of several outputs is called.
    spread : float64 ndarray of the shape of ``values``, or None
        For an ensemble: the standard deviation of the members' values, with the divisor n.
    request : Request or None
        What was asked for, for ``faithfulness``.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1)], inputs=2)
    >>> model.set_weights([[[3.0], [-1.0]], [0.5]])
    >>> why = fb.explain(model, [[2.0, 4.0]], baseline=[1.0, 1.0])
    >>> why.values.tolist(), why.base_values.tolist()
    ([[3.0, -3.0]], [2.5])
    """

    def __getitem__(self, rows: Any) -> Explanation:
        """Return the explanation of some rows: a number, a slice, numbers or booleans."""
        rows = self._chosen(rows)
        parts = ("values", "base_values", "data", "completeness_error", "standard_errors", "spread")
        found = {name: getattr(self, name) for name in parts}
        chosen: dict[str, Any] = {name: None if part is None else part[rows] for name, part in found.items()}
        return replace(self, **chosen, request=None if self.request is None else self.request.take(rows))

    def _chosen(self, rows: Any) -> Any:
        """Return rows as an index of arrays."""
        if isinstance(rows, slice):
            return rows
        try:
            numbers = np.asarray([rows] if isinstance(rows, (int, np.integer)) else rows)
        except Exception:  # what a user's class raises
            numbers = np.empty((0, 0))
        if numbers.ndim != 1 or numbers.dtype.kind not in "iub" or isinstance(rows, bool):
            raise TypeError(sentence("the index", rows, "the number of a row, a slice, numbers or booleans"))
        if numbers.dtype.kind == "b":
            beyond = len(numbers) != len(self)
        else:
            beyond = bool(((numbers < -len(self)) | (numbers >= len(self))).any())
        if beyond:
            raise IndexError(f"{describe(rows)} is asked for, and {counted(len(self), 'row')} are explained.")
        return numbers

    def of_output(self, output: Any) -> Explanation:
        """Return the explanation of one of several outputs, by its label or name, or else by its number.

        Raises
        ------
        ValueError
            If there is no such output.
        """
        if self.outputs is None:
            raise ValueError(sentence("output", output, "none, as one output is explained"))
        names = list(self.outputs)
        if output in names:
            number = names.index(output)
        else:
            expected = f"one of the outputs {', '.join(map(repr, names))}"
            if isinstance(output, str) or not all(isinstance(name, str) for name in names):
                raise ValueError(sentence("output", output, expected))
            number = check_int(output, "output", minimum=0, maximum=len(names) - 1)
        parts = ("values", "standard_errors", "spread", "base_values", "completeness_error")
        found = {name: getattr(self, name) for name in parts}
        chosen: dict[str, Any] = {name: None if part is None else part[..., number] for name, part in found.items()}
        request = None if self.request is None else self.request.only(number)
        return replace(self, **chosen, title=str(names[number]), outputs=None, request=request)

    def to_frame(self) -> Any:
        """Return the values as a pandas DataFrame: a row for each explained row, a column for each column.

        With several outputs the columns have two levels, the output and the column.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        pd = pandas_for_frames()
        if self.outputs is None:
            return pd.DataFrame(self.values, columns=list(self.columns))
        pairs = pd.MultiIndex.from_product([list(self.outputs), list(self.columns)], names=["output", "column"])
        return pd.DataFrame(self.values.transpose(0, 2, 1).reshape(len(self), -1), columns=pairs)

    def shap_arguments(self) -> dict[str, Any]:
        """Return the arrays as shap lays them out, for its plots: ``shap.Explanation(**this)``.

        Text and dates are in ``display_data``; ``data`` holds numbers, by which shap colours its points.
        """
        arguments: dict[str, Any] = {
            "values": self.values,
            "base_values": np.zeros_like(self.values.sum(axis=1)) if self.base_values is None else self.base_values,
            "data": as_numbers(self.data),
            "display_data": self.data,
            "feature_names": list(self.columns),
        }
        return arguments if self.outputs is None else arguments | {"output_names": list(map(str, self.outputs))}

    def plot(self, kind: str | None = None, *, column: Any = None, most: int = 12, ax: Axes | None = None) -> Axes:
        """Draw the values; of several outputs choose one with ``of_output`` first.

        Parameters
        ----------
        kind : {"bars", "beeswarm", "dependence"} or None, default None
            "bars" are the values of one row, or the mean sizes of many; "beeswarm" has a point for each row, coloured
            by the column's number, grey for categories; "dependence" is one column's values over its numbers. None:
            bars of one row, a beeswarm of many, the dependence where a column is given.
        column : str or int, optional
            For "dependence": the name or the number of the column.
        most : int, default 12
            Columns that are shown, those with the largest values.
        ax : matplotlib Axes, optional
            Where to draw; None makes a figure.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If an argument is not one of the above, or several outputs are explained.
        """
        from fastbp.explanations.pictures import draw  # matplotlib is imported for pictures only

        return draw(self, kind, column, check_int(most, "most"), ax)

    def __repr__(self) -> str:
        what = f"{self.method} of the {self.output}" if self.title == self.output else f"{self.method} of {self.title}"
        lines = [f"{what} ({self.output}), {counted(len(self), 'row')}, {counted(len(self.columns), 'column')}"]
        if self.outputs is not None:
            lines[0] += f", {counted(len(self.outputs), 'output')}"
        sizes = self.importance if self.outputs is None else self.importance.mean(axis=1)
        one = len(self) == 1 and self.outputs is None
        width = max((len(self.columns[j]) for j in largest(sizes, _SHOWN)), default=0)
        for j in largest(sizes, _SHOWN):
            shown = f"{self.values[0, j]:+12.5g}   {text_of(self.data[0, j], 7)}" if one else f"{sizes[j]:12.5g}"
            lines.append(f"  {self.columns[j]:{width}}  {shown}")
        if len(sizes) > _SHOWN:
            lines.append(f"  and {len(sizes) - _SHOWN:,} more")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Return a table of the columns that matter most, for notebooks."""
        from fastbp.explanations.explanation_html import explanation_html  # for notebooks only

        return explanation_html(self)
