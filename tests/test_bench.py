"""The bench runs, counts right and says what is missing. No speed is asserted anywhere."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the bench is not part of the package: it is found from the root of the repository

from bench import __main__ as command_line  # noqa: E402
from bench import compare, machine, report, rounds, scaling  # noqa: E402
from bench.workloads import DEFAULT_WORKLOADS, WORKLOADS, Workload, initial_weights, make_data  # noqa: E402

TINY = Workload("tiny", (3, 5, 2), 7, 4)


def test_flops_of_a_step_by_hand():
    # 7 samples; 3x5: forward and weight gradient; 5x2: these and the input gradient.
    assert TINY.step_flops == 2 * 7 * (3 * 5 * 2 + 5 * 2 * 3)
    assert WORKLOADS["rl"].step_flops == 2 * 32 * (2 * 16 * 64 + 3 * 64 * 64 + 3 * 64 * 4)


def test_default_workloads():
    arguments = command_line.make_parser().parse_args([])
    command_line.fill_in(arguments)
    assert arguments.workloads == ["rl", "digits", "fashion", "tabular", "wide", "large"]


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
    figures = compare.summarise(TINY, turns)
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


def test_seconds_are_written_with_three_figures():
    texts = [report.format_seconds(seconds) for seconds in (1.336e-5, 0.000416, 0.0378, 0.99961, 12.34)]
    assert texts == ["13.4 us", "416 us", "37.8 ms", "1.00 s", "12.3 s"]


def test_cpu_lists():
    assert machine.parse_cpu_list("0-2,8\n") == [0, 1, 2, 8]
    assert machine.parse_cpu_list("3") == [3]


class Answers:
    """A worker that has these losses."""

    def __init__(self, losses):
        self.losses = losses

    def ask(self, do, **arguments):
        return {"losses": self.losses}


def test_peer_that_computes_something_else_is_refused():
    workers = {"numpy": Answers([2.0, 1.0]), "torch": Answers([2.0, 1.01])}
    with pytest.raises(compare.DifferentComputationError, match="torch does not compute what numpy does"):
        compare.check_agreement(workers, {"numpy": {"note": ""}, "torch": {"note": ""}})
    agreement = compare.check_agreement(workers, {"numpy": {"note": ""}, "torch": {"note": "another loss"}})
    assert agreement["differences"] == {"numpy": 0.0}


def test_peer_whose_losses_are_not_numbers_is_refused():
    workers = {"numpy": Answers([2.0]), "torch": Answers([float("nan")])}
    with pytest.raises(compare.DifferentComputationError, match="torch"):
        compare.check_agreement(workers, {"numpy": {"note": ""}, "torch": {"note": ""}})


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


def test_smoke(tmp_path):
    options = ["--quick", "--workloads", "rl", "digits", "--peers", "fastbp", "numpy", "--threads", "1"]
    subprocess.run(
        [sys.executable, "-m", "bench", *options, "--output", str(tmp_path)], cwd=ROOT, check=True, timeout=120
    )
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
