"""Files of models, trainers and ensembles, and changes of what is in them."""

import copy
import json
import struct

import numpy as np
import pandas as pd

import fastbp as fb
from fastbp.support import safetensors_file
from fastbp.support.safetensors_format import read_tensors, write_tensors

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 5))
y = (X[:, 0] > 0).astype(int)
COLUMNS = pd.DataFrame({"a": X[:, 0], "b": np.array(["u", "v", "w"] * 40), "c": X[:, 2]})
CODED = np.column_stack([X[:, 0], np.arange(120) % 3, np.arange(120) % 4])

KINDS = {"trainer": safetensors_file.TRAINER, "model": safetensors_file.MODEL, "ensemble": safetensors_file.ENSEMBLE}
LOAD = {"trainer": fb.Trainer.load, "model": fb.Model.load, "ensemble": fb.Ensemble.load}

VALUES = [
    *(None, True, False, 0, 1, -1, 2, 3, 0.5, -0.5, 1e308, float("inf"), float("nan")),
    *(2**31 - 1, 2**31, 2**53, 2**63, 2**64, 10**400, -(10**400)),
    *("", "x", "1", "nan", "adam", "dense", "ä\ud800"),
    *([], {}, [1], [[1]], [None] * 3, {"a": 1}, {"name": "adam"}, {"name": []}),
    *({"type": "residual", "layers": []}, {"$tensor": "unfinished"}),
]
NUMBERS = [float("nan"), float("inf"), 1e38, -1e30]
DTYPES = ["f2", "f4", "f8", "i4", "i8", "u1", "?"]


class StopAt(fb.Callback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, trainer, figures):
        if figures["step"] == self.step:
            trainer.stop()


def rich_trainer():
    """A trainer with something of everything, in the middle of an epoch."""
    layers = [fb.Dense(6, "relu", l2=0.1, max_norm=2.0), fb.BatchNorm()]
    layers += [fb.Residual([fb.Dense(6, "prelu"), fb.LayerNorm()]), fb.Dropout(0.2), fb.Dense(2, "softmax")]
    trainer = fb.Trainer(
        fb.Model(layers, inputs=5),
        "cross_entropy",
        fb.AdamW(fb.CosineDecay(0.02, 80, per="step"), weight_decay=0.01),
        batch_size=16,
        averaging=fb.EMA(0.9),
        metrics=["accuracy", "f1", "roc_auc"],
        learning_rate_factors={0: 0.5},
        clip_norm=1.0,
        n_threads=1,
    )
    trainer.fit(X, y, epochs=2, validation_data=(X, y), callbacks=[fb.EarlyStopping()])
    trainer.fit(X, y, callbacks=[StopAt(18)])
    trainer.model.metadata = {"classes": ["a", "b"], "n": [1, {"x": 2.5}]}
    return trainer


def prepared_trainer():
    model = fb.Model([fb.Dense(4, "tanh"), fb.Dense(1)], prepare=fb.Columns(), prepare_targets=fb.Standardize())
    optimizer = fb.SGD(fb.Plateau(0.05, patience=1), momentum=0.9)
    trainer = fb.Trainer(model, "mse", optimizer, n_threads=1)
    trainer.fit(COLUMNS, X[:, 1], epochs=3)
    return trainer


def make_files(folder):
    """Name to (kind, path, the data that it is used with)."""
    rich, prepared = rich_trainer(), prepared_trainer()
    tabular = fb.Model([fb.Dense(4, "tanh"), fb.Dense(3, "softmax")], inputs=fb.Tabular(1, [3, 4], [2, 3]))
    members = [fb.Model([fb.Dense(3, "relu"), fb.Dense(1)], inputs=5, seed=seed) for seed in range(3)]
    made = {
        "rich trainer": ("trainer", rich, (X, y)),
        "rich model": ("model", rich.model, X),
        "prepared trainer": ("trainer", prepared, (COLUMNS, X[:, 1])),
        "prepared model": ("model", prepared.model, COLUMNS),
        "tabular model": ("model", tabular, CODED),
        "ensemble": ("ensemble", fb.Ensemble(members), X),
    }
    files = {}
    for name, (kind, object_, data) in made.items():
        path = folder / name
        object_.save(path)
        files[name] = kind, path, data
    return files


# ---- Changes ----


def places(value, place=()):
    yield place
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], place + (key,))
    elif isinstance(value, list):
        for i in range(len(value)):
            yield from places(value[i], place + (i,))


def at(value, place):
    for key in place:
        value = value[key]
    return value


def other_number(rng, number):
    others = [number + 1, number - 1, -number, number * 2, number * 10**6, str(number), [number]]
    return rng.choice(others)


