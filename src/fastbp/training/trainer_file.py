"""Files of a trainer during training: everything that the rest of the training depends on, except the data.

The description holds the trainer's settings, its history, the number of steps, the position in the epoch, and the
states of schedules and callbacks. The arrays are the model's (names with the prefix ``model.``), the optimizer's
(``optimizer.``), the averages of the weights (``averages.``), the sums over the epoch (``unfinished``) and the
callbacks' (``callbacks.``). Random numbers need no state: they depend on the seed, the epoch and the step. The number
``dropout_mask`` says how dropout draws them: 2, or 1 as version 0.1 did, whose files do not have it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.callbacks.saved_states import check_states
from fastbp.engine import kernels
from fastbp.losses.all_losses import LOSSES
from fastbp.losses.base import Loss
from fastbp.losses.custom import CustomLoss, LossLike, as_loss
from fastbp.losses.penalised import PenalisedLoss
from fastbp.metrics.base import Metric
from fastbp.metrics.choose import METRICS, MetricLike, choose_metrics
from fastbp.metrics.function import FunctionMetric
from fastbp.models.description import as_stored, named_weights
from fastbp.models.model import Model
from fastbp.optimizers.all_optimizers import OPTIMIZERS
from fastbp.optimizers.averaging import AVERAGINGS
from fastbp.optimizers.base import Optimizer
from fastbp.privacy import DifferentialPrivacy
from fastbp.schedules import SCHEDULES, FunctionSchedule, PlateauMemory, Schedule
from fastbp.support.checks import check_int, check_number, counted, sentence, shown
from fastbp.support.precision import MIXED, explain_bf16
from fastbp.support.registry import from_config, to_config
from fastbp.support.safetensors_file import TRAINER, blaming_file, read_file, write_file
from fastbp.training.array_factors import FACTOR_OPTIONS, INPUTS
from fastbp.training.history import History
from fastbp.training.settings import TrainerSettings
from fastbp.training.shard_checks import check_shards
from fastbp.training.state import TrainingState, UnfinishedEpoch

__all__ = ["SavedTrainer", "gather", "read_trainer", "write_trainer"]

Array = NDArray[Any]

_FUNCTION = "function"  # placeholder for a Python function
_TENSOR = "$tensor"  # in a callback's state: key of the name of an array


def gather(
    settings: TrainerSettings, state: TrainingState, callback_states: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return a trainer as a description and arrays, which no training changes any more."""
    model, gathered = state.model, state.gathered()
    named = named_weights(model.architecture, model.get_weights())
    tensors = {f"model.{name}": array for name, array in named}
    tensors |= {f"optimizer.{name}": array for name, array in gathered["optimizer_state"]}
    averages, n_averaged = gathered["averages"] or ([], 0)
    tensors |= {f"averages.{i}": array for i, array in enumerate(averages)}
    unfinished: UnfinishedEpoch | None = gathered["unfinished"]
    if unfinished is not None:
        tensors["unfinished"] = unfinished.progress[2]
    described = {key: _without_arrays(value, f"callbacks.{key}", tensors) for key, value in callback_states.items()}
    memory = gathered["memories"]
    return {
        "model": model.to_config(),
        "loss": _loss_config(settings.loss),
        "optimizer": _optimizer_config(settings.optimizer),
        "metrics": [_metric_config(metric) for metric in settings.metrics],
        "averaging": settings.averaging and to_config(settings.averaging),
        "options": settings.plain(),
        "n_steps": gathered["n_steps"],
        "dropout_mask": gathered["dropout_mask"],
        "n_averaged": n_averaged,
        "rate_scale": gathered["rate_scale"],
        "memories": {name: dataclasses.asdict(remembered) for name, remembered in memory.items() if remembered},
        "unfinished": unfinished and [unfinished.n_samples, *unfinished.progress[:2], unfinished.seconds],
        "privacy": gathered.get("privacy"),
        "history": _history_config(state.history),
        "callbacks": described,
    }, tensors


def write_trainer(path: str | os.PathLike[str], contents: tuple[dict[str, Any], dict[str, Array]]) -> None:
    """Write what ``gather`` returned; the old file stays until the new one is complete and on the disk."""
    write_file(path, TRAINER, *contents)


