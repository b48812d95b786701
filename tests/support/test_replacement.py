"""Every file that this library writes replaces what was there as a whole, and leaves the place what it was."""

import os
import stat
import subprocess
import sys
import threading

import pytest

import fastbp as fb
from fastbp.support.replacement import NoRegularFileError, open_regular, replace_file

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX has modes, links and pipes")

X, Y = [[0.0], [1.0]], [1.0, 2.0]


def make_model():
    return fb.Model([fb.Dense(2)], inputs=1)


def save_model(path):
    make_model().save(path)


def save_ensemble(path):
    fb.Ensemble([make_model()]).save(path)


def save_trainer(path):
    fb.Trainer(make_model(), "mse").save(path)


def checkpoint(path):
    fb.Trainer(fb.Model([fb.Dense(1)], inputs=1), "mse").fit(X, Y, epochs=2, callbacks=fb.Checkpoint(path))


def log(path):
    fb.Trainer(fb.Model([fb.Dense(1)], inputs=1), "mse").fit(X, Y, epochs=2, callbacks=fb.CSVLogger(path))


WAYS = [save_model, save_ensemble, save_trainer, checkpoint, log]
each_way = pytest.mark.parametrize("save", WAYS, ids=lambda way: way.__name__)


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@posix
@each_way
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o604])
def test_a_file_keeps_its_mode(tmp_path, save, mode):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(mode)
    save(path)
    assert mode_of(path) == mode
    assert path.stat().st_size > 10


@posix
@each_way
def test_a_new_file_has_the_usual_mode(tmp_path, save):
    (tmp_path / "usual").write_bytes(b"")
    save(tmp_path / "file")
    assert mode_of(tmp_path / "file") == mode_of(tmp_path / "usual")
    assert sorted(os.listdir(tmp_path)) == ["file", "usual"]


@posix
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
@each_way
def test_a_file_keeps_its_owner(tmp_path, save):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    os.chown(path, 12345, 54321)
    path.chmod(0o640)
    save(path)
    assert (path.stat().st_uid, path.stat().st_gid, mode_of(path)) == (12345, 54321, 0o640)


@posix
@each_way
def test_links_are_written_through(tmp_path, save):
    (tmp_path / "there").mkdir()
    target = tmp_path / "there" / "target"
    target.write_bytes(b"old")
    (tmp_path / "between").symlink_to(os.path.join("there", "target"))
    (tmp_path / "link").symlink_to("between")
    save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "between").is_symlink()
    assert not target.is_symlink()
    assert target.stat().st_size > 10
    assert os.listdir(tmp_path / "there") == ["target"]


@posix
@each_way
def test_a_link_to_nothing_makes_its_target(tmp_path, save):
    (tmp_path / "link").symlink_to("new")
    save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "new").stat().st_size > 10


@posix
@each_way
def test_links_in_a_circle_are_an_error(tmp_path, save):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match=r"'.*/a'"):
        save(tmp_path / "a")
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


@posix
@each_way
def test_a_device_stays_one(tmp_path, save):
    """For root too, who may replace it; on a device of the test's own where root may make one."""
    path = tmp_path / "null"
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except (OSError, AttributeError):
        path = "/dev/null"
    before = os.stat(path)
    try:
        save(path)
    except PermissionError:  # a file system without devices
        pytest.skip("devices cannot be written to here")
    after = os.stat(path)
    assert stat.S_ISCHR(after.st_mode)
    assert (after.st_ino, after.st_rdev) == (before.st_ino, before.st_rdev)


