"""The page of a report: one file, right HTML, names as they are, readable in light, in dark and on a phone."""

import html
import html.parser
import re

import numpy as np
import pytest

from fastbp import cli
from fastbp.commands.report import charts
from fastbp.commands.report.fonts import families_for
from fastbp.commands.report.markup import items
from fastbp.commands.report.pictures import draw
from fastbp.commands.words import shortened

pd = pytest.importorskip("pandas")
pytest.importorskip("matplotlib")
font_manager = pytest.importorskip("matplotlib.font_manager")

ODD_NAMES = [
    "$alpha$",
    "US$ and $5",
    "<script>alert(1)</script>",
    "a & b",
    "日本語",
    "한국어",
    '" id="x" href="#x"',
    "#2563a8",
]
ODD_NAMES += ["50 %", "{x}", "a\\b_c^d", "עברית", "\U0001f600"]

VOID = {"meta", "img", "br"}


class Page(html.parser.HTMLParser):
    """The tags of a page, checked for their nesting, its text, and its addresses."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.sources, self.texts, self.ids = [], [], [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.sources += [value for name, value in attributes if name in ("src", "href", "xlink:href")]
        self.ids += [value for name, value in attributes if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def count(self, tag):
        return [name for name, _ in self.tags].count(tag)


def make_table(names, target, n=600, seed=0):
    """Classes of these names, more of them taken for their neighbours than for others; columns of odd names."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, len(names), n)
    frame = pd.DataFrame({f"$x_{i}$ 列": rng.normal(0, 1.5, n) + y * (i + 1) % 7 for i in range(3)})
    frame["words"] = rng.choice(["$5", "<b>", "列"], n)
    return frame.assign(**{target: np.array(names, dtype=object)[y]})


def report_on(frame, target, directory, *arguments):
    """The text of the page, and its parts."""
    frame.to_csv(directory / "table $1.csv", index=False)
    command = ["train", "table $1.csv", "--target", target, "--epochs", "3", "--hidden", "16", "--quiet"]
    command += ["--out", "the model.safetensors", "--report", "report.html", *arguments]
    assert cli.main(command) == 0
    text = (directory / "report.html").read_text(encoding="utf-8")
    return text, Page(text)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def svgs_of(text):
    return re.findall(r"<svg.*?</svg>", text, re.DOTALL)


def check_page(text, page):
    """Whatever the table, these hold of its report."""
    assert len(text) < 1_500_000
    assert all(source.startswith(("data:image/png;base64,", "#")) for source in page.sources)
    assert "http" not in re.sub(r"base64,[^\"]*", "", text)
    assert "<script" not in text
    assert "@import" not in text
    assert len(page.ids) == len(set(page.ids))
    assert {source[1:] for source in page.sources if source.startswith("#")} <= set(page.ids)
    assert 'name="viewport" content="width=device-width, initial-scale=1"' in text
    for svg in svgs_of(text):
        tags = " ".join(re.findall(r"<[^>]+>", svg))
        # letters, axes and curves have the page's colours, so that they are seen in light and in dark
        assert set(re.findall(r"#[0-9a-f]{6}", tags)) <= {"#808080", "#ffffff"}
        assert "currentColor" in tags
        assert "font-family" not in tags
    assert set(re.findall(r"var\((--[a-z]+)\)", text)) <= set(re.findall(r"(--[a-z]+):", text))
    for table in re.findall(r"<table>(.*?)</table>", text, re.DOTALL):
        check_sides(table)


def check_sides(table):
    """Numbers are under each other by their last digits, and what is no number is not."""
    rows = [re.findall(r"<td( class=\"n\")?>(.*?)</td>", row) for row in table.split("</tr>")]
    for column in zip(*filter(None, rows), strict=True):
        cells = [html.unescape(cell) for _, cell in column if cell]
        if all(side for side, _ in column):
            assert all(re.match(r"[-+]?\d|–$", cell) for cell in cells)
        else:
            assert not any(side for side, _ in column)
            assert not cells or not all(re.fullmatch(r"[-+]?[\d,.]+(e[-+]?\d+)?", cell) for cell in cells[1:] or cells)


