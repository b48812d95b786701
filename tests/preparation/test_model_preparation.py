"""A model with a preparation: built by its data, trained as on prepared data, kept in files, to the same bits."""

import pickle
import tracemalloc

import numpy as np
import pytest

import fastbp as fb
from fastbp.data.folds import split_fraction
from fastbp.preparation import column_statistics
from fastbp.preparation import learned as learned_module
from fastbp.preparation.column_statistics import ColumnStatistics
from fastbp.preparation.model_preparation import ModelPreparation
from preparation_helpers import CHAIN, bits, make_data, make_mixed, make_model, trained

# ---------------------------------------------------------------------------------------------------- training


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training_is_that_on_prepared_data(isa, dtype):
    """The same bits, for the arithmetic is the same: NumPy prepares in float64 and rounds to the model's dtype."""
    X, y = make_data()
    model = trained(make_model([fb.Impute("median"), fb.Standardize()], dtype=dtype)).model
    median = np.nanmedian(X, axis=0)
    filled = np.where(np.isnan(X), median, X)
    made = ((filled - filled.mean(axis=0)) / filled.std(axis=0)).astype(dtype)
    made_y = ((y - y.mean()) / y.std()).astype(dtype)
    wanted = trained(make_model(None, None, 5, dtype), (made, made_y)).model
    width = 1e-4 if dtype == "float32" else 1e-9
    for a, b in zip(model.get_weights(), wanted.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=width, atol=width)
    restored = wanted.predict(made).astype(np.float64) * y.std() + y.mean()
    np.testing.assert_allclose(model.predict(X), restored, rtol=width)


def test_bytes_scaled_on_the_way_are_those_scaled_before(isa):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (200, 70), dtype=np.uint8), rng.integers(0, 3, 200)
    results = []
    for prepare, data in ((fb.Scale(1 / 255), X), (None, (X * (1 / 255)).astype(np.float32))):
        model = fb.Model([fb.Dense(9, "relu"), fb.Dense(3, "softmax")], inputs=70, prepare=prepare)
        assert model.predict(data).shape == (200, 3)  # nothing is to be learned
        fb.Trainer(model, "cross_entropy").fit(data, y, epochs=3)
        results.append([*model.get_weights(), model.predict(data)])
    assert bits(results[0]) == bits(results[1])


def test_the_same_bits_on_any_number_of_threads(isa, limits):
    limits(epoch_thread=1.0, call_thread=1.0)
    X, y = make_mixed(500)
    prepare = fb.Columns([fb.Impute(indicator=True), fb.RobustScale()])
    results = []
    for n_threads in (1, 2, 3):
        trainer = trained(make_model(prepare, units=40), (X, y), n_threads=n_threads, batch_size=100)
        model = trainer.model
        figures = [trainer.history["loss"], trainer.history["r2"], trainer.evaluate(X, y)]
        results.append((repr(figures), bits([*model.get_weights(), model.predict(X, n_threads)])))
    assert results[0] == results[1] == results[2]


def test_a_row_alone_has_the_bits_that_it_has_among_others(isa):
    X, y = make_mixed(40)
    model = trained(make_model(fb.Columns(fb.Impute())), (X, y)).model
    together = model.predict(X)
    for few in (1, 2, 3, 5, 11):
        assert bits(together) == bits(np.vstack([model.predict(X[i : i + few]) for i in range(0, 40, few)]))


def test_layouts_and_dtypes_make_no_difference():
    X, y = make_data()
    X = np.nan_to_num(np.round((X - [0, 1, 1.6e9, 0, 0]) / [0.1, 1e-4, 1e3, 3, 0.1]), nan=3)
    results = []
    for view in (X, np.asfortranarray(X), X.astype(np.float32), X.astype(np.int64), X.astype(np.int16), X.tolist()):
        model = trained(make_model([fb.Standardize()]), (view, y)).model
        results.append(bits([*model.get_weights(), model.predict(view)]))
    assert all(result == results[0] for result in results)


