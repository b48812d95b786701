"""Mean gradients on straight ways, by the engine in one call, beside gradients at each point; the same bits always."""

import gc
import weakref

import numpy as np
import pytest

import fastbp as fb
from fastbp.explanations.questions import OutputQuestion
from fastbp.explanations.straight import StraightWays
from fastbp.explanations.twins import twin

NETWORKS = {
    "one product": [fb.Dense(3, "tanh")],
    "relu": [fb.Dense(19, "relu"), fb.Dense(7, "relu"), fb.Dense(3)],
    "kinds": [fb.Dense(9, "gelu"), fb.BatchNorm(), fb.Activation("silu"), fb.Dropout(0.3), fb.Dense(3, "softmax")],
    "folded": [fb.Dense(9), fb.BatchNorm(), fb.Activation("tanh"), fb.Dense(3, "sigmoid")],
    "first linear": [fb.Dense(9), fb.Dense(5, "elu"), fb.Dense(3)],
    "softmax inside": [fb.Dense(9, "softmax"), fb.Dense(3)],
    "residual": [fb.Dense(8, "tanh"), fb.Residual([fb.Dense(8, "silu"), fb.LayerNorm()]), fb.Dense(3)],
    "begins with another": [fb.LayerNorm(), fb.Dense(8, "prelu"), fb.Dense(3)],
}


def make_model(name, dtype="float64"):
    model = fb.Model(NETWORKS[name], inputs=21, dtype=dtype, seed=1)
    rng = np.random.default_rng(1)
    model.set_weights([np.abs(weight + rng.normal(0, 0.3, weight.shape)) for weight in model.get_weights()])
    weights = model.get_weights()
    model.set_weights([w * rng.choice([-1, 1], w.shape) if w.ndim == 2 else w for w in weights])
    return model


def make_data(n=11):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 21)), rng.normal(size=21)


def mean_gradients(model, ends, start, places, weights, target=None, n_threads=1):
    ways = StraightWays(model, n_threads)
    ends, starts = ends.astype(model.dtype), start.astype(model.dtype)[np.newaxis]
    question = OutputQuestion("prediction", [0, 1, 2], target, False, "")
    found = ways.mean_gradients(question, np.arange(len(ends)), ways.first(starts), ways.first(ends), places, weights)
    np.testing.assert_allclose(ways.outputs(ways.first(ends)), model.predict(ends), rtol=1e-4, atol=1e-5)
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_sum_of_gradients_at_points(isa, name, dtype):
    model, (ends, start) = make_model(name, dtype), make_data()
    places, weights = np.linspace(0.05, 0.9, 23), np.linspace(1, 2, 23) / 34.5
    found = mean_gradients(model, ends, start, places, weights)
    assert found.shape == (3, 11, 21)
    expected = 0
    for place, weight in zip(places, weights, strict=True):
        expected = expected + weight * model.jacobian(start + place * (ends - start)).astype(np.float64).swapaxes(0, 1)
    tolerance = 1e-10 if dtype == "float64" else 2e-4
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", ["relu", "residual"])
def test_the_same_bits_on_any_number_of_threads_and_alone(name, limits):
    limits(call_thread=1.0)
    model, (ends, start) = make_model(name, "float32"), make_data(70)
    places, weights = np.linspace(0, 1, 50), np.full(50, 0.02)
    found = mean_gradients(model, ends, start, places, weights)
    for n_threads in (2, 3):
        np.testing.assert_array_equal(mean_gradients(model, ends, start, places, weights, None, n_threads), found)
    for i in (0, 3, 33, 69):
        alone = mean_gradients(model, ends[i : i + 1], start, places, weights)
        np.testing.assert_array_equal(alone[:, 0], found[:, i])
    one = mean_gradients(model, ends, start, places, weights, target=2)
    np.testing.assert_array_equal(one[0], found[2])


@pytest.mark.parametrize(("n_ways", "n_steps"), [(67, 1), (35, 3), (33, 50), (17, 1030)])
@pytest.mark.parametrize("name", ["relu", "kinds"])
def test_ways_side_by_side_have_the_bits_of_each_alone(isa, name, n_ways, n_steps):
    """Ways that fill the lanes of vectors, those that are left over, and more points than a group of ways may have."""
    model, (ends, start) = make_model(name, "float32"), make_data(n_ways)
    places, weights = np.linspace(0, 1, n_steps), np.linspace(1, 2, n_steps) / (1.5 * n_steps)
    found = mean_gradients(model, ends, start, places, weights)
    for i in range(0, n_ways, 16):
        alone = mean_gradients(model, ends[i : i + 1], start, places, weights)
        np.testing.assert_array_equal(alone[:, 0], found[:, i])


