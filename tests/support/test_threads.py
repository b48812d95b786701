"""How many threads: the argument, else the process's number, from calls, the environment, OpenMP and the machine."""

import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest

import fastbp as fb
from fastbp.engine import team
from fastbp.support import threads
from fastbp.support.threads import MAX_THREADS, _quota_cpus, choose_threads, explain_threads, forget_threads


@pytest.fixture(autouse=True)
def forget(monkeypatch):
    """What was looked up once in the process is looked up again in each test."""
    for name in ("FASTBP_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    forget_threads()
    yield
    fb.set_num_threads(None)


@pytest.fixture
def cpus(monkeypatch):
    """A machine of so many CPUs: 8, unless the test calls it."""

    def have(number):
        monkeypatch.setattr(threads, "_usable_cpus", lambda: number)
        monkeypatch.setattr(threads, "_quota_cpus", lambda: MAX_THREADS)
        forget_threads()

    have(8)
    return have


def run(code, **environment):
    """What a new process prints."""
    inherited = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=inherited | environment, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


# ---------------------------------------------------------------------------------------------- precedence


def test_the_argument_comes_first_and_the_cpus_bound_it_too(monkeypatch, cpus):
    monkeypatch.setenv("FASTBP_NUM_THREADS", "3")
    fb.set_num_threads(2)
    assert choose_threads(5) == 5
    assert choose_threads(50) == 8  # which are all the CPUs


def test_then_the_call_then_the_own_variable_then_openmps_then_the_machine(monkeypatch, cpus):
    assert fb.get_num_threads() == 8
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    forget_threads()
    assert fb.get_num_threads() == 5
    monkeypatch.setenv("FASTBP_NUM_THREADS", "6")
    forget_threads()
    assert fb.get_num_threads() == 6
    fb.set_num_threads(7)
    assert fb.get_num_threads() == 7
    fb.set_num_threads(None)
    assert fb.get_num_threads() == 6


def test_never_more_than_the_cpus(monkeypatch, cpus):
    fb.set_num_threads(100)
    assert fb.get_num_threads() == 8
    cpus(4)
    assert fb.get_num_threads() == 4
    fb.set_num_threads(None)
    for name in ("OMP_NUM_THREADS", "FASTBP_NUM_THREADS"):
        monkeypatch.setenv(name, "6")
        forget_threads()
        assert fb.get_num_threads() == 4


@pytest.mark.parametrize("name", ["FASTBP_NUM_THREADS", "OMP_NUM_THREADS"])
@pytest.mark.parametrize(("variable", "expected"), [("3", 3), (" 7 ", 7), ("4,2", 4), (str(MAX_THREADS), MAX_THREADS)])
def test_the_environment(monkeypatch, cpus, name, variable, expected):
    cpus(MAX_THREADS)
    monkeypatch.setenv(name, variable)
    assert choose_threads(None) == expected


@pytest.mark.parametrize("name", ["FASTBP_NUM_THREADS", "OMP_NUM_THREADS"])
@pytest.mark.parametrize("variable", ["0", "-1", "many", "1.5", "²", ",2", "99999"])
def test_an_environment_that_makes_no_sense(monkeypatch, name, variable):
    monkeypatch.setenv(name, variable)
    expected = f"the environment variable {name} is '{variable}'; expected an integer 1 to 1024. Correct it or unset it"
    for _ in range(2):
        with pytest.raises(ValueError, match=expected):
            choose_threads(None)
    assert explain_threads().startswith(f"not known: the environment variable {name} is '{variable}'")
    with pytest.raises(ValueError, match=name):
        fb.Model([fb.Dense(1)], inputs=1).predict([[1.0]])


@pytest.mark.parametrize("name", ["FASTBP_NUM_THREADS", "OMP_NUM_THREADS"])
@pytest.mark.parametrize("variable", ["", "  "])
def test_an_empty_variable_is_none(monkeypatch, cpus, name, variable):
    monkeypatch.setenv(name, variable)
    assert choose_threads(None) == 8


def test_wrong_numbers_are_refused():
    for wrong, error in ((0, ValueError), (1025, ValueError), (True, TypeError), ("2", TypeError), (1.5, TypeError)):
        with pytest.raises(error, match=r"n_threads is .*; expected an integer 1 to 1024. None goes back"):
            fb.set_num_threads(wrong)


def test_then_the_machine():
    assert 1 <= choose_threads(None) <= os.cpu_count()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no CPU affinity to set")
def test_affinity_is_obeyed():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); import fastbp as fb; "
    code += "print(fb.get_num_threads()); fb.set_num_threads(2); print(fb.get_num_threads())"
    assert run(code) == ["1", "1"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_looks_again(monkeypatch, cpus):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert choose_threads() == 2
    child = os.fork()
    if child == 0:
        os.environ["OMP_NUM_THREADS"] = "1"
        os._exit(choose_threads())
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


# ------------------------------------------------------------------------------------------- OpenMP's limit


needs_openmp = pytest.mark.skipif(not team.openmp_version(), reason="this build has no OpenMP")


@pytest.fixture
def limit():
    """threadpoolctl's limit of the OpenMP that the engine uses."""
    return pytest.importorskip("threadpoolctl", reason="threadpoolctl is not installed").threadpool_limits


@needs_openmp
def test_threadpoolctl_bounds_whatever_the_number_comes_from(monkeypatch, cpus, limit):
    with limit(3):
        assert fb.get_num_threads() == 3
        assert choose_threads(6) == 6
        with limit(1):
            assert fb.get_num_threads() == 1
        fb.set_num_threads(5)
        assert fb.get_num_threads() == 3
        fb.set_num_threads(2)
        assert fb.get_num_threads() == 2
        fb.set_num_threads(None)
        monkeypatch.setenv("FASTBP_NUM_THREADS", "4")
        forget_threads()
        assert fb.get_num_threads() == 3
        assert "3 (FASTBP_NUM_THREADS is 4, OpenMP has been set to 3) on" in explain_threads()
    assert fb.get_num_threads() == 4
    with limit(100):
        assert fb.get_num_threads() == 4


@needs_openmp
def test_a_limit_comes_before_openmps_own_variable(monkeypatch, cpus, limit):
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert fb.get_num_threads() == 4
    with limit(3):
        assert fb.get_num_threads() == 3
    with limit(6):
        assert fb.get_num_threads() == 6
    with limit(600):
        assert fb.get_num_threads() == 8


@needs_openmp
def test_a_limit_is_of_the_thread_that_set_it(cpus, limit):
    seen = []
    with limit(3):
        other = threading.Thread(target=lambda: seen.append(fb.get_num_threads()))
        other.start()
        other.join()
    assert seen == [8]


@needs_openmp
def test_the_variable_of_openmp_is_no_limit_of_ones_own_number(limit):
    """A cluster sets OMP_NUM_THREADS=1; FASTBP_NUM_THREADS is for this library alone."""
    code = "import fastbp as fb; import fastbp.support.threads as t; t._usable_cpus = t._quota_cpus = lambda: 8; "
    code += "print(fb.get_num_threads()); fb.set_num_threads(3); print(fb.get_num_threads())"
    assert run(code, OMP_NUM_THREADS="1", FASTBP_NUM_THREADS="4") == ["4", "3"]
    assert run(code, OMP_NUM_THREADS="1") == ["1", "3"]


@needs_openmp
def test_a_limit_from_before_the_import_is_kept(limit):
    """The same library, loaded and limited before: here by the engine's own module."""
    code = (
        "import sys, types; fastbp = types.ModuleType('fastbp'); import importlib.util as u; "
        "spec = u.find_spec('fastbp'); fastbp.__path__ = list(spec.submodule_search_locations); "
        "sys.modules['fastbp'] = fastbp; import fastbp.engine.team, threadpoolctl; "
        "limits = threadpoolctl.threadpool_limits(1); del sys.modules['fastbp']; import fastbp as fb; "
        "import fastbp.support.threads as t; t._usable_cpus = t._quota_cpus = lambda: 8; "
        "print(fb.get_num_threads()); limits.restore_original_limits(); print(fb.get_num_threads())"
    )
    assert run(code, OMP_NUM_THREADS="2") == ["1", "2"]


# ------------------------------------------------------------------------------------------ in every call


def test_a_trainer_without_a_number_uses_that_of_the_moment(cpus):
    trainer = fb.Trainer(fb.Model([fb.Dense(1)], inputs=2), "mse")
    with_own = fb.Trainer(fb.Model([fb.Dense(1)], inputs=2), "mse", n_threads=6)
    session = trainer.parts.state.session
    X, y = np.ones((3, 2)), np.ones(3)
    for number in (5, 3):
        fb.set_num_threads(number)
        for call in (trainer.fit, trainer.step):
            session.n_threads = 0
            call(X, y)
            assert (session.n_threads, trainer.n_threads, with_own.n_threads) == (number, number, 6)
    assert "n_threads=None" in repr(trainer) and "n_threads=6" in repr(with_own)
    fb.set_num_threads(4)
    assert [pickle.loads(pickle.dumps(each)).n_threads for each in (trainer, with_own)] == [4, 6]


def test_the_number_changes_no_result(cpus):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(2000, 50)), rng.integers(0, 3, 2000)
    outputs = []
    for number in (1, 4):
        fb.set_num_threads(number)
        model = fb.Model([fb.Dense(200, "relu"), fb.Dense(3, "softmax")], inputs=50)
        fb.Trainer(model, "cross_entropy", batch_size=500).fit(X, y, epochs=2)
        outputs.append(model.predict(X))
    np.testing.assert_array_equal(*outputs)


