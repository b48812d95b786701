"""Ensembles: mean and spread as NumPy computes them, one file for all, and nothing else taken for one."""

import json
import pickle
import re

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import fastbp as fb

X = np.random.default_rng(0).normal(size=(77, 5))


def make_model(seed, dtype="float32", units=4):
    layers = [fb.Dense(units, "tanh"), fb.BatchNorm(), fb.Dense(3, "softmax")]
    return fb.Model(layers, inputs=5, dtype=dtype, seed=seed)


def make_ensemble(dtype="float32", n=4):
    return fb.Ensemble([make_model(seed, dtype, 4 + seed) for seed in range(n)])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 2, 7])
def test_mean_and_spread_are_numpys(dtype, n):
    ensemble = make_ensemble(dtype, n)
    outputs = np.array([model.predict(X) for model in ensemble.models], np.float64)
    mean, spread = ensemble.predict_spread(X)
    tolerance = 1e-7 if dtype == "float32" else 1e-15
    np.testing.assert_allclose(mean, outputs.mean(axis=0), atol=tolerance)
    np.testing.assert_allclose(spread, outputs.std(axis=0), atol=tolerance)
    assert mean.dtype == spread.dtype == dtype == ensemble.dtype
    assert (ensemble.predict(X) == mean).all()


def test_the_same_bits_on_any_number_of_threads(limits):
    limits(call_thread=1.0)
    ensemble = make_ensemble()
    for a, b in zip(ensemble.predict_spread(X, n_threads=1), ensemble.predict_spread(X, n_threads=3), strict=True):
        assert (a == b).all()


def test_members_that_agree_have_no_spread():
    """Where values are large beside their spread, too."""
    model = fb.Model([fb.Dense(1)], inputs=5)
    model.set_weights([np.zeros((5, 1)), [1e6 + 0.0625]])
    mean, spread = fb.Ensemble([model, model, model]).predict_spread(X)
    assert (spread == 0).all()
    assert (mean == 1e6 + 0.0625).all()


def test_what_it_tells():
    ensemble = make_ensemble()
    assert (len(ensemble), ensemble.n_inputs, ensemble.n_outputs) == (4, 5, 3)
    assert repr(ensemble).startswith("Ensemble(4 models, the first Model([Dense(4")


def test_lists_and_single_rows():
    ensemble = make_ensemble()
    assert ensemble.predict(X.tolist()).shape == (77, 3)
    assert ensemble.predict(X[:1]).shape == (1, 3)


def test_bad_rows_are_refused():
    spoilt = X.copy()
    spoilt[3, 1] = np.inf
    with pytest.raises(ValueError, match="row 3, column 1 of X"):
        make_ensemble().predict(spoilt)
    with pytest.raises(ValueError, match="X has 4 columns"):
        make_ensemble().predict_spread(X[:, :4])


# ------------------------------------------------------------------------------------------- files


@pytest.fixture
def path(tmp_path):
    make_ensemble().save(tmp_path / "e.safetensors")
    return tmp_path / "e.safetensors"


def test_the_same_ensemble_comes_back(path):
    ensemble, loaded = make_ensemble(), fb.Ensemble.load(path)
    assert repr(loaded) == repr(ensemble)
    for model, other in zip(ensemble.models, loaded.models, strict=True):
        assert repr(model) == repr(other)
        for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
            assert a.dtype == b.dtype
            assert (a == b).all()
    assert (loaded.predict(X) == ensemble.predict(X)).all()


def test_pickles():
    ensemble = make_ensemble()
    assert (pickle.loads(pickle.dumps(ensemble)).predict(X) == ensemble.predict(X)).all()


def test_more_than_ten_members_keep_their_order(tmp_path):
    ensemble = make_ensemble(n=12)
    ensemble.save(str(tmp_path / "e"))
    assert [model.seed for model in fb.Ensemble.load(str(tmp_path / "e")).models] == list(range(12))


def test_other_programs_can_read_it(path):
    assert "models.3.layers.2.W" in load_file(path)


def rewrite(path, change):
    """Write the file anew with other contents, and a digest that fits them."""
    from fastbp.support.safetensors_file import ENSEMBLE, read_file, write_file

    description, tensors = read_file(path, ENSEMBLE)
    change(description, tensors)
    write_file(path, ENSEMBLE, description, tensors)


