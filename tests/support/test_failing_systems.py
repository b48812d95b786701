"""What seldom happens below everything else: other systems, disks that become full, objects that fail."""

import os

import pytest

import fastbp as fb
from fastbp.support import replacement, threads
from fastbp.support.checks import check_number
from fastbp.support.locks import Lock

POSIX = pytest.mark.skipif(os.name != "posix", reason="POSIX has it")


def test_a_number_whose_conversion_fails():
    class NoFloat(float):
        def __float__(self):
            raise ZeroDivisionError

    with pytest.raises(TypeError, match=r"^x is .*; expected a finite number"):
        check_number(NoFloat(0.5), "x")


def test_a_class_in_place_of_its_object():
    with pytest.raises(TypeError, match=r"activation is .*; expected an object. Add parentheses: ReLU\(\)\."):
        fb.Dense(2, fb.ReLU)


def test_cpus_where_no_scheduler_tells(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert threads._usable_cpus() == (os.cpu_count() or 1)


@POSIX
def test_a_file_that_is_appended_to_ends_where_it_did_when_there_is_no_room(tmp_path):
    import resource

    path = tmp_path / "log"
    replacement.append_whole(path, b"first\n")
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, former[1]))
    try:
        with pytest.raises(OSError, match="log") as caught:
            replacement.append_whole(path, b"second\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"first\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_device_that_is_full_is_not_made_shorter():
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        replacement.append_whole("/dev/full", b"second\n")


def test_an_error_names_the_file_of_the_user_alone(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, replacement._naming("mine"):
        os.replace(tmp_path / "a.part", tmp_path / "b")
    assert str(caught.value) == "[Errno 2] No such file or directory: 'mine'"


@POSIX
@pytest.mark.parametrize(
    ("error", "alive"), [(ProcessLookupError, False), (PermissionError, True), (OverflowError, True), (None, True)]
)
def test_whether_a_process_lives(monkeypatch, error, alive):
    def kill(process, signal):
        if error is not None:
            raise error

    monkeypatch.setattr(os, "kill", kill)
    assert replacement._is_alive(5) is alive


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_finds_a_lock_open():
    import threading

    lock, taken, go_on = Lock(), threading.Event(), threading.Event()

    def hold():
        with lock:
            taken.set()
            go_on.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    taken.wait()
    child = os.fork()
    if child == 0:
        with lock:
            os._exit(7)
    status = os.waitpid(child, 0)[1]
    go_on.set()
    holder.join()
    assert os.waitstatus_to_exitcode(status) == 7
