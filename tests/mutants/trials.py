"""One change of the package tried: a copy of it that is kept, and a forked child that runs the tests.

Most of what a short test run takes is imports and compilation to bytecode. So the copy is kept and only the changed
module of it is compiled again, and the children are forked from a process that has imported the other
libraries, but nothing of fastbp. What a child may take is counted in its own seconds of CPU: a busy machine changes no
verdict.
"""

import compileall
import contextlib
import importlib
import os
import py_compile
import resource
import shutil
import signal
import sys
import sysconfig
import tempfile
import time
import traceback
from pathlib import Path

MOST_CPU = 60  # seconds of all tests of a mutant
MOST_WALL = 900  # for those that wait for something that never comes
MOST_MEMORY = 16 << 30  # bytes of address space: a loop that no longer ends may fill a list

LIBRARIES = [
    "numpy", "pytest", "hypothesis", "pandas", "pyarrow", "openpyxl", "tqdm", "matplotlib.pyplot", "scipy.stats",
    "scipy.optimize", "scipy.sparse", "sklearn.datasets", "sklearn.linear_model", "sklearn.ensemble",
    "sklearn.neural_network", "sklearn.model_selection", "sklearn.metrics", "sklearn.pipeline",
]  # fmt: skip

PASSED, FAILED, NO_TESTS = (0,), 1, (4, 5)  # what pytest returns


class Trials:
    """A copy of the package in a folder of its own, in which one module at a time is changed."""

    def __init__(self, root):
        self.root = root
        self._holder = tempfile.TemporaryDirectory()
        self.folder = Path(self._holder.name)
        # With the bytecode that there is, which is right as long as the time of the source is.
        shutil.copytree(root / "src" / "fastbp", self.folder / "fastbp", copy_function=_copy_or_link)
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(self.folder / "hypothesis")  # no example outlives its mutant
        os.environ["PYTHONPATH"] = str(self.folder)  # of the commands that tests start
        os.environ["MPLBACKEND"] = "agg"
        sys.path.insert(0, str(self.folder))
        for name in LIBRARIES:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)

    def close(self):
        self._holder.cleanup()

    @contextlib.contextmanager
    def changed(self, file, source):
        """The copy with another source of one module."""
        path = self.folder / "fastbp" / file
        former = path.read_bytes()
        try:
            path.write_text(source, encoding="utf-8")
            _compile(path)
            yield
        finally:
            path.write_bytes(former)
            _compile(path)

    @contextlib.contextmanager
    def replaced(self, module, built, isa=None):
        """The copy with another build of one module of the engine, and the kernels of one instruction set in use."""
        path = self.folder / "fastbp" / "engine" / (module + sysconfig.get_config_var("EXT_SUFFIX"))
        former = path.readlink()
        settings = dict(os.environ)
        try:
            path.unlink()
            path.symlink_to(built)
            if isa is not None:
                os.environ["FASTBP_ISA"] = isa
            yield
        finally:
            path.unlink()
            path.symlink_to(former)
            os.environ.clear()
            os.environ.update(settings)

    def run(self, tests, chosen=""):
        """Return (what becomes of the mutant in the copy, the test that failed or None)."""
        log = self.folder / "log"
        child = os.fork()
        if child == 0:
            _run_pytest(self.root, tests, chosen, log)
        code = _wait(child)
        if code < 0:
            return ("slow" if code in (-signal.SIGXCPU, -signal.SIGKILL) else "killed"), None
        text = log.read_text(encoding="utf-8", errors="replace")
        if "while loading conftest" in text:
            return "killed", "import"  # the package cannot be imported
        failed = [line.split()[1] for line in text.splitlines() if line.startswith(("FAILED ", "ERROR "))]
        if code in PASSED:
            return "survived", None
        if failed:
            return "killed", failed[0].split("[")[0]  # a test, or a file that can no longer be collected
        return ("no tests" if code in NO_TESTS else "unclear"), None


def _compile(path):
    compileall.compile_file(path, quiet=2, force=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


def _copy_or_link(source, target):
    (os.symlink if source.endswith((".so", ".pyd")) else shutil.copy2)(source, target)


def _run_pytest(root, tests, chosen, log):
    """In the child: run the tests until one fails, and end."""
    code = FAILED
    try:
        os.setpgrp()
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU, MOST_CPU + 5))
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
        os.chdir(root)
        import pytest

        options = ["-x", "-q", "--tb=line", "-p", "no:cacheprovider", "-m", "not slow and not campaign"]
        options += ["-k", chosen, "-W", "ignore:Module already imported so cannot be rewritten"]
        code = int(pytest.main(options + [str(test) for test in tests]))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(child):
    """The exit code of a child; it and all that it has started are gone then."""
    until = time.monotonic() + MOST_WALL
    try:
        while True:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() > until:
                os.kill(child, signal.SIGKILL)
                return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            time.sleep(0.02)
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
