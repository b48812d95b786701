"""The README's Python runs as a reader would run it, one block after the other."""

import re
from pathlib import Path

import matplotlib as mpl
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("pandas")

README = Path(__file__).resolve().parents[2] / "README.md"


def test_every_block_of_python_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mpl, "rcParams", mpl.rcParams | {"backend": "agg"})
    blocks = re.findall(r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2  # the ten lines, and a table
    names = {}
    for block in blocks:
        exec(compile(block, f"README.md: {block.splitlines()[0]}", "exec"), names)
    assert names["trainer"].history["accuracy"][-1] > 0.9
    assert (names["low"] < names["high"]).all()
    assert (tmp_path / "digits.safetensors").exists()


def test_its_links_lead_to_files():
    for target in re.findall(r"\]\(([^)#]+)", README.read_text(encoding="utf-8")):
        assert "://" in target or (README.parent / target).exists(), target
