"""fb.BatchEnsemble against a float64 oracle, finite differences and PyTorch; its files, bits and refusals."""

import pickle

import numpy as np
import pytest

import fastbp as fb
import reference
from engine_helpers import assert_same_bits, make_data
from fastbp.engine import narrow
from layer_helpers import oracle_of
from layer_models import ENSEMBLES as MODELS
from layer_models import N_INPUTS, REGRESSION
from reference import loss_gradient, loss_value


def make_model(name, dtype="float64", seed=4):
    members, layers, options, loss = MODELS[name]
    model = fb.Model(
        [fb.Scaling(), fb.BatchEnsemble(members, layers, **options)], inputs=N_INPUTS, dtype=dtype, seed=seed
    )
    rng = np.random.default_rng(seed)
    model.set_weights([array + rng.normal(0, 0.1, array.shape) for array in model.get_weights()])
    return model, loss


def data_for(model, loss, n=37, dtype="float64"):
    return make_data(n, N_INPUTS, model.n_outputs, loss, dtype)


def figures(oracle, X, y, loss):
    """What is minimised, and its gradients: the mean of the members' losses, and the penalties."""
    ensemble = oracle.blocks[-1]
    members = ensemble.members(reference.Chain(oracle.blocks[:-1]).forward(X))
    value = np.mean([loss_value(loss, A, y) for A in members])
    slopes = np.stack([loss_gradient(loss, A, y) for A in members]) / len(members)
    dX, gradients = ensemble.backward_of_members(slopes)
    _, before = reference.Chain(oracle.blocks[:-1]).backward(dX)
    return value + oracle.penalty(), before + gradients


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MODELS)
def test_outputs_losses_and_gradients_are_the_oracles(name, dtype):
    model, loss = make_model(name, dtype)
    X, y = data_for(model, loss, dtype=dtype)
    oracle = oracle_of(model)
    tolerance = {"float64": 1e-11, "float32": 3e-5}[dtype]
    outputs = oracle.forward(X.astype(np.float64))
    np.testing.assert_allclose(model.predict(X), outputs, rtol=tolerance, atol=tolerance)
    for i in (0, 5):  # one row takes another way
        np.testing.assert_allclose(model.predict(X[i : i + 1])[0], outputs[i], rtol=tolerance, atol=tolerance)
    expected, gradients = figures(oracle, X.astype(np.float64), y, loss)
    value, found = model.loss_and_gradients(X, y, loss)
    assert value == pytest.approx(expected, rel=tolerance)
    trained = [array.trained for array in model.architecture.arrays]
    for array, wanted, learns in zip(found, gradients, trained, strict=True):
        wanted = wanted if learns else np.zeros_like(wanted)
        np.testing.assert_allclose(array, wanted, rtol=tolerance, atol=tolerance * (1 + np.abs(wanted).max()))
    measured = fb.Trainer(model, loss, "sgd").evaluate(X, y)["loss"]
    assert measured == pytest.approx(loss_value(loss, outputs, y) + oracle.penalty(), rel=10 * tolerance)


@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_those_of_differences(name):
    model, loss = make_model(name)
    X, y = data_for(model, loss, 21)
    weights = model.get_weights()
    _, gradients = model.loss_and_gradients(X, y, loss)
    rng = np.random.default_rng(0)
    for number, (array, gradient) in enumerate(zip(weights, gradients, strict=True)):
        if not model.architecture.arrays[number].trained:
            continue
        place = tuple(rng.integers(0, n) for n in array.shape)
        values = []
        for change in (1e-6, -1e-6):
            moved = [each.copy() for each in weights]
            moved[number][place] += change
            model.set_weights(moved)
            values.append(model.loss_and_gradients(X, y, loss)[0])
        assert gradient[place] == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("members", [2, 8, 40])
