"""Tables of categories: against the oracle, PyTorch and differences, only touched rows, the same bits on any team."""

import pickle

import numpy as np
import pytest

import fastbp as fb
import reference
from fastbp.engine.array_reader import ArrayReader
from fastbp.engine.records import SampleSet
from fastbp.engine.session import Session
from fastbp.layers.parameter_list import weights_of

CATEGORIES, DIMS = [5, 40, 1, 3], [2, 19, 1, 8]
WIDTHS = {"float32": 2e-5, "float64": 1e-12}


def make_X(n=150, numeric=3, seed=1):
    """Numbers and codes, some of which no table knows."""
    rng = np.random.default_rng(seed)
    codes = [rng.integers(0, cardinality + 1, n) for cardinality in CATEGORIES]
    X = np.column_stack([rng.normal(size=(n, numeric)), *codes])
    X[::17, numeric] = -1
    X[1::19, numeric + 1] = np.nan
    X[2::23, numeric + 1] = 1.5
    return X


def make_model(numeric=3, dtype="float64", layers=None, seed=2):
    model = fb.Model(
        layers or [fb.Dense(9, "tanh"), fb.Dense(2)],
        inputs=fb.Tabular(numeric, CATEGORIES, DIMS),
        dtype=dtype,
        seed=seed,
    )
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=weight.shape) / 3 for weight in model.get_weights()]
    kinds = weights_of(model.layers, model.inputs)
    model.set_weights([w if kind.at_least < 0 else np.abs(w) for w, kind in zip(weights, kinds, strict=True)])
    return model


def oracle(model):
    """The same model, two dense layers, as the oracle has it; arrays in float64."""
    *tables, W0, b0, W1, b1 = [weight.astype(np.float64) for weight in model.get_weights()]
    tabular = reference.Tabular(model.inputs.numeric, tables)
    return tabular, reference.Chain([tabular, reference.Dense(W0, b0, "tanh"), reference.Dense(W1, b1)])


def make_y(n=150, seed=5):
    return np.random.default_rng(seed).normal(size=(n, 2))


def bits(arrays):
    return [array.tobytes() for array in arrays]


# ------------------------------------------------------------------------------------------- forward, gradient


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("numeric", [0, 1, 3, 16, 21])
def test_predictions_are_the_oracle_s(isa, dtype, numeric):
    model = make_model(numeric, dtype)
    _, chain = oracle(model)
    for n in (1, 2, 7, 33, 150):
        X = make_X(n, numeric)
        np.testing.assert_allclose(model.predict(X), chain.forward(X), atol=WIDTHS[dtype])


def test_a_row_alone_has_the_bits_that_it_has_among_others(isa):
    for numeric in (0, 3):
        for dtype in ("float32", "float64"):
            model, X = make_model(numeric, dtype), make_X(50, numeric)
            together = model.predict(X)
            for few in (1, 2, 3, 5, 11):
                assert bits(together) == bits(np.vstack([model.predict(X[i : i + few]) for i in range(0, 50, few)]))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "uint64", "float16", "float32", "float64", "?"])
def test_codes_of_every_dtype_and_stride(dtype):
    model = fb.Model([fb.Dense(3)], inputs=fb.Tabular(1, [2, 40]), dtype="float64", seed=1)
    codes = np.arange(90).reshape(30, 3) % 43
    X = codes.astype(dtype)
    wanted = model.predict(X.astype(np.float64))
    assert bits(model.predict(X)) == bits(wanted)
    assert bits(model.predict(np.asfortranarray(X))) == bits(wanted)
    assert bits(model.predict(np.repeat(X, 2, axis=1)[:, ::-2][:, ::-1])) == bits(wanted)


