"""What the progress bar shows: on terminals of some widths, in a notebook, and in a file."""

import io
import itertools
import math
import os
import re
import subprocess
import sys

import pytest
import tqdm.auto

import fastbp as fb
from fastbp.training import progress, progress_log
from fastbp.training.progress import EpochBar, ProgressBar, is_live
from fastbp.training.progress_text import Fitted, text_of, versions

FIGURES = {"loss": 0.31234, "accuracy": 0.91234, "val_loss": 0.3345, "val_accuracy": 0.9, "seconds": 1.0}

# What `fastbp train` reports of two classes, and of a price.
OF_CLASSES = {
    "loss": 0.31234,
    "accuracy": 0.91234,
    "balanced_accuracy": 0.9012,
    "log_loss": 0.31234,
    "roc_auc": 0.98765,
}
OF_PRICES = {"loss": 0.031234, "r2": 0.981234, "rmse": 1234.56, "mae": 54321.9}


def with_validation(figures):
    return figures | {f"val_{name}": 0.98765 * value for name, value in figures.items()}


@pytest.fixture
def shown(monkeypatch):
    """Bars written to memory: a function of the width returns what to read them from."""
    original, out = tqdm.auto.tqdm, io.StringIO()
    monkeypatch.setattr(progress, "is_live", lambda stream: True)

    def make(width):
        def bar(**arguments):
            arguments.pop("dynamic_ncols")
            return original(**arguments, file=out, ncols=width, mininterval=0, miniters=0)

        monkeypatch.setattr(tqdm.auto, "tqdm", bar)
        return out

    return make


# ------------------------------------------------------------------------------------------------- a terminal


@pytest.mark.parametrize("width", [80, 120])
def test_a_loss_and_a_metric_of_training_and_validation_fit(shown, width):
    out = shown(width)
    with ProgressBar(20, 1000) as bar:
        bar.end_epoch(FIGURES)
        bar.tick(500, 0.25)
        bar.end_epoch(FIGURES)
    lines = [line.rstrip("\n") for line in out.getvalue().split("\r")]
    assert max(map(len, lines)) <= width
    assert any(line.startswith("epoch 2/20 |") and "loss 0.25/0.3345, accuracy 0.9123/0.9" in line for line in lines)
    assert lines[-1].startswith("epoch 2/20 |")
    assert " left, " in lines[-1] and "/s, loss 0.3123/0.3345, accuracy 0.9123/0.9" in lines[-1]


@pytest.mark.parametrize("n_epochs", [5, 50, 999])
@pytest.mark.parametrize("figures", [OF_CLASSES, OF_PRICES, with_validation(OF_CLASSES), with_validation(OF_PRICES)])
def test_all_metrics_of_the_command_fit_80_columns(shown, figures, n_epochs):
    out = shown(80)
    with ProgressBar(n_epochs, 1000) as bar:
        for _ in range(n_epochs):
            bar.end_epoch(figures)
    last = out.getvalue().split("\r")[-1].strip()
    assert len(last) <= 80 and "..." not in last and f"{n_epochs}/{n_epochs}" in last
    for name in figures:
        if not name.startswith("val_"):
            initials = ".*".join(word[:3] for word in name.split("_"))
            assert re.search(rf"\b{initials}\w* \d*\.?\d", last), (name, last)
    best = figures.get("val_loss", figures["loss"])
    assert f"{best:.3g}".lstrip("0") in last


def test_the_bar_is_dropped_first_then_the_rate_then_the_time():
    text = text_of(FIGURES)
    seen = [versions("3/20", FIGURES)[0]]
    fitted = Fitted()
    for width in range(120, 45, -1):
        line = fitted.line("3/20", FIGURES, width)
        assert line.width <= width
        if line != seen[-1]:
            seen.append(line)
    heads = [line.head for line in seen]
    assert heads[:4] == [
        "{desc} |{bar}| {remaining} left, {rate_noinv_fmt}",
        "{desc}, {remaining} left, {rate_noinv_fmt}",
        "{desc}, {remaining} left",
        "{desc}",
    ]
    assert {line.figures for line in seen[:4]} == {text}


