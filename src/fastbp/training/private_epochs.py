"""Private training on samples in arrays: noisy steps on random samples, until the epochs or the budget end.

On several ranks the account is that of rank 0: it chooses the noise, says how many steps the budget allows, and has the
key, which the others get. So all draw the same samples and the same noise, whatever machine they are on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from fastbp.data.samples import Samples
from fastbp.data.sparse import Sparse
from fastbp.engine.errors import NonFinite
from fastbp.engine.private_session import PrivateSession, PrivateSteps
from fastbp.models.nonfinite import explain_nonfinite
from fastbp.privacy import PrivacyAccount
from fastbp.training.epochs import EpochParts, Epochs, is_to_stop
from fastbp.training.private_checks import describe_bad_numbers
from fastbp.training.settings import Figures, StopReason
from fastbp.training.state import UnfinishedEpoch

__all__ = ["PrivateEpochs"]

T = TypeVar("T")

_BLOCK_ROWS = 1 << 14


class PrivateEpochs(Epochs):
    """The epochs of one private call of ``fit``; an unfinished epoch is continued.

    Parameters
    ----------
    parts : EpochParts
    data : Samples
        The training samples.
    """

    def __init__(self, parts: EpochParts, data: Samples) -> None:
        super().__init__(parts)
        account = parts.state.account
        assert account is not None
        self._data, self._n_samples = data, len(data)
        self._account: PrivacyAccount = account
        self._n_steps = account.steps_of_epoch(len(data))  # of an epoch
        self._n_done = 0  # of this epoch
        self._begun = 0  # steps of this epoch before the engine's call
        self._is_spent = False
        self._data_hash = fingerprint(data) if parts.state.is_first else b""

    def run(self, n_epochs: int) -> StopReason:
        """Train for at most n_epochs; return why training ended."""
        if n_epochs == 0:
            return "epochs"
        unfinished = self._unfinished()
        done = unfinished.progress[0] if unfinished else 0
        self._begin(n_epochs * self._n_steps - done)
        reason = super().run(n_epochs)
        return "budget" if reason == "stopped" and self._is_spent and not self._state.stopping else reason

    def _begin(self, n_steps: int) -> None:
        account = self._account

        def begin() -> float | None:
            account.begin(self._n_samples, n_steps)
            return account.noise_multiplier

        noise_multiplier = self._of_first(begin)
        if not self._state.is_first:
            assert noise_multiplier is not None
            account.follow(self._n_samples, noise_multiplier)

    def _steps_left(self) -> int:
        """Return how many steps of this epoch are left, within the budget."""
        return self._account.steps_left(self._n_samples, self._n_steps - self._n_done)

    def _of_first(self, compute: Callable[[], T]) -> T:
        """Return what ``compute`` returns on rank 0; or here, if there is one process."""
        exchange = self._state.exchange
        return compute() if exchange is None else exchange.of_first(compute, "the account of rank 0")

    def _unfinished(self) -> UnfinishedEpoch | None:
        unfinished = self._state.unfinished
        return None if unfinished is None or unfinished.n_samples != self._n_samples else unfinished

    def _run_epoch(self) -> Figures | None:
        """Make the steps of an epoch; fewer where the budget ends, None where it is spent or training is stopped."""
        state, unfinished = self._state, self._unfinished()
        self._n_done = self._begun = unfinished.progress[0] if unfinished else 0
        self._start = time.perf_counter() - (unfinished.seconds if unfinished else 0.0)
        try:
            with state.turns:
                while self._n_done < self._n_steps and not state.stopping:
                    n_steps = self._of_first(self._steps_left)
                    if n_steps == 0:
                        self._is_spent = True
                        break
                    self._make_steps(n_steps)
                self.leave()
        except NonFinite as error:
            state.unfinished = None
            if error.where in ("inputs", "targets"):
                raise ValueError(describe_bad_numbers(error.where)) from None
            where, model = f"in epoch {state.history.n_epochs + 1}", state.model
            explain_nonfinite(error, model.architecture, model.feed, self._data, where, state.divergence_remedy())
        except BaseException:
            self.leave()
            raise
        if self._n_done == 0 or (self._n_done < self._n_steps and not self._is_spent):
            return None
        seconds = time.perf_counter() - self._start
        return {"steps": float(state.n_steps), "epsilon": self._of_first(self._account.epsilon), "seconds": seconds}

    def _make_steps(self, n_steps: int) -> None:
        """Make some steps in one call of the engine, and count them, whatever ends it."""
        state, account, session = self._state, self._account, self._session
        settings = account.settings
        assert account.noise_multiplier is not None
        self._begun = self._n_done
        self._revision = state.numbers.revision
        before = session.n_steps
        plan = PrivateSteps(
            n_steps,
            state.numbers_of(n_steps),
            self._key(),
            account.probability(self._n_samples),
            settings.expected_batch_size,
            settings.max_grad_norm,
            account.noise_multiplier,
            settings.clipping,
            settings.max_physical_batch_size,
            on_tick=self._on_tick,
            every_step=self._listeners.hear_steps,
        )
        exchange, error = state.exchange, None
        try:
            session.private_steps(self._data.for_engine(), plan)
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._n_done = self._begun + session.n_steps - before
            account.count(session.n_steps)
            # Where another rank is lost nobody asks the others: the key that is not left is replaced by another one.
            if exchange is None or error is None or error is exchange.agreed:  # pragma: no branch - MPI ends it
                self._take_stock()
        if exchange is not None and exchange.stopping:
            state.stopping = True

    def _key(self) -> bytes:
        """Return the key of the next steps."""
        keys = self._account.keys

        def key_for() -> tuple[bytes, bytes]:
            return keys.key_for(self._circumstances()), keys.circumstances

        key, circumstances = self._of_first(key_for)
        keys.restore(key, circumstances)
        return key

    def _take_stock(self) -> None:
        """Between two steps: all of them are in the account, and the key belongs to what training stands at."""
        self._account.count(self._session.n_steps)
        keys = self._account.keys

        def leave() -> tuple[bytes, bytes]:
            keys.leave(self._circumstances())
            return keys.key, keys.circumstances

        keys.restore(*self._of_first(leave))

    def _on_tick(self, n_done: int) -> bool:
        """Update the bar and run the callbacks; return whether the engine is to stop."""
        state, listeners = self._state, self._listeners
        self._n_done = self._begun + n_done
        size = self._account.settings.expected_batch_size
        if self._bar is not None:
            self._account.count(self._session.n_steps)
            n_samples = min(self._n_done * size, self._n_samples)
            self._bar.show(n_samples, {"epsilon": self._account.epsilon()} if self._is_quick else {})
        if listeners.hear_steps or listeners.hear_ticks or state.turns.wanted:
            self._account.count(self._session.n_steps)
            # A callback, or another thread, may save the trainer.
            if state.is_first:  # pragma: no branch - another rank's thread has begun to save before this fit: a race
                self._account.keys.leave(self._circumstances())
            state.unfinished = self.standing(self._start)
            figures = state.figures_within(self._n_done * size)
            with state.turns.given_up():
                if listeners.hear_steps:
                    listeners.step_end(figures)
                listeners.tick(figures)
        return is_to_stop(state, self._revision)

    @property
    def _is_quick(self) -> bool:
        """Whether epsilon takes no time; distributions take a second."""
        return self._account.settings.accountant == "rdp"

    @property
    def _session(self) -> PrivateSession:
        session = self._state.session
        assert isinstance(session, PrivateSession)
        return session

    def standing(self, start: float) -> UnfinishedEpoch | None:
        """Return how many steps of the epoch are done."""
        if self._n_done == 0:
            return None
        sums = np.zeros(self._session.n_sums(self._settings.loss.n_targets(self._state.model.n_outputs)))
        return UnfinishedEpoch(self._n_samples, (self._n_done, 0.0, sums), time.perf_counter() - start, None)

    def _circumstances(self) -> bytes:
        """Return a hash of all that the next steps depend on, beside the key."""
        state, session = self._state, self._session
        from hashlib import blake2b  # takes its time, and `import fastbp` does not need it

        hasher = blake2b(self._data_hash, digest_size=32)
        told = self._settings, self._account.noise_multiplier, session.n_steps, state.numbers.rate_scale
        hasher.update(repr((told, state.numbers.schedule_memory, state.model.to_config())).encode())
        session.parameter_digest(hasher)
        for name, array in state.optimizer_state():
            hasher.update(name.encode())
            hasher.update(np.ascontiguousarray(array).data)
        return hasher.digest()


def fingerprint(data: Samples) -> bytes:
    """Return a hash of samples: of the arrays X, y and sample weights, and of which rows count."""
    from hashlib import blake2b  # as above

    hasher = blake2b(digest_size=32)
    X = data.X
    parts: list[Any] = [X.data, X.columns, X.starts] if isinstance(X, Sparse) else [X]
    for array in (*parts, data.y, data.sample_weights, data.subset):
        if array is None:
            hasher.update(b"none")
            continue
        hasher.update(repr((array.shape, array.dtype.str)).encode())
        for first in range(0, len(array), _BLOCK_ROWS):
            hasher.update(np.ascontiguousarray(array[first : first + _BLOCK_ROWS]).data)
    return hasher.digest()
