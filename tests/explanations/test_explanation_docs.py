"""The Python of docs/explanations.md runs as a reader would run it, and the bench runs without its peers."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_every_block_runs(capsys):
    text = (ROOT / "docs" / "explanations.md").read_text(encoding="utf-8")
    names = {}
    for block in re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        exec(compile(block, "docs/explanations.md", "exec"), names)
    said = capsys.readouterr().out
    assert "deletion gain" in said
    assert "H² of the pair" in said
    assert names["values"].shape == names["errors"].shape == (50, 4)


@pytest.mark.slow
def test_the_bench_runs(monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(ROOT))
    from bench import explain

    monkeypatch.setattr(explain, "has", lambda *names: False)
    monkeypatch.setattr("sys.argv", ["bench.explain", "--repeats", "1", "--rows", "1"])
    explain.main()
    assert capsys.readouterr().out.count("fastbp") == 5
