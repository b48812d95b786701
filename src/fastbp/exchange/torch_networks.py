"""PyTorch's modules as layers, and layers as modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fastbp.exchange.blueprint import Blueprint
from fastbp.exchange.foreign import NEUTRAL, Collector, Network, check_plain, converted
from fastbp.exchange.torch_modules import Exp, Parametric, Periodic, PiecewiseLinear, Residual, Scaling
from fastbp.layers import activations as ours
from fastbp.layers.activation_layer import Activation
from fastbp.layers.base import Layer
from fastbp.layers.composition import Residual as ResidualLayer
from fastbp.layers.dense import Dense
from fastbp.layers.dropout import Dropout
from fastbp.layers.normalisation import BatchNorm, LayerNorm
from fastbp.layers.numeric_embeddings import Periodic as PeriodicLayer
from fastbp.layers.numeric_embeddings import PiecewiseLinear as PiecewiseLinearLayer
from fastbp.layers.scaling import Scaling as ScalingLayer
from fastbp.schedules import Schedule
from fastbp.support.checks import sentence

__all__ = ["network_of", "sequential_of"]

Array = NDArray[Any]

_OWN = (Exp, Parametric, Periodic, PiecewiseLinear, Scaling)  # modules that are not PyTorch's
_MIXED = ("mish", "selu", "silu", "relu")  # the functions of a parametric activation
_EXACT_FROM = 20.0  # where log(1 + exp(x)) is x in float32: Softplus's threshold in PyTorch
_EXACT_TO = 40.0  # where it is x in float64 too


def network_of(net: Any) -> Network:
    """Return the layers of a module.

    Raises
    ------
    TypeError
        If it is none, or one of its modules has no counterpart.
    ValueError
        If a module's options have none.
    """
    if not isinstance(net, nn.Module):
        raise TypeError(sentence("net", net, "a torch.nn.Module such as nn.Sequential"))
    collector = Collector()
    _collect(net, "net", collector)
    return collector.network("net")


def _collect(module: nn.Module, place: str, to: Collector) -> None:
    """Add a module, and those inside it."""
    kind = type(module)
    if vars(module).get("_forward_hooks") or vars(module).get("_forward_pre_hooks"):
        raise ValueError(f"{place}, {kind.__name__}, has forward hooks; expected modules without. Remove them first.")
    if kind is nn.Sequential:
        for i, inner in enumerate(module):
            _collect(inner, f"{place}[{i}]", to)
    elif kind is Residual:
        inside = Collector()
        _collect(module.layers, f"{place}.layers", inside)
        to.residual(inside)
    elif kind in _COLLECT:
        _COLLECT[kind](module, place, to)
    elif kind in _ACTIVATIONS:
        to.activation(_ACTIVATIONS[kind](module, place))
    else:
        known = ", ".join(
            f"nn.{each.__name__}" for each in (nn.Sequential, *_COLLECT, *_ACTIVATIONS) if each not in _OWN
        )
        raise TypeError(f"{place} is {kind.__name__}; expected one of {known}, which fastbp has a layer for.")


def _refuse(place: str, module: nn.Module, expected: str) -> NoReturn:
    raise ValueError(f"{place} is {module}; expected {expected}, as fastbp has no other.")


def _array(tensor: torch.Tensor) -> Array:
    if tensor.dtype not in (torch.float32, torch.float64):
        raise ValueError(
            f"net has weights of {tensor.dtype}; expected float32 or float64. Convert it: net.to(torch.float32)."
        )
    return np.array(tensor.detach().cpu().numpy())


def _linear(module: Any, place: str, to: Collector) -> None:
    learns = {each.requires_grad for each in module.parameters()}
    if len(learns) > 1:
        _refuse(place, module, "requires_grad of its weight and of its bias to be the same")
    b = None if module.bias is None else _array(module.bias)
    to.dense(_array(module.weight).T, b, trainable=learns.pop())


def _layer_norm(module: Any, place: str, to: Collector) -> None:
    if len(module.normalized_shape) != 1:
        _refuse(place, module, "a normalized_shape of one number")
    to.layer(LayerNorm(float(module.eps)), _gain_and_shift(module, module.normalized_shape[0]))


def _batch_norm(module: Any, place: str, to: Collector) -> None:
    if module.running_mean is None or module.momentum is None:
        _refuse(place, module, "running statistics with a momentum")
    statistics = [_array(module.running_mean), _array(module.running_var)]
    arrays = [*_gain_and_shift(module, module.num_features), *statistics]
    to.layer(BatchNorm(float(module.momentum), float(module.eps)), arrays)


def _gain_and_shift(module: Any, n: int) -> list[Array]:
    if module.weight is None:
        return [np.ones(n, NEUTRAL), np.zeros(n, NEUTRAL)]
    gain = _array(module.weight)
    return [gain, np.zeros_like(gain) if module.bias is None else _array(module.bias)]


def _prelu(module: Any, place: str, to: Collector) -> None:
    slopes = _array(module.weight)
    if len(slopes) == 1 and to.width != 1:
        if to.width is None:
            _refuse(place, module, "a slope for each input, where no layer before it tells their number")
        slopes = np.repeat(slopes, to.width)
    to.activation(ours.PReLU(), slopes)


def _parametric(module: Any, place: str, to: Collector) -> None:
    names = {kind: function.name for function, kind in _PLAIN_MODULES.items() if function.name in _MIXED}
    if type(module.function) not in names:
        _refuse(place, module, "one of " + ", ".join(f"nn.{kind.__name__}" for kind in names))
    to.activation(ours.Parametric(names[type(module.function)]), _array(module.weight))


def _scaling(module: Any, place: str, to: Collector) -> None:
    to.layer(ScalingLayer(), [_array(module.weight)])


def _periodic(module: Any, place: str, to: Collector) -> None:
    arrays = [_array(getattr(module, name)) for name in ("frequency", "phase", "weight", "bias")]
    layer = PeriodicLayer(module.weight.shape[2], module.weight.shape[1], columns=module.columns)
    to.layer(layer, arrays, module.n_inputs)


def _piecewise_linear(module: Any, place: str, to: Collector) -> None:
    names = ("slope", "offset") if module.units is None else ("slope", "offset", "weight", "bias")
    layer = PiecewiseLinearLayer(module.edges, module.units, module.columns)
    to.layer(layer, [_array(getattr(module, name)) for name in names], module.n_inputs)


def _dropout(module: Any, place: str, to: Collector) -> None:
    if module.p == 1:
        _refuse(place, module, "a probability below 1")
    to.layer(Dropout(float(module.p)))


def _nothing(module: Any, place: str, to: Collector) -> None:
    if isinstance(module, nn.Flatten) and (module.start_dim, module.end_dim) != (1, -1):
        _refuse(place, module, "nn.Flatten(1, -1), which leaves rows as they are")


_COLLECT: dict[type[nn.Module], Callable[[Any, str, Collector], None]] = {
    nn.Linear: _linear,
    nn.LayerNorm: _layer_norm,
    nn.BatchNorm1d: _batch_norm,
    nn.PReLU: _prelu,
    Parametric: _parametric,
    Scaling: _scaling,
    Periodic: _periodic,
    PiecewiseLinear: _piecewise_linear,
    nn.Dropout: _dropout,
    nn.Identity: _nothing,
    nn.Flatten: _nothing,
}


def _softmax(module: Any, place: str) -> ours.Activation:
    if module.dim not in (1, -1):
        _refuse(place, module, "dim=1 or -1")
    return ours.Softmax()


def _softplus(module: Any, place: str) -> ours.Activation:
    if module.beta != 1 or module.threshold < _EXACT_FROM:
        _refuse(place, module, "beta=1 and a threshold of 20 or more")
    return ours.Softplus()


def _leaky_relu(module: Any, place: str) -> ours.Activation:
    if not 0 <= module.negative_slope < 1:
        _refuse(place, module, "a negative_slope from 0 to below 1")
    return ours.LeakyReLU(float(module.negative_slope))


def _elu(module: Any, place: str) -> ours.Activation:
    if not module.alpha > 0:
        _refuse(place, module, "an alpha above 0")
    return ours.ELU(float(module.alpha))


def _gelu(module: Any, place: str) -> ours.Activation:
    return ours.GELU() if module.approximate == "none" else ours.GELUTanh()


def _plain(function: type[ours.Activation]) -> Callable[[Any, str], ours.Activation]:
    return lambda module, place: function()


_ACTIVATIONS: dict[type[nn.Module], Callable[[Any, str], ours.Activation]] = {
    nn.ReLU: _plain(ours.ReLU),
    nn.LeakyReLU: _leaky_relu,
    nn.Tanh: _plain(ours.Tanh),
    nn.Sigmoid: _plain(ours.Sigmoid),
    nn.Softmax: _softmax,
    nn.GELU: _gelu,
    nn.SiLU: _plain(ours.SiLU),
    nn.ELU: _elu,
    nn.SELU: _plain(ours.SELU),
    nn.Softplus: _softplus,
    nn.Softsign: _plain(ours.Softsign),
    nn.Mish: _plain(ours.Mish),
    nn.Hardsigmoid: _plain(ours.HardSigmoid),
    nn.Hardswish: _plain(ours.HardSwish),
    Exp: _plain(ours.Exp),
}

# ------------------------------------------------------------------------------------------------------------- out


def sequential_of(model: Blueprint) -> nn.Sequential:
    """Return a model as modules that predict what it does, in evaluation mode.

    Raises
    ------
    ValueError
        If a part of it has no counterpart.
    """
    check_plain(model, "to_torch", "PyTorch's modules take and give numbers")
    return nn.Sequential(*converted(model, _MODULES, "to_torch")).eval()


def _filled(module: nn.Module, arrays: dict[str, Array]) -> nn.Module:
    """Return a module with its tensors set."""
    with torch.no_grad():
        for name, array in arrays.items():
            getattr(module, name).copy_(torch.from_numpy(np.ascontiguousarray(array)))
    return module


def _dtype(array: Array) -> torch.dtype:
    return torch.float32 if array.dtype == np.float32 else torch.float64


def _linear_of(layer: Dense, arrays: list[Array], n_inputs: int) -> Iterator[nn.Module]:
    W = arrays[0]
    linear = nn.utils.skip_init(nn.Linear, n_inputs, layer.units, bias=layer.use_bias, dtype=_dtype(W))
    _filled(linear, {"weight": W.T} | ({"bias": arrays[1]} if layer.use_bias else {}))
    yield linear.requires_grad_(layer.trainable)
    for activation in _activation_of(layer.activation, arrays[1 + layer.use_bias :]):
        yield activation.requires_grad_(layer.trainable)


def _activation_layer_of(layer: Activation, arrays: list[Array], n_inputs: int) -> Iterator[nn.Module]:
    return _activation_of(layer.activation, arrays)


def _activation_of(function: ours.Activation, arrays: list[Array]) -> Iterator[nn.Module]:
    if isinstance(function, ours.PReLU):
        yield _filled(nn.PReLU(len(arrays[0]), dtype=_dtype(arrays[0])), {"weight": arrays[0]})
    elif isinstance(function, ours.Parametric):
        inner = _PLAIN_MODULES[ours.ACTIVATIONS[function.function]]()
        yield _filled(Parametric(inner, len(arrays[0]), _dtype(arrays[0])), {"weight": arrays[0]})
    elif isinstance(function, ours.LeakyReLU):
        yield nn.LeakyReLU(function.slope)
    elif isinstance(function, ours.ELU):
        yield nn.ELU(function.alpha)
    elif isinstance(function, ours.GELUTanh):
        yield nn.GELU("tanh")
    elif isinstance(function, ours.Softmax):
        yield nn.Softmax(dim=1)
    elif isinstance(function, ours.Softplus):
        yield nn.Softplus(threshold=_EXACT_TO)
    elif not isinstance(function, ours.Linear):
        yield _PLAIN_MODULES[type(function)]()


_PLAIN_MODULES: dict[type[ours.Activation], type[nn.Module]] = {
    ours.ReLU: nn.ReLU,
    ours.Tanh: nn.Tanh,
    ours.Sigmoid: nn.Sigmoid,
    ours.GELU: nn.GELU,
    ours.SiLU: nn.SiLU,
    ours.SELU: nn.SELU,
    ours.Softsign: nn.Softsign,
    ours.Mish: nn.Mish,
    ours.HardSigmoid: nn.Hardsigmoid,
    ours.HardSwish: nn.Hardswish,
    ours.Exp: Exp,
}


def _layer_norm_of(layer: LayerNorm, arrays: list[Array], n_inputs: int) -> Iterator[nn.Module]:
    norm = nn.LayerNorm(n_inputs, eps=layer.epsilon, dtype=_dtype(arrays[0]))
    yield _filled(norm, dict(zip(("weight", "bias"), arrays, strict=True)))


def _batch_norm_of(layer: BatchNorm, arrays: list[Array], n_inputs: int) -> Iterator[nn.Module]:
    norm = nn.BatchNorm1d(n_inputs, eps=layer.epsilon, momentum=layer.momentum, dtype=_dtype(arrays[0]))
    yield _filled(norm, dict(zip(("weight", "bias", "running_mean", "running_var"), arrays, strict=True)))


def _scaling_of(layer: ScalingLayer, arrays: list[Array], n_inputs: int) -> Iterator[nn.Module]:
    yield _filled(Scaling(n_inputs, _dtype(arrays[0])), {"weight": arrays[0]})


def _periodic_of(layer: PeriodicLayer, arrays: list[Array], n_inputs: int) -> Iterator[nn.Module]:
    columns = None if layer.columns is None else list(layer.columns)
    module = Periodic(n_inputs, layer.frequencies, layer.units, columns, _dtype(arrays[0]))
    yield _filled(module, dict(zip(("frequency", "phase", "weight", "bias"), arrays, strict=True)))


def _piecewise_linear_of(layer: PiecewiseLinearLayer, arrays: list[Array], n_inputs: int) -> Iterator[nn.Module]:
    columns = None if layer.columns is None else list(layer.columns)
    edges = [list(each) for each in layer.edges]
    module = PiecewiseLinear(n_inputs, edges, layer.units, columns, _dtype(arrays[0]))
    yield _filled(module, dict(zip(("slope", "offset", "weight", "bias"), arrays, strict=False)))


def _dropout_of(layer: Dropout, arrays: list[Array], n_inputs: int) -> Iterator[nn.Module]:
    if isinstance(layer.rate, Schedule):
        raise ValueError(
            sentence("a layer", layer, "a rate that is a number for to_torch", "Set one: fb.Dropout(0.1).")
        )
    yield nn.Dropout(layer.rate)


def _residual_of(layer: ResidualLayer, inner: list[nn.Module], n_inputs: int) -> Iterator[nn.Module]:
    yield Residual(*inner)


_MODULES: dict[type[Layer], Callable[..., Iterator[nn.Module]]] = {
    Dense: _linear_of,
    Activation: _activation_layer_of,
    LayerNorm: _layer_norm_of,
    BatchNorm: _batch_norm_of,
    ScalingLayer: _scaling_of,
    PeriodicLayer: _periodic_of,
    PiecewiseLinearLayer: _piecewise_linear_of,
    Dropout: _dropout_of,
    ResidualLayer: _residual_of,
}
