"""What private training refuses, and why: everything that would tell of single samples beside the noisy steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from fastbp.callbacks.base import Callback
from fastbp.callbacks.checkpoint import Checkpoint
from fastbp.callbacks.early_stopping import EarlyStopping
from fastbp.data.target_labels import Labels, read_labels
from fastbp.layers.batch_ensemble import refuse_batch_ensemble
from fastbp.layers.composition import innermost
from fastbp.layers.normalisation import BatchNorm
from fastbp.layers.numeric_embeddings import Embedding
from fastbp.losses.base import Loss
from fastbp.losses.custom import CustomLoss
from fastbp.metrics.base import Metric
from fastbp.models.model import Model
from fastbp.optimizers.base import Optimizer
from fastbp.privacy import DifferentialPrivacy, Public
from fastbp.schedules import Plateau
from fastbp.support.checks import sentence
from fastbp.support.precision import MIXED

__all__ = [
    "check_private_fit",
    "check_private_optimizer",
    "check_private_settings",
    "check_privacy",
    "describe_bad_numbers",
    "public_arrays",
    "refuse_batch_size",
    "refuse_learning",
    "refuse_parameters",
    "without_values",
]

T = TypeVar("T")

_WITH = "with privacy"


class SettingsOfTrainer(Protocol):
    """The arguments of a trainer that privacy restricts."""

    @property
    def privacy(self) -> DifferentialPrivacy | None: ...
    @property
    def metrics(self) -> Sequence[Metric]: ...
    @property
    def accumulate(self) -> int: ...
    @property
    def clipping(self) -> Mapping[str, float]: ...
    @property
    def shuffle(self) -> bool: ...
    @property
    def seed(self) -> int: ...
    @property
    def precision(self) -> str | None: ...
    @property
    def loss(self) -> Loss: ...


def check_privacy(privacy: Any) -> DifferentialPrivacy | None:
    """Return the argument of that name."""
    if privacy is None or isinstance(privacy, DifferentialPrivacy):
        return privacy
    raise TypeError(sentence("privacy", privacy, "an fb.DifferentialPrivacy or None"))


def refuse_batch_size(batch_size: Any) -> None:
    """Refuse a batch size that was given."""
    remedy = "expected_batch_size of fb.DifferentialPrivacy says how many samples a step has on average."
    raise ValueError(sentence("batch_size", batch_size, f"no such argument {_WITH}", remedy))


def check_private_settings(settings: SettingsOfTrainer, layers: Sequence[Any], measured: bool) -> None:
    """Refuse what a private trainer cannot have; ``measured``: metrics were given."""
    assert settings.privacy is not None
    if measured and settings.metrics:
        names = [metric.figure for metric in settings.metrics]
        remedy = "Metrics of private samples would reveal them: evaluate the model on public ones."
        raise ValueError(sentence("metrics", names, f"None or [] {_WITH}", remedy))
    if settings.accumulate > 1:
        remedy = "Make expected_batch_size larger: max_physical_batch_size limits the memory."
        raise ValueError(sentence("accumulate", settings.accumulate, f"1 {_WITH}", remedy))
    for name, bound in settings.clipping.items():
        remedy = "max_grad_norm of fb.DifferentialPrivacy clips each sample's gradient."
        raise ValueError(sentence(name, bound, f"None {_WITH}", remedy))
    if not settings.shuffle:
        raise ValueError(sentence("shuffle", False, f"True {_WITH}", "Each step draws its samples at random."))
    if settings.privacy.secure and settings.seed != 0:
        remedy = "The random numbers come from a secret key; secure=False takes the seed, and is not private."
        raise ValueError(sentence("seed", settings.seed, f"0 {_WITH} and secure=True", remedy))
    _refuse_mixed("precision", settings.precision)
    if isinstance(settings.loss, CustomLoss):
        remedy = "A function of the whole batch may mix samples. Use one of fastbp's losses."
        raise ValueError(sentence("loss", settings.loss, f"a loss of fastbp {_WITH}", remedy))
    refuse_batch_ensemble(layers, _WITH)
    for where, layer in innermost(layers):
        if isinstance(layer, BatchNorm):
            raise ValueError(
                f"{where} is {layer!r}, which mixes the samples of a batch; expected none {_WITH}. Use fb.LayerNorm()."
            )
        if isinstance(layer, Embedding) and any(array.trained for array in layer.parameters(1)):
            raise ValueError(
                f"{where} is {layer!r}; expected none {_WITH}: the norms of single samples' gradients are not known."
            )


def check_private_optimizer(optimizer: Optimizer) -> None:
    """Refuse optimizers that need the whole loss, and schedules that look at figures of private samples."""
    if optimizer.full_batch or not optimizer.native:
        remedy = "Noise and sampling change the gradient from step to step. Use fb.Adam() or fb.SGD()."
        raise ValueError(sentence("optimizer", optimizer, f"one that goes by small batches {_WITH}", remedy))
    for name, value in optimizer.numbers().items():
        if isinstance(value, Plateau) and not value.monitor.startswith("val_"):
            remedy = "A figure of private samples would reveal them: monitor='val_loss' with fb.Public data."
            raise ValueError(
                f"{name} is {value!r}; expected a schedule of time, or of public figures, {_WITH}. {remedy}"
            )


def check_private_fit(
    y: Any,
    validation_fraction: Any,
    groups: Any,
    class_weight: Any,
    on_nan: str,
    callbacks: Sequence[Callback],
) -> None:
    """Refuse arguments of ``fit`` that would tell of private samples."""
    if y is None:
        remedy = "Chunks do not say how many samples there are. Give arrays, also memory-mapped ones."
        raise ValueError(sentence("y", None, f"targets {_WITH}", remedy))
    for name, value in (("validation_fraction", validation_fraction), ("groups", groups)):
        if value is not None:
            remedy = "Figures of held-out private samples would reveal them: validation_data=fb.Public(X, y)."
            raise ValueError(f"{name} is given; expected None {_WITH}. {remedy}")
    _refuse_balanced(class_weight)
    if on_nan != "raise":
        remedy = "Going back reveals more than the steps that are counted. Lower the learning rate."
        raise ValueError(sentence("on_nan", on_nan, f"'raise' {_WITH}", remedy))
    for callback in callbacks:
        monitor = _monitor_of(callback)
        if monitor is not None and not monitor.startswith("val_"):
            remedy = "Only figures of public samples may decide: monitor='val_loss', validation_data=fb.Public(X, y)."
            raise ValueError(f"callbacks has {callback!r}; expected none that watches {monitor!r} {_WITH}. {remedy}")


def refuse_parameters(estimator: Any, refused: Mapping[str, tuple[Any, str]]) -> None:
    """Refuse parameters of an estimator that private training cannot have.

    Parameters
    ----------
    estimator : object
        Has the parameters as attributes.
    refused : dict of str to (object, str)
        What a parameter has to be, and why.
    """
    for name, (allowed, remedy) in refused.items():
        value = getattr(estimator, name)
        if value != allowed:
            raise ValueError(sentence(name, value, f"{allowed!r} {_WITH}", remedy))
    _refuse_balanced(getattr(estimator, "class_weight", None))
    _refuse_mixed("compute_dtype", getattr(estimator, "compute_dtype", None))


def _refuse_balanced(class_weight: Any) -> None:
    if isinstance(class_weight, str):
        remedy = "The classes' frequencies are private. Give a dictionary of weights that are public."
        raise ValueError(sentence("class_weight", class_weight, f"a dictionary or None {_WITH}", remedy))


def _refuse_mixed(name: str, precision: Any) -> None:
    if precision == MIXED:
        remedy = "Rounded products have norms of their own, which are not bounded."
        raise ValueError(sentence(name, precision, f"None {_WITH}", remedy))


def _monitor_of(callback: Callback) -> str | None:
    """Return the name of the figure that decides, if one does."""
    if isinstance(callback, (EarlyStopping, Checkpoint)):
        return callback.watched
    return None


def public_arrays(validation_data: Any, private: bool) -> Any:
    """Return validation data as arrays where it is an fb.Public; with privacy refuse all else."""
    if isinstance(validation_data, Public):
        return validation_data.arrays
    if private and validation_data is not None:
        raise ValueError(
            f"validation_data is given; expected None or fb.Public(X, y) {_WITH}: figures of private samples would "
            "reveal them. Samples that nobody has to protect go into fb.Public."
        )
    return validation_data


def refuse_learning(model: Model, y: Any) -> None:
    """Refuse to learn from private rows what is not a weight: preparation of the inputs, and labels of classes."""
    feed = model.feed
    if feed.preparation is not None and not feed.preparation.ready:
        raise ValueError(
            f"the model's preparation is {feed.preparation!r} and would learn from private rows; expected one that is "
            f"known {_WITH}. Call model.build(X, y) with public rows first, or scale by public constants yourself."
        )
    feed.check_observed()
    if feed.classes is None and isinstance(read_labels(y, "y"), Labels):
        raise ValueError(
            f"y has labels, and the model does not know its classes; expected known ones {_WITH}: which occur is "
            "private. Set model.classes to the labels that there can be, or number them from 0."
        )


_TRAINER_REMEDY = "A trainer without privacy tells it by fit(X, y, epochs=0): call it where nobody else reads."


def without_values(read: Callable[[], T], remedy: str = _TRAINER_REMEDY) -> T:
    """Read private data; errors tell neither rows nor values: messages end up in logs, and those in other hands.

    The new error is raised outside of the handler, so that the old one is not attached to it.
    """
    try:
        return read()
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
    raise kind(
        "X, y or sample_weight does not fit the model or the loss; what is wrong is not told, as a message may name "
        f"rows and values of private samples. {remedy}"
    )


def describe_bad_numbers(where: str) -> str:
    """Return the message for private data that the engine refuses, its inputs or its targets."""
    wrong = {
        "inputs": "X has a number that is NaN, infinite or too large; expected finite ones",
        "targets": "y has a number that is NaN, infinite, too large or not one that the loss takes; expected others",
    }
    return (
        f"{wrong[where]}. Which row is not told, as it is private: fb.inspect_data(X, y) tells it, where nobody else "
        "reads. The steps before are in the account."
    )
