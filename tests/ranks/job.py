"""What each rank of a test's job runs: python job.py TASK OUTPUT [arguments]. Rank 0 writes JSON."""

import hashlib
import json
import os
import pickle
import signal
import sys
import time
from collections.abc import Sequence

import numpy as np
from cases import CASES, StopsInside, classifier, data, digest, own_loss, part, private
from layer_cases import LAYER_CASES
from private_cases import private_errors, private_secret
from refused_cases import losses_asked_for, rate_set_inside

import fastbp as fb
from fastbp.engine.team import work_limits


def same_bits(mpi, n_shards, ahead=""):
    """The digests of all cases; ``ahead``: gradients are sent while others are computed, as in long steps."""
    if ahead:
        work_limits(long_step=1.0, ahead_seconds=-1.0)
    digests = {name: digest(case(mpi=mpi, shards=int(n_shards))) for name, case in (CASES | LAYER_CASES).items()}
    return mpi.all_objects(digests, "the digests")


def errors(mpi):
    """Sentences that every rank must get, each after the one before: the ranks stay together."""
    X, y = data()
    sentences = []

    def caught(rows, model=None, mine=None, targets=y, **options):
        model = model or classifier(fb.Dense(8, "relu"))
        try:
            trainer = fb.Trainer(model, "cross_entropy", batch_size=128, distributed=mpi, shards=8, **options)
            trainer.fit(rows, targets, **(mine or {}))
        except Exception as error:
            sentences.append(f"{type(error).__name__}: {error}")
        else:
            sentences.append("none")

    def raises(trainer, figures):
        raise LookupError("a callback has failed")

    other = X + (mpi.rank == 1) * np.float32(1)
    bad = X.copy()
    bad[77, 2] = np.nan
    caught(other)
    caught(X, seed=mpi.rank)
    caught(X, model=fb.Model([fb.Dense(3, "softmax")], inputs=6, seed=mpi.rank))
    caught(bad)
    caught(X, mine={"callbacks": raises})
    caught(X, mine={"validation_data": (other, y)})
    caught(X, mine={"on_nan": "raise" if mpi.rank == 0 else "rollback"})
    caught(X, mine={"epochs": 1})

    def bad_part(number):
        X, y, weights = part(number)
        X[5, 1] = np.nan if number == 6 else 0
        return X, y, weights

    def odd_part(number):
        X, y, weights = part(number)
        return (X.astype(np.float64) if number == 7 else X), y, weights

    def no_part(number):
        if number == 7:
            raise FileNotFoundError("part 7 is not there")
        return part(number)

    for read in (bad_part, odd_part, no_part):
        caught(fb.distributed.Part(read), targets=None)
    return mpi.all_objects(sentences, "the sentences")


def checkpoint(mpi, path, n_epochs, dies_at="0", kind="9"):
    """Train up to an epoch with a checkpoint after each; the last rank may die at a step, or stop moving."""
    X, y = data()
    if os.path.exists(path):
        trainer = fb.Trainer.load(path, n_threads=1, distributed=mpi)
    else:
        trainer = fb.Trainer(
            classifier(fb.Dense(40, "relu"), fb.Dropout(0.1)),
            "cross_entropy",
            batch_size=128,
            shards=8,
            n_threads=1,
            distributed=mpi,
        )
    callbacks = [fb.Checkpoint(path)]
    if mpi.rank == mpi.n_ranks - 1 and int(dies_at):
        exchange = trainer.parts.state.exchange

        def wants_stop():
            if trainer.n_steps == int(dies_at):
                os.kill(os.getpid(), int(kind)) if kind != "raise" else sys.exit(3)
            return False

        exchange._wants_stop = wants_stop
    trainer.fit(X, y, epochs=int(n_epochs) - trainer.history.n_epochs, callbacks=callbacks)
    return digest(trainer)


def divided_state(mpi):
    """How many numbers of the optimizer's state each rank has, and how many there are in all."""
    trainer = CASES["adam, dropout, layer_norm, penalties"](mpi=mpi)
    state = trainer.parts.state
    own = sum(array.size for _, array in state.session.own_states())
    return mpi.all_objects(own, "the sizes"), sum(array.size for _, array in state.gathered()["optimizer_state"])


