"""Bad input gets a sentence: for every public argument, the kind of error and what its message says."""

import re

import numpy as np
import pytest

import fastbp as fb

X = np.random.default_rng(0).normal(size=(6, 3))
LABELS = np.array([0, 1, 2, 3, 0, 1])


def classifier(**arguments):
    return fb.Trainer(fb.Model([fb.Dense(4, "softmax")], inputs=3), "cross_entropy", **arguments)


def regressor(n_outputs=1, **arguments):
    return fb.Trainer(fb.Model([fb.Dense(n_outputs)], inputs=3), "mse", **arguments)


def binary(n_outputs=1):
    return fb.Trainer(fb.Model([fb.Dense(n_outputs, "sigmoid")], inputs=3), "binary_cross_entropy")


def model(*layers, **arguments):
    return fb.Model(list(layers), **({"inputs": 3} | arguments))


def with_value(array, index, value):
    changed = np.array(array, dtype=np.float64)
    changed[index] = value
    return changed


def check(call, error, sentence):
    with pytest.raises(error) as caught:
        call()
    assert type(caught.value) is error
    assert re.search(sentence, str(caught.value)), str(caught.value)


# ----------------------------------------------------------------------------------- building a model

BUILDING = [
    (lambda: fb.Dense(0), ValueError, "^units is 0; expected an integer of 1 or more"),
    (lambda: fb.Dense(-3), ValueError, "units is -3"),
    (lambda: fb.Dense(2**31), ValueError, "units is 2147483648"),
    (lambda: fb.Dense(2.0), TypeError, "units is 2.0; expected an integer"),
    (lambda: fb.Dense(True), TypeError, "units is True"),
    (lambda: fb.Dense("10"), TypeError, "units is '10'"),
    (lambda: fb.Dense(3, "ReLU"), ValueError, "activation is 'ReLU'; .*Did you mean 'relu'?"),
    (lambda: fb.Dense(3, "leaky relu"), ValueError, "Did you mean 'leaky_relu'?"),
    (lambda: fb.Dense(3, "sine"), ValueError, "activation is 'sine'; expected one of 'linear', 'relu', 'leaky_relu'"),
    (lambda: fb.Dense(3, None), TypeError, "activation is None; expected one of"),
    (lambda: fb.Dense(3, fb.ReLU), TypeError, r"activation is the class ReLU; .* Add parentheses: ReLU\(\)"),
    (lambda: fb.Dense(3, np.tanh), TypeError, "activation is <ufunc 'tanh'>; expected one of"),
    (lambda: fb.Dense(3, fb.He()), TypeError, "activation is He"),
    (lambda: fb.Dense(3, "relu", "xavier"), ValueError, "initializer is 'xavier'; expected one of 'he', 'glorot'"),
    (lambda: fb.Dense(3, "relu", 0.5), TypeError, "initializer is 0.5"),
    (lambda: model(), ValueError, "layers is empty"),
    (lambda: fb.Model(fb.Dense(3), inputs=3), TypeError, r"layers is Dense\(3, 'linear'\); expected a list. Put it in"),
    (lambda: fb.Model(None, inputs=3), TypeError, "layers is None; expected a list such as"),
    (lambda: fb.Model("relu", inputs=3), TypeError, "layers is 'relu'"),
    (
        lambda: model(fb.Dense(3), 10),
        TypeError,
        r"layers\[1\] is 10; expected a layer, one of fb.Dense, .*. Give fb.Dense\(10, 'relu'\)",
    ),
    (lambda: model(fb.Dense), TypeError, r"layers\[0\] is the class Dense; expected a layer, one of fb.Dense"),
    (lambda: model(fb.Dense(3), inputs=0), ValueError, "inputs is 0; expected an integer of 1 or more"),
    (lambda: model(fb.Dense(3), inputs=(28, 28)), TypeError, r"inputs is \(28, 28\); expected an integer"),
    (
        lambda: model(fb.Dense(3), inputs="4"),
        TypeError,
        "inputs is '4'; expected an integer .* For numeric columns and category codes pass an fb.Tabular",
    ),
    (lambda: fb.Tabular(-1, [3]), ValueError, "numeric is -1; expected an integer of 0 or more"),
    (lambda: fb.Tabular(2.0, [3]), TypeError, "numeric is 2.0; expected an integer"),
    (
        lambda: fb.Tabular(2, []),
        ValueError,
        "categories is empty; .* Without categories, give fb.Model a number of inputs",
    ),
    (lambda: fb.Tabular(2, 5), TypeError, r"categories is 5; expected a list of cardinalities such as \[7, 12\]"),
    (lambda: fb.Tabular(2, "ab"), TypeError, "categories is 'ab'; expected a list of cardinalities"),
    (lambda: fb.Tabular(2, [[3]]), TypeError, r"categories\[0\] is \[3\]; expected an integer"),
    (lambda: fb.Tabular(2, np.ones((2, 2))), TypeError, r"categories is an ndarray of shape \(2, 2\)"),
    (lambda: fb.Tabular(2, [3, 0]), ValueError, r"categories\[1\] is 0; expected an integer 1 to 16777216"),
    (lambda: fb.Tabular(2, [2**24 + 1]), ValueError, r"categories\[0\] is 16777217; expected an integer 1 to 16777216"),
    (lambda: fb.Tabular(2, [3], "small"), ValueError, "dims is 'small'; expected \"auto\" or a list of integers"),
    (lambda: fb.Tabular(2, [3], 4), TypeError, 'dims is 4; expected a list of integers, or "auto"'),
    (lambda: fb.Tabular(2, [3], [0]), ValueError, r"dims\[0\] is 0; expected an integer of 1 or more"),
    (lambda: fb.Tabular(2, [3], [1, 2]), ValueError, "dims has 2 entries and categories 1; expected as many"),
    (lambda: model(fb.Dense(3), dtype="float16"), ValueError, "dtype is 'float16'; expected 'float32' or 'float64'"),
    (lambda: model(fb.Dense(3), dtype=int), ValueError, "dtype is the class int"),
    (lambda: model(fb.Dense(3), dtype=">f4"), ValueError, "dtype is '>f4'"),
    (lambda: model(fb.Dense(3), dtype="single float"), ValueError, "dtype is 'single float'"),
    (lambda: model(fb.Dense(3), dtype=None), ValueError, "dtype is None"),
    (lambda: model(fb.Dense(3), seed=-1), ValueError, "seed is -1; expected an integer from 0"),
    (lambda: model(fb.Dense(3), seed=2**64), ValueError, "seed is 18446744073709551616"),
    (lambda: model(fb.Dense(3), seed=0.5), TypeError, "seed is 0.5; expected an integer"),
    (lambda: model(fb.Dense(3), seed="0"), TypeError, "seed is '0'"),
]


