"""Training on data in parts: what a step takes of each, and that nothing depends on who has them."""

import itertools

import numpy as np
import pytest

import fastbp as fb
from fastbp.training.part_data import PartSteps

SIZES = (40, 1, 67, 150, 17, 80, 16, 33)


def part(number, n_inputs=5):
    rng = np.random.default_rng(number)
    return rng.normal(size=(SIZES[number], n_inputs)).astype(np.float32), rng.integers(0, 3, SIZES[number])


def weighted_part(number):
    return *part(number), np.random.default_rng(number).uniform(0, 2, SIZES[number])


def model_of(*layers, dtype="float64"):
    return fb.Model([*(layers or (fb.Dense(7, "tanh"),)), fb.Dense(3, "softmax")], inputs=5, seed=1, dtype=dtype)


def trainer_of(model=None, **options):
    return fb.Trainer(model or model_of(), "cross_entropy", **{"batch_size": 64, "shards": 8} | options)


class Seen:
    """A loss that keeps the targets of each call: one shard of a step, here numbers of samples."""

    def __init__(self):
        self.calls = []

    def __call__(self, outputs, targets):
        self.calls.append(targets.tolist())
        return outputs[:, 0] ** 2, 2 * outputs


def numbered(number):
    X, _ = part(number)
    return X, 1000 * number + np.arange(len(X))


def steps_seen(shuffle, epochs=1):
    seen = Seen()
    trainer = fb.Trainer(
        fb.Model([fb.Dense(1)], inputs=5, seed=0), seen, batch_size=64, shards=8, metrics=[], shuffle=shuffle
    )
    sizes = []
    trainer.fit(
        fb.distributed.Part(numbered),
        epochs=epochs,
        callbacks=lambda_on_steps(lambda: sizes.append(len(seen.calls))),
    )
    return seen.calls, sizes


def lambda_on_steps(function):
    class Each(fb.Callback):
        def on_step_end(self, trainer, figures):
            function()

    return Each()


