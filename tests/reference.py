"""The oracle: backpropagation as a textbook writes it, in float64 NumPy, never fast and meant to be read.

Everything that the native engine computes is computed here a second time, in the plainest way there is: one function
an idea, no fusing, no blocking, no tricks. When the engine and this file disagree, one of the two is wrong, and this
one is proved in ``test_reference.py`` against finite differences and against PyTorch.

Shapes: X (n, inputs), W (inputs, units), b (units,), Z and A (n, units). ``d*`` is the gradient of the mean loss with
respect to ``*``. Targets are a 1-D array of integer labels (cross_entropy only) or an array of the shape of the output
(quantile and gaussian_nll, which have several outputs a target: of fewer columns). A loss is its name, or its name and
its parameters, as the engine takes it: ("huber", (delta,)).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

__all__ = [
    "ACTIVATIONS",
    "EXAMPLES",
    "LOSSES",
    "Activation",
    "BatchNorm",
    "Block",
    "Chain",
    "Dense",
    "Layer",
    "LayerNorm",
    "Optimizer",
    "PReLU",
    "Residual",
    "activate",
    "activation_gradient",
    "accuracy",
    "backward",
    "block_loss_and_gradients",
    "clip_gradients",
    "dense_targets",
    "dropout_factors",
    "forward",
    "loss_and_gradients",
    "loss_gradient",
    "loss_value",
    "make_layers",
    "make_optimizer",
    "make_targets",
    "numerical_gradients",
    "output_gradient",
    "outputs_a_target",
    "parse_loss",
    "philox",
    "predict",
    "train_step",
]

ACTIVATIONS = (
    "linear",
    "relu",
    "leaky_relu",
    "tanh",
    "sigmoid",
    "softmax",
    "gelu",
    "gelu_tanh",
    "silu",
    "elu",
    "selu",
    "softplus",
    "exp",
    "softsign",
    "mish",
    "hard_sigmoid",
    "hard_swish",
)
# Every loss at least once: (the loss, an activation of the last layer that it goes with).
EXAMPLES = (
    ("mse", "linear"),
    ("mae", "linear"),
    ("cross_entropy", "softmax"),
    (("cross_entropy", (0.1,)), "softmax"),  # label_smoothing
    ("binary_cross_entropy", "sigmoid"),
    (("binary_cross_entropy", (0.1,)), "sigmoid"),
    (("huber", (0.7,)), "linear"),  # delta
    ("log_cosh", "linear"),
    ("poisson", "softplus"),
    ("poisson", "exp"),
    ("gamma", "softplus"),
    (("tweedie", (1.0,)), "softplus"),  # power
    (("tweedie", (1.5,)), "softplus"),
    (("tweedie", (2.0,)), "softplus"),
    (("tweedie", (2.5,)), "softplus"),
    ("hinge", "linear"),
    ("squared_hinge", "tanh"),
    (("focal", (2.0, 1.0, 1.0)), "sigmoid"),  # gamma, the weights of no and yes
    (("focal", (0.5, 0.75, 0.25)), "sigmoid"),
    (("quantile", (0.3,)), "linear"),  # the quantiles
    (("quantile", (0.1, 0.5, 0.9)), "linear"),
    (("gaussian_nll", (math.log(1e-6),)), "linear"),  # the smallest log-variance
    ("cosine", "linear"),
    (("policy_gradient", (0.0, 0.1)), "softmax"),  # clip, 0 for none, and the factor of the entropy
    (("policy_gradient", (0.2, 0.1)), "softmax"),
)

LOSSES = tuple(dict.fromkeys(loss if isinstance(loss, str) else loss[0] for loss, _ in EXAMPLES))

Loss = str | tuple[str, tuple[float, ...]]
Gradients = list[tuple[np.ndarray, np.ndarray]]  # [(dW, db), ...], first layer first

# Klambauer et al. 2017: the numbers for which mean 0 and variance 1 are a fixed point.
SELU_SCALE, SELU_ALPHA = 1.0507009873554804934, 1.6732632423543772848

_erfc = np.vectorize(math.erfc, otypes=[np.float64])


class Layer(NamedTuple):
    """One dense layer: A = activation(X @ W + b). The parameter is the slope of leaky_relu or elu's alpha."""

    W: np.ndarray  # (inputs, units)
    b: np.ndarray  # (units,)
    activation: str = "linear"
    parameter: float = 0.0


def make_layers(
    rng: np.random.Generator, n_inputs: int, layers: Sequence[tuple[int, str, float]], scale: float = 1.0
) -> list[Layer]:
    """Random layers for a list of (units, activation, parameter): W from N(0, scale²/inputs), b from N(0, 0.1²)."""
    made = []
    for n_units, activation, parameter in layers:
        W = rng.normal(0.0, scale / math.sqrt(n_inputs), (n_inputs, n_units))
        b = rng.normal(0.0, 0.1, n_units)
        made.append(Layer(W, b, activation, parameter))
        n_inputs = n_units
    return made


# ---------------------------------------------------------------------------------------------- activations


def _sigmoid(Z: np.ndarray) -> np.ndarray:
    e = np.exp(-np.abs(Z))  # never overflows
    return np.where(Z >= 0, 1.0, e) / (1.0 + e)


