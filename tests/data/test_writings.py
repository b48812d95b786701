"""Numbers and moments that are written as text are read as what they are, in the way that the training data had."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastbp as fb
from fastbp.data import written_moments
from fastbp.data.columns import read_column
from fastbp.data.writings import find_writing, writing_from_config
from fastbp.data.written_moments import are_ambiguous
from fastbp.data.written_numbers import find_number_writing


def find_moment_writing(levels):
    return written_moments.find_moment_writing(levels, [1] * len(levels))


pandas = pytest.importorskip("pandas", reason="pandas is not installed")


def numbers(*levels):
    writing = find_number_writing(levels, [1] * len(levels))
    return writing and [writing.read(level) for level in levels]


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        (["$12.50", "$1,234.50", "-$3.00", "($4.00)"], [12.5, 1234.5, -3, -4]),
        (["12 kg", "3.5 kg", "7kg"], [12, 3.5, 7]),
        (["1.234,50", "12,5", "7"], [1234.5, 12.5, 7]),
        (["1,234", "2,500", "7"], [1234, 2500, 7]),
        (["3,5 %", "4,25 %", "1 %"], [3.5, 4.25, 1]),
        (["12,50 €", "7,00 €", "1.250,00 €"], [12.5, 7, 1250]),
        (["€ 12", "€ 13", "€ 1.200"], [12, 13, 1200]),
        (["1 234,5", "2\u00a0345,6", "3"], [1234.5, 2345.6, 3]),
        (["36 months", "60 months", "12 months"], [36, 60, 12]),
        (["5 km/h", "6 km/h", "-7 km/h"], [5, 6, -7]),
        (["CHF 1'200.50", "CHF 2", "CHF 3"], [1200.5, 2, 3]),
    ],
)
def test_one_way_of_writing_numbers(levels, expected):
    assert numbers(*levels) == expected


@pytest.mark.parametrize(
    "levels",
    [
        ["12 kg", "300 g", "7 kg"],
        ["12", "7A", "3"],
        [f"{i:05}" for i in range(500, 600)],
        [f"thing {i}" for i in range(30)],
        ["A1", "A2", "A3"],
        ["1.2.3", "1.2.4", "1.2.5"],
        ["192.168.1.1", "192.168.1.2", "10.0.0.1"],
        ["10-20", "20-30", "30-40"],
        [str(i) for i in range(100)],  # whoever makes text of integers wants categories
        ["1.5", "2.5", "3.5"],  # and so few may be versions
    ],
)
def test_names_made_of_digits_are_no_numbers(levels):
    assert numbers(*levels) is None


def test_a_few_words_among_numbers_are_gaps():
    levels = [str(i) for i in range(394)] + ["?"]
    writing = find_number_writing(levels, [1] * 394 + [6])
    assert writing.gaps == ("?",) and math.isnan(writing.read("?")) and writing.read("7") == 7
    assert find_number_writing([*levels[:-1], "ask us"], [1] * 394 + [6]).gaps == ("ask us",)
    assert find_number_writing([*levels[:-1], "ask us"], [1] * 394 + [60]) is None  # too many to be gaps
    assert find_number_writing([*levels[:-1], ">400"], [1] * 394 + [6]) is None  # this says something


@given(st.lists(st.floats(-1e9, 1e9), min_size=30, max_size=40, unique_by=lambda x: round(x, 2)))
def test_what_python_writes_is_read_back(values):
    levels = [f"{value:,.2f}" for value in values]
    if all(len(level) < 8 for level in levels):
        return
    writing = find_number_writing(levels, [1] * len(levels))
    if writing is None:  # all whole thousands
        return
    assert [writing.read(level) for level in levels] == [float(level.replace(",", "")) for level in levels]


@pytest.mark.parametrize(
    ("levels", "written"),
    [
        (["2023-01-05", "2023-02-05", "2024-12-31"], "%Y-%m-%d"),
        (["05/01/2023", "06/01/2023", "13/01/2023"], "%d/%m/%Y"),
        (["1/13/23", "2/1/23", "3/1/23"], "%m/%d/%y"),
        (["05.01.2023 17:30", "06.01.2023 18:00", "07.01.2023 00:00"], "%d.%m.%Y %H:%M"),
        (["5 Jan 2023", "6 Feb 2023", "7 Mar 1969"], "%d %b %Y"),
        (["January 5, 2023", "May 6, 2023", "June 7, 2023"], "%B %d, %Y"),
        (["Jan 5, 2023 5:30 PM", "Feb 6, 2023 12:01 AM", "May 7, 2023 12:00 PM"], "%b %d, %Y %I:%M %p"),
        (["2024/10/27 00:30:00.250000", "2024/10/27 01:30:00.500000", "2024/10/28 00:00:00.000000"], None),
        (["2024-10-27T00:30:00Z", "2024-10-27T02:30:00+01:00", "2024-10-27T02:30:00+02:00"], "%Y-%m-%dT%H:%M:%S%z"),
        (["2024-10-27T05:30:00+05:30", "2024-10-26T20:30:00-0330", "2024-10-27T12:45:00+12:45"], "%Y-%m-%dT%H:%M:%S%z"),
    ],
)
def test_moments_are_read_as_pandas_reads_them(levels, written):
    writing = find_moment_writing(levels)
    moments = pandas.to_datetime(pandas.Series(levels), format=written, utc=True)
    expected = (moments - pandas.Timestamp("1970-01-01", tz="UTC")) / pandas.Timedelta("1s")
    assert [writing.read(level) for level in levels] == expected.tolist()


def test_a_day_that_may_be_a_month_is_not_guessed():
    assert find_moment_writing(["05/01/2023", "06/01/2023", "07/01/2023"]) is None
    assert are_ambiguous(["05/01/2023", "06/01/2023", "07/01/2023"])
    assert find_moment_writing(["2023-13-01", "2023-01-01", "2023-01-02"]) is None  # no such month
    assert not are_ambiguous(["a", "b", "c"])
    known = find_moment_writing(["05/01/2023", "06/01/2023", "13/01/2023"])
    assert known.read("2023-01-05") == known.read("05/01/2023") == known.read("5 January 2023")  # these are clear
    assert known.read("01/13/2023") is None
    assert known.read("05/00/2023") is None and known.read("5 Foo 2023") is None


def test_times_of_the_day_are_seconds():
    writing = find_moment_writing(["08:30", "17:45:10", "9:00 pm"])
    assert [writing.read(text) for text in ("08:30", "17:45:10", "9:00 pm")] == [30600, 63910, 75600]
    assert writing.read("30:15") == 30.25 * 3600  # a duration
    assert writing.read("13:00 pm") is None and writing.read("12:60") is None


def test_a_few_words_among_dates_are_gaps():
    levels = [f"{1 + i % 28}.{1 + i // 28}.2023" for i in range(300)] + ["unknown date"]
    writing = find_moment_writing(levels)
    assert writing.order == "day first" and writing.gaps == ("unknown date",)
    assert find_moment_writing([*levels, "a", "b", "c"]) is None


@pytest.mark.parametrize("values", [[1672876800000, 1672876800], [1.0, 2.0]])
def test_numbers_are_not_taken_for_moments_nor_moments_for_numbers(values, tmp_path):
    moments = pandas.DataFrame({"a": pandas.to_datetime(["2023-01-05", "2023-01-06"])})
    numbers = pandas.DataFrame({"a": values})
    for learned, other, sentence in (
        (moments, numbers, "numbers; expected moments"),
        (numbers, moments, "moments; expected"),
    ):
        model = prepared()
        model.build(learned)
        with pytest.raises(TypeError, match=f"column 'a' of X holds {sentence}"):
            model.predict(other)
        assert model.predict(learned[:1].assign(a=None)).shape == (1, 1)  # a gap may be of either kind


@pytest.mark.parametrize("levels", [["$1", "$2", "$1,300"], ["05/01/2023", "06/01/2023", "13/01/2023"]])
def test_a_writing_survives_a_file(levels):
    writing = find_writing(read_column(np.array(levels, object)))
    assert writing_from_config(writing.to_config()) == writing


@pytest.fixture
def sales():
    rng = np.random.default_rng(0)
    n = 400
    price = np.round(rng.uniform(1, 2000, n), 2)
    days = pandas.Timestamp("2023-01-01") + pandas.to_timedelta(rng.integers(0, 700, n), "D")
    near = rng.integers(0, 400, n)
    frame = pandas.DataFrame(
        {
            "price": [f"${value:,.2f}" for value in price],
            "when": days.strftime("%d/%m/%Y"),
            "near": pandas.Series(near).astype(str).where(np.arange(n) >= 6, "?"),
        }
    )
    plain = pandas.DataFrame({"price": price, "when": days, "near": np.where(np.arange(n) < 6, np.nan, near)})
    return frame, plain


def prepared():
    prepare = fb.Columns(numeric=[fb.Impute(), fb.Standardize()])
    return fb.Model([fb.Dense(4, "relu"), fb.Dense(1)], prepare=prepare)


def test_a_model_reads_text_as_it_learned_to(sales, tmp_path):
    frame, plain = sales
    model, other = prepared(), prepared()
    with pytest.warns(UserWarning, match="column 'near' of X is text, and nearly all of it numbers") as caught:
        model.build(frame)
    assert caught[0].filename == __file__
    other.build(plain)
    np.testing.assert_array_equal(model.predict(frame), other.predict(plain))
    model.save(tmp_path / "model")
    loaded = fb.Model.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(frame), other.predict(plain))
    np.testing.assert_array_equal(loaded.predict(plain), other.predict(plain))  # numbers and moments will do
    np.testing.assert_array_equal(loaded.predict(frame[:1]), other.predict(plain[:1]))  # whatever the rows are
    with pytest.raises(ValueError, match=r"row 3, column 'price' of X is 'cheap'; expected numbers such as '\$1,"):
        loaded.predict(frame.assign(price=frame["price"].where(frame.index != 3, "cheap")))


def test_moments_that_were_no_text_are_read_where_they_are_clear(sales):
    frame, plain = sales
    model = prepared()
    model.build(plain)
    iso = plain.assign(when=plain["when"].dt.strftime("%Y-%m-%d"))
    np.testing.assert_array_equal(model.predict(iso), model.predict(plain))
    with pytest.raises(
        ValueError, match=r"column 'when' of X is '.*'; expected dates or times such as '2023-01-05 17:30'"
    ):
        model.predict(plain.assign(when=frame["when"]))


def test_dates_that_may_be_read_in_two_ways_are_said_to_be():
    frame = pandas.DataFrame({"when": ["05/01/2023", "06/01/2023", "07/01/2023"] * 5})
    with pytest.warns(UserWarning, match="nobody can tell the day from the month, such as '05/01/2023'"):
        prepared().build(frame)


def test_named_categories_stay_categories(sales):
    frame, _ = sales
    prepare = fb.Columns(categories=["near", "price", "when"])
    model = fb.Model([fb.Dense(1)], prepare=prepare)
    model.build(frame)
    assert model.n_parameters == 1 + sum(frame.nunique())


# ---- The most common categories ----


@pytest.mark.parametrize("values", [list("abbccc"), [7.0, 1.0, 1.0, 9.0, 9.0, 9.0]])
def test_only_the_most_common_categories_get_a_column(values):
    X = np.array(values, object if isinstance(values[0], str) else float).reshape(-1, 1)
    model = fb.Model([fb.Dense(2, "linear", use_bias=False)], prepare=fb.OneHot(max_categories=2))
    model.build(X)
    model.set_weights([np.array([[1.0, 0.0], [0.0, 1.0]])])
    np.testing.assert_array_equal(model.predict(X), [[0, 0], [1, 0], [1, 0], [0, 1], [0, 1], [0, 1]])


@pytest.mark.parametrize("bad", [0, 1.5, "x"])
def test_max_categories_is_a_number(bad):
    with pytest.raises((TypeError, ValueError), match=r"max_categories is .*; expected an integer of 1 or more"):
        fb.OneHot(max_categories=bad)
