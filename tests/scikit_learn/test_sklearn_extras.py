"""What the estimators have beside scikit-learn's, and how they refuse what they do not take."""

import math
import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")

from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.metrics import mean_pinball_loss, r2_score, recall_score

import fastbp as fb
from estimator_helpers import DIABETES, IRIS, X_TEST, X_TRAIN, Y_TEST, Y_TRAIN, X, Y, classifier, regressor
from fastbp.sklearn.networks import ACTIVATION_NAMES

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# ------------------------------------------------------------------------------------------------- the network


@pytest.mark.parametrize("activation", [name for name in ACTIVATION_NAMES if name != "exp"])
def test_every_activation_learns(activation):
    model = classifier(activation=activation, max_iter=80, learning_rate_init=0.01).fit(X, Y)
    assert model.score(X, Y) > 0.9


def test_an_activation_for_each_layer():
    model = classifier(hidden_layer_sizes=(8, 6), activation=["tanh", fb.LeakyReLU(0.2)]).fit(X, Y)
    activations = [layer.activation for layer in model._model.layers]
    assert activations == [fb.Tanh(), fb.LeakyReLU(0.2), fb.Sigmoid()]
    with pytest.raises(ValueError, match="activation is a list of 1 and hidden_layer_sizes has 2; expected one for"):
        classifier(hidden_layer_sizes=(8, 6), activation=["tanh"]).fit(X, Y)


def test_dropout_is_for_training_alone_and_by_the_seed():
    models = [classifier(dropout=0.5).fit(X, Y) for _ in range(2)]
    np.testing.assert_array_equal(models[0].predict_proba(X), models[1].predict_proba(X))
    assert models[0].loss_ > classifier().fit(X, Y).loss_
    assert any(isinstance(layer, fb.Dropout) for layer in models[0]._model.layers)
    with pytest.raises(ValueError, match="Remove the dropout"):
        classifier(dropout=0.5, solver="lbfgs").fit(X, Y)


@pytest.mark.parametrize("solver", [name for name in fb.optimizers.OPTIMIZERS if name != "adadelta"])
def test_every_optimizer_by_name(solver):
    model = classifier(solver=solver, max_iter=150).fit(X, Y)
    assert model.score(X, Y) > 0.9
    assert hasattr(model, "loss_curve_") == (solver != "lbfgs")
    assert hasattr(model, "partial_fit") == (solver not in ("lbfgs", "rprop"))


def test_an_optimizer_as_an_object():
    by_name = classifier(solver="rmsprop").fit(X, Y)
    by_object = classifier(solver=fb.RMSprop()).fit(X, Y)
    np.testing.assert_array_equal(by_name.coefs_[0], by_object.coefs_[0])
    scheduled = classifier(solver=fb.AdamW(fb.CosineDecay(0.01, over=5))).fit(X, Y)
    assert scheduled._trainer.optimizer.learning_rate == fb.CosineDecay(0.01, over=5)
    exact = classifier(solver=fb.LBFGS(gradient_tolerance=1e-9), max_iter=20).fit(X, Y)
    assert exact.loss_ < 0.1


def test_compute_dtype():
    model = classifier(compute_dtype="float32").fit(X, Y)
    assert model.coefs_[0].dtype == model.predict_proba(X).dtype == np.float32
    assert classifier(compute_dtype="float64").fit(X.astype("float32"), Y).coefs_[0].dtype == np.float64
    with pytest.raises(ValueError, match="compute_dtype"):
        classifier(compute_dtype="float16").fit(X, Y)


# -------------------------------------------------------------------------------------------------- the losses


def test_quantiles_lie_where_they_should():
    predictions = {}
    for q in (0.1, 0.9):
        model = regressor(loss=fb.Quantile(q), max_iter=150, learning_rate_init=0.01).fit(*DIABETES)
        predictions[q] = model.predict(DIABETES[0])
        assert abs(np.mean(DIABETES[1] < predictions[q]) - q) < 0.08
        loss = mean_pinball_loss(DIABETES[1], predictions[q], alpha=q)
        assert model.loss_ == pytest.approx(loss, rel=0.1)
    assert np.mean(predictions[0.9] > predictions[0.1]) > 0.95


@pytest.mark.parametrize("loss", ["mse", "mae", "huber", "log_cosh", "quantile", fb.Huber(0.3)])
def test_losses_of_numbers(loss):
    model = regressor(loss=loss, max_iter=100, learning_rate_init=0.01).fit(*DIABETES)
    assert model.out_activation_ == "identity" and model.score(*DIABETES) > 0.4


