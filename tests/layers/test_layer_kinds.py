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
from fastbp.layers.parameter_list import weights_of
from layer_helpers import oracle_of, torch_limit, torch_of, torch_penalty

DTYPES = ["float32", "float64"]
N_INPUTS = 11

# Name to (layers, loss); every kind of layer in every position that it can have.
MODELS = {
    "activation between": (
        [fb.Dense(19), fb.Activation("relu"), fb.Dense(7, "tanh"), fb.Activation("gelu"), fb.Dense(3, "softmax")],
        "cross_entropy",
    ),
    "activation first": ([fb.Activation("tanh"), fb.Dense(18), fb.Activation("softmax"), fb.Dense(3)], "mse"),
    "softmax last": ([fb.Dense(9, "relu"), fb.Dense(3), fb.Activation("softmax")], "cross_entropy"),
    "two activations": ([fb.Dense(9, "relu"), fb.Dense(3, "tanh"), fb.Activation("sigmoid")], "mse"),
    "sigmoid of a relu last": (
        [fb.Dense(5, "relu"), fb.Activation("softmax"), fb.Dense(3, "relu"), fb.Activation("sigmoid")],
        "binary_cross_entropy",
    ),
    "no bias": (
        [fb.Dense(19, "relu", use_bias=False), fb.Dense(7, "gelu"), fb.Dense(3, "softmax", use_bias=False)],
        "cross_entropy",
    ),
    "frozen first": (
        [fb.Dense(19, "relu", trainable=False), fb.Dense(7, "tanh", use_bias=False), fb.Dense(3, "softmax")],
        "cross_entropy",
    ),
    "frozen between": (
        [fb.Dense(19, "tanh"), fb.Dense(7, "relu", trainable=False), fb.Activation("softmax"), fb.Dense(3)],
        "mse",
    ),
    "frozen last": ([fb.Dense(19), fb.Dense(3, "softmax", use_bias=False, trainable=False)], "cross_entropy"),
    "layer norm between": (
        [fb.Dense(19), fb.LayerNorm(), fb.Activation("relu"), fb.Dense(33, "gelu"), fb.LayerNorm(0.1), fb.Dense(3)],
        "mse",
    ),
    "layer norm first": ([fb.LayerNorm(), fb.Dense(7, "relu"), fb.Dense(3, "softmax")], "cross_entropy"),
    "layer norm last": ([fb.Dense(7, "tanh"), fb.Dense(3), fb.LayerNorm(), fb.Activation("softmax")], "cross_entropy"),
    "layer norm behind all kinds": (
        [fb.Dense(7, "softmax"), fb.LayerNorm(), fb.Activation("gelu"), fb.LayerNorm(), fb.Dense(3, "relu")]
        + [fb.LayerNorm()],
        "mse",
    ),
    "batch norm between": (
        [fb.Dense(19, use_bias=False), fb.BatchNorm(), fb.Activation("relu"), fb.Dense(33, "gelu")]
        + [fb.BatchNorm(0.5, 0.1), fb.Dense(3)],
        "mse",
    ),
    "batch norm first": ([fb.BatchNorm(), fb.Dense(7), fb.BatchNorm(), fb.Dense(3, "softmax")], "cross_entropy"),
    "batch norm last": (
        [fb.Dense(7, "tanh"), fb.Dense(3, use_bias=False), fb.BatchNorm(), fb.Activation("softmax")],
        "cross_entropy",
    ),
    "batch norms behind all kinds": (
        [fb.Activation("tanh"), fb.BatchNorm(), fb.Activation("gelu"), fb.BatchNorm(), fb.Dense(5, use_bias=False)]
        + [fb.BatchNorm(), fb.Activation("gelu"), fb.LayerNorm(), fb.Activation("tanh"), fb.BatchNorm()]
        + [fb.Dense(3, trainable=False)],
        "mse",
    ),
    "residual between": (
        [fb.Dense(16, "relu"), fb.Residual([fb.Dense(8, "gelu"), fb.Dense(16)]), fb.Activation("relu")]
        + [fb.Dense(3, "softmax")],
        "cross_entropy",
    ),
    "residual first": ([fb.Residual([fb.Dense(5, "tanh"), fb.Dense(N_INPUTS, "relu")]), fb.Dense(3)], "mse"),
    "residual last": ([fb.Dense(3, "gelu"), fb.Residual([fb.Dense(3, "tanh"), fb.Dropout(0.0)])], "mse"),
    "residual behind a softmax": (
        [fb.Dense(9, "softmax"), fb.Residual([fb.Dense(9, "relu")]), fb.Dense(3, "softmax")],
        "cross_entropy",
    ),
    "residuals in residuals": (
        [
            fb.Dense(9),
            fb.Residual(
                [
                    fb.BatchNorm(),
                    fb.Activation("relu"),
                    fb.Residual([fb.LayerNorm(), fb.Dense(7, "gelu"), fb.Dense(9)]),
                    fb.Residual([fb.Residual([fb.Activation("tanh")]), fb.Dense(9, use_bias=False)]),
                ]
            ),
            fb.Activation("relu"),
            fb.Residual([fb.Dense(9, "softmax")]),
            fb.Dense(3),
        ],
        "mse",
    ),
    "residual of the frozen": (
        [fb.Dense(9, trainable=False), fb.Residual([fb.Dense(9, "relu", trainable=False), fb.Dense(9)]), fb.Dense(3)],
        "mse",
    ),
    "prelu between": ([fb.Dense(19, "prelu"), fb.Dense(7, fb.PReLU(0.5), use_bias=False), fb.Dense(3)], "mse"),
    "prelu first and last": ([fb.Activation("prelu"), fb.Dense(3, "tanh"), fb.Activation(fb.PReLU(-0.3))], "mse"),
    "prelu among all kinds": (
        [fb.Dense(9), fb.BatchNorm(), fb.Activation("prelu"), fb.Residual([fb.Dense(9, "prelu", trainable=False)])]
        + [fb.Activation("prelu"), fb.Activation("gelu"), fb.Dense(3), fb.LayerNorm(), fb.Activation("softmax")],
        "cross_entropy",
    ),
    "penalties": (
        [fb.Dense(19, "relu", l1=0.01), fb.Residual([fb.Dense(19, "tanh", l2=0.1)])]
        + [fb.Dense(7, "prelu", l1=0.02, l2=0.03, use_bias=False), fb.Dense(3, "softmax")],
        "cross_entropy",
    ),
    "penalties of the frozen, and norms": (
        [fb.Dense(9, "tanh", l1=0.1, trainable=False), fb.Dense(19, max_norm=1.0), fb.LayerNorm()]
        + [fb.Dense(3, l2=0.01, max_norm=0.5)],
        "mse",
    ),
    "frozen behind nothing": ([fb.Activation("tanh"), fb.Dense(5, trainable=False), fb.Dense(3)], "mse"),
}