def test_what_is_no_code_is_the_last_row():
    model = fb.Model([fb.Dense(1)], inputs=fb.Tabular(0, [3], [2]), dtype="float32")
    E = np.arange(8.0).reshape(4, 2)
    model.set_weights([E, np.eye(2)[:, :1], np.zeros(1)])
    codes = [0, 1, 2, -0.0, 3, -1, 0.5, np.nan, np.inf, -np.inf, 1e30, 2**24 + 1, -(2**31), 2**40]
    assert model.predict(np.array(codes)[:, None]).ravel().tolist() == [0, 2, 4, 0] + [6] * 10


def test_the_last_row_of_the_largest_table_that_there_may_be():
    assert fb.Tabular(0, [2**24]).shapes == [(2**24 + 1, 600)]
    model = fb.Model([fb.Dense(1)], inputs=fb.Tabular(0, [2**20], [1]))
    E, W, b = model.get_weights()
    E[:, 0] = np.arange(2**20 + 1)
    model.set_weights([E, np.ones_like(W), b])
    X = np.array([[2**20 - 2], [2**20 - 1], [2**20], [2**20 + 1]])
    assert model.predict(X).ravel().tolist() == [2**20 - 2, 2**20 - 1, 2**20, 2**20]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 3, 16, 150, 5000])
def test_gradients_are_the_oracle_s(isa, dtype, n):
    model, X, y = make_model(17, dtype), make_X(n, 17), make_y(n)
    loss, gradients = model.loss_and_gradients(X, y, "mse")
    _, chain = oracle(model)
    wanted_loss, wanted = reference.block_loss_and_gradients(chain, X, y, "mse")
    assert loss == pytest.approx(wanted_loss, rel=1e-5)
    for got, g in zip(gradients, wanted, strict=True):
        np.testing.assert_allclose(got, g, atol=WIDTHS[dtype] * max(1, np.abs(g).max()))


LAYERS = {
    "dense": [fb.Dense(6, "relu"), fb.Dense(2)],
    "one": [fb.Dense(2)],
    "norm first": [fb.LayerNorm(), fb.Dense(4, "tanh"), fb.Dense(2)],
    "batch norm first": [fb.BatchNorm(), fb.Dense(4, "tanh"), fb.Dense(2)],
    "residual first": [fb.Residual([fb.Dense(33, "tanh")]), fb.Dense(2)],
    "dropout first": [fb.Dropout(0.3), fb.Dense(5, "tanh"), fb.Dense(2)],
    "frozen first": [fb.Dense(5, "tanh", trainable=False), fb.Dense(2)],
    "activation first": [fb.Activation("tanh"), fb.Dense(2)],
}


@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("training", [False, True])
def test_gradients_are_the_slopes_of_the_loss(layers, training):
    model, X, y = make_model(3, layers=layers), make_X(40), make_y(40)
    weights = model.get_weights()
    _, gradients = model.loss_and_gradients(X, y, "mse", training=training)
    rng, h = np.random.default_rng(0), 1e-6
    for i, kind in enumerate(weights_of(model.layers, model.inputs)):
        if not kind.trained:
            continue
        d = rng.normal(size=weights[i].shape)
        d /= np.linalg.norm(d)
        values = []
        for sign in (1, -1):
            model.set_weights([*weights[:i], weights[i] + sign * h * d, *weights[i + 1 :]])
            values.append(model.loss_and_gradients(X, y, "mse", training=training)[0])
        slope = (values[0] - values[1]) / (2 * h)
        assert abs(slope - np.vdot(gradients[i], d)) < 1e-6 * max(1, np.linalg.norm(gradients[i])), kind.name
    assert set(fb.check_gradients(model, X, y, "mse", training=training)) >= {"table E0", "table E3"}


def test_rows_without_samples_have_no_gradient_after_others_had():
    model, X, y = make_model(), make_X(500), make_y(500)
    session = Session(model.network, "mse", (), "sgd", 1)
    _, first = session.gradients(SampleSet(ArrayReader(X), ArrayReader(y)))
    X[:, 3:] = 0
    _, second = session.gradients(SampleSet(ArrayReader(X), ArrayReader(y)))
    assert np.abs(first[0][1]).sum(axis=1).all()
    assert not second[0][1][1:].any()
    assert second[0][1][0].any()