@pytest.mark.parametrize("before", ["layer", "tables"])
def test_what_lies_before_learns_however_many_members_and_numbers_there_are(before, members):
    """More members than there are inputs of each; and numbers before tables, whose gradients nobody reads."""
    rng = np.random.default_rng(members)
    ensemble = fb.BatchEnsemble(members, [fb.Dense(5, "tanh"), fb.Dense(2)])
    if before == "layer":
        model = fb.Model([fb.Dense(3, "tanh"), ensemble], inputs=4, dtype="float64")
        X = rng.normal(size=(29, 4))
    else:
        model = fb.Model([ensemble], inputs=fb.Tabular(64, [5], dims=[2]), dtype="float64")
        X = np.column_stack([rng.normal(size=(29, 64)), rng.integers(0, 5, 29)])
    y, weights = rng.normal(size=(29, 2)), model.get_weights()
    _, (gradient, *_) = model.loss_and_gradients(X, y, "mse")
    found = np.empty_like(gradient)
    for place in np.ndindex(gradient.shape):
        values = []
        for change in (1e-6, -1e-6):
            moved = weights[0].copy()
            moved[place] += change
            model.set_weights([moved, *weights[1:]])
            values.append(model.loss_and_gradients(X, y, "mse")[0])
        found[place] = (values[0] - values[1]) / 2e-6
    np.testing.assert_allclose(gradient, found, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("shards", [1, 4])
def test_the_limit_of_norms_is_that_of_each_unit_of_each_member(shards):
    heads = fb.BatchEnsemble(3, [fb.Dense(8, "relu", max_norm=0.4), fb.Dense(2, max_norm=0.3)])
    model = fb.Model([heads], inputs=N_INPUTS, dtype="float64", seed=0)
    X, y = data_for(model, "mse", 40)
    fb.Trainer(model, "mse", fb.SGD(0.01), batch_size=20, shards=shards, seed=0).fit(X, 10 * y, epochs=2)
    _, W, _, of_members, _ = model.get_weights()
    for arrays, limit in ((W, 0.4), (of_members, 0.3)):
        norms = np.linalg.norm(arrays, axis=-2)
        assert 0.99 * limit < norms.max() <= limit * (1 + 1e-12)


@pytest.mark.parametrize("shards", [1, 4])
def test_a_step_follows_the_penalties_of_heads(shards):
    model, loss = make_model("penalised heads")
    X, y = data_for(model, loss, 40)
    before, (_, gradients) = model.get_weights(), model.loss_and_gradients(X, y, loss)
    trainer = fb.Trainer(model, loss, fb.SGD(0.01), batch_size=40, shuffle=False, shards=shards)
    expected = model.loss_and_gradients(X, y, loss)[0]
    assert trainer.fit(X, y, epochs=1)["loss"][0] == pytest.approx(expected)
    for now, former, gradient in zip(model.get_weights(), before, gradients, strict=True):
        np.testing.assert_allclose(now, former - 0.01 * gradient, rtol=1e-10, atol=1e-13)


def test_initial_arrays():
    layers = [fb.Dense(9, "relu"), fb.Dense(7, "relu"), fb.Dense(3)]
    for adapters, scale in (("first", "signs"), ("all", "normal")):
        model = fb.Model([fb.BatchEnsemble(4, layers, adapters, scale)], inputs=50, dtype="float64", seed=1)
        by_name = {each.name: array for each, array in zip(model.architecture.arrays, model.get_weights(), strict=True)}
        first = by_name["scale of layer 0"]
        assert first.shape == (4, 50) and (np.abs(first) == 1).all() == (scale == "signs")
        assert abs(first.mean()) < 0.3 and 0.8 < first.std() < 1.2
        assert np.unique(by_name["W of layer 0.2"]).size == 4 * 7 * 3  # each member has its own
        if adapters == "all":
            assert (by_name["scale_in of layer 0.1"] == np.ones((4, 9))).all()
            assert (by_name["scale_out of layer 0.1"] == np.ones((4, 7))).all()
            assert (by_name["b of layer 0.1"] == np.zeros((4, 7))).all()
            assert "scale_in of layer 0.0" not in by_name
        else:
            assert by_name["b of layer 0.1"].shape == (7,)


def torch_tabm(torch, model, adapters):
    """The same network in PyTorch, as the paper writes it, its parameters in the order of ``get_weights``."""
    parameters = [torch.nn.Parameter(torch.tensor(array)) for array in model.get_weights()]

    def members(X):
        given = iter(parameters)
        A = (X * next(given))[None]  # of the scaling before
        A = A * next(given)[:, None]
        for i, function in enumerate((torch.relu, torch.nn.functional.mish)):
            if adapters == "all" and i > 0:
                A = A * next(given)[:, None]
            A = A @ next(given)
            A = A * next(given)[:, None] + next(given)[:, None] if adapters == "all" else A + next(given)
            A = function(A)
        W, b = next(given), next(given)
        return torch.einsum("mni,mio->mno", A, W) + b[:, None]

    return parameters, members


@pytest.mark.parametrize("name", ["tabm mini", "tabm"])
def test_ten_steps_follow_pytorch(name):
    torch = pytest.importorskip("torch")
    model, loss = make_model(name)
    X, y = data_for(model, loss, 10 * 20)
    parameters, members = torch_tabm(torch, model, "all" if name == "tabm" else "first")
    peer = torch.optim.AdamW(parameters, lr=0.01, weight_decay=0.0)
    trainer = fb.Trainer(model, loss, fb.Adam(0.01), batch_size=20, shuffle=False)
    history = trainer.fit(X, y, epochs=1)
    losses = []
    for i in range(0, len(X), 20):
        outputs = members(torch.tensor(X[i : i + 20]))
        of_step = ((outputs - torch.tensor(y[i : i + 20])) ** 2).mean()
        peer.zero_grad()
        of_step.backward()
        peer.step()
        losses.append(float(of_step.detach()))
    assert history["loss"][0] == pytest.approx(np.mean(losses), rel=1e-9)
    for own, theirs in zip(model.get_weights(), parameters, strict=True):
        np.testing.assert_allclose(own, theirs.detach().numpy(), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(model.predict(X), members(torch.tensor(X)).mean(dim=0).detach().numpy(), rtol=1e-7)


def trained(name, dtype="float64", n_threads=1, n=150, epochs=2, **options):
    """The weights, predictions and losses after some training."""
    model, loss = make_model(name, dtype)
    X, y = data_for(model, loss, n, dtype)
    options = {"batch_size": 64, "clip_norm": 1.0, "averaging": fb.EMA(0.9)} | options
    trainer = fb.Trainer(model, loss, fb.AdamW(0.01), n_threads=n_threads, **options)
    history = trainer.fit(X, y, epochs=epochs, sample_weight=np.random.default_rng(2).random(n))
    averages = trainer.averaged_model().get_weights()
    return [*model.get_weights(), *averages, model.predict(X, n_threads=n_threads), np.array(history["loss"])]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MODELS)
def test_the_same_bits_on_any_team(limits, name, dtype):
    limits(epoch_thread=1.0, call_thread=1.0, paced=0.0)
    alone = trained(name, dtype)
    for n_threads in (2, 3, 7):
        assert_same_bits(trained(name, dtype, n_threads), alone)


@pytest.mark.parametrize("name", ["tabm mini", "labels, all", "all kinds"])
def test_a_step_in_pieces_is_the_step(limits, name):
    alone = trained(name)
    limits(long_step=0.0, piece=1.0)
    assert_same_bits(trained(name), alone)


@pytest.mark.parametrize("name", ["tabm", "labels", "all kinds"])
def test_shards_are_the_same_on_any_team_and_near_the_whole(limits, name):
    limits(epoch_thread=1.0, call_thread=1.0, paced=0.0)
    options = {"shards": 4, "averaging": None, "clip_norm": None}
    found = [trained_plain(name, n_threads, **options) for n_threads in (1, 3)]
    assert_same_bits(*found)
    whole = trained_plain(name, 1, averaging=None, clip_norm=None)
    for a, b in zip(found[0], whole, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)


def trained_plain(name, n_threads, **options):
    model, loss = make_model(name)
    X, y = data_for(model, loss, 150)
    trainer = fb.Trainer(model, loss, fb.Adam(0.01), batch_size=64, n_threads=n_threads, **options)
    history = trainer.fit(X, y, epochs=2)
    return [*model.get_weights(), np.array(history["loss"])]


@pytest.mark.parametrize("name", ["tabm mini", "tabm", "labels"])
def test_several_batches_a_step_are_one_larger_batch(name):
    results = [trained(name, n=120, batch_size=size, accumulate=n, clip_norm=None) for size, n in ((10, 3), (30, 1))]
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", ["tabm mini", "tabm"])
def test_a_sample_weight_is_how_often_a_sample_counts(name):
    found = []
    for repeated in (False, True):
        model, loss = make_model(name)
        X, y = data_for(model, loss, 30)
        weights = np.arange(30) % 3
        rows = np.repeat(np.arange(30), weights) if repeated else np.arange(30)
        trainer = fb.Trainer(model, loss, fb.Adam(0.01), batch_size=None)
        history = trainer.fit(X[rows], y[rows], epochs=3, sample_weight=None if repeated else weights)
        found.append([*model.get_weights(), np.array(history["loss"])])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)