def own_rows_alone(mpi):
    """Train on chunks whose rows are NaN where another rank computes: nobody may look at them."""
    X, y = data()
    model = classifier(fb.Dense(8))
    trainer = fb.Trainer(model, "cross_entropy", batch_size=128, shards=8, distributed=mpi, shuffle=False)
    unread = np.full(len(X), True)
    for start in range(0, len(X), 128):
        first, end = trainer.parts.state.session.own_rows(min(128, len(X) - start))
        unread[start + first : start + end] = False
    X[unread] = np.nan
    trainer.fit([(X[start : start + 90], y[start : start + 90]) for start in range(0, len(X), 90)])
    return mpi.all_objects((digest(trainer), int(unread.sum())), "the digests")


class Files(Sequence):
    """Five chunks, and which of them were read."""

    def __init__(self, X, y):
        self.X, self.y, self.read = X, y, []

    def __len__(self):
        return 5

    def __getitem__(self, i):
        self.read.append(i)
        return self.X[i::5], self.y[i::5]


def divided_validation(mpi):
    """How many samples each rank has validated; of samples, chunks, and an array with a NaN."""
    X, y = data()
    n_seen = 0

    def loss(outputs, targets):
        nonlocal n_seen
        n_seen += len(outputs)
        return own_loss(outputs, targets)

    model = fb.Model([fb.Dense(3)], inputs=6, seed=1)
    trainer = fb.Trainer(model, loss, batch_size=32, metrics=[], shards=8, distributed=mpi)
    trainer.fit(X[:32], y[:32], validation_data=(X, y))
    trainer.fit(X[:32], y[:32], validation_data=lambda: [(X[:100], y[:100]), (X[100:], y[100:])])
    files = Files(X, y)
    trainer.fit(X[:32], y[:32], validation_data=lambda: files)
    bad = X.copy()
    bad[111, 3] = np.inf
    sentence = ""
    try:
        trainer.fit(X[:32], y[:32], validation_data=(bad, y))
    except ValueError as error:
        sentence = str(error)
    return mpi.all_objects((n_seen, sentence, files.read), "what was seen")


class SavesInside(fb.Callback):
    """Saves the trainer inside the second epoch."""

    def __init__(self, path):
        self.path = path

    def on_step_end(self, trainer, figures):
        if figures["step"] == 4:
            trainer.save(self.path)


def saved_inside(mpi, path):
    return digest(CASES["sgd with momentum, clip_norm"](mpi=mpi, fit={"callbacks": SavesInside(path)}))


def saved_by_the_loss(mpi, path):
    """A loss function, which all ranks call, saves inside an epoch: each has named a file of its own."""
    X, y = data()
    asked = []

    def loss(outputs, targets):
        if trainer.n_steps == 1 and not asked:
            asked.append(mpi.rank)
            trainer.save(f"{path}.{mpi.rank}")
        return own_loss(outputs, targets)

    trainer = fb.Trainer(classifier(), loss, batch_size=128, shards=8, distributed=mpi)
    trainer.fit(X, y, epochs=1)
    return mpi.all_objects([asked, trainer.n_steps, digest(trainer)], "what was done")


def asked_for_nothing(mpi):
    """Whether rank 0's question for the optimizer's state, where there is none, is still to be answered later."""
    if mpi.rank == 0:
        mpi.ask(np.empty(0), [0] * mpi.n_ranks, "nothing")
    mpi.meet("the question")
    return mpi.all_objects(mpi._asking.Iprobe(0), "what is left")


def loaded_after_saving(mpi, path):
    """Save and load at once, where writing takes its time: no rank may read before the file is there."""
    X, y = data()
    trainer = fb.Trainer(classifier(), "cross_entropy", shards=8, distributed=mpi)
    trainer.fit(X, y, epochs=1)
    time.sleep(0.5 * (mpi.rank == 0))
    trainer.save(path)
    trainer = fb.Trainer.load(path, distributed=mpi)
    trainer.fit(X, y, epochs=1)
    return trainer.history.n_epochs


def one_fails(mpi):
    """The last rank reads another file than the others, with a column less."""
    X, y = data()
    fb.Trainer(classifier(), "cross_entropy", shards=8, distributed=mpi).fit(X[:, : 6 - (mpi.rank == 1)], y)


class SetsTheSameOptimizer(fb.Callback):
    """Sets the optimizer that there is: the learning rate is its own again, after a training that was rolled back."""

    def on_epoch_end(self, trainer, figures):
        trainer.optimizer = trainer.optimizer


class ChangesAWeightInside(fb.Callback):
    """Changes a weight inside an epoch, where the other ranks go on."""

    def on_step_end(self, trainer, figures):
        if figures["step"] == 2:
            weights = trainer.model.get_weights()
            weights[0][0, 0] += 1
            trainer.model.set_weights(weights)


