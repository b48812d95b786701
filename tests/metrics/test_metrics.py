"""Metrics against scikit-learn: of any outputs and targets, of real data, and of the steps of training."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastbp as fb
from engine_helpers import ADAM, make_data, make_pair, predict
from fastbp.engine.array_reader import ArrayReader
from fastbp.engine.records import EpochPlan, SampleSet
from fastbp.engine.session import Session
from fastbp.metrics import threshold_curves as curves
from metric_helpers import CLASSES, assert_equal, last_of_each, make_trainer, of_outputs

datasets = pytest.importorskip("sklearn.datasets")
metrics = pytest.importorskip("sklearn.metrics")


def test_accuracy_of_classes(digits):
    X, y = digits
    model = fb.Model([fb.Dense(10, "softmax")], inputs=64)
    trainer = fb.Trainer(model, "cross_entropy")
    trainer.fit(X, y, epochs=2)
    expected = metrics.accuracy_score(y, model.predict(X).argmax(axis=1))
    assert 0.5 < expected < 1
    assert trainer.evaluate(X, y)["accuracy"] == expected
    assert trainer.evaluate(X, np.eye(10)[y])["accuracy"] == expected


def test_accuracy_of_several_yes_or_no_outputs(digits):
    X, y = digits
    Y = np.column_stack([y > 4, y % 2 == 0, y == 3])
    model = fb.Model([fb.Dense(3, "sigmoid")], inputs=64)
    found = fb.Trainer(model, "binary_cross_entropy").evaluate(X, Y)["accuracy"]
    assert found == pytest.approx(((model.predict(X) > 0.5) == Y).mean(), rel=1e-12)


def test_regression_metrics(diabetes):
    X, y = diabetes
    Y = np.column_stack([y, y**2, np.sin(y)])
    model = fb.Model([fb.Dense(3)], inputs=10, dtype="float64")
    trainer = fb.Trainer(model, "mse", metrics=["r2", "mae", fb.SquaredError()])
    trainer.fit(X, Y, epochs=20)
    found, P = trainer.evaluate(X, Y), model.predict(X)
    assert list(found) == ["loss", "r2", "mae", "mse"]
    assert found["r2"] == pytest.approx(metrics.r2_score(Y, P), rel=1e-9)
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(Y, P), rel=1e-12)
    assert found["mse"] == pytest.approx(metrics.mean_squared_error(Y, P), rel=1e-12)
    assert found["loss"] == pytest.approx(found["mse"], rel=1e-12)


def test_r2_of_targets_far_from_zero_and_of_many_rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(10_000, 1))
    y = 1e6 + X[:, 0] + 0.5 * rng.normal(size=len(X))
    model = fb.Model([fb.Dense(1)], inputs=1, dtype="float64")
    model.set_weights([[[1.0]], [1e6]])
    assert fb.Trainer(model, "mse").evaluate(X, y)["r2"] == pytest.approx(
        metrics.r2_score(y, model.predict(X)), rel=1e-6
    )


def test_r2_where_it_has_no_denominator():
    model = fb.Model([fb.Dense(2, initializer="zeros")], inputs=1, dtype="float64")
    trainer = fb.Trainer(model, "mse")
    X, Y = np.ones((3, 1)), np.array([[0.0, 0.5]] * 3)
    assert trainer.evaluate(X, Y)["r2"] == metrics.r2_score(Y, model.predict(X)) == 0.5  # one hit, one missed
    assert trainer.evaluate(X, Y / 5)["r2"] == 0.5  # 0.1 has no exact mean, and is as constant as 0.5
    assert math.isnan(trainer.evaluate(X[:1], Y[:1])["r2"])


def test_figures_of_training_are_of_the_epoch(diabetes):
    X, y = diabetes
    model = fb.Model([fb.Dense(1)], inputs=10, dtype="float64")
    trainer = fb.Trainer(model, "mse", batch_size=None, metrics=["r2", "mae"])
    before = trainer.evaluate(X, y)
    history = trainer.fit(X, y)  # one step: the figures are those before it
    for name in ("loss", "r2", "mae"):
        assert history[name][0] == pytest.approx(before[name], rel=1e-9)


def test_defaults_and_none():
    softmax, linear = (fb.Model([fb.Dense(3, name)], inputs=2) for name in ("softmax", "linear"))
    assert fb.Trainer(softmax, "cross_entropy").metrics == (fb.Accuracy(),)
    assert fb.Trainer(linear, "mse").metrics == fb.Trainer(linear, "mae", metrics="r2").metrics == (fb.R2(),)
    trainer = fb.Trainer(linear, "mae", metrics=[])
    assert list(trainer.fit([[1, 2]], [[1, 2, 3]])) == ["loss", "seconds"]
    assert list(trainer.evaluate([[1, 2]], [[1, 2, 3]])) == ["loss"]


# ---------------------------------------------------------------------------- any outputs, any targets, any weights

SCORES = [cls(average) for cls in (fb.F1, fb.Precision, fb.Recall) for average in ("macro", "micro", "weighted")]
SKLEARN = {"f1": metrics.f1_score, "precision": metrics.precision_score, "recall": metrics.recall_score}

CASES = st.tuples(
    st.integers(0, 2**32 - 1),  # seed
    st.integers(1, 60),  # samples
    st.integers(2, 6),  # classes, or outputs
    st.booleans(),  # whether many outputs are alike
    st.booleans(),  # whether there are weights
)


def make_outputs(rng, n_samples, n_outputs, alike):
    return rng.integers(-2, 3, (n_samples, n_outputs)) / 2 if alike else rng.normal(size=(n_samples, n_outputs))


def quietly(function, *arguments, **options):
    """scikit-learn's answer, without its warnings of what is not defined."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **options)


