"""Training and predicting with bfloat16 products, by every way to ask for it."""

import copy
import os
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest

import fastbp as fb
from fastbp.engine import kernels

pytestmark = pytest.mark.usefixtures("bf16_products")

MIXED = "bf16-mixed"


@pytest.fixture
def none():
    """A machine without bfloat16 products."""
    former = kernels.isa()
    kernels.select_isa("baseline", "always")
    assert kernels.bf16() is None
    yield
    kernels.select_isa(former)


def make_model(dtype="float32"):
    return fb.Model(
        [fb.Dense(64, "relu"), fb.Dense(32, "relu"), fb.Dense(4, "softmax")], inputs=40, dtype=dtype, seed=0
    )


def make_data(n=300):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 40)).astype(np.float32)
    return X, (X @ rng.normal(size=(40, 4))).argmax(axis=1)


def make_trainer(**options):
    return fb.Trainer(make_model(), "cross_entropy", fb.Adam(1e-2), **{"batch_size": 64, "precision": MIXED} | options)


def test_training_is_in_bfloat16_and_learns():
    X, y = make_data()
    plain, mixed = make_trainer(precision=None), make_trainer()
    for trainer in (plain, mixed):
        trainer.fit(X, y, epochs=20, validation_data=(X, y))
    assert mixed.history["loss"] != plain.history["loss"]
    assert mixed.history["loss"][-1] == pytest.approx(plain.history["loss"][-1], abs=0.02)
    assert mixed.history["val_accuracy"][-1] > 0.95
    assert all(array.dtype == np.float32 for array in mixed.model.get_weights())


def test_a_layer_without_biases_in_bfloat16():
    """Its weights take the step, to the last bit, that they take beside biases that are zero."""
    X, y = make_data(64)
    weights = []
    for use_bias in (False, True):
        layers = [fb.Dense(64, "relu", use_bias=use_bias), fb.Dense(4, "softmax")]
        model = fb.Model(layers, inputs=40, dtype="float32", seed=0)
        trainer = fb.Trainer(model, "cross_entropy", fb.SGD(0.1), batch_size=64, shuffle=False, precision=MIXED)
        before = model.get_weights()[0]
        trainer.step(X, y)
        weights.append(model.get_weights()[0])
        assert not np.array_equal(before, weights[-1])
    np.testing.assert_array_equal(*weights)


def test_predictions_and_evaluation_in_bfloat16():
    X, y = make_data()
    trainer = make_trainer()
    trainer.fit(X, y, epochs=2)
    model = trainer.model
    mixed, plain = model.predict(X, precision=MIXED), model.predict(X)
    assert not np.array_equal(mixed, plain)
    np.testing.assert_allclose(mixed, plain, atol=0.03)
    loss = -np.log(mixed[np.arange(len(y)), y].astype(float)).mean()
    assert trainer.evaluate(X, y)["loss"] == pytest.approx(loss, rel=1e-5)
    np.testing.assert_array_equal(model.predict(X[5:6], precision=MIXED)[0], mixed[5])  # alone and among others
    np.testing.assert_array_equal(model.predict_classes(X, precision=MIXED), mixed.argmax(axis=1))
    np.testing.assert_array_equal(model.predict(X, precision="float32"), plain)
    ensemble = fb.Ensemble([model, model])
    np.testing.assert_allclose(ensemble.predict(X, precision=MIXED), mixed, atol=1e-7)
    np.testing.assert_array_equal(ensemble.predict_classes(X, precision=MIXED), mixed.argmax(axis=1))


def test_derivatives_after_a_prediction_in_bfloat16_are_those_before():
    layers = [fb.Dense(256, "relu"), fb.Dense(256, "tanh"), fb.Dense(8)]
    model, plain = (fb.Model(layers, inputs=256, seed=0) for _ in range(2))
    X = np.random.default_rng(0).normal(size=(200, 256)).astype(np.float32)
    model.predict(X, precision=MIXED)
    for mine, other in zip(model.vjp(X, X[:, :8]), plain.vjp(X, X[:, :8]), strict=True):
        np.testing.assert_array_equal(mine, other)
    np.testing.assert_array_equal(model.jacobian(X[:2]), plain.jacobian(X[:2]))


