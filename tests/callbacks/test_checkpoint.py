"""A run that is cut off and taken up again ends with the same bits; a file is complete, or it is the one before."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import fastbp as fb

DATA = Path(__file__).resolve().parents[1] / "data"
N_EPOCHS = 6


def make_data(n=230):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 7)).astype(np.float32)
    return X, (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int) + (X[:, 3] > 1)


def make_trainer(n_threads=1, **options):
    layers = [fb.Dense(16, "relu"), fb.BatchNorm(), fb.Dropout(0.2), fb.Dense(3, "softmax")]
    arguments = dict(
        loss="cross_entropy",
        optimizer=fb.AdamW(fb.CosineDecay(0.02, 80, per="step"), weight_decay=0.01),
        batch_size=20,
        averaging=fb.EMA(0.9),
        clip_norm=1.0,
        seed=3,
    )
    return fb.Trainer(fb.Model(layers, inputs=7, seed=1), n_threads=n_threads, **(arguments | options))


OPTIONS = [
    {},
    {"optimizer": fb.SGD(0.1, momentum=0.9), "averaging": "swa", "clip_norm": None, "accumulate": 3},
    {"optimizer": fb.Adam(fb.Plateau(0.05, patience=0, min_delta=0.2), amsgrad=True), "shuffle": False},
    {"optimizer": "rmsprop", "learning_rate_factors": {0: 0.5}, "averaging": None, "clip_norm": None},
    {"optimizer": fb.NAdam(0.01), "loss": fb.CrossEntropy(0.1), "clip_norm": None, "clip_array_norm": 0.5},
]


def weights_of(trainer):
    return trainer.model.get_weights() + (trainer.averaged_model().get_weights() if trainer.averaging else [])


def assert_alike(trainer, wanted):
    """Weights, averages and figures to the bit; only what training took is another matter."""
    assert trainer.n_steps == wanted.n_steps
    for a, b in zip(weights_of(trainer), weights_of(wanted), strict=True):
        assert a.tobytes() == b.tobytes()
    figures, others = dict(trainer.history), dict(wanted.history)
    for name in figures.keys() - {"seconds"}:
        np.testing.assert_array_equal(figures[name], others[name])
    assert figures.keys() == others.keys()


class StopAtStep(fb.Callback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, trainer, figures):
        if figures["step"] == self.step:
            trainer.stop()


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("step", [1, 11, 12, 13, 30, 47])
def test_a_run_cut_off_anywhere_goes_on_to_the_same_bits(options, step, tmp_path):
    X, y = make_data()
    wanted = make_trainer(**options)
    wanted.fit(X, y, epochs=N_EPOCHS, validation_data=(X, y))
    trainer = make_trainer(n_threads=3, **options)
    trainer.fit(X, y, epochs=N_EPOCHS, validation_data=(X, y), callbacks=[StopAtStep(step)])
    trainer.save(tmp_path / "run")
    resumed = fb.Trainer.load(tmp_path / "run", n_threads=2)
    assert resumed.n_steps == trainer.n_steps
    assert repr(resumed) == repr(trainer).replace("n_threads=3", "n_threads=2")
    left = N_EPOCHS - resumed.history.n_epochs
    resumed.fit(X, y, epochs=left, validation_data=(X, y))
    assert_alike(resumed, wanted)


def test_in_one_process_fit_goes_on_with_the_epoch_it_was_stopped_in():
    X, y = make_data()
    wanted, trainer = make_trainer(), make_trainer()
    wanted.fit(X, y, epochs=2)
    trainer.fit(X, y, callbacks=[StopAtStep(5)])
    assert (trainer.n_steps, trainer.history.n_epochs, trainer.stop_reason) == (5, 0, "stopped")
    trainer.fit(X, y, epochs=2)
    assert_alike(trainer, wanted)


def test_an_unfinished_epoch_of_other_data_is_forgotten():
    X, y = make_data()
    trainer = make_trainer()
    trainer.fit(X, y, callbacks=[StopAtStep(5)])
    trainer.fit(X[:200], y[:200])
    assert (trainer.n_steps, trainer.history.n_epochs) == (15, 1)


def test_callbacks_go_on_from_a_file(tmp_path):
    """Early stopping counts on, and goes back to weights that were the best before the file was written."""
    X, y = make_data()
    shuffled = np.random.default_rng(1).permutation(y)  # nothing to be learned: the first epochs are the best
    fit = dict(epochs=40, validation_data=(X, shuffled))
    wanted = make_trainer()
    early = fb.EarlyStopping(patience=8)
    wanted.fit(X, y, callbacks=[early], **fit)
    assert wanted.stop_reason == "stopped"
    assert early.best_epoch < early.stopped_epoch - 3

    path = tmp_path / "run.ckpt"
    trainer = make_trainer()
    at = early.stopped_epoch - 2

    def fail(trainer, figures):
        if figures["epoch"] == at + 1:
            raise RuntimeError("power failure")

    with pytest.raises(RuntimeError, match="power failure"):
        trainer.fit(X, y, callbacks=[fb.Checkpoint(path, every=at), fb.EarlyStopping(patience=8), fail], **fit)
    resumed = fb.Trainer.load(path)
    assert resumed.history.n_epochs == at
    again = fb.EarlyStopping(patience=8)
    resumed.fit(X, y, callbacks=[fb.Checkpoint(path), again], **fit)
    assert (again.best, again.best_epoch, again.stopped_epoch) == (early.best, early.best_epoch, early.stopped_epoch)
    assert_alike(resumed, wanted)


def test_a_callback_of_your_own_is_kept(tmp_path):
    class Counter(fb.Callback):
        def __init__(self):
            self.seen, self.array = [], np.zeros(3)

        def on_epoch_end(self, trainer, figures):
            self.seen.append(figures["loss"])
            self.array += 1

        def get_state(self):
            return {"seen": self.seen, "nested": {"array": self.array, "none": None, "scalar": np.float64(2.5)}}

        def set_state(self, state):
            assert state["nested"]["none"] is None
            assert state["nested"]["scalar"] == 2.5
            self.seen, self.array = list(state["seen"]), state["nested"]["array"]

    X, y = make_data()
    trainer = make_trainer()
    trainer.fit(X, y, epochs=2, callbacks=[Counter(), Counter()])
    trainer.save(tmp_path / "run")
    first, second = Counter(), Counter()
    resumed = fb.Trainer.load(tmp_path / "run")
    resumed.fit(X, y, callbacks=[first, second])
    assert first.seen == second.seen == list(resumed.history["loss"])
    assert (second.array == 3).all()
    third = Counter()
    resumed.fit(X, y, callbacks=[third])  # the file is for the first call
    assert len(third.seen) == 1


def test_what_a_file_cannot_hold_of_a_callback(tmp_path):
    class Odd(fb.Callback):
        def get_state(self):
            return {"thing": object()}

    X, y = make_data()
    trainer = make_trainer()
    with pytest.raises(TypeError, match=r"callbacks\.Odd\.thing is <object .*; expected a number, string, None"):
        trainer.fit(X, y, callbacks=[Odd(), fb.Checkpoint(tmp_path / "run")])
    assert not list(tmp_path.iterdir())


def test_functions_are_given_anew(tmp_path):
    def loss(outputs, targets):
        errors = outputs - targets
        return (errors**2).sum(axis=1), 2 * errors

    def rate(step):
        return 0.01 / (1 + step)

    X = np.random.default_rng(0).normal(size=(50, 2))
    y = X[:, :1] ** 2

    def make():
        model = fb.Model([fb.Dense(8, "tanh"), fb.Dense(1)], inputs=2)
        return fb.Trainer(model, loss, fb.Adam(rate), batch_size=10)

    wanted, trainer = make(), make()
    wanted.fit(X, y, epochs=4)
    trainer.fit(X, y, epochs=2)
    path = tmp_path / "run"
    trainer.save(path)
    with pytest.raises(ValueError, match=r"loss has a function.*fb\.Trainer\.load\(path, loss=\.\.\.\)"):
        fb.Trainer.load(path)
    with pytest.raises(ValueError, match="optimizer has a function"):
        fb.Trainer.load(path, loss=loss)
    resumed = fb.Trainer.load(path, loss=loss, optimizer=fb.Adam(rate))
    resumed.fit(X, y, epochs=2)
    assert_alike(resumed, wanted)
    make_trainer().save(path)
    with pytest.raises(ValueError, match="loss is in it; expected loss=None"):
        fb.Trainer.load(path, loss=loss)


# ---- Checkpoint ----


def test_a_checkpoint_keeps_the_latest(tmp_path):
    X, y = make_data()
    checkpoint = fb.Checkpoint(tmp_path / "run.ckpt", every=2, keep=2)
    make_trainer().fit(X, y, epochs=9, callbacks=[checkpoint])
    names = ["run-000000072.ckpt", "run-000000096.ckpt"]  # 12 steps an epoch
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert [path.name for path in checkpoint.files] == names
    assert [fb.Trainer.load(path).history.n_epochs for path in checkpoint.files] == [6, 8]


def test_files_of_a_run_before_are_counted_and_removed(tmp_path):
    X, y = make_data()
    first = fb.Checkpoint(tmp_path / "run.ckpt", keep=2)
    make_trainer().fit(X, y, epochs=3, callbacks=[first])
    resumed = fb.Trainer.load(first.files[-1])
    resumed.fit(X, y, callbacks=[fb.Checkpoint(tmp_path / "run.ckpt", keep=2)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run-000000036.ckpt", "run-000000048.ckpt"]


def test_all_are_kept(tmp_path):
    X, y = make_data()
    make_trainer().fit(X, y, epochs=3, callbacks=[fb.Checkpoint(tmp_path / "run", keep=None)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run-000000012", "run-000000024", "run-000000036"]


def test_only_the_best(tmp_path):
    X, y = make_data()
    path = tmp_path / "best"
    trainer = make_trainer()
    checkpoint = fb.Checkpoint(path, best_only=True, monitor="loss")
    trainer.fit(X, y, epochs=8, callbacks=[checkpoint])
    losses = fb.Trainer.load(path).history["loss"]
    assert losses[-1] == min(trainer.history["loss"])


def test_inside_an_epoch(tmp_path):
    X, y = make_data(1_000_000)  # in small batches, long enough for a few ticks on any CPU
    path = tmp_path / "run"
    wanted, trainer = make_trainer(batch_size=4), make_trainer(batch_size=4)
    wanted.fit(X, y, epochs=2)
    seen = []

    class Look(fb.Callback):
        def on_tick(self, trainer, figures):
            if path.exists() and 0 < figures["samples"] < len(X):
                seen.append(figures["samples"])
                if len(seen) == 2:
                    raise RuntimeError("power failure")

    with pytest.raises(RuntimeError, match="power failure"):
        trainer.fit(X, y, epochs=100, callbacks=[fb.Checkpoint(path, every=1000, seconds=1e-3), Look()])
    resumed = fb.Trainer.load(path)
    assert resumed.history.n_epochs <= 1
    resumed.fit(X, y, epochs=2 - resumed.history.n_epochs)
    assert_alike(resumed, wanted)


KILLS = """
import os, random, signal, sys, time
import numpy as np
import fastbp as fb

