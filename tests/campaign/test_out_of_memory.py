"""Memory that runs out at any request, and address space that is too small: MemoryError or a sentence, never a crash.

What was done before stays, no result is another one, and the process goes on as if nothing had been.
"""

import os
import platform
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from campaign_helpers import SEED, size

pytestmark = [
    pytest.mark.campaign,
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="LD_PRELOAD and RLIMIT_AS as Linux has them"),
]

TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    """The library that fails on demand; it goes on to glibc's own functions."""
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("the C library is not glibc")
    library = tmp_path_factory.mktemp("shim") / "failing_malloc.so"
    compiler = shlex.split(os.environ.get("CC", "cc"))
    command = [*compiler, "-shared", "-fPIC", "-O1", "-o", str(library), TESTS / "failing_malloc.c"]
    try:
        made = subprocess.run([*command, "-ldl"], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no C compiler")
    assert made.returncode == 0, made.stderr
    return library


def run(way, n_cases, **environment):
    command = [sys.executable, TESTS / "campaign_memory.py", way, str(n_cases), str(SEED)]
    environment = {**os.environ, **environment, "PYTHONFAULTHANDLER": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    said = "\n".join([done.stdout, *done.stderr.splitlines()[-40:]])
    assert done.returncode == 0, f"ended with {done.returncode}\n{said}"
    lines = done.stdout.splitlines()
    assert len(lines) == 1, said
    return int(re.fullmatch("failed ([0-9]+)", lines[0])[1])


def test_requests_that_fail(shim):
    assert run("requests", size(4, 400), LD_PRELOAD=str(shim)) > 10  # not vacuous: some did fail


def test_little_address_space():
    assert run("addresses", size(4, 60)) > 2  # not vacuous: some did fail
