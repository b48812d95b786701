"""What training says where it cannot go on: the reason that is, and what can be done from where the user stands."""

import numpy as np
import pytest

import fastbp as fb

X = np.random.default_rng(0).normal(size=(40, 3))
y = X.sum(axis=1)


def chunks():
    return [(X[:20], y[:20]), (X[20:], y[20:])]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "the model's number of inputs depends on data not seen yet; .*, or give fb.Model the number of inputs.$"),
        ({"prepare": fb.Standardize()}, r"preparation, prepare=\[Standardize\(\)\], depends on .* samples first.$"),
        ({"inputs": 3, "prepare_targets": fb.Standardize()}, "preparation, prepare_targets=.* samples first.$"),
    ],
)
def test_chunks_do_not_build_a_model_and_say_so(options, sentence):
    model = fb.Model([fb.Dense(1)], **options)
    trainer = fb.Trainer(model, "mse")
    with pytest.raises(ValueError, match=sentence) as error:
        trainer.fit(chunks())
    assert "Trainer.fit" not in str(error.value)
    assert "Call model.build(X, y)" in str(error.value)
    model.build(X, y)
    trainer.fit(chunks())


def too_large(optimizer="adam", **options):
    model = fb.Model([fb.Dense(4, "relu"), fb.Dense(1)], **options)
    return fb.Trainer(model, "mse", optimizer)


@pytest.mark.parametrize("on_nan", ["raise", "rollback"])
def test_before_the_first_step_the_learning_rate_is_not_blamed(on_nan, recwarn):
    trainer = too_large(inputs=3)
    with pytest.raises(FloatingPointError, match=r"No step was made yet: .* too large for float32\. Scale") as error:
        trainer.fit(1e30 * X, y, on_nan=on_nan)
    assert "learning rate" not in str(error.value)
    assert not recwarn  # nothing was rolled back
    with pytest.raises(FloatingPointError, match="No step was made yet"):
        trainer.step(1e30 * X, y)
    with pytest.raises(FloatingPointError, match="No step was made yet"):
        trainer.fit([(1e30 * X, y)])
    too_large(prepare=fb.Standardize()).fit(1e30 * X, y)  # the remedies
    too_large(inputs=3, dtype="float64").fit(1e30 * X, y)


def test_after_a_step_it_is():
    trainer = too_large(fb.SGD(1e25), inputs=3)
    with pytest.raises(FloatingPointError, match="Most likely the learning rate, 1e\\+25, is too large"):
        trainer.fit(X, y, epochs=3)


def test_the_check_of_gradients_reports_what_it_measured():
    model = fb.Model([fb.Dense(5, "tanh"), fb.Dense(2)], inputs=3)
    differences = fb.check_gradients(model, X, np.column_stack([y, -y]), "mse")
    assert all(0 < difference < 1e-6 for difference in differences.values())


def test_rounding_alone_is_no_verdict_on_a_gradient_of_zero():
    model = fb.Model([fb.Dense(2)], inputs=3)
    outputs = model.predict(X).astype(np.float64)

    def constant(outputs, targets):
        return np.full(len(outputs), 1e3 / 3) + 0 * outputs.sum(axis=1), np.zeros_like(outputs)

    fb.check_gradients(model, X, outputs, constant, tolerance=1e-12)

    def slightly_wrong(outputs, targets):
        return np.full(len(outputs), 1e3 / 3) + 1e-3 * outputs.sum(axis=1), np.zeros_like(outputs)

    with pytest.raises(fb.GradientError, match="W of layer 0 is off by"):
        fb.check_gradients(model, X, outputs, slightly_wrong)
