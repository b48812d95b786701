"""What a command seldom meets: odd arguments, odd files and tables, and results about which there is little to say."""

import types
from pathlib import Path

import numpy as np
import pytest

import fastbp as fb
from fastbp import cli
from fastbp.commands import (
    bench,
    explain,
    export,
    identifiers,
    model_files,
    private_rows,
    private_train,
    tables,
    train,
    words,
)
from fastbp.commands.csv_files import with_gaps
from fastbp.commands.errors import CommandError
from fastbp.commands.explained_rows import ExplainedRow, Findings
from fastbp.commands.learned_columns import as_learned, keep_writings, text_columns
from fastbp.commands.outcome import Settings
from fastbp.commands.plain_columns import plain_column
from fastbp.commands.report import charts, choices, class_sections, explanation_page, problems
from fastbp.commands.report.highlights import _of_rare_classes
from fastbp.commands.schema_file import _kind_of
from fastbp.commands.task import find_task
from fastbp.inspection.report import Finding
from fastbp.support.threads import forget_threads
from fastbp.tabular.fitted import Course
from fastbp.tabular.recipe import Member
from fastbp.tabular.targets import NumberTargets

pd = pytest.importorskip("pandas", reason="pandas is not installed")

RNG = np.random.default_rng(0)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ---- Arguments ----


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["predict", "m", "t.csv", "--interval", "1.5"], "'1.5' is not a share above 0 and below 1"),
        (["predict", "m", "t.csv", "--interval", "most"], "'most' is not a share above 0 and below 1"),
        (["train", "t.csv", "--target", "y", "--epsilon", "0"], "'0' is not a number above 0, such as 3"),
        (["train", "t.csv", "--target", "y", "--epsilon", "inf"], "'inf' is not a number above 0, such as 3"),
        (["train", "t.csv", "--target", "y", "--epsilon", "low"], "'low' is not a number above 0, such as 3"),
        (["train", "t.csv", "--target", "y", "--delta", "1"], "'1' is not a number above 0 and below 1"),
        (["train", "t.csv", "--target", "y", "--max-grad-norm", "1e7"], "'1e7' is not a number from 1e-6 to 1e6"),
        (["train", "t.csv", "--target", "y", "--max-grad-norm", "?"], "'?' is not a number from 1e-6 to 1e6"),
    ],
)
def test_numbers_that_an_option_does_not_take(capsys, arguments, sentence):
    with pytest.raises(SystemExit) as exit_:
        cli.main(arguments)
    assert exit_.value.code == 2
    assert sentence in capsys.readouterr().err


def test_threads_of_the_environment_that_are_no_number(monkeypatch, capsys):
    monkeypatch.setenv("FASTBP_NUM_THREADS", "many")
    forget_threads()
    try:
        with pytest.raises(SystemExit) as exit_:
            cli.main(["inspect", "t.csv"])
    finally:
        monkeypatch.undo()
        forget_threads()
    assert exit_.value.code == 2
    assert "FASTBP_NUM_THREADS is 'many'" in capsys.readouterr().err


def test_a_precision_that_the_machine_lacks(here, monkeypatch, capsys):
    from fastbp.engine import kernels

    pd.DataFrame({"x": np.arange(50.0), "y": np.arange(50.0)}).to_csv("t.csv", index=False)
    former = kernels.isa()
    monkeypatch.delenv("FASTBP_BF16", raising=False)
    kernels.select_isa("baseline")
    try:
        assert cli.main(["train", "t.csv", "--target", "y", "--precision", "bf16-mixed"]) == 1
    finally:
        kernels.select_isa(former)
    assert "--precision is 'bf16-mixed'; expected None or 'float32'" in capsys.readouterr().err


# ---- bench ----


def test_a_comparison_whose_process_ends(monkeypatch):
    def ended(end, seconds):
        raise EOFError

    monkeypatch.setattr(bench, "_take_turn", ended)
    with pytest.raises(CommandError, match="a process of the comparison has ended; is there enough memory"):
        bench._compare(bench.Task((4, 4, 2), 8, 2), 0.1, 1)


