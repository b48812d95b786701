"""Class weights: scikit-learn's definition of "balanced", PyTorch's of the weighted mean, and what has no one class."""

import numpy as np
import pytest

import fastbp as fb
from engine_helpers import assert_same_bits

class_weights = pytest.importorskip("sklearn.utils.class_weight")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 4))
LABELS = np.repeat([0, 1, 3], [150, 40, 10])  # nothing is of class 2
WEIGHTS = {0: 0.5, 1: 2.0, 3: 7.5}


def classifier(seed=0):
    return fb.Model([fb.Dense(8, "tanh"), fb.Dense(4, "softmax")], inputs=4, dtype="float64", seed=seed)


def results(model, y, loss="cross_entropy", **weights):
    value, gradients = model.loss_and_gradients(X, y, loss, **weights)
    return [np.array(value), *gradients]


def test_balanced_is_scikit_learns():
    model = classifier()
    balanced = class_weights.compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=LABELS)
    by_hand = results(model, LABELS, sample_weight=class_weights.compute_sample_weight("balanced", LABELS))
    assert_same_bits(results(model, LABELS, class_weight="balanced"), by_hand)
    by_dictionary = results(model, LABELS, class_weight=dict(zip([0, 1, 3], balanced, strict=True)))
    assert_same_bits(by_dictionary, by_hand)
    assert_same_bits(
        results(model, np.eye(4)[LABELS], class_weight="balanced"),
        results(model, np.eye(4)[LABELS], sample_weight=class_weights.compute_sample_weight("balanced", LABELS)),
    )


def test_a_class_that_the_dictionary_lacks_counts_once_and_both_weights_multiply():
    model, own = classifier(), RNG.random(200)
    of_class = np.where(LABELS == 1, 3.0, 1.0)
    found = results(model, LABELS, class_weight={1: 3.0}, sample_weight=own)
    assert_same_bits(found, results(model, LABELS, sample_weight=own * of_class))


def test_two_classes_of_one_sigmoid():
    model = fb.Model([fb.Dense(1, "sigmoid")], inputs=4, dtype="float64")
    y = (LABELS == 1).astype(float)
    for targets in (y, y[:, np.newaxis], y.astype(bool), y.astype(np.int8)):
        found = results(model, targets, "binary_cross_entropy", class_weight={1: 4})
        assert_same_bits(found, results(model, y, "binary_cross_entropy", sample_weight=1 + 3 * y))
    with pytest.raises(ValueError, match=r"a key of class_weight is 2; .* The classes are 0 to 1"):
        results(model, y, "binary_cross_entropy", class_weight={2: 4})


def test_ten_steps_follow_pytorch(torch):
    model = classifier()
    trainer = fb.Trainer(model, "cross_entropy", fb.SGD(0.1, momentum=0.9))
    weights = [torch.tensor(w, requires_grad=True) for w in model.get_weights()]
    peer = torch.optim.SGD(weights, lr=0.1, momentum=0.9)
    criterion = torch.nn.CrossEntropyLoss(weight=torch.tensor([0.5, 2.0, 1.0, 7.5]))
    inputs, labels = torch.tensor(X), torch.tensor(LABELS)
    for _ in range(10):
        peer.zero_grad()
        loss = criterion(torch.tanh(inputs @ weights[0] + weights[1]) @ weights[2] + weights[3], labels)
        loss.backward()
        peer.step()
        assert trainer.step(X, LABELS, class_weight=WEIGHTS) == pytest.approx(loss.item(), rel=1e-10)
    for found, expected in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-10, atol=1e-10)


def test_fit_and_evaluate():
    trainers = [fb.Trainer(classifier(), "cross_entropy") for _ in range(2)]
    weights = class_weights.compute_sample_weight("balanced", LABELS)
    trainers[0].fit(X, LABELS, epochs=3, class_weight="balanced")
    trainers[1].fit(X, LABELS, epochs=3, sample_weight=weights)
    assert_same_bits(trainers[0].model.get_weights(), trainers[1].model.get_weights())
    found = trainers[0].evaluate(X, LABELS, class_weight="balanced")
    assert found == trainers[1].evaluate(X, LABELS, weights)
    hits = trainers[0].model.predict(X).argmax(axis=1) == LABELS
    recalls = [hits[label == LABELS].mean() for label in (0, 1, 3)]
    assert found["accuracy"] == pytest.approx(np.mean(recalls), rel=1e-12)  # the balanced accuracy


ONE = np.zeros(200)


@pytest.mark.parametrize(
    ("y", "class_weight", "error", "sentence"),
    [
        (LABELS, "equal", ValueError, "class_weight is 'equal'; expected 'balanced' or a dictionary"),
        (LABELS, [1, 2, 3, 4], TypeError, r"class_weight is \[1, 2, 3, 4\]; expected 'balanced' or a dictionary"),
        (LABELS, {4: 1.0}, ValueError, "a key of class_weight is 4; .* The classes are 0 to 3"),
        (LABELS, {"a": 1.0}, TypeError, "a key of class_weight is 'a'"),
        (LABELS, {1: -2.0}, ValueError, r"class_weight\[1\] is -2.0; expected a finite number of 0 or more"),
        (LABELS, {1: "much"}, TypeError, r"class_weight\[1\] is 'much'"),
        (LABELS, {0: 0, 1: 0, 3: 0}, ValueError, "class_weight and sample_weight together sum to 0"),
        (
            np.full((200, 4), 0.25),
            "balanced",
            ValueError,
            "row 0, column 0 of y .* is 0.25; expected 0 or 1, as class_w",
        ),
    ],
)
def test_bad_class_weights(y, class_weight, error, sentence):
    trainer = fb.Trainer(classifier(), "cross_entropy")
    for call in (trainer.fit, trainer.evaluate):
        with pytest.raises(error, match=sentence):
            call(X, y, class_weight=class_weight)
    with pytest.raises(error, match=sentence):
        trainer.model.loss_and_gradients(X, y, "cross_entropy", class_weight=class_weight)


def test_losses_without_one_class_a_sample_are_refused():
    two = fb.Trainer(fb.Model([fb.Dense(2, "sigmoid")], inputs=4), "binary_cross_entropy")
    with pytest.raises(ValueError, match="the model has 2 outputs, two classes each; expected 1 output"):
        two.fit(X, np.eye(2)[LABELS % 2], class_weight="balanced")
    one = fb.Trainer(fb.Model([fb.Dense(1, "sigmoid")], inputs=4), "binary_cross_entropy")
    with pytest.raises(ValueError, match=r"is 0\.5; expected 0 or 1, as class_weight needs"):
        one.fit(X, ONE + 0.5, class_weight="balanced")
    with pytest.raises(ValueError, match="class_weight is given and loss is 'mse'; expected 'cross_entropy' or"):
        fb.Trainer(fb.Model([fb.Dense(1)], inputs=4), "mse").fit(X, ONE, class_weight={0: 1})
    with pytest.raises(ValueError, match=r"class_weight is .balanced.; .* One batch does not show the frequency"):
        one.step(X, ONE, class_weight="balanced")
