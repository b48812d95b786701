"""What the library hands to a call of the engine: the samples, and how an epoch goes through them."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastbp.engine.array_reader import ArrayReader

Targets: TypeAlias = ArrayReader | NDArray[Any]  # int32 labels; or what a function is asked about
StepNumbers: TypeAlias = Mapping[str, Any]  # a number, an array with one for each step, or a dictionary by stage
OnTick: TypeAlias = Callable[[int, float], object]  # samples done, mean loss so far; true: leave the epoch
Progress: TypeAlias = tuple[int, float, NDArray[np.float64]]  # samples done, their weight, the sums over them

class SampleSet:
    """The samples of a call.

    Parameters
    ----------
    rows : ArrayReader, (n_rows, n_inputs)
    targets : ArrayReader, (n_rows, n_outputs), or int32 labels, shape (n_rows,)
        Or, for a loss that is a Python function, an array whose rows that function takes.
    sample_weights : float64 ndarray, shape (n_rows,), optional
        How often each sample counts in means and in sums. Not all are 0.
    subset : int64 ndarray, shape (n_samples,), optional
        The rows that are the samples. None: all rows. The targets and the sample weights are those of all rows.
    """

    def __new__(
        cls,
        rows: ArrayReader,
        targets: Targets,
        sample_weights: NDArray[np.float64] | None = None,
        subset: NDArray[np.int64] | None = None,
    ) -> SampleSet: ...
    @property
    def rows(self) -> ArrayReader: ...
    @property
    def targets(self) -> Targets: ...
    @property
    def sample_weights(self) -> NDArray[np.float64] | None: ...
    @property
    def subset(self) -> NDArray[np.int64] | None: ...
    @property
    def n_samples(self) -> int: ...

def plain_samples(
    X: object, y: object, dtype: np.dtype[Any], n_inputs: int, n_targets: int, keep_targets: bool = False
) -> SampleSet | None:
    """Return the samples of two arrays that are read as they are, quickly; None where one of them is not plain.

    Parameters
    ----------
    X, y : object
    dtype : dtype
        That both have.
    n_inputs, n_targets : int
        How many columns they have. y may have any number where the targets are kept.
    keep_targets : bool, default False
        Whether y itself is kept, for a loss that is a Python function.
    """

class EpochPlan:
    """How an epoch goes through its samples.

    Parameters
    ----------
    batch_size : int
        Samples whose mean loss is minimised together. The last batch may be shorter.
    shuffle : bool
        Whether the samples are taken in the order that (seed, epoch) gives, or else as they stand.
    seed, epoch : int
    step_numbers : dict
        What the updates use: the optimizer's numbers; clip_value, clip_norm or clip_array_norm; decay_biases;
        average_every (steps) and average_decay; and dictionaries by the number of the stage: factors, float64 arrays
        (n_arrays, 3) of the learning rate, the weight decay and epsilon of each array, and dropout_rates.
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

    def __new__(
        cls,
        batch_size: int,
        shuffle: bool,
        seed: int,
        epoch: int,
        step_numbers: StepNumbers,
        batches_per_step: int = 1,
        progress: Progress | None = None,
        on_tick: OnTick | None = None,
        every_step: bool = False,
        outputs: NDArray[Any] | None = None,
    ) -> EpochPlan: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def shuffle(self) -> bool: ...
    @property
    def seed(self) -> int: ...
    @property
    def epoch(self) -> int: ...
    @property
    def step_numbers(self) -> StepNumbers: ...
    @property
    def batches_per_step(self) -> int: ...
    @property
    def progress(self) -> Progress | None: ...
    @property
    def on_tick(self) -> OnTick | None: ...
    @property
    def every_step(self) -> bool: ...
    @property
    def outputs(self) -> NDArray[Any] | None: ...
