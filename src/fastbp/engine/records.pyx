"""What the library hands to a call of the engine: the samples, and how an epoch goes through them."""

from numpy import ndarray


cdef class SampleSet:
    """The samples of a call: arrays that are read where they lie, and which of their rows count.

    Parameters
    ----------
    rows : ArrayReader, (n_rows, n_inputs)
    targets : ArrayReader, (n_rows, n_outputs), or int32 labels, shape (n_rows,)
        Or, for a loss that is a Python function, an array whose rows that function takes.
    sample_weights : float64 ndarray, shape (n_rows,), or C-contiguous (n_rows, n_outputs), optional
        How often each sample counts in means and in sums; or how often each of its outputs does, in a step without a
        subset, for a loss that is a sum over the outputs. Not all are 0.
    subset : int64 ndarray, shape (n_samples,), optional
        The rows that are the samples. None: all rows. The targets and the sample weights are those of all rows.
    """

    def __cinit__(self, ArrayReader rows, targets, sample_weights=None, subset=None):
        self.rows = rows
        self.targets = targets
        self.sample_weights = sample_weights
        self.subset = subset
        self.n_samples = rows.n_rows if subset is None else subset.size


def plain_samples(X, y, dtype, Py_ssize_t n_inputs, Py_ssize_t n_targets, bint keep_targets=False):
    """The samples of two arrays that are read as they are: quickly, for loops of single steps.

    Parameters
    ----------
    X, y : object
    dtype : dtype
        That both have.
    n_inputs, n_targets : int
        How many columns they have. y may have any number where the targets are kept.
    keep_targets : bool, default False
        Whether y itself is kept, for a loss that is a Python function.

    Returns
    -------
    SampleSet or None
        None where one of them is no two-dimensional ndarray of this kind, is not aligned, or has no rows, or other rows
        than the other.
    """
    if not (_is_matrix(X, dtype) and _is_matrix(y, dtype)):
        return None
    cdef ArrayReader rows = ArrayReader(X), targets = ArrayReader(y)
    if rows.n_rows == 0 or rows.n_columns != n_inputs or targets.n_rows != rows.n_rows:
        return None
    if keep_targets:
        return SampleSet(rows, y)
    return SampleSet(rows, targets) if targets.n_columns == n_targets else None


cdef bint _is_matrix(array, dtype) except -1:
    return (type(array) is ndarray and array.ndim == 2 and (array.dtype is dtype or array.dtype == dtype)
            and array.flags.aligned)


cdef class EpochPlan:
    """How an epoch goes through its samples.

    Parameters
    ----------
    batch_size : int
        Samples whose mean loss is minimised together. The last batch may be shorter.
    shuffle : bool
        Whether the samples are taken in the order that (seed, epoch) gives, or else as they stand.
    seed, epoch : int
    step_numbers : dict
        What the updates use: the optimizer's numbers; clip_value, clip_norm or clip_array_norm, where the gradient is
        clipped; decay_biases; average_every (steps) and average_decay; and dictionaries by the number of the stage:
        factors, float64 arrays (n_arrays, 3) of the learning rate, the weight decay and epsilon of each array, and
        dropout_rates. "learning_rate", "weight_decay" and each of the dropout_rates may be a float64 array with a
        number for each step of the call. The dictionary is not changed afterwards.
    batches_per_step : int, default 1
        How many batches make one step (gradient accumulation).
    progress : (int, float, ndarray), optional
        What ``Session.progress`` returned for this epoch before it was left: the epoch goes on there. With 0 samples
        done, the sums over other samples are carried into the sums of this epoch.
    on_tick : callable, optional
        Called as on_tick(samples done, mean loss so far) about every 50 ms. If it returns true, the epoch is left.
    every_step : bool, default False
        Whether on_tick is called after every step.
    outputs : ndarray, shape (n_samples, n_outputs), of the network's dtype, C-contiguous, optional
        Receives the outputs of each batch before its update, in the order in which the epoch takes the samples.
    """

    def __cinit__(self, Py_ssize_t batch_size, bint shuffle, uint64_t seed, uint64_t epoch, dict step_numbers,
                  Py_ssize_t batches_per_step=1, progress=None, on_tick=None, bint every_step=False, outputs=None):
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.epoch = epoch
        self.step_numbers = step_numbers
        self.batches_per_step = batches_per_step
        self.progress = progress
        self.on_tick = on_tick
        self.every_step = every_step
        self.outputs = outputs
