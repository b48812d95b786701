"""Errors for NaN and infinity: they name row and column of data, or epoch, batch and layer of training."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from fastbp.data.samples import Samples
    from fastbp.engine.errors import NonFinite
    from fastbp.models.architecture import Architecture
    from fastbp.models.feed import Feed

__all__ = ["DivergenceError", "explain_divergence", "explain_nonfinite", "explain_outputs"]

_OVERFLOWED = "the outputs of {}, are not all finite, although those of the layers before are"


class DivergenceError(FloatingPointError):
    """The weights, a layer's outputs or the loss are not finite, although the data is."""


def explain_nonfinite(
    error: NonFinite, architecture: Architecture, feed: Feed, data: Samples, where: str, remedy: str = ""
) -> NoReturn:
    """Raise the error for the engine's NonFinite.

    Parameters
    ----------
    error : NonFinite
    architecture, feed
        The model's.
    data : Samples
        The samples that the engine was reading.
    where : str
        When it happened, such as "in epoch 3, batch 5".
    remedy : str
        What to do if the data is not the reason.

    Raises
    ------
    ValueError
        If a number in the data is NaN or infinite.
    DivergenceError
        If the data is finite, but weights, outputs or the loss are not.
    """
    if error.where in ("inputs", "targets"):
        there, row, numbers = data.origin_of(error.row)
        if error.where == "inputs":
            feed.refuse_inputs(there.X, there.names[0], row, numbers)
        there.refuse_targets(row)
        feed.refuse_targets(there.y, there.names[1], row, numbers)
    explain_divergence(error, architecture, feed, where, remedy)


def explain_divergence(
    error: NonFinite, architecture: Architecture, feed: Feed, where: str, remedy: str = ""
) -> NoReturn:
    """Raise the DivergenceError for the engine's NonFinite, if it is not the data that is not finite."""
    if error.where == "gradient":
        what = f"the gradient of the loss by the outputs is not finite as {architecture.dtype}, although the loss is"
    elif error.layer < 0:
        what = "the loss is not finite, although the outputs of all layers are"
    else:
        i = architecture.layer_of_stage[error.layer]
        layer = _named(i, architecture) if i >= 0 else f"the inputs, {feed.inputs!r}"
        if error.where == "narrow weights":
            what = f"the weights of {layer}, are too large for bfloat16, although they are finite as float32"
        elif error.where == "weights":
            what = f"an update made the weights of {layer}, infinite or NaN"
        else:
            what = _OVERFLOWED.format(layer)
    raise DivergenceError(f"{where}, {what}.{' ' + remedy if remedy else ''}") from None


def explain_outputs(i: int, architecture: Architecture, where: str) -> NoReturn:
    """Raise the DivergenceError for the first layer whose outputs are not finite; it may have no stage of its own."""
    raise DivergenceError(f"{where}, {_OVERFLOWED.format(_named(i, architecture))}.")


def _named(i: int, architecture: Architecture) -> str:
    return f"layer {i} (counted from 0), {architecture.layers[i]!r}"
