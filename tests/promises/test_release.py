"""A release is made of a tag, a version and a changelog that say the same."""

import importlib.util
from pathlib import Path

import pytest

import fastbp as fb

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("check_release", ROOT / ".ci" / "check_release.py")
check_release = importlib.util.module_from_spec(spec)

GOOD = """# Changelog

## [Unreleased]

## [1.2.0] - 2026-11-29

### Added

- A thing.

## [1.1.0] - 2026-01-01

- More.
"""


@pytest.fixture(scope="module", autouse=True)
def _loaded():
    if spec is None or not (ROOT / ".ci").exists():
        pytest.skip("an sdist has no .ci")
    spec.loader.exec_module(check_release)


def test_the_version_is_read_without_importing():
    text = (ROOT / "src" / "fastbp" / "__init__.py").read_text(encoding="utf-8")
    assert check_release.version_of(text) == fb.__version__


@pytest.mark.parametrize(
    ("tag", "version", "changelog", "problem"),
    [
        ("v1.2.0", "1.2.0", GOOD, None),
        ("v1.2.1", "1.2.0", GOOD, "the tag is 'v1.2.1' and the version '1.2.0'"),
        ("v1.3.0", "1.3.0", GOOD, "0 sections '## [1.3.0] - date'; expected one"),
        ("v1.2.0", "1.2.0", GOOD.replace(" - 2026-11-29", ""), "no date or no entry"),
        ("v1.2.0", "1.2.0", GOOD.replace("- A thing.", ""), "no date or no entry"),
    ],
)
def test_what_is_wrong_is_a_sentence(tag, version, changelog, problem):
    problems = check_release.problems_of(tag, version, changelog)
    assert len(problems) == (problem is not None)
    assert problem is None or problem in problems[0]