# ------------------------------------------------------------------------------------------------- training

OPTIMIZERS = [
    ("sgd", {"learning_rate": 0.1}, fb.SGD(0.1)),
    ("sgd", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}, fb.SGD(0.1, momentum=0.9, nesterov=True)),
    ("sgd", {"learning_rate": 0.1, "weight_decay": 0.1}, fb.SGD(0.1, weight_decay=0.1)),
    ("adam", {"learning_rate": 0.01}, fb.Adam(0.01)),
    ("adam", {"learning_rate": 0.01, "weight_decay": 0.1}, fb.Adam(0.01, weight_decay=0.1)),
    ("adam", {"learning_rate": 0.01, "amsgrad": 1}, fb.Adam(0.01, amsgrad=True)),
    ("adam", {"learning_rate": 0.01, "weight_decay": 0.1, "decoupled": 1}, fb.AdamW(0.01, weight_decay=0.1)),
    ("rmsprop", {"learning_rate": 0.01, "momentum": 0.5}, fb.RMSprop(0.01, momentum=0.5)),
    ("adagrad", {"learning_rate": 0.01}, fb.Adagrad(0.01)),
    ("adadelta", {"learning_rate": 1.0}, fb.Adadelta(1.0)),
    ("adamax", {"learning_rate": 0.01}, fb.Adamax(0.01)),
    ("nadam", {"learning_rate": 0.01}, fb.NAdam(0.01)),
    ("radam", {"learning_rate": 0.01}, fb.RAdam(0.01)),
    ("lion", {"learning_rate": 0.001, "weight_decay": 0.1}, fb.Lion(0.001, weight_decay=0.1)),
    ("rprop", {"learning_rate": 0.01}, fb.Rprop(0.01)),
]


@pytest.mark.parametrize(("name", "numbers", "optimizer"), OPTIMIZERS, ids=[repr(row[2]) for row in OPTIMIZERS])
def test_ten_steps_are_the_oracle_s_and_other_rows_keep_their_bits(name, numbers, optimizer):
    model = make_model()
    trainer = fb.Trainer(model, "mse", optimizer, batch_size=None, n_threads=1)
    tabular, chain = oracle(model)
    rule = reference.make_optimizer(name, numbers)
    for step in range(10):
        X, y = make_X(12, seed=step), make_y(12, seed=step)
        before = model.get_weights()
        trainer.step(X, y)
        _, gradients = reference.block_loss_and_gradients(chain, X, y, "mse")
        reference.tabular_step(rule, chain.arrays, gradients, tabular.touched())
        for got, array in zip(model.get_weights(), chain.arrays, strict=True):
            np.testing.assert_allclose(got, array, rtol=0, atol=1e-10)
        for old, new, rows in zip(before, model.get_weights()[:4], tabular.touched(), strict=False):
            others = np.setdiff1d(np.arange(len(old)), rows)
            assert old[others].tobytes() == new[others].tobytes()
            if name != "rprop":  # which stands still where the gradient turns
                assert (old[rows] != new[rows]).any(axis=1).all()


