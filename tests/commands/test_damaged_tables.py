"""Files of tables that are damaged or hold something else: what is wrong with them, in our words."""

import json

import numpy as np
import pandas as pd
import pytest

from fastbp.commands.errors import CommandError
from fastbp.commands.tables import read_table


def refusal(path):
    with pytest.raises(CommandError) as error:
        read_table(path)
    return str(error.value)


NO_TABLES = ["text", 3, {"a": 1}, {"a": [1], "b": [1, 2]}, {"a": [1], "b": {"x": 1}}, [{"a": 1}, 2], [{"a": 1}, None]]


@pytest.mark.parametrize("found", NO_TABLES)
def test_json_that_is_no_table(tmp_path, found):
    path = tmp_path / "x.json"
    path.write_text(json.dumps(found))
    assert "x.json' holds no table; expected a list of rows, such as [{" in refusal(path)


@pytest.mark.parametrize("found", [[{"a": 1, "b": "x"}, {"a": 2}], {"a": [1, 2], "b": ["x", None]}])
def test_json_that_is_a_table(tmp_path, found):
    path = tmp_path / "x.json"
    path.write_text(json.dumps(found))
    frame = read_table(path).frame
    assert frame["a"].tolist() == [1, 2]
    assert frame["b"].fillna("").tolist() == ["x", ""]


def test_what_is_no_json_says_where(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('[{"a": 1},\n {"a": 2')
    assert refusal(path).endswith("x.json' is not JSON: Expecting ',' delimiter: line 2 column 9 (char 19)")


def test_json_that_begins_with_a_mark_of_its_encoding(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(json.dumps([{"a": 1}, {"a": 2}]), encoding="utf-8-sig")
    assert read_table(path).frame["a"].tolist() == [1, 2]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("suffix", ["json", "jsonl"])
def test_json_of_any_encoding(tmp_path, encoding, suffix):
    path = tmp_path / f"x.{suffix}"
    rows = [json.dumps({"a": a, "b": "é"}, ensure_ascii=False) for a in (1, 2)]
    path.write_text("\n".join(rows) if suffix == "jsonl" else f"[{', '.join(rows)}]", encoding=encoding)
    frame = read_table(path).frame
    assert (frame["a"].tolist(), frame["b"].tolist()) == ([1, 2], ["é", "é"])


GOOD = '{"a": 1, "b": "x"}\n'


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (GOOD + "\n" + '{"a": 2\n' + GOOD, "is not JSON in line 3: Expecting ',' delimiter: line 1 column 8 (char 7)"),
        (GOOD * 3 + GOOD[:9], "is not JSON in line 4: "),
        ("hello\n", "is not JSON in line 1: Expecting value: line 1 column 1 (char 0)"),
        (GOOD[:-1] + ",\n" + GOOD, "is not JSON in line 1: Extra data: line 1 column 19 (char 18)"),
        (GOOD + '{"a": 1NaN, "b": "x"}\n', "is not JSON in line 2: Expecting ',' delimiter: line 1 column 8 (char 7)"),
        (GOOD + "3\n", "holds no row in line 2; expected one in each line, such as {"),
        (GOOD + "[" * 5000 + "\n", "has too many brackets one in another in line 2; expected rows of plain values"),
        (GOOD.replace("x", "\xe9").encode("latin-1"), "is not JSON in line 1: 'utf-8' codec can't decode"),
        (GOOD.encode("utf-16")[:-1], "is not JSON: 'utf-16"),
    ],
)
def test_a_line_that_is_no_row_is_named(tmp_path, lines, sentence):
    path = tmp_path / "x.jsonl"
    path.write_bytes(lines if isinstance(lines, bytes) else lines.encode())
    assert f"x.jsonl' {sentence}" in refusal(path)


def test_json_without_end(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("[" * 100_000)
    assert "x.json' has too many brackets one in another; expected rows of plain values" in refusal(path)


@pytest.mark.parametrize("digits", [30, 5000])
@pytest.mark.parametrize("suffix", ["json", "jsonl"])
def test_numbers_that_pandas_does_not_read(tmp_path, digits, suffix):
    """The file is a table: what pandas says is told."""
    path = tmp_path / f"x.{suffix}"
    row = f'{{"a": {"1" * digits}}}'
    path.write_text(f"[{row}]" if suffix == "json" else row)
    assert f"x.{suffix}' cannot be read: ValueError: " in refusal(path)


def test_a_parquet_file_whose_rows_are_damaged(tmp_path):
    """Its names can be read: it is not taken for one with two columns of a name."""
    pytest.importorskip("pyarrow")
    path = tmp_path / "x.parquet"
    pd.DataFrame({"a": np.random.default_rng(0).normal(size=1000), "b": 1.0}).to_parquet(path, compression="gzip")
    contents = bytearray(path.read_bytes())
    contents[20:4000] = bytes(3980)
    path.write_bytes(contents)
    assert "x.parquet' cannot be read: " in refusal(path)
