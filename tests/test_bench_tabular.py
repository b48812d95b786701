"""The comparison on tables: its splits, errors and means; no library besides NumPy and scikit-learn is needed."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import tabular


def test_a_fifth_of_each_class_or_of_the_groups_is_for_the_test():
    y = np.repeat([0, 1], [900, 100])
    train, test = tabular.split(y, "wrong", None, 0)
    assert sorted([*train, *test]) == list(range(1000))
    assert (y[test] == 1).sum() == 20
    groups = np.arange(1000) // 10
    train, test = tabular.split(y.astype(float), "rmse", groups, 0)
    assert not set(groups[train]) & set(groups[test])
    assert len(test) == 200
    assert not np.array_equal(tabular.split(y, "wrong", None, 1)[0], tabular.split(y, "wrong", None, 0)[0])


def test_errors():
    pytest.importorskip("sklearn")
    y = np.array([0.0, 2, 4])
    assert tabular.error("rmse", y, y + 1) == pytest.approx(1 / y.std())
    assert tabular.error("wrong", np.array(["a", "b"]), np.array(["a", "a"])) == 0.5
    assert tabular.error("auc", np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])) == 0.25


def test_the_report_compares_tasks_that_both_have():
    runs = {"error": 0.1, "fit_seconds": 2.0, "predict_seconds": 0.1}
    worse = {"error": 0.21, "fit_seconds": 20.0, "predict_seconds": 0.1}
    figures = {"fastbp": {"nass": [runs], "police": [runs]}, "realmlp": {"nass": [worse]}}
    text = tabular.report({"figures": figures, "command": "c", "date": "d", "machine": "m"})
    line = next(line for line in text.splitlines() if line.startswith("| realmlp"))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[-3:] == ["0.48x", "20.0", "0.10x"]
    assert tabular.shifted_mean([0.1, 0.1]) == pytest.approx(0.1)
