"""The libraries that are compared: how each wants a table, and one fit of it, measured."""

import os
import time
import warnings
from typing import Any

import numpy as np

from .tasks import Task, error

FASTBP_OPTIONS: dict[str, dict[str, Any]] = {
    "fastbp": {},
    "fastbp-fast": {"preset": "fast"},
    "fastbp-8": {"n_bags": 8},
    "fastbp-best": {"preset": "best"},
}
_PYTABKIT = ("realmlp", "realmlp-8", "tabm")
PEERS = (*FASTBP_OPTIONS, "linear", "mlp", "histogram", "lightgbm", "xgboost", "catboost", *_PYTABKIT)
# The setting of AutoGluon and TabArena: piecewise-linear embeddings of numbers, 48 bins, one adapter in front.
_TABM = {
    "arch_type": "tabm-mini",
    "num_emb_type": "pwl",
    "num_emb_n_bins": 48,
    "d_embedding": 16,
    "gradient_clipping_norm": 1.0,
    "n_blocks": 2,
}


# ---- Tables as the libraries take them ----


def _as_categories(frame: Any) -> Any:
    """Text as pandas' categories, as trees take it."""
    import pandas as pd

    return frame.assign(
        **{name: frame[name].astype("category") for name in frame if not pd.api.types.is_numeric_dtype(frame[name])}
    )


def _few_categories(frame: Any) -> Any:
    """The same, but categories of more than 255 levels as their codes, as scikit-learn's boosting takes them."""
    frame = _as_categories(frame)
    many = [name for name in frame.select_dtypes("category") if frame[name].nunique() > 255]
    return frame.assign(**{name: frame[name].cat.codes for name in many})


def _filled(frame: Any) -> Any:
    """Numbers without gaps: the mean, and a category that says where they were."""
    frame = _as_categories(frame)
    for name in frame.select_dtypes("number"):
        if frame[name].isna().any():
            frame[f"{name} is missing"] = frame[name].isna().astype(str).astype("category")
            frame[name] = frame[name].fillna(frame[name].mean())
    return frame


def _text_as_text(frame: Any) -> Any:
    """Text without gaps, as CatBoost takes it."""
    text = frame.select_dtypes(exclude="number").columns
    return frame.assign(**{name: frame[name].astype(object).fillna("missing").astype(str) for name in text})


_PREPARED = {
    "lightgbm": _as_categories,
    "xgboost": _as_categories,
    "histogram": _few_categories,
    "catboost": _text_as_text,
    "realmlp": _filled,
    "realmlp-8": _filled,
    "tabm": _filled,
    "linear": _filled,
    "mlp": _filled,
}


# ---- Estimators, with their defaults ----


def _boosting(peer: str, regression: bool, n_threads: int) -> Any:
    if peer == "lightgbm":
        from lightgbm import LGBMClassifier, LGBMRegressor

        return (LGBMRegressor if regression else LGBMClassifier)(verbose=-1, n_jobs=n_threads)
    if peer == "xgboost":
        from xgboost import XGBClassifier, XGBRegressor

        return (XGBRegressor if regression else XGBClassifier)(enable_categorical=True, n_jobs=n_threads)
    if peer == "catboost":
        from catboost import CatBoostClassifier, CatBoostRegressor

        cls = CatBoostRegressor if regression else CatBoostClassifier
        return cls(verbose=0, thread_count=n_threads, allow_writing_files=False)
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    cls = HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier
    return cls(categorical_features="from_dtype", random_state=0)


def _pytabkit(peer: str, kind: str, n_threads: int) -> Any:
    import pytabkit

    regression = kind == "rmse"
    name = "TabM_D" if peer == "tabm" else "RealMLP_TD"
    cls = getattr(pytabkit, f"{name}_{'Regressor' if regression else 'Classifier'}")
    options: dict[str, Any] = dict(_TABM) if peer == "tabm" else {}
    if kind == "auc":
        options["val_metric_name"] = "1-auc_ovr"
        if peer != "tabm":
            options["use_ls"] = False
    if peer == "realmlp-8":
        options["n_cv"] = 8
    return cls(device="cpu", random_state=0, n_threads=n_threads, verbosity=0, **options)


def _sklearn(peer: str, regression: bool, frame: Any) -> Any:
    """A linear model, or scikit-learn's network, on standardised numbers and a column for each level."""
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    text = list(frame.select_dtypes(exclude="number").columns)
    numbers = [name for name in frame.columns if name not in text]
    columns = ColumnTransformer(
        [("numbers", StandardScaler(), numbers), ("text", OneHotEncoder(handle_unknown="ignore"), text)]
    )
    if peer == "linear":
        model = Ridge() if regression else LogisticRegression(max_iter=1000)
    else:
        model = (MLPRegressor if regression else MLPClassifier)(random_state=0, early_stopping=True)
    return make_pipeline(columns, model)


def _estimator(peer: str, kind: str, frame: Any, n_threads: int) -> Any:
    regression = kind == "rmse"
    if peer in FASTBP_OPTIONS:
        from fastbp.sklearn import TabularClassifier, TabularRegressor

        cls = TabularRegressor if regression else TabularClassifier
        return cls(random_state=0, n_threads=n_threads, **FASTBP_OPTIONS[peer])
    if peer in _PYTABKIT:
        return _pytabkit(peer, kind, n_threads)
    if peer in ("linear", "mlp"):
        return _sklearn(peer, regression, frame)
    return _boosting(peer, regression, n_threads)


def cpu_seconds() -> float:
    """Of this process and its ended children, in their own code and in the system's."""
    return float(sum(os.times()[:4]))


def measure(peer: str, task: Task, n_threads: int) -> dict[str, float]:
    """Fit one peer on one task, and test it: its error, and seconds by the clock and of the CPUs."""
    warnings.filterwarnings("ignore")
    frame = _PREPARED.get(peer, lambda same: same)(task.frame)
    y, kind = task.y, task.kind
    estimator = _estimator(peer, kind, frame, n_threads)
    options: dict[str, Any] = {}
    if peer == "catboost":
        options["cat_features"] = list(frame.select_dtypes(exclude="number").columns)
    if peer in FASTBP_OPTIONS and task.groups is not None:
        options["groups"] = task.groups[task.train]
    target = y[task.train]
    classes = None
    if kind == "wrong":  # XGBoost wants numbers
        classes, target = np.unique(target, return_inverse=True)
    begin, begin_cpu = time.perf_counter(), cpu_seconds()
    estimator.fit(frame.iloc[task.train], target, **options)
    fitted, fitted_cpu = time.perf_counter(), cpu_seconds()
    predicted = np.asarray((estimator.predict_proba if kind == "auc" else estimator.predict)(frame.iloc[task.test]))
    done = time.perf_counter()
    predicted = predicted[:, 1] if kind == "auc" else predicted.reshape(len(task.test))
    if classes is not None:
        predicted = classes[predicted.astype(int)]
    return {
        "error": error(kind, y[task.test], predicted),
        "fit_seconds": fitted - begin,
        "fit_cpu_seconds": fitted_cpu - begin_cpu,
        "predict_seconds": done - fitted,
    }
