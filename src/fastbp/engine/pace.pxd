# Which size of a team is fastest: measured again and again, because other processes come and go. No result depends on
# it. pace.pyx says how it is found.

cdef enum:
    MOST_SIZES = 12            # 1, 2, 4, ... 1024, and the largest itself

cdef struct Pace:
    int most                   # the largest size that may be tried; 0: nothing is known yet
    double work                # of a step: what the rates were measured with
    int home                   # the number of the fastest size so far: sizes are numbered from the smallest, 1
    int away                   # the number of another size that is being tried, or -1
    bint proved                # that size has been measured faster, and is on probation
    bint cold                  # the team has just changed: its threads wake up and their caches are empty
    double rate                # work a second at home, the mean of the last time; 0: not known
    double mean_work           # that the mean is of
    double mean_seconds
    double work_done           # since the team is warm, not yet part of a rate
    double seconds             # the same
    double tenure              # seconds at this home
    double away_work           # since the team went away
    double away_seconds
    double gain                # seconds that going away has gained lately, at most MOST_GAIN
    double bad                 # seconds that home has lost since it went badly
    double debt                # seconds at home until any trial: they pay for the last one
    double patience[MOST_SIZES]  # seconds at home after a failed trial of a size until the next one
    double wait[MOST_SIZES]    # what is left of them
    unsigned int n_failed      # trials, which tells how much longer than its patience the next one waits
    long long stamp            # lessons are numbered

# The size of the team for the next interval, and its longest duration.
cdef int pace_next(Pace *pace, double *seconds) noexcept nogil
# Takes in what the interval achieved. Intervals may be short, as calls may be: a rate is of several then.
cdef void pace_done(Pace *pace, double work, double seconds) noexcept nogil

# Before and after a call whose steps have this work: what other calls of the process have learned, and what this one
# has. The first trial is of `start`.
cdef void take_lesson(Pace *pace, int most, int start, double work) noexcept
cdef void keep_lesson(Pace *pace) noexcept
