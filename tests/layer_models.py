"""Models with every kind of layer in every position that it can have."""

import numpy as np

import fastbp as fb
from engine_helpers import make_data
from fastbp.layers.parameter_list import weights_of

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
    "scaling first": ([fb.Scaling(), fb.Dense(19, "relu"), fb.Dense(3, "softmax")], "cross_entropy"),
    "scaling between and last": (
        [fb.Dense(19, "tanh"), fb.Scaling(), fb.Dense(7, use_bias=False), fb.BatchNorm()]
        + [fb.Activation("gelu"), fb.Dense(3), fb.Scaling()],
        "mse",
    ),
    "scaling among all kinds": (
        [fb.Scaling(), fb.Activation("tanh"), fb.Dense(9), fb.Scaling(), fb.Scaling(), fb.BatchNorm(), fb.Scaling()]
        + [
            fb.Residual([fb.Scaling(), fb.Dense(9, "prelu", trainable=False), fb.Scaling()]),
            fb.Dense(3),
            fb.LayerNorm(),
        ]
        + [fb.Scaling(), fb.Activation("softmax")],
        "cross_entropy",
    ),
    "periodic first": ([fb.Periodic(), fb.Dense(19, "relu"), fb.Dense(3, "softmax")], "cross_entropy"),
    "periodic of some": (
        [fb.Periodic(2, 17, 0.4, columns=[7, 0, 3]), fb.Scaling(), fb.Dense(19, "mish"), fb.Dense(3)],
        "mse",
    ),
    "periodic between and last": (
        [fb.Dense(5, "tanh"), fb.Periodic(4, 3, columns=[4]), fb.Activation("softmax"), fb.BatchNorm()]
        + [fb.Residual([fb.Periodic(1, 1), fb.Dense(9, trainable=False)]), fb.Dense(1), fb.Periodic(2, 5)],
        "mse",
    ),
    "piecewise linear first": (
        [
            fb.PiecewiseLinear([[-2, -0.3, 0.1, 3], [-1, 1]], columns=[5, 2]),
            fb.Dense(9, "relu"),
            fb.Dense(3, "softmax"),
        ],
        "cross_entropy",
    ),
    "piecewise linear between and last": (
        [fb.Dense(2, "tanh"), fb.PiecewiseLinear([[-1, -0.2, 0.5, 1], [-0.7, 0.9]], units=5), fb.LayerNorm()]
        + [fb.Residual([fb.PiecewiseLinear([[0.0, 0.5]], columns=[3]), fb.Dense(12)]), fb.Dense(1, "tanh")]
        + [fb.PiecewiseLinear([[-1.0, 0.03, 1.0]], units=2)],
        "mse",
    ),
    "parametric between": (
        [fb.Dense(19, fb.Parametric("mish")), fb.Dense(7, fb.Parametric("silu", 0.5), use_bias=False), fb.Dense(3)],
        "mse",
    ),
    "parametric first and last": (
        [fb.Activation(fb.Parametric("selu")), fb.Dense(3, "tanh"), fb.Activation(fb.Parametric("relu", -0.3))],
        "mse",
    ),
    "parametric among all kinds": (
        [fb.Dense(9), fb.BatchNorm(), fb.Activation("parametric")]
        + [fb.Residual([fb.Scaling(), fb.Dense(9, "parametric", trainable=False)])]
        + [fb.Activation(fb.Parametric("silu", 0.2)), fb.Activation("gelu"), fb.Dense(3), fb.LayerNorm()]
        + [fb.Activation("softmax")],
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

REGRESSION = [fb.Dense(19, "relu"), fb.Dense(7, "mish"), fb.Dense(3)]
# Name to (members, layers, options, loss) of fb.BatchEnsemble.
ENSEMBLES = {
    "tabm mini": (3, REGRESSION, {}, "mse"),
    "tabm": (4, REGRESSION, {"adapters": "all", "scale": "normal"}, "mse"),
    "labels": (3, [fb.Dense(9, "tanh"), fb.Dropout(0.0), fb.Dense(4, "softmax")], {}, "cross_entropy"),
    "labels, all": (
        2,
        [fb.Dense(9, "softmax"), fb.LayerNorm(), fb.Dense(5, "gelu", use_bias=False), fb.Dense(4, "softmax")],
        {"adapters": "all"},
        "cross_entropy",
    ),
    "yes and no": (5, [fb.Dense(17, "silu"), fb.Dense(2, "sigmoid", use_bias=False)], {}, "binary_cross_entropy"),
    "activated heads": (3, [fb.Dense(8, "relu"), fb.Dense(3, "exp")], {}, "poisson"),
    "softmax without its loss": (3, [fb.Dense(8, "relu"), fb.Dense(3, "softmax")], {}, "mse"),
    "penalised heads": (3, [fb.Dense(8, "relu", l1=0.02), fb.Dense(3, l1=0.03, l2=0.2)], {"adapters": "all"}, "mse"),
    "frozen heads": (2, [fb.Dense(8, "relu"), fb.Dense(3, l2=0.2, trainable=False)], {}, "mse"),
    "heads alone": (3, [fb.Dense(3, "tanh")], {}, "mse"),
    "all kinds": (
        3,
        [fb.Scaling(), fb.Activation("softmax"), fb.Dense(9, "prelu"), fb.LayerNorm(), fb.Activation("softmax")]
        + [fb.Residual([fb.Dense(5, "relu", l2=0.1), fb.Dense(9), fb.Activation("softmax")])]
        + [fb.Activation("softmax"), fb.Scaling(), fb.Dense(6, fb.Parametric("mish"), trainable=False), fb.Dense(3)],
        {},
        "mse",
    ),
    "all kinds, all": (
        2,
        [fb.Activation("tanh"), fb.Dense(9, "prelu", l1=0.01), fb.Scaling(), fb.Dense(6, fb.Parametric("mish"))]
        + [fb.Dense(6, "relu", trainable=False), fb.Dense(3)],
        {"adapters": "all"},
        "mse",
    ),
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


def square(outputs, targets):
    d = outputs - targets
    return (d**2).mean(axis=1), 2 * d / d.shape[1]