@pytest.mark.parametrize("n_classes", [2, 3, 13, 30, 120])
def test_classes(here, n_classes):
    names = (ODD_NAMES + [f"species {i}" for i in range(200)])[:n_classes]
    frame = make_table(names, "the $class$", n=max(600, 40 * n_classes))
    text, page = report_on(frame, "the $class$", here)
    check_page(text, page)
    shown = " ".join(" ".join(page.texts).split())
    for part in ("the $class$ from table $1.csv", "Most often confused", "precision", "recall", "Calibration", "ROC"):
        assert part in shown
    for part in (
        "Worst rows",
        "Importance of the columns",
        "increase of the log loss",
        "$x_0$ 列",
        "most common class:",
    ):
        assert part in shown
    for name in names[:40] if n_classes <= 40 else []:
        assert name in shown  # in the table by class
        assert shown.count(shortened(name)) >= 2  # in the matrix
    assert page.count("svg") == 11  # four of them of the dependence on a column
    assert ("The 40 of 120 classes with the smallest f1" in shown) == (n_classes == 120)
    assert ("Classes that are taken for each other are neighbours" in shown) == (n_classes == 120)


def test_roc_curves_and_calibration_have_a_diagonal_and_nothing_else(here, monkeypatch):
    straight = {}

    def draw_and_look(paint, size, title, *names):
        def paint_and_look(figure):
            paint(figure)
            lines = [line.get_xydata().tolist() for line in figure.axes[0].lines]
            straight[title] = [[0, 0], [1, 1]] in lines

        return draw(paint_and_look, size, title, *names)

    monkeypatch.setattr(charts, "draw", draw_and_look)
    report_on(make_table(["a", "b", "c"], "y"), "y", here)
    assert [title for title in straight if straight[title]] == ["ROC", "calibration"]
    assert "precision and recall" in straight


def test_lines_of_a_network_are_not_folded_and_commands_are(here):
    """A summary is a table: its columns are under each other only where lines stay as they are."""
    text, _ = report_on(make_table(["a", "b"], "y"), "y", here)
    blocks = re.findall(r"<pre( class=\"folds\")?>(.*?)</pre>", text, re.DOTALL)
    assert [bool(folds) for folds, block in blocks if "dense" in block.lower()] == [False]
    assert [bool(folds) for folds, block in blocks if "fastbp predict" in block] == [True]


def test_names_stand_in_pictures_as_they_are(here):
    """No "$" is taken for mathematics, no letter for a tag, and no text is changed with the colours and the ids."""
    text, _ = report_on(make_table(ODD_NAMES, "y"), "y", here)
    pictures = Page("".join(svgs_of(text)))
    letters = {part.strip() for part in pictures.texts}
    for name in ("$alpha$", "US$ and $5", "a & b", "日本語", "#2563a8", '" id="x" href…', "<script>alert…", "$x_0$ 列"):
        assert name in letters
    assert "path" not in {tag for tag, attributes in pictures.tags if "glyph" in attributes.get("id", "")}


def test_numbers(here):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(3500, 3)), columns=["$a$", "b", "列"])
    frame["price_$"] = 50_000 * frame["$a$"] + rng.normal(0, 9e3, 3500)
    text, page = report_on(frame, "price_$", here)
    check_page(text, page)
    shown = " ".join(page.texts)
    for part in ("true price_$", "predicted - true", "increase of the rmse of price_$", "are off by at most", "99 %"):
        assert part in shown
    assert re.search(r"mean: (0|-0\.0\d+) ", shown)  # and not -0.00015
    assert "confused" not in shown
    assert page.count("svg") == 9  # three of them of the dependence on a column


def test_at_most_forty_columns_are_listed(here):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(100, 70)), columns=[f"column {i}" for i in range(70)])
    text, page = report_on(frame.assign(y=frame["column 0"]), "y", here)
    check_page(text, page)
    listed = text[text.index("<h2>Columns</h2>") : text.index("<h2>How to predict</h2>")]
    assert listed.count("<tr>") == 41
    assert "and 30 more columns" in listed
    shown = " ".join(page.texts)
    assert "Only the first 60 of 70 columns were tried. The 20 most important are shown." in shown


def test_what_one_epoch_and_few_rows_leave_to_draw(here):
    frame = make_table(["a", "b"], "y", n=24)
    check_page(*report_on(frame, "y", here, "--epochs", "1"))
    frame = pd.DataFrame({"x": np.sin(np.arange(24)), "y": np.arange(24) % 5 * 0.1})
    check_page(*report_on(frame, "y", here, "--epochs", "1", "--task", "regression"))


def test_the_worst_rows_are_those_of_the_file(here):
    frame = pd.DataFrame({"x": np.random.default_rng(0).normal(size=500)})
    frame["y"] = np.round(2 * frame["x"], 6)
    frame.loc[[3, 4], "y"] = None
    frame.loc[frame.index % 50 == 7, "y"] = 1000 + frame.index[frame.index % 50 == 7]
    text, _ = report_on(frame, "y", here, "--epochs", "20")
    worst = text[text.index("<h2>Worst rows</h2>") : text.index("<h2>Importance")]
    rows = re.findall(r'<tr><td class="n">(\d+)</td><td class="n">([\d.,]+)</td>', worst)
    found = [(int(row), float(truth.replace(",", ""))) for row, truth in rows if float(truth.replace(",", "")) >= 1000]
    assert found
    assert all(truth == 1000 + row - 1 for row, truth in found)