@pytest.mark.parametrize("loss", ["poisson", "gamma", "tweedie", fb.TweedieDeviance(1.2)])
def test_losses_of_positive_numbers(loss):
    target = np.exp(DIABETES[1])
    model = regressor(loss=loss, max_iter=100, learning_rate_init=0.01).fit(DIABETES[0], target)
    assert model.out_activation_ == "exp" and (model.predict(DIABETES[0]) > 0).all()
    assert r2_score(target, model.predict(DIABETES[0])) > 0.3
    with pytest.raises(ValueError, match=r"row 3, column 0 of y .* is -1; expected a number (of 0 or more|above 0)"):
        regressor(loss=loss).fit([[0.0]] * 4, [1, 2, 3, -1])


def test_focal_loss_and_smoothing():
    focal = classifier(loss="focal", max_iter=60, learning_rate_init=0.01).fit(X, Y)
    assert focal.score(X, Y) > 0.9
    smooth = classifier(loss=fb.BinaryCrossEntropy(label_smoothing=0.4), max_iter=200, learning_rate_init=0.01)
    assert smooth.fit(X, Y).predict_proba(X).max() < classifier(max_iter=200).fit(X, Y).predict_proba(X).max()
    assert classifier(loss=fb.CrossEntropy(0.1), max_iter=200, learning_rate_init=0.02).fit(*IRIS).score(*IRIS) > 0.9


@pytest.mark.parametrize(
    ("model", "data", "message"),
    [
        (
            classifier(loss="focal"),
            IRIS,
            "loss is 'focal' and y is of three or more classes; expected 'log_loss', fb.CrossE",
        ),
        (classifier(loss=fb.CrossEntropy()), (X, Y), "expected 'log_loss', fb.BinaryCrossEntropy or fb.Focal"),
        (classifier(loss=fb.Hinge()), (X, Y), "expected 'log_loss', fb.BinaryCrossEntropy or fb.Focal"),
        (regressor(loss=fb.Quantile([0.1, 0.9])), DIABETES, "expected a loss with one output for each target"),
        (regressor(loss=fb.CrossEntropy()), DIABETES, "expected a loss with one output for each target"),
        (regressor(loss="log_loss"), DIABETES, "The 'loss' parameter of MLPRegressor must be"),
        (classifier(loss="mse"), (X, Y), "The 'loss' parameter of MLPClassifier must be"),
    ],
)
def test_losses_that_do_not_fit(model, data, message):
    with pytest.raises(ValueError, match=message):
        model.fit(*data)


# --------------------------------------------------------------------------------------------------- the weights


def test_class_weight():
    rare = np.r_[np.flatnonzero(Y == 1), np.flatnonzero(Y == 0)[:20]]
    plain = classifier(alpha=1.0, max_iter=60).fit(X[rare], Y[rare])
    balanced = classifier(alpha=1.0, max_iter=60, class_weight="balanced").fit(X[rare], Y[rare])
    recalls = [recall_score(Y, model.predict(X), pos_label=0) for model in (plain, balanced)]
    assert recalls[1] > recalls[0] + 0.05
    counts = np.bincount(Y[rare])
    by_hand = {label: len(rare) / (2 * counts[label]) for label in (0, 1)}
    for other in (
        classifier(alpha=1.0, max_iter=60, class_weight=by_hand).fit(X[rare], Y[rare]),
        classifier(alpha=1.0, max_iter=60).fit(X[rare], Y[rare], np.array([by_hand[0], by_hand[1]])[Y[rare]]),
    ):
        np.testing.assert_allclose(other.coefs_[0], balanced.coefs_[0], rtol=1e-12)
    with pytest.raises(ValueError, match="class_weight is 'balanced'; expected a dictionary with partial_fit"):
        classifier(class_weight="balanced").partial_fit(X, Y, classes=[0, 1])
    words = np.array(["no", "yes"])[Y]
    assert classifier(class_weight={"no": 3.0}).fit(X, words).partial_fit(X, words).classes_.tolist() == ["no", "yes"]


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (-np.ones(len(X)), r"sample_weight\[0\] is -1.0; expected a finite number of 0 or more"),
        (np.zeros(len(X)), "the sample weights in sample_weight sum to 0|at least one non-zero"),
        (np.ones(3), "sample_weight.shape == "),
    ],
)
def test_bad_weights(weight, message):
    with pytest.raises(ValueError, match=message):
        classifier().fit(X, Y, sample_weight=weight)


