"""Rows of a file with more or fewer fields than there are names: read as they stand, or refused in our own words."""

import itertools

import pandas
import pytest

from fastbp.commands.errors import CommandError
from fastbp.commands.tables import read_table
from fastbp.commands.written_tables import Reading


def read_or_refuse(path, separator):
    """Return the values of a table, or the sentence by which it is refused."""
    try:
        frame = read_table(path, Reading(separator=separator)).frame
    except CommandError as error:
        return None, str(error)
    return {value for column in frame.columns for value in frame[column].dropna()}, None


def written(tmp_path, rows, separator, end=""):
    path = tmp_path / "x.csv"
    path.write_text("".join(separator.join(map(str, row)) + end * (i > 0) + "\n" for i, row in enumerate(rows)))
    return path


@pytest.mark.parametrize("separator", [",", ";", "||"])
@pytest.mark.parametrize("end", ["", "separator"])
def test_rows_of_any_width_are_read_or_refused_in_our_words(tmp_path, separator, end):
    for widths in itertools.product(range(1, 5), repeat=3):
        rows = [["a", "b"], *([10 * i + j for j in range(width)] for i, width in enumerate(widths))]
        values, refusal = read_or_refuse(written(tmp_path, rows, separator, separator if end else ""), separator)
        if refusal is None:  # nothing that stands in the file is lost
            assert {value for row in rows[1:] for value in row} <= values, widths
        else:
            assert "cannot be read" not in refusal, widths
            assert "pass --sep" in refusal or "has a field without a name in row" in refusal, widths


def test_a_first_row_that_is_too_long(tmp_path):
    path = written(tmp_path, ["ab", [1, 2, 3], [4, 5], [6, 7]], ",")
    with pytest.raises(
        CommandError, match="has 2 names in its first row and another number of fields in the row below"
    ):
        read_table(path, Reading())


def test_rows_that_end_with_a_separator_and_lack_a_value(tmp_path):
    frame = read_table(written(tmp_path, ["abc", [1], [2], [3]], ";", ";"), Reading(separator=";")).frame
    assert frame["a"].tolist() == [1, 2, 3]
    assert frame[["b", "c"]].isna().all(axis=None)


def test_what_else_pandas_finds_is_told_as_it_says_it(tmp_path, monkeypatch):
    def read_csv(*arguments, **options):
        raise pandas.errors.ParserError("Buffer overflow caught")

    monkeypatch.setattr(pandas, "read_csv", read_csv)
    with pytest.raises(CommandError, match=r"x\.csv' cannot be read: Buffer overflow caught"):
        read_table(written(tmp_path, ["ab", [1, 2]], ","), Reading())
