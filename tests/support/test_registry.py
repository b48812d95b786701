"""Parts described as plain data: their names are looked up, and what is no name gets a sentence."""

import pytest

import fastbp as fb
from fastbp.layers.initializers import INITIALIZERS
from fastbp.support.registry import from_config, to_config


def test_a_part_comes_back_as_it_was():
    part = fb.Normal(0.5, 2.0)
    assert to_config(part) == {"name": part.name, "mean": 0.5, "standard_deviation": 2.0}
    assert from_config(to_config(part), INITIALIZERS, "an initializer") == part


@pytest.mark.parametrize("name", ["nothing", None, 3])
def test_an_unknown_name_gets_the_known_ones(name):
    known = ", ".join(map(repr, INITIALIZERS))
    with pytest.raises(ValueError, match=rf"^an initializer is {name!r}; expected one of {known}"):
        from_config({"name": name}, INITIALIZERS, "an initializer")
