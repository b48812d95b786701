"""Model files: what is saved is loaded to the last bit, and nothing else is taken for a model."""

import copy
import hashlib
import json
import os
import pickle

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import fastbp as fb

datasets = pytest.importorskip("sklearn.datasets")


@pytest.fixture
def model():
    X, y = datasets.load_digits(return_X_y=True)
    layers = [fb.Dense(12, fb.LeakyReLU(0.2), fb.Uniform(-0.2, 0.2)), fb.Dense(10, "softmax")]
    model = fb.Model(layers, inputs=64, seed=2**64 - 1)
    fb.Trainer(model, "cross_entropy").fit(X / 16, y)
    return model


@pytest.fixture
def path(model, tmp_path):
    model.save(tmp_path / "digits.safetensors")
    return tmp_path / "digits.safetensors"


def test_the_same_model_comes_back(model, path):
    loaded = fb.Model.load(path)
    assert repr(loaded) == repr(model)
    for a, b in zip(loaded.get_weights(), model.get_weights(), strict=True):
        assert a.dtype == b.dtype
        assert (a == b).all()
    X = datasets.load_digits().data
    assert (loaded.predict(X) == model.predict(X)).all()


def test_float64_and_str_paths(tmp_path):
    model = fb.Model([fb.Dense(3)], inputs=2, dtype="float64")
    model.save(str(tmp_path / "m"))
    assert (fb.Model.load(str(tmp_path / "m")).get_weights()[0] == model.get_weights()[0]).all()


def test_other_programs_can_read_it(model, path):
    tensors = load_file(path)
    assert sorted(tensors) == ["layers.0.W", "layers.0.b", "layers.1.W", "layers.1.b"]
    assert (tensors["layers.1.W"] == model.get_weights()[2]).all()
    with safe_open(path, framework="numpy") as file:
        described = json.loads(file.metadata()["fastbp"])["model"]
    assert described["layers"][0]["units"] == 12
    assert described["layers"][0]["activation"] == {"name": "leaky_relu", "slope": 0.2}


def test_a_file_of_the_first_layout_still_loads(tmp_path):
    """As version 0.1.0 wrote it before there were other layers: written out here, not by today's code."""
    layers = [
        {"type": "dropout", "rate": 0.5},
        {
            "type": "dense",
            "units": 2,
            "activation": {"name": "leaky_relu", "slope": 0.25},
            "initializer": {"name": "he", "distribution": "normal"},
        },
        {"type": "dropout", "rate": 0.25},
        {
            "type": "dense",
            "units": 1,
            "activation": {"name": "linear"},
            "initializer": {"name": "glorot", "distribution": "uniform"},
        },
    ]
    config = {"inputs": 1, "dtype": "float32", "seed": 3, "layers": layers}
    arrays = [np.array(a, np.float32) for a in ([[1.0, -4.0]], [0.5, 1.0], [[2.0], [8.0]], [0.125])]
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for array in arrays:
        digest.update(array.data)
    header = {"layout": 1, "model": config, "sha256": digest.hexdigest()}
    names = ["layers.0.W", "layers.0.b", "layers.1.W", "layers.1.b"]
    save_file(dict(zip(names, arrays, strict=True)), tmp_path / "old", metadata={"fastbp": json.dumps(header)})
    model = fb.Model.load(tmp_path / "old")
    assert repr(model.layers[1]) == "Dense(2, LeakyReLU(slope=0.25))"
    assert model.predict([[1.0]]) == 2 * 1.5 + 8 * 0.25 * -3 + 0.125
    model.save(tmp_path / "new")
    kinds = [["layers.0.W", "F32", [1, 2]], ["layers.0.b", "F32", [2]]]
    kinds += [["layers.1.W", "F32", [2, 1]], ["layers.1.b", "F32", [1]]]
    header["sha256_of_arrays"] = hashlib.sha256(json.dumps(kinds).encode()).hexdigest()  # since then
    save_file(dict(zip(names, arrays, strict=True)), tmp_path / "old", metadata={"fastbp": json.dumps(header)})
    assert (tmp_path / "new").read_bytes() == (tmp_path / "old").read_bytes()


def test_a_model_is_replaced_as_a_whole(model, path, monkeypatch):
    before = path.read_bytes()

    def fail(*args):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space left"):
        fb.Model([fb.Dense(1)], inputs=1).save(path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]
    fb.Model([fb.Dense(1)], inputs=1).save(path)
    assert fb.Model.load(path).n_inputs == 1
    assert os.listdir(path.parent) == [path.name]


