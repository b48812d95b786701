"""Layers of every kind: against the oracle, finite differences and PyTorch, on any team, kept and told about."""

import pickle
import signal

import numpy as np
import pytest

import fastbp as fb
import reference
from engine_helpers import TOLERANCE, assert_close, assert_same_bits, make_data
from fastbp.engine.network import Network
from fastbp.engine.session import Session
from layer_helpers import oracle_of, torch_limit, torch_of, torch_penalty
from layer_models import (
    DTYPES,
    MODELS,
    N_INPUTS,
    data_for,
    make_model,
    set_training,
    square,
    weights_of_model,
)


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [fb.Residual([fb.Dense(3, "tanh")])],
        lambda: [
            fb.LayerNorm(),
            fb.Residual([fb.LayerNorm(), fb.Residual([fb.Dense(3, "tanh")])]),
            fb.Activation("relu"),
        ],
    ],
    ids=["one", "one in another"],
)
def test_the_outputs_of_residual_blocks_alone_are_known_before_the_inputs_are(layers):
    X = np.random.default_rng(0).normal(size=(20, 3))
    later, first = fb.Model(layers(), seed=0), fb.Model(layers(), inputs=3, seed=0)
    assert later.n_outputs == 3
    for model in (later, first):
        fb.Trainer(model, "mse", batch_size=5, seed=0).fit(X, X[:, ::-1])
    assert_same_bits(later.get_weights(), first.get_weights())
    with pytest.raises(ValueError, match=r"Residual\(.*\) has 4 inputs and its layers have 3 outputs"):
        fb.Trainer(fb.Model(layers()), "mse").fit(np.ones((20, 4)), X)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 5, 16, 37])
@pytest.mark.parametrize("name", MODELS)
def test_gradients_and_outputs_are_the_oracles(isa, name, n, dtype):
    model, loss = make_model(name, dtype)
    X, y = data_for(model, loss, n, dtype)
    oracle = oracle_of(model)
    wanted, wanted_gradients = reference.block_loss_and_gradients(oracle, X, y, loss)
    found, gradients = model.loss_and_gradients(X, y, loss)
    assert found == pytest.approx(wanted, rel=1e-5 if dtype == "float32" else 1e-12)
    for gradient, expected, weight in zip(gradients, wanted_gradients, weights_of_model(model), strict=True):
        assert_close(gradient, expected if weight.trained else np.zeros_like(expected), dtype, factor=4)
    outputs = model.predict(X)
    assert_close(outputs, oracle.forward(X.astype(float)), dtype, factor=4)
    assert_same_bits([model.predict(X[:1])], [outputs[:1]])
    trainer = fb.Trainer(model, loss)
    assert trainer.evaluate(X, y)["loss"] == pytest.approx(wanted, rel=1e-5 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [2, 5, 16, 37])
@pytest.mark.parametrize("name", MODELS)
def test_gradients_in_training_are_the_oracles(isa, name, n, dtype):
    model, loss = make_model(name, dtype)
    X, y = data_for(model, loss, n, dtype)
    oracle = oracle_of(model)
    set_training(oracle)
    wanted, wanted_gradients = reference.block_loss_and_gradients(oracle, X, y, loss)
    before = model.get_weights()
    found, gradients = model.loss_and_gradients(X, y, loss, training=True)
    assert found == pytest.approx(wanted, rel=1e-5 if dtype == "float32" else 1e-12)
    # A gradient that is nothing (of a constant in front of a batch_norm) is what rounding leaves of the others; with
    # two samples, h is 1 or -1 whatever the source, and all below are so.
    largest = max(np.abs(gradient).max() for gradient in wanted_gradients)
    tolerance = TOLERANCE[dtype] * largest * (4 if n > 2 else 40)
    for gradient, expected, weight in zip(gradients, wanted_gradients, weights_of_model(model), strict=True):
        np.testing.assert_allclose(gradient, expected if weight.trained else 0 * expected, rtol=0, atol=tolerance)
    assert_same_bits(model.get_weights(), before)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_gradients_agree_with_differences(name, training):
    model, loss = make_model(name)
    X, y = data_for(model, loss, 23, "float64")
    differences = fb.check_gradients(model, X, y, loss, step=1e-6, tolerance=1e-6, training=training)
    assert len(differences) == sum(weight.trained for weight in weights_of_model(model))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", MODELS)
