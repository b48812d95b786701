"""What a call of the engine raises."""

from typing import Literal

class Interrupted(Exception): ...  # noqa: N818 (what happened is no error)

class NonFinite(Exception):  # noqa: N818 (the engine's word; people get a ValueError or FloatingPointError)
    where: Literal["inputs", "targets", "loss", "gradient", "weights", "narrow weights"]
    batch: int
    row: int
    layer: int
    def __init__(self, where: str, batch: int = -1, row: int = -1, layer: int = -1) -> None: ...