@pytest.mark.parametrize(("call", "error", "sentence"), BUILDING)
def test_building(call, error, sentence):
    check(call, error, sentence)


TRAINER = [
    (lambda: fb.Trainer(fb.Dense(3), "mse"), TypeError, r"model is Dense\(3, 'linear'\); expected an fb.Model"),
    (lambda: fb.Trainer(fb.Model, "mse"), TypeError, "model is the class Model"),
    (lambda: fb.Trainer(model(fb.Dense(3)), "rmse"), ValueError, "loss is 'rmse'; .*Did you mean 'mse'?"),
    (
        lambda: fb.Trainer(model(fb.Dense(3)), None),
        TypeError,
        "loss is None; expected one of 'mse', 'mae', 'cross_entropy'",
    ),
    (
        lambda: regressor(optimizer="adam_w"),
        ValueError,
        "optimizer is 'adam_w'; expected one of 'sgd', 'adam', 'adamw'.*Did you mean 'adamw'",
    ),
    (lambda: regressor(optimizer=0.01), TypeError, r"optimizer is 0.01; .* or an object such as fb.SGD\(\)"),
    (lambda: regressor(optimizer=fb.Adam), TypeError, r"optimizer is the class Adam; .*Add parentheses: Adam\(\)"),
    (lambda: regressor(batch_size=0), ValueError, "batch_size is 0; expected .* None means all samples at once"),
    (lambda: regressor(batch_size=-1), ValueError, "batch_size is -1"),
    (lambda: regressor(batch_size=32.0), TypeError, "batch_size is 32.0"),
    (lambda: regressor(n_threads=0), ValueError, "n_threads is 0; expected an integer 1 to 1024. None uses fb.get"),
    (lambda: regressor(n_threads=-1), ValueError, "n_threads is -1"),
    (lambda: regressor(n_threads=10**6), ValueError, "n_threads is 1000000; expected an integer 1 to 1024"),
    (lambda: regressor(n_threads="2"), TypeError, "n_threads is '2'"),
    (lambda: regressor(shuffle=1), TypeError, "shuffle is 1; expected True or False"),
    (lambda: regressor(seed=-1), ValueError, "seed is -1"),
    (
        lambda: regressor(metrics="accuracy"),
        ValueError,
        "metrics has 'accuracy' and loss is 'mse'; expected metrics for this loss: 'r2'",
    ),
    (
        lambda: classifier(metrics=["r2"]),
        ValueError,
        "metrics has 'r2' and loss is 'cross_entropy'; .* for this loss: 'accuracy'",
    ),
    (lambda: regressor(metrics=["r2", "r2"]), ValueError, r"metrics is \['r2', 'r2'\]; expected each once"),
    (lambda: regressor(metrics=["auc"]), ValueError, "metrics is 'auc'; expected one of"),
    (lambda: regressor(metrics=3), TypeError, "metrics is 3; expected a list"),
]


