"""A layer that is many networks in one: members that share their layers, each with a view of the inputs of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastbp.layers.base import Layer, Parameter, Stage
from fastbp.layers.composition import LAYERS, Residual, arrays_of, check_layers, innermost, layer_from_config
from fastbp.layers.dense import Dense
from fastbp.layers.normalisation import BatchNorm
from fastbp.layers.numeric_embeddings import Embedding
from fastbp.support.checks import check_int, check_word

__all__ = ["BatchEnsemble", "refuse_batch_ensemble"]

_ADAPTERS = ("first", "all")
_SCALES = ("signs", "normal")


@dataclass(frozen=True, init=False, repr=False)
class BatchEnsemble(Layer):
    """Many networks that share their weights, trained side by side: TabM, or BatchEnsemble.

    Each member multiplies the inputs by factors of its own, sends them through layers that all members share, and
    ends in a dense layer of its own. The output is the mean of the members' outputs; of probabilities, where the last
    layer ends in a softmax or sigmoid. In training each member has the whole loss to itself, and what is minimised,
    and shown as the loss of an epoch, is the mean of these losses; metrics, and every figure of ``evaluate``, are
    those of the mean output. It is a model's last layer.

    Parameters
    ----------
    members : int
        Number of members, 2 or more.
    layers : sequence of layers
        What a member is made of. All but the last are shared by the members: ``fb.Dense``, ``fb.Activation``,
        ``fb.LayerNorm``, ``fb.Scaling``, ``fb.Residual``, and ``fb.Dropout``, whose zeros are drawn for each member.
        The last one is an ``fb.Dense``, and each member has its own weights for it.
    adapters : {"first", "all"}, default "first"
        Which factors the members have of their own. "first": those of the inputs, and no others (TabM-mini). "all":
        also each shared ``fb.Dense`` computes s * ((r * X) @ W) + b, with r, s and b for each member and W for all
        (TabM); s and r are initially 1 and b 0. It cannot have an ``fb.Residual``.
    scale : {"signs", "normal"}, default "signs"
        The initial factors of the inputs: -1 or 1 at random, or from the standard normal distribution.

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of the above.

    Notes
    -----
    TabM: Gorishniy, Kotelnikov and Babenko, "TabM: advancing tabular deep learning with parameter-efficient
    ensembling", 2024. BatchEnsemble: Wen, Tran and Ba, 2020. A step costs about as much as that of as many networks
    of this size, one after the other; memory for parameters and optimizer is that of one. The ``W`` and ``b`` of the
    last layer have a first axis for the members, and so have the factors, which ``learning_rate_factors`` call
    "scale", "1.scale_in" (r of layer 1) and "1.scale_out" (s). Weight decay applies to the W alone, as always; a
    penalty of the last layer is the mean of the members', as the loss is. Derivatives by the inputs, private training
    and other formats such as ONNX are refused.

    Examples
    --------
    >>> import fastbp as fb
    >>> tabm = fb.BatchEnsemble(8, [fb.Dense(64, "relu"), fb.Dropout(0.1), fb.Dense(3, "softmax")])
    >>> model = fb.Model([tabm], inputs=5)
    >>> [array.shape for array in model.get_weights()]  # factors; shared W, b; heads
    [(8, 5), (5, 64), (64,), (8, 64, 3), (8, 3)]
    >>> model.predict([[1.0, 2.0, 3.0, 4.0, 5.0]]).shape
    (1, 3)
    """

    members: int
    layers: tuple[Layer, ...]
    adapters: str
    scale: str
    name = "batch_ensemble"
    closing = True

    def __init__(self, members: int, layers: Sequence[Layer], adapters: str = "first", scale: str = "signs") -> None:
        object.__setattr__(self, "members", check_int(members, "members", minimum=2))
        object.__setattr__(self, "layers", _check_members_layers(check_layers(layers)))
        object.__setattr__(self, "adapters", check_word(adapters, "adapters", _ADAPTERS))
        object.__setattr__(self, "scale", check_word(scale, "scale", _SCALES))
        if self.adapters == "all":
            for i, layer in enumerate(self.layers):
                if isinstance(layer, Residual):
                    raise ValueError(
                        f'layers[{i}] is {layer!r}; expected no fb.Residual with adapters="all". Pass adapters="first".'
                    )

    @property
    def head(self) -> Dense:
        """The last layer, of which each member has its own."""
        head = self.layers[-1]
        assert isinstance(head, Dense)
        return head

    @property
    def activation(self) -> Any:
        """The activation of the last layer."""
        return self.head.activation

    def _adapted(self, i: int) -> bool:
        """Whether layer i is a product with factors for each member."""
        return self.adapters == "all" and isinstance(self.layers[i], Dense) and i < len(self.layers) - 1

    def n_outputs(self, n_inputs: int) -> int:
        """Return the units of the last layer."""
        return self.head.units

    def parameters(self, n_inputs: int) -> list[Parameter]:
        """Return the arrays: the factors of the inputs, and of each layer those of all members, or of each."""
        parameters = [Parameter("scale", (self.members, n_inputs))]
        for i, layer in enumerate(self.layers):
            parameters += self._arrays_of(i, layer.parameters(n_inputs), n_inputs)
            n_inputs = layer.n_outputs(n_inputs)
        return parameters

    def arrays(self) -> list[Parameter]:
        """Return the arrays for any number of inputs; the shapes are those for one."""
        parameters = [Parameter("scale", (self.members, 1))]
        for i, layer in enumerate(self.layers):
            parameters += self._arrays_of(i, arrays_of(layer), 1)
        return parameters

    def _arrays_of(self, i: int, shared: list[Parameter], n_inputs: int) -> list[Parameter]:
        """Return the arrays of layer i; ``shared`` are those that the layer has where it stands alone."""
        if i == len(self.layers) - 1:
            shared = [array._replace(shape=(self.members, *array.shape)) for array in shared]
        elif self._adapted(i):
            W, *others = shared
            units, trained = W.shape[1], W.trained
            before = [Parameter("scale_in", (self.members, n_inputs), trained)] if i > 0 else []
            b = [array._replace(shape=(self.members, units)) for array in others if array.name == "b"]
            alphas = [array for array in others if array.name != "b"]
            shared = [*before, W, Parameter("scale_out", (self.members, units), trained), *b, *alphas]
        return [array._replace(name=f"{i}.{array.name}") for array in shared]

    def draw(self, n_inputs: int, generators: Iterator[np.random.Generator]) -> list[NDArray[np.float64]]:
        """Return the initial arrays."""
        rng, shape = next(generators), (self.members, n_inputs)
        signs = np.array([-1.0, 1.0])
        scale = rng.choice(signs, shape) if self.scale == "signs" else rng.standard_normal(shape)
        drawn: list[NDArray[np.float64]] = [scale]
        for i, layer in enumerate(self.layers[:-1]):
            arrays = layer.draw(n_inputs, generators)
            if self._adapted(i):
                by_name = dict(zip([array.name for array in layer.parameters(n_inputs)], arrays, strict=True))
                kinds = self._arrays_of(i, layer.parameters(n_inputs), n_inputs)
                arrays = [_initial(kind, by_name) for kind in kinds]
            drawn += arrays
            n_inputs = layer.n_outputs(n_inputs)
        heads = [self.head.draw(n_inputs, generators) for _ in range(self.members)]
        return [*drawn, *(np.stack(arrays) for arrays in zip(*heads, strict=True))]

    def flops(self, n_inputs: int) -> int:
        """Return the FLOPs of all members."""
        flops = n_inputs
        for layer in self.layers:
            flops += layer.flops(n_inputs)
            n_inputs = layer.n_outputs(n_inputs)
        return self.members * flops

    def stages(self) -> list[Stage]:
        """Return the stages of a member, each for all members, between those that open and close them."""
        k, n = self.members, len(self.layers)
        stages: list[Stage] = [{"kind": "repeat", "members": k}, _factors(k, use_bias=False)]
        for i, layer in enumerate(self.layers[:-1]):
            own = [_shared(stage, k) for stage in layer.stages()]
            stages += self._adapted_stages(i, own) if self._adapted(i) else own
        (head,) = self.layers[n - 1].stages()
        closing = {key: head[key] for key in ("activation", "parameter")}
        return [*stages, head | {"kind": "heads", "members": k}, {"kind": "mean", "members": k, **closing}]

    def _adapted_stages(self, i: int, stages: list[Stage]) -> list[Stage]:
        """Return a product's stages with factors before it, if it is not the first layer, and behind it."""
        product, *others = stages
        trainable = product.get("trainable", True)
        function: Stage = {key: product[key] for key in ("activation", "parameter") if key in product}
        plain = {key: value for key, value in product.items() if key not in function}
        before = [_factors(self.members, False, trainable)] if i > 0 else []
        behind = _factors(self.members, product.get("use_bias", True), trainable)
        if function.get("activation") == "softmax":  # of each member's units
            others.insert(0, {"kind": "activation", "members": self.members, **function})
        else:
            behind |= function
        return [*before, plain | {"use_bias": False}, behind, *others]

    def __repr__(self) -> str:
        text = f"BatchEnsemble({self.members}, [{', '.join(map(repr, self.layers))}]"
        text += f", adapters={self.adapters!r}" if self.adapters != "first" else ""
        return text + (f", scale={self.scale!r})" if self.scale != "signs" else ")")

    def to_config(self) -> dict[str, Any]:
        """Return the layer as plain data."""
        return {
            "type": self.name,
            "members": self.members,
            "layers": [layer.to_config() for layer in self.layers],
            "adapters": self.adapters,
            "scale": self.scale,
        }

    @classmethod
    def _described(cls, config: Mapping[str, Any]) -> Self:
        layers = [layer_from_config(layer, depth=1) for layer in config["layers"]]
        return cls(config["members"], layers, config["adapters"], config["scale"])


