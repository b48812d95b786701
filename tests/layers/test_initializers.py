"""Initial weights: their distributions, and that a seed decides them."""

import math

import numpy as np
import pytest

import fastbp as fb
from fastbp.layers.initializers import INITIALIZERS, make_generator

N_INPUTS, N_UNITS = 300, 200

VARIANCES = {"he": 2 / N_INPUTS, "glorot": 2 / (N_INPUTS + N_UNITS), "lecun": 1 / N_INPUTS}


def first_weights(initializer, **arguments):
    model = fb.Model([fb.Dense(N_UNITS, "linear", initializer)], inputs=N_INPUTS, dtype="float64", **arguments)
    W, b = model.get_weights()
    assert not b.any()
    return W


@pytest.mark.parametrize("distribution", ["normal", "uniform"])
@pytest.mark.parametrize("name", VARIANCES)
def test_scaled_by_fan(name, distribution):
    W = first_weights(INITIALIZERS[name](distribution))
    variance = VARIANCES[name]
    n = W.size
    assert abs(W.mean()) < 4 * math.sqrt(variance / n)
    assert W.var() == pytest.approx(variance, rel=4 * math.sqrt(2 / n))
    largest = np.abs(W).max() / math.sqrt(variance)
    assert largest < math.sqrt(3) if distribution == "uniform" else largest > 3.5


def test_names_have_their_usual_distributions():
    assert fb.He() == fb.He("normal")
    assert fb.Glorot() == fb.Glorot("uniform")
    assert fb.LeCun() == fb.LeCun("normal")
    assert {name: getattr(fb, cls.__name__) for name, cls in INITIALIZERS.items()} == INITIALIZERS


def test_normal_and_uniform_and_zeros():
    W = first_weights(fb.Normal(mean=1.0, standard_deviation=0.1))
    assert W.mean() == pytest.approx(1.0, abs=0.002)
    assert W.std() == pytest.approx(0.1, rel=0.02)
    W = first_weights(fb.Uniform(2.0, 3.0))
    assert 2.0 <= W.min() < 2.001
    assert 2.999 < W.max() < 3.0
    assert not first_weights("zeros").any()


def test_a_seed_gives_the_same_weights_again_and_in_both_dtypes():
    layers = [fb.Dense(5, "relu"), fb.Dense(3)]
    one, two = (fb.Model(layers, inputs=4, seed=7).get_weights() for _ in range(2))
    double = fb.Model(layers, inputs=4, seed=7, dtype="float64").get_weights()
    for a, b, c in zip(one, two, double, strict=True):
        assert (a == b).all()
        assert (a == c.astype(np.float32)).all()


def test_seeds_and_layers_have_streams_of_their_own():
    drawn = [make_generator(seed, layer).random(4).tolist() for seed in (0, 1, 2**64 - 1) for layer in (0, 1, 2)]
    assert len({tuple(numbers) for numbers in drawn}) == 9


def test_a_layer_more_leaves_the_others_as_they_are():
    short = fb.Model([fb.Dense(5), fb.Dense(3)], inputs=4).get_weights()
    long = fb.Model([fb.Dense(5), fb.Dense(3), fb.Dense(2)], inputs=4).get_weights()
    assert all((a == b).all() for a, b in zip(short, long[:4], strict=True))


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (lambda: fb.He("gaussian"), ValueError, "distribution is 'gaussian'; expected 'normal' or 'uniform'"),
        (lambda: fb.Uniform(1.0, 1.0), ValueError, "high is 1.0; expected a finite number above 1"),
        (lambda: fb.Uniform(-1.7e308, 1.7e308), ValueError, "high - low is inf; expected a finite number"),
        (lambda: fb.Normal(standard_deviation=-1), ValueError, "standard_deviation is -1"),
        (lambda: fb.Normal(mean="0"), TypeError, "mean is '0'"),
    ],
)
def test_bad_arguments(make, error, sentence):
    with pytest.raises(error, match=sentence):
        make()


def test_weights_that_the_dtype_cannot_hold_are_refused():
    layers = [fb.Dense(2, initializer=fb.Normal(1e300)), fb.Dense(1)]
    with pytest.raises(ValueError, match=r"the initial W of layer 0 .*finite in float32"):
        fb.Model(layers, inputs=2)
    assert np.isfinite(fb.Model(layers, inputs=2, dtype="float64").get_weights()[0]).all()
