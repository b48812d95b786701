"""What reinforcement learning asks for: copies, blends, each sample's loss, weights of outputs, parameters."""

import copy
import pickle
import threading

import numpy as np
import pytest

import fastbp as fb
import reference
from engine_helpers import make_data
from layer_models import MODELS, data_for, make_model, square

# ---- Copies and blends ----


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MODELS)
def test_a_copy_has_the_same_bits_and_goes_its_own_way(name, dtype):
    model, loss = make_model(name, dtype)
    X, y = data_for(model, loss, 20, dtype)
    twin = model.copy()
    before = model.predict(X)
    np.testing.assert_array_equal(twin.predict(X), before)
    fb.Trainer(twin, loss, optimizer=fb.SGD(0.1)).step(X, y)
    np.testing.assert_array_equal(model.predict(X), before)
    assert not (twin.predict(X) == before).all()


def test_a_copy_has_everything():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"size": [1.0, 2.0, 3.0, 4.0], "city": ["Rome", "Oslo", "Rome", "Oslo"]})
    model = fb.Model([fb.Dense(2, "softmax")], prepare=fb.Columns(fb.Standardize()), seed=3)
    fb.Trainer(model, "cross_entropy").fit(frame, ["a", "b", "a", "b"], epochs=1, progress=False)
    model.metadata = {"a": [1]}
    twin = model.copy()
    assert (twin.metadata, twin.seed, repr(twin)) == (model.metadata, model.seed, repr(model))
    np.testing.assert_array_equal(twin.predict_classes(frame), model.predict_classes(frame))
    twin.metadata = {}
    assert model.metadata == {"a": [1]}
    assert pickle.loads(pickle.dumps(twin)).to_config() == twin.to_config()


def test_a_copy_of_a_model_that_is_not_built():
    model = fb.Model([fb.Dense(2)], seed=5)
    twin = model.copy()
    twin.build(np.ones((2, 3)))
    model.build(np.ones((2, 4)))
    assert (twin.n_inputs, model.n_inputs) == (3, 4)
    assert copy.copy(model).n_inputs == 4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["batch norms behind all kinds", "residuals in residuals", "no bias", "prelu between"])
def test_a_blend_is_the_formula(name, dtype):
    target, source = make_model(name, dtype)[0], make_model(name, dtype, seed=9)[0]
    X = np.random.default_rng(0).normal(size=(5, target.n_inputs))
    target.predict(X)
    expected = [0.75 * a + 0.25 * b for a, b in zip(target.get_weights(), source.get_weights(), strict=True)]
    target.blend(source, 0.25)
    for ours, right in zip(target.get_weights(), expected, strict=True):
        np.testing.assert_allclose(ours, right, rtol=1e-6 if dtype == "float32" else 1e-14, atol=1e-7)
    twin = target.copy()
    twin.set_weights(target.get_weights())
    np.testing.assert_array_equal(target.predict(X), twin.predict(X))
    target.blend(source, 1)
    np.testing.assert_array_equal(target.predict(X), source.predict(X))
    target.blend(target, 0.5)
    target.blend(make_model(name, dtype)[0], 0)
    np.testing.assert_array_equal(target.predict(X), source.predict(X))


def test_tables_blend():
    inputs = fb.Tabular(numeric=1, categories=[4], dims=[2])
    one, two = (fb.Model([fb.Dense(1)], inputs=inputs, seed=seed, dtype="float64") for seed in (0, 1))
    expected = [(a + b) / 2 for a, b in zip(one.get_weights(), two.get_weights(), strict=True)]
    one.blend(two, 0.5)
    for ours, right in zip(one.get_weights(), expected, strict=True):
        np.testing.assert_allclose(ours, right, atol=1e-15)


def test_what_does_not_blend():
    model = fb.Model([fb.Dense(2)], inputs=3)
    for other in (
        fb.Model([fb.Dense(2)], inputs=4),
        fb.Model([fb.Dense(3)], inputs=3),
        fb.Model([fb.Dense(2)], inputs=3, dtype="float64"),
        fb.Model([fb.Dense(2, use_bias=False)], inputs=3),
        fb.Model([fb.Dense(2), fb.LayerNorm()], inputs=3),
    ):
        with pytest.raises(ValueError, match="same layers and dtype"):
            model.blend(other, 0.5)
    with pytest.raises(TypeError, match="source is 3"):
        model.blend(3, 0.5)
    for tau in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="tau is"):
            model.blend(model.copy(), tau)
    with pytest.raises(ValueError, match="not built"):
        fb.Model([fb.Dense(2)]).blend(model, 0.5)


