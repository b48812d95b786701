"""The Python of the how-to pages runs as a reader would run it, and each page is in a list of contents."""

import re
from pathlib import Path

import pytest

mpl = pytest.importorskip("matplotlib")
pytest.importorskip("pandas")
pytest.importorskip("sklearn")

DOCS = Path(__file__).resolve().parents[2] / "docs"
RUN = [
    "index.md",
    "background/files.md",
    "howto/many-models.md",
    "howto/stop-and-resume.md",
    "howto/weights.md",
]


def pages():
    """Pages that are written by hand, by their paths without the extension."""
    return sorted(path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md"))


def listed():
    """Pages that a list of contents names."""
    found = {"index"}
    for path in DOCS.rglob("*.md"):
        for block in re.findall(r"^```\{toctree\}\n(.*?)^```$", path.read_text(encoding="utf-8"), re.M | re.S):
            for line in block.splitlines():
                if line and not line.startswith(":"):
                    found.add((path.parent / line).resolve().relative_to(DOCS).as_posix())
    return found


@pytest.mark.parametrize("page", RUN)
def test_the_blocks_of_a_page_run(page, tmp_path, monkeypatch, capsys):
    if page == "background/files.md":
        pytest.importorskip("safetensors")
    run_blocks(page, tmp_path, monkeypatch)


def test_the_ten_useful_things(tmp_path, monkeypatch, capsys):
    names = run_blocks("howto/ten-things.md", tmp_path, monkeypatch)
    assert names["early"].best_epoch > 0
    assert names["mean"].shape == names["spread"].shape == (5, 10)
    assert {"X.npy", "night.ckpt", "ensemble.safetensors"} <= {path.name for path in tmp_path.iterdir()}


def run_blocks(page, tmp_path, monkeypatch):
    """Run the blocks of a page, one after the other, and return their names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mpl, "rcParams", mpl.rcParams | {"backend": "agg"})
    names = {}
    blocks = re.findall(r"^```python\n(.*?)^```$", (DOCS / page).read_text(encoding="utf-8"), re.M | re.S)
    assert blocks
    for block in blocks:
        exec(compile(block, f"{page}: {block.splitlines()[0]}", "exec"), names)
    return names


@pytest.mark.parametrize("page", pages())
def test_each_page_is_in_a_list_of_contents(page):
    if not page.startswith(("gallery/", "reference/names/")):
        assert page in listed(), "add it to a toctree: docs/howto/index.md, docs/background/index.md ..."


def test_no_output_is_kept_in_a_page_that_computes():
    """What such a page shows is computed when the site is built, so that it cannot be out of date."""
    for path in (DOCS / "tutorials").glob("*.md"):
        text = path.read_text(encoding="utf-8")
        assert "```{code-cell}" in text or path.name == "index.md"
        assert "```python" not in text


def test_each_picture_of_a_page_that_computes_is_said_in_words():
    """Its text is read aloud, and the name of a file says nothing."""
    cell = re.compile(r"^```\{code-cell\} ipython3\n(.*?)^```$", re.M | re.S)
    for path in (DOCS / "tutorials").glob("*.md"):
        for source in cell.findall(path.read_text(encoding="utf-8")):
            if "plt.show()" in source or ".plot();" in source:
                assert re.search(r'^    alt: ".{40,}"$', source, re.M), f"{path.name}, an alt is missing: {source}"
