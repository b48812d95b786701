"""The terminal of a command: it may have another encoding or be none at all, and it never sees a traceback."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable

from fastbp.commands.errors import CommandError

__all__ = ["give_up_output", "in_sentences", "prepare_console"]

_INTERRUPTED = 130  # as a shell has it for Ctrl-C


def prepare_console() -> None:
    """Let letters that the terminal cannot show be written as codes, and a terminal that is none take everything."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for as long as the process
        elif isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def give_up_output() -> None:
    """Let what is printed from now on, and what waits to be, go nowhere: its reader has gone, or its disk is full."""
    with contextlib.suppress(OSError, ValueError):  # it may be no file, or closed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def in_sentences(command: Callable[[], int | None], interrupted: str = "interrupted") -> int:
    """Run a command and return its exit code; whatever it raises becomes a sentence, and a code other than 0."""
    try:
        code = command() or 0
        sys.stdout.flush()  # what cannot be written any more is noticed here, and not while Python ends
        return code
    except CommandError as error:
        return _say(str(error), 1)
    except KeyboardInterrupt:
        return _say(interrupted, _INTERRUPTED, before="\n")
    except MemoryError:
        return _say("the memory does not suffice; expected a smaller table or network", 1)
    except (ValueError, TypeError, ArithmeticError) as error:  # the library's own sentences
        if os.environ.get("FASTBP_TRACEBACK"):
            raise
        return _say(str(error), 1)
    except BrokenPipeError:  # whoever read the output has gone
        give_up_output()
        return 1
    except OSError as error:  # a full disk, a device that fails
        give_up_output()
        what = "the output" if error.filename is None else repr(os.fspath(error.filename))
        return _say(f"{what} cannot be read or written: {error.strerror or error}", 1)
    except Exception as error:
        if os.environ.get("FASTBP_TRACEBACK"):
            raise
        fault = "this is a fault of fastbp; please report it, with what FASTBP_TRACEBACK=1 in the environment shows"
        return _say(f"{type(error).__name__}: {error}; {fault}", 1)


def _say(sentence: str, code: int, before: str = "") -> int:
    with contextlib.suppress(OSError):  # nobody may be reading
        print(f"{before}fastbp: {sentence}", file=sys.stderr)
    return code
