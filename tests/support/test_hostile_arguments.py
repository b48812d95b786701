"""Arguments that are nothing a caller would mean: a documented exception with a sentence, whatever they are."""

import decimal
import fractions

import numpy as np
import pytest

import fastbp as fb
from campaign_calls import USUAL, parameters_of, targets
from fastbp.support.checks import check_int, check_list, check_number, check_path, describe


class NotShown:
    def __repr__(self):
        raise RuntimeError("no repr")


class NotShownFloat(float):
    def __repr__(self):
        raise RuntimeError("no repr")


class NoNumber:
    def __index__(self):
        raise ZeroDivisionError

    def __float__(self):
        raise ZeroDivisionError

    def __fspath__(self):
        raise ZeroDivisionError

    def __array__(self, *args, **options):
        raise ZeroDivisionError

    @property
    def shape(self):
        raise ZeroDivisionError


class NoLength(list):
    def __len__(self):
        raise ZeroDivisionError


class WrongName:
    def __fspath__(self):
        return 5


def make_model():
    return fb.Model([fb.Dense(2, "softmax")], inputs=3)


def make_trainer(**options):
    return fb.Trainer(make_model(), **({"loss": "cross_entropy"} | options))


@pytest.mark.parametrize("number", [10**400, -(10**400), fractions.Fraction(10**400), np.longdouble("1e4000")])
def test_numbers_beyond_a_double(number):
    with pytest.raises(ValueError, match=r"learning_rate is .*; expected a finite number above 0"):
        fb.Adam(number)
    with pytest.raises(ValueError, match=r"clip_norm is .*; expected a finite number above 0"):
        make_trainer(clip_norm=number)


def test_numbers_of_other_types():
    assert fb.Adam(fractions.Fraction(1, 4)).learning_rate == 0.25
    assert type(fb.Adam(NotShownFloat(0.5)).learning_rate) is float
    for number in (decimal.Decimal("0.5"), np.array(0.5), np.array([1], object), 1j, NoNumber(), NotShown()):
        with pytest.raises(TypeError, match=r"learning_rate is .*; expected a finite number above 0"):
            fb.Adam(number)
    for number in (0.5, NoNumber(), NotShown(), "3", np.array([1])):
        with pytest.raises(TypeError, match=r"units is .*; expected an integer of 1 or more"):
            fb.Dense(number)


def test_objects_that_cannot_be_shown():
    assert describe(NotShown()) == "a NotShown that cannot be shown"
    assert describe([NotShown()]) == "a list that cannot be shown"
    assert describe(10**5000) == "an int that cannot be shown"
    assert describe(NoNumber()) == "a NoNumber"
    names = ("optimizer", "loss", "metrics", "batch_size", "shuffle", "averaging", "seed", "accumulate")
    calls = [(lambda value, name=name: make_trainer(**{name: value})) for name in names]
    calls += [fb.Dense, fb.Residual, fb.Ensemble, fb.Checkpoint, fb.CSVLogger, fb.Model.load, make_model().set_weights]
    calls += [lambda value: make_trainer().fit([[1, 2, 3]], [0], callbacks=value)]
    calls += [lambda value: make_trainer().fit([[1, 2, 3]], [0], epochs=value)]
    calls += [lambda value: fb.Model([fb.Dense(2)], inputs=3, dtype=value)]
    calls += [lambda value: make_trainer(learning_rate_factors={value: 1.0})]
    for call in calls:
        for value in (NotShown(), [NotShown()], NoLength([1])):
            with pytest.raises((TypeError, ValueError)) as error:
                call(value)
            assert "expected" in str(error.value) or "unhashable" in str(error.value), call