class RaisesInside(fb.Callback):
    """Raises after a step, or at the tick of that step."""

    def __init__(self, step, at_tick=False):
        self.step, self.at_tick = step, at_tick

    def on_step_end(self, trainer, figures):
        if figures["step"] == self.step and not self.at_tick:
            raise LookupError(f"after step {self.step}")

    def on_tick(self, trainer, figures):
        if trainer.n_steps == self.step and self.at_tick:
            raise LookupError(f"at a tick after step {self.step}")


def callbacks_fail_inside(mpi):
    """What each rank has after a callback that raised in an epoch, or after its last step; then training goes on."""
    X, y = data()
    seen, start = [], time.monotonic()
    for callback, extra in (
        (RaisesInside(2), {}),
        (RaisesInside(3), {}),
        (RaisesInside(4, at_tick=True), {"on_nan": "rollback"}),
        (RaisesInside(6), {"validation_data": (X, y)}),
    ):
        model = classifier(fb.Dense(40, "relu"))
        trainer = fb.Trainer(model, "cross_entropy", batch_size=128, shards=8, distributed=mpi)
        try:
            trainer.fit(X, y, epochs=3, callbacks=callback, **extra)
            sentence = "none"
        except LookupError as error:
            sentence = str(error)
        n_steps = trainer.n_steps
        trainer.fit(X, y)
        seen.append([sentence, n_steps, digest(trainer)])
    return mpi.all_objects([seen, time.monotonic() - start], "what was seen")


class Observes(fb.Callback):
    """Takes rows into the running statistics after an epoch."""

    def on_epoch_end(self, trainer, figures):
        trainer.model.observe(data()[0][50:])


def what_callbacks_do(mpi):
    """What each rank has after callbacks that ran on rank 0, and single steps after them."""
    X, y = data()

    def trainer():
        return fb.Trainer(classifier(), "cross_entropy", "sgd", batch_size=128, shards=8, distributed=mpi)

    rolled_back, stopped, changed = trainer(), trainer(), trainer()
    rolled_back.parts.state.numbers.scale_rate(0.25)
    rolled_back.fit(X, y, callbacks=SetsTheSameOptimizer())
    stopped.fit(X, y, epochs=3, callbacks=StopsInside())
    n_steps = stopped.n_steps
    stopped.step(X[:128], y[:128])
    try:
        changed.fit(X, y, epochs=2, callbacks=ChangesAWeightInside())
        sentence = "none"
    except RuntimeError as error:
        sentence = str(error)
    observed = fb.Model([fb.Dense(3, "softmax")], inputs=6, seed=1, prepare=fb.RunningStandardize())
    observed.observe(X[:50])
    fb.Trainer(observed, "cross_entropy", shards=8, distributed=mpi).fit(X, y, epochs=2, callbacks=Observes())
    n_seen = observed.feed.preparation.moments.n_rows
    mine = [rolled_back.learning_rate, stopped.n_steps - n_steps, digest(stopped), n_seen, sentence]
    return mpi.all_objects(mine, "what the ranks have")


def arguments(mpi):
    """What a trainer says of its ranks, and what it refuses."""
    X, y = data()
    trainer = fb.Trainer(classifier(), "cross_entropy", distributed=mpi)
    trainer.fit(X, y)
    sentences = []
    for call in (
        lambda: fb.Trainer(classifier(), "cross_entropy", distributed=mpi, shards=1),
        lambda: fb.Trainer(classifier(), "cross_entropy", distributed="mpi"),
        lambda: fb.distributed.MPI(comm=3),
        lambda: fb.fit_many([trainer], X, y),
        lambda: pickle.dumps(mpi),
    ):
        try:
            call()
        except (TypeError, ValueError) as error:
            sentences.append(str(error))
    return [trainer.shards, trainer.distributed is mpi, *sentences]


class Failing:
    """MPI of a launcher that leaves ranks alive where another one has ended: whoever waits gets an error."""

    def __init__(self, library):
        self.Exception, self.BYTE, self.Request = library.Exception, library.BYTE, self
        self.error = library.Exception(library.ERR_OTHER)

    def Testall(self, requests):
        raise self.error


