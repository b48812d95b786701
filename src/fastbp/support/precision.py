"""The precision of products: the model's dtype, or bfloat16 operands with float32 sums."""

from __future__ import annotations

import os
import warnings
from typing import Literal, TypeAlias

from fastbp.engine import kernels
from fastbp.support.checks import check_word, sentence

__all__ = ["MIXED", "Precision", "check_precision", "explain_bf16"]

Precision: TypeAlias = Literal["float32", "float64", "bf16-mixed"]

MIXED: Literal["bf16-mixed"] = "bf16-mixed"

_REFUSED = "the system refuses AMX to this process, one of whose threads has too small a signal stack for it"


def check_precision(precision: str | None, dtype: str) -> Precision | None:
    """Return the precision for a model of this dtype; None means the dtype itself.

    Raises
    ------
    TypeError, ValueError
        If it is none of the precisions, does not fit the dtype, or this machine has no kernels for it.

    Warns
    -----
    UserWarning
        If narrow products would be slower than float32's on this CPU, and so none is made.
    """
    if precision is None:
        return None
    word = check_word(precision, "precision", ("float32", "float64", MIXED))
    if word == dtype:
        return None
    if word != MIXED:
        raise ValueError(
            sentence("precision", precision, f"None, {dtype!r} or {MIXED!r}", f"The model's dtype is {dtype}.")
        )
    if dtype != "float32":
        remedy = f"The model's dtype is {dtype}: make it with dtype='float32'."
        raise ValueError(sentence("precision", precision, f"None or {dtype!r}", remedy))
    if kernels.bf16() is None:
        raise ValueError(
            sentence(
                "precision",
                precision,
                "None or 'float32'",
                f"This machine has no bfloat16 products: {explain_bf16()}. To try it out, slowly, set the environment "
                "variable FASTBP_BF16=emulate.",
            )
        )
    if not kernels.bf16_pays():
        warnings.warn(
            f"precision is {precision!r}, but {explain_bf16()}; to use its instruction all the same, set the "
            "environment variable FASTBP_BF16=always",
            stacklevel=3,
        )
    return MIXED


def explain_bf16() -> str:
    """Return in a few words how this machine multiplies bfloat16."""
    found = kernels.bf16()
    if found == "amx":
        return f"by the CPU's tiles, AMX ({kernels.isa()})"
    if found == "native" and not kernels.bf16_pays():
        in_float32 = "so all products are computed in float32"
        if kernels.amx_refused():
            return f"{_REFUSED}, and this CPU multiplies bfloat16 no faster than float32 in another way, {in_float32}"
        return f"this CPU multiplies bfloat16 no faster than float32, {in_float32}"
    if found == "native":
        return f"by the CPU's instruction ({kernels.isa()})"
    if found == "emulated":
        return f"emulated with {kernels.isa()}, slowly: FASTBP_BF16=emulate is set"
    if kernels.amx_refused():
        return f"none: FASTBP_BF16=amx is set, and {_REFUSED}"
    if os.environ.get("FASTBP_BF16") == "amx":
        return "none: FASTBP_BF16=amx is set, and this machine has no AMX, or not with the instruction set in use"
    return f"none: neither the CPU nor the instruction set in use ({kernels.isa()}) has an instruction for it"
