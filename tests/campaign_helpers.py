"""How large the campaign is, what it counts as an answer, and how it says what it found."""

import collections
import contextlib
import os
import random
import signal
import traceback
from pathlib import Path

import pytest

import fastbp as fb

PACKAGE = Path(fb.__file__).resolve().parent

SIZE = os.environ.get("FASTBP_CAMPAIGN", "short")  # short, long, or how many times the short form
SEED = int(os.environ.get("FASTBP_CAMPAIGN_SEED", "0"))

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def size(short, long):
    """How many cases of a kind are tried."""
    if SIZE in ("short", "long"):
        return short if SIZE == "short" else long
    try:
        return max(1, min(long, round(short * float(SIZE))))
    except ValueError:
        raise ValueError(f"FASTBP_CAMPAIGN is {SIZE!r}; expected short, long or a number") from None


def blocks(short, long, of):
    """The numbers of all cases, cut into blocks of some: one test each."""
    n_cases = size(short, long)
    return [range(first, min(first + of, n_cases)) for first in range(0, n_cases, of)]


def block_name(block):
    return f"{block.start}-{block.stop - 1}"


def random_of(kind, case):
    """The random numbers of one case, whatever else is tried before it."""
    return random.Random(f"{kind} {SEED} {case}")


class TooSlowError(BaseException):
    """No `Exception`, so that nothing catches it on its way."""


@contextlib.contextmanager
def time_limit(seconds):
    """Raise TooSlowError in the body when it takes longer, where the system has such a signal."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def handler(signum, frame):
        raise TooSlowError(f"no answer in {seconds} s")

    former = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


def raised_on_purpose(error):
    """Whether a `raise` of the package raised it; the compiled engine's lines are not at hand."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    path = Path(last.filename)
    if path.suffix in (".pyx", ".pxd"):
        return True
    return path.is_relative_to(PACKAGE) and (last.line or "").startswith("raise")


def is_sentence(error):
    if isinstance(error, OSError) and error.errno is not None:
        return True  # the system's own: "No such file or directory: 'x'"
    return len(str(error).split()) >= 4 and raised_on_purpose(error)


class Findings:
    """What was found in many cases: each kind once, with the first case that shows it."""

    def __init__(self):
        self._first = {}
        self._counts = collections.Counter()

    def add(self, case, error, what):
        last = traceback.extract_tb(error.__traceback__)[-1]
        kind = f"{type(error).__name__}: {str(error)[:160]} at {Path(last.filename).name}:{last.lineno}"
        self._counts[kind] += 1
        self._first.setdefault(kind, f"case {case} of seed {SEED}: {what}")

    def check(self):
        found = [f"{count} x {kind}\n    {self._first[kind]}" for kind, count in self._counts.most_common()]
        assert not found, "\n".join(["no documented exception with a sentence:", *found])
