"""How many threads: the argument, else OMP_NUM_THREADS, else affinity and the container's quota."""

import os
import subprocess
import sys

import pytest

from fastbp.support.threads import MAX_THREADS, _quota_cpus, choose_threads, default_threads


@pytest.fixture(autouse=True)
def forget():
    """What was looked up once in the process is looked up again in each test."""
    default_threads.cache_clear()
    yield
    default_threads.cache_clear()


def test_the_argument_comes_first(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert choose_threads(5) == 5


@pytest.mark.parametrize(("variable", "expected"), [("3", 3), (" 7 ", 7), ("4,2", 4), (str(MAX_THREADS), MAX_THREADS)])
def test_then_the_environment(monkeypatch, variable, expected):
    monkeypatch.setenv("OMP_NUM_THREADS", variable)
    assert choose_threads(None) == expected


@pytest.mark.parametrize("variable", ["0", "-1", "many", "1.5", "²", ",2", "99999"])
def test_an_environment_that_makes_no_sense(monkeypatch, variable):
    monkeypatch.setenv("OMP_NUM_THREADS", variable)
    with pytest.raises(ValueError, match=f"OMP_NUM_THREADS is '{variable}'; expected an integer 1 to 1024"):
        choose_threads(None)


@pytest.mark.parametrize("variable", ["", "  "])
def test_an_empty_variable_is_none(monkeypatch, variable):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    expected = choose_threads(None)
    default_threads.cache_clear()
    monkeypatch.setenv("OMP_NUM_THREADS", variable)
    assert choose_threads(None) == expected


def test_then_the_machine(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert 1 <= choose_threads(None) <= os.cpu_count()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no CPU affinity to set")
def test_affinity_is_obeyed():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); import fastbp.support.threads as t; "
    code += "print(t.choose_threads())"
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_looks_again(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert choose_threads() == 2
    child = os.fork()
    if child == 0:
        os.environ["OMP_NUM_THREADS"] = "1"
        os._exit(choose_threads())
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


# ------------------------------------------------------------------------------------------- cgroup quotas


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


def quota(tmp_path, membership):
    write(tmp_path / "cgroup", membership)
    return _quota_cpus(tmp_path / "cgroup", tmp_path / "fs")


@pytest.mark.parametrize(
    ("cpu_max", "expected"),
    [
        ("200000 100000", 2),
        ("150000 100000", 2),
        ("10000 100000", 1),
        ("max 100000", MAX_THREADS),
        ("odd", MAX_THREADS),
    ],
)
def test_cgroup_version_2(tmp_path, cpu_max, expected):
    write(tmp_path / "fs/jobs/mine/cpu.max", cpu_max)
    assert quota(tmp_path, "0::/jobs/mine") == expected


def test_cgroup_version_2_obeys_the_groups_above(tmp_path):
    write(tmp_path / "fs/jobs/mine/cpu.max", "800000 100000")
    write(tmp_path / "fs/jobs/cpu.max", "300000 100000")
    write(tmp_path / "fs/cpu.max", "max 100000")
    assert quota(tmp_path, "0::/jobs/mine") == 3


def test_cgroup_version_2_in_a_container_that_sees_only_its_own(tmp_path):
    write(tmp_path / "fs/cpu.max", "400000 100000")
    assert quota(tmp_path, "0::/docker/0123abcd") == 4


@pytest.mark.parametrize("mount", ["cpu,cpuacct", "cpu"])
def test_cgroup_version_1(tmp_path, mount):
    write(tmp_path / f"fs/{mount}/docker/one/cpu.cfs_quota_us", "250000")
    write(tmp_path / f"fs/{mount}/docker/one/cpu.cfs_period_us", "100000")
    write(tmp_path / f"fs/{mount}/cpu.cfs_quota_us", "-1")
    write(tmp_path / f"fs/{mount}/cpu.cfs_period_us", "100000")
    assert quota(tmp_path, "9:memory:/docker/one\n4:cpu,cpuacct:/docker/one\n0::/") == 3


def test_without_cgroups(tmp_path):
    assert _quota_cpus(tmp_path / "missing", tmp_path / "fs") == MAX_THREADS
    assert quota(tmp_path, "4:memory:/a\n0::/") == MAX_THREADS
