"""The progress bar of ``fit``: one line for all its epochs, with time left, samples a second, loss and metrics.

    epoch 12/20 |#####   | 00:12 left, 321k/s, loss 0.3123/0.3345, accuracy 0.9123/0.9012

The second number of a pair is of the validation. In a narrow terminal the bar is dropped first, then the last metrics.
It also has the bar of ``fit_many``, over the epochs of all trainers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

__all__ = ["EpochBar", "ProgressBar"]


class _Bar:
    """A tqdm bar in a ``with`` statement."""

    _bar: Any

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()


class ProgressBar(_Bar):
    """A tqdm bar, in a terminal or notebook, over n_epochs of n_samples each (None: not known yet).

    It is shown after ``delay`` seconds.
    """

    def __init__(self, n_epochs: int, n_samples: int | None, delay: float = 0.0) -> None:
        from tqdm.auto import tqdm  # slow to import, and not everyone wants a bar

        self._n_epochs, self._n_samples = n_epochs, n_samples or 0
        self._epochs_done = 0
        self._figures: dict[str, float] = {}
        self._bar = tqdm(
            desc=self._description(),
            total=n_epochs * n_samples if n_samples else None,
            unit="",
            unit_scale=True,
            dynamic_ncols=True,
            delay=delay,
            bar_format="{desc} |{bar}| {remaining} left, {rate_noinv_fmt}{postfix}",
        )

    def learn_length(self, n_samples: int) -> None:
        """Set the number of samples of an epoch, if it was not known before."""
        self._bar.total = self._n_epochs * n_samples
        self._n_samples = n_samples

    def tick(self, n_done: int, loss: float) -> None:
        """Show the samples done in this epoch and their mean loss; the metrics are of the epoch before."""
        self._show({**self._figures, "loss": loss}, n_done)

    def end_epoch(self, figures: Mapping[str, float]) -> None:
        """Show the figures of a completed epoch, without "seconds"."""
        self._figures = {name: value for name, value in figures.items() if name != "seconds"}
        self._show(self._figures, self._n_samples)
        self._epochs_done += 1

    def _description(self) -> str:
        return f"epoch {self._epochs_done + 1}/{self._n_epochs}"

    def _show(self, figures: Mapping[str, float], n_done: int) -> None:
        self._bar.set_description_str(self._description(), refresh=False)
        self._bar.set_postfix_str(", ".join(_pairs(figures)), refresh=False)
        self._bar.update(self._epochs_done * self._n_samples + n_done - self._bar.n)


class EpochBar(_Bar):
    """A tqdm bar over the epochs of many trainers."""

    def __init__(self, n_epochs: int) -> None:
        from tqdm.auto import tqdm  # slow to import, and not everyone wants a bar

        self._bar = tqdm(total=n_epochs, unit=" epochs", dynamic_ncols=True)

    def show(self, n_done: int) -> None:
        """Show the total number of epochs done."""
        self._bar.update(n_done - self._bar.n)


def _pairs(figures: Mapping[str, float]) -> Iterator[str]:
    """Yield each figure with its name, and the validation's figure with it."""
    for name, value in figures.items():
        validation = figures.get(f"val_{name}")
        if not (name.startswith("val_") and name.removeprefix("val_") in figures):
            yield f"{name} {value:.4g}" + ("" if validation is None else f"/{validation:.4g}")
