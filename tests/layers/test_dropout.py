"""Dropout: which numbers fall out, what that does to the gradient, and when it does nothing."""

import pickle

import numpy as np
import pytest

import fastbp as fb
import reference
from dropout_helpers import masks_of_a_step
from engine_helpers import ADAM, assert_same_bits, make_data
from fastbp.engine.array_reader import ArrayReader
from fastbp.engine.network import Network
from fastbp.engine.records import EpochPlan, SampleSet
from fastbp.engine.session import Session

DTYPES = ["float32", "float64"]
SPECS = [
    ("dropout", 0.2),
    (40, "relu", 0.0),
    ("dropout", 0.5),
    (23, "tanh", 0.0),
    ("dropout", 0.1),
    (5, "softmax", 0.0),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_so_many_fall_out_and_the_others_grow(isa, dtype, rate):
    masks = masks_of_a_step(rate, 50, 200, dtype)
    kept = masks != 0
    np.testing.assert_allclose(masks[kept], 1 / (1 - rate), rtol=1e-6)
    deviation = np.sqrt(rate * (1 - rate) / masks.size)
    assert abs(1 - kept.mean() - rate) <= 5 * deviation
    for axis in (0, 1):  # no row and no column is favoured
        n = masks.shape[1 - axis] if axis == 1 else masks.shape[0]
        shares = kept.mean(axis=axis)
        assert np.abs(shares - (1 - rate)).max() <= 6 * np.sqrt(rate * (1 - rate) / n)


def test_every_step_seed_and_layer_has_its_own_mask():
    arguments = [{}, {"step": 1}, {"seed": 1}, {"behind_a_layer": True}]
    masks = [masks_of_a_step(0.5, 30, 64, "float32", **each) for each in arguments]
    for i in range(4):
        for j in range(i):
            agreement = np.mean((masks[i] != 0) == (masks[j] != 0))
            assert 0.4 < agreement < 0.6
    np.testing.assert_array_equal(masks[0], masks_of_a_step(0.5, 30, 64, "float32"))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "linear"])
