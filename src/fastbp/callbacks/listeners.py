"""The callbacks of one call of ``fit``: what users pass, as objects, in the order in which they are told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

from fastbp.callbacks.base import Callback, Figures
from fastbp.callbacks.lambda_callback import LambdaCallback
from fastbp.support.checks import sentence

if TYPE_CHECKING:
    from fastbp.training.trainer import Trainer

__all__ = ["CallbackLike", "as_callbacks", "keyed"]


CallbackLike: TypeAlias = Callback | Callable[["Trainer", Figures], Any]


def as_callbacks(callbacks: Iterable[CallbackLike] | CallbackLike) -> list[Callback]:
    """Return callbacks as objects, in the order in which they are told; a function runs at the end of every epoch."""
    if isinstance(callbacks, Callback) or callable(callbacks):
        callbacks = [callbacks]
    expected = "a list of fb.Callback objects or functions of (trainer, figures)"
    if not isinstance(callbacks, Iterable) or isinstance(callbacks, str):
        raise TypeError(sentence("callbacks", callbacks, expected))
    listeners = [_as_callback(callback, f"callbacks[{i}]") for i, callback in enumerate(callbacks)]
    return sorted(listeners, key=lambda listener: listener.runs_last)


def _as_callback(callback: Any, argument: str) -> Callback:
    if isinstance(callback, Callback):
        return callback
    if isinstance(callback, type) and issubclass(callback, Callback):
        raise TypeError(sentence(argument, callback, "an object", f"Add parentheses: {callback.__name__}()."))
    if callable(callback):
        return LambdaCallback(on_epoch_end=callback)
    raise TypeError(sentence(argument, callback, "an fb.Callback object or a function of (trainer, figures)"))


def keyed(listeners: Iterable[Callback]) -> dict[str, Callback]:
    """Return callbacks by what tells them apart in a file: the class, and a number where there are several of one."""
    by_key: dict[str, Callback] = {}
    counts: dict[str, int] = {}
    for listener in listeners:
        name = type(listener).__name__
        counts[name] = counts.get(name, 0) + 1
        by_key[name if counts[name] == 1 else f"{name}-{counts[name]}"] = listener
    return by_key
