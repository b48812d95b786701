"""What CONTRIBUTING.md says of the mutants is what their lists have."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_table_of_mutants_is_that_of_their_lists():
    command = [sys.executable, ROOT / "tests" / "mutants" / "mutate.py", "--list"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    table = said[said.index("| | drawn |") :]
    assert table in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), "the table is what mutate.py --list prints"
