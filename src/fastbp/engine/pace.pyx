"""Which size of a team is fastest.

A team of several threads is as slow as its slowest thread. Where another process takes a CPU, each meeting of the team
may last a time slice of the system, and a step a hundred times as long as on one thread; and it may come and go, so
that a team that is fast now is not fast on the whole. So one thread is the ground from which all starts:

- `home` is the size that was fastest for some time. Now and then the team goes away from it, to try another size, each
  in its turn. A trial is given up as soon as it has lost LOSS_OF_TRIAL.
- A size that has been measured CLEARLY_FASTER goes on, on probation. Its gain over home is counted from then on; where
  that is used up, the team goes home; where it lasts for PROBATION seconds, that is its new home.
- What a trial has lost is a debt: 1 / SHARE_OF_TRIALS times as many seconds pass at home before the next trial.
- Trials follow each other at uneven times: another process that works for some milliseconds again and again would
  else spoil one after the other.
- Where home itself turns out to be slow, one thread is tried at once.

What was learned is kept for the process, by the work of a step: calls may be too short to find out anything.
"""

from libc.math cimport fmax, fmin

from fastbp.engine.team cimport look_seconds

cdef:
    double WARM_SECONDS = 0.0005       # after a change of the team, not measured
    double MEASURE_SECONDS = 0.004     # that a rate is measured over, in one call or in several
    double STEPS_OF_TRIAL = 2          # the least time of a trial, in steps at home
    double FIRST_SECONDS = 0.001       # the same for the first rate of all
    double HOME_SECONDS = 0.02         # the longest interval of a team of several threads
    double MEAN_SECONDS = 0.1          # about as long a time the rate of home is the mean of
    double PROBATION = 0.2             # seconds that another size has to gain until it is home
    double MOST_GAIN = 0.01            # seconds of gain that may be lost again before the team goes home
    double LOSS_OF_TRIAL = 0.002       # seconds that a trial may lose; or those of one step, if that takes longer
    double SHARE_OF_TRIALS = 0.02      # of the time at home, that trials may lose
    double MOST_CREDIT = 1.0           # the most negative debt: what sizes gained that were left again
    double SHORT_PATIENCE = 0.01       # from a size that gained, and no longer does, to its next trial
    double LEAST_PATIENCE = 0.06       # from a first failed trial to the next trial; it doubles with each failure
    double MOST_PATIENCE = 1.0         # up to this
    double MOST_WAIT = 10.0            # seconds, whatever was lost
    double MOST_DELAY = 0.5            # the largest part of a wait that is added to it, so that waits differ
    double GOLDEN = 0.618033988749895  # whose multiples, without their whole parts, never meet again
    double CLEARLY_FASTER = 1.03       # the rate of another size over that of home that makes the team stay there
    double CLEARLY_SLOWER = 0.5        # the rate of home over its mean that makes the team try one thread
    double LONG_TENURE = 1.0           # seconds after which a home was no mistake


# ---- Sizes ----------------------------------------------------------------------------------------------------------


cdef int _size(const Pace *pace, int i) noexcept nogil:
    """The i-th size: 1, 2, 4, ... and the largest."""
    return min(1 << i, pace.most)


cdef int _candidate(const Pace *pace) noexcept nogil:
    """The number of the size whose trial is due for longest, or -1."""
    cdef int i = 0, best = -1
    while i == 0 or _size(pace, i - 1) < pace.most:
        if i != pace.home and pace.wait[i] <= 0 and (best < 0 or pace.wait[i] < pace.wait[best]):
            best = i
        i += 1
    return best


# ---- The course of the search ---------------------------------------------------------------------------------------


cdef void _begin(Pace *pace, int most, int start) noexcept nogil:
    """Nothing is known: the first measurement is of one thread, the first trial of `start`."""
    cdef int i
    pace.most = most
    pace.home = 0
    pace.tenure = 0
    pace.debt = 0
    pace.bad = 0
    pace.n_failed = 0
    for i in range(MOST_SIZES):
        pace.patience[i] = LEAST_PATIENCE
        pace.wait[i] = 0 if _size(pace, i) < start else -1  # those that are reckoned to be fast come first
    for i in range(MOST_SIZES):
        if _size(pace, i) >= start:
            pace.wait[i] = -2
            break
    _forget_rates(pace)


