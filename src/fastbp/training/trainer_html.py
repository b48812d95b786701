"""A trainer as small tables for notebooks."""

from __future__ import annotations

from fastbp.losses.all_losses import LOSSES
from fastbp.models.model_html import model_html
from fastbp.support.checks import counted
from fastbp.support.html_table import card, table
from fastbp.support.registry import shorthand
from fastbp.training.settings import TrainerSettings
from fastbp.training.state import TrainingState

__all__ = ["trainer_html"]


def trainer_html(settings: TrainerSettings, state: TrainingState) -> str:
    """Return the settings, how far training has come, and the model."""
    lines = [
        ("loss", shorthand(settings.loss, LOSSES)),
        ("optimizer", repr(settings.optimizer)),
        ("batch_size", _batch_size(settings)),
        ("metrics", ", ".join(metric.figure for metric in settings.metrics) or "none"),
        ("n_threads", f"{state.n_threads} at most"),
        *((name, repr(value)) for name, value in settings.set_ones().items()),
    ]
    model, history = state.model, state.history
    figures = list(history.latest.items())
    kept = "" if history.kept_epoch is None else f" (the weights of epoch {history.kept_epoch} were kept)"
    return card(
        "Trainer",
        f"{counted(history.n_epochs, 'epoch')}{kept}, {counted(state.n_steps, 'step')}",
        table(["", ""], len(lines), lambda i: lines[i]),
        table(["latest epoch", ""], len(figures), lambda i: figures[i]),
        model_html(model.architecture, model.feed, model.seed),
    )


def _batch_size(settings: TrainerSettings) -> str:
    if settings.privacy is not None:
        return f"{settings.privacy.expected_batch_size:,} expected"
    return "None: all samples" if settings.batch_size is None else f"{settings.batch_size:,}"
