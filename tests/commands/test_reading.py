"""Files of every format are one table; a model reads a later file as it learned to, whatever rows that has."""

import datetime
import decimal
import gzip
import io
import subprocess
import sys

import numpy as np
import pytest

from fastbp.cli import main
from fastbp.commands.errors import CommandError
from fastbp.commands.tables import read_table, write_table
from fastbp.commands.written_tables import Reading

pandas = pytest.importorskip("pandas", reason="pandas is not installed")


def read(tmp_path, text, written_in="utf-8", **reading):
    path = tmp_path / "x.csv"
    path.write_bytes(text.encode(written_in))
    return read_table(path, Reading(**reading))


# ---- What is found out about a file of text ----


@pytest.mark.parametrize(
    ("text", "columns", "note"),
    [
        ("a,b\n1,x\n2,y\n", ["a", "b"], None),
        ("a;b\n1,5;x\n2,5;y\n", ["a", "b"], "Fields are separated by a semicolon; if not, pass --sep"),
        ("a;b\n1,5;x\n2,5;y\n", ["a", "b"], "Numbers have a decimal comma; if not, pass --decimal"),
        ("a\tb\n1\tx\n2\ty\n", ["a", "b"], "separated by a tab"),
        ("a|b\n1|x\n2|y\n", ["a", "b"], "separated by a bar"),
        ("a b\n1 x\n2 y\n", ["a", "b"], "separated by blanks"),
        ("a~b\n1~x\n2~y\n", ["a~b"], "The file is read as one column; if something separates several, pass --sep"),
        ("5.1,setosa\n4.9,virginica\n", ["0", "1"], "columns are 0 to 1; if it has names, pass --header"),
        ("country,2019,2020\nDE,1,2\nFR,3,4\n", ["country", "2019", "2020"], None),  # years are names
        ('"a, b",c\n"1, 2",3\n', ["a, b", "c"], None),
        ("a, b\n1, x\n2, y\n", ["a", "b"], None),
        ("a,b\nr1,1,x\nr2,2,y\n", ["row", "a", "b"], "it is read as the names of the rows"),  # as R writes it
        ("a,b,\n1,x,\n2,y,\n", ["a", "b"], None),  # a separator at the end of each line
        ("a,b\n1,x,\n2,y,\n", ["a", "b"], None),
        ("0.5,x\n?,y\n7,z\n", ["0", "1"], "if it has names, pass --header"),
        ("?,0.5,x\n1,2.5,y\n", ["0", "1", "2"], "if it has names, pass --header"),
        ("Sales\n\na;b\n1;x\n2;y\n", ["a", "b"], "above the heading"),
        ("sep=;\na;b\n1;x\n2;y\n", ["a", "b"], "above the heading"),
        ("# made by hand\na,b\n1,x\n2,y\n", ["a", "b"], "above the heading"),
        ("a;b\n0,12;1,20\n0,13;1,21\n", ["a", "b"], "separated by a semicolon"),
        ("w\n1,050 kg\n2,051 kg\n", ["w"], "read as one column"),
        ("a,b\n1,x\na,b\n2,y\n", ["a", "b"], "A row below repeats the heading: left out."),
    ],
)
def test_separator_decimal_mark_and_header_are_found_out(tmp_path, text, columns, note):
    table = read(tmp_path, text)
    assert list(table.frame.columns) == columns and len(table.frame) == (
        1 if "a, b" in columns else 3 if "7,z" in text else 2
    )
    assert any(note in each for each in table.notes) if note else table.notes == []
    if "1,5" in text:
        assert table.frame["a"].tolist() == [1.5, 2.5]


@pytest.mark.parametrize("head", ['a,b\n1,"2\n', 'a,"b\n1,2\n'])
def test_a_quotation_mark_that_nothing_closes_in_a_long_file(tmp_path, head):
    """The rest of the file would be one field, longer than Python reads."""
    row = 1 + head[: head.index('"')].count("\n")
    with pytest.raises(CommandError, match=rf"has a quotation mark \(\"\) in line {row} that nothing closes"):
        read(tmp_path, head + "3,4\n" * 60_000)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings_are_found_out(tmp_path, encoding):
    table = read(tmp_path, "größe,b\n1,é\n2,ü\n", written_in=encoding)
    assert list(table.frame.columns) == ["größe", "b"] and table.frame["b"].tolist() == ["é", "ü"]
    assert any("pass --encoding" in note for note in table.notes) == (encoding == "cp1252")