def test_a_step_is_the_textbooks_with_these_masks(isa, dtype, activation, loss):
    n_samples, n_inputs, n_hidden = 37, 11, 20
    X, y = make_data(n_samples, n_inputs, 3, loss, dtype)
    last = "softmax" if loss == "cross_entropy" else "linear"
    model = fb.Model(
        [fb.Dropout(0.3), fb.Dense(n_hidden, activation), fb.Dropout(0.5), fb.Dense(3, last)],
        inputs=n_inputs,
        dtype=dtype,
        seed=2,
    )
    W1, b1, W2, b2 = (weight.astype(float) for weight in model.get_weights())
    first = masks_of_a_step(0.3, n_samples, n_inputs, dtype)
    # The mask belongs to the layer's place in the model: here it is the third.
    probe = fb.Model(
        [fb.Dropout(0.0), fb.Dense(n_hidden), fb.Dropout(0.5), fb.Dense(n_samples)], inputs=n_hidden, dtype=dtype
    )
    zeros = [np.zeros((n_hidden, n_samples)), np.zeros(n_samples)]
    probe.set_weights([np.eye(n_hidden), np.zeros(n_hidden), *zeros])
    targets = np.eye(n_samples) * n_samples**2 / 2
    fb.Trainer(probe, "mse", fb.SGD(1.0)).step(np.ones((n_samples, n_hidden)), targets)
    second = probe.get_weights()[2].T.astype(float)

    A0 = X.astype(float) * first
    Z1 = A0 @ W1 + b1
    A1 = reference.activate(activation, Z1) * second
    layer = reference.Layer(W2, b2, last)
    value, dZ2 = reference.output_gradient(layer, A1 @ W2 + b2, y, loss)
    dZ1 = reference.activation_gradient(activation, Z1, dZ2 @ W2.T * second)
    wanted = [W1 - A0.T @ dZ1, b1 - dZ1.sum(axis=0), W2 - A1.T @ dZ2, b2 - dZ2.sum(axis=0)]

    found = fb.Trainer(model, loss, fb.SGD(1.0)).step(X, y)
    tolerance = 2e-5 if dtype == "float32" else 1e-12
    assert found == pytest.approx(value, rel=tolerance)
    for weight, expected in zip(model.get_weights(), wanted, strict=True):
        np.testing.assert_allclose(weight, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_same_bits_for_any_number_of_threads_and_any_cut(isa, limits, dtype):
    X, y = make_data(300, 33, 5, "cross_entropy", dtype)

    def train(n_threads, **changed):
        limits(epoch_thread=1.0, paced=0.0, **changed)
        network = Network(33, SPECS, dtype)
        for i in (1, 3, 5):
            W, b = network.get_layer(i)
            network.set_layer(i, np.random.default_rng(i).normal(size=W.shape) * 0.1, b)
        session = Session(network, "cross_entropy", (), "adam", n_threads, seed=3)
        losses = [
            session.epoch(SampleSet(ArrayReader(X), y), EpochPlan(130, True, 3, epoch, ADAM))[0] for epoch in range(2)
        ]
        return network.get_arrays(), losses

    alone = train(1)
    for n_threads in (2, 3, 7):
        weights, losses = train(n_threads)
        assert_same_bits(weights, alone[0])
        assert losses == alone[1]
    weights, losses = train(2, long_step=0.0, apart=0.0, piece=0.0)
    assert_same_bits(weights, alone[0])


def test_nothing_falls_out_but_in_training():
    X, y = make_data(100, 9, 3, "cross_entropy", "float32")
    layers = [fb.Dense(30, "relu"), fb.Dense(3, "softmax")]
    plain = fb.Model(layers, inputs=9, seed=5)
    dropped = fb.Model([fb.Dropout(0.4), layers[0], fb.Dropout(0.4), layers[1]], inputs=9, seed=5)
    assert_same_bits(dropped.get_weights(), plain.get_weights())
    assert_same_bits([dropped.predict(X), dropped.predict(X[:1])], [plain.predict(X), plain.predict(X[:1])])
    loss, gradients = dropped.loss_and_gradients(X, y, "cross_entropy")
    plain_loss, plain_gradients = plain.loss_and_gradients(X, y, "cross_entropy")
    assert loss == plain_loss
    assert_same_bits(gradients, plain_gradients)
    assert fb.Trainer(dropped, "cross_entropy").evaluate(X, y) == fb.Trainer(plain, "cross_entropy").evaluate(X, y)
    fb.check_gradients(dropped, X, y, "cross_entropy", step=1e-7)


def test_gradients_in_training_are_those_of_a_first_step():
    X, y = make_data(40, 9, 3, "cross_entropy", "float64")
    layers = [fb.Dropout(0.2), fb.Dense(30, "tanh"), fb.Dropout(0.4), fb.Dense(3, "softmax")]
    model = fb.Model(layers, inputs=9, dtype="float64", seed=5)
    fb.check_gradients(model, X, y, "cross_entropy", tolerance=1e-6, training=True)
    loss, gradients = model.loss_and_gradients(X, y, "cross_entropy", training=True)
    before = model.get_weights()
    assert fb.Trainer(model, "cross_entropy", fb.SGD(1.0)).step(X, y) == loss
    for weight, former, gradient in zip(model.get_weights(), before, gradients, strict=True):
        np.testing.assert_allclose(weight, former - gradient, rtol=0, atol=1e-15)


def test_a_batch_of_many_chunks_draws_on():
    """Rows behind the first 4,096 of a batch have masks of their own: about as many are kept, but not the same."""

    def kept_of(rows):
        model = fb.Model([fb.Dropout(0.5), fb.Dense(1)], inputs=8, dtype="float64")
        model.set_weights([np.zeros((8, 1)), [0.0]])
        y = np.zeros(5000)
        y[rows] = 5000 / 4  # each number that is kept adds 1 to its weight
        fb.Trainer(model, "mse", fb.SGD(1.0), batch_size=None, shuffle=False).fit(np.ones((5000, 8)), y)
        return model.get_weights()[0][:, 0]

    first, behind = kept_of(slice(0, 904)), kept_of(slice(4096, 5000))
    assert (first != behind).any()
    for kept in (first, behind):
        np.testing.assert_allclose(kept, 904 / 2, atol=6 * np.sqrt(904) / 2)


@pytest.mark.parametrize("optimizer", ["adam", fb.SGD(0.1, momentum=0.9)])
def test_going_on_from_a_pickle_draws_the_same(optimizer):
    X, y = make_data(90, 9, 3, "cross_entropy", "float32")

    def make():
        model = fb.Model([fb.Dropout(0.1), fb.Dense(30, "relu"), fb.Dropout(0.5), fb.Dense(3, "softmax")], inputs=9)
        return fb.Trainer(model, "cross_entropy", optimizer, batch_size=20, seed=7)

    whole, half = make(), make()
    whole.fit(X, y, epochs=4)
    half.fit(X, y, epochs=2)
    again = pickle.loads(pickle.dumps(half))
    again.fit(X, y, epochs=2)
    assert_same_bits(again.model.get_weights(), whole.model.get_weights())


def test_it_regularises():
    """Noise learned by heart without dropout is not with it: the training loss stays higher."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 20)).astype(np.float32), rng.integers(0, 2, 200)

    def final_loss(rate):
        model = fb.Model([fb.Dense(100, "relu"), fb.Dropout(rate), fb.Dense(2, "softmax")], inputs=20, seed=1)
        trainer = fb.Trainer(model, "cross_entropy", fb.Adam(0.01))
        trainer.fit(X, y, epochs=60)
        return trainer.evaluate(X, y)["loss"]

    assert final_loss(0.8) > 3 * final_loss(0.0)


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (lambda: fb.Dropout(1.0), ValueError, "rate is 1.0; expected a finite number of 0 or more and below 1"),
        (lambda: fb.Dropout(-0.1), ValueError, "rate is -0.1"),
        (lambda: fb.Dropout("half"), TypeError, "rate is 'half'"),
        (
            lambda: fb.Model([fb.Dense(3), fb.Dropout(0.5)], inputs=2),
            ValueError,
            r"layers ends with Dropout\(0.5\); expected an fb.Dense, whose outputs are the model's",
        ),
        (lambda: fb.Model([fb.Dropout(0.5)], inputs=2), ValueError, "layers ends with Dropout"),
        (
            lambda: fb.Model([fb.Dense(3), fb.Dropout(0.5), fb.Dropout(0.2), fb.Dense(1)], inputs=2),
            ValueError,
            r"layers\[2\] is Dropout\(0.2\) and follows Dropout\(0.5\); expected one of the two",
        ),
    ],
)
def test_misuse(make, error, sentence):
    with pytest.raises(error, match=sentence):
        make()


def test_telling_keeping_and_loading(tmp_path, capsys):
    model = fb.Model([fb.Dense(4, "relu"), fb.Dropout(0.25), fb.Dense(2, "softmax")], inputs=3)
    assert repr(model).startswith("Model([Dense(4, 'relu'), Dropout(0.25), Dense(2, 'softmax')], inputs=3")
    model.summary()
    assert capsys.readouterr().out.splitlines()[2].split() == ["1", "Dropout", "4", "4", "-", "0", "0.0", "0"]
    model.save(tmp_path / "model.safetensors")
    again = fb.Model.load(tmp_path / "model.safetensors")
    assert again.layers == model.layers
    assert_same_bits(again.get_weights(), model.get_weights())
    with pytest.raises(ValueError, match=r"weights\[2\], W of layer 2, has shape \(2, 4\); expected \(4, 2\)"):
        model.set_weights([np.zeros((3, 4)), np.zeros(4), np.zeros((2, 4)), np.zeros(2)])


# ---- Rates that change ----


def scheduled(rate, **arguments):
    layers = [fb.Dense(23, "tanh"), fb.Dropout(rate), fb.Dense(3, "softmax")]
    model = fb.Model(layers, inputs=9, dtype=arguments.pop("dtype", "float64"))
    return fb.Trainer(model, "cross_entropy", fb.SGD(0.1), batch_size=16, shuffle=False, **arguments)


SCHEDULES = [
    fb.PolynomialDecay(0.8, 12, per="step"),
    fb.StepDecay(0.8, 1, 0.5),
    fb.FunctionSchedule(lambda t: 0.1 * t, per="epoch"),
]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: schedule.name)
def test_each_step_drops_out_at_its_own_rate(isa, schedule):
    """As many trainers as steps, each with one rate, hand the weights on."""
    X, y = make_data(75, 9, 3, "cross_entropy", "float64")
    trainer = scheduled(schedule)
    trainer.fit(X, y, epochs=2)
    trainer.fit(X, y)
    weights = scheduled(0.0).model.get_weights()
    for step in range(15):
        time = step if schedule.per == "step" else step // 5
        single = scheduled(float(schedule.at(np.array([float(time)]))[0]))
        single.model.set_weights(weights)
        single.parts.state.session.n_steps = step
        rows = slice(16 * (step % 5), 16 * (step % 5) + 16)
        single.step(X[rows], y[rows])
        weights = single.model.get_weights()
    assert_same_bits(trainer.model.get_weights(), weights)


@pytest.mark.parametrize("dtype", DTYPES)
def test_scheduled_rates_give_the_same_bits_on_any_team_and_in_copies(limits, dtype):
    limits(epoch_thread=1.0, paced=0.0)
    X, y = make_data(75, 9, 3, "cross_entropy", dtype)
    models = []
    for n_threads in (1, 3):
        trainer = scheduled(fb.CosineDecay(0.5, 20, per="step"), dtype=dtype, n_threads=n_threads)
        trainer.fit(X, y)
        if n_threads == 3:
            trainer = pickle.loads(pickle.dumps(trainer))
        trainer.fit(X, y, epochs=2)
        models.append(trainer.model.get_weights())
    assert_same_bits(*models)


def in_residuals(rate):
    inner = [fb.Residual([fb.Dropout(rate), fb.Dense(23, "tanh")]), fb.LayerNorm()]
    layers = [fb.Dense(23, "prelu"), fb.Dropout(0.1), fb.Residual(inner), fb.Dense(3, "softmax")]
    model = fb.Model(layers, inputs=9, dtype="float64")
    return fb.Trainer(model, "cross_entropy", fb.SGD(0.1), batch_size=16, shuffle=False)


def test_a_rate_in_a_residual_may_change_too(tmp_path):
    X, y = make_data(75, 9, 3, "cross_entropy", "float64")
    trainer = in_residuals(fb.PolynomialDecay(0.8, 12, per="step"))
    loss, gradients = trainer.model.loss_and_gradients(X, y, "cross_entropy", training=True)
    wanted_loss, wanted = in_residuals(0.8).model.loss_and_gradients(X, y, "cross_entropy", training=True)
    assert loss == wanted_loss
    assert_same_bits(gradients, wanted)
    trainer.fit(X, y)
    weights = in_residuals(0.0).model.get_weights()
    for step in range(5):
        single = in_residuals(0.8 * (1 - step / 12))
        single.model.set_weights(weights)
        single.parts.state.session.n_steps = step
        rows = slice(16 * step, 16 * step + 16)
        single.step(X[rows], y[rows])
        weights = single.model.get_weights()
    for found, expected in zip(trainer.model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)
    trainer.model.save(tmp_path / "model.safetensors")
    assert fb.Model.load(tmp_path / "model.safetensors").layers == trainer.model.layers
    where = r"layers\[2\].layers\[0\].layers\[0\] is Dropout\(.*"
    growing = in_residuals(lambda t: 0.5 + t)
    with pytest.raises(ValueError, match=where + "a file cannot hold a function"):
        growing.model.save(tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=where + "whose rate after 1 steps is 1.5; expected 0 <= rate < 1"):
        growing.fit(X, y)
    with pytest.raises(ValueError, match=where + "whose rate after 0 steps is 2; expected"):
        in_residuals(lambda t: 2.0 + t).model.loss_and_gradients(X, y, "cross_entropy", training=True)


def test_a_plateau_of_the_loss_lowers_the_rate():
    X, y = make_data(75, 9, 3, "cross_entropy", "float64")
    trainer = scheduled(fb.Plateau(0.5, factor=0.5, patience=0, min_delta=0.9))  # no epoch is as good as that
    trainer.fit(X, y, epochs=4)
    assert trainer.parts.state.numbers_of(1)["dropout_rates"][1][0] == 0.5**4


def test_a_scheduled_rate_is_for_training_only_and_is_kept_in_files(tmp_path):
    X, y = make_data(75, 9, 3, "cross_entropy", "float64")
    trainer = scheduled(fb.StepDecay(0.5, 3))
    plain = scheduled(0.0)
    assert trainer.evaluate(X, y) == plain.evaluate(X, y)
    trainer.model.save(tmp_path / "model.safetensors")
    loaded = fb.Model.load(tmp_path / "model.safetensors")
    assert loaded.layers == trainer.model.layers
    assert repr(loaded.layers[1]) == "Dropout(StepDecay(start=0.5, every=3, factor=0.1, per='epoch'))"
    model = scheduled(lambda t: 0.5).model
    with pytest.raises(ValueError, match=r"layers\[1\] is Dropout\(FunctionSchedule.* a file cannot hold a function"):
        model.save(tmp_path / "model.safetensors")


def test_rates_beyond_their_bounds_are_refused_before_anything_is_trained():
    X, y = make_data(75, 9, 3, "cross_entropy", "float64")
    trainer = scheduled(lambda t: 0.3 * t)
    before = trainer.model.get_weights()
    with pytest.raises(ValueError, match=r"layers\[1\] is .*, whose rate after 4 steps is 1.2; expected 0 <= rate < 1"):
        trainer.fit(X, y)
    assert_same_bits(trainer.model.get_weights(), before)
    for rate, error in ((fb.StepDecay, TypeError), (1.0, ValueError), (None, TypeError)):
        with pytest.raises(error, match="rate is"):
            fb.Dropout(rate)
