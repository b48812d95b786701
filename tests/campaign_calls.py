"""Calls of everything public: which arguments each takes, and values that somebody might give."""

import datetime
import decimal
import fractions
import inspect
import pathlib

import numpy as np
import pandas as pd
from scipy import sparse

import fastbp as fb

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 3))
y = (X[:, 0] > 0).astype(int)


class OwnError(Exception):
    """Raised by the objects below; the package says what is wrong with them, or lets it pass."""


def raising(*args):
    raise OwnError("function")


def failing(name, *bases):
    """An object one of whose methods raises."""

    def method(self, *args, **kwargs):
        raise OwnError(name)

    return type(f"Failing{name.strip('_').title()}", bases, {name: method})


class FailingShape:
    @property
    def shape(self):
        raise OwnError("shape")


FailingRepr = failing("__repr__")
HOSTILE_OBJECTS = [
    *(FailingRepr, failing("__index__"), failing("__float__"), failing("__fspath__"), failing("__array__")),
    *(failing("__len__", list), failing("__iter__"), FailingShape, failing("__eq__"), failing("__hash__", list)),
    *(lambda: failing("__repr__", float)(0.5), lambda: failing("__repr__", str)("x")),
    *(lambda: failing("__repr__", int)(-3), lambda: [FailingRepr()], lambda: {FailingRepr(): 1}),
]

SCALARS = [
    *(None, True, 0, 1, -1, 3, 2**31, 2**63, 2**64, 10**400, -(10**400), 10**5000, 0.5, 1e308, float("nan")),
    *(float("inf"), 5e-324, 1j, fractions.Fraction(1, 3), fractions.Fraction(10**400), decimal.Decimal("0.5")),
    *("", "x", "mse", "adam", "relu", "auto", "a\0b", "\ud800", b"x", "/dev/null"),
    *(int, raising, datetime.datetime(2024, 1, 1), pathlib.Path("/nonexistent/x"), pathlib.Path(".")),
    *(np.float32(0.5), np.int64(3), np.bool_(True), np.longdouble("1e400")),
]

CONTAINERS = [
    *(list, dict, set, tuple, object),
    *(lambda: [1], lambda: [0.5, -1], lambda: ["x"], lambda: [None], lambda: [[1]], lambda: (1, 2)),
    *(lambda: {0: 1.0}, lambda: {"a": 1}, lambda: {0: 10**400}, lambda: range(3)),
    *(lambda: lambda *args: 1, lambda: (i for i in range(3))),
]

ARRAYS = [
    *(lambda: np.array(1.0), lambda: np.array([]), lambda: np.zeros((0, 3)), lambda: np.zeros((30, 3, 2))),
    *(lambda: np.array([1, "x"], object), lambda: np.array([[10**400] * 3] * 30, object)),
    *(lambda: np.array(["a"] * 30), lambda: np.array([FailingRepr()] * 30), lambda: np.zeros(30, "M8[s]")),
    *(lambda: np.zeros((30, 3), "c8"), lambda: np.full((30, 3), np.nan), lambda: np.full((30, 3), 1e300)),
    *(lambda: np.full((30, 3), 5e-324), lambda: X, lambda: y, lambda: X.astype("f4"), lambda: y.astype("i4")),
    *(lambda: X[:, ::-1], lambda: X.astype(">f8"), lambda: np.ma.masked_array(X, X > 1)),
    *(lambda: X.astype(np.longdouble), lambda: np.arange(30) % 9),
    *(lambda: sparse.csr_array(X), lambda: sparse.coo_matrix(X), lambda: pd.DataFrame(X)),
    *(lambda: pd.DataFrame({"a": ["x"] * 30}), lambda: pd.Series(y)),
]

OBJECTS = [
    *(fb.Adam, fb.F1, fb.Standardize, lambda: fb.Dense(2), lambda: [fb.Dense(2, "softmax")]),
    *(lambda: fb.EarlyStopping("loss"), lambda: fb.EarlyStopping, lambda: fb.Tabular(2, [3])),
    *(lambda: [(X, y)], lambda: (X, y), lambda: fb.CosineDecay(0.1, 10), lambda: make_model()),
]

