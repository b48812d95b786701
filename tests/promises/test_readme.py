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
    assert len(blocks) == 12  # the ten lines, and eleven things
    names = {}
    for block in blocks:
        exec(compile(block, f"README.md: {block.splitlines()[0]}", "exec"), names)
    assert names["early"].best_epoch > 0
    assert names["mean"].shape == names["spread"].shape == (5, 10)
    assert {"digits.safetensors", "night.ckpt", "ensemble.safetensors"} <= {path.name for path in tmp_path.iterdir()}
