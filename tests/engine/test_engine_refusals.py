"""What the engine refuses though no user can ask for it: the library above would have to be wrong."""

import numpy as np
import pytest

from engine_helpers import make_pair
from fastbp.engine import kernels
from fastbp.engine.array_reader import ArrayReader
from fastbp.engine.number_columns import NumberColumns
from fastbp.engine.records import SampleSet
from fastbp.engine.session import Session


def samples(n_outputs):
    return SampleSet(ArrayReader(np.zeros((5, 3))), ArrayReader(np.zeros((5, n_outputs))))


def test_names_that_the_kernels_lack():
    with pytest.raises(ValueError, match="the kernels have no activation 'relax'"):
        make_pair(3, [(2, "relax", 0.0)], "float64")
    network, _ = make_pair(3, [(2, "linear", 0.0)], "float64")
    with pytest.raises(ValueError, match="the kernels have no loss 'gain'"):
        network.evaluate(samples(2), "gain", ("squared_error",), 1)
    with pytest.raises(ValueError, match="the kernels have no optimizer 'haste'"):
        Session(network, "mse", (), "haste", 1)
    with pytest.raises(ValueError, match="instruction set 'mmx' is not available on this machine"):
        kernels.evaluate_function("exp", np.zeros(3), "mmx")
    with pytest.raises(ValueError, match="name is 'gamma', expected one of the functions that csrc"):
        kernels.evaluate_function("gamma", np.zeros(3))


@pytest.mark.parametrize("array", [np.zeros((2, 3, 4)), np.zeros(3), np.zeros((2, 3), complex)])
def test_arrays_that_are_not_read_in_place(array):
    with pytest.raises(TypeError, match=f"cannot read a {array.ndim}-dimensional array of format"):
        ArrayReader(array)


def test_columns_of_numbers_of_another_shape_or_kind():
    columns = NumberColumns([0.0, 1.0], [1.0, 2.0], [False, False], [[], []], 3.0)
    out = np.full((4, 2), 7, np.float32)
    for rows, place in ((np.zeros((4, 1)), out), (np.zeros((4, 2)), out[:, :1].copy()), (np.zeros((3, 2)), out)):
        with pytest.raises(ValueError, match="the rows or the place for their inputs have another shape"):
            columns.write(ArrayReader(rows), place)
    with pytest.raises(TypeError, match="the rows are not of floating-point numbers"):
        columns.write(ArrayReader(np.zeros((4, 2), int)), out)
    assert (out == 7).all()