def test_a_letter_that_is_not_utf8_far_down_in_the_file(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"a,b\n" + b"1,x\n" * 100_000 + "2,ü\n".encode("cp1252"))
    table = read_table(tmp_path / "x.csv")
    assert table.frame["b"].iloc[-1] == "ü" and "is read as cp1252" in table.notes[0]


@pytest.mark.parametrize(
    ("reading", "expected"),
    [
        ({"separator": "~"}, {"a": [1, 2], "b": ["x", "y"]}),
        ({"separator": "~", "header": False}, {"0": ["a", "1", "2"], "1": ["b", "x", "y"]}),
    ],
)
def test_what_is_said_is_not_found_out(tmp_path, reading, expected):
    table = read(tmp_path, "a~b\n1~x\n2~y\n", **reading)
    assert table.frame.to_dict("list") == expected and table.notes == []


@pytest.mark.parametrize(
    ("text", "reading", "sentence"),
    [
        ("a,b\n1,2\n3,4,5\n", {}, "has 3 fields in line 3; expected 2. If a comma does not separate them, pass --sep"),
        ("ä,b\n1,2\n", {"encoding": "ascii"}, "is not written in ascii"),
        ("a,b\n1,2\n", {"encoding": "nope"}, "--encoding is 'nope', which is not known"),
        ("a,b,a\n1,2,3\n", {}, "has two columns that are called 'a'; expected names that differ"),
        ("a,b\n1,2,3\n1,2,4\n", {}, "has 2 names in its first row and 3 fields in the rows below."),
        ('a,b\n1,2\n1,"x\n', {}, 'has a quotation mark (") in line 3 that nothing closes'),
        ("a,b\n\x00,2\n", {}, "it holds zero bytes. If it is UTF-16, pass --encoding utf-16"),
        ("", {}, "cannot be read: it is empty"),
    ],
)
def test_a_file_that_is_read_wrongly_names_the_option(tmp_path, text, reading, sentence):
    with pytest.raises(CommandError) as error:
        read(tmp_path, text, **reading)
    assert sentence in str(error.value) and str(tmp_path) in str(error.value)


def test_codes_keep_their_leading_zeros(tmp_path):
    table = read(tmp_path, "zip,n\n01234,1\n99999,2\n")
    assert table.frame["zip"].tolist() == ["01234", "99999"] and "pass --numeric" in table.notes[0]
    rows = "".join(f"{i},1\n" for i in range(99999, 49999, -1))  # a zero far down in the file
    table = read(tmp_path, f"zip,n\n{rows}01234,2\n")
    assert table.frame["zip"].iloc[-1] == "01234"


def test_points_are_of_thousands_where_commas_are_decimal(tmp_path):
    table = read(tmp_path, "menge;preis\n999;0,50\n1.234;0,75\n12.500;1,25\n")
    assert table.frame.to_dict("list") == {"menge": [999, 1234, 12500], "preis": [0.5, 0.75, 1.25]}


def test_words_that_may_mean_something_are_said_to_be_gaps(tmp_path):
    table = read(tmp_path, "a,b,c\n" + "".join(f"{i},{i},{i}\n" for i in range(50)) + "?,NA,what\n")
    assert table.frame["a"].isna().sum() == table.frame["b"].isna().sum() == 1
    assert table.frame["c"].iloc[-1] == "what"
    assert table.notes == [
        "Column 'a' holds numbers, and '?' in 1 row, which is read as missing; if it is a category, pass --categorical."
    ]


# ---- Formats ----


FRAME = pandas.DataFrame({"n": [1.5, np.nan, 3.0], "i": [1, 2, 3], "t": ["x", None, "NA"], "b": [True, False, True]})


@pytest.mark.parametrize("name", ["x.csv", "x.tsv", "x.csv.gz", "x.parquet", "x.feather", "x.xlsx", "x.jsonl"])
def test_what_was_written_is_read(tmp_path, name):
    pytest.importorskip("pyarrow")
    pytest.importorskip("openpyxl")
    write_table(FRAME, tmp_path / name)
    frame = read_table(tmp_path / name).frame
    np.testing.assert_array_equal(frame["n"], FRAME["n"])
    assert frame["i"].tolist() == [1, 2, 3] and frame["b"].tolist() == [True, False, True]
    assert frame["t"].isna().tolist() == [False, True, False] and frame["t"].tolist()[::2] == ["x", "NA"]