def test_what_cannot_fit_ends_with_dots():
    figures = {f"figure_{i}": 0.5 for i in range(20)}
    line = Fitted().line("3/20", figures, 80)
    assert line.figures.startswith("fig_0 .5, fig_1 .5, ") and line.figures.endswith(" .5, ...")
    assert line.width <= 80 < line.width + len(", fig_10 .5")
    assert Fitted().line("3/20", figures, 5).epoch == "3/20"


def test_a_line_does_not_change_its_form_with_every_digit():
    fitted, heads = Fitted(), []
    figures = with_validation({"loss": 0.25, "accuracy": 0.75, "f1": 0.25})
    wide = versions("3/20", figures)[0].width
    for loss in (0.25, 0.2512, 0.25, 0.2512):
        heads.append(fitted.line("3/20", figures | {"loss": loss}, wide).head)
    assert len(set(heads[1:])) == 1 and "|" in heads[0] and "|" not in heads[1]
    assert "|" in fitted.line("3/20", figures, wide + 10).head  # the window has become wider


def test_a_narrow_terminal_keeps_what_matters_most(shown):
    out = shown(50)
    with ProgressBar(3, 1000) as bar:
        bar.end_epoch(FIGURES)
    line = out.getvalue().split("\r")[-1].rstrip("\n").rstrip()
    assert line == "epoch 1/3, loss 0.3123/0.3345, accuracy 0.9123/0.9"


def test_a_figure_of_the_validation_alone(shown):
    out = shown(100)
    with ProgressBar(1, 10) as bar:
        bar.end_epoch({"loss": 1.0, "val_auc": 0.5})
    assert "loss 1, val_auc 0.5" in out.getvalue()


def test_a_notebook_has_no_columns_and_everything_is_shown(shown):
    assert Fitted().line("3/20", with_validation(OF_CLASSES), None) == versions("3/20", with_validation(OF_CLASSES))[0]


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="this system has no terminal to open")
def test_a_real_terminal_has_a_bar(tmp_path):
    import fcntl
    import struct
    import termios

    code = (
        "import fastbp as fb; t = fb.Trainer(fb.Model([fb.Dense(1)], inputs=1), 'mse', metrics=['r2', 'mae', 'rmse']); "
        "t.fit([[1.0], [2.0]], [1.0, 3.0], epochs=5, progress=True, validation_data=([[1.0], [2.0]], [1.0, 2.0]))"
    )
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    subprocess.run([sys.executable, "-c", code], stderr=theirs, check=True)
    text = os.read(ours, 100_000).decode()  # before the other end is closed: some systems forget it then
    os.close(theirs)
    os.close(ours)
    last = text.split("\r")[-2].strip()
    assert max(map(len, text.split("\r"))) <= 81
    assert last.startswith("epoch 5/5") and all(f", {name} " in last for name in ("loss", "r2", "mae", "rmse"))


