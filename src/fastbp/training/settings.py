"""A trainer's settings: one frozen record, used by repr, files, copies and searches."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from fastbp.layers.composition import innermost
from fastbp.layers.dense import Dense
from fastbp.layers.dropout import Dropout
from fastbp.layers.normalisation import BatchNorm
from fastbp.losses.all_losses import LOSSES
from fastbp.losses.base import Loss
from fastbp.losses.custom import LossLike, as_loss
from fastbp.metrics.base import Metric
from fastbp.metrics.choose import MetricLike, choose_metrics
from fastbp.metrics.regression import R2
from fastbp.models.architecture import Architecture, check_members_loss
from fastbp.models.feed import Feed
from fastbp.optimizers.all_optimizers import OPTIMIZERS, OptimizerLike
from fastbp.optimizers.averaging import AVERAGINGS, Averaging, AveragingLike
from fastbp.optimizers.base import Optimizer
from fastbp.privacy import DifferentialPrivacy
from fastbp.support.checks import check_flag, check_int, check_number, check_word, choose_seed, sentence, shown
from fastbp.support.precision import MIXED, Precision, check_precision
from fastbp.support.registry import resolve, shorthand
from fastbp.training.array_factors import (
    Factors,
    FactorsLike,
    check_decay_biases,
    check_decay_factors,
    check_epsilon_factors,
    check_rate_factors,
)
from fastbp.training.private_checks import (
    check_privacy,
    check_private_optimizer,
    check_private_settings,
    refuse_batch_size,
)
from fastbp.training.shard_checks import check_sharded_settings, check_shards

__all__ = [
    "Figures",
    "OnNaN",
    "StopReason",
    "TrainerSettings",
    "USUAL_BATCH_SIZE",
    "check_loss",
    "check_on_nan",
    "check_settings",
]

StopReason = Literal["epochs", "stopped", "converged", "budget", "error"]
OnNaN = Literal["raise", "rollback"]
Figures = dict[str, float]

_CLIPPING = ("clip_value", "clip_norm", "clip_array_norm")
_SHOWN_IF_SET = (
    *_CLIPPING,
    "averaging",
    "learning_rate_factors",
    "weight_decay_factors",
    "epsilon_factors",
    "decay_biases",
    "precision",
    "privacy",
)


class _Usual(int):
    """A number that nobody has asked for."""


USUAL_BATCH_SIZE: int = _Usual(32)


@dataclass(frozen=True)
class TrainerSettings:
    """The checked arguments of ``fb.Trainer``, except the model and the number of threads, which changes no result."""

    loss: Loss
    optimizer: Optimizer
    batch_size: int | None
    shuffle: bool
    seed: int
    metrics: tuple[Metric, ...]
    clip_value: float | None
    clip_norm: float | None
    clip_array_norm: float | None
    averaging: Averaging | None
    accumulate: int
    learning_rate_factors: Factors
    weight_decay_factors: Factors
    epsilon_factors: Factors
    decay_biases: bool
    precision: Precision | None
    privacy: DifferentialPrivacy | None
    shards: int = 1

    @cached_property
    def sums(self) -> tuple[str, ...]:
        """The names of the engine's sums for the metrics, each once."""
        return tuple(dict.fromkeys(metric.sums for metric in self.metrics if metric.sums))

    @property
    def wants_spread(self) -> bool:
        """Whether figures need the spread of the targets."""
        return any(isinstance(metric, R2) for metric in self.metrics)

    @property
    def narrow(self) -> bool:
        """Whether large products round their operands to bfloat16."""
        return self.precision == MIXED

    @property
    def clipping(self) -> dict[str, float]:
        """The gradient's bound under the argument's name; empty without clipping."""
        return {name: bound for name in _CLIPPING if (bound := getattr(self, name)) is not None}

    def batch_size_of(self, n_samples: int) -> int:
        """Return the batch size for n_samples samples."""
        return n_samples if self.batch_size is None else min(self.batch_size, n_samples)

    def plain(self) -> dict[str, Any]:
        """Return the arguments that are plain data: a file's "options"."""
        return {
            **({} if self.privacy else {"batch_size": self.batch_size}),
            "shuffle": self.shuffle,
            "seed": self.seed,
            "accumulate": self.accumulate,
            **self.clipping,
            "learning_rate_factors": self.learning_rate_factors,
            "weight_decay_factors": self.weight_decay_factors,
            **({"epsilon_factors": self.epsilon_factors} if self.epsilon_factors else {}),
            "decay_biases": self.decay_biases,
            **({} if self.precision is None else {"precision": self.precision}),
            **({} if self.privacy is None else {"privacy": dataclasses.asdict(self.privacy)}),
            **({} if self.shards == 1 else {"shards": self.shards}),
        }

    def arguments(self) -> dict[str, Any]:
        """Return the arguments for a trainer with the same settings and another model."""
        return {
            "loss": self.loss,
            "optimizer": self.optimizer,
            "metrics": None if self.privacy else self.metrics,
            "averaging": self.averaging,
            **self.plain(),
            **({"privacy": self.privacy} if self.privacy else {}),
        }

    def set_ones(self) -> dict[str, Any]:
        """Return the arguments that are shown only if they are set."""
        set_ones = {name: value for name in _SHOWN_IF_SET if (value := getattr(self, name))}
        counts = {name: number for name in ("accumulate", "shards") if (number := getattr(self, name)) > 1}
        return set_ones | counts

    def shown(self, n_threads: int | None) -> str:
        """Return the arguments as ``repr`` shows them."""
        return (
            f"loss={shorthand(self.loss, LOSSES)}, optimizer={self.optimizer!r}, "
            + ("" if self.privacy else f"batch_size={self.batch_size}, ")
            + f"n_threads={n_threads}, shuffle={self.shuffle}, seed={self.seed}, "
            f"metrics={[metric.figure for metric in self.metrics]}"
            + "".join(f", {name}={value!r}" for name, value in self.set_ones().items())
        )