@pytest.mark.parametrize("weight", [3.3961776e38, -3.4e38])
def test_a_weight_that_bfloat16_rounds_to_infinity_is_told(weight):
    model, (X, y) = make_model(), make_data()
    weights = model.get_weights()
    weights[2][3, 5] = weight
    model.set_weights(weights)
    what = r"the weights of layer 1 \(counted from 0\), .* are too large for bfloat16, although they are finite"
    with pytest.raises(FloatingPointError, match=f"in predict, {what}.* Pass precision='float32'."):
        model.predict(X, precision=MIXED)
    trainer = fb.Trainer(model, "cross_entropy", precision=MIXED)
    with pytest.raises(FloatingPointError, match=what):
        trainer.evaluate(X, y)
    weights[2][3, 5] = np.sign(weight) * np.float32(3.3961773e38)  # the largest number that is rounded to a number
    model.set_weights(weights)
    assert np.isfinite(model.predict(np.zeros_like(X), precision=MIXED)).all()


def test_a_loss_function_of_ones_own_is_validated_in_the_same_precision():
    X, _ = make_data()
    model = fb.Model([fb.Dense(64, "relu"), fb.Dense(4)], inputs=40, seed=0)
    Y = np.ones((len(X), 4), np.float32)

    def squares(outputs, targets):
        difference = outputs.astype(float) - targets
        return (difference**2).mean(axis=1), difference / 2

    trainer = fb.Trainer(model, squares, batch_size=64, metrics=[], precision=MIXED)
    trainer.fit(X, Y, validation_data=(X, Y))
    expected = ((model.predict(X, precision=MIXED).astype(float) - 1) ** 2).mean()
    assert trainer.history["val_loss"][0] == pytest.approx(expected, rel=1e-6)


def test_continued_to_the_same_bits(tmp_path):
    X, y = make_data()
    whole, first = make_trainer(), make_trainer()
    whole.fit(X, y, epochs=4)
    first.fit(X, y, epochs=2)
    first.save(tmp_path / "trainer.ckpt")
    for trainer in (
        fb.Trainer.load(tmp_path / "trainer.ckpt"),
        copy.deepcopy(first),
        pickle.loads(pickle.dumps(first)),
    ):
        assert trainer.precision == MIXED
        trainer.fit(X, y, epochs=2)
        assert [w.tobytes() for w in trainer.model.get_weights()] == [w.tobytes() for w in whole.model.get_weights()]
    plain = fb.Trainer.load(tmp_path / "trainer.ckpt", precision="float32")
    assert plain.precision == "float32"


def test_a_file_is_refused_where_there_is_no_bfloat16(tmp_path, none):
    kernels.select_isa(kernels.available_isas()[0], "emulate")
    make_trainer().save(tmp_path / "trainer.ckpt")
    kernels.select_isa("baseline", "always")
    with pytest.raises(ValueError, match=r"holds a trainer whose precision is 'bf16-mixed'; expected a machine with"):
        fb.Trainer.load(tmp_path / "trainer.ckpt")
    assert fb.Trainer.load(tmp_path / "trainer.ckpt", precision="float32").precision == "float32"


def test_a_cpu_that_gains_nothing_is_told_once_asked(monkeypatch):
    monkeypatch.setattr(kernels, "bf16_pays", lambda: False)
    with pytest.warns(UserWarning, match=r"precision is 'bf16-mixed', but .*FASTBP_BF16=always"):
        make_trainer()


def test_where_narrow_products_are_slow_all_are_float32():
    kernels.select_isa(kernels.isa())
    if kernels.bf16() is None or kernels.bf16_pays():
        pytest.skip("this CPU gains by narrow products, or has none")
    X, y = make_data()
    with pytest.warns(UserWarning, match="FASTBP_BF16=always"):
        asked = make_trainer()
    plain = make_trainer(precision=None)
    for trainer in (asked, plain):
        trainer.fit(X, y, epochs=1)
    assert [w.tobytes() for w in asked.model.get_weights()] == [w.tobytes() for w in plain.model.get_weights()]


SMALL_STACK = """
import ctypes

class Stack(ctypes.Structure):
    _fields_ = [("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]

memory = ctypes.create_string_buffer(8192)
assert ctypes.CDLL(None).sigaltstack(ctypes.byref(Stack(ctypes.addressof(memory), 0, 8192)), None) == 0
from fastbp.engine import kernels
from fastbp.support.precision import explain_bf16
print(kernels.bf16(), kernels.amx_refused(), kernels.bf16_pays())
print(explain_bf16())
"""


def test_where_the_system_refuses_amx_there_are_the_other_ways():
    """It does so to a process with a signal stack that has no room for the tiles."""
    kernels.select_isa(kernels.available_isas()[0], "amx")
    if kernels.bf16() is None:
        pytest.skip("this machine has no AMX")
    environment = {**os.environ, "FASTBP_BF16": "", "FASTBP_ISA": ""}
    command = [sys.executable, "-c", SMALL_STACK]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert result.stdout.splitlines() == [
        "native True False",
        "the system refuses AMX to this process, one of whose threads has too small a signal stack for it, and this CPU"
        " multiplies bfloat16 no faster than float32 in another way, so all products are computed in float32",
    ]
    environment["FASTBP_BF16"] = "amx"
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert result.stdout.splitlines()[0].startswith("None True")
    assert "FASTBP_BF16=amx is set" in result.stdout