def test_a_file_without_an_extension_is_known_by_its_first_bytes(tmp_path):
    pytest.importorskip("pyarrow")
    for name in ("x.parquet", "x.feather", "x.xlsx", "x.jsonl"):
        write_table(FRAME, tmp_path / name)
        (tmp_path / name).rename(tmp_path / "plain")
        assert read_table(tmp_path / "plain").frame["i"].tolist() == [1, 2, 3]


def test_sheets_are_chosen_by_name_or_number(tmp_path):
    pytest.importorskip("openpyxl")
    with pandas.ExcelWriter(tmp_path / "x.xlsx") as book:
        FRAME.to_excel(book, sheet_name="first", index=False)
        (FRAME[["i"]] * 10).to_excel(book, sheet_name="second", index=False)
    assert "The sheet 'first' of 2 is read; for another, pass --sheet" in read_table(tmp_path / "x.xlsx").notes[0]
    for sheet in ("second", "2"):
        assert read_table(tmp_path / "x.xlsx", Reading(sheet=sheet)).frame["i"].tolist() == [10, 20, 30]
    with pytest.raises(CommandError, match="has no sheet 'third'; expected one of 'first', 'second'"):
        read_table(tmp_path / "x.xlsx", Reading(sheet="third"))


def test_every_type_of_parquet_is_a_column_or_is_left_out_with_a_reason(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {
        "date32": arrow.array([datetime.date(1970, 1, 2), None]),
        "time32": arrow.array([datetime.time(0, 1), None], arrow.time32("s")),
        "decimal128": arrow.array([decimal.Decimal("1.25"), None], arrow.decimal128(9, 2)),
        "duration": arrow.array([datetime.timedelta(minutes=1), None]),
        "text_as_bytes": arrow.array([b"ab", None]),
        "dictionary": arrow.array(["x", None]).dictionary_encode(),
        "uint64": arrow.array([1, 2], arrow.uint64()),
        "bytes": arrow.array([b"\xff", None]),
        "list": arrow.array([[1, 2], None]),
        "struct": arrow.array([{"a": 1}, None]),
    }
    parquet.write_table(arrow.table(columns), tmp_path / "x.parquet")
    table = read_table(tmp_path / "x.parquet")
    assert table.left_out == ["bytes", "list", "struct"]
    assert [note.split("holds ")[1] for note in table.notes] == [
        f"{what} and is left out." for what in ("bytes", "lists", "records")
    ]
    first = table.frame.iloc[0]
    assert first["date32"] == pandas.Timestamp("1970-01-02")
    assert (first["time32"], first["decimal128"], first["duration"], first["uint64"]) == (60, 1.25, 60, 1)
    assert (first["text_as_bytes"], first["dictionary"]) == ("ab", "x")
    assert table.frame.iloc[1].drop("uint64").isna().all()


def test_periods_are_moments_and_intervals_text(tmp_path):
    pytest.importorskip("pyarrow")
    periods = pandas.DataFrame({"p": pandas.period_range("1970-02", periods=2, freq="M")})
    periods.to_parquet(tmp_path / "x.parquet")
    assert read_table(tmp_path / "x.parquet").frame["p"].iloc[0] == pandas.Timestamp("1970-02-01")


@pytest.mark.parametrize("order", ["<", ">"])
def test_arrays_of_either_byte_order(tmp_path, order):
    np.savez(tmp_path / "x.npz", X=np.array([[1.5, 2]], f"{order}f8"), y=np.array([7], f"{order}i4"))
    frame = read_table(tmp_path / "x.npz").frame
    assert frame.to_dict("list") == {"X.0": [1.5], "X.1": [2.0], "y": [7]}
    assert all(dtype.isnative for dtype in frame.dtypes)


# ---- Pipes and terminals ----


def fastbp(*arguments, **options):
    return subprocess.run([sys.executable, "-m", "fastbp", *map(str, arguments)], capture_output=True, **options)


@pytest.fixture
def codes(tmp_path, monkeypatch):
    """A table with codes such as 12, 7A and 01234, and its model; the working directory."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    code = rng.choice(["12", "7A", "True", "01234"], 200)
    days = pandas.Timestamp("2023-01-01") + pandas.to_timedelta(rng.integers(0, 500, 200), "D")
    frame = pandas.DataFrame({"code": code, "day": days.strftime("%d/%m/%Y"), "x": rng.normal(size=200)})
    frame["y"] = 3 * (code == "7A") + frame["x"]
    frame.to_csv("codes.csv", index=False)
    assert main(["train", "codes.csv", "--target", "y", "--epochs", "3", "--quiet", "--folds", "2"]) == 0
    return frame


def predict(name, *arguments):
    assert main(["predict", "codes.fastbp.safetensors", name, "--out", "out.csv", *arguments]) == 0
    return pandas.read_csv("out.csv")


@pytest.mark.parametrize("code", ["12", "True", "01234", "7A"])
def test_whether_a_file_can_be_predicted_does_not_depend_on_its_rows(codes, code):
    rows = codes[codes["code"] == code].head(3)
    expected = predict("codes.csv")["y"][rows.index]
    rows.to_csv("some.csv", index=False)
    np.testing.assert_array_equal(predict("some.csv")["y"], expected)
    if code == "12":  # as numbers, for want of any other code
        pytest.importorskip("pyarrow")
        rows.astype({"code": int}).to_parquet("some.parquet")
        np.testing.assert_array_equal(predict("some.parquet")["y"], expected)


def test_dates_of_another_format_are_read_where_they_are_clear(codes):
    rows = codes.head(5)
    expected = predict("codes.csv")["y"][:5]
    moments = pandas.to_datetime(rows["day"], format="%d/%m/%Y")
    for other in (moments.dt.strftime("%Y-%m-%d"), moments.dt.strftime("%d %b %Y"), moments):
        rows.assign(day=other).to_csv("some.csv", index=False)
        np.testing.assert_array_equal(predict("some.csv")["y"], expected)


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("x", "abc", "row 3, column 'x' is 'abc'; expected a number, as the model was trained on"),
        ("x", np.inf, "row 3, column 'x' is inf; expected a number of at most 1e+30"),
        ("day", "soon", "row 3, column 'day' is 'soon'; expected dates or times such as"),
    ],
)
def test_a_cell_that_was_never_seen_is_named_by_its_row_in_the_file(codes, capsys, column, value, sentence):
    rows = codes.head(5).astype({column: object})
    rows.loc[2, column] = value
    rows.to_csv("some.csv", index=False)
    assert main(["predict", "codes.fastbp.safetensors", "some.csv", "--out", "out.csv"]) == 1
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("value", ["inf", "1e200", "-1e35"])
def test_a_number_that_no_network_takes_is_named_before_training(codes, capsys, value):
    rows = codes.astype({"x": object})
    rows.loc[57, "x"] = value
    rows.to_csv("codes.csv", index=False)
    assert main(["train", "codes.csv", "--target", "y", "--quiet"]) == 1
    assert "'codes.csv': row 58, column 'x' is" in capsys.readouterr().err


@pytest.mark.parametrize("seed", range(4))
def test_a_value_that_only_held_out_rows_have(codes, seed):
    codes.assign(z=[1.0] + [None] * 199).to_csv("codes.csv", index=False)
    assert (
        main(["train", "codes.csv", "--target", "y", "--quiet", "--epochs", "1", "--folds", "2", "--seed", str(seed)])
        == 0
    )


def test_the_standard_input_and_output(codes):
    text = (codes.to_csv(index=False)).encode()
    for contents in (text, gzip.compress(text)):
        done = fastbp("predict", "codes.fastbp.safetensors", "-", "--out", "-", input=contents, check=True)
        np.testing.assert_array_equal(pandas.read_csv(io.BytesIO(done.stdout))["y"], predict("codes.csv")["y"])
    done = fastbp("inspect", "-", "--target", "y", input=text, check=True)
    assert b"the standard input: 200 rows, 3 columns beside the target" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX pipes")
@pytest.mark.parametrize("command", [["inspect", "codes.csv"], ["train", "codes.csv", "--target", "y", "--epochs=2"]])
def test_nobody_reads_what_is_printed(codes, command):
    process = subprocess.Popen(
        [sys.executable, "-m", "fastbp", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert b"Traceback" not in process.communicate(timeout=120)[1]


def test_a_terminal_of_another_encoding_or_none(codes, monkeypatch):
    codes.rename(columns={"y": "数量"}).to_csv("codes.csv", index=False)
    arguments = ["train", "codes.csv", "--target", "数量", "--epochs", "1", "--quiet"]
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = fastbp(*arguments)
    assert done.returncode == 0 and rb"\u6570\u91cf" in done.stdout, done.stderr
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert main(arguments) == 0
    for stream in (sys.stdout, sys.stderr):
        stream.close()
