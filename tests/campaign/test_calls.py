"""Public calls with anything as arguments: they work, or a documented exception says in a sentence why not."""

import contextlib
import importlib

import numpy as np
import pytest

import fastbp as fb
from campaign_calls import OwnError, arguments_of, described, targets
from campaign_helpers import Findings, block_name, blocks, is_sentence, random_of, time_limit

pytestmark = [pytest.mark.campaign, pytest.mark.filterwarnings("ignore")]

DOCUMENTED = (TypeError, ValueError, OSError, FloatingPointError, ImportError, RuntimeError, fb.GradientError)


@pytest.fixture(autouse=True, scope="module")
def imported_packages():
    """What calls import takes its time where others share the CPUs: none of theirs."""
    for name in ("torch", "keras", "onnx", "onnxruntime", "sklearn", "matplotlib"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


@pytest.fixture(autouse=True)
def what_calls_set():
    """What is set for the whole process is put back for the tests after these."""
    yield
    fb.set_num_threads(None)


def try_call(rng):
    """Return (what was called, an error that should not be or None)."""
    functions = targets()
    name = rng.choice(list(functions))
    positional, arguments = arguments_of(rng, functions[name])
    strict = rng.random() < 0.15
    shown = ", ".join([*map(described, positional), *(f"{key}={described(arguments[key])}" for key in arguments)])
    what = f"{name}({shown}){' with np.errstate(all=raise)' if strict else ''}"
    try:
        with time_limit(30), np.errstate(all="raise" if strict else "warn"):
            functions[name](*positional, **arguments)
    except OwnError:  # a user's own error may pass
        return what, None
    except MemoryError:  # as of any array that is too large
        return what, None
    except DOCUMENTED as error:
        return what, None if is_sentence(error) else error
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return what, error
    return what, None


@pytest.mark.parametrize("block", blocks(400, 100_000, of=100), ids=block_name)
def test_calls(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    findings = Findings()
    for case in block:
        what, error = try_call(random_of("call", case))
        if error is not None:
            findings.add(case, error, what)
    findings.check()