def test_metrics_are_in_the_targets_own_units(isa):
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    X, y = make_data()
    y = np.column_stack([y, -3e-3 * y - 5])
    layers = [fb.Dense(7, "tanh"), fb.Dense(2)]
    for targets in (fb.Standardize(), fb.Scale(), fb.RobustScale(clip=None), [fb.Standardize(), fb.Scale(-2, 1)]):
        model = fb.Model(layers, prepare=CHAIN, prepare_targets=targets, dtype="float64")
        trainer = fb.Trainer(model, "mse", metrics=["mae", "mse", "r2"])
        trainer.fit(X, y, epochs=2, validation_data=(X, y))
        figures = trainer.evaluate(X, y)
        predicted = model.predict(X)
        assert figures["mae"] == pytest.approx(metrics.mean_absolute_error(y, predicted), rel=1e-9)
        assert figures["mse"] == pytest.approx(metrics.mean_squared_error(y, predicted), rel=1e-9)
        assert figures["r2"] == pytest.approx(metrics.r2_score(y, predicted), rel=1e-9)
        assert trainer.history["val_mae"][-1] == figures["mae"]
        own, _ = ModelPreparation(targets, None).after(y, None, None, ("y", ""), None)
        difference = own.inputs.apply(y, np.dtype("f8")) - own.inputs.apply(predicted, np.dtype("f8"))
        assert figures["loss"] == pytest.approx(np.mean(difference**2), rel=1e-9)
        assert model.loss_and_gradients(X, y, "mse")[0] == pytest.approx(figures["loss"], rel=1e-12)


@pytest.mark.parametrize("loss", ["mae", "huber", "log_cosh", fb.Quantile([0.1, 0.5, 0.9])])
def test_losses_that_measure_distances_take_prepared_targets(loss):
    X, y = make_data()
    n_outputs = 3 if isinstance(loss, fb.Quantile) else 1
    model = fb.Model([fb.Dense(7, "tanh"), fb.Dense(n_outputs)], prepare=CHAIN, prepare_targets=fb.Standardize())
    fb.Trainer(model, loss, fb.Adam(0.01)).fit(X, y, epochs=60)
    predicted = model.predict(X)
    assert np.abs(predicted - y).mean() < 0.8 * np.abs(y - np.median(y)).mean()
    if n_outputs == 3:
        assert (np.diff(predicted, axis=1) > 0).mean() > 0.9
        assert 0.02 < (y < predicted[:, :1]).mean() < 0.25


def test_other_ways_to_train_step_accumulate_lbfgs_and_a_loss_of_ones_own():
    X, y = make_data()
    model = make_model()
    model.build(X, y)
    trainer = fb.Trainer(model, "mse", fb.SGD(0.1))
    losses = [trainer.step(X, y) for _ in range(20)]
    assert losses[-1] < losses[0]
    trained(accumulate=3, averaging=fb.EMA(0.5)).averaged_model().predict(X)
    pytest.importorskip("scipy", reason="SciPy is not installed")
    trainer = fb.Trainer(make_model(), "mse", fb.LBFGS(), batch_size=None)
    trainer.fit(X, y, epochs=20)
    assert trainer.history["r2"][-1] > 0.5

    def own(outputs, targets):
        return np.square(outputs - targets).sum(axis=1), 2 * (outputs - targets)

    model = make_model(targets=None)
    trainer = fb.Trainer(model, own, fb.Adam(0.01), batch_size=50)
    trainer.fit(X, (y - 5e6) / 1e5, epochs=30)
    assert trainer.evaluate(X, (y - 5e6) / 1e5)["loss"] == pytest.approx(trainer.history["loss"][-1], rel=0.2)


