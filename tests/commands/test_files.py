"""Files as they come: compressed, from pipes, as arrays, damaged; and what a command says of whatever goes wrong."""

import io
import os
import sys
import threading
import zipfile

import numpy as np
import pytest

import fastbp as fb
from fastbp import cli
from fastbp.commands.console import in_sentences
from fastbp.commands.errors import CommandError
from fastbp.commands.tables import read_table, write_table
from fastbp.commands.written_tables import Reading

pandas = pytest.importorskip("pandas", reason="pandas is not installed")

FRAME = pandas.DataFrame({"n": [1.5, np.nan, 3.0], "i": [1, 2, 3], "t": ["x", "y", "z"]})


# ---- Compressed files, pipes, arrays ----


@pytest.mark.parametrize("suffix", [".bz2", ".xz", ".zst", ".zip"])
def test_compressed_text_is_written_and_read(tmp_path, suffix):
    if suffix == ".zst":  # pandas writes these with another package
        arrow = pytest.importorskip("pyarrow")
        with arrow.CompressedOutputStream(str(tmp_path / "x.csv.zst"), "zstd") as stream:
            stream.write(FRAME.to_csv(index=False).encode())
    else:
        write_table(FRAME, tmp_path / f"x.csv{suffix}")
    assert not (tmp_path / f"x.csv{suffix}").read_bytes().startswith(b"n,i,t")
    pandas.testing.assert_frame_equal(read_table(tmp_path / f"x.csv{suffix}").frame, FRAME, check_dtype=False)


@pytest.mark.parametrize("left_out", [False, True])
def test_arrays_whose_columns_are_called_alike(tmp_path, left_out):
    """The first column of ``a`` is a.0; it took the place of the array of that name, or the other way round."""
    a = np.ones((3, 2), complex if left_out else float)
    np.savez(tmp_path / "x.npz", **{"a": a, "a.0": np.zeros(3)})
    with pytest.raises(CommandError, match=r"x.npz' has two columns that are called 'a.0'; expected names that differ"):
        read_table(tmp_path / "x.npz")


@pytest.mark.parametrize("suffix", [".parquet", ".feather"])
def test_columns_of_one_name_in_a_file_of_columns(tmp_path, suffix):
    arrow, feather, parquet = (pytest.importorskip(f"pyarrow{part}") for part in ("", ".feather", ".parquet"))
    table = arrow.table([[1.0, 2.0], [3.0, 4.0], [0, 1]], names=["a", "a", "y"])
    write = parquet.write_table if suffix == ".parquet" else feather.write_feather
    write(table, str(tmp_path / f"x{suffix}"))
    with pytest.raises(CommandError, match=rf"x{suffix}' has two columns that are called 'a'; expected names that"):
        read_table(tmp_path / f"x{suffix}")


@pytest.mark.parametrize("names", [[], ["a.csv", "b.csv"]])
def test_an_archive_must_hold_one_file(tmp_path, names):
    with zipfile.ZipFile(tmp_path / "x.csv.zip", "w") as archive:
        archive.mkdir("folder") if hasattr(archive, "mkdir") else archive.writestr("folder/", "")
        for name in names:
            archive.writestr(name, "a\n1\n")
    with pytest.raises(CommandError, match=rf"x.csv.zip' holds {len(names)} files; expected one$"):
        read_table(tmp_path / "x.csv.zip")


def test_a_folder_in_an_archive_does_not_count(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.csv.zip", "w") as archive:
        archive.writestr("folder/", "")
        archive.writestr("folder/a.csv", "a\n1\n")
    assert read_table(tmp_path / "x.csv.zip").frame["a"].tolist() == [1]


def test_a_directory_is_no_table(tmp_path):
    with pytest.raises(CommandError, match=r"is a directory; expected a file: CSV"):
        read_table(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_named_pipe_is_read_once_whatever_it_holds(tmp_path, form):
    pytest.importorskip("pyarrow")
    write_table(FRAME, tmp_path / f"x.{form}")
    contents = (tmp_path / f"x.{form}").read_bytes()
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(contents,))
    writer.start()
    table = read_table(tmp_path / "pipe")
    writer.join()
    pandas.testing.assert_frame_equal(table.frame, FRAME, check_dtype=False)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (FRAME, {"n": [1.5, None, 3.0], "i": [1, 2, 3], "t": ["x", "y", "z"]}),  # an array with fields
        (FRAME[["i"]], {"0": [1, 2, 3]}),
        (FRAME[["i"]].assign(j=[4, 5, 6]), {"0": [1, 2, 3], "1": [4, 5, 6]}),
    ],
)
def test_a_table_as_an_array(tmp_path, frame, expected):
    write_table(frame, tmp_path / "x.npy")
    found = read_table(tmp_path / "x.npy").frame.astype(object)
    assert found.where(found.notna(), None).to_dict("list") == expected