@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_ten_steps_are_those_of_pytorch_s_sparse_embeddings(torch, kind):
    model = make_model()
    tables = [torch.nn.Embedding(c + 1, d, sparse=True) for c, d in zip(CATEGORIES, DIMS, strict=True)]
    hidden, last = torch.nn.Linear(33, 9), torch.nn.Linear(9, 2)
    weights = [torch.tensor(weight) for weight in model.get_weights()]
    with torch.no_grad():
        for table, weight in zip(tables, weights, strict=False):
            table.weight.copy_(weight)
        for layer, (W, b) in zip((hidden, last), (weights[4:6], weights[6:]), strict=True):
            layer.weight.copy_(W.T)
            layer.bias.copy_(b)
    sparse, dense = [t.weight for t in tables], [*hidden.parameters(), *last.parameters()]
    if kind == "sgd":
        optimizers = [torch.optim.SGD(sparse, 0.1), torch.optim.SGD(dense, 0.1)]
        trainer = fb.Trainer(model, "mse", fb.SGD(0.1))
    else:  # an epsilon that does not count: PyTorch's two put it in different places
        optimizers = [torch.optim.SparseAdam(sparse, 0.01, eps=1e-40), torch.optim.Adam(dense, 0.01, eps=1e-40)]
        trainer = fb.Trainer(model, "mse", fb.Adam(0.01, epsilon=1e-40))
    for step in range(10):
        X, y = make_X(12, seed=step), make_y(12, seed=step)
        trainer.step(X, y)
        rows = reference.Tabular(3, model.get_weights()[:4]).rows(X)
        embedded = [table(torch.tensor(r)) for table, r in zip(tables, rows, strict=True)]
        A = torch.cat([torch.tensor(X[:, :3]), *embedded], dim=1)
        loss = ((last(torch.tanh(hidden(A))) - torch.tensor(y)) ** 2).mean()
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        for table, got in zip(sparse, model.get_weights(), strict=False):
            np.testing.assert_allclose(got, table.detach().numpy(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("clipping", ["clip_value", "clip_norm", "clip_array_norm"])
def test_clipping_counts_the_tables_in(clipping):
    bound = {"clip_value": 0.003, "clip_norm": 0.1, "clip_array_norm": 0.02}[clipping]
    model, X, y = make_model(), make_X(50), make_y(50)
    _, gradients = model.loss_and_gradients(X, y, "mse")
    before = model.get_weights()
    fb.Trainer(model, "mse", fb.SGD(1.0), **{clipping: bound}).step(X, y)
    norm = np.sqrt(sum((g**2).sum() for g in gradients))
    for old, new, g in zip(before, model.get_weights(), gradients, strict=True):
        own = {"clip_norm": norm, "clip_array_norm": np.linalg.norm(g)}.get(clipping)
        wanted = np.clip(g, -bound, bound) if own is None else g * min(1, bound / (own + 1e-6))
        np.testing.assert_allclose(old - new, wanted, atol=1e-12)


def test_accumulated_batches_are_one_large_one():
    X, y = make_X(120), make_y(120)
    models = [make_model(), make_model()]
    fb.Trainer(models[0], "mse", batch_size=60, shuffle=False).fit(X, y, epochs=3)
    fb.Trainer(models[1], "mse", batch_size=20, accumulate=3, shuffle=False).fit(X, y, epochs=3)
    for a, b in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-10)


def test_a_weight_of_two_is_a_sample_twice_and_of_zero_none():
    X, y = make_X(40), make_y(40)
    weights = np.arange(40) % 3
    model = make_model()
    loss, gradients = model.loss_and_gradients(X, y, "mse", sample_weight=weights)
    repeated = np.repeat(np.arange(40), weights)
    wanted_loss, wanted = model.loss_and_gradients(X[repeated], y[repeated], "mse")
    assert loss == pytest.approx(wanted_loss, rel=1e-12)
    for a, b in zip(gradients, wanted, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-13)


def test_averages_are_of_whole_tables():
    X, y = make_X(60), make_y(60)
    model = make_model()
    trainer = fb.Trainer(model, "mse", averaging=fb.EMA(0.8))
    wanted = None
    for i in range(0, 60, 6):
        trainer.step(X[i : i + 6], y[i : i + 6])
        now = model.get_weights()
        wanted = now if wanted is None else [0.8 * a + 0.2 * w for a, w in zip(wanted, now, strict=True)]
    for a, b in zip(trainer.averaged_model().get_weights(), wanted, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)
    swa = fb.Trainer(make_model(), "mse", averaging="swa")
    snapshots = []
    swa.fit(X, y, epochs=3, callbacks=lambda trainer, _: snapshots.append(trainer.model.get_weights()))
    for a, *each in zip(swa.averaged_model().get_weights(), *snapshots, strict=True):
        np.testing.assert_allclose(a, np.mean(each, axis=0), atol=1e-12)


def test_factors_of_layers_leave_the_tables_alone():
    X, y = make_X(60), make_y(60)
    models = [make_model(), make_model()]
    fb.Trainer(models[0], "mse", fb.SGD(0.1)).step(X, y)
    fb.Trainer(models[1], "mse", fb.SGD(0.1), learning_rate_factors={0: 0.5}).step(X, y)
    same = [a.tobytes() == b.tobytes() for a, b in zip(*(model.get_weights() for model in models), strict=True)]
    assert same == [True] * 4 + [False] * 2 + [True] * 2


def test_all_layers_may_be_frozen_as_the_tables_learn():
    model = make_model(layers=[fb.Dense(2, trainable=False)])
    history = fb.Trainer(model, "mse", fb.Adam(0.05)).fit(make_X(), make_y(), epochs=20)
    assert history["loss"][-1] < 0.8 * history["loss"][0]


def test_a_table_learns_what_its_codes_mean():
    rng = np.random.default_rng(0)
    meaning = rng.normal(size=30)
    codes = rng.integers(0, 30, 2000)
    model = fb.Model([fb.Dense(16, "relu"), fb.Dense(1)], inputs=fb.Tabular(0, [30]))
    trainer = fb.Trainer(model, "mse", fb.Adam(0.01))
    trainer.fit(codes[:, None], meaning[codes], epochs=20)
    assert trainer.evaluate(codes[:, None], meaning[codes])["r2"] > 0.99


def test_lbfgs_walks_over_the_tables_too():
    model = make_model()
    history = fb.Trainer(model, "mse", "lbfgs", batch_size=None).fit(make_X(), make_y(), epochs=30)
    assert history["loss"][-1] < 0.3 * history["loss"][0]


def test_a_loss_in_python():
    X, y = make_X(60), make_y(60)
    models = [make_model(), make_model()]

    def mse(outputs, targets):
        return ((outputs - targets) ** 2).mean(axis=1), 2 * (outputs - targets) / 2

    for model, loss in zip(models, ("mse", mse), strict=True):
        fb.Trainer(model, loss).fit(X, y, epochs=2)
    for a, b in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-10)


