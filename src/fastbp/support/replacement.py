"""Files that are replaced as a whole, and opened only where they are files: the one way in which this library saves.

The new contents are written beside the old file, synced to the disk and renamed: whenever the process or the machine
dies, one of the two is there, never a part. What the place was, it stays: a file keeps its mode and its owner, a
symbolic link is written through, and a device or a pipe gets the contents.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO, TypeVar

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["NoRegularFileError", "append_whole", "open_regular", "replace_file"]

T = TypeVar("T")

_MOST_BYTES = 150  # of a name, in that of its unfinished copy; file systems take 255, some of them 143


class NoRegularFileError(OSError):
    """A place that is a pipe, a device or a socket."""


def replace_file(path: str | os.PathLike[str], write: Callable[[BinaryIO], object]) -> None:
    """Write a file as a whole.

    Parameters
    ----------
    path : str or path-like
    write : callable
        Function that writes the contents to a binary file; it is called once.

    Raises
    ------
    OSError
        If it cannot be written; the error names ``path``. The old file is then as it was.
    """
    from pathlib import Path  # only now: `import fastbp` stays quick

    name = os.fspath(path)
    with _naming(name):
        former = _status(name)
        if former is not None and not stat.S_ISREG(former.st_mode):
            with open(name, "wb") as file:  # a device or a pipe; Python's own error for a directory
                write(file)
            return
        target = Path(os.path.realpath(name))
        _remove_left_behind(target)
        unfinished = _unfinished(target)
        try:
            with open(unfinished, "xb") as file:
                _take_after(file, former)
                write(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(unfinished, target)
        finally:
            unfinished.unlink(missing_ok=True)
        _sync_directory(target.parent)


def append_whole(path: str | os.PathLike[str], contents: bytes) -> None:
    """Write to the end of a file: all of it or, where that fails, nothing.

    Raises
    ------
    OSError
        If it cannot be written; the error names ``path``. A file then ends where it ended before; what a pipe or a
        device has taken, it has taken.
    """
    name = os.fspath(path)
    with _naming(name), open(name, "ab", buffering=0) as file:
        status = os.fstat(file.fileno())
        try:
            left = memoryview(contents)
            while left:
                left = left[file.write(left) or 0 :]
        except BaseException:
            if stat.S_ISREG(status.st_mode):
                file.truncate(status.st_size)
            raise


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file to be read from its beginning to its end.

    Raises
    ------
    NoRegularFileError
        If it is a pipe, a device or a socket: it could keep the reader waiting, or never end.
    OSError
        If it is missing, a directory, or forbidden.
    """
    name = os.fspath(path)
    try:
        file = open(name, "rb", opener=_open_at_once)  # noqa: SIM115 - it is returned
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket
            raise NoRegularFileError(errno.ENXIO, "it is a socket; expected a file", name) from None
        raise
    try:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode):
            what = "a named pipe" if stat.S_ISFIFO(mode) else "a device"
            raise NoRegularFileError(errno.EINVAL, f"it is {what}; expected a file", name)
    except BaseException:
        file.close()
        raise
    return file


def _open_at_once(name: str, flags: int) -> int:
    """Open a file without waiting for the writer of a pipe; Python's file object owns the descriptor from then on."""
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))


@contextlib.contextmanager
def _naming(name: str) -> Iterator[None]:
    """Let errors of the system name the user's file, and not its unfinished copy."""
    try:
        yield
    except OSError as error:
        if error.errno is not None:  # those of writing, such as that of a full disk, name no file by themselves
            error.filename = name
            if error.filename2 is not None:
                del error.filename2  # one that is None is shown as a second file
        raise


def _status(name: str) -> os.stat_result | None:
    """Return what the system knows of the file, links followed; None if there is none."""
    try:
        return os.stat(name)
    except FileNotFoundError:
        return None


def _unfinished(target: Path) -> Path:
    """Return a name for an unfinished copy, which no other thread or process uses."""
    return target.with_name(f"{_shortened(target.name)}.{os.getpid()}-{os.urandom(4).hex()}.part")


def _shortened(name: str) -> str:
    """Return a name, or the beginning of a long one and what tells it from others."""
    encoded = os.fsencode(name)
    if len(encoded) <= _MOST_BYTES:
        return name
    kept = name[:_MOST_BYTES]
    while len(os.fsencode(kept)) > _MOST_BYTES - 9:
        kept = kept[:-1]
    return f"{kept}~{zlib.crc32(encoded):08x}"


def _take_after(file: BinaryIO, former: os.stat_result | None) -> None:
    """Give a new file the owner and the mode of the one that it replaces."""
    if former is None or not hasattr(os, "fchmod"):
        return
    own = os.fstat(file.fileno())
    os.fchmod(file.fileno(), 0o600)  # nobody reads it before it has the old one's owner
    if (own.st_uid, own.st_gid) != (former.st_uid, former.st_gid):
        with contextlib.suppress(OSError):  # only root may give files away
            os.fchown(file.fileno(), former.st_uid, former.st_gid)
    os.fchmod(file.fileno(), stat.S_IMODE(former.st_mode))


def _sync_directory(path: Path) -> None:
    """Write a directory's entries to the disk."""
    if os.name != "posix":
        return  # only POSIX systems can open a directory
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_left_behind(target: Path) -> None:
    """Remove unfinished copies of this file, left by processes that were killed."""
    copy = re.compile(re.escape(_shortened(target.name)) + r"\.([0-9]+)(-[0-9a-f]+)?\.part")
    with contextlib.suppress(OSError):  # a directory that may be written to and not listed
        for entry in os.scandir(target.parent):
            writer = copy.fullmatch(entry.name)
            if writer is not None and not _is_alive(int(writer[1])):
                with contextlib.suppress(OSError):  # it may belong to another user
                    os.unlink(entry.path)


def _is_alive(process: int) -> bool:
    if os.name != "posix":
        return True  # there is no way to ask: os.kill would end the process
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
