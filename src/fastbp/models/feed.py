"""Reading samples for a model, checking them, and returning outputs in the targets' units."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.data.arrays import as_array, as_matrix, check_each, refuse_nonfinite
from fastbp.data.classes import Classes, number_targets
from fastbp.data.frames import in_order_of, is_frame, names_of
from fastbp.data.named_rows import named_rows
from fastbp.data.samples import NAMES, Samples
from fastbp.data.sparse import is_sparse
from fastbp.engine.features import Features
from fastbp.layers.tabular import Inputs, Tabular, n_columns
from fastbp.models.architecture import NOT_BUILT
from fastbp.preparation.learned import all_numbers
from fastbp.preparation.model_preparation import ModelPreparation
from fastbp.preparation.tables import read_table
from fastbp.support.checks import counted, sentence
from fastbp.support.underflow import underflows_to_zero

if TYPE_CHECKING:
    from fastbp.data.class_weights import ClassWeight
    from fastbp.losses.base import Loss
    from fastbp.preparation.running import RunningMoments

__all__ = ["Feed", "check_preparation"]

Array = NDArray[Any]
RowNumbers = NDArray[np.int64] | None  # of rows in messages; None numbers them from 0


class Feed:
    """Reads samples for a model, and converts its outputs to the targets' units.

    Parameters
    ----------
    inputs : int, Tabular or None
        The columns of X; None until the data is known.
    preparation : ModelPreparation or None
        The preparation of X before the first layer, and of the targets before the loss; None: no preparation.
    dtype : numpy.dtype
        The model's dtype.
    names : tuple of str or None, default None
        The names of the columns, where X was a data frame in training and the preparation has not learned them itself.
    classes : Classes or None, default None
        The labels of the model's classes, where targets named them.
    target_names : tuple of str or None, default None
        The names of the targets' columns, where they had some.

    Attributes
    ----------
    fed : int, Tabular or None
        The inputs of the first layer; None if not known yet.
    """

    def __init__(
        self,
        inputs: Inputs | None,
        preparation: ModelPreparation | None,
        dtype: np.dtype[Any],
        names: tuple[str, ...] | None = None,
        classes: Classes | None = None,
        target_names: tuple[str, ...] | None = None,
    ) -> None:
        self.inputs, self.preparation, self._dtype, self.names = inputs, preparation, dtype, names
        self.classes, self.target_names = classes, target_names
        self.is_plain = isinstance(inputs, int) and preparation is None
        self._as_is = inputs is not None and preparation is None
        self.known_inputs = None if inputs is None else n_columns(inputs)
        self._n_numbers = inputs.numeric if isinstance(inputs, Tabular) else self.known_inputs
        if preparation is not None and preparation.inputs is not None:
            self.fed: Inputs | None = len(preparation.inputs.features)
        else:
            self.fed = inputs if preparation is None or preparation.keeps_width else None

    @property
    def n_inputs(self) -> int:
        """The number of columns of X."""
        if self.known_inputs is None:
            raise ValueError(NOT_BUILT)
        return self.known_inputs

    @property
    def column_names(self) -> tuple[Any, ...] | None:
        """The names of the columns of X, where it was a data frame in training."""
        learned = None if self.preparation is None else self.preparation.inputs
        return self.names if learned is None or learned.names is None else learned.names

    @property
    def ready(self) -> bool:
        """Whether everything that depends on the data is known: its columns, and the preparation's statistics."""
        return self.fed is not None and (self.preparation is None or self.preparation.ready)

    def check_ready(self) -> None:
        """Refuse to continue before the data is known."""
        if self.fed is None:
            raise ValueError(NOT_BUILT)
        if self.preparation is not None:
            self.preparation.check_ready()

    @property
    def native(self) -> tuple[Features | None, Features | None]:
        """The engine's preparations of X and of the targets."""
        return (None, None) if self.preparation is None else self.preparation.native

    # ---------------------------------------------------------------------------------------------------- reading

    def read(self, X: Any, argument: str, observes: bool = False) -> Any:
        """Return samples as an array that the engine reads, with a column for each input of the model.

        Running statistics of no rows are refused, unless these rows go into them: ``observes``.
        """
        if type(X) is not np.ndarray:
            X = self._by_name(X, argument)
        if self._as_is:  # the fast path, for loops that call step() and predict()
            return as_matrix(X, self.known_inputs, argument)
        self.check_ready()
        assert self.preparation is not None
        if not observes:
            self.check_observed()
        if self.preparation.prepare is not None and is_sparse(X):
            raise TypeError(sentence(argument, X, "a dense array with prepare", f"Pass {argument}.toarray()."))
        return self.preparation.read(X, self.n_inputs, argument)

    def _by_name(self, X: Any, argument: str) -> Any:
        """Return a frame, or rows that are given by names, with the columns that the model knows, in their order."""
        rows = named_rows(X, self.column_names, argument)
        if rows is not None:
            table = read_table(rows, argument)
            return all_numbers(table) if self.preparation is None else table
        return in_order_of(X, self.names, argument) if self.names is not None and is_frame(X) else X

    @underflows_to_zero
    def learn(
        self,
        X: Any,
        y: ArrayLike | None,
        rows: NDArray[np.int64] | None = None,
        names: tuple[str, str] = ("X", "y"),
    ) -> tuple[Feed, Any]:
        """Return a feed with a preparation learned from these rows of the data (None: all), and X as it reads it.

        Raises
        ------
        TypeError, ValueError
            If X or y does not fit the preparation.
        """
        own_names = names_of(X) if self.names is None else self.names
        if self.names is not None and is_frame(X):
            X = in_order_of(X, self.names, names[0])
        if self.preparation is None:
            array: Any = as_matrix(X, self.known_inputs, names[0])
            inputs = self.inputs or array.shape[1]
            return Feed(inputs, None, self._dtype, own_names, self.classes, self.target_names), array
        if self.preparation.learns_targets and y is not None:
            self._refuse_too_large(as_array(y, names[1]), names[1])
        preparation, array = self.preparation.after(X, y, rows, names, self.known_inputs)
        inputs = self.inputs or array.shape[1]
        feed = Feed(inputs, preparation, self._dtype, None, self.classes, self.target_names)
        if preparation.running is not None and preparation.moments is None:
            feed = feed.observed(array, names[0], rows)
        return feed.named(own_names), array

    def observed(self, array: Any, argument: str, rows: RowNumbers = None) -> Feed:
        """Return this with running statistics of these rows too (None: all), of an array that ``read`` returned.

        Raises
        ------
        ValueError
            If a number is not finite.
        """
        assert self.preparation is not None
        some = array if rows is None else array[rows]
        if not np.isfinite(some).all():
            self.refuse_inputs(some, argument, len(some) - 1, rows)
        return self.with_moments(self.preparation.moments_with(some))

    @property
    def moments(self) -> RunningMoments | None:
        """The running statistics of the rows seen so far; None where there are none."""
        return None if self.preparation is None else self.preparation.moments

    def with_moments(self, moments: RunningMoments) -> Feed:
        """Return this, whose preparation runs, with these running statistics."""
        assert self.preparation is not None
        feed = copy.copy(self)
        feed.preparation = self.preparation.with_moments(moments)
        return feed

    @property
    def runs_in_steps(self) -> bool:
        """Whether the rows of single steps go into running statistics."""
        preparation = self.preparation
        return preparation is not None and preparation.running is not None and preparation.running.in_step

    def check_observed(self) -> None:
        """Refuse to use running statistics of no rows."""
        preparation = self.preparation
        if preparation is not None and preparation.running is not None and preparation.moments is None:
            raise ValueError(
                f"the model's preparation, {preparation.running!r}, has seen no rows yet; expected that steps, or "
                "model.observe(X), come first. For fit there is fb.Standardize(), which learns from all of its rows."
            )

    def _refuse_too_large(self, y: Array, argument: str) -> None:
        """Refuse targets that the model could learn once they are prepared, but not predict in their own units."""
        if y.dtype.kind != "f" or y.dtype.itemsize <= self._dtype.itemsize:
            return
        largest = float(np.finfo(self._dtype).max)
        check_each(
            y,
            lambda block: ~(np.isfinite(block) & (np.abs(block) > largest)),
            argument,
            f"numbers up to {largest:.3g}, the largest that predict can return in {self._dtype}, the model's dtype",
            "Make the model with dtype='float64', or give the targets in larger units.",
        )

    def named(self, names: tuple[str, ...] | None) -> Feed:
        """Return this with the names of the columns, where they are not known otherwise and are as many."""
        learned = None if self.preparation is None else self.preparation.inputs
        if names is None or len(names) != self.known_inputs or (learned is not None and learned.names is not None):
            return self
        feed = copy.copy(self)
        feed.names = names
        return feed

    def labelled(self, classes: Classes | None, target_names: tuple[str, ...] | None) -> Feed:
        """Return this with the labels of the classes, and the names of the targets."""
        if (classes, target_names) == (self.classes, self.target_names):
            return self
        feed = copy.copy(self)
        feed.classes, feed.target_names = classes, target_names
        return feed

    def samples(
        self,
        X: Any,
        y: ArrayLike,
        loss: Loss,
        n_outputs: int,
        names: tuple[str, str, str] = NAMES,
        sample_weight: ArrayLike | None = None,
        class_weight: ClassWeight | None = None,
        learn: bool = False,
        observes: bool = False,
    ) -> Samples:
        """Return inputs and targets, read and checked; with ``learn``, labels may say what the classes are.

        observes: as for ``read``.
        """
        array = self.read(X, names[0], observes)
        numbers, classes = number_targets(y, loss, n_outputs, self.classes, names[1], learn)
        targets = loss.as_targets(numbers, n_outputs, names[1])
        return Samples(array, targets, n_outputs, loss, names, sample_weight, class_weight, classes)

    def features(self, X: ArrayLike) -> Array:
        """Return the inputs of the first layer."""
        array = self.read(X, "X")
        learned = None if self.preparation is None else self.preparation.inputs
        features: Array = array if learned is None else learned.apply(array, self._dtype)
        return features

    # --------------------------------------------------------------------------------------------------- refusing

    def refuse_inputs(self, X: Any, argument: str, row: int, numbers: RowNumbers = None) -> NoReturn:
        """Raise an error with the first element of X, up to this row, that is not finite."""
        if self.preparation is not None and self.preparation.inputs is not None:
            self.preparation.inputs.refuse(X, row, self._dtype, argument, numbers)
        columns = X if self._n_numbers == self.known_inputs else X[:, : self._n_numbers]  # codes need not be finite
        refuse_nonfinite(columns, self._dtype, argument, row, numbers)

    def refuse_targets(self, y: Array, argument: str, row: int, numbers: RowNumbers = None) -> NoReturn:
        """Raise an error with the first element of y, up to this row, that is not finite."""
        if self.preparation is not None and self.preparation.targets is not None:
            self.preparation.targets.refuse(y, row, self._dtype, argument, numbers)
        refuse_nonfinite(y, self._dtype, argument, row, numbers)

    def check_loss(self, loss: Loss, n_outputs: int) -> None:
        """Refuse a loss that prepared targets would change."""
        if self.preparation is None or self.preparation.prepare_targets is None:
            return
        if not loss.takes_prepared:
            raise ValueError(
                f"prepare_targets is {list(self.preparation.prepare_targets)!r} and the loss {loss!r}; expected one "
                "that measures distances: mse, mae, huber, log_cosh or quantile. Or omit prepare_targets."
            )
        if self.preparation.targets is None:
            return
        n_learned, n_targets = len(self.preparation.targets.features), loss.n_targets(n_outputs)
        if n_learned != n_targets:
            raise ValueError(
                f"prepare_targets was learned from {counted(n_learned, 'column')} of targets; expected {n_targets}, as "
                f"with {loss!r} and {counted(n_outputs, 'output')}."
            )

    def check_metric(self, name: str, sums: str | None) -> None:
        """Refuse a metric that cannot be converted from prepared targets to the targets' units."""
        if self.preparation is not None:
            self.preparation.check_metric(name, sums)

    # ------------------------------------------------------------------------------------------------------ units

    def restored(self, outputs: Array) -> Array:
        """Return outputs in the targets' units."""
        if self.preparation is None:
            return outputs
        restored = outputs.copy()
        self.preparation.restore(restored)
        return restored

    def in_units(self, sums: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
        """Return the engine's sums by their names, those of errors, one number per target, in the targets' units."""
        preparation = self.preparation
        if preparation is None:
            return sums
        return {name: preparation.in_units(name, values) for name, values in sums.items()}


def check_preparation(prepare: Any, prepare_targets: Any, inputs: Any) -> ModelPreparation | None:
    """Return the preparation of X and of the targets, None without one."""
    if prepare is None and prepare_targets is None:
        return None
    preparation = ModelPreparation(prepare, prepare_targets)
    if prepare is not None and isinstance(inputs, Tabular):
        raise ValueError(
            f"prepare is {prepare!r} and inputs {inputs!r}; expected inputs=None, or a number of columns, with it: "
            "fb.Tabular takes numbers and codes without preparation."
        )
    if inputs is not None:
        preparation.expect(n_columns(inputs))
    return preparation
