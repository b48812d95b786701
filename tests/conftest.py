"""What several test files share: a test for every instruction set, and teams forced on small networks."""

import signal
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from fastbp.engine import kernels, team
from fastbp.support import threads

# A machine that is busy, or a measurement of coverage, makes no test fail.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

# A shell that is no terminal has what it starts in the background ignore Ctrl-C: tests that interrupt would not end.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Not every machine runs every instruction set: the ones it lacks are skipped, by name.
EVERY_ISA = [
    pytest.param(
        name,
        marks=[] if name in kernels.available_isas() else pytest.mark.skip(reason=f"this CPU does not run {name}"),
    )
    for name in kernels.compiled_isas()
]


_FIRST_STATES = {}  # of each file's generators of random numbers, after the file was imported


def pytest_collection_finish(session):
    for item in session.items:
        for generator in _generators_of(item):
            _FIRST_STATES.setdefault(id(generator), generator.bit_generator.state)


def pytest_runtest_setup(item):
    """A test draws the same numbers whichever tests of its file ran before, in this process or in another."""
    for generator in _generators_of(item):
        generator.bit_generator.state = _FIRST_STATES[id(generator)]


def _generators_of(item):
    """The generators that a file has under names of its own, as RNG."""
    module = getattr(item, "module", None)
    return [found for found in vars(module).values() if isinstance(found, np.random.Generator)] if module else []


@pytest.fixture(params=EVERY_ISA)
def isa(request):
    """The test runs once with each instruction set that was compiled in."""
    former = kernels.isa()
    kernels.select_isa(request.param)
    yield request.param
    kernels.select_isa(former)


@pytest.fixture
def bf16_products():
    """Bfloat16 products of some kind: the fastest, or a slow one, or emulated where this CPU has none."""
    former = kernels.isa()
    for wish in ("", "always", "emulate"):
        kernels.select_isa(former, wish)
        if kernels.bf16() is not None and kernels.bf16_pays():
            break
    if kernels.bf16() is None:
        pytest.skip("no bfloat16 products here, not even emulated")
    yield
    kernels.select_isa(former)


@pytest.fixture
def limits(monkeypatch):
    """`team.work_limits`, put back afterwards; and teams may have more threads than this machine has CPUs."""
    monkeypatch.setattr(threads, "_n_cpus", 64)
    former = team.work_limits()
    yield team.work_limits
    team.work_limits(**former)


@pytest.fixture
def torch():
    """PyTorch with float64 as its default: NAdam keeps a product of its own in the default dtype."""
    module = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
    former = module.get_default_dtype()
    module.set_default_dtype(module.float64)
    yield module
    module.set_default_dtype(former)


@pytest.fixture(autouse=True, scope="module")
def openmps_number_put_back():
    """What a file's tests told PyTorch of threads is not for the next file: it is OpenMP's number, so ours too."""
    former = team.openmp_threads()
    yield
    if team.openmp_threads() != former and "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(former)
