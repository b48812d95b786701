"""The layers of a model: what people write, and the stages that the engine makes of each.

A new layer is a class here and an entry in LAYERS; where no stage of the engine does what it does, a kind of stage in
_stages.pyx.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastbp._engine import LARGEST_BATCH
from fastbp.activations import ACTIVATIONS, PReLU
from fastbp.activations import Activation as Function
from fastbp.checks import check_flag, check_int, check_number, sentence
from fastbp.initializers import INITIALIZERS, Initializer
from fastbp.registry import from_config, resolve, shorthand, to_config
from fastbp.schedules import SCHEDULES, Schedule, as_schedule

__all__ = [
    "LAYERS",
    "Activation",
    "BatchNorm",
    "Dense",
    "Dropout",
    "Layer",
    "LayerNorm",
    "Parameter",
    "Residual",
    "Stage",
    "check_layers",
    "innermost",
    "layer_from_config",
    "output_activation",
    "plan",
]

Stage = dict[str, Any]


class Parameter(NamedTuple):
    """One array of a layer: its name, its shape, whether training changes it by its gradient, and a lower bound.

    The name of an array of a layer inside the layer starts with that one's place: "0.W".
    """

    name: str
    shape: tuple[int, ...]
    trained: bool = True
    at_least: float = -math.inf


class Layer:
    """What all layers have; by default, as many outputs as inputs, no parameters and no arithmetic worth counting."""

    name: ClassVar[str]
    layers: tuple[Layer, ...] = ()  # those inside this one

    @property
    def batch_sizes(self) -> tuple[int, float]:
        """The smallest and the largest batch that the layer can be trained with."""
        return 1, math.inf

    def n_outputs(self, n_inputs: int) -> int:
        """Return how many numbers come out where so many go in."""
        return n_inputs

    def parameters(self, n_inputs: int) -> list[Parameter]:
        """Return the arrays of the layer, in the order of ``get_weights``."""
        return []

    def draw(self, n_inputs: int, generators: Iterator[np.random.Generator]) -> list[NDArray[np.float64]]:
        """Return what the arrays begin with; each layer that leaves it to chance takes a generator of its own."""
        return []

    def flops(self, n_inputs: int) -> int:
        """Return the multiplications and additions that a sample takes."""
        return 0

    def stages(self) -> list[Stage]:
        """Return the layer as the engine runs it, first stage first, each as fastbp._network.Network takes it."""
        raise NotImplementedError

    def to_config(self) -> dict[str, Any]:
        """Return the layer as plain data."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Layer:
        """Return the layer that ``to_config`` wrote down."""
        raise NotImplementedError


