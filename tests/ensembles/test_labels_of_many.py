"""Labels of classes where several models are trained or predict together."""

import numpy as np
import pytest

import fastbp as fb

pandas = pytest.importorskip("pandas", reason="pandas is not installed")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(150, 2))
NUMBERS = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
CLASSES = np.array(["cat", "dog", "owl"])
LABELS = CLASSES[NUMBERS]


def make(seed=0, classes=None, **options):
    model = fb.Model([fb.Dense(6, "tanh"), fb.Dense(3, "softmax")], seed=seed, **(options or {"inputs": 2}))
    if classes is not None:
        model.classes = classes
    return fb.Trainer(model, "cross_entropy", fb.Adam(0.05), batch_size=16)


def same(a, b):
    return all((one == other).all() for one, other in zip(a.get_weights(), b.get_weights(), strict=True))


def test_many_trainers_learn_the_same_classes_and_the_bits_that_each_has_alone():
    backwards = CLASSES[::-1]
    makers = [
        lambda: make(0),
        lambda: make(1),
        lambda: make(2, backwards),
        lambda: make(3, prepare=fb.Standardize()),
        lambda: make(4, CLASSES),
    ]
    together, alone = [maker() for maker in makers], [maker() for maker in makers]
    validation = (X[:30], LABELS[:30])
    fb.fit_many(together, X, pandas.Series(LABELS, name="kind"), 2, validation_data=validation, class_weight={"cat": 2})
    for one, other in zip(together, alone, strict=True):
        other.fit(X, LABELS, 2, validation_data=validation, class_weight={"cat": 2})
        assert same(one.model, other.model)
        assert one.model.classes.tolist() == other.model.classes.tolist()
        assert one.history["val_loss"] == other.history["val_loss"]
        series = one.model.predict_classes(pandas.DataFrame(X), as_frame=True)
        assert series.name == "kind"
        assert (series == other.model.predict_classes(X)).all()
    with pytest.raises(ValueError, match=r"y\[0\] is 'cow'; expected one of the model's 3 classes"):
        fb.fit_many(together, X[:1], ["cow"])


def test_a_regression_and_a_classification_of_text():
    trainers = [make(), fb.Trainer(fb.Model([fb.Dense(1)], inputs=2), "mse")]
    with pytest.raises(TypeError, match=r"y is shape .* and dtype <U3; .*Encode the text as numbers"):
        fb.fit_many(trainers, X, LABELS)


def test_cross_validation_of_labels_is_that_of_numbers():
    by_number = fb.cross_validate(make, X, NUMBERS, folds=3, epochs=3, class_weight={2: 2})
    by_label = fb.cross_validate(make, X, pandas.Categorical(LABELS), folds=3, epochs=3, class_weight={"owl": 2})
    np.testing.assert_array_equal(by_number.predictions, by_label.predictions)
    assert all((by_number.scores[name] == by_label.scores[name]).all() for name in by_number.scores)
    assert by_label.ensemble.classes.tolist() == CLASSES.tolist()
    rare = LABELS.copy()
    rare[rare == "owl"] = "cat"
    rare[3] = "owl"  # in one fold, and not in the data of its model
    prepared = fb.cross_validate(lambda fold: make(fold, prepare=fb.Standardize()), X, rare, folds=3, epochs=1)
    assert prepared.ensemble.classes.tolist() == CLASSES.tolist()


@pytest.mark.parametrize("template", [make().model, make(classes=CLASSES[::-1]), make])
def test_suspicious_labels_are_those_of_y(template):
    suspects = fb.suspect_labels(template, X, LABELS, epochs=3)
    classes, outputs = suspects.result.ensemble.classes, suspects.result.predictions[suspects.rows]
    assert classes.tolist() == ((template.model.classes if isinstance(template, fb.Trainer) else CLASSES).tolist())
    np.testing.assert_array_equal(suspects.given, LABELS[suspects.rows])
    np.testing.assert_array_equal(suspects.predicted, classes[outputs.argmax(axis=1)])
    np.testing.assert_array_equal(suspects.disputed, suspects.predicted != suspects.given)
    np.testing.assert_allclose(
        suspects.self_confidence, outputs[np.arange(150), [list(classes).index(label) for label in suspects.given]]
    )
    assert f"{suspects.given[0]:>12}  {suspects.predicted[0]:>12}" in repr(suspects)
    if not isinstance(template, fb.Trainer):
        by_number = fb.suspect_labels(template, X, NUMBERS, epochs=3)
        np.testing.assert_array_equal(by_number.rows, suspects.rows)


def test_suspicious_booleans():
    model = fb.Model([fb.Dense(6, "tanh"), fb.Dense(1, "sigmoid")], inputs=2)
    suspects = fb.suspect_labels(model, X, X[:, 0] > 0, epochs=20)
    assert suspects.given.dtype == bool
    np.testing.assert_array_equal(suspects.given, (X[:, 0] > 0)[suspects.rows])
    assert "True" in repr(suspects)


def test_an_ensemble_predicts_labels_and_frames(tmp_path):
    trainers = [make(seed) for seed in range(3)]
    fb.fit_many(trainers, X, LABELS, 3)
    ensemble = fb.Ensemble([trainer.model for trainer in trainers])
    ensemble.save(tmp_path / "ensemble")
    frame = pandas.DataFrame(X, index=np.arange(150) * 2)
    for each in (ensemble, fb.Ensemble.load(tmp_path / "ensemble")):
        mean = np.mean([trainer.model.predict(X) for trainer in trainers], axis=0)
        np.testing.assert_array_equal(each.classes, CLASSES)
        np.testing.assert_array_equal(each.predict_classes(X), CLASSES[mean.argmax(axis=1)])
        outputs = each.predict(frame, as_frame=True)
        assert outputs.columns.tolist() == CLASSES.tolist()
        assert (outputs.index == frame.index).all()
        np.testing.assert_allclose(outputs, mean, rtol=1e-6)
        assert (each.predict_classes(frame, as_frame=True) == each.predict_classes(X)).all()
        assert each.predict(X[:0]).shape == (0, 3)
        assert each.predict_spread(X[:0])[1].shape == (0, 3)
        assert each.predict_classes(X[:0]).shape == (0,)
        with pytest.raises(TypeError, match="expected a pandas or polars DataFrame with as_frame=True"):
            each.predict(X, as_frame=True)


def test_an_ensemble_of_other_classes_is_refused():
    models = [make(0, CLASSES).model, make(1, CLASSES[::-1]).model]
    sentence = r"models\[1\] has the classes 'owl', 'dog', 'cat', models\[0\] has the classes 'cat', 'dog', 'owl'; exp"
    with pytest.raises(ValueError, match=sentence):
        fb.Ensemble(models)
    models[1].classes = CLASSES
    ensemble = fb.Ensemble(models)
    models[1].classes = CLASSES[::-1]
    with pytest.raises(ValueError, match=sentence):
        ensemble.predict(X)
    models[1].classes = None
    with pytest.raises(ValueError, match=r"models\[1\] has no classes, models\[0\] has"):
        ensemble.predict_classes(X)