def make_model(name, dtype="float64", seed=4):
    """The model of that name, its arrays all away from where they begin, and its loss."""
    layers, loss = MODELS[name]
    model = fb.Model(layers, inputs=N_INPUTS, dtype=dtype, seed=seed)
    rng = np.random.default_rng(seed)
    model.set_weights([array + rng.normal(0, 0.1, array.shape) for array in model.get_weights()])
    return model, loss


def data_for(model, loss, n, dtype):
    return make_data(n, N_INPUTS, model.n_outputs, loss, dtype)


def weights_of_model(model):
    return weights_of(model.layers, model.n_inputs)


def set_training(block):
    """Batch statistics from here on."""
    block.training = True
    for inner in getattr(block, "blocks", ()):
        set_training(inner)


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


# ---- With what a trainer can do ----


def batch_norms(layers):
    return any(isinstance(layer, fb.BatchNorm) or batch_norms(layer.layers) for layer in layers)


def max_norms(layers):
    return any(getattr(layer, "max_norm", None) is not None for layer in layers)


def some_weights(n):
    return np.random.default_rng(7).random(n) * (np.arange(n) % 4 > 0)


def factors_of(model):
    """One for each layer of which something is learned, of the learning rate and of the weight decay."""
    learned = sorted({weight.layer for weight in weights_of_model(model) if weight.trained})
    return {i: 0.5 + i for i in learned}, {i: 2.0 / (1 + i) for i in learned}


@pytest.mark.parametrize("name", [name for name, (layers, _) in MODELS.items() if not batch_norms(layers)])
@pytest.mark.parametrize("arguments", [{}, {"clip_array_norm": 0.1}, {"averaging": fb.EMA(0.9)}], ids=str)
def test_several_batches_a_step_are_one_larger_batch(name, arguments):
    found = []
    for batch_size, accumulate in ((10, 3), (30, 1)):
        model, loss = make_model(name)
        X, y = data_for(model, loss, 130, "float64")
        trainer = fb.Trainer(model, loss, fb.Adam(0.01), batch_size, accumulate=accumulate, metrics=[], **arguments)
        losses = trainer.fit(X, y, epochs=2, sample_weight=some_weights(130))["loss"]
        averages = trainer.averaged_model().get_weights() if arguments.get("averaging") else []
        found.append([*losses, *model.get_weights(), *averages])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", [name for name, (_, loss) in MODELS.items() if loss == "mse"])
