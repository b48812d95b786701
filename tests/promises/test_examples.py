"""The examples run as a reader would run them."""

import subprocess
import sys
from pathlib import Path

import pytest

from fashion_helpers import write_fashion

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run_example(name, *arguments):
    command = [sys.executable, "-W", "error", EXAMPLES / name, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_xor():
    out = run_example("xor.py")
    one_layer, hidden_layer = out.split("A hidden layer")
    assert "loss 0.250000" in one_layer
    assert "the same weights by hand and by fastbp" in hidden_layer
    assert hidden_layer.count("agreed at every step") == 1
    assert "Learned." in hidden_layer


def test_fashion_mnist_without_data_says_what_it_runs_on():
    pytest.importorskip("sklearn")
    out = run_example("fashion_mnist.py", "--epochs", "2")
    assert out.startswith("No --data DIR: running on scikit-learn's handwritten digits")
    assert "hardest classes:" in out


def test_private_fashion_mnist_says_what_it_promises():
    pytest.importorskip("sklearn")
    out = run_example("private_fashion_mnist.py", "--epochs", "2", "--epsilon", "8")
    assert out.startswith("No --data DIR: running on scikit-learn's handwritten digits")
    assert "(epsilon, delta)-differentially private" in out


def test_private_adult_without_data_says_what_it_runs_on():
    pytest.importorskip("sklearn")
    pytest.importorskip("pandas")
    out = run_example("private_adult.py")
    assert out.startswith("No --data FILE: running on made-up people")
    assert "(epsilon, delta)-differentially private" in out


def test_fashion_mnist_with_data(tmp_path):
    out = run_example("fashion_mnist.py", "--epochs", "2", "--data", str(write_fashion(tmp_path)))
    assert "digits" not in out
    assert "most often taken for" in out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "least"), [("cartpole_dqn.py", 400), ("cartpole_ppo.py", 400), ("pendulum_ddpg.py", -250)]
)
def test_reinforcement_learning_learns(name, least):
    """The median of three seeds: bits differ by instruction set, and so do the policies."""
    results = [float(run_example(name, "--seed", str(seed)).rsplit(":", 1)[1]) for seed in range(3)]
    assert sorted(results)[1] >= least, results
