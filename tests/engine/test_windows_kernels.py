"""clang-cl, which builds the kernels for Windows, takes their vectors: seen without Windows and without its headers."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

CSRC = Path(__file__).resolve().parents[2] / "csrc"
CLANG_CL = ["clang", "--driver-mode=cl", "--target=x86_64-pc-windows-msvc", "/clang:-ffreestanding", "/std:c11", "/c"]

# What the kernels use of the headers that a freestanding compiler lacks.
HEADERS = {
    "math.h": "double sqrt(double); float sqrtf(float); double floor(double); float floorf(float);\n"
    "double log(double);\n"
    "double fabs(double); float fabsf(float); double fma(double, double, double); float fmaf(float, float, float);\n"
    '#define NAN __builtin_nanf("")\n#define INFINITY __builtin_inff()\n#define isfinite(x) __builtin_isfinite(x)\n',
    "string.h": "#include <stddef.h>\nvoid *memcpy(void *, const void *, size_t); void *memset(void *, int, size_t);\n"
    "int strcmp(const char *, const char *);\n",
}


@pytest.fixture
def clang_cl(tmp_path):
    if shutil.which("clang") is None:
        pytest.skip("there is no clang here")
    for name, text in HEADERS.items():
        (tmp_path / name).write_text(text)

    def run(*arguments):
        command = [*CLANG_CL, f"-I{tmp_path}", f"-I{CSRC}", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, done.stderr
        assert "warning" not in done.stderr, done.stderr
        return done.stdout

    return run


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cpu.c", "isa/avx2.c", "isa/avx512.c", "isa/avx512_bf16.c", "isa/baseline.c"])
def test_clang_for_windows_takes_a_file(clang_cl, name):
    clang_cl("-fsyntax-only", CSRC / name)


def test_clang_for_windows_has_vectors(clang_cl):
    macros = clang_cl("/E", "/clang:-dM", CSRC / "isa" / "platform.h")
    assert re.search(r"^#define HAS_VECTORS 1$", macros, re.MULTILINE)
