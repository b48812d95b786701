"""What a fit on a table leaves: the networks, the encodings of their inputs, and how far they were off."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import isclose
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.models.description import as_stored, named_weights
from fastbp.models.model import Model
from fastbp.support.checks import counted
from fastbp.support.safetensors_file import TABLE, blaming_file, read_file, write_file
from fastbp.tabular.encoding import Kind, TableEncoding
from fastbp.tabular.reading import TableReader
from fastbp.tabular.recipe import Member
from fastbp.tabular.targets import Targets, targets_from_config

__all__ = ["Course", "FittedMember", "FittedTable", "Record"]

Array = NDArray[Any]
Floats = NDArray[np.float64]

_RESIDUALS = 1001  # quantiles of the residuals that a file keeps
_BLOCK_ROWS = 8192  # of a prediction, whose encoded rows lie in memory together


@dataclass(frozen=True)
class Course:
    """How the training of a network went.

    Attributes
    ----------
    member : Member
        What network it is.
    fold : int
        The split that it was trained on, from 0.
    figures : dict of str to list of float
        The loss, and the figures of the rows held out ("val_..."), of each epoch.
    best_epoch : int
        The epoch that was kept, from 1; 0 if none was completed.
    """

    member: Member
    fold: int
    figures: dict[str, list[float]]
    best_epoch: int

    @property
    def n_epochs(self) -> int:
        """The number of completed epochs."""
        return len(self.figures.get("loss", ()))

    @property
    def name(self) -> str:
        """What tells it from the others: "network with 48 bins, fold 1"; the layers of one that has not three."""
        layers = "" if self.member.depth == Member.depth else f"{counted(self.member.depth, 'layer')} and "
        network = f"network with {layers}{self.member.n_bins} bins"
        what = {"nets": network, "linear": "linear model", "straight": "linear model of straight numbers"}
        return f"{what[self.member.kind]}, fold {self.fold + 1}"


@dataclass(frozen=True)
class FittedMember:
    """A trained network, how it came about, and what it counts beside others of its kind."""

    model: Model
    course: Course
    weight: float = 1.0

    @property
    def kind(self) -> str:
        """What kind of network it is, as ``Member.kind`` has it."""
        return self.course.member.kind

    @property
    def encoded_as(self) -> Kind:
        """Which encoding its inputs have."""
        return self.course.member.encoded_as


@dataclass(frozen=True)
class Record:
    """What was found out on the rows held out.

    Attributes
    ----------
    metric : str
        What decided the best epochs.
    n_folds : int
        1: a single split.
    errors : dict of str to float
        Of the mean of the networks, "nets"; of the better kind of linear models, "linear", if there are some; of the
        "blend".
    refit, interrupted : bool
        Whether all was trained again on all rows, and whether Ctrl-C ended training.
    temperature : float
        By which the logits of the members were divided, in their weights; 1 for numbers.
    is_constant : bool
        Whether all rows are predicted alike, as a constant was hardly worse on rows held out; the weights are so.
    """

    metric: str = ""
    n_folds: int = 1
    errors: Mapping[str, float] = field(default_factory=dict)
    refit: bool = False
    interrupted: bool = False
    temperature: float = 1.0
    is_constant: bool = False


class FittedTable:
    """An ensemble of networks for the rows of a table.

    Parameters
    ----------
    reader : TableReader
    targets : Targets
    encodings : dict of Kind to TableEncoding
    members : sequence of FittedMember
    kind_shares : dict of str to float
        The share of each kind of members, their mean, in a prediction; a kind that is not named has none.
    residuals : ndarray of shape (n, n_outputs) or None
        How far predictions of rows held out were off, rising; None for classes.
    record : Record or None
        What was found out on the rows held out; None: a file of an earlier version, which does not say it.

    Attributes
    ----------
    members : list of FittedMember
        Those that predict.
    courses : list of Course
        How the training of all went, also of those that do not predict.
    """

    def __init__(
        self,
        reader: TableReader,
        targets: Targets,
        encodings: Mapping[Kind, TableEncoding],
        members: Sequence[FittedMember],
        kind_shares: Mapping[str, float],
        residuals: Floats | None,
        record: Record | None = None,
    ) -> None:
        self.reader, self.targets, self.encodings = reader, targets, dict(encodings)
        self.residuals, self.record = residuals, record or Record()
        self.kind_shares = {kind: share for kind, share in kind_shares.items() if share}
        self.courses = [member.course for member in members]
        self.members = [member for member in members if member.kind in self.kind_shares]
        whole = {kind: sum(each.weight for each in self.members if each.kind == kind) for kind in self.kind_shares}
        self._shares = [self.kind_shares[each.kind] * each.weight / whole[each.kind] for each in self.members]

    def predict(self, X: Any, n_threads: int | None = None, precision: str | None = None) -> Floats:
        """Return probabilities (n_rows, n_classes), or numbers (n_rows, n_outputs)."""
        return self.predict_table(self.reader.read(X), n_threads, precision)

    def predict_table(self, table: Floats, n_threads: int | None = None, precision: str | None = None) -> Floats:
        """Return what ``predict`` does, of rows that the reader has read."""
        if 0 < len(table) <= _BLOCK_ROWS:  # quickly: in a loop
            return self._predict_block(table, n_threads, precision)
        blocks = [
            self._predict_block(table[start : start + _BLOCK_ROWS], n_threads, precision)
            for start in range(0, len(table), _BLOCK_ROWS)
        ]
        return np.concatenate(blocks) if blocks else np.empty((0, self.targets.n_outputs))

    def _predict_block(self, table: Floats, n_threads: int | None, precision: str | None) -> Floats:
        inputs: dict[Kind, NDArray[np.float32]] = {}
        total: Floats | None = None
        for member, share in zip(self.members, self._shares, strict=True):
            kind = member.encoded_as
            if kind not in inputs:
                inputs[kind] = self.encodings[kind].encode(table)
            said = self.targets.decode(member.model.predict_read(inputs[kind], n_threads, precision))
            said *= share
            total = said if total is None else np.add(total, said, out=total)
        assert total is not None
        return total

    @property
    def encodings_used(self) -> set[Kind]:
        """The kinds of the members' encodings."""
        return {member.encoded_as for member in self.members}

    @property
    def linear_share(self) -> float:
        """The share of linear models in a prediction."""
        return 1.0 - self.kind_shares.get("nets", 0.0)

    @property
    def weighs_networks(self) -> bool:
        """Whether some networks count more than others, as was selected by rows held out."""
        return len({member.weight for member in self.members if member.kind == "nets"}) > 1

    @property
    def shares(self) -> list[tuple[FittedMember, float]]:
        """The members, and the share of each in a prediction."""
        return list(zip(self.members, self._shares, strict=True))

    def of_fold(self, fold: int) -> FittedTable:
        """Return this with the members alone that were trained on a split; all, where none of these predict."""
        members = [member for member in self.members if member.course.fold == fold] or self.members
        shares = {kind: self.kind_shares[kind] for kind in {member.kind for member in members}}
        whole = sum(shares.values())
        shares = {kind: share / whole for kind, share in shares.items()}
        return FittedTable(self.reader, self.targets, self.encodings, members, shares, None)

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
            bins = member.course.member.n_bins
            members.append([bins, member.kind, member.model.to_config(), _course_to_config(member.course)])
        if self.residuals is not None:
            few = np.linspace(0, len(self.residuals) - 1, min(_RESIDUALS, len(self.residuals))).round().astype(int)
            tensors["residuals"] = np.ascontiguousarray(self.residuals[few])
        return {
            "reader": self.reader.to_config(),
            "targets": self.targets.to_config(),
            "encodings": [[k.n_bins, encoding.to_config(), k.with_values] for k, encoding in self.encodings.items()],
            "members": members,
            "weights": [member.weight for member in self.members],
            "kind_shares": self.kind_shares,
            "record": {**asdict(self.record), "errors": dict(self.record.errors)},
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
            weights = _weights_from_config(description)
            for i, (n_bins, kind, config, *course) in enumerate(description["members"]):
                arrays = [array for name, array in tensors.items() if name.startswith(f"members.{i}.")]
                model = Model.from_config(config, as_stored(config, arrays))
                known = _course_from_config(*course) if course else Course(_of_old_file(n_bins, kind), 0, {}, 0)
                members.append(FittedMember(model, known, weights[i]))
            encodings = [_encoding_from_config(*config) for config in description["encodings"]]
            fitted = cls(
                TableReader.from_config(description["reader"]),
                targets_from_config(description["targets"]),
                dict(encodings),
                members,
                _shares_from_config(description, [member.kind for member in members]),
                tensors.get("residuals"),
                Record(**description.get("record", {})),
            )
            return fitted, dict(description["about"])


def _encoding_from_config(
    n_bins: int, config: Mapping[str, Any], with_values: bool = False
) -> tuple[Kind, TableEncoding]:
    """Return an encoding, and what it is; an old file has none with codes for values of numbers."""
    encoding = TableEncoding.from_config(config)
    return Kind(int(n_bins), encoding.bound, bool(with_values)), encoding


def _course_to_config(course: Course) -> dict[str, Any]:
    return asdict(course)


def _course_from_config(config: Mapping[str, Any]) -> Course:
    return Course(Member(**config["member"]), int(config["fold"]), dict(config["figures"]), int(config["best_epoch"]))


def _weights_from_config(description: Mapping[str, Any]) -> list[float]:
    """Return what each member counts beside others of its kind; in an old file all count alike."""
    n = len(description["members"])
    weights = [float(weight) for weight in description.get("weights", [1.0] * n)]
    if len(weights) != n or not all(0 < weight < np.inf for weight in weights):
        raise ValueError(f"expected a weight above 0 for each of {n} members")
    return weights


def _shares_from_config(description: Mapping[str, Any], kinds: Sequence[str]) -> dict[str, float]:
    """Return the share of each kind of members; an old file says that of its linear models."""
    if "kind_shares" in description:
        shares = {str(kind): float(share) for kind, share in description["kind_shares"].items()}
    else:
        linear = float(description["linear_share"])
        shares = {kinds[0]: 1.0} if len(set(kinds)) == 1 else {"nets": 1 - linear, "linear": linear}
    if not set(shares) <= set(kinds) or min(shares.values(), default=-1.0) < 0 or not isclose(sum(shares.values()), 1):
        raise ValueError("expected shares of the kinds of its members, 1 together")
    return shares


def _of_old_file(n_bins: int, kind: str) -> Member:
    """Return what is known of a member whose file says nothing of its training."""
    return Member(int(n_bins), 0.0, 0.0, depth=3 if kind == "nets" else 0)