def test_what_a_trainer_shows():
    assert "precision='bf16-mixed'" in repr(make_trainer())
    assert "precision" not in repr(make_trainer(precision=None))
    assert make_trainer(precision=None).precision == make_trainer(precision="float32").precision == "float32"
    assert fb.Trainer(make_model("float64"), "cross_entropy", precision="float64").precision == "float64"


def test_it_is_refused_where_there_is_none(none):
    message = r"precision is 'bf16-mixed'; expected None or 'float32'. This machine has no bfloat16 products: none: .*"
    with pytest.raises(ValueError, match=message + "FASTBP_BF16=emulate"):
        make_trainer()
    with pytest.raises(ValueError, match=message):
        make_model().predict(np.zeros((2, 40)), precision=MIXED)


@pytest.mark.parametrize(
    ("dtype", "options", "error", "message"),
    [
        ("float64", {"precision": MIXED}, ValueError, "The model's dtype is float64: make it with dtype='float32'"),
        ("float64", {"precision": "float32"}, ValueError, "precision is 'float32'; expected None, 'float64' or"),
        ("float32", {"precision": "float64"}, ValueError, "precision is 'float64'; expected None, 'float32' or"),
        ("float32", {"precision": "bf16"}, ValueError, "precision is 'bf16'; expected"),
        ("float32", {"precision": 16}, (TypeError, ValueError), "precision is 16; expected"),
        (
            "float32",
            {"precision": MIXED, "optimizer": "lbfgs", "batch_size": None},
            ValueError,
            "precision is 'bf16-mixed'; expected none with LBFGS",
        ),
    ],
)
def test_what_does_not_fit_is_refused(dtype, options, error, message):
    with pytest.raises(error, match=re.escape(message)):
        fb.Trainer(make_model(dtype), "cross_entropy", **options)


def test_many_models_and_folds():
    X, y = make_data()
    trainers = [make_trainer(seed=seed) for seed in range(3)]
    alone = make_trainer(seed=1)
    alone.fit(X, y, epochs=2)
    fb.fit_many(trainers, X, y, epochs=2)
    assert trainers[1].history["loss"] == alone.history["loss"]


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_estimators():
    pytest.importorskip("sklearn")
    from fastbp.sklearn import MLPClassifier

    X, y = make_data()
    options = {"hidden_layer_sizes": (64, 32), "max_iter": 30, "random_state": 0, "learning_rate_init": 0.01}
    estimator = MLPClassifier(**options, compute_dtype=MIXED).fit(X.astype(float), y)
    plain = MLPClassifier(**options, compute_dtype="float32").fit(X.astype(float), y)
    assert estimator.loss_curve_ != plain.loss_curve_
    assert estimator.score(X, y) > 0.95
    np.testing.assert_array_equal(
        estimator.predict_proba(X), estimator._model.predict(X.astype(np.float32), precision=MIXED)
    )


def run(*arguments, **variables):
    command = [sys.executable, "-m", "fastbp", *map(str, arguments)]
    environment = {"FASTBP_BF16": "", "FASTBP_ISA": ""} | variables
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, check=False)


def test_the_commands(tmp_path):
    pytest.importorskip("pandas")
    X, y = make_data()
    table = tmp_path / "table.csv"
    header = ",".join([*(f"x{i}" for i in range(40)), "y"])
    np.savetxt(table, np.column_stack([X, y]), delimiter=",", header=header, comments="", fmt="%.6g")
    model = tmp_path / "model.safetensors"
    asked = ["--target", "y", "--epochs", "3", "--quiet", "--out", model, "--precision", MIXED]
    result = run("train", table, *asked, FASTBP_BF16="emulate")
    assert result.returncode == 0, result.stderr
    result = run("predict", model, table, "--out", tmp_path / "a.csv", "--precision", MIXED, FASTBP_BF16="emulate")
    assert result.returncode == 0, result.stderr
    run("predict", model, table, "--out", tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_text() != (tmp_path / "b.csv").read_text()
    refused = run("train", table, *asked, FASTBP_ISA="baseline")
    assert refused.returncode == 1
    assert "--precision is 'bf16-mixed'; expected" in refused.stderr
    assert "emulated" in run("info", FASTBP_BF16="emulate").stdout
    assert "FASTBP_BF16 is 'no', expected 'amx', 'always' or 'emulate'" in run("info", FASTBP_BF16="no").stderr