path, n_kills = sys.argv[1], int(sys.argv[2])
rng = np.random.default_rng(0)
X = rng.normal(size=(4000, 7)).astype(np.float32)
y = (X[:, 0] > 0).astype(int)

def make():
    model = fb.Model([fb.Dense(32, "relu"), fb.Dropout(0.1), fb.Dense(2, "softmax")], inputs=7)
    return fb.Trainer(model, "cross_entropy", fb.Adam(1e-3), batch_size=50, averaging="ema", n_threads=1)

def save_now_and_then(trainer, figures):
    if figures["step"] % 7 == 0:
        trainer.save(path)

make().save(path)
random.seed(1)
loaded = -1
for kill in range(n_kills):
    child = os.fork()
    if child == 0:
        save = fb.LambdaCallback(on_step_end=save_now_and_then)
        fb.Trainer.load(path).fit(X, y, epochs=10**6, callbacks=[fb.Checkpoint(path), save])
        os._exit(1)
    time.sleep(random.uniform(0.001, 0.06))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), status
    trainer = fb.Trainer.load(path)  # the old file or the new one, never half
    assert trainer.n_steps >= loaded, (trainer.n_steps, loaded)
    loaded = trainer.n_steps
n_epochs = trainer.history.n_epochs + 1
trainer.fit(X, y)
wanted = make()
wanted.fit(X, y, epochs=n_epochs)
for a, b in zip(trainer.model.get_weights(), wanted.model.get_weights()):
    assert a.tobytes() == b.tobytes()
