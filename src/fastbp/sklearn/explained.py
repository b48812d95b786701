"""A fitted estimator of tables as what ``fb.explain`` explains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn.utils.validation import check_is_fitted

from fastbp.data.classes import check_classes
from fastbp.sklearn.parallelism import threads_for

if TYPE_CHECKING:
    from fastbp.explanations.subjects import Subject
    from fastbp.tabular.fitted import FittedTable

__all__ = ["ExplainedTable"]


class ExplainedTable:
    """The part of an estimator of tables that ``fb.explain`` asks for."""

    n_threads: int | None
    _table: FittedTable

    def __explained__(self) -> Subject:
        """Return this as ``fb.explain`` takes it."""
        from fastbp.tabular.explained import TableSubject  # for explanations only

        check_is_fitted(self)
        labels = getattr(self, "classes_", None)
        classes = None if labels is None else check_classes(labels.tolist(), len(labels))
        return TableSubject(self._table, threads_for(self.n_threads), classes)
