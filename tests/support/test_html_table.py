"""What notebooks show: small tables, escaped and bounded, without scripts or colours of their own."""

import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest

import fastbp as fb
from fastbp.support.html_table import card, table

EVIL = '<script>alert("x")</script> & "quoted"'


class Page(HTMLParser):
    """The tables of a page, as lists of rows of texts; refuses what is not closed."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tables, self.tags, self.styles, self._open = [], set(), [], []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self._open.append(tag)
        assert {name for name, _ in attributes} <= {"style", "colspan"}
        self.styles += [value for name, value in attributes if name == "style"]
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if "table" in self._open:
            self.tables[-1][-1][-1] += data


def page_of(thing):
    """The page of an object, checked as all have to be."""
    text = thing if isinstance(thing, str) else thing._repr_html_()
    page = Page(text)
    assert page.tags <= {"div", "b", "table", "tr", "th", "td"}
    for style in page.styles:  # readable on any ground: neither a colour of letters nor one behind them
        assert not re.search(r"(^|[; ])(color|background)", style)
    return page


def small_model(seed=0, **options):
    return fb.Model([fb.Dense(4, "relu"), fb.Dense(2)], **({"inputs": 3, "seed": seed} | options))


# -------------------------------------------------------------------------------------------------- the tables


def test_numbers_text_and_what_is_missing():
    cells = [EVIL, 1234567, 0.123456789, None, math.nan, True, np.float32(0.5), np.int64(2000), math.inf]
    [[row]] = page_of(table([""] * 9, 1, lambda i: cells)).tables
    assert row == [EVIL, "1,234,567", "0.12346", "–", "–", "True", "0.5", "2,000", "inf"]


def test_text_is_escaped_everywhere():
    page = page_of(card(EVIL, EVIL, table([EVIL, "b"], 2, lambda i: [EVIL, EVIL])))
    assert page.tables == [[[EVIL, "b"], [EVIL, EVIL], [EVIL, EVIL]]]


@pytest.mark.parametrize(("n_rows", "n_last"), [(0, 0), (1, 0), (40, 20), (41, 0), (1_000_000, 0), (1_000_000, 20)])
def test_at_most_forty_rows(n_rows, n_last):
    asked = []

    def row(i):
        asked.append(i)
        return [i, "x"]

    text = table(["number", "x"], n_rows, row, n_last)
    if n_rows == 0:
        assert text == ""
        return
    [[heading, *rows]] = page_of(text).tables
    assert heading == ["number", "x"]
    assert len(asked) <= 41  # the others are not even made
    numbers = [int(cells[0].replace(",", "")) for cells in rows if len(cells) == 2]
    if n_rows <= 40:
        assert numbers == list(range(n_rows))
    else:
        assert numbers == [*range(40 - n_last), *range(n_rows - n_last, n_rows)]
        assert rows[40 - n_last] == [f"... and {n_rows - 40:,} more"]


def test_columns_and_cells_are_bounded():
    text = table([f"c{i}" for i in range(1000)], 1, lambda i: ["x" * 10_000] * 1000)
    [[heading, row]] = page_of(text).tables
    assert heading[-1] == "... and 988 more" and len(heading) == len(row) == 13
    assert row[0].endswith("x…") and len(text) < 20_000


# ------------------------------------------------------------------------------------------------- the objects


def test_a_model():
    layers = [fb.Dense(4, "relu"), fb.Residual([fb.LayerNorm(), fb.Dense(4)]), fb.Dense(2, "softmax")]
    model = fb.Model(layers, inputs=3, seed=7)
    text = model._repr_html_()
    assert "3 inputs, 2 outputs; 54 parameters, 0.000216 MB; float32, seed 7" in text
    assert page_of(model).tables == [
        [
            ["layer", "", "outputs", "parameters"],
            ["0", "Dense(4, 'relu')", "4", "16"],
            ["1", "Residual", "4", "28"],
            ["1.0", "LayerNorm(epsilon=1e-05)", "4", "8"],
            ["1.1", "Dense(4, 'linear')", "4", "20"],
            ["2", "Dense(2, 'softmax')", "2", "10"],
        ]
    ]
    assert sum(int(row[3]) for row in page_of(model).tables[0][1:] if "." not in row[0]) == model.n_parameters


def test_a_model_that_is_not_built_and_one_with_tables():
    model = small_model(inputs=None, prepare=fb.Standardize(), prepare_targets=fb.Standardize())
    preparation, layers = page_of(model).tables
    assert preparation == [["prepare", "[Standardize()]"], ["prepare_targets", "[Standardize()]"]]
    assert layers[1] == ["0", "Dense(4, 'relu')", "–", "–"] and "not built yet" in model._repr_html_()
    model.build(np.eye(3), np.eye(3)[:, :2])
    assert page_of(model).tables[1][1] == ["0", "Dense(4, 'relu')", "4", "16"]
    tabular = small_model(inputs=fb.Tabular(2, [7], [5]))
    assert page_of(tabular).tables[0][1] == [
        "",
        "Tabular(numeric=2, categories=[7], dims=[5])",
        "7",
        "40",
    ]  # 8: unknown too
    deep = fb.Model([fb.Dense(1) for _ in range(60)], inputs=1)
    assert page_of(deep).tables[0][-1] == ["... and 20 more"]


def test_a_trainer_before_and_after_training():
    trainer = fb.Trainer(small_model(), "mse", fb.Adam(0.01), clip_norm=2.0, n_threads=1, batch_size=None)
    settings, model = page_of(trainer).tables
    assert ["loss", "'mse'"] in settings and ["clip_norm", "2.0"] in settings and ["n_threads", "1 at most"] in settings
    assert ["batch_size", "None: all samples"] in settings
    assert "0 epochs, 0 steps" in trainer._repr_html_()
    trainer.fit(np.eye(3), np.eye(3)[:, :2], epochs=5, callbacks=fb.EarlyStopping("loss", mode="max", patience=2))
    assert "3 epochs (the weights of epoch 1 were kept), 3 steps" in trainer._repr_html_()
    settings, latest, model = page_of(trainer).tables
    assert latest[0] == ["latest epoch", ""] and latest[1] == ["loss", f"{trainer.history['loss'][-1]:.5g}"]
    assert model == page_of(trainer.model).tables[0]
    waiting = fb.Trainer(small_model(inputs=None), "mse")
    assert "not built yet" in waiting._repr_html_() and page_of(waiting).tables


def test_a_history():
    history = fb.History()
    assert page_of(history).tables == [] and "0 epochs" in history._repr_html_()
    history.append({"loss": 2.0, EVIL: 0.5})
    history.append({"loss": 1.0, "val_loss": 1.5, EVIL: 0.25})
    [rows] = page_of(history).tables
    assert rows == [
        ["epoch", "loss", EVIL, "val_loss"],
        ["1", "2", "0.5", "–"],
        ["2", "1", "0.25", "1.5"],
    ]
    for _ in range(998):
        history.append({"loss": 1.0})
    history.kept_epoch = 2
    [rows] = page_of(history).tables
    assert [row[0] for row in rows[1:]] == [
        *map(str, range(1, 21)),
        "... and 960 more",
        *(f"{epoch:,}" for epoch in range(981, 1001)),
    ]
    assert "1,000 epochs; the weights of epoch 2 were kept" in history._repr_html_()


def test_a_report_on_data():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame({EVIL: rng.normal(size=60), "same": 1.0, "word": ["a", "b", None] * 20})
    report = fb.inspect_data(frame, ["yes", EVIL, EVIL] * 20)
    findings, columns, targets, classes = page_of(report).tables
    assert [row[0] for row in findings[1:]] == [finding.severity for finding in report.findings]
    assert findings[1][1] == report.findings[0].sentence
    assert [row[0] for row in columns[1:]] == [EVIL, "same", "word"]
    assert columns[3][1:5] == ["text", "20", "0", "2"]
    assert targets[1][1] == "text"
    assert sorted(classes[1:]) == sorted([["yes", "20"], [EVIL, "40"]])
    clean = fb.inspect_data(rng.normal(size=(50, 100)), rng.normal(size=50))
    assert "50 samples, 100 columns; no problems found" in clean._repr_html_()
    assert page_of(clean).tables[0][-1] == ["... and 60 more"]


def test_an_ensemble():
    ensemble = fb.Ensemble([small_model(seed=seed) for seed in range(50)])
    [rows] = page_of(ensemble).tables
    assert rows[0] == ["model", "seed", "parameters", "layers"]
    assert rows[4] == ["3", "3", "26", "Dense(4, 'relu'), Dense(2, 'linear')"]
    assert rows[-1] == ["... and 10 more"]
    assert "Ensemble of 50 models" in ensemble._repr_html_() and "3 inputs, 2 outputs" in ensemble._repr_html_()