@posix
@pytest.mark.parametrize("save", [save_model, save_ensemble, save_trainer], ids=lambda way: way.__name__)
def test_a_pipe_gets_the_contents(tmp_path, save):
    os.mkfifo(tmp_path / "pipe")
    received = []
    reader = threading.Thread(target=lambda: received.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    save(tmp_path / "pipe")
    reader.join(30)
    save(tmp_path / "file")
    assert received == [(tmp_path / "file").read_bytes()]
    assert stat.S_ISFIFO(os.stat(tmp_path / "pipe").st_mode)


@posix
@each_way
@pytest.mark.parametrize("letter", ["x", "ä", "字"])
def test_the_longest_names(tmp_path, save, letter):
    name = letter * (250 // len(letter.encode()))
    save(tmp_path / name)
    save(tmp_path / name)
    assert os.listdir(tmp_path) == [name]


@posix
def test_what_a_killed_process_left_of_a_long_name_is_removed(tmp_path):
    name = "x" * 250
    code = f"""
import os
from fastbp.support.replacement import replace_file
replace_file({str(tmp_path / name)!r}, lambda file: os.kill(os.getpid(), 9))
"""
    for _ in range(2):
        subprocess.run([sys.executable, "-c", code], check=False)
        assert len(os.listdir(tmp_path)) == 1
    save_model(tmp_path / name)
    assert os.listdir(tmp_path) == [name]


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    (tmp_path / "file").write_bytes(b"old")

    def fail(file):
        file.write(b"half of the new")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        replace_file(tmp_path / "file", fail)
    assert (tmp_path / "file").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


@each_way
def test_an_error_names_the_users_file(tmp_path, save):
    for path in [tmp_path / "nowhere" / "file", tmp_path]:
        with pytest.raises(OSError) as error:
            save(path)
        assert str(error.value.filename) == str(path)


# ---- Reading ----

LOADERS = [fb.Model.load, fb.Trainer.load, fb.Ensemble.load]


@posix
@pytest.mark.parametrize("load", LOADERS)
def test_a_pipe_is_refused_and_not_waited_for(tmp_path, load):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match=r"pipe' is not a.* file of fastbp: it is a named pipe; expected a file"):
        load(tmp_path / "pipe")


@posix
@pytest.mark.parametrize("load", LOADERS)
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_a_device_is_refused(load, device):
    with pytest.raises(ValueError, match="it is a device; expected a file"):
        load(device)


@posix
def test_a_socket_is_refused(tmp_path, monkeypatch):
    import socket

    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(tmp_path)  # the name of a socket is short
        listener.bind("socket")
        with pytest.raises(NoRegularFileError):
            open_regular("socket")


def test_a_file_that_shrinks_while_it_is_read(tmp_path, monkeypatch):
    """As another process may cut it; what was mapped into memory ended the process."""
    model = fb.Model([fb.Dense(300)], inputs=300)
    model.save(tmp_path / "file")
    size = (tmp_path / "file").stat().st_size
    real = os.fstat

    def shrink(descriptor):
        status = real(descriptor)
        if status.st_size == size and stat.S_ISREG(status.st_mode):
            shrink.calls += 1
            if shrink.calls == 2:  # the first call looks whether it is a file, the second at its size
                os.truncate(tmp_path / "file", size // 2)
        return status

    shrink.calls = 0
    monkeypatch.setattr(os, "fstat", shrink)
    with pytest.raises(ValueError, match=r"it ends within the tensor 'layers\.0\.W'"):
        fb.Model.load(tmp_path / "file")


def test_files_that_another_process_keeps_cutting(tmp_path):
    path = tmp_path / "file"
    model = fb.Model([fb.Dense(500)], inputs=500)
    model.save(path)
    code = f"""
import os, sys
whole = open({str(path)!r}, "rb").read()
print("ready", flush=True)
while True:
    os.truncate({str(path)!r}, len(whole) // 3)
    with open({str(path)!r}, "r+b") as file:
        file.write(whole)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        other.stdout.readline()
        outcomes = set()
        for _ in range(300):
            try:
                fb.Model.load(path)
                outcomes.add("whole")
            except ValueError as error:
                outcomes.add(str(error).split(":")[0].removeprefix(repr(str(path))))
        other.kill()
    assert outcomes <= {"whole", " is not a model file of fastbp"}
