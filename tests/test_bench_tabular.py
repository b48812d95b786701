"""The comparison on tables: splits, errors, what is stored and brought together; needs NumPy and scikit-learn alone."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.tabular import results, tasks


def test_a_fifth_of_each_class_or_of_the_groups_is_for_the_test():
    y = np.repeat([0, 1], [900, 100])
    train, test = tasks.split(y, "wrong", None, 0)
    assert sorted([*train, *test]) == list(range(1000))
    assert (y[test] == 1).sum() == 20
    groups = np.arange(1000) // 10
    train, test = tasks.split(y.astype(float), "rmse", groups, 0)
    assert not set(groups[train]) & set(groups[test])
    assert len(test) == 200
    assert not np.array_equal(tasks.split(y, "wrong", None, 1)[0], tasks.split(y, "wrong", None, 0)[0])


def test_fewer_rows_are_whole_groups_and_inner_rows_never_those_of_the_test():
    groups = np.arange(1000) // 10
    y = np.arange(1000.0)
    train, test = tasks.split(y, "rmse", groups, 0)
    few = tasks.fewer(train, groups, 105, 0)
    assert len(few) == 100
    assert set(few) <= set(train)
    assert np.bincount(groups[few]).max() == 10
    assert len(tasks.fewer(train, None, 105, 0)) == 105
    assert tasks.fewer(train, None, None, 0) is train
    task = tasks.Task(None, y, "rmse", groups, train, test)
    inner = task.inner(0)
    assert sorted([*inner.train, *inner.test]) == sorted(train)
    assert not set(groups[inner.train]) & set(groups[inner.test])


def test_errors():
    pytest.importorskip("sklearn")
    y = np.array([0.0, 2, 4])
    assert tasks.error("rmse", y, y + 1) == pytest.approx(1 / y.std())
    assert tasks.error("wrong", np.array(["a", "b"]), np.array(["a", "a"])) == 0.5
    assert tasks.error("auc", np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])) == 0.25


def run(task, error, seconds, split=0, rows=None):
    figures = {"error": error, "fit_seconds": seconds, "fit_cpu_seconds": seconds, "predict_seconds": 0.1}
    return {"task": task, "split": split, "rows": rows, "threads": 1, "machine": "m", **figures}


def test_peers_are_compared_on_the_splits_that_both_have(tmp_path):
    results.add(tmp_path, "fastbp", run("nass", 0.3, 2.0))
    results.add(tmp_path, "fastbp", run("nass", 0.1, 2.0))  # in place of the former
    results.add(tmp_path, "fastbp", run("nass", 0.5, 2.0, split=1))
    results.add(tmp_path, "fastbp", run("police", 0.1, 2.0))
    results.add(tmp_path, "realmlp", run("nass", 0.21, 20.0))
    results.add(tmp_path, "realmlp", run("nass", 0.9, 20.0, rows=100))
    figures = results.stored(tmp_path)
    assert [len(figures[peer]) for peer in ("fastbp", "realmlp")] == [3, 2]
    means = results.ratios(figures["fastbp"], figures["realmlp"], None)
    assert means["error"] == pytest.approx(0.1 / 0.21)
    assert means["worst"] == pytest.approx(0.1 / 0.21)
    assert means["fit_seconds"] == pytest.approx(0.1)
    assert results.ratios(figures["fastbp"], figures["realmlp"], 100) is None
    line = next(line for line in results.report(figures).splitlines() if line.startswith("| fastbp | realmlp"))
    assert [cell.strip() for cell in line.strip("|").split("|")][2:] == ["1", "0.476x", "0.476x", "0.1x", "0.1x"]
    assert results.shifted_mean([0.1, 0.1]) == pytest.approx(0.1)
