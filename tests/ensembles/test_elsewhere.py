"""Many networks by joblib's backends: each with the bits that it has alone."""

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


def raises(trainer, figures):
    raise LookupError("a callback has failed")


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


def test_cross_validation_gives_the_same_scores():
    def make(fold):
        return trainers(fold + 1)[fold]

    here = fb.cross_validate(make, X, Y, epochs=2, folds=3)
    with joblib.parallel_config(backend="threading", n_jobs=2):
        there = fb.cross_validate(make, X, Y, epochs=2, folds=3)
    for name, scores in here.scores.items():
        assert np.array_equal(scores, there.scores[name])


def test_an_error_says_whose_it_is_and_changes_no_trainer():
    there = trainers()
    before = there[0].model.get_weights()
    with (
        joblib.parallel_config(backend="loky", n_jobs=2),
        pytest.raises(LookupError, match="a callback has failed"),
    ):
        fb.fit_many(there, X, Y, 1, callbacks=lambda i: [fb.LambdaCallback(on_epoch_end=raises)] if i == 2 else [])
    assert all(map(np.array_equal, before, there[0].model.get_weights()))
    assert there[0].history.n_epochs == 0
