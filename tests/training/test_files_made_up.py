"""Files that were changed, or made up, so that their digests are good: a sentence when they are loaded."""

import json
import struct

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import fastbp as fb
from fastbp.schedules import PlateauMemory
from fastbp.training.trainer_file import _memory_from


def make_data(n=230):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 7)).astype(np.float32)
    return X, (X[:, 0] > 0).astype(int)


class StopAtStep(fb.Callback):
    def __init__(self, step):
        self._step = step

    def on_step_end(self, trainer, figures):
        if figures["step"] == self._step:
            trainer.stop()


def trained(metrics=None, **options):
    model = fb.Model([fb.Dense(6, "relu"), fb.Dense(2, "softmax")], inputs=7)
    trainer = fb.Trainer(model, "cross_entropy", batch_size=20, averaging=fb.EMA(), metrics=metrics, **options)
    X, y = make_data()
    stopping = fb.EarlyStopping("loss")
    trainer.fit(X, y, epochs=2, callbacks=[stopping])
    trainer.fit(X, y, callbacks=[StopAtStep(30), stopping])
    return trainer


@pytest.fixture
def path(tmp_path):
    trained().save(tmp_path / "run")
    return tmp_path / "run"


def rewrite(path, change):
    """Rewrite a trainer's file as someone would who knows how the digests are made."""
    from fastbp.support.safetensors_file import TRAINER, write_file

    with safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()["fastbp"])
    tensors = load_file(path)
    tensors = {name: tensors[name] for name in header["names"]}
    change(header["trainer"], tensors)
    write_file(path, TRAINER, header["trainer"], tensors)


def set_at(*keys, value):
    def change(description, tensors):
        for key in keys[:-1]:
            description = description[key]
        description[keys[-1]] = value

    return change


def as_int32(prefix):
    def change(description, tensors):
        for name, array in tensors.items():
            if name.startswith(prefix):
                tensors[name] = array.view(np.int32)

    return change