def test_a_chart_that_cannot_be_written(here, monkeypatch):
    pytest.importorskip("matplotlib")
    result = bench.Result(bench.TASKS[0], 1e-3, 2e-3, 2.0)
    with pytest.raises(CommandError, match=r"--chart is 'nowhere/c.png', which could not be written: .*nowhere"):
        bench._draw(Path("nowhere/c.png"), [result])


def test_bench_without_a_chart(monkeypatch, capsys):
    monkeypatch.setattr(bench, "_compare", lambda task, seconds, n_threads: bench.Result(task, 1e-3, 2e-3, 2.0))
    results = bench.run(1.0)
    assert len(results) == len(bench.TASKS)
    assert "saved" not in capsys.readouterr().out


# ---- Tables ----


def test_codes_with_leading_zeros_beside_gaps_stay_text():
    column = pd.Series(["007", "n/a", "12"])
    assert with_gaps(column) is column


def test_objects_that_are_neither_numbers_nor_lists_are_read_as_their_text():
    class Colour:
        def __repr__(self):
            return "red"

    column, why_not = plain_column(pd.Series([Colour(), Colour()]))
    assert why_not == ""
    assert column.tolist() == ["red", "red"]


def test_a_table_without_a_column_that_is_read(here):
    pytest.importorskip("pyarrow")
    pd.DataFrame({"x": [[1], [2]]}).to_parquet("t.parquet")
    with pytest.raises(CommandError, match=r"'t.parquet' has no column of numbers, moments or text; expected one"):
        tables.read_table(Path("t.parquet"))


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ImportError("No module named 'x'"), "'t.csv' needs a package that is not installed: No module named 'x'"),
        (OSError(28, "No space left on device"), "'t.csv' cannot be written: No space left on device"),
    ],
)
def test_a_table_that_cannot_be_written(here, monkeypatch, error, sentence):
    def write(*arguments):
        raise error

    monkeypatch.setattr(tables, "writer_of", lambda path: write)
    with pytest.raises(CommandError, match=sentence):
        tables.write_table(pd.DataFrame({"a": [1]}), Path("t.csv"))


@pytest.mark.parametrize("error", [BrokenPipeError(), OSError(28, "No space left on device")])
def test_an_output_that_takes_no_more(monkeypatch, error):
    def write(*arguments):
        raise error

    given_up = []
    monkeypatch.setattr(tables, "writer_of", lambda path: write)
    monkeypatch.setattr(tables, "give_up_output", lambda: given_up.append(True))
    if isinstance(error, BrokenPipeError):
        tables.write_table(pd.DataFrame({"a": [1]}), tables.PIPE)
    else:
        with pytest.raises(CommandError, match="the output cannot be written: No space left"):
            tables.write_table(pd.DataFrame({"a": [1]}), tables.PIPE)
    assert given_up == [True]


def test_every_column_is_empty_where_rows_are_trained_on():
    task = find_task(pd.DataFrame({"x": [np.nan] * 30 + [1.0], "y": np.arange(31.0)}), "y", "auto")
    with pytest.raises(CommandError, match=r"no column is left to learn 'y' from\. No row that is trained on has a"):
        train._without_empty(task, np.arange(30))


def test_a_long_name_of_narrow_and_wide_letters_is_cut():
    for name in ("a" * 30, "名" * 30, "a名" * 20, "é" * 15):
        cut = words.shortened(name, 14)
        assert cut.endswith("…")
        assert sum(map(words._width, cut)) <= 14
    assert words.shortened("a" * 14, 14) == "a" * 14


def test_values_that_jump_are_not_sorted():
    assert not identifiers._is_sorted(np.array([1.0, 3.0, 2.0]), np.array([0, 0, 1]))


