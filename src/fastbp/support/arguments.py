"""Unknown arguments of public classes and functions: the error says which argument was meant, or where it belongs.

A call that succeeds costs one frame more. What loops call, ``Trainer.step`` and ``Model.predict``, is left as it is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any, TypeVar, cast

__all__ = ["explain_arguments", "explain_constructors"]

F = TypeVar("F", bound=Callable[..., Any])

# Where arguments belong that are often given to something else.
_OF_OPTIMIZER = "It is an argument of the optimizer: optimizer=fb.Adam({}=...), for example."
_OF_MODEL = "It is an argument of fb.Model."
_OF_TRAINER = "It is an argument of fb.Trainer."
_OF_FIT = "It is an argument of Trainer.fit."
_ELSEWHERE = {
    **dict.fromkeys(("inputs", "prepare", "prepare_targets"), _OF_MODEL),
    **dict.fromkeys(("learning_rate", "weight_decay", "momentum"), _OF_OPTIMIZER),
    **dict.fromkeys(("loss", "optimizer", "batch_size", "metrics", "shuffle", "n_threads"), _OF_TRAINER),
    **dict.fromkeys(("clip_norm", "clip_value", "averaging", "accumulate"), _OF_TRAINER),
    **dict.fromkeys(("epochs", "callbacks", "validation_data", "validation_fraction", "progress"), _OF_FIT),
    **dict.fromkeys(("sample_weight", "class_weight"), _OF_FIT),
    **dict.fromkeys(("patience", "early_stopping"), "Pass callbacks=[fb.EarlyStopping(patience=10)] to Trainer.fit."),
    "seed": "It is an argument of fb.Model and of fb.Trainer.",
    "weight": "Trainer.fit has sample_weight and class_weight.",
    "from_logits": "Probabilities come from the model's last activation, a softmax or sigmoid.",
    "reduction": "The loss is the mean over the samples.",
    "dropout": "It is a layer: fb.Dropout(0.1).",
    "device": "fastbp computes on the CPU.",
}


def explain_arguments(function: F, name: str = "") -> F:
    """Return a function that does the same, and whose error for an unknown argument says which one was meant.

    ``name`` is its name in the message, by default its own.
    """
    called = name or function.__qualname__

    @functools.wraps(function)
    def explained(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            # Only where the call itself failed, and not something inside the function.
            if error.__traceback__ is None or error.__traceback__.tb_next is not None:
                raise
            known = _parameters(function)
            wrong = next((argument for argument in kwargs if argument not in known), None)
            if wrong is None:
                raise
            raise TypeError(_sentence(called, wrong, known)) from None

    return cast(F, explained)


def explain_constructors(values: Iterable[object]) -> None:
    """Let the constructors of the classes among these values say which argument was meant."""
    for cls in values:
        function = getattr(cls, "__init__", None)
        if isinstance(cls, type) and isinstance(function, FunctionType):  # others are Python's own
            plain: Any = getattr(function, "__wrapped__", function)  # an inherited one has its own class's name
            cls.__init__ = explain_arguments(plain, cls.__name__)  # type: ignore[misc]


def _parameters(function: Callable[..., Any]) -> list[str]:
    """Return the names that a call can give."""
    import inspect  # imported for messages only

    parameters = inspect.signature(function).parameters.values()
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [each.name for each in parameters if each.kind in named and each.name not in ("self", "cls")]


def _sentence(called: str, wrong: str, known: list[str]) -> str:
    from fastbp.support.foreign_names import ARGUMENTS  # imported for messages only
    from fastbp.support.suggestions import closest, did_you_mean

    was = f"{called} has no argument {wrong!r}"
    meant = did_you_mean(wrong, known, ARGUMENTS)
    if meant:
        return f"{was}. {meant}"
    if wrong in _ELSEWHERE:
        return f"{was}. {_ELSEWHERE[wrong].format(wrong)}"
    for other in closest(wrong, _ELSEWHERE, ARGUMENTS, spelling=False):
        return f"{was}. Did you mean {other!r}? {_ELSEWHERE[str(other)].format(other)}"
    expected = ", ".join(map(repr, known)) if known else "none"
    return f"{was}; expected {expected}."