@pytest.mark.parametrize(("call", "error", "sentence"), TRAINER)
def test_trainer(call, error, sentence):
    check(call, error, sentence)


# -------------------------------------------------------------------------------------------- data

sparse = pytest.importorskip("scipy.sparse")
pandas = pytest.importorskip("pandas")
structured = np.zeros(6, [("a", "f8"), ("b", "f8"), ("c", "f8")])
frame = pandas.DataFrame({"age": [1.0, 2.0], "city": ["Rome", "Oslo"], "day": pandas.to_datetime(["2024", "2025"])})
gaps = pandas.DataFrame({"a": [1, None], "b": [2, 2], "c": [3, 3]}).astype("Int64")
masked = np.ma.MaskedArray(X, mask=X > 1)

BAD_X = [
    (
        X[0],
        ValueError,
        r"X has 1 dimension \(its shape is \(3,\)\); expected 2, .*it is one sample, give X.reshape\(1, -1\)",
    ),
    (X[:, 0], ValueError, r"X has 1 dimension .*Give X.reshape\(-1, 1\) if it is one input of many samples"),
    (X.reshape(6, 3, 1), ValueError, r"X has 3 dimensions .*Give X.reshape\(len\(X\), -1\)"),
    (1.5, ValueError, r"X has 0 dimensions"),
    ([], ValueError, "X has 1 dimension"),
    (np.zeros((6, 2)), ValueError, r"X has 2 columns \(its shape is \(6, 2\)\); expected 3, as the model has 3 inputs"),
    (X * 1j, TypeError, r"X is shape \(6, 3\) and dtype complex128; .*real and the imaginary parts as columns"),
    (X.astype(str), TypeError, "X is shape .* dtype <U.*Encode the text as numbers"),
    (X.astype("S"), TypeError, "Encode the text as numbers"),
    (X.astype("M8[s]"), TypeError, r"datetime64.*np.timedelta64\(1, 's'\)"),
    (X.astype("m8[s]"), TypeError, r"timedelta64.*np.timedelta64\(1, 's'\)"),
    (structured, TypeError, "Give a data frame of the records"),
    (None, TypeError, "X is a single value of dtype object; expected an array of real numbers"),
    ("data.csv", TypeError, "X is a single value of dtype <U8"),
    ({"a": 1}, TypeError, "X is {'a': 1}; expected an array or a data frame, as the model knows no names"),
    ([{"a": 1}], TypeError, r"X is \[{'a': 1}\]; expected an array or a data frame, as the model knows no names"),
    ([[1, 2, 3], [4, 5]], ValueError, "X .* cannot be read as an array of numbers: .*inhomogeneous"),
    ([[1, 2, None]], TypeError, r"X is an array of Python objects \(shape \(1, 3\)\)"),
    (np.empty((0, 3), object), TypeError, r"X is an array of Python objects \(shape \(0, 3\)\)"),
    ([[1, 2, object()]], TypeError, "but column 2 holds something else"),
    ([[1, "a", None]], TypeError, "but column 1 holds something else: could not convert string to float: 'a'"),
    (frame, TypeError, r"column 'city' of X has dtype str; .*leave that column out"),
    (frame.drop(columns="city"), TypeError, "column 'day' of X has dtype datetime64"),
    (frame.astype({"city": "category"}), TypeError, "column 'city' of X has dtype category"),
    (gaps, ValueError, "row 1, column 0 of X .counted from 0. is nan"),
    (masked, TypeError, r"X is a masked array with masked values; .*X.filled\(0\)"),
    (sparse.csr_matrix(X * 1j), TypeError, r"X is a csr_matrix of shape .*; expected a sparse matrix of real numbers"),
    (
        with_value(X, (4, 2), np.nan),
        ValueError,
        "^row 4, column 2 of X .counted from 0. is nan; expected a finite number",
    ),
    (with_value(X, (5, 0), np.inf), ValueError, "row 5, column 0 of X .counted from 0. is inf"),
    (with_value(X, (0, 1), -np.inf), ValueError, "row 0, column 1 of X .counted from 0. is -inf"),
    (
        with_value(X, (3, 1), 1e300),
        ValueError,
        r"is 1e\+300, which is infinite in float32, the model's dtype.*dtype='float64'",
    ),
]