def scores_of(y, answers, w, averages):
    return {
        f"{name}_{average}": quietly(function, y, answers, average=average, sample_weight=w, zero_division=0)
        for name, function in SKLEARN.items()
        for average in averages
    }


def expected_of_classes(y, P, w):
    n_classes, answers = P.shape[1], P.argmax(axis=1)
    one_hot = np.eye(n_classes)[y]
    columns = range(1 if n_classes == 2 else 0, n_classes)
    return {
        "accuracy": metrics.accuracy_score(y, answers, sample_weight=w),
        "balanced_accuracy": quietly(metrics.balanced_accuracy_score, y, answers, sample_weight=w),
        "roc_auc": np.mean([quietly(metrics.roc_auc_score, one_hot[:, n], P[:, n], sample_weight=w) for n in columns]),
        "average_precision": np.mean(
            [quietly(metrics.average_precision_score, one_hot[:, n], P[:, n], sample_weight=w) for n in columns]
        ),
        "log_loss": metrics.log_loss(y, P, labels=range(n_classes), sample_weight=w),
        "brier": metrics.brier_score_loss(y, P, labels=range(n_classes), sample_weight=w),
        **scores_of(y, answers, w, ("macro", "micro", "weighted")),
    }


@settings(deadline=None, max_examples=150)
@given(CASES)
def test_metrics_of_classes(case):
    seed, n_samples, n_classes, alike, weighted = case
    rng = np.random.default_rng(seed)
    Z, y = make_outputs(rng, n_samples, n_classes, alike), rng.integers(0, n_classes, n_samples)
    w = rng.uniform(0.1, 3, n_samples) if weighted else None
    model = of_outputs(n_classes, "softmax")
    k = int(rng.integers(1, n_classes))
    chosen = [*CLASSES, *SCORES, "f1", fb.TopKAccuracy(k)]
    trainer = fb.Trainer(model, "cross_entropy", metrics=chosen)
    found, P = trainer.evaluate(Z, y, sample_weight=w), model.predict(Z)
    expected = expected_of_classes(y, P, w)
    average = "binary" if n_classes == 2 else "macro"
    expected["f1"] = quietly(metrics.f1_score, y, P.argmax(axis=1), average=average, sample_weight=w, zero_division=0)
    for name, value in expected.items():
        assert_equal(found[name], value)
    if n_classes > 2:
        known = metrics.top_k_accuracy_score(y, P, k=k, labels=range(n_classes), sample_weight=w)
        assert_equal(found[trainer.metrics[-1].figure], known)
    assert_equal(trainer.evaluate(Z, np.eye(n_classes)[y], sample_weight=w), found)
    narrow = fb.Trainer(of_outputs(n_classes, "softmax", "float32"), "cross_entropy", metrics=["log_loss", "brier"])
    for name, value in narrow.evaluate(Z, y, sample_weight=w).items():
        assert_equal(value, found[name], 2e-6)