def test_gradients_agree_with_differences():
    X, y = make_mixed(30)
    model = trained(make_model(fb.Columns(CHAIN[:2])), (X, y)).model
    fb.check_gradients(model, X, y, "mse")
    statistics = model.inspect(X, y, "mse")
    assert statistics.loss == pytest.approx(model.loss_and_gradients(X, y, "mse")[0], rel=1e-6)
    assert [layer.dead_units for layer in statistics.layers] == [0, 0]


# ----------------------------------------------------------------------------------------------- what is learned


def test_the_first_fit_learns_from_its_training_data_alone_and_no_later_one_does():
    X, y = make_data()
    trainer = fb.Trainer(make_model(), "mse")
    trainer.fit(X, y, validation_data=(X * 100, y), sample_weight=np.arange(300.0))
    config = trainer.model.to_config()["preparing"]
    alone = make_model()
    alone.build(X, y)
    assert alone.to_config()["preparing"] == config
    trainer.fit(X * 3, y + 1)
    fb.Trainer(trainer.model, "mse").fit(X * 3, y + 1)
    assert trainer.model.to_config()["preparing"] == config
    with pytest.raises(ValueError, match=r"the model is built already"):
        trainer.model.build(X, y)


def test_it_can_learn_from_some_of_the_rows():
    X, y = make_mixed()
    rows = np.random.default_rng(0).permutation(300)[:100]
    whole, part = make_model(fb.Columns(CHAIN)), make_model(fb.Columns(CHAIN))
    whole.adopt(whole.feed.learn(X, y, rows)[0])
    part.build(X[rows], y[rows])
    assert whole.to_config() == part.to_config()


def test_samples_that_are_held_out_teach_nothing():
    X, y = make_data()
    trainer = fb.Trainer(make_model(), "mse", seed=5)
    trainer.fit(X, y, validation_fraction=0.3)
    rows, _ = split_fraction(len(y), 0.3, seed=5)
    alone = make_model()
    alone.build(X[rows], y[rows])
    assert alone.to_config() == trainer.model.to_config()


def test_chunks_need_a_model_that_has_learnt():
    X, y = make_data()
    trainer = fb.Trainer(make_model(), "mse", metrics=["rmse", "r2"])
    with pytest.raises(ValueError, match=r"X is a source of chunks, .* expected a model that is built"):
        trainer.fit([(X, y)])
    trainer.model.build(X, y)
    trainer.fit([(X[:100], y[:100]), (X[100:], y[100:])])
    assert trainer.history["rmse"][-1] > 1e4  # in the targets' own units


def test_a_metric_that_goes_by_the_size_of_targets_is_refused():
    with pytest.raises(ValueError, match=r"metrics has 'mape' and prepare_targets is \[Standardize.*such as mae"):
        fb.Trainer(make_model(), "mse", metrics=["mae", "mape"])
    fb.Trainer(make_model(targets=None), "mse", metrics=["mape"])


def test_a_sparse_matrix_is_refused():
    sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed")
    with pytest.raises(TypeError, match=r"X is a sparse matrix .*; expected a dense array. Give X.toarray"):
        make_model(targets=None).build(sparse.csr_array(np.eye(5)))


def test_a_failed_call_teaches_nothing():
    X, y = make_data()
    model = make_model()
    trainer = fb.Trainer(model, "mse")
    for bad_X, bad_y in ((X * np.inf, y), (X, y * np.inf), (X, y[:, [0, 0]]), (X, None), (X[0], y)):
        with pytest.raises((TypeError, ValueError)):
            trainer.fit(bad_X, bad_y)
        assert not model.built
        assert model.inputs is None
    trainer.fit(X, y)
    assert model.inputs == 5


def test_of_many_rows_some_are_looked_at_for_quantiles():
    X = np.random.default_rng(0).normal(size=(2_500_000, 1)).astype(np.float32)
    statistics = ColumnStatistics([0], X, None, {}, str)
    assert statistics.quantiles([0.5])[0, 0] == np.median(X[::3].astype(np.float64))
    rows = np.arange(0, 2_500_000, 2)
    assert ColumnStatistics([0], X, rows, {}, str).quantiles([0.5])[0, 0] == np.median(X[::4].astype(np.float64))


