"""Activations: each against SciPy's or math's own formula, and what a layer takes from their objects."""

import dataclasses

import numpy as np
import pytest

import fastbp as fb
from fastbp.layers.activations import ACTIVATIONS

special = pytest.importorskip("scipy.special", reason="SciPy is the independent source of these formulas")

FORMULAS = {
    "linear": lambda z: z,
    "relu": lambda z: np.where(z > 0, z, 0.0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "prelu": lambda z: np.where(z > 0, z, 0.25 * z),
    "parametric": lambda z: z * np.tanh(np.logaddexp(0, z)),  # the alphas begin at 1
    "tanh": np.tanh,
    "sigmoid": special.expit,
    "softmax": lambda z: special.softmax(z, axis=1),
    "gelu": lambda z: z * special.ndtr(z),
    "gelu_tanh": lambda z: z * 0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3))),
    "silu": lambda z: z * special.expit(z),
    "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
    "selu": lambda z: 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * np.expm1(np.minimum(z, 0))),
    "softplus": lambda z: np.logaddexp(0, z),
    "exp": np.exp,
    "softsign": lambda z: z / (1 + abs(z)),
    "mish": lambda z: z * np.tanh(np.logaddexp(0, z)),
    "hard_sigmoid": lambda z: np.clip(z / 6 + 0.5, 0, 1),
    "hard_swish": lambda z: z * np.clip(z / 6 + 0.5, 0, 1),
}


def identity_model(activation, n_units, dtype):
    model = fb.Model([fb.Dense(n_units, activation)], inputs=n_units, dtype=dtype)
    model.set_weights([np.eye(n_units), np.zeros(n_units), *model.get_weights()[2:]])
    return model


def test_formulas_cover_the_registry():
    assert list(FORMULAS) == list(ACTIVATIONS)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FORMULAS)
def test_layer_computes_the_formula(name, dtype):
    z = np.random.default_rng(0).normal(0, 3, (50, 11)).astype(dtype)
    z[0] = 0
    found = identity_model(name, 11, dtype).predict(z)
    expected = FORMULAS[name](z.astype(np.float64))
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(found, expected, rtol=16 * eps, atol=16 * eps)


def test_leaky_relu_takes_its_slope():
    model = identity_model(fb.LeakyReLU(slope=0.25), 3, "float64")
    assert model.predict([[-4.0, 0.0, 2.0]]).tolist() == [[-1.0, 0.0, 2.0]]


def test_softmax_sums_to_one_for_huge_inputs():
    P = identity_model("softmax", 3, "float32").predict([[3e38, -3e38, 0.0], [-1e4, -1e4, -1e4]])
    assert P[0].tolist() == [1, 0, 0]
    np.testing.assert_allclose(P[1], 1 / 3, rtol=1e-6)


def test_names_and_objects_are_the_same():
    for name, cls in ACTIVATIONS.items():
        assert fb.Dense(3, name) == fb.Dense(3, cls())
        assert getattr(fb, cls.__name__) is cls


def test_objects_cannot_be_changed_behind_a_models_back():
    with pytest.raises(dataclasses.FrozenInstanceError):
        fb.LeakyReLU().slope = 2.0


def test_elu_takes_its_alpha():
    model = identity_model(fb.ELU(alpha=2.0), 3, "float64")
    np.testing.assert_allclose(model.predict([[-1.0, 0.0, 2.0]]), [[2 * np.expm1(-1), 0, 2]], rtol=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [name for name in FORMULAS if name != "softmax"])
def test_huge_and_tiny_numbers_have_finite_outputs_and_slopes(name, dtype):
    """From the smallest normal number to a thousandth of the largest, both signs: SciPy's own tails are no better."""
    info = np.finfo(dtype)
    sizes = np.array([float(info.tiny), 1e-6, 30, 1e4, float(info.max) / 1e3])
    z = np.concatenate([sizes, -sizes])[np.newaxis].astype(dtype)
    model = identity_model(name, z.shape[1], dtype)
    with np.errstate(over="ignore"):
        expected = FORMULAS[name](z.astype(float))
    np.testing.assert_allclose(model.predict(z), expected, rtol=512 * info.eps, atol=info.tiny)
    _, gradients = model.loss_and_gradients(z / np.abs(z), np.zeros_like(z), "mse")
    assert all(np.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan")])
def test_alpha_out_of_range(alpha):
    with pytest.raises(ValueError, match=r"alpha is .*; expected a finite number above 0"):
        fb.ELU(alpha)


@pytest.mark.parametrize("slope", [-0.1, 1.0, float("nan"), float("inf")])
def test_slope_out_of_range(slope):
    with pytest.raises(ValueError, match=r"slope is .*; expected a finite number of 0 or more and below 1"):
        fb.LeakyReLU(slope)