@pytest.mark.parametrize(
    "X", [[[10**400, 1, 2]], np.array([[10**400, 1, 2]], object), [[NotShown(), 1, 2]], NoNumber()]
)
def test_data_that_are_no_numbers(X):
    model = make_model()
    for call in (model.predict, lambda X: make_trainer().fit(X, [0]), lambda X: make_trainer().evaluate(X, [0])):
        with pytest.raises(TypeError, match=r"^X .*"):
            call(X)
    with pytest.raises(TypeError, match=r"weights\[0\]"):
        model.set_weights([X, [0.0, 0.0]])


WITH_FLAGS = {
    f"{name}, {each.name}": (name, each.name)
    for name, function in targets().items()
    for each in parameters_of(function)
    if isinstance(each.default, bool)
}
NEEDED = {
    "CosineDecay": {"start": 0.1, "over": 10},
    "DifferentialPrivacy": {"target_delta": 1e-5, "expected_batch_size": 16, "noise_multiplier": 1.0},
}


@pytest.mark.parametrize(("name", "flag"), WITH_FLAGS.values(), ids=WITH_FLAGS)
@pytest.mark.parametrize("value", [np.ones((2, 2)), "yes", 2, None, NotShown()], ids=lambda value: type(value).__name__)
def test_every_flag_is_true_or_false(name, flag, value):
    function = targets()[name]
    needed = [each.name for each in parameters_of(function) if each.default is each.empty and each.name in USUAL]
    arguments = {each: USUAL[each]() for each in needed} | NEEDED.get(name, {})
    with pytest.raises(TypeError, match=rf"^{flag} is .*; expected True or False\.$"):
        function(**arguments | {flag: value})


X, y = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [0, 1]
NO_LISTS = [np.array(1.0), np.array("a"), 5, "a", NoLength([1])]


@pytest.mark.parametrize("values", NO_LISTS, ids=lambda value: type(value).__name__)
def test_lists_that_are_none(values):
    with pytest.raises(TypeError, match=r"^columns is .*; expected a list of places or names of columns, or None"):
        make_model().laplacian(X, columns=values)
    for kind, what in (("number", "range"), ("category", "categories")):
        with pytest.raises(TypeError, match=rf"^{what} of column 'age' is .*; expected a list\."):
            fb.privacy.Schema({"age": {"kind": kind, what: values}})


