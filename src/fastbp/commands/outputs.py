"""Where the commands write: no output replaces an input, and a place that cannot be written to is refused at once."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from fastbp.commands.console import give_up_output
from fastbp.commands.errors import CommandError
from fastbp.commands.files import SUFFIXES

__all__ = ["check_outputs", "default_model_file", "say", "tell", "writing"]


def check_outputs(outputs: Mapping[str, Path | None], inputs: Mapping[str, Path]) -> None:
    """Refuse outputs that cannot be written, or that are an input or each other; before anything is read.

    Parameters
    ----------
    outputs : dict of str to path or None
        Each under the option that names it; None is not wanted.
    inputs : dict of str to path
        Each under what it is, such as "the data".

    Raises
    ------
    CommandError
        If one cannot be written to, or would replace another file of the command.
    """
    wanted = {option: path for option, path in outputs.items() if path is not None}
    taken = {_place(path): what for what, path in inputs.items()}
    for option, path in wanted.items():
        _check_writable(option, path)
        other = taken.setdefault(_place(path), option)
        if other != option:
            raise CommandError(f"{option} is {str(path)!r}, which is {other} too; expected another file")


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the system says against an output into a sentence."""
    try:
        yield
    except OSError as error:
        raise CommandError(f"{str(path)!r} cannot be written: {error.strerror or error}") from None


def say(text: str, end: str = "\n") -> None:
    """Print a line; go on without printing where the reader of a pipe has gone, so that no work is lost."""
    try:
        print(text, end=end, flush=True)
    except BrokenPipeError:
        give_up_output()


def tell(text: str) -> None:
    """Print a line beside the output, which may be a table that goes to a pipe."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def _place(path: Path) -> Path:
    """Return what tells files apart: links are followed."""
    return Path(os.path.realpath(path))


def _check_writable(option: str, path: Path) -> None:
    directory = path.absolute().parent
    if not directory.is_dir():
        raise CommandError(f"{option} is {str(path)!r}, but the directory does not exist; create it first")
    if path.is_dir():
        raise CommandError(f"{option} is {str(path)!r}, which is a directory; expected the name of a file")
    if not os.access(path if path.exists() else directory, os.W_OK) or not os.access(directory, os.W_OK):
        raise CommandError(f"{option} is {str(path)!r}, which cannot be written; expected a file that can be")


def default_model_file(data: Path) -> Path:
    """Return the name of the model of a table: that of its file, without its format, in this directory."""
    name = "table" if data == Path("-") else data.name.lstrip(".")
    while Path(name).suffix.lower() in SUFFIXES and Path(name).stem:
        name = Path(name).stem
    return Path(f"{name}.fastbp.safetensors")
