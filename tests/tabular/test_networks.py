"""The networks of a table: which layers they have, how their parts begin, and how fast these learn."""

import numpy as np
import pytest

import fastbp as fb
from fastbp.tabular.encoding import FAR_BOUND, Kind, learn_encodings
from fastbp.tabular.networks import factors_of, make_model
from fastbp.tabular.recipe import LINEAR, PRESETS, Member
from fastbp.tabular.targets import NumberTargets

rng = np.random.default_rng(0)
TABLE = np.column_stack(
    [rng.normal(size=400), np.full(400, 3.0), rng.integers(0, 20, 400), rng.normal(size=400), rng.integers(0, 15, 400)]
)
TABLE[::7, 0] = np.nan


def made(member):
    encoding = learn_encodings(TABLE, 4, [15], [member.encoded_as])[member.encoded_as]
    targets = NumberTargets.of(TABLE[:, 2:3])
    return make_model(member, encoding, targets, 10, seed=3), encoding


def test_waves_are_of_the_numbers_that_vary_and_go_before_the_factors():
    member = Member(0, 0.004, 0.02, scaling=6.0, waves=2.0)
    model, _ = made(member)
    waves, factors = model.layers[:2]
    assert waves == fb.Periodic(columns=[0, 3, 4])  # a gap's input is the second, the constant the third
    assert factors == fb.Scaling()
    rates, decays = factors_of(member, model)
    n_inputs = 5 + 8 + 3 * 3  # numbers and a gap, a row of the category's table, waves
    assert model.get_weights()[6].shape[0] == n_inputs
    assert rates == pytest.approx({0: 2.0, 1: 6.0, 2: (256 / n_inputs) ** 0.5})
    assert decays == pytest.approx({0: 0.0, 2: (n_inputs / 256) ** 0.5})


def test_a_table_without_numbers_has_no_waves():
    member = Member(0, 0.004, 0.02, scaling=6.0, waves=2.0)
    constant = np.where(np.arange(5) == 4, TABLE, 1.0)
    encoding = learn_encodings(constant, 4, [15], [member.encoded_as])[member.encoded_as]
    model = make_model(member, encoding, NumberTargets.of(TABLE[:, 2:3]), 10, seed=0)
    assert model.layers[0] == fb.Scaling()


@pytest.mark.parametrize("member", LINEAR)
def test_linear_models_learn_at_one_rate(member):
    model, _ = made(member)
    assert [type(layer) for layer in model.layers] == [fb.Dense]
    assert factors_of(member, model) == ({0: 1.0}, {0: 1.0})


def test_tables_of_values_begin_smaller_than_those_of_categories():
    category, values = made(Member(8, 0.004, 0.02, with_values=True))[0].get_weights()[:2]
    assert category.shape == (16, 8) and values.shape == (21, 8)
    assert category[:-1].std() == pytest.approx(1, rel=0.2)
    assert values[:-1].std() == pytest.approx(0.1, rel=0.2)
    assert not category[-1].any() and not values[-1].any()  # of what is not known


def test_what_members_differ_in():
    members = PRESETS["default"].members
    assert len({member.encoded_as for member in members}) == len(members)
    assert {member.encoded_as for member in LINEAR} == {Kind(0), Kind(0, FAR_BOUND)}
