"""Look into the source archives and wheels named on the command line: nothing missing, nothing too much."""

import sys
import tarfile
import zipfile
from pathlib import Path

MAX_WHEEL_BYTES = 3_000_000
SOURCE_SUFFIXES = {".c", ".h", ".pyx", ".pxd", ".cpp", ".o"}
SDIST_NEEDS = [
    "csrc/fastbp.h",
    "src/fastbp/engine/session.pyx",
    "src/fastbp/py.typed",
    "tests/reference.py",
    "tests/kernel_driver.c",
    "examples/xor.py",
]
SDIST_NEEDS += ["setup.py", "pyproject.toml", "LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md"]
WHEEL_NEEDS = [
    "fastbp/__init__.py",
    "fastbp/cli.py",
    "fastbp/demo/__init__.py",
    "fastbp/py.typed",
    "fastbp/engine/session.pyi",
]


def check_sdist(path):
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    problems = [f"{name} is missing" for name in SDIST_NEEDS if name not in names]
    problems += [f"{n} is built, not source" for n in names if n.endswith((".so", ".pyd", ".o", ".pyc"))]
    problems += [f"{n} is Cython's output" for n in names if n.endswith(".c") and not n.startswith(("csrc/", "tests/"))]
    if not any(name.startswith("bench/") for name in names):
        problems.append("bench/ is missing")
    return problems


def check_wheel(path):
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
    problems = [f"{name} is missing" for name in WHEEL_NEEDS if name not in names]
    problems += [f"{name} is source" for name in names if Path(name).suffix in SOURCE_SUFFIXES]
    problems += [f"{name} is not of the package" for name in names if not name.startswith(("fastbp/", "fastbp-"))]
    problems += [f"{name} is a test" for name in names if "test" in Path(name).parts[1]]
    if not any(Path(name).suffix in {".so", ".pyd"} for name in names):
        problems.append("there is no extension module")
    size = path.stat().st_size
    if size >= MAX_WHEEL_BYTES:
        problems.append(f"it has {size:,} bytes, more than {MAX_WHEEL_BYTES:,}")
    return problems


def main(paths):
    failed = False
    for path in map(Path, paths):
        problems = check_wheel(path) if path.suffix == ".whl" else check_sdist(path)
        failed = failed or bool(problems)
        print(f"{path.name}: {path.stat().st_size:,} bytes, {'; '.join(problems) or 'as it should be'}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
