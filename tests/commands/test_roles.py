"""What a column and a target are taken for is said, can be said otherwise, and is the same in train and inspect."""

import json

import numpy as np
import pytest

import fastbp as fb
from fastbp.cli import main
from fastbp.commands.errors import CommandError
from fastbp.commands.intervals import half_widths
from fastbp.commands.roles import Choice, as_written, choose_columns, text_of
from fastbp.commands.task import find_kind, find_task, targets_like
from fastbp.data.writings import find_writing

pandas = pytest.importorskip("pandas", reason="pandas is not installed")

N = 400
RNG = np.random.default_rng(0)
Y = np.linspace(0, 1, N) + RNG.normal(0, 0.1, N)


def columns(*, y=Y, is_class=False, choice=None, **frame):
    return choose_columns(pandas.DataFrame(frame), y, is_class, choice or Choice())


# ---- Identifiers ----


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("customer_id", RNG.permutation(N) + 1, "is an identifier by its name"),
        ("PassengerId", RNG.permutation(N) * 977 + 5, "is an identifier by its name"),
        ("Unnamed: 0", np.arange(N), "is an identifier by its name"),
        ("shuffled", RNG.permutation(N), "numbers the rows in an order that shows no relation to the target"),
        ("some_missing_ones", np.sort(RNG.permutation(2 * N - 100))[::-1][:N][RNG.permutation(N)], "numbers the rows"),
        ("key", [f"k{i}" for i in RNG.permutation(N)], "is text, different in every row"),
        ("remark", [f"{i} {'x' * 50}" for i in range(N)], "is text, different in nearly every row"),
        ("same", np.ones(N), "is the same in every row"),
        ("void", np.full(N, np.nan), "is empty"),
        ("order_id", pandas.Series(range(N)).where(np.arange(N) != 7), "is an identifier by its name"),
        ("index", RNG.permutation(N), "is an identifier by its name"),
    ],
)
def test_what_names_the_rows_is_left_out(name, values, reason):
    roles = columns(**{name: values}, x=Y)
    assert list(roles.X.columns) == ["x"]
    assert reason in roles.notes[0] and repr(name) in roles.notes[0] and "left out" in roles.notes[0]
    assert roles.ids == ([] if name in ("remark", "same", "void") else [name])
    kept = columns(**{name: values}, x=Y, choice=Choice(keep=[name]))
    assert list(kept.X.columns) == [name, "x"] and kept.ids == []


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("t", np.arange(N)),  # a trend, which Y follows
        ("index", np.arange(N)),
        ("air_quality_index", RNG.permutation(10 * N)[:N]),
        ("rank", np.argsort(np.argsort(Y))),
        ("microseconds", RNG.integers(0, 10**9, N)),  # all differ, and count nothing
        ("price", RNG.normal(size=N)),
        ("visit_id", RNG.integers(0, 40, N)),  # one of several rows
    ],
)
def test_what_the_target_follows_is_kept(name, values):
    roles = columns(**{name: values})
    assert list(roles.X.columns) == [name] and roles.ids == []


@pytest.mark.parametrize("shape", [lambda t: (t - 0.5) ** 2, lambda t: np.sin(40 * t), lambda t: t > 0.4])
def test_a_relation_of_any_shape_is_one(shape):
    t = np.arange(N)
    roles = columns(t=RNG.permutation(t), x=Y, y=shape(t / N) + RNG.normal(0, 0.05, N))
    assert list(roles.X.columns) == ["x"]
    roles = columns(day=t, x=Y, y=shape(t / N) + RNG.normal(0, 0.05, N))
    assert list(roles.X.columns) == ["day", "x"]


