"""The ``fastbp`` command, in this process and, once for each way to start it, in another."""

import shutil
import subprocess
import sys
import sysconfig

import numpy as np
import pytest

import fastbp
from fastbp import cli, demo
from fastbp.commands import bench, numpy_network


def test_info_shows_the_configuration(capsys):
    assert cli.main(["info"]) == 0
    out = capsys.readouterr().out
    assert fastbp.__version__ in out
    fastbp.show_config()
    assert capsys.readouterr().out == out


@pytest.mark.parametrize("start", ["module", "script"])
def test_command_starts(start):
    script = shutil.which("fastbp", path=sysconfig.get_path("scripts"))
    if start == "script" and script is None:
        pytest.skip("the package is not installed, so there is no script")
    command = [script] if start == "script" else [sys.executable, "-m", "fastbp"]
    result = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stdout) == (0, f"fastbp {fastbp.__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "required: command"),
        (["dmeo"], "invalid choice: 'dmeo'"),
        (["demo", "mnist"], "invalid choice: 'mnist'"),
        (["demo", "--data", "x"], "--data is for `fastbp demo fashion-mnist`"),
        (["demo", "--epochs", "0"], "'0' is not a whole number of 1 or more"),
        (["demo", "--epochs", "many"], "'many' is not a whole number of 1 or more"),
        (["bench", "--seconds", "0"], "'0' is not a number of seconds above 0"),
        (["bench", "--seconds", "soon"], "'soon' is not a number of seconds above 0"),
        (["demo", "--threads", "-1"], "'-1' is not a whole number of 1 or more"),
        (["demo", "--threads", "1000000"], "n_threads is 1000000"),
    ],
)
def test_misspelt_command_gets_a_sentence(capsys, arguments, sentence):
    with pytest.raises(SystemExit) as exit_:
        cli.main(arguments)
    assert exit_.value.code == 2
    assert sentence in capsys.readouterr().err


def test_missing_data_gets_a_sentence_and_no_traceback(tmp_path, capsys):
    assert cli.main(["demo", "fashion-mnist", "--data", str(tmp_path / "nowhere"), "--output", str(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert err.startswith("fastbp: --data is ")
    assert "which is not a directory" in err


def test_fashion_mnist_needs_its_directory(tmp_path, capsys):
    assert cli.main(["demo", "fashion-mnist", "--output", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("fastbp: fashion-mnist needs --data DIR")


@pytest.mark.parametrize(("agreed", "code"), [(True, 0), (False, 1)])
def test_exit_code_tells_whether_the_two_agreed(monkeypatch, tmp_path, agreed, code):
    monkeypatch.setattr(demo, "run", lambda *args, **kwargs: agreed)
    assert cli.main(["demo", "--output", str(tmp_path)]) == code


def test_interrupt_ends_the_demo_quietly(monkeypatch, capsys):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "run", interrupted)
    assert cli.main(["demo"]) == 130
    assert "interrupted; nothing was saved" in capsys.readouterr().err


def test_bench_compares_with_numpy(tmp_path, capsys):
    """A very short one; what it measures is no test's business."""
    pytest.importorskip("matplotlib")
    assert cli.main(["bench", "--seconds", "0.5", "--threads", "1", "--chart", str(tmp_path / "chart.svg")]) == 0
    out = capsys.readouterr().out
    assert "784-1024-1024-10, 256" in out
    assert (tmp_path / "chart.svg").read_text().count("NumPy") >= 5


def test_a_chart_that_cannot_be_written_is_refused_at_once(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert cli.main(["bench", "--chart", str(tmp_path / "nowhere" / "chart.png")]) == 1
    assert "but the directory does not exist; create it first" in capsys.readouterr().err


def test_both_sides_of_the_bench_train_the_same_network():
    """Whatever their speeds: from the same weights and over the same batches, the same loss."""
    task = bench.Task((7, 12, 3), 20, 5)
    X, y = bench._make_data(task)
    model = bench._make_model(task)
    weights = model.get_weights()
    adam = numpy_network.Adam(weights)
    trainer = fastbp.Trainer(model, "cross_entropy", fastbp.Adam(0.01), 20, shuffle=False)
    losses = [
        numpy_network.train_epoch(weights, adam, X, y, batch_size=20, learning_rate=0.01, order=np.arange(100))
        for _ in range(3)
    ]
    np.testing.assert_allclose(trainer.fit(X, y, epochs=3)["loss"], losses, rtol=1e-5)
