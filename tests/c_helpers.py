"""What the tests of C sources share: compilers, programs that run self-tests, and models as a shared library."""

import ctypes
import shutil
import subprocess
import sys

import numpy as np
import pytest

WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-Werror"]
C99, CPP11 = ["-std=c99", *WARNINGS], ["-x", "c++", "-std=c++11", *WARNINGS]
COMPILERS = {"gcc": C99, "clang": C99, "g++": CPP11, "clang++": CPP11}


def require(*programs):
    if sys.platform == "win32":
        pytest.skip("compilers there make libraries by other options")
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


def run(*command, **options):
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def main_of_selftests(names):
    """A program that ends with the number of self-tests that fail, counted from the first."""
    includes = "".join(f'#include "{name}.h"\n' for name in names)
    calls = "".join(f"    if ({name}_selftest() != 0)\n        return {i + 1};\n" for i, name in enumerate(names))
    return f"{includes}\nint main(void)\n{{\n{calls}    return 0;\n}}\n"


class Library:
    """Models as a shared library, and their functions as Python's."""

    def __init__(self, folder, compiler, flags, sources, level="-O2"):
        path = folder / f"lib-{compiler}.so"
        run(compiler, *flags, level, "-shared", "-fPIC", *sources, "-o", path, "-lm")
        self._library = ctypes.CDLL(str(path))

    def predict(self, name, X, n_outputs, real):
        function = self._library[f"{name}_predict"]
        X = np.ascontiguousarray(X)
        Y = np.empty((len(X), n_outputs), real)
        for x, y in zip(X, Y, strict=True):
            function(ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(y.ctypes.data))
        return Y

    def selftest(self, name):
        return self._library[f"{name}_selftest"]()