def test_threads_that_blend_into_each_other_do_not_wait_forever():
    one, two = (fb.Model([fb.Dense(50)], inputs=50, seed=seed) for seed in (0, 1))
    X = np.ones((3, 50))

    def blend(target, source):
        for _ in range(300):
            target.blend(source, 0.1)
            target.predict(X)

    threads = [threading.Thread(target=blend, args=pair, daemon=True) for pair in ((one, two), (two, one))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()


# ---- Each sample's loss ----


@pytest.mark.parametrize(("loss", "activation"), reference.EXAMPLES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_samples_loss(loss, activation, dtype):
    name, parameters = loss if isinstance(loss, tuple) else (loss, ())
    from test_given_gradients import loss_of

    function = loss_of(name, parameters)
    model = fb.Model([fb.Dense(6, activation)], inputs=4, dtype=dtype)
    X, y = make_data(37, 4, 6, loss, dtype)
    alone = [model.loss_and_gradients(X[i : i + 1], y[i : i + 1], function)[0] for i in range(37)]
    trainer = fb.Trainer(model, function)
    weights = np.random.default_rng(0).random(37)
    twin = fb.Trainer(model.copy(), function)
    mean, losses = trainer.step(X, y, sample_weight=weights, return_losses=True)
    assert losses.dtype == np.float64
    np.testing.assert_allclose(losses, alone, rtol=1e-12)
    assert mean == twin.step(X, y, sample_weight=weights)
    for a, b in zip(model.get_weights(), twin.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_each_samples_loss_of_a_function_and_of_a_large_batch():
    model = fb.Model([fb.Dense(2)], inputs=3, dtype="float64")
    X, y = make_data(5000, 3, 2, "mse", "float64")
    expected = square(model.predict(X), y)[0]
    for loss in (square, "mse"):
        mean, losses = fb.Trainer(model.copy(), loss).step(X, y, return_losses=True)
        np.testing.assert_allclose(losses, expected, rtol=1e-12)
        np.testing.assert_allclose(mean, expected.mean(), rtol=1e-12)


# ---- Weights of outputs ----


@pytest.mark.parametrize(
    ("loss", "activation"),
    [("mse", "linear"), ("mae", "linear"), (fb.Huber(0.5), "linear"), ("log_cosh", "linear")]
    + [("poisson", "softplus"), ("binary_cross_entropy", "sigmoid"), ("focal", "sigmoid"), ("squared_hinge", "tanh")],
    ids=str,
)
def test_weights_of_outputs(loss, activation):
    """As if each output were a sample of its own."""
    model = fb.Model([fb.Dense(5, "tanh"), fb.Dense(3, activation)], inputs=4, dtype="float64")
    X, y = make_data(37, 4, 3, loss if isinstance(loss, str) else "mse", "float64")
    y = (y > 0.5).astype(float) if loss == "focal" else y
    weights = np.random.default_rng(0).integers(0, 3, size=(37, 3)).astype(float)
    slope, value = 0, 0.0
    for k in range(3):
        only = np.zeros((37, 3))
        only[:, k] = weights[:, k]
        part = fb.Trainer(model.copy(), loss, optimizer=fb.SGD(1.0))
        value += part.step(X, y, sample_weight=only) * only.sum()
        moved = [a - b for a, b in zip(part.model.get_weights(), model.get_weights(), strict=True)]
        slope = [s + m * only.sum() for s, m in zip(slope or [0.0] * len(moved), moved, strict=True)]
    trainer = fb.Trainer(model.copy(), loss, optimizer=fb.SGD(1.0))
    assert trainer.step(X, y, sample_weight=weights) == pytest.approx(value / weights.sum(), rel=1e-12)
    for now, was, s in zip(trainer.model.get_weights(), model.get_weights(), slope, strict=True):
        np.testing.assert_allclose(now, was + s / weights.sum(), atol=1e-12)


def test_equal_weights_of_outputs_are_weights_of_samples():
    model = fb.Model([fb.Dense(9, "relu"), fb.Dense(3)], inputs=4, dtype="float64")
    X, y = make_data(50, 4, 3, "mse", "float64")
    weights = np.random.default_rng(0).random(50)
    one, other = (fb.Trainer(model.copy(), "mse") for _ in range(2))
    assert one.step(X, y, np.tile(weights[:, None], 3)) == pytest.approx(other.step(X, y, weights), rel=1e-12)
    for a, b in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_a_mask_learns_the_chosen_output_alone():
    model = fb.Model([fb.Dense(3)], inputs=2, dtype="float64")
    X, mask = np.ones((2, 2)), np.array([[0, 1, 0], [0, 1, 0]])
    before = model.predict(X)
    trainer = fb.Trainer(model, "mse", optimizer=fb.SGD(0.1))
    loss = trainer.step(X, np.full((2, 3), 5.0), sample_weight=mask)
    assert loss == pytest.approx((before[0, 1] - 5) ** 2)
    moved = model.predict(X) != before
    np.testing.assert_array_equal(moved, mask == 1)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones((4, 2)), r"sample_weight has shape \(4, 2\)"),
        (np.zeros((4, 3)), "sum to 0"),
        (-np.ones((4, 3)), "0 or more"),
        (np.full((4, 3), np.nan), "finite"),
        (np.where(np.arange(12).reshape(4, 3) == 7, -1.0, 1.0), "row 2, column 1 of sample_weight .* is -1.0"),
    ],
)
def test_weights_of_outputs_that_are_refused(weights, message):
    trainer = fb.Trainer(fb.Model([fb.Dense(3)], inputs=2), "mse")
    with pytest.raises(ValueError, match=message):
        trainer.step(np.ones((4, 2)), np.ones((4, 3)), sample_weight=weights)


