"""The engine's modules: none imports in a circle, none is too long, and those that start threads do start threads."""

import os
import re
import subprocess
import sys
import sysconfig
import textwrap
from pathlib import Path

import pytest

from fastbp.engine import team

ENGINE = Path(__file__).resolve().parents[2] / "src" / "fastbp" / "engine"
SOURCES = sorted([*ENGINE.glob("*.pyx"), *ENGINE.glob("*.pxd")])
MAX_FILE_LINES, MAX_CLASS_LINES, MAX_FUNCTION_LINES = 500, 400, 50


def code_of(path):
    """The file's lines without docstrings, comments and blank lines."""
    text = re.sub(r'"""(?:.|\n)*?"""|#[^\n]*', "", path.read_text(encoding="utf-8"))
    return [line for line in text.splitlines() if line.strip()]


def imports_of(path):
    text = "\n".join(code_of(path))
    return {
        name for name in re.findall(r"^from fastbp\.engine\.(\w+) c?import", text, re.MULTILINE) if name != path.stem
    }


def test_no_module_imports_in_a_circle():
    """Every module imports only those that the package's docstring lists before it."""
    text = (ENGINE / "__init__.py").read_text(encoding="utf-8")
    order = re.split(r"[,;]\s+", re.search(r"From the bottom: ([^.]*)\.", text)[1])
    assert sorted(order) == sorted({path.stem for path in SOURCES})
    for path in SOURCES:
        for imported in imports_of(path):
            assert order.index(imported) < order.index(path.stem), f"{path.name} imports {imported}"


def lengths(lines, pattern):
    """(lines of code, its first line) of each class or function whose first line matches."""
    for i, line in enumerate(lines):
        if re.match(pattern, line.lstrip()):
            depth, length = len(line) - len(line.lstrip()), 1
            for other in lines[i + 1 :]:
                if len(other) - len(other.lstrip()) <= depth:
                    break
                length += 1
            yield length, line.strip()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_nothing_is_too_long(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_FILE_LINES
    lines = code_of(path)
    for pattern, most in ((r"(cdef |)class ", MAX_CLASS_LINES), (r"def |cdef (?!class )[^=]*\(", MAX_FUNCTION_LINES)):
        for length, head in lengths(lines, pattern):
            assert length <= most, f"{path.name} has {length} lines of code in {head}"


# ---- A build that is silently serial ----

PROBE = "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n"


def compiler_has_openmp(folder):
    """Whether the compiler that Python was built with makes an OpenMP program."""
    command = (sysconfig.get_config_var("CC") or "cc").split()
    source = folder / "probe.c"
    source.write_text(PROBE)
    try:
        done = subprocess.run(
            [*command, "-fopenmp", str(source), "-o", str(folder / "probe")], capture_output=True, check=False
        )
    except OSError:
        return False
    return done.returncode == 0


# A step that is long enough for two threads; then how many threads of the operating system have used a CPU since.
THREADS = """
    from pathlib import Path

    import numpy as np

    import fastbp as fb
    from fastbp.engine.team import work_limits

    def ticks():
        stats = {task.name: (task / "stat").read_text() for task in Path("/proc/self/task").iterdir()}
        return {name: sum(map(int, stat.rpartition(")")[2].split()[11:13])) for name, stat in stats.items()}

    work_limits(epoch_thread=1.0, call_thread=1.0, paced=0.0)
    model = fb.Model([fb.Dense(400, "relu"), fb.Dense(400, "relu"), fb.Dense(10, "softmax")], inputs=300, seed=0)
    trainer = fb.Trainer(model, "cross_entropy", n_threads=2, batch_size=500)
    X = np.random.default_rng(0).normal(size=(2000, 300)).astype(np.float32)
    y = np.arange(2000) % 10
    for _ in range(20):
        before = ticks()
        trainer.fit(X, y, epochs=5)
        after = ticks()
        if sum(after[name] > before.get(name, 0) for name in after) >= 2:
            break
    else:
        raise SystemExit("one thread of the operating system did all the work")
    print(trainer.parts.state.session.last_team)
"""


def test_a_build_with_openmp_reports_it(tmp_path):
    """A build is serial only where the compiler has no OpenMP, or where FASTBP_NO_OPENMP=1 asks for it."""
    if team.openmp_version() > 0:
        return
    if os.environ.get("FASTBP_NO_OPENMP", "0") not in ("", "0"):
        pytest.skip("FASTBP_NO_OPENMP asks for a serial build")
    if not compiler_has_openmp(tmp_path):
        pytest.skip("the compiler has no OpenMP")
    pytest.fail(
        "this build is serial, though the compiler has OpenMP: setup.py gave the flags to a module that starts no team,"
        " or FASTBP_NO_OPENMP was set for the build and not for the tests"
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="threads are counted in Linux's /proc")
@pytest.mark.skipif(team.openmp_version() == 0, reason="this build has no OpenMP")
def test_a_team_of_two_runs_on_two_threads_of_the_system():
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(THREADS)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "2\n"


def test_setup_gives_openmp_to_the_module_that_starts_teams():
    root = ENGINE.parent.parent.parent
    named = re.search(r'OPENMP_MODULE = "fastbp\.engine\.(\w+)"', (root / "setup.py").read_text(encoding="utf-8"))[1]
    starting = [path.stem for path in SOURCES if re.search(r"\bparallel\(|\bprange\(", "\n".join(code_of(path)))]
    assert starting == [named]
