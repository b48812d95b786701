"""Files of a trainer while it trains, from which it can go on."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastbp.callbacks.base import Callback, Figures
from fastbp.callbacks.best_figure import BestFigure, Mode
from fastbp.callbacks.trainer_view import TrainerView
from fastbp.support.checks import check_flag, check_int, check_number, check_path

__all__ = ["Checkpoint"]


class Checkpoint(Callback):
    """Saves the trainer as it trains, so that ``Trainer.load`` can go on to the same bits.

    Each file is complete, or not there: it is written beside the old one, brought to the disk and renamed.

    Parameters
    ----------
    path : str or path-like
        Where to. With keep=1 each file takes the place of the last; else the number of steps goes into the name:
        "run.ckpt" becomes "run-000001250.ckpt".
    every : int, default 1
        Epochs from one to the next.
    keep : int or None, default 1
        So many of the latest files are kept, and older ones of this run removed; None keeps all.
    best_only : bool, default False
        Whether only epochs are saved that are the best so far by ``monitor``.
    monitor : str, default "val_loss"
        A figure of the history, for best_only.
    mode : {"auto", "min", "max"}, default "auto"
        Whether smaller or larger is better; "auto" goes by the name of the figure.
    seconds : float or None, default None
        Save inside an epoch too, when so long has passed since the last file; for epochs that take hours.

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of the above.

    Examples
    --------
    >>> import fastbp as fb
    >>> X, y = [[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]
    >>> trainer = fb.Trainer(fb.Model([fb.Dense(1)], inputs=1), "mse")
    >>> history = trainer.fit(X, y, epochs=30, callbacks=[fb.Checkpoint("night.ckpt", seconds=600)])

    The next morning, whatever has happened:

    >>> trainer = fb.Trainer.load("night.ckpt")
    >>> left = 50 - trainer.history.n_epochs
    >>> trainer.fit(X, y, epochs=left, callbacks=[fb.Checkpoint("night.ckpt", seconds=600)]).n_epochs
    50
    """

    runs_last = True  # so that the file holds what the other callbacks have made of the epoch

    def __init__(
        self,
        path: str | os.PathLike[str],
        every: int = 1,
        keep: int | None = 1,
        best_only: bool = False,
        monitor: str = "val_loss",
        mode: Mode = "auto",
        seconds: float | None = None,
    ) -> None:
        self._path = check_path(path)
        self._every = check_int(every, "every")
        self._keep = None if keep is None else check_int(keep, "keep", remedy="None keeps all files.")
        self._monitor = BestFigure(monitor, mode) if check_flag(best_only, "best_only") else None
        self._seconds = None if seconds is None else check_number(seconds, "seconds", above=0)
        if best_only and seconds is not None:
            raise ValueError(
                f"seconds is {seconds!r} and best_only is True; expected one of them: inside an epoch there are no "
                "figures to be best by. Take two Checkpoints."
            )
        self._files: list[str] = []  # oldest first
        self._saved_at = 0.0

    @property
    def files(self) -> list[Path]:
        """The files of this run that are there, oldest first."""
        return [Path(file) for file in self._files]

    def hears(self, event: str) -> bool:
        """Return whether anything happens here at an event."""
        return super().hears(event) and not (event == "on_tick" and self._seconds is None)

    def on_fit_begin(self, trainer: TrainerView, figures: Figures) -> None:
        """Start the clock."""
        self._saved_at = time.monotonic()

    def on_tick(self, trainer: TrainerView, figures: Figures) -> None:
        """Save inside an epoch, when it is time to."""
        if self._seconds is not None and time.monotonic() - self._saved_at >= self._seconds:
            self._save(trainer)

    def on_epoch_end(self, trainer: TrainerView, figures: Figures) -> None:
        """Save, if this is an epoch to save."""
        if self._monitor is not None and not self._monitor.see(figures):
            return
        if int(figures["epoch"]) % self._every == 0:
            self._save(trainer)

    def _save(self, trainer: TrainerView) -> None:
        file = self._path
        if self._keep != 1:
            file = file.with_name(f"{file.stem}-{trainer.n_steps:09d}{file.suffix}")
        if str(file) in self._files:
            self._files.remove(str(file))
        self._files.append(str(file))
        surplus = self._files[: -self._keep] if self._keep is not None else []
        self._files = self._files[len(surplus) :]  # before saving: this is part of what is saved
        trainer.save(file)
        for old in surplus:
            with contextlib.suppress(FileNotFoundError):
                os.remove(old)
        self._saved_at = time.monotonic()

    def get_state(self) -> dict[str, Any]:
        """Return the files that there are, and the best epoch so far."""
        return {"files": list(self._files), "monitor": self._monitor and self._monitor.get_state()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a state; only files of this callback's name are taken for its own."""
        mine = [str(self._path.with_name(Path(file).name)) for file in state["files"]]
        self._files = [file for file in mine if Path(file).name.startswith(self._path.stem)]
        if self._monitor is not None and state["monitor"] is not None:
            self._monitor.set_state(state["monitor"])
