"""The policy gradient against its formula in float64, PyTorch and finite differences."""

import numpy as np
import pytest

import fastbp as fb

CASES = [fb.PolicyGradient(), fb.PolicyGradient(entropy=0.3), fb.PolicyGradient(0.2), fb.PolicyGradient(0.2, 0.05)]


def losses_and_slopes(loss, Z, y):
    """Each sample's loss and its gradient by Z, as a textbook writes them."""
    p = np.exp(Z - Z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    rows, actions, advantage = np.arange(len(Z)), y[:, 0].astype(int), y[:, 1]
    log_p = np.log(p)[rows, actions]
    chosen = np.eye(Z.shape[1])[actions]
    if loss.clip is None:
        value, slope = -advantage * log_p, -advantage
    else:
        ratio = np.exp(log_p - y[:, 2])
        limited = np.clip(ratio, 1 - loss.clip, 1 + loss.clip) * advantage
        value = -np.minimum(ratio * advantage, limited)
        slope = np.where(ratio * advantage <= limited, -ratio * advantage, 0)
    entropy = -(p * np.log(p)).sum(axis=1)
    gradient = slope[:, None] * (chosen - p) + loss.entropy * p * (np.log(p) + entropy[:, None])
    return value - loss.entropy * entropy, gradient


def data(n, n_actions, loss, seed=0):
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n, n_actions)) * 2
    y = np.column_stack([rng.integers(0, n_actions, n), rng.normal(size=n), np.log(rng.uniform(0.05, 0.9, n))])
    return Z, y[:, : loss.n_targets(n_actions)]


@pytest.mark.parametrize("loss", CASES, ids=repr)
@pytest.mark.parametrize(("n", "n_actions"), [(1, 2), (37, 3), (100, 17)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_value_and_gradient(loss, n, n_actions, dtype):
    Z, y = data(n, n_actions, loss)
    Z = Z.astype(dtype)
    values, slopes = losses_and_slopes(loss, Z.astype(np.float64), y)
    tolerance = {"rtol": 2e-5, "atol": 2e-6} if dtype == "float32" else {"rtol": 1e-11, "atol": 1e-13}
    np.testing.assert_allclose(loss.output_gradient(Z, y), slopes / n, **tolerance)
    model = fb.Model([fb.Dense(n_actions, "softmax")], inputs=n_actions, dtype=dtype)
    model.set_weights([np.eye(n_actions), np.zeros(n_actions)])
    value, _ = model.loss_and_gradients(Z, y, loss)
    np.testing.assert_allclose(value, values.mean(), **tolerance)
    trainer = fb.Trainer(model, loss)
    np.testing.assert_allclose(trainer.evaluate(Z, y)["loss"], values.mean(), **tolerance)
    mean, each = trainer.step(Z, y, return_losses=True)
    np.testing.assert_allclose(each, values, **tolerance)
    np.testing.assert_allclose(mean, values.mean(), **tolerance)


@pytest.mark.parametrize("loss", CASES, ids=repr)
def test_pytorch(loss):
    torch = pytest.importorskip("torch")
    Z, y = data(50, 4, loss)
    z = torch.tensor(Z, requires_grad=True)
    distribution = torch.distributions.Categorical(logits=z)
    log_p, advantage = distribution.log_prob(torch.tensor(y[:, 0])), torch.tensor(y[:, 1])
    value = -advantage * log_p
    if loss.clip is not None:
        ratio = torch.exp(log_p - torch.tensor(y[:, 2]))
        value = -torch.minimum(ratio * advantage, ratio.clamp(1 - loss.clip, 1 + loss.clip) * advantage)
    (value - loss.entropy * distribution.entropy()).mean().backward()
    np.testing.assert_allclose(loss.output_gradient(Z, y), z.grad.numpy(), atol=1e-14)


@pytest.mark.parametrize("loss", CASES, ids=repr)
def test_finite_differences(loss):
    model = fb.Model([fb.Dense(5, "tanh"), fb.Dense(3, "softmax")], inputs=2, dtype="float64")
    X = np.random.default_rng(1).normal(size=(9, 2))
    fb.check_gradients(model, X, data(9, 3, loss)[1], loss)


def test_the_former_policy_has_a_ratio_of_1():
    """At the first step PPO's gradient is the plain one."""
    Z, y = data(20, 3, fb.PolicyGradient(0.2))
    y[:, 2] = (Z - np.log(np.exp(Z).sum(axis=1, keepdims=True)))[np.arange(20), y[:, 0].astype(int)]
    clipped, plain = (fb.PolicyGradient(clip).output_gradient(Z, y) for clip in (0.2, None))
    np.testing.assert_allclose(clipped, plain, atol=1e-15)


def test_far_logits_are_finite():
    gradient = fb.PolicyGradient(entropy=0.1).output_gradient([[1000.0, -1000.0, 0.0]], [[1, 2.0]])
    np.testing.assert_allclose(gradient, [[2.0, -2.0, 0.0]])


def test_it_learns_the_better_arm():
    """A bandit with two arms."""
    rng = np.random.default_rng(0)
    policy = fb.Model([fb.Dense(2, "softmax")], inputs=1)
    trainer = fb.Trainer(policy, fb.PolicyGradient(), optimizer=fb.Adam(0.05))
    X = np.ones((16, 1), np.float32)
    for _ in range(60):
        p = policy.predict(X[:1])[0, 1]
        arms = (rng.random(16) < p).astype(float)
        trainer.step(X, np.column_stack([arms, arms - 0.5]))
    assert policy.predict(X[:1])[0, 1] > 0.8


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fb.PolicyGradient(clip=1.5), "clip is 1.5"),
        (lambda: fb.PolicyGradient(entropy=-1), "entropy is -1"),
        (lambda: fb.PolicyGradient().as_targets([[2, 1.0]], 2), r"row 0, column 0 of y.*an integer 0 to 1"),
        (lambda: fb.PolicyGradient().as_targets([[0.5, 1.0]], 2), r"row 0, column 0 of y.*an integer 0 to 1"),
        (lambda: fb.PolicyGradient().as_targets([0, 1], 2), "the columns action, advantage"),
        (lambda: fb.PolicyGradient(0.2).as_targets([[0, 1]], 2), r"expected \(n_samples, 3\)"),
        (lambda: fb.Trainer(fb.Model([fb.Dense(2)], inputs=1), fb.PolicyGradient()), "'softmax'"),
        (
            lambda: fb.Trainer(fb.Model([fb.Dense(1, "softmax")], inputs=1), fb.PolicyGradient()),
            "a unit for each action",
        ),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
