"""A disk that becomes full while something is saved: the error names the file, and the former file stays.

Two ways to have one: a limit of the size of a file, which every POSIX system has, and a small file system of the test's
own, which Linux lets root mount.
"""

import contextlib
import os
import re
import subprocess
import sys

import numpy as np
import pytest

import fastbp as fb
from fastbp.cli import main

pytestmark = [
    pytest.mark.campaign,
    pytest.mark.skipif(os.name != "posix", reason="POSIX has limits of a file's size"),
]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 20)).astype("float32")
y = RNG.integers(0, 3, size=200)


def make_model(seed=1):
    return fb.Model([fb.Dense(60, "relu"), fb.Dense(3, "softmax")], inputs=20, seed=seed)


def make_trainer(seed=1):
    return fb.Trainer(make_model(seed), "cross_entropy", "adam", batch_size=50, seed=seed)


# ---- What is saved: functions of the seed, which return a function that writes to a path ----


def model(seed):
    return make_model(seed).save


def ensemble(seed):
    return fb.Ensemble([make_model(seed), make_model(seed + 5)]).save


def trainer(seed):
    made = make_trainer(seed)
    made.fit(X, y)
    return made.save


def checkpoint(seed):
    return lambda path: make_trainer(seed).fit(X, y, callbacks=fb.Checkpoint(path))


def tabular_estimator(seed):
    pytest.importorskip("sklearn")
    from fastbp.sklearn import TabularRegressor

    return TabularRegressor(epochs=1, n_bags=2, refit=False, random_state=seed).fit(X, X[:, 0] * seed).save


def picture(seed):
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    from fastbp.support.plot_style import save_picture

    figure = Figure()
    figure.subplots().plot(range(seed, seed + 9))
    return lambda path: save_picture(figure, path)


def table(suffix):
    def of_seed(seed):
        pandas = pytest.importorskip("pandas")
        from fastbp.commands.tables import write_table

        frame = pandas.DataFrame(RNG.normal(size=(500, 4)), columns=["a", "b", "c", "d"])
        return lambda path: write_table(frame, path.with_name(path.name + suffix))

    of_seed.__name__ = f"table{suffix}"
    return of_seed


SLOW = [pytest.param(each, marks=pytest.mark.slow) for each in (tabular_estimator, picture)]
FILES = [model, ensemble, trainer, checkpoint, *SLOW]
TABLES = [table(s) for s in (".csv", ".csv.gz", ".csv.zip", ".tsv", ".parquet", ".feather", ".jsonl", ".npy")]


# ---- What is full ----


@contextlib.contextmanager
def largest_file(n_bytes):
    """No file may become larger: as a disk that is full then, with another number of the error."""
    import resource

    former = resource.getrlimit(resource.RLIMIT_FSIZE)  # Python ignores the signal SIGXFSZ
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    with contextlib.suppress(OSError):
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)], capture_output=True)
        if mounted.returncode == 0:
            yield place
            subprocess.run(["umount", str(place)], check=True)
            return
    pytest.skip("a file system can be mounted by root of Linux only")


def contents(folder):
    return {entry.name: (folder / entry.name).read_bytes() for entry in os.scandir(folder)}


def must_fail(write, path):
    """The error names the file as the caller does."""
    from fastbp.commands.errors import CommandError

    with pytest.raises((OSError, CommandError)) as caught:
        write(path)
    assert repr(str(path))[:-1] in str(caught.value), str(caught.value)  # a table's has an extension besides


