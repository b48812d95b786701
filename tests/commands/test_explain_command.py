"""``fastbp explain``: what it prints, the page, and what is refused."""

import re
from pathlib import Path

import numpy as np
import pytest

import fastbp as fb
from fastbp.cli import main
from fastbp.commands.report.dependence_section import _paint as paint_dependence
from fastbp.explanations.cells import as_moment

pandas = pytest.importorskip("pandas", reason="pandas is not installed")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Tables of 200 rows, and a model of each kind, hardly trained."""
    folder = tmp_path_factory.mktemp("explain")
    rng = np.random.default_rng(0)
    size, colour = rng.normal(size=200), rng.choice(["red", "<b>blue"], 200)
    gap = np.where(rng.random(200) < 0.2, np.nan, rng.normal(size=200))
    frame = pandas.DataFrame({"size": size, "colour": colour, "gap": gap})
    frame.assign(answer=np.where(size > 0, "yes", "no")).to_csv(folder / "classes.csv", index=False)
    frame.assign(price=10 * size + (colour == "red")).to_csv(folder / "numbers.csv", index=False)
    for name, target in (("classes", "answer"), ("numbers", "price")):
        out, data = str(folder / f"{name}.model"), str(folder / f"{name}.csv")
        settings = ["--quiet", "--epochs", "8", "--hidden", "8", "--out", out]
        assert main(["train", data, "--target", target, *settings]) == 0
    return folder


def explain(files, name, *arguments):
    return main(["explain", str(files / f"{name}.model"), str(files / f"{name}.csv"), *arguments])


def test_numbers(files, capsys):
    assert explain(files, "numbers", "--rows", "3,17") == 0
    said = capsys.readouterr().out
    model, frame = fb.Model.load(files / "numbers.model"), pandas.read_csv(files / "numbers.csv")
    rows = frame.iloc[[2, 16]]
    behind = frame.iloc[np.sort(np.random.default_rng(0).permutation(200)[:100])]
    found = fb.explain(model, rows, background=behind, output="prediction")
    for i, number in enumerate((3, 17)):
        assert f"row {number}: price, {model.predict(rows)[i, 0]:.4g}; mean of 100 rows" in said
        largest = found.columns[found[i].order[0]]
        first = re.search(rf"row {number}:.*\n  ([+-])([\d.]+) ± [\d.]+  (\S+) =", said)
        assert first[3] == largest
        assert float(first[1] + first[2]) == pytest.approx(found.values[i, found[i].order[0]], rel=1e-3)
    assert "would be" not in said


def test_classes(files, capsys):
    assert explain(files, "classes", "--rows", "1") == 0
    said = capsys.readouterr().out
    assert re.search(r"row 1: answer = (yes|no), ", said)
    assert re.search(r"It would be (yes|no) if size were \S+ instead of ", said)


def test_the_page(files, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    page = tmp_path / "why.html"
    assert explain(files, "classes", "--rows", "1,2,3,4,5,6,7,8", "--report", str(page)) == 0
    text = page.read_text(encoding="utf-8")
    assert text.count("<svg") == 9  # one for each row, and one for all
    assert "Row 8: " in text
    assert "All of these rows" in text
    assert "<b>blue" not in text  # what the data says is escaped
    assert "It would be" in text
    assert "saved" in capsys.readouterr().out


def test_other_rows_to_compare_with(files, tmp_path, capsys):
    frame = pandas.read_csv(files / "numbers.csv")
    frame[:1].to_csv(tmp_path / "one.csv", index=False)
    model, one = str(files / "numbers.model"), str(tmp_path / "one.csv")
    assert main(["explain", model, one]) == 1
    assert "expected --background FILE" in capsys.readouterr().err
    assert main(["explain", model, one, "--background", str(files / "numbers.csv")]) == 0
    assert "mean of 100 rows" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--rows", "201"], 1, "--rows has 201, and 'numbers.csv' has 200 rows, counted from 1"),
        (["--rows", "0"], 2, "'0' is not a whole number of 1 or more"),
        (["--rows", ",".join(map(str, range(1, 60)))], 1, "--rows has 59 rows; expected 50 at most"),
        (["--report", "nowhere/why.html"], 1, "but the directory does not exist"),
    ],
)
def test_refusals(files, capsys, arguments, code, sentence):
    try:
        found = explain(files, "numbers", *arguments)
    except SystemExit as stopped:  # of the parser
        found = stopped.code
    assert found == code
    assert sentence in capsys.readouterr().err


def test_a_file_that_is_no_model(files, capsys):
    assert main(["explain", str(files / "numbers.csv"), str(files / "numbers.csv")]) == 1
    assert "model of `fastbp train`" in capsys.readouterr().err
    assert Path(files / "numbers.csv").exists()


def test_moments_are_said_as_dates_and_times(tmp_path, capsys):
    """The model has their seconds since 1970, which tell nobody anything."""
    rng = np.random.default_rng(0)
    day = pandas.to_datetime("2024-01-01") + pandas.to_timedelta(rng.integers(0, 300, 80), "D")
    frame = pandas.DataFrame({"day": day})
    frame.loc[3, "day"] = None
    frame["answer"] = np.where(frame.day > "2024-05-01", "yes", "no")
    data, model, page = (str(tmp_path / name) for name in ("days.csv", "days.model", "why.html"))
    frame.to_csv(data, index=False)
    assert (
        main(["train", data, "--target", "answer", "--quiet", "--epochs", "30", "--hidden", "8", "--out", model]) == 0
    )
    capsys.readouterr()
    assert main(["explain", model, data, "--rows", "1,2,4", "--report", page]) == 0
    said, page = capsys.readouterr().out, Path(page).read_text()
    for i in (0, 1):
        assert f"  day = {frame.day[i]:%Y-%m-%d}\n" in said
        assert f"day = {frame.day[i]:%Y-%m-%d}" in page
    assert "  day = missing\n" in said
    assert re.search(r"if day were 2024-\d\d-\d\d( \d\d:\d\d:\d\d)? instead of 2024-", said)


def test_seconds_as_moments():
    said = [as_moment(seconds) for seconds in (0.0, -86400.0, 61.6, float("nan"))]
    assert said == ["1970-01-01", "1969-12-31", "1970-01-01 00:01:02", "missing"]


def test_the_axis_of_moments_has_dates():
    figures = pytest.importorskip("matplotlib.figure")
    frame = pandas.DataFrame({"day": pandas.to_datetime(np.arange(20) * 864_000 + 1_704_067_200, unit="s")})
    model = fb.Model([fb.Dense(1)], prepare=fb.Standardize())
    model.build(frame)
    figure = figures.Figure(figsize=(4.3, 3))
    paint_dependence(fb.partial_dependence(model, frame, 0), "price", figure)
    figure.canvas.draw()
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert all(re.fullmatch(r"202[345]-\d\d-\d\d", label) for label in labels)
    assert 2 <= len(labels) <= 7