@dataclass(frozen=True)
class SavedTrainer:
    """The contents of a trainer file.

    Attributes
    ----------
    model : Model
    arguments : dict of str to object
        The new trainer's arguments, except the model and the number of threads.
    callback_states : dict of str to object
    description, tensors
        The rest, for ``set_progress``.
    """

    model: Model
    arguments: dict[str, Any]
    callback_states: dict[str, Any]
    description: Mapping[str, Any]
    tensors: Mapping[str, Array]

    def set_progress(self, state: TrainingState) -> None:
        """Restore the saved progress in a new trainer's state."""
        description, tensors = self.description, self.tensors
        optimizer_state = list(_below("optimizer.", tensors))
        averages = None
        if self.arguments["averaging"] is not None:
            arrays = [array for _, array in _below("averages.", tensors)]
            _check_arrays(arrays, state.model.get_weights(), "averages")
            averages = arrays, check_int(description["n_averaged"], "n_averaged", minimum=0)
        state.go_on_from(
            {
                "n_steps": check_int(description["n_steps"], "n_steps", minimum=0, maximum=2**62),
                "dropout_mask": check_int(description.get("dropout_mask", 1), "dropout_mask", maximum=2),
                "optimizer_state": optimizer_state,
                "averages": averages,
                "memories": {name: _memory_from(memory) for name, memory in description["memories"].items()},
                "rate_scale": check_number(description["rate_scale"], "rate_scale", above=0),
                "unfinished": _unfinished_from(description["unfinished"], tensors, self._n_sums(state)),
                "privacy": description.get("privacy"),
            }
        )
        expected = state.session.get_state()
        if sorted(name for name, _ in optimizer_state) != sorted(name for name, _ in expected):
            raise ValueError(f"the optimizer's arrays are {[name for name, _ in optimizer_state]}")
        by_name = dict(optimizer_state)
        _check_arrays([by_name[name] for name, _ in expected], [array for _, array in expected], "optimizer's arrays")
        state.history = _history_from(description["history"])

    def _n_sums(self, state: TrainingState) -> int:
        """Return how many sums an epoch of this trainer has."""
        return state.session.n_sums(self.arguments["loss"].n_targets(state.model.n_outputs))


@contextlib.contextmanager
def read_trainer(
    path: str | os.PathLike[str],
    loss: LossLike | None,
    optimizer: str | Optimizer | None,
    metrics: MetricLike | Sequence[MetricLike] | None,
    precision: str | None,
    n_ranks: int | None,
) -> Iterator[SavedTrainer]:
    """Yield the contents of a file, with a given loss, optimizer and metrics that a file cannot hold.

    A given precision replaces the file's; ``n_ranks`` processes continue together, or None.

    Make the trainer inside the ``with`` statement: errors raised there are reported as errors of the file.
    """
    description, tensors = read_file(path, TRAINER)
    try:
        with blaming_file(path, TRAINER):
            functions = {"loss": loss, "optimizer": optimizer, "metrics": metrics}
            described = {name: description[name] for name in functions}
            if any(metric["name"] == _FUNCTION for metric in description["metrics"]):
                described["metrics"] = _FUNCTION
            given = {name: _given(name, value, described[name]) for name, value in functions.items()}
            _check_ranks(description["options"].get("shards", 1), n_ranks)
            yield _parse(description, tensors, given, precision)
    except _MissingError as error:
        raise ValueError(f"{shown(os.fspath(path))} holds a trainer whose {error}") from None


class _MissingError(Exception):
    """The file needs a function, which it cannot hold, or something that this machine or this job has not."""


def _check_ranks(shards: int, n_ranks: int | None) -> None:
    """Refuse a trainer whose batches are not cut into as many shards as the ranks need."""
    if n_ranks is None:
        return
    try:
        check_shards(shards, n_ranks)
    except ValueError as error:
        raise _MissingError(f"{error} Load it without distributed, or with fewer ranks.") from None