def test_many_trainers_have_their_number_back(cpus):
    trainers = [fb.Trainer(fb.Model([fb.Dense(1)], inputs=1, seed=seed), "mse") for seed in range(2)]
    fb.set_num_threads(3)
    fb.fit_many(trainers, [[1.0]], [1.0])
    fb.set_num_threads(2)
    trainers[0].fit([[1.0]], [1.0])
    assert [trainer.n_threads for trainer in trainers] == [2, 2]


def test_it_is_said_where_the_number_comes_from(monkeypatch, cpus):
    assert explain_threads() == f"8 on {os.cpu_count()} CPUs"
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    fb.set_num_threads(3)
    assert explain_threads() == f"3 (OMP_NUM_THREADS is 2, fb.set_num_threads(3)) on {os.cpu_count()} CPUs"


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


def test_a_wrong_environment_does_not_hinder_the_import(monkeypatch):
    """It is an error where the number of threads is needed, and not before."""
    monkeypatch.setattr(threads, "openmp_threads", lambda: 3)
    monkeypatch.setattr(threads, "_usable_cpus", lambda: 7)
    for variable, began in (("many", 7), ("5", 5), ("2", 3)):
        monkeypatch.setenv("OMP_NUM_THREADS", variable)
        assert threads._openmp_began() == began
