"""The labels of a model's classes: what may be set, what predict_classes gives, and what files and copies keep."""

import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

import fastbp as fb

X = np.random.default_rng(0).normal(size=(20, 2)).astype("float32")


def make(n_outputs=3, activation="softmax"):
    return fb.Model([fb.Dense(n_outputs, activation)], inputs=2, seed=1)


@pytest.mark.parametrize(
    "labels",
    [
        ["cat", "dog", "owl"],
        np.array(["b", "a", "c"]),
        np.array(["b", "a", "c"], dtype=object),
        ("", "a\0", "a"),  # which an array of text of one width would merge
        [3, 1, 2],
        np.array([2**60, 2**60 + 1, 3]),
        [0.5, 1.5, 2],
        np.array([0.5, 1.5, 2.5], np.float32),
    ],
)
def test_labels_stay_what_they_are(labels, tmp_path):
    model = make()
    assert model.classes is None
    model.classes = labels
    expected = labels.tolist() if isinstance(labels, np.ndarray) else list(labels)
    assert model.classes.tolist() == expected
    model.save(tmp_path / "model")
    copies = [fb.Model.load(tmp_path / "model"), pickle.loads(pickle.dumps(model)), copy.deepcopy(model)]
    copies.append(fb.Model.from_config(json.loads(json.dumps(model.to_config())), model.get_weights()))
    numbers = model.predict(X).argmax(axis=1)
    for other in copies:
        assert other.classes.tolist() == expected
        assert other.classes.dtype == model.classes.dtype
        assert other.predict_classes(X).tolist() == [expected[i] for i in numbers]
    model.classes = None
    assert model.classes is None
    np.testing.assert_array_equal(model.predict_classes(X), numbers)
    model.save(tmp_path / "model")
    assert fb.Model.load(tmp_path / "model").classes is None


def test_classes_are_a_copy():
    model = make()
    model.classes = ["a", "b", "c"]
    model.classes[0] = "z"
    assert model.classes.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("labels", "error", "sentence"),
    [
        (["a", "b"], ValueError, r"classes has 2 labels; expected a label for each output, .* The model has 3 outputs"),
        (["a", "b", "a"], ValueError, r"classes is \['a', 'b', 'a'\]; expected labels that differ"),
        ([1, 2, 1.0], ValueError, "expected labels that differ"),
        (
            ["a", "b", 3],
            TypeError,
            "classes holds int and str; expected labels of one kind: text, booleans or finite n",
        ),
        ([0, 1, True], TypeError, "classes holds bool and int; expected labels of one kind"),
        (["a", None, "b"], TypeError, "classes holds NoneType and str"),
        ([1.0, 2.0, float("nan")], TypeError, "expected labels of one kind"),
        ([], TypeError, "classes holds nothing"),
        ("abc", TypeError, "classes is 'abc'; expected a label for each output, in their order"),
        (3, TypeError, "classes is 3; expected a label for each output"),
        ({"a": 0, "b": 1, "c": 2}, TypeError, "expected a label for each output"),
        (np.eye(3), TypeError, "classes is an ndarray of shape"),
        ([("a",), ("b",), ("c",)], TypeError, "classes holds tuple"),
    ],
)
def test_what_are_no_classes(labels, error, sentence):
    model = make()
    with pytest.raises(error, match=sentence):
        model.classes = labels
    assert model.classes is None


def test_a_single_output_has_two_classes():
    model = make(1, "sigmoid")
    np.testing.assert_array_equal(model.predict_classes(X), (model.predict(X)[:, 0] > 0.5).astype(int))
    with pytest.raises(
        ValueError, match=r"classes has 1 label; expected two labels: of 0 and of 1\. The model has 1 output"
    ):
        model.classes = ["spam"]
    model.classes = ["ham", "spam"]
    np.testing.assert_array_equal(model.predict_classes(X), np.where(model.predict(X)[:, 0] > 0.5, "spam", "ham"))


def test_outputs_that_tell_no_classes():
    for activation in ("linear", "tanh"):
        model = make(1, activation)
        with pytest.raises(
            ValueError, match=rf"activation is '{activation}' and the model has no classes; .*model\.classes"
        ):
            model.predict_classes(X)
        model.classes = [-1, 1]
        np.testing.assert_array_equal(model.predict_classes(X), np.where(model.predict(X)[:, 0] > 0, 1, -1))
    for activation in ("relu", "softplus"):
        model = make(1, activation)
        model.classes = [-1, 1]
        with pytest.raises(ValueError, match=f"activation is '{activation}', whose outputs do not tell classes"):
            model.predict_classes(X)


def test_several_outputs_of_a_sigmoid_say_yes_or_no_each():
    model = make(3, "sigmoid")
    expected = (model.predict(X) > 0.5).astype(int)
    np.testing.assert_array_equal(model.predict_classes(X), expected)
    model.classes = ["red", "round", "ripe"]
    np.testing.assert_array_equal(model.predict_classes(X), expected)


def test_files_that_were_made_up_or_are_old():
    config = make().to_config()
    assert "classes" not in config
    weights = make().get_weights()
    assert fb.Model.from_config(config, weights).classes is None
    for classes in (["a"], ["a", "a", "b"], ["a", 1, 2], "abc", 3, [["a"], ["b"], ["c"]], {"a": 1}):
        with pytest.raises((TypeError, ValueError), match="classes"):
            fb.Model.from_config({**config, "classes": classes}, weights)
    with pytest.raises(ValueError, match=r"target_names is \[1\]; expected strings"):
        fb.Model.from_config({**config, "target_names": [1]}, weights)
    old = fb.Model.load(Path(__file__).resolve().parents[1] / "data" / "moved-model.safetensors")
    assert old.classes is None


def test_a_model_that_is_not_built_keeps_its_classes():
    model = fb.Model([fb.Dense(3, "softmax")], prepare=fb.Standardize())
    model.classes = ["a", "b", "c"]
    assert pickle.loads(pickle.dumps(model)).classes.tolist() == ["a", "b", "c"]
    model.build(X)
    assert model.classes.tolist() == ["a", "b", "c"]
    trainer = fb.Trainer(model, "cross_entropy")
    trainer.fit(X, np.array(["c", "a"] * 10))
    assert model.classes.tolist() == ["a", "b", "c"]


def test_predictions_as_the_metrics_see_them():
    for n_outputs, activation, loss in ((3, "softmax", "cross_entropy"), (1, "sigmoid", "binary_cross_entropy")):
        y = np.arange(20) % max(2, n_outputs)
        model = make(n_outputs, activation)
        trainer = fb.Trainer(model, loss)
        assert trainer.evaluate(X, y)["accuracy"] == pytest.approx(np.mean(model.predict_classes(X) == y))
