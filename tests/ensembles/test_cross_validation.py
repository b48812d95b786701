"""Cross-validation: every sample is predicted by a model that did not see it, as one would train it by hand."""

import re

import numpy as np
import pytest

import fastbp as fb
from fastbp.data.folds import split_folds
from preparation_helpers import make_rows, make_unlearnt

RNG = np.random.default_rng(0)
X = RNG.normal(size=(123, 5))
LABELS = (X @ RNG.normal(size=(5, 3)) + RNG.normal(size=(123, 3))).argmax(axis=1)
NUMBERS = X[:, 0] - X[:, 1] ** 2
WEIGHTS = RNG.uniform(0.5, 2, 123)
GROUPS = np.array([f"patient {i}" for i in RNG.integers(0, 30, 123)])


def classifier(fold, **options):
    model = fb.Model([fb.Dense(8, "tanh"), fb.Dropout(0.1), fb.Dense(3, "softmax")], inputs=5, seed=fold)
    return fb.Trainer(model, "cross_entropy", batch_size=16, seed=fold, **options)


def regressor(fold, dtype="float64"):
    model = fb.Model([fb.Dense(8, "tanh"), fb.Dense(1)], inputs=5, dtype=dtype, seed=fold)
    return fb.Trainer(model, "mse", fb.Adam(0.01), metrics=["mse", "mae", "r2"])


@pytest.mark.parametrize("n_threads", [1, 2, 7])
@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_what_one_would_do_by_hand(n_threads, weighted):
    sample_weight, class_weight = (WEIGHTS, "balanced") if weighted else (None, None)
    result = fb.cross_validate(
        classifier,
        X,
        LABELS,
        4,
        3,
        seed=5,
        n_threads=n_threads,
        sample_weight=sample_weight,
        class_weight=class_weight,
        validate=True,
    )
    for i, rows in enumerate(split_folds(123, 4, classes=LABELS, seed=5)):
        others = np.setdiff1d(np.arange(123), rows)
        weights = (WEIGHTS[others], WEIGHTS[rows]) if weighted else (None, None)
        trainer = classifier(i)
        trainer.fit(X[others], LABELS[others], 3, sample_weight=weights[0], class_weight=class_weight)
        scores = trainer.evaluate(X[rows], LABELS[rows], sample_weight=weights[1])
        assert (result.folds[i] == rows).all()
        for a, b in zip(trainer.model.get_weights(), result.trainers[i].model.get_weights(), strict=True):
            assert (a == b).all()
        assert {name: values[i] for name, values in result.scores.items()} == pytest.approx(scores, rel=1e-12)
        assert (result.predictions[rows] == trainer.model.predict(X[rows])).all()
        assert result.trainers[i].history["val_loss"][-1] == result.scores["loss"][i]


def test_scikit_learn_says_the_same_of_the_predictions():
    metrics = pytest.importorskip("sklearn.metrics")
    result = fb.cross_validate(regressor, X, NUMBERS, 3, 30)
    for i, rows in enumerate(result.folds):
        predicted = result.predictions[rows, 0]
        assert result.scores["mse"][i] == pytest.approx(metrics.mean_squared_error(NUMBERS[rows], predicted))
        assert result.scores["mae"][i] == pytest.approx(metrics.mean_absolute_error(NUMBERS[rows], predicted))
        assert result.scores["r2"][i] == pytest.approx(metrics.r2_score(NUMBERS[rows], predicted))


def test_it_learns_and_says_how_well():
    result = fb.cross_validate(regressor, X, NUMBERS, 5, 300)
    assert result.mean["r2"] > 0.5
    assert result.std["r2"] == pytest.approx(np.std(result.scores["r2"]))
    assert len(result.ensemble) == 5
    assert result.ensemble.predict(X).shape == (123, 1)


def test_classes_groups_or_neither():
    plain = fb.cross_validate(classifier, X, LABELS, 3, 0, stratify=False, shuffle=False)
    assert [list(rows) for rows in plain.folds] == [list(range(i, i + 41)) for i in (0, 41, 82)]
    by_class = fb.cross_validate(classifier, X, np.eye(3)[LABELS], 3, 0, stratify=True)
    counts = [np.bincount(LABELS[rows], minlength=3) for rows in by_class.folds]
    assert np.ptp(counts, axis=0).max() <= 1
    for groups in (GROUPS, GROUPS.astype(object), GROUPS.tolist()):
        grouped = fb.cross_validate(classifier, X, LABELS, 3, 0, groups=groups)
        seen = [set(GROUPS[rows]) for rows in grouped.folds]
        assert sum(map(len, seen)) == len(set(GROUPS))


def test_the_table():
    lines = repr(fb.cross_validate(classifier, X, LABELS, 3, 2)).splitlines()
    assert lines[0].split() == ["fold", "samples", "loss", "accuracy"]
    assert [line.split()[0] for line in lines[1:]] == ["0", "1", "2", "mean", "std"]
    assert lines[1].split()[1] == "41"


def test_callbacks_by_fold():
    heard = []

    def callbacks(fold):
        return [lambda trainer, figures: heard.append((fold, figures["epoch"]))]

    fb.cross_validate(classifier, X, LABELS, 3, 2, callbacks=callbacks)
    assert sorted(heard) == [(fold, epoch) for fold in range(3) for epoch in (1, 2)]


