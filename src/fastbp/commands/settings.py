"""Which options of ``fastbp train`` go together, with the kind of the target, and with the classes that there are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.commands.errors import CommandError
from fastbp.commands.outcome import Settings
from fastbp.commands.task import Task
from fastbp.data.class_weights import weights_by_class
from fastbp.support.suggestions import listed
from fastbp.tabular.learning import CLASS_METRICS, NUMBER_METRICS
from fastbp.tabular.targets import CLASS_LOSSES, NUMBER_LOSSES

__all__ = ["check_settings", "weighted"]


def check_settings(settings: Settings) -> None:
    """Refuse options of the recipe for tables where a single network was asked for; before anything is read."""
    if settings.hidden is None:
        return
    asked = {"--preset": settings.preset, "--folds": settings.folds, "--refit": settings.refit or None}
    for option, value in asked.items():
        if value is not None:
            raise CommandError(
                f"{option} is for the networks that fastbp chooses, and --hidden asks for one network of your own; "
                "leave out one of them"
            )
    if settings.loss == "log":
        raise CommandError("--loss log is for the networks that fastbp chooses; leave out --hidden, or pass --loss mse")


def check_for_task(settings: Settings, task: Task) -> None:
    """Refuse a metric or a loss that is not for the kind of the target."""
    is_class = task.kind == "class"
    metrics, losses = (CLASS_METRICS, CLASS_LOSSES) if is_class else (NUMBER_METRICS, NUMBER_LOSSES)
    kind = "classes" if is_class else "numbers"
    for option, value, known in (("--metric", settings.metric, metrics), ("--loss", settings.loss, losses)):
        if value not in ("auto", *known):
            raise CommandError(
                f"{option} is {value!r}, and {task.target!r} holds {kind}; expected one of {_any(known)}"
            )
    if settings.class_weight is not None and not is_class:
        raise CommandError(f"--class-weight is for classes, and {task.target!r} holds numbers; leave it out")
    least = float(task.y.min())
    if settings.loss == "log" and least <= 0:
        raise CommandError(f"--loss log is for numbers above 0, and {task.target!r} goes down to {least:g}")
    if settings.loss == "poisson" and least < 0:
        raise CommandError(f"--loss poisson is for numbers of 0 or more, and {task.target!r} goes down to {least:g}")


def weighted(task: Task, settings: Settings) -> Task:
    """Return a task whose rows' weights are times those of their classes, after the options have been checked."""
    check_for_task(settings, task)
    if settings.class_weight is None:
        return task
    wanted: Any = settings.class_weight
    if wanted != "balanced":
        wanted = _weights_in(wanted, task)
    of_classes: NDArray[np.float64] = weights_by_class(wanted, task.y, len(task.classes))
    return task._replace(weights=of_classes if task.weights is None else task.weights * of_classes)


def _weights_in(text: str, task: Task) -> dict[int, float]:
    """Return what "yes=5,no=1" says, by the numbers of the classes."""
    numbers = {str(label): number for number, label in enumerate(task.classes)}
    weights: dict[int, float] = {}
    for part in text.split(","):
        name, _, value = part.rpartition("=")
        if name.strip() not in numbers:
            raise CommandError(
                f"--class-weight has {part.strip()!r}; expected 'balanced', or weights such as "
                f"{listed(task.classes[:1])[1:-1]}=5 with commas between them, of the classes {listed(task.classes, 8)}"
            )
        try:
            weight = float(value)
        except ValueError:
            weight = -1.0
        if not 0 < weight < float("inf"):
            raise CommandError(f"--class-weight has {part.strip()!r}; expected a number above 0 after the =")
        weights[numbers[name.strip()]] = weight
    return weights


def _any(names: tuple[str, ...]) -> str:
    return ", ".join(("auto", *names))
