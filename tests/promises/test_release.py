"""A release: tag, version and changelog say the same, archives have the same bytes, workflows are pinned."""

import importlib.util
import io
import re
import tarfile
from pathlib import Path

import pytest

import fastbp as fb

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def tool(name):
    """A program of .ci as a module."""
    path = ROOT / ".ci" / f"{name}.py"
    if not path.exists():
        pytest.skip("an sdist has no .ci")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GOOD = """# Changelog

## [Unreleased]

## [1.2.0] - 2026-11-29

### Added

- A thing.

## [1.1.0] - 2026-01-01

- More.
"""


def test_the_version_is_read_without_importing():
    text = (ROOT / "src" / "fastbp" / "__init__.py").read_text(encoding="utf-8")
    assert tool("check_release").version_of(text) == fb.__version__


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
    problems = tool("check_release").problems_of(tag, version, changelog)
    assert len(problems) == (problem is not None)
    assert problem is None or problem in problems[0]


def sdist(folder, mtime, user, names):
    """An archive as setuptools makes it: files that are made by somebody, at some time, in some order."""
    path = folder / f"{user}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            member = tarfile.TarInfo(f"fastbp-1.0/{name}")
            member.size, member.mtime, member.uname, member.uid = len(name), mtime + len(name), user, mtime % 1000
            member.mode = 0o775 if name == "run" else 0o664
            archive.addfile(member, io.BytesIO(name.encode()))
    return path.read_bytes()


def test_an_sdist_packed_again_is_the_same_to_the_byte(tmp_path):
    names = ["setup.py", "run", "src/a.py"]
    repacked = tool("repack_sdist").repacked
    first = repacked(sdist(tmp_path, 1_700_000_000, "ann", names), 1_600_000_000)
    assert first == repacked(sdist(tmp_path, 1_800_000_123, "bob", names[::-1]), 1_600_000_000)
    with tarfile.open(fileobj=io.BytesIO(first)) as archive:
        members = archive.getmembers()
        assert [each.name for each in members] == [f"fastbp-1.0/{name}" for name in sorted(names)]
        assert [each.mode for each in members] == [0o755, 0o644, 0o644]
        assert {each.mtime for each in members} == {1_600_000_000}
        assert archive.extractfile("fastbp-1.0/src/a.py").read() == b"src/a.py"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_uses_actions_of_one_commit_alone(path):
    """A tag may be moved to other code; 40 digits may not. Its name stands beside it for people."""
    for line in re.findall(r"uses: (.*)", path.read_text(encoding="utf-8")):
        assert re.fullmatch(r"\./\S+|[\w./-]+@[0-9a-f]{40} # v[\d.]+", line), line


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_checkout_leaves_no_credentials(path):
    """What runs later, others' packages among it, may not push."""
    text = path.read_text(encoding="utf-8")
    kept = re.findall(r"uses: actions/checkout@.*\n +with:\n(?: +[a-z-]+: .*\n)*? +persist-credentials: false\n", text)
    assert len(kept) == text.count("actions/checkout@")


def test_one_job_alone_may_publish_and_another_the_site():
    texts = [path.read_text(encoding="utf-8") for path in WORKFLOWS]
    if not texts:
        pytest.skip("an sdist has no workflows")
    assert sum(text.count("id-token: write") for text in texts) == 2
    assert sum(text.count("pages: write\n      id-token: write") for text in texts) == 1  # in which nothing is uploaded
    assert all("\npermissions:\n  contents: read\n" in text for text in texts)