def test_the_same_bits_on_any_team_and_any_cut(isa, limits, name, dtype):
    def train(n_threads, **changed):
        limits(epoch_thread=1.0, call_thread=1.0, paced=0.0, **changed)
        model, loss = make_model(name, dtype)
        X, y = data_for(model, loss, 210, dtype)
        trainer = fb.Trainer(model, loss, fb.Adam(0.01), batch_size=60, seed=3, n_threads=n_threads)
        history = trainer.fit(X, y, epochs=2)
        return [*model.get_weights(), model.predict(X, n_threads=n_threads), np.array(history["loss"])]

    alone = train(1)
    for n_threads in (2, 3, 7):
        assert_same_bits(train(n_threads), alone)
    assert_same_bits(train(2, long_step=0.0, apart=0.0, piece=0.0), alone)


@pytest.mark.parametrize("name", MODELS)
def test_ten_steps_agree_with_pytorch(torch, name):
    model, loss = make_model(name)
    X, y = data_for(model, loss, 40, "float64")
    peer, parameters = torch_of(torch, model)
    optimizer = torch.optim.SGD([p for p in parameters if p.requires_grad], lr=0.1, momentum=0.9)
    trainer = fb.Trainer(model, loss, fb.SGD(0.1, momentum=0.9))
    targets = torch.tensor(y)
    for _ in range(10):
        A = peer(torch.tensor(X))
        value = {
            "mse": lambda A: torch.nn.functional.mse_loss(A, targets),
            "cross_entropy": lambda A: torch.nn.functional.nll_loss(torch.log(A), targets.long()),
            "binary_cross_entropy": lambda A: torch.nn.functional.binary_cross_entropy(A, targets),
        }[loss](A)
        optimizer.zero_grad()
        value = value + torch_penalty(peer)
        value.backward()
        optimizer.step()
        torch_limit(torch, peer)
        assert trainer.step(X, y) == pytest.approx(value.item(), rel=1e-10)
    for array, parameter in zip(model.get_weights(), parameters, strict=True):
        wanted = parameter.detach().numpy()
        np.testing.assert_allclose(array, wanted.T, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", sorted(MODELS.keys() - {"penalties of the frozen, and norms"}))
def test_clipping_takes_every_array_into_account(isa, name):
    model, loss = make_model(name)
    X, y = data_for(model, loss, 30, "float64")
    _, gradients = model.loss_and_gradients(X, y, loss, training=True)
    norm = np.sqrt(sum((gradient**2).sum() for gradient in gradients))
    kinds = weights_of_model(model)
    for clipping, change in (
        ({"clip_norm": norm / 3}, lambda g: g / 3 * norm / (norm + 1e-6)),
        ({"clip_value": norm / 20}, lambda g: np.clip(g, -norm / 20, norm / 20)),
        ({"clip_array_norm": norm / 5}, lambda g: g * min(1, norm / 5 / (np.linalg.norm(g) + 1e-6))),
    ):
        before = model.get_weights()
        fb.Trainer(model, loss, fb.SGD(1.0), **clipping).step(X, y)
        for kind, array, former, gradient in zip(kinds, model.get_weights(), before, gradients, strict=True):
            if kind.trained:
                np.testing.assert_allclose(array, former - change(gradient), rtol=0, atol=1e-12)
        model.set_weights(before)


@pytest.mark.parametrize("name", MODELS)
def test_kept_loaded_pickled_and_told_about(name, tmp_path, capsys):
    model, loss = make_model(name, "float32")
    X, y = data_for(model, loss, 50, "float32")
    assert eval(repr(model), vars(fb).copy()).layers == model.layers
    trainer = fb.Trainer(model, loss, fb.Adam(0.01), batch_size=20)
    trainer.fit(X, y, epochs=2)
    model.save(tmp_path / "model.safetensors")
    loaded, copied = fb.Model.load(tmp_path / "model.safetensors"), pickle.loads(pickle.dumps(model))
    again = fb.Model(model.layers, inputs=N_INPUTS)
    again.set_weights(model.get_weights())
    for twin in (loaded, copied, again):
        assert twin.layers == model.layers
        assert_same_bits([*twin.get_weights(), twin.predict(X)], [*model.get_weights(), model.predict(X)])
    other = pickle.loads(pickle.dumps(trainer))
    trainer.fit(X, y)
    other.fit(X, y)
    assert_same_bits(other.model.get_weights(), model.get_weights())

    model.summary()
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3].startswith(f"{model.n_parameters:,} parameters")
    statistics = model.inspect(X, y, loss)
    assert statistics.layers[-1].mean == pytest.approx(float(model.predict(X).mean()), rel=1e-5)
    assert statistics.loss == pytest.approx(trainer.evaluate(X, y)["loss"], rel=1e-6)
    assert len(str(statistics).splitlines()) == 2 + len(statistics.layers)


