"""Private training of MLPClassifier and MLPRegressor: what is refused, and a fit whose figures tell of no sample."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from fastbp.losses.penalised import PenalisedLoss
from fastbp.models.model import Model
from fastbp.privacy import DifferentialPrivacy, Promise
from fastbp.sklearn.fitted_network import FittedNetwork
from fastbp.sklearn.objectives import Objective
from fastbp.sklearn.parallelism import threads_for
from fastbp.sklearn.private_weights import private_weights, public_class_weights
from fastbp.sklearn.solvers import make_optimizer
from fastbp.training.private_checks import refuse_parameters, without_values
from fastbp.training.trainer import Trainer

__all__ = ["PrivateNetwork"]

Array = NDArray[Any]

_WITH = "with privacy"
_NO_STOPPING = "Training ends after max_iter epochs, or at the budget: a private loss or score may not decide."
_REFUSED = {  # parameter: what it must be, and why
    "batch_size": (
        "auto",
        "expected_batch_size of fb.DifferentialPrivacy says how many samples a step has on average.",
    ),
    "early_stopping": (False, _NO_STOPPING),
    "n_iter_no_change": (10, _NO_STOPPING),
    "tol": (1e-4, _NO_STOPPING),
    "learning_rate": ("constant", "Give solver=fb.SGD(fb.CosineDecay(...)) for a schedule of time."),
    "shuffle": (True, "Each step draws its samples at random."),
    "warm_start": (False, "Each fit has an account of its own. Raise max_iter, or use fb.Trainer."),
    "missing": ("error", "Medians would be learned from private rows: fill gaps by constants."),
}
_REMEDY = (
    "Check the shapes, kinds and classes; an estimator without privacy tells what is wrong, where nobody else reads."
)


class PrivateNetwork(FittedNetwork):
    """The part of an estimator that trains with ``privacy``.

    Attributes
    ----------
    privacy_ : Promise or None
        What is promised to the samples, however the fit ended; None without privacy.
    """

    privacy: DifferentialPrivacy | None
    privacy_: Promise | None

    @abstractmethod
    def _learn_public_targets(self) -> None:
        """Learn the classes, where there are some, from a parameter."""

    @abstractmethod
    def _private_targets(self, y: Any) -> Array:
        """Return private targets as a trainer takes them."""

    @abstractmethod
    def _make_objective(self, n_outputs: int) -> Objective:
        """Return the objective that is minimised."""

    @abstractmethod
    def _initialize(self, units: list[int], objective: Objective, dtype: np.dtype[Any]) -> None:
        """Make a model with new random weights."""

    def _fit_privately(self, X: Any, y: Any, sample_weight: Any, validation_set: Any) -> None:
        """Train for max_iter epochs, or until the budget is spent; what was spent is known however it ends."""
        refuse_parameters(self, _REFUSED)
        if validation_set is not None:
            raise ValueError(
                f"validation_set is given; expected None {_WITH}: evaluate the estimator on public samples."
            )
        hidden = self._hidden_sizes()
        self._learn_public_targets()
        of_classes = public_class_weights(getattr(self, "class_weight", None), getattr(self, "classes_", np.empty(0)))
        rows, Y, weights = without_values(lambda: self._read_privately(X, y, sample_weight, of_classes), _REMEDY)
        self.n_outputs_ = Y.shape[1] if Y.ndim == 2 else len(self.classes_)
        objective = self._make_objective(self.n_outputs_)
        self._random_state = check_random_state(self.random_state)
        self._initialize([rows.shape[1], *hidden, self.n_outputs_], objective, rows.dtype)
        trainer = self._private_trainer(self._current_model(), objective)
        for name in ("loss_", "loss_curve_", "best_loss_", "imputer_"):  # of an earlier fit, which was not private
            self.__dict__.pop(name, None)
        bar = bool(self.verbose)
        try:
            trainer.fit(
                rows, Y, int(self.max_iter), callbacks=self.callbacks or (), progress=bar, sample_weight=weights
            )
        finally:
            account = trainer.privacy
            assert account is not None
            self.privacy_ = account.promise()
            self.n_iter_ = trainer.history.n_epochs
            self.t_ = trainer.n_steps * account.settings.expected_batch_size

    def _read_privately(
        self, X: Any, y: Any, sample_weight: Any, of_classes: Array | None
    ) -> tuple[Any, Array, Array | None]:
        X, y = self._check_data(X, y, reset=True)
        Y = self._private_targets(y)
        return X, Y, private_weights(sample_weight, of_classes, Y)

    def _private_trainer(self, model: Model, objective: Objective) -> Trainer:
        """Return the trainer; it is not kept, as it has the key."""
        assert self.privacy is not None
        seed = 0 if self.privacy.secure else int(self._random_state.randint(2**31))
        return Trainer(
            model,
            PenalisedLoss(objective.loss, objective.factor, float(self.alpha)),
            make_optimizer(self),
            n_threads=threads_for(self.n_threads),
            seed=seed,
            metrics=[],
            privacy=self.privacy,
        )
