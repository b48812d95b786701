"""Copies of a model that end before its last activation, or begin after its preparation."""

from __future__ import annotations

from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from fastbp.layers.base import Layer
from fastbp.layers.batch_ensemble import BatchEnsemble, refuse_batch_ensemble
from fastbp.layers.composition import Residual
from fastbp.layers.dense import Dense
from fastbp.layers.initializers import Zeros
from fastbp.layers.tabular import Inputs, Tabular
from fastbp.models.feed import Feed
from fastbp.models.model import Model
from fastbp.models.model_parts import model_like
from fastbp.preparation.model_preparation import ModelPreparation

__all__ = ["blank", "has_logits", "logits_of_mean", "mixes_probabilities", "redrawn", "refuse_members", "twin"]

Array = NDArray[Any]
Floats = NDArray[np.float64]

Output = Literal["logit", "prediction"]

_WITH_LOGITS = ("softmax", "sigmoid")

# For each model its copies, by whether they end before the last activation, and begin after the preparation; each with
# the feed that the model had.
_twins: WeakKeyDictionary[Model, dict[tuple[bool, bool], tuple[Feed, Model]]] = WeakKeyDictionary()


def has_logits(activation: str) -> bool:
    """Return whether outputs have logits: numbers of which this last activation makes probabilities."""
    return activation in _WITH_LOGITS


def mixes_probabilities(model: Model) -> bool:
    """Return whether a model's outputs are means of its members' probabilities, which no twin has logits of."""
    return isinstance(model.layers[-1], BatchEnsemble) and has_logits(model.architecture.output_activation.name)


def logits_of_mean(model: Model, probabilities: Array) -> Floats:
    """Return the logits of mean probabilities that a model predicted; finite for those that are 0 or 1."""
    limits, shares = np.finfo(model.dtype), probabilities.astype(np.float64)
    logarithms = np.log(np.maximum(shares, limits.tiny))
    if model.architecture.output_activation.name == "softmax":
        return logarithms
    return logarithms - np.log(np.maximum(1 - shares, limits.epsneg))


def refuse_members(model: Model) -> None:
    """Refuse a model of members for methods that look into the network."""
    what = "for methods that look into the network"
    refuse_batch_ensemble(model.layers, what, 'Pass method="shapley", which needs predictions only.')


def twin(model: Model, output: Output, *, prepared: bool = False) -> Model:
    """Return a copy of a model with this output; the model itself, if that is what it has.

    A copy is kept as long as the model, and gets its weights again at each call: what the engine has laid out for it,
    which takes longer than to explain a few rows, is there already.

    Parameters
    ----------
    model : Model
        It is not changed.
    output : {"logit", "prediction"}
        "logit" is what a softmax or a sigmoid is taken of, without the targets' units; of any other last activation the
        prediction.
    prepared : bool, default False
        Whether the copy takes what the preparation makes of X, the inputs of the first layer.
    """
    feed = model.feed
    to_logits = output == "logit" and has_logits(model.architecture.output_activation.name)
    if not to_logits and (not prepared or feed.preparation is None):
        return model
    if to_logits:
        refuse_members(model)
    kept = _twins.setdefault(model, {})
    fed_by, copy = kept.get((to_logits, prepared), (None, None))
    if copy is not None and fed_by is feed:
        copy.network.blend(model.network, 1.0)
        return copy
    fed = feed.fed
    assert fed is not None  # of a model that is built
    preparation = _preparation(feed, keep_inputs=not prepared, keep_targets=not to_logits)
    architecture = model.architecture.to_logits if to_logits else model.architecture
    copy = model_like(model, architecture, Feed(fed if prepared else feed.inputs, preparation, model.dtype))
    kept[to_logits, prepared] = feed, copy
    return copy


def redrawn(model: Model, seed: int) -> Model:
    """Return a model with the same layers and the same preparation, and the initial weights of a seed.

    Layers that begin with zeros get small random numbers instead, as those of an estimator's network do.
    """
    layers = [_drawing(layer) for layer in model.layers]
    copy = Model(layers, inputs=_tables(model.feed.inputs), dtype=model.dtype, seed=seed)
    copy.adopt(model.feed)
    return copy


def _tables(inputs: Inputs | None) -> Tabular | None:
    """Return inputs with tables of codes, whose rows are weights; None for others, which a feed tells."""
    return inputs if isinstance(inputs, Tabular) else None


def _drawing(layer: Layer) -> Layer:
    if isinstance(layer, Dense):
        initializer = "auto" if isinstance(layer.initializer, Zeros) else layer.initializer
        return Dense(layer.units, layer.activation, initializer, use_bias=layer.use_bias)
    return Residual([_drawing(each) for each in layer.layers]) if isinstance(layer, Residual) else layer


def blank(layer: Layer) -> Layer:
    """Return a layer like another that draws no weights, as those of the other will be set."""
    if isinstance(layer, Dense):
        return Dense(layer.units, layer.activation, "zeros", use_bias=layer.use_bias)
    return Residual([blank(each) for each in layer.layers]) if isinstance(layer, Residual) else layer


def _preparation(feed: Feed, *, keep_inputs: bool, keep_targets: bool) -> ModelPreparation | None:
    """Return parts of a feed's preparation, with what they have learned."""
    whole = feed.preparation
    if whole is None:
        return None
    prepare = whole.prepare if keep_inputs else None
    prepare_targets = whole.prepare_targets if keep_targets else None
    if prepare is None and prepare_targets is None:
        return None
    part = ModelPreparation(prepare, prepare_targets)
    part.inputs, part.moments = (whole.inputs, whole.moments) if prepare is not None else (None, None)
    part.targets = whole.targets if prepare_targets is not None else None
    return part
