"""Embeddings of single numbers: what they begin with, take and refuse. test_layer_kinds.py computes."""

import json

import numpy as np
import pytest

import fastbp as fb
from engine_helpers import assert_same_bits, make_data
from fastbp.layers.parameter_list import weights_of


def test_it_begins_as_its_docstring_says():
    model = fb.Model([fb.Periodic(5, 400, sigma=0.3), fb.Dense(1)], inputs=20, dtype="float64", seed=3)
    frequency, phase, W, b, *_ = model.get_weights()
    assert [array.shape for array in (frequency, phase, W, b)] == [(20, 400), (20, 400), (20, 400, 5), (20, 5)]
    assert frequency.std() == pytest.approx(0.3, rel=0.03)
    assert abs(frequency.mean()) < 0.02
    for array, bound in ((phase, np.pi), (W, 0.05), (b, 0.05)):
        assert 0.95 * bound < np.abs(array).max() <= bound
        assert array.std() == pytest.approx(bound / np.sqrt(3), rel=0.1)
    again = fb.Model([fb.Periodic(5, 400, sigma=0.3), fb.Dense(1)], inputs=20, dtype="float64", seed=3)
    assert_same_bits(again.get_weights(), model.get_weights())


def test_features_of_the_columns_come_first_and_all_inputs_follow():
    model = fb.Model([fb.Periodic(2, 3, columns=[4, 1]), fb.Dense(1)], inputs=6, dtype="float64")
    X = np.random.default_rng(0).normal(size=(70, 6))
    w, b, V, c, *_ = model.get_weights()
    out = model.activations(X, layer=0)
    np.testing.assert_array_equal(out[:, 4:], X)
    for g, column in enumerate((4, 1)):
        expected = np.cos(2 * np.pi * X[:, [column]] * w[g] + b[g]) @ V[g] + c[g]
        np.testing.assert_allclose(out[:, 2 * g : 2 * g + 2], expected, atol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_inputs_of_any_size_have_waves_that_are_right(isa, dtype):
    """Whole turns count for nothing, however many: with phases of 0, the waves of whole numbers are 1."""
    model = fb.Model([fb.Periodic(1, 4), fb.Dense(1)], inputs=1, dtype=dtype)
    of_dense = [np.array([[1.0], [0.0]]), np.zeros(1)]
    model.set_weights([np.ones((1, 4)), np.zeros((1, 4)), np.full((1, 4, 1), 0.25), np.zeros((1, 1)), *of_dense])
    X = np.array([[0], [7], [-12345], [2.0**31], [1e30], [-3e38]], dtype)
    np.testing.assert_array_equal(model.predict(X)[:, 0], np.ones(6))
    halves = X[:3] + np.dtype(dtype).type(0.5)
    np.testing.assert_array_equal(model.predict(halves)[:, 0], -np.ones(3))


@pytest.mark.parametrize("name", ["frequency", "phase", "W", "b"])
def test_each_array_has_its_own_learning_rate(name):
    X, y = make_data(50, 4, 2, "mse", "float64")
    changes = []
    for factors in (None, {0: {name: 0.25}}):
        model = fb.Model([fb.Periodic(2, 3), fb.Dense(2)], inputs=4, dtype="float64")
        before = model.get_weights()
        fb.Trainer(model, "mse", fb.SGD(0.1), learning_rate_factors=factors).step(X, y)
        changes.append([after - former for after, former in zip(model.get_weights(), before, strict=True)])
    for j, (usual, slower) in enumerate(zip(*changes, strict=True)):
        share = 0.25 if j == ("frequency", "phase", "W", "b").index(name) else 1.0
        np.testing.assert_allclose(slower, share * usual, rtol=1e-9, atol=1e-16)
        assert np.abs(usual).max() > 0


def test_only_W_decays_and_no_unit_that_passes_a_number_on_learns_anything():
    """With gradients of zero nothing but decay is left, and predictions do what the arrays say."""
    model = fb.Model([fb.Periodic(2, 3, columns=[1]), fb.Dense(2, initializer="zeros")], inputs=4, dtype="float64")
    before = model.get_weights()
    trainer = fb.Trainer(model, "mse", fb.SGD(0.1, weight_decay=1.0))
    trainer.step(np.ones((5, 4)), np.zeros((5, 2)))
    after = model.get_weights()
    np.testing.assert_allclose(after[2], 0.9 * before[2])
    for j in (0, 1, 3):
        np.testing.assert_array_equal(after[j], before[j])
    np.testing.assert_array_equal(model.layers[0].columns, [1])


def test_names_of_its_weights():
    names = [weight.name for weight in weights_of([fb.Periodic()], 3)]
    assert names == ["frequency of layer 0", "phase of layer 0", "W of layer 0", "b of layer 0"]


def test_on_the_numbers_of_a_table_and_saved(tmp_path):
    inputs = fb.Tabular(numeric=2, categories=[5, 3])
    model = fb.Model([fb.Periodic(columns=range(2)), fb.Dense(8, "mish"), fb.Dense(1)], inputs=inputs)
    rng = np.random.default_rng(1)
    X = np.column_stack([rng.normal(size=(300, 2)), rng.integers(0, 5, 300), rng.integers(0, 3, 300)])
    y = np.sin(6 * X[:, 0]) + X[:, 2] / 5
    trainer = fb.Trainer(model, "mse", fb.Adam(0.01), batch_size=32)
    history = trainer.fit(X, y, epochs=30)
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    model.save(tmp_path / "model.safetensors")
    again = fb.Model.load(tmp_path / "model.safetensors")
    assert again.predict(X).tobytes() == model.predict(X).tobytes()
    assert again.layers == model.layers


def test_a_step_function_is_learned_where_a_plain_network_lags():
    rng = np.random.default_rng(2)
    x = rng.uniform(-2, 2, (2000, 1))
    y = np.sign(np.sin(9 * x))
    errors = []
    for first in ([fb.Periodic(sigma=1.0)], []):
        model = fb.Model([*first, fb.Dense(32, "relu"), fb.Dense(1)], inputs=1, seed=1)
        trainer = fb.Trainer(model, "mse", fb.Adam(0.01), batch_size=64)
        errors.append(trainer.fit(x, y, epochs=20)["loss"][-1])
    assert errors[0] < 0.5 * errors[1]


@pytest.mark.parametrize("precision", ["float32", "bf16-mixed"])
def test_it_stays_in_float32_in_mixed_precision(precision, bf16_products):
    """Its arrays are too small for narrow products: its outputs are the same bits."""
    model = fb.Model([fb.Periodic(), fb.Dense(256, "relu"), fb.Dense(256)], inputs=64)
    X, y = make_data(256, 64, 256, "mse", "float32")
    trainer = fb.Trainer(model, "mse", batch_size=256, precision=precision)
    before = model.activations(X, layer=0)
    trainer.evaluate(X, y)
    assert model.activations(X, layer=0).tobytes() == before.tobytes()
    assert np.isfinite(trainer.fit(X, y, epochs=2)["loss"]).all()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: fb.Periodic(0), ValueError, "units is 0"),
        (lambda: fb.Periodic(frequencies=0), ValueError, "frequencies is 0"),
        (lambda: fb.Periodic(sigma=-1), ValueError, "sigma is -1"),
        (lambda: fb.Periodic(columns=[]), ValueError, "at least one and none twice"),
        (lambda: fb.Periodic(columns=[1, 1]), ValueError, "at least one and none twice"),
        (lambda: fb.Periodic(columns=[-1]), ValueError, "columns is -1"),
        (lambda: fb.Periodic(columns="ab"), TypeError, "columns is 'ab'"),
        (lambda: fb.PiecewiseLinear([]), ValueError, "edges is empty"),
        (lambda: fb.PiecewiseLinear([[1]]), ValueError, r"edges\[0\] is \[1.0\]; expected a list of two rising"),
        (lambda: fb.PiecewiseLinear([[0, 1], [2, 2]]), ValueError, r"edges\[1\] is \[2.0, 2.0\]"),
        (lambda: fb.PiecewiseLinear([[0, np.nan]]), ValueError, r"edges\[0\] is nan"),
        (lambda: fb.PiecewiseLinear([[0, 1e-320]]), ValueError, r"edges\[0\] is .* expected a list of two rising"),
        (lambda: fb.PiecewiseLinear([[-1.7e308, 1.7e308]]), ValueError, r"edges\[0\] is .* expected a list of two"),
        (
            lambda: fb.Model([fb.PiecewiseLinear([[0, 1e-40]]), fb.Dense(1)], inputs=1),
            ValueError,
            "the initial slope of layer 0 .*finite in float32",
        ),
        (
            lambda: fb.Model([fb.Periodic(sigma=1e300), fb.Dense(1)], inputs=1),
            ValueError,
            "the initial frequency of layer 0 .*finite in float32",
        ),
        (lambda: fb.PiecewiseLinear([0, 1]), TypeError, r"edges\[0\] is 0"),
        (lambda: fb.PiecewiseLinear([[0, 1]], units=0), ValueError, "units is 0"),
        (lambda: fb.PiecewiseLinear([[0, 1]], columns=[0, 1]), ValueError, "edges has 1 entries and columns 2"),
        (
            lambda: fb.Model([fb.PiecewiseLinear([[0, 1]]), fb.Dense(1)], inputs=3),
            ValueError,
            "has 1 entries and there are 3 inputs",
        ),
        (
            lambda: fb.Model([fb.PiecewiseLinear([[0, 1]], columns=[3]), fb.Dense(1)], inputs=3),
            ValueError,
            "has the column 3 and there are 3 inputs",
        ),
        (
            lambda: fb.Model([fb.Periodic(columns=[3]), fb.Dense(1)], inputs=3),
            ValueError,
            "has the column 3 and there are 3 inputs",
        ),
    ],
)
def test_what_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("layer", [fb.Periodic(), fb.PiecewiseLinear([[0, 1]] * 4)])
def test_relevance_is_refused_by_name(layer):
    model = fb.Model([layer, fb.Dense(3, "softmax")], inputs=4)
    with pytest.raises(ValueError, match=f"{type(layer).__name__} makes several numbers of each"):
        fb.explain(model, np.ones((2, 4)), method="lrp", target=0, output="logit")