def test_losses_of_all_outputs_together_take_no_weights_of_outputs():
    trainer = fb.Trainer(fb.Model([fb.Dense(3, "softmax")], inputs=2), "cross_entropy")
    with pytest.raises(ValueError, match="of all outputs together"):
        trainer.step(np.ones((4, 2)), [0, 1, 2, 0], sample_weight=np.ones((4, 3)))
    with pytest.raises(ValueError, match=r"expected \(4,\)"):
        fb.Trainer(fb.Model([fb.Dense(3)], inputs=2), "mse").fit(
            np.ones((4, 2)), np.ones((4, 3)), sample_weight=np.ones((4, 3)), progress=False
        )


# ---- Parameters and seeds ----


@pytest.mark.parametrize("optimizer", ["sgd", "adam", fb.RMSprop(0.1)], ids=str)
def test_a_parameter_follows_its_optimizer(optimizer):
    parameter = fb.Parameter(3, value=[1.0, 2.0, 3.0], optimizer=optimizer, dtype="float64")
    model = fb.Model([fb.Dense(3, use_bias=False)], inputs=1, dtype="float64")
    model.set_weights([[[1.0, 2.0, 3.0]]])
    trainer = fb.Trainer(model, "mse", optimizer=optimizer)
    for gradient in ([0.1, -0.2, 0.0], [1.0, 1.0, 1.0]):
        parameter.step(gradient)
        trainer.step_gradient([[1.0]], [gradient])
    np.testing.assert_allclose(parameter.value, model.get_weights()[0][0], atol=1e-15)
    assert parameter.n_steps == 2
    twin = pickle.loads(pickle.dumps(parameter))
    twin.step(1.0)
    parameter.step([1.0, 1.0, 1.0])
    np.testing.assert_array_equal(twin.value, parameter.value)


