"""The state of training: the engine's session, the unfinished epoch, the history."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, cast

import numpy as np
from numpy.typing import NDArray

from fastbp.engine.session import Session
from fastbp.models.model import Model
from fastbp.support.locks import Lock
from fastbp.support.threads import choose_threads
from fastbp.training.history import History
from fastbp.training.settings import Figures, TrainerSettings, check_loss
from fastbp.training.step_numbers import StepNumbers
from fastbp.training.turns import Turns

if TYPE_CHECKING:
    from fastbp.distributed.exchange import Exchange
    from fastbp.distributed.mpi import MPI
    from fastbp.engine.divided_session import DividedSession
    from fastbp.engine.private_session import PrivateSession
    from fastbp.engine.sharded_session import ShardedSession
    from fastbp.privacy import PrivacyAccount

__all__ = ["Snapshot", "TrainingState", "UnfinishedEpoch"]

_making = Lock()  # of a session, which a trainer has one of

Snapshot = tuple[list[NDArray[Any]], dict[str, Any]]  # the model's weights, and the rest of the training state


@dataclass
class UnfinishedEpoch:
    """An epoch that was stopped before its end.

    Attributes
    ----------
    n_samples : int
        Number of samples of the epoch.
    progress : (int, float, ndarray)
        Number of samples done, the sum of their sample weights, and the engine's sums over them.
    seconds : float
        Time so far.
    outputs : ndarray of shape (n_samples, n_outputs) or None
        If metrics need them: outputs of the samples done, in the epoch's order, NaN for the others.
    """

    n_samples: int
    progress: tuple[int, float, NDArray[np.float64]]
    seconds: float
    outputs: NDArray[Any] | None


class TrainingState:
    """The part of a trainer that changes during training.

    Parameters
    ----------
    model : Model
    settings : TrainerSettings
    numbers : StepNumbers
        The step numbers; their schedules' memory is part of the state.
    n_threads : int or None
        None: the process's number, at each call.
    mpi : MPI or None, default None
        The processes that train together.

    Attributes
    ----------
    turns : Turns
        Who may touch this: the steps, or another thread between two of them.
    history : History
    unfinished : UnfinishedEpoch or None
        The epoch that ``fit`` continues.
    stopping : bool
        Whether training is to stop.
    exchange : Exchange or None
        What this process does in a step with the others.
    given_threads : int or None
        The number of threads as it was given.
    search : scipy.optimize.OptimizeResult or None
        SciPy's result of the latest search by L-BFGS.
    account : PrivacyAccount or None
        What private training has revealed.
    """

    def __init__(
        self,
        model: Model,
        settings: TrainerSettings,
        numbers: StepNumbers,
        n_threads: int | None,
        mpi: MPI | None = None,
    ) -> None:
        self.model, self._settings, self.numbers = model, settings, numbers
        self.mpi = mpi
        self.stop_wanted = False  # on this rank; all ranks stop together
        self.exchange: Exchange | None = None
        if mpi is not None and mpi.n_ranks > 1:
            from fastbp.distributed.exchange import Exchange  # only now

            self.exchange = Exchange(mpi, settings.shards, lambda: self.stop_wanted)
        self.given_threads = n_threads
        self.turns = Turns()
        self.history = History()
        self.unfinished: UnfinishedEpoch | None = None
        self.stopping = False
        self.search: Any = None
        self.account: PrivacyAccount | None = None
        if settings.privacy:
            from fastbp.privacy import PrivacyAccount  # only now: `import fastbp` stays quick

            self.account = PrivacyAccount(settings.privacy, settings.seed)
        self._session = self._new_session() if model.built else None

    @property
    def session(self) -> Session:
        """The engine's session: gradients, the optimizer's arrays, averages; made when the model is built."""
        if self._session is None:
            with _making:
                self._session = self._session or self._new_session()
        elif self.given_threads is None:
            self._session.n_threads = choose_threads()  # it may have changed
        return self._session

    def _new_session(self) -> Session:
        settings, model = self._settings, self.model
        check_loss(settings.loss, model.architecture, model.feed)
        rule = settings.optimizer.rule if settings.optimizer.native else "sgd"  # its steps are not used then
        private = settings.privacy is not None  # then nothing of the training samples is told
        kind: type[Session | PrivateSession | ShardedSession] = Session
        if private:
            from fastbp.engine.private_session import PrivateSession  # only now

            kind = PrivateSession
        elif self.exchange is not None:
            from fastbp.engine.divided_session import DividedSession  # only now

            kind = DividedSession
        elif settings.shards != 1:
            from fastbp.engine.sharded_session import ShardedSession  # only now

            kind = ShardedSession
        session = kind(
            model.network,
            settings.loss.objective,
            () if private else settings.sums,
            rule,
            self.n_threads,
            settings.seed,
            settings.narrow,
        )
        if settings.shards != 1:
            self._cut(cast("ShardedSession", session))
        return session

    def _cut(self, session: ShardedSession) -> None:
        """Let a session cut batches into shards, and compute those that are this process's."""
        n_shards = self._settings.shards
        if self.mpi is None or self.exchange is None:
            session.cut_into(n_shards)
        else:
            from fastbp.distributed.exchange import shards_of  # only now

            rank, n_ranks = self.mpi.rank, self.mpi.n_ranks
            session.cut_into(n_shards, *shards_of(rank, n_ranks, n_shards))
            cast("DividedSession", session).share_with(self.exchange, rank, n_ranks)

    def stop(self) -> None:
        """Stop training: at once, or with several ranks when all of them know."""
        if self.exchange is None:
            self.stopping = True
        else:
            self.stop_wanted = True

    def begin(self) -> None:
        """Begin a call of ``fit``, or a single step of several ranks: nobody wants to stop yet."""
        self.stopping = self.stop_wanted = False
        if self.exchange is not None:
            self.exchange.begin()

    def give_up(self, error: BaseException) -> None:
        """In a single step: let all ranks raise this rank's error, if they are still to make the step."""
        if self.exchange is not None and self.model.built and not self.exchange.joined:
            self.exchange.give_up(cast("DividedSession", self.session), error)

    def explain(self, explain: Callable[[], NoReturn]) -> NoReturn:
        """Raise what explain() raises, the reason of the engine's error; on all ranks that of the one that had it."""
        if self.exchange is None:
            explain()
        self.exchange.explained(explain)

    def serve(self, *, on: bool) -> None:
        """In a call of ``fit``, let rank 0 ask for this rank's part of the state; or no longer."""
        if self.exchange is not None:
            self.exchange.serve(cast("DividedSession", self.session) if on else None)

    def fail(self, error: BaseException) -> None:
        """End all processes for an error that the others do not have too."""
        if self.mpi is not None and self.exchange is not None and error is not self.exchange.agreed:
            self.mpi.fail(error)
            self.exchange.agreed = error

    @property
    def is_first(self) -> bool:
        """Whether this process runs callbacks, shows progress and writes files."""
        return self.mpi is None or self.mpi.rank == 0

    # -------------------------------------------------------------------------------------------------- properties

    @property
    def n_steps(self) -> int:
        """The number of updates so far."""
        return self.session.n_steps if self.model.built else 0

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        return self.numbers.learning_rate(self.n_steps, self.history.n_epochs)

    def latest(self) -> Figures:
        """The figures and the number of the latest epoch; empty before the first."""
        return {"epoch": self.history.n_epochs, **self.history.latest} if self.history.n_epochs else {}

    def figures_within(self, n_samples: int) -> Figures:
        """Return the numbers of the epoch in progress and of its steps, after n_samples of its samples."""
        return {"epoch": self.history.n_epochs + 1, "step": self.n_steps, "samples": n_samples}

    def numbers_of(self, n_steps: int) -> dict[str, Any]:
        """Return the numbers that the next n_steps use."""
        same = self.numbers.of_every_step
        if same is not None:  # the fast path, for loops that call step()
            return same
        return self.numbers.of_steps(self.n_steps, n_steps, self.history.n_epochs)

    def standing(self, n_samples: int, start: float, outputs: NDArray[Any] | None) -> UnfinishedEpoch | None:
        """Return the engine's progress in the unfinished epoch, of n_samples and begun at ``start``; None before it."""
        progress = self.session.progress(self.history.n_epochs)
        return None if progress is None else UnfinishedEpoch(n_samples, progress, time.perf_counter() - start, outputs)

    def divergence_remedy(self) -> str:
        """Return what to do when training diverges; before the first step the learning rate is not the reason."""
        if self.n_steps == 0:
            return (
                f"No step was made yet: numbers in X, y or the first weights are too large for {self.model.dtype}. "
                "Scale the data, for example with prepare=fb.Standardize(), or make the model with dtype='float64'."
            )
        rate = self.learning_rate
        return (
            f"Most likely the learning rate, {rate:g}, is too large: try {rate / 10:g}, and scale the columns of X to "
            "similar sizes."
        )

    # --------------------------------------------------------------------------------------------------- threads

    @property
    def n_threads(self) -> int:
        """The largest number of threads that a call uses now."""
        return choose_threads(self.given_threads)

    def on_threads(self, n_threads: int) -> _OnThreads:
        """Use n_threads threads inside a ``with``; the result does not depend on it."""
        return _OnThreads(self, n_threads)

    # ---------------------------------------------------------------------------------------- saving and loading

    def gathered(self) -> dict[str, Any]:
        """Return the training state without the model's weights and the history.

        With several ranks what each has is gathered: see ``Exchange.gathered_state``.
        """
        return {**self._own(), "optimizer_state": self.optimizer_state()}

    def optimizer_state(self) -> list[tuple[str, NDArray[Any]]]:
        """Return the optimizer's arrays by their names, copies; of all ranks, on rank 0 at least."""
        if self.exchange is None:
            return self.session.get_state()
        return self.exchange.gathered_state(cast("DividedSession", self.session))

    def _own(self) -> dict[str, Any]:
        """Return the training state without what may be divided among ranks."""
        session = self.session
        averages = None if self._settings.averaging is None else (session.get_averages(), session.n_averaged)
        return {
            "n_steps": session.n_steps,
            "dropout_mask": session.dropout_mask,
            "averages": averages,
            "memories": dict(self.numbers.schedule_memory),
            "rate_scale": self.numbers.rate_scale,
            "unfinished": self.unfinished,
            **({} if self.account is None else {"privacy": self.account.gathered()}),
        }

    def go_on_from(self, gathered: dict[str, Any]) -> None:
        """Restore the state that ``gathered`` returned, or the second part of a snapshot."""
        session = self.session
        if "own_states" in gathered:
            cast("DividedSession", session).set_own_states(gathered["own_states"])
        else:
            session.set_state(gathered["optimizer_state"])
        session.n_steps = gathered["n_steps"]
        session.dropout_mask = gathered.get("dropout_mask", 1)  # a pickle of version 0.1 has none
        if gathered["averages"] is not None:
            session.set_averages(*gathered["averages"])
        self.numbers.schedule_memory = dict(gathered["memories"])
        self.unfinished = gathered["unfinished"]
        if self.account is not None:
            self.account.go_on_from(gathered["privacy"])
        self.numbers.scale_rate(gathered["rate_scale"])

    def snapshot(self) -> Snapshot:
        """Return copies of the weights and of the training state, on each rank of its own part."""
        if self.exchange is None:
            return self.model.get_weights(), self.gathered()
        own_states = cast("DividedSession", self.session).own_states()
        return self.model.get_weights(), {**self._own(), "own_states": own_states}

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot."""
        weights, gathered = snapshot
        with self.turns:
            self.model.network.set_arrays(weights)
            self.go_on_from(gathered)


class _OnThreads:  # a generator takes longer, and a call of fit may be short
    __slots__ = ("_n_threads", "_state", "_usual")

    def __init__(self, state: TrainingState, n_threads: int) -> None:
        self._state, self._n_threads, self._usual = state, n_threads, state.given_threads

    def __enter__(self) -> None:
        self._state.given_threads = self._state.session.n_threads = self._n_threads

    def __exit__(self, *error: object) -> None:
        self._state.given_threads = self._usual
        self._state.session.n_threads = self._state.n_threads
