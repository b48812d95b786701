"""What the progress bar shows, on terminals of some widths."""

import io

import pytest
import tqdm.auto

from fastbp.training.progress import ProgressBar

FIGURES = {"loss": 0.31234, "accuracy": 0.91234, "val_loss": 0.3345, "val_accuracy": 0.9, "seconds": 1.0}


@pytest.fixture
def shown(monkeypatch):
    """Bars written to memory: a function of the width returns what to read them from."""
    original, out = tqdm.auto.tqdm, io.StringIO()

    def make(width):
        def bar(**arguments):
            arguments.pop("dynamic_ncols")
            return original(**arguments, file=out, ncols=width, mininterval=0, miniters=0)

        monkeypatch.setattr(tqdm.auto, "tqdm", bar)
        return out

    return make


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


def test_a_narrow_terminal_keeps_what_matters_most(shown):
    out = shown(50)
    with ProgressBar(3, 1000) as bar:
        bar.end_epoch(FIGURES)
    line = out.getvalue().split("\r")[-1].rstrip("\n")
    assert len(line) <= 50 and line.startswith("epoch 1/3 |") and ", loss 0.3123" in line


def test_a_figure_of_the_validation_alone(shown):
    out = shown(100)
    with ProgressBar(1, 10) as bar:
        bar.end_epoch({"loss": 1.0, "val_auc": 0.5})
    assert "loss 1, val_auc 0.5" in out.getvalue()
