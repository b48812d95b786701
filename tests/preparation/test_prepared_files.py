"""Bad data for a preparation, and files that hold one."""

import json
import pickle
import re

import numpy as np
import pytest

import fastbp as fb
from fastbp.models.description import named_weights
from fastbp.support.safetensors_file import write_model
from preparation_helpers import CHAIN, bits, make_data, make_mixed, make_model, trained

# ---------------------------------------------------------------------------------------------------- bad data


def test_a_number_that_is_not_finite_is_named_wherever_it_comes_from():
    X, y = make_data()
    model = trained().model
    trainer = fb.Trainer(model, "mse")
    assert np.isfinite(model.predict(np.full((1, 5), np.nan))).all()
    X[200, 3] = np.inf
    place = re.escape("row 200, column 3 of X (counted from 0) is inf; expected a finite number.")
    for call in (
        lambda: model.predict(X),
        lambda: trainer.fit(X, y),
        lambda: trainer.step(X, y),
        lambda: trainer.evaluate(X, y),
        lambda: model.loss_and_gradients(X, y, "mse"),
    ):
        with pytest.raises(ValueError, match=place):
            call()
    with pytest.raises(ValueError, match=re.escape("row 0, column 3 of X (counted from 0) is inf")):
        model.predict(X[200:201])
    X[200, 3], y[100] = 0, np.nan
    with pytest.raises(ValueError, match=re.escape("row 100, column 0 of y (counted from 0) is nan")):
        trainer.fit(X, y)
    X, y = np.nan_to_num(X), np.nan_to_num(y)
    model = trained(make_model(fb.Standardize()), (X, y)).model
    X[150, 2] = np.nan
    with pytest.raises(ValueError, match=r"row 150, column 2 of X .* is nan; .*fb.Impute\(\)"):
        model.predict(X[:151][::-1][::-1])


def test_what_becomes_infinite_is_named():
    model = fb.Model([fb.Dense(1)], inputs=2, prepare=fb.Scale(1e30))
    with pytest.raises(
        ValueError, match=r"row 1, column 0 of X .* is 1e\+20; .*Its preparation makes it infinite in float32"
    ):
        model.predict([[1.0, 2.0], [1e20, 0.0]])


def test_other_columns_than_those_of_training_are_refused():
    X, y = make_mixed()
    model = trained(make_model(fb.Columns(CHAIN)), (X, y)).model
    with pytest.raises(ValueError, match=r"X has 4 columns; expected 5, as many as the preparation was learned from"):
        model.predict(X[:, :4])
    with pytest.raises(TypeError, match=r"column 1 of X .* holds numbers \(float64\); expected text, as the preparat"):
        model.predict(np.zeros((2, 5)))
    bad = X.copy()
    bad[3, 2] = "seven"
    with pytest.raises(TypeError, match=r"column 2 of X .* holds float and str; expected numbers, text or times alone"):
        model.predict(bad)
    bad[:, 2] = "seven"
    with pytest.raises(TypeError, match=r"column 2 of X .* holds text; expected numbers, as the preparation was learn"):
        model.predict(bad)
    with pytest.raises(TypeError, match=r"column 1 of X .* holds text; expected numbers. fb.Columns prepares"):
        trained(make_model(), (X, y))
    with pytest.raises(ValueError, match=r"X has shape \(5,\); expected 2 dimensions"):
        model.predict(X[0])
    with pytest.raises(ValueError, match=r"X has shape \(0, 5\); expected at least one row and one column"):
        fb.Trainer(model, "mse").fit(X[:0], y[:0])
    assert model.predict(X[:0]).shape == (0, 1)
    with pytest.raises(ValueError, match=r"categories has 'colour', which is not a column of X; expected names"):
        trained(make_model(fb.Columns(categories=["colour"])), (X, y))
    with pytest.raises(ValueError, match=r"categories has 5, which is not a column of X; .*places from 0 to 4"):
        trained(make_model(fb.Columns(categories=[5])), (X, y))
    assert model.predict([[None] * 5]).shape == (1, 1)


def test_text_that_is_not_among_the_named_categories_is_refused():
    X = np.array([["a", "u", 1.0], ["b", "v", 2.0]] * 4, object)
    with pytest.raises(
        TypeError, match=r"column 1 of X .* expected numbers. Name it in categories too, or leave it out"
    ):
        trained(make_model(fb.Columns(categories=[0])), (X, np.arange(8.0)))


def test_targets_of_another_number_than_learnt_are_refused():
    model = fb.Model([fb.Dense(2)], prepare_targets=fb.Standardize())
    model.build([[1.0], [2.0]], [1.0, 3.0])
    with pytest.raises(ValueError, match=r"prepare_targets was learned from 1 column of targets; expected 2, as with"):
        fb.Trainer(model, "mse")
    fb.Trainer(model, fb.Quantile([0.2, 0.8])).fit([[1.0], [2.0]], [1.0, 3.0])
    with pytest.raises(ValueError, match=r"prepare_targets is for 2 columns of targets, and the model has 3 outputs"):
        fb.Model([fb.Dense(3)], prepare_targets=fb.Scale()).build([[1.0], [2.0]], [[1, 2], [3, 4]])
    with pytest.raises(TypeError, match=r"y is None; expected the targets, from which \[Standardize\(\)\] learns"):
        fb.Model([fb.Dense(2)], prepare_targets=fb.Standardize()).build([[1.0]])


