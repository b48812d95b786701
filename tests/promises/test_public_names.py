"""Every public name is in the reference, says what it is, and shows how it is used by an example that runs."""

import doctest
import inspect
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("sklearn")

import fastbp as fb

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "docs" / each) for each in ("_ext", ".")]

import public_names  # noqa: E402

NAMES = public_names.everything()


def test_the_groups_hold_every_public_name():
    listed = [name for names in public_names.groups().values() for name in names]
    assert sorted(listed) == sorted(name for name in fb.__all__ if not name.startswith("__"))


@pytest.mark.parametrize("name", NAMES)
def test_each_is_documented_with_an_example(name):
    value = NAMES[name]
    text = inspect.getdoc(value) or ""
    assert len(text.split("\n\n")[0]) > 15, "say what it is"
    if isinstance(value, ModuleType):
        assert public_names.own_names(value)
        return
    assert doctest.DocTestParser().get_examples(text), "an example is missing"
    assert _own_documentation(value), "the docstring is inherited"


@pytest.mark.parametrize("name", NAMES)
def test_each_parameter_is_described(name):
    value = NAMES[name]
    if isinstance(value, ModuleType) or (inspect.isclass(value) and issubclass(value, Exception)):
        return
    text = inspect.getdoc(value) or ""
    if "Attributes\n---" in text and "Parameters\n---" not in text:
        return  # a result: nobody makes one
    for parameter in inspect.signature(value).parameters:
        assert parameter in text, f"{parameter} is not described"


def _own_documentation(value):
    return not inspect.isclass(value) or bool(vars(value).get("__doc__"))