@pytest.mark.parametrize("kind", ["class", "regression"])
def test_the_lines_of_python_predict_as_the_command_does(here, kind):
    frame = make_table(["a", "b", "c"], "y")
    if kind == "regression":
        frame["y"] = frame.iloc[:, 0] * 2 + 1
    text, _ = report_on(frame, "y", here)
    frame.drop(columns="y").to_csv("new.csv", index=False)
    usage = text[text.index("<h2>How to predict</h2>") :]
    command, python = (html.unescape(code) for code in re.findall(r'<pre class="folds">(.*?)</pre>', usage, re.DOTALL))
    assert command == "fastbp predict 'the model.safetensors' new.csv --out predictions.csv"
    assert cli.main(["predict", "the model.safetensors", "new.csv", "--out", "predictions.csv"]) == 0
    names = {}
    exec(python, names)
    predicted = pd.read_csv("predictions.csv")
    if kind == "class":
        assert names["labels"].tolist() == predicted["y"].tolist()
    else:
        np.testing.assert_allclose(names["predictions"][:, 0], predicted["y"], rtol=1e-5)


def test_of_many_sentences_the_last_are_folded():
    text = items([f"sentence {i} < 20" for i in range(15)])
    seen, _, folded = text.partition("<details><summary>3 more</summary>")
    assert seen.count("<li>") == 12
    assert folded.count("<li>") == 3
    assert "sentence 14 &lt; 20" in folded
    Page(text)
    assert "details" not in items(["one"])


def test_columns_are_listed_as_what_they_are_read_as(here):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"price": [f"${x:,.2f}" for x in rng.uniform(1000, 5000, 200)], "flag": rng.random(200) < 0.5})
    frame["when"] = (pd.Timestamp("2024-01-31") + pd.to_timedelta(rng.integers(0, 99, 200), "D")).strftime("%d/%m/%Y")
    frame.loc[:19, "price"] = None
    frame.loc[20, "price"] = "$999.50"
    frame["y"] = rng.normal(size=200)
    text, page = report_on(frame, "y", here)
    check_page(text, page)
    listed = text[text.index("<h2>Columns</h2>") : text.index("<h2>How to predict</h2>")]
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in listed.split("</tr>")]
    by_name = {row[0]: row[1:] for row in cells if row}
    assert by_name["price"][:3] == ["number", "10 %", "999.5"]
    assert by_name["when"][0] == "time"
    assert by_name["when"][2] == "2024-01-31"
    assert by_name["flag"][0] == "2 levels"


# ---- Fonts ----


def test_a_font_is_looked_for_only_where_letters_are_missing():
    assert families_for("letters, Ελληνικά, кириллица") == ["DejaVu Sans"]


def test_an_installed_font_that_has_the_letters_is_taken(monkeypatch):
    dejavu = font_manager.fontManager.findfont("DejaVu Sans")
    letters = {dejavu: "a", "jp": "日", "sc": "国", "hei": "日国"}
    installed = {"Noto Sans CJK JP": "jp", "Noto Sans CJK SC": "sc", "SimHei": "hei"}
    entries = [font_manager.FontEntry(fname=file, name=name) for name, file in installed.items()]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [*font_manager.fontManager.ttflist, *entries])
    monkeypatch.setattr(font_manager, "get_font", lambda file: FakeFont(map(ord, letters.get(file, ""))))
    assert families_for("a b") == ["DejaVu Sans"]
    assert families_for("a日") == ["DejaVu Sans", "Noto Sans CJK JP"]
    assert families_for("国") == [
        "DejaVu Sans",
        "Noto Sans CJK SC",
    ]  # the one before it lacks the letter
    assert families_for("日国ñ") == ["DejaVu Sans", "Noto Sans CJK JP", "Noto Sans CJK SC"]  # a third has nothing more


class FakeFont:
    """A font of some letters."""

    def __init__(self, letters):
        self._letters = letters

    def get_charmap(self):
        return dict.fromkeys(self._letters, 0)


def test_letters_that_no_font_has_are_drawn_quietly(monkeypatch):
    """Without a warning, which would be an error here; the page holds the letters, and the browser finds a font."""
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [])
    assert families_for("日本") == ["DejaVu Sans"]
    monkeypatch.undo()
    name = "\U000f1234日"  # the first is in no font
    picture = draw(lambda figure: figure.subplots().set_title(name), (3, 2), "a title", [name])
    assert name in picture
    assert 'aria-label="a title"' in picture
