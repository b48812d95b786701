"""What a fit on a table leaves: the networks, the encodings of their inputs, and how far they were off."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.models.description import as_stored, named_weights
from fastbp.models.model import Model
from fastbp.support.safetensors_file import TABLE, blaming_file, read_file, write_file
from fastbp.tabular.encoding import TableEncoding
from fastbp.tabular.reading import TableReader
from fastbp.tabular.targets import Targets, targets_from_config

__all__ = ["FittedMember", "FittedTable"]

Array = NDArray[Any]
Floats = NDArray[np.float64]

_RESIDUALS = 1001  # quantiles of the residuals that a file keeps
_BLOCK_ROWS = 8192  # of a prediction, whose encoded rows lie in memory together


@dataclass(frozen=True)
class FittedMember:
    """A trained network, the number of bins of its inputs' encoding, and whether it has hidden layers."""

    n_bins: int
    model: Model
    kind: str  # "nets" or "linear"


class FittedTable:
    """An ensemble of networks for the rows of a table.

    Parameters
    ----------
    reader : TableReader
    targets : Targets
    encodings : dict of int to TableEncoding
        By the number of bins.
    members : sequence of FittedMember
    linear_share : float
        The share of the linear members' mean in a prediction; the others have the rest.
    residuals : ndarray of shape (n, n_outputs) or None
        How far predictions of rows held out were off, rising; None for classes.
    """

    def __init__(
        self,
        reader: TableReader,
        targets: Targets,
        encodings: Mapping[int, TableEncoding],
        members: Sequence[FittedMember],
        linear_share: float,
        residuals: Floats | None,
    ) -> None:
        self.reader, self.targets, self.encodings = reader, targets, dict(encodings)
        self.linear_share, self.residuals = linear_share, residuals
        unused = {"linear"} if linear_share == 0 else {"nets"} if linear_share == 1 else set()
        self.members = [member for member in members if member.kind not in unused]

    def predict(self, X: Any, n_threads: int | None = None) -> Floats:
        """Return probabilities (n_rows, n_classes), or numbers (n_rows, n_outputs)."""
        return self.predict_table(self.reader.read(X), n_threads)

    def predict_table(self, table: Floats, n_threads: int | None = None) -> Floats:
        """Return predictions of rows that ``reader.read`` returned, or like them."""
        blocks = [
            self._predict_block(table[start : start + _BLOCK_ROWS], n_threads)
            for start in range(0, len(table), _BLOCK_ROWS)
        ]
        return np.concatenate(blocks) if blocks else np.empty((0, self.targets.n_outputs))

    def _predict_block(self, table: Floats, n_threads: int | None) -> Floats:
        inputs = {n_bins: self.encodings[n_bins].encode(table) for n_bins in {each.n_bins for each in self.members}}
        total = np.zeros((len(table), self.targets.n_outputs))
        for kind, share in (("nets", 1 - self.linear_share), ("linear", self.linear_share)):
            of_kind = [member for member in self.members if member.kind == kind]
            for member in of_kind:
                outputs = member.model.predict_read(inputs[member.n_bins], n_threads)
                total += self.targets.decode(outputs) * (share / len(of_kind))
        return total

    def half_width(self, coverage: float) -> Floats:
        """Return how far from a prediction this share of the rows held out lie at most, (n_outputs,)."""
        assert self.residuals is not None
        n = len(self.residuals)
        place = min(int(np.ceil(coverage * (n + 1))) - 1, n - 1)  # as split-conformal prediction has it
        return np.asarray(self.residuals[max(place, 0)], np.float64)

    # ---------------------------------------------------------------------------------------------------- files

    def describe(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return this as plain data and arrays."""
        tensors: dict[str, Array] = {}
        members = []
        for i, member in enumerate(self.members):
            named = named_weights(member.model.architecture, member.model.get_weights())
            tensors |= {f"members.{i}.{name}": array for name, array in named}
            members.append([member.n_bins, member.kind, member.model.to_config()])
        if self.residuals is not None:
            few = np.linspace(0, len(self.residuals) - 1, min(_RESIDUALS, len(self.residuals))).round().astype(int)
            tensors["residuals"] = np.ascontiguousarray(self.residuals[few])
        return {
            "reader": self.reader.to_config(),
            "targets": self.targets.to_config(),
            "encodings": [[n_bins, encoding.to_config()] for n_bins, encoding in self.encodings.items()],
            "members": members,
            "linear_share": self.linear_share,
        }, tensors

    def save(self, path: str | os.PathLike[str], about: Mapping[str, Any]) -> None:
        """Write to a safetensors file, with what else is to be kept as plain data."""
        description, tensors = self.describe()
        write_file(path, TABLE, {**description, "about": dict(about)}, tensors)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> tuple[FittedTable, dict[str, Any]]:
        """Return what ``save`` wrote."""
        description, tensors = read_file(path, TABLE)
        with blaming_file(path, TABLE):
            members = []
            for i, (n_bins, kind, config) in enumerate(description["members"]):
                weights = [array for name, array in tensors.items() if name.startswith(f"members.{i}.")]
                model = Model.from_config(config, as_stored(config, weights))
                members.append(FittedMember(int(n_bins), model, str(kind)))
            fitted = cls(
                TableReader.from_config(description["reader"]),
                targets_from_config(description["targets"]),
                {int(n): TableEncoding.from_config(config) for n, config in description["encodings"]},
                members,
                float(description["linear_share"]),
                tensors.get("residuals"),
            )
            return fitted, dict(description["about"])