# ------------------------------------------------------------------------------------------------- validation


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_validation_set_gives_a_curve(solver):
    model = classifier(solver=solver, max_iter=12).fit(X_TRAIN, Y_TRAIN, validation_set=(X_TEST, Y_TEST))
    assert len(model.validation_loss_curve_) == model.n_iter_ == 12
    chances = model.predict_proba(X_TEST)[np.arange(len(Y_TEST)), Y_TEST]
    assert model.validation_loss_curve_[-1] == pytest.approx(-np.log(chances).mean(), rel=1e-9)
    alone = classifier(solver=solver, max_iter=12).fit(X_TRAIN, Y_TRAIN)
    assert alone.validation_loss_curve_ is None
    np.testing.assert_array_equal(alone.coefs_[0], model.coefs_[0])


def test_validation_losses_of_numbers():
    two = np.column_stack([DIABETES[1], DIABETES[0][:, 2]])
    model = regressor(hidden_layer_sizes=4).fit(DIABETES[0], two, validation_set=(DIABETES[0][:50], two[:50]))
    error = (model.predict(DIABETES[0][:50]) - two[:50]) ** 2
    assert model.validation_loss_curve_[-1] == pytest.approx(error.mean() / 2, rel=1e-9)
    counts = np.floor(np.exp(DIABETES[1]))
    weight = np.linspace(0, 1, 50)
    held_out = (DIABETES[0][:50], counts[:50], weight)
    model = regressor(loss="poisson").fit(DIABETES[0], counts, validation_set=held_out)
    A, y = model.predict(DIABETES[0][:50]), counts[:50]
    deviance = y * np.log(np.where(y > 0, y, 1) / A) - y + A
    assert model.validation_loss_curve_[-1] == pytest.approx(np.average(deviance, weights=weight), rel=1e-9)


def test_early_stopping_on_a_validation_set():
    model = classifier(early_stopping=True, max_iter=300, n_iter_no_change=3, tol=1e-3)
    model.fit(X_TRAIN, Y_TRAIN, validation_set=(X_TEST, Y_TEST))
    assert model.n_iter_ < 300
    assert model.score(X_TEST, Y_TEST) == model.best_validation_score_ == max(model.validation_scores_)
    assert model.t_ == model.n_iter_ * len(X_TRAIN)  # nothing was held out


def test_early_stopping_of_partial_fit():
    model = classifier(early_stopping=True, n_iter_no_change=3, tol=1e-3)
    n_calls = 0
    while model.partial_fit(X_TRAIN, Y_TRAIN, classes=[0, 1], validation_set=(X_TEST, Y_TEST)).n_iter_:
        n_calls += 1
    assert 3 < n_calls == len(model.validation_scores_) < 300
    assert model.score(X_TEST, Y_TEST) == max(model.validation_scores_)
    weights = model.coefs_[0].copy()
    model.partial_fit(X_TRAIN, Y_TRAIN, validation_set=(X_TEST, Y_TEST))
    np.testing.assert_array_equal(weights, model.coefs_[0])
    model.fit(X_TRAIN, Y_TRAIN).partial_fit(X_TRAIN, Y_TRAIN, validation_set=(X_TEST, Y_TEST))
    assert model.n_iter_ == 1


@pytest.mark.parametrize(
    ("validation_set", "error", "message"),
    [
        (X, TypeError, "validation_set is an ndarray of shape .*; expected a pair"),
        ((X,), TypeError, "expected a pair"),
        ((X[:, :3], Y), ValueError, "X has 3 features, but MLPClassifier is expecting 30"),
        ((X, Y + 1), ValueError, r"validation_set\[1\] has the classes \[2\]; expected those of training, \[0 1\]"),
        ((X, Y, -np.ones(len(X))), ValueError, r"validation_set\[2\]\[0\] is -1.0"),
        ((X, Y[:-1]), ValueError, "inconsistent numbers of samples"),
    ],
)
def test_bad_validation_sets(validation_set, error, message):
    with pytest.raises(error, match=message):
        classifier().fit(X, Y, validation_set=validation_set)


# ------------------------------------------------------------------------------------------------ going on


