"""Tables that are odd in one way, trained on, predicted and explained from the command line."""

import numpy as np
import pytest

from fastbp import cli
from fastbp.commands.cells import refuse_infinite
from fastbp.commands.errors import CommandError
from fastbp.commands.intervals import half_width
from fastbp.commands.outcome import Settings
from fastbp.commands.roles import Choice, choose_columns
from fastbp.commands.settings import weighted
from fastbp.commands.tables import read_table
from fastbp.commands.task import find_kind, find_task, targets_like

pd = pytest.importorskip("pandas", reason="pandas is not installed")

QUICK = ["--preset", "fast", "--folds", "2", "--epochs", "3", "--quiet"]
N = 120
RNG = np.random.default_rng(0)


def train(path, frame, target, *arguments):
    frame.to_csv(path / "t.csv", index=False)
    return cli.main(["train", str(path / "t.csv"), "--target", target, "--out", str(path / "m"), *QUICK, *arguments])


def predict(path, frame, *arguments):
    frame.to_csv(path / "new.csv", index=False)
    return cli.main(["predict", str(path / "m"), str(path / "new.csv"), "--out", str(path / "out.csv"), *arguments])


# ---- Which columns ----


def test_the_only_column_is_kept_even_if_it_seems_to_number_the_rows():
    """A doubtful column is better than none."""
    y = RNG.normal(size=400)
    roles = choose_columns(pd.DataFrame({"shuffled": RNG.permutation(400)}), y, False, Choice())
    assert list(roles.X.columns) == ["shuffled"] and roles.ids == []
    assert roles.notes == [
        "Column 'shuffled' numbers the rows in an order that shows no relation to the target; it is kept, as no other "
        "is left."
    ]


@pytest.mark.parametrize("name", ["number", "amount"])
def test_without_a_target_the_name_tells_whether_numbers_are_identifiers(name):
    table = pd.DataFrame({name: RNG.permutation(400), "x": RNG.normal(size=400)})
    assert choose_columns(table, None, False, Choice()).ids == ([name] if name == "number" else [])


def test_numbers_that_are_asked_for_must_be_numbers():
    table = pd.DataFrame({"a": ["1", "2", "grey"] * 40, "b": ["007", "1"] * 60, "x": np.arange(120) % 7})
    with pytest.raises(
        CommandError, match=r"--numeric has 'a', which is 'grey' in row 3; expected a column of numbers"
    ):
        choose_columns(table, np.arange(120.0), False, Choice(numeric=["a"]))
    roles = choose_columns(table.drop(columns="a"), np.arange(120.0), False, Choice(numeric=["b"]))
    assert roles.X["b"].tolist()[:2] == [7, 1]


def test_amounts_written_in_several_ways_are_pointed_out():
    texts = [f"{i} kg" if i % 2 else f"{i:.2f} EUR" for i in range(1, 201)]
    table = pd.DataFrame({"amount": np.resize(texts, 600), "x": RNG.normal(size=600)})
    roles = choose_columns(table, RNG.normal(size=600), False, Choice())
    said = " ".join([*roles.notes, *getattr(roles, "remarks", [])])
    assert "holds 200 different texts such as" in said and "write them in one way in the file" in said


# ---- Targets ----


def test_a_target_that_no_model_can_learn(tmp_path, capsys):
    pytest.importorskip("pyarrow")
    pd.DataFrame({"x": np.arange(3.0), "y": [[1], [2], [3]]}).to_parquet(tmp_path / "t.parquet")
    assert cli.main(["train", str(tmp_path / "t.parquet"), "--target", "y"]) == 1
    err = capsys.readouterr().err
    assert "--target is 'y', which no model can learn" in err and "holds lists and is left out" in err


def test_other_rows_have_the_targets_of_a_task():
    numbers = find_task(pd.DataFrame({"x": RNG.normal(size=N), "y": RNG.normal(size=N)}), "y", "auto")
    np.testing.assert_array_equal(targets_like(numbers, pd.Series(["1", "2.5"]), "test.csv"), [1, 2.5])
    with pytest.raises(CommandError, match=r"'test.csv': "):
        targets_like(numbers, pd.Series(["1", "grey"]), "test.csv")
    whole = find_task(pd.DataFrame({"x": RNG.normal(size=N), "y": np.arange(N) % 3}), "y", "class")
    assert targets_like(whole, pd.Series([2.0, 0.0]), "test.csv").tolist() == [2, 0]
    with pytest.raises(CommandError, match=r"test\.csv"):
        targets_like(whole, pd.Series([7]), "test.csv")


def test_a_target_alone_is_classes_or_numbers_by_its_values():
    for values, kind in ((np.arange(N) % 3, "class"), (np.linspace(0, 7.3, N), "regression")):
        alone = pd.DataFrame({"y": values})
        assert find_kind(alone["y"], alone.drop(columns="y")) == kind


