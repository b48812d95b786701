"""Every form of data that is accepted gives the numbers that float64 gives, and arrays are read where they lie."""

import numpy as np
import pytest

import fastbp as fb
from fastbp.data.arrays import as_matrix

N_ROWS, N_COLUMNS = 23, 5

READ_IN_PLACE = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "longlong", "ulonglong"]
CONVERTED = [">i2", ">i8", ">f4", ">f8", "longdouble"]


@pytest.fixture(scope="module")
def numbers():
    return np.random.default_rng(0).integers(0, 2, (N_ROWS, N_COLUMNS)).astype(np.float64)


@pytest.fixture(scope="module")
def model():
    return fb.Model([fb.Dense(4, "tanh"), fb.Dense(2)], inputs=N_COLUMNS, dtype="float64", seed=1)


def check(model, numbers, X, in_place=None):
    """Predict, and train an epoch, as from float64; ``in_place`` says whether an array is read where it lies."""
    assert (model.predict(X) == model.predict(numbers)).all()
    assert (train(X) == train(numbers)).all()
    if in_place is not None:
        assert np.shares_memory(as_matrix(X, N_COLUMNS, "X"), X) == in_place


def train(X):
    """Return the first layer after an epoch on X, also as the target."""
    model = fb.Model([fb.Dense(N_COLUMNS)], inputs=N_COLUMNS, dtype="float64")
    fb.Trainer(model, "mse", batch_size=4).fit(X, X)
    return model.get_weights()[0]


@pytest.mark.parametrize("dtype", READ_IN_PLACE)
def test_dtypes_read_in_place(model, numbers, dtype):
    check(model, numbers, numbers.astype(dtype), in_place=True)


@pytest.mark.parametrize("dtype", CONVERTED)
def test_dtypes_that_are_converted(model, numbers, dtype):
    check(model, numbers, numbers.astype(dtype))


@pytest.mark.parametrize("dtype", ["?", "u1", "f4", "f8"])
def test_any_strides(model, numbers, dtype):
    wide = np.zeros((2 * N_ROWS, 3 * N_COLUMNS), dtype)
    wide[::2, 1::3] = numbers
    for X in (
        np.asfortranarray(numbers.astype(dtype)),
        np.ascontiguousarray(numbers.astype(dtype)[::-1])[::-1],
        np.ascontiguousarray(numbers.astype(dtype)[:, ::-1])[:, ::-1],
        wide[::2, 1::3],
    ):
        check(model, numbers, X, in_place=True)


def test_broadcast_rows(model):
    row = np.arange(5.0)
    X = np.broadcast_to(row, (N_ROWS, N_COLUMNS))
    check(model, np.tile(row, (N_ROWS, 1)), X, in_place=True)


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "i1"])
def test_broadcast_columns(model, dtype):
    """From one column to the next it is no byte."""
    columns = np.broadcast_to(np.arange(N_ROWS).astype(dtype)[:, np.newaxis], (N_ROWS, N_COLUMNS))
    assert columns.strides[1] == 0
    np.testing.assert_array_equal(model.predict(columns), model.predict(columns.copy()))


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_halves_that_are_not_finite_are_refused_by_their_place(model, numbers, value):
    X = numbers.astype(np.float16)
    X[7, 3] = value
    with pytest.raises(ValueError, match=rf"row 7, column 3 of X \(counted from 0\) is {value}"):
        model.predict(X)


def test_read_only(model, numbers):
    X = numbers.copy()
    X.flags.writeable = False
    check(model, numbers, X, in_place=True)


def test_memory_mapped(model, numbers, tmp_path):
    np.save(tmp_path / "X.npy", numbers.astype(np.float32))
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert isinstance(X, np.memmap)
    check(model, numbers, X, in_place=True)


def test_misaligned(model, numbers):
    packed = np.zeros(N_ROWS, np.dtype([("flag", "u1"), ("x", "f8", (N_COLUMNS,))]))
    packed["x"] = numbers
    assert not packed["x"].flags.aligned
    check(model, numbers, packed["x"])


