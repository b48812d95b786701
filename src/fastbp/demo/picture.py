"""The demo's picture: loss and test accuracy of both trainings, epoch by epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from fastbp.support.plot_style import save_picture

__all__ = ["draw_learning_curves"]


class Curves(Protocol):
    """The part of a training that the picture shows."""

    @property
    def losses(self) -> list[float]: ...
    @property
    def accuracies(self) -> list[float]: ...
    @property
    def seconds(self) -> float: ...


def draw_learning_curves(path: Path, title: str, fast: Curves, plain: Curves) -> None:
    """Write a PNG of the loss (left) and the test accuracy (right): fastbp as a line, NumPy as dots."""
    from matplotlib.figure import Figure  # no pyplot: neither a display nor global state is needed

    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    figure.suptitle(f"{title}: the same training in fastbp and in NumPy")
    loss_axes, accuracy_axes = figure.subplots(1, 2)
    for run, name, style in (
        (fast, "fastbp", {"lw": 1.5}),
        (plain, "NumPy", {"ls": "", "marker": ".", "color": "black"}),
    ):
        epochs = range(1, len(run.losses) + 1)
        label = f"{name}, {run.seconds:.2f} s"
        loss_axes.plot(epochs, run.losses, label=label, **style)
        accuracy_axes.plot(epochs, [100 * a for a in run.accuracies], label=label, **style)
    loss_axes.set(xlabel="epoch", ylabel="training loss", yscale="log")
    accuracy_axes.set(xlabel="epoch", ylabel="test accuracy, %")
    for axes in (loss_axes, accuracy_axes):
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    save_picture(figure, path)
