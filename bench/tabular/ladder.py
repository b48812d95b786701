"""`python -m bench.tabular.ladder`: what each part of fastbp's recipe for tables is worth, from a plain network up.

    python -m bench.tabular.ladder --rows 5000 --splits 1

Each rung has all parts of the rungs before it. The rows to test on of `bench.tabular` are not touched: a rung is
trained on four fifths of the rows to train on, of which a fifth chooses the best epoch, and its error is that on the
rest. Results are stored by rung in results/tabular-ladder; `--gather` brings them together.
"""

import argparse
import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import machine
from ..report import markdown_table
from .peers import cpu_seconds, measure
from .results import OUTPUT, Run, add, ratios, record, shifted_mean, stored
from .tasks import TASKS, Task, error

_TABLE_WIDTH = 8


@dataclass(frozen=True)
class Rung:
    """One network, and how it is trained."""

    robust: bool = False  # numbers by median and quartiles, bounded; few levels a column each, many levels a table
    n_bins: int = 0
    activation: str = "relu"
    learning_rate: float = 0.001
    cycles: bool = False  # the rate rises and falls four times, and the second moments forget faster
    last_best: bool = False  # the last of the best epochs
    weight_decay: float = 0.0
    dropout: float = 0.0
    first_layer: bool = False  # the first layer's rate by its number of inputs
    epochs: int = 32
    width: int = 256


def _rungs() -> dict[str, Rung]:
    rungs: dict[str, Rung] = {}
    rung = rungs["plain MLP: standardised, one-hot, ReLU, Adam"] = Rung()
    rung = rungs["robust scale, smooth bound, tables of many levels"] = replace(rung, robust=True)
    rung = rungs["mish"] = replace(rung, activation="mish")
    rung = rungs["CosLog, beta_2 .95"] = replace(rung, cycles=True, learning_rate=0.004)
    rung = rungs["last of the best epochs"] = replace(rung, last_best=True)
    rung = rungs["dropout .15, flat and cosine"] = replace(rung, dropout=0.15)
    rung = rungs["weight decay .05, flat and cosine"] = replace(rung, weight_decay=0.05)
    rung = rungs["first layer's rate"] = replace(rung, first_layer=True)
    rungs["bins: 32"] = replace(rung, n_bins=32)
    return rungs


RUNGS = _rungs()
# The last rungs are the estimators themselves.
ESTIMATORS = {"one member of the recipe": "fastbp-fast", "four members": "fastbp", "eight folds": "fastbp-8"}


# ---- A rung ----


def _standardised(table: np.ndarray, n_numbers: int, cardinalities: list[int], rows: np.ndarray) -> np.ndarray:
    """Numbers with mean 0 and deviation 1, a gap at the mean; a column for each level."""
    numbers = table[:, :n_numbers]
    mean, deviation = np.nanmean(numbers[rows], axis=0), np.nanstd(numbers[rows], axis=0)
    parts = [np.nan_to_num((numbers - mean) / np.where(deviation > 0, deviation, 1.0))]
    for k, cardinality in enumerate(cardinalities):
        parts.append(table[:, n_numbers + k, np.newaxis] == np.arange(cardinality))
    return np.concatenate(parts, axis=1).astype(np.float32)


