"""Progress bars: of ``fit``, one line for all its epochs, with loss, metrics and samples a second; of ``fit_many``."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

__all__ = ["EpochBar", "ProgressBar"]


class ProgressBar:
    """A tqdm bar, in a terminal or in a notebook, over so many epochs of so many samples each."""

    def __init__(self, n_epochs: int, n_samples: int) -> None:
        from tqdm.auto import tqdm  # slow to import, and not everyone wants a bar

        self._n_epochs, self._n_samples = n_epochs, n_samples
        self._epochs_done = 0
        self._figures: dict[str, float] = {}
        self._bar: Any = tqdm(
            desc=self._description(),
            total=n_epochs * n_samples,
            unit=" samples",
            unit_scale=True,
            dynamic_ncols=True,
        )

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def tick(self, n_done: int, loss: float) -> None:
        """Say how many samples of this epoch are done, and their mean loss so far."""
        self._show({**self._figures, "loss": loss}, n_done)

    def end_epoch(self, figures: Mapping[str, float]) -> None:
        """Say the figures of the epoch that is done; "seconds" is what the bar itself shows."""
        self._figures = {name: value for name, value in figures.items() if name != "seconds"}
        self._show(self._figures, self._n_samples)
        self._epochs_done += 1
        if self._epochs_done < self._n_epochs:
            self._bar.set_description(self._description(), refresh=False)

    def _description(self) -> str:
        return f"epoch {self._epochs_done + 1}/{self._n_epochs}"

    def _show(self, figures: Mapping[str, float], n_done: int) -> None:
        self._bar.set_postfix_str(", ".join(f"{name}={value:.4g}" for name, value in figures.items()), refresh=False)
        self._bar.update(self._epochs_done * self._n_samples + n_done - self._bar.n)


class EpochBar:
    """A tqdm bar over the epochs of many trainers."""

    def __init__(self, n_epochs: int) -> None:
        from tqdm.auto import tqdm  # slow to import, and not everyone wants a bar

        self._bar: Any = tqdm(total=n_epochs, unit=" epochs", dynamic_ncols=True)

    def __enter__(self) -> EpochBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def show(self, n_done: int) -> None:
        """Say how many epochs are done in all."""
        self._bar.update(n_done - self._bar.n)