def refuse_batch_ensemble(layers: Sequence[Layer], what: str, remedy: str = "") -> None:
    """Refuse a model whose last layer is a batch ensemble: ``what`` is what there is not for it."""
    if isinstance(layers[-1], BatchEnsemble):
        instead = remedy or "Use a model without members, or several: fb.fit_many and fb.Ensemble."
        raise ValueError(f"the model's last layer is {layers[-1]!r}; expected no fb.BatchEnsemble {what}. {instead}")


def _factors(members: int, use_bias: bool, trainable: bool = True) -> Stage:
    return {"kind": "member_affine", "members": members, "use_bias": use_bias, "trainable": trainable}


def _shared(stage: Stage, members: int) -> Stage:
    """Return a stage for all members; a fork and a dropout treat every number alike, and need not know of members."""
    return stage if stage["kind"] in ("fork", "dropout") else stage | {"members": members}


def _initial(kind: Parameter, by_name: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the initial array of an adapted product: factors of 1, the same biases for all members."""
    name = kind.name.rpartition(".")[2]
    if name not in by_name:
        return np.ones(kind.shape)
    return np.array(np.broadcast_to(by_name[name], kind.shape))


def _check_members_layers(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """Refuse layers that a member cannot have."""
    last = layers[-1]
    if not isinstance(last, Dense) or last.activation.array is not None:
        raise ValueError(
            f"layers ends with {last!r}; expected an fb.Dense, of which each member has its own, without slopes of its "
            "own. Add one."
        )
    for where, layer in innermost(layers):
        if isinstance(layer, BatchNorm):
            raise ValueError(
                f"{where} is {layer!r}, whose statistics members would share; expected none. Use fb.LayerNorm()."
            )
        if isinstance(layer, Embedding):
            raise ValueError(f"{where} is {layer!r}; expected it before the fb.BatchEnsemble, for all members at once.")
    return layers


LAYERS[BatchEnsemble.name] = BatchEnsemble