@pytest.mark.parametrize(("data", "error", "sentence"), BAD_X)
def test_x(data, error, sentence):
    """However X gets in, it is looked at."""
    trainer = regressor()
    y = np.zeros(np.shape(data)[0] if isinstance(data, np.ndarray) and data.ndim else 2)
    calls = [
        lambda: trainer.model.predict(data),
        lambda: trainer.fit(data, y),
        lambda: trainer.evaluate(data, y),
        lambda: trainer.step(data, y),
        lambda: trainer.model.loss_and_gradients(data, y, "mse"),
    ]
    before = trainer.model.get_weights()
    for call in calls:
        check(call, error, sentence)
    assert all((a == b).all() for a, b in zip(trainer.model.get_weights(), before, strict=True))
    in_validation = re.sub(r"\bX\b", r"validation_data\\[0\\]", sentence)
    check(lambda: trainer.fit(X, np.zeros(6), validation_data=(data, y)), error, in_validation)


def test_no_rows_are_only_for_predict():
    trainer, y = regressor(), np.zeros(0)
    for call in (
        lambda: trainer.fit(X[:0], y),
        lambda: trainer.evaluate(X[:0], y),
        lambda: trainer.step(X[:0], y),
        lambda: trainer.model.loss_and_gradients(X[:0], y, "mse"),
        lambda: trainer.fit(X, np.zeros(6), validation_data=(X[:0], y)),
    ):
        with pytest.raises(
            ValueError, match=r"(X|validation_data\[0\]) has shape \(0, 3\): no samples; expected one row"
        ):
            call()
    assert trainer.model.predict(X[:0]).shape == (0, 1)


