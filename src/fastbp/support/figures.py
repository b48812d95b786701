"""The error for a figure that is watched in training and does not exist.

Where it is found, nobody knows how the user could have asked for it: who offers arguments for validation says which.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType

__all__ = ["MissingFigureError", "explaining_missing_figures", "missing_figure"]


class MissingFigureError(ValueError):
    """An epoch has no figure of the name that is watched; ``wants_validation``: no figure of validation at all."""

    wants_validation = False


def missing_figure(monitor: str, figures: Mapping[str, float]) -> MissingFigureError:
    """Return the error for a name that is not among the figures of an epoch."""
    from fastbp.support.foreign_names import OBJECTS  # imported for error messages only
    from fastbp.support.suggestions import did_you_mean

    known = [name for name in figures if name not in ("epoch", "seconds")]
    meant = did_you_mean(monitor, known, OBJECTS)
    expected = f"one of the history's figures: {', '.join(map(repr, known))}."
    error = MissingFigureError(f"monitor is {monitor!r}; expected {expected}{' ' + meant if meant else ''}")
    error.wants_validation = monitor.startswith("val_") and not any(name.startswith("val_") for name in known)
    return error


def explaining_missing_figures(remedy: str) -> AbstractContextManager[None]:
    """Add to the error for a figure of validation how there can be one."""
    return _Explaining(remedy)


class _Explaining:  # a generator takes longer, and a call of fit may be short
    __slots__ = ("_remedy",)

    def __init__(self, remedy: str) -> None:
        self._remedy = remedy

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, MissingFigureError) and error.wants_validation:
            raise ValueError(f"{error} {self._remedy}") from None