@settings(deadline=None, max_examples=100)
@given(CASES)
def test_metrics_of_one_yes_or_no(case):
    seed, n_samples, _, alike, weighted = case
    rng = np.random.default_rng(seed)
    Z, y = make_outputs(rng, n_samples, 1, alike), rng.integers(0, 2, n_samples)
    w = rng.uniform(0.1, 3, n_samples) if weighted else None
    model = of_outputs(1, "sigmoid")
    trainer = fb.Trainer(model, "binary_cross_entropy", metrics=[*CLASSES, *SCORES, "f1", "precision", "recall"])
    found, p = trainer.evaluate(Z, y, sample_weight=w), model.predict(Z)[:, 0]
    expected = expected_of_classes(y, np.column_stack([1 - p, p]), w) | {
        "f1": quietly(metrics.f1_score, y, p > 0.5, sample_weight=w, zero_division=0),
        "precision": quietly(metrics.precision_score, y, p > 0.5, sample_weight=w, zero_division=0),
        "recall": quietly(metrics.recall_score, y, p > 0.5, sample_weight=w, zero_division=0),
        "average_precision": quietly(metrics.average_precision_score, y, p, sample_weight=w),
    }
    for name, value in expected.items():
        assert_equal(found[name], value)
    assert_equal(fb.Trainer(model, "focal", metrics=["f1"]).evaluate(Z, y, sample_weight=w)["f1"], found["f1"])


@settings(deadline=None, max_examples=100)
@given(CASES)
def test_metrics_of_several_yes_or_no(case):
    seed, n_samples, n_outputs, alike, weighted = case
    rng = np.random.default_rng(seed)
    Z, Y = make_outputs(rng, n_samples, n_outputs, alike), rng.integers(0, 2, (n_samples, n_outputs))
    w = rng.uniform(0.1, 3, n_samples) if weighted else None
    model = of_outputs(n_outputs, "sigmoid")
    trainer = fb.Trainer(model, "binary_cross_entropy", metrics=[*CLASSES, *SCORES, "f1"])
    found, P = trainer.evaluate(Z, Y, sample_weight=w), model.predict(Z)
    columns = [expected_of_classes(y, np.column_stack([1 - p, p]), w) for y, p in zip(Y.T, P.T, strict=True)]
    expected = {name: np.mean([column[name] for column in columns]) for name in CLASSES} | scores_of(
        Y, (P > 0.5).astype(int), w, ("macro", "micro", "weighted")
    )
    expected |= {
        "average_precision": quietly(metrics.average_precision_score, Y, P, sample_weight=w),
        "f1": expected["f1_macro"],
    }
    for name, value in expected.items():
        assert_equal(found[name], value)


@settings(deadline=None, max_examples=50)
@given(CASES)
def test_metrics_of_numbers(case):
    seed, n_samples, n_outputs, alike, weighted = case
    rng = np.random.default_rng(seed)
    A, Y = (make_outputs(rng, n_samples, n_outputs, alike) for _ in range(2))
    w = rng.uniform(0.1, 3, n_samples) if weighted else None
    trainer = fb.Trainer(of_outputs(n_outputs, "linear"), "huber", metrics=["rmse", "mape", "mae", "mse"])
    found = trainer.evaluate(A, Y, sample_weight=w)
    assert_equal(found["rmse"], metrics.root_mean_squared_error(Y, A, sample_weight=w))
    assert_equal(found["mape"], metrics.mean_absolute_percentage_error(Y, A, sample_weight=w))
    assert_equal(found["mae"], metrics.mean_absolute_error(Y, A, sample_weight=w))
    assert_equal(found["mse"], metrics.mean_squared_error(Y, A, sample_weight=w))