def test_lists_and_tuples(model, numbers):
    check(model, numbers, numbers.tolist())
    check(model, numbers, tuple(map(tuple, numbers)))


def test_matrix_and_unmasked_array(model, numbers):
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.matrix(numbers)
    check(model, numbers, matrix)
    check(model, numbers, np.ma.MaskedArray(numbers))


def test_anything_with_an_array_interface(model, numbers):
    class Wrapper:
        def __array__(self, dtype=None, copy=None):
            return numbers

    check(model, numbers, Wrapper())


def test_data_frames(model, numbers):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(numbers, columns=list("abcde"))
    check(model, numbers, frame)
    check(model, numbers, frame.astype({"a": bool, "b": "int8", "c": "float32"}))  # NumPy alone makes this objects
    check(model, numbers, frame.astype({"a": "Int64", "b": "boolean"}))


def test_series_as_labels(numbers):
    pandas = pytest.importorskip("pandas")
    y = numbers[:, 0].astype(int)
    model = fb.Model([fb.Dense(2, "softmax")], inputs=N_COLUMNS)
    trainer = fb.Trainer(model, "cross_entropy")
    assert trainer.evaluate(numbers, pandas.Series(y)) == trainer.evaluate(numbers, y)
    assert trainer.evaluate(numbers, pandas.DataFrame({"y": y})) == trainer.evaluate(numbers, y)


def test_labels_of_any_layout(numbers):
    y = np.arange(N_ROWS, dtype=np.int32) % 2
    trainer = fb.Trainer(fb.Model([fb.Dense(2, "softmax")], inputs=N_COLUMNS), "cross_entropy")
    expected = trainer.evaluate(numbers, y)
    read_only = y.copy()
    read_only.flags.writeable = False
    misaligned = np.frombuffer(b"\0" + y.tobytes(), np.int32, offset=1)
    assert not misaligned.flags.aligned
    for same in (
        read_only,
        misaligned,
        np.repeat(y, 3)[::3],
        y[::-1].copy()[::-1],
        y.astype(">i4"),
        y.astype(np.longlong),
    ):
        assert trainer.evaluate(numbers, same) == expected
        assert trainer.step(numbers, same) > 0
        expected = trainer.evaluate(numbers, y)


def test_float32_model_rounds_float64_once():
    X = np.array([[1 / 3], [1e-3], [123456.789]])
    model = fb.Model([fb.Dense(1)], inputs=1)
    model.set_weights([[[1.0]], [0.0]])
    assert (model.predict(X) == X.astype(np.float32)).all()


def test_large_integers_are_rounded_once():
    X = np.array([[2**63 - 1], [-(2**63)], [2**53 + 1], [2**24 + 1]])
    for dtype in ("float32", "float64"):
        model = fb.Model([fb.Dense(1)], inputs=1, dtype=dtype)
        model.set_weights([[[1.0]], [0.0]])
        assert (model.predict(X) == X.astype(dtype)).all()
        unsigned = X[:1].astype(np.uint64) * 2 + 1
        assert (model.predict(unsigned) == unsigned.astype(dtype)).all()


def test_the_users_data_is_left_alone(numbers):
    X, y = numbers.copy(), numbers.copy()
    fb.Trainer(fb.Model([fb.Dense(5)], inputs=5), "mse").fit(X, y, epochs=2)
    assert np.array_equal(X, numbers)
    assert np.array_equal(y, numbers)


@pytest.mark.skipif(np.finfo(np.longdouble).max == np.finfo(float).max, reason="a long double is a double here")
@pytest.mark.parametrize("how", ["ignore", "warn", "raise"])
def test_long_doubles_beyond_a_double_are_infinite(how):
    """Whatever NumPy was told to do about them, they are refused by the sentence for infinity."""
    model = fb.Model([fb.Dense(1)], inputs=2)
    X = np.zeros((3, 2), np.longdouble)
    X[1, 1] = np.longdouble("1e400")
    with (
        np.errstate(all=how),
        pytest.raises(ValueError, match=r"row 1, column 1 of X .*is inf; expected a finite number"),
    ):
        model.predict(X)
