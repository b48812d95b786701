"""What one rank does where others are lost, fail or cannot be told: with stand-ins for MPI, in one process."""

import atexit
import pickle
import types

import numpy as np
import pytest

from fastbp.callbacks.listeners import Listeners
from fastbp.distributed import mpi as mpi_module
from fastbp.distributed.exchange import Exchange
from fastbp.distributed.gradients import _units_of
from fastbp.distributed.mpi import MPI, LostRankError, as_sent
from fastbp.training.agreement import AgreedListeners


class Barrier:
    """A meeting to which the others come, or do not."""

    def __init__(self, comes):
        self.comes = comes

    def Ibarrier(self):
        return self

    def Test(self):
        return self.comes


class Job:
    """A communicator that notes how the job was ended."""

    ended = None

    def Abort(self, code):
        self.ended = code


@pytest.fixture
def at_exit(monkeypatch):
    """What is to be done when the process ends; nothing of it is done."""
    todo = []
    monkeypatch.setattr(atexit, "register", todo.append)
    return todo


def make_rank(rank=0, n_ranks=2, others_come=False, timeout=0.05):
    mpi = object.__new__(MPI)
    mpi.rank, mpi.n_ranks, mpi.timeout = rank, n_ranks, timeout
    mpi._comm, mpi._meeting, mpi._lost, mpi.answer = Job(), Barrier(others_come), None, None
    return mpi


def test_who_fails_alone_ends_the_job_when_its_process_ends(at_exit, capsys):
    mpi = make_rank(rank=1, n_ranks=3)
    mpi.fail(ValueError("bad rows"))
    assert mpi.lost
    assert capsys.readouterr().err == "fastbp: rank 1 of 3 failed alone and ends the job.\n"
    # Whoever waits afterwards is told at once.
    with pytest.raises(LostRankError, match=r"This rank has failed alone\."):
        mpi.wait([], "the numbers of a step")
    assert mpi._comm.ended is None  # the program goes on
    (end,) = at_exit
    end()
    assert mpi._comm.ended == 1


def test_a_job_is_ended_once(at_exit, capsys):
    mpi = make_rank()
    first = LostRankError("rank 0 of 2 waited")
    mpi.fail(first)
    mpi.fail(LostRankError("and again"))
    assert len(at_exit) == 1
    with pytest.raises(LostRankError) as error:
        mpi.wait([], "anything")
    assert error.value is first
    assert capsys.readouterr().err.count("ends the job") == 1


def test_where_all_fail_the_job_goes_on(at_exit, capsys):
    mpi = make_rank(others_come=True)
    mpi.fail(ValueError("on all ranks"))
    assert not mpi.lost
    assert not at_exit
    assert capsys.readouterr().err == ""


def test_ranks_that_are_about_to_find_out_get_time(monkeypatch):
    slept = []
    monkeypatch.setattr(mpi_module.time, "sleep", slept.append)
    make_rank(timeout=300.0)._end_job()
    make_rank(timeout=1.0)._end_job()
    assert slept == [2.0, 0]


def test_who_does_not_come_to_a_meeting_is_lost(at_exit, monkeypatch):
    mpi = make_rank()
    mpi._comm = Barrier(False)
    monkeypatch.setattr(MPI, "test", lambda self, requests, what: False)
    with pytest.raises(LostRankError, match=r"rank 0 of 2 waited 0 seconds for the end; expected all ranks to come"):
        mpi.meet("the end")
    assert mpi.lost


class OwnError(Exception):
    """An error that cannot be made again from its arguments."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def test_an_error_that_cannot_be_sent_is_sent_as_its_words():
    sent = pickle.loads(pickle.dumps(as_sent(OwnError("this", "that"))))
    assert type(sent) is RuntimeError
    assert str(sent) == "OwnError: this and that"
    plain = ValueError("as it is")
    assert as_sent(plain) is plain


class Talk:
    """What ranks tell each other, said by nobody: ``errors`` are those of all."""

    def __init__(self, rank, errors):
        self.rank, self.n_ranks, self._errors = rank, len(errors), errors

    def all_numbers(self, numbers):
        return np.array([[error is not None] for error in self._errors], np.float64)

    def all_objects(self, thing, what):
        return self._errors


def test_ctrl_c_on_one_rank_is_an_error_on_the_others():
    exchange = Exchange(Talk(0, [None, KeyboardInterrupt()]), 8, lambda: False)
    with pytest.raises(RuntimeError, match=r"rank 1 was interrupted by KeyboardInterrupt; all ranks end\.") as error:
        exchange.together(lambda: None)
    assert error.value.__notes__ == ["This is of rank 1 of 2; all ranks raise it."]
    assert exchange.failing_rank == 1


def test_the_state_is_asked_for_where_callbacks_run():
    class Session:
        def own_states(self):
            return []

    exchange = Exchange(Talk(1, [None, None]), 8, lambda: False)
    exchange.serving = True
    with pytest.raises(RuntimeError, match=r"asked for on rank 1 inside of fit; expected that on rank 0"):
        exchange.gathered_state(Session())


def test_units_that_follow_each_other_are_one_run():
    """Of two stages, with rows of 4 and 2 numbers."""
    arrays = [(0, 0, 40, 4, False), (1, 40, 60, 2, False)]
    assert _units_of([(0, 8), (8, 20), (40, 44), (24, 40)], arrays) == [(0, 0, 5), (1, 0, 2), (0, 6, 10)]


@pytest.mark.parametrize("lost", [True, False])
def test_where_a_rank_is_lost_the_end_of_training_waits_for_nobody(lost, monkeypatch):
    """Callbacks are told of the end all the same."""
    told, waited = [], []
    monkeypatch.setattr(Listeners, "fit_end", lambda self, latest: told.append(latest))
    listeners = object.__new__(AgreedListeners)
    listeners._mpi = types.SimpleNamespace(lost=lost)
    listeners._together = lambda event, latest: waited.append(event(latest))
    listeners.fit_end("latest")
    assert told == ["latest"]
    assert len(waited) == (not lost)