def test_fields_of_an_array_in_an_archive_have_its_name(tmp_path):
    np.savez(tmp_path / "x.npz", X=np.array([(1, 2.5)], [("a", "i4"), ("b", "f8")]))
    assert read_table(tmp_path / "x.npz").frame.to_dict("list") == {"X.a": [1], "X.b": [2.5]}


def test_an_array_of_three_dimensions_is_no_table(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((2, 3, 4)))
    with pytest.raises(CommandError, match=r"has an array '' of 3 dimensions; expected 1 or 2: a row is a sample"):
        read_table(tmp_path / "x.npy")


def test_records_of_json(tmp_path):
    """A list of records in brackets; text that looks like a date or a number stays text until the table is read."""
    FRAME.to_json(tmp_path / "x.json", orient="records")
    pandas.testing.assert_frame_equal(read_table(tmp_path / "x.json").frame, FRAME, check_dtype=False)


def test_titles_above_a_sheet_and_a_sheet_without_names(tmp_path):
    pytest.importorskip("openpyxl")
    rows = pandas.DataFrame([["Sales", None], ["a", "b"], [1, "x"], [2, "y"]])
    rows.to_excel(tmp_path / "x.xlsx", header=False, index=False)
    table = read_table(tmp_path / "x.xlsx")
    assert table.frame.to_dict("list") == {"a": [1, 2], "b": ["x", "y"]}
    assert table.notes == ["1 row above the heading is skipped."]
    rows[2:].to_excel(tmp_path / "y.xlsx", header=False, index=False)
    table = read_table(tmp_path / "y.xlsx")
    assert table.frame.to_dict("list") == {"0": [1, 2], "1": ["x", "y"]}
    assert table.notes == [
        "The first row is read as data, and columns are numbered from 0; if it has names, pass --header."
    ]


def test_names_of_a_sheet_that_are_called_alike_are_numbered(tmp_path):
    frame = pandas.DataFrame([[1, 2], [3, 4]], columns=["a", "b"])
    frame.columns = pandas.Index(["a", "a"])
    with pandas.ExcelWriter(tmp_path / "x.xlsx") as book:
        frame.to_excel(book, index=False)
    assert list(read_table(tmp_path / "x.xlsx").frame.columns) == ["a", "a.1"]  # as pandas names them


# ---- Text that a reader stumbles on ----


