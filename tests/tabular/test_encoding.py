"""The encoding of a table's columns: against formulas written out, and columns that leave little to learn."""

import json

import numpy as np
import pytest

from fastbp.tabular.encoding import FAR_BOUND, Kind, LevelEncoding, TableEncoding, learn_encoding, learn_encodings

NAN = np.nan


def encode_numbers(values, n_bins=0, others=None):
    column = np.asarray(values, float)[:, np.newaxis]
    encoding = learn_encoding(column, 1, [], n_bins)
    return encoding.encode(column if others is None else np.asarray(others, float)[:, np.newaxis])


def test_a_far_bound_leaves_numbers_as_they_are():
    """But for one that is far from all others, which is bounded all the same; a file keeps the bound."""
    values = np.append(np.random.default_rng(0).normal(size=(500, 1)), [[1e6]], axis=0)
    encoding = learn_encodings(values, 1, [], {Kind(0), Kind(0, FAR_BOUND)})[Kind(0, FAR_BOUND)]
    number = encoding.numbers[0]
    scaled = (values[:, 0] - number.centre) * number.factor
    got = encoding.encode(values)[:, 0]
    np.testing.assert_allclose(got, scaled / np.sqrt(1 + (scaled / 100) ** 2), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(got[:-1], scaled[:-1], rtol=0.001)
    assert 99 < got[-1] <= 100
    again = TableEncoding.from_config(json.loads(json.dumps(encoding.to_config())))
    np.testing.assert_array_equal(again.encode(values)[:, 0], got)


def test_a_number_is_centred_scaled_and_bounded():
    values = np.array([0.0, 1, 2, 3, 4, 5, 6, 7, 100])
    scaled = (values - 4) / (np.quantile(values, 0.75) - np.quantile(values, 0.25))
    got = encode_numbers(values)[:, 0]
    wanted = scaled / np.sqrt(1 + (scaled / 3) ** 2)
    np.testing.assert_allclose(got, wanted, rtol=0.15, atol=0.01)  # quartiles of distinct values, interpolated
    assert np.abs(encode_numbers([0.0, 1, 2, 3], others=[1e300, -1e300])).max() <= 3.0001


def test_a_gap_is_the_median_and_has_a_column():
    got = encode_numbers([1.0, 2, 3, NAN], others=[2, NAN])
    np.testing.assert_array_equal(got, [[0, 0], [0, 1]])
    assert encode_numbers([1.0, 2, 3], others=[NAN]).tolist() == [[0.0]]  # none in training: no column


def test_bins_say_how_much_of_each_lies_below():
    values = np.arange(0.0, 101)
    got = encode_numbers(values, n_bins=4, others=[-5, 0, 12.5, 50, 100, 300])[:, 1:]
    below = (got + 1) / 2
    assert below.shape == (6, 4)
    np.testing.assert_allclose(below.sum(axis=1), [0, 0, 0.5, 2, 4, 4], atol=0.05)
    assert np.all(np.diff(below, axis=1) <= 0)  # full ones, then a part, then empty ones


def test_a_column_of_mostly_zeros_still_has_bins_and_a_scale():
    values = np.concatenate([np.zeros(950), np.linspace(1, 50, 50)])
    got = encode_numbers(values, n_bins=8, others=[0, 10, 40])
    assert got.shape[1] > 4
    assert np.ptp(got[:, 0]) > 0.5  # not only as far apart as the range of all would have it


def test_few_values_are_their_own_edges():
    got = encode_numbers([1.0, 2, 3, 5] * 10, n_bins=12)
    assert got.shape[1] == 1 + 3
    assert encode_numbers([0.0, 1] * 20, n_bins=12).shape[1] == 1  # two values need none


@pytest.mark.parametrize("values", [[3.0] * 5, [NAN] * 5, [NAN, 4.0, NAN, 4.0, NAN]])
def test_columns_that_say_nothing_are_finite(values):
    assert np.isfinite(encode_numbers(values, n_bins=8, others=[3, 9, NAN])).all()


def test_categories_of_few_levels_are_written_out():
    codes = np.array([[0.0], [1], [2], [0], [1], [0], [0], [0]])
    encoding = learn_encoding(codes, 0, [4], 0)
    got = encoding.encode(np.array([[0.0], [1], [2], [-1]]))
    assert got.shape == (4, 3)
    assert got[0, 0] > got[1, 0] and got[1, 1] > got[0, 1]
    assert np.ptp(got[3]) <= np.ptp(got[:3])
    two = learn_encoding(codes[:2], 0, [3], 0).encode(np.array([[0.0], [1], [-1]]))
    assert two.shape == (3, 1)
    assert two[0, 0] < two[2, 0] < two[1, 0]  # -1, 0 for a level that is not known, 1


def test_levels_are_centred_scaled_and_bounded():
    codes = np.array([[0.0], [1], [2], [-1]])
    centres, factors = np.array([0.5, 0.1, 0.02]), np.array([1.0, 4.0, 50.0])
    encoding = TableEncoding([], {0: LevelEncoding((0, 1, 2), centres, factors)}, {})
    scaled = ((codes == [0, 1, 2]) - centres) * factors
    np.testing.assert_allclose(encoding.encode(codes), scaled / np.sqrt(1 + (scaled / 3) ** 2), rtol=1e-6)


def test_categories_of_many_levels_stay_codes():
    codes = (np.arange(60.0) % 20)[:, np.newaxis]
    encoding = learn_encoding(codes, 0, [21], 0)
    assert encoding.n_numeric == 0
    assert list(encoding.cardinalities.values()) == [21]
    np.testing.assert_array_equal(encoding.encode(np.array([[7.0], [-1]])), [[7], [-1]])


def test_a_category_without_a_choice_is_left_out():
    encoding = learn_encoding(np.zeros((5, 1)), 0, [2], 0)
    assert encoding.encode(np.zeros((2, 1))).shape == (2, 0)


def test_as_plain_data_and_back():
    rng = np.random.default_rng(0)
    table = np.column_stack([rng.normal(size=50), rng.integers(0, 3, 50), rng.integers(0, 15, 50)])
    table[3, 0] = NAN
    encoding = learn_encoding(table, 1, [3, 15], 8)
    again = TableEncoding.from_config(json.loads(json.dumps(encoding.to_config())))
    np.testing.assert_array_equal(again.encode(table), encoding.encode(table))
    assert again.n_numeric == encoding.n_numeric


@pytest.mark.parametrize("n_bins", [0, 2, 7, 48])
def test_bins_are_what_the_formula_says_to_the_last_bit(n_bins):
    rng = np.random.default_rng(n_bins)
    values = np.concatenate([rng.normal(size=300), rng.integers(0, 4, 100), [0.0] * 50])
    encoding = learn_encoding(values[:, np.newaxis], 1, [], n_bins)
    number = encoding.numbers[0]
    rows = np.concatenate([values, number.edges, number.edges - 1e-9, [-1e300, 1e300]])
    got = encoding.encode(rows[:, np.newaxis])
    wanted = 2 * np.clip((rows[:, np.newaxis] - number.edges[:-1]) / np.diff(number.edges), 0, 1) - 1
    np.testing.assert_array_equal(got[:, 1:], wanted.astype(np.float32))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_all_columns_are_what_the_formulas_say_wherever_they_lie(dtype):
    """Gaps, constants, huge numbers and numbers without bins, against NumPy, from arrays of any strides."""
    rng = np.random.default_rng(1)
    table = (rng.normal(size=(500, 5)) * [1, 1e-6, 1e9, 1, 1]).astype(dtype)
    table[rng.random((500, 5)) < 0.2] = NAN
    table[:, 3] = 4
    table[:, 4] = table[:, 4] > 0
    encoding = learn_encoding(table, 5, [], 12)
    huge = np.finfo(dtype).max
    table[0] = [huge, -huge, huge, huge, -huge]
    wanted = []
    for number, column in zip(encoding.numbers, table.T.astype(np.float64), strict=True):
        filled = np.where(np.isnan(column), number.centre, column)
        with np.errstate(over="ignore"):
            scaled = np.clip((filled - number.centre) * number.factor, -1e9, 1e9)
            shares = (filled[:, np.newaxis] - number.edges[:-1]) / np.diff(number.edges)
        wanted.append(scaled / np.sqrt(1 + (scaled / 3) ** 2))
        if number.with_gaps:
            wanted.append(np.isnan(column))
        wanted += list(2 * np.clip(shares.T, 0, 1) - 1)
    wanted = np.stack(wanted, axis=1).astype(np.float32)
    assert {len(number.edges) for number in encoding.numbers} == {0, 13}
    wide = np.full((1000, 15), NAN, dtype)
    wide[::2, 1:15:3] = table
    for rows in (table, np.asfortranarray(table), wide[::2, 1:15:3]):
        np.testing.assert_allclose(encoding.encode(rows), wanted, rtol=1e-6, atol=1e-7)


def test_few_rows_are_encoded_to_the_same_bits_as_many():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(200, 5)) * [1, 1e-6, 1e9, 1, 1]
    table[rng.random((200, 5)) < 0.2] = NAN
    table[:, 3] = 4.0
    table = np.column_stack([table, rng.integers(-1, 3, 200), rng.integers(0, 20, 200)])
    encoding = learn_encoding(table, 5, [3, 20], 12)
    table[0, :5] = [1e308, -1e308, 1e308, 1e308, -1e308]
    whole = encoding.encode(table)
    for rows in (slice(0, 1), slice(1, 2), slice(0, 64)):
        np.testing.assert_array_equal(encoding.encode(table[rows]), whole[rows])