# ---- Activation ----


def test_an_activation_behind_a_linear_layer_is_that_layers():
    X, y = make_data(30, N_INPUTS, 3, "cross_entropy", "float32")
    apart = fb.Model([fb.Dense(8), fb.Activation("gelu"), fb.Dense(3), fb.Activation("softmax")], inputs=N_INPUTS)
    together = fb.Model([fb.Dense(8, "gelu", "glorot"), fb.Dense(3, "softmax")], inputs=N_INPUTS)
    for model in (apart, together):
        fb.Trainer(model, "cross_entropy").fit(X, y, epochs=2)
    assert_same_bits(apart.get_weights(), together.get_weights())


# ---- Dense without a bias, and frozen ----


@pytest.mark.parametrize("optimizer", [fb.Adam(0.01), fb.AdamW(0.01, weight_decay=0.1), fb.SGD(0.1, momentum=0.9)])
@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.01}, {"clip_value": 0.001}])
def test_what_is_frozen_stays_and_what_is_no_bias_stays_none(optimizer, options):
    layers = [fb.Dense(9, "relu"), fb.Dense(8, trainable=False), fb.Dense(3, "softmax", use_bias=False)]
    model = fb.Model(layers, inputs=N_INPUTS)
    X, y = make_data(50, N_INPUTS, 3, "cross_entropy", "float32")
    before = model.get_weights()
    assert [array.shape for array in before] == [(N_INPUTS, 9), (9,), (9, 8), (8,), (8, 3)]
    fb.Trainer(model, "cross_entropy", optimizer, **options).fit(X, y, epochs=3)
    changed = [not np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True)]
    assert changed == [True, True, False, False, True]
    np.testing.assert_array_equal(model.predict(np.zeros((1, N_INPUTS)))[0], model.predict(np.zeros((2, N_INPUTS)))[1])


def test_nobody_is_given_frozen_weights_to_work_on(limits):
    limits(epoch_thread=1.0)
    layers = [{"units": 50, "trainable": False}, {"units": 40, "trainable": True}, (3, "linear", 0.0)]
    session = Session(Network(20, layers, "float32"), "mse", (), "sgd", 2)
    assert sum(n_weights for _, n_weights in session.shares(100)) == 50 * 40 + 40 * 3


def test_without_bias_the_outputs_of_nothing_are_nothing():
    model = fb.Model([fb.Dense(9, "relu", use_bias=False), fb.Dense(3, use_bias=False)], inputs=N_INPUTS)
    X, y = make_data(50, N_INPUTS, 3, "mse", "float32")
    fb.Trainer(model, "mse").fit(X, y, epochs=3)
    assert not model.predict(np.zeros((1, N_INPUTS))).any()


# ---- Penalties and norms ----


