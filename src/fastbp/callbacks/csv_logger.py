"""The history as a CSV file that other programs can read during training."""

from __future__ import annotations

import io
import os

from fastbp.callbacks.base import Callback, Figures
from fastbp.callbacks.trainer_view import TrainerView
from fastbp.support.checks import check_path, sentence
from fastbp.support.replacement import append_whole, replace_file

__all__ = ["CSVLogger"]


class CSVLogger(Callback):
    """Writes the trainer's history to a CSV file: a row per epoch, a column per figure.

    The file always holds the whole history, including epochs of earlier calls of ``fit`` and of a loaded trainer; an
    existing file is replaced.

    Parameters
    ----------
    path : str or path-like
    separator : str, default ","
        One character.

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of the above.
    OSError
        During training, if the file cannot be written.

    Examples
    --------
    >>> from pathlib import Path
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1)], inputs=1, seed=0)
    >>> logger = fb.CSVLogger("log.csv")
    >>> history = fb.Trainer(model, "mse").fit([[1.0], [2.0]], [1.0, 2.0], epochs=2, callbacks=[logger])
    >>> len(Path("log.csv").read_text().splitlines())  # the names, and two epochs
    3
    """

    runs_alone = True

    def __init__(self, path: str | os.PathLike[str], separator: str = ",") -> None:
        self._path = check_path(path)
        if not isinstance(separator, str) or len(separator) != 1 or separator in '"\r\n':
            raise ValueError(sentence("separator", separator, "one character, such as ',' or ';'"))
        self._separator = separator
        self._columns: list[str] = []

    def on_fit_begin(self, trainer: TrainerView, figures: Figures) -> None:
        """Write the epochs so far."""
        self._write(trainer, range(trainer.history.n_epochs), anew=True)

    def on_epoch_end(self, trainer: TrainerView, figures: Figures) -> None:
        """Add a row; write the file again if there is a new column."""
        n_epochs = trainer.history.n_epochs
        anew = list(trainer.history) != self._columns
        self._write(trainer, range(0 if anew else n_epochs - 1, n_epochs), anew)

    def _write(self, trainer: TrainerView, epochs: range, anew: bool) -> None:
        import csv  # only now: `import fastbp` stays quick

        history = trainer.history
        text = io.StringIO(newline="")
        writer = csv.writer(text, delimiter=self._separator)
        if anew and len(history):
            self._columns = list(history)
            writer.writerow(["epoch", *self._columns])
        for epoch in epochs:
            writer.writerow([epoch + 1, *(history[name][epoch] for name in self._columns)])
        rows = text.getvalue().encode()
        if anew:
            replace_file(self._path, lambda file: file.write(rows))
        else:
            append_whole(self._path, rows)