@pytest.mark.parametrize("item", [np.ones(2), ["a"], None, NotShown(), {}], ids=lambda value: type(value).__name__)
def test_columns_that_are_no_names(item):
    """Arrays compare entry by entry: none is the name of a column."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    model = make_model()
    fb.Trainer(model, "cross_entropy").fit(frame, y)
    with pytest.raises(TypeError, match=r"^columns\[1\] is .*; expected an integer 0 to 2"):
        model.laplacian(frame, columns=["a", item])
    with pytest.raises(ValueError, match=r"^the kind of column 'a' is .*; expected one of"):
        fb.privacy.Schema({"a": {"kind": item}})


@pytest.mark.parametrize(
    "weights", [([[1.0, 2.0]], [1.0]), [[1.0, 2.0], [1.0]], [NotShown(), 1.0]], ids=["pair", "ragged", "objects"]
)
def test_weights_of_a_step_that_are_no_array(weights):
    with pytest.raises((TypeError, ValueError), match=r"^sample_weight .*(numbers|weight)"):
        make_trainer().step(X, y, sample_weight=weights)


PATHS = [5, 0, True, None, b"x", "", "a\0b", "\ud800", [], NotShown(), NoNumber(), WrongName(), object()]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: type(path).__name__)
def test_paths_that_are_no_paths(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = make_model()
    calls = [model.save, fb.Model.load, make_trainer().save, fb.Trainer.load, fb.Ensemble([model]).save]
    for call in (*calls, fb.Ensemble.load, fb.Checkpoint, fb.CSVLogger):
        with pytest.raises((TypeError, ValueError), match=r"path is .*; expected the name of a file, a str or a path"):
            call(path)
    assert list(tmp_path.iterdir()) == []


def test_checks_by_themselves():
    assert check_int(np.int64(5), "n") == 5
    assert check_number(np.float32(0.5), "x") == 0.5
    assert str(check_path("a")) == "a"
    assert check_list((i for i in "ab"), "names", "names") == ["a", "b"]
    for values in ("ab", 5, None, NoLength([1])):
        with pytest.raises(TypeError, match=r"names is .*; expected a list of names"):
            check_list(values, "names", "a list of names")


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({}, "a finite number"),
        ({"above": 0}, "a finite number above 0"),
        ({"at_least": 0, "below": 1}, "a finite number of 0 or more and below 1"),
    ],
)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 10**400])
def test_a_sentence_names_the_bounds_that_there_are_and_no_others(bounds, expected, value):
    with pytest.raises(ValueError, match=rf"^x is .*; expected {expected}\.$"):
        check_number(value, "x", **bounds)


CONFIGS = [None, 5, [], {}, "x", {"type": []}, {"layers": 5}, {"layers": [5]}, {"type": "dense", "units": 10**400}]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_descriptions_of_something_else(config):
    model = make_model()
    with pytest.raises((TypeError, ValueError), match=r"config is .*; expected what Model.to_config returns"):
        fb.Model.from_config(config, model.get_weights())
    for layer in (fb.Dense, fb.Residual, fb.Dropout, fb.LayerNorm, fb.BatchNorm, fb.Activation):
        expected = rf"config is .*; expected what {layer.__name__}.to_config returns"
        with pytest.raises((TypeError, ValueError), match=expected):
            layer.from_config(config)


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": 5},
        {"inputs": []},
        {"inputs": {"type": []}},
        {"seed": -1},
        {"metadata": 5},
        {"names": 5},
        {"preparing": 5},
        {"preparing": {"prepare": 5}},
        {"layers": [{"type": "dense"}]},
        {"layers": [{"type": ["dense"]}]},
        {"layers": [fb.Dense(2).to_config() | {"activation": {"name": []}}]},
        {"layers": [fb.Dense(2).to_config() | {"activation": "relu"}]},
        {"layers": [fb.Dense(2).to_config() | {"colour": "red"}]},
    ],
    ids=str,
)
def test_descriptions_with_something_else_in_them(change):
    model = make_model()
    with pytest.raises(ValueError, match=r"config is .*; expected what Model.to_config returns"):
        fb.Model.from_config(model.to_config() | change, model.get_weights())


LAYERS = [fb.Dense(4, "tanh"), fb.Dense(2)]


@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e-160, 1e-310])
def test_numbers_that_vanish_are_no_error(scale):
    """NumPy's error state of the caller makes no difference."""
    rng = np.random.default_rng(0)
    X, Y, weights = rng.normal(size=(40, 3)) * scale, rng.normal(size=(40, 2)) * scale, rng.random(40) * scale
    results, small = [], [weight.astype(np.float64) * scale for weight in fb.Model(LAYERS, inputs=3).get_weights()]
    for state in ("ignore", "raise"):
        with np.errstate(all=state):
            model = fb.Model(LAYERS, prepare=fb.Standardize(), prepare_targets=fb.Standardize())
            trainer = fb.Trainer(model, "mse", metrics=["r2", "mae", "rmse"], averaging="ema")
            history = trainer.fit(X, Y, epochs=2, sample_weight=weights, validation_data=(X, Y))
            plain = fb.Model(LAYERS, inputs=3)
            plain.set_weights(small)
            results.append([history["loss"], history["val_r2"], history["rmse"]])
            results[-1] += [model.predict(X), plain.predict(X), plain.predict(X.astype(np.longdouble))]
            results[-1] += [fb.Ensemble([plain, plain]).predict_spread(X)[1]]
            fb.inspect_data(X, Y[:, 0])
            plain.inspect(X, Y, "mse")
            with pytest.raises(ValueError, match="row 3, column 1 of X"):
                plain.predict(np.where(np.arange(120).reshape(40, 3) == 10, np.nan, X))
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)