def test_warm_start_can_keep_what_the_optimizer_gathered():
    options = dict(shuffle=False, max_iter=3, batch_size=len(X))
    whole = classifier(**{**options, "max_iter": 6}).fit(X, Y)
    kept = classifier(**options, warm_start="continue").fit(X, Y).fit(X, Y)
    np.testing.assert_array_equal(kept.coefs_[0], whole.coefs_[0])
    anew = classifier(**options, warm_start=True).fit(X, Y).fit(X, Y)
    assert abs(anew.coefs_[0] - whole.coefs_[0]).max() > 1e-6
    kept = classifier(**options, warm_start="continue").fit(X, Y)
    twin = pickle.loads(pickle.dumps(kept)).fit(X, Y)
    np.testing.assert_array_equal(twin.coefs_[0], whole.coefs_[0])


def test_parameters_may_change_between_fits():
    model = classifier(warm_start="continue").fit(X, Y)
    steps = model._trainer.n_steps
    model.set_params(batch_size=50, learning_rate_init=0.01, alpha=1.0).fit(X, Y)
    assert model._trainer.n_steps == steps + 5 * math.ceil(len(X) / 50)
    assert model._trainer.optimizer.learning_rate == 0.01
    model.set_params(solver="sgd").fit(X, Y)
    assert model._trainer.n_steps == 5 * math.ceil(len(X) / 50)
    model.set_params(early_stopping=True).fit(X, Y)
    assert len(model.validation_scores_) == 5
    with pytest.raises(ValueError, match=r"the network is \[9, 1\]; expected the \[8, 1\] units of the fit before"):
        model.set_params(hidden_layer_sizes=9).fit(X, Y)


def test_what_is_written_into_coefs_is_what_predicts():
    model = classifier().fit(X, Y)
    before = model.predict_proba(X)
    model.coefs_[0] *= 2
    after = model.predict_proba(X)
    assert abs(before - after).max() > 1e-3
    hidden = np.maximum(X @ model.coefs_[0] + model.intercepts_[0], 0)
    by_hand = 1 / (1 + np.exp(-(hidden @ model.coefs_[1] + model.intercepts_[1])))
    np.testing.assert_allclose(after[:, 1:], by_hand, atol=1e-12)
    model.coefs_ = [np.zeros((30, 4)), np.zeros((4, 1))]
    model.intercepts_ = [np.zeros(4), np.array([1.0])]
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], 1 / (1 + np.exp(-1)))
    assert pickle.loads(pickle.dumps(model)).coefs_[0].shape == (30, 4)
    model.coefs_ = [np.zeros((30, 4)), np.zeros(4)]
    with pytest.raises(ValueError, match="coefs_ has 2 arrays and intercepts_ has 2; expected a matrix"):
        model.predict(X)


# ------------------------------------------------------------------------------------------- data of all kinds


@pytest.mark.parametrize("container", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array])
def test_sparse_data_is_like_dense(container):
    digits, labels = load_digits(return_X_y=True)
    dense = classifier().fit(digits, labels)
    thin = classifier().fit(container(digits), labels, validation_set=(container(digits[:50]), labels[:50]))
    np.testing.assert_array_equal(thin.coefs_[0], dense.coefs_[0])
    stopped = classifier(early_stopping=True).fit(container(digits), labels)
    assert stopped.validation_scores_ == classifier(early_stopping=True).fit(digits, labels).validation_scores_
    many = np.tile(digits, (3, 1))  # more rows than are dense at a time where gaps are filled
    for missing in ("error", "impute"):
        thin, dense = classifier(missing=missing).fit(container(digits), labels), dense.set_params(missing=missing)
        np.testing.assert_array_equal(
            thin.predict_proba(container(many)), dense.fit(digits, labels).predict_proba(many)
        )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_missing_values_are_filled_with_medians(dtype):
    gaps = X.astype(dtype)
    gaps[np.random.default_rng(0).random(X.shape) < 0.1] = np.nan
    gaps[:, 3] = np.nan
    filled = np.where(
        np.isnan(gaps),
        np.nan_to_num(np.array([np.nanmedian(c) if not np.isnan(c).all() else 0 for c in gaps.T], dtype)),
        gaps,
    )
    model = classifier(missing="impute", early_stopping=True).fit(gaps, Y)
    expected = classifier(early_stopping=True).fit(filled, Y)
    assert model.coefs_[0].dtype == dtype
    np.testing.assert_array_equal(model.predict_proba(gaps), expected.predict_proba(filled))
    np.testing.assert_allclose(model.imputer_.statistics_[:3], np.nanmedian(gaps[:, :3], axis=0))
    assert model.__sklearn_tags__().input_tags.allow_nan
    model.partial_fit  # noqa: B018 (it is there)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        classifier().fit(gaps, Y)
    with pytest.raises(ValueError, match="infinity"):
        classifier(missing="impute").fit(np.where(np.isnan(gaps), np.inf, gaps), Y)