def test_scikit_learns_own_averages_over_classes(digits):
    X, y = digits
    w = np.random.default_rng(0).uniform(0.5, 2, len(y))
    model = fb.Model([fb.Dense(10, "softmax")], inputs=64, dtype="float64")
    found = fb.Trainer(model, "cross_entropy", metrics=["roc_auc", "average_precision"]).evaluate(X, y, w)
    P = model.predict(X)
    assert_equal(found["roc_auc"], metrics.roc_auc_score(y, P, multi_class="ovr", sample_weight=w))
    assert_equal(found["average_precision"], metrics.average_precision_score(y, P, sample_weight=w))


def test_a_probability_of_nothing_is_bounded_as_scikit_learn_bounds_it():
    Z, y = np.array([[60.0, 0.0], [0.0, 800.0], [3.0, 2.0]]), [1, 0, 0]
    for dtype in ("float32", "float64"):
        model = of_outputs(2, "softmax", dtype)
        found = fb.Trainer(model, "cross_entropy", metrics="log_loss").evaluate(Z, y)["log_loss"]
        assert found == pytest.approx(metrics.log_loss(y, model.predict(Z)), rel=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_log_loss_of_certain_and_right_answers(isa, dtype):
    """Not zero: scikit-learn takes no probability for larger than 1 less the dtype's precision."""
    model = fb.Model([fb.Dense(2, "softmax")], inputs=1, dtype=dtype)
    model.set_weights([[[2000.0, -2000.0]], [0.0, 0.0]])
    X, y = np.array([[1.0], [-1.0]]), np.array([0, 1])
    found = fb.Trainer(model, "cross_entropy", metrics="log_loss").evaluate(X, y)["log_loss"]
    assert found == pytest.approx(metrics.log_loss(y, model.predict(X)), rel=1e-6, abs=0)
    assert found > 0


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.sampled_from([10.0, 20.0, 40.0, 400.0]))
def test_answers_that_are_surely_wrong_count_as_scikit_learn_counts_them(seed, n_outputs, spread):
    """Where the outputs are 1 to the last bits, so that 1 less them has few bits or none."""
    rng = np.random.default_rng(seed)
    Z, Y = rng.normal(size=(20, n_outputs)) * spread, rng.integers(0, 2, (20, n_outputs))
    model = of_outputs(n_outputs, "sigmoid")
    found = fb.Trainer(model, "binary_cross_entropy", metrics=["log_loss", "brier"]).evaluate(Z, Y)
    columns = list(zip(Y.T, model.predict(Z).T, strict=True))
    assert_equal(found["log_loss"], np.mean([metrics.log_loss(y, p, labels=[0, 1]) for y, p in columns]))
    assert_equal(found["brier"], np.mean([metrics.brier_score_loss(y, p, pos_label=1) for y, p in columns]))
    if n_outputs > 1:
        model, y = of_outputs(n_outputs, "softmax"), rng.integers(0, n_outputs, 20)
        found = fb.Trainer(model, "cross_entropy", metrics=["log_loss", "brier"]).evaluate(Z, y)
        P, labels = model.predict(Z), range(n_outputs)
        assert_equal(found["log_loss"], metrics.log_loss(y, P, labels=labels))
        assert_equal(found["brier"], metrics.brier_score_loss(y, P, labels=labels))


def test_samples_that_weigh_nothing_are_not_there():
    rng = np.random.default_rng(3)
    Z, y, w = rng.normal(size=(80, 3)), rng.integers(0, 3, 80), rng.integers(0, 3, 80).astype(float)
    chosen = [*CLASSES, *SCORES, fb.TopKAccuracy(2)]
    trainer = fb.Trainer(of_outputs(3, "softmax"), "cross_entropy", metrics=chosen)
    there = np.repeat(np.arange(80), w.astype(int))
    assert_equal(trainer.evaluate(Z, y, sample_weight=w), trainer.evaluate(Z[there], y[there]))