def test_a_parameters_value_can_be_set():
    parameter = fb.Parameter(2)
    parameter.value = 3.0
    assert parameter.value.tolist() == [3.0, 3.0]
    parameter.value[0] = 7  # a copy
    assert parameter.value.tolist() == [3.0, 3.0]
    assert repr(parameter).startswith("Parameter(2, [3.0, 3.0], optimizer=Adam(")
    with pytest.raises(ValueError, match=r"gradient has shape \(3,\); expected \(2,\)"):
        parameter.step([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="value"):
        fb.Parameter(2, value=[np.nan, 1.0])
    with pytest.raises(ValueError, match=r"^gradient\[1\] is nan; expected a number that is finite in float32"):
        parameter.step([0.0, np.nan])
    with pytest.raises(ValueError, match=r"^value is 1e\+39; expected a number that is finite in float32"):
        parameter.value = 1e39
    with pytest.raises(ValueError, match="n is 0"):
        fb.Parameter(0)


def test_a_seed_of_none_differs_and_is_told():
    models = [fb.Model([fb.Dense(2)], inputs=3, seed=None) for _ in range(2)]
    assert models[0].seed != models[1].seed
    again = fb.Model([fb.Dense(2)], inputs=3, seed=models[0].seed)
    np.testing.assert_array_equal(again.get_weights()[0], models[0].get_weights()[0])
    trainers = [fb.Trainer(model, "mse", seed=None) for model in models]
    assert trainers[0].seed != trainers[1].seed


# ---- Steps on arrays that need no conversion, which take a shorter way ----


@pytest.mark.parametrize("loss", ["mse", fb.Huber(0.5), "cosine"])
def test_arrays_of_the_models_dtype_and_lists_of_the_same_numbers(loss):
    X, y = make_data(20, 4, 3, "mse", "float32")
    plain, other = (fb.Trainer(fb.Model([fb.Dense(3)], inputs=4), loss) for _ in range(2))
    for _ in range(3):
        assert plain.step(X, y) == other.step(X.tolist(), y.tolist())
    for a, b in zip(plain.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_bad_arrays_of_the_models_dtype_are_named():
    X, y = make_data(20, 4, 3, "mse", "float32")
    trainer = fb.Trainer(fb.Model([fb.Dense(3)], inputs=4), "mse")
    bad = X.copy()
    bad[7, 2] = np.inf
    with pytest.raises(ValueError, match="row 7, column 2 of X"):
        trainer.step(bad, y)
    gap = y.copy()
    gap[3, 1] = np.nan
    with pytest.raises(ValueError, match="row 3, column 1 of y"):
        trainer.step(X, gap)
    with pytest.raises(ValueError, match="X has 20 rows, y has 19"):
        trainer.step(X, y[:19])
    with pytest.raises(ValueError, match=r"X has no rows|shape"):
        trainer.step(X[:0], y[:0])


def unaligned(array):
    """The same numbers, one byte off."""
    memory = np.zeros(array.nbytes + 1, np.uint8)
    copy = memory[1:].view(array.dtype).reshape(array.shape)
    copy[:] = array
    return copy


@pytest.mark.parametrize("change", [
    np.asfortranarray, lambda a: np.repeat(a, 2, axis=1)[:, ::2], lambda a: a[::-1].copy()[::-1], unaligned,
    lambda a: a.astype(a.dtype.newbyteorder()), lambda a: np.ma.masked_array(a), lambda a: a.astype("float64"),
    lambda a: pickle.loads(pickle.dumps(a)),
], ids=["columns", "strides", "backwards", "unaligned", "bytes", "masked", "float64", "pickled"])  # fmt: skip
@pytest.mark.parametrize("n", [1, 7, 20])
def test_arrays_however_they_lie_make_the_same_step(change, n):
    X, y = make_data(n, 4, 3, "mse", "float32")
    plain, other = (fb.Trainer(fb.Model([fb.Dense(3)], inputs=4), "mse") for _ in range(2))
    assert plain.step(X, y) == other.step(change(X), change(y))
    for a, b in zip(plain.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_arrays_of_other_widths_are_refused():
    X, y = make_data(20, 4, 3, "mse", "float32")
    trainer = fb.Trainer(fb.Model([fb.Dense(3)], inputs=4), "mse")
    with pytest.raises(ValueError, match="X has 5 columns"):
        trainer.step(np.ones((20, 5), np.float32), y)
    with pytest.raises(ValueError, match="y has shape"):
        trainer.step(X, np.ones((20, 2), np.float32))