def test_a_count_of_rows_that_are_sorted_by_class_is_no_trend():
    roles = columns(a=np.arange(N), x=Y, y=np.repeat([0, 1], N // 2), is_class=True)
    assert list(roles.X.columns) == ["x"] and roles.ids == ["a"]
    assert "counts the rows of a file that is sorted by the target" in roles.notes[0]
    roles = columns(day=np.arange(N), x=Y, y=np.repeat([0, 1], N // 2), is_class=True)  # early and late
    assert list(roles.X.columns) == ["day", "x"]


def test_what_differs_in_every_row_and_is_kept_is_said():
    roles = columns(invoice=RNG.permutation(10**6)[:N], x=Y)
    assert roles.notes == ["Column 'invoice' is different in every row; if it names the rows, pass --id invoice."]


@pytest.mark.parametrize("name", ["id", "userID", "ID", "uuid", "No", "#", "Unnamed: 0"])
@pytest.mark.parametrize("other", ["humid", "number of rooms", "paid", "idle", "age"])
def test_names_of_identifiers(name, other):
    values = RNG.permutation(10 * N)[:N]
    assert columns(**{name: values, other: values}).ids == [name]


def test_reasons_are_said_once_for_several_columns():
    roles = columns(**{f"p{i}": np.zeros(N) for i in range(76)}, x=Y)
    assert len(roles.notes) == 1
    assert roles.notes[0].startswith("76 columns are the same in every row and are left out: 'p0', 'p1',")


def test_what_is_asked_for():
    frame = {"a": Y, "b": Y, "c,d": Y, "key": np.arange(N) % 7, "size": [f"{i % 90} kg" for i in range(N)]}
    roles = columns(**frame, choice=Choice(["a,b"], [], ["c,d"], ["key"], ["size"]))
    assert list(roles.X.columns) == ["key", "size"] and roles.ids == ["c,d"]
    assert roles.X["key"].tolist()[:3] == ["0", "1", "2"] and roles.X["size"].tolist()[:3] == [0, 1, 2]


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        (Choice(drop=["aa"]), "--drop is 'aa', which is not a column of the table; did you mean 'a'?"),
        (Choice(drop=["zzz"]), "--drop is 'zzz'; expected a column of the table: 'a', 'b'"),
        (Choice(drop=["a"], keep=["a"]), "column 'a' is in --drop and in --keep; expected it in one of them"),
        (Choice(categorical=["a"], numeric=["b,a"]), "column 'a' is in --categorical and in --numeric"),
        (Choice(numeric=["b"]), "--numeric has 'b', which is 'x' in row 4; expected a column of numbers"),
    ],
)
def test_what_cannot_be_asked_for(choice, sentence):
    b = ["1"] * N
    b[3] = "x"
    with pytest.raises(CommandError) as error:
        columns(a=Y, b=b, choice=choice)
    assert sentence in str(error.value)


# ---- Text ----


def test_how_text_is_read_is_said():
    roles = columns(
        price=[f"${value:,.2f}" for value in Y * 1e4],
        day=[f"{1 + i % 28}/{1 + i % 12}/2023" for i in range(N)],
        odd=[f"{1 + i % 12}/{1 + i % 11}/2023" for i in range(N)],
        city=[f"city {i % 190}{'ab'[i % 2]}{'cd'[i % 3 == 0]}" for i in range(N)],
    )
    assert list(roles.X.columns) == ["price", "day", "odd"] or "city" in roles.X.columns
    told = " ".join(roles.notes)
    assert "Column 'price' is text such as '$" in told and "which is read as the number " in told
    assert "if these are categories, pass --categorical price." in told
    assert "Column 'day' is text such as" in told and "which is read as dates or times" in told
    assert "Column 'odd' holds dates such as" in told and "Write these dates as 2023-01-05 in the file." in told


def test_many_levels_are_not_dropped(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    city = RNG.permutation(np.repeat(np.arange(300), 8)[:2000])
    frame = pandas.DataFrame({"city": [f"city {i}" for i in city], "x": RNG.normal(size=2000)})
    frame["y"] = frame["x"] + 2.0 * (city % 2)
    frame.to_csv("cities.csv", index=False)
    assert main(["train", "cities.csv", "--target", "y", "--quiet", "--epochs", "15", "--hidden", "256,128"]) == 0
    told = capsys.readouterr().out
    assert "Column 'city' is text of 250 levels: the 200 most common are told apart, all others are one." in told
    model = fb.Model.load("cities.fastbp.safetensors")
    cities = np.unique(city)
    outputs = model.predict(pandas.DataFrame({"city": [f"city {i}" for i in cities], "x": 0.0}))[:, 0]
    known = outputs != model.predict(pandas.DataFrame({"city": ["nowhere"], "x": 0.0}))[0, 0]
    assert known.sum() == 200 and np.corrcoef(outputs[known], cities[known] % 2)[0, 1] > 0.7


# ---- The task ----


def letters(n_classes, n=3000):
    labels = RNG.integers(0, n_classes, n)
    centres = RNG.normal(size=(n_classes, 6))
    return pandas.DataFrame(centres[labels] + 0.5 * RNG.normal(size=(n, 6))).rename(columns=str), labels


@pytest.mark.parametrize("n_classes", [3, 11, 26, 120])
@pytest.mark.parametrize("factor", [1, 7])
def test_whole_numbers_in_no_order_are_classes(n_classes, factor):
    X, labels = letters(n_classes)
    y = pandas.Series(labels * factor + 100, name="y")
    assert find_kind(y, X) == "class"
    assert len(fb.inspect_data(X, y).classes) == n_classes  # and inspect says the same


@pytest.mark.parametrize(
    "y",
    [
        np.clip(np.round(5 + 2 * RNG.normal(size=3000)), 0, 10),  # a rating
        RNG.poisson(9, 3000),
        RNG.integers(18, 90, 3000),
        RNG.integers(0, 2500, 3000),
    ],
)
def test_whole_numbers_in_an_order_are_numbers(y):
    X = pandas.DataFrame({"a": y + 2 * RNG.normal(size=3000), "noise": RNG.normal(size=3000)})
    assert find_kind(pandas.Series(y), X) == "regression"
    assert fb.inspect_data(X, y).classes is None


@pytest.mark.parametrize(
    ("values", "kind", "guess"),
    [
        (np.arange(N) % 3, "auto", "target 'y': one of 3 classes (0, 1, 2); --task regression if they are amounts"),
        (np.arange(N) % 2, "auto", "target 'y': one of 2 classes (0, 1)"),
        (np.arange(N) % 3, "class", "target 'y': one of 3 classes (0, 1, 2)"),
        (
            np.arange(N) % 90,
            "auto",
            "target 'y': a number, 0 to 89; --task class if its 90 values are names of classes",
        ),
        (Y, "auto", f"target 'y': a number, {Y.min():g} to {Y.max():g}"),
        ([f"${value:,.2f}" for value in Y], "auto", "target 'y': a number, "),
        ([True, False, None, True] * (N // 4), "auto", "target 'y': one of 2 classes (False, True)"),
    ],
)
def test_what_the_target_is_taken_for_is_said_first(values, kind, guess):
    task = find_task(pandas.DataFrame({"x": Y, "y": values}), "y", kind)
    assert task.notes[0] == guess or (guess.endswith(" ") and task.notes[0].startswith(guess))


def test_a_date_is_no_target():
    for values in (pandas.date_range("2023-01-01", periods=N), pandas.date_range("2023-01-01", periods=N).astype(str)):
        with pytest.raises(CommandError, match="'y' holds dates or times; expected numbers or classes"):
            find_task(pandas.DataFrame({"x": Y, "y": values}), "y", "auto")


def test_a_huge_target_is_refused_before_training():
    with pytest.raises(CommandError, match=r"row 8: 'y' is 1e\+39; expected numbers of at most 1e\+30"):
        find_task(pandas.DataFrame({"x": Y, "y": np.where(np.arange(N) == 7, 1e39, Y)}), "y", "auto")


@pytest.mark.parametrize("seed", range(3))
def test_how_text_is_read_does_not_depend_on_the_split(tmp_path, monkeypatch, capsys, seed):
    monkeypatch.chdir(tmp_path)
    days = [f"{1 + i % 12}/{1 + i % 12}/2023" for i in range(N)]
    days[7] = "25/1/2023"  # which alone tells that the day is first
    pandas.DataFrame({"day": days, "y": Y}).to_csv("days.csv", index=False)
    quick = ["--epochs", "1", "--quiet", "--hidden", "16"]
    assert main(["train", "days.csv", "--target", "y", "--seed", str(seed), *quick]) == 0
    assert "which is read as dates or times" in capsys.readouterr().out
    model = fb.Model.load("days.fastbp.safetensors")
    text, moment = (pandas.DataFrame({"day": [day]}) for day in ("3/4/2023", pandas.Timestamp("2023-04-03")))
    np.testing.assert_array_equal(model.predict(text), model.predict(moment))


def test_inspect_says_what_train_would_do(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rating = np.clip(np.round(5 + 2 * Y + RNG.normal(size=N)), 0, 10).astype(int)
    frame = pandas.DataFrame({"id": np.arange(N), "price": [f"${y:,.2f}" for y in Y * 1e4], "x": Y, "rating": rating})
    frame.to_csv("ratings.csv", index=False)
    assert main(["inspect", "ratings.csv", "--target", "rating"]) == 0
    told = capsys.readouterr().out
    assert main(["train", "ratings.csv", "--target", "rating", "--epochs", "1", "--quiet"]) == 0
    trained = capsys.readouterr().out
    for start in ("target 'rating': ", "Column 'id' is an identifier", "Column 'price' is text such as"):
        sentence = next(line for line in told.splitlines() if line.startswith(start))
        assert sentence in trained
    assert "fb." not in told and " of X" not in told


# ---- Predictions ----


def test_intervals_hold_what_they_promise():
    widths = half_widths(RNG.normal(size=999))
    fresh = np.abs(RNG.normal(size=100_000))
    for share, width in widths.items():
        assert abs((fresh <= width).mean() - float(share)) < 0.05
    assert list(half_widths(np.arange(5.0))) == ["0.5", "0.6", "0.7", "0.75", "0.8"]  # of five errors no more
    json.dumps(widths)


@pytest.fixture
def people(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = pandas.DataFrame({"person id": RNG.permutation(N) + 1000, "x": Y, "group": np.arange(N) % 4})
    frame["in come"] = 3 * Y + RNG.normal(0, 0.1, N)
    frame.to_csv("people.csv", index=False)
    assert main(["train", "people.csv", "--target", "in come", "--epochs", "20", "--quiet", "--folds", "2"]) == 0
    return frame


def test_identifiers_and_chosen_columns_are_carried(people):
    arguments = ["predict", "people.fastbp.safetensors", "people.csv", "--out", "out.csv"]
    assert main(arguments) == 0
    assert list(pandas.read_csv("out.csv").columns) == ["person id", "in_come"]
    assert main([*arguments, "--carry", "group,in come", "--interval", "0.9"]) == 0
    out = pandas.read_csv("out.csv")
    assert list(out.columns) == [
        *("person id", "group", "in come", "predicted_in_come", "predicted_in_come_low", "predicted_in_come_high")
    ]
    pandas.testing.assert_frame_equal(out[["person id", "group", "in come"]], people[["person id", "group", "in come"]])
    inside = out["in come"].between(out["predicted_in_come_low"], out["predicted_in_come_high"])
    assert 0.8 < inside.mean() <= 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--carry", "grup"], "--carry is 'grup', which is not a column of the table; did you mean 'group'?"),
        (["--interval", "0.123"], "--interval is 0.123; expected one of 0.5, 0.6"),
    ],
)
def test_what_cannot_be_carried(people, capsys, arguments, sentence):
    assert main(["predict", "people.fastbp.safetensors", "people.csv", "--out", "out.csv", *arguments]) == 1
    assert sentence in capsys.readouterr().err


def test_moments_are_those_that_are_written():
    written = pandas.Series(["2023-01-05 10:20:30", "1969-07-20 20:17:40", None, "2040-12-31 23:59:59"] * 6)
    moments = as_written(written, find_writing(text_of(written)))
    assert moments.isna().equals(written.isna())
    assert (moments.dropna() == pandas.to_datetime(written.dropna())).all()


def test_a_class_that_the_task_does_not_have_is_named_by_its_row():
    frame = pandas.DataFrame({"a": RNG.normal(size=N), "y": np.where(Y > 0.5, "up", "down")})
    task = find_task(frame, "y", "auto")
    others = pandas.Series(["up", "down", "sideways"], index=[0, 4, 7], name="y")
    assert targets_like(task, others[:2], "other.csv").tolist() == [
        task.classes.index("up"),
        task.classes.index("down"),
    ]
    with pytest.raises(CommandError, match=r"'other.csv': row 8: 'y' is 'sideways'; expected one of the classes"):
        targets_like(task, others, "other.csv")