def test_what_is_not_defined():
    trainer = fb.Trainer(of_outputs(3, "softmax"), "cross_entropy", metrics=["roc_auc", "average_precision", "f1"])
    found = trainer.evaluate(np.eye(3), [1, 1, 1])
    assert math.isnan(found["roc_auc"])
    assert found["f1"] == pytest.approx(0.5 / 3)
    yes = np.array([False, False])
    assert math.isnan(curves.roc_auc(yes, np.zeros(2)))
    assert math.isnan(curves.roc_auc(~yes, np.zeros(2)))
    assert curves.average_precision(yes, np.zeros(2)) == 0


# ------------------------------------------------------------------------------------------------ the engine's sums


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("last", ["softmax", "sigmoid"])
def test_sums_and_outputs_of_every_instruction_set(isa, dtype, last):
    loss = "cross_entropy" if last == "softmax" else "binary_cross_entropy"
    network, _ = make_pair(6, [(7, "tanh", 0.0), (5, last, 0.0)], dtype)
    X, Y = make_data(333, 6, 5, loss, dtype, labelled=False)
    outputs = np.full((333, 5), np.nan, dtype)
    names = ("counts", "log_loss", "squared_probability") + (("ranks",) if last == "softmax" else ())
    weights = np.random.default_rng(0).uniform(0, 2, 333)
    _, sums = network.evaluate(SampleSet(ArrayReader(X), ArrayReader(Y), weights), loss, names, 2, outputs)
    P = predict(network, X)
    np.testing.assert_array_equal(outputs, P)
    said, right = (np.eye(5)[A.argmax(axis=1)] if last == "softmax" else (A > 0.5) * 1.0 for A in (P, Y))
    counts = [said * right, said * (1 - right), (1 - said) * right] + [(1 - said) * (1 - right)] * (last == "sigmoid")
    np.testing.assert_allclose(sums[0], weights @ np.hstack(counts), rtol=1e-12)
    P = P.astype(float)
    of_sample = Y * np.log(P) + (0 if last == "softmax" else (1 - Y) * np.log(1 - P))
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(sums[1], [-weights @ of_sample.sum(axis=1)], rtol=tolerance)
    np.testing.assert_allclose(sums[2], [weights @ np.square(P - Y).sum(axis=1)], rtol=tolerance)
    if last == "softmax":
        ranks = ((P * Y).sum(axis=1, keepdims=True) < P).sum(axis=1)
        np.testing.assert_allclose(sums[3], np.bincount(ranks, weights, 5), rtol=1e-12)


def test_percentage_errors_of_every_instruction_set(isa):
    network, _ = make_pair(6, [(3, "linear", 0.0)], "float64")
    X, Y = make_data(100, 6, 3, "mse", "float64")
    _, (sums,) = network.evaluate(SampleSet(ArrayReader(X), ArrayReader(Y)), "mse", ("percentage_error",), 1)
    np.testing.assert_allclose(sums, np.abs((predict(network, X) - Y) / Y).sum(axis=0), rtol=1e-12)


def test_outputs_of_some_of_the_rows():
    network, _ = make_pair(6, [(7, "tanh", 0.0), (3, "softmax", 0.0)], "float32")
    X, y = make_data(200, 6, 3, "cross_entropy", "float32")
    subset = np.random.default_rng(0).permutation(200)[:90].astype(np.int64)
    outputs = np.full((90, 3), np.nan, np.float32)
    network.evaluate(SampleSet(ArrayReader(X), y, subset=subset), "cross_entropy", (), 1, outputs)
    np.testing.assert_array_equal(outputs, predict(network, X[subset]))
    session = Session(network, "cross_entropy", (), "adam", 1)
    before = predict(network, X)
    session.epoch(
        SampleSet(ArrayReader(X), y, subset=subset),
        EpochPlan(90, True, 0, 0, ADAM | {"learning_rate": 0.01}, outputs=outputs),
    )  # one step
    rows = session.rows_in_order()
    assert sorted(rows) == sorted(subset) and list(rows) != list(subset)
    np.testing.assert_array_equal(outputs, before[rows])