def test_a_loss_in_python_trains_as_the_loss_that_it_is(limits, name):
    limits(epoch_thread=1.0, call_thread=1.0, paced=0.0)
    found = []
    for loss, n_threads in (("mse", 1), (square, 1), (square, 3)):
        model, _ = make_model(name)
        X, y = data_for(model, "mse", 130, "float64")
        weights = some_weights(130)
        trainer = fb.Trainer(model, loss, fb.SGD(0.1), 40, accumulate=2, metrics=[], n_threads=n_threads)
        losses = trainer.fit(X, y, epochs=2, sample_weight=weights)["loss"]
        found.append([*losses, *model.get_weights(), trainer.evaluate(X, y, weights)["loss"]])
    for a, b in zip(*found[:2], strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-10)
    assert_same_bits([*map(np.asarray, found[1])], [*map(np.asarray, found[2])])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", MODELS)
def test_all_of_it_together_on_any_team_and_in_copies(limits, name, dtype):
    """Weights, several batches a step, clipping, factors, decay of all and an average: the same bits, pickled too."""

    def train(n_threads, copied=False, **changed):
        limits(epoch_thread=1.0, call_thread=1.0, paced=0.0, **changed)
        model, loss = make_model(name, dtype)
        X, y = data_for(model, loss, 210, dtype)
        rates, decays = factors_of(model)
        trainer = fb.Trainer(
            model,
            loss,
            fb.AdamW(0.01, weight_decay=0.1),
            batch_size=35,
            n_threads=n_threads,
            accumulate=2,
            clip_array_norm=0.1,
            averaging=fb.EMA(0.9),
            learning_rate_factors=rates,
            weight_decay_factors=decays,
            decay_biases=True,
        )
        for _ in range(2):
            losses = trainer.fit(X, y, sample_weight=some_weights(210))["loss"]
            trainer = pickle.loads(pickle.dumps(trainer)) if copied else trainer
        return [*trainer.model.get_weights(), *trainer.averaged_model().get_weights(), np.array(losses)]

    alone = train(1)
    assert_same_bits(train(3), alone)
    assert_same_bits(train(2, copied=True, long_step=0.0, apart=0.0, piece=0.0), alone)


@pytest.mark.parametrize("name", MODELS)
def test_an_average_of_all_that_is_learnt_and_the_latest_of_the_rest(name):
    """Of a frozen layer, and of the running statistics, the averaged model has what the model has."""
    for averaging in (fb.EMA(0.8), fb.SWA()):
        model, loss = make_model(name)
        X, y = data_for(model, loss, 60, "float64")
        trainer = fb.Trainer(model, loss, fb.SGD(0.1), batch_size=None, averaging=averaging)
        wanted = [np.zeros(kind.shape) for kind in weights_of_model(model)]
        for epoch in range(4):
            trainer.fit(X, y)
            share = 1 if epoch == 0 else 0.2 if averaging.name == "ema" else 1 / (epoch + 1)
            wanted = [a + share * (w - a) for a, w in zip(wanted, model.get_weights(), strict=True)]
        averaged = trainer.averaged_model()
        arrays = zip(averaged.get_weights(), model.get_weights(), wanted, strict=True)
        for kind, (array, latest, mean) in zip(weights_of_model(model), arrays, strict=True):
            np.testing.assert_allclose(array, mean if kind.trained else latest, rtol=1e-13, atol=1e-14)
        assert trainer.evaluate(X, y, averaged=True) == fb.Trainer(averaged, loss).evaluate(X, y)