def test_weights_of_outputs_are_those_of_each_member():
    model, loss = make_model("tabm mini")
    X, y = data_for(model, loss, 37)
    weights = np.random.default_rng(3).random((37, 3)) * (np.arange(37)[:, None] % 3 > 0)
    ensemble = oracle_of(model)
    members = ensemble.blocks[-1].members(ensemble.blocks[0].forward(X))
    of_members = [(weights * (A - y) ** 2).sum() / weights.sum() for A in members]
    before = model.get_weights()[-1]
    found = fb.Trainer(model, loss, fb.SGD(0.1)).step(X, y, sample_weight=weights)
    assert found == pytest.approx(np.mean(of_members), rel=1e-10)
    slopes = np.stack([(2 * weights * (A - y)).sum(axis=0) / weights.sum() / 3 for A in members])
    np.testing.assert_allclose(before - model.get_weights()[-1], 0.1 * slopes, rtol=1e-9, atol=1e-12)


def test_metrics_and_validation_are_those_of_the_mean():
    model, loss = make_model("labels")
    X, y = data_for(model, loss, 200)
    trainer = fb.Trainer(model, loss, fb.Adam(0.01), batch_size=None, metrics=["accuracy"])
    before = model.predict(X)
    history = trainer.fit(X, y, epochs=1, validation_data=(X, y))
    labels = y if y.ndim == 1 else y.argmax(axis=1)
    assert history["accuracy"][0] == np.mean(before.argmax(axis=1) == labels)
    after = model.predict(X)
    assert history["val_accuracy"][0] == np.mean(after.argmax(axis=1) == labels)
    assert history["val_loss"][0] == pytest.approx(loss_value(loss, after, y), rel=1e-9)
    assert history["val_loss"][0] < model.loss_and_gradients(X, y, loss)[0]  # the mean is better than its members


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_the_loss_of_the_mean_holds_where_probabilities_vanish(activation, dtype):
    """Of one class or none, and two members: -log((p + q) / 2) for p and q as small as exp(-300)."""
    units = {"softmax": 2, "sigmoid": 1}[activation]
    model = fb.Model([fb.BatchEnsemble(2, [fb.Dense(units, activation)])], inputs=1, dtype=dtype)
    W, b = np.zeros((2, 1, units)), np.zeros((2, units))
    for m, z in enumerate((300.0, 310.0)):
        b[m, 0] = z
    model.set_weights([np.ones((2, 1)), W, b])
    y = {"softmax": np.array([1]), "sigmoid": np.array([[0.0]])}[activation]
    loss = {"softmax": "cross_entropy", "sigmoid": "binary_cross_entropy"}[activation]
    found = fb.Trainer(model, loss, "sgd").evaluate(np.zeros((1, 1)), y)["loss"]
    assert found == pytest.approx(300 + np.log(2) - np.log1p(np.exp(-10)), rel=1e-6)


