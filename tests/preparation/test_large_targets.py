"""Targets that the model's dtype cannot output are refused before training; an output that overflows is said aloud."""

import re
import warnings

import numpy as np
import pytest

import fastbp as fb

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 3))
y = X.sum(axis=1) / 4  # below 1.5

PREPARATIONS = [fb.Standardize(), fb.Scale(1e-38), fb.Scale(), fb.RobustScale(clip=None)]


def trainer(prepare_targets=PREPARATIONS[0], **options):
    model = fb.Model([fb.Dense(1)], prepare_targets=prepare_targets, **options)
    return fb.Trainer(model, "mse", fb.Adam(0.1))


@pytest.mark.parametrize("prepare_targets", PREPARATIONS, ids=repr)
@pytest.mark.parametrize("scale", [1e39, -1e39, 3e38, 1e150])
def test_targets_too_large_to_predict_are_refused(scale, prepare_targets):
    targets = scale * np.abs(y)
    first = int(np.argmax(np.abs(targets) > np.finfo(np.float32).max))
    place = rf"(row {first}, column 0 of y .*|y\[{first}\]) is {re.escape(str(targets[first]))}"
    sentence = place + r"; expected numbers up to 3\.4e\+38, .* float32"
    made = trainer(prepare_targets)
    with pytest.raises(ValueError, match=sentence):
        made.fit(X, targets)
    with pytest.raises(ValueError, match=sentence):
        made.fit(X, targets, validation_fraction=0.9)
    with pytest.raises(ValueError, match=sentence):
        made.model.build(X, targets)
    with pytest.raises(ValueError, match=sentence):
        fb.cross_validate(lambda _: trainer(prepare_targets), X, targets)
    assert not made.model.built


@pytest.mark.parametrize("prepare_targets", PREPARATIONS[:1] + PREPARATIONS[2:], ids=repr)
def test_the_remedies_work(prepare_targets):
    made = trainer(prepare_targets, dtype="float64")
    made.fit(X, 1e39 * y, epochs=40)
    np.testing.assert_allclose(made.model.predict(X)[:, 0], 1e39 * y, atol=2e37)
    made = trainer(prepare_targets)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made.fit(X, 1e38 * y, epochs=40)
        np.testing.assert_allclose(made.model.predict(X)[:, 0], np.float32(1e38 * y), atol=2e36)


def test_an_output_beyond_all_targets_is_not_silently_infinite():
    made = trainer()
    made.fit(X, 1e38 * y, epochs=40)
    far = np.concatenate([X, 100 * np.abs(X[:1]), X])
    with pytest.warns(
        RuntimeWarning, match=r"some outputs are infinite: .* numbers up to .*e\+3\d, too large for"
    ) as caught:
        outputs = made.model.predict(far)
    assert [warning.filename for warning in caught] == [__file__]
    assert np.flatnonzero(np.isinf(outputs[:, 0])).tolist() == [200]
    np.testing.assert_array_equal(outputs[:200], made.model.predict(X))
    np.testing.assert_array_equal(outputs[201:], made.model.predict(X))


def test_missing_targets_are_named_as_such():
    targets = 1e39 * y
    targets[5] = np.nan
    with pytest.raises(ValueError, match=r"row 5, column 0 of y .* is nan"):
        trainer().fit(X, np.where(np.isnan(targets), np.nan, y))
