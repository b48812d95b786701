"""`fastbp train --epsilon` and `fastbp schema`: private rows decide nothing that is said or saved, but the weights."""

import argparse
import gzip
import io
import os
import re
import sys
import threading
import tomllib
from pathlib import Path

import numpy as np
import pytest

import fastbp as fb
from fastbp import cli
from fastbp.commands.errors import CommandError
from fastbp.commands.outcome import Settings
from fastbp.commands.private_settings import check_private_options
from fastbp.commands.roles import Choice
from fastbp.support.safetensors_file import TABLE, read_file

pd = pytest.importorskip("pandas", reason="pandas is not installed")
pytest.importorskip("matplotlib")

PRIVATE = ["--epsilon", "3", "--delta", "1e-4", "--schema", "schema.toml"]
SCHEMA = fb.privacy.Schema(
    {"age": [0, 30, 60, 100], "job": ["cook", "smith"], "code": {"kind": "category", "categories": [1, 2, 3]},
     "name": None, "ill": ["no", "yes"], "cost": [0, 1000]},
    {"separator": ",", "header": True},
)  # fmt: skip


def make_table(seed, n=600):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": rng.integers(0, 100, n).astype(object),
            "job": rng.choice(["cook", "smith"], n),
            "code": rng.integers(1, 4, n),
        }
    )
    frame["name"] = [f"person {i}" for i in rng.permutation(n)]
    frame["ill"] = np.where(frame["age"].astype(int) + 10 * (frame["job"] == "cook") > 50, "yes", "no")
    frame["cost"] = (10.0 * frame["age"].astype(float)).astype(object)
    return frame


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_table(0).to_csv("table.csv", index=False)
    make_table(1, 100).to_csv("test.csv", index=False)
    (tmp_path / "schema.toml").write_text(SCHEMA.text(), encoding="utf-8")
    return tmp_path


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


def train(*more, target="ill", data="table.csv"):
    return run("train", data, "--target", target, *PRIVATE, "--quiet", *more)


def test_a_class_is_learned_and_predicted(here, capsys):
    assert train("--public-test", "test.csv", "--report", "report.html") == 0
    said = capsys.readouterr().out
    accuracy = float(re.search(r"accuracy +(\S+)", said)[1])
    assert accuracy > 0.9
    assert "(epsilon, delta)-differentially private with epsilon" in said
    about = read_file("table.fastbp.safetensors", TABLE)[0]["about"]
    promise = about["metadata"]["privacy"]
    assert promise == about["privacy"]["promise"]
    assert 2.9 < promise["epsilon"] <= 3.0
    assert promise["statement"] in said
    report = (here / "report.html").read_text(encoding="utf-8")
    assert promise["statement"].split("\n")[0] in report
    for words in ("cook", "0, 30, 60, 100", f"{accuracy:.4g}"):
        assert words in report
    assert run("predict", "table.fastbp.safetensors", "test.csv", "--out", "out.csv") == 0
    predicted, expected = pd.read_csv("out.csv"), pd.read_csv("test.csv")
    assert (
        predicted["predicted_ill" if "predicted_ill" in predicted else "ill"] == expected["ill"]
    ).mean() == pytest.approx(accuracy, abs=1e-3)


def test_the_estimators_read_the_file(here):
    sklearn = pytest.importorskip("fastbp.sklearn")
    assert train(target="cost") == 0
    model = sklearn.TabularRegressor.load("table.fastbp.safetensors")
    table = pd.read_csv("test.csv", dtype={"code": str})  # as text has it, so that a file of text can be predicted
    assert model.score(table, table["cost"]) > 0.8
    assert model.privacy_.epsilon <= 3.0
    assert model.privacy.expected_batch_size == 64