def test_large_numbers_for_float32():
    huge = np.where(X > 5, 1e300, X)
    with pytest.raises(ValueError, match="infinite in float32"):
        classifier(compute_dtype="float32").fit(huge, Y)


def test_before_fit():
    for method in ("predict", "predict_proba"):
        with pytest.raises(NotFittedError):
            getattr(classifier(), method)(X)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_plain_arrays_are_predicted_as_others_are(dtype):
    """They pass by scikit-learn's validation; a list, which takes the long way, comes to the same."""
    model = regressor().fit(DIABETES[0].astype(dtype), DIABETES[1])
    rows = DIABETES[0][:3].astype(dtype)
    np.testing.assert_allclose(model.predict(rows), model.predict(rows.tolist()), rtol=1e-4)
    np.testing.assert_array_equal(model.predict(rows[:, ::-1]), model.predict(rows[:, ::-1].copy()))
    huge = np.full_like(rows, np.finfo(dtype).max / 4)  # finite, though its sum is not
    with np.errstate(over="ignore", invalid="ignore"):
        assert model.predict(huge).shape == (3,)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((2, 9)), "X has 9 features, but MLPRegressor is expecting 10 features as input"),
        (np.zeros((0, 10)), "Found array with 0 sample"),
        (np.zeros(10), "Expected 2D array, got 1D array instead"),
        (np.full((2, 10), np.nan), "Input X contains NaN"),
        (np.full((2, 10), np.inf), "Input X contains infinity"),
    ],
)
def test_plain_arrays_are_refused_as_by_scikit_learn(rows, message):
    model = regressor().fit(*DIABETES)
    with pytest.raises(ValueError, match=message):
        model.predict(rows)
    with pytest.raises(NotFittedError):
        regressor().predict(rows)


def test_plain_arrays_for_a_model_of_named_columns_are_warned_of():
    pandas = pytest.importorskip("pandas")
    model = regressor().fit(pandas.DataFrame(DIABETES[0]).rename(columns=str), DIABETES[1])
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        model.predict(DIABETES[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(hidden_layer_sizes=(0,)), r"hidden_layer_sizes must be > 0, got \[0\]"),
        (dict(hidden_layer_sizes=(3, 2.5)), r"hidden_layer_sizes is \(3, 2.5\); expected integers of 1 or more"),
        (dict(activation="rely"), "The 'activation' parameter of MLPClassifier must be"),
        (dict(activation=["rely"]), r"activation\[0\] is 'rely'; expected one of .* Did you mean 'relu'"),
        (dict(solver="adamm"), "The 'solver' parameter"),
        (dict(solver=3), "The 'solver' parameter"),
        (dict(dropout=1.0), "The 'dropout' parameter"),
        (dict(missing="drop"), "The 'missing' parameter"),
        (dict(n_threads=0), "The 'n_threads' parameter"),
        (dict(warm_start="yes"), "The 'warm_start' parameter"),
        (dict(class_weight="even"), "The 'class_weight' parameter"),
        (dict(callbacks=3), "The 'callbacks' parameter"),
        (dict(momentum=1.0), "The 'momentum' parameter"),
        (dict(alpha=-1), "The 'alpha' parameter"),
        (dict(random_state="a"), "The 'random_state' parameter"),
    ],
)
def test_bad_parameters(options, message):
    with pytest.raises(ValueError, match=message):
        classifier(**options).fit(X, Y)


def test_the_module_says_what_it_needs(monkeypatch):
    import importlib
    import sys

    import sklearn

    import fastbp.sklearn

    monkeypatch.setattr(sklearn, "__version__", "1.5.2")
    with pytest.raises(ImportError, match=r"needs scikit-learn 1.6 or newer, and 1.5.2 is installed"):
        importlib.reload(fastbp.sklearn)
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r"fastbp.sklearn needs scikit-learn, which is not installed: pip install"):
        importlib.reload(fastbp.sklearn)
    monkeypatch.undo()
    importlib.reload(fastbp.sklearn)
