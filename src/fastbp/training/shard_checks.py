"""What batches that are cut into shards refuse, and why."""

from __future__ import annotations

from typing import Any, Protocol

from fastbp.engine.sharded_session import MOST_SHARDS
from fastbp.support.checks import check_int, sentence

__all__ = ["check_sharded_settings", "check_shards"]

_SHARDS_OF_RANKS = 64  # where several processes train and nobody says in how many shards


class SettingsOfTrainer(Protocol):
    """The arguments of a trainer that shards restrict."""

    @property
    def shards(self) -> int: ...
    @property
    def accumulate(self) -> int: ...
    @property
    def optimizer(self) -> Any: ...


def check_shards(shards: int | None, n_ranks: int | None) -> int:
    """Return the number of shards; ``n_ranks`` is the number of processes that train together, if they do."""
    if shards is None:
        shards = 1 if n_ranks is None else _SHARDS_OF_RANKS
    number = check_int(shards, "shards", maximum=MOST_SHARDS)
    if number & (number - 1):
        remedy = f"Their gradients are added in a balanced tree: {1 << (number.bit_length() - 1)} is near."
        raise ValueError(sentence("shards", shards, "a power of two", remedy))
    if n_ranks is not None and (number == 1 or number < n_ranks):
        remedy = "Each rank computes whole shards. The result depends on shards, and not on the number of ranks."
        raise ValueError(sentence("shards", shards, f"at least 2 and at least {n_ranks}, the number of ranks", remedy))
    return number


def check_sharded_settings(settings: SettingsOfTrainer, n_ranks: int | None) -> None:
    """Refuse what does not go with shards; ``n_ranks`` is the number of processes that train together, if they do."""
    was = f"shards is {settings.shards}" if n_ranks is None else "distributed is given"
    without = "shards=1" if n_ranks is None else "distributed=None"
    if not settings.optimizer.native:
        raise ValueError(
            f"{was} and the optimizer {settings.optimizer!r}, whose steps are SciPy's; expected {without} with it, or "
            "another optimizer."
        )
    if settings.accumulate > 1:
        raise ValueError(
            f"{was} and accumulate {settings.accumulate}; expected accumulate=1 with shards. Make batch_size "
            f"{settings.accumulate} times as large: only some shards of it are in memory at a time."
        )