def test_each_member_drops_other_numbers():
    """With all weights alike the members' outputs differ by the zeros alone, and then so do the heads' gradients."""
    layers = [fb.Dense(64), fb.Dropout(0.5), fb.Dense(1)]
    model = fb.Model([fb.BatchEnsemble(2, layers)], inputs=3, dtype="float64")
    model.set_weights([np.ones(array.shape) for array in model.get_weights()])
    X, y = np.ones((40, 3)), np.zeros((40, 1))
    gradients = model.loss_and_gradients(X, y, "mse", training=True)[1]
    dW = gradients[-2]
    assert dW.shape == (2, 64, 1) and not (dW[0] == dW[1]).any()
    same = model.loss_and_gradients(X, y, "mse", training=True)[1]
    assert_same_bits(gradients, same)


@pytest.mark.parametrize("name", ["tabm mini", "labels", "all kinds, all"])
def test_files_and_pickles(tmp_path, name):
    model, loss = make_model(name)
    X, y = data_for(model, loss, 60)
    trainer = fb.Trainer(model, loss, fb.Adam(0.01), batch_size=20)
    trainer.fit(X, y, epochs=1)
    model.save(tmp_path / "m.safetensors")
    trainer.save(tmp_path / "t.safetensors")
    assert fb.Model.load(tmp_path / "m.safetensors").layers == model.layers
    copies = [fb.Trainer.load(tmp_path / "t.safetensors"), pickle.loads(pickle.dumps(trainer))]
    assert_same_bits([fb.Model.load(tmp_path / "m.safetensors").predict(X)], [model.predict(X)])
    trainer.fit(X, y, epochs=1)
    for copy in copies:
        copy.fit(X, y, epochs=1)
        assert_same_bits(copy.model.get_weights(), model.get_weights())
    assert eval(repr(model.layers[-1]), {name: getattr(fb, name) for name in fb.__all__}) == model.layers[-1]


