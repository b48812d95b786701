"""Model: what it predicts, its weights and gradients, and how it is told about, copied and built."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

import fastbp as fb
from fastbp.models.feed import Feed

datasets = pytest.importorskip("sklearn.datasets")


@pytest.fixture(scope="module")
def digits():
    X, y = datasets.load_digits(return_X_y=True)
    return X / 16, y


def make_model(dtype="float64", seed=0):
    layers = [fb.Dense(9, "tanh"), fb.Dense(6, fb.LeakyReLU(0.1)), fb.Dense(10, "softmax")]
    return fb.Model(layers, inputs=64, dtype=dtype, seed=seed)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-13)])
def test_predict_is_the_textbooks_forward_pass(digits, dtype, tolerance):
    X, _ = digits
    model = make_model(dtype)
    W0, b0, W1, b1, W2, b2 = (w.astype(np.float64) for w in model.get_weights())
    Z = np.tanh(X @ W0 + b0) @ W1 + b1
    Z = np.where(Z > 0, Z, 0.1 * Z) @ W2 + b2
    expected = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
    found = model.predict(X)
    assert found.dtype == model.dtype == dtype
    assert found.flags.c_contiguous
    np.testing.assert_allclose(found, expected, rtol=tolerance)
    np.testing.assert_allclose(model.predict(X[:1]), expected[:1], rtol=tolerance)


def test_gradients_agree_with_finite_differences(digits):
    X, y = digits[0][:40], digits[1][:40]
    model = make_model()
    _, gradients = model.loss_and_gradients(X, y, loss="cross_entropy")
    weights, twin, rng = model.get_weights(), make_model(), np.random.default_rng(0)
    assert [g.shape for g in gradients] == [w.shape for w in weights]
    for i, gradient in enumerate(gradients):
        direction = rng.normal(size=gradient.shape)
        losses = []
        for sign in (1, -1):
            moved = [w + (sign * 1e-5 * direction if j == i else 0) for j, w in enumerate(weights)]
            twin.set_weights(moved)
            losses.append(twin.loss_and_gradients(X, y, "cross_entropy")[0])
        slope = (losses[0] - losses[1]) / 2e-5
        assert (gradient * direction).sum() == pytest.approx(slope, rel=1e-6)


def test_weights_are_copies_in_and_out():
    model = make_model("float32")
    assert [w.shape for w in model.get_weights()] == [(64, 9), (9,), (9, 6), (6,), (6, 10), (10,)]
    assert {w.dtype for w in model.get_weights()} == {np.dtype("float32")}
    model.get_weights()[0][:] = 5
    assert not (model.get_weights()[0] == 5).any()
    mine = [np.full_like(w, i) for i, w in enumerate(model.get_weights())]
    model.set_weights(mine)
    mine[0][:] = 7
    assert [set(w.flat) for w in model.get_weights()] == [{i} for i in range(6)]


def test_weights_of_any_dtype_and_strides():
    model = fb.Model([fb.Dense(2)], inputs=3)
    W = np.arange(6).reshape(2, 3).T
    model.set_weights([W, [True, False]])
    assert (model.get_weights()[0] == W).all()
    assert model.get_weights()[1].tolist() == [1, 0]


def test_bad_weights_change_nothing():
    model = make_model()
    before = model.get_weights()
    worse = [w + 1 for w in before[:-1]] + [np.full(10, np.nan)]
    with pytest.raises(ValueError, match=r"weights\[5\]\[0\] is nan; expected a number that is finite in float64"):
        model.set_weights(worse)
    assert all((a == b).all() for a, b in zip(model.get_weights(), before, strict=True))


def test_attributes():
    model = make_model("float32", seed=4)
    assert (model.n_inputs, model.n_outputs, model.seed) == (64, 10, 4)
    assert model.dtype == np.float32
    assert model.layers[0] == fb.Dense(9, "tanh")
    assert model.n_parameters == sum(w.size for w in model.get_weights()) == 64 * 9 + 9 + 9 * 6 + 6 + 6 * 10 + 10
    with pytest.raises(AttributeError):
        model.dtype = "float64"


@pytest.mark.parametrize("dtype", ["float32", np.float32, np.dtype("float64"), "f8", float])
def test_dtypes_as_numpy_knows_them(dtype):
    assert fb.Model([fb.Dense(1)], inputs=1, dtype=dtype).dtype == np.dtype(dtype)


def test_repr_is_how_to_write_it():
    model = make_model(seed=3)
    assert repr(model) == (
        "Model([Dense(9, 'tanh'), Dense(6, LeakyReLU(slope=0.1)), Dense(10, 'softmax')], "
        "inputs=64, dtype='float64', seed=3)"
    )
    same = eval(repr(model), vars(fb).copy())
    assert all((a == b).all() for a, b in zip(model.get_weights(), same.get_weights(), strict=True))


def test_summary(capsys):
    fb.Model([fb.Dense(256, "relu"), fb.Dense(10, "softmax")], inputs=784).summary()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        "layer",
        "kind",
        "inputs",
        "units",
        "activation",
        "parameters",
        "kB",
        "FLOPs",
        "a",
        "sample",
    ]
    assert lines[1].split() == ["0", "Dense", "784", "256", "relu", "200,960", "803.8", "401,408"]
    assert lines[2].split() == ["1", "Dense", "256", "10", "softmax", "2,570", "10.3", "5,120"]
    assert lines[3] == "203,530 parameters in float32, 0.814 MB"
    assert lines[4] == "training keeps about 9.5 kB for each sample of a batch"  # 4 * (2 * 784 + 3 * 266)
    assert lines[5] == "406,528 FLOPs to predict a sample, 818,176 to train on it"


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_are_equal_and_apart(digits, copied):
    X, y = digits
    model = make_model()
    twin = copied(model)
    assert repr(twin) == repr(model)
    assert (twin.predict(X) == model.predict(X)).all()
    fb.Trainer(twin, "cross_entropy").fit(X, y)
    assert not (twin.predict(X) == model.predict(X)).all()


def test_one_row_is_predicted_as_in_company(digits):
    X, _ = digits
    model = make_model()
    np.testing.assert_allclose(np.vstack([model.predict(X[i : i + 1]) for i in range(20)]), model.predict(X)[:20])


def test_import_is_quick_and_leaves_the_slow_ones_out():
    code = (
        "import sys, time, numpy; before = set(sys.modules); "
        "start = time.perf_counter(); import fastbp; print(time.perf_counter() - start); "
        "slow = {'tqdm', 'safetensors', 'sklearn', 'matplotlib', 'pandas', 'hashlib', 'logging', 'csv', 'json', "
        "'pathlib', 'fastbp.ensembles.label_errors', 'fastbp.exchange.blueprint', "
        "'fastbp.models.layer_statistics'}; "
        "print(*slow & (set(sys.modules) - before))"
    )
    command = [sys.executable, "-c", code]  # nine times, as others share the CPUs
    runs = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(9)]
    seconds, slow = zip(*(run.stdout.split("\n")[:2] for run in runs), strict=True)
    assert set(slow) == {""}
    assert min(map(float, seconds)) < 0.15


def test_every_public_name_is_there():
    assert set(fb.__all__) <= set(dir(fb))
    for name in fb.__all__:
        assert getattr(fb, name) is not None
    with pytest.raises(AttributeError, match="module 'fastbp' has no attribute 'Modle'"):
        _ = fb.Modle


def test_a_description_without_inputs_takes_no_weights():
    config = fb.Model([fb.Dense(2)]).to_config()
    with pytest.raises(ValueError, match="the model is not built yet: its number of inputs, and so its weights"):
        fb.Model.from_config(config, [np.zeros((3, 2)), np.zeros(2)])


def test_columns_that_have_names_already_are_learned_from_in_their_order():
    pandas = pytest.importorskip("pandas")
    feed = Feed(None, None, np.dtype("float32"), names=("a", "b"))
    learned, array = feed.learn(pandas.DataFrame({"b": [1.0, 2.0], "a": [3.0, 4.0]}), None)
    np.testing.assert_array_equal(array, [[3, 1], [4, 2]])
    assert learned.names == ("a", "b")
