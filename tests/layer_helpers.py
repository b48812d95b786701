"""Models of every kind of layer, for the oracle and for PyTorch."""

import numpy as np

import fastbp as fb
import reference


def oracle_of(model):
    """The model as a reference.Chain, in float64, with arrays of its own."""
    arrays = iter([np.array(array, np.float64) for array in model.get_weights()])
    return reference.Chain([_block(layer, arrays) for layer in model.layers])


def _block(layer, arrays):
    match layer:
        case fb.Dense():
            W, b = next(arrays), next(arrays) if layer.use_bias else None
            penalties = (layer.l1, layer.l2) if layer.trainable else (0.0, 0.0)
            if layer.activation.array is not None:
                dense = reference.Dense(W, b, "linear", 0.0, *penalties)
                return reference.Chain([dense, _block(fb.Activation(layer.activation), arrays)])
            return reference.Dense(W, b, layer.activation.name, layer.activation.parameter, *penalties)
        case fb.Activation(activation=fb.PReLU()):
            return reference.PReLU(next(arrays))
        case fb.Activation(activation=fb.Parametric()):
            return reference.Parametric(next(arrays), layer.activation.function)
        case fb.Scaling():
            return reference.Scaling(next(arrays))
        case fb.Periodic():
            four = [next(arrays) for _ in range(4)]
            return reference.Periodic(*four, range(len(four[0])) if layer.columns is None else layer.columns)
        case fb.PiecewiseLinear():
            columns = range(len(layer.edges)) if layer.columns is None else layer.columns
            product = [] if layer.units is None else [2, 3]
            two = [next(arrays), next(arrays)]
            return reference.PiecewiseLinear(*two, columns, *(next(arrays) for _ in product))
        case fb.Activation():
            return reference.Activation(layer.activation.name, layer.activation.parameter)
        case fb.LayerNorm():
            return reference.LayerNorm(next(arrays), next(arrays), layer.epsilon)
        case fb.Residual():
            return reference.Residual([_block(inner, arrays) for inner in layer.layers])
        case fb.Dropout(rate=0.0):
            return reference.Activation("linear")
        case fb.BatchNorm():
            return reference.BatchNorm(*(next(arrays) for _ in range(4)), layer.momentum, layer.epsilon)
        case fb.BatchEnsemble():
            return _batch_ensemble(layer, arrays)
    raise TypeError(layer)


def _batch_ensemble(layer, arrays):
    scale, blocks = next(arrays), []
    *shared, head = layer.layers
    for i, inner in enumerate(shared):
        if layer.adapters == "all" and isinstance(inner, fb.Dense):
            blocks += _adapted(inner, arrays, i > 0)
        else:
            blocks.append(_block(inner, arrays))
    W, b = next(arrays), next(arrays) if head.use_bias else None
    penalties = (head.l1, head.l2) if head.trainable else (0.0, 0.0)
    heads = reference.Heads(W, b, head.activation.name, head.activation.parameter, *penalties)
    return reference.BatchEnsemble(scale, blocks, heads)


def _adapted(layer, arrays, with_factors):
    """A product that the members share, between factors and biases of their own."""
    before = [reference.ByMember(next(arrays))] if with_factors else []
    penalties = (layer.l1, layer.l2) if layer.trainable else (0.0, 0.0)
    product = reference.Dense(next(arrays), None, "linear", 0.0, *penalties)
    behind = reference.ByMember(next(arrays), next(arrays) if layer.use_bias else None)
    return [*before, product, behind, _block(fb.Activation(layer.activation), arrays)]


def torch_of(torch, model):
    """The model as a PyTorch module in float64, and its parameters in the order of ``get_weights``."""
    arrays = iter(model.get_weights())
    parameters = []

    def take(transposed=False):
        array = next(arrays)
        parameter = torch.nn.Parameter(torch.tensor(array.T.copy() if transposed else array))
        parameters.append(parameter)
        return parameter

    modules = [module for layer in model.layers for module in _modules(torch, layer, take)]
    return torch.nn.Sequential(*modules), parameters


def torch_penalty(module):
    """What Keras adds to the loss for the weights of a module that torch_of made."""
    penalty = 0.0
    for part in module.modules():
        if hasattr(part, "of") and part.of.trainable:
            penalty += part.of.l1 * part.weight.abs().sum() + part.of.l2 * (part.weight**2).sum()
    return penalty


