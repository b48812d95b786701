"""The numbers of a report, against scikit-learn, pandas, SciPy or a closed form."""

import warnings

import numpy as np
import pytest

from fastbp.commands.outcome import show
from fastbp.commands.report import confusion, curves, importance_section, rows, twins
from fastbp.commands.words import figure, listed, percent, plain, shares, shortened
from fastbp.explanations.shuffles import growth_by_shuffling

pd = pytest.importorskip("pandas")
metrics = pytest.importorskip("sklearn.metrics")


def make_probabilities(n=400, n_classes=4, seed=0, decimals=2):
    """Labels, and rounded probabilities that are often right; many are equal."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n)
    scores = rng.normal(size=(n, n_classes)) + 1.5 * np.eye(n_classes)[y]
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return y, (probabilities.round(decimals) / probabilities.round(decimals).sum(axis=1, keepdims=True))


# ---- Curves ----


@pytest.mark.parametrize("decimals", [1, 2, 8])
def test_curves_are_those_of_scikit_learn(decimals):
    y, probabilities = make_probabilities(decimals=decimals)
    for label in range(4):
        yes, scores = y == label, probabilities[:, label]
        false, true, _ = metrics.roc_curve(yes, scores, drop_intermediate=False)
        np.testing.assert_allclose(curves.roc_curve(yes, scores), (false, true), atol=1e-12)
        precision, recall, _ = metrics.precision_recall_curve(yes, scores)
        np.testing.assert_allclose(
            curves.precision_recall_curve(yes, scores), (recall[::-1], precision[::-1]), atol=1e-12
        )


def test_areas_are_those_of_scikit_learn_and_the_worst_come_first():
    y, probabilities = make_probabilities(n_classes=8)
    labels = curves.labels_with_curves(y, 8)
    one_hot = np.eye(8)[y]
    roc = curves.roc_family(y, probabilities, labels, most=3)
    precision_recall = curves.precision_recall_family(y, probabilities, labels, most=3)
    for family, score in ((roc, metrics.roc_auc_score), (precision_recall, metrics.average_precision_score)):
        areas = score(one_hot, probabilities, average=None)
        assert family.mean.area == pytest.approx(areas.mean())
        assert [curve.label for curve in family.worst] == list(np.argsort(areas)[:3])
        np.testing.assert_allclose([curve.area for curve in family.worst], np.sort(areas)[:3])


def test_the_mean_of_roc_curves_is_that_of_scikit_learn_s_example():
    y, probabilities = make_probabilities(n_classes=3, decimals=8)
    mean = curves.roc_family(y, probabilities, [0, 1, 2]).mean
    grid = np.linspace(0, 1, len(mean.x))
    expected = np.zeros(len(grid))
    for label in range(3):
        false, true, _ = metrics.roc_curve(y == label, probabilities[:, label], drop_intermediate=False)
        expected += np.interp(grid, false, true) / 3
    np.testing.assert_allclose(mean.y, expected)


def test_the_mean_of_precision_recall_curves_has_the_precision_that_reaches_a_recall():
    y = np.array([0, 0, 1, 1, 1, 2])
    probabilities = np.zeros((6, 3))
    probabilities[:, 1] = [0.1, 0.8, 0.9, 0.7, 0.6, 0.2]
    mean = curves.precision_recall_family(y, probabilities, [1]).mean
    reached = [1.0 if recall <= 1 / 3 + 1e-9 else 2 / 3 if recall <= 2 / 3 + 1e-9 else 3 / 4 for recall in mean.x]
    np.testing.assert_allclose(mean.y, reached)


def test_classes_without_rows_have_no_curve():
    assert curves.labels_with_curves(np.array([0, 2, 2]), 4) == [0, 2]
    assert curves.labels_with_curves(np.array([1, 1]), 2) == []


def test_reliability_is_that_of_scikit_learn():
    calibration = pytest.importorskip("sklearn.calibration")
    y, probabilities = make_probabilities(n_classes=2, decimals=8)
    bins = curves.reliability(probabilities[:, 1], y == 1)
    happened, predicted = calibration.calibration_curve(y, probabilities[:, 1], n_bins=10)
    np.testing.assert_allclose(bins.happened, happened)
    np.testing.assert_allclose(bins.predicted, predicted)
    assert bins.counts.sum() == len(y)


def test_the_calibration_error_of_a_constant_is_its_distance():
    bins = curves.reliability(np.full(10, 0.9), np.arange(10) < 5)
    assert bins.counts.tolist() == [10]
    assert curves.calibration_error(bins) == pytest.approx(0.4)


def test_the_interval_of_a_share_is_wilson_s():
    stats = pytest.importorskip("scipy.stats")
    for k, n in ((0, 5), (9, 10), (50, 100), (100, 100)):
        expected = stats.binomtest(k, n).proportion_ci(method="wilson")
        np.testing.assert_allclose(curves.interval_of_share(k / n, n), expected, atol=1e-5)


# ---- Confusions ----


def test_figures_by_class_are_those_of_scikit_learn():
    y, probabilities = make_probabilities(n=60, n_classes=6)
    predicted = probabilities.argmax(axis=1)
    predicted[predicted == 5] = 4  # never predicted
    y[y == 3], predicted[predicted == 2] = 2, 3
    counts = confusion.confusion_counts(y, predicted, 6)
    np.testing.assert_array_equal(counts, metrics.confusion_matrix(y, predicted, labels=range(6)))
    found = confusion.figures_by_class(counts)
    expected = metrics.precision_recall_fscore_support(y, predicted, labels=range(6), zero_division=np.nan)
    np.testing.assert_allclose(found.precision, expected[0])
    np.testing.assert_allclose(found.recall, expected[1])
    np.testing.assert_allclose(found.f1, expected[2])
    np.testing.assert_array_equal(found.support, expected[3])


def test_the_most_confused_pairs():
    counts = np.array([[50, 3, 0], [9, 1, 0], [3, 0, 3]])
    pairs = confusion.most_confused(counts)
    assert [(pair.true, pair.predicted, pair.rows) for pair in pairs] == [(1, 0, 9), (2, 0, 3), (0, 1, 3)]
    assert pairs[1].share == 0.5
    assert confusion.most_confused(counts, most=1) == pairs[:1]
    assert confusion.most_confused(np.diag([1, 2])) == []


@pytest.mark.parametrize("n_blocks", [1, 2, 24])
def test_classes_that_are_taken_for_each_other_become_neighbours(n_blocks):
    """Of 120 classes in blocks, mixed up; each block is found in one piece."""
    rng = np.random.default_rng(1)
    size = 120 // n_blocks
    block = rng.permutation(np.repeat(np.arange(n_blocks), size))
    counts = np.where(block[:, None] == block, rng.integers(5, 20, (120, 120)), rng.random((120, 120)) < 0.005)
    order = confusion.order_by_confusion(counts.astype(np.int64))
    assert sorted(order) == list(range(120))
    assert np.count_nonzero(np.diff(block[order])) == n_blocks - 1


def test_a_rare_class_is_put_beside_the_one_it_is_taken_for():
    """Half of its ten rows are: a larger share than any of the classes of a thousand rows loses to another."""
    counts = np.array([[960, 20, 20, 0], [20, 980, 0, 0], [20, 0, 980, 0], [5, 0, 0, 5]])
    order = confusion.order_by_confusion(counts).tolist()
    assert abs(order.index(3) - order.index(0)) == 1


@pytest.mark.parametrize(("left", "right"), [(0, 2), (0, 3), (1, 2), (1, 3)])
def test_two_groups_meet_at_the_classes_that_are_taken_for_each_other(left, right):
    counts = np.diag([100, 100, 100, 100])
    for pair, rows_of_other in (((0, 1), 30), ((2, 3), 30), ((left, right), 5)):
        counts[pair] = rows_of_other
    order = confusion.order_by_confusion(counts).tolist()
    for pair in ((0, 1), (2, 3), (left, right)):
        assert abs(order.index(pair[0]) - order.index(pair[1])) == 1


def test_the_order_of_classes_without_rows_or_without_confusions():
    for counts in (np.zeros((5, 5), np.int64), np.diag([3, 0, 5])):
        assert sorted(confusion.order_by_confusion(counts)) == list(range(len(counts)))


# ---- Rows ----


def test_losses_of_rows_are_those_of_scikit_learn():
    y, probabilities = make_probabilities(decimals=8)
    assert rows.log_loss(y, probabilities) == pytest.approx(metrics.log_loss(y, probabilities))
    assert np.isfinite(rows.log_losses(np.array([1]), np.array([[1.0, 0.0]]))).all()
    truth, predicted = np.random.default_rng(0).normal(size=(2, 50))
    assert rows.rmse(truth, predicted) == pytest.approx(metrics.root_mean_squared_error(truth, predicted))


def test_the_worst_rows():
    losses = np.array([1.0, 5.0, 0.0, 5.0, 9.0])
    assert rows.worst_rows(losses, 3).tolist() == [4, 1, 3]
    assert rows.share_of_worst(losses, 2) == pytest.approx(14 / 20)
    assert rows.share_of_worst(np.zeros(3)) == 0
    with np.errstate(over="ignore"):
        assert rows.share_of_worst(np.array([1e300, 1.0]) ** 2) == 0


def test_quantiles_of_errors():
    predicted = np.arange(101.0) * np.where(np.arange(101) % 2, 1, -1)
    assert rows.error_quantiles(np.zeros(101), predicted) == [(0.5, 50), (0.75, 75), (0.9, 90), (0.95, 95), (0.99, 99)]


@pytest.mark.parametrize("seed", range(5))
def test_equal_rows_are_those_of_pandas(seed):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"a": rng.integers(0, 9, 60), "b": rng.choice(["x", "y", None], 60), "c": rng.integers(0, 2, 60)})
    X.loc[rng.random(60) < 0.1, "a"] = np.nan
    y, split = rng.integers(0, 2, 60), rng.permutation(60)
    found = twins.count_twins(X, y, split[:40], split[40:])
    assert found.again == X.duplicated().sum()
    texts = np.array(
        ["|".join(map(str, row)) for row in X.astype(object).where(X.notna(), "gap").itertuples(index=False)]
    )
    assert found.held_out == np.isin(texts[split[40:]], texts[split[:40]]).sum()
    first_target = pd.Series(y).groupby(texts).transform("first")
    assert found.contradictions == np.count_nonzero(first_target != y)
    later, earlier = found.example
    assert later > earlier
    assert texts[later] == texts[earlier]
    assert y[later] != y[earlier]
    assert found.by_chance > found.again / 3  # columns of few values


def test_copies_are_more_than_chance():
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 2)))
    found = twins.count_twins(pd.concat([X, X[:20]]), np.zeros(70), np.arange(60), np.arange(60, 70))
    assert found == twins.Twins(20, 0, 10, 0, None)


# ---- Importance ----


def shuffle(losses, X, repeats, seed=0):
    rng = np.random.default_rng(seed)
    return list(growth_by_shuffling(losses, X, range(X.shape[1]), [rng.permutation(len(X)) for _ in range(repeats)]))


def test_importance_of_a_linear_model_is_twice_its_share_of_the_variance():
    """E (w x' - w x)^2 = 2 w^2 Var(x), for x' a shuffled x (Fisher, Rudin and Dominici, 2019)."""
    X = np.random.default_rng(0).normal(size=(4000, 3)) * [1, 3, 2]
    weights = np.array([2.0, 1.0, 0.0])
    y = X @ weights
    found = shuffle(lambda X: (X @ weights - y) ** 2, X, 20)
    for column, each in enumerate(found):
        assert abs(each.mean - 2 * weights[column] ** 2 * X[:, column].var()) <= 5 * each.error
    assert found[2].mean == found[2].error == 0


def test_importance_is_that_of_scikit_learn():
    inspection = pytest.importorskip("sklearn.inspection")
    linear_model = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    y = X[:, 0] + 0.3 * X[:, 1] + rng.normal(size=300)
    model = linear_model.LinearRegression().fit(X, y)
    expected = inspection.permutation_importance(
        model, X, y, scoring="neg_root_mean_squared_error", n_repeats=50, random_state=0
    )
    whole = rows.rmse(y, model.predict(X)) ** 2
    for column, growth in enumerate(shuffle(lambda X: (model.predict(X) - y) ** 2, X, 50)):
        mean, low, high = importance_section._ends(growth, whole, False)
        assert low < mean < high
        assert mean == pytest.approx(expected.importances_mean[column], rel=0.1)


def test_importance_leaves_the_data_as_it_was():
    X = np.arange(12.0).reshape(6, 2)
    shuffle(lambda X: X[:, 0], X, 5)
    np.testing.assert_array_equal(X, np.arange(12.0).reshape(6, 2))


# ---- Words ----


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (-0.0, "0"), (0.98246, "0.9825"), (9999.6, "10,000"), (-83068.2, "-83,068"), (1e-7, "1e-07")]
    + [(1e300, "1e+300"), (np.nan, "–"), (np.inf, "inf"), (3, "3")],
)
def test_figures(value, text):
    assert figure(value) == text


def test_a_baseline_of_nearly_nothing_is_0():
    assert show(-0.00015, "r2") == "0"
    assert show(-0.15, "r2") == "-0.15"
    assert show(0.00015, "rmse") == "0.00015"


def test_shares_and_lists():
    assert shares([0.0009, 0.23]) == "< 0.1 % to 23 %"
    assert shares([0.051, 0.049]) == "5 %"
    assert percent(0) == "0 %"
    assert percent(0.998) == "99.8 %"
    assert listed(["a", "b", "c", "d"]) == "a, b, c, ..."
    assert listed(["a"]) == "a"


def test_names_are_one_line_that_can_be_seen():
    assert plain("a\nb\t c") == "a b c"
    assert plain("") == "(empty)"
    assert plain("\x00\ud800a") == "\ufffd\ufffda"
    assert shortened("日本語日本語日本語", 9) == "日本語日…"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert shortened(3.5) == "3.5"