cdef void _forget_rates(Pace *pace) noexcept nogil:
    """What is known of the sizes is kept, but for how fast they are."""
    pace.rate = 0
    pace.mean_work = 0
    pace.mean_seconds = 0
    _move(pace, -1)


cdef void _move(Pace *pace, int away) noexcept nogil:
    """The team goes away, or (-1) home."""
    pace.away = away
    pace.proved = False
    pace.cold = True
    pace.work_done = 0
    pace.seconds = 0
    pace.away_work = 0
    pace.away_seconds = 0
    pace.gain = 0


cdef int pace_next(Pace *pace, double *seconds) noexcept nogil:
    cdef int candidate
    seconds[0] = look_seconds()
    if pace.most <= 1:
        return 1
    if pace.away < 0 and pace.rate > 0 and pace.debt <= 0:
        candidate = _candidate(pace)
        if candidate >= 0:
            _move(pace, candidate)
    if pace.cold:
        seconds[0] = WARM_SECONDS
    elif pace.away >= 0:
        seconds[0] = fmax(MEASURE_SECONDS, STEPS_OF_TRIAL * pace.work / pace.rate) - pace.seconds
    elif pace.rate == 0:
        seconds[0] = FIRST_SECONDS - pace.seconds
    elif pace.home > 0:
        seconds[0] = HOME_SECONDS
    return _size(pace, pace.home if pace.away < 0 else pace.away)


cdef void pace_done(Pace *pace, double work, double seconds) noexcept nogil:
    if pace.most <= 1:
        return
    if pace.away >= 0:
        _done_away(pace, work, seconds)
        return
    if pace.cold:
        pace.cold = False
        return
    pace.work_done += work
    pace.seconds += seconds
    _pass_time(pace, seconds)
    if pace.seconds >= (MEASURE_SECONDS if pace.rate > 0 else FIRST_SECONDS):
        _measure_home(pace)


cdef void _pass_time(Pace *pace, double seconds) noexcept nogil:
    """Time at home."""
    cdef int i
    pace.tenure += seconds
    pace.debt -= seconds
    for i in range(MOST_SIZES):
        pace.wait[i] -= seconds


cdef void _measure_home(Pace *pace) noexcept nogil:
    """The mean of home's rate; and whether it goes badly."""
    cdef double rate = pace.work_done / pace.seconds, kept
    if pace.home > 0 and pace.rate > 0 and rate < CLEARLY_SLOWER * pace.rate:
        pace.bad += pace.seconds - pace.work_done / pace.rate
        pace.debt = fmin(pace.debt, 0)
        pace.wait[0] = -MOST_WAIT
    kept = fmax(0, 1 - pace.seconds / MEAN_SECONDS)
    pace.mean_work = kept * pace.mean_work + pace.work_done
    pace.mean_seconds = kept * pace.mean_seconds + pace.seconds
    pace.rate = pace.mean_work / pace.mean_seconds
    pace.work_done = 0
    pace.seconds = 0


cdef void _done_away(Pace *pace, double work, double seconds) noexcept nogil:
    """Takes in an interval of another size."""
    cdef double rate, lost, step = pace.work / pace.rate  # seconds of a step at home
    pace.away_work += work
    pace.away_seconds += seconds
    lost = pace.away_seconds - pace.away_work / pace.rate
    if not pace.proved and lost > fmax(LOSS_OF_TRIAL, step):
        _go_home(pace)
        return
    if pace.cold:
        pace.cold = False
        return
    pace.work_done += work
    pace.seconds += seconds
    if pace.proved and pace.gain + pace.work_done / pace.rate - pace.seconds < -step:
        _go_home(pace)
        return
    if pace.seconds < fmax(MEASURE_SECONDS, STEPS_OF_TRIAL * step):
        return
    rate = pace.work_done / pace.seconds
    if not pace.proved and rate < CLEARLY_FASTER * pace.rate:
        _go_home(pace)
        return
    pace.proved = True
    pace.gain = fmin(pace.gain + pace.work_done / pace.rate - pace.seconds, MOST_GAIN)
    pace.work_done = 0
    pace.seconds = 0
    if pace.away_seconds >= PROBATION:
        _settle(pace)


