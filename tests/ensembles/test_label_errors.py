"""Suspect labels: those that were falsified come first, whatever they are labels of."""

import re

import numpy as np
import pytest

import fastbp as fb
from preparation_helpers import make_rows, make_unlearnt


@pytest.fixture(scope="module")
def digits():
    datasets = pytest.importorskip("sklearn.datasets")
    X, y = datasets.load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    wrong = rng.choice(len(y), len(y) // 20, replace=False)
    falsified = y.copy()
    falsified[wrong] = (y[wrong] + rng.integers(1, 10, len(wrong))) % 10
    return X / 16, falsified, y, wrong


def precision(suspects, wrong):
    """The share of falsified labels among as many at the top."""
    return np.isin(suspects.rows[: len(wrong)], wrong).mean()


def make_data(n=600):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(n, 4))
    return X, rng.choice(n, n // 20, replace=False)


def test_falsified_digits_come_first(digits):
    X, y, truth, wrong = digits
    model = fb.Model([fb.Dense(64, "relu"), fb.Dense(10, "softmax")], inputs=64)
    before = model.get_weights()
    suspects = fb.suspect_labels(model, X, y)
    assert precision(suspects, wrong) > 0.85
    assert sorted(suspects.rows) == list(range(len(y)))
    assert (suspects.given == y[suspects.rows]).all()
    top = slice(len(wrong))
    assert (suspects.predicted[top] == truth[suspects.rows[top]]).mean() > 0.8
    assert suspects.disputed[top].mean() > 0.95
    assert not suspects.disputed[-1000:].any()
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
    # minus the logarithm of the out-of-fold probability
    expected = -np.log(suspects.result.predictions[np.arange(len(y)), y].astype(np.float64))
    np.testing.assert_allclose(suspects.losses, expected[suspects.rows], rtol=1e-12)
    np.testing.assert_allclose(suspects.self_confidence, np.exp(-suspects.losses))
    assert (np.diff(suspects.losses) <= 0).all()


def test_out_of_fold_losses_find_what_a_trained_model_no_longer_disputes(digits):
    """The reason for folds: trained long enough on wrong labels, the model itself believes them."""
    X, y, _, wrong = digits
    model = fb.Model([fb.Dense(64, "relu"), fb.Dense(10, "softmax")], inputs=64)
    fb.Trainer(model, "cross_entropy", optimizer=fb.Adam(3e-3)).fit(X, y, 150)
    learnt_by_heart = (model.predict(X).argmax(axis=1)[wrong] == y[wrong]).mean()
    assert learnt_by_heart > 0.9
    assert precision(fb.suspect_labels(model, X, y, folds=3, epochs=15), wrong) > 0.8


def test_yes_or_no():
    X, wrong = make_data()
    y = (X[:, 0] > 0).astype(int)
    y[wrong] = 1 - y[wrong]
    model = fb.Model([fb.Dense(8, "tanh"), fb.Dense(1, "sigmoid")], inputs=4)
    trainer = fb.Trainer(model, "focal", optimizer=fb.Adam(0.01), batch_size=16)
    for given in (model, trainer):
        suspects = fb.suspect_labels(given, X, y, epochs=60)
        assert precision(suspects, wrong) > 0.6
        assert suspects.given.shape == suspects.predicted.shape == suspects.disputed.shape == (600,)


def test_several_yes_or_no():
    X, wrong = make_data()
    y = (X[:, :3] > 0).astype(int)
    y[wrong, 1] = 1 - y[wrong, 1]
    trainer = fb.Trainer(fb.Model([fb.Dense(3, "sigmoid")], inputs=4), "binary_cross_entropy", fb.Adam(0.03))
    suspects = fb.suspect_labels(trainer, X, y, epochs=60)
    assert precision(suspects, wrong) > 0.6
    assert suspects.predicted.shape == (600, 3)
    assert suspects.disputed.shape == (600,)


def test_numbers():
    X, wrong = make_data()
    y = X[:, 0] + 2 * X[:, 1]
    y[wrong] += 7
    model = fb.Model([fb.Dense(1)], inputs=4, dtype="float64")
    suspects = fb.suspect_labels(fb.Trainer(model, "huber", optimizer=fb.Adam(0.01)), X, y)
    assert precision(suspects, wrong) > 0.9
    assert suspects.self_confidence is None
    expected = (suspects.result.predictions[:, 0] - y) ** 2
    np.testing.assert_allclose(suspects.losses, expected[suspects.rows])
    nll = fb.Trainer(fb.Model([fb.Dense(2)], inputs=4), "gaussian_nll", optimizer=fb.Adam(0.01))
    assert precision(fb.suspect_labels(nll, X, y, epochs=40), wrong) > 0.6


def test_the_same_seed_gives_the_same(digits):
    X, y, _, _ = digits
    model = fb.Model([fb.Dense(16, "relu"), fb.Dense(10, "softmax")], inputs=64)
    first = fb.suspect_labels(model, X, y, 3, 3, seed=4, n_threads=1)
    again = fb.suspect_labels(model, X, y, 3, 3, seed=4, n_threads=2)
    other = fb.suspect_labels(model, X, y, 3, 3, seed=5)
    assert (first.rows == again.rows).all()
    assert (first.losses == again.losses).all()
    assert (first.rows != other.rows).any()


def test_a_trainers_settings_count():
    X, _ = make_data(60)
    y = (X[:, 0] > 0).astype(int)
    model = fb.Model([fb.Dense(2, "softmax")], inputs=4)
    template = fb.Trainer(model, "cross_entropy", optimizer=fb.SGD(0.3, momentum=0.5), batch_size=7, clip_norm=1.5)
    made = fb.suspect_labels(template, X, y, 3, 1).result.trainers
    for i, trainer in enumerate(made):
        assert (trainer.optimizer, trainer.batch_size, trainer.clip_norm) == (template.optimizer, 7, 1.5)
        assert trainer.model is not model
        assert trainer.model.seed == i
    assert template.n_steps == 0


def test_layers_that_have_nothing_to_train_come_along():
    X, _ = make_data(60)
    layers = [fb.Dense(5), fb.BatchNorm(), fb.Activation("relu"), fb.Dropout(0.1), fb.Dense(2, "softmax")]
    made = fb.suspect_labels(fb.Model(layers, inputs=4), X, (X[:, 0] > 0).astype(int), 3, 1).result.trainers
    assert [trainer.model.layers for trainer in made] == [fb.Model(layers, inputs=4).layers] * 3


def test_a_function_makes_them_and_groups_stay_whole():
    X, _ = make_data(60)
    y = (X[:, 0] > 0).astype(int)
    groups = np.arange(60) // 6

    def make(fold):
        return fb.Trainer(fb.Model([fb.Dense(2, "softmax")], inputs=4, seed=fold + 50), "cross_entropy")

    result = fb.suspect_labels(make, X, y, 3, 1, groups=groups).result
    assert result.trainers[2].model.seed == 52
    assert sum(len(set(groups[rows])) for rows in result.folds) == 10


def test_the_table():
    X, _ = make_data(60)
    y = (X[:, 0] > 0).astype(int)
    suspects = fb.suspect_labels(fb.Model([fb.Dense(2, "softmax")], inputs=4), X, y, 3, 1)
    lines = repr(suspects).splitlines()
    assert len(suspects) == 60
    assert lines[0].split() == ["row", "given", "predicted", "loss"]
    assert lines[1].split()[0] == str(suspects.rows[0])
    assert lines[-2] == "and 50 more"
    assert lines[-1].startswith("out of fold: loss ")


# ------------------------------------------------------------------------------------------- bad input

DATA = np.random.default_rng(0).normal(size=(30, 4))
YES_NO = (DATA[:, 0] > 0).astype(int)


def of(layer, loss=None, y=YES_NO):
    model = fb.Model([layer], inputs=4)
    return lambda: fb.suspect_labels(model if loss is None else fb.Trainer(model, loss), DATA, y, 3, 1)


BAD = [
    (lambda: fb.suspect_labels("model", DATA, YES_NO), TypeError, "model is 'model'; expected an fb.Model, an fb.Tr"),
    (lambda: fb.suspect_labels(fb.Model, DATA, YES_NO), TypeError, "model is the class Model; expected"),
    (of(fb.Dense(1, "tanh")), ValueError, "model ends with tanh; expected one of softmax, sigmoid, linear"),
    (of(fb.Dense(1, "tanh"), "hinge"), ValueError, "the loss is 'hinge'; expected one whose outputs are probabilities"),
    (of(fb.Dense(2), fb.Quantile([0.1, 0.9])), ValueError, "the loss is 'quantile'"),
    (of(fb.Dense(1), lambda outputs, targets: 1), ValueError, "the loss is 'custom'"),
    (of(fb.Dense(2, "softmax"), y=np.full((30, 2), 0.5)), ValueError, "row 0, column 0 of y .* is 0.5; expected 0"),
    (of(fb.Dense(1, "sigmoid"), y=YES_NO * 0.5), ValueError, r"column 0 of y .* is 0.5; expected 0 \(no\) or 1"),
    (
        lambda: fb.suspect_labels(
            fb.Model([fb.Dense(3, trainable=False), fb.Dense(2, "softmax")], inputs=4), DATA, YES_NO
        ),
        ValueError,
        r"layers\[0\] is Dense\(.*whose weights new models would lack",
    ),
    (lambda: fb.suspect_labels(lambda fold: 3, DATA, YES_NO), TypeError, r"the result of make_trainer\(0\) is 3"),
    (
        lambda: fb.suspect_labels(lambda fold: fb.Trainer(fb.Model([fb.Dense(2)], inputs=4), "cosine"), DATA, YES_NO),
        ValueError,
        "the loss is 'cosine'",
    ),
    (
        lambda: fb.suspect_labels(fb.Model([fb.Dense(2, "softmax")], inputs=4), DATA, YES_NO, seed="a"),
        TypeError,
        "seed is 'a'",
    ),
]


@pytest.mark.parametrize(("call", "error", "sentence"), BAD)
def test_bad_input_gets_a_sentence(call, error, sentence):
    with pytest.raises(error) as caught:
        call()
    assert re.search(sentence, str(caught.value)), str(caught.value)


@pytest.mark.parametrize("trained", [False, True])
def test_new_models_prepare_their_data_as_the_given_one(trained):
    X, y = make_rows()
    trainer = make_unlearnt()
    if trained:
        trainer.fit(X, y)
    wrong = y.copy()
    wrong[7] = 1 - wrong[7]
    suspects = fb.suspect_labels(trainer, X, wrong, folds=4, epochs=200)
    assert suspects.rows[0] == 7
    for each in suspects.result.trainers:
        assert each.model.prepare == trainer.model.prepare