# ------------------------------------------------------------------------------------------- a file or a log


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_what_is_written_over():
    closed = io.StringIO()
    closed.close()
    assert is_live(Terminal())
    assert not any(map(is_live, (io.StringIO(), closed, None)))
    kernel = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})
    assert is_live(kernel())


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves: a list of one number."""
    now = [1000.0]
    monkeypatch.setattr(progress_log.time, "monotonic", lambda: now[0])
    return now


def test_a_redirected_bar_is_plain_lines(capsys, clock):
    with ProgressBar(4, 1000) as bar:
        for _ in range(4):
            clock[0] += 2
            bar.tick(500, 0.25)
            bar.end_epoch(FIGURES)
    assert capsys.readouterr().err.splitlines() == [
        "epoch 1/4, 00:06 left, 500/s, loss 0.3123/0.3345, accuracy 0.9123/0.9",
        "epoch 2/4, 00:04 left, 500/s, loss 0.3123/0.3345, accuracy 0.9123/0.9",
        "epoch 3/4, 00:02 left, 500/s, loss 0.3123/0.3345, accuracy 0.9123/0.9",
        "epoch 4/4, 00:08 in all, 500/s, loss 0.3123/0.3345, accuracy 0.9123/0.9",
    ]


def test_a_long_epoch_of_unknown_length_is_told_without_the_time_left(capsys, clock):
    """Of chunks, say, which nobody has counted yet."""
    with ProgressBar(4, None) as bar:
        clock[0] += 100
        bar.tick(500, 0.25)
        bar.learn_length(1000)
        clock[0] += 100
        bar.end_epoch(FIGURES)
    assert capsys.readouterr().err.splitlines() == [
        "epoch 1/4, 5.00/s, loss 0.25",
        "epoch 1/4, 10:00 left, 5.00/s, loss 0.3123/0.3345, accuracy 0.9123/0.9",
    ]


@pytest.mark.parametrize(
    ("n_epochs", "n_run", "seconds", "expected"),
    [
        (10_000, 10_000, 0.001, [1, *range(100, 10_001, 100)]),  # about a hundred
        (10_000, 37, 0.001, [1, 37]),  # stopped early: the first and the last
        (10_000, 7, 4, [1, 4, 7]),  # slow ones: none in less than ten seconds
        (150, 6, 0.1, [1, 2, 4, 6]),
        (10_000, 0, 1, []),
    ],
)
def test_there_are_never_very_many(capsys, clock, n_epochs, n_run, seconds, expected):
    with ProgressBar(n_epochs, 10) as bar:
        for _ in range(n_run):
            clock[0] += seconds
            bar.end_epoch(FIGURES)
    lines = capsys.readouterr().err.splitlines()
    assert [int(re.match(r"epoch (\d+)/", line)[1]) for line in lines] == expected


def test_an_epoch_of_hours_has_a_line_a_minute(capsys, clock):
    with ProgressBar(2, 3600) as bar:
        for second in range(1, 151):
            clock[0] += 1
            bar.tick(second, 0.5)
    assert capsys.readouterr().err.splitlines() == [
        "epoch 1/2, 1% of all, 1:59:00 left, 1.00/s, loss 0.5",
        "epoch 1/2, 2% of all, 1:58:00 left, 1.00/s, loss 0.5",
    ]


def test_lines_wait_for_the_delay(capsys, clock):
    with ProgressBar(3, 10, delay=2.0) as bar:
        for _ in range(3):
            clock[0] += 0.9
            bar.end_epoch({"loss": 1.0})
    assert [line[:9] for line in capsys.readouterr().err.splitlines()] == ["epoch 3/3"]
    with ProgressBar(3, 10, delay=2.0) as bar:
        bar.end_epoch({"loss": 1.0})
    assert capsys.readouterr().err == ""


def test_many_trainers(capsys, clock):
    with EpochBar(400) as bar:
        for n_done in (0, 0, 3, 3, 9, 10, 399, 400):
            bar.show(n_done)
            clock[0] += 1
    assert capsys.readouterr().err.splitlines() == [
        "3/400 epochs, 04:24 left",
        "9/400 epochs, 02:53 left",
        "399/400 epochs, 00:00 left",
        "400/400 epochs, 00:07 in all",
    ]


def test_many_trainers_on_a_terminal(shown):
    out = shown(60)
    with EpochBar(400) as bar:
        for n_done in (0, 0, 3, 3, 9, 400):
            bar.show(n_done)
    frames = [line for line in out.getvalue().replace("\n", "\r").split("\r") if line.strip()]
    counts = [int(re.search(r"(\d+)/400", frame)[1]) for frame in frames]
    assert [count for count, _ in itertools.groupby(counts)] == [0, 3, 9, 400]


@pytest.mark.parametrize("end", ["none", "closed", "full"])
def test_training_goes_on_without_a_place_to_write(monkeypatch, end):
    class Full(io.StringIO):
        def write(self, text):
            raise OSError("no space left on device")

    stream = {"none": None, "closed": io.StringIO(), "full": Full()}[end]
    if end == "closed":
        stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    trainer = fb.Trainer(fb.Model([fb.Dense(1)], inputs=1), "mse")
    assert trainer.fit([[1.0]], [1.0], epochs=3, progress=True).n_epochs == 3


def test_large_and_small_numbers_are_short():
    figures = dict(zip("abcdefg", (12345.6, 0.00012346, 1e-9, 123456.7, 1.5e12, math.nan, math.inf), strict=True))
    assert text_of(figures) == "a 12346, b 0.0001235, c 1e-09, d 123457, e 1.5e+12, f nan, g inf"
    numbers = (0.1, 12.3456, 1234.5, 99999.4, 1e6, 1e7, 1e-5)
    for value, number in itertools.product(numbers, (3, 4)):
        assert float(text_of({"x": value}, number).split()[1]) == pytest.approx(value, rel=0.01)
