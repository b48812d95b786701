"""The oracle proved: against finite differences, against PyTorch where it is installed, and by hand."""

import itertools

import numpy as np
import pytest

import reference as ref

PAIRS = [(output, loss) for output in ref.ACTIVATIONS for loss in ("mse", "mae") if output != "linear"]
PAIRS += [(output, loss) for loss, output in ref.EXAMPLES]


def make_problem(loss, hidden, output, seed=0, n=7, n_outputs=3):
    rng = np.random.default_rng(seed)
    layers = ref.make_layers(rng, 5, [(6, hidden, 0.1), (n_outputs * ref.outputs_a_target(loss), output, 0.1)])
    X = rng.normal(size=(n, 5))
    return layers, X, ref.make_targets(rng, loss, n, n_outputs)


def relative_error(a, b):
    return np.linalg.norm(a - b) / max(np.linalg.norm(a), np.linalg.norm(b), 1e-3)


@pytest.mark.parametrize(("output", "loss"), PAIRS)
@pytest.mark.parametrize("hidden", ref.ACTIVATIONS)
def test_gradients_agree_with_finite_differences(hidden, output, loss):
    layers, X, targets = make_problem(loss, hidden, output)
    _, exact = ref.loss_and_gradients(layers, X, targets, loss)
    numerical = ref.numerical_gradients(layers, X, targets, loss)
    most = 2e-7 if hidden == "exp" else 1e-7  # its slope is never far from its curvature
    for got, want in zip(itertools.chain(*exact), itertools.chain(*numerical), strict=True):
        assert relative_error(got, want) < most


@pytest.mark.parametrize(("output", "loss"), [("softmax", "cross_entropy"), ("sigmoid", "binary_cross_entropy")])
def test_fused_pairs_agree_with_the_chain_rule(output, loss):
    layers, X, targets = make_problem(loss, "tanh", output)
    Zs, As = ref.forward(layers, X)
    value, dZ = ref.output_gradient(layers[-1], Zs[-1], targets, loss)
    assert value == pytest.approx(ref.loss_value(loss, As[-1], targets), rel=1e-13)
    by_chain_rule = ref.activation_gradient(output, Zs[-1], ref.loss_gradient(loss, As[-1], targets))
    np.testing.assert_allclose(dZ, by_chain_rule, rtol=1e-12, atol=1e-16)


def test_cross_entropy_of_a_soft_target_weighs_its_classes():
    layers, X, _ = make_problem("cross_entropy", "relu", "softmax")
    Y = np.random.default_rng(1).random((len(X), 3))  # rows need not sum to one
    _, exact = ref.loss_and_gradients(layers, X, Y, "cross_entropy")
    numerical = ref.numerical_gradients(layers, X, Y, "cross_entropy")
    for got, want in zip(itertools.chain(*exact), itertools.chain(*numerical), strict=True):
        assert relative_error(got, want) < 1e-7


@pytest.mark.parametrize(("output", "loss"), [("softmax", "cross_entropy"), ("sigmoid", "binary_cross_entropy")])
def test_huge_z_stays_finite(output, loss):
    layer = ref.Layer(np.eye(2), np.zeros(2), output)
    value, dZ = ref.output_gradient(layer, np.array([[1e4, -1e4]]), np.array([[0.0, 1.0]]), loss)
    assert value == pytest.approx(2e4 if loss == "cross_entropy" else 1e4)
    np.testing.assert_allclose(dZ, np.array([[1.0, -1.0]]) / (1 if loss == "cross_entropy" else 2))


def test_losses_by_hand():
    A, Y = np.array([[0.5, 0.5], [0.25, 0.75]]), np.array([[0.0, 1.0], [1.0, 0.0]])
    assert ref.loss_value("mse", A, Y) == pytest.approx((0.25 + 0.25 + 0.5625 + 0.5625) / 4)
    assert ref.loss_value("mae", A, Y) == pytest.approx((0.5 + 0.5 + 0.75 + 0.75) / 4)
    assert ref.loss_value("cross_entropy", A, np.array([1, 0])) == pytest.approx((np.log(2) + np.log(4)) / 2)
    assert ref.loss_value("binary_cross_entropy", A, Y) == pytest.approx((2 * np.log(2) + 2 * np.log(4)) / 4)
    assert ref.accuracy(A, np.array([0, 0])) == 0.5  # the first of equal outputs wins