@pytest.mark.parametrize("weights", [None, np.arange(9000) % 3 * 2.5], ids=["once", "weighted"])
@pytest.mark.parametrize("batching", [{"batch_size": 20}, {"batch_size": None}, {"batch_size": 30, "accumulate": 7}])
def test_the_penalty_is_in_the_loss_wherever_it_is_told(batching, weights):
    """The mean of the samples' losses is by their weights, the penalty is added to it as it is."""
    X, y = make_data(9000, N_INPUTS, 3, "mse", "float64")
    plain = fb.Model([fb.Dense(5, "relu"), fb.Dense(3)], inputs=N_INPUTS, dtype="float64")
    model = fb.Model([fb.Dense(5, "relu", l1=0.5), fb.Dense(3, l2=0.25)], inputs=N_INPUTS, dtype="float64")
    W1, _, W2, _ = model.get_weights()
    penalty = 0.5 * np.abs(W1).sum() + 0.25 * (W2**2).sum()
    trainer, other = (fb.Trainer(each, "mse", fb.SGD(1e-30), **batching) for each in (model, plain))
    figures, of_plain = (each.evaluate(X, y, weights) for each in (trainer, other))
    assert figures["loss"] == pytest.approx(of_plain["loss"] + penalty, rel=1e-12)
    loss, gradients = model.loss_and_gradients(X, y, "mse", sample_weight=weights)
    plain_loss, plain_gradients = plain.loss_and_gradients(X, y, "mse", sample_weight=weights)
    assert loss == pytest.approx(plain_loss + penalty, rel=1e-12)
    np.testing.assert_allclose(gradients[0], plain_gradients[0] + 0.5 * np.sign(W1), rtol=1e-12)
    np.testing.assert_allclose(gradients[2], plain_gradients[2] + 0.5 * W2, rtol=1e-12)
    assert_same_bits([gradients[1], gradients[3]], [plain_gradients[1], plain_gradients[3]])
    assert trainer.step(X, y, weights) == pytest.approx(other.step(X, y, weights) + penalty, rel=1e-12)
    told = trainer.fit(X, y, sample_weight=weights)["loss"][0]
    assert told == pytest.approx(other.fit(X, y, sample_weight=weights)["loss"][0] + penalty, rel=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_no_unit_is_longer_than_max_norm_after_a_step(isa, dtype, optimizer):
    layers = [fb.Dense(37, "relu", max_norm=0.5), fb.Dense(3, "softmax", max_norm=2.0)]
    model = fb.Model(layers, inputs=N_INPUTS, dtype=dtype)
    X, y = make_data(100, N_INPUTS, 3, "cross_entropy", dtype)
    before = model.get_weights()
    fb.Trainer(model, "cross_entropy", optimizer).fit(X, y, epochs=2)
    for j, most in ((0, 0.5), (2, 2.0)):
        lengths = np.linalg.norm(model.get_weights()[j].astype(float), axis=0)
        assert lengths.max() <= most * (1 + 1e-6)
    assert np.linalg.norm(before[0], axis=0).min() > 0.5  # all were longer
    np.testing.assert_allclose(np.linalg.norm(model.get_weights()[0].astype(float), axis=0).max(), 0.5, rtol=1e-6)


# ---- PReLU ----


def test_slopes_begin_at_a_quarter_and_do_not_decay():
    model = fb.Model([fb.Dense(4, "prelu"), fb.Activation(fb.PReLU(0.5)), fb.Dense(2)], inputs=3)
    names = [weight.name for weight in weights_of_model(model)]
    assert names[:4] == ["W of layer 0", "b of layer 0", "slope of layer 0", "slope of layer 1"]
    assert (model.get_weights()[2] == 0.25).all()
    assert (model.get_weights()[3] == 0.5).all()
    model.set_weights([*model.get_weights()[:-2], np.zeros((4, 2)), np.zeros(2)])
    fb.Trainer(model, "mse", fb.SGD(0.1, weight_decay=1.0)).step(np.ones((5, 3)), np.zeros((5, 2)))
    assert (model.get_weights()[2] == 0.25).all()


# ---- Scaling and parametric activations ----


def test_factors_and_alphas_begin_where_they_do_nothing_and_do_not_decay():
    layers = [fb.Scaling(), fb.Dense(4, "parametric"), fb.Activation(fb.Parametric("relu", 0.5)), fb.Dense(2)]
    model = fb.Model(layers, inputs=3, dtype="float64")
    names = [weight.name for weight in weights_of_model(model)]
    assert names[:5] == ["scale of layer 0", "W of layer 1", "b of layer 1", "alpha of layer 1", "alpha of layer 2"]
    assert [(model.get_weights()[i] == first).all() for i, first in ((0, 1), (3, 1), (4, 0.5))] == [True] * 3
    plain = fb.Model([fb.Dense(4, "mish")], inputs=3, dtype="float64")
    plain.set_weights(model.get_weights()[1:3])
    X = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_allclose(model.activations(X, 1), plain.predict(X), rtol=1e-14, atol=1e-15)
    model.set_weights([*model.get_weights()[:-2], np.zeros((4, 2)), np.zeros(2)])
    fb.Trainer(model, "mse", fb.SGD(0.1, weight_decay=1.0)).step(np.ones((5, 3)), np.zeros((5, 2)))
    assert [(model.get_weights()[i] == first).all() for i, first in ((0, 1), (3, 1), (4, 0.5))] == [True] * 3
    factors = {0: {"scale": 2.0}, 1: {"alpha": 0.5}}
    fb.Trainer(model, "mse", fb.SGD(0.1, weight_decay=1.0), weight_decay_factors=factors).step(X, np.zeros((5, 2)))
    np.testing.assert_allclose(model.get_weights()[0], 0.8)
    np.testing.assert_allclose(model.get_weights()[3], 0.95)


def test_a_scaling_is_part_of_the_product_behind_it():
    rng = np.random.default_rng(0)
    for layers in (
        [fb.Scaling(), fb.Dense(9), fb.BatchNorm(), fb.Dense(2)],
        [fb.Scaling(), fb.Dropout(0.5), fb.Dense(9, "relu"), fb.Dense(2)],
    ):
        model = fb.Model(layers, inputs=3, dtype="float64")
        model.set_weights([rng.uniform(0.5, 2, array.shape) for array in model.get_weights()])
        X = rng.normal(size=(40, 3))
        scale, W, *others = model.get_weights()
        twin = fb.Model(layers[1:], inputs=3, dtype="float64")
        twin.set_weights([W * scale[:, np.newaxis], *others])
        np.testing.assert_array_equal(model.predict(X), twin.predict(X))
        np.testing.assert_array_equal(model.predict(X[:1]), twin.predict(X[:1]))
        fb.Trainer(model, "mse").step(X, np.zeros((40, 2)))
        assert not np.array_equal(model.predict(X), twin.predict(X))


def test_what_a_parametric_activation_refuses():
    with pytest.raises(ValueError, match="function is 'tanh'; expected one of 'mish', 'selu', 'silu', 'relu'"):
        fb.Parametric("tanh")
    with pytest.raises(TypeError, match="alpha is 'all'; expected a finite number"):
        fb.Parametric("mish", "all")
    model = fb.Model([fb.Dense(3, "parametric")], inputs=2)
    with pytest.raises(ValueError, match="the last layer's activation is 'parametric'"):
        fb.Trainer(model, "cross_entropy")
    assert repr(fb.Dense(3, fb.Parametric("silu"))).startswith("Dense(3, Parametric(function='silu', alpha=1.0)")
    assert fb.Dense(3, fb.Parametric("selu")).initializer == fb.Dense(3, "selu").initializer


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("loss", ["mse", square], ids=["mse", "function"])
def test_interrupted_training_comes_out_of_every_meeting(limits, n_threads, loss):
    """A long step with batch norms, given up in the middle: nobody waits for ever, and nothing has changed."""
    limits(epoch_thread=1.0, call_thread=1.0, paced=0.0, long_step=0.0, apart=0.0, piece=1e5)
    layers = [fb.Dense(600, "relu"), fb.BatchNorm()] * 4 + [fb.Dense(1)]
    model = fb.Model(layers, inputs=50)
    X, y = np.random.default_rng(0).normal(size=(4096, 50)), np.zeros((4096, 1))
    trainer = fb.Trainer(model, loss, n_threads=n_threads)
    before = model.get_weights()

    def stop(signum, frame):
        raise InterruptedError

    former = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(InterruptedError):
            while True:
                steps = trainer.n_steps
                before = model.get_weights()
                trainer.step(X, y)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
    if trainer.n_steps == steps:
        assert_same_bits(model.get_weights(), before)


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (lambda: fb.Activation("ReLU"), ValueError, "activation is 'ReLU'; .*Did you mean 'relu'?"),
        (lambda: fb.Activation(3), TypeError, "activation is 3; expected one of 'linear', 'relu'"),
        (
            lambda: fb.Model([fb.Activation("relu")], inputs=2),
            ValueError,
            r"layers is \[Activation\('relu'\)\]; expected at least one fb.Dense",
        ),
        (
            lambda: fb.Trainer(fb.Model([fb.Dense(3, "softmax"), fb.Activation("relu")], inputs=2), "cross_entropy"),
            ValueError,
            "loss is 'cross_entropy' and the last layer's activation is 'relu'",
        ),
        (lambda: fb.Dense(3, l1=-0.1), ValueError, "l1 is -0.1; expected a finite number of 0 or more"),
        (lambda: fb.Dense(3, l2="much"), TypeError, "l2 is 'much'; expected a finite number of 0 or more"),
        (lambda: fb.Dense(3, max_norm=0), ValueError, "max_norm is 0; expected a finite number above 0"),
        (lambda: fb.PReLU("steep"), TypeError, "slope is 'steep'; expected a finite number"),
        (
            lambda: fb.Trainer(fb.Model([fb.Dense(3, "prelu")], inputs=2), "cross_entropy"),
            ValueError,
            "loss is 'cross_entropy' and the last layer's activation is 'prelu'",
        ),
        (lambda: fb.Residual([]), ValueError, "layers is empty; expected one layer or more"),
        (lambda: fb.Residual(fb.Dense(3)), TypeError, r"layers is Dense\(3, 'linear'\); expected a list. Put it in"),
        (lambda: fb.Residual([fb.Dense(3), 7]), TypeError, r"layers\[1\] is 7; expected a layer, one of fb.Dense"),
        (
            lambda: fb.Model([fb.Dense(4), fb.Residual([fb.Dense(8, "relu"), fb.Dense(5)])], inputs=2),
            ValueError,
            r"Residual\(.*\) has 4 inputs and its layers have 5 outputs; expected as many.* End it with an fb.Dense",
        ),
        (
            lambda: fb.Model([fb.Dense(1), fb.Residual([fb.Dense(1)])], inputs=1).set_weights(
                [[[1]], [1], [[2]], [1, 2]]
            ),
            ValueError,
            r"weights\[3\], b of layer 1.0, has shape \(2,\); expected \(1,\)",
        ),
        (
            lambda: fb.Trainer(
                fb.Model([fb.Dense(2), fb.Residual([fb.BatchNorm()])], inputs=1), "mse", batch_size=1
            ).fit([[1], [2]], [[1, 2], [3, 4]]),
            ValueError,
            "the batch has 1 sample; expected 2 to 4,096 for Residual",
        ),
        (lambda: fb.BatchNorm(1.5), ValueError, "momentum is 1.5; expected a number above 0 and up to 1"),
        (lambda: fb.BatchNorm(0), ValueError, "momentum is 0; expected a finite number above 0"),
        (lambda: fb.BatchNorm(epsilon=0), ValueError, "epsilon is 0; expected a finite number above 0"),
        (
            lambda: fb.Model([fb.Dense(1), fb.BatchNorm()], inputs=1).set_weights([[[1]], [1], [1], [0], [0], [-0.5]]),
            ValueError,
            r"weights\[5\], variance of layer 1,.* -0.5; expected numbers of 0 or more",
        ),
        (lambda: fb.LayerNorm(0.0), ValueError, "epsilon is 0.0; expected a finite number above 0"),
        (lambda: fb.LayerNorm("small"), TypeError, "epsilon is 'small'"),
        (lambda: fb.Dense(3, use_bias=0), TypeError, "use_bias is 0; expected True or False"),
        (lambda: fb.Dense(3, trainable="no"), TypeError, "trainable is 'no'; expected True or False"),
        (
            lambda: fb.Trainer(fb.Model([fb.Dense(3, trainable=False)], inputs=2), "mse").fit([[1, 2]], [[1, 2, 3]]),
            ValueError,
            "no layer of the model is trainable; expected at least one",
        ),
    ],
)
def test_misuse(make, error, sentence):
    with pytest.raises(error, match=sentence):
        make()


@pytest.mark.parametrize("optimizer", ["adam", "lion"])  # that takes a step of one size, however small the gradient
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_penalties_and_norms_see_no_padding_where_gradients_come_in_pieces(isa, limits, dtype, optimizer):
    """Rows of 256 inputs have padding behind them, which must stay zero: penalties and norms go over whole rows."""
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(64, 512)), rng.integers(0, 4, 64)

    def losses_and_weights():
        layers = [fb.Dense(256, "relu", l2=0.1, max_norm=2), fb.Dense(261, "tanh", l1=0.1), fb.Dense(4, "softmax")]
        model = fb.Model(layers, inputs=512, dtype=dtype)
        trainer = fb.Trainer(model, "cross_entropy", optimizer, batch_size=32)
        return [trainer.step(X, y) for _ in range(4)], model.get_weights()

    in_pieces = losses_and_weights()
    limits(long_step=0.0, apart=0.0, piece=0.0)
    whole = losses_and_weights()
    assert in_pieces[0] == whole[0]
    assert_same_bits(in_pieces[1], whole[1])
