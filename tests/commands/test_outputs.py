"""Files that a command writes: none replaces an input, none is lost, whatever happens to the terminal."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import fastbp as fb
from fastbp.cli import main
from fastbp.commands.model_files import load_model
from fastbp.commands.outputs import default_model_file

pandas = pytest.importorskip("pandas", reason="pandas is not installed")


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    frame = pandas.DataFrame(X, columns=["a", "b", "c"]).assign(y=(X[:, 0] > 0).astype(int))
    frame.to_csv("sales.2023.csv", index=False)
    return Path("sales.2023.csv")


def train(*arguments):
    return main(["train", "sales.2023.csv", "--target", "y", "--quiet", *arguments])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--out", "sales.2023.csv"], "--out is 'sales.2023.csv', which is the data too"),
        (["--out", "./sub/../sales.2023.csv"], "which is the data too"),
        (["--report", "sales.2023.csv"], "--report is 'sales.2023.csv', which is the data too"),
        (["--out", "x", "--report", "x"], "--report is 'x', which is --out too"),
        (["--out", "sub"], "--out is 'sub', which is a directory"),
        (["--out", "nowhere/x"], "--out is 'nowhere/x', but the directory does not exist"),
    ],
)
def test_an_output_that_is_an_input_or_cannot_be_is_refused_before_anything_is_read(
    table, arguments, sentence, capsys, monkeypatch
):
    Path("sub").mkdir()
    before = table.read_bytes()
    monkeypatch.setattr("fastbp.commands.train.read_table", lambda *_: pytest.fail("the data was read"))
    assert train("--epochs", "2", *arguments) == 1
    assert sentence in capsys.readouterr().err
    assert table.read_bytes() == before


def test_a_link_to_an_input_is_that_input(table, capsys):
    Path("link.csv").symlink_to(table)
    assert train("--out", "link.csv") == 1
    assert "which is the data too" in capsys.readouterr().err


@pytest.mark.parametrize("out", ["sales.2023.csv", "model"])
def test_predictions_replace_neither_the_data_nor_the_model(table, out, capsys):
    assert train("--epochs", "2", "--out", "model") == 0
    kept = Path(out).read_bytes()
    assert main(["predict", "model", "sales.2023.csv", "--out", out]) == 1
    assert "too; expected another file" in capsys.readouterr().err
    assert Path(out).read_bytes() == kept


@pytest.mark.parametrize(
    ("data", "model"),
    [
        ("sales.2023.csv", "sales.2023.fastbp.safetensors"),
        ("sales.2024.csv", "sales.2024.fastbp.safetensors"),
        ("x.csv.gz", "x.fastbp.safetensors"),
        (".hid.csv", "hid.fastbp.safetensors"),
        ("x.npy", "x.fastbp.safetensors"),
        ("folder/y.v1.parquet", "y.v1.fastbp.safetensors"),
    ],
)
def test_default_names_use_the_whole_stem(data, model):
    assert default_model_file(Path(data)) == Path(model)


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX pipes")
def test_the_model_is_there_when_nobody_reads_the_output(table):
    command = [sys.executable, "-m", "fastbp", "train", str(table), "--target", "y", "--quiet", "--epochs", "5"]
    command += ["--hidden", "16"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    _, error = process.communicate(timeout=120)
    assert b"Traceback" not in error
    assert fb.Model.load("sales.2023.fastbp.safetensors").metadata["target"] == "y"


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize("layers", [[], ["--hidden", "64"]], ids=["recipe", "network"])
def test_ctrl_c_keeps_the_best_epoch(table, layers):
    command = [sys.executable, "-u", "-m", "fastbp", "train", str(table), "--target", "y", "--epochs", "10000000"]
    command += layers
    frame = pandas.read_csv(table)
    pandas.concat([frame] * 200).to_csv(table, index=False)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    read = b""
    try:
        deadline = time.monotonic() + 60
        while b" left" not in read and time.monotonic() < deadline:  # the log, after an epoch
            read += process.stdout.read1(1000)
        time.sleep(1)  # until that epoch has been looked at
        process.send_signal(signal.SIGINT)
        output = read + process.communicate(timeout=60)[0]
    finally:
        process.kill()  # one that ignores the signal would go on for days
    assert process.returncode == 130, output
    assert b"saved the model of the best epoch" in output
    assert load_model(Path("sales.2023.fastbp.safetensors")).metadata["target"] == "y"


def test_words_such_as_na_are_text_among_text_and_gaps_among_numbers(tmp_path):
    from fastbp.commands.tables import read_table

    path = tmp_path / "x.csv"
    path.write_text(
        "name,country,size,flag,gaps\nNone,NA,1,True,1\nnan,DE,NA,False,\nnull,,2.5,null,nan\nAnna,FR,3,True,4\n"
    )
    frame = read_table(path).frame
    assert frame["name"].tolist() == ["None", "nan", "null", "Anna"]
    assert frame["country"].isna().tolist() == [False, False, True, False]
    assert frame["size"].dtype == float and frame["size"].isna().tolist() == [False, True, False, False]
    assert frame["flag"].tolist()[:2] == [True, False] and frame["flag"].isna().tolist() == [False, False, True, False]
    assert frame["gaps"].isna().tolist() == [False, True, True, False]


def test_a_class_called_none_keeps_its_rows(table):
    from fastbp.commands.tables import read_table
    from fastbp.commands.task import find_task

    kinds = np.array(["None", "some", "all"])[np.arange(300) % 3]
    pandas.read_csv(table).assign(kind=kinds).to_csv(table, index=False)
    task = find_task(read_table(table).frame, "kind", "auto")
    assert task.classes == ["None", "all", "some"] and len(task.y) == 300


def test_a_header_that_stands_twice_is_refused(tmp_path, capsys):
    path = tmp_path / "x.csv"
    path.write_text("a,y,y\n" + "1,2,2\n" * 30)
    assert main(["train", str(path), "--target", "y"]) == 1
    assert "has two columns that are called 'y'; expected names that differ" in capsys.readouterr().err


@pytest.mark.parametrize("twin", ["Y", " y", "y "])
def test_a_name_like_the_target_is_warned_of(table, twin):
    from fastbp.commands.task import find_task

    frame = pandas.read_csv(table)
    task = find_task(frame.assign(**{twin: frame["y"]}), "y", "auto")
    assert any(f"column {twin!r} differs from the target 'y' only in case or spaces" in note for note in task.notes)


def test_a_gap_in_an_integer_target_leaves_its_labels_integers(table):
    from fastbp.commands.task import find_task

    frame = pandas.read_csv(table)
    frame["y"] = frame["y"].astype(float)
    frame.loc[7, "y"] = np.nan
    task = find_task(frame, "y", "auto")
    assert task.classes == [0, 1] and all(type(label) is int for label in task.classes)