def test_an_epoch_takes_every_sample_once_in_steps_of_about_one_size():
    calls, ends = steps_seen(shuffle=True)
    assert sorted(itertools.chain(*calls)) == sorted(1000 * i + j for i, n in enumerate(SIZES) for j in range(n))
    steps = [[*itertools.chain(*calls[a:b])] for a, b in zip([0, *ends[:-1]], ends, strict=True)]
    assert len(steps) == -(-sum(SIZES) // 64)
    mean = sum(SIZES) / len(steps)
    assert all(mean - 8 < len(step) < mean + 8 for step in steps)
    for step in steps:  # each part gives its share
        for i, n in enumerate(SIZES):
            assert abs(sum(number // 1000 == i for number in step) - n / len(steps)) <= 1


def test_a_loss_function_is_called_with_all_that_a_part_gives_to_a_step():
    calls, ends = steps_seen(shuffle=False)
    n_steps, expected = len(ends), []
    for step in range(n_steps):
        for i, n in enumerate(SIZES):
            first, last = ((n * cut + n_steps * i // 8) // n_steps for cut in (step, step + 1))
            expected.append([1000 * i + j for j in range(first, last)])
    assert calls == [call for call in expected if call]


def test_parts_are_shuffled_among_themselves_anew_in_each_epoch():
    numbers = [number for call in steps_seen(shuffle=True, epochs=2)[0] for number in call if number // 1000 == 3]
    first, second = numbers[:150], numbers[150:]
    assert sorted(first) == sorted(second) == list(range(3000, 3150))
    assert first != second
    as_they_stand = [number for call in steps_seen(shuffle=False)[0] for number in call if number // 1000 == 3]
    assert as_they_stand == list(range(3000, 3150))


def test_a_full_batch_is_that_of_all_samples():
    data = [part(i) for i in range(8)]
    X, y = (np.concatenate(arrays) for arrays in zip(*data, strict=True))
    parted, whole = model_of(), model_of()
    history = trainer_of(parted, optimizer="sgd", batch_size=None).fit(fb.distributed.Part(part), epochs=3)
    expected = trainer_of(whole, optimizer="sgd", batch_size=None, shards=1).fit(X, y, epochs=3)
    for a, b in zip(parted.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
    assert history["loss"] == pytest.approx(expected["loss"], rel=1e-10)
    assert history["accuracy"] == expected["accuracy"]


def test_weights_of_samples_divide_each_steps_loss():
    """A step is one of a trainer without parts, on the same samples with the same weights."""
    parted, by_hand = model_of(), model_of()
    trainer = trainer_of(parted, optimizer="sgd", shuffle=False)
    history = trainer.fit(fb.distributed.Part(weighted_part), class_weight={1: 3.0})
    data = [weighted_part(i) for i in range(8)]
    n_steps = -(-sum(SIZES) // 64)
    other = trainer_of(by_hand, optimizer="sgd", shards=1)
    losses = []
    for step in range(n_steps):
        rows = [slice(*((n * s + n_steps * i // 8) // n_steps for s in (step, step + 1))) for i, n in enumerate(SIZES)]
        X, y, weights = (np.concatenate([arrays[k][r] for arrays, r in zip(data, rows, strict=True)]) for k in range(3))
        weights = weights * np.where(y == 1, 3.0, 1.0)
        losses.append((other.step(X, y, weights) * weights.sum(), weights.sum()))
    for a, b in zip(parted.get_weights(), by_hand.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)
    total, weight = np.sum(losses, axis=0)
    assert history["loss"][0] == pytest.approx(total / weight, rel=1e-9)


def test_any_number_of_threads_has_the_same_bits_and_an_epoch_is_continued(tmp_path):
    path = tmp_path / "trainer.safetensors"
    layers = (fb.Dense(20, "relu"), fb.Dropout(0.3), fb.BatchNorm())
    weights = []
    for n_threads in (1, 3):
        trainer = trainer_of(model_of(*layers, dtype="float32"), n_threads=n_threads)
        trainer.fit(fb.distributed.Part(weighted_part), epochs=2)
        weights.append(trainer.model.get_weights())
    left = trainer_of(model_of(*layers, dtype="float32"))
    left.fit(fb.distributed.Part(weighted_part), callbacks=lambda_on_steps(lambda: left.n_steps == 3 and left.stop()))
    assert left.n_steps == 3
    left.save(path)
    again = fb.Trainer.load(path)
    again.fit(fb.distributed.Part(weighted_part), epochs=2)
    weights.append(again.model.get_weights())
    for other in weights[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(weights[0], other, strict=True))


def test_validation_in_parts_is_that_of_all_samples():
    X, y = (np.concatenate(arrays) for arrays in zip(*[part(i) for i in range(8)], strict=True))
    trainer = trainer_of()
    history = trainer.fit(fb.distributed.Part(part), validation_data=fb.distributed.Part(part))
    expected = trainer.evaluate(X, y)
    assert history["val_loss"][0] == pytest.approx(expected["loss"], rel=1e-12)
    assert history["val_accuracy"][0] == expected["accuracy"]


def test_steps_after_parts_are_as_ever():
    one, other = trainer_of(), trainer_of()
    X, y = part(3)
    one.fit(fb.distributed.Part(part))
    other.fit(fb.distributed.Part(part))
    other.model.set_weights(one.model.get_weights())
    assert one.step(X, y) == other.step(X, y)
    assert np.isfinite(one.fit(X, y)["loss"][-1])


@pytest.mark.parametrize("batch_size", [1, 3, 7, 64, 404])
def test_no_step_is_empty_and_all_together_are_the_whole(batch_size):
    trainer = trainer_of()
    data = trainer.parts.intake.parts(fb.distributed.Part(part), None, None)
    steps = PartSteps(data, batch_size)
    assert steps.ends[0] == 0
    assert steps.ends[-1] == sum(SIZES)
    assert (np.diff(steps.ends) > 0).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: fb.distributed.Part(3), "read is 3"),
        (lambda: trainer_of(shards=1).fit(fb.distributed.Part(part)), "shards is 1"),
        (lambda: trainer_of().fit(fb.distributed.Part(part), [0, 1]), "y is"),
        (lambda: trainer_of().fit(fb.distributed.Part(part), validation_fraction=0.1), "validation_fraction"),
        (lambda: trainer_of().fit(fb.distributed.Part(part), class_weight="balanced"), "class_weight"),
        (lambda: trainer_of().fit(fb.distributed.Part(lambda i: i)), "part 0 of X is 0"),
        (lambda: trainer_of().fit(fb.distributed.Part(lambda i: part(i, 5 + (i == 2)))), "X of part 2"),
        (
            lambda: trainer_of().fit(fb.distributed.Part(lambda i: (part if i else weighted_part)(i))),
            "sample_weight of",
        ),
        (
            lambda: trainer_of(fb.Model([fb.Dense(3, "softmax")], prepare=fb.Standardize())).fit(
                fb.distributed.Part(part)
            ),
            "Call model.build",
        ),
        (lambda: fb.fit_many([trainer_of()], fb.distributed.Part(part), None), "X"),
    ],
)
def test_what_does_not_go_with_parts_is_refused(call, words):
    with pytest.raises((TypeError, ValueError), match=words):
        call()