def spoil(frame, seed):
    """Rows that are all there can be: far numbers, words for numbers, unknown categories, gaps."""
    rng = np.random.default_rng(seed)
    for name, odd in (
        ("age", ["", "1e300", "-7", "secret", "inf", "18446744073709551615"]),
        ("job", ["", "spy"]),
        ("code", ["9", "x"]),
    ):
        frame[name] = frame[name].astype(object)
        frame.loc[rng.choice(len(frame), len(odd), replace=False), name] = odd
    return frame


def told(path, capsys, target="ill"):
    """All that training says, writes in its report, and saves beside the weights."""
    assert train("--report", "report.html", "--out", "model", data=path, target=target) == 0
    printed = capsys.readouterr()
    with open("report.html", encoding="utf-8") as file:
        report = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "", file.read())
    description, tensors = read_file("model", TABLE)
    return (
        printed.out.replace(path, ""),
        printed.err,
        report.replace(path, ""),
        description,
        {k: v.shape for k, v in tensors.items()},
    )


@pytest.mark.parametrize("target", ["ill", "cost"])
def test_nothing_that_is_told_depends_on_the_rows(here, capsys, target):
    spoil(make_table(5), 5).to_csv("other.csv", index=False)
    make_table(6).assign(job="cook", ill="no", age="", cost=7).to_csv("third.csv", index=False)
    first, other, third = (told(path, capsys, target) for path in ("table.csv", "other.csv", "third.csv"))
    assert first == other
    assert first == third


def test_rows_are_read_one_by_one(here, capsys):
    """A row that no program can read, or whose target nobody knows, changes nothing of the others."""
    from fastbp.commands.private_rows import read_rows

    lines = (here / "table.csv").read_text(encoding="utf-8").splitlines()
    clean = read_rows(here / "table.csv", SCHEMA, "ill", None)
    bad = ['1,"cook,2,x,yes,3', "1,cook,2", "1,cook,2,x,yes,3,4,5", "1,cook,2,x,unknown,3", ""]
    for i, line in enumerate(bad):
        lines.insert(50 * i + 3, line)
    (here / "bad.csv").write_text("\n".join(lines), encoding="utf-8")
    found = read_rows(here / "bad.csv", SCHEMA, "ill", None)
    pd.testing.assert_frame_equal(found.X, clean.X)
    np.testing.assert_array_equal(found.y, clean.y)
    make_table(0).to_json("table.jsonl", orient="records", lines=True)
    make_table(0).assign(age=lambda t: t["age"].astype(float), cost=lambda t: t["cost"].astype(float)).to_parquet(
        "table.parquet"
    )
    for name in ("table.jsonl", "table.parquet"):
        pd.testing.assert_frame_equal(read_rows(here / name, SCHEMA, "ill", None).X, clean.X)


def test_numbers_are_cut_and_words_are_missing(here):
    from fastbp.commands.private_rows import read_rows

    (here / "odd.csv").write_text(
        "age;job;code;ill;cost\n1,5;spy;2.0;yes;1.234,5\n-9;cook;3;no;x\ninf;;1;yes;12\nold;smith;;no;1\n",
        encoding="utf-8",
    )
    schema = fb.privacy.Schema(
        {name: each for name, each in SCHEMA.columns.items() if name != "name"}, {"separator": ";", "decimal": ","}
    )
    X, y = read_rows(here / "odd.csv", schema, "ill", None)
    np.testing.assert_array_equal(X["age"], [1.5, 0, 100, np.nan])
    np.testing.assert_array_equal(X["cost"], [1000, np.nan, 12, 1])
    assert X["job"].tolist() == [None, "cook", None, "smith"]
    assert X["code"].tolist() == [None, "3", "1", None]
    assert y.tolist() == [1, 0, 1, 0]


