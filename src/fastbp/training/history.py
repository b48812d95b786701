"""The history of training: a list for each figure, an entry for each epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fastbp.support.checks import counted, sentence
from fastbp.support.html_table import MOST_ROWS, card, table
from fastbp.support.plot_style import LINE_WIDTH, TRAINING, VALIDATION, mark_kept, tidy

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

__all__ = ["History"]


class History(Mapping[str, list[float]]):
    """A mapping from a figure's name to its values, one per epoch: ``history["loss"][-1]`` is the latest loss.

    All lists have the same length. An epoch without a figure has NaN, such as ``val_loss`` in a call of ``fit`` without
    validation data.

    Attributes
    ----------
    kept_epoch : int or None
        The epoch whose weights a callback such as ``EarlyStopping`` put back at the end of ``fit``, counted from 1;
        None if the model has those of the latest epoch.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, use_bias=False)], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]]])
    >>> trainer = fb.Trainer(model, "mse", fb.SGD(0.25), metrics=[])
    >>> history = trainer.fit([[1.0]], [0.0], epochs=3)
    >>> history["loss"], history.n_epochs
    ([1.0, 0.25, 0.0625], 3)
    """

    kept_epoch: int | None = None

    def __init__(self) -> None:
        self._figures: dict[str, list[float]] = {}
        self._n_epochs = 0

    @property
    def n_epochs(self) -> int:
        """The number of completed epochs."""
        return self._n_epochs

    @property
    def latest(self) -> dict[str, float]:
        """The figures of the latest epoch; empty before the first."""
        return {name: values[-1] for name, values in self._figures.items()}

    def append(self, figures: Mapping[str, float]) -> None:
        """Add the figures of one epoch."""
        for name in figures:
            if name not in self._figures:
                self._figures[name] = [math.nan] * self._n_epochs
        for name, values in self._figures.items():
            values.append(figures.get(name, math.nan))
        self._n_epochs += 1
        self.kept_epoch = None  # training went on from there

    def to_frame(self) -> pandas.DataFrame:
        """Return a pandas DataFrame: a column for each figure, a row for each epoch, counted from 1.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError(_missing("to_frame", "pandas", "pandas")) from error
        index = pandas.RangeIndex(1, self._n_epochs + 1, name="epoch")
        return pandas.DataFrame(self._figures, index=index, dtype=float)

    def plot(self, names: str | Sequence[str] | None = None, ax: Axes | Sequence[Axes] | None = None) -> Any:
        """Draw the figures over the epochs with matplotlib: training in blue, validation in orange.

        A dotted line marks the epoch whose weights were kept, or else that of the lowest "val_loss". Several figures in
        one Axes have a colour each, and the validation is dashed.

        Parameters
        ----------
        names : str, list of str or None, default None
            Figures to draw, each in its own panel: "loss" draws training and validation; "val_loss", without "loss",
            validation only. None means all except "seconds".
        ax : matplotlib Axes, a sequence of them or None, default None
            Axes to draw in: one for all figures, or one for each. None makes a new matplotlib figure with panels side
            by side, ``axes[0].figure``; ``matplotlib.pyplot.show()`` shows it.

        Returns
        -------
        Axes or ndarray of Axes
            ``ax`` as given, or an array of the new axes, one per panel.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        TypeError, ValueError
            If there is no such figure or no epoch yet, or the number of axes differs from that of figures.
        """
        kinds = self._kinds(names)
        axes = _axes(ax, kinds)
        shared = hasattr(ax, "plot") and len(kinds) > 1
        for i, (axis, kind) in enumerate(zip(axes, kinds, strict=True)):
            if shared:
                self._draw(axis, kind, f"C{i}", f"C{i}", "--")
            else:
                self._draw(axis, kind, TRAINING, VALIDATION, "-")
                axis.set_ylabel(kind)
        for axis in axes[:1] if shared else axes:
            self._finish(axis)
        return axes if ax is None else ax

    def _kinds(self, names: str | Sequence[str] | None) -> list[str]:
        """Return the requested figures, each once; validation figures are drawn with those of training."""
        if not self._n_epochs:
            raise ValueError("the history has no epoch yet; expected at least one. Call fit first.")
        if names is None:
            names = [name for name in self if name != "seconds"]
            return list(dict.fromkeys(self._of_training(name) for name in names))
        names = [names] if isinstance(names, str) else names
        if not isinstance(names, Sequence) or not names:
            raise TypeError(sentence("names", names, "names of figures such as ['loss', 'accuracy'], or None"))
        for name in names:
            if not isinstance(name, str) or name not in self._figures:
                raise ValueError(sentence("names", name, "one of " + ", ".join(map(repr, self))))
        drawn_with = {f"val_{name}" for name in names}
        return [name for name in dict.fromkeys(names) if name not in drawn_with]

    def _of_training(self, name: str) -> str:
        trained = name.removeprefix("val_")
        return trained if trained in self._figures else name

    def _draw(self, axis: Axes, kind: str, training: str, validation: str, style: str) -> None:
        """Draw a figure of training and of validation, in these colours; the validation's line has this style."""
        epochs = range(1, self._n_epochs + 1)
        for name in (kind, f"val_{kind}"):
            if name in self._figures:
                n_points = sum(map(math.isfinite, self._figures[name]))
                marker = "o" if n_points == 1 else ""  # a single point needs a marker
                colour, line = (validation, style) if name.startswith("val_") else (training, "-")
                axis.plot(
                    epochs, self._figures[name], line, color=colour, marker=marker, label=name, linewidth=LINE_WIDTH
                )

    def _finish(self, axis: Axes) -> None:
        """Mark the epoch that was kept, name the curves, and give the panel its look."""
        from matplotlib.ticker import MaxNLocator

        losses = self._figures.get("val_loss", [])
        if self.kept_epoch is not None:
            mark_kept(axis, self.kept_epoch)
        elif sum(map(math.isfinite, losses)) > 1:
            lowest = min(range(len(losses)), key=lambda i: losses[i] if math.isfinite(losses[i]) else math.inf)
            mark_kept(axis, lowest + 1, "lowest val_loss")
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.legend(frameon=False)
        tidy(axis)

    def __getitem__(self, name: str) -> list[float]:
        return self._figures[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._figures)

    def __len__(self) -> int:
        return len(self._figures)

    def __repr__(self) -> str:
        figures = ", ".join(f"{name}={value:.6g}" for name, value in self.latest.items())
        return f"History({counted(self._n_epochs, 'epoch')}{f'; latest: {figures}' if figures else ''})"

    def _repr_html_(self) -> str:
        """Return a table with a row for each epoch, for notebooks."""
        kept = "" if self.kept_epoch is None else f"; the weights of epoch {self.kept_epoch} were kept"
        return card(
            "History",
            counted(self._n_epochs, "epoch") + kept,
            table(
                ["epoch", *self],
                self._n_epochs,
                lambda i: [i + 1, *(values[i] for values in self.values())],
                n_last=MOST_ROWS // 2,  # where training has come to is as interesting as its beginning
            ),
        )


def _axes(ax: Axes | Sequence[Axes] | None, kinds: Sequence[str]) -> Any:
    """Return an Axes for each figure: given or new ones."""
    if ax is None:
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError(_missing("plot", "matplotlib", "fastbp[plot]")) from error
        size = (4.5 * len(kinds), 3.5)
        return pyplot.subplots(1, len(kinds), figsize=size, layout="constrained", squeeze=False)[1][0]
    axes = [ax] * len(kinds) if hasattr(ax, "plot") else list(ax) if hasattr(ax, "__iter__") else []
    if len(axes) != len(kinds) or not all(hasattr(axis, "plot") for axis in axes):
        raise ValueError(sentence("ax", ax, f"one matplotlib Axes, or {len(kinds)} of them, one for each of {kinds}"))
    return axes


def _missing(method: str, package: str, requirement: str) -> str:
    return f"history.{method}() needs {package}, which is not installed: pip install {requirement!r}."