def _trainer(rung: Rung, inputs: Any, targets: Any, n_inputs: int, n_steps: int, batch_size: int, metric: str) -> Any:
    import fastbp as fb

    layers: list[Any] = []
    for _ in range(3):
        layers.append(fb.Dense(rung.width, rung.activation))
        if rung.dropout:
            layers.append(fb.Dropout(fb.FlatCosine(rung.dropout, over=n_steps)))
    layers.append(fb.Dense(targets.n_outputs, targets.activation))
    factor = (256 / n_inputs) ** 0.5
    factors: dict[str, Any] = {"learning_rate_factors": {0: factor}} if rung.first_layer else {}
    rate = fb.CosLog(rung.learning_rate, over=n_steps) if rung.cycles else rung.learning_rate
    beta_2 = 0.95 if rung.cycles else 0.999
    if rung.weight_decay:
        decay = fb.FlatCosine(rung.weight_decay, over=n_steps)
        optimizer = fb.AdamW(rate, beta_2=beta_2, weight_decay=decay)
        if rung.first_layer:
            factors["weight_decay_factors"] = {0: 1 / factor}
    else:
        optimizer = fb.Adam(rate, beta_2=beta_2)
    metrics = [] if metric == "rmse" else [metric]
    model = fb.Model(layers, inputs=inputs, seed=0)
    return fb.Trainer(model, targets.loss, optimizer, batch_size=batch_size, seed=0, metrics=metrics, **factors)