def test_a_field_beyond_the_names_is_named_by_its_row(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n" + "1,x,\n" * 2000 + "2,y,7\n" + "3,z,\n")
    with pytest.raises(CommandError, match=r"has a field without a name in row 2001; expected none"):
        read_table(tmp_path / "x.csv")


@pytest.mark.parametrize("separator", ["::", "||", " - ", "(("])
def test_several_characters_between_fields(tmp_path, separator):
    """They are what they are, and no pattern."""
    (tmp_path / "x.csv").write_text(
        f"a{separator}b{separator}c\n1{separator}x{separator}007\n2{separator}y{separator}1\n"
    )
    table = read_table(tmp_path / "x.csv", Reading(separator=separator))
    assert table.frame.to_dict("list") == {"a": [1, 2], "b": ["x", "y"], "c": ["007", "1"]}


# ---- Options ----


@pytest.mark.parametrize(
    ("option", "text", "expected"),
    [
        ("--folds", "1", "a whole number of 2 to 100"),
        ("--folds", "101", "a whole number of 2 to 100"),
        ("--folds", "two", "a whole number of 2 to 100"),
        ("--learning-rate", "0", "a learning rate above 0 and up to 1, such as 0.002"),
        ("--learning-rate", "1.5", "a learning rate above 0 and up to 1, such as 0.002"),
        ("--learning-rate", "fast", "a learning rate above 0 and up to 1, such as 0.002"),
        ("--dropout", "1", "a share of 0 or more and below 1, such as 0.15"),
        ("--dropout", "-0.1", "a share of 0 or more and below 1, such as 0.15"),
        ("--dropout", "some", "a share of 0 or more and below 1, such as 0.15"),
        ("--seed", "-1", "a whole number of 0 or more"),
        ("--seed", str(2**64), "a whole number of 0 or more"),
        ("--time-limit", "inf", "a number of seconds above 0"),
    ],
)
def test_a_number_that_an_option_does_not_take(capsys, option, text, expected):
    with pytest.raises(SystemExit) as exit_:
        cli.main(["train", "x.csv", "--target", "y", f"{option}={text}"])
    assert exit_.value.code == 2
    assert f"{text!r} is not {expected}" in capsys.readouterr().err


def test_a_precision_that_a_command_does_not_know(tmp_path, capsys):
    fb.Model([fb.Dense(1)], inputs=2).save(tmp_path / "m.safetensors")
    np.save(tmp_path / "x.npy", np.zeros((2, 2)))
    arguments = ["predict", str(tmp_path / "m.safetensors"), str(tmp_path / "x.npy"), "--precision", "float16"]
    with pytest.raises(SystemExit) as exit_:
        cli.main(arguments)
    assert exit_.value.code == 2 and "float16" in capsys.readouterr().err


# ---- Whatever goes wrong becomes a sentence ----


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (CommandError("no table"), "no table"),
        (KeyboardInterrupt(), "interrupted"),
        (MemoryError(), "the memory does not suffice; expected a smaller table or network"),
        (ValueError("seed is -1"), "seed is -1"),
        (OSError(28, "No space left on device"), "the output cannot be read or written: No space left on device"),
        (OSError(5, "Input/output error", "a.csv"), "'a.csv' cannot be read or written: Input/output error"),
        (BrokenPipeError(32, "Broken pipe"), None),
        (KeyError("x"), "KeyError: 'x'; this is a fault of fastbp; please report it"),
    ],
)
def test_no_command_shows_a_traceback(monkeypatch, capsys, error, sentence):
    monkeypatch.delenv("FASTBP_TRACEBACK", raising=False)
    monkeypatch.setattr(sys, "stdout", io.StringIO())  # no file, so that nothing is given up that others print to

    def command():
        raise error

    assert in_sentences(command) == (130 if isinstance(error, KeyboardInterrupt) else 1)
    err = capsys.readouterr().err
    assert err == "" if sentence is None else err.lstrip("\n").startswith(f"fastbp: {sentence}")


@pytest.mark.parametrize("error", [ValueError("seed is -1"), KeyError("x")])
def test_a_traceback_may_be_asked_for(monkeypatch, error):
    monkeypatch.setenv("FASTBP_TRACEBACK", "1")

    def command():
        raise error

    with pytest.raises(type(error)):
        in_sentences(command)


def test_what_lies_in_the_buffer_counts(monkeypatch, capsys):
    """A disk that is full shows itself only when what was printed is written."""

    class Full(io.StringIO):
        def flush(self):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())
    assert in_sentences(lambda: 0) == 1
    assert "the output cannot be read or written: No space left on device" in capsys.readouterr().err


def test_several_networks_are_not_written_as_one_in_c(tmp_path, capsys):
    pytest.importorskip("sklearn")
    from fastbp.sklearn import TabularRegressor

    rng = np.random.default_rng(0)
    X = pandas.DataFrame({"a": rng.normal(size=60), "b": rng.normal(size=60)})
    TabularRegressor(preset="fast", n_bags=2, random_state=0).fit(X, X["a"]).save(tmp_path / "m.safetensors")
    assert cli.main(["export", str(tmp_path / "m.safetensors"), str(tmp_path / "m.c")]) == 1
    assert "holds several networks; expected one for C. Export it as .onnx" in capsys.readouterr().err
    assert not (tmp_path / "m.c").exists()
