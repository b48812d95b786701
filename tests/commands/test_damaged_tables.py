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


@pytest.mark.parametrize("digits", [30, 5000])
def test_numbers_that_pandas_does_not_read(tmp_path, digits):
    """The file is a table: what pandas says is told."""
    path = tmp_path / "x.json"
    path.write_text(f'[{{"a": {"1" * digits}}}]')
    assert "x.json' cannot be read: ValueError: " in refusal(path)


def test_a_parquet_file_whose_rows_are_damaged(tmp_path):
    """Its names can be read: it is not taken for one with two columns of a name."""
    pytest.importorskip("pyarrow")
    path = tmp_path / "x.parquet"
    pd.DataFrame({"a": np.random.default_rng(0).normal(size=1000), "b": 1.0}).to_parquet(path, compression="gzip")
    contents = bytearray(path.read_bytes())
    contents[20:4000] = bytes(3980)
    path.write_bytes(contents)
    assert "x.parquet' cannot be read: " in refusal(path)