def climb(rung: Rung, task: Task, n_threads: int) -> dict[str, float]:
    """Train a rung on a task: its error, and seconds."""
    import fastbp as fb
    from fastbp.data.folds import split_fraction
    from fastbp.tabular.encoding import learn_encoding
    from fastbp.tabular.reading import learn_reader
    from fastbp.tabular.recipe import batch_size_for
    from fastbp.tabular.targets import ClassTargets, NumberTargets

    begin, begin_cpu = time.perf_counter(), cpu_seconds()
    own = np.concatenate([task.train, task.test])
    reader, table = learn_reader(task.frame.iloc[own], "auto")
    y, groups = task.y[own], None if task.groups is None else task.groups[own]
    n = len(task.train)
    classes = None if task.kind == "rmse" else np.unique(y[:n], return_inverse=True)
    train, held_out = split_fraction(
        n, 0.2, classes=None if classes is None else classes[1], groups=None if groups is None else groups[:n], seed=0
    )
    if rung.robust:
        encoding = learn_encoding(table, reader.n_numbers, reader.cardinalities, rung.n_bins, train)
        X, levels = encoding.encode(table), list(encoding.cardinalities.values())
        inputs = fb.Tabular(encoding.n_numeric, levels, [_TABLE_WIDTH] * len(levels)) if levels else encoding.n_numeric
        n_inputs = encoding.n_numeric + _TABLE_WIDTH * len(levels)
    else:
        X = _standardised(table, reader.n_numbers, reader.cardinalities, train)
        inputs = n_inputs = X.shape[1]
    if classes is None:
        targets: Any = NumberTargets.of(y[train, np.newaxis])
        encoded = targets.encode(y[:, np.newaxis])
    else:
        targets = ClassTargets(len(classes[0]))
        encoded = classes[1]
    batch_size = batch_size_for(len(train))
    n_steps = rung.epochs * -(-len(train) // batch_size)
    metric = {"rmse": "rmse", "wrong": "accuracy", "auc": "roc_auc"}[task.kind]
    trainer = _trainer(rung, inputs, targets, n_inputs, n_steps, batch_size, metric)
    watched = "val_loss" if metric == "rmse" else f"val_{metric}"
    stopping = fb.EarlyStopping(watched, rung.epochs, ties="last" if rung.last_best else "first")
    trainer.fit(
        X[train],
        encoded[train],
        epochs=rung.epochs,
        validation_data=(X[held_out], encoded[held_out]),
        callbacks=[stopping],
    )
    said = targets.decode(trainer.model.predict(X[n:], n_threads=n_threads))
    seconds, cpu = time.perf_counter() - begin, cpu_seconds() - begin_cpu
    if classes is None:
        predicted = said[:, 0]
    else:
        predicted = said[:, 1] if task.kind == "auc" else classes[0][said.argmax(axis=1)]
    return {"error": error(task.kind, y[n:], predicted), "fit_seconds": seconds, "fit_cpu_seconds": cpu}


# ---- What is stored, and the report ----


def _stored_name(place: int, name: str) -> str:
    kept = "".join(c if c.isalnum() else " " for c in name.lower())
    return f"{place:02d}-" + "-".join(kept.split())


def report(figures: dict[str, list[Run]], names: dict[str, str], rows: int | None) -> str:
    """The errors of each rung, and the ratio of its mean to those of the first rung and of the rung before."""
    lines, first, before = [], None, None
    for stem, name in names.items():
        runs = [run for run in figures.get(stem, []) if run["rows"] == rows]
        if not runs:
            continue
        errors = {task: [run["error"] for run in runs if run["task"] == task] for task in TASKS}
        cells = [f"{np.mean(of):.4f}" if of else "-" for of in errors.values()]
        worth = []
        for other in (first, before):
            means = None if other is None else ratios(runs, other, rows)
            worth.append("-" if means is None else f"{means['error']:.3f}x")
        cpu = shifted_mean(run["fit_cpu_seconds"] for run in runs)
        lines.append([name, *cells, *worth, f"{cpu:.1f}"])
        first, before = first or runs, runs
    header = ("rung", *TASKS, "of the first", "of the one before", "CPU s")
    return markdown_table(header, lines)


def _gathered(folder: Path, names: dict[str, str]) -> str:
    figures = stored(folder)
    every = [run for runs in figures.values() for run in runs]
    parts = ["# The ladder of the recipe for tables", "", "    python -m bench.tabular.ladder --gather", ""]
    parts.append(
        "Each rung has the parts of those before it. Errors are on rows held out from the rows to train on (those to "
        "test on were not touched), as in tabular.md; ratios are of shifted geometric means: below 1, a rung is better."
    )
    for rows in sorted({run["rows"] for run in every}, key=lambda size: size or 10**9):
        splits = {run["split"] for run in every if run["rows"] == rows}
        title = "All rows" if rows is None else f"At most {rows:,} rows"
        parts += ["", f"## {title}, {len(splits)} split{'s' * (len(splits) > 1)}", "", report(figures, names, rows)]
    return "\n".join(parts) + "\n"


def main() -> None:
    """Climb the ladder on the tasks, and store each rung; or gather."""
    names = [*RUNGS, *ESTIMATORS]
    parser = argparse.ArgumentParser(prog="python -m bench.tabular.ladder", description=__doc__)
    parser.add_argument("--rungs", nargs="+", type=int, choices=range(len(names)), default=list(range(len(names))))
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--splits", type=int, default=1)
    parser.add_argument("--rows", type=int, default=None, help="the most rows to train on (default: all)")
    parser.add_argument("--threads", type=int, default=len(machine.usable_cpus()))
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--gather", action="store_true", help="train nothing: write the report of what is stored")
    arguments = parser.parse_args()
    folder, stems = arguments.output / "tabular-ladder", [_stored_name(i, name) for i, name in enumerate(names)]
    if not arguments.gather:
        warnings.filterwarnings("ignore")
        for name in arguments.tasks:
            for split in range(arguments.splits):
                task = Task.made(name, split, arguments.rows).inner(split)
                for i in arguments.rungs:
                    _climb_one(folder, stems[i], names[i], task, (name, split, arguments.rows, arguments.threads))
    text = _gathered(folder, dict(zip(stems, names, strict=True)))
    (arguments.output / "tabular-ladder.md").write_text(text)
    print(text)


def _climb_one(folder: Path, stem: str, name: str, task: Task, key: tuple[str, int, int | None, int]) -> None:
    import fastbp as fb

    fb.set_num_threads(key[3])
    figures = climb(RUNGS[name], task, key[3]) if name in RUNGS else measure(ESTIMATORS[name], task, key[3])
    run = record(figures, *key)
    add(folder, stem, run)
    print(f"{key[0]} {key[1]} {name}: {run['error']:.4f}, {run['fit_cpu_seconds']:.1f} s of the CPUs", flush=True)


if __name__ == "__main__":
    main()
