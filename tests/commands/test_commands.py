"""fastbp train, predict and inspect: from tables, real and awkward, to models, predictions and reports."""

import re

import numpy as np
import pytest

import fastbp as fb
from fastbp import cli
from fastbp.commands.errors import CommandError
from fastbp.commands.tables import read_table
from fastbp.commands.task import find_task
from fastbp.data.columns import seconds_of

pd = pytest.importorskip("pandas")
pytest.importorskip("matplotlib")
datasets = pytest.importorskip("sklearn.datasets")
estimators = pytest.importorskip("fastbp.sklearn", exc_type=ImportError)


def make_table(n=400, seed=0):
    """Prices of things: numbers and categories, some missing, a column that counts and one that is always the same."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "number": np.arange(n),
            "size": rng.uniform(1, 10, n),
            "weight": rng.lognormal(0, 1, n),
            "kind": rng.choice(["ball", "bat", "net"], n),
            "colour": pd.Categorical(rng.choice(["red", "green"], n)),
            "new": rng.random(n) < 0.5,
            "made": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 300, n), unit="D"),
            "always": "same",
            "name": [f"thing {i}" for i in range(n)],
        }
    )
    frame["price"] = 20 * frame["size"] + 50 * (frame["kind"] == "bat") + 30 * frame["new"] + rng.normal(0, 2, n)
    frame.loc[rng.random(n) < 0.1, "size"] = np.nan
    frame.loc[rng.random(n) < 0.1, "kind"] = None
    frame.loc[:3, "price"] = np.nan
    return frame


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A directory with a table, the model of its prices, and the report."""
    directory = tmp_path_factory.mktemp("trained")
    make_table().to_csv(directory / "things.csv", index=False)
    arguments = ["train", directory / "things.csv", "--target", "price", "--epochs", "60", "--hidden", "32,16"]
    arguments += ["--out", directory / "price.safetensors", "--report", directory / "report.html", "--quiet"]
    assert cli.main([str(argument) for argument in arguments]) == 0
    return directory


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


def test_a_number_is_learnt(trained, capsys):
    model = fb.Model.load(trained / "price.safetensors")
    assert model.metadata.keys() == {"target", "task", "classes", "ids", "half_widths"}
    assert model.metadata["ids"] == ["number", "name"]
    fresh = make_table(seed=1)[4:]
    known = fresh["size"].notna() & fresh["kind"].notna()
    errors = model.predict(read_table_of(fresh, trained))[:, 0] - fresh["price"]
    assert errors[known].abs().mean() < 0.3 * fresh["price"].std()


def read_table_of(frame, directory):
    frame.to_csv(directory / "fresh.csv", index=False)
    return read_table(directory / "fresh.csv").frame


def test_predictions_go_by_names(trained, tmp_path):
    fresh = make_table(seed=2)
    others = fresh[["new", "made", "kind", "weight", "size", "colour"]].copy()
    others["unheard of"] = "x"
    others.loc[5, "kind"] = "a kind that was never seen"
    fresh.to_csv(tmp_path / "fresh.csv", index=False)
    others.to_csv(tmp_path / "others.csv", index=False)
    for name in ("fresh", "others"):
        assert (
            run(
                "predict",
                trained / "price.safetensors",
                tmp_path / f"{name}.csv",
                "--out",
                tmp_path / f"{name}.out.csv",
            )
            == 0
        )
    first, second = (pd.read_csv(tmp_path / f"{name}.out.csv") for name in ("fresh", "others"))
    assert list(first.columns) == ["number", "name", "price"]
    assert len(first) == 400
    assert np.isfinite(second["price"]).all()
    same = first["price"] == second["price"]
    assert same.sum() == 399 and not same[5]


def test_a_column_that_is_missing_is_named(trained, tmp_path, capsys):
    make_table().drop(columns=["weight"]).to_csv(tmp_path / "less.csv", index=False)
    assert run("predict", trained / "price.safetensors", tmp_path / "less.csv", "--out", tmp_path / "out.csv") == 1
    assert "'weight'" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