@pytest.mark.parametrize("name", [name for name, (layers, _) in MODELS.items() if not max_norms(layers)])
@pytest.mark.parametrize("decay_biases", [False, True])
def test_factors_are_for_all_that_a_layer_learns(name, decay_biases):
    """Of a layer in a residual those of the residual; only W decays unless decay_biases says that all does."""
    model, loss = make_model(name)
    X, y = data_for(model, loss, 60, "float64")
    kinds, before = weights_of_model(model), model.get_weights()
    rates, decays = factors_of(model)
    if not decay_biases:
        decays = {i: decays[i] for i in {kind.layer for kind in kinds if kind.trained and kind.key.endswith("W")}}
    _, gradients = model.loss_and_gradients(X, y, loss, training=True)
    options = {"learning_rate_factors": rates, "weight_decay_factors": decays, "decay_biases": decay_biases}
    fb.Trainer(model, loss, fb.SGD(0.1, weight_decay=0.2), **options).step(X, y)
    for kind, array, former, gradient in zip(kinds, model.get_weights(), before, gradients, strict=True):
        if kind.trained:
            decay = 0.2 * decays.get(kind.layer, 1.0) if decay_biases or kind.key.endswith("W") else 0.0
            change = 0.1 * rates[kind.layer] * (gradient + decay * former)
            np.testing.assert_allclose(array, former - change, rtol=0, atol=1e-13)


def test_factors_of_layers_that_have_nothing_for_them_are_refused():
    layers = [fb.Dense(4), fb.LayerNorm(), fb.Activation("relu"), fb.Dense(4, trainable=False), fb.Dense(1)]
    model = fb.Model(layers, inputs=2)
    for options, what in (
        ({"learning_rate_factors": {2: 2}}, r"has 2, which is Activation\('relu'\); expected a trainable layer"),
        ({"learning_rate_factors": {3: 2}}, r"has 3, which is Dense\(.*; expected a trainable layer"),
        ({"weight_decay_factors": {1: 2}}, r"has 1, which is LayerNorm\(.*, without weight decay; expected a layer"),
    ):
        with pytest.raises(ValueError, match=what):
            fb.Trainer(model, "mse", fb.AdamW(), **options)
    fb.Trainer(model, "mse", fb.AdamW(), weight_decay_factors={1: 2}, decay_biases=True).step([[1, 2]], [1])


def test_the_summary_has_a_line_for_every_layer_and_says_what_training_keeps(capsys):
    layers = [fb.Dense(4, use_bias=False), fb.Residual([fb.BatchNorm(), fb.Dense(4, "relu")]), fb.Dense(2, "prelu")]
    fb.Model(layers, inputs=3).summary()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[1:6]] == [
        ["1", "Dense", "3", "4", "linear", "12", "0.0", "24"],
        ["2", "Residual", "4", "4", "-", "36", "0.1", "36"],
        ["2.1", "BatchNorm", "4", "4", "-", "16", "0.1", "0"],
        ["2.2", "Dense", "4", "4", "relu", "20", "0.1", "32"],
        ["3", "Dense", "4", "2", "prelu", "12", "0.0", "16"],
    ]
    assert lines[0].split()[-5:] == ["parameters", "kB", "FLOPs", "a", "sample"]
    assert lines[6:] == [
        "60 parameters in float32, 0.00024 MB",
        "training keeps about 0.3 kB for each sample of a batch",
        "76 FLOPs to predict a sample, 204 to train on it",
    ]


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
    assert names[:4] == ["W of layer 1", "b of layer 1", "slope of layer 1", "slope of layer 2"]
    assert (model.get_weights()[2] == 0.25).all()
    assert (model.get_weights()[3] == 0.5).all()
    model.set_weights([*model.get_weights()[:-2], np.zeros((4, 2)), np.zeros(2)])
    fb.Trainer(model, "mse", fb.SGD(0.1, weight_decay=1.0)).step(np.ones((5, 3)), np.zeros((5, 2)))
    assert (model.get_weights()[2] == 0.25).all()


# ---- Normalisation ----


@pytest.mark.parametrize("kind", [fb.LayerNorm(), fb.BatchNorm()])
def test_gain_and_shift_begin_at_one_and_zero_and_do_not_decay(kind):
    model = fb.Model([fb.Dense(9, "relu"), kind, fb.Dense(2)], inputs=N_INPUTS)
    gain, shift = model.get_weights()[2:4]
    assert (gain == 1).all()
    assert (shift == 0).all()
    for optimizer in (fb.AdamW(0.01, weight_decay=1.0), fb.SGD(0.1, weight_decay=1.0)):
        model.set_weights([*model.get_weights()[:-2], np.zeros((9, 2)), np.zeros(2)])  # no gradient: only the decay
        fb.Trainer(model, "mse", optimizer).step(np.ones((2, N_INPUTS)), np.zeros((2, 2)))
        np.testing.assert_array_equal(model.get_weights()[2], gain)
        np.testing.assert_array_equal(model.get_weights()[3], shift)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_batch_has_its_own_statistics_the_last_short_one_too(isa, dtype):
    """An epoch of four batches, the last one of 17 of 70 rows, against the oracle step by step."""
    model, _ = make_model("batch norm between", dtype)
    X, y = make_data(77, N_INPUTS, 3, "mse", dtype)
    oracle = oracle_of(model)
    set_training(oracle)
    fb.Trainer(model, "mse", fb.SGD(0.1), batch_size=20, shuffle=False, n_threads=1).fit(X, y)
    for first in range(0, 77, 20):
        rows = slice(first, first + 20)
        _, gradients = reference.block_loss_and_gradients(oracle, X[rows], y[rows], "mse")
        for kind, array, gradient in zip(weights_of_model(model), oracle.arrays, gradients, strict=True):
            if kind.trained:
                array -= 0.1 * gradient
    for array, wanted in zip(model.get_weights(), oracle.arrays, strict=True):
        assert_close(array, wanted, dtype, factor=10)


