"""What preparations learn: against scikit-learn and NumPy; and what they refuse."""

import re

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastbp as fb
from fastbp.preparation.columns import PREPARATIONS, prepare_from_config, prepare_to_config
from fastbp.preparation.model_preparation import ModelPreparation


def prepared(prepare, X, other=None):
    """What becomes of X, or of another array, after learning from X; in float64."""
    preparing, _ = ModelPreparation(prepare, None).after(X, None, None, ("X", "y"), None)
    return preparing.inputs.apply(preparing.inputs.read(X if other is None else other, "X"), np.dtype(np.float64))


def with_holes(X, seed=0, share=0.1):
    X = np.array(X, np.float64)
    X[np.random.default_rng(seed).random(X.shape) < share] = np.nan
    return X


@pytest.fixture(params=["breast cancer", "diabetes", "random", "integers", "one row", "constant"])
def data(request):
    rng = np.random.default_rng(5)
    if request.param in ("breast cancer", "diabetes"):
        datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
        load = {"breast cancer": datasets.load_breast_cancer, "diabetes": datasets.load_diabetes}[request.param]
        return load().data
    return {
        "random": rng.normal(size=(10001, 7)) * 10 ** rng.uniform(-3, 3, 7) + rng.normal(size=7),
        "integers": rng.integers(-5, 6, (300, 4)).astype(np.int16),
        "one row": np.array([[1.0, -2.0]]),
        "constant": np.column_stack([np.full(50, 1.6e9), np.full(50, 0.1), np.arange(50.0)]),
    }[request.param]


# ------------------------------------------------------------------------------------------ numbers, as scikit-learn


@pytest.fixture
def sklearn():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    import sklearn.impute
    import sklearn.preprocessing

    return sklearn


def test_standardize_is_scikit_learn_s(sklearn, data):
    wanted = sklearn.preprocessing.StandardScaler().fit_transform(data)
    np.testing.assert_allclose(prepared(fb.Standardize(), data), wanted, rtol=1e-9, atol=1e-9)


def test_scale_is_scikit_learn_s(sklearn, data):
    wanted = sklearn.preprocessing.MinMaxScaler().fit_transform(data)
    np.testing.assert_allclose(prepared(fb.Scale(), data), wanted, rtol=1e-12, atol=1e-12)


def test_robust_scale_is_scikit_learn_s_where_quartiles_differ(sklearn, data):
    quartiles = np.quantile(data, [0.25, 0.75], axis=0)
    there = quartiles[1] > quartiles[0]
    wanted = sklearn.preprocessing.RobustScaler().fit_transform(data)
    plain = prepared(fb.RobustScale(clip=None), data)
    np.testing.assert_allclose(plain[:, there], wanted[:, there], rtol=1e-12, atol=1e-12)
    bent = prepared(fb.RobustScale(), data)
    np.testing.assert_allclose(bent, plain / np.sqrt(1 + (plain / 3) ** 2), rtol=1e-12, atol=1e-15)
    assert np.abs(bent).max() < 3


def test_robust_scale_goes_by_the_range_where_quartiles_are_alike():
    x = np.zeros((101, 1))
    x[:3, 0] = [-1, 3, 1]
    np.testing.assert_array_equal(prepared(fb.RobustScale(clip=None), x), x / 2)
    np.testing.assert_array_equal(prepared(fb.RobustScale(), np.full((9, 1), 7.0)), np.zeros((9, 1)))


@pytest.mark.parametrize("strategy", ["mean", "median"])
@pytest.mark.parametrize("indicator", [False, True])
def test_impute_is_scikit_learn_s(sklearn, data, strategy, indicator):
    X = with_holes(data)
    X[:, -1] = data[:, -1]  # no hole, no indicator
    X[:1] = data[:1]
    imputer = sklearn.impute.SimpleImputer(strategy=strategy, add_indicator=indicator)
    wanted = imputer.fit_transform(X)
    np.testing.assert_allclose(prepared(fb.Impute(strategy, indicator), X), wanted, rtol=1e-10, atol=1e-13)
    holes = np.full((1, X.shape[1]), np.nan)  # also where training had none
    np.testing.assert_allclose(prepared(fb.Impute(strategy), X, holes)[0], imputer.statistics_, rtol=1e-10, atol=1e-13)


