"""`fastbp train` trains the recipe for tables: its options, what it says of its choices, and of what its scores are."""

import sys

import numpy as np
import pytest

from fastbp import cli
from fastbp.commands.errors import CommandError
from fastbp.commands.model_files import load_model
from fastbp.commands.outcome import Settings
from fastbp.commands.report import findings_of, highlights
from fastbp.commands.roles import Choice
from fastbp.commands.scores import scores_of
from fastbp.commands.settings import weighted
from fastbp.commands.task import find_task
from fastbp.commands.train import train
from fastbp.tabular.fitted import FittedTable

pd = pytest.importorskip("pandas", reason="pandas is not installed")
pytest.importorskip("matplotlib")

QUICK = ["--preset", "fast", "--folds", "2", "--epochs", "8", "--quiet"]


def make_table(n=150, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": rng.normal(size=n), "b": rng.normal(size=n), "kind": rng.choice(["x", "y", "z"], n)})
    frame["weight"] = rng.integers(0, 3, n)
    frame["price"] = 2 * frame["a"] + (frame["kind"] == "x") + rng.normal(0, 0.3, n)
    frame["sold"] = np.where(frame["price"] > 0.3, "yes", "no")
    return frame


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_table().to_csv("table.csv", index=False)
    make_table(100, seed=1).to_csv("test.csv", index=False)
    return tmp_path


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


def outputs_of(model="table.fastbp.safetensors", data="test.csv"):
    assert run("predict", model, data, "--out", "out.csv") == 0
    return pd.read_csv("out.csv")


@pytest.fixture(scope="module")
def plain_outputs(tmp_path_factory):
    """What models of both targets, without any option, predict; and the column that each does without."""
    directory = tmp_path_factory.mktemp("plain")
    make_table().to_csv(directory / "table.csv", index=False)
    make_table(100, seed=1).to_csv(directory / "test.csv", index=False)
    known = {("drop", "price"): "sold", ("drop", "sold"): "price"}
    for target in ("price", "sold"):
        arguments = ["--target", target, "--drop", known["drop", target], *QUICK, "--out", directory / "model"]
        assert run("train", directory / "table.csv", *arguments) == 0
        assert run("predict", directory / "model", directory / "test.csv", "--out", directory / "out.csv") == 0
        known[target] = pd.read_csv(directory / "out.csv")
    return known


# ---- Options ----


@pytest.mark.parametrize(
    ("target", "options"),
    [
        ("price", ["--refit"]),
        ("price", ["--dropout", "0.5"]),
        ("price", ["--dropout", "0"]),
        ("price", ["--learning-rate", "0.02"]),
        ("price", ["--loss", "huber"]),
        ("price", ["--sample-weight", "weight"]),
        ("price", ["--folds", "3"]),
        ("price", ["--batch-size", "16"]),
        ("sold", ["--metric", "log_loss"]),
        ("sold", ["--class-weight", "yes=9,no=1"]),
        ("sold", ["--class-weight", "balanced", "--sample-weight", "weight"]),
    ],
)
def test_each_option_changes_the_model(here, plain_outputs, target, options):
    plain = plain_outputs[target]
    assert run("train", "table.csv", "--target", target, "--drop", plain_outputs["drop", target], *QUICK, *options) == 0
    changed = outputs_of()
    assert list(changed.columns) == list(plain.columns)
    assert not np.array_equal(changed.iloc[:, -1], plain.iloc[:, -1])


def test_the_metric_decides(here, capsys):
    assert run("train", "table.csv", "--target", "price", "--metric", "mae", *QUICK) == 0
    assert "each at its best epoch by mae" in capsys.readouterr().out
    assert FittedTable.load("table.fastbp.safetensors")[0].record.metric == "mae"


def test_a_class_of_more_weight_is_predicted_more_often(here):
    common = [*QUICK, "--drop", "price,a", "--target", "sold"]
    shares = []
    for weights in ("yes=9,no=1", "yes=1,no=9"):
        assert run("train", "table.csv", *common, "--class-weight", weights) == 0
        shares.append(outputs_of()["probability_yes"].mean())
    assert shares[0] > 0.6 and shares[1] < 0.4


def test_rows_of_weight_0_teach_nothing(here, capsys):
    frame = make_table()
    wrong = frame.assign(price=-5 * frame["price"], weight=0)
    pd.concat([frame.assign(weight=1), wrong]).to_csv("more.csv", index=False)
    assert run("train", "more.csv", "--target", "price", "--sample-weight", "weight", *QUICK) == 0
    assert "150 rows of weight 0 left out" in capsys.readouterr().out
    more = outputs_of("more.fastbp.safetensors")["price"]
    frame.drop(columns="weight").to_csv("table.csv", index=False)
    assert run("train", "table.csv", "--target", "price", *QUICK) == 0
    np.testing.assert_allclose(more, outputs_of()["price"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layers", [[], ["--hidden", "8"]], ids=["recipe", "network"])
def test_another_file_is_what_the_scores_are_of(here, capsys, layers):
    quick = ["--quiet", "--epochs", "8"]
    assert run("train", "table.csv", "--target", "sold", "--drop", "price", "--test", "test.csv", *quick, *layers) == 0
    told = capsys.readouterr().out
    assert "on 100 held-out rows" in told
    predicted = outputs_of()
    truth = make_table(100, seed=1)["sold"]
    assert f"accuracy           {(predicted['sold'] == truth).mean():.4g}" in told


def test_what_is_wrong_in_the_other_file_is_said_before_training(here, capsys, monkeypatch):
    monkeypatch.setattr("fastbp.commands.train.train", lambda *_: pytest.fail("it was trained"))
    other = make_table(100, seed=1)
    for frame, sentence in (
        (other.drop(columns="kind"), "lacks"),
        (other.drop(columns="sold"), "'bad.csv': --target is 'sold'"),
        (other.assign(sold=["maybe", *other["sold"][1:]]), "'bad.csv': row 1: 'sold' is 'maybe'; expected one"),
        (other.assign(a=["?!", *other["a"][1:].map(str)]), "row 1, column 'a' is '?!'; expected a number"),
        (other[:3], "'bad.csv' has 3 rows with a 'sold'; expected 5 or more"),
        (other[:1], "'bad.csv' has 1 row with a 'sold'; expected 5 or more"),
    ):
        frame.to_csv("bad.csv", index=False)
        assert run("train", "table.csv", "--target", "sold", "--test", "bad.csv", *QUICK) == 1
        told = capsys.readouterr().err
        assert sentence in told or (sentence == "lacks" and "'kind'" in told)


def test_a_time_limit_ends_training(here, capsys):
    assert run("train", "table.csv", "--target", "price", "--time-limit", "2", "--epochs", "1000000", "--quiet") == 0
    assert load_model(here / "table.fastbp.safetensors").metadata["target"] == "price"


@pytest.mark.parametrize(
    ("target", "options", "sentence"),
    [
        ("price", ["--metric", "accuracy"], "--metric is 'accuracy', and 'price' holds numbers; expected one of auto"),
        ("sold", ["--metric", "rmse"], "--metric is 'rmse', and 'sold' holds classes; expected one of auto, accuracy"),
        ("sold", ["--loss", "mae"], "--loss is 'mae', and 'sold' holds classes"),
        ("price", ["--loss", "log"], "--loss log is for numbers above 0, and 'price' goes down to"),
        ("price", ["--loss", "poisson"], "--loss poisson is for numbers of 0 or more"),
        ("price", ["--class-weight", "balanced"], "--class-weight is for classes, and 'price' holds numbers"),
        ("sold", ["--class-weight", "yes"], "--class-weight has 'yes'; expected 'balanced', or weights such as no=5"),
        ("sold", ["--class-weight", "yes=-1"], "--class-weight has 'yes=-1'; expected a number above 0"),
        ("sold", ["--sample-weight", "sold"], "--sample-weight is 'sold', which is the target"),
        ("sold", ["--sample-weight", "kind"], "--sample-weight is 'kind', which holds no numbers"),
        ("sold", ["--sample-weight", "a"], "the weight of the row, is -"),
        ("sold", ["--sample-weight", "wieght"], "did you mean 'weight'?"),
        ("price", ["--hidden", "8", "--preset", "best"], "--preset is for the networks that fastbp chooses"),
        ("price", ["--hidden", "8", "--folds", "3"], "--folds is for the networks that fastbp chooses"),
        ("price", ["--hidden", "8", "--refit"], "--refit is for the networks that fastbp chooses"),
        ("price", ["--hidden", "8", "--loss", "log"], "--loss log is for the networks that fastbp chooses"),
        ("price", ["--test", "nowhere.csv"], "'nowhere.csv' does not exist"),
        ("price", ["--test", "table.csv", "--out", "table.csv"], "too; expected another file"),
    ],
)
def test_what_makes_no_sense_gets_a_sentence(here, capsys, target, options, sentence):
    assert run("train", "table.csv", "--target", target, "--quiet", "--epochs", "1", *options) == 1
    assert sentence in capsys.readouterr().err
    assert not (here / "table.fastbp.safetensors").exists()


@pytest.mark.parametrize(
    "options",
    [
        ["--dropout", "0.3"],
        ["--learning-rate", "0.01", "--metric", "mae"],
        ["--loss", "huber", "--sample-weight", "weight"],
        ["--time-limit", "60"],
    ],
)
def test_a_single_network_takes_them_too(here, options):
    common = ["--hidden", "8", "--epochs", "4", "--quiet", "--drop", "sold", "--target", "price"]
    assert run("train", "table.csv", *common, *options) == 0
    assert np.isfinite(outputs_of()["price"]).all()


# ---- Scores, and what is said ----


def test_scores_are_those_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 2, 200), rng.dirichlet([1, 1], 200).round(1)  # with ties
    ours = scores_of(y, p, 2)
    assert ours["accuracy"] == pytest.approx(metrics.accuracy_score(y, p.argmax(axis=1)))
    assert ours["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(y, p.argmax(axis=1)))
    assert ours["roc_auc"] == pytest.approx(metrics.roc_auc_score(y, p[:, 1]))
    inner = np.clip(p, 0.1, 0.9)
    assert scores_of(y, inner, 2)["log_loss"] == pytest.approx(metrics.log_loss(y, inner))
    z, q = rng.normal(size=50), rng.normal(size=(50, 1))
    of_numbers = scores_of(z, q, 0)
    assert of_numbers["r2"] == pytest.approx(metrics.r2_score(z, q[:, 0]))
    assert of_numbers["rmse"] == pytest.approx(metrics.root_mean_squared_error(z, q[:, 0]))
    assert of_numbers["mae"] == pytest.approx(metrics.mean_absolute_error(z, q[:, 0]))


@pytest.mark.slow
def test_the_scores_come_from_rows_that_nothing_was_learned_from():
    """Of noise nothing can be learned: the held-out scores must not be better than chance, whatever is chosen."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(400, 20)), columns=[f"x{i}" for i in range(20)])
    frame["y"] = rng.normal(size=400)
    scores = []
    for seed in range(3):
        task = find_task(frame, "y", "auto")
        scores.append(train(task, Settings(epochs=10, seed=seed, preset="fast", progress=False)).scores["r2"])
    assert np.mean(scores) < 0.1


@pytest.mark.slow
def test_the_linear_model_beside_the_scores():
    """On a straight line it is as good, and that is said; on a wave it is not."""
    linear = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.uniform(-2, 2, size=(600, 3)), columns=["a", "b", "c"])
    settings = Settings(preset="fast", folds=3, epochs=30, progress=False)
    line = find_task(frame.assign(y=frame["a"] - frame["b"] + rng.normal(0, 0.5, 600)), "y", "auto")
    outcome = train(line, settings)
    train_rows, test_rows = outcome.train_rows, outcome.test_rows
    theirs = linear.LinearRegression().fit(line.X.iloc[train_rows], line.y[train_rows])
    assert outcome.linear["r2"] == pytest.approx(theirs.score(line.X.iloc[test_rows], line.y[test_rows]), abs=0.03)
    assert any("A linear model is as good on these rows" in each for each in highlights(outcome, findings_of(line)))
    wave = train(find_task(frame.assign(y=np.sin(3 * frame["a"]) + frame["b"]), "y", "auto"), settings)
    assert wave.linear["rmse"] > 1.5 * wave.scores["rmse"]


@pytest.mark.slow
def test_the_form_of_the_target_is_chosen_and_said():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.uniform(-1, 1, size=(500, 3)), columns=["a", "b", "c"])
    frame["income"] = np.exp(3 * frame["a"] + frame["b"] + rng.normal(0, 0.1, 500))
    settings = Settings(preset="fast", folds=2, progress=False)
    outcome = train(find_task(frame, "income", "auto"), settings)
    said = "\n".join(highlights(outcome, []))
    assert "the logarithm of income" in said and "held-out rows were predicted better so" in said


def test_a_prediction_that_is_the_same_for_all_rows_is_said():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(100, 3)), columns=["a", "b", "y"])
    outcome = train(find_task(frame, "y", "auto"), Settings(folds=2, progress=False))
    said = "\n".join(highlights(outcome, []))
    assert "All rows are predicted alike, as held-out rows were not clearly predicted better by what" in said


def test_the_weights_of_rows_and_classes_are_multiplied():
    frame = make_table().assign(weight=2.0)
    task = find_task(frame, "sold", "auto", Choice(weight="weight"))
    assert "weight" not in task.X.columns
    both = weighted(task, Settings(class_weight="yes=3,no=0.5")).weights
    np.testing.assert_array_equal(both, np.where(frame["sold"] == "yes", 6.0, 1.0))
    with pytest.raises(CommandError, match="expected a number above 0"):
        weighted(task, Settings(class_weight="yes=0"))


def test_the_report_says_what_was_chosen_and_why(here):
    assert run("train", "table.csv", "--target", "price", "--drop", "sold", *QUICK, "--report", "r.html") == 0
    page = (here / "r.html").read_text(encoding="utf-8")
    for part in (
        "What was chosen, and why",
        "the target is a number",
        "2 folds, each held out once",
        "--folds says so",
        "share of the variance not explained of held-out rows was",
        "linear model: ",
        "on which nothing was trained and nothing chosen",
        "TabularRegressor.load(&#x27;table.fastbp.safetensors&#x27;)",
    ):
        assert part in page


def test_the_report_says_that_the_best_preset_weighs_its_networks(here, capsys):
    options = ["--drop", "sold", "--preset", "best", "--folds", "2", "--epochs", "3", "--report", "r.html"]
    assert run("train", "table.csv", "--target", "price", *options) == 0
    report = (here / "r.html").read_text(encoding="utf-8")
    assert "the preset is best; what made their mean better on held-out rows has more weight in it" in report
    assert "The weighted mean of 12 networks" in capsys.readouterr().out


def test_it_needs_no_scikit_learn(here, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "sklearn" or name.startswith("fastbp.sklearn")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert run("train", "table.csv", "--target", "sold", *QUICK, "--report", "report.html") == 0
    assert len(outputs_of()) == 100
