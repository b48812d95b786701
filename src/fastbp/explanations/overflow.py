"""Numbers that an explanation meets on its way and that are not finite, although all rows are."""

from __future__ import annotations

from types import TracebackType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastbp.engine.errors import NonFinite
from fastbp.models.nonfinite import DivergenceError

__all__ = ["explaining_nonfinite", "finite"]

Numbers = TypeVar("Numbers", bound=NDArray[Any])


def finite(numbers: Numbers, what: str) -> Numbers:
    """Return what was computed, such as "the model's outputs", if all of it is finite.

    Raises
    ------
    DivergenceError
    """
    if not np.isfinite(numbers).all():
        raise _divergence(what)
    return numbers


class explaining_nonfinite:  # noqa: N801 (it is used as a function; a generator would take longer)
    """Say what is not finite where the engine, which does not read the rows of X here, says that something is not.

    Raises
    ------
    DivergenceError
    """

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, NonFinite):
            raise _divergence("a layer's outputs" if error.where == "inputs" else "the gradients") from None


def _divergence(what: str) -> DivergenceError:
    return DivergenceError(
        f"{what} are not finite at a row of X, at one of the baseline or the background, or between the two, although "
        "these rows are; expected rows of about the size that the model was trained on. Larger numbers may need a "
        "model with dtype='float64'."
    )