def lost(mpi, folder, kind):
    """In the seventh step the last rank stops moving, or MPI fails; ranks write down what they get, and end so."""
    X, y = data()
    options = {"privacy": private(), "metrics": []} if kind == "private error" else {"batch_size": 32}
    trainer = fb.Trainer(classifier(fb.Dense(40, "relu")), "cross_entropy", shards=8, distributed=mpi, **options)
    is_last = mpi.rank == mpi.n_ranks - 1

    def wants_stop():
        if trainer.n_steps == 6 and kind.endswith("error"):
            mpi._library = Failing(mpi._library)
        elif trainer.n_steps == 6 and is_last:
            os.kill(os.getpid(), signal.SIGSTOP)
        return False

    trainer.parts.state.exchange._wants_stop = wants_stop
    try:
        trainer.fit(X, y, epochs=3)
    except TimeoutError as error:
        with open(os.path.join(folder, f"{mpi.rank}.json"), "w") as file:
            json.dump([str(error), trainer.n_steps, digest_of_weights(trainer)], file)


def interrupted_ahead(mpi, folder):
    """Ctrl-C on the last rank in a single step, when its numbers are on their way and its gradients are computed."""
    work_limits(long_step=1.0, ahead_seconds=-1.0)
    X, y = data()
    trainer = fb.Trainer(classifier(fb.Dense(80, "relu")), "cross_entropy", shards=8, distributed=mpi)
    trainer.step(X, y)

    exchange = trainer.parts.state.exchange
    begin = exchange.advance

    def interrupted(session, n_done):
        begin(session, n_done)
        raise KeyboardInterrupt

    if mpi.rank == mpi.n_ranks - 1:
        exchange.advance = interrupted
    start = time.monotonic()
    try:
        trainer.step(X, y)
    except BaseException as error:
        with open(os.path.join(folder, f"{mpi.rank}.json"), "w") as file:
            json.dump([type(error).__name__, time.monotonic() - start, trainer.n_steps], file)


def digest_of_weights(trainer):
    return hashlib.sha256(b"".join(array.tobytes() for array in trainer.model.get_weights())).hexdigest()


def single_steps_fail(mpi):
    """Single steps that one rank alone cannot make, each after the one before; then one that all can make."""
    X, y = data()
    bad, few = X.copy(), y[:-1]
    bad[277, 2] = np.nan  # of the last rank's shards
    trainer = fb.Trainer(
        classifier(fb.Dense(8, "relu"), fb.BatchNorm()), "cross_entropy", fb.SGD(0.1), distributed=mpi, shards=8
    )
    gradient = np.full((len(X), 3), 1e-3)
    gradients = [np.zeros_like(array) for array in trainer.model.get_weights()]
    odd = mpi.rank == mpi.n_ranks - 1
    sentences, start = [], time.monotonic()
    for call in (
        lambda: trainer.step(bad if odd else X, y),
        lambda: trainer.step(X, few if odd else y),
        lambda: trainer.step(X[:40] if odd else X, y[:40] if odd else y),
        lambda: trainer.step_gradient(X, gradient[:, :2] if odd else gradient),
        lambda: trainer.step_gradient(X, gradient * (np.nan if odd else 1.0)),
        lambda: trainer.apply_gradients(gradients[: -1 if odd else None]),
    ):
        try:
            call()
        except Exception as error:
            sentences.append([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())])
    trainer.step(X, y)
    seconds = time.monotonic() - start
    return mpi.all_objects((sentences, seconds, trainer.n_steps, digest(trainer)), "the sentences")


TASKS = {
    task.__name__: task
    for task in (
        same_bits,
        errors,
        checkpoint,
        divided_state,
        divided_validation,
        own_rows_alone,
        saved_inside,
        saved_by_the_loss,
        asked_for_nothing,
        callbacks_fail_inside,
        rate_set_inside,
        losses_asked_for,
        loaded_after_saving,
        lost,
        one_fails,
        single_steps_fail,
        interrupted_ahead,
        private_errors,
        private_secret,
        what_callbacks_do,
        arguments,
    )
}


def keep_measurement(mpi):
    """Where lines are counted: write them before MPI ends the process, which leaves no time for that."""
    coverage = sys.modules.get("coverage")
    measuring = coverage and coverage.Coverage.current()
    end_job = mpi._end_job

    def write_first():
        if measuring:
            measuring.stop()
            measuring.save()
        end_job()

    mpi._end_job = write_first


def main(task, output, *arguments):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    mpi = fb.distributed.MPI(timeout=float(os.environ.get("FASTBP_TEST_TIMEOUT", "60")))
    keep_measurement(mpi)
    result = TASKS[task](mpi, *arguments)
    if mpi.rank == 0:
        with open(output, "w") as file:
            json.dump(result, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