@pytest.mark.parametrize("n_ways", [1, 16])
def test_a_point_beyond_all_numbers_is_told(n_ways):
    model = make_model("relu", "float32")
    ways = StraightWays(model, 1)
    near = np.full((1, 19), -3e38, np.float32)
    far = np.zeros((n_ways, 19), np.float32)
    far[n_ways - 1, 3] = 3e38
    question = OutputQuestion("prediction", [0, 1, 2], 1, False, "")
    with pytest.raises(FloatingPointError, match="a layer's outputs are not finite"):
        ways.mean_gradients(question, np.arange(n_ways), near, far, np.array([0.2, 0.5]), np.array([0.5, 0.5]))


def test_more_points_than_pass_at_once():
    model, (ends, start) = make_model("relu"), make_data(2)
    places, weights = np.linspace(0, 1, 5000), np.full(5000, 1 / 5000)
    found = mean_gradients(model, ends, start, places, weights)
    points = start + places[:, np.newaxis] * (ends[0] - start)
    np.testing.assert_allclose(found[:, 0], model.jacobian(points).mean(axis=0), rtol=1e-9, atol=1e-12)


def test_weights_that_change_between_calls_are_seen():
    model, (ends, start) = make_model("relu"), make_data(3)
    fb.explain(model, ends, "integrated_gradients", baseline=start)
    model.set_weights([2 * weight for weight in model.get_weights()])
    found = fb.explain(model, ends, "integrated_gradients", baseline=start)
    assert np.abs(found.completeness_error).max() < 1e-2 * np.abs(found.values).max()


@pytest.mark.parametrize("prepare", [None, fb.Standardize()])
def test_weights_that_change_between_calls_are_seen_before_a_softmax(prepare):
    """A copy without the softmax, or behind the preparation, is kept with the model, and with no other."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(2, 3, size=(60, 4)), rng.integers(0, 3, 60)

    def explained(model):
        return fb.explain(model, X[:5], "integrated_gradients", 1, baseline=X[9], n_steps=9).values

    model = fb.Model([fb.Dense(8, "tanh"), fb.Dense(3, "softmax")], prepare=prepare, dtype="float64")
    trainer = fb.Trainer(model, loss="cross_entropy", optimizer=fb.Adam(0.1))
    trainer.fit(X, y, epochs=1, progress=False)
    before, as_before = explained(model), model.copy()
    trainer.fit(X, y, epochs=1, progress=False)
    after = explained(model)
    np.testing.assert_array_equal(after, explained(model.copy()))
    np.testing.assert_array_equal(before, explained(as_before))
    assert np.abs(after - before).max() > 1e-3


def test_a_copy_that_explains_is_kept_no_longer_than_its_model():
    model = fb.Model([fb.Dense(8, "tanh"), fb.Dense(3, "softmax")], inputs=4)
    fb.explain(model, np.ones((1, 4)), "integrated_gradients", 1, baseline=0)
    copy = weakref.ref(twin(model, "logit"))
    assert twin(model, "logit") is copy()
    del model
    gc.collect()
    assert copy() is None


def test_outputs_in_the_targets_units():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 4)), rng.normal(100, 30, 50)
    model = fb.Model([fb.Dense(8, "tanh"), fb.Dense(1)], prepare_targets=fb.Standardize(), dtype="float64")
    model.build(X, y)
    found = fb.explain(model, X[:5], "integrated_gradients", baseline=0, n_steps=200)
    np.testing.assert_allclose(found.base_values + found.values.sum(axis=1), model.predict(X[:5])[:, 0], rtol=1e-9)


@pytest.mark.parametrize("method", ["expected_gradients", "smoothgrad"])
def test_methods_with_drawn_points_have_the_same_bits_alone(method):
    model, (ends, start) = make_model("relu", "float32"), make_data(9)
    background = {} if method == "smoothgrad" else {"background": np.stack([start, -start])}
    whole = fb.explain(model, ends, method, n_samples=7, **background)
    alone = fb.explain(model, ends[4:5], method, n_samples=7, **background)
    np.testing.assert_array_equal(alone.values[0], whole.values[4])


@pytest.mark.parametrize("method", ["saliency", "input_x_gradient"])
@pytest.mark.parametrize("target", [None, 1])
def test_a_gradient_that_is_not_a_number_gets_a_sentence(method, target):
    """A softmax of infinite numbers."""
    model = fb.Model([fb.Dense(4, "relu"), fb.Dense(2, "softmax")], inputs=3, dtype="float32")
    model.set_weights([np.full(w.shape, 1e10 if w.ndim == 2 else 0) for w in model.get_weights()])
    with pytest.raises(FloatingPointError, match="the gradients are not finite at a row of X"):
        fb.explain(model, np.full((2, 3), 1e33, np.float32), method, target=target, output="prediction")