# ------------------------------------------------------------------------------------- the same bits on any team

SETTINGS = [
    {},
    {"clip_norm": 0.05},
    {"clip_array_norm": 0.01},
    {"clip_value": 0.001},
    {"accumulate": 3},
    {"averaging": fb.EMA(0.9)},
    {"optimizer": fb.SGD(0.1, momentum=0.9, weight_decay=0.1)},
]


def trained(dtype, n_threads, settings):
    model = make_model(19, dtype)
    X, y = make_X(700, 19), make_y(700)
    trainer = fb.Trainer(model, "mse", batch_size=100, n_threads=n_threads, **settings)
    history = trainer.fit(X, y, epochs=2)
    state = trainer.parts.state.gathered()
    averages = state["averages"][0] if state["averages"] else []
    arrays = [array for _, array in state["optimizer_state"]]
    return history["loss"], bits([*model.get_weights(), *arrays, *averages]), trainer.parts.state.session.last_team


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("settings", SETTINGS, ids=map(str, SETTINGS))
@pytest.mark.parametrize("apart", [False, True])
def test_any_team(isa, limits, dtype, settings, apart):
    limits(epoch_thread=1.0, call_thread=1.0, paced=0.0)
    if apart:
        limits(apart=0.0, long_step=0.0, piece=1000.0)
    loss, wanted, _ = trained(dtype, 1, settings)
    for n_threads in (2, 3, 7):
        other_loss, got, team = trained(dtype, n_threads, settings)
        assert team == n_threads
        assert other_loss == loss
        assert got == wanted