def test_unknown_names_get_a_sentence():
    with pytest.raises(ValueError, match="activation is 'swish'; expected one of linear"):
        ref.activate("swish", np.zeros((1, 1)))
    with pytest.raises(ValueError, match="loss is 'rmse'; expected one of mse"):
        ref.loss_value("rmse", np.zeros((1, 1)), np.zeros((1, 1)))


# -------------------------------------------------------------------------------------------- against PyTorch

OPTIMIZERS = [
    ("SGD", "sgd", dict(learning_rate=0.1), dict(lr=0.1)),
    (
        "SGD",
        "sgd",
        dict(learning_rate=0.05, momentum=0.9, weight_decay=0.01),
        dict(lr=0.05, momentum=0.9, weight_decay=0.01),
    ),
    (
        "SGD",
        "sgd",
        dict(learning_rate=0.05, momentum=0.9, nesterov=1, weight_decay=0.01),
        dict(lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    ),
    (
        "Adam",
        "adam",
        dict(learning_rate=0.01, beta_1=0.8, beta_2=0.99, epsilon=1e-6, weight_decay=0.01),
        dict(lr=0.01, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.01),
    ),
    (
        "AdamW",
        "adam",
        dict(learning_rate=0.01, weight_decay=0.1, decoupled=1),
        dict(lr=0.01, weight_decay=0.1),
    ),
    (
        "Adam",
        "adam",
        dict(learning_rate=0.01, beta_2=0.5, weight_decay=0.01, amsgrad=1),
        dict(lr=0.01, betas=(0.9, 0.5), weight_decay=0.01, amsgrad=True),
    ),
    (
        "AdamW",
        "adam",
        dict(learning_rate=0.01, beta_2=0.5, weight_decay=0.1, amsgrad=1, decoupled=1),
        dict(lr=0.01, betas=(0.9, 0.5), weight_decay=0.1, amsgrad=True),
    ),
    ("RMSprop", "rmsprop", dict(learning_rate=0.01), dict(lr=0.01)),
    (
        "RMSprop",
        "rmsprop",
        dict(learning_rate=0.01, beta_2=0.9, epsilon=1e-6, momentum=0.8, weight_decay=0.01),
        dict(lr=0.01, alpha=0.9, eps=1e-6, momentum=0.8, weight_decay=0.01),
    ),
    (
        "RMSprop",
        "rmsprop",
        dict(learning_rate=0.01, beta_2=0.9, momentum=0.8, centered=1, weight_decay=0.01),
        dict(lr=0.01, alpha=0.9, momentum=0.8, centered=True, weight_decay=0.01),
    ),
    ("Adagrad", "adagrad", dict(learning_rate=0.1), dict(lr=0.1)),
    (
        "Adagrad",
        "adagrad",
        dict(learning_rate=0.1, rate_decay=0.1, initial=0.2, epsilon=1e-6, weight_decay=0.01),
        dict(lr=0.1, lr_decay=0.1, initial_accumulator_value=0.2, eps=1e-6, weight_decay=0.01),
    ),
    ("Adadelta", "adadelta", dict(learning_rate=1.0), dict(lr=1.0)),
    (
        "Adadelta",
        "adadelta",
        dict(learning_rate=0.5, beta_2=0.8, epsilon=1e-4, weight_decay=0.01),
        dict(lr=0.5, rho=0.8, eps=1e-4, weight_decay=0.01),
    ),
    (
        "Adamax",
        "adamax",
        dict(learning_rate=0.01, beta_1=0.8, beta_2=0.9, epsilon=1e-6, weight_decay=0.01),
        dict(lr=0.01, betas=(0.8, 0.9), eps=1e-6, weight_decay=0.01),
    ),
    ("NAdam", "nadam", dict(learning_rate=0.01), dict(lr=0.01)),
    (
        "NAdam",
        "nadam",
        dict(learning_rate=0.01, beta_1=0.8, beta_2=0.9, epsilon=1e-6, weight_decay=0.01, momentum_decay=0.2),
        dict(lr=0.01, betas=(0.8, 0.9), eps=1e-6, weight_decay=0.01, momentum_decay=0.2),
    ),
    ("RAdam", "radam", dict(learning_rate=0.01), dict(lr=0.01)),
    (
        "RAdam",
        "radam",
        dict(learning_rate=0.01, beta_1=0.8, beta_2=0.9, epsilon=1e-6, weight_decay=0.01),
        dict(lr=0.01, betas=(0.8, 0.9), eps=1e-6, weight_decay=0.01),
    ),
    ("Rprop", "rprop", dict(learning_rate=0.01), dict(lr=0.01)),
    (
        "Rprop",
        "rprop",
        dict(learning_rate=0.05, eta_minus=0.3, eta_plus=1.6, min_step=0.01, max_step=0.2),
        dict(lr=0.05, etas=(0.3, 1.6), step_sizes=(0.01, 0.2)),
    ),
]


def torch_forward(torch, layers, parameters, X):
    functions = {
        "linear": lambda z, _: z,
        "relu": lambda z, _: torch.relu(z),
        "leaky_relu": torch.nn.functional.leaky_relu,
        "tanh": lambda z, _: torch.tanh(z),
        "sigmoid": lambda z, _: torch.sigmoid(z),
        "softmax": lambda z, _: torch.softmax(z, dim=1),
        "gelu": lambda z, _: torch.nn.functional.gelu(z),
        "gelu_tanh": lambda z, _: torch.nn.functional.gelu(z, approximate="tanh"),
        "silu": lambda z, _: torch.nn.functional.silu(z),
        "elu": torch.nn.functional.elu,
        "selu": lambda z, _: torch.selu(z),
        "softplus": lambda z, _: torch.nn.functional.softplus(z, threshold=100.0),
        "exp": lambda z, _: torch.exp(z),
        "softsign": lambda z, _: torch.nn.functional.softsign(z),
        "mish": lambda z, _: torch.nn.functional.mish(z),
        "hard_sigmoid": lambda z, _: torch.clamp(z + 3, 0, 6) / 6,  # hardsigmoid's own slope is a float32 1 / 6
        "hard_swish": lambda z, _: torch.nn.functional.hardswish(z),
    }
    A = X
    for layer, (W, b) in zip(layers, parameters, strict=True):
        Z = A @ W + b
        A = functions[layer.activation](Z, layer.parameter)
    return Z, A


def torch_loss(torch, loss, Z, A, targets):
    """PyTorch's own function where there is one, else the definition, whose gradient is left to PyTorch."""
    functional = torch.nn.functional
    name, parameters = ref.parse_loss(loss)
    smoothing = parameters[0] if "entropy" in name and parameters else 0.0
    match name:
        case "mse":
            return functional.mse_loss(A, targets)
        case "mae":
            return functional.l1_loss(A, targets)
        case "cross_entropy":
            return functional.cross_entropy(Z, targets, label_smoothing=smoothing)
        case "binary_cross_entropy":
            return functional.binary_cross_entropy_with_logits(Z, targets * (1 - smoothing) + smoothing / 2)
        case "huber":
            return functional.huber_loss(A, targets, delta=parameters[0])
        case "log_cosh":
            return torch.log(torch.cosh(A - targets)).mean()
        case "poisson":
            return functional.poisson_nll_loss(A, targets, log_input=False, eps=0)
        case "gamma" | "tweedie":
            return torch_deviance(torch, parameters[0] if parameters else 2.0, A, targets)
        case "hinge":
            return torch.relu(1 - targets * A).mean()
        case "squared_hinge":
            return torch.relu(1 - targets * A).square().mean()
        case "focal":  # as torchvision.ops.sigmoid_focal_loss has it
            gamma, no, yes = parameters
            p = torch.sigmoid(Z)
            entropy = functional.binary_cross_entropy_with_logits(Z, targets, reduction="none")
            p_right = p * targets + (1 - p) * (1 - targets)
            return ((yes * targets + no * (1 - targets)) * entropy * (1 - p_right) ** gamma).mean()
        case "quantile":
            quantiles = torch.tensor(parameters, dtype=A.dtype)[:, None]
            d = targets[:, None, :] - A.reshape(len(A), len(parameters), -1)
            return torch.maximum(quantiles * d, (quantiles - 1) * d).mean()
        case "gaussian_nll":
            mean, s = A.chunk(2, dim=1)
            return functional.gaussian_nll_loss(mean, targets, s.exp())
        case "cosine":
            return (1 - functional.cosine_similarity(A, targets, dim=1)).mean()
        case "policy_gradient":
            clip, bonus = parameters
            policy = torch.distributions.Categorical(logits=Z)
            log_p, advantage = policy.log_prob(targets[:, 0]), targets[:, 1]
            gain = advantage * log_p
            if clip:
                ratio = torch.exp(log_p - targets[:, 2])
                gain = torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)
            return (-gain - bonus * policy.entropy()).mean()
    raise ValueError(name)