def test_a_tabular_takes_no_preparation():
    with pytest.raises(ValueError, match=r"prepare is Scale.*expected inputs=None, or a number of columns"):
        fb.Model([fb.Dense(1)], inputs=fb.Tabular(1, [3]), prepare=fb.Scale())


# ---------------------------------------------------------------------------------------------- keeping and restoring


def test_files_pickles_and_configurations_hold_it_exactly(tmp_path):
    X, y = make_mixed()
    trainer = trained(make_model(fb.Columns([*CHAIN, fb.Scale()])), (X, y), averaging="ema")
    model = trainer.model
    path = tmp_path / "model.safetensors"
    model.save(path)
    trainer.save(tmp_path / "trainer")
    others = [
        fb.Model.load(path),
        pickle.loads(pickle.dumps(model)),
        fb.Model.from_config(json.loads(json.dumps(model.to_config())), model.get_weights()),
        fb.Trainer.load(tmp_path / "trainer").model,
    ]
    for other in others:
        assert other.to_config() == model.to_config()
        assert bits(other.predict(X)) == bits(model.predict(X))
        assert repr(other) == repr(model)
    goes_on = [fb.Trainer.load(tmp_path / "trainer"), pickle.loads(pickle.dumps(trainer)), trainer]
    for each in goes_on:
        each.fit(X, y)
    assert bits(goes_on[0].model.get_weights()) == bits(trainer.model.get_weights())
    assert bits(goes_on[1].model.get_weights()) == bits(trainer.model.get_weights())


def test_a_model_without_preparation_is_written_as_before():
    assert set(make_model(None, None, 5).to_config()) == {"inputs", "dtype", "seed", "layers"}


HOSTILE = {
    "a column that is not there": lambda c: c["inputs"]["features"][0].__setitem__(0, 99),
    "a column below 0": lambda c: c["inputs"]["features"][0].__setitem__(0, -1),
    "a column that is no number": lambda c: c["inputs"]["features"][0].__setitem__(0, "0"),
    "a step of no kind": lambda c: c["inputs"]["features"][0][1].append(["jump", 1]),
    "a step of a strange kind": lambda c: c["inputs"]["features"][0][1].append([["fill"], 1]),
    "a step with too few numbers": lambda c: c["inputs"]["features"][0][1].append(["affine", 1.0]),
    "a step with too many numbers": lambda c: c["inputs"]["features"][0][1].append(["clip", 1.0, 2.0, 3.0, 4.0]),
    "a step with text": lambda c: c["inputs"]["features"][0][1].append(["fill", "x"]),
    "a number that is not finite": lambda c: c["inputs"]["features"][0][1].append(["fill", float("inf")]),
    "codes that do not rise": lambda c: c["inputs"]["features"][0][1].append(["code", 2.0, 1.0]),
    "no features": lambda c: c["inputs"].update(features=[]),
    "more features than weights": lambda c: c["inputs"]["features"].append([0, []]),
    "no steps": lambda c: c["inputs"]["features"].append([0]),
    "no columns": lambda c: c["inputs"].update(n_columns=0),
    "too many columns": lambda c: c["inputs"].update(n_columns=6),
    "names that are none": lambda c: c["inputs"].update(names=[1.5] * 5),
    "too few names": lambda c: c["inputs"].update(names=["a"]),
    "text for a column that is not there": lambda c: c["inputs"].update(texts=[[9, ["a"]]]),
    "text that is no list": lambda c: c["inputs"].update(texts=[[0, 5]]),
    "targets that cannot be undone": lambda c: c["targets"]["features"][0][1].append(["clip", 3.0]),
    "targets divided by 0": lambda c: c["targets"]["features"][0][1].append(["affine", 0.0, 0.0, 0.0]),
    "more targets than outputs": lambda c: c["targets"]["features"].append([0, []]),
    "a preparation of no name": lambda c: c["prepare"].append({"name": "magic"}),
    "a preparation that is none": lambda c: c.update(prepare=5),
    "targets of categories": lambda c: c.update(prepare_targets=[{"name": "one_hot"}]),
    "nothing": lambda c: c.clear(),
}


@pytest.mark.parametrize("damage", HOSTILE.values(), ids=HOSTILE)
def test_a_file_with_a_damaged_preparation_gets_a_sentence(damage, tmp_path):
    model = trained().model
    config = model.to_config()
    damage(config["preparing"])
    path = tmp_path / "model.safetensors"
    names, weights = zip(*named_weights(model.architecture, model.get_weights()), strict=True)
    write_model(path, config, weights, list(names))
    with pytest.raises(ValueError, match=r"is not a model file of fastbp: the description in it does not fit"):
        fb.Model.load(path)