cdef void _go_home(Pace *pace) noexcept nogil:
    """The other size is not faster, or no longer. What was gained on the whole pays for later trials."""
    cdef int i = pace.away
    cdef double gained = pace.away_work / pace.rate - pace.away_seconds
    pace.debt = fmax(fmin(pace.debt - gained / SHARE_OF_TRIALS, MOST_WAIT), -MOST_CREDIT)
    if gained > 0:
        pace.patience[i] = LEAST_PATIENCE
        pace.wait[i] = SHORT_PATIENCE
    else:
        _wait(pace, i, pace.debt)
    if pace.home > 0 and i == 0:
        pace.bad = 0               # as slow as home: it is no fault of the team
    _move(pace, -1)


cdef void _wait(Pace *pace, int i, double least) noexcept nogil:
    """Size i is not tried for some time, these seconds at least, and for longer the next time."""
    pace.n_failed += 1
    pace.wait[i] = fmax(pace.patience[i], fmin(least, MOST_WAIT)) * (1 + MOST_DELAY * (pace.n_failed * GOLDEN % 1))
    pace.patience[i] = fmin(2 * pace.patience[i], MOST_PATIENCE)


cdef void _settle(Pace *pace) noexcept nogil:
    """The other size is the new home."""
    cdef int former = pace.home, i = pace.away
    if pace.tenure > LONG_TENURE:
        pace.patience[former] = LEAST_PATIENCE
    _wait(pace, former, pace.bad / SHARE_OF_TRIALS)
    pace.home = i
    pace.tenure = 0
    pace.bad = 0
    pace.debt = 0
    pace.mean_work = pace.away_work
    pace.mean_seconds = pace.away_seconds
    pace.rate = pace.mean_work / pace.mean_seconds
    _move(pace, -1)
    pace.cold = False


# ---- What the process has learned -----------------------------------------------------------------------------------


cdef enum:
    OCTAVES = 64               # of the work of a step

# By the work of a step, the latest search. The GIL guards them: nobody gives it up between reading and writing.
cdef Pace[OCTAVES] _lessons
cdef long long _stamp = 0


cdef int _octave(double work) noexcept:
    cdef int octave = 0
    while octave < OCTAVES - 1 and work >= 2:
        work /= 2
        octave += 1
    return octave


cdef void take_lesson(Pace *pace, int most, int start, double work) noexcept:
    cdef Pace *lesson = &_lessons[_octave(work)]
    if pace.most == most and pace.work == work and (lesson.most != most or lesson.stamp <= pace.stamp):
        return                     # this call's own search is the latest
    if lesson.most == most:
        pace[0] = lesson[0]
        if pace.work != work:      # of another network: only what is fast, not how fast
            _forget_rates(pace)
    elif pace.most != most:
        _begin(pace, most, start)
    else:
        _forget_rates(pace)
    pace.work = work


cdef void keep_lesson(Pace *pace) noexcept:
    global _stamp
    if pace.most > 1:
        _stamp += 1
        pace.stamp = _stamp
        _lessons[_octave(pace.work)] = pace[0]


def forget_lessons() -> None:
    """Forgets what the process has learned, for tests and measurements."""
    cdef int i
    for i in range(OCTAVES):
        _lessons[i].most = 0


cdef class Search:
    """A search by itself, for tests that say how fast each size is.

    Parameters
    ----------
    most : int
        The largest size.
    start : int, default 0
        The size that is tried first; 0: the largest.
    work : float, default 1.0
        Of one step.
    kept : bool, default False
        Whether it starts from what the process has learned, and adds to it, as a call of training does.
    """

    cdef Pace pace
    cdef bint kept

    def __cinit__(self, int most, int start=0, double work=1.0, bint kept=False):
        start = start if start > 0 else most
        self.kept = kept
        if kept:
            take_lesson(&self.pace, most, start, work)
        else:
            _begin(&self.pace, most, start)
            self.pace.work = work

    def next(self) -> tuple[int, float]:
        """The size of the next team, and the longest time for which it should work."""
        cdef double seconds = 0
        cdef int size = pace_next(&self.pace, &seconds)
        return size, seconds

    def done(self, double work, double seconds) -> None:
        """What the team did, and how long it took."""
        pace_done(&self.pace, work, seconds)
        if self.kept:
            keep_lesson(&self.pace)