def torch_deviance(torch, power, A, Y):
    if power == 1:
        return 2 * (torch.xlogy(Y, Y) - Y * torch.log(A) - Y + A).mean()
    if power == 2:
        return 2 * (torch.log(A / Y) + Y / A - 1).mean()
    whole = Y ** (2 - power) / ((1 - power) * (2 - power))
    return 2 * (whole - Y * A ** (1 - power) / (1 - power) + A ** (2 - power) / (2 - power)).mean()


@pytest.mark.parametrize(("output", "loss"), PAIRS)
@pytest.mark.parametrize("hidden", ref.ACTIVATIONS)
def test_gradients_agree_with_pytorch(hidden, output, loss):
    torch = pytest.importorskip("torch")
    layers, X, targets = make_problem(loss, hidden, output, seed=1)
    parameters = [[torch.tensor(p, requires_grad=True) for p in (layer.W, layer.b)] for layer in layers]
    Z, A = torch_forward(torch, layers, parameters, torch.tensor(X))
    value = torch_loss(torch, loss, Z, A, torch.tensor(targets))
    value.backward()
    got_value, got = ref.loss_and_gradients(layers, X, targets, loss)
    assert got_value == pytest.approx(value.item(), rel=1e-13)
    for g, p in zip(itertools.chain(*got), itertools.chain(*parameters), strict=True):
        np.testing.assert_allclose(g, p.grad.numpy(), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(("torch_name", "name", "numbers", "torch_numbers"), OPTIMIZERS)
def test_ten_steps_agree_with_pytorch(torch, torch_name, name, numbers, torch_numbers):
    layers, X, targets = make_problem("cross_entropy", "tanh", "softmax", n=20)
    parameters = [[torch.tensor(p.copy(), requires_grad=True) for p in (layer.W, layer.b)] for layer in layers]
    groups = [{"params": [W for W, _ in parameters]}, {"params": [b for _, b in parameters]}]
    if "weight_decay" in torch_numbers:
        groups[1]["weight_decay"] = 0.0
    torch_optimizer = getattr(torch.optim, torch_name)(groups, **torch_numbers)
    optimizer = ref.make_optimizer(name, numbers)
    for _ in range(10):
        torch_optimizer.zero_grad()
        value = torch_loss(
            torch, "cross_entropy", *torch_forward(torch, layers, parameters, torch.tensor(X)), torch.tensor(targets)
        )
        value.backward()
        torch_optimizer.step()
        assert ref.train_step(layers, optimizer, X, targets, "cross_entropy") == pytest.approx(value.item(), rel=1e-12)
    for layer, (W, b) in zip(layers, parameters, strict=True):
        np.testing.assert_allclose(layer.W, W.detach().numpy(), rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(layer.b, b.detach().numpy(), rtol=1e-11, atol=1e-14)


def test_three_steps_of_lion_by_hand():
    layer = ref.Layer(np.array([[1.0]]), np.array([1.0]), "linear")
    lion = ref.make_optimizer("lion", dict(learning_rate=0.1, beta_1=0.9, beta_2=0.5, weight_decay=0.5))
    w, b = 1.0, 1.0
    # c = 0.9 m + 0.1 g: 0.1, then 0.45 - 0.2, then -0.675 - 0.1; m = 0.5, -0.75
    for g, sign in ((1.0, 1.0), (-2.0, 1.0), (-1.0, -1.0)):
        lion.step([layer], [(np.array([[g]]), np.array([0.0]))])
        w = w - 0.1 * (sign + 0.5 * w)
    np.testing.assert_allclose(layer.W, [[w]], rtol=1e-14)
    assert layer.b == b  # no gradient, no decay