def test_given_gradients_are_of_the_mean():
    model, _ = make_model("tabm")
    X, _ = data_for(model, "mse", 30)
    oracle = oracle_of(model)
    given = np.random.default_rng(5).normal(size=(30, 3))
    oracle.forward(X)
    _, gradients = oracle.backward(given)
    before = model.get_weights()
    fb.Trainer(model, "mse", fb.SGD(1.0)).step_gradient(X, given)
    for old, new, gradient in zip(before, model.get_weights(), gradients, strict=True):
        np.testing.assert_allclose(old - new, gradient, rtol=1e-9, atol=1e-10)


def test_factors_name_the_members_arrays():
    model, loss = make_model("tabm")
    X, y = data_for(model, loss, 30)
    before = model.get_weights()
    names = [array.name for array in model.architecture.arrays_of(1)]
    assert names[:3] == ["scale", "0.W", "0.scale_out"]
    still = {name: 1e-12 for name in names if name != "1.scale_in"}
    trainer = fb.Trainer(model, loss, fb.SGD(0.1), learning_rate_factors={0: 1e-12, 1: still})
    trainer.fit(X, y, epochs=1)
    moved = [np.abs(a - b).max() > 1e-9 for a, b in zip(before, model.get_weights(), strict=True)]
    assert [name for name, did in zip(["of before", *names], moved, strict=True) if did] == ["1.scale_in"]


def test_narrow_products(limits, bf16_products):
    """bfloat16 rounds each operand to 8 bits; the same bits on any team and in a step of several pieces."""
    limits(epoch_thread=1.0, call_thread=1.0, paced=0.0)
    sizes = narrow.least_sizes(inputs=1, units=1, samples=1, products=1)
    try:
        found = [trained("tabm mini", "float32", n_threads, precision="bf16-mixed") for n_threads in (1, 2)]
        limits(long_step=0.0, piece=1.0)
        found.append(trained("tabm mini", "float32", precision="bf16-mixed"))
    finally:
        narrow.least_sizes(**sizes)
    assert_same_bits(found[0], found[1])
    assert_same_bits(found[0], found[2])
    for rounded, whole in zip(found[0], trained("tabm mini", "float32"), strict=True):
        assert np.abs(rounded - whole).max() <= 0.05 * (1 + np.abs(whole).max())
        assert rounded.tobytes() != whole.tobytes()


def test_members_agree_with_models_of_their_own():
    """A member is a model of its first layer's factors, the shared layers and its head."""
    model, _ = make_model("tabm mini")
    X, _ = data_for(model, "mse", 20)
    before, scale, *shared, W, b = model.get_weights()
    outputs = []
    for m in range(3):
        alone = fb.Model([fb.Scaling(), fb.Scaling(), *REGRESSION], inputs=N_INPUTS, dtype="float64")
        alone.set_weights([before, scale[m], *shared, W[m], b[m]])
        outputs.append(alone.predict(X))
    np.testing.assert_allclose(model.predict(X), np.mean(outputs, axis=0), rtol=1e-12, atol=1e-12)


def test_summary_counts_all_members(capsys):
    model, _ = make_model("tabm mini")
    model.summary()
    text = capsys.readouterr().out
    parameters = 11 + 3 * 11 + 11 * 19 + 19 + 19 * 7 + 7 + 3 * (7 * 3 + 3)
    assert f"{parameters:,} parameters" in text and "BatchEnsemble" in text
    flops = 11 + 3 * (11 + 2 * (11 * 19 + 19 * 7 + 7 * 3))
    assert f"{flops:,} FLOPs to predict a sample, {3 * flops:,} to train on it" in text