Y4 = np.eye(4)[LABELS]

BAD_Y = [
    # classes
    (classifier, LABELS[:5], ValueError, "X has 6 rows, y has 5; expected a target for each sample"),
    (classifier, LABELS[:0], ValueError, r"y has shape \(0,\)"),
    (
        classifier,
        LABELS + 1,
        ValueError,
        r"y\[3\] is 4; expected an integer 0 to 3, as the model has 4 outputs.*np.unique",
    ),
    (classifier, LABELS - 1, ValueError, r"y\[0\] is -1; expected an integer 0 to 3"),
    (classifier, (LABELS + 1).astype(np.uint8), ValueError, r"y\[3\] is 4; expected"),
    (classifier, (LABELS - 1).astype(np.int8), ValueError, r"y\[0\] is -1; expected"),
    (classifier, LABELS.astype(np.uint64) + 2**63, ValueError, r"y\[0\] is 9223372036854775808"),
    (classifier, LABELS + 2**32, ValueError, r"y\[0\] is 4294967296"),
    (classifier, LABELS + 0.5, ValueError, r"y\[0\] is 0.5; expected an integer 0 to 3"),
    (classifier, with_value(LABELS, 2, np.nan), ValueError, r"y\[2\] is nan; expected an integer"),
    (classifier, with_value(LABELS, 2, np.inf), ValueError, r"y\[2\] is inf; expected an integer"),
    (classifier, list("abcdea"), ValueError, r"y has 5 different labels, 'a', .*; expected 4 classes|knows no classes"),
    (
        classifier,
        pandas.Series(list("abcaba")),
        ValueError,
        "y has 3 different labels, 'a', 'b', 'c';|knows no classes",
    ),
    (classifier, ["a", "b", None, "c", "d", "a"], ValueError, r"y\[2\] is missing; expected a label for each sample"),
    (classifier, ["a", "b", 3, "c", "d", "a"], TypeError, "y holds int and str; expected labels of one kind"),
    (classifier, [list("ab")] * 6, TypeError, "y is an array of Python objects"),
    (classifier, None, TypeError, "y is (None; expected targets|a single value of dtype object)"),
    (classifier, LABELS * 1j, TypeError, "y is .* dtype complex128"),
    (classifier, 3, ValueError, r"y has shape \(\); expected labels of shape \(n_samples,\)"),
    (
        classifier,
        Y4[:, :3],
        ValueError,
        r"y has shape \(6, 3\); expected labels .* or probabilities of shape \(n_samples, 4\)",
    ),
    (classifier, Y4[:5], ValueError, "X has 6 rows, y has 5"),
    (classifier, Y4[:0], ValueError, r"y has shape \(0, 4\)"),
    (classifier, Y4 * 2, ValueError, r"the probabilities in y\[0\] sum to 2; expected 1.*binary_cross_entropy"),
    (
        classifier,
        with_value(Y4, (3, 1), np.nan),
        ValueError,
        "row 3, column 1 of y .counted from 0. is nan; expected the prob",
    ),
    (classifier, with_value(Y4, (3, 1), -0.5), ValueError, "row 3, column 1 of y .counted from 0. is -0.5"),
    (classifier, with_value(Y4, (2, 1), np.inf), ValueError, r"the probabilities in y\[2\] sum to inf"),
    # yes or no
    (
        binary,
        [0, 1, 2, 0, 1, 0],
        ValueError,
        r"of y .counted from 0. is 2; expected 0 \(no\), 1 \(yes\) or a probability",
    ),
    (binary, [0, 1, -1, 0, 1, 0], ValueError, "row 2, column 0 of y .counted from 0. is -1"),
    (binary, with_value(np.zeros(6), 4, np.nan), ValueError, "row 4, column 0 of y .counted from 0. is nan"),
    (binary, np.zeros((6, 2)), ValueError, r"y has shape \(6, 2\); expected \(n_samples,\) or \(n_samples, 1\)"),
    (lambda: binary(2), np.zeros(6), ValueError, r"y has shape \(6,\); expected \(n_samples, 2\)"),
    # numbers
    (regressor, np.zeros(5), ValueError, "X has 6 rows, y has 5"),
    (regressor, np.zeros((6, 2)), ValueError, r"y has shape \(6, 2\); expected \(n_samples,\) or \(n_samples, 1\)"),
    (regressor, np.zeros((6, 1, 1)), ValueError, r"y has shape \(6, 1, 1\)"),
    (regressor, 0.5, ValueError, r"y has shape \(\)"),
    (regressor, [], ValueError, r"y has shape \(0,\)"),
    (regressor, list("abcdef"), TypeError, "y is shape"),
    (regressor, with_value(np.zeros(6), 4, np.nan), ValueError, "row 4, column 0 of y .counted from 0. is nan"),
    (regressor, with_value(np.zeros(6), 1, 1e39), ValueError, r"of y .* is 1e\+39, which is infinite in float32"),
    (
        lambda: regressor(4),
        LABELS,
        ValueError,
        r"y has shape \(6,\); expected \(n_samples, 4\).*or pass np.eye\(4\)\[y\]",
    ),
    (lambda: regressor(4), with_value(Y4, (5, 3), np.inf), ValueError, "row 5, column 3 of y .counted from 0. is inf"),
]


