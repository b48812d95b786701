"""Parallel training of many networks: independent trainers, one thread each, on the same data without copies.

A small network cannot keep several threads busy; several networks can. A thread runs one trainer from its first epoch
to its last; the GIL is released inside an epoch, so trainers wait for each other only between epochs. The caller's
thread is one of them, unless it has a bar to show or trainers have callbacks.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.callbacks.base import Callback
from fastbp.callbacks.listeners import CallbackLike, as_callbacks
from fastbp.data.arrays import as_matrix
from fastbp.data.class_weights import ClassWeight
from fastbp.data.frames import is_frame, names_of
from fastbp.data.samples import Samples
from fastbp.data.target_labels import read_labels, target_names_of
from fastbp.ensembles.elsewhere import has_backend, train_elsewhere
from fastbp.ensembles.naming import named
from fastbp.ensembles.private_many import fit_privately
from fastbp.preparation.tables import read_table
from fastbp.support.arguments import explain_arguments
from fastbp.support.checks import check_flag, check_int, check_list, sentence, shown
from fastbp.support.figures import explaining_missing_figures
from fastbp.support.threads import check_threads, choose_threads
from fastbp.support.worker import Worker
from fastbp.training.history import History
from fastbp.training.progress import EpochBar
from fastbp.training.trainer import Trainer

__all__ = ["CallbacksOf", "Job", "check_callbacks", "fit_many", "read_once", "train_all"]

CallbacksOf: TypeAlias = Callable[[int], Iterable[CallbackLike] | CallbackLike]
Made = TypeVar("Made")
RowIndex: TypeAlias = NDArray[np.int64]

_LOOK_SECONDS = 0.05  # how often the caller's thread looks at Ctrl-C and the bar


@explain_arguments
def fit_many(
    trainers: Sequence[Trainer],
    X: ArrayLike,
    y: ArrayLike,
    epochs: int = 1,
    *,
    validation_data: tuple[ArrayLike, ...] | None = None,
    n_threads: int | None = None,
    progress: bool = False,
    sample_weight: ArrayLike | None = None,
    class_weight: ClassWeight | None = None,
    callbacks: CallbacksOf | None = None,
) -> list[History]:
    """Train independent networks in parallel on the same data, one thread each: for ensembles, a search for settings.

    Each ends with the same bits as with ``trainer.fit`` alone. The data is shared, not copied. Private trainers, which
    have the same ``privacy``, have one account from now on (``fb.privacy.join``) and run one after another.

    Parameters
    ----------
    trainers : sequence of Trainer
        Trainers with separate models. A loss that is a Python function is called by several threads at once.
    X, y, epochs, validation_data, sample_weight, class_weight
        As for ``Trainer.fit``.
    n_threads : int or None, default None
        Number of trainers that run at once, the largest first; None means ``fb.get_num_threads()``. If there are
        more threads than trainers, trainers use several. The trainers' own ``n_threads`` are ignored. Where the system
        starts no more threads, fewer run at once. Within ``joblib.parallel_config`` this is ignored too: joblib's
        backend runs the trainers, in other processes or on other machines, each on one thread, without a progress bar;
        models, histories and the states of callbacks are brought back.
    progress : bool, default False
        Whether to show one progress bar for all, or plain lines as ``Trainer.fit`` does.
    callbacks : callable or None, default None
        Function from the index of a trainer to its callbacks, as for ``Trainer.fit``. They run in the trainer's thread;
        trainers must not share a callback.

    Returns
    -------
    list of History
        The history of each trainer, with all its epochs so far.

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of the above, or two trainers train the same model.
    Exception
        The first exception of a trainer, with a note of which trainer. The others stop with their models as after the
        last completed step; those that had not begun are unchanged.
    KeyboardInterrupt
        On Ctrl-C. Models are as after the last completed step, and ``fit`` or ``fit_many`` called again continues.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> X, y = np.eye(4), np.arange(4)
    >>> models = [fb.Model([fb.Dense(4, "softmax")], inputs=4, seed=seed) for seed in range(3)]
    >>> histories = fb.fit_many([fb.Trainer(model, "cross_entropy") for model in models], X, y, epochs=5)
    >>> [history.n_epochs for history in histories]
    [5, 5, 5]
    """
    checked = _check_trainers(trainers)
    n_epochs = check_int(epochs, "epochs", minimum=0)
    if any(trainer.privacy is not None for trainer in checked):
        own = check_callbacks(callbacks, len(checked))
        options: dict[str, Any] = {"validation_data": validation_data, "progress": progress}
        options |= {"sample_weight": sample_weight, "class_weight": class_weight}
        fit_privately(checked, X, y, n_epochs, own, n_threads, **options)
        return [trainer.history for trainer in checked]
    samples = read_once(checked, X, y, sample_weight, [None] * len(checked), "trainers[{}]")
    if class_weight is not None:
        for data in {id(data): data for data in samples}.values():
            data.weigh_classes(class_weight)
    validation: list[Samples | None] = [None] * len(checked)
    if validation_data is not None:
        validation = made_once(checked, lambda trainer: trainer.parts.intake.validation_arrays(validation_data))
    listeners = check_callbacks(callbacks, len(checked))
    names = [f"trainers[{i}]" for i in range(len(checked))]
    jobs = [Job(*parts) for parts in zip(names, checked, samples, validation, listeners, strict=True)]
    shows = check_flag(progress, "progress")
    with explaining_missing_figures("Give fit_many validation_data."):
        train_all(jobs, n_epochs, n_threads, shows)
    return [trainer.history for trainer in checked]


# ------------------------------------------------------------------------------------------------- checking


def _check_trainers(trainers: Sequence[Trainer]) -> list[Trainer]:
    if isinstance(trainers, (Trainer, str)) or not isinstance(trainers, Iterable):
        raise TypeError(sentence("trainers", trainers, "a list of fb.Trainer objects"))
    checked = check_list(trainers, "trainers", "a list of fb.Trainer objects")
    if not checked:
        raise ValueError("trainers is empty; expected one fb.Trainer or more.")
    first: dict[int, int] = {}
    for i, trainer in enumerate(checked):
        if not isinstance(trainer, Trainer):
            raise TypeError(sentence(f"trainers[{i}]", trainer, "an fb.Trainer"))
        j = first.setdefault(id(trainer.model), i)
        if j < i:
            what = f"the same as trainers[{j}]" if checked[j] is trainer else f"for the same model as trainers[{j}]"
            raise ValueError(f"trainers[{i}] is {what}; expected a trainer with a separate model for each thread.")
    return checked


def check_callbacks(callbacks: CallbacksOf | None, n_trainers: int) -> list[list[Callback]]:
    """Return the callbacks of each trainer, checked not to be shared."""
    if callbacks is None:
        return [[] for _ in range(n_trainers)]
    if not callable(callbacks) or isinstance(callbacks, type):
        remedy = "Each trainer needs its own: lambda i: [fb.EarlyStopping()]."
        raise TypeError(sentence("callbacks", callbacks, "a function from an index to a list, or None", remedy))
    listeners = [as_callbacks(callbacks(i)) for i in range(n_trainers)]
    owners: dict[int, int] = {}
    for i, own in enumerate(listeners):
        for listener in own:
            if owners.setdefault(id(listener), i) != i:
                raise ValueError(
                    f"callbacks({i}) has {shown(listener)}, which callbacks({owners[id(listener)]}) has too; expected "
                    "new objects at each call: each trainer runs in its own thread."
                )
    return listeners


def read_once(
    trainers: Sequence[Trainer],
    X: Any,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
    rows: Sequence[RowIndex | None],
    name: str,
) -> list[Samples]:
    """Return the samples of each trainer; X and y are read once for all trainers that read them in the same way.

    A model that is not built learns from its rows first (None: all). ``name`` is a trainer's name in messages, with
    braces for its number.
    """
    plain = opened = None
    target_names = target_names_of(y)
    y = read_labels(y, "y")
    numbers = {id(trainer): i for i, trainer in enumerate(trainers)}

    def read(trainer: Trainer) -> Samples:
        nonlocal plain, opened
        i, intake = numbers[id(trainer)], trainer.parts.intake
        with named(name.format(i)):
            preparation = trainer.model.feed.preparation
            if preparation is None or preparation.prepare is None:
                if is_frame(X) and trainer.model.feed.names is not None:  # it may want them in another order
                    return intake.learn(X, y, sample_weight, rows[i])
                plain = as_matrix(X, trainer.model.feed.known_inputs, "X") if plain is None else plain
                return intake.learn(plain, y, sample_weight, rows[i])
            opened = read_table(X, "X") if opened is None else opened
            return intake.learn(opened, y, sample_weight, rows[i])

    for trainer in trainers:
        model = trainer.model
        if not model.feed.ready and model.feed.preparation is None:  # only the number of columns is needed
            plain = as_matrix(X, None, "X") if plain is None else plain
            with named(name.format(numbers[id(trainer)])):
                model.adopt(model.feed.learn(plain, None)[0])
    samples = made_once(trainers, read)
    names = names_of(X)
    for trainer, data in zip(trainers, samples, strict=True):
        trainer.parts.intake.keep(names, data.classes, target_names)
    return samples


def made_once(trainers: Sequence[Trainer], make: Callable[[Trainer], Made]) -> list[Made]:
    """Return the result of ``make`` for each trainer, made once for all trainers that read X and y in the same way.

    A model with a preparation always has its own result.
    """
    made: list[tuple[tuple[Any, ...], Made]] = []
    results = []
    for trainer in trainers:
        model = trainer.model
        own = None if model.feed.preparation is None else id(model)
        feed = model.feed
        key = (feed.known_inputs, feed.names, feed.classes, model.architecture.known_outputs, trainer.loss, own)
        result = next((result for other, result in made if other == key), None)
        if result is None:
            result = make(trainer)
            made.append((key, result))
        results.append(result)
    return results


# ------------------------------------------------------------------------------------------------- training


@dataclass(frozen=True)
class Job:
    """A trainer, its name in messages, and its data."""

    name: str
    trainer: Trainer
    data: Samples
    validation: Samples | None
    listeners: list[Callback]

    @property
    def work(self) -> int:
        """The relative duration of an epoch, approximately."""
        return len(self.data) * self.trainer.model.n_parameters

    def check(self) -> None:
        """Refuse a model or data that cannot be trained."""
        with named(self.name):
            if self.trainer.distributed is not None:
                raise ValueError(
                    f"the trainer has distributed={self.trainer.distributed!r}; expected None for trainers that train "
                    "beside others. Call fit, or leave distributed out: the bits are the same."
                )
            self.trainer.model.architecture.check_training(len(self.data), self.trainer.batch_size)

    def run(self, n_epochs: int, n_threads: int) -> None:
        """Train."""
        with named(self.name), self.trainer.parts.state.on_threads(n_threads):
            try:
                self.trainer.fit_samples(self.data, n_epochs, self.validation, self.listeners)
            finally:
                self.interrupt(wanted=False)

    def interrupt(self, *, wanted: bool) -> None:
        """Let the training under way, or the next one, end after a completed step; or let it be."""
        self.trainer.model.network.interrupted = wanted


def train_all(jobs: Sequence[Job], n_epochs: int, n_threads: int | None, progress: bool) -> None:
    """Train all, n_threads at a time; the first error, or Ctrl-C, stops them after a completed step.

    More at a time than there are CPUs are possible: they do not wait for one another. The teams of all have no more
    threads than there are CPUs.
    """
    n_at_once = choose_threads() if n_threads is None else check_threads(n_threads)
    for job in jobs:
        job.check()
    if has_backend():
        train_elsewhere(jobs, n_epochs)
        return
    threads_of_each = max(1, choose_threads(n_threads) // len(jobs))
    bar = EpochBar(len(jobs) * n_epochs) if progress else None
    n_before = _n_epochs(jobs)

    def look() -> None:
        if bar is not None:
            bar.show(_n_epochs(jobs) - n_before)

    crew = _Crew(sorted(jobs, key=lambda job: -job.work), n_epochs, threads_of_each)
    is_watched = progress or any(job.listeners for job in jobs)
    with bar or contextlib.nullcontext():
        crew.run(min(n_at_once, len(jobs)), look if is_watched else None)


class _Crew:
    """Threads that run the jobs, as many as the system starts; where it starts none, the caller's thread does.

    Parameters
    ----------
    jobs : list of Job
        In their order; each thread takes the first one that is left.
    n_epochs, threads_of_each : int
    """

    def __init__(self, jobs: list[Job], n_epochs: int, threads_of_each: int) -> None:
        self._jobs, self._left = jobs, deque(jobs)
        self._under_way: dict[int, Job] = {}  # by their id
        self._arguments = (n_epochs, threads_of_each)
        self._threads: list[Worker] = []
        self._errors: list[BaseException] = []  # in the order in which they came
        self._all_started = self._stopped = False

    def run(self, n: int, look: Callable[[], None] | None) -> None:
        """Run all jobs on n threads, or fewer; raise the first error.

        ``look`` is called by the caller's thread from time to time. Without it that thread is one of the n: a thread
        takes longer to start than a small network to train.
        """
        try:
            try:
                self._start(n, look)
                self._all_started = True
                if self._errors:
                    self._stop()
                if look is None or not self._threads:
                    while self._run_next():
                        if look is not None:
                            look()
                self._wait(look)
            except BaseException as error:  # Ctrl-C, or the bar's
                self._errors.append(error)
                self._stop()
            finally:
                for thread in self._threads:
                    thread.join()
        finally:
            for job in self._jobs:
                # The interrupt may have come after its end.
                if id(job) not in self._under_way:  # pragma: no branch - a race
                    job.interrupt(wanted=False)
        if self._errors:
            first = self._errors[0]
            self._errors.clear()
            try:
                raise first
            finally:
                del first  # else it would hold itself, by the frames of its traceback

    def _start(self, n: int, look: Callable[[], None] | None) -> None:
        for _ in range(n if look is not None else n - 1):
            thread = Worker(self._work)
            self._threads.append(thread)  # first: Ctrl-C may come as soon as it runs
            try:
                if look is None:
                    thread.launch()  # should it die at once, the caller's thread does its jobs
                else:
                    thread.start()
            except RuntimeError:  # there can be no more threads
                self._threads.pop()
                return

    def _wait(self, look: Callable[[], None] | None) -> None:
        for thread in self._threads:
            while thread.is_alive():
                thread.join(_LOOK_SECONDS)
                if look is not None:
                    look()
        if look is not None:
            look()

    def _work(self) -> None:
        while self._run_next():
            pass

    def _run_next(self) -> bool:
        """Run the first job that is left; return whether there was one. Its exception stops all.

        Each thread begins one, also where another fails before all are started.
        """
        try:
            job = self._left.popleft()
        except IndexError:
            return False
        self._under_way[id(job)] = job
        try:
            if self._stopped:  # pragma: no cover - a race: before this was under way
                return False
            job.run(*self._arguments)
        except BaseException as error:
            self._errors.append(error)
            if self._all_started:
                self._stop()
        finally:
            del self._under_way[id(job)]
        return True

    def _stop(self) -> None:
        """Begin no more jobs, and stop those under way."""
        self._stopped = True
        self._left.clear()
        for job in list(self._under_way.values()):
            job.interrupt(wanted=True)


def _n_epochs(jobs: Sequence[Job]) -> int:
    return sum(job.trainer.history.n_epochs for job in jobs)