def test_data_frames():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, index=np.arange(1000, 1123))
    result = fb.cross_validate(classifier, frame, pandas.Series(LABELS, index=frame.index), 3, 2)
    assert (result.predictions == fb.cross_validate(classifier, X, LABELS, 3, 2).predictions).all()


# ------------------------------------------------------------------------------------------- bad input


def shared(make):
    model = make(0).model
    return lambda fold: fb.Trainer(model, "cross_entropy")


def trained(fold):
    trainer = classifier(fold)
    trainer.step(X, LABELS)
    return trainer


def run(make=classifier, y=LABELS, **options):
    return fb.cross_validate(make, options.pop("X", X), y, **options)


BAD = [
    (lambda: run(classifier(0)), TypeError, "make_trainer is Trainer.*; expected a function from the number of a fold"),
    (lambda: run(lambda fold: 3), TypeError, r"the result of make_trainer\(0\) is 3; expected an fb.Trainer"),
    (lambda: run(shared(classifier)), ValueError, "make_trainer returned two trainers for the same model"),
    (lambda: run(trained), ValueError, r"the result of make_trainer\(0\) has made 1 step; expected a new trainer"),
    (
        lambda: run(lambda fold: classifier(fold, metrics=["accuracy"] if fold else [])),
        ValueError,
        r"make_trainer\(1\) has the metrics \['accuracy'\], make_trainer\(0\) has \[\]",
    ),
    (
        lambda: run(lambda fold: regressor(fold, ["float32", "float64"][fold % 2]), NUMBERS),
        ValueError,
        r"models\[1\] has 5 inputs, 1 output, dtype float64",
    ),
    (lambda: run(folds=1), ValueError, "folds is 1; expected an integer of 2 or more"),
    (lambda: run(folds="5"), TypeError, "folds is '5'"),
    (lambda: run(folds=200), ValueError, "folds is 200 and the data has 123 samples"),
    (lambda: run(epochs=-1), ValueError, "epochs is -1"),
    (lambda: run(stratify="yes"), ValueError, "stratify is 'yes'; expected True, False or 'auto'"),
    (lambda: run(stratify=None), ValueError, "stratify is None"),
    (
        lambda: run(regressor, NUMBERS, stratify=True),
        ValueError,
        "stratify is True; expected False or 'auto' with loss='mse' and these targets, which are not classes",
    ),
    (lambda: run(stratify=True, groups=GROUPS), ValueError, "stratify is True and groups is given"),
    (lambda: run(groups=GROUPS[:9]), ValueError, r"groups is an ndarray of shape \(9,\).*; expected a label for each"),
    (lambda: run(groups=np.zeros(123)), ValueError, "folds is 5 and the data has 1 group"),
    (lambda: run(shuffle=1), TypeError, "shuffle is 1; expected True or False"),
    (lambda: run(seed=-1), ValueError, "seed is -1"),
    (lambda: run(n_threads=0), ValueError, "n_threads is 0"),
    (lambda: run(progress=2), TypeError, "progress is 2"),
    (lambda: run(validate=2), TypeError, "validate is 2"),
    (lambda: run(class_weight={9: 1.0}), ValueError, "a key of class_weight is 9"),
    (lambda: run(sample_weight=WEIGHTS[:3]), ValueError, r"sample_weight has shape \(3,\)"),
    (
        lambda: run(sample_weight=np.arange(123) < 20, shuffle=False, stratify=False),
        ValueError,
        "the sample weights of the samples of fold 1 in sample_weight are all 0",
    ),
    (lambda: run(callbacks=[]), TypeError, r"callbacks is \[\]; expected a function from an index"),
    (lambda: run(X=X[:, :2]), ValueError, "X has 2 columns"),
]


@pytest.mark.parametrize(("call", "error", "sentence"), BAD)
def test_bad_input_gets_a_sentence(call, error, sentence):
    with pytest.raises(error) as caught:
        call()
    assert re.search(sentence, str(caught.value)), str(caught.value)


def test_what_goes_wrong_is_named():
    spoilt = X.copy()
    spoilt[7] = np.nan
    with pytest.raises(ValueError, match="row 7, column 0 of X") as caught:
        fb.cross_validate(classifier, spoilt, LABELS)
    assert re.fullmatch(r"This was the trainer of fold \d\.", caught.value.__notes__[0])


def test_each_fold_s_preparation_learns_from_the_others_alone():
    X, y = make_rows()
    result = fb.cross_validate(make_unlearnt, X, y, folds=3, epochs=3)
    for fold, trainer, rows in zip(range(3), result.trainers, result.folds, strict=True):
        others = np.setdiff1d(np.arange(len(y)), rows)
        wanted = make_unlearnt(fold)
        wanted.fit(X.iloc[others], y[others], epochs=3)
        for a, b in zip(trainer.model.get_weights(), wanted.model.get_weights(), strict=True):
            assert (a == b).all()
        assert (result.predictions[rows] == wanted.model.predict(X.iloc[rows])).all()
