"""Checkpoints: files saved during training, from which training can continue."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fastbp.callbacks.base import Callback, Figures
from fastbp.callbacks.best_figure import BestFigure, Mode
from fastbp.callbacks.trainer_view import TrainerView
from fastbp.support.checks import check_flag, check_int, check_number, check_path, sentence, shown

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Checkpoint"]


class Checkpoint(Callback):
    """Saves the trainer during training; continued by ``Trainer.load``, training ends with the same bits.

    Each file is complete or absent: it is written beside the old one, synced to the disk and renamed.

    Parameters
    ----------
    path : str or path-like
        Name of the file. With keep=1 each file replaces the last; otherwise the number of steps is added to the name:
        "run.ckpt" becomes "run-000001250.ckpt".
    every : int, default 1
        Number of epochs between files.
    keep : int or None, default 1
        Number of latest files to keep; older ones of this run are removed. None keeps all.
    best_only : bool, default False
        Whether to save only epochs that are the best so far by ``monitor``.
    monitor : str, default "val_loss"
        Name of a figure in the history, for best_only.
    mode : {"auto", "min", "max"}, default "auto"
        Whether smaller or larger is better; "auto" decides by the name of the figure.
    seconds : float or None, default None
        Time between files: if set, files are also saved inside an epoch. For epochs that take hours.

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

    Continue after a crash:

    >>> trainer = fb.Trainer.load("night.ckpt")
    >>> left = 50 - trainer.history.n_epochs
    >>> trainer.fit(X, y, epochs=left, callbacks=[fb.Checkpoint("night.ckpt", seconds=600)]).n_epochs
    50
    """

    runs_alone = True
    runs_last = True  # so that the file holds the other callbacks' state after the epoch

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
        self._best_only = check_flag(best_only, "best_only")
        self._monitor, self._mode = monitor, mode
        self._watched = BestFigure(monitor, mode) if self._best_only else None
        self._seconds = None if seconds is None else check_number(seconds, "seconds", above=0)
        if best_only and seconds is not None:
            raise ValueError(
                f"seconds is {shown(seconds)} and best_only is True; expected one of them: inside an epoch there are "
                "no figures to compare. Use two Checkpoints."
            )
        self._files: list[str] = []  # oldest first
        self._saved_at = 0.0

    @property
    def watched(self) -> str | None:
        """The name of the figure that decides; None where none does."""
        return self._monitor if self._best_only else None

    @property
    def files(self) -> list[Path]:
        """The existing files of this run, oldest first."""
        from pathlib import Path  # only now: `import fastbp` stays quick

        return [Path(file) for file in self._files]

    def hears(self, event: str) -> bool:
        """Return whether this callback handles an event."""
        return super().hears(event) and not (event == "on_tick" and self._seconds is None)

    def on_fit_begin(self, trainer: TrainerView, figures: Figures) -> None:
        """Start the clock."""
        self._saved_at = time.monotonic()

    def on_tick(self, trainer: TrainerView, figures: Figures) -> None:
        """Save inside an epoch, when ``seconds`` have passed."""
        if self._seconds is not None and time.monotonic() - self._saved_at >= self._seconds:
            self._save(trainer)

    def on_epoch_end(self, trainer: TrainerView, figures: Figures) -> None:
        """Save, if this epoch is to be saved."""
        if self._watched is not None and not self._watched.see(figures):
            return
        if int(figures["epoch"]) % self._every == 0:
            self._save(trainer)

    def _save(self, trainer: TrainerView) -> None:
        file = self._path
        if self._keep != 1:
            file = file.with_name(f"{file.stem}-{trainer.n_steps:09d}{file.suffix}")
        former = self._files
        files = [each for each in former if each != str(file)] + [str(file)]
        surplus = files[: -self._keep] if self._keep is not None else []
        self._files = files[len(surplus) :]  # before saving: the list is saved too
        try:
            trainer.save(file)
        except BaseException:
            self._files = former  # they are all still there
            raise
        for old in surplus:
            with contextlib.suppress(FileNotFoundError):
                os.remove(old)
        self._saved_at = time.monotonic()

    def get_state(self) -> dict[str, Any]:
        """Return the existing files, and the best epoch so far."""
        return {"files": list(self._files), "monitor": self._watched and self._watched.get_state()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a state; only files with this callback's name count as its own."""
        files, monitor = state["files"], state["monitor"]
        if not isinstance(files, list) or not all(isinstance(file, str) for file in files):
            raise TypeError(sentence("files", files, "a list of the names of files"))
        if monitor is not None and not isinstance(monitor, Mapping):
            raise TypeError(sentence("monitor", monitor, "the state of a figure, or None"))
        mine = [self._path.with_name(os.path.basename(file)) for file in files]
        self._files = [str(file) for file in mine if file.name.startswith(self._path.stem)]
        if self._watched is not None and monitor is not None:
            self._watched.set_state(monitor)