def check_settings(
    architecture: Architecture,
    feed: Feed,
    *,
    loss: LossLike,
    optimizer: OptimizerLike,
    batch_size: int | None,
    shuffle: bool,
    seed: int | None,
    metrics: MetricLike | Sequence[MetricLike] | None,
    clipping: Mapping[str, float | None],
    averaging: AveragingLike | None,
    accumulate: int,
    learning_rate_factors: FactorsLike | None,
    weight_decay_factors: FactorsLike | None,
    epsilon_factors: FactorsLike | None,
    decay_biases: bool,
    precision: str | None,
    privacy: Any,
    shards: int | None = None,
    n_ranks: int | None = None,
) -> TrainerSettings:
    """Return the arguments of ``fb.Trainer`` for a model of this architecture.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, or does not fit another one or the model.
    """
    checked_loss = as_loss(loss)
    check_loss(checked_loss, architecture, feed)
    rule = resolve(optimizer, OPTIMIZERS, "optimizer")
    given = _check_clipping(clipping)
    decays = check_decay_biases(check_flag(decay_biases, "decay_biases"), rule)
    layers = architecture.layers
    private = check_privacy(privacy)
    if private is None:
        size = _check_batch_size(batch_size, rule)
    else:
        size = None
        check_private_optimizer(rule)
        if batch_size is not USUAL_BATCH_SIZE:
            refuse_batch_size(batch_size)
    settings = TrainerSettings(
        loss=checked_loss,
        optimizer=rule,
        batch_size=size,
        learning_rate_factors=check_rate_factors(learning_rate_factors, architecture),
        weight_decay_factors=check_decay_factors(weight_decay_factors, architecture, rule, decays),
        epsilon_factors=check_epsilon_factors(epsilon_factors, architecture, rule),
        averaging=None if averaging is None else resolve(averaging, AVERAGINGS, "averaging"),
        accumulate=_check_accumulate(accumulate, 1 if private else size),
        shuffle=check_flag(shuffle, "shuffle"),
        seed=choose_seed(seed),
        metrics=choose_metrics(metrics, checked_loss, architecture.n_outputs),
        decay_biases=decays,
        precision=check_precision(precision, architecture.dtype.name),
        privacy=private,
        shards=check_shards(shards, n_ranks),
        **{name: given.get(name) for name in _CLIPPING},
    )
    if settings.shards > 1:
        check_sharded_settings(settings, n_ranks)
    if settings.privacy is not None:
        check_private_settings(settings, layers, measured=metrics is not None)
    if not rule.native:
        _check_without_engine(settings, architecture)
    for metric in settings.metrics:
        feed.check_metric(metric.name, metric.sums)
    return settings