CHANGES = [
    lambda description, tensors: description.pop("models"),
    lambda description, tensors: description.update(models=3),
    lambda description, tensors: description.update(models=[]),
    lambda description, tensors: description.update(models="abcd"),
    lambda description, tensors: description["models"].pop(),
    lambda description, tensors: description["models"].append(description["models"][0]),
    lambda description, tensors: description["models"][1].update(inputs=2**31 - 1),
    lambda description, tensors: description["models"][1].update(dtype="float64"),
    lambda description, tensors: description["models"][2]["layers"].pop(),
    lambda description, tensors: tensors.pop("models.0.layers.0.W"),
    lambda description, tensors: tensors.update({"x": np.zeros(3)}),
    lambda description, tensors: tensors.update({"models.x.b": np.zeros(3)}),
    lambda description, tensors: tensors.update({"models.9.b": np.zeros(3)}),
    lambda description, tensors: tensors.update({"models.1.layers.2.b": np.array([0, np.nan, 0], np.float32)}),
]


@pytest.mark.parametrize("change", CHANGES)
def test_hostile_files_get_a_sentence(path, change):
    rewrite(path, change)
    with pytest.raises(
        ValueError, match=r"e.safetensors' is not an ensemble file of fastbp: .*Ensemble.save"
    ) as caught:
        fb.Ensemble.load(path)
    assert len(str(caught.value)) < 1000


def test_damaged_files_get_a_sentence(path):
    whole = path.read_bytes()
    for contents in (b"", whole[:100], whole[:-1], b"x" * 1000):
        path.write_bytes(contents)
        with pytest.raises(ValueError, match="damaged, truncated or in another format"):
            fb.Ensemble.load(path)
    path.write_bytes(whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:])
    with pytest.raises(ValueError, match="its contents were altered"):
        fb.Ensemble.load(path)
    with pytest.raises(FileNotFoundError):
        fb.Ensemble.load(path.with_name("none"))


def test_one_kind_is_not_another(path, tmp_path):
    make_model(0).save(tmp_path / "model")
    with pytest.raises(ValueError, match=r"it holds a model: load it with fb\.Model\.load"):
        fb.Ensemble.load(tmp_path / "model")
    with pytest.raises(ValueError, match=r"it holds an ensemble: load it with fb\.Ensemble\.load"):
        fb.Model.load(path)


def test_no_metadata(path):
    save_file(load_file(path), path)
    with pytest.raises(ValueError, match="without the entry 'fastbp'"):
        fb.Ensemble.load(path)
    save_file({}, path, metadata={"fastbp": json.dumps({"ensemble": {}})})
    with pytest.raises(ValueError, match="damaged"):
        fb.Ensemble.load(path)
    with safe_open(path, framework="numpy") as file:
        assert file.metadata()


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    ensemble = make_ensemble()
    ensemble.models[2].network.set_arrays([np.full_like(w, np.nan) for w in ensemble.models[2].get_weights()])
    with pytest.raises(ValueError, match=r"in models\[2\], W of layer 0 has numbers that are not finite"):
        ensemble.save(tmp_path / "e")
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------------- bad input

BAD = [
    (lambda: fb.Ensemble([]), ValueError, "models is empty; expected one fb.Model or more"),
    (lambda: fb.Ensemble(make_model(0)), TypeError, r"models is Model\(.*; expected a list of fb.Model objects"),
    (lambda: fb.Ensemble("ab"), TypeError, "models is 'ab'; expected a list"),
    (lambda: fb.Ensemble(None), TypeError, "models is None"),
    (lambda: fb.Ensemble([make_model(0), 1]), TypeError, r"models\[1\] is 1; expected an fb.Model"),
    (
        lambda: fb.Ensemble([make_model(0), make_model(1, "float64")]),
        ValueError,
        r"models\[1\] has 5 inputs, 3 outputs, dtype float64 and output activation softmax, "
        r"models\[0\] has 5 inputs, .*float32",
    ),
    (
        lambda: fb.Ensemble([make_model(0), fb.Model([fb.Dense(3)], inputs=5)]),
        ValueError,
        "float32 and output activation linear",
    ),
]


@pytest.mark.parametrize(("call", "error", "sentence"), BAD)
def test_bad_input_gets_a_sentence(call, error, sentence):
    with pytest.raises(error) as caught:
        call()
    assert re.search(sentence, str(caught.value)), str(caught.value)