def change_one(rng, description):
    """Change one entry in place; return what was done."""
    inner = [place for place in places(description) if place]
    if not inner:
        return "nothing to change"
    place = rng.choice(inner)
    owner, key = at(description, place[:-1]), place[-1]
    way = rng.choice(["remove", "value", "number", "rename", "repeat", "copy"])
    if way == "remove":
        del owner[key]
    elif way == "number" and isinstance(owner[key], (int, float)) and not isinstance(owner[key], bool):
        owner[key] = other_number(rng, owner[key])
    elif way == "rename" and isinstance(owner, dict):
        owner[rng.choice(["x", "name", "type", f"{key}x"])] = owner.pop(key)
    elif way == "repeat" and isinstance(owner, list):
        owner.insert(key, copy.deepcopy(owner[key]))
    elif way == "copy":
        owner[key] = copy.deepcopy(at(description, rng.choice(inner)))
    else:
        owner[key] = copy.deepcopy(rng.choice(VALUES))
        way = f"{owner[key]!r:.40}"
    return f"{'.'.join(map(str, place))}: {way}"


def changed_description(rng, description, done):
    description = copy.deepcopy(description)
    done.extend(change_one(rng, description) for _ in range(rng.choice([1, 1, 1, 2, 4])))
    return description


def changed_tensor(rng, array, done):
    way = rng.choice(["dtype", "flat", "short", "number", "other"])
    done.append(way)
    if way == "dtype":
        with np.errstate(all="ignore"):
            return array.astype(rng.choice(DTYPES))
    if way == "flat":
        return array.reshape(-1)
    if way == "short":
        return array[:-1] if array.ndim else array
    if way == "number":
        array = np.array(array)
        array.reshape(-1)[:1] = rng.choice(NUMBERS) if array.dtype == "f4" else 0
        return array
    return np.zeros((3, 3), "f4")


def changed_tensors(rng, tensors, done):
    tensors = dict(tensors)
    for _ in range(rng.choice([1, 1, 2])):
        name = rng.choice(list(tensors))
        done.append(name)
        if rng.random() < 0.15:
            del tensors[name]
        elif rng.random() < 0.15:
            tensors[name + "x"] = tensors.pop(name)
        else:
            tensors[name] = changed_tensor(rng, tensors[name], done)
        if not tensors:
            break
    return tensors


# ---- Files with the changes ----


def contents(path):
    """The header of the package, and the tensors by name."""
    with open(path, "rb") as file:
        metadata, tensors = read_tensors(file, path.stat().st_size)
    header = json.loads(metadata["fastbp"])
    names = header.get("names") or [f"layers.{i // 2}.{'Wb'[i % 2]}" for i in range(len(tensors))]
    return header, {name: tensors[name] for name in names}


def with_new_digests(rng, kind, path, out, done):
    """What only one who computes the digests can write: the changes are found by what is in the file."""
    header, tensors = contents(path)
    description = header[kind]
    if rng.random() < 0.85:
        description = changed_description(rng, description, done)
    if rng.random() < 0.5 or not done:
        tensors = changed_tensors(rng, tensors, done)
    try:
        safetensors_file.write_file(out, KINDS[kind], description, tensors)
    except (TypeError, ValueError, OverflowError):  # JSON cannot hold the change
        with_flipped_bytes(rng, kind, path, out, done)


def with_another_header(rng, kind, path, out, done):
    """The format's own header: places, dtypes, shapes, and the length of the header."""
    raw = path.read_bytes()
    length = struct.unpack("<Q", raw[:8])[0]
    text = json.dumps(changed_description(rng, json.loads(raw[8 : 8 + length]), done)).encode()
    said = len(text) if rng.random() < 0.9 else rng.choice([0, 2**63, len(text) + 5, len(text) - 1])
    done.append(f"a header of {len(text)} bytes that says {said}")
    out.write_bytes(struct.pack("<Q", said) + text + raw[8 + length :])


def with_other_metadata(rng, kind, path, out, done):
    header, tensors = contents(path)
    text = json.dumps(changed_description(rng, header, done))
    with open(out, "wb") as file:
        write_tensors(file, tensors, {"fastbp": text})


def with_flipped_bytes(rng, kind, path, out, done):
    raw = bytearray(path.read_bytes())
    for _ in range(rng.choice([1, 1, 3, 10])):
        raw[rng.randrange(len(raw))] = rng.randrange(256)
    if rng.random() < 0.3:
        raw = raw[: rng.randrange(len(raw))]
    done.append(f"bytes changed, {len(raw)} of them")
    out.write_bytes(raw)


WAYS = [with_new_digests] * 7 + [with_another_header, with_other_metadata, with_flipped_bytes]