# ---- Options ----


@pytest.mark.parametrize("value", ["0", "-1", "inf", "heavy", ""])
def test_weights_of_classes_are_numbers_above_0(value):
    task = find_task(pd.DataFrame({"x": RNG.normal(size=N), "y": ["a", "b"] * (N // 2)}), "y", "class")
    with pytest.raises(CommandError, match=rf"--class-weight has 'b={value}'; expected a number above 0 after the ="):
        weighted(task, Settings(class_weight=f"a=1,b={value}"))


def test_a_model_without_intervals():
    with pytest.raises(CommandError, match=r"--interval is for numbers, and this model has no intervals; leave it out"):
        half_width({}, 0.9)


# ---- Later rows ----


@pytest.fixture
def dated(tmp_path):
    frame = pd.DataFrame({"day": pd.date_range("2023-01-01", periods=N).strftime("%Y-%m-%d"), "n": RNG.normal(size=N)})
    frame["size"] = [f"{i % 40 + 1:,}.5 kg" for i in range(N)]
    frame["y"] = frame["n"] * 2
    assert train(tmp_path, frame, "y") == 0
    return tmp_path, frame


def test_numbers_where_a_model_learned_days_and_the_other_way_round(tmp_path, capsys):
    pytest.importorskip("pyarrow")
    days = pd.date_range("2023-01-01", periods=N)
    frame = pd.DataFrame({"day": days, "n": RNG.normal(size=N), "y": np.arange(N) + 0.5})
    frame.to_parquet(tmp_path / "t.parquet")
    model = str(tmp_path / "m")
    assert cli.main(["train", str(tmp_path / "t.parquet"), "--target", "y", "--out", model, *QUICK]) == 0
    for changed, sentence in (
        ({"day": np.arange(N)}, "column 'day' holds numbers; expected dates or times, as in training"),
        ({"n": days}, "column 'n' holds dates or times; expected numbers, as in training"),
    ):
        frame.assign(**changed).to_parquet(tmp_path / "new.parquet")
        assert cli.main(["predict", model, str(tmp_path / "new.parquet"), "--out", str(tmp_path / "out.csv")]) == 1
        assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("word", ["NA", "?", "null", "nan", " n/a "])
def test_a_gap_is_one_whatever_other_rows_a_file_has(dated, capsys, word):
    """Three rows with a gap, alone and among rows with numbers."""
    path, frame = dated
    some = frame.assign(n=frame["n"].astype(object).where(np.arange(N) >= 3, word))
    assert predict(path, some) == 0
    expected = pd.read_csv(path / "out.csv")[:3]
    assert predict(path, some[:3]) == 0, capsys.readouterr().err
    pd.testing.assert_frame_equal(pd.read_csv(path / "out.csv")[expected.columns], expected)


def test_the_cell_that_is_named_is_not_the_gap_before_it(dated, capsys):
    path, frame = dated
    assert predict(path, frame[:2].assign(n=["NA", "grey"])) == 1
    assert "row 2, column 'n' is 'grey'; expected a number" in capsys.readouterr().err


def test_rows_of_another_file_are_held_out_as_they_were_written(tmp_path, capsys):
    """Days and amounts with a unit, which are text in the file, in training and in the rows held out."""
    frame = pd.DataFrame({"day": pd.date_range("2023-01-01", periods=N).strftime("%Y-%m-%d")})
    frame["size"] = [f"{i % 40 + 1}.5 kg" for i in range(N)]
    frame["y"] = np.arange(N) % 40 + RNG.normal(0, 0.1, N)
    frame[:30].to_csv(tmp_path / "test.csv", index=False)
    assert train(tmp_path, frame[30:], "y", "--test", str(tmp_path / "test.csv")) == 0
    assert "30" in capsys.readouterr().out


# ---- Tables ----


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["2020-01", "2020-02"], None),
        ([(1, 2), (3, 4)], "lists"),
        ([{"a": 1}, {"a": 2}], "records"),
        ([b"\xff", b"\xfe"], "bytes"),
        ([b"ab", b"cd"], ["ab", "cd"]),
        ([1 + 2j, 2j], None),
    ],
)
def test_objects_in_a_frame(values, expected):
    from fastbp.commands.plain_columns import plain_column

    column = pd.Series(values, dtype=None if isinstance(values[0], complex) else object)
    plain, why = plain_column(column)
    if isinstance(expected, list):
        assert plain.tolist() == expected and why == ""
    elif expected is not None:
        assert plain is None and why == expected
    elif isinstance(values[0], complex):
        assert plain is None and "neither numbers, moments nor text" in why
    else:
        assert plain.tolist() == values


def test_numbers_and_truths_that_pandas_or_arrow_hold_with_gaps():
    from fastbp.commands.plain_columns import plain_column

    for values, kind in (([1, None, 3], "Int64"), ([0.5, None], "Float32"), ([1, None], "int64[pyarrow]")):
        plain, why = plain_column(pd.Series(values, dtype=kind))
        assert plain.dtype.kind == "f" and why == ""
        np.testing.assert_array_equal(plain, np.array(values, float))
    for kind in ("boolean", "bool[pyarrow]"):
        plain, _ = plain_column(pd.Series([True, None, False], dtype=kind))
        assert plain.dtype == object and plain.tolist() == [True, None, False]


def test_intervals_are_text():
    from fastbp.commands.plain_columns import plain_column

    plain, _ = plain_column(pd.Series(pd.arrays.IntervalArray.from_breaks([0, 1, 2])))
    assert plain.tolist() == ["(0, 1]", "(1, 2]"]


@pytest.mark.parametrize(
    ("text", "columns", "rows"),
    [
        ("a,b,c\n1,x,\n2,y,\n", ["a", "b", "c"], 2),  # a column with a name, and without a value
        ("a,b\n1,1,x\n2,2,y\n3,3,z\n", ["row", "a", "b"], 3),  # rows that are numbered, as R writes them
    ],
)
def test_what_stands_at_the_edge_of_lines(tmp_path, text, columns, rows):
    (tmp_path / "x.csv").write_text(text)
    table = read_table(tmp_path / "x.csv")
    assert list(table.frame.columns) + table.left_out == columns or list(table.frame.columns) == columns
    assert len(table.frame) == rows


def test_a_quotation_mark_that_nothing_closes(tmp_path):
    (tmp_path / "x.csv").write_text('a,b\n1,"x\n' + "2,y\n" * 5)
    with pytest.raises(CommandError, match=r"has a quotation mark \(\"\) in line 2 that nothing closes"):
        read_table(tmp_path / "x.csv")


def test_a_directory_that_nobody_may_write_to(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("os.access", lambda *arguments, **options: False)
    pd.DataFrame({"x": RNG.normal(size=N), "y": RNG.normal(size=N)}).to_csv(tmp_path / "t.csv", index=False)
    assert cli.main(["train", str(tmp_path / "t.csv"), "--target", "y", "--out", str(tmp_path / "m"), *QUICK]) == 1
    assert f"--out is {str(tmp_path / 'm')!r}, which cannot be written" in capsys.readouterr().err


def test_the_first_infinite_number_in_the_order_of_the_file_is_named():
    frame = pd.DataFrame({"a": np.zeros(9), "b": np.zeros(9), "c": np.arange(9)})
    frame.loc[[4, 8], "a"], frame.loc[[3, 5], "b"] = np.inf, -1e31
    with pytest.raises(
        CommandError, match=r"'t.csv': row 4, column 'b' is -1e\+31; expected a number of at most 1e\+30"
    ):
        refuse_infinite(frame, "t.csv")
    frame.loc[3, "b"] = -1e30
    with pytest.raises(CommandError, match=r"row 5, column 'a' is inf"):
        refuse_infinite(frame, "t.csv")
    refuse_infinite(frame[:3], "t.csv")


# ---- What inspect, explain and the report say of them ----


@pytest.mark.parametrize("names", [["a"], ["a", "b"]])
def test_inspect_names_columns_with_infinite_numbers(tmp_path, capsys, names):
    frame = pd.DataFrame(RNG.normal(size=(N, 3)), columns=["a", "b", "y"])
    frame.loc[3, names] = np.inf
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert cli.main(["inspect", str(tmp_path / "t.csv"), "--target", "y"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    has = "Column 'a' has" if len(names) == 1 else "2 columns (a, b) have"
    assert f"{has} infinite numbers: correct them, or leave these rows out." in said


def test_inspect_of_a_table_in_which_nothing_is_left(tmp_path, capsys):
    pd.DataFrame({"same": np.ones(N), "void": np.full(N, np.nan)}).to_csv(tmp_path / "t.csv", index=False)
    assert cli.main(["inspect", str(tmp_path / "t.csv")]) == 0
    said = capsys.readouterr().out
    assert "is the same in every row" in said and "is empty" in said


def test_explanations_of_many_columns_say_how_many_more_there_are(tmp_path, capsys):
    """The rows behind are all of a small table; the report cannot be written where a directory is."""
    frame = pd.DataFrame(RNG.normal(size=(N, 14)), columns=[f"c{i}" for i in range(14)])
    frame["y"] = frame.to_numpy().sum(axis=1)
    assert train(tmp_path, frame, "y") == 0
    arguments = ["explain", str(tmp_path / "m"), str(tmp_path / "t.csv"), "--row", "3"]
    assert cli.main(arguments) == 0
    assert "other columns" in capsys.readouterr().out
    (tmp_path / "page.html").mkdir()
    assert cli.main([*arguments, "--report", str(tmp_path / "page.html")]) == 1
    assert "is a directory" in capsys.readouterr().err
