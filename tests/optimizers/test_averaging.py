"""Averages of the weights: PyTorch's AveragedModel step by step, on any team, in copies, and models made of them."""

import copy
import pickle

import numpy as np
import pytest

import fastbp as fb
from engine_helpers import assert_same_bits

RNG = np.random.default_rng(0)
X = RNG.normal(size=(75, 4))
LABELS = RNG.integers(0, 3, 75)


def make_trainer(averaging, dtype="float64", optimizer="adam", **arguments):
    model = fb.Model([fb.Dense(23, "tanh"), fb.Dense(3, "softmax")], inputs=4, dtype=dtype)
    return fb.Trainer(model, "cross_entropy", optimizer, **({"batch_size": 16} | arguments), averaging=averaging)


def torch_twin(torch, model):
    sizes = zip(model.get_weights()[::2], model.get_weights()[1::2], strict=True)
    linears = []
    for W, b in sizes:
        linears.append(torch.nn.Linear(*W.shape))
        linears[-1].weight.data = torch.tensor(W.T.copy())
        linears[-1].bias.data = torch.tensor(b)
    return torch.nn.Sequential(linears[0], torch.nn.Tanh(), linears[1])


def torch_weights(model):
    arrays = [parameter.detach().numpy() for parameter in model.parameters()]
    return [array.T if array.ndim == 2 else array for array in arrays]


def assert_alike(found, expected):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("decay", "every"), [(0.9, 1), (0.5, 3), (0.0, 1)])
@pytest.mark.parametrize("arguments", [{}, {"clip_norm": 0.1}], ids=str)
def test_ten_steps_of_ema_follow_pytorch(isa, torch, decay, every, arguments):
    trainer = make_trainer(fb.EMA(decay, every), **arguments)
    peer = torch_twin(torch, trainer.model)
    averaged = torch.optim.swa_utils.AveragedModel(peer, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(decay))
    optimizer = torch.optim.Adam(peer.parameters(), lr=1e-3)
    for step in range(1, 11):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(peer(torch.tensor(X)), torch.tensor(LABELS)).backward()
        if arguments:
            torch.nn.utils.clip_grad_norm_(peer.parameters(), 0.1)
        optimizer.step()
        if step % every == 0:
            averaged.update_parameters(peer)
        trainer.step(X, LABELS)
    assert_alike(trainer.averaged_model().get_weights(), torch_weights(averaged.module))
    assert_alike(trainer.model.get_weights(), torch_weights(peer))


def test_swa_is_the_mean_over_epochs_as_in_pytorch(isa, torch):
    trainer = make_trainer(fb.SWA(start_epoch=3, every=2), optimizer=fb.SGD(0.1), batch_size=None)
    peer = torch_twin(torch, trainer.model)
    averaged = torch.optim.swa_utils.AveragedModel(peer)
    optimizer = torch.optim.SGD(peer.parameters(), lr=0.1)
    for epoch in range(1, 11):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(peer(torch.tensor(X)), torch.tensor(LABELS)).backward()
        optimizer.step()
        if epoch in (3, 5, 7, 9):
            averaged.update_parameters(peer)
    trainer.fit(X, LABELS, epochs=4)
    trainer.fit(X, LABELS, epochs=6)
    assert_alike(trainer.averaged_model().get_weights(), torch_weights(averaged.module))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("changed", [{}, {"long_step": 0.0, "apart": 0.0, "piece": 0.0}], ids=str)
def test_any_team_averages_to_the_same_bits_and_training_does_not_feel_it(isa, limits, dtype, changed):
    limits(epoch_thread=1.0, paced=0.0, **changed)
    for averaging in (fb.EMA(0.9, every=2), fb.SWA()):
        trainers = [make_trainer(averaging, dtype, n_threads=n) for n in (1, 2, 5)]
        plain = make_trainer(None, dtype)
        for trainer in (*trainers, plain):
            trainer.fit(X, LABELS, epochs=3)
        expected = trainers[0].averaged_model().get_weights()
        for trainer in trainers:
            assert_same_bits(trainer.averaged_model().get_weights(), expected)
            assert_same_bits(trainer.model.get_weights(), plain.model.get_weights())


def test_the_averages_can_be_evaluated_and_gone_on_with():
    trainer = make_trainer(fb.EMA(0.9))
    trainer.fit(X, LABELS, epochs=2)
    model = trainer.averaged_model()
    expected = fb.Trainer(model, "cross_entropy").evaluate(X, LABELS)
    assert trainer.evaluate(X, LABELS, averaged=True) == expected != trainer.evaluate(X, LABELS)
    trainer.model.set_weights(model.get_weights())
    assert trainer.evaluate(X, LABELS) == expected
    assert model.layers == trainer.model.layers


@pytest.mark.parametrize("averaging", [fb.EMA(0.9), fb.SWA(2)], ids=str)
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda trainer: pickle.loads(pickle.dumps(trainer))])
def test_a_copy_goes_on_alike(averaging, copied):
    trainer = make_trainer(averaging)
    for epochs in (1, 2):  # with and without weights taken in
        trainer.fit(X, LABELS, epochs=epochs)
        twin = copied(trainer)
        trainer.fit(X, LABELS, epochs=2)
        twin.fit(X, LABELS, epochs=2)
        assert twin.averaging == averaging
        assert_same_bits(twin.averaged_model().get_weights(), trainer.averaged_model().get_weights())


def test_a_batch_that_weighs_nothing_is_not_averaged():
    trainer = make_trainer(fb.EMA(0.5), shuffle=False, batch_size=25)
    trainer.fit(X, LABELS, sample_weight=np.arange(75) >= 50)
    assert trainer.n_steps == 3
    assert_same_bits(trainer.averaged_model().get_weights(), trainer.model.get_weights())  # the first is copied


def test_what_is_refused():
    with pytest.raises(ValueError, match="averaging is None; expected a trainer made with averaging="):
        make_trainer(None).averaged_model()
    for averaging in ("ema", "swa"):
        with pytest.raises(ValueError, match="has averaged no weights yet"):
            make_trainer(averaging).evaluate(X, LABELS, averaged=True)
    with pytest.raises(ValueError, match="averaging is 'mean'; expected one of 'ema', 'swa'"):
        make_trainer("mean")
    for make, sentence in (
        (lambda: fb.EMA(1.0), "decay is 1.0; expected a finite number of 0 or more and below 1"),
        (lambda: fb.EMA(every=0), "every is 0"),
        (lambda: fb.SWA(0), "start_epoch is 0; expected an integer of 1 or more"),
        (lambda: fb.SWA(every=0), "every is 0"),
    ):
        with pytest.raises(ValueError, match=sentence):
            make()
    assert "averaging=EMA(decay=0.9, every=1)" in repr(make_trainer(fb.EMA(0.9)))
