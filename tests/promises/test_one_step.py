"""docs/one-step.md names files and functions that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "one-step.md").read_text(encoding="utf-8")
STOPS = re.findall(r"^\d+\. `([^`]+)`, `([^`]+)`\.$", TEXT, re.MULTILINE)


def defines(path, name):
    """Whether a file defines a function: in Python or Cython by its name in its class, in C by NAME(name)(...)."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".h":
        return re.search(rf"^static .*NAME\({name}\)\(", text, re.MULTILINE) is not None
    for part in name.split("."):
        found = re.search(rf"^ *(?:cdef )?(?:class|def|(?:cdef|cpdef) [\w *]+?) ?\b{part}\b[(:]", text, re.MULTILINE)
        if found is None:
            return False
        text = text[found.start() :]
    return True


def test_there_are_at_most_twelve_stops():
    assert 1 < len(STOPS) <= 12
    assert len(STOPS) == len(re.findall(r"^\d+\. ", TEXT, re.MULTILINE))


@pytest.mark.parametrize(("file", "function"), STOPS)
def test_each_stop_is_there(file, function):
    assert defines(ROOT / file, function)


@pytest.mark.parametrize("file", sorted(set(re.findall(r"`([\w/]+\.(?:py|pyx|h))`", TEXT))))
def test_each_file_is_there(file):
    if "/" in file:
        assert (ROOT / file).exists()
    else:
        assert list(ROOT.glob(f"src/fastbp/*/{file}")) or list(ROOT.glob(f"csrc/kernels/{file}"))


def test_the_test_itself_can_fail():
    assert not defines(ROOT / "src/fastbp/training/trainer.py", "Trainer.fitt")
    assert not defines(ROOT / "src/fastbp/training/intake.py", "Trainer.fit")
    assert not defines(ROOT / "csrc/kernels/optimizer.h", "update_adamant")
