"""Model.initialize_from, against NumPy in float64."""

import numpy as np
import pytest

import fastbp as fb
from engine_helpers import assert_same_bits
from layer_helpers import oracle_of

RNG = np.random.default_rng(8)
X = RNG.normal(3.0, [0.1, 1.0, 20.0, 0.0], size=(700, 4))


def pre_activations(model, X):
    """The sums of each dense layer, in float64 by the oracle; the model is a plain list of layers."""
    found, A = [], X
    for block in oracle_of(model).blocks:
        dense = getattr(block, "blocks", [block])[0]
        if dense.arrays and dense.arrays[0].ndim == 2:
            b = dense.arrays[1] if len(dense.arrays) > 1 else 0.0
            found.append((A @ dense.arrays[0], b))
        A = block.forward(A)
    return found


LAYERS = {
    "plain": [fb.Dense(9, "relu"), fb.Dense(7, "mish"), fb.Dense(2)],
    "between others": [fb.Activation("tanh"), fb.Dense(9, "parametric"), fb.LayerNorm(), fb.Dense(3, "softmax")],
    "no bias": [fb.Scaling(), fb.Dense(9, "gelu", use_bias=False), fb.Dense(3, use_bias=False)],
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("biases", [True, False])
@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
def test_the_sums_of_each_unit_have_a_deviation_of_1(layers, biases, dtype):
    model = fb.Model(layers, inputs=4, dtype=dtype, seed=2)
    before = model.get_weights()
    model.initialize_from(X, biases=biases)
    for Z, b in pre_activations(model, X):
        np.testing.assert_allclose(Z.std(axis=0), 1.0, rtol=1e-4 if dtype == "float32" else 1e-10)
        inside = (Z.min(axis=0) <= -b) & (-b <= Z.max(axis=0))
        assert np.all(inside) if biases and np.ndim(b) else not np.any(b)
    for array, former in zip(model.get_weights(), before, strict=True):
        if array.ndim == 2:  # each column times a number above 0
            ratios = array / former
            np.testing.assert_allclose(ratios, np.broadcast_to(ratios[:1], ratios.shape), rtol=1e-5)
            assert (ratios > 0).all()


def test_a_boundary_is_a_weighted_mean_of_five_rows():
    """With 0 in all rows but one of a hundred, most boundaries are at 0, and none further than that row."""
    rows = np.zeros((100, 1))
    rows[0] = 10.0
    model = fb.Model([fb.Dense(4000)], inputs=1, dtype="float64")
    model.initialize_from(rows)
    W, b = model.get_weights()
    shares = -b / (10.0 * W[0])
    assert (shares != 0).mean() == pytest.approx(1 - 0.99**5, abs=0.015)
    drawn = shares[shares != 0]
    assert 0 < drawn.min() < drawn.max() <= 1
    assert drawn.mean() == pytest.approx(0.2, abs=0.03)  # of five exponential weights that add up to 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_number_of_threads_gives_the_same_bits(isa, dtype):
    layers = [fb.Dense(65, "mish"), fb.Residual([fb.Dense(33, "relu"), fb.Dense(65)]), fb.Dense(3, "softmax")]
    results = []
    for n_threads in (1, 2, 3):
        model = fb.Model(layers, inputs=4, dtype=dtype, seed=5)
        model.initialize_from(X, n_threads=n_threads)
        results.append(model.get_weights())
    assert_same_bits(results[0], results[1])
    assert_same_bits(results[0], results[2])


def test_layers_inside_a_residual_and_behind_tables():
    inputs = fb.Tabular(numeric=4, categories=[3])
    layers = [fb.Periodic(columns=[0, 1]), fb.Dense(6), fb.Residual([fb.Dense(5, "relu"), fb.Dense(6)]), fb.Dense(1)]
    model = fb.Model(layers, inputs=inputs, dtype="float64")
    before = model.get_weights()
    rows = np.column_stack([X, RNG.integers(0, 3, len(X))])
    model.initialize_from(rows)
    after = model.get_weights()
    assert_same_bits(after[:5], before[:5])  # the table, and the embedding of numbers
    A = model.activations(rows, layer=1)
    np.testing.assert_allclose(A.std(axis=0), 1.0, rtol=1e-10)
    W1, b1, W2, b2 = after[7:11]
    hidden = A @ W1
    np.testing.assert_allclose(hidden.std(axis=0), 1.0, rtol=1e-10)
    np.testing.assert_allclose((np.maximum(hidden + b1, 0) @ W2).std(axis=0), 1.0, rtol=1e-10)
    np.testing.assert_allclose(model.activations(rows, layer=2), A + np.maximum(hidden + b1, 0) @ W2 + b2, rtol=1e-10)


def test_frozen_layers_and_sums_that_do_not_vary_keep_their_weights():
    model = fb.Model([fb.Dense(5, trainable=False), fb.Dense(4), fb.Dense(1)], inputs=2, dtype="float32")
    before = model.get_weights()
    model.initialize_from(np.full((50, 2), 0.1))
    after = model.get_weights()
    assert_same_bits(after[:3:2], before[:3:2])
    assert_same_bits(after[4:5], before[4:5])
    np.testing.assert_allclose(model.predict(np.full((1, 2), 0.1)), 0.0, atol=1e-6)


def test_dropout_has_no_part():
    results = []
    for between in ([], [fb.Dropout(0.5)]):
        model = fb.Model([fb.Dense(5, "relu"), *between, fb.Dense(2)], inputs=4)
        model.initialize_from(X)
        results.append(model.get_weights())
    assert_same_bits(*results)


def test_of_many_rows_ten_thousand_are_drawn():
    rows = np.random.default_rng(3).normal(size=(30_000, 2))
    models = [fb.Model([fb.Dense(3)], inputs=2, dtype="float64") for _ in range(3)]
    for model, seed in zip(models, (0, 0, 1), strict=True):
        model.initialize_from(rows, seed=seed)
    deviations = [(rows @ model.get_weights()[0]).std(axis=0) for model in models]
    np.testing.assert_allclose(deviations, 1.0, rtol=0.05)
    assert not np.allclose(deviations[0], 1.0, rtol=1e-9)
    assert_same_bits(models[0].get_weights(), models[1].get_weights())
    assert not np.array_equal(models[0].get_weights()[0], models[2].get_weights()[0])


def test_prepared_and_sparse_rows():
    scipy = pytest.importorskip("scipy.sparse")
    prepared = fb.Model([fb.Dense(3)], prepare=fb.Standardize(), dtype="float64", inputs=4)
    prepared.build(X)
    prepared.initialize_from(X)
    assert np.ptp(prepared.predict(X)) > 1
    plain, sparse = (fb.Model([fb.Dense(3)], inputs=4, dtype="float64") for _ in range(2))
    plain.initialize_from(X)
    sparse.initialize_from(scipy.csr_array(X))
    assert_same_bits(plain.get_weights(), sparse.get_weights())


@pytest.mark.parametrize("row", [0, 20_000])
def test_numbers_that_are_not_finite_are_named_and_nothing_is_set(row):
    rows = np.random.default_rng(3).normal(size=(30_000, 2))
    rows[row:] = np.nan
    model = fb.Model([fb.Dense(3)], inputs=2)
    before = model.get_weights()
    with pytest.raises(ValueError, match=rf"row {row // 10_000}\d*, column 0 of X .* is nan"):
        model.initialize_from(rows)
    assert_same_bits(model.get_weights(), before)


@pytest.mark.parametrize(("dtype", "size"), [("float32", 3e38), ("float64", 1.7e308)])
def test_rows_that_are_too_large_are_told_and_nothing_is_set(dtype, size):
    model = fb.Model([fb.Dense(4, "relu"), fb.Dense(1)], inputs=3, dtype=dtype)
    before = model.get_weights()
    rows = np.sign(np.random.default_rng(0).normal(size=(50, 3))) * size
    with pytest.raises(FloatingPointError, match=r"in initialize_from, the outputs of layer 0 .* Scale X"):
        model.initialize_from(rows)
    assert_same_bits(model.get_weights(), before)


@pytest.mark.parametrize(("dtype", "size"), [("float32", 1e-44), ("float32", 1e-38), ("float64", 5e-324)])
def test_rows_that_are_too_small_leave_finite_weights(dtype, size):
    model = fb.Model([fb.Dense(4, "relu"), fb.Dense(1)], inputs=3, dtype=dtype)
    with np.errstate(all="raise"):
        model.initialize_from(np.random.default_rng(0).normal(size=(50, 3)).round() * size)
    assert all(np.isfinite(array).all() for array in model.get_weights())


def test_what_is_refused():
    model = fb.Model([fb.Dense(3)], inputs=2)
    with pytest.raises(ValueError, match="has 3 columns"):
        model.initialize_from(np.ones((5, 3)))
    with pytest.raises(TypeError, match="biases is 'he'"):
        model.initialize_from(np.ones((5, 2)), biases="he")
    with pytest.raises(ValueError, match="seed is -1"):
        model.initialize_from(np.ones((5, 2)), seed=-1)
    with pytest.raises(ValueError, match="build"):
        fb.Model([fb.Dense(3)]).initialize_from(np.ones((5, 2)))


def test_layers_of_a_batch_ensemble_keep_their_weights():
    ensemble = fb.BatchEnsemble(3, [fb.Dense(5, "relu"), fb.Dense(2)])
    model = fb.Model([fb.Dense(6, "relu"), ensemble], inputs=4, dtype="float64")
    before = model.get_weights()
    model.initialize_from(X)
    after = model.get_weights()
    np.testing.assert_allclose((X @ after[0]).std(axis=0), 1.0, rtol=1e-10)
    assert_same_bits(after[2:], before[2:])


@pytest.mark.parametrize(
    "layers",
    [[fb.BatchEnsemble(3, [fb.Dense(5), fb.Dense(2)])], [fb.Dense(3, trainable=False)]],
    ids=["ensemble", "frozen"],
)
def test_a_model_without_a_layer_to_set_is_refused(layers):
    with pytest.raises(ValueError, match="nothing to set"):
        fb.Model(layers, inputs=4).initialize_from(X)


@pytest.mark.parametrize(
    ("dtype", "scale"), [("float32", 1e-42), ("float64", 1e-310), ("float64", 1e300)]
)
def test_sums_whose_scale_a_factor_can_hardly_hold(dtype, scale):
    rows = np.random.default_rng(0).normal(size=(200, 4)) * scale
    model = fb.Model([fb.Dense(5, "relu"), fb.Dense(2)], inputs=4, dtype=dtype, seed=0)
    model.initialize_from(rows)
    assert all(np.isfinite(array).all() for array in model.get_weights())
    if scale == 1e300:
        np.testing.assert_allclose((rows @ model.get_weights()[0]).std(axis=0), 1.0, rtol=1e-10)