def test_a_schema_leaves_moments_out(here):
    frame = pd.DataFrame({"when": pd.date_range("2024-01-01", periods=20), "y": np.arange(20.0)})
    assert [_kind_of(frame[name]) for name in frame] == ["ignore", "number"]


# ---- What a model learned of its columns ----


def test_a_model_that_knows_no_names_takes_the_table_as_it_is():
    table = types.SimpleNamespace(frame=pd.DataFrame({"a": [1.0]}), name="t.csv")
    nameless = types.SimpleNamespace(names=None, writings={})
    for learned in (None, nameless):
        assert text_columns(learned) == set()
        assert as_learned(learned, table) is table.frame
        keep_writings(learned, {"a": None})
    assert nameless.writings == {}


def test_a_column_of_text_in_which_there_are_only_numbers_and_gaps():
    learned = types.SimpleNamespace(names=("a",), texts={}, writings={})
    table = types.SimpleNamespace(frame=pd.DataFrame({"a": ["1", "n/a", "2.5"]}), name="t.csv")
    column = as_learned(learned, table)["a"]
    assert column.tolist()[::2] == [1.0, 2.5]
    assert np.isnan(column[1])


# ---- Files of models ----


def test_a_trainer_is_no_model_of_train(here):
    model = fb.Model([fb.Dense(1)], inputs=2)
    fb.Trainer(model, "mse").save("trainer")
    with pytest.raises(CommandError, match="trainer"):
        model_files.load_model(Path("trainer"))


def test_a_network_of_classes_is_exported_with_its_labels(here):
    model = fb.Model([fb.Dense(2, "softmax")], inputs=2)
    model.metadata = {"classes": ["no", "yes"]}
    model.save("m")
    assert list(export._load_model(Path("m")).classes) == ["no", "yes"]


def test_an_export_that_cannot_be_written(here, capsys):
    pytest.importorskip("onnx")
    fb.Model([fb.Dense(2)], inputs=2).save("m")
    assert cli.main(["export", "m", "nowhere/m.onnx"]) == 1
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_an_export_for_which_there_is_no_room(here, capsys):
    fb.Model([fb.Dense(2)], inputs=2).save("m")
    Path("m.c").symlink_to("/dev/full")
    assert cli.main(["export", "m", "m.c"]) == 1
    output = capsys.readouterr()
    assert output.err == "fastbp: [Errno 28] No space left on device: 'm.c'\n"
    assert output.out == ""  # nothing is said to be saved


@pytest.mark.parametrize("norm", [1e-6, 2.5, 1e6])
def test_norms_that_an_option_takes(norm):
    options = cli.make_parser().parse_args(["train", "t.csv", "--target", "y", "--max-grad-norm", str(norm)])
    assert options.max_grad_norm == norm


# ---- Explanations ----


def test_few_rows_are_compared_with_all_of_them(here):
    columns = pd.DataFrame({"a": np.arange(5.0)})
    assert explain._sample(columns, here / "t.csv") is columns


def test_no_change_that_would_give_another_class():
    row = ExplainedRow(1, "yes", 0.9, "no", None)
    said = Findings.what_changes(types.SimpleNamespace(), row)
    assert said == "No change of up to four columns was found for which it would be no."


# ---- Training ----


