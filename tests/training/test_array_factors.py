"""Learning rates and weight decays of single layers, and of biases: PyTorch's parameter groups, step by step."""

import pickle

import numpy as np
import pytest

import fastbp as fb
from engine_helpers import assert_same_bits

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
LABELS = RNG.integers(0, 3, 60)
FACTORS = {"learning_rate_factors": {0: 0.1, 3: 2.0}, "weight_decay_factors": {0: 3.0, 2: 0.0}}


def make_model(dtype="float64"):
    layers = [fb.Dense(17, "tanh"), fb.Dropout(0.0), fb.Dense(9, "tanh"), fb.Dense(3, "softmax")]
    return fb.Model(layers, inputs=4, dtype=dtype)


CASES = [
    (fb.SGD(0.1, momentum=0.9, weight_decay=0.1), "SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}),
    (fb.Adam(0.01, weight_decay=0.1), "Adam", {"lr": 0.01, "weight_decay": 0.1}),
    (fb.AdamW(0.01, weight_decay=0.1), "AdamW", {"lr": 0.01, "weight_decay": 0.1}),
    (fb.NAdam(0.01, weight_decay=0.1), "NAdam", {"lr": 0.01, "weight_decay": 0.1}),
    (fb.Adagrad(0.01, lr_decay=0.1, weight_decay=0.1), "Adagrad", {"lr": 0.01, "lr_decay": 0.1, "weight_decay": 0.1}),
]


@pytest.mark.parametrize(("optimizer", "name", "arguments"), CASES, ids=lambda case: getattr(case, "name", ""))
@pytest.mark.parametrize("decay_biases", [False, True])
@pytest.mark.parametrize("clipping", [{}, {"clip_norm": 0.1}], ids=str)
def test_ten_steps_follow_pytorch_s_groups(isa, torch, optimizer, name, arguments, decay_biases, clipping):
    model = make_model()
    trainer = fb.Trainer(model, "cross_entropy", optimizer, decay_biases=decay_biases, **FACTORS, **clipping)
    weights = [torch.tensor(w, requires_grad=True) for w in model.get_weights()]
    groups = []
    for i, w in enumerate(weights):
        layer = (0, 2, 3)[i // 2]
        decay = arguments["weight_decay"] * FACTORS["weight_decay_factors"].get(layer, 1.0)
        groups.append(
            {
                "params": [w],
                "lr": arguments["lr"] * FACTORS["learning_rate_factors"].get(layer, 1.0),
                "weight_decay": decay if decay_biases or i % 2 == 0 else 0.0,
            }
        )
    peer = getattr(torch.optim, name)(groups, **arguments)
    for _ in range(10):
        peer.zero_grad()
        A = torch.tensor(X)
        for i in (0, 2, 4):
            A = A @ weights[i] + weights[i + 1]
            A = A if i == 4 else torch.tanh(A)
        loss = torch.nn.functional.cross_entropy(A, torch.tensor(LABELS))
        loss.backward()
        if clipping:
            torch.nn.utils.clip_grad_norm_(weights, clipping["clip_norm"])
        peer.step()
        assert trainer.step(X, LABELS) == pytest.approx(loss.item(), rel=1e-10)
    for found, expected in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_team_gets_the_same_bits_and_ones_change_none(isa, limits, dtype):
    limits(epoch_thread=1.0, paced=0.0)
    ones = {"learning_rate_factors": {0: 1, 2: 1}, "weight_decay_factors": {3: 1}}
    models = []
    for factors, n_threads in ((FACTORS, 1), (FACTORS, 3), (ones, 1), ({}, 1)):
        trainer = fb.Trainer(make_model(dtype), "cross_entropy", fb.AdamW(0.01), n_threads=n_threads, **factors)
        trainer.fit(X, LABELS, epochs=3)
        models.append(trainer.model.get_weights())
    assert_same_bits(models[0], models[1])
    assert_same_bits(models[2], models[3])


ARRAYS = {
    "learning_rate_factors": {0: {"W": 0.5, "b": 0.1}, 1: 3.0, 2: {"0.W": 2.0, "1.slope": 0.3}},
    "weight_decay_factors": {0: {"b": 2.0}, 1: {"gain": 5.0}, 2: {"0.W": 0.0, "1.slope": 1.5}},
    "epsilon_factors": {0: {"W": 1e5, "b": 10.0}, 1: 1e6, 2: {"0.W": 1e4}},
}
# Of each array in the order of get_weights: the factors of its learning rate, its weight decay and its epsilon.
OF_ARRAYS = [(0.5, 1, 1e5), (0.1, 2, 10), (3, 5, 1e6), (3, 0, 1e6), (2, 0, 1e4), (1, 0, 1), (1, 1, 1), (1, 0, 1)]
OF_ARRAYS[6:6] = [(0.3, 1.5, 1)]


def make_mixed(dtype="float64"):
    layers = [fb.Dense(9, "tanh"), fb.LayerNorm(), fb.Residual([fb.Dense(9), fb.Activation("prelu")])]
    return fb.Model([*layers, fb.Dense(3, "softmax")], inputs=4, dtype=dtype)


@pytest.mark.parametrize("decay_biases", [False, True])
@pytest.mark.parametrize("shards", [None, 2])
def test_single_arrays_follow_pytorch_s_groups(isa, torch, decay_biases, shards):
    model = make_mixed()
    optimizer = fb.AdamW(0.01, weight_decay=0.3)
    trainer = fb.Trainer(model, "cross_entropy", optimizer, 60, decay_biases=decay_biases, shards=shards, **ARRAYS)
    weights = [torch.tensor(w, requires_grad=True) for w in model.get_weights()]
    groups = [
        {"params": [w], "lr": 0.01 * rate, "weight_decay": 0.3 * decay, "eps": 1e-8 * epsilon}
        for w, (rate, decay, epsilon) in zip(weights, OF_ARRAYS, strict=True)
    ]
    for group, named in zip(groups, (0, 1, 1, 0, 1, 0, 1, 0, 0), strict=True):
        if decay_biases and not named:
            group["weight_decay"] = 0.3
    W, b, gain, shift, V, c, slope, U, d = weights
    peer = torch.optim.AdamW(groups)
    for _ in range(6):
        peer.zero_grad()
        A = torch.nn.functional.layer_norm(torch.tanh(torch.tensor(X) @ W + b), (9,), gain, shift)
        Z = (A + torch.nn.functional.prelu(A @ V + c, slope)) @ U + d
        loss = torch.nn.functional.cross_entropy(Z, torch.tensor(LABELS))
        loss.backward()
        peer.step()
        if shards is None:
            assert trainer.step(X, LABELS) == pytest.approx(loss.item(), rel=1e-9)
        else:
            trainer.fit(X, LABELS)
    for found, expected in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-8, atol=1e-8)


def test_tables_have_factors_of_their_own(tmp_path):
    codes = np.column_stack([X[:, :1], RNG.integers(0, 3, 60), RNG.integers(0, 2, 60)])
    inputs = fb.Tabular(numeric=1, categories=[3, 2], dims=[2, 1])
    optimizer = fb.SGD(0.1, weight_decay=0.5)
    found = {}
    for name, factors in {
        "plain": {},
        "tables": {"learning_rate_factors": {"inputs": 0.5}, "weight_decay_factors": {"inputs": {"E1": 3.0}}},
        "one": {"learning_rate_factors": {"inputs": {"E0": 0.5}}},
    }.items():
        model = fb.Model([fb.Dense(3, "softmax")], inputs=inputs, dtype="float64")
        before = model.get_weights()
        trainer = fb.Trainer(model, "cross_entropy", optimizer, **factors)
        trainer.save(tmp_path / name)
        fb.Trainer.load(tmp_path / name).model.get_weights()
        trainer.step(codes, LABELS)
        found[name] = [now - then for now, then in zip(model.get_weights(), before, strict=True)]
        again = fb.Trainer.load(tmp_path / name)
        again.step(codes, LABELS)
        assert_same_bits(again.model.get_weights(), model.get_weights())
    used = [before[0][:3], before[1][:2]]  # not the last row, which no sample has
    plain, tables, one = ([*(array[:-1] for array in found[name][:2]), *found[name][2:]] for name in found)
    np.testing.assert_allclose(tables[0], 0.5 * plain[0], rtol=1e-12)
    np.testing.assert_allclose(tables[1], 0.5 * (plain[1] - 0.1 * 2 * 0.5 * used[1]), rtol=1e-9)
    np.testing.assert_allclose(one[0], 0.5 * plain[0], rtol=1e-12)
    for a, b in zip(one[1:], plain[1:], strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_single_arrays_are_given_is_kept(tmp_path):
    trainer = fb.Trainer(make_mixed(), "cross_entropy", fb.AdamW(0.01), **ARRAYS)
    trainer.fit(X, LABELS)
    trainer.save(tmp_path / "it.ckpt")
    twins = [fb.Trainer.load(tmp_path / "it.ckpt"), pickle.loads(pickle.dumps(trainer))]
    trainer.fit(X, LABELS)
    for twin in twins:
        twin.fit(X, LABELS)
        assert_same_bits(twin.model.get_weights(), trainer.model.get_weights())
        assert "epsilon_factors={0: {'W': 100000.0, 'b': 10.0}" in repr(twin)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"learning_rate_factors": {1: {"W": 1}}}, r"\[1\] is 'W'; expected one of its 2 arrays: 'gain', 'shift'"),
        ({"learning_rate_factors": {2: {"W": 1}}}, r"'0.W', '0.b', '1.slope'"),
        ({"learning_rate_factors": {0: {"b": 0}}}, r"learning_rate_factors\[0\]\['b'\] is 0; expected a finite"),
        ({"learning_rate_factors": {"inputs": 1}}, "has 'inputs'; expected layers alone"),
        ({"epsilon_factors": {0: 2}, "optimizer": fb.SGD(0.1)}, "has no epsilon; expected an optimizer with epsilon"),
        ({"epsilon_factors": {0: {"b": -1}}}, r"epsilon_factors\[0\]\['b'\] is -1; expected a finite number above 0"),
        ({"weight_decay_factors": {1: 2}}, "without weight decay; expected a layer with a W. Name its arrays"),
    ],
)
def test_what_is_refused_of_single_arrays(arguments, sentence):
    with pytest.raises((TypeError, ValueError), match=sentence):
        fb.Trainer(make_mixed(), "cross_entropy", **{"optimizer": fb.AdamW()} | arguments)


