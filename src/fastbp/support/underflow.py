"""Numbers that are too small for their dtype become 0, whatever the caller has told NumPy to do about them.

Inside ``with np.errstate(all="raise")`` NumPy raises FloatingPointError where a square or a mean underflows; the result
is as good as the dtype allows, and nobody who trains a network can do anything about it.
"""

from __future__ import annotations

import numpy as np

__all__ = ["underflows_to_zero"]

underflows_to_zero = np.errstate(under="ignore")  # decorates a function; as a context manager it serves only once