def check_loss(loss: Loss, architecture: Architecture, feed: Feed) -> None:
    """Refuse a loss that does not fit a model, as far as the model is known."""
    loss.check_output(architecture.output_activation, architecture.n_outputs)
    check_members_loss(loss, architecture.layers)
    feed.check_loss(loss, architecture.n_outputs)


def check_on_nan(on_nan: Any) -> OnNaN:
    """Return what to do when training diverges."""
    return "rollback" if check_word(on_nan, "on_nan", ("raise", "rollback")) == "rollback" else "raise"


def _check_without_engine(settings: TrainerSettings, architecture: Architecture) -> None:
    """Refuse options that only the engine's steps support."""
    optimizer, name = settings.optimizer, type(settings.optimizer).__name__
    options: dict[str, Any] = settings.clipping | {
        "learning_rate_factors": settings.learning_rate_factors or None,
        "precision": settings.precision,
    }
    if settings.averaging is not None and settings.averaging.numbers():
        options["averaging"] = settings.averaging
    for option, value in options.items():
        if value is not None:
            raise ValueError(f"{option} is {value!r}; expected none with {name}, whose steps are SciPy's.")
    for where, layer in innermost(architecture.layers):
        was = f"{where} is {layer!r} and the optimizer {optimizer!r}, "
        if isinstance(layer, Dropout):
            raise ValueError(
                f"{was}which needs the same loss at every evaluation. Remove the dropout, or use another optimizer."
            )
        if isinstance(layer, BatchNorm):
            raise ValueError(f"{was}which does not update running statistics. Use fb.LayerNorm, or another optimizer.")
        if isinstance(layer, Dense) and layer.max_norm is not None:
            raise ValueError(f"{was}which does not support max_norm. Remove max_norm, or use another optimizer.")


def _check_clipping(clipping: Mapping[str, float | None]) -> dict[str, float]:
    """Return the clipping argument that is given, at most one."""
    given = {name: bound for name, bound in clipping.items() if bound is not None}
    if len(given) > 1:
        was = " and ".join(f"{name} is {shown(bound)}" for name, bound in given.items())
        raise ValueError(f"{was}; expected at most one of them.")
    return {name: check_number(bound, name, above=0) for name, bound in given.items()}


def _check_batch_size(batch_size: int | None, optimizer: Optimizer) -> int | None:
    if batch_size is None:
        return None
    if optimizer.full_batch:
        name = type(optimizer).__name__
        remedy = f"The gradient differs between batches, and {name} needs that of the whole loss: pass batch_size=None."
        raise ValueError(sentence("batch_size", batch_size, f"None, all samples at once, with {name}", remedy))
    return check_int(batch_size, "batch_size", remedy="None means all samples at once.")


def _check_accumulate(accumulate: int, batch_size: int | None) -> int:
    number = check_int(accumulate, "accumulate")
    if batch_size is None and number > 1:
        raise ValueError(
            f"accumulate is {number} and batch_size is None, all samples at once; expected accumulate=1 with it, or a "
            "batch_size."
        )
    return number
