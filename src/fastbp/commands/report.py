"""The report of ``fastbp train``: one HTML page that needs no other file."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import fastbp as fb
from fastbp.commands import charts
from fastbp.commands.outcome import Outcome, show
from fastbp.models.summary import summarise
from fastbp.support.checks import counted

if TYPE_CHECKING:
    import pandas as pd


__all__ = ["write_report"]

_MOST_IMPORTANCES = 60  # columns, each of which is shuffled in turn
_MOST_IMPORTANCE_ROWS = 5000
_HANDLED = ("scale", "text", "labels")  # findings of inspect_data that `fastbp train` deals with itself

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1c2733; background: #f5f6f8; margin: 0; }
main { max-width: 1000px; margin: 0 auto; padding: 24px 20px 60px; }
h1 { font-size: 26px; margin: 8px 0 2px; } h2 { font-size: 18px; margin: 0 0 12px; }
.under { color: #5b6876; margin: 0 0 20px; }
section { background: white; border-radius: 10px; padding: 18px 22px; margin: 16px 0; box-shadow: 0 1px 3px #0002; }
.scores { display: flex; flex-wrap: wrap; gap: 14px; }
.score { flex: 1 1 130px; background: #eef3f9; border-radius: 8px; padding: 10px 14px; }
.score b { display: block; font-size: 24px; } .score span { color: #5b6876; font-size: 13px; }
img { max-width: 100%; height: auto; display: block; margin: 0 auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; } .wide { overflow-x: auto; }
th, td { text-align: left; padding: 4px 10px; border-bottom: 1px solid #e6e9ed; vertical-align: top; }
th { color: #5b6876; font-weight: 600; } td.n { text-align: right; font-variant-numeric: tabular-nums; }
ul { margin: 0; padding-left: 20px; } pre { overflow-x: auto; font-size: 13px; line-height: 1.4; margin: 0; }
.error { color: #b42318; } .warning { color: #93560a; } .note { color: #3b4a5a; }
"""


def write_report(path: Path, source: str, frame: pd.DataFrame, outcome: Outcome, model_name: str) -> None:
    """Write the page.

    Parameters
    ----------
    path : Path
    source : str
        The name of the table's file.
    frame : DataFrame
        All of the table.
    outcome : Outcome
    model_name : str
        The name of the model's file.
    """
    task, trainer = outcome.task, outcome.trainer
    kind = f"one of {counted(len(task.classes), 'class')}" if task.kind == "class" else "a number"
    sections = [
        _section(f"Scores on {counted(len(outcome.test_rows), 'held-out row')}", _scores(outcome)),
        _section("Training", charts.curves(trainer.history, trainer.metrics[0].name, _best_epoch(trainer))),
        _section(*_answers(outcome)),
        _section("Feature importance", _importances(outcome)),
        _section("Problems of the data", _problems(frame, task.target, task.notes)),
        _section("Columns", _columns(task.X)),
        _section("Network", f"<pre>{html.escape(summarise(trainer.model.architecture))}</pre>"),
        _section("Settings", _settings(outcome, source, model_name)),
    ]
    title = f"{task.target} from {source}"
    page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body><main>
