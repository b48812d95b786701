"""Many networks by joblib's backends: each with the bits that it has alone."""

import os

import numpy as np
import pytest

import fastbp as fb

joblib = pytest.importorskip("joblib", reason="joblib is not installed")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 6)).astype(np.float32)
Y = RNG.integers(0, 3, 200)


def trainers(n=3):
    layers = [fb.Dense(16, "relu"), fb.Dropout(0.1), fb.Dense(3, "softmax")]
    models = [fb.Model(layers, inputs=6, seed=seed) for seed in range(n)]
    return [fb.Trainer(model, "cross_entropy", seed=seed) for seed, model in enumerate(models)]


def stopping(i):
    return [fb.EarlyStopping("loss", patience=2)]


def check_backend(backend, **options):
    here, there = trainers(), trainers()
    callbacks = [stopping(i) for i in range(3)]
    fb.fit_many(here, X, Y, 3, callbacks=stopping)
    with joblib.parallel_config(backend=backend, **options):
        fb.fit_many(there, X, Y, 3, callbacks=lambda i: callbacks[i])
    for a, b in zip(here, there, strict=True):
        assert all(map(np.array_equal, a.model.get_weights(), b.model.get_weights()))
        assert (a.history["loss"], a.n_steps, a.stop_reason) == (b.history["loss"], b.n_steps, b.stop_reason)
    assert [own[0].best_epoch for own in callbacks] == [trainer.history.kept_epoch for trainer in here]
    for trainer in (here[0], there[0]):  # both go on alike
        trainer.fit(X, Y, epochs=1)
    assert all(map(np.array_equal, here[0].model.get_weights(), there[0].model.get_weights()))


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_a_backend_gives_the_same_bits(backend):
    check_backend(backend, n_jobs=2)


def slow_down(trainer, figures):
    trainer.learning_rate = 0.01 / figures["epoch"]


def test_an_optimizer_that_a_callback_sets_is_brought_back():
    """Both go on alike, also at the rate that was set."""
    here, there = trainers(1), trainers(1)
    callbacks = [fb.LambdaCallback(on_epoch_end=slow_down)]
    fb.fit_many(here, X, Y, 2, callbacks=lambda i: callbacks)
    with joblib.parallel_config(backend="loky", n_jobs=2):
        fb.fit_many(there, X, Y, 2, callbacks=lambda i: callbacks)
    assert there[0].optimizer == here[0].optimizer == fb.Adam(0.005)
    for trainer in (here[0], there[0]):
        trainer.fit(X, Y, epochs=1)
    assert all(map(np.array_equal, here[0].model.get_weights(), there[0].model.get_weights()))


@pytest.mark.slow  # a cluster of processes takes seconds to start
def test_dask_gives_the_same_bits():
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster),
    ):
        check_backend("dask")
        check_cross_validation("dask")
        check_tables("dask")
        check_process("dask")


def check_cross_validation(backend, **options):
    def make(fold):
        return trainers(fold + 1)[fold]

    here = fb.cross_validate(make, X, Y, epochs=2, folds=3)
    with joblib.parallel_config(backend=backend, **options):
        there = fb.cross_validate(make, X, Y, epochs=2, folds=3)
    for name, scores in here.scores.items():
        assert np.array_equal(scores, there.scores[name])


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_cross_validation_gives_the_same_scores(backend):
    check_cross_validation(backend, n_jobs=2)


def check_tables(backend, **options):
    """The networks of a table are trained elsewhere too, and a time limit counts there."""
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from fastbp.sklearn import TabularClassifier

    here = TabularClassifier(random_state=0, epochs=2).fit(X, Y)
    with joblib.parallel_config(backend=backend, **options):
        there = TabularClassifier(random_state=0, epochs=2).fit(X, Y)
        limited = TabularClassifier(random_state=0, epochs=10**6, time_limit=1).fit(X, Y)
    assert np.array_equal(here.predict_proba(X), there.predict_proba(X))
    assert np.isfinite(limited.predict_proba(X)).all()


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_tables_are_the_same_to_the_bit(backend):
    check_tables(backend, n_jobs=2)


def dies(trainer, figures):
    os._exit(3)


def fit_with(callback, backend, **options):
    there = trainers()
    before = there[0].model.get_weights()
    try:
        with joblib.parallel_config(backend=backend, **options):
            fb.fit_many(
                there, X, Y, 1, callbacks=lambda i: [fb.LambdaCallback(on_epoch_end=callback)] if i == 2 else []
            )
    finally:
        assert all(map(np.array_equal, before, there[0].model.get_weights()))
        assert there[0].history.n_epochs == 0


def test_a_worker_that_dies_is_an_error_and_changes_no_trainer():
    with pytest.raises(Exception, match="terminated"):
        fit_with(dies, "loky", n_jobs=2)


def tells_its_process(trainer, figures):
    raise LookupError(f"process {os.getpid()}")


def check_process(backend, **options):
    """Trained is in another process, an error says whose it is, and no trainer has changed."""
    with pytest.raises(LookupError, match="process") as error:
        fit_with(tells_its_process, backend, **options)
    assert str(os.getpid()) not in str(error.value)
    assert any("trainers[2]" in note for note in error.value.__notes__)


def test_an_error_says_whose_it_is_and_changes_no_trainer():
    check_process("loky", n_jobs=2)