@pytest.mark.parametrize(("make", "y", "error", "sentence"), BAD_Y)
def test_y(make, y, error, sentence):
    """However y gets in, it is looked at."""
    trainer = make()
    calls = [
        lambda: trainer.fit(X, y),
        lambda: trainer.evaluate(X, y),
        lambda: trainer.step(X, y),
        lambda: trainer.model.loss_and_gradients(X, y, trainer.loss),
    ]
    before = trainer.model.get_weights()
    for call in calls:
        check(call, error, sentence)
    assert all((a == b).all() for a, b in zip(trainer.model.get_weights(), before, strict=True))
    assert trainer.history.n_epochs == 0


def test_a_bad_row_anywhere_in_training_is_named_by_its_place_in_x():
    big = np.random.default_rng(0).normal(size=(10_000, 3))
    for row in (0, 31, 32, 5000, 9999):
        bad = with_value(big, (row, 1), np.nan)
        for shuffle in (True, False):
            check(
                lambda bad=bad, shuffle=shuffle: regressor(shuffle=shuffle).fit(bad, big[:, 0]),
                ValueError,
                f"^row {row}, column 1 of X .counted from 0. is nan",
            )
            check(
                lambda bad=bad, shuffle=shuffle: regressor(shuffle=shuffle).fit(big, bad[:, 1]),
                ValueError,
                f"^row {row}, column 0 of y .counted from 0. is nan",
            )
        check(lambda bad=bad: regressor().model.predict(bad), ValueError, f"^row {row}, column 1 of X")


FIT = [
    ({"epochs": -1}, ValueError, "epochs is -1; expected an integer of 0 or more"),
    ({"on_nan": "ignore"}, ValueError, "on_nan is 'ignore'; expected 'raise' or 'rollback'"),
    ({"epochs": 1.5}, TypeError, "epochs is 1.5"),
    (
        {"validation_data": X},
        TypeError,
        r"validation_data is an ndarray of shape \(6, 3\).*expected a pair \(X_val, y_val\)",
    ),
    ({"validation_data": (X,)}, TypeError, "expected a pair"),
    ({"validation_data": (X, LABELS[:5])}, ValueError, r"validation_data\[0\] has 6 rows, validation_data\[1\] has 5"),
    ({"validation_data": (X, LABELS + 9)}, ValueError, r"validation_data\[1\]\[0\] is 9; expected an integer 0 to 3"),
    ({"callbacks": [print, 3]}, TypeError, r"callbacks\[1\] is 3; expected an fb.Callback object or a function"),
    ({"callbacks": [fb.Callback]}, TypeError, r"callbacks\[0\] is the class Callback; .*Add parentheses"),
    ({"callbacks": fb.Callback}, TypeError, "Add parentheses"),
    ({"callbacks": 5}, TypeError, "callbacks is 5; expected a list"),
    ({"callbacks": "early stopping"}, TypeError, "callbacks is 'early stopping'"),
    ({"progress": "bar"}, TypeError, "progress is 'bar'; expected True or False"),
]