<h1>{html.escape(title)}</h1>
<p class="under">{counted(len(task.y), "row")}, {counted(task.X.shape[1], "column")}; the target is {kind}</p>
{"".join(sections)}
</main></body></html>
"""
    path.write_text(page, encoding="utf-8")


def _section(title: str, content: str) -> str:
    return f"<section><h2>{html.escape(title)}</h2>{content}</section>\n"


def _scores(outcome: Outcome) -> str:
    answer = "most common class" if outcome.task.kind == "class" else "mean"
    cards = []
    for name, value in outcome.scores.items():
        beside = f"{answer}: {show(outcome.baseline[name])}" if name in outcome.baseline else "&nbsp;"
        cards.append(f'<div class="score">{html.escape(name)}<b>{show(value)}</b><span>{beside}</span></div>')
    return f'<div class="scores">{"".join(cards)}</div>'


def _best_epoch(trainer: fb.Trainer) -> int:
    return int(np.nanargmin(trainer.history["val_loss"])) + 1


def _answers(outcome: Outcome) -> tuple[str, str]:
    """Return the title and the chart of the predictions."""
    task, y = outcome.task, outcome.task.y[outcome.test_rows]
    if task.kind == "class":
        return "Confusion matrix", charts.confusion(y, outcome.outputs.argmax(axis=1), task.classes)
    return "Predictions", charts.residuals(y, outcome.outputs[:, 0], task.target)


def _importances(outcome: Outcome) -> str:
    """Shuffle the columns of the held-out rows in turn, and measure what each costs the score (Breiman, 2001)."""
    task, trainer = outcome.task, outcome.trainer
    rows = outcome.test_rows[:_MOST_IMPORTANCE_ROWS]
    X, y = task.X.iloc[rows], task.y[rows]
    metric = trainer.metrics[0].name
    whole = trainer.evaluate(X, y)[metric]
    order = np.random.default_rng(0).permutation(len(rows))
    losses = {}
    for name in X.columns[:_MOST_IMPORTANCES]:
        shuffled = X.assign(**{name: X[name].to_numpy()[order]})
        losses[str(name)] = whole - trainer.evaluate(shuffled, y)[metric]
    return charts.importances(losses, metric)


def _problems(frame: pd.DataFrame, target: str, notes: Sequence[str]) -> str:
    findings = fb.inspect_data(frame.drop(columns=[target]), frame[target]).findings
    odd = [finding for finding in findings if finding.kind not in _HANDLED]
    items = [f'<li class="{finding.severity}">{html.escape(str(finding))}</li>' for finding in odd]
    items += [f'<li class="note">{html.escape(note)}</li>' for note in notes]
    return f"<ul>{''.join(items)}</ul>" if items else "<p>No problems found.</p>"


def _columns(X: pd.DataFrame) -> str:
    rows = []
    for name in X.columns:
        column = X[name]
        missing = f"{column.isna().mean():.1%}" if column.isna().any() else ""
        if column.dtype.kind in "iuf":
            low, middle, high = column.min(), column.median(), column.max()
            rows.append([name, "number", missing, f"{low:.6g}", f"{middle:.6g}", f"{high:.6g}"])
        else:
            counts = column.astype(str).where(column.notna()).value_counts()
            common = ", ".join(f"{level} ({count / len(X):.0%})" for level, count in counts.head(3).items())
            rows.append([name, counted(len(counts), "level"), missing, common, "", ""])
    return _table(["column", "kind", "missing", "min / most common", "median", "max"], rows)


def _settings(outcome: Outcome, source: str, model_name: str) -> str:
    trainer = outcome.trainer
    n_train = len(outcome.train_rows)
    n_epochs = counted(trainer.history.n_epochs, "epoch")
    speed = n_train * trainer.history.n_epochs / max(outcome.seconds, 1e-9)
    rows = [
        ["data", source],
        ["model", model_name],
        [
            "rows",
            f"{n_train:,} for training, a tenth of them to decide when to stop; {len(outcome.test_rows):,} held out",
        ],
        ["training", f"{n_epochs}, {outcome.seconds:.1f} s, {speed:,.0f} samples per second"],
        ["optimizer", repr(trainer.optimizer)],
        ["loss, batch size, seed", f"{trainer.loss.name}, {trainer.batch_size}, {trainer.seed}"],
        ["made by", f"fastbp {fb.__version__}, {datetime.now():%Y-%m-%d %H:%M}"],
    ]
    return _table(None, rows)


def _table(head: Iterable[str] | None, rows: Iterable[Sequence[Any]]) -> str:
    top = f"<tr>{''.join(f'<th>{html.escape(name)}</th>' for name in head)}</tr>" if head else ""
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table>{top}{body}</table></div>'