@pytest.mark.parametrize("of_seed", [*FILES, *TABLES], ids=lambda each: each.__name__)
def test_a_file_that_may_not_become_large_leaves_the_former_one(tmp_path, of_seed):
    former, latter = of_seed(1), of_seed(2)
    former(tmp_path / "file")
    before = contents(tmp_path)
    (size,) = map(len, before.values())
    for limit in (0, 1, size // 2, size - 500):
        with largest_file(limit):
            must_fail(latter, tmp_path / "file")
        assert contents(tmp_path) == before
    latter(tmp_path / "file")
    assert contents(tmp_path).keys() == before.keys()
    assert contents(tmp_path) != before


@pytest.mark.parametrize("of_seed", [*FILES, *TABLES], ids=lambda each: each.__name__)
def test_a_file_that_is_new_is_not_there_in_part(tmp_path, of_seed):
    write = of_seed(1)
    with largest_file(300):
        must_fail(write, tmp_path / "file")
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    "of_seed",
    [model, ensemble, trainer, checkpoint, SLOW[1], table(".csv"), table(".xlsx")],
    ids=lambda each: each.__name__,
)
@pytest.mark.parametrize("n_left", [0, 4096])
def test_a_disk_that_is_full(small_disk, of_seed, n_left):
    former, latter = of_seed(1), of_seed(2)
    former(small_disk / "file")
    left = os.statvfs(small_disk)
    (small_disk / "ballast").write_bytes(bytes(left.f_bavail * left.f_frsize - n_left))
    before = contents(small_disk)
    must_fail(latter, small_disk / "file")
    assert contents(small_disk) == before
    (small_disk / "ballast").unlink()
    latter(small_disk / "file")
    assert contents(small_disk).keys() == before.keys() - {"ballast"}


# ---- What grows in place ----


@pytest.mark.parametrize("limit", range(60, 400, 17))
def test_a_log_holds_whole_rows(tmp_path, limit):
    path = tmp_path / "log.csv"
    trained = make_trainer()
    with largest_file(limit), pytest.raises(OSError, match=r"'.*log\.csv'"):
        trained.fit(X, y, epochs=30, callbacks=fb.CSVLogger(path))
    cut = path.read_bytes()
    done = trained.history.n_epochs
    trained.fit(X, y, epochs=1, callbacks=fb.CSVLogger(path))  # once there is room, all of it
    whole = path.read_bytes()
    assert whole.startswith(cut) and cut[-1:] in (b"\n", b"")
    assert cut.count(b"\n") == (done if done > 1 else 0)  # a heading, and a row of every epoch but the one that failed
    assert whole.count(b"\n") == 1 + done + 1


def test_checkpoints_that_fail_are_not_counted(tmp_path):
    """The former ones stay, and are removed when their time has come."""
    saving = fb.Checkpoint(tmp_path / "c.ckpt", keep=2)
    trained = make_trainer()
    trained.fit(X, y, epochs=3, callbacks=saving)
    before = contents(tmp_path)
    with largest_file(1000), pytest.raises(OSError, match=r"c-000000016\.ckpt"):
        trained.fit(X, y, callbacks=saving)
    assert contents(tmp_path) == before
    assert {file.name for file in saving.files} == before.keys()
    trained.fit(X, y, callbacks=saving)
    assert sorted(contents(tmp_path)) == ["c-000000012.ckpt", "c-000000020.ckpt"]


# ---- Commands ----


@pytest.fixture
def data(tmp_path, monkeypatch):
    pandas = pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    pandas.DataFrame(X[:, :3], columns=["a", "b", "c"]).to_csv("data.csv", index=False)


def train(*arguments):
    small = ["--target", "c", "--quiet", "--epochs", "2", "--hidden", "8"]
    return main(["train", "data.csv", *small, "--out", "model", *arguments])


@pytest.mark.slow
def test_commands_say_which_file_could_not_be_written(data, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    with largest_file(500):
        assert train() == 1
    assert "fastbp: 'model' cannot be written: File too large" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["data.csv"]
    with largest_file(12_000):
        assert train("--report", "page.html") == 1
    assert "'page.html' cannot be written: File too large" in capsys.readouterr().err
    assert sorted(os.listdir(tmp_path)) == ["data.csv", "model"]
    with largest_file(100):
        assert main(["predict", "model", "data.csv", "--out", "out.parquet"]) == 1
    assert "'out.parquet' cannot be written: File too large" in capsys.readouterr().err
    assert sorted(os.listdir(tmp_path)) == ["data.csv", "model"]


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize("command", [["info"], ["predict", "model", "data.csv", "--out", "-"], ["inspect", "data.csv"]])
def test_an_output_that_is_full_is_said_in_a_sentence(data, command):
    model = fb.Model([fb.Dense(1)], inputs=3)
    model.metadata = {"target": "c", "task": "regression", "classes": None}
    model.save("model")
    code = f"import sys; from fastbp.cli import main; sys.exit(main({command!r}))"
    with open("/dev/full", "wb") as full:
        done = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True)
    assert re.fullmatch(r"fastbp: the output cannot be (read or )?written: No space left on device\n", done.stderr)
    assert done.returncode == 1