def test_the_schema_has_names_and_kinds_and_no_value(here, capsys):
    frame = make_table(3).assign(when=pd.Timestamp("2020-01-02"), **{'a "b"': "secret"})
    frame.to_csv("rows.csv", index=False, sep=";")
    assert run("schema", "rows.csv") == 0
    assert "rows.schema.toml" in capsys.readouterr().out
    text = (here / "rows.schema.toml").read_text(encoding="utf-8")
    contents = tomllib.loads(text)
    kinds = {name: each["kind"] for name, each in contents["columns"].items()}
    assert kinds == {
        "age": "number", "job": "category", "code": "number", "name": "category", "ill": "category", "cost": "number",
        "when": "category", 'a "b"': "category",
    }  # fmt: skip
    assert contents["reading"] == {"separator": ";", "decimal": ".", "encoding": "utf-8", "header": True}
    for value in ("cook", "smith", "person", "yes", "secret", "2020"):
        assert value not in text
    assert run("schema", "rows.csv") == 1  # it may have been filled in
    assert "exists" in capsys.readouterr().err
    assert run("train", "rows.csv", "--target", "ill", *PRIVATE[:4], "--schema", "rows.schema.toml") == 1
    assert "does not say the range or the categories" in capsys.readouterr().err


# Option of `fastbp train`: allowed with --epsilon, or values that are refused.
ALLOWED = {
    "help", "data", "sep", "encoding", "decimal", "header", "sheet", "target", "hidden", "epochs", "batch_size",
    "learning_rate", "seed", "threads", "out", "report", "quiet", "precision",
    "epsilon", "delta", "schema", "public_test", "max_grad_norm",
}  # fmt: skip
REFUSED = {
    "task": "class", "drop": "age", "keep": "age", "id": "name", "categorical": "code", "numeric": "age",
    "sample_weight": "age", "preset": "fast", "time_limit": "5", "metric": "log_loss", "folds": "3", "refit": None,
    "loss": "mse", "class_weight": "balanced", "dropout": "0.1", "test": "test.csv",
}  # fmt: skip


def test_every_option_is_allowed_or_refused(here, capsys):
    commands = next(a for a in cli.make_parser()._actions if isinstance(a, argparse._SubParsersAction))
    known = {action.dest: action.option_strings for action in commands.choices["train"]._actions}
    assert set(known) == ALLOWED | set(REFUSED)
    page = (Path(__file__).resolve().parents[2] / "docs" / "privacy.md").read_text(encoding="utf-8")
    for name, value in REFUSED.items():
        option = known[name][0]
        assert f"`{option}" in page
        assert train(option, *([] if value is None else [value])) == 1, option
        assert f"{option} does not go with --epsilon" in capsys.readouterr().err
    assert not (here / "table.fastbp.safetensors").exists()
    with pytest.raises(CommandError, match="norms that are not bounded"):  # float32 is what there is
        check_private_options("auto", Settings(precision="bf16-mixed"), Choice())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--epsilon", "3", "--delta", "1e-5"], "`fastbp schema table.csv`"),
        (["--epsilon", "3", "--schema", "schema.toml"], "needs --delta"),
        (["--delta", "1e-5"], "pass --epsilon too"),
        (["--schema", "schema.toml"], "pass --epsilon too"),
        ([*PRIVATE[:4], "--schema", "none.toml"], "cannot be read"),
        ([*PRIVATE[:4], "--schema", "table.csv"], "is not TOML"),
        ([*PRIVATE, "--batch-size", "5000"], "expected_batch_size is 5000"),
        ([*PRIVATE, "--public-test", "none.csv"], "does not exist"),
        ([*PRIVATE, "--sep", ",,"], "--sep is ',,'; expected one character"),
        ([*PRIVATE, "--encoding", "utf-16"], "--encoding is 'utf-16', in which the file is not written"),
    ],
)
def test_what_is_missing_is_said(here, capsys, arguments, words):
    assert run("train", "table.csv", "--target", "ill", *arguments) == 1
    said = capsys.readouterr().err
    assert words in said
    assert all(said.count(repr(file)) <= 1 for file in arguments)


