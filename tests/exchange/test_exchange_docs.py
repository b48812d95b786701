"""The pages on ONNX, C and other libraries run as a reader would run them."""

import re
from pathlib import Path

import pytest

from c_helpers import require, run

DOCS = Path(__file__).resolve().parents[2] / "docs"


def blocks_of(page, language):
    return re.findall(
        rf"^```{language}\n(.*?)^```$", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


@pytest.mark.parametrize(
    ("page", "needs"),
    [("onnx.md", ["onnx", "onnxruntime", "pandas"]), ("c.md", []), ("other-libraries.md", ["sklearn"])],
)
def test_every_block_of_python_runs(page, needs, tmp_path, monkeypatch):
    for module in needs:
        pytest.importorskip(module)
    monkeypatch.chdir(tmp_path)
    blocks = blocks_of(page, "python")
    assert blocks
    names = {}
    for block in blocks:
        exec(compile(block, f"{page}: {block.splitlines()[0]}", "exec"), names)


def test_the_c_program_runs(tmp_path, monkeypatch):
    require("gcc")
    monkeypatch.chdir(tmp_path)
    exec(blocks_of("c.md", "python")[0], {})
    (tmp_path / "main.c").write_text(blocks_of("c.md", "c")[0])
    run("gcc", "-O3", "main.c", "net.c", "-lm", "-o", "main")
    assert len(run("./main").splitlines()) == 4