def encoding_with_values(column):
    kind = Kind(4, with_values=True)
    return learn_encodings(np.asarray(column, float)[:, np.newaxis], 1, [], [kind])[kind]


def test_values_that_recur_have_codes():
    """Eight rows are enough; a gap, a value of fewer rows, and one that is new, have none."""
    column = [*[5.0] * 8, *[1.5] * 30, *[7.0] * 7, *[-2.0] * 9, NAN, *np.linspace(10, 20, 50)]
    encoding = encoding_with_values(column)
    np.testing.assert_array_equal(encoding.numbers[0].values, [-2, 1.5, 5])
    assert encoding.table_sizes == [3]
    got = encoding.encode(np.array([[-2.0], [1.5], [5], [7], [NAN], [1e300], [-1e300]]))
    assert got.shape == (7, encoding.n_numeric + 1)
    assert got[:, -1].tolist() == [0, 1, 2, -1, -1, -1, -1]
    again = TableEncoding.from_config(json.loads(json.dumps(encoding.to_config())))
    np.testing.assert_array_equal(again.encode(np.array([[5.0], [6]])), encoding.encode(np.array([[5.0], [6]])))


def test_a_value_is_the_same_in_float32_and_after_a_rounding():
    """A table may be trained on in float64 and predicted in float32, or read from another file."""
    tenths = np.arange(20.0) * 0.1  # 0.1 * 3 is not 0.3
    encoding = encoding_with_values(
        [*np.repeat(tenths, 5), *np.repeat(np.round(tenths, 1), 5), *[1e300] * 9, *[2e300] * 9]
    )
    assert encoding.table_sizes == [20]
    for table in (tenths, np.round(tenths, 1), tenths.astype(np.float32)):
        assert encoding.encode(table[:, np.newaxis])[:, -1].tolist() == list(range(20))
    assert encoding.encode(np.array([[0.3001], [1e300], [-1e300]]))[:, -1].tolist() == [-1, -1, -1]