# ---------------------------------------------------------------------------------------- keeping, telling, refusing


def test_save_load_pickle(tmp_path):
    model = make_model(dtype="float32")
    model.save(tmp_path / "model.safetensors")
    for other in (fb.Model.load(tmp_path / "model.safetensors"), pickle.loads(pickle.dumps(model))):
        assert other.inputs == model.inputs
        assert repr(other) == repr(model)
        assert bits(other.get_weights()) == bits(model.get_weights())
        assert bits(other.predict(make_X())) == bits(model.predict(make_X()))


def test_a_pickled_trainer_goes_on_as_if_it_had_not_stopped():
    X, y = make_X(), make_y()
    trainer = fb.Trainer(make_model(), "mse", averaging="ema")
    trainer.fit(X, y, epochs=2)
    other = pickle.loads(pickle.dumps(trainer))
    for each in (trainer, other):
        each.fit(X, y, epochs=2)
    assert bits(other.model.get_weights()) == bits(trainer.model.get_weights())
    assert bits(other.averaged_model().get_weights()) == bits(trainer.averaged_model().get_weights())


def test_sizes_and_first_rows():
    inputs = fb.Tabular(2, [1, 7, 100, 10**6])
    assert inputs.dims == tuple(min(600, round(1.6 * n**0.56)) for n in (1, 7, 100, 10**6))
    assert fb.Tabular(2, np.array([3, 4]), (1, 2)) == fb.Tabular(2, [3, 4], [1, 2])
    model = fb.Model([fb.Dense(3)], inputs=fb.Tabular(2, [50, 7], [10, 4]))
    E0, E1, W, b = model.get_weights()
    assert (E0.shape, E1.shape, W.shape, b.shape) == ((51, 10), (8, 4), (16, 3), (3,))
    assert model.n_parameters == 510 + 32 + 51
    assert model.n_inputs == 4
    assert not E0[-1].any()
    assert 0.008 < E0[:-1].std() < 0.012


def test_the_summary_has_a_line_for_the_tables(capsys):
    fb.Model([fb.Dense(3)], inputs=fb.Tabular(2, [50, 7], [10, 4])).summary()
    out = capsys.readouterr().out
    assert "    -  Tabular               4         16  -                       542" in out
    assert "96 FLOPs to predict a sample, 276 to train on it" in out


def test_a_look_inside():
    model = make_model()
    statistics = model.inspect(make_X(), make_y(), "mse")
    assert len(statistics.layers) == 2
    assert statistics.layers[0].std == pytest.approx(
        oracle(model)[1].blocks[1].forward(oracle(model)[0].forward(make_X())).std(), rel=1e-6
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_named_and_codes_are_not(value):
    model = make_model()
    X, y = make_X(), make_y()
    X[70, 2] = value
    trainer = fb.Trainer(model, "mse", batch_size=32)
    for call in (lambda: model.predict(X), lambda: trainer.fit(X, y), lambda: trainer.evaluate(X, y)):
        with pytest.raises(ValueError, match=r"row 70, column 2 of X \(counted from 0\) is (nan|inf); expected"):
            call()
    X[70, 2] = 0
    X[50:60, 5] = value
    assert np.isfinite(model.predict(X)).all()


def test_training_that_diverges_names_the_tables_or_a_layer():
    trainer = fb.Trainer(make_model(), "mse", fb.SGD(1e300), shuffle=False)
    with pytest.raises(FloatingPointError, match="in epoch 1"):
        trainer.fit(make_X(), make_y(), epochs=3)
    model = make_model(layers=[fb.Dense(2, trainable=False)])
    with pytest.raises(FloatingPointError, match=r"the weights of the inputs, Tabular\(numeric=3"):
        fb.Trainer(model, "mse", fb.SGD(1e308), batch_size=None).fit(make_X() * 10, make_y() * 1e5)
