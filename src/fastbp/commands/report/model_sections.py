"""The sections about the model: how its training went, what it is, and how it was made."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import fastbp as fb
from fastbp.commands.network import Network
from fastbp.commands.outcome import Outcome
from fastbp.commands.report import charts, markup
from fastbp.commands.report.choices import describe_choices, parts_of
from fastbp.commands.report.training_course import describe_course
from fastbp.commands.table_networks import TableNetworks
from fastbp.commands.words import figure
from fastbp.models.summary import summarise
from fastbp.support.checks import counted
from fastbp.tabular.fitted import Course

__all__ = ["describe_training", "hidden_units", "model_sections"]

_MOST_CURVES = 5


def describe_training(outcome: Outcome) -> str:
    """Return how the training went and what to try next, or what was chosen."""
    trained = outcome.trained
    if isinstance(trained, Network):
        history, hidden = trained.trainer.history, hidden_units(trained.trainer.model)
        return describe_course(history["loss"], history["val_loss"], trained.best_epoch, hidden)
    assert isinstance(trained, TableNetworks)
    return describe_choices(trained, outcome.task)


def hidden_units(model: fb.Model) -> list[int]:
    """Return the units of the hidden layers."""
    return [layer.units for layer in model.layers[:-1] if isinstance(layer, fb.Dense)]


def model_sections(outcome: Outcome, source: str, model_name: str) -> tuple[str, list[str]]:
    """Return the section about the training, for the top of the page, and those about the model, for its end."""
    trained = outcome.trained
    if isinstance(trained, Network):
        summary = markup.code(summarise(trained.trainer.model.architecture))
        end = [
            markup.section("Network", summary),
            markup.section("Settings", _settings(outcome, source, model_name, _of_network(trained, outcome))),
        ]
        return _training_of_network(trained), end
    assert isinstance(trained, TableNetworks)
    rows = _settings(outcome, source, model_name, _of_networks(trained, outcome))
    return _training_of_networks(trained, outcome), [_networks(trained), markup.section("Settings", rows)]


# ----------------------------------------------------------------------------------------------- one network


def _training_of_network(trained: Network) -> str:
    history = trained.trainer.history
    names = ["loss", trained.trainer.metrics[0].name]
    pictures = (charts.learning_curve(history, name, trained.best_epoch) for name in names)
    return markup.section("Training", markup.side_by_side(*pictures))


def _of_network(trained: Network, outcome: Outcome) -> list[list[str]]:
    trainer = trained.trainer
    n_epochs = trainer.history.n_epochs
    speed = len(outcome.train_rows) * n_epochs / max(trained.seconds, 1e-9)
    return [
        ["choosing", "a tenth of the rows for training decide when to stop"],
        ["training", f"{counted(n_epochs, 'epoch')}, {trained.seconds:.1f} s, {speed:,.0f} rows per second"],
        ["optimizer", repr(trainer.optimizer)],
        ["loss, batch size, seed", f"{trainer.loss.name}, {trainer.batch_size}, {trainer.seed}"],
    ]


# -------------------------------------------------------------------------------------- the recipe for tables


def _training_of_networks(trained: TableNetworks, outcome: Outcome) -> str:
    """Return what was chosen and why, and the curves of the first networks."""
    parts = [list(part) for part in parts_of(trained, outcome.task)]
    head = {"part": False, "chosen": False, "why": False}
    courses = [course for course in trained.fitted.courses if course.n_epochs][:_MOST_CURVES]
    figures = list(dict.fromkeys(("loss", _watched(courses))))
    pictures = (charts.learning_curves(courses, name) for name in figures)
    said = "Of rows that were held out from training, to choose the best epoch of each network, marked by a dot."
    return markup.section(
        "What was chosen, and why",
        markup.table(head, parts),
        markup.side_by_side(*pictures),
        markup.paragraph(said, quiet=True),
    )


def _watched(courses: Sequence[Course]) -> str:
    """Return the figure beside the loss, if there is one."""
    names = [name.removeprefix("val_") for name in courses[0].figures if name.startswith("val_")] if courses else []
    return next((name for name in names if name != "loss"), "loss")


def _networks(trained: TableNetworks) -> str:
    courses = trained.fitted.courses
    name = _watched(courses)
    rows = [
        [
            course.name.split(",")[0],
            course.fold + 1,
            f"{course.member.learning_rate:g}",
            f"{course.member.weight_decay:g}",
            f"{course.member.dropout:g}",
            f"{course.best_epoch} of {course.n_epochs}",
            figure(course.figures[f"val_{name}"][course.best_epoch - 1]) if course.best_epoch else "–",
        ]
        for course in courses
    ]
    head = {"network": False, "fold": True, "learning rate": True, "weight decay": True, "dropout": True}
    head |= {"epoch": True, f"{name} of rows held out": True}
    summary = summarise(trained.fitted.members[0].model.architecture)
    said = "The first of them, layer by layer:"
    return markup.section("Networks", markup.table(head, rows), markup.paragraph(said), markup.code(summary))


def _of_networks(trained: TableNetworks, outcome: Outcome) -> list[list[str]]:
    asked = trained.settings
    loss = trained.fitted.targets.loss.name
    return [
        ["training", f"{counted(len(trained.fitted.courses), 'network')}, {trained.seconds:.1f} s"],
        ["preset, loss, seed", f"{asked.preset or 'default'}, {loss}, {asked.seed}"],
        *([["classes' weights", asked.class_weight]] if asked.class_weight else []),
        *(
            [["rows' weights", "as a column says"]]
            if outcome.task.weights is not None and not asked.class_weight
            else []
        ),
    ]


def _settings(outcome: Outcome, source: str, model_name: str, of_model: list[list[str]]) -> str:
    held_out = f"{len(outcome.test_rows):,} held out for the scores"
    rows = [
        ["data", source],
        ["model", model_name],
        ["rows", f"{len(outcome.train_rows):,} for training, {held_out}"],
        *of_model,
        ["made by", f"fastbp {fb.__version__}, {datetime.now():%Y-%m-%d %H:%M}"],
    ]
    return markup.table(None, rows)
