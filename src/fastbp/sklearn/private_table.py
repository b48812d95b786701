"""Private training of the estimators for tables: what is refused, and what comes from public rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from fastbp.data.frames import check_names, is_frame, names_of
from fastbp.privacy import DifferentialPrivacy, Promise, Public
from fastbp.sklearn.parallelism import threads_for
from fastbp.sklearn.private_weights import private_weights, public_class_weights
from fastbp.tabular.fitted import FittedTable
from fastbp.tabular.importances import HeldOut
from fastbp.tabular.learning import Rows
from fastbp.tabular.private_fitting import PrivateFit, PrivateTraining, PublicTable
from fastbp.tabular.reading import TableReader, learn_reader
from fastbp.training.private_checks import refuse_parameters, without_values

__all__ = ["PrivateTable"]

Array = NDArray[Any]

_WITH = "with privacy"
_HELD_OUT = "It would be chosen by private rows that are held out, and reveal them."
_REFUSED = {  # parameter: what it must be, and why
    "preset": ("default", "One network is trained, without held-out rows to choose by."),
    "metric": ("auto", _HELD_OUT),
    "n_bags": (None, _HELD_OUT),
    "refit": (False, "All rows are trained on as it is."),
    "time_limit": (None, "The steps are counted beforehand: give epochs."),
}


class PrivateTable:
    """The part of an estimator that trains with ``privacy``; it has the rest of ``BaseTabular``.

    Attributes
    ----------
    privacy_ : Promise or None
        What is promised to the rows that were trained on, however the fit ended.
    """

    privacy: DifferentialPrivacy | None
    public: Public | None
    privacy_: Promise | None
    _table: FittedTable
    _held_out: HeldOut | None
    _importances: Array | None

    def _check_public(self) -> Public:
        """Refuse what private training cannot have."""
        refuse_parameters(self, _REFUSED)
        if self.public is None:
            raise ValueError(
                f"public is None; expected fb.Public(X, y) {_WITH}: rows that are nobody's secret, from which scales, "
                "categories and classes are learned. fb.privacy.Schema({...}).public(target) makes such rows up from "
                "ranges and categories."
            )
        return self.public

    def _fit_privately(self, X: Any, y: Any, sample_weight: Any, refused: Mapping[str, Any]) -> None:
        """Learn the columns from public rows, and train on private ones; what was spent is known however it ends."""
        public = self._check_public()
        for name, value in refused.items():
            if value is not None:
                raise ValueError(
                    f"{name} is given; expected None {_WITH}: no rows are held out, nothing is chosen by them."
                )
        assert self.privacy is not None
        categories: Any = self.categories if isinstance(self.categories, str) else list(self.categories)
        for name in ("feature_names_in_", "_table"):  # of an earlier fit: it may have had other columns and classes
            self.__dict__.pop(name, None)
        reader, table = learn_reader(self._as_table(public.X, reset=True), categories)
        targets, n_classes = self._learn_targets(public.y)
        of_classes = public_class_weights(getattr(self, "class_weight", None), getattr(self, "classes_", np.empty(0)))
        learned = PublicTable.learn(reader, table, targets, n_classes)
        if is_frame(X) and reader.names is not None:
            check_names(names_of(X) or (), reader.names, "X", "public has")
        remedy = (
            "Check the columns and the targets against those of public; an estimator without privacy tells what is "
            "wrong, where nobody else reads."
        )
        rows = without_values(lambda: self._private_rows(X, y, sample_weight, of_classes, reader), remedy)
        fit = PrivateFit(
            self.privacy,
            epochs=None if self.epochs == "auto" else int(self.epochs),
            n_threads=threads_for(self.n_threads),
            seed=int(check_random_state(self.random_state).randint(2**31)),
            progress=bool(self.verbose),
        )
        training = PrivateTraining(learned, rows, fit)
        try:
            self._table = training.run()
        finally:
            self.privacy_ = training.promise()
        self._held_out, self._importances = None, None
        self.n_features_in_ = reader.n_columns
        if reader.names is not None and all(isinstance(name, str) for name in reader.names):
            self.feature_names_in_ = np.array(reader.names, dtype=object)

    def _private_rows(self, X: Any, y: Any, sample_weight: Any, of_classes: Array | None, reader: TableReader) -> Rows:
        table = reader.read(self._as_table(X, reset=False))
        targets = self._read_targets(y)
        if len(table) != len(targets):
            raise ValueError("X and y have different numbers of rows")
        return Rows(table, targets, private_weights(sample_weight, of_classes, targets))

    # What the estimators have.

    categories: Any
    epochs: Any
    n_threads: Any
    random_state: Any
    verbose: Any

    def _as_table(self, X: Any, reset: bool) -> Any:
        raise NotImplementedError

    def _learn_targets(self, y: Any) -> tuple[Array, int]:
        """Learn from public targets: return them as numbers or class numbers, and the number of classes or 0."""
        raise NotImplementedError

    def _read_targets(self, y: Any) -> Array:
        """Return private targets as numbers or class numbers."""
        raise NotImplementedError