def test_gradients_through_it_are_complete():
    layers = [fb.Periodic(2, 5, columns=[0, 3]), fb.Dense(6, "elu"), fb.Dense(2, "softmax")]
    model = fb.Model(layers, inputs=4, dtype="float64", seed=3)
    X = np.random.default_rng(5).normal(size=(9, 4))
    found = fb.explain(model, X, "integrated_gradients", baseline=np.zeros(4))
    assert np.abs(found.completeness_error).max() < 0.02


def test_plain_data_holds_a_range_of_columns():
    config = json.loads(json.dumps(fb.Periodic(columns=range(3)).to_config()))
    assert fb.Periodic.from_config(config).columns == (0, 1, 2)


# ---- PiecewiseLinear ----


def test_ramps_say_how_much_of_each_bin_lies_below(isa):
    edges = [[-1.0, 0.0, 4.0, 5.0], [10.0, 20.0]]
    model = fb.Model([fb.PiecewiseLinear(edges, columns=[2, 0]), fb.Dense(1)], inputs=3, dtype="float64")
    X = np.array([[15.0, 7.0, 1.0], [-1e300, 0.0, 4.5], [1e300, 1.0, -1.0]])
    expected = [[1, 0.25, 0, 0.5, 0, 0], [1, 1, 0.5, 0, 0, 0], [0, 0, 0, 1, 0, 0]]
    np.testing.assert_allclose(model.activations(X, layer=0), np.hstack([expected, X]), atol=1e-15)