def test_a_schedule_is_multiplied_and_copies_keep_the_factors():
    trainers = [
        fb.Trainer(make_model(), "cross_entropy", fb.SGD(rate), learning_rate_factors=factors)
        for rate, factors in (
            (fb.StepDecay(0.1, 1, per="step"), {0: 0.5, 2: 0.5, 3: 0.5}),
            (fb.StepDecay(0.05, 1, per="step"), None),
        )
    ]
    for trainer in trainers:
        trainer.fit(X, LABELS, epochs=2)
    for a, b in zip(*(trainer.model.get_weights() for trainer in trainers), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    trainer = fb.Trainer(make_model(), "cross_entropy", fb.AdamW(0.01), decay_biases=True, **FACTORS)
    trainer.fit(X, LABELS)
    twin = pickle.loads(pickle.dumps(trainer))
    twin.fit(X, LABELS)
    trainer.fit(X, LABELS)
    assert_same_bits(twin.model.get_weights(), trainer.model.get_weights())
    for option in ("learning_rate_factors={0: 0.1, 3: 2.0}", "weight_decay_factors={0: 3.0", "decay_biases=True"):
        assert option in repr(trainer)


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        (
            {"learning_rate_factors": 0.1},
            TypeError,
            "learning_rate_factors is 0.1; expected a dictionary from layer index",
        ),
        (
            {"learning_rate_factors": {4: 1}},
            ValueError,
            "a key of learning_rate_factors is 4; .* Layers are counted from 0",
        ),
        ({"learning_rate_factors": {"0": 1}}, TypeError, "a key of learning_rate_factors is '0'"),
        ({"learning_rate_factors": {1: 1}}, ValueError, r"has 1, which is Dropout\(0\); expected a trainable layer"),
        (
            {"learning_rate_factors": {0: 0}},
            ValueError,
            r"learning_rate_factors\[0\] is 0; expected a finite number above",
        ),
        (
            {"weight_decay_factors": {0: -1}},
            ValueError,
            r"weight_decay_factors\[0\] is -1; expected a finite number of 0",
        ),
        (
            {"weight_decay_factors": {0: 2}},
            ValueError,
            r"weight_decay_factors is {0: 2} and Adam\(.* has no weight decay",
        ),
        (
            {"decay_biases": True},
            ValueError,
            r"decay_biases is True and Adam\(.* has no weight decay; expected an optimizer with",
        ),
        ({"decay_biases": 1}, TypeError, "decay_biases is 1; expected True or False"),
    ],
)
def test_what_is_refused(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        fb.Trainer(make_model(), "cross_entropy", **arguments)