ENSEMBLE = fb.BatchEnsemble(2, [fb.Dense(3, "softmax")])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fb.BatchEnsemble(1, [fb.Dense(3)]), "members is 1"),
        (lambda: fb.BatchEnsemble(2, []), "layers is empty"),
        (lambda: fb.BatchEnsemble(2, [fb.Dense(3), fb.LayerNorm()]), "layers ends with LayerNorm"),
        (lambda: fb.BatchEnsemble(2, [fb.Dense(3, "prelu")]), "without slopes"),
        (lambda: fb.BatchEnsemble(2, [fb.Residual([fb.BatchNorm()]), fb.Dense(3)]), "BatchNorm.*LayerNorm"),
        (lambda: fb.BatchEnsemble(2, [fb.Periodic(), fb.Dense(3)]), "Periodic.*before the fb.BatchEnsemble"),
        (lambda: fb.BatchEnsemble(2, [fb.PiecewiseLinear([[0, 1]]), fb.Dense(3)]), "PiecewiseLinear.*before the fb.B"),
        (lambda: fb.BatchEnsemble(2, [fb.Residual([fb.Periodic(columns=[0])]), fb.Dense(3)]), "Periodic"),
        (lambda: fb.BatchEnsemble(2, [ENSEMBLE, fb.Dense(3)]), "not the last layer"),
        (lambda: fb.BatchEnsemble(2, [fb.Residual([fb.Dense(3)]), fb.Dense(3)], "all"), "fb.Residual"),
        (lambda: fb.BatchEnsemble(2, [fb.Dense(3)], "both"), "adapters is 'both'"),
        (lambda: fb.BatchEnsemble(2, [fb.Dense(3)], scale="ones"), "scale is 'ones'"),
        (lambda: fb.Residual([ENSEMBLE]), "need not be a model's last one"),
        (lambda: fb.Model([ENSEMBLE, fb.Activation("relu")], inputs=3), "not the last layer"),
    ],
)
def test_what_it_cannot_be(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "use",
    [
        lambda model: model.vjp(np.ones((1, 4)), np.ones((1, 3))),
        lambda model: model.jacobian(np.ones((1, 4))),
        lambda model: model.activations(np.ones((1, 4)), layer=-1),
        lambda model: model.to_onnx("never.onnx"),
        lambda model: model.to_c("never.c"),
        lambda model: fb.Trainer(model, lambda A, y: (A.sum(axis=1), A)),
        lambda model: fb.Trainer(model, "cross_entropy").step_gradient(np.ones((1, 4)), np.ones((1, 3)), "logit"),
        lambda model: model.loss_and_gradients(np.ones((1, 4)), np.ones((1, 3)), lambda A, y: (A.sum(axis=1), A)),
        lambda model: fb.Trainer(
            model,
            "cross_entropy",
            privacy=fb.DifferentialPrivacy(
                max_grad_norm=1.0, noise_multiplier=1.0, target_delta=1e-5, expected_batch_size=8
            ),
        ),
        lambda model: fb.explain(model, np.ones((1, 4)), method="saliency", output="prediction"),
        lambda model: fb.explain(model, np.ones((1, 4)), method="lrp", output="logit"),
    ],
)
def test_what_there_is_not_for_it(use):
    with pytest.raises(
        ValueError, match=r"BatchEnsemble\(2, \[Dense\(3, 'softmax'\)\]\); expected no fb.BatchEnsemble"
    ):
        use(fb.Model([ENSEMBLE], inputs=4))


def test_layers_before_it_are_seen():
    model, _ = make_model("tabm mini")
    X, _ = data_for(model, "mse", 5)
    np.testing.assert_allclose(model.activations(X, layer=0), X * model.get_weights()[0])
    assert "BatchEnsemble" in str(model.inspect(X))


@pytest.mark.parametrize("method", ["lrp", "deepshap"])
@pytest.mark.parametrize("activation", ["softmax", "linear"])
def test_what_is_advised_in_place_of_a_method_is_possible(method, activation):
    model = fb.Model([fb.BatchEnsemble(2, [fb.Dense(3, activation)])], inputs=4, dtype="float64")
    rows = np.random.default_rng(0).normal(size=(6, 4))
    background = {"background": rows} if method == "deepshap" else {}
    with pytest.raises(ValueError, match='Pass method="shapley"'):
        fb.explain(model, rows[:2], method=method, **background)
    found = fb.explain(model, rows[:2], method="shapley", output="prediction", background=rows)
    expected = model.predict(rows[:2]) - model.predict(rows).mean(axis=0)
    np.testing.assert_allclose(found.values.sum(axis=1), expected, atol=1e-10)
    assert np.isfinite(fb.explain(model, rows[:2], background=rows).values).all()  # what is called without options