@pytest.mark.parametrize(
    "column", [np.repeat([0.0, 1], 50), np.arange(300.0), np.repeat(np.arange(201.0), 8), [NAN] * 9, np.ones(20)]
)
def test_two_values_and_values_without_end_have_no_codes(column):
    encoding = encoding_with_values(column)
    assert encoding.table_sizes == []
    assert encoding.encode(np.asarray(column, float)[:, np.newaxis]).shape[1] == encoding.n_numeric


def test_codes_of_values_follow_those_of_categories():
    rng = np.random.default_rng(0)
    table = np.column_stack([rng.normal(size=400), rng.integers(0, 20, 400), rng.integers(0, 15, 400)])
    kind = Kind(4, with_values=True)
    encoding = learn_encodings(table, 2, [15], [kind, Kind(4)])[kind]
    assert encoding.table_sizes == [15, 20] and encoding.coded_numbers == [1]
    np.testing.assert_array_equal(encoding.encode(table)[:, -2:], table[:, [2, 1]])


def test_an_encoding_of_an_earlier_version_is_read():
    encoding = learn_encoding(np.arange(30.0)[:, np.newaxis], 1, [], 4)
    config = encoding.to_config()
    config["numbers"] = [number[:4] for number in config["numbers"]]
    rows = np.array([[3.0], [99]])
    np.testing.assert_array_equal(TableEncoding.from_config(config).encode(rows), encoding.encode(rows))