assert trainer.history["loss"] == wanted.history["loss"]
print(n_kills, "kills", n_epochs, "epochs")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_two_hundred_kills_leave_a_complete_file_and_the_same_bits(tmp_path):
    """kill -9 at any moment, two hundred times: what the last one leaves goes on to the bits of a run never killed."""
    command = [sys.executable, "-c", KILLS, str(tmp_path / "run.ckpt"), "200"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    n_kills, _, n_epochs, *_ = ended.stdout.split()
    assert n_kills == "200"
    assert int(n_epochs) > 1
    assert len(list(tmp_path.iterdir())) <= 2  # what the last one killed was writing, perhaps


# ---- Files from elsewhere ----


@pytest.fixture
def path(tmp_path):
    X, y = make_data()
    trainer = make_trainer()
    trainer.fit(X, y, epochs=2, validation_data=(X, y), callbacks=[fb.EarlyStopping()])
    trainer.fit(X, y, callbacks=[StopAtStep(30)])
    trainer.save(tmp_path / "run")
    return tmp_path / "run"


def test_every_truncation_is_noticed(path, tmp_path):
    whole = path.read_bytes()
    for length in [*range(0, len(whole), 997), len(whole) - 1]:
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(ValueError, match="is not a trainer file of fastbp"):
            fb.Trainer.load(tmp_path / "cut")


def test_altered_bytes_are_noticed(path, tmp_path):
    whole = bytearray(path.read_bytes())
    for place in np.random.default_rng(0).integers(8, len(whole), 100):
        altered = bytearray(whole)
        altered[place] ^= 1 << int(place) % 8
        (tmp_path / "altered").write_bytes(altered)
        with pytest.raises(ValueError, match="is not a trainer file of fastbp"):
            fb.Trainer.load(tmp_path / "altered")


def rewrite(path, change):
    """Rewrite a file as someone would who knows how the digest is made."""
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


@pytest.mark.parametrize(
    "change",
    [
        set_at("n_steps", value=-1),
        set_at("n_steps", value="many"),
        set_at("rate_scale", value=0),
        set_at("loss", "name", value="nothing"),
        set_at("loss", value=None),
        set_at("optimizer", value={"name": "adam", "learning_rate": {"name": "nothing"}}),
        set_at("optimizer", "name", value="sgd"),
        set_at("options", "batch_size", value=0),
        set_at("options", "unknown", value=0),
        set_at("history", "n_epochs", value=10**6),
        set_at("history", "figures", value=[]),
        set_at("unfinished", value=[230, 231, 5.0, 0.1]),
        set_at("unfinished", value=[230, -20, 5.0, 0.1]),
        set_at("unfinished", value=[230, 20]),
        set_at("callbacks", "EarlyStopping", value={"x": {"$tensor": "nothing"}}),
        set_at("model", "inputs", value=10**9),
        set_at("averaging", value={"name": "ema", "decay": 2}),
        set_at("averaging", value=5),
        lambda description, tensors: tensors.pop("model.layers.0.W"),
        lambda description, tensors: tensors.pop("averages.0"),
        lambda description, tensors: tensors.pop("unfinished"),
        lambda description, tensors: tensors.update({"unfinished": np.zeros(2, np.int32)}),
        lambda description, tensors: tensors.pop(next(name for name in tensors if name.startswith("optimizer."))),
        lambda description, tensors: tensors.update({"optimizer.nothing.0.W": np.zeros(2)}),
        lambda description, tensors: tensors.update(
            {name: np.zeros(1, np.float32) for name in tensors if name.startswith("optimizer.")}
        ),
    ],
)
def test_files_made_up_by_others(path, change):
    rewrite(path, change)
    with pytest.raises(ValueError, match="is not a trainer file of fastbp"):
        fb.Trainer.load(path)


def test_files_of_another_kind(path, tmp_path):
    with pytest.raises(ValueError, match=r"it holds a trainer: load it with fb\.Trainer\.load"):
        fb.Model.load(path)
    make_trainer().model.save(tmp_path / "model")
    with pytest.raises(ValueError, match=r"it holds a model: load it with fb\.Model\.load"):
        fb.Trainer.load(tmp_path / "model")
    save_file({"a": np.zeros(3)}, tmp_path / "foreign")
    with pytest.raises(ValueError, match="without the entry 'fastbp'"):
        fb.Trainer.load(tmp_path / "foreign")
    with pytest.raises(FileNotFoundError):
        fb.Trainer.load(tmp_path / "missing")


def test_a_layout_of_tomorrow(path):
    with safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()["fastbp"])
    save_file(load_file(path), path, metadata={"fastbp": json.dumps(header | {"layout": 2})})
    with pytest.raises(ValueError, match="its layout is version 2, and this fastbp knows version 1: update fastbp"):
        fb.Trainer.load(path)