def test_every_truncation_is_noticed(path, tmp_path):
    whole = path.read_bytes()
    cut = tmp_path / "cut"
    for length in [0, 1, 7, 8, 9, 100, len(whole) // 2, len(whole) - 1]:
        cut.write_bytes(whole[:length])
        with pytest.raises(
            ValueError, match="cut' is not a model file of fastbp: it is damaged, truncated or in another"
        ):
            fb.Model.load(cut)


def test_altered_bytes_are_noticed(path, tmp_path):
    whole = path.read_bytes()
    altered = tmp_path / "altered"
    for position in range(0, len(whole), 97):
        data = bytearray(whole)
        data[position] ^= 0x04
        altered.write_bytes(data)
        with pytest.raises(ValueError, match="is not a model file of fastbp"):
            fb.Model.load(altered)


def rewrite(path, change):
    """Write the file again with its description changed, and its digest made good where ``change`` wants that."""
    from fastbp.support.safetensors_file import _digest

    with safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()["fastbp"])
    tensors = load_file(path)
    change(header, tensors)
    header["sha256"] = _digest(header["model"], list(tensors.values()))
    del header["sha256_of_arrays"]  # as in a file of version 0.1.0
    save_file(tensors, path, metadata={"fastbp": json.dumps(header)})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda h, t: h.update(layout=2), "its layout is version 2, and this fastbp knows version 1: update fastbp"),
        (lambda h, t: h["model"]["layers"][0].update(units=10**15), "units is 1000000000000000"),
        (lambda h, t: h["model"]["layers"][0].update(units=2**30), r"weights\[0\], W of layer 0, has shape"),
        (lambda h, t: h["model"]["layers"][0].update(type="conv"), "type is 'conv'; expected one of 'dense'"),
        (lambda h, t: h["model"]["layers"][0]["activation"].update(name="sine"), "activation is 'sine'"),
        (lambda h, t: h["model"].pop("inputs"), "it has no entry 'inputs'"),
        (lambda h, t: h["model"].update(layers=[]), "layers is empty"),
        (lambda h, t: h.update(model=[]), "the description in it does not fit"),
        (lambda h, t: t.pop("layers.1.b"), "weights is a list of 3"),
        (
            lambda h, t: t.update({"layers.1.c": t.pop("layers.1.b")}),
            "its tensors are layers.0.W, layers.0.b, layers.1.W",
        ),
        (lambda h, t: t["layers.0.b"].fill(np.nan), r"weights\[1\]\[0\] is nan"),
    ],
)
def test_files_made_up_by_others(path, change, sentence):
    rewrite(path, change)
    with pytest.raises(ValueError, match=sentence):
        fb.Model.load(path)


def test_foreign_files(tmp_path):
    foreign = tmp_path / "foreign"
    save_file({"layers.0.W": np.ones((2, 2))}, foreign)
    with pytest.raises(ValueError, match="a safetensors file without the entry 'fastbp' in its metadata"):
        fb.Model.load(foreign)
    for text in ("", "[]", "{}", "{", '"x"', "null"):
        save_file({"layers.0.W": np.ones((2, 2))}, foreign, metadata={"fastbp": text})
        with pytest.raises(ValueError, match="the description in its metadata is damaged"):
            fb.Model.load(foreign)
    for junk in (b"PK\x03\x04 a zip", b"\x80\x04 a pickle", b"\xff" * 200, b"\0" * 200):
        foreign.write_bytes(junk)
        with pytest.raises(ValueError, match="is damaged, truncated or in another format"):
            fb.Model.load(foreign)


def test_a_description_with_a_name_that_occurs_twice(path):
    """Readers take the first or the last of the two: what the file says is not one thing."""
    with safe_open(path, "numpy") as opened:
        text = opened.metadata()["fastbp"]
    twice = text.replace('"dtype": "float32"', '"dtype": "float64", "dtype": "float32"')
    assert twice != text
    save_file(load_file(path), path, metadata={"fastbp": twice})
    with pytest.raises(ValueError, match="the description in its metadata is damaged: a name occurs twice in it"):
        fb.Model.load(path)


def test_files_that_cannot_be_opened(model, tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"):
        fb.Model.load(tmp_path / "missing")
    with pytest.raises((IsADirectoryError, PermissionError)):
        fb.Model.load(tmp_path)
    with pytest.raises(OSError, match="nowhere"):
        model.save(tmp_path / "nowhere" / "m.safetensors")


def test_metadata_stays_with_the_model(tmp_path):
    model = fb.Model([fb.Dense(1)], inputs=2)
    assert model.metadata == {}
    model.metadata = {"classes": ["cat", 5, None], "nested": {"a": 1.5}}
    model.metadata["lost"] = 1  # a copy
    assert model.metadata == {"classes": ["cat", 5, None], "nested": {"a": 1.5}}
    model.save(tmp_path / "m")
    for other in (fb.Model.load(tmp_path / "m"), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other.metadata == model.metadata


@pytest.mark.parametrize("metadata", [5, [1], {"a": object()}, {"a": float("nan")}, {"a": np.zeros(2)}])
def test_metadata_that_no_file_can_hold(metadata):
    with pytest.raises(TypeError, match=r"metadata is .*; expected a dictionary of what JSON can hold"):
        fb.Model([fb.Dense(1)], inputs=2).metadata = metadata