def test_ctrl_c_before_an_epoch_is_completed_saves_no_network(here, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    pd.DataFrame({"a": RNG.normal(size=60), "y": RNG.normal(size=60)}).to_csv("t.csv", index=False)
    monkeypatch.setattr(fb.Trainer, "fit", interrupted)
    assert cli.main(["train", "t.csv", "--target", "y", "--hidden", "4", "--quiet"]) == 130
    assert [path.name for path in here.iterdir()] == ["t.csv"]


# ---- Private rows, read line by line ----


def test_a_file_of_private_rows_that_is_empty_or_of_no_known_encoding(here, capsys):
    schema = fb.privacy.Schema({"age": [0, 100], "ill": ["no", "yes"]}, {"separator": ",", "header": True})
    (here / "schema.toml").write_text(schema.text(), encoding="utf-8")
    (here / "t.csv").write_text("")
    private = ["--epsilon", "3", "--delta", "1e-4", "--schema", "schema.toml", "--quiet"]
    for more, sentence in (((), "'t.csv' is empty; expected a table"), (("--encoding", "x"), "--encoding is 'x'")):
        assert cli.main(["train", "t.csv", "--target", "ill", *private, *more]) == 1
        assert sentence in capsys.readouterr().err


def test_lines_of_private_rows_by_blanks_and_with_what_csv_refuses():
    blanks = list(private_rows._split_lines(["a  b\n", "\n", " 1\t2 \n"], private_rows.BLANKS))
    assert blanks == [["a", "b"], ["1", "2"]]
    huge = "x" * 200_000  # a field beyond csv's limit
    assert list(private_rows._split_lines([f"{huge},1\n", "2,3\n"], ",")) == [["2", "3"]]


def test_a_file_of_private_rows_of_which_too_few_are_as_the_schema_has_them():
    rows = types.SimpleNamespace(y=np.zeros(1))
    with pytest.raises(CommandError, match=r"has 1 row whose target is as the schema has it; expected 2"):
        private_train._some(rows, "'t.csv'", 2)
    assert private_train._some(rows, "'t.csv'", 1) is rows


# ---- Reports in which there is little to say ----


def outcome_of(y, outputs):
    task = types.SimpleNamespace(classes=["no", "yes"], y=y)
    return types.SimpleNamespace(task=task, outputs=outputs)


def test_no_row_was_predicted_wrongly():
    (said,) = class_sections._pairs(np.array([[3, 0], [0, 4]]), outcome_of(None, None))
    assert "No held-out row was predicted wrongly." in said


def test_rows_of_one_class_have_no_curves():
    y = np.zeros(5, np.int64)
    (said,) = class_sections._curves(y, outcome_of(y, np.full((5, 2), 0.5)))
    assert "All held-out rows are of one class: there are no curves." in said


def test_a_single_rare_class_is_named_alone():
    y = np.repeat([0, 1], [95, 5])
    outcome = outcome_of(y, np.tile([0.9, 0.1], (100, 1)))
    outcome.test_rows, outcome.scores = np.arange(100), {"accuracy": 0.95, "balanced_accuracy": 0.5}
    assert _of_rare_classes(outcome) == [
        "Class 'yes' is rare: it has 5 rows of 100, where 'no' has 95 %. Look at balanced_accuracy (0.5), not at "
        "accuracy (0.95); never predicted: yes."
    ]


def test_copies_of_which_none_is_held_out_do_not_make_the_scores_too_good():
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 2)), columns=["a", "b"])
    X.iloc[40:50] = X.iloc[:10].to_numpy()
    task = types.SimpleNamespace(X=X, y=np.zeros(60, int))
    outcome = types.SimpleNamespace(task=task, train_rows=np.arange(50), test_rows=np.arange(50, 60))
    findings = [Finding("note", "duplicate_rows", None, "")]
    assert problems.describe_twins(outcome, findings) == ["10 rows are equal to an earlier one in every column."]


def test_a_finding_without_words_of_its_own_is_said_as_it_is_but_for_names_of_python():
    task = types.SimpleNamespace(X=pd.DataFrame({"a": [1.0, 2.0]}))
    findings = [Finding("warning", "new", None, said) for said in ("A thing is odd.", "Call fb.inspect_data.")]
    assert problems.describe_problems(task, findings) == [str(findings[0])]