def test_each_batch_of_a_step_is_normalised_by_itself_as_in_pytorch(torch):
    """And moves the running statistics, in the batches' order."""
    model, _ = make_model("batch norms behind all kinds")
    X, y = make_data(60, N_INPUTS, 3, "mse", "float64")
    peer, parameters = torch_of(torch, model)
    optimizer = torch.optim.SGD([p for p in parameters if p.requires_grad], lr=0.1)
    trainer = fb.Trainer(model, "mse", fb.SGD(0.1), batch_size=20, accumulate=3, shuffle=False)
    for _ in range(5):
        optimizer.zero_grad()
        for part in range(3):
            rows = slice(20 * part, 20 * part + 20)
            (torch.nn.functional.mse_loss(peer(torch.tensor(X[rows])), torch.tensor(y[rows])) / 3).backward()
        optimizer.step()
        trainer.fit(X, y)
    assert trainer.n_steps == 5
    for array, parameter in zip(model.get_weights(), parameters, strict=True):
        np.testing.assert_allclose(array, parameter.detach().numpy().T, rtol=0, atol=1e-10)


def test_statistics_count_every_row_once_whatever_its_weight():
    X, y = make_data(40, N_INPUTS, 3, "mse", "float64")
    weights = some_weights(40)
    model, loss = make_model("batch norm between")
    other, _ = make_model("batch norm between")
    fb.Trainer(model, loss, fb.SGD(1e-30)).step(X, y, weights)
    fb.Trainer(other, loss, fb.SGD(1e-30)).step(X, y)
    assert_same_bits(model.get_weights(), other.get_weights())

    arrays = model.get_weights()
    _, gradients = model.loss_and_gradients(X, y, loss, sample_weight=weights, training=True)
    for i, kind in enumerate(weights_of_model(model)):
        d = np.random.default_rng(i).normal(size=kind.shape)
        values = []
        for h in (1e-6, -1e-6):
            model.set_weights([*arrays[:i], arrays[i] + h * d * kind.trained, *arrays[i + 1 :]])
            values.append(model.loss_and_gradients(X, y, loss, sample_weight=weights, training=True)[0])
        assert (values[0] - values[1]) / 2e-6 == pytest.approx(np.vdot(gradients[i], d), rel=1e-6, abs=1e-8)


def test_a_step_that_fails_in_its_last_batch_leaves_the_statistics():
    model, loss = make_model("batch norm between")
    X, y = data_for(model, loss, 60, "float64")
    X[55, 2] = np.nan
    before = model.get_weights()
    with pytest.raises(ValueError, match="row 55, column 2 of X"):
        fb.Trainer(model, loss, batch_size=20, accumulate=3, shuffle=False).fit(X, y)
    assert_same_bits(model.get_weights(), before)


def test_a_prediction_is_the_folded_layers_and_follows_the_weights():
    model = fb.Model([fb.Dense(9), fb.Dropout(0.1), fb.BatchNorm(), fb.Dense(2)], inputs=3, dtype="float64")
    X = np.random.default_rng(0).normal(size=(30, 3))
    trainer = fb.Trainer(model, "mse", fb.SGD(0.1))
    predictions = []
    for step in range(3):
        W1, b1, gain, shift, mean, variance, W2, b2 = model.get_weights()
        wanted = (gain * (X @ W1 + b1 - mean) / np.sqrt(variance + 1e-5) + shift) @ W2 + b2
        np.testing.assert_allclose(model.predict(X), wanted, rtol=1e-12, atol=1e-14)
        predictions.append(model.predict(X))
        trainer.step(X, np.ones((30, 2)))
        if step == 1:
            model.set_weights([array + 0.1 for array in model.get_weights()])
    assert not np.array_equal(predictions[0], predictions[1])