def test_the_report_has_its_parts(trained):
    shown = (trained / "report.html").read_text(encoding="utf-8")
    for part in ("price from things.csv", "r2", "rmse", "held out", "weight", "colour", "AdamW", "is left out"):
        assert part in shown


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "tsv", "parquet"])
def test_classes_of_text(tmp_path, suffix, capsys):
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    bunch = datasets.load_wine(as_frame=True)
    frame = bunch.data.assign(cultivar=np.array(["barolo", "grignolino", "barbera"])[bunch.target])
    path = tmp_path / f"wine.{suffix}"
    if suffix == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if suffix == "tsv" else ",")
    model, out, report = tmp_path / "wine.safetensors", tmp_path / "out.csv", tmp_path / "report.html"
    quick = ["--quiet", "--preset", "fast", "--folds", "3"]
    assert run("train", path, "--target", "cultivar", *quick, "--out", model, "--report", report) == 0
    told = capsys.readouterr().out
    assert "3 classes" in told
    assert float(re.search(r"accuracy +([\d.]+)", told)[1]) > 0.9
    assert run("predict", model, path, "--out", out) == 0
    predicted = pd.read_csv(out)
    loaded = estimators.TabularClassifier.load(model)
    assert loaded.classes_.tolist() == ["barbera", "barolo", "grignolino"]
    assert loaded.predict(read_table(path).frame.drop(columns="cultivar")).tolist() == predicted["cultivar"].tolist()
    assert list(predicted.columns) == [
        "cultivar",
        *(f"probability_{name}" for name in ("barbera", "barolo", "grignolino")),
    ]
    assert (predicted["cultivar"] == frame["cultivar"]).mean() > 0.95
    np.testing.assert_allclose(predicted.iloc[:, 1:].sum(axis=1), 1, rtol=1e-5)
    assert "barolo" in report.read_text(encoding="utf-8")


def test_arrays_of_numpy(tmp_path, capsys):
    X, y = datasets.load_breast_cancer(return_X_y=True)
    np.savez(tmp_path / "cancer.npz", X=X, y=y)
    np.save(tmp_path / "X.npy", np.column_stack([X, y]))
    quick = ["--quiet", "--preset", "fast", "--folds", "2", "--epochs", "20", "--out"]
    assert run("train", tmp_path / "cancer.npz", "--target", "y", *quick, tmp_path / "a.safetensors") == 0
    assert "roc_auc" in capsys.readouterr().out
    assert run("train", tmp_path / "X.npy", "--target", "30", *quick, tmp_path / "b.safetensors") == 0
    assert run("predict", tmp_path / "b.safetensors", tmp_path / "X.npy", "--out", tmp_path / "out.npy") == 0
    assert np.mean(np.load(tmp_path / "out.npy")[:, 0] == y) > 0.95


@pytest.mark.parametrize("layers", [[], ["--hidden", "32,16"]], ids=["recipe", "network"])
def test_the_same_seed_gives_the_same_model(tmp_path, layers):
    make_table().to_csv(tmp_path / "things.csv", index=False)
    for name, threads in (("a", 1), ("b", 2)):
        arguments = ["--target", "price", "--epochs", "3", "--quiet", "--threads", threads, *layers]
        assert run("train", tmp_path / "things.csv", *arguments, "--out", tmp_path / name) == 0
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


# ---- What the target is ----


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["a", "b"] * 30, "class"),
        ([True, False] * 30, "class"),
        ([0, 1, 2] * 20, "class"),
        ([0.0, 1.0] * 30, "class"),
        ([0.5, 1.0] * 30, "regression"),
        (list(range(60)), "regression"),
    ],
)
def test_the_task_is_found(values, kind):
    frame = pd.DataFrame({"x": np.random.default_rng(0).normal(size=60), "y": values})
    task = find_task(frame, "y", "auto")
    assert task.kind == kind
    if kind == "class":
        assert [task.classes[label] for label in task.y] == values
        assert task.classes == sorted(set(values))


def test_what_cannot_serve_is_left_out_with_a_note():
    task = find_task(make_table().drop(columns="made"), "price", "auto")
    assert list(task.X.columns) == ["size", "weight", "kind", "colour", "new"]
    assert len(task.y) == 396
    notes = " ".join(task.notes)
    assert "4 rows have no 'price' and are left out." in notes
    assert (
        "'number' is an identifier by its name, different in every row, and is left out; to keep it, pass --keep number"
        in notes
    )
    assert "'always' is the same in every row" in notes
    assert "'name' is text, different in every row, and is left out" in notes