MAKERS = [*(lambda value=value: value for value in SCALARS), *CONTAINERS, *ARRAYS, *OBJECTS, *HOSTILE_OBJECTS]


def make_model(seed=0):
    return fb.Model([fb.Dense(2, "softmax")], inputs=3, seed=seed)


def make_trainer(seed=0):
    return fb.Trainer(make_model(seed), "cross_entropy", n_threads=1)


# What an argument of this name usually is.
USUAL = {
    "X": lambda: X,
    "y": lambda: y,
    "layers": lambda: [fb.Dense(3, "relu"), fb.Dense(2, "softmax")],
    "inputs": lambda: 3,
    "model": make_model,
    "loss": lambda: "cross_entropy",
    "path": lambda: "f",
    "epochs": lambda: 2,
    "units": lambda: 2,
    "models": lambda: [make_model()] * 2,
    "make_trainer": lambda: make_trainer,
    "trainers": lambda: [make_trainer()],
    "initial": lambda: 0.1,
    "config": lambda: make_model().to_config(),
    "rate": lambda: 0.2,
    "learning_rate": lambda: 0.1,
    "numeric": lambda: 1,
    "categories": lambda: [3],
    "function": lambda: lambda a, b: 1.0,
    "metrics": lambda: ["accuracy"],
    "weights": lambda: [np.zeros((3, 2)), np.zeros(2)],
}

# Not documented as methods of users: the parts hand them to each other.
INTERNAL = {"parts", "architecture", "feed", "network", "adopt", "fit_samples", "predict_read", "framed"}
MOST_EPOCHS = 50  # more is no error, only slow


def setter(owner, attribute):
    def set_attribute(value):
        setattr(owner, attribute, value)

    return set_attribute


def targets():
    """Name to function: all that is public, with methods bound to a new object each time."""
    found = {}
    for name in fb.__all__:
        function = getattr(fb, name)
        if not callable(function) or (inspect.isclass(function) and issubclass(function, BaseException)):
            continue
        found[name] = function
        if hasattr(function, "from_config"):
            found[f"{name}.from_config"] = function.from_config
    model, trainer = make_model(), make_trainer()
    objects = {"model": model, "trainer": trainer, "ensemble": fb.Ensemble([model, make_model(1)])}
    for owner, object_ in objects.items():
        for name in dir(object_):
            if not name.startswith("_") and name not in INTERNAL and callable(getattr(object_, name, None)):
                found[f"{owner}.{name}"] = getattr(object_, name)
    found["model.metadata ="] = setter(model, "metadata")
    found["trainer.learning_rate ="] = setter(trainer, "learning_rate")
    found["trainer.optimizer ="] = setter(trainer, "optimizer")
    return found


def parameters_of(function):
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [each for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]


def arguments_of(rng, function):
    """Return (positional, by name): the usual ones, and one or two of any kind."""
    parameters = parameters_of(function)
    chosen = rng.sample(parameters, min(len(parameters), rng.choice([1, 1, 1, 2])))
    arguments = {}
    for each in parameters:
        needed = each.default is each.empty
        if each in chosen or (needed and each.name not in USUAL):
            arguments[each.name] = rng.choice(MAKERS)()
        elif each.name in USUAL and (needed or rng.random() < 0.1):
            arguments[each.name] = USUAL[each.name]()
    if isinstance(arguments.get("epochs"), int) and arguments["epochs"] > MOST_EPOCHS:
        arguments["epochs"] = 2
    positional = [arguments.pop(each.name) for each in parameters if each.kind == each.POSITIONAL_ONLY]
    return positional, arguments


def described(value):
    try:
        return f"{type(value).__name__} {value!r:.40}"
    except (OwnError, ValueError):  # the second of integers too long to be shown
        return type(value).__name__