@pytest.mark.parametrize(("arguments", "error", "sentence"), FIT)
def test_fit(arguments, error, sentence):
    trainer = classifier()
    check(lambda: trainer.fit(X, LABELS, **arguments), error, sentence)
    assert trainer.history.n_epochs == trainer.n_steps == 0


def tabular():
    return fb.Model([fb.Dense(1)], inputs=fb.Tabular(1, [3], [2]))


OTHERS = [
    (
        lambda: tabular().predict([[1.0]]),
        ValueError,
        r"X has 1 columns \(its shape is \(1, 1\)\); expected 2",
    ),
    (
        lambda: tabular().predict([[np.nan, np.nan]]),
        ValueError,
        "row 0, column 0 of X .* is nan; expected a finite number",
    ),
    (
        lambda: tabular().set_weights([np.zeros((3, 2)), np.zeros((3, 1)), np.zeros(1)]),
        ValueError,
        r"weights\[0\], table E0, has shape \(3, 2\); expected \(4, 2\)",
    ),
    (
        lambda: tabular().set_weights([np.full((4, 2), np.nan), np.zeros((3, 1)), np.zeros(1)]),
        ValueError,
        r"row 0, column 0 of weights\[0\] .* is nan; expected a number that is finite",
    ),
    (
        lambda: fb.Trainer(tabular(), "mse", learning_rate_factors={-1: 0.1}),
        ValueError,
        "a key of learning_rate_factors is -1; expected an integer 0 to 0",
    ),
    (lambda: classifier().model.predict(X, n_threads=0), ValueError, "n_threads is 0"),
    (
        lambda: classifier().model.loss_and_gradients(X, LABELS, "cross_entropy", n_threads=1.5),
        TypeError,
        "n_threads is 1.5",
    ),
    (lambda: classifier().model.loss_and_gradients(X, LABELS, "hinge"), ValueError, "loss is 'hinge'"),
    (lambda: classifier().model.set_weights(None), ValueError, "weights is None; expected a list of 2 arrays"),
    (
        lambda: classifier().model.set_weights([np.zeros((3, 4))]),
        ValueError,
        "weights is a list of 1; expected a list of 2",
    ),
    (
        lambda: classifier().model.set_weights([np.zeros((4, 3)), np.zeros(4)]),
        ValueError,
        r"weights\[0\], W of layer 0, has shape \(4, 3\); expected \(3, 4\). Transpose it.",
    ),
    (
        lambda: classifier().model.set_weights([np.zeros((3, 4)), np.zeros((4, 1))]),
        ValueError,
        r"weights\[1\], b of layer 0, has shape \(4, 1\); expected \(4,\).",
    ),
    (
        lambda: classifier().model.set_weights([np.full((3, 4), 1e39), np.zeros(4)]),
        ValueError,
        r"row 0, column 0 of weights\[0\] .* is 1e\+39; expected a number that is finite in float32",
    ),
    (
        lambda: classifier().model.set_weights([[["a"] * 4] * 3, [0] * 4]),
        TypeError,
        r"weights\[0\] is shape \(3, 4\) and dtype",
    ),
]


@pytest.mark.parametrize(("call", "error", "sentence"), OTHERS)
def test_others(call, error, sentence):
    check(call, error, sentence)
