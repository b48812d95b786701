"""Two instruction sets differ by rounding alone; docs/instruction-sets.md says by how much."""

import sys
from pathlib import Path

import pytest

from fastbp.engine.kernels import available_isas

DOCS = Path(__file__).resolve().parents[2] / "docs"
sys.path.insert(0, str(DOCS))

import make_instruction_sets as script  # noqa: E402

pytestmark = pytest.mark.skipif(len(available_isas()) < 2, reason="this CPU runs one instruction set only")

KERNELS = 500  # epsilons after ten steps of plain gradient descent; 23 were seen
RULES = 100_000  # where a rule makes a whole step of the rounding of a gradient that is almost 0; 1,100 were seen


@pytest.mark.parametrize("name", script.LAYER_KINDS)
def test_kinds_of_layers(name):
    assert max(script.row(script.LAYER_KINDS[name], "sgd")) < KERNELS


@pytest.mark.parametrize(("name", "optimizer"), list(script.optimizers()), ids=lambda value: str(value).split("(")[0])
def test_optimizers(name, optimizer):
    differences = script.row(script.LAYER_KINDS["dense, relu"], optimizer)
    assert max(differences[len(script.pairs()) :]) < RULES  # in float64, where a fault would be far more
    assert max(differences) * 1.2e-7 < 0.01


def test_what_is_compared_has_been_trained():
    trained = script.trained(script.LAYER_KINDS["dense, relu"](), "sgd", "float64")
    other = script.trained(script.LAYER_KINDS["dense, relu"](), "adam", "float64")
    assert script.difference(trained, other) > 1e9


def test_the_page_names_every_row():
    page = script.PATH.read_text(encoding="utf-8")
    for name in [*script.LAYER_KINDS, *(name for name, _ in script.optimizers())]:
        assert f"\n| {name} |" in page
