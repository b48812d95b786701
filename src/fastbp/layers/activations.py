"""Activation functions, applied to a layer's weighted sums: A = activation(Z).

A new activation is a class here, an entry in ACTIVATIONS, a row in csrc/fastbp.h and its formula in
csrc/kernels/activation.h; one with trained parameters, such as PReLU, is a kind of stage (see stages.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from fastbp.support.checks import check_number, check_word

__all__ = [
    "ACTIVATIONS",
    "ELU",
    "Exp",
    "GELU",
    "SELU",
    "Activation",
    "ActivationLike",
    "ActivationName",
    "GELUTanh",
    "HardSigmoid",
    "HardSwish",
    "LeakyReLU",
    "PReLU",
    "Parametric",
    "Linear",
    "Mish",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Softsign",
    "Tanh",
]


@dataclass(frozen=True)
class Activation:
    """The base of all activations: a name, the matching initializer, and at most one parameter."""

    name: ClassVar[str]
    initializer: ClassVar[str]  # the meaning of "auto" in a layer with this activation
    array: ClassVar[str | None] = None  # the name of the array that is trained, with a number a unit; None: none is

    @property
    def parameter(self) -> float:
        """The parameter that the kernel takes beside Z."""
        return 0.0

    @property
    def first(self) -> float:
        """The initial value of all numbers in ``array``, where there is one."""
        raise NotImplementedError


class Linear(Activation):
    """A = Z: no activation.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, "linear")], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])  # outputs = activation(inputs)
    >>> model.predict([[-2.0], [0.0], [1.0]]).ravel().round(4).tolist()
    [-2.0, 0.0, 1.0]
    """

    name = "linear"
    initializer = "glorot"


class ReLU(Activation):
    """A = max(Z, 0); the slope at 0 is 0.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, "relu")], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])  # outputs = activation(inputs)
    >>> model.predict([[-2.0], [0.0], [1.0]]).ravel().round(4).tolist()
    [0.0, 0.0, 1.0]
    """

    name = "relu"
    initializer = "he"


@dataclass(frozen=True)
class LeakyReLU(Activation):
    """A = Z where Z > 0, else slope * Z.

    Parameters
    ----------
    slope : float, default 0.01
        The slope below zero, 0 <= slope < 1.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, fb.LeakyReLU(0.1))], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])  # outputs = activation(inputs)
    >>> model.predict([[-2.0], [0.0], [1.0]]).ravel().round(4).tolist()
    [-0.2, 0.0, 1.0]
    """

    slope: float = 0.01
    name = "leaky_relu"
    initializer = "he"

    def __post_init__(self) -> None:
        object.__setattr__(self, "slope", check_number(self.slope, "slope", at_least=0, below=1))

    @property
    def parameter(self) -> float:
        """The slope below zero."""
        return self.slope


@dataclass(frozen=True)
class PReLU(Activation):
    """A = Z where Z > 0, else slope * Z, with a trained slope for each unit (He et al., 2015).

    The slopes are an array of the layer, after its W and b; weight decay applies to them only with
    ``decay_biases=True``. PyTorch's definition.

    Parameters
    ----------
    slope : float, default 0.25
        Initial value of every slope.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, fb.PReLU(0.5))], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0], [0.5]])  # outputs = activation(inputs)
    >>> model.predict([[-2.0], [0.0], [1.0]]).ravel().round(4).tolist()
    [-1.0, 0.0, 1.0]
    """

    slope: float = 0.25
    name = "prelu"
    initializer = "he"
    array = "slope"

    def __post_init__(self) -> None:
        object.__setattr__(self, "slope", check_number(self.slope, "slope"))

    @property
    def first(self) -> float:
        """The initial slope."""
        return self.slope


@dataclass(frozen=True)
class Parametric(Activation):
    """A = alpha * f(Z) + (1 - alpha) * Z, an activation f and none in a trained share of each, by unit.

    As in RealMLP (Holzmueller, Grinsztajn and Steinwart, 2024). The alphas are an array of the layer, after its W and
    b; weight decay applies to them only with ``decay_biases=True``, or where ``weight_decay_factors`` name "alpha".

    Parameters
    ----------
    function : {"mish", "selu", "silu", "relu"}, default "mish"
        f.
    alpha : float, default 1.0
        Initial value of every alpha: with 1, A = f(Z), and with 0, A = Z.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, fb.Parametric("relu"))], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0], [0.75]])  # outputs = activation(inputs)
    >>> model.predict([[-2.0], [0.0], [1.0]]).ravel().round(4).tolist()
    [-0.5, 0.0, 1.0]
    """

    function: str = "mish"
    alpha: float = 1.0
    name = "parametric"
    initializer = "he"
    array = "alpha"

    def __post_init__(self) -> None:
        check_word(self.function, "function", ("mish", "selu", "silu", "relu"))
        object.__setattr__(self, "alpha", check_number(self.alpha, "alpha"))
        object.__setattr__(self, "initializer", ACTIVATIONS[self.function].initializer)

    @property
    def first(self) -> float:
        """The initial alpha."""
        return self.alpha


class Tanh(Activation):
    """A = tanh(Z), between -1 and 1.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, "tanh")], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])  # outputs = activation(inputs)
    >>> model.predict([[-2.0], [0.0], [1.0]]).ravel().round(4).tolist()
    [-0.964, 0.0, 0.7616]
    """

    name = "tanh"
    initializer = "glorot"


class Sigmoid(Activation):
    """A = 1 / (1 + exp(-Z)), between 0 and 1: an independent probability for each unit.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, "sigmoid")], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])  # outputs = activation(inputs)
    >>> model.predict([[-2.0], [0.0], [1.0]]).ravel().round(4).tolist()
    [0.1192, 0.5, 0.7311]
    """

    name = "sigmoid"
    initializer = "glorot"


class Softmax(Activation):
    """A = exp(Z) / sum over the units of exp(Z): a probability for each unit; they sum to 1.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(3, "softmax")], inputs=3, dtype="float64")
    >>> model.set_weights([[[1, 0, 0], [0, 1, 0], [0, 0, 1]], [0, 0, 0]])  # outputs = activation(inputs)
    >>> model.predict([[-2.0, 0.0, 1.0]]).round(4).tolist()
    [[0.0351, 0.2595, 0.7054]]
    """

    name = "softmax"
    initializer = "glorot"


class GELU(Activation):
    """A = Z * Phi(Z), Phi the normal distribution function, computed exactly (Hendrycks and Gimpel, 2016).

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, "gelu")], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])  # outputs = activation(inputs)
    >>> model.predict([[-2.0], [0.0], [1.0]]).ravel().round(4).tolist()
    [-0.0455, 0.0, 0.8413]
    """

    name = "gelu"
    initializer = "he"


class GELUTanh(Activation):
    """A = Z * (1 + tanh(sqrt(2 / pi) * (Z + 0.044715 Z³))) / 2, approximate GELU (Hendrycks and Gimpel, 2016).

    For networks that other libraries trained with it.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, "gelu_tanh")], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])  # outputs = activation(inputs)
    >>> model.predict([[-2.0], [0.0], [1.0]]).ravel().round(4).tolist()
    [-0.0454, 0.0, 0.8412]
    """

    name = "gelu_tanh"
    initializer = "he"


class SiLU(Activation):
    """A = Z * sigmoid(Z), also known as swish (Ramachandran, Zoph and Le, 2017).

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, "silu")], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])  # outputs = activation(inputs)
    >>> model.predict([[-2.0], [0.0], [1.0]]).ravel().round(4).tolist()
    [-0.2384, 0.0, 0.7311]
    """

    name = "silu"
    initializer = "he"


@dataclass(frozen=True)
class ELU(Activation):
    """A = Z where Z > 0, else alpha * (exp(Z) - 1) (Clevert, Unterthiner and Hochreiter, 2016).

    Parameters
    ----------
    alpha : float, default 1.0
        Minus the limit of A for Z to minus infinity; alpha > 0.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, fb.ELU(2.0))], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])  # outputs = activation(inputs)
    >>> model.predict([[-2.0], [0.0], [1.0]]).ravel().round(4).tolist()
    [-1.7293, 0.0, 1.0]
    """

    alpha: float = 1.0
    name = "elu"
    initializer = "he"

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", check_number(self.alpha, "alpha", above=0))

    @property
    def parameter(self) -> float:
        """The limit below zero, negated."""
        return self.alpha


class SELU(Activation):
    """A = 1.0507 * elu(Z) with alpha = 1.6733, to keep mean 0 and variance 1 (Klambauer et al., 2017).

    It needs LeCun's initializer, which "auto" uses.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, "selu")], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])  # outputs = activation(inputs)
    >>> model.predict([[-2.0], [0.0], [1.0]]).ravel().round(4).tolist()
    [-1.5202, 0.0, 1.0507]
    """

    name = "selu"
    initializer = "lecun"


class Softplus(Activation):
    """A = log(1 + exp(Z)), a smooth relu, always above 0 (Dugas et al., 2001).

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, "softplus")], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])  # outputs = activation(inputs)
    >>> model.predict([[-2.0], [0.0], [1.0]]).ravel().round(4).tolist()
    [0.1269, 0.6931, 1.3133]
    """

    name = "softplus"
    initializer = "he"


class Exp(Activation):
    """A = exp(Z), always above 0: the log link of generalised linear models, for the output layer.

    For the losses "poisson", "gamma" and "tweedie", which need outputs above 0.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, "exp")], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])  # outputs = activation(inputs)
    >>> model.predict([[-2.0], [0.0], [1.0]]).ravel().round(4).tolist()
    [0.1353, 1.0, 2.7183]
    """

    name = "exp"
    initializer = "glorot"


class Softsign(Activation):
    """A = Z / (1 + |Z|), between -1 and 1 (Bergstra et al., 2009).

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, "softsign")], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])  # outputs = activation(inputs)
    >>> model.predict([[-2.0], [0.0], [1.0]]).ravel().round(4).tolist()
    [-0.6667, 0.0, 0.5]
    """

    name = "softsign"
    initializer = "glorot"


class Mish(Activation):
    """A = Z * tanh(log(1 + exp(Z))) (Misra, 2020).

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, "mish")], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])  # outputs = activation(inputs)
    >>> model.predict([[-2.0], [0.0], [1.0]]).ravel().round(4).tolist()
    [-0.2525, 0.0, 0.8651]
    """

    name = "mish"
    initializer = "he"


class HardSigmoid(Activation):
    """A = min(max(Z + 3, 0), 6) / 6, a piecewise linear sigmoid (Howard et al., 2019); the slope at ±3 is 0.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, "hard_sigmoid")], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])  # outputs = activation(inputs)
    >>> model.predict([[-2.0], [0.0], [1.0]]).ravel().round(4).tolist()
    [0.1667, 0.5, 0.6667]
    """

    name = "hard_sigmoid"
    initializer = "glorot"


class HardSwish(Activation):
    """A = Z * min(max(Z + 3, 0), 6) / 6 (Howard et al., 2019).

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, "hard_swish")], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])  # outputs = activation(inputs)
    >>> model.predict([[-2.0], [0.0], [1.0]]).ravel().round(4).tolist()
    [-0.3333, 0.0, 0.6667]
    """

    name = "hard_swish"
    initializer = "he"


# For editors, which complete the names of a Literal; a test compares them with the registry.
ActivationName: TypeAlias = Literal[
    "linear",
    "relu",
    "leaky_relu",
    "prelu",
    "parametric",
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
]
ActivationLike: TypeAlias = ActivationName | str | Activation

ACTIVATIONS: dict[str, type[Activation]] = {
    cls.name: cls
    for cls in (
        Linear,
        ReLU,
        LeakyReLU,
        PReLU,
        Parametric,
        Tanh,
        Sigmoid,
        Softmax,
        GELU,
        GELUTanh,
        SiLU,
        ELU,
        SELU,
        Softplus,
        Exp,
        Softsign,
        Mish,
        HardSigmoid,
        HardSwish,
    )
}