def torch_limit(torch, module):
    """Shorten the weights of units that are longer than their layer's max_norm."""
    for part in module.modules():
        if hasattr(part, "of") and part.of.trainable and part.of.max_norm is not None:
            with torch.no_grad():
                part.weight *= (part.of.max_norm / part.weight.norm(dim=1, keepdim=True)).clamp(max=1.0)


def _activations(nn):
    return {
        "linear": nn.Identity,
        "relu": nn.ReLU,
        "tanh": nn.Tanh,
        "sigmoid": nn.Sigmoid,
        "gelu": nn.GELU,
        "softmax": lambda: nn.Softmax(dim=1),
        "mish": nn.Mish,
        "selu": nn.SELU,
        "silu": nn.SiLU,
    }


def _scaling(torch, weight):
    class Scaling(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = weight

        def forward(self, X):
            return X * self.weight

    return Scaling()


def _periodic(torch, layer, arrays):
    class Periodic(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.w, self.b, self.V, self.c = arrays

        def forward(self, X):
            x = X if layer.columns is None else X[:, list(layer.columns)]
            waves = torch.cos(2 * torch.pi * self.w.T * x.unsqueeze(2) + self.b.T)
            E = (waves.unsqueeze(3) * self.V.permute(2, 1, 0)).sum(2) + self.c.T
            return torch.cat([E.reshape(len(X), -1), X], 1)

    return Periodic()


def _piecewise_linear(torch, layer, arrays):
    class PiecewiseLinear(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.slope, self.offset = (array.requires_grad_(False) for array in arrays[:2])
            self.V, self.c = arrays[2:] or (None, None)

        def forward(self, X):
            x = X if layer.columns is None else X[:, list(layer.columns)]
            E = torch.clamp(self.slope.T * x.unsqueeze(2) + self.offset.T, 0, 1)
            if self.V is not None:
                E = (E.unsqueeze(3) * self.V.permute(2, 1, 0)).sum(2) + self.c.T
            return torch.cat([E.reshape(len(X), -1), X], 1)

    return PiecewiseLinear()


def _learning(torch, function, weight):
    """The module of an activation with a weight."""
    if isinstance(function, fb.PReLU):
        module = torch.nn.PReLU()
        module.weight = weight
        return module
    activation = _activations(torch.nn)[function.function]()

    class Parametric(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = weight

        def forward(self, X):
            return (1 - self.weight) * X + self.weight * activation(X)

    return Parametric()


def _modules(torch, layer, take):
    nn = torch.nn
    activations = _activations(nn)

    match layer:
        case fb.Dense():
            linear = nn.Linear(1, 1, bias=layer.use_bias)
            linear.weight = take(transposed=True)
            linear.of = layer
            if layer.use_bias:
                linear.bias = take()
            learns = layer.activation.array is not None
            activation = _learning(torch, layer.activation, take()) if learns else activations[layer.activation.name]()
            return [module.requires_grad_(layer.trainable) for module in (linear, activation)]
        case fb.Activation(activation=fb.PReLU() | fb.Parametric()):
            return [_learning(torch, layer.activation, take())]
        case fb.Scaling():
            return [_scaling(torch, take())]
        case fb.Periodic():
            return [_periodic(torch, layer, [take(transposed=True) for _ in range(4)])]
        case fb.PiecewiseLinear():
            n_arrays = 2 if layer.units is None else 4
            return [_piecewise_linear(torch, layer, [take(transposed=True) for _ in range(n_arrays)])]
        case fb.Activation():
            return [activations[layer.activation.name]()]
        case fb.LayerNorm():
            norm = nn.LayerNorm(1, layer.epsilon)
            norm.weight, norm.bias = take(), take()
            norm.normalized_shape = tuple(norm.weight.shape)
            return [norm]
        case fb.Residual():
            inside = nn.Sequential(*(module for inner in layer.layers for module in _modules(torch, inner, take)))

            class Sum(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.inside = inside

                def forward(self, X):
                    return X + self.inside(X)

            return [Sum()]
        case fb.Dropout(rate=0.0):
            return [nn.Identity()]
        case fb.BatchNorm():
            norm = nn.BatchNorm1d(1, layer.epsilon, layer.momentum)
            norm.weight, norm.bias = take(), take()
            norm.running_mean, norm.running_var = take().detach(), take().detach()
            return [norm]
    raise TypeError(layer)