def test_what_is_missing_is_left_out_of_all_statistics(data):
    if len(data) < 5:
        pytest.skip("nothing would be left")
    X = with_holes(data)
    for prepare in (fb.Standardize(), fb.Scale(), fb.RobustScale()):
        filled = prepared([prepare, fb.Impute()], X)
        for j in range(X.shape[1]):
            there = ~np.isnan(X[:, j])
            alone = prepared(prepare, X[there, j][:, np.newaxis])[:, 0]
            np.testing.assert_allclose(filled[there, j], alone, rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(filled[~there, j], np.mean(alone), rtol=1e-9, atol=1e-9)


def test_a_chain_is_scikit_learn_s_pipeline(sklearn, data):
    X = with_holes(data)
    X[:1] = data[:1]
    pipeline = sklearn.pipeline.make_pipeline(
        sklearn.impute.SimpleImputer(strategy="median"),
        sklearn.preprocessing.StandardScaler(),
        sklearn.preprocessing.MinMaxScaler(),
    )
    chain = [fb.Impute("median"), fb.Standardize(), fb.Scale(), fb.Scale(2, -1)]
    np.testing.assert_allclose(prepared(chain, X), pipeline.fit_transform(X) * 2 - 1, rtol=1e-9, atol=1e-9)


def test_indicators_stay_0_and_1_and_come_last():
    X = np.array([[np.nan, 1.0, 5.0], [2.0, 3.0, np.nan], [4.0, 5.0, 7.0]])
    made = prepared([fb.Impute(indicator=True), fb.Standardize(), fb.Scale(3)], X)
    np.testing.assert_array_equal(made[:, 3:], [[1, 0], [0, 1], [0, 0]])
    np.testing.assert_allclose(made[:, :3].mean(axis=0), 0, atol=1e-14)


def test_scale_multiplies_and_adds():
    X = np.arange(256, dtype=np.uint8).reshape(8, 32)
    np.testing.assert_array_equal(prepared(fb.Scale(1 / 255), X), X * (1 / 255))
    np.testing.assert_array_equal(prepared(fb.Scale(0.5, -3), X), X * 0.5 - 3)
    np.testing.assert_array_equal(prepared(fb.Scale(offset=1.0), [[0.0], [4.0]]), [[1.0], [2.0]])


# --------------------------------------------------------------------------------------------------- stability


@pytest.mark.parametrize("offset", [0, 1e6, 1.6e9, -1e12, 1e15])
def test_the_deviation_is_right_wherever_the_numbers_lie(offset):
    """Whole numbers, so that nothing is rounded but the mean, to a number that float64 has there."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 1000, (20000, 2)).astype(np.float64)
    moved = prepared(fb.Standardize(), x + offset)
    width = np.spacing(abs(offset)) / x.std() + 1e-12
    np.testing.assert_allclose(moved, (x - x.mean(axis=0)) / x.std(axis=0), rtol=1e-12, atol=width)
    np.testing.assert_allclose(np.std(moved, axis=0), 1, rtol=1e-11)


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1.6e9 + 0.1, -1e300, 5e-324])
def test_numbers_that_are_all_alike_become_exactly_0(value):
    X = np.full((9999, 1), value)
    for prepare in (fb.Standardize(), fb.Scale(), fb.RobustScale(), fb.RobustScale(None)):
        assert not prepared(prepare, X).any()


def test_numbers_that_hardly_differ_are_not_divided_by_nothing():
    X = np.array([[0.0], [5e-324]])
    for prepare in (fb.Standardize(), fb.Scale(), fb.RobustScale(), fb.RobustScale(None)):
        assert np.isfinite(prepared(prepare, X)).all()


chains = st.lists(
    st.one_of(
        st.builds(fb.Scale, st.sampled_from([None, 0.5, -2.0, 1e3]), st.sampled_from([0.0, 1.0])),
        st.just(fb.Standardize()),
        st.builds(fb.RobustScale, st.sampled_from([None, 3.0, 1.0])),
        st.builds(fb.Impute, st.sampled_from(["mean", "median"]), st.booleans()),
    ),
    min_size=1,
    max_size=5,
)
arrays = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 30), st.integers(1, 5)), elements=st.floats(-1e3, 1e3, width=32)
)


def textbook(X, chain):
    """Numbers and indicators of a chain, column by column."""
    X, indicators = X.copy(), []
    for prepare in chain:
        for j in range(X.shape[1]):
            x = X[:, j]
            there = x[~np.isnan(x)]
            if isinstance(prepare, fb.Impute):
                if prepare.indicator and len(there) < len(x):
                    indicators.append(np.isnan(x).astype(float))
                fill = np.mean(there) if prepare.strategy == "mean" else np.median(there)
                X[:, j] = np.where(np.isnan(x), fill, x)
                continue
            if isinstance(prepare, fb.Standardize):
                a, b, c = np.mean(there), np.std(there), 0.0
            elif isinstance(prepare, fb.RobustScale):
                low, first, a, third, high = np.quantile(there, [0, 0.25, 0.5, 0.75, 1])
                b, c = third - first if third > first else (high - low) / 2, 0.0
            elif prepare.factor is None:
                a, b, c = np.min(there), np.ptp(there), prepare.offset
            else:
                a, b, c = 0.0, 1 / prepare.factor, prepare.offset
            X[:, j] = (x - a) / (b or 1.0) + c
            if isinstance(prepare, fb.RobustScale) and prepare.clip:
                X[:, j] /= np.sqrt(1 + (X[:, j] / prepare.clip) ** 2)
    return np.column_stack([X, *indicators])


@settings(deadline=None, max_examples=150)
@given(arrays, chains, st.integers(0, 2**32 - 1))
def test_any_chain_is_what_a_textbook_makes(X, chain, seed):
    X = np.round(X * 64) / 64 + 0.0  # spreads that rounding does not make up
    if np.random.default_rng(seed).random() < 0.5 and len(X) > 1:
        X[1:] = with_holes(X[1:], seed, 0.3)
        chain = [*chain, fb.Impute()]
    wanted = textbook(X, chain)
    spread = np.nanmax(X, axis=0) - np.nanmin(X, axis=0)
    if (spread[spread > 0] < 1).any():  # a quartile that is a hair from another one may round to it
        return
    np.testing.assert_allclose(prepared(chain, X), wanted, rtol=1e-6, atol=1e-6)


# -------------------------------------------------------------------------------------------------- categories


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("texts", [False, True])
def test_one_hot_is_scikit_learn_s(sklearn, holes, texts):
    rng = np.random.default_rng(2)
    X = rng.integers(-2, 3, (60, 3)).astype(np.float64)
    new = rng.integers(-4, 5, (20, 3)).astype(np.float64)
    if texts:
        X, new = (np.char.add("c", array.astype(int).astype(str)).astype(object) for array in (X, new))
    if holes:
        X[rng.random(X.shape) < 0.2] = None if texts else np.nan
        new[rng.random(new.shape) < 0.2] = None if texts else np.nan
    encoder = sklearn.preprocessing.OneHotEncoder(sparse_output=False, handle_unknown="ignore").fit(X)
    np.testing.assert_array_equal(prepared(fb.OneHot(), X), encoder.transform(X))
    np.testing.assert_array_equal(prepared(fb.OneHot(), X, new), encoder.transform(new))


@pytest.mark.parametrize("texts", [False, True])
def test_ordinal_is_scikit_learn_s(sklearn, texts):
    rng = np.random.default_rng(2)
    X, new = (rng.integers(-2, high, (60, 3)).astype(np.float64) for high in (3, 6))
    if texts:
        X, new = (np.char.add("c", array.astype(int).astype(str)).astype(object) for array in (X, new))
    encoder = sklearn.preprocessing.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1).fit(X)
    np.testing.assert_array_equal(prepared(fb.Ordinal(), X), encoder.transform(X))
    np.testing.assert_array_equal(prepared(fb.Ordinal(), X, new), encoder.transform(new))
    scaled = prepared([fb.Ordinal(), fb.Standardize()], X)
    np.testing.assert_allclose(scaled, sklearn.preprocessing.scale(encoder.transform(X)), rtol=1e-9, atol=1e-12)


def test_what_is_missing_is_the_last_category_where_training_had_it():
    X = np.array([[2.0, 1.0], [np.nan, 1.0], [-1.0, 3.0]])
    np.testing.assert_array_equal(prepared(fb.Ordinal(), X), [[1, 0], [2, 0], [0, 1]])
    np.testing.assert_array_equal(prepared(fb.Ordinal(), X, [[np.nan, np.nan]]), [[2, -1]])
    np.testing.assert_array_equal(prepared(fb.OneHot(), X), [[0, 1, 0, 1, 0], [0, 0, 1, 1, 0], [1, 0, 0, 0, 1]])
    np.testing.assert_array_equal(prepared(fb.OneHot(), X, [[np.nan, np.nan]]), [[0, 0, 1, 0, 0]])


def test_columns_puts_numbers_first_and_categories_last():
    X = np.array([[7.0, "a", 1.0], [None, "b", 2.0], [9.0, None, 1.0]], dtype=object)
    made = prepared(fb.Columns(fb.Impute(indicator=True)), X)
    np.testing.assert_array_equal(made, [[7, 1, 0, 1, 0, 0], [8, 2, 1, 0, 1, 0], [9, 1, 0, 0, 0, 1]])
    made = prepared(fb.Columns(fb.Impute(), categories=[1, 2]), X)
    np.testing.assert_array_equal(made, [[7, 1, 0, 0, 1, 0], [8, 0, 1, 0, 0, 1], [9, 0, 0, 1, 1, 0]])
    made = prepared(fb.Columns(fb.Impute(), fb.Ordinal(), [2, 1]), X)
    np.testing.assert_array_equal(made, [[7, 0, 0], [8, 1, 1], [9, 2, 0]])


def test_columns_without_numbers_and_without_categories():
    np.testing.assert_array_equal(prepared(fb.Columns(), [["b"], ["a"]]), [[0, 1], [1, 0]])
    np.testing.assert_array_equal(prepared(fb.Columns(fb.Scale()), [[2.0], [4.0]]), [[0], [1]])


# ------------------------------------------------------------------------------------------------- as plain data

EXAMPLES = [
    fb.Scale(),
    fb.Scale(1 / 255, -1),
    fb.Standardize(),
    fb.RobustScale(),
    fb.RobustScale(None),
    fb.Impute("median", True),
    fb.OneHot(),
    fb.Ordinal(),
]


@pytest.mark.parametrize("prepare", EXAMPLES, ids=repr)
def test_a_preparation_and_its_repr_and_its_configuration(prepare):
    assert eval(f"fb.{prepare!r}") == prepare
    assert prepare_from_config(prepare_to_config((prepare,))) == (prepare,)
    assert PREPARATIONS[prepare.name] is type(prepare)


def test_columns_and_its_repr_and_its_configuration():
    for columns in (fb.Columns(), fb.Columns([fb.Scale(), fb.Standardize()], [fb.Ordinal(), fb.Scale()], ["a", 3])):
        assert prepare_from_config(prepare_to_config(columns)) == columns
        names = {name: getattr(fb, name) for name in ("Columns", "Scale", "Standardize", "Ordinal", "OneHot")}
        assert eval(repr(columns), names) == columns


# ---------------------------------------------------------------------------------------------------- bad input


def model(prepare, targets=None):
    return fb.Model([fb.Dense(1)], prepare=prepare, prepare_targets=targets)


BAD = [
    (lambda: fb.Scale("x"), TypeError, "factor is 'x'; expected a finite number"),
    (lambda: fb.Scale(0), ValueError, "factor is 0.0; expected a number other than 0"),
    (lambda: fb.Scale(np.inf), ValueError, "factor is inf; expected a finite number"),
    (lambda: fb.Scale(1, None), TypeError, "offset is None; expected a finite number"),
    (lambda: fb.RobustScale(0), ValueError, "clip is 0; expected a finite number above 0"),
    (lambda: fb.RobustScale("3"), TypeError, "clip is '3'; expected a finite number"),
    (lambda: fb.Impute("mode"), ValueError, "strategy is 'mode'; expected 'mean' or 'median'"),
    (lambda: fb.Impute(indicator=1), TypeError, "indicator is 1; expected True or False"),
    (lambda: fb.Columns("x"), TypeError, "numeric is 'x'; expected a preparation such as"),
    (lambda: fb.Columns(fb.OneHot()), ValueError, r"numeric is OneHot\(.*\); expected preparations of numbers"),
    (lambda: fb.Columns((), fb.Scale()), ValueError, r"categorical is Scale.*begins with fb.OneHot\(\) or fb.Ordinal"),
    (lambda: fb.Columns((), []), ValueError, r"categorical is \[\]; expected a list that begins with"),
    (lambda: fb.Columns(categories="all"), ValueError, "categories is 'all'; expected \"auto\" or a list of columns"),
    (lambda: fb.Columns(categories=3), TypeError, 'categories is 3; expected "auto" or a list'),
    (lambda: fb.Columns(categories=[-1]), ValueError, r"categories\[0\] is -1; expected an integer of 0 or more"),
    (lambda: fb.Columns(categories=[1.5]), TypeError, r"categories\[0\] is 1.5; expected an integer"),
    (lambda: fb.Columns(categories=["a", "a"]), ValueError, "categories is .*; expected each column once"),
    (lambda: model("standardize"), TypeError, "prepare is 'standardize'; expected a preparation such as"),
    (lambda: model(fb.Scale), TypeError, r"prepare is the class Scale; .* Add parentheses: fb.Scale\(\)"),
    (lambda: model([]), ValueError, r"prepare is \[\]; expected one preparation at least"),
    (lambda: model([fb.Scale(), 3]), TypeError, r"prepare\[1\] is 3; expected a preparation"),
    (
        lambda: model([fb.OneHot(), fb.Scale()]),
        ValueError,
        r"prepare\[0\] is OneHot\(.*\) and .* expected nothing after it",
    ),
    (lambda: model([fb.Scale(), fb.Ordinal()]), ValueError, r"prepare\[1\] is Ordinal\(\); expected it first"),
    (lambda: model([fb.Columns()]), TypeError, r"prepare\[0\] is Columns.*; expected a preparation"),
    (
        lambda: model(None, fb.Impute()),
        ValueError,
        r"prepare_targets is Impute.*; expected a preparation that can be undone",
    ),
    (
        lambda: model(None, fb.RobustScale()),
        ValueError,
        r"prepare_targets is RobustScale.* expected a preparation that can be undone",
    ),
    (lambda: model(None, fb.Columns()), TypeError, "prepare_targets is Columns.* expected a preparation"),
    (lambda: model(None, ()), ValueError, r"prepare_targets is \(\); expected one preparation at least"),
]


@pytest.mark.parametrize(("call", "error", "sentence"), BAD)
def test_bad_arguments_get_a_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()


@pytest.mark.parametrize(
    "prepare", [fb.Standardize(), fb.Scale(), fb.RobustScale(), fb.OneHot(), fb.Ordinal()], ids=repr
)
def test_infinite_training_data_is_named(prepare):
    X = np.zeros((9000, 3))
    X[8000, 1] = -np.inf
    with pytest.raises(
        ValueError, match=re.escape("row 8000, column 1 of X (counted from 0) is -inf; expected a fini")
    ):
        prepared(prepare, X)


@pytest.mark.parametrize("prepare", [fb.Standardize(), fb.Scale(), fb.RobustScale()], ids=repr)
def test_missing_training_data_is_named_unless_it_is_filled(prepare):
    X = np.arange(27000.0).reshape(9000, 3)
    X[[7000, 8000], 1] = np.nan
    with pytest.raises(
        ValueError, match=r"row 7000, column 1 of X .* is nan; expected a number. Fill .* fb.Impute\(\)"
    ):
        prepared(prepare, X)
    assert np.isfinite(prepared([prepare, fb.Impute()], X)).all()


def test_a_column_without_numbers_and_numbers_that_are_too_large():
    with pytest.raises(ValueError, match=r"column 1 of X .* has no numbers, so that there is nothing to fill it with"):
        prepared(fb.Impute(), [[1.0, np.nan], [2.0, np.nan]])
    with pytest.raises(ValueError, match=r"column 0 of X .* has numbers from -1e\+200 to 1e\+200, whose squares"):
        prepared(fb.Standardize(), [[-1e200], [1e200]])
    with pytest.raises(ValueError, match=r"row 1, column 0 of X .* is 1e\+200; .*Its preparation makes it infinite"):
        prepared([fb.Scale(1e200), fb.Standardize()], [[0.0], [1e200]])


def constant_but_for_rounding(n=500):
    P = np.random.default_rng(0).random((n, 3))
    P /= P.sum(axis=1, keepdims=True)
    return P, np.column_stack([P, P.sum(axis=1)])


@pytest.mark.parametrize("prepare", [fb.Standardize(), fb.Scale(), fb.RobustScale(), fb.RobustScale(clip=None)])
def test_a_column_that_is_constant_up_to_rounding_is_not_scaled(prepare):
    _, X = constant_but_for_rounding()
    model = fb.Model([fb.Dense(1)], inputs=4, prepare=prepare)
    model.build(X)
    assert np.abs(model.feed.features([[0.2, 0.3, 0.49, 0.99]])).max() < 10
    assert np.ptp(model.feed.features(X)[:, :3], axis=0).min() > 0.1


def test_what_is_constant_up_to_rounding_is_so_for_scikit_learn():
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    _, X = constant_but_for_rounding()
    model = fb.Model([fb.Dense(1)], inputs=4, prepare=fb.Standardize(), dtype="float64")
    model.build(X)
    row = [[0.2, 0.3, 0.49, 0.99]]
    expected = preprocessing.StandardScaler().fit(X).transform(row)
    np.testing.assert_allclose(model.feed.features(row), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("prepare", [fb.Standardize(), fb.Scale(), fb.RobustScale(clip=None)])
def test_small_numbers_are_not_rounding(prepare):
    """Picofarads: a range of 1e-12, which is a range all the same."""
    X = np.random.default_rng(0).random((200, 1)) * 1e-12
    model = fb.Model([fb.Dense(1)], inputs=1, prepare=prepare, dtype="float64")
    model.build(X)
    assert np.ptp(model.feed.features(X)) > 0.9


def test_a_constant_share_predicts_as_without_it():
    P, X = constant_but_for_rounding()
    model = fb.Model([fb.Dense(1)], inputs=4, prepare=fb.Standardize(), prepare_targets=fb.Standardize())
    fb.Trainer(model, "mse", fb.Adam(0.05), batch_size=50).fit(X, P[:, 0], epochs=30)
    assert model.predict([[0.2, 0.3, 0.49, 0.99]])[0, 0] == pytest.approx(0.2, abs=0.05)


def test_targets_that_are_constant_up_to_rounding():
    P, X = constant_but_for_rounding()
    model = fb.Model([fb.Dense(1)], inputs=3, prepare_targets=fb.Standardize())
    fb.Trainer(model, "mse", fb.Adam(0.01)).fit(P, X[:, 3], epochs=3)
    assert model.predict(P)[:, 0] == pytest.approx(np.ones(500), abs=1.5)
