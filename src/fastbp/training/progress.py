"""The progress of ``fit``: a bar on one line for all its epochs, with time left, samples a second, loss and metrics.

    epoch 12/20 |#####   | 00:12 left, 321k/s, loss 0.3123/0.3345, accuracy 0.9123/0.9012

The second number of a pair is of the validation. In a narrow terminal the bar is dropped first, the metrics last. Where
stderr is no terminal, but a file or a log, there are plain lines instead. This also has the progress of ``fit_many``,
over the epochs of all trainers.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol, Self

from fastbp.training.progress_log import Log
from fastbp.training.progress_text import Fitted, text_of, versions

__all__ = ["EpochBar", "ProgressBar", "is_live"]

_FIGURES = "{postfix}"  # after the head of a line


def is_live(stream: Any) -> bool:
    """Return whether a stream shows a line that is written over: a terminal or a notebook, not a file or a log."""
    try:
        return bool(stream.isatty()) or type(stream).__module__.startswith("ipykernel")
    except (AttributeError, ValueError):  # there is none, or it is closed
        return False


class _Closing:
    """Ends what it shows at the end of a ``with`` statement."""

    _display: Any

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._display.close()


class ProgressBar(_Closing):
    """The progress over n_epochs of n_samples each (None: not known yet), in a ``with`` statement.

    It is shown after ``delay`` seconds.
    """

    def __init__(self, n_epochs: int, n_samples: int | None, delay: float = 0.0) -> None:
        self._n_epochs, self._n_samples = n_epochs, n_samples or 0
        self._epochs_done = 0
        self._figures: dict[str, float] = {}
        self._display: _Display
        if is_live(sys.stderr):
            self._display = _Line(self._epoch, self._n_all, delay)
        else:
            self._display = _Lines(Log(n_epochs, delay))

    def learn_length(self, n_samples: int) -> None:
        """Set the number of samples of an epoch, if it was not known before."""
        self._n_samples = n_samples

    def tick(self, n_done: int, loss: float) -> None:
        """Show the samples done in this epoch and their mean loss; the metrics are of the epoch before."""
        self.show(n_done, {"loss": loss})

    def show(self, n_done: int, figures: Mapping[str, float]) -> None:
        """Show the samples done in this epoch, and figures; those that are not given are of the epoch before."""
        shown = {**self._figures, **figures}
        self._display.tick(self._epoch, shown, self._epochs_done * self._n_samples + n_done, self._n_all)

    def end_epoch(self, figures: Mapping[str, float]) -> None:
        """Show the figures of a completed epoch, without "seconds"."""
        self._figures = {name: value for name, value in figures.items() if name != "seconds"}
        epoch = self._epoch
        self._epochs_done += 1
        self._display.end_epoch(epoch, self._figures, self._epochs_done * self._n_samples, self._n_all)

    @property
    def _epoch(self) -> str:
        return f"{self._epochs_done + 1}/{self._n_epochs}"

    @property
    def _n_all(self) -> int | None:
        return self._n_epochs * self._n_samples or None


class _Display(Protocol):
    """Shows an epoch ("3/20"), its figures, and how many of how many samples are done."""

    def tick(self, epoch: str, figures: Mapping[str, float], n_done: int, n_all: int | None) -> None:
        """Show an epoch in progress."""

    def end_epoch(self, epoch: str, figures: Mapping[str, float], n_done: int, n_all: int | None) -> None:
        """Show a completed epoch."""

    def close(self) -> None:
        """End it."""


class _Line:
    """A tqdm bar: one line, written over."""

    def __init__(self, epoch: str, n_all: int | None, delay: float) -> None:
        from tqdm.auto import tqdm  # slow to import, and not everyone wants a bar

        self._fitted = Fitted()
        line = versions(epoch, {})[0]
        self._bar = tqdm(
            desc=line.epoch,
            total=n_all,
            unit="",
            unit_scale=True,
            dynamic_ncols=True,
            delay=delay,
            bar_format=line.head + _FIGURES,
        )

    def tick(self, epoch: str, figures: Mapping[str, float], n_done: int, n_all: int | None) -> None:
        """Write the line over, if it is time."""
        bar = self._bar
        width = bar.format_dict["ncols"]
        line = self._fitted.line(epoch, figures, width if isinstance(width, int) else None)  # a notebook has no columns
        bar.total, bar.bar_format = n_all, line.head + _FIGURES
        bar.set_description_str(line.epoch, refresh=False)
        bar.set_postfix_str(line.figures, refresh=False)
        bar.update(n_done - bar.n)

    end_epoch = tick

    def close(self) -> None:
        """Leave the last line."""
        self._bar.close()


class _Lines:
    """A plain line for an epoch."""

    def __init__(self, log: Log) -> None:
        self._log, self._n_ended = log, 0

    def tick(self, epoch: str, figures: Mapping[str, float], n_done: int, n_all: int | None) -> None:
        """Write a line if there has been none for long."""
        if self._log.wants_tick():
            share = f", {n_done / n_all:.0%} of all" if n_all else ""
            self._log.tick(f"epoch {epoch}{share}{self._pace(n_done, n_all)}, {text_of(figures)}")

    def end_epoch(self, epoch: str, figures: Mapping[str, float], n_done: int, n_all: int | None) -> None:
        """Write a line, unless there are very many."""
        self._n_ended += 1
        self._log.end_epoch(self._n_ended, f"epoch {epoch}{self._pace(n_done, n_all)}, {text_of(figures)}")

    def _pace(self, n_done: int, n_all: int | None) -> str:
        return _time(self._log.seconds, n_done, n_all) + _rate(self._log.seconds, n_done)

    def close(self) -> None:
        """Write the last epoch."""
        self._log.close()


class EpochBar(_Closing):
    """The progress over the epochs of many trainers, in a ``with`` statement."""

    def __init__(self, n_epochs: int) -> None:
        self._n_epochs, self._n_done = n_epochs, 0
        self._display: Any
        self._live = is_live(sys.stderr)
        if self._live:
            from tqdm.auto import tqdm  # slow to import, and not everyone wants a bar

            self._display = tqdm(total=n_epochs, unit=" epochs", dynamic_ncols=True)
        else:
            self._display = Log(n_epochs)

    def show(self, n_done: int) -> None:
        """Show the total number of epochs done."""
        if self._live:
            self._display.update(n_done - self._display.n)
        elif n_done > self._n_done:
            seconds = self._display.seconds
            self._display.end_epoch(n_done, f"{n_done}/{self._n_epochs} epochs{_time(seconds, n_done, self._n_epochs)}")
        self._n_done = n_done


def _time(seconds: float, n_done: int, n_all: int | None) -> str:
    """Return the time left at the speed so far, at the end the time that it took."""
    from tqdm import tqdm

    if not n_all or not n_done:
        return ""
    if n_done >= n_all:
        return f", {tqdm.format_interval(seconds)} in all"
    return f", {tqdm.format_interval(seconds * (n_all - n_done) / n_done)} left"


def _rate(seconds: float, n_done: int) -> str:
    from tqdm import tqdm

    return f", {tqdm.format_sizeof(n_done / seconds)}/s" if n_done and seconds else ""
