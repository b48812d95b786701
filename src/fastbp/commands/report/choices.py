"""What the recipe for tables chose, and why: for the terminal, and for the report."""

from __future__ import annotations

from typing import NamedTuple

from fastbp.commands.table_networks import TableNetworks, count_members
from fastbp.commands.task import Task
from fastbp.commands.words import figure, percent, shortened
from fastbp.support.checks import counted
from fastbp.tabular.recipe import FEW_ROWS
from fastbp.tabular.targets import NumberTargets

__all__ = ["Part", "describe_choices", "parts_of"]


class Part(NamedTuple):
    """One choice.

    Attributes
    ----------
    what, chosen, why : str
    """

    what: str
    chosen: str
    why: str


def parts_of(trained: TableNetworks, task: Task) -> list[Part]:
    """Return every choice, in the order in which they are made."""
    return [
        _target_part(trained, task),
        _columns_part(trained),
        _rows_part(trained),
        Part("best epoch", f"by {trained.fitted.record.metric}", trained.why_metric),
        _networks_part(trained),
        *_linear_parts(trained),
        *_temperature_parts(trained),
    ]


def describe_choices(trained: TableNetworks, task: Task) -> str:
    """Return the choices that depend on the data, in a sentence or two."""
    record = trained.fitted.record
    if record.is_constant:
        return f"All rows are predicted alike, as {_linear_parts(trained)[0].why}."
    rows = f"{record.n_folds} folds" if record.n_folds > 1 else "one split"
    who = count_members([member.kind for member in trained.fitted.members])
    mean = "weighted mean" if trained.fitted.weighs_networks else "mean"
    said = f"The {mean} of {who} is predicted, each at its best epoch by {record.metric} on rows of {rows}"
    said += "; then all were trained again on all of them." if record.refit else "."
    for part in (_target_part(trained, task), *_linear_parts(trained)):
        if part.what == "target" and part.chosen.startswith("as it is"):
            continue
        said += f" {part.what.capitalize()}: {part.chosen}, as {part.why}."
    return said


def _target_part(trained: TableNetworks, task: Task) -> Part:
    targets = trained.fitted.targets
    asked = trained.settings.loss != "auto"
    loss = targets.loss.name.replace("_", " ")
    if not isinstance(targets, NumberTargets) or targets.form == "plain":
        why = "--loss says so" if asked else f"its values are {'classes' if task.kind == 'class' else 'numbers'}"
        return Part("target", f"as it is, with the loss {loss}", why)
    name = shortened(task.target, 24)
    chosen = f"the logarithm of {name}" if targets.form == "log" else f"{name} as counts, with the loss {loss}"
    better = "held-out rows were predicted better so than with the squared error of the number itself"
    return Part("target", chosen, "--loss says so" if asked else better)


def _columns_part(trained: TableNetworks) -> Part:
    fitted = trained.fitted
    encoding = next(iter(fitted.encodings.values()))
    kinds = {
        "of numbers": len(encoding.numbers),
        "written out by level": len(encoding.levels),
        "with a trained table": len(encoding.cardinalities),
    }
    chosen = ", ".join(f"{n:,} {kind}" for kind, n in kinds.items() if n)
    gaps = sum(number.with_gaps for number in encoding.numbers)
    why = "numbers are scaled by their quartiles and also written by quantile bins; categories of ten levels or more"
    if any(encoding.coded_numbers for encoding in fitted.encodings.values()):
        why += " and recurring values of numbers"
    why += " have a trained table"
    return Part("columns", chosen, f"{why}; a gap in {counted(gaps, 'column')} has its own input" if gaps else why)


def _rows_part(trained: TableNetworks) -> Part:
    fitted, asked = trained.fitted, trained.settings
    n_folds = fitted.record.n_folds
    if n_folds == 1:
        return Part("rows to choose by", "a fifth of the rows that are trained on", "one split of many rows is enough")
    why = "a network is trained on all other folds"
    if asked.preset == "fast":
        why = f"up to {FEW_ROWS:,} rows are too few for one split"
    why = "--folds says so" if asked.folds else "--preset says so" if asked.preset == "best" else why
    return Part("rows to choose by", f"{n_folds} folds, each held out once", why)


def _networks_part(trained: TableNetworks) -> Part:
    preset = trained.settings.preset or "default"
    chosen = count_members([course.member.kind for course in trained.fitted.courses])
    why = "a mean is better than each of them on most tables"
    if trained.fitted.weighs_networks:
        why = "what made their mean better on held-out rows has more weight in it"
    return Part("trained", chosen, f"the preset is {preset}; {why}")


def _linear_parts(trained: TableNetworks) -> list[Part]:
    """Return how much of the prediction is the linear models', where there were some; or that it is a constant."""
    fitted = trained.fitted
    errors = fitted.record.errors
    if fitted.record.is_constant:
        why = "held-out rows were not clearly predicted better by what the columns say"
        return [Part("prediction", "the same for all rows", why)]
    if not {"nets", "linear"} <= errors.keys():
        return []
    what = "log loss"
    if isinstance(fitted.targets, NumberTargets):
        absolute = "mean absolute error, in deviations of the target,"
        what = absolute if fitted.record.metric == "mae" else "share of the variance not explained"
    nets, linear, both = (figure(errors[name]) for name in ("nets", "linear", "blend"))
    why = f"the {what} of held-out rows was {nets} for networks, {linear} for linear models and {both} together"
    return [Part("linear models", f"{percent(fitted.linear_share)} of the prediction", why)]


def _temperature_parts(trained: TableNetworks) -> list[Part]:
    """Return how sure the networks of classes may be, if that was changed."""
    temperature = trained.fitted.record.temperature
    if temperature == 1:
        return []
    how = "surer" if temperature < 1 else "less sure"
    why = f"the log loss of held-out rows was clearly lower with {how} probabilities"
    return [Part("temperature", f"logits divided by {figure(temperature)}", why)]
