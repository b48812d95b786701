"""A process in which memory runs out; tests/campaign/test_out_of_memory.py runs it.

It does each piece of work undisturbed, then again and again with a request for memory that fails, at another place each
time, or with less and less address space; and after every failure undisturbed once more. It prints what was wrong.
"""

import ctypes
import gc
import os
import resource
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

import fastbp as fb
from campaign_helpers import is_sentence, random_of
from fastbp.engine.team import work_limits

RNG = np.random.default_rng(0)
X = RNG.normal(size=(600, 20)).astype("float32")
y = RNG.integers(0, 3, size=600)
FOLDER = Path(tempfile.mkdtemp())


def make_model(seed=1):
    return fb.Model([fb.Dense(64, "relu"), fb.BatchNorm(), fb.Dense(3, "softmax")], inputs=20, seed=seed)


def make_trainer(n_threads=1, seed=1):
    return fb.Trainer(make_model(seed), "cross_entropy", "adam", batch_size=100, seed=seed, n_threads=n_threads)


def bits(arrays):
    return b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)


# ---- The work: each returns bytes that are the same every time ----


def fit():
    trainer = make_trainer()
    trainer.fit(X, y, epochs=2, validation_data=(X[:99], y[:99]))
    return bits(trainer.model.get_weights())


def fit_with_threads():
    trainer = make_trainer(n_threads=2)
    trainer.fit(X.astype("float64"), y, epochs=2, sample_weight=np.ones(600))
    return bits(trainer.model.get_weights())


def fit_chunks():
    trainer = make_trainer()
    trainer.fit(lambda: ((X[i : i + 150], y[i : i + 150]) for i in range(0, 600, 150)), epochs=2)
    return bits(trainer.model.get_weights())


def go_on():
    """A trainer that is there already, whose fit failed in part, has the weights of a completed step."""
    trainer = make_trainer()
    trainer.step(X[:100], y[:100])
    trainer.fit(X, y)
    return bits([*trainer.model.get_weights(), trainer.model.predict(X[:50])])


MODEL, TRAINER = make_model(), make_trainer()
TRAINER.fit(X, y)
ENSEMBLE = fb.Ensemble([make_model(seed) for seed in range(3)])


def predict():
    return bits([MODEL.predict(X), MODEL.predict(X[:1]), MODEL.predict(X[:, ::-1])])


def evaluate():
    return repr(TRAINER.evaluate(X, y)).encode()


def gradients():
    loss, arrays = MODEL.loss_and_gradients(X, y, loss="cross_entropy")
    return bits([np.array(loss), *arrays])


def save_and_load():
    before = (FOLDER / "trainer").read_bytes()
    try:
        TRAINER.save(FOLDER / "trainer")
    finally:
        assert (FOLDER / "trainer").read_bytes() == before, "the file was changed"
        assert not list(FOLDER.glob("*.part")), "a part of a file was left"
    return bits(fb.Trainer.load(FOLDER / "trainer").model.get_weights())


def ensemble():
    ENSEMBLE.save(FOLDER / "ensemble")
    return bits([fb.Ensemble.load(FOLDER / "ensemble").predict(X)])


def estimator():
    from fastbp.sklearn import MLPClassifier

    return bits([MLPClassifier((16,), max_iter=2, random_state=1).fit(X, y).predict_proba(X)])


def large():
    """Ten MB of weights, thirty in training: more than the process has at hand."""
    model = fb.Model([fb.Dense(1600, "relu"), fb.Dense(3, "softmax")], inputs=1600, seed=2)
    fb.Trainer(model, "cross_entropy", "adam", seed=2, n_threads=1).step(np.tile(X[:64], (1, 80)), y[:64])
    model.save(FOLDER / "large")
    return bits([fb.Model.load(FOLDER / "large").predict(np.tile(X[:9], (1, 80)))])


WORK = [
    large,
    fit,
    fit_with_threads,
    fit_chunks,
    go_on,
    predict,
    evaluate,
    gradients,
    save_and_load,
    ensemble,
    estimator,
]


# ---- What is done to it ----


def attempt(work):
    """Return (its result or None, an error that should not be or None)."""
    try:
        return work(), None
    except MemoryError:
        return None, None
    except SystemError as error:  # NumPy's reductions forget to set the MemoryError
        return None, None if "without" in str(error) and "exception" in str(error) else error
    except (ValueError, RuntimeError, OSError) as error:
        return None, None if is_sentence(error) else error
    except BaseException as error:
        return None, error


def complain(work, where, what):
    print(f"{work.__name__}, {where}: {what}", flush=True)


def judge(work, expected, where, result, error):
    """Return whether the memory did not suffice."""
    if error is not None:
        complain(work, where, f"{type(error).__name__}: {error}")
    elif result is not None and result != expected:
        complain(work, where, "another result")
    return result is None


def undisturbed(work, expected, where):
    result, error = attempt(work)
    if result != expected:
        complain(work, f"after {where}", error or "another result, or no memory")


def fail_requests(work, expected, shim, n_cases, seed):
    """Requests that fail, evenly over all that the work makes: one, or one and all after it."""
    rng = random_of(f"memory {work.__name__}", seed)
    failed = 0
    for least in (4096, 513):
        shim.fail_from(1 << 60, 1, least)
        work()
        total = shim.n_requests()
        shim.fail_from(0, 0, 0)
        for case in range(min(n_cases, total)):
            n = 1 + total * case // min(n_cases, total)
            many = rng.choice([1, 1, 3, 1 << 50])
            where = f"request {n} of {total} for {least} bytes or more fails, {many} of them"
            print("?", work.__name__, where, file=sys.stderr, flush=True)  # the last line before a crash
            shim.fail_from(n, many, least)
            result, error = attempt(work)
            shim.fail_from(0, 0, 0)
            failed += judge(work, expected, where, result, error)
            undisturbed(work, expected, where)
    return failed


def limit_addresses(work, expected, n_cases):
    """From so much more address space than there is now that the work succeeds, to none."""
    former = resource.getrlimit(resource.RLIMIT_AS)
    failed = 0
    for case in range(n_cases):
        gc.collect()
        now = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        more = (1 << 26) * (n_cases - 1 - case) ** 2 // n_cases**2
        where = f"{more} bytes more"
        print("?", work.__name__, where, file=sys.stderr, flush=True)
        resource.setrlimit(resource.RLIMIT_AS, (now + more, former[1]))
        result, error = attempt(work)
        resource.setrlimit(resource.RLIMIT_AS, former)
        failed += judge(work, expected, where, result, error)
        undisturbed(work, expected, where)
    return failed


def main(way, n_cases, seed):
    warnings.simplefilter("ignore")
    work_limits(epoch_thread=1.0, paced=0.0)  # teams of two threads on small networks
    TRAINER.save(FOLDER / "trainer")
    shim = ctypes.CDLL(None)
    if way == "requests":
        shim.fail_from.argtypes = ctypes.c_long, ctypes.c_long, ctypes.c_size_t
        shim.n_requests.restype = ctypes.c_long
    failed = 0
    for work in WORK:
        expected = work()
        assert work() == expected, work
        if way == "requests":
            failed += fail_requests(work, expected, shim, n_cases, seed)
        else:
            failed += limit_addresses(work, expected, n_cases)
    print(f"failed {failed}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
