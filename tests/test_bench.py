"""The bench runs, counts right and says what is missing. No speed is asserted anywhere."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fastbp.engine import kernels

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the bench is not part of the package: it is found from the root of the repository

from bench import __main__ as command_line  # noqa: E402
from bench import compare, costs, estimators, machine, predict, report, rounds, scaling  # noqa: E402
from bench.peers import PEERS, is_installed, make_peer  # noqa: E402
from bench.workloads import DEFAULT_WORKLOADS, WORKLOADS, Workload, initial_weights, make_data  # noqa: E402

TINY = Workload("tiny", (3, 5, 2), 7, 4)
ABOUT = {peer: {"note": ""} for peer in ("fastbp", "numpy", "sklearn", "torch", "jax")}
WIDER = Workload("wider", (64, 64, 2), 64, 4)  # large enough for every kind of bfloat16 product


def test_flops_of_a_step_by_hand():
    # 7 samples; 3x5: forward and weight gradient; 5x2: these and the input gradient.
    assert TINY.step_flops == 2 * 7 * (3 * 5 * 2 + 5 * 2 * 3)
    assert WORKLOADS["rl"].step_flops == 2 * 32 * (2 * 16 * 64 + 3 * 64 * 64 + 3 * 64 * 4)


def test_flops_of_a_prediction_by_hand():
    assert TINY.predict_flops == 2 * 7 * (3 * 5 + 5 * 2)
    one, some, many = predict.make_workloads(["rl"])
    assert (one.predict_flops, some.predict_flops) == (2 * 5376, 2 * 64 * 5376)  # 16x64 + 64x64 + 64x4
    assert many.predict_flops == 2 * 10_000 * 5376 and many.n_samples == 10_000


def filled_in(*options):
    arguments = command_line.make_parser().parse_args(options)
    command_line.fill_in(arguments)
    return arguments


def test_defaults_of_each_command():
    training, prediction = filled_in("training"), filled_in("predict")
    assert training.workloads == ["rl", "digits", "fashion", "tabular", "wide", "large"]
    assert training.peers == ["fastbp", "numpy", "sklearn", "torch", "jax"]
    assert prediction.workloads == ["rl", "fashion", "wide"]
    assert prediction.peers == ["fastbp", "numpy", "sklearn", "torch", "jax", "onnxruntime"]
    assert filled_in("predict", "--quick").workloads == ["rl"]
    with pytest.raises(SystemExit, match="onnxruntime: not a peer in training"):
        filled_in("training", "--peers", "numpy", "onnxruntime")


def test_neighbours_divide_and_cost_about_as_much():
    names = [name for name in WORKLOADS if name not in DEFAULT_WORKLOADS and not name.endswith("-neighbour")]
    assert names == ["odd", "deep", "uneven"]
    for name in names:
        alone, neighbour = WORKLOADS[name], WORKLOADS[f"{name}-neighbour"]
        assert all(size % 16 for size in (*alone.sizes, alone.batch_size))
        assert not any(size % 16 for size in (*neighbour.sizes, neighbour.batch_size))
        assert len(alone.sizes) == len(neighbour.sizes)
        assert 0.8 < neighbour.step_flops / alone.step_flops < 1


def test_data_and_weights_are_the_same_every_time():
    X, y = make_data(TINY, "float64")
    X_again, y_again = make_data(TINY, "float64")
    assert X.shape == (28, 3) and X.dtype == "float64" and y.shape == (28,)
    assert (X_again == X).all() and (y_again == y).all()
    weights = initial_weights(TINY, "float32")
    assert [w.shape for w in weights] == [(3, 5), (5,), (5, 2), (2,)]
    assert all((w == again).all() for w, again in zip(weights, initial_weights(TINY, "float32"), strict=True))


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_fitted_exponent(exponent):
    values = [64, 128, 256, 512]
    assert scaling.fit_exponent(values, [3e-6 * value**exponent for value in values]) == pytest.approx(exponent)


def test_summary_by_hand():
    # fastbp takes 1 s and 2 s a step, numpy 3 s and 4 s: ratios 3 and 2. The peak is four steps a second.
    peak = 4.0 * TINY.step_flops
    times = [(0, "fastbp", 1.0), (0, "numpy", 3.0), (1, "numpy", 4.0), (1, "fastbp", 2.0)]
    turns = [rounds.Turn(i, peer, 10 * seconds, 10, 1, peak) for i, peer, seconds in times]
    figures = compare.summarise(TINY.step_flops, turns)
    assert figures["fastbp"]["step_seconds"]["median"] == pytest.approx(1.5)
    assert figures["fastbp"]["peak_fraction"]["median"] == pytest.approx((1 / 4 + 1 / 8) / 2)
    assert figures["fastbp"]["ratio"] == pytest.approx({"median": 1.0, "low": 1.0, "high": 1.0})
    assert figures["numpy"]["ratio"] == pytest.approx({"median": 2.5, "low": 2.25, "high": 2.75})
    assert figures["numpy"]["gflops"] == pytest.approx(TINY.step_flops / 3.5 / 1e9)
    assert len(figures["numpy"]["turns"]) == 2


def test_epoch_is_as_long_as_the_fastest_peer_fills():
    assert rounds.choose_epoch(24, [0.001, 0.1], 0.3) == 24
    assert rounds.choose_epoch(24, [0.1, 0.5], 0.3) == 3
    assert rounds.choose_epoch(24, [2.0], 0.3) == 1


class Recorder:
    """Workers, and a meter, that write down in which order they are asked."""

    def __init__(self):
        self.asked = []

    def worker(self, peer):
        recorder = self

        class Asked:
            def ask(self, do, **arguments):
                recorder.asked.append((peer, do, *arguments.values()))
                return {"seconds": 1.0}

        return Asked()

    def read(self):
        self.asked.append("peak")
        return float(len(self.asked))


def test_one_loop_takes_the_turns_of_comparisons_and_of_estimators(monkeypatch):
    monkeypatch.setattr(rounds, "REST_SECONDS", 0)
    recorder = Recorder()
    workers = {peer: recorder.worker(peer) for peer in ("a", "b")}
    turns = rounds.take_turns(workers, {"a": rounds.Plan(3, 2), "b": rounds.Plan(3, 1)}, None, 2)
    assert recorder.asked == [("a", "turn", 3, 2), ("b", "turn", 3, 1), ("b", "turn", 3, 1), ("a", "turn", 3, 2)]
    assert turns[3] == rounds.Turn(1, "a", 1.0, 6, 2, None)
    recorder.asked.clear()
    turns = estimators.take_turns(workers, ["fit", "predict_one"], recorder, 1)
    fits = ["peak", ("a", "fit"), "peak", ("b", "fit"), "peak"]
    assert recorder.asked == [*fits, ("a", "predict_one"), ("b", "predict_one")]
    assert [turn.peak_flops for turn in turns] == [(1 + 3) / 2, (3 + 5) / 2, None, None]


def test_seconds_are_written_with_three_figures():
    texts = [report.format_seconds(seconds) for seconds in (1.336e-5, 0.000416, 0.0378, 0.99961, 12.34)]
    assert texts == ["13.4 us", "416 us", "37.8 ms", "1.00 s", "12.3 s"]


def test_cpu_lists():
    assert machine.parse_cpu_list("0-2,8\n") == [0, 1, 2, 8]
    assert machine.parse_cpu_list("3") == [3]


def test_no_peer_is_held_to_kernels_that_it_would_not_choose(monkeypatch):
    """Some systems set such variables for everybody."""
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("FASTBP_ISA", "avx2")
    environment = machine.worker_environment(3)
    assert "OPENBLAS_CORETYPE" not in environment
    assert (environment["FASTBP_ISA"], environment["OPENBLAS_NUM_THREADS"]) == ("avx2", "3")


class Answers:
    """A worker that has these losses, or outputs."""

    def __init__(self, values):
        self.values = values

    def ask(self, do, **arguments):
        return {do: self.values}


def test_peer_that_computes_something_else_is_refused():
    workers = {"numpy": Answers([2.0, 1.0]), "torch": Answers([2.0, 1.01])}
    with pytest.raises(compare.DifferentComputationError, match="torch does not compute what numpy does"):
        compare.check_losses(workers, {"numpy": {"note": ""}, "torch": {"note": ""}})
    agreement = compare.check_losses(workers, {"numpy": {"note": ""}, "torch": {"note": "another loss"}})
    assert agreement["differences"] == {"numpy": 0.0}


def test_peer_whose_losses_are_not_numbers_is_refused():
    workers = {"numpy": Answers([2.0]), "torch": Answers([float("nan")])}
    with pytest.raises(compare.DifferentComputationError, match="torch"):
        compare.check_losses(workers, {"numpy": {"note": ""}, "torch": {"note": ""}})


@pytest.mark.parametrize("outputs", [[[0.5, 0.5], [0.25, 0.7501]], [[0.5, 0.5], [0.25, float("nan")]], [[0.5, 0.5]]])
def test_peer_that_predicts_something_else_is_refused(outputs):
    workers = {"torch": Answers(outputs), "numpy": Answers([[0.5, 0.5], [0.25, 0.75]])}
    with pytest.raises(compare.DifferentComputationError, match="torch does not compute what numpy does: its outputs"):
        predict.check_outputs(workers, ABOUT)


def test_peer_that_rounds_otherwise_is_not_refused():
    workers = {"fastbp": Answers([[0.5, 0.5]]), "jax": Answers([[0.500001, 0.499999]])}
    agreement = predict.check_outputs(workers, ABOUT)
    assert agreement["reference"] == "fastbp"
    assert agreement["differences"] == pytest.approx({"fastbp": 0.0, "jax": 1e-6})


def test_bfloat16_peers_train_and_predict():
    """Only where they are named; their losses are those of float32 but for the rounding."""
    assert "fastbp-bf16" not in filled_in("training").peers
    assert filled_in("training", "--peers", "fastbp-bf16", "torch-bf16").peers == ["fastbp-bf16", "torch-bf16"]
    if not kernels.bf16_pays():
        pytest.skip("this CPU gains nothing by bfloat16: all products are float32")
    losses = []
    for name in ("fastbp", "fastbp-bf16"):
        try:
            peer = make_peer("training", name, WIDER, "float32", n_threads=1)
            peer.reset(initial_weights(WIDER, "float32"))
        except ValueError:
            pytest.skip("this machine has no bfloat16 products")
        losses.append(peer.train(2, 3, shuffle=False))
    assert losses[0] != losses[1]
    np.testing.assert_allclose(*losses, rtol=0.01)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["fastbp", "sklearn", "onnxruntime"])  # the others want a process of their own
def test_predictors_compute_what_numpy_does(name, dtype):
    if not is_installed(name):
        pytest.skip(f"not installed: {PEERS[name].pip_name}")
    X, _ = make_data(TINY, dtype)
    outputs = []
    for peer in (name, "numpy"):
        predictor = make_peer("predict", peer, TINY, dtype, n_threads=1)
        predictor.reset(initial_weights(TINY, dtype))
        outputs.append(predictor.predict(X[: TINY.batch_size]))
    assert outputs[0].dtype == dtype
    np.testing.assert_allclose(*outputs, rtol=0, atol=1e-6)


def test_missing_peers_are_named(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(compare, "is_installed", lambda peer: peer == "numpy")
    options = ["--quick", "--workloads", "rl", "--peers", "numpy", "sklearn", "jax", "--threads", "1"]
    command_line.main([*options, "--output", str(tmp_path)])
    printed = capsys.readouterr().out
    assert "jax: not installed: pip install jax" in printed
    assert "sklearn: not installed: pip install scikit-learn" in printed
    run = json.loads((tmp_path / "training.json").read_text())
    assert set(run["missing"]) == {"sklearn", "jax"}
    assert "jax: not installed: pip install jax" in (tmp_path / "training.md").read_text()


def test_missing_peers_of_predict_are_named(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(compare, "is_installed", lambda peer: peer == "numpy")
    monkeypatch.setattr(predict, "ROWS", (1,))
    options = ["predict", "--quick", "--peers", "numpy", "onnxruntime", "--threads", "1"]
    command_line.main([*options, "--output", str(tmp_path)])
    assert "onnxruntime: not installed: pip install onnxruntime onnx" in capsys.readouterr().out
    assert set(json.loads((tmp_path / "predict.json").read_text())["missing"]) == {"onnxruntime"}
    assert "onnxruntime: not installed: pip install onnxruntime onnx" in (tmp_path / "predict.md").read_text()


def run_bench(*options):
    subprocess.run([sys.executable, "-m", "bench", *options], cwd=ROOT, check=True, timeout=120)


def test_smoke(tmp_path):
    options = ["--quick", "--workloads", "rl", "digits", "--peers", "fastbp", "numpy", "--threads", "1"]
    run_bench(*options, "--output", str(tmp_path))
    run = json.loads((tmp_path / "training.json").read_text())
    assert [result["workload"] for result in run["results"]] == ["rl", "digits"]
    assert run["missing"] == {}
    assert {"fastbp", "numpy"} <= set(run["versions"])
    assert str(tmp_path) not in run["command"]
    for result in run["results"]:
        assert result["agreement"]["differences"]["fastbp"] < compare.LOSS_TOLERANCE
        for peer in ("fastbp", "numpy"):
            figures = result["peers"][peer]
            assert len(figures["turns"]) == run["settings"]["rounds"] == 2
            assert figures["gflops"] > 0 and figures["peak_fraction"]["median"] > 0 and figures["ratio"]["median"] > 0
    table = (tmp_path / "training.md").read_text()
    assert "mean nothing" in table and "| digits   | 1       | fastbp |" in table


def test_predict_smoke(tmp_path):
    options = ["--quick", "--workloads", "rl", "--peers", "fastbp", "numpy", "--threads", "1"]
    run_bench("predict", *options, "--output", str(tmp_path))
    run = json.loads((tmp_path / "predict.json").read_text())
    assert run["command"].startswith("python -m bench predict --workloads rl --peers fastbp numpy")
    assert [(result["workload"], result["rows"]) for result in run["results"]] == [
        ("rl", 1),
        ("rl", 64),
        ("rl", 10_000),
    ]
    for result in run["results"]:
        assert result["step_flops"] == 2 * result["rows"] * 5376
        assert result["agreement"]["differences"]["fastbp"] < predict.OUTPUT_TOLERANCE
        for peer in ("fastbp", "numpy"):
            figures = result["peers"][peer]
            assert len(figures["turns"]) == 2
            assert figures["gflops"] > 0 and figures["peak_fraction"]["median"] > 0 and figures["ratio"]["median"] > 0
    table = (tmp_path / "predict.md").read_text()
    assert "mean nothing" in table and "time a call" in table and "| rl       | 64    | 1       | numpy  |" in table


def test_charts_of_both_comparisons(tmp_path):
    pytest.importorskip("matplotlib")
    figures = {"peak_fraction": {"median": 0.5}, "gflops": 1.0}
    for more in ({}, {"rows": 64}):
        result = {
            "workload": "rl",
            "network": "16-64-64-4",
            "threads": 1,
            "peers": dict.fromkeys(PEERS, figures),
            **more,
        }
        run = {"machine": {"cpu": "a CPU"}, "settings": {"dtype": "float32"}, "results": [result]}
        report.draw_comparison(run, tmp_path / "chart.png")
        assert (tmp_path / "chart.png").stat().st_size > 0


def test_bars_above_the_peak_of_float32_are_not_cut_off(monkeypatch, tmp_path):
    figure = pytest.importorskip("matplotlib.figure").Figure
    drawn = []
    monkeypatch.setattr(figure, "savefig", lambda self, path, **options: drawn.append(self))
    for highest, wanted in ((1.6, 1.6), (0.5, 1.0)):
        peers = {"fastbp": 0.4, "fastbp-bf16": highest}
        result = {
            "workload": "rl",
            "network": "16-64-64-4",
            "threads": 1,
            "peers": {peer: {"peak_fraction": {"median": height}} for peer, height in peers.items()},
        }
        run = {"machine": {"cpu": "a CPU"}, "settings": {"dtype": "float32"}, "results": [result]}
        report.draw_comparison(run, tmp_path / "chart.png")
        assert drawn[-1].axes[0].get_ylim() == (0.0, wanted)


def test_scaling_runs():
    sweep = scaling.Sweep("samples", (256, 512, 1024))
    result = scaling.run_sweep(sweep, n_threads=1, dtype="float32", rounds=1, turn_seconds=0.01)
    assert [point["value"] for point in result["points"]] == [256, 512, 1024]
    assert result["flops_exponent"] == pytest.approx(1.0)
    assert "| samples | 1       | 256 to 1024 |" in scaling.exponent_table([result])


def test_sweeps_change_one_thing():
    for sweep in scaling.SWEEPS:
        small, large = sweep.workload(sweep.values[0]), sweep.workload(sweep.values[-1])
        growth = large.step_flops * large.n_batches / (small.step_flops * small.n_batches)
        assert growth > 0.7 * sweep.values[-1] / sweep.values[0]


@pytest.mark.parametrize("feature", ["plain", *costs.FEATURES])
@pytest.mark.parametrize("name", ["fastbp", "torch"])
def test_each_feature_is_trained(name, feature):
    if not is_installed(name):
        pytest.skip(f"{name} is not installed")
    workload = Workload("small", (6, 16, 16, 3), 20, 4, feature)
    peer = make_peer("costs", name, workload, "float32", 1)
    peer.reset(initial_weights(workload, "float32"))
    losses = peer.train(4, 3, True)
    assert len(losses) == 3
    assert np.isfinite(losses).all()


def test_costs_smoke(tmp_path):
    run_bench("costs", "--quick", "--threads", "1", "--peers", "fastbp", "--output", str(tmp_path))
    run = json.loads((tmp_path / "costs.json").read_text())
    assert [row["feature"] for row in run["results"]] == list(costs.FEATURES)
    assert all(row["cost"]["fastbp"]["median"] > 0 for row in run["results"])
    assert "label_smoothing" in (tmp_path / "costs.md").read_text()


def test_first_fit_runs():
    """In a process of its own, on few rows."""
    pytest.importorskip("pandas")
    command = [sys.executable, "-m", "bench.first_fit", "--rows", "300", "--repeats", "1", "--threads", "1"]
    printed = subprocess.run(command, cwd=ROOT, check=True, timeout=120, capture_output=True, text=True).stdout
    assert printed.count("reading and learning") == 2
    assert "categories: " in printed


def test_calls_runs():
    command = [sys.executable, "-m", "bench.calls", "--repeats", "2"]
    printed = subprocess.run(command, cwd=ROOT, check=True, timeout=120, capture_output=True, text=True).stdout
    assert printed.count("a call of fit") == 2


@pytest.mark.skipif(sys.platform == "win32" or shutil.which("gcc") is None, reason="there is no gcc here")
def test_exported_runs():
    """It ends with an error where the compiled source says something else than predict."""
    command = [sys.executable, "-m", "bench.exported", "--networks", "rl", "--turns", "1", "--calls", "64"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"CC": "env gcc"},  # of two words, as "ccache gcc" is
        check=True,
        timeout=120,
        capture_output=True,
        text=True,
    )
    assert done.stdout.count("as C") == 1


def test_derivatives_runs():
    command = [sys.executable, "-m", "bench.derivatives", "--repeats", "1"]
    printed = subprocess.run(command, cwd=ROOT, check=True, timeout=120, capture_output=True, text=True).stdout
    assert printed.count("rows of") == 4
    assert all(task in printed for task in ("vjp", "jacobian", "step_gradient", "blend"))


def test_estimators_smoke(tmp_path):
    """Both peers do every task once, and the report has a row for each."""
    pytest.importorskip("sklearn")
    result = estimators.measure(estimators.CASES["digits"], (16,), "float64", n_threads=1, rounds=1, quick=True)
    assert list(result["tasks"]) == ["fit", "predict_one", "predict_many"]
    assert all(figures["ratio"]["median"] > 0 for figures in result["tasks"].values())
    fraction = result["tasks"]["fit"]["peak_fraction"]["fastbp"]["median"]
    assert 0 < fraction < 10  # no matter how fast: in the right unit
    run = {
        "command": "",
        "date": "",
        "machine": machine.describe(),
        "versions": result["versions"],
        "settings": {"quick": True},
        "results": [result],
    }
    text = estimators.estimators_markdown(run)
    assert text.count("| digits ") == 3 and "noise of 10,000 times 784" in text
    pytest.importorskip("matplotlib")
    estimators.draw_estimators(run, tmp_path / "estimators.png")
    assert (tmp_path / "estimators.png").stat().st_size > 5000


def test_estimators_take_no_workloads():
    arguments = filled_in("estimators", "--quick", "--data", "images")
    assert vars(arguments).keys() == {"what", "threads", "rounds", "output", "quick", "data", "dtype"}
    with pytest.raises(SystemExit, match="--workloads: not for estimators"):
        filled_in("estimators", "--workloads", "rl")
    assert "data" not in vars(filled_in("training"))
    with pytest.raises(SystemExit, match="--data: not for training"):
        filled_in("training", "--data", "images")


def test_a_dtype_or_two():
    assert filled_in("training").dtype == "float32"
    assert filled_in("estimators").dtype == ["float32", "float64"]
    assert filled_in("estimators", "--dtype", "float64").dtype == ["float64"]
    with pytest.raises(SystemExit, match="--dtype: one for training, not float32 and float64"):
        filled_in("training", "--dtype", "float32", "float64")


def test_the_estimators_take_turns_with_the_peak_around_each_fit():
    """The operations of a fit are those of its steps: 2MNK a product, no gradient of the data."""
    case = estimators.CASES["digits"]
    assert estimators.count_fit_flops(case, (16,), 100, 64, 10) == 2 * 100 * (2 * 64 * 16 + 3 * 16 * 10) * case.epochs
    turns = [
        estimators.Turn("fit", "fastbp", 1.0, 0.5, 200.0),
        estimators.Turn("fit", "sklearn", 4.0, 0.5, 100.0),
    ]
    summary = estimators.summarise(turns, 100)
    assert summary["ratio"]["median"] == 4
    assert {peer: f["median"] for peer, f in summary["peak_fraction"].items()} == {"fastbp": 0.5, "sklearn": 0.25}
    assert "peak_fraction" not in estimators.summarise(turns, None)


def test_fits_that_end_apart_are_not_compared():
    estimators.check_losses({"fastbp": 0.5, "sklearn": 0.5 + 1e-9}, "float64")
    with pytest.raises(compare.DifferentComputationError, match="that is not the same computation"):
        estimators.check_losses({"fastbp": 0.5, "sklearn": 0.6}, "float32")