def test_a_file_of_today_loads_tomorrow(isa):
    """Written by version 0.1.0 after two epochs and seven steps, on AVX2 kernels; kept here as it was."""
    trainer = fb.Trainer.load(DATA / "trainer-0.1.0.ckpt")
    assert trainer.history.n_epochs == 2
    assert trainer.n_steps == 2 * 12 + 7
    expected = np.load(DATA / "trainer-0.1.0.npz")
    for i, weight in enumerate(trainer.model.get_weights()):
        assert (weight == expected[f"w{i}"]).all()
    X, y = make_data()
    early = fb.EarlyStopping("loss")
    trainer.fit(X, y, callbacks=[early])
    assert trainer.n_steps == 3 * 12
    assert early.best_epoch == 3
    # Another CPU rounds otherwise; another instruction set drops others out too, in the last five steps.
    rtol = 1e-3 if isa == "avx2" else 0.02
    np.testing.assert_allclose(trainer.history["loss"], expected["losses"], rtol=rtol)


def test_a_file_left_by_a_killed_process_is_removed(tmp_path):
    child = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    left = tmp_path / f"run[1].{child.stdout.strip()}.part"
    mine = tmp_path / f"run[1].{os.getppid()}.part"
    others = [tmp_path / "run[1].notes.part", tmp_path / "run1.999999.part"]
    for file in [left, mine, *others]:
        file.write_bytes(b"x")
    make_trainer().save(tmp_path / "run[1]")
    assert not left.exists()
    assert all(file.exists() for file in [mine, *others])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((5,), "path is 5; expected the name of a file"),
        (("run", 0), "every is 0; expected an integer of 1 or more"),
        (("run", 1, 0), "keep is 0; expected an integer of 1 or more. None keeps all files."),
        (("run", 1, 1, "yes"), "best_only is 'yes'; expected True or False"),
        (("run", 1, 1, True, 5), "monitor is 5; expected the name of a figure"),
        (("run", 1, 1, True, "loss", "up"), "mode is 'up'; expected 'auto', 'min' or 'max'"),
        (("run", 1, 1, False, "loss", "auto", 0), "seconds is 0; expected a finite number above 0"),
        (("run", 1, 1, True, "loss", "auto", 5), "seconds is 5 and best_only is True; expected one of them"),
    ],
)
def test_bad_arguments(arguments, sentence):
    with pytest.raises((TypeError, ValueError)) as error:
        fb.Checkpoint(*arguments)
    assert sentence in str(error.value)


def test_a_place_where_nothing_can_be_written(tmp_path):
    with pytest.raises(OSError, match=r"nowhere"):
        make_trainer().save(tmp_path / "nowhere" / "run")