def test_a_delta_that_allows_to_publish_rows_is_refused(here, capsys):
    assert (
        run("train", "table.csv", "--target", "ill", "--epsilon", "3", "--delta", "0.01", "--schema", "schema.toml")
        == 1
    )
    assert "expected far less than 0.0017" in capsys.readouterr().err


def test_ctrl_c_keeps_what_was_paid_for(here, capsys, monkeypatch):
    whole = fb.Trainer.fit

    def interrupted(self, X, y, epochs, **options):
        whole(self, X, y, 2, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(fb.Trainer, "fit", interrupted)
    assert train() == 130
    assert "interrupted: saved the model of epsilon" in capsys.readouterr().out
    promise = read_file("table.fastbp.safetensors", TABLE)[0]["about"]["metadata"]["privacy"]
    assert promise["n_steps"] == 20
    assert 0 < promise["epsilon"] <= 3.0


def stdin_of(path, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
def test_the_standard_input_is_read_once(here, capsys, monkeypatch, name):
    make_table(0).astype({"age": float, "cost": float}).to_parquet("table.parquet")
    stdin_of(here / name, monkeypatch)
    assert train("--out", "model", "--report", "report.html", data="-") == 0
    assert "600 rows" in capsys.readouterr().out
    assert "the standard input" in (here / "report.html").read_text(encoding="utf-8")
    stdin_of(here / name, monkeypatch)
    assert run("schema", "-") == 0
    contents = tomllib.loads((here / "table.schema.toml").read_text(encoding="utf-8"))
    assert contents["columns"].keys() == SCHEMA.columns.keys()
    assert ("reading" in contents) == (name == "table.csv")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_is_read_once(here):
    os.mkfifo("pipe")
    writer = threading.Thread(target=(here / "pipe").write_bytes, args=((here / "table.csv").read_bytes(),))
    writer.start()
    assert run("schema", "pipe") == 0
    writer.join()
    assert tomllib.loads((here / "pipe.schema.toml").read_text(encoding="utf-8"))["reading"]["separator"] == ","


def test_damaged_archives_and_missing_packages_get_a_sentence(here, capsys, monkeypatch):
    (here / "zipped.csv.zip").write_bytes(b"PK damaged")
    assert train(data="zipped.csv.zip") == 1
    assert "why is not told" in capsys.readouterr().err
    stdin_of(here / "zipped.csv.zip", monkeypatch)
    assert train("--out", "model", data="-") == 1
    assert "'the standard input' begins like a workbook" in capsys.readouterr().err
    make_table(0).to_excel("table.xlsx", index=False)
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    assert train(data="table.xlsx") == 1
    said = capsys.readouterr().err
    assert "'table.xlsx' needs a package that is not installed" in said
    assert "openpyxl" in said
    (here / "table.csv.zst").write_bytes(b"any")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert train(data="table.csv.zst") == 1
    assert "needs a package that is not installed" in capsys.readouterr().err


def test_an_output_that_fails_is_named(here, capsys, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device", "elsewhere")

    monkeypatch.setattr("fastbp.commands.private_train.write_private_report", full)
    assert train("--report", "report.html") == 1
    assert "'report.html' cannot be written: No space left on device" in capsys.readouterr().err


def test_a_damaged_table_tells_of_no_row(here, capsys):
    (here / "table.parquet").write_bytes(b"PAR1 secret")
    assert train(data="table.parquet") == 1
    said = capsys.readouterr().err
    assert "secret" not in said
    assert "why is not told" in said
    whole = gzip.compress((here / "table.csv").read_bytes())
    (here / "half.csv.gz").write_bytes(whole[: len(whole) // 2])
    assert train(data="half.csv.gz") == 1
    assert "why is not told" in capsys.readouterr().err
    make_table(0).drop(columns="job").to_csv("less.csv", index=False)
    assert train(data="less.csv") == 1
    assert "has no column 'job'" in capsys.readouterr().err
    assert train(target="name") == 1
    assert "which the schema ignores" in capsys.readouterr().err