def _given(name: str, value: Any, described: Any) -> Any:
    """Return the argument of ``load`` that replaces the file's description; None to use the description."""
    if described != _FUNCTION:
        if value is None:
            return None
        raise _MissingError(f"{name} is in it; expected {name}=None, not {shown(value)}.")
    if value is None:
        raise _MissingError(
            f"{name} has a function, which a file cannot hold; expected it as an argument: "
            f"fb.Trainer.load(path, {name}=...)."
        )
    return value


def _parse(
    description: Mapping[str, Any], tensors: Mapping[str, Array], given: Mapping[str, Any], precision: str | None
) -> SavedTrainer:
    """Return the contents of a file: a model with its weights, and its trainer's arguments."""
    weights = [array for name, array in tensors.items() if name.startswith("model.")]
    averaging = description["averaging"]
    options = dict(description["options"])
    for name in FACTOR_OPTIONS:  # JSON's keys are text
        given_by = options.get(name) or {}
        options[name] = {key if key == INPUTS else int(key): factor for key, factor in given_by.items()} or None
    if options.get("privacy") is not None:
        options["privacy"] = DifferentialPrivacy(**options["privacy"])
    if precision is not None:
        options["precision"] = precision
    elif options.get("precision") == MIXED and kernels.bf16() is None:
        raise _MissingError(
            f"precision is {MIXED!r}; expected a machine with bfloat16 products ({explain_bf16()}). Continue with "
            "other bits by fb.Trainer.load(path, precision='float32')."
        )
    model = Model.from_config(description["model"], as_stored(description["model"], weights))
    loss = as_loss(given["loss"] or _loss_from(description["loss"]))
    arguments = {
        "loss": loss,
        "optimizer": given["optimizer"] or _optimizer_from(description["optimizer"]),
        "metrics": None
        if options.get("privacy")
        else _metrics_from(description["metrics"], given["metrics"], loss, model.n_outputs),
        "averaging": None if averaging is None else from_config(averaging, AVERAGINGS, "averaging"),
        **options,
    }
    callback_states = {str(key): _with_arrays(value, tensors) for key, value in description["callbacks"].items()}
    check_states(callback_states, model)
    return SavedTrainer(model, arguments, callback_states, description, tensors)


# -------------------------------------------------------------------------------------------------------- parts


def _loss_config(loss: Loss) -> Any:
    """Return a loss as plain data."""
    if isinstance(loss, CustomLoss):
        return _FUNCTION
    return loss.to_config() if isinstance(loss, PenalisedLoss) else to_config(loss)


def _loss_from(config: Mapping[str, Any]) -> Loss:
    if "penalised" in config:
        return PenalisedLoss.from_config(config)
    return from_config(config, LOSSES, "loss")


def _metric_config(metric: Metric) -> dict[str, Any]:
    """Return a metric as plain data, a function by its name in the history."""
    return {"name": _FUNCTION, "figure": metric.figure} if isinstance(metric, FunctionMetric) else to_config(metric)


def _metrics_from(
    described: Sequence[Mapping[str, Any]], given: MetricLike | Sequence[MetricLike] | None, loss: Loss, n_outputs: int
) -> Sequence[Metric]:
    """Return the metrics that a file describes, or the given ones if functions are among them."""
    if given is None:
        return [from_config(metric, METRICS, "metrics") for metric in described]
    metrics = choose_metrics(given, loss, n_outputs)
    if [_metric_config(metric) for metric in metrics] != list(described):
        expected = [metric.get("figure", metric["name"]) for metric in described]
        was = [metric.figure for metric in metrics]
        raise _MissingError(f"metrics have the figures {expected}; expected metrics with the same figures, not {was}.")
    return metrics


def _optimizer_config(optimizer: Optimizer) -> Any:
    """Return an optimizer as plain data, including its schedules."""
    fields = {field.name: getattr(optimizer, field.name) for field in dataclasses.fields(optimizer)}
    if any(isinstance(value, FunctionSchedule) for value in fields.values()):
        return _FUNCTION
    plain = {name: to_config(value) if isinstance(value, Schedule) else value for name, value in fields.items()}
    return {"name": optimizer.name, **plain}