def _softmax(Z: np.ndarray) -> np.ndarray:
    e = np.exp(Z - Z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def _normal_cdf(Z: np.ndarray) -> np.ndarray:
    return 0.5 * _erfc(-Z / math.sqrt(2.0))


def _normal_pdf(Z: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * Z * Z) / math.sqrt(2.0 * math.pi)


def _gelu_argument(Z: np.ndarray) -> np.ndarray:
    return math.sqrt(2.0 / math.pi) * (Z + 0.044715 * Z**3)


def activate(name: str, Z: np.ndarray, parameter: float = 0.0) -> np.ndarray:
    """A = activation(Z), shape (n, units)."""
    match name:
        case "linear":
            return Z.copy()
        case "relu":
            return np.maximum(Z, 0.0)
        case "leaky_relu":
            return np.where(Z > 0, Z, parameter * Z)
        case "tanh":
            return np.tanh(Z)
        case "sigmoid":
            return _sigmoid(Z)
        case "softmax":
            return _softmax(Z)
        case "gelu":
            return Z * _normal_cdf(Z)
        case "gelu_tanh":
            return Z * 0.5 * (1.0 + np.tanh(_gelu_argument(Z)))
        case "silu":
            return Z * _sigmoid(Z)
        case "elu":
            return np.where(Z > 0, Z, parameter * np.expm1(np.minimum(Z, 0.0)))
        case "selu":
            return SELU_SCALE * activate("elu", Z, SELU_ALPHA)
        case "softplus":
            return np.logaddexp(0.0, Z)
        case "exp":
            return np.exp(Z)
        case "softsign":
            return Z / (1.0 + np.abs(Z))
        case "mish":
            return Z * np.tanh(np.logaddexp(0.0, Z))
        case "hard_sigmoid":
            return np.clip(Z + 3.0, 0.0, 6.0) / 6.0
        case "hard_swish":
            return Z * np.clip(Z + 3.0, 0.0, 6.0) / 6.0
    raise ValueError(f"activation is {name!r}; expected one of {', '.join(ACTIVATIONS)}")


def activation_gradient(name: str, Z: np.ndarray, dA: np.ndarray, parameter: float = 0.0) -> np.ndarray:
    """dZ from dA: the Jacobian of the activation at Z, applied to dA. At a kink, the slope to the left."""
    match name:
        case "linear":
            return dA.copy()
        case "relu":
            return dA * (Z > 0)
        case "leaky_relu":
            return dA * np.where(Z > 0, 1.0, parameter)
        case "tanh":
            return dA * (1.0 - np.tanh(Z) ** 2)
        case "sigmoid":
            return dA * _sigmoid(Z) * _sigmoid(-Z)
        case "softmax":
            # dA_i/dz_j = a_i (delta_ij - a_j), hence dZ_j = a_j (dA_j - sum_i dA_i a_i).
            A = _softmax(Z)
            return A * (dA - (dA * A).sum(axis=1, keepdims=True))
        case "gelu":
            return dA * (_normal_cdf(Z) + Z * _normal_pdf(Z))
        case "gelu_tanh":
            t = np.tanh(_gelu_argument(Z))
            slope = math.sqrt(2.0 / math.pi) * (1.0 + 3.0 * 0.044715 * Z * Z)
            return dA * 0.5 * (1.0 + t + Z * (1.0 - t * t) * slope)
        case "silu":
            return dA * (_sigmoid(Z) + Z * _sigmoid(Z) * _sigmoid(-Z))
        case "elu":
            return dA * np.where(Z > 0, 1.0, parameter * np.exp(np.minimum(Z, 0.0)))
        case "selu":
            return SELU_SCALE * activation_gradient("elu", Z, dA, SELU_ALPHA)
        case "softplus":
            return dA * _sigmoid(Z)
        case "exp":
            return dA * np.exp(Z)
        case "softsign":
            return dA / (1.0 + np.abs(Z)) ** 2
        case "mish":
            t = np.tanh(np.logaddexp(0.0, Z))
            return dA * (t + Z * (1.0 - t * t) * _sigmoid(Z))
        case "hard_sigmoid":
            return dA * (np.abs(Z) < 3.0) / 6.0
        case "hard_swish":
            return dA * (np.clip(Z + 3.0, 0.0, 6.0) / 6.0 + Z * (np.abs(Z) < 3.0) / 6.0)
    raise ValueError(f"activation is {name!r}; expected one of {', '.join(ACTIVATIONS)}")


# --------------------------------------------------------------------------------------------------- losses


def dense_targets(targets: np.ndarray, n_outputs: int) -> np.ndarray:
    """Targets as float64 (n, n_outputs): labels become one-hot rows, anything else is only converted."""
    targets = np.asarray(targets)
    if targets.ndim == 1 and targets.dtype.kind in "iu":
        return np.eye(n_outputs)[targets]
    return np.asarray(targets, dtype=np.float64)


def parse_loss(loss: Loss) -> tuple[str, tuple[float, ...]]:
    """(name, parameters), none where only a name is given."""
    return (loss, ()) if isinstance(loss, str) else loss


def outputs_a_target(loss: Loss) -> int:
    """How many outputs belong to one target: one but where a loss asks for more of a distribution than its middle."""
    name, parameters = parse_loss(loss)
    return {"quantile": len(parameters), "gaussian_nll": 2}.get(name, 1)


def make_targets(rng: np.random.Generator, loss: Loss, n: int, n_targets: int) -> np.ndarray:
    """Random targets that suit a loss: labels for cross_entropy, else (n, n_targets)."""
    name, parameters = parse_loss(loss)
    match name:
        case "cross_entropy":
            return rng.integers(0, n_targets, n)
        case "binary_cross_entropy":
            return rng.random((n, n_targets)).round(1)
        case "focal":
            return rng.integers(0, 2, (n, n_targets)).astype(np.float64)
        case "hinge" | "squared_hinge":
            return rng.integers(0, 2, (n, n_targets)) * 2.0 - 1.0
        case "poisson":
            return rng.poisson(1.5, (n, n_targets)).astype(np.float64)
        case "tweedie" if parameters[0] < 2:
            return rng.gamma(2.0, 1.0, (n, n_targets)) * rng.integers(0, 2, (n, n_targets))
        case "gamma" | "tweedie":
            return rng.gamma(2.0, 1.0, (n, n_targets)) + 0.05
        case "policy_gradient":  # action, advantage, and with a clip what the action's log-probability was
            rows = [rng.integers(0, n_targets, n), rng.normal(size=n), rng.normal(-math.log(n_targets), 0.5, n)]
            return np.stack(rows[: 3 if parameters[0] else 2], axis=1)
    return rng.normal(size=(n, n_targets))


def _smooth(name: str, parameters: tuple[float, ...], Y: np.ndarray) -> np.ndarray:
    """Label smoothing (Szegedy et al. 2016): a share of each target is spread evenly over all answers."""
    share = parameters[0] if parameters else 0.0
    return (1.0 - share) * Y + share / (Y.shape[1] if name == "cross_entropy" else 2)


def _focal_weight(parameters: tuple[float, ...], Y: np.ndarray) -> np.ndarray:
    return np.where(Y == 1, parameters[2], parameters[1])


def _deviance(power: float, A: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Tweedie's; of Poisson's distribution for power 1, of the gamma distribution for power 2."""
    if power == 1:
        return 2 * (_y_log(Y, Y / A) - Y + A)
    if power == 2:
        return 2 * (np.log(A / Y) + Y / A - 1)
    whole = Y ** (2 - power) / ((1 - power) * (2 - power))
    return 2 * (whole - Y * A ** (1 - power) / (1 - power) + A ** (2 - power) / (2 - power))


def _by_quantile(parameters: tuple[float, ...], A: np.ndarray, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Errors A - Y (n, quantiles, targets), and the quantiles to go with them."""
    return A.reshape(len(Y), len(parameters), -1) - Y[:, np.newaxis, :], np.array(parameters)[:, np.newaxis]


def _lengths(V: np.ndarray) -> np.ndarray:
    return np.maximum(np.linalg.norm(V, axis=1, keepdims=True), 1e-8)


def loss_value(loss: Loss, A: np.ndarray, targets: np.ndarray) -> float:
    """The mean loss of the outputs A, from its definition. The entropies mean 0 log 0 = 0."""
    name, parameters = parse_loss(loss)
    Y = dense_targets(targets, A.shape[1])
    if "entropy" in name:
        Y = _smooth(name, parameters, Y)
    match name:
        case "mse":
            return float(np.mean((A - Y) ** 2))
        case "mae":
            return float(np.mean(np.abs(A - Y)))
        case "cross_entropy":
            return float(np.mean(np.sum(-_y_log(Y, A), axis=1)))
        case "binary_cross_entropy":
            return float(np.mean(-_y_log(Y, A) - _y_log(1.0 - Y, 1.0 - A)))
        case "huber":
            (delta,), size = parameters, np.abs(A - Y)
            return float(np.mean(np.where(size <= delta, size**2 / 2, delta * (size - delta / 2))))
        case "log_cosh":
            return float(np.mean(np.log(np.cosh(A - Y))))
        case "poisson":
            return float(np.mean(A - Y * np.log(A)))
        case "gamma":
            return float(np.mean(_deviance(2, A, Y)))
        case "tweedie":
            return float(np.mean(_deviance(parameters[0], A, Y)))
        case "hinge":
            return float(np.mean(np.maximum(0.0, 1.0 - Y * A)))
        case "squared_hinge":
            return float(np.mean(np.maximum(0.0, 1.0 - Y * A) ** 2))
        case "focal":
            right = np.where(Y == 1, A, 1.0 - A)
            return float(np.mean(_focal_weight(parameters, Y) * (1.0 - right) ** parameters[0] * -np.log(right)))
        case "quantile":
            d, q = _by_quantile(parameters, A, Y)
            return float(np.mean(np.maximum((1.0 - q) * d, -q * d)))
        case "gaussian_nll":
            mean, s = np.split(A, 2, axis=1)
            s = np.maximum(s, parameters[0])
            return float(np.mean(0.5 * (s + (mean - Y) ** 2 / np.exp(s))))
        case "cosine":
            return float(np.mean(1.0 - (A * Y).sum(axis=1, keepdims=True) / (_lengths(A) * _lengths(Y))))
        case "policy_gradient":
            p = np.take_along_axis(A, Y[:, :1].astype(int), axis=1)[:, 0]
            gain, clip = Y[:, 1] * np.log(p), parameters[0]
            if clip:
                ratio = p / np.exp(Y[:, 2])
                gain = np.minimum(ratio * Y[:, 1], np.clip(ratio, 1.0 - clip, 1.0 + clip) * Y[:, 1])
            return float(np.mean(-gain + parameters[1] * (A * np.log(A)).sum(axis=1)))
    raise ValueError(f"loss is {loss!r}; expected one of {', '.join(LOSSES)}")


def loss_gradient(loss: Loss, A: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """dA of the mean loss, shape (n, units), from its definition. mae has slope 0 where A meets the target."""
    name, parameters = parse_loss(loss)
    Y = dense_targets(targets, A.shape[1])
    if "entropy" in name:
        Y = _smooth(name, parameters, Y)
    match name:
        case "mse":
            return 2.0 * (A - Y) / A.size
        case "mae":
            return np.sign(A - Y) / A.size
        case "cross_entropy":
            return -Y / A / A.shape[0]
        case "binary_cross_entropy":
            return ((1.0 - Y) / (1.0 - A) - Y / A) / A.size
        case "huber":
            return np.clip(A - Y, -parameters[0], parameters[0]) / A.size
        case "log_cosh":
            return np.tanh(A - Y) / A.size
        case "poisson":
            return (1.0 - Y / A) / A.size
        case "gamma":
            return 2.0 * (A - Y) / A**2 / A.size
        case "tweedie":
            return 2.0 * (A - Y) * A ** -parameters[0] / A.size
        case "hinge":
            return -Y * (Y * A < 1.0) / A.size
        case "squared_hinge":
            return -2.0 * Y * np.maximum(0.0, 1.0 - Y * A) / A.size
        case "focal":
            gamma, right = parameters[0], np.where(Y == 1, A, 1.0 - A)
            wrong = 1.0 - right
            slope = gamma * wrong ** (gamma - 1.0) * np.log(right) - wrong**gamma / right
            return _focal_weight(parameters, Y) * slope * np.where(Y == 1, 1.0, -1.0) / A.size
        case "quantile":
            d, q = _by_quantile(parameters, A, Y)
            return (np.where(d > 0, 1.0 - q, 0.0) - np.where(d < 0, q, 0.0)).reshape(A.shape) / A.size
        case "gaussian_nll":
            mean, raw = np.split(A, 2, axis=1)
            s = np.maximum(raw, parameters[0])
            d_mean, d_s = (mean - Y) / np.exp(s), 0.5 * (1.0 - (mean - Y) ** 2 / np.exp(s))
            d_s = np.where(raw < parameters[0], np.minimum(d_s, 0.0), d_s)  # what is below its floor may only rise
            return np.hstack([d_mean, d_s]) / Y.size
        case "cosine":
            similarity = (A * Y).sum(axis=1, keepdims=True) / (_lengths(A) * _lengths(Y))
            return (similarity * A / _lengths(A) - Y / _lengths(Y)) / _lengths(A) / len(A)
        case "policy_gradient":
            return _policy_gradient_slope(parameters, A, Y)
    raise ValueError(f"loss is {loss!r}; expected one of {', '.join(LOSSES)}")


def _policy_gradient_slope(parameters: tuple[float, ...], A: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """dA for probabilities A; a row of Y is an action, its advantage and the logarithm of its former probability."""
    action, clip = Y[:, :1].astype(int), parameters[0]
    p = np.take_along_axis(A, action, axis=1)[:, 0]
    slope = -Y[:, 1] / p
    if clip:
        ratio = p / np.exp(Y[:, 2])
        held = ratio * Y[:, 1] > np.clip(ratio, 1.0 - clip, 1.0 + clip) * Y[:, 1]
        slope = np.where(held, 0.0, slope * ratio)
    dA = parameters[1] * (np.log(A) + 1.0)
    np.put_along_axis(dA, action, np.take_along_axis(dA, action, axis=1) + slope[:, np.newaxis], axis=1)
    return dA / len(A)


def _y_log(Y: np.ndarray, A: np.ndarray) -> np.ndarray:
    """Y log(A), where 0 log(0) is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(Y == 0.0, 0.0, Y * np.log(A))


def output_gradient(layer: Layer, Z: np.ndarray, targets: np.ndarray, loss: Loss) -> tuple[float, np.ndarray]:
    """The mean loss and dZ of the last layer.

    The chain rule, dZ = act'(Z) dL/dA, except for the two pairs whose quotient of two vanishing numbers cancels on
    paper: softmax with cross_entropy and sigmoid with binary_cross_entropy, which are written from Z so that they hold
    for any Z. ``test_reference.py`` shows that the two ways agree wherever the plain one can be computed.
    """
    name, parameters = parse_loss(loss)
    Y = dense_targets(targets, Z.shape[1])
    match layer.activation, name:
        case "softmax", "cross_entropy":
            Y = _smooth(name, parameters, Y)
            top = Z.max(axis=1, keepdims=True)
            log_A = Z - top - np.log(np.exp(Z - top).sum(axis=1, keepdims=True))
            value = float(np.mean(np.sum(-Y * log_A, axis=1)))
            return value, (_softmax(Z) * Y.sum(axis=1, keepdims=True) - Y) / Z.shape[0]
        case "sigmoid", "binary_cross_entropy":
            Y = _smooth(name, parameters, Y)
            # log(1 + exp(z)) - y z, with the exponential kept below one.
            value = float(np.mean(np.maximum(Z, 0.0) - Y * Z + np.log1p(np.exp(-np.abs(Z)))))
            return value, (_sigmoid(Z) - Y) / Z.size
    A = activate(layer.activation, Z, layer.parameter)
    dA = loss_gradient(loss, A, Y)
    return loss_value(loss, A, Y), activation_gradient(layer.activation, Z, dA, layer.parameter)


# -------------------------------------------------------------------------------------- forward and backward


def forward(layers: Sequence[Layer], X: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """(Zs, As): Zs[i] goes into the activation of layer i, As[0] is X and As[i + 1] is what layer i puts out."""
    Zs, As = [], [np.asarray(X, dtype=np.float64)]
    for layer in layers:
        Zs.append(As[-1] @ np.asarray(layer.W, dtype=np.float64) + np.asarray(layer.b, dtype=np.float64))
        As.append(activate(layer.activation, Zs[-1], layer.parameter))
    return Zs, As


def predict(layers: Sequence[Layer], X: np.ndarray) -> np.ndarray:
    """What the last layer puts out, shape (n, units)."""
    return forward(layers, X)[1][-1]


def backward(layers: Sequence[Layer], Zs: list[np.ndarray], As: list[np.ndarray], dZ: np.ndarray) -> Gradients:
    """Gradients of every layer, from the dZ of the last one, layer by layer backwards."""
    gradients: Gradients = []
    for i in reversed(range(len(layers))):
        gradients.append((As[i].T @ dZ, dZ.sum(axis=0)))
        if i > 0:
            dA = dZ @ np.asarray(layers[i].W, dtype=np.float64).T
            dZ = activation_gradient(layers[i - 1].activation, Zs[i - 1], dA, layers[i - 1].parameter)
    return gradients[::-1]


def loss_and_gradients(
    layers: Sequence[Layer], X: np.ndarray, targets: np.ndarray, loss: Loss, sample_weight: np.ndarray | None = None
) -> tuple[float, Gradients]:
    """The mean loss and its gradients [(dW, db), ...]; with weights the sum of w times a sample's over that of w."""
    if sample_weight is not None:
        return _weighted_mean(
            [loss_and_gradients(layers, X[i : i + 1], targets[i : i + 1], loss) for i in range(len(X))], sample_weight
        )
    Zs, As = forward(layers, X)
    value, dZ = output_gradient(layers[-1], Zs[-1], targets, loss)
    return value, backward(layers, Zs, As, dZ)


def _weighted_mean(results: list[tuple[float, Gradients]], weights: np.ndarray) -> tuple[float, Gradients]:
    shares = np.asarray(weights, np.float64) / np.sum(weights)
    value = sum(share * value for share, (value, _) in zip(shares, results, strict=True))
    by_layer = zip(*(gradients for _, gradients in results), strict=True)
    means = []
    for pairs in by_layer:
        dWs, dbs = zip(*pairs, strict=True)
        means.append((np.tensordot(shares, np.array(dWs), 1), np.tensordot(shares, np.array(dbs), 1)))
    return float(value), means


def numerical_gradients(
    layers: Sequence[Layer], X: np.ndarray, targets: np.ndarray, loss: Loss, step: float = 1e-6
) -> Gradients:
    """The same gradients by central differences, one parameter at a time: (L(w + h) - L(w - h)) / 2h.

    Uses nothing but the forward pass. Error about h² + 1e-16/h: 1e-9 or so where the loss is smooth within h.
    """
    layers = [Layer(np.array(w, np.float64), np.array(b, np.float64), act, p) for w, b, act, p in layers]

    def value() -> float:
        return output_gradient(layers[-1], forward(layers, X)[0][-1], targets, loss)[0]

    def slopes(parameter: np.ndarray) -> np.ndarray:
        d = np.empty_like(parameter)
        for index in np.ndindex(parameter.shape):
            kept = parameter[index]
            h = step * max(1.0, abs(kept))
            parameter[index] = kept + h
            above = value()
            parameter[index] = kept - h
            d[index] = (above - value()) / (2.0 * h)
            parameter[index] = kept
        return d

    return [(slopes(layer.W), slopes(layer.b)) for layer in layers]


def accuracy(A: np.ndarray, targets: np.ndarray) -> float:
    """Share of the samples whose largest output is the target's class."""
    return float(np.mean(A.argmax(axis=1) == dense_targets(targets, A.shape[1]).argmax(axis=1)))


# -------------------------------------------------------------------------------------------- random numbers


def philox(counters: np.ndarray, key: int) -> np.ndarray:
    """Philox4x32-10 (Salmon et al., SC 2011): four random words for the four words of each counter (..., 4)."""
    w = [counters[..., i].astype(np.uint64) for i in range(4)]
    keys = [key % 2**32, key >> 32]
    for _ in range(10):
        product_0, product_1 = w[0] * np.uint64(0xD2511F53), w[2] * np.uint64(0xCD9E8D57)
        w = [
            product_1 >> np.uint64(32) ^ w[1] ^ np.uint64(keys[0]),
            product_1 & np.uint64(0xFFFFFFFF),
            product_0 >> np.uint64(32) ^ w[3] ^ np.uint64(keys[1]),
            product_0 & np.uint64(0xFFFFFFFF),
        ]
        keys = [(keys[0] + 0x9E3779B9) % 2**32, (keys[1] + 0xBB67AE85) % 2**32]
    return np.stack(w, axis=-1)


def dropout_factors(
    rate: float, n_samples: int, n_units: int, seed: int, stream: int, first_sample: int = 0
) -> np.ndarray:
    """What dropout multiplies each number of a batch with, (n_samples, n_units): 0, or 1 / (1 - rate).

    A random word is drawn for each unit of each sample; as a signed integer it is below rate * 2^32 - 2^31 or not.
    """
    counters = np.zeros((n_samples, -(-n_units // 4), 4), np.uint64)
    counters[..., 0] = (first_sample + np.arange(n_samples, dtype=np.uint64))[:, None]
    counters[..., 1] = np.arange(counters.shape[1])
    counters[..., 2:] = stream % 2**32, stream >> 32
    words = philox(counters, seed).astype(np.uint32).view(np.int32).reshape(n_samples, -1)[:, :n_units]
    return np.where(words < int(rate * 2**32) - 2**31, 0.0, 1.0 / (1.0 - rate))


# ------------------------------------------------------------------------------------------------ optimizers


class Optimizer:
    """What all have in common: a state a parameter, the number of the step, weight decay. Biases do not decay.

    The decay is added to the gradient, or with ``decoupled`` taken from the weights before anything else.
    """

    def __init__(self, learning_rate: float, weight_decay: float = 0.0, decoupled: bool = False) -> None:
        self.learning_rate, self.weight_decay, self.decoupled = learning_rate, weight_decay, bool(decoupled)
        self.n_steps = 0
        self.states: dict[tuple[int, str], dict[str, np.ndarray]] = {}

    def step(self, layers: list[Layer], gradients: Gradients) -> None:
        """One update of the layers' W and b, in place."""
        self.n_steps += 1
        for i, (layer, (dW, db)) in enumerate(zip(layers, gradients, strict=True)):
            if self.decoupled:
                layer.W[...] *= 1.0 - self.learning_rate * self.weight_decay
            else:
                dW = dW + self.weight_decay * layer.W
            layer.W[...] -= self.change(dW, self.states.setdefault((i, "W"), {}))
            layer.b[...] -= self.change(db, self.states.setdefault((i, "b"), {}))

    def change(self, g: np.ndarray, state: dict[str, np.ndarray]) -> np.ndarray:
        """What the gradient g takes from a parameter."""
        raise NotImplementedError


def _average(state: dict[str, np.ndarray], name: str, x: np.ndarray, beta: float) -> np.ndarray:
    """The exponential average of x, from zero, kept in the state under that name."""
    state[name] = beta * state.get(name, np.zeros_like(x)) + (1.0 - beta) * x
    return state[name]


class SGD(Optimizer):
    """Gradient descent with momentum, Nesterov or not; PyTorch's definition."""

    def __init__(self, learning_rate: float, momentum: float = 0.0, nesterov: bool = False, **others: float) -> None:
        super().__init__(learning_rate, **others)
        self.momentum, self.nesterov = momentum, bool(nesterov)

    def change(self, g, state):
        v = state["v"] = self.momentum * state.get("v", 0.0) + g
        return self.learning_rate * (g + self.momentum * v if self.nesterov else v)


class Adam(Optimizer):
    """Adam in PyTorch's definition; with ``decoupled`` AdamW; with ``amsgrad`` never a larger step again."""

    def __init__(
        self,
        learning_rate: float,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        amsgrad: bool = False,
        epsilon_hat: bool = False,
        **others: float,
    ) -> None:
        super().__init__(learning_rate, **others)
        self.beta_1, self.beta_2, self.epsilon, self.amsgrad = beta_1, beta_2, epsilon, bool(amsgrad)
        self.epsilon_hat = bool(epsilon_hat)

    def change(self, g, state):
        m, v = _average(state, "m", g, self.beta_1), _average(state, "v", g * g, self.beta_2)
        if self.amsgrad:
            v = state["largest"] = np.maximum(state.get("largest", 0.0), v)
        m_hat = m / (1.0 - self.beta_1**self.n_steps)
        v_hat = v / (1.0 - self.beta_2**self.n_steps)
        epsilon = self.epsilon / math.sqrt(1.0 - self.beta_2**self.n_steps) if self.epsilon_hat else self.epsilon
        return self.learning_rate * m_hat / (np.sqrt(v_hat) + epsilon)


class NAdam(Adam):
    """Adam with Nesterov's momentum, which grows with the steps; PyTorch's definition."""

    def __init__(self, learning_rate: float, momentum_decay: float = 4e-3, **others: float) -> None:
        super().__init__(learning_rate, **others)
        self.momentum_decay = momentum_decay

    def momentum(self, step: int) -> float:
        return self.beta_1 * (1.0 - 0.5 * 0.96 ** (step * self.momentum_decay))

    def change(self, g, state):
        m, v = _average(state, "m", g, self.beta_1), _average(state, "v", g * g, self.beta_2)
        t = self.n_steps
        product = math.prod(self.momentum(i) for i in range(1, t + 1))
        of_gradient = (1.0 - self.momentum(t)) / (1.0 - product)
        of_moment = self.momentum(t + 1) / (1.0 - product * self.momentum(t + 1))
        v_hat = v / (1.0 - self.beta_2**t)
        return self.learning_rate * (of_gradient * g + of_moment * m) / (np.sqrt(v_hat) + self.epsilon)


class RAdam(Adam):
    """Adam that waits with its denominator until the variance of the step is tractable; PyTorch's definition."""

    def change(self, g, state):
        m, v = _average(state, "m", g, self.beta_1), _average(state, "v", g * g, self.beta_2)
        t = self.n_steps
        m_hat = m / (1.0 - self.beta_1**t)
        most = 2.0 / (1.0 - self.beta_2) - 1.0
        length = most - 2.0 * t * self.beta_2**t / (1.0 - self.beta_2**t)
        if length <= 5.0:
            return self.learning_rate * m_hat
        r = math.sqrt((length - 4.0) * (length - 2.0) * most / ((most - 4.0) * (most - 2.0) * length))
        return self.learning_rate * r * m_hat * math.sqrt(1.0 - self.beta_2**t) / (np.sqrt(v) + self.epsilon)


class Adamax(Adam):
    """Adam by the largest gradient of late in place of the root of the squares' average; PyTorch's definition."""

    def change(self, g, state):
        m = _average(state, "m", g, self.beta_1)
        u = state["u"] = np.maximum(self.beta_2 * state.get("u", 0.0), np.abs(g) + self.epsilon)
        return self.learning_rate / (1.0 - self.beta_1**self.n_steps) * m / u


class RMSprop(Optimizer):
    """The gradient over the root of its squares' average; ``beta_2`` is PyTorch's alpha; PyTorch's definition."""

    def __init__(
        self,
        learning_rate: float,
        beta_2: float = 0.99,
        epsilon: float = 1e-8,
        momentum: float = 0.0,
        centered: bool = False,
        **others: float,
    ) -> None:
        super().__init__(learning_rate, **others)
        self.beta_2, self.epsilon, self.momentum, self.centered = beta_2, epsilon, momentum, bool(centered)

    def change(self, g, state):
        variance = _average(state, "square", g * g, self.beta_2)
        if self.centered:
            variance = np.maximum(variance - _average(state, "mean", g, self.beta_2) ** 2, 0.0)
        v = state["v"] = self.momentum * state.get("v", 0.0) + g / (np.sqrt(variance) + self.epsilon)
        return self.learning_rate * v


class Adagrad(Optimizer):
    """The gradient over the root of the sum of its squares; PyTorch's definition."""

    def __init__(
        self,
        learning_rate: float,
        rate_decay: float = 0.0,
        initial: float = 0.0,
        epsilon: float = 1e-10,
        **others: float,
    ) -> None:
        super().__init__(learning_rate, **others)
        self.rate_decay, self.initial, self.epsilon = rate_decay, initial, epsilon

    def change(self, g, state):
        s = state["s"] = state.get("s", self.initial) + g * g
        rate = self.learning_rate / (1.0 + (self.n_steps - 1) * self.rate_decay)
        return rate * g / (np.sqrt(s) + self.epsilon)


class Adadelta(Optimizer):
    """The gradient times the root of the changes' average over that of its own; PyTorch's definition."""

    def __init__(self, learning_rate: float, beta_2: float = 0.9, epsilon: float = 1e-6, **others: float) -> None:
        super().__init__(learning_rate, **others)
        self.beta_2, self.epsilon = beta_2, epsilon

    def change(self, g, state):
        square = _average(state, "square", g * g, self.beta_2)
        change = g * np.sqrt(state.get("change", 0.0) + self.epsilon) / np.sqrt(square + self.epsilon)
        _average(state, "change", change**2, self.beta_2)
        return self.learning_rate * change


class Lion(Optimizer):
    """The sign of an average of momentum and gradient (Chen et al. 2023, algorithm 2), the decay decoupled."""

    def __init__(self, learning_rate: float, beta_1: float = 0.9, beta_2: float = 0.99, **others: float) -> None:
        super().__init__(learning_rate, **{**others, "decoupled": True})
        self.beta_1, self.beta_2 = beta_1, beta_2

    def change(self, g, state):
        direction = np.sign(self.beta_1 * state.get("m", 0.0) + (1.0 - self.beta_1) * g)
        _average(state, "m", g, self.beta_2)
        return self.learning_rate * direction


class Rprop(Optimizer):
    """A step a weight, which grows while the gradient keeps its sign and shrinks where not; PyTorch's definition."""

    def __init__(
        self,
        learning_rate: float,
        eta_minus: float = 0.5,
        eta_plus: float = 1.2,
        min_step: float = 1e-6,
        max_step: float = 50.0,
    ) -> None:
        super().__init__(learning_rate)
        self.eta_minus, self.eta_plus, self.min_step, self.max_step = eta_minus, eta_plus, min_step, max_step

    def change(self, g, state):
        same = np.sign(g) * np.sign(state.get("g", 0.0))
        factor = np.select([same > 0, same < 0], [self.eta_plus, self.eta_minus], 1.0)
        size = state["size"] = np.clip(state.get("size", self.learning_rate) * factor, self.min_step, self.max_step)
        state["g"] = np.where(same < 0, 0.0, g)
        return np.sign(state["g"]) * size


def clip_gradients(
    gradients: Gradients, clip_value: float = 0.0, clip_norm: float = 0.0, clip_array_norm: float = 0.0
) -> Gradients:
    """Every element cut off at clip_value; or all times what makes their norm clip_norm, if it is larger; or each array
    times what makes its own norm clip_array_norm. 0: not."""
    if clip_value:
        return [(np.clip(dW, -clip_value, clip_value), np.clip(db, -clip_value, clip_value)) for dW, db in gradients]
    if clip_norm:
        norm = math.sqrt(sum((g**2).sum() for pair in gradients for g in pair))
        factor = min(1.0, clip_norm / (norm + 1e-6))
        return [(factor * dW, factor * db) for dW, db in gradients]
    if clip_array_norm:
        return [tuple(min(1.0, clip_array_norm / (np.linalg.norm(g) + 1e-6)) * g for g in pair) for pair in gradients]
    return gradients


def make_optimizer(name: str, numbers: dict[str, float]) -> Optimizer:
    """An optimizer by the engine's name ("sgd", "adam", ...) from the engine's dictionary of numbers."""
    kinds = (SGD, Adam, RMSprop, Adagrad, Adadelta, Adamax, NAdam, RAdam, Lion, Rprop)
    return {kind.__name__.lower(): kind for kind in kinds}[name](**numbers)


def train_step(
    layers: list[Layer],
    optimizer: Optimizer,
    X: np.ndarray,
    targets: np.ndarray,
    loss: Loss,
    sample_weight: np.ndarray | None = None,
    **clipping: float,
) -> float:
    """One update of the layers in place on all the rows of X; returns their mean loss before it. Layers: float64."""
    value, gradients = loss_and_gradients(layers, X, targets, loss, sample_weight)
    optimizer.step(layers, clip_gradients(gradients, **clipping))
    return value


# ------------------------------------------------------------------------------------------------ other layers


class Block:
    """A layer of any kind: its arrays, in the order of ``Model.get_weights``, and how it goes forward and backward."""

    arrays: Sequence[np.ndarray] = ()

    def forward(self, X: np.ndarray) -> np.ndarray:
        """Its outputs; what ``backward`` needs is remembered."""
        raise NotImplementedError

    def backward(self, dA: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """The gradient of its inputs, and of each of its arrays."""
        raise NotImplementedError

    def penalty(self) -> float:
        """What it adds to the loss for its arrays; the slope of that is in ``backward``."""
        return 0.0


class Activation(Block):
    """A = activation(X)."""

    def __init__(self, name: str, parameter: float = 0.0) -> None:
        self.name, self.parameter = name, parameter

    def forward(self, X):
        self.X = X
        return activate(self.name, X, self.parameter)

    def backward(self, dA):
        return activation_gradient(self.name, self.X, dA, self.parameter), []


class PReLU(Block):
    """A = X where X > 0, else slope * X, with a slope a unit; at 0, the slope to the left."""

    def __init__(self, slope: np.ndarray) -> None:
        self.arrays = [slope]

    def forward(self, X):
        self.X = X
        return np.where(X > 0, X, self.arrays[0] * X)

    def backward(self, dA):
        dX = dA * np.where(self.X > 0, 1.0, self.arrays[0])
        return dX, [(dA * np.minimum(self.X, 0.0)).sum(axis=0)]


class Scaling(Block):
    """A = scale * X, with a factor for each input."""

    def __init__(self, scale: np.ndarray) -> None:
        self.arrays = [scale]

    def forward(self, X):
        self.X = X
        return self.arrays[0] * X

    def backward(self, dA):
        return self.arrays[0] * dA, [(dA * self.X).sum(axis=0)]


class Periodic(Block):
    """A = [E, X]: of each of the columns, E has V cos(2 pi w x + b) + c, with w, b (n, k), V (n, k, d) and c (n, d)."""

    def __init__(self, w, b, V, c, columns: Sequence[int]) -> None:
        self.arrays, self.columns = [w, b, V, c], list(columns)

    def forward(self, X):
        w, b, V, c = self.arrays
        self.X = X
        self.Z = 2.0 * np.pi * X[:, self.columns, None] * w + b
        E = np.einsum("snk,nkd->snd", np.cos(self.Z), V) + c
        return np.hstack([E.reshape(len(X), -1), X])

    def backward(self, dA):
        w, _, V, c = self.arrays
        dE = dA[:, : c.size].reshape(-1, *c.shape)
        dZ = -np.sin(self.Z) * np.einsum("snd,nkd->snk", dE, V)
        dX = dA[:, c.size :].copy()
        dX[:, self.columns] += 2.0 * np.pi * (dZ * w).sum(axis=2)
        dw = 2.0 * np.pi * np.einsum("snk,sn->nk", dZ, self.X[:, self.columns])
        return dX, [dw, dZ.sum(axis=0), np.einsum("snk,snd->nkd", np.cos(self.Z), dE), dE.sum(axis=0)]


class PiecewiseLinear(Block):
    """A = [R, X], R of each of the columns slope * x + offset limited to 0 .. 1; or [R V + c, X], with V and c."""

    def __init__(self, slope, offset, columns: Sequence[int], V=None, c=None) -> None:
        self.arrays, self.columns = [slope, offset] + ([] if V is None else [V, c]), list(columns)

    def forward(self, X):
        slope, offset, *product = self.arrays
        self.X, self.Z = X, X[:, self.columns, None] * slope + offset
        self.R = np.clip(self.Z, 0.0, 1.0)
        E = np.einsum("snk,nkd->snd", self.R, product[0]) + product[1] if product else self.R
        self.shape = E.shape
        return np.hstack([E.reshape(len(X), -1), X])

    def backward(self, dA):
        slope, _, *product = self.arrays
        n = self.shape[1] * self.shape[2]
        dE, dX = dA[:, :n].reshape(self.shape), dA[:, n:].copy()
        dR = np.einsum("snd,nkd->snk", dE, product[0]) if product else dE
        dX[:, self.columns] += np.where((self.Z > 0) & (self.Z < 1), dR * slope, 0.0).sum(axis=2)
        frozen = [np.zeros_like(array) for array in self.arrays[:2]]
        return dX, frozen + ([np.einsum("snk,snd->nkd", self.R, dE), dE.sum(axis=0)] if product else [])


class Parametric(Block):
    """A = alpha * f(X) + (1 - alpha) * X, with an alpha a unit."""

    def __init__(self, alpha: np.ndarray, function: str) -> None:
        self.arrays, self.function = [alpha], Activation(function)

    def forward(self, X):
        self.change = self.function.forward(X) - X
        return self.arrays[0] * (self.change + X) + (1.0 - self.arrays[0]) * X

    def backward(self, dA):
        through, _ = self.function.backward(dA * self.arrays[0])
        return dA * (1.0 - self.arrays[0]) + through, [(dA * self.change).sum(axis=0)]


class Dense(Block):
    """A = activation(X @ W + b), or without b; with penalties on W."""

    def __init__(
        self,
        W: np.ndarray,
        b: np.ndarray | None,
        activation: str = "linear",
        parameter: float = 0.0,
        l1: float = 0.0,
        l2: float = 0.0,
    ) -> None:
        self.arrays, self.activation = [W] if b is None else [W, b], Activation(activation, parameter)
        self.l1, self.l2 = l1, l2

    def penalty(self):
        return self.l1 * np.abs(self.arrays[0]).sum() + self.l2 * (self.arrays[0] ** 2).sum()

    def forward(self, X):
        self.X = X
        return self.activation.forward(X @ self.arrays[0] + sum(self.arrays[1:]))

    def backward(self, dA):
        dZ, _ = self.activation.backward(dA)
        W = self.arrays[0]
        dW = self.X.T @ dZ + self.l1 * np.sign(W) + 2.0 * self.l2 * W
        return dZ @ W.T, [dW, dZ.sum(axis=0)][: len(self.arrays)]


class LayerNorm(Block):
    """A = gain * H + shift, H being X with mean 0 and variance 1 over the features of each sample."""

    def __init__(self, gain: np.ndarray, shift: np.ndarray, epsilon: float) -> None:
        self.arrays, self.epsilon = [gain, shift], epsilon

    def forward(self, X):
        self.deviation = np.sqrt(X.var(axis=1, keepdims=True) + self.epsilon)
        self.H = (X - X.mean(axis=1, keepdims=True)) / self.deviation
        return self.arrays[0] * self.H + self.arrays[1]

    def backward(self, dA):
        dH, H = dA * self.arrays[0], self.H
        dX = dH - dH.mean(axis=1, keepdims=True) - H * (dH * H).mean(axis=1, keepdims=True)
        return dX / self.deviation, [(dA * H).sum(axis=0), dA.sum(axis=0)]


class BatchNorm(Block):
    """A = gain * H + shift, H being X with mean 0 and variance 1 of each feature over the batch; or so on average."""

    def __init__(self, gain, shift, mean, variance, momentum: float, epsilon: float) -> None:
        self.arrays, self.momentum, self.epsilon = [gain, shift, mean, variance], momentum, epsilon
        self.training = False

    def forward(self, X):
        gain, shift, mean, variance = self.arrays
        if self.training:
            n = len(X)
            mean[...] += self.momentum * (X.mean(axis=0) - mean)
            variance[...] += self.momentum * (X.var(axis=0) * n / (n - 1) - variance)
            mean, variance = X.mean(axis=0), X.var(axis=0)
        self.deviation = np.sqrt(variance + self.epsilon)
        self.H = (X - mean) / self.deviation
        return gain * self.H + shift

    def backward(self, dA):
        dH = dA * self.arrays[0]
        gradients = [(dA * self.H).sum(axis=0), dA.sum(axis=0), *map(np.zeros_like, self.arrays[2:])]
        if self.training:
            dH = dH - dH.mean(axis=0) - self.H * (dH * self.H).mean(axis=0)
        return dH / self.deviation, gradients


class Chain(Block):
    """One block after the other."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.blocks = blocks

    @property
    def arrays(self):
        return [array for block in self.blocks for array in block.arrays]

    def penalty(self):
        return sum(block.penalty() for block in self.blocks)

    def forward(self, X):
        for block in self.blocks:
            X = block.forward(X)
        return X

    def backward(self, dA):
        gradients = []
        for block in reversed(self.blocks):
            dA, own = block.backward(dA)
            gradients = own + gradients
        return dA, gradients


class Residual(Chain):
    """A = X + what the blocks make of X."""

    def forward(self, X):
        return X + super().forward(X)

    def backward(self, dA):
        dX, gradients = super().backward(dA)
        return dA + dX, gradients


class BatchEnsemble(Block):
    """Members, each with factors of the inputs and a last block of its own, and blocks between that all of them share.

    ``shared`` takes the members' rows one member after the other, (members * rows, features); a block among them that
    tells members apart is a ByMember.
    """

    def __init__(self, scale: np.ndarray, shared: Sequence[Block], heads: Heads) -> None:
        self.chain = Chain([ByMember(scale), *shared, heads])

    @property
    def arrays(self):
        return self.chain.arrays

    def penalty(self):
        return self.chain.penalty()

    def members(self, X):
        """The outputs of each member, (members, rows, outputs)."""
        k = len(self.chain.blocks[0].arrays[0])
        return self.chain.forward(np.concatenate([X] * k)).reshape(k, len(X), -1)

    def forward(self, X):
        return self.members(X).mean(axis=0)

    def backward_of_members(self, dA):
        """Gradients for those of the members' outputs, (members, rows, outputs)."""
        dX, gradients = self.chain.backward(dA.reshape(-1, dA.shape[2]))
        return dX.reshape(len(dA), dA.shape[1], -1).sum(axis=0), gradients

    def backward(self, dA):
        k = len(self.chain.blocks[0].arrays[0])
        return self.backward_of_members(np.stack([dA / k] * k))


class ByMember(Block):
    """A = scale * X + shift, with a row of both for each member, whose rows follow one another; shift may be None."""

    def __init__(self, scale: np.ndarray, shift: np.ndarray | None = None) -> None:
        self.arrays = [scale] if shift is None else [scale, shift]

    def forward(self, X):
        self.X = X.reshape(len(self.arrays[0]), -1, X.shape[1])
        A = self.arrays[0][:, np.newaxis] * self.X
        return (A if len(self.arrays) == 1 else A + self.arrays[1][:, np.newaxis]).reshape(X.shape)

    def backward(self, dA):
        dA = dA.reshape(self.X.shape)
        gradients = [(dA * self.X).sum(axis=1), dA.sum(axis=1)][: len(self.arrays)]
        return (self.arrays[0][:, np.newaxis] * dA).reshape(-1, dA.shape[2]), gradients


class Heads(Block):
    """A dense block for each member; W is (members, inputs, units) and b (members, units) or None.

    The penalty is the mean of the members', as the loss is.
    """

    def __init__(
        self, W: np.ndarray, b: np.ndarray | None, activation: str, parameter: float = 0.0, l1=0.0, l2=0.0
    ) -> None:
        self.arrays = [W] if b is None else [W, b]
        biases = [None] * len(W) if b is None else b
        shares = l1 / len(W), l2 / len(W)
        self.blocks = [Dense(*each, activation, parameter, *shares) for each in zip(W, biases, strict=True)]

    def penalty(self):
        return sum(block.penalty() for block in self.blocks)

    def forward(self, X):
        rows = X.reshape(len(self.blocks), -1, X.shape[1])
        return np.concatenate([block.forward(part) for block, part in zip(self.blocks, rows, strict=True)])

    def backward(self, dA):
        parts = dA.reshape(len(self.blocks), -1, dA.shape[1])
        results = [block.backward(part) for block, part in zip(self.blocks, parts, strict=True)]
        gradients = [np.stack(arrays) for arrays in zip(*(own for _, own in results), strict=True)]
        return np.concatenate([dX for dX, _ in results]), gradients


class Tabular(Block):
    """The numeric columns as they are, and behind them the row of a table for each code, unknown ones the last row."""

    def __init__(self, n_numeric: int, tables: list[np.ndarray]) -> None:
        self.n_numeric, self.arrays = n_numeric, tables

    def rows(self, X: np.ndarray) -> list[np.ndarray]:
        """For each table, the row of each sample."""
        codes = np.asarray(X, dtype=np.float64)[:, self.n_numeric :].T
        result = []
        for column, E in zip(codes, self.arrays, strict=True):
            known = (column >= 0) & (column < len(E) - 1) & (column % 1 == 0)
            result.append(np.where(known, column, len(E) - 1).astype(int))
        return result

    def forward(self, X):
        self.rows_of_batch = self.rows(X)
        embedded = [E[rows] for E, rows in zip(self.arrays, self.rows_of_batch, strict=True)]
        return np.hstack([X[:, : self.n_numeric], *embedded])

    def backward(self, dA):
        ends = self.n_numeric + np.cumsum([E.shape[1] for E in self.arrays])
        gradients = [np.zeros_like(E) for E in self.arrays]
        for dE, rows, end in zip(gradients, self.rows_of_batch, ends, strict=True):
            np.add.at(dE, rows, dA[:, end - dE.shape[1] : end])
        return dA[:, : self.n_numeric], gradients

    def touched(self) -> list[np.ndarray]:
        """For each table, the rows that the samples of the last batch have."""
        return [np.unique(rows) for rows in self.rows_of_batch]


def tabular_step(
    optimizer: Optimizer, arrays: list[np.ndarray], gradients: list[np.ndarray], touched: list[np.ndarray]
) -> None:
    """One update in place: of the first arrays, the tables, the rows that are touched; of the others all.

    Arrays of one dimension, which are biases, do not decay.
    """
    optimizer.n_steps += 1

    def update(part: np.ndarray, g: np.ndarray, key: tuple[int, str], decay: float) -> None:
        if optimizer.decoupled:
            part *= 1.0 - optimizer.learning_rate * decay
        else:
            g = g + decay * part
        part -= optimizer.change(g, optimizer.states.setdefault(key, {}))

    for i, (array, gradient) in enumerate(zip(arrays, gradients, strict=True)):
        if i < len(touched):
            for row in touched[i]:
                update(array[row], gradient[row], (i, str(row)), optimizer.weight_decay)
        else:
            update(array, gradient, (i, "all"), optimizer.weight_decay if array.ndim == 2 else 0.0)


def block_loss_and_gradients(
    block: Block, X: np.ndarray, targets: np.ndarray, loss: Loss
) -> tuple[float, list[np.ndarray]]:
    """The mean loss and the gradient of each array, by the plain chain rule."""
    A = block.forward(np.asarray(X, dtype=np.float64))
    return loss_value(loss, A, targets) + block.penalty(), block.backward(loss_gradient(loss, A, targets))[1]
