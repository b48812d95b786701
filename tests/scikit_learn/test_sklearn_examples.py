"""Three of scikit-learn's own problems: the scripts print the same with its MLPs in place of ours."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sklearn", minversion="1.6")

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
OUR_IMPORT, THEIR_IMPORT = "from fastbp.sklearn import", "from sklearn.neural_network import"


def run(script, *arguments):
    command = [sys.executable, "-W", "error", script, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("name", ["sklearn_penalty.py", "sklearn_learning_rates.py", "sklearn_weights.py"])
def test_the_import_is_all_that_changes(tmp_path, name):
    source = (EXAMPLES / name).read_text(encoding="utf-8")
    assert source.count(OUR_IMPORT) == 1
    theirs = tmp_path / name
    theirs.write_text(source.replace(OUR_IMPORT, THEIR_IMPORT), encoding="utf-8")
    printed = run(EXAMPLES / name)
    assert printed == run(theirs)
    assert len(printed.splitlines()) > 10


@pytest.mark.parametrize("name", ["sklearn_penalty.py", "sklearn_learning_rates.py", "sklearn_weights.py"])
def test_pictures(tmp_path, name):
    pytest.importorskip("matplotlib")
    run(EXAMPLES / name, "--plot", str(tmp_path / "picture.png"))
    assert (tmp_path / "picture.png").stat().st_size > 10_000