def _optimizer_from(config: Mapping[str, Any]) -> Optimizer:
    fields = {
        name: from_config(value, SCHEDULES, name) if isinstance(value, Mapping) else value
        for name, value in config.items()
    }
    return from_config(fields, OPTIMIZERS, "optimizer")


def _memory_from(memory: Mapping[str, Any]) -> PlateauMemory:
    """Return a schedule's memory; only Plateau has one."""
    best = memory["best"]
    if not isinstance(best, float) or math.isnan(best):
        raise TypeError(sentence("best", best, "a number"))
    factor = check_number(memory["factor"], "factor", at_least=0)
    return PlateauMemory(factor, best, check_int(memory["n_bad"], "n_bad", minimum=0))


def _unfinished_from(
    described: Sequence[Any] | None, tensors: Mapping[str, Array], n_sums: int
) -> UnfinishedEpoch | None:
    if described is None:
        return None
    n_samples, n_done, weight, seconds = described
    sums = tensors["unfinished"]
    if sums.dtype != np.float64 or sums.shape != (n_sums,) or not np.isfinite(sums[0]):
        raise ValueError(sentence("unfinished", sums, f"a vector of {n_sums} float64 numbers, the first one finite"))
    n_samples = check_int(n_samples, "n_samples", maximum=2**62)
    progress = (
        check_int(n_done, "n_done", minimum=0, maximum=n_samples),
        check_number(weight, "weight", at_least=0),
        sums,
    )
    return UnfinishedEpoch(n_samples, progress, check_number(seconds, "seconds", at_least=0), None)


def _history_config(history: History) -> dict[str, Any]:
    return {
        "n_epochs": history.n_epochs,
        "figures": {name: list(values) for name, values in history.items()},
        "kept_epoch": history.kept_epoch,
    }


def _history_from(described: Mapping[str, Any]) -> History:
    history = History()
    n_epochs, figures = check_int(described["n_epochs"], "n_epochs", minimum=0), dict(described["figures"])
    if n_epochs and not figures:
        raise ValueError(f"the history has {counted(n_epochs, 'epoch')} and no figures")
    for name, values in figures.items():
        if not isinstance(values, list) or len(values) != n_epochs:
            raise ValueError(f"the history has {counted(n_epochs, 'epoch')}, and other numbers of {name!r}")
        if not all(type(value) in (int, float) for value in values):
            raise TypeError(f"the history has something else than numbers in {name!r}")
    for epoch in range(n_epochs):
        history.append({name: float(values[epoch]) for name, values in figures.items()})
    kept = described.get("kept_epoch")  # older files have none
    if kept is not None:
        history.kept_epoch = check_int(kept, "kept_epoch", maximum=max(history.n_epochs, 1))
    return history


def _check_arrays(arrays: Sequence[Array], expected: Sequence[Array], what: str) -> None:
    if [(array.shape, array.dtype) for array in arrays] != [(array.shape, array.dtype) for array in expected]:
        raise ValueError(f"the {what} have shapes {[array.shape for array in arrays]}")


def _below(prefix: str, tensors: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
    for name, array in tensors.items():
        if name.startswith(prefix):
            yield name.removeprefix(prefix), array


# ----------------------------------------------------------------------------------------- callbacks' states


def _without_arrays(value: Any, name: str, tensors: dict[str, Array]) -> Any:
    """Return plain data with arrays replaced by their names; the arrays are added to ``tensors``."""
    if isinstance(value, np.ndarray):
        tensors[name] = value.copy()
        return {_TENSOR: name}
    if isinstance(value, Mapping):
        return {str(key): _without_arrays(item, f"{name}.{key}", tensors) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_arrays(item, f"{name}.{i}", tensors) for i, item in enumerate(value)]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    remedy = "The result of a callback's get_state is written to a file."
    raise TypeError(sentence(name, value, "a number, string, None, array, or a list or dictionary of them", remedy))


def _with_arrays(value: Any, tensors: Mapping[str, Array]) -> Any:
    if isinstance(value, Mapping):
        if set(value) == {_TENSOR}:
            return tensors[value[_TENSOR]]
        return {key: _with_arrays(item, tensors) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_arrays(item, tensors) for item in value]
    return value
