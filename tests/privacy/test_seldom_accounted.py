"""Accounts of nothing, and names that are not there."""

import math

import pytest

import fastbp as fb
from fastbp.privacy import renyi


@pytest.mark.parametrize("steps", [1, 1000])
def test_who_takes_no_sample_reveals_nothing(steps):
    assert fb.privacy.epsilon(sampling_probability=0.0, noise_multiplier=1.0, steps=steps, delta=1e-5) == 0


def test_the_divergences_of_no_samples():
    assert renyi.divergences(0.0, 1.0, [2.0, 3.0]).tolist() == [0.0, 0.0]


def test_sums_of_nothing_in_logarithms():
    assert renyi._log_sum([-math.inf, -math.inf]) == -math.inf


def test_no_trainers_are_joined():
    fb.privacy.join([])


def test_names_of_the_module():
    assert {"epsilon", "audit", "Schema"} <= set(dir(fb.privacy))
    with pytest.raises(AttributeError, match=r"module 'fastbp\.privacy' has no attribute 'epsilom'"):
        _ = fb.privacy.epsilom


def test_a_list_whose_items_cannot_be_had():
    class NoItems(list):
        def __iter__(self):
            raise ZeroDivisionError

    with pytest.raises(TypeError, match="noise_multiplier is "):
        fb.privacy.epsilon(sampling_probability=0.1, noise_multiplier=NoItems([1.0]), steps=1, delta=1e-5)


def test_a_schema_shows_its_columns():
    assert repr(fb.privacy.Schema({"age": [0, 100], "ill": ["no", "yes"]})) == "Schema('age', 'ill')"
