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


OF_THE_PACKAGE = ("fastbp/", "fastbp-", "fastbp.libs/")


def is_grafted(name):
    """Whether auditwheel put a library there."""
    return name.startswith("fastbp.libs/")


def is_openmp(name):
    return Path(name).name.startswith(("libgomp", "libomp"))


def parts_of(path):
    """The compressed bytes of each part of a wheel, the largest first."""
    parts = {}
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            name = Path(info.filename)
            if is_grafted(info.filename):
                part = f"grafted {name.name}"
            elif name.suffix in {".so", ".pyd"}:
                part = f"the extension {name.name.partition('.')[0]}"
            else:
                part = "Python" if info.filename.startswith("fastbp/") else "metadata"
            parts[part] = parts.get(part, 0) + info.compress_size
    return dict(sorted(parts.items(), key=lambda each: -each[1]))


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
        names = {name for name in archive.namelist() if not name.endswith("/")}
    problems = [f"{name} is missing" for name in WHEEL_NEEDS if name not in names]
    problems += [f"{name} is source" for name in names if Path(name).suffix in SOURCE_SUFFIXES]
    problems += [f"{name} is not of the package" for name in names if not name.startswith(OF_THE_PACKAGE)]
    problems += [f"{name} is a test" for name in names if "test" in Path(name).parts[1]]
    problems += [
        f"{name} is grafted, and nobody knows why" for name in names if is_grafted(name) and not is_openmp(name)
    ]
    if not any(Path(name).suffix in {".so", ".pyd"} for name in names):
        problems.append("there is no extension module")
    print("\n".join(f"    {n:>9,} bytes of {part}" for part, n in parts_of(path).items()))
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