# ------------------------------------------------------------------------------------------------------ bad input


class NameLess:
    def __call__(self, y_true, y_pred):
        return 1.0


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: fb.TopKAccuracy(0), ValueError, "k is 0; expected an integer of 1 or more"),
        (lambda: fb.TopKAccuracy(2.0), TypeError, "k is 2.0; expected an integer"),
        (lambda: fb.F1("mean"), ValueError, "average is 'mean'; expected one of 'auto', 'binary'"),
        (lambda: fb.Recall(None), ValueError, "average is None; expected one of"),
        (lambda: fb.FunctionMetric(3), TypeError, "function is 3; expected a function of .y_true, y_pred."),
        (lambda: fb.FunctionMetric(fb.F1), TypeError, "function is the class F1; expected a function"),
        (lambda: fb.FunctionMetric(lambda y, p: 1), ValueError, "expected a function with a name. Give it one"),
        (lambda: fb.FunctionMetric(NameLess()), ValueError, "expected a function with a name. Give it one"),
        (lambda: fb.FunctionMetric(last_of_each, name=3), TypeError, "name is 3; expected a string"),
        (lambda: fb.FunctionMetric(last_of_each, name="loss"), ValueError, "name is 'loss'; expected another name"),
        (lambda: fb.FunctionMetric(last_of_each, name=""), ValueError, "name is ''; expected another name"),
        (lambda: fb.FunctionMetric(last_of_each, name="val_f1"), ValueError, "name is 'val_f1'; expected another"),
        (lambda: make_trainer(metrics=["top_k_accuracy"]), ValueError, "k below the model's 3 outputs. .*k=2"),
        (
            lambda: make_trainer(metrics=fb.F1("binary")),
            ValueError,
            "metrics is F1.average='binary'.; expected another",
        ),
        (
            lambda: make_trainer("binary_cross_entropy", metrics="top_k_accuracy"),
            ValueError,
            "metrics has 'top_k_accuracy' and loss is 'binary_cross_entropy'; "
            "expected metrics for this loss: 'accuracy', 'balanced",
        ),
        (lambda: make_trainer(metrics=["rmse"]), ValueError, "metrics has 'rmse' and loss is 'cross_entropy'"),
        (lambda: make_trainer(metrics=[fb.F1]), TypeError, r"Add parentheses: F1\(\)"),
        (lambda: make_trainer(metrics=[last_of_each] * 2), ValueError, "'last_of_each'.; expected each once"),
        (lambda: make_trainer(metrics=["roc auc"]), ValueError, "Did you mean 'roc_auc'"),
        (
            lambda: fb.Trainer(of_outputs(1, "linear"), "hinge", metrics=["roc_auc"]),
            ValueError,
            "loss is 'hinge'; expected metrics for this loss: 'accuracy', functions of",
        ),
    ],
)
def test_bad_metrics_get_a_sentence(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("value", [None, "0.5", np.zeros(2), True, 1j, [1.0]])
def test_what_a_function_may_not_return(value):
    trainer = make_trainer(metrics=[fb.FunctionMetric(lambda y, p: value, name="cost")])
    with pytest.raises(TypeError, match=r"the result of the metric 'cost' is .*; expected a number"):
        trainer.evaluate(np.zeros((2, 5)), [0, 1])


def test_a_function_may_return_any_kind_of_number():
    for value in (1, 1.0, np.float32(1), np.int64(1), np.array(1.0)):
        trainer = make_trainer(metrics=[fb.FunctionMetric(lambda y, p, value=value: value, name="cost")])
        assert trainer.evaluate(np.zeros((2, 5)), [0, 1])["cost"] == 1


def test_a_function_that_says_nothing_of_its_arguments_gets_no_weights():
    """As some that are written in C."""

    class Silent:
        __signature__ = "unknown"

        def __call__(self, *arrays):
            return float(len(arrays))

    trainer = make_trainer(metrics=[fb.FunctionMetric(Silent(), name="cost")])
    assert trainer.evaluate(np.zeros((2, 5)), [0, 1], sample_weight=[1.0, 2.0])["cost"] == 2