@dataclass(frozen=True, init=False, repr=False)
class Dense(Layer):
    """A layer in which every unit sees every input: A = activation(X @ W + b).

    Parameters
    ----------
    units : int
        How many outputs the layer has.
    activation : str or Activation, default "linear"
        "linear", "relu", "leaky_relu", "prelu", "tanh", "sigmoid", "softmax", "gelu", "gelu_tanh", "silu", "elu",
        "selu", "softplus", "exp", "softsign", "mish", "hard_sigmoid", "hard_swish", or an object such as
        ``fb.LeakyReLU(slope=0.2)``.
    initializer : str or Initializer, default "auto"
        How W begins: "he", "glorot", "lecun", "zeros", "normal", "uniform", or an object such as
        ``fb.He("uniform")``. "auto" is Glorot for linear and the activations that level off on both sides (tanh,
        sigmoid, softmax, softsign, hard_sigmoid), LeCun for selu, and He for the others. b begins at zero.
    use_bias : bool, default True
        Whether there is a b; a layer that normalises its inputs to mean 0 directly behind makes it useless.
    trainable : bool, default True
        Whether training changes W and b. If not, their gradient is not computed, nor is that of the layer's inputs
        where no layer before it learns either; ``loss_and_gradients`` gives zeros for it.
    l1, l2 : float, default 0.0
        Adds l1 * sum(|W|) + l2 * sum(W²) to the loss, in training, ``evaluate`` and ``loss_and_gradients``, and so its
        slope, l1 * sign(W) + 2 * l2 * W, to the gradient, before any clipping; Keras's definition. b has no penalty,
        and a frozen layer has none. An optimizer's weight_decay acts on all dense layers and is not in the loss.
    max_norm : float or None, default None
        The length that the weights W[:, j] into one unit have at most: after an update, longer ones are shortened to
        it (Srebro and Shraibman, 2005).

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of the above.
    """

    units: int
    activation: Function
    initializer: Initializer
    use_bias: bool
    trainable: bool
    l1: float
    l2: float
    max_norm: float | None

    def __init__(
        self,
        units: int,
        activation: Function | str = "linear",
        initializer: Initializer | str = "auto",
        *,
        use_bias: bool = True,
        trainable: bool = True,
        l1: float = 0.0,
        l2: float = 0.0,
        max_norm: float | None = None,
    ) -> None:
        function = resolve(activation, ACTIVATIONS, "activation")
        if isinstance(initializer, str) and initializer == "auto":
            initializer = function.initializer
        object.__setattr__(self, "units", check_int(units, "units"))
        object.__setattr__(self, "activation", function)
        object.__setattr__(self, "initializer", resolve(initializer, INITIALIZERS, "initializer"))
        object.__setattr__(self, "use_bias", check_flag(use_bias, "use_bias"))
        object.__setattr__(self, "trainable", check_flag(trainable, "trainable"))
        object.__setattr__(self, "l1", check_number(l1, "l1", at_least=0))
        object.__setattr__(self, "l2", check_number(l2, "l2", at_least=0))
        longest = None if max_norm is None else check_number(max_norm, "max_norm", above=0)
        object.__setattr__(self, "max_norm", longest)

    def _options(self) -> dict[str, Any]:
        """Return the arguments by keyword that are not what they are by default."""
        defaults = {"use_bias": True, "trainable": True, "l1": 0.0, "l2": 0.0, "max_norm": None}
        return {name: getattr(self, name) for name, value in defaults.items() if getattr(self, name) != value}

    name = "dense"

    def n_outputs(self, n_inputs: int) -> int:
        """Return the number of units."""
        return self.units

    def parameters(self, n_inputs: int) -> list[Parameter]:
        """Return W, unless it is left out b, and the slopes of a prelu."""
        W = Parameter("W", (n_inputs, self.units), self.trainable)
        b = [Parameter("b", (self.units,), self.trainable)] if self.use_bias else []
        return [W, *b, *_slopes(self.activation, self.units, self.trainable)]

    def draw(self, n_inputs: int, generators: Iterator[np.random.Generator]) -> list[NDArray[np.float64]]:
        """Return W as the initializer draws it, b of zeros, and the slopes."""
        W = self.initializer.draw(next(generators), n_inputs, self.units)
        b = [np.zeros(self.units)] if self.use_bias else []
        return [W, *b, *_first_slopes(self.activation, self.units)]

    def flops(self, n_inputs: int) -> int:
        """Return those of the product."""
        return 2 * n_inputs * self.units

    def stages(self) -> list[Stage]:
        """Return the product, with the activation in it if that has no numbers of its own."""
        product = {"kind": "dense", "units": self.units, **self._options()}
        return _activated([product], self.activation, self.trainable)

    def __repr__(self) -> str:
        text = f"Dense({self.units}, {shorthand(self.activation, ACTIVATIONS)}"
        if self.initializer != INITIALIZERS[self.activation.initializer]():
            text += f", initializer={shorthand(self.initializer, INITIALIZERS)}"
        return text + "".join(f", {name}={value!r}" for name, value in self._options().items()) + ")"

    def to_config(self) -> dict[str, Any]:
        """Return the layer as plain data."""
        return {
            "type": "dense",
            "units": self.units,
            "activation": to_config(self.activation),
            "initializer": to_config(self.initializer),
            **self._options(),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Dense:
        """Return the layer that ``to_config`` wrote down."""
        options = dict(config)
        del options["type"]
        options["activation"] = from_config(config["activation"], ACTIVATIONS, "activation")
        options["initializer"] = from_config(config["initializer"], INITIALIZERS, "initializer")
        return cls(**options)


@dataclass(frozen=True, init=False, repr=False)
class Activation(Layer):
    """An activation as a layer of its own: A = activation(X).

    Directly behind a layer that ends without one, it is computed together with it and costs nothing more: Dense(64),
    Activation("relu") is as fast as Dense(64, "relu").

    Parameters
    ----------
    activation : str or Activation
        As in ``fb.Dense``: "relu", "softmax", ``fb.LeakyReLU(slope=0.2)``, and so on.

    Raises
    ------
    TypeError, ValueError
        If it is not one of those.
    """

    activation: Function
    name = "activation"

    def __init__(self, activation: Function | str) -> None:
        object.__setattr__(self, "activation", resolve(activation, ACTIVATIONS, "activation"))

    def parameters(self, n_inputs: int) -> list[Parameter]:
        """Return the slopes of a prelu."""
        return _slopes(self.activation, n_inputs)

    def draw(self, n_inputs: int, generators: Iterator[np.random.Generator]) -> list[NDArray[np.float64]]:
        """Return what the slopes begin with."""
        return _first_slopes(self.activation, n_inputs)

    def stages(self) -> list[Stage]:
        """Return one stage, which ``plan`` may add to the one before."""
        return _activated([], self.activation)

    def __repr__(self) -> str:
        return f"Activation({shorthand(self.activation, ACTIVATIONS)})"

    def to_config(self) -> dict[str, Any]:
        """Return the layer as plain data."""
        return {"type": self.name, "activation": to_config(self.activation)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Activation:
        """Return the layer that ``to_config`` wrote down."""
        return cls(from_config(config["activation"], ACTIVATIONS, "activation"))


@dataclass(frozen=True)
class LayerNorm(Layer):
    """A = gain * (X - mean) / sqrt(variance + epsilon) + shift, mean and variance over the features of each sample.

    Gain and shift are learnt, one of each a feature, from 1 and 0 on; they decay only with ``decay_biases=True``. Every
    sample is by itself, in training as in ``predict`` (Ba, Kiros and Hinton, 2016; PyTorch's definition).

    Parameters
    ----------
    epsilon : float, default 1e-5
        What keeps the variance away from 0; above 0.

    Raises
    ------
    TypeError, ValueError
        If it is not.
    """

    epsilon: float = 1e-5
    name = "layer_norm"

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilon", check_number(self.epsilon, "epsilon", above=0))

    def parameters(self, n_inputs: int) -> list[Parameter]:
        """Return gain and shift."""
        return [Parameter("gain", (n_inputs,)), Parameter("shift", (n_inputs,))]

    def draw(self, n_inputs: int, generators: Iterator[np.random.Generator]) -> list[NDArray[np.float64]]:
        """Return ones and zeros."""
        return [np.ones(n_inputs), np.zeros(n_inputs)]

    def stages(self) -> list[Stage]:
        """Return one stage."""
        return [{"kind": self.name, "epsilon": self.epsilon}]

    def __repr__(self) -> str:
        return f"LayerNorm(epsilon={self.epsilon!r})"

    def to_config(self) -> dict[str, Any]:
        """Return the layer as plain data."""
        return {"type": self.name, "epsilon": self.epsilon}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> LayerNorm:
        """Return the layer that ``to_config`` wrote down."""
        return cls(config["epsilon"])


@dataclass(frozen=True)
class BatchNorm(Layer):
    """A = gain * (X - mean) / sqrt(variance + epsilon) + shift, mean and variance of each feature over the batch.

    So in training; ``predict``, ``evaluate`` and ``loss_and_gradients`` take running averages of them instead,
    running = (1 - momentum) * running + momentum * batch, from mean 0 and variance 1 on, the batch's variance for that
    with n - 1 as its divisor (Ioffe and Szegedy, 2015; PyTorch's definition). Gain and shift are learnt, one of each a
    feature, from 1 and 0 on; they decay only with ``decay_biases=True``. ``get_weights`` has gain, shift, mean and
    variance.

    The statistics span the whole batch, however many threads work on it, and the last short batch has its own. With
    ``accumulate`` each of the batches of a step has its own, and moves the running averages in its turn. Every row
    counts once in them, whatever its sample weight. A batch of one sample, which has no variance, or of more than 4,096
    is refused. Directly behind a ``fb.Dense`` without an activation, with or without a dropout between them, it becomes
    part of that layer in ``predict`` and ``evaluate`` and costs nothing.

    Parameters
    ----------
    momentum : float, default 0.1
        The share of the latest batch in the running averages, 0 < momentum <= 1; Keras counts the other way round.
    epsilon : float, default 1e-5
        What keeps the variance away from 0; above 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of the above.
    """

    momentum: float = 0.1
    epsilon: float = 1e-5
    name = "batch_norm"

    @property
    def batch_sizes(self) -> tuple[int, float]:
        """Two samples at least, for a variance; and what can be normalised together."""
        return 2, LARGEST_BATCH

    def __post_init__(self) -> None:
        momentum = check_number(self.momentum, "momentum", above=0)
        if momentum > 1:
            raise ValueError(sentence("momentum", self.momentum, "a number above 0 and up to 1"))
        object.__setattr__(self, "momentum", momentum)
        object.__setattr__(self, "epsilon", check_number(self.epsilon, "epsilon", above=0))

    def parameters(self, n_inputs: int) -> list[Parameter]:
        """Return gain, shift, and the running mean and variance."""
        return [
            Parameter("gain", (n_inputs,)),
            Parameter("shift", (n_inputs,)),
            Parameter("mean", (n_inputs,), trained=False),
            Parameter("variance", (n_inputs,), trained=False, at_least=0.0),
        ]

    def draw(self, n_inputs: int, generators: Iterator[np.random.Generator]) -> list[NDArray[np.float64]]:
        """Return ones, zeros, zeros and ones."""
        return [np.ones(n_inputs), np.zeros(n_inputs), np.zeros(n_inputs), np.ones(n_inputs)]

    def stages(self) -> list[Stage]:
        """Return one stage."""
        return [{"kind": self.name, "momentum": self.momentum, "epsilon": self.epsilon}]

    def __repr__(self) -> str:
        return f"BatchNorm(momentum={self.momentum!r}, epsilon={self.epsilon!r})"

    def to_config(self) -> dict[str, Any]:
        """Return the layer as plain data."""
        return {"type": self.name, "momentum": self.momentum, "epsilon": self.epsilon}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> BatchNorm:
        """Return the layer that ``to_config`` wrote down."""
        return cls(config["momentum"], config["epsilon"])


@dataclass(frozen=True)
class Dropout(Layer):
    """In training, each number that passes becomes 0 with probability ``rate``, and the others grow by 1 / (1 - rate).

    Which ones is drawn anew for every step, from the trainer's seed, the step's number and the number's place. In
    ``predict``, ``evaluate`` and ``loss_and_gradients`` all numbers pass as they are (Srivastava et al., 2014).

    Parameters
    ----------
    rate : float or schedule
        0 <= rate < 1. A schedule gives one for every step or epoch, as for a learning rate; so does a function of the
        number of steps done.

    Raises
    ------
    TypeError, ValueError
        If it is not. A schedule that leaves these bounds is refused by ``fit`` and ``step``.
    """

    rate: float | Schedule
    name = "dropout"

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", as_schedule(self.rate, "rate", at_least=0, below=1))

    def stages(self) -> list[Stage]:
        """Return one stage; where the rate is a schedule, whoever trains says what it is."""
        return [{"kind": "dropout", "rate": 0.0 if isinstance(self.rate, Schedule) else self.rate}]

    def check_rates(self, rates: NDArray[np.float64], where: str, n_steps: int) -> NDArray[np.float64]:
        """Return what the schedule gives for the steps behind the first n_steps, if each is between 0 and 1."""
        bad = ~((rates >= 0) & (rates < 1))
        if bad.any():
            step = int(np.argmax(bad))
            raise ValueError(
                f"{where} is {self!r}, whose rate after {n_steps + step} steps is {rates[step]:g}; expected 0 <= rate "
                "< 1."
            )
        return rates

    def __repr__(self) -> str:
        return f"Dropout({self.rate!r})" if isinstance(self.rate, Schedule) else f"Dropout({self.rate:g})"

    def to_config(self) -> dict[str, Any]:
        """Return the layer as plain data; but a function in it stays one."""
        return {"type": "dropout", "rate": to_config(self.rate) if isinstance(self.rate, Schedule) else self.rate}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Dropout:
        """Return the layer that ``to_config`` wrote down."""
        rate = config["rate"]
        return cls(from_config(rate, SCHEDULES, "rate") if isinstance(rate, Mapping) else rate)


@dataclass(frozen=True, init=False, repr=False)
class Residual(Layer):
    """A = X + what the layers in it make of X (He, Zhang, Ren and Sun, 2016): they learn what to add to their input.

    An activation of the sum is a layer behind it: Residual([...]), Activation("relu").

    Parameters
    ----------
    layers : sequence of layers
        Any, other Residual layers too. The last one gives as many numbers as the first one takes.

    Raises
    ------
    TypeError, ValueError
        If it is not a list of layers, or, as soon as a model is made of it, does not give as many numbers as it takes.
    """

    layers: tuple[Layer, ...]
    name = "residual"

    def __init__(self, layers: Sequence[Layer]) -> None:
        object.__setattr__(self, "layers", check_layers(layers))

    @property
    def batch_sizes(self) -> tuple[int, float]:
        """What all the layers in it can be trained with."""
        sizes = [layer.batch_sizes for layer in self.layers]
        return max(least for least, _ in sizes), min(most for _, most in sizes)

    def _widths(self, n_inputs: int) -> list[int]:
        """Return how many numbers each of the layers takes, and the last one gives."""
        widths = [n_inputs]
        for layer in self.layers:
            widths.append(layer.n_outputs(widths[-1]))
        return widths

    def n_outputs(self, n_inputs: int) -> int:
        """Return how many numbers come out, which must be as many as go in."""
        if self._widths(n_inputs)[-1] != n_inputs:
            raise ValueError(
                f"{self!r} takes {n_inputs} numbers and its layers make {self._widths(n_inputs)[-1]} of them; expected "
                f"as many, to be added. End it with an fb.Dense({n_inputs})."
            )
        return n_inputs

    def parameters(self, n_inputs: int) -> list[Parameter]:
        """Return those of the layers in it."""
        return [
            parameter._replace(name=f"{i}.{parameter.name}")
            for i, (layer, width) in enumerate(zip(self.layers, self._widths(n_inputs), strict=False))
            for parameter in layer.parameters(width)
        ]

    def draw(self, n_inputs: int, generators: Iterator[np.random.Generator]) -> list[NDArray[np.float64]]:
        """Return what the layers in it begin with."""
        pairs = zip(self.layers, self._widths(n_inputs), strict=False)
        return [array for layer, width in pairs for array in layer.draw(width, generators)]

    def flops(self, n_inputs: int) -> int:
        """Return those of the layers in it, and of the sum."""
        pairs = zip(self.layers, self._widths(n_inputs), strict=False)
        return n_inputs + sum(layer.flops(width) for layer, width in pairs)

    def stages(self) -> list[Stage]:
        """Return the stages of the layers in it between a fork and an add."""
        return [{"kind": "fork"}, *(stage for layer in self.layers for stage in layer.stages()), {"kind": "add"}]

    def __repr__(self) -> str:
        return f"Residual([{', '.join(map(repr, self.layers))}])"

    def to_config(self) -> dict[str, Any]:
        """Return the layer as plain data."""
        return {"type": self.name, "layers": [layer.to_config() for layer in self.layers]}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Residual:
        """Return the layer that ``to_config`` wrote down."""
        return cls([layer_from_config(layer) for layer in config["layers"]])


def layer_from_config(config: Mapping[str, Any]) -> Layer:
    """Return the layer that its ``to_config`` wrote down."""
    return LAYERS[config["type"]].from_config(config)


def innermost(layers: Sequence[Layer], outer: str = "") -> Iterator[tuple[str, Layer]]:
    """Give the layers that have none in them, those in others too, and where each is: "layers[1].layers[0]"."""
    for i, layer in enumerate(layers):
        where = f"{outer}layers[{i}]"
        yield from innermost(layer.layers, f"{where}.") if layer.layers else ((where, layer),)


def check_layers(layers: Any) -> tuple[Layer, ...]:
    """Return a list of layers that can follow one another as a tuple."""
    example = "[fb.Dense(64, 'relu'), fb.Dense(10, 'softmax')]"
    if isinstance(layers, Layer):
        raise TypeError(f"layers is {layers!r}; expected a list. Put it in brackets: [{layers!r}].")
    if not isinstance(layers, Sequence) or isinstance(layers, str):
        raise TypeError(sentence("layers", layers, f"a list such as {example}"))
    if not layers:
        raise ValueError(f"layers is empty; expected one layer or more, such as {example}.")
    for i, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            remedy = f"Give fb.Dense({layer}, 'relu')." if isinstance(layer, int) else ""
            kinds = ", ".join(f"fb.{cls.__name__}" for cls in LAYERS.values())
            raise TypeError(sentence(f"layers[{i}]", layer, f"a layer, one of {kinds}", remedy))
        if isinstance(layer, Dropout) and i > 0 and isinstance(layers[i - 1], Dropout):
            raise ValueError(f"layers[{i}] is {layer!r} and follows {layers[i - 1]!r}; expected one of the two.")
    return tuple(layers)


def _slopes(activation: Function, n_units: int, trained: bool = True) -> list[Parameter]:
    """Return the array of an activation that has one."""
    return [Parameter("slope", (n_units,), trained)] if isinstance(activation, PReLU) else []


def _first_slopes(activation: Function, n_units: int) -> list[NDArray[np.float64]]:
    return [np.full(n_units, activation.slope)] if isinstance(activation, PReLU) else []


def _activated(stages: list[Stage], activation: Function, trainable: bool = True) -> list[Stage]:
    """Return these stages, one or none, and the activation: in the stage, or as a stage of its own."""
    if isinstance(activation, PReLU):
        return [*stages, {"kind": "prelu", "trainable": trainable}]
    function = {"activation": activation.name, "parameter": activation.parameter}
    return [stage | function for stage in stages] or [{"kind": "activation", **function}]


def output_activation(stages: Sequence[Stage]) -> Function:
    """Return what the last of the stages ends with; of its numbers nothing is known."""
    last = stages[-1]
    name = last.get("activation", "linear")
    return ACTIVATIONS["prelu" if name == "linear" and last["kind"] == "prelu" else name]()


# The kinds of stages that can apply an activation to their result.
_ACTIVATING = ("dense", "layer_norm", "batch_norm", "prelu", "add")


def plan(layers: Sequence[Layer]) -> tuple[list[Stage], list[int]]:
    """Return the stages of all layers, and for each stage which layer it is of.

    An activation directly behind a stage that can apply it and has none becomes part of that stage.
    """
    stages: list[Stage] = []
    owners: list[int] = []
    for i, layer in enumerate(layers):
        for stage in layer.stages():
            if stages and stage["kind"] == "activation" and _ends_plain(stages[-1]):
                stages[-1] |= {key: stage[key] for key in ("activation", "parameter")}
            else:
                stages.append(stage)
                owners.append(i)
    return stages, owners


def _ends_plain(stage: Stage) -> bool:
    return stage["kind"] in _ACTIVATING and stage.get("activation", "linear") == "linear"


LAYERS: dict[str, type[Layer]] = {cls.name: cls for cls in (Dense, Activation, LayerNorm, BatchNorm, Residual, Dropout)}