def test_statistics_move_only_with_a_completed_step():
    model, loss = make_model("batch norm between", "float32")
    X, y = data_for(model, loss, 40, "float32")
    before = model.get_weights()
    X[3, 2] = np.nan
    with pytest.raises(ValueError, match="row 3, column 2 of X"):
        fb.Trainer(model, loss).step(X, y)
    assert_same_bits(model.get_weights(), before)


def test_a_batch_of_many_chunks_has_the_statistics_of_predict():
    """In loss_and_gradients, where nothing is trained, any number of rows will do."""
    model, loss = make_model("batch norms behind all kinds")
    X, y = data_for(model, loss, 9000, "float64")
    _, wanted = reference.block_loss_and_gradients(oracle_of(model), X, y, loss)
    for gradient, expected, weight in zip(
        model.loss_and_gradients(X, y, loss)[1], wanted, weights_of_model(model), strict=True
    ):
        if weight.trained:
            assert_close(gradient, expected, "float64", factor=10)


def test_batches_that_have_no_statistics_are_refused():
    model = fb.Model([fb.Dense(4), fb.BatchNorm(), fb.Dense(1)], inputs=2)
    X, y = np.zeros((5001, 2)), np.zeros(5001)
    for call, what in (
        (lambda: fb.Trainer(model, "mse").step(X[:1], y[:1]), "the batch has 1 sample; expected 2 to 4096"),
        (lambda: fb.Trainer(model, "mse", batch_size=1).fit(X, y), "the batch has 1 sample; expected 2 to 4096"),
        (lambda: fb.Trainer(model, "mse", batch_size=None).fit(X, y), "the batch has 5001 samples; expected 2 to 4096"),
        (
            lambda: fb.Trainer(model, "mse", batch_size=100).fit(X, y),
            "the last batch of 5001 samples has 1 sample; expected 2 to 4096 for BatchNorm",
        ),
        (lambda: model.loss_and_gradients(X[:1], y[:1], "mse", training=True), "X has 1 sample; expected 2 to 4096"),
    ):
        with pytest.raises(ValueError, match=what):
            call()


def square(outputs, targets):
    d = outputs - targets
    return (d**2).mean(axis=1), 2 * d / d.shape[1]


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
            r"weights\[3\], b of layer 2.1, has shape \(2,\); expected \(1,\)",
        ),
        (
            lambda: fb.Trainer(
                fb.Model([fb.Dense(2), fb.Residual([fb.BatchNorm()])], inputs=1), "mse", batch_size=1
            ).fit([[1], [2]], [[1, 2], [3, 4]]),
            ValueError,
            "the batch has 1 sample; expected 2 to 4096 for Residual",
        ),
        (lambda: fb.BatchNorm(1.5), ValueError, "momentum is 1.5; expected a number above 0 and up to 1"),
        (lambda: fb.BatchNorm(0), ValueError, "momentum is 0; expected a finite number above 0"),
        (lambda: fb.BatchNorm(epsilon=0), ValueError, "epsilon is 0; expected a finite number above 0"),
        (
            lambda: fb.Model([fb.Dense(1), fb.BatchNorm()], inputs=1).set_weights([[[1]], [1], [1], [0], [0], [-0.5]]),
            ValueError,
            r"weights\[5\], variance of layer 2,.* -0.5; expected numbers of 0 or more",
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


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_penalties_and_norms_see_no_padding_where_gradients_come_in_pieces(isa, limits, dtype):
    """Rows of 256 inputs have padding behind them, which must stay zero: penalties and norms go over whole rows."""
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(64, 512)), rng.integers(0, 4, 64)

    def losses_and_weights():
        layers = [fb.Dense(256, "relu", l2=0.1, max_norm=2), fb.Dense(261, "tanh", l1=0.1), fb.Dense(4, "softmax")]
        model = fb.Model(layers, inputs=512, dtype=dtype)
        trainer = fb.Trainer(model, "cross_entropy", batch_size=32)
        return [trainer.step(X, y) for _ in range(4)], model.get_weights()

    in_pieces = losses_and_weights()
    limits(long_step=0.0, apart=0.0, piece=0.0)
    whole = losses_and_weights()
    assert in_pieces[0] == whole[0]
    assert_same_bits(in_pieces[1], whole[1])