def test_memory_stays_bounded_on_an_array_in_a_file(tmp_path):
    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float32, (400_000, 100))  # 160 MB
    X[::7] = 1
    X[:, 3] = np.arange(400_000)
    y = np.arange(400_000) % 2
    layers = [fb.Dense(4, "relu"), fb.Dense(2, "softmax")]
    model = fb.Model(layers, prepare=[fb.Impute(), fb.Standardize(), fb.Scale()])
    tracemalloc.start()
    try:
        model.build(X)
        fb.Trainer(model, "cross_entropy", batch_size=4096).fit(X, y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 60e6


# ------------------------------------------------------------------------------------------------- unbuilt models


def test_without_inputs_the_data_tells_and_the_weights_are_the_same():
    X = np.nan_to_num(make_data()[0], nan=1.0)
    told, given = make_model(None, None), make_model(None, None, 5)
    assert (told.built, given.built) == (False, True)
    assert (told.inputs, given.inputs) == (None, 5)
    told.build(X)
    assert (told.built, told.inputs, told.n_inputs) == (True, 5, 5)
    assert bits(told.get_weights()) == bits(given.get_weights())
    assert repr(told) == repr(given)
    assert told.to_config() == given.to_config()


def test_with_inputs_the_weights_are_there_before_the_preparation_has_learnt():
    X, y = make_data()
    model = make_model([fb.Impute(), fb.Standardize()], inputs=5)
    assert model.built
    weights = model.get_weights()
    model.set_weights(weights)
    model.summary()
    for call in (lambda: model.predict(X), lambda: fb.Trainer(model, "mse").step(X, y)):
        with pytest.raises(ValueError, match=r"has learned from no data yet; expected that Trainer.fit"):
            call()
    later = make_model([fb.Impute(), fb.Standardize()])
    for each in (model, later):
        each.build(X, y)
    assert bits(model.get_weights()) == bits(weights) == bits(later.get_weights())
    assert bits(model.predict(X)) == bits(later.predict(X))
    with pytest.raises(ValueError, match=r"X has 5 columns; expected 4, the model's inputs"):
        make_model([fb.Impute(), fb.Standardize()], inputs=4).build(X, y)


ASKED = {
    "predict": lambda model: model.predict([[1.0]]),
    "get_weights": lambda model: model.get_weights(),
    "set_weights": lambda model: model.set_weights([]),
    "n_parameters": lambda model: model.n_parameters,
    "summary": lambda model: model.summary(),
    "inspect": lambda model: model.inspect([[1.0]]),
    "save": lambda model: model.save("nowhere"),
    "loss_and_gradients": lambda model: model.loss_and_gradients([[1.0]], [1.0], "mse"),
    "check_gradients": lambda model: fb.check_gradients(model, [[1.0]], [1.0], "mse"),
    "step": lambda model: fb.Trainer(model, "mse").step([[1.0]], [1.0]),
    "evaluate": lambda model: fb.Trainer(model, "mse").evaluate([[1.0]], [1.0]),
    "averaged_model": lambda model: fb.Trainer(model, "mse", averaging="ema").averaged_model(),
    "save a trainer": lambda model: fb.Trainer(model, "mse").save("nowhere"),
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_what_needs_weights_says_so(ask, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for model in (make_model(), make_model(None, None), make_model([fb.OneHot()], None, 3)):
        with pytest.raises(ValueError, match=r"the model is not built yet: .* Call Trainer.fit first, or model.build"):
            ask(model)


def test_an_unbuilt_model_is_described_pickled_and_trained_from_there():
    X, y = make_data()
    model = make_model()
    assert "inputs=None, prepare=[Impute(strategy='median', indicator=True), Standardize()" in repr(model)
    assert model.n_outputs == 1
    with pytest.raises(ValueError, match=r"the model is not built yet"):
        _ = model.n_inputs
    assert model.prepare == tuple(CHAIN)
    assert model.prepare_targets == (fb.Standardize(),)
    trainer = fb.Trainer(model, "mse", learning_rate_factors={0: 0.5}, seed=4)
    assert trainer.n_steps == 0
    copy = pickle.loads(pickle.dumps(trainer))
    assert not copy.model.built
    for each in (trainer, copy):
        each.fit(X, y, epochs=2)
    assert bits(copy.model.get_weights()) == bits(trainer.model.get_weights())
    assert pickle.loads(pickle.dumps(trainer)).n_steps == trainer.n_steps == 20


def test_a_loss_that_cannot_go_with_an_unbuilt_model_is_refused_at_once():
    with pytest.raises(ValueError, match=r"softmax"):
        fb.Trainer(make_model(targets=None), "cross_entropy")
    for loss in ("poisson", "gaussian_nll", "cosine", lambda a, b: (a, b)):
        model = fb.Model([fb.Dense(2, "softplus" if loss == "poisson" else "linear")], prepare_targets=fb.Scale())
        with pytest.raises(ValueError, match=r"prepare_targets is \[Scale.*measures distances: mse, mae, huber"):
            fb.Trainer(model, loss)
        model.build([[1.0], [2.0]], [[1.0, 2.0], [3.0, 4.0]])
        with pytest.raises(ValueError, match=r"measures distances"):
            model.loss_and_gradients([[1.0]], [[1.0, 2.0]], loss)


def test_layers_that_do_not_fit_the_data_are_refused_and_the_model_stays_unbuilt():
    model = fb.Model([fb.Residual([fb.Dense(4, "tanh"), fb.Dense(3)]), fb.Activation("tanh")])
    with pytest.raises(ValueError, match=r"has 2 inputs and its layers have 3 outputs"):
        model.build([[1.0, 2.0]])
    assert model.inputs is None
    model.build([[1.0, 2.0, 3.0]])
    assert model.n_outputs == 3


def test_different_numbers_are_sorted_in_between_where_there_are_many(monkeypatch):
    monkeypatch.setattr(column_statistics, "_BLOCK_NUMBERS", 5)
    found = column_statistics._Unique()
    numbers = np.random.default_rng(0).integers(0, 40, 200).astype(float)
    for start in range(0, 200, 4):
        found.take(numbers[start : start + 4])
        assert found._n_new <= len(found._known) + 5
    np.testing.assert_array_equal(found.values(), np.unique(numbers))


def test_a_column_without_numbers_has_no_quantiles():
    X = np.column_stack([np.full(5, np.nan), np.arange(5.0)])
    quantiles = ColumnStatistics([0, 1], X, None, {}, str).quantiles([0.0, 0.5])
    np.testing.assert_array_equal(quantiles, [[np.nan, 0.0], [np.nan, 2.0]])


@pytest.mark.parametrize("row", [2, 9])
def test_a_bad_number_is_found_in_whatever_block_it_is(row, monkeypatch):
    monkeypatch.setattr(learned_module, "BLOCK_ROWS", 4)
    X = np.arange(24.0).reshape(12, 2)
    model = fb.Model([fb.Dense(1)], prepare=fb.Standardize(), inputs=None)
    model.build(X)
    inputs = model.feed.preparation.inputs
    X[row, 1] = np.inf
    with pytest.raises(ValueError, match=rf"row {row}, column 1 of X .* is inf"):
        inputs.refuse(X, 11, np.dtype("float32"), "X")


def test_a_number_that_is_finite_again_is_told_as_what_it_was():
    """Another thread may put it right between the engine's look and the search for it."""
    X = np.arange(24.0).reshape(12, 2)
    model = fb.Model([fb.Dense(1)], prepare=fb.Standardize())
    model.build(X)
    sentence = "X held NaN or infinity while it was read; expected finite numbers."
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        model.feed.preparation.inputs.refuse(X, 11, np.dtype("float32"), "X")
