"""The list of features says what the code has, no more and no less."""

import sys
from pathlib import Path

import fastbp as fb

DOCS = Path(__file__).resolve().parents[2] / "docs"
sys.path.insert(0, str(DOCS))

import make_features  # noqa: E402


def test_the_list_is_what_the_registries_say():
    written = make_features.PATH.read_text(encoding="utf-8")
    assert written == make_features.features(), "run python docs/make_features.py"


def test_every_entry_is_public_and_says_what_it_is():
    for registry in make_features.REGISTRIES.values():
        for cls in registry.values():
            assert getattr(fb, cls.__name__) is cls
            assert len(make_features.describe(cls)) > 20
