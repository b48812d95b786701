"""The regressors' targets: all that are real numbers are read alike, all that are none are refused by a sentence."""

import datetime
import decimal
import fractions

import numpy as np
import pytest

from fastbp.sklearn import MLPRegressor, TabularClassifier, TabularRegressor

pd = pytest.importorskip("pandas")

N = 40
X = np.linspace(0.0, 1.0, 2 * N).reshape(N, 2)
Y = np.linspace(1.0, 4.0, N).round(3)
DATES = pd.Series(pd.date_range("2020-01-01", periods=N))

NO_NUMBERS = {
    "dates": (DATES, "time since a reference date"),
    "NumPy's dates": (DATES.to_numpy(), "time since a reference date"),
    "durations": (DATES - DATES[0], "duration as a number"),
    "objects of dates": (np.array([datetime.date(2020, 1, 1)] * N, object), "date"),
    "complex numbers": (np.ones(N) * 1j, "real and the imaginary"),
    "objects of NumPy's dates": (np.array([np.datetime64("2020-01-01")] * N, object), "datetime64 among them"),
    "a number and no time": (np.array([1.0, np.datetime64("NaT")] * (N // 2), object), "datetime64 among them"),
    "objects of NumPy's durations": (np.array([np.timedelta64(1, "s"), 2.0] * (N // 2), object), "timedelta64 among"),
    "objects of complex numbers": (np.array([1j, 2.0] * (N // 2), object), "complex"),
    "text": (["a"] * N, "Encode the text"),
    "digits as text": (["1", "2"] * (N // 2), "Encode the text"),
    "text among numbers": (np.array(["1", 2.0] * (N // 2), object), "str among them"),
    "two columns, one of text": (pd.DataFrame({"b": 1.0, "a": ["x"] * N}), "column 1 holds .* float: 'x'"),
    "bytes": (np.array([b"1"] * N), "Encode the text"),
    "records": (np.zeros(N, [("a", float)]), "plain dtype"),
    "too large an integer": ([10**400] * N, "too large"),
}
WRONG_SHAPES = {"one number": 3.0, "three dimensions": np.ones((N, 2, 2)), "no rows": [], "no columns": np.ones((N, 0))}
NUMBERS = {
    "decimals": [decimal.Decimal(str(y)) for y in Y],
    "fractions": [fractions.Fraction(str(y)) for y in Y],
    "objects": Y.astype(object),
    "foreign byte order": Y.astype(Y.dtype.newbyteorder()),
    "long doubles": Y.astype(np.longdouble),
    "nullable": pd.Series(Y, dtype="Float64"),
    "every other of an array": np.repeat(Y, 2)[::2],
    "a column": Y.reshape(-1, 1),
}


def fitted(y):
    return TabularRegressor(preset="fast", epochs=2, random_state=0).fit(X, y)


@pytest.mark.parametrize("case", NO_NUMBERS)
def test_what_is_no_number_is_refused(case):
    y, message = NO_NUMBERS[case]
    with pytest.raises(TypeError, match=f"(?s)^y .*expected.*{message}"):
        fitted(y)


@pytest.mark.parametrize("case", ["objects of dates", "two columns, one of text", "too large an integer"])
@pytest.mark.parametrize("method", ["fit", "partial_fit", "validation_set"])
def test_objects_that_are_no_numbers_are_refused_by_the_drop_in_too(case, method):
    y, message = NO_NUMBERS[case]
    network = MLPRegressor(max_iter=1)
    with pytest.raises(TypeError, match=f"^y is an array of Python objects .*expected numbers or booleans.*{message}"):
        if method == "validation_set":
            network.fit(X, np.ones(np.shape(y)), validation_set=(X, y))
        else:
            getattr(network, method)(X, y)


def test_the_drop_in_leaves_what_is_wrong_with_others_to_scikit_learn():
    with pytest.raises(ValueError, match="could not convert string to float"):
        MLPRegressor().fit(np.array([["a"]] * N, object), np.array([1] * N, object))
    with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\)"):
        MLPRegressor().fit(X, np.empty((0, 2), object))
    with pytest.raises(ValueError, match="inhomogeneous"):
        MLPRegressor().fit(X, [[1.0], [1.0, 2.0]] * (N // 2))


@pytest.mark.parametrize("case", WRONG_SHAPES)
def test_other_shapes_are_refused(case):
    with pytest.raises(ValueError, match=r"^y has shape .*expected"):
        fitted(WRONG_SHAPES[case])


@pytest.mark.filterwarnings("ignore:A column-vector y was passed")
@pytest.mark.parametrize("case", NUMBERS)
def test_the_same_numbers_are_learned_alike(case):
    np.testing.assert_array_equal(fitted(NUMBERS[case]).predict(X), fitted(Y).predict(X))


@pytest.mark.parametrize("bad", [np.nan, np.inf, None])
def test_a_missing_target_is_named_with_its_row(bad):
    y = [*Y[:5], bad, *Y[6:]]
    with pytest.raises(ValueError, match=r"^row 5, column 0 of y .* is (nan|inf); expected a finite number"):
        fitted(y)


@pytest.mark.parametrize("numbers", [Y * 4e307, 1e308 + Y, np.where(Y > 2, 1.2e308, -1.2e308), np.full(N, 1.7e308)])
def test_targets_whose_sum_is_infinite_are_not_said_to_be_infinite(numbers):
    others = np.stack([Y, numbers], axis=1)
    for y, column in ((numbers, 0), (others, 1)):
        with pytest.raises(
            ValueError, match=rf"^column {column} of y .* has numbers from .*e\+30\d.*whose sum can be inf"
        ):
            fitted(y)


def test_large_targets_are_learned():
    assert np.isfinite(fitted(Y * 1e300).predict(X)).all()


@pytest.mark.parametrize("estimator", [TabularRegressor, TabularClassifier])
def test_numbers_that_vanish_are_no_error(estimator):
    y = Y * 1e-310 if estimator is TabularRegressor else Y > 2
    table, rows = estimator(preset="fast", epochs=2, random_state=0), X * 1e-310
    with np.errstate(all="raise"):
        table.fit(rows, y)
        table.predict(rows)
        if estimator is TabularRegressor:
            table.predict_interval(rows)


@pytest.mark.parametrize("argument", ["X", "y"])
def test_masked_values_are_not_taken_for_what_lies_under_the_mask(argument):
    data = {"X": X, "y": Y}
    masked = np.ma.masked_less(data[argument], np.median(data[argument]))
    data[argument] = masked
    with pytest.raises(TypeError, match=rf"^{argument} is a masked array with masked values; expected numbers every"):
        TabularRegressor(preset="fast", epochs=2).fit(**data)
    if argument == "X":
        with pytest.raises(TypeError, match="X is a masked array with masked values"):
            fitted(Y).predict(masked)


def test_other_columns_of_targets_to_choose_by_are_refused():
    for y, others in ((Y, np.stack([Y, Y], axis=1)), (np.stack([Y, Y], axis=1), Y)):
        with pytest.raises(ValueError, match=r"^y of validation_set has \d columns? and y \d; expected as many\."):
            TabularRegressor(preset="fast", epochs=2).fit(X, y, validation_set=(X, others))