def test_edges_are_not_trained_and_the_product_is():
    rng = np.random.default_rng(4)
    X = rng.exponential(size=(500, 2))
    edges = [np.quantile(column, np.linspace(0, 1, 9)) for column in X.T]
    model = fb.Model([fb.PiecewiseLinear(edges, units=3), fb.Dense(1)], inputs=2, seed=1)
    before = model.get_weights()
    history = fb.Trainer(model, "mse", fb.Adam(0.02)).fit(X, np.sin(5 * X[:, 0]), epochs=40)
    after = model.get_weights()
    assert_same_bits(after[:2], before[:2])
    assert all(not np.array_equal(*pair) for pair in zip(after[2:4], before[2:4], strict=True))
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    names = [weight.name for weight in weights_of(model.layers, 2)]
    assert names[:4] == ["slope of layer 0", "offset of layer 0", "W of layer 0", "b of layer 0"]


def test_without_units_it_may_be_private_as_nothing_of_it_is_trained():
    edges = [[-1.0, 0.0, 1.0]] * 3
    privacy = fb.DifferentialPrivacy(noise_multiplier=1.0, target_delta=1e-3, expected_batch_size=16, secure=False)
    X, y = make_data(64, 3, 2, "cross_entropy", "float32")
    model = fb.Model([fb.PiecewiseLinear(edges), fb.Dense(2, "softmax")], inputs=3)
    fb.Trainer(model, "cross_entropy", privacy=privacy).fit(X, y, epochs=1)
    trained = fb.Model([fb.PiecewiseLinear(edges, units=2), fb.Dense(2, "softmax")], inputs=3)
    with pytest.raises(ValueError, match="norms of single samples' gradients are not known"):
        fb.Trainer(trained, "cross_entropy", privacy=privacy)


def test_piecewise_linear_is_saved_with_its_edges(tmp_path):
    layers = [fb.PiecewiseLinear([[0, 1, 3], [-1, 1]], 2, [1, 0]), fb.Dense(4, "relu"), fb.Dense(1)]
    model = fb.Model(layers, inputs=2)
    model.save(tmp_path / "model.safetensors")
    again = fb.Model.load(tmp_path / "model.safetensors")
    X = np.random.default_rng(0).normal(size=(20, 2))
    assert again.layers == model.layers
    assert again.predict(X).tobytes() == model.predict(X).tobytes()


@pytest.mark.parametrize(
    ("layer", "flops"),
    [
        (fb.Periodic(4, frequencies=5), 2 * 3 * (5 + 5 * 4)),  # of each number 5 products, then a 5 x 4 matrix
        (fb.PiecewiseLinear([[0.0, 1.0, 2.0]] * 3, units=4), 2 * 3 * (2 + 2 * 4)),  # 2 bins
        (fb.PiecewiseLinear([[0.0, 1.0, 2.0]] * 3), 2 * 3 * 2),
    ],
)
def test_the_summary_says_what_a_sample_costs(layer, flops, capsys):
    model = fb.Model([layer, fb.Dense(1)], inputs=3)
    model.summary()
    of_dense = 2 * model.get_weights()[-2].size
    assert f"\n{flops + of_dense:,} FLOPs to predict a sample" in capsys.readouterr().out