CHANGES = {
    "sums of another length": lambda description, tensors: tensors.update({"unfinished": np.zeros(50)}),
    "sums that are not finite": lambda description, tensors: tensors.update({"unfinished": np.full(2, np.nan)}),
    "weights of another dtype": as_int32("model."),
    "averages of another dtype": as_int32("averages."),
    "states of another dtype": as_int32("optimizer."),
    "best weights of another dtype": as_int32("callbacks."),
    "epochs without figures": lambda description, tensors: description.update(
        history={"n_epochs": 2**31 - 1, "figures": {}}
    ),
    "epochs with other numbers of figures": set_at("history", "n_epochs", value=2**31 - 1),
    "figures without epochs": set_at("history", "n_epochs", value=0),
    "a figure beyond a double": set_at("history", "figures", "loss", value=[10**400, 0.1]),
    "a figure that is text": set_at("history", "figures", "loss", value=["0.1", "0.1"]),
    "an option beyond a double": set_at("options", "clip_value", value=10**400),
    "a scale beyond a double": set_at("rate_scale", value=10**400),
    "a best figure that is text": set_at("callbacks", "EarlyStopping", "best", value="0.5"),
    "a best epoch that is none": set_at("callbacks", "EarlyStopping", "best_epoch", value=None),
    "half an epoch": set_at("callbacks", "EarlyStopping", "n_worse", value=1.5),
    "best weights that are a number": set_at("callbacks", "EarlyStopping", "best_weights", value=5),
    "best weights of another model": set_at("callbacks", "EarlyStopping", "best_weights", value=[[1.0]]),
    "a state that is a number": set_at("callbacks", "EarlyStopping", value=5),
    "files that are a number": set_at("callbacks", "Checkpoint", value={"files": 5, "monitor": None}),
    "a figure without an epoch": set_at("callbacks", "Checkpoint", value={"files": [], "monitor": {"best": 1.0}}),
    "a list of states": set_at("callbacks", value=[]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_sentence_at_load(path, change):
    rewrite(path, CHANGES[change])
    with pytest.raises(ValueError, match="is not a trainer file of fastbp: the description in it does not fit"):
        fb.Trainer.load(path)


def test_a_state_that_a_users_class_left_under_our_name(path):
    rewrite(path, set_at("callbacks", "EarlyStopping", value={"mine": 5}))
    trainer = fb.Trainer.load(path)
    with pytest.raises(
        ValueError, match="the state of EarlyStopping in the trainer's file is not one of EarlyStopping"
    ):
        trainer.fit(*make_data(), callbacks=[fb.EarlyStopping("loss")])


METRICS = [None, [], ["accuracy", "f1", fb.TopKAccuracy(1), "roc_auc", "log_loss"], ["balanced_accuracy", "brier"]]


@pytest.mark.parametrize("metrics", METRICS)
def test_the_sums_of_every_metric_have_their_length(tmp_path, metrics):
    trained(metrics).save(tmp_path / "run")
    trainer = fb.Trainer.load(tmp_path / "run")
    trainer.fit(*make_data())
    assert trainer.history.n_epochs == 3


@pytest.mark.parametrize("loss", ["mse", "binary_cross_entropy", fb.Quantile([0.1, 0.9]), "gaussian_nll", "hinge"])
def test_the_sums_of_every_loss_have_their_length(tmp_path, loss):
    X, y = make_data()
    last = "sigmoid" if loss == "binary_cross_entropy" else "linear"
    trainer = fb.Trainer(fb.Model([fb.Dense(2, last)], inputs=7), loss, batch_size=20)
    n_targets = trainer.loss.n_targets(2)
    Y = np.column_stack([y, 1 - y][:n_targets])
    trainer.fit(X, Y, callbacks=[StopAtStep(5)])
    trainer.save(tmp_path / "run")
    fb.Trainer.load(tmp_path / "run").fit(X, Y)


def header_of(path):
    contents = path.read_bytes()
    length = struct.unpack("<Q", contents[:8])[0]
    return json.loads(contents[8 : 8 + length]), contents[8 + length :]


def write(path, header, data):
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


@pytest.mark.parametrize("old", [False, True])
def test_the_same_bytes_as_numbers_of_another_dtype(tmp_path, old):
    """Version 0.1.0 had no digest of the dtypes: the model's dtype tells."""
    model = fb.Model([fb.Dense(5, "relu"), fb.Dense(2)], inputs=3)
    for thing, load in [(model, fb.Model.load), (fb.Ensemble([model]), fb.Ensemble.load)]:
        thing.save(tmp_path / "file")
        header, data = header_of(tmp_path / "file")
        for name, described in header.items():
            if name != "__metadata__":
                described["dtype"] = "I32"
        if old:
            inner = json.loads(header["__metadata__"]["fastbp"])
            del inner["sha256_of_arrays"]
            header["__metadata__"]["fastbp"] = json.dumps(inner)
        write(tmp_path / "file", header, data)
        sentence = "the model is of float32, and an array of its weights of int32" if old else "contents were altered"
        with pytest.raises(ValueError, match=sentence):
            load(tmp_path / "file")


def test_the_same_bytes_in_another_shape(tmp_path):
    fb.Model([fb.Dense(6)], inputs=6).save(tmp_path / "file")
    header, data = header_of(tmp_path / "file")
    header["layers.0.W"]["shape"] = [36, 1]
    write(tmp_path / "file", header, data)
    with pytest.raises(ValueError, match="contents were altered"):
        fb.Model.load(tmp_path / "file")


@pytest.mark.parametrize("kind", ["BF16", "F8_E4M3", "F8_E5M2", "C64", "X", 5, None, []])
def test_dtypes_that_are_not_read(tmp_path, kind):
    fb.Model([fb.Dense(2)], inputs=3).save(tmp_path / "file")
    header, data = header_of(tmp_path / "file")
    header["layers.0.b"]["dtype"] = kind
    write(tmp_path / "file", header, data)
    with pytest.raises(ValueError, match="is damaged, truncated or in another format"):
        fb.Model.load(tmp_path / "file")


def nested(depth):
    layer = fb.Dense(4).to_config()
    for _ in range(depth):
        layer = {"type": "residual", "layers": [layer]}
    return layer


@pytest.mark.parametrize("depth", [101, 150, 300, 3000, 100_000])
def test_layers_one_in_another_without_end(tmp_path, depth):
    config = {"inputs": 4, "dtype": "float32", "seed": 0, "layers": [nested(depth)]}
    with pytest.raises(ValueError, match=r"10[01] Residual layers one in another"):
        fb.Model.from_config(config, [np.zeros((4, 4)), np.zeros(4)])
    if depth > 1000:
        return  # Python writes no JSON of it
    model = fb.Model([fb.Dense(4)], inputs=4)
    model.save(tmp_path / "file")
    header, data = header_of(tmp_path / "file")
    inner = json.loads(header["__metadata__"]["fastbp"])
    inner["model"] = config
    header["__metadata__"]["fastbp"] = json.dumps(inner)
    write(tmp_path / "file", header, data)
    with pytest.raises(ValueError, match="is not a model file of fastbp"):
        fb.Model.load(tmp_path / "file")


def test_a_hundred_layers_one_in_another_are_a_model(tmp_path):
    layer = fb.Dense(4)
    for _ in range(100):
        layer = fb.Residual([layer])
    model = fb.Model([layer], inputs=4)
    model.save(tmp_path / "file")
    loaded = fb.Model.load(tmp_path / "file")
    assert (loaded.predict([[1, 2, 3, 4]]) == model.predict([[1, 2, 3, 4]])).all()
    assert repr(loaded) == repr(model)
    with pytest.raises(ValueError, match="layers has 101 Residual layers one in another; expected 100 at most"):
        fb.Residual([layer])


def test_sizes_beyond_64_bits():
    with pytest.raises(ValueError, match=r"the model has 2,305,843,009,213,693,952 weights; expected .* at most"):
        fb.Model([fb.Dense(2**30)], inputs=2**31 - 1)
    with pytest.raises(ValueError, match=r"the tables have .* features together; expected 2,147,483,647 at most"):
        fb.Model([fb.Dense(2)], inputs=fb.Tabular(2, [2**24] * 9, [2**31 - 1] * 9))
    config = {"inputs": 2**31 - 1, "dtype": "float64", "seed": 0, "layers": [fb.Dense(2**30).to_config()]}
    with pytest.raises(ValueError, match=r"weights\[0\], W of layer 0, has shape"):
        fb.Model.from_config(config, [np.zeros((1, 1)), np.zeros(1)])


def test_a_file_that_others_wrote_in_the_format(tmp_path):
    """Tensors in any order of the header, as long as they lie side by side."""
    model = fb.Model([fb.Dense(5, "relu"), fb.Dense(2)], inputs=3)
    model.save(tmp_path / "file")
    header, data = header_of(tmp_path / "file")
    write(tmp_path / "other", dict(reversed(header.items())), data)
    assert (fb.Model.load(tmp_path / "other").get_weights()[0] == model.get_weights()[0]).all()
    save_file({"x": np.zeros(3)}, tmp_path / "foreign")
    with pytest.raises(ValueError, match="without the entry 'fastbp'"):
        fb.Model.load(tmp_path / "foreign")


def test_a_column_that_is_named_twice(tmp_path):
    """Found by name, its numbers would be read in place of another column's."""
    pandas = pytest.importorskip("pandas")
    X, y = make_data()
    model = fb.Model([fb.Dense(2, "softmax")], prepare=fb.Columns())
    trainer = fb.Trainer(model, "cross_entropy")
    trainer.fit(pandas.DataFrame(X[:, :2], columns=["a", "b"]), y)
    trainer.save(tmp_path / "run")
    rewrite(tmp_path / "run", set_at("model", "preparing", "inputs", "names", value=["a", "a", "b"]))
    with pytest.raises(ValueError, match=r"names is .*; expected 2 names"):
        fb.Trainer.load(tmp_path / "run")


@pytest.mark.parametrize("best", ["low", None, 3, float("nan")])
def test_a_schedule_s_best_loss_is_a_number(best):
    memory = {"factor": 0.5, "best": 0.25, "n_bad": 2}
    assert _memory_from(memory) == PlateauMemory(0.5, 0.25, 2)
    with pytest.raises(TypeError, match=r"best is .*; expected a number"):
        _memory_from(memory | {"best": best})
