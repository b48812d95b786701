# The update of a step whose parameters are divided among processes.

from fastbp.engine.shards cimport Exchanged, ShardedRun
from fastbp.engine.step cimport ThreadStep

# The update by a gradient of which this process has at least its own part; penalties are added to one that comes from
# samples. False where a process is lost: then the parameters are those before the step.
cdef bint divided_update(ShardedRun *sharded, const ThreadStep *step, bint of_samples) noexcept nogil
# Between two barriers, thread 0 exchanges something with the other processes. False where the step is given up.
cdef bint exchange(ShardedRun *sharded, const ThreadStep *step, Exchanged what, bint sound) noexcept nogil