def test_a_network_none_of_whose_epochs_was_kept_has_a_line_without_a_dot(monkeypatch):
    figures = {"loss": [2.0, 1.0], "val_loss": [3.0, 2.0]}
    courses = [Course(Member(48, 0.01, 0.0), fold, figures, best) for fold, best in ((0, 2), (1, 0))]
    painted = []
    monkeypatch.setattr(charts, "draw", lambda paint, *arguments: painted.append(paint) or "drawn")
    assert charts.learning_curves(courses, "loss") == "drawn"
    figure = pytest.importorskip("matplotlib.figure").Figure()
    painted[0](figure)
    lines = [line.get_xydata().tolist() for line in figure.axes[0].lines]
    assert lines == [[[1, 3], [2, 2]], [[2, 2]], [[1, 3], [2, 2]]]


def test_a_row_of_a_number_that_nothing_changes_is_explained_by_its_share_alone(monkeypatch):
    monkeypatch.setattr(explanation_page, "_bars", lambda explanation, title: "BARS")
    explanation = [types.SimpleNamespace(base_values=np.array([2.5]))]
    page = explanation_page._row(Findings("price", explanation, [], 40), 0, ExplainedRow(7, None, 3.25, None, None))
    assert "Row 7: 3.25" in page
    assert "From the mean of 40 rows, 2.5, to 3.25. Rows are counted from 1" in page
    assert page.count("<p") == 1  # no change is spoken of


# ---- What a recipe chose ----


@pytest.mark.parametrize(
    ("loss", "asked", "chosen", "why"),
    [
        ("log", "auto", "the logarithm of price", "held-out rows were predicted better so than with the squared error"),
        ("log", "log", "the logarithm of price", "--loss says so"),
        ("poisson", "auto", "price as counts, with the loss poisson", "held-out rows were predicted better so than"),
        ("mse", "auto", "as it is, with the loss mse", "its values are numbers"),
        ("mae", "mae", "as it is, with the loss mae", "--loss says so"),
    ],
)
def test_the_form_of_the_target_and_its_reason(loss, asked, chosen, why):
    targets = NumberTargets.of(np.array([[1.0], [2.0], [4.0]]), loss)
    trained = types.SimpleNamespace(fitted=types.SimpleNamespace(targets=targets), settings=Settings(loss=asked))
    part = choices._target_part(trained, types.SimpleNamespace(kind="regression", target="price"))
    assert (part.what, part.chosen) == ("target", chosen)
    assert part.why.startswith(why)


@pytest.mark.parametrize(
    ("n_folds", "settings", "chosen", "why"),
    [
        (1, {}, "a fifth of the rows that are trained on", "one split of many rows is enough"),
        (5, {"preset": "fast"}, "5 folds, each held out once", "up to 4,000 rows are too few for one split"),
        (8, {"preset": "best"}, "8 folds, each held out once", "--preset says so"),
        (5, {}, "5 folds, each held out once", "a network is trained on all other folds"),
        (3, {"preset": "best", "folds": 3}, "3 folds, each held out once", "--folds says so"),
    ],
)
def test_the_rows_to_choose_by_and_their_reason(n_folds, settings, chosen, why):
    record = types.SimpleNamespace(n_folds=n_folds)
    trained = types.SimpleNamespace(fitted=types.SimpleNamespace(record=record), settings=Settings(**settings))
    assert choices._rows_part(trained) == ("rows to choose by", chosen, why)


@pytest.mark.parametrize("errors", [{}, {"nets": 0.2}, {"linear": 0.2}])
def test_of_one_kind_of_model_no_share_is_told(errors):
    record = types.SimpleNamespace(errors=errors, is_constant=False)
    assert choices._linear_parts(types.SimpleNamespace(fitted=types.SimpleNamespace(record=record))) == []


def test_recurring_values_of_numbers_have_tables_too():
    encoding = types.SimpleNamespace(numbers=[], levels=[1, 2], cardinalities=[3], coded_numbers=[0])
    trained = types.SimpleNamespace(fitted=types.SimpleNamespace(encodings={"a": encoding}))
    part = choices._columns_part(trained)
    assert part.chosen == "2 written out by level, 1 with a trained table"
    assert part.why.endswith("categories of ten levels or more and recurring values of numbers have a trained table")