@pytest.mark.parametrize(
    ("frame", "target", "kind", "sentence"),
    [
        ({"x": [1.0, 2.0], "y": [1.0, 2.0]}, "z", "auto", "--target is 'z'; expected a column of the table: 'x', 'y'"),
        ({"x": [1.0, 2.0], "y": [1.0, 2.0]}, "y", "auto", "only 2 rows have a 'y'; at least 20 are needed"),
        ({"x": np.arange(30) % 7, "y": ["a"] * 30}, "y", "auto", "'y' is 'a' in every row; expected two classes"),
        ({"x": np.arange(30) % 7, "y": [5.5] * 30}, "y", "regression", "'y' is 5.5 in every row"),
        ({"x": np.arange(30) % 7, "y": ["a", "b"] * 15}, "y", "regression", "'y' holds something other than numbers"),
        (
            {"x": np.arange(30) % 7, "y": [np.inf, *range(29)]},
            "y",
            "regression",
            "row 1: 'y' is inf; expected finite numbers",
        ),
        ({"x": np.arange(30) % 7, "y": range(30)}, "y", "class", "'y' has 30 different values in 30 rows"),
        ({"x": [1] * 30, "y": range(30)}, "y", "regression", "no column is left to learn 'y' from"),
    ],
)
def test_what_cannot_be_learnt(frame, target, kind, sentence):
    with pytest.raises(CommandError) as error:
        find_task(pd.DataFrame(frame), target, kind)
    assert sentence in str(error.value)


# ---- Files ----


def test_awkward_columns_become_plain(tmp_path):
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame(
        {
            "when": [pd.Timestamp("1970-01-01 00:00:10"), pd.NaT],
            "where": [pd.Timestamp("1970-01-01", tz="Europe/Berlin")] * 2,
            "long": pd.to_timedelta([5, 6], unit="s"),
        }
    )
    frame.to_parquet(tmp_path / "table.parquet")
    table = read_table(tmp_path / "table.parquet").frame
    assert table["when"].dtype.kind == table["where"].dtype.kind == "M"
    np.testing.assert_array_equal(seconds_of(table["when"].to_numpy()), [10, np.nan])
    np.testing.assert_array_equal(seconds_of(table["where"].to_numpy()), [-3600, -3600])
    np.testing.assert_array_equal(table["long"], [5, 6])


@pytest.mark.parametrize(
    ("name", "contents", "sentence"),
    [
        ("missing.csv", None, "does not exist; expected a file"),
        ("table.xls", b"x", "has an unsupported extension"),
        ("table.csv", b"", "cannot be read"),
        ("table.csv", b"a,b\n", "has 0 rows and 2 columns; expected one or more of both"),
        ("table.npy", b"no array", "cannot be read"),
        ("table.npz", b"no arrays", "cannot be read"),
        ("table.parquet", b"no table", ""),
    ],
)
def test_files_that_are_no_tables(tmp_path, name, contents, sentence):
    if contents is not None:
        (tmp_path / name).write_bytes(contents)
    with pytest.raises(CommandError) as error:
        read_table(tmp_path / name)
    assert sentence in str(error.value)


def test_an_array_that_would_run_code_is_refused(tmp_path):
    np.save(tmp_path / "objects.npy", np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(CommandError, match="cannot be read"):
        read_table(tmp_path / "objects.npy")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "{}/things.csv", "--target", "cost"], "--target is 'cost'; expected a column of the table"),
        (
            ["train", "{}/things.csv", "--target", "price", "--out", "{}/no/m"],
            "--out is '{}/no/m', but the directory does not exist",
        ),
        (
            ["train", "{}/things.csv", "--target", "price", "--report", "{}/no/r"],
            "--report is '{}/no/r', but the directory does not exist",
        ),
        (["predict", "{}/nothing", "{}/things.csv", "--out", "{}/out.csv"], "No such file"),
        (["predict", "{}/things.csv", "{}/things.csv", "--out", "{}/out.csv"], "is not a model file of fastbp"),
        (["predict", "{}/other.safetensors", "{}/things.csv", "--out", "{}/out.csv"], "was not made by `fastbp train`"),
        (["predict", "{}/price.safetensors", "{}/things.csv", "--out", "{}/out.doc"], "expected a name that ends with"),
        (["inspect", "{}/nothing.csv"], "does not exist"),
        (["inspect", "{}/things.csv", "--target", "cost"], "--target is 'cost'"),
    ],
)
def test_what_cannot_be_done_gets_a_sentence(trained, capsys, arguments, sentence):
    fb.Model([fb.Dense(1)], inputs=2).save(trained / "other.safetensors")
    assert run(*(argument.format(trained) for argument in arguments)) == 1
    err = capsys.readouterr().err
    assert err.startswith("fastbp: ")
    assert sentence.format(trained) in err


def test_inspect_names_what_is_odd(trained, capsys):
    assert run("inspect", trained / "things.csv", "--target", "price") == 0
    told = capsys.readouterr().out
    assert "always" in told
    assert "size" in told
    assert run("inspect", trained / "things.csv") == 0
