"""A model's parts, and what they say of it, as properties."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.data.arrays import NoRowsError
from fastbp.data.classes import check_classes
from fastbp.engine.network import Network
from fastbp.layers.base import Layer
from fastbp.layers.tabular import Inputs
from fastbp.models.architecture import NOT_BUILT, Architecture
from fastbp.models.feed import Feed
from fastbp.support.checks import check_flag, check_int, check_number, sentence
from fastbp.support.threads import choose_threads

if TYPE_CHECKING:
    from fastbp.engine.derivatives import Derivatives
    from fastbp.preparation.base import Preparation
    from fastbp.preparation.columns import Columns

__all__ = ["ModelParts", "model_like"]

Array = NDArray[Any]
AnyModel = TypeVar("AnyModel", bound="ModelParts")


class ModelParts:
    """The parts of a model, none of which refers to it, and its properties."""

    def _set_up(self, architecture: Architecture, feed: Feed, seed: int) -> None:
        """Set everything that does not depend on the data."""
        self._architecture, self._feed, self._seed = architecture, feed, seed
        self._metadata: dict[str, Any] = {}
        self._network: Network | None = None
        self._native_derivatives: dict[str, Derivatives] = {}  # made when they are first asked for

    @property
    def built(self) -> bool:
        """Whether the model has weights; otherwise it needs data first, to know its number of columns."""
        return self._network is not None

    @property
    def architecture(self) -> Architecture:
        """The layers, and everything that depends on them but not on the weights."""
        return self._architecture

    @property
    def feed(self) -> Feed:
        """Reads samples, and converts outputs to the targets' units."""
        return self._feed

    @property
    def network(self) -> Network:
        """The engine's network: the weights, and prediction."""
        if self._network is None:
            raise ValueError(NOT_BUILT)
        return self._network

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, first to last."""
        return self._architecture.layers

    @property
    def inputs(self) -> Inputs | None:
        """The number of columns of X, or a Tabular; None until the data is known."""
        return self._feed.inputs

    @property
    def n_inputs(self) -> int:
        """The number of columns of X."""
        return self._feed.n_inputs

    @property
    def prepare(self) -> Preparation | Sequence[Preparation] | Columns | None:
        """The preparation of X before the first layer."""
        return None if self._feed.preparation is None else self._feed.preparation.prepare

    @property
    def prepare_targets(self) -> Sequence[Preparation] | None:
        """The preparation of the targets before the loss."""
        return None if self._feed.preparation is None else self._feed.preparation.prepare_targets

    @property
    def n_outputs(self) -> int:
        """The number of columns of the result of ``predict``."""
        return self._architecture.n_outputs

    @property
    def n_parameters(self) -> int:
        """The number of elements of ``get_weights``: weights, biases and other arrays of layers."""
        return self.network.n_parameters

    @property
    def classes(self) -> Array | None:
        """The labels of the classes, in the order of the outputs; of a single output, those of 0 and of 1.

        They are learned by the first ``fit`` whose targets are text, booleans or categories, and saved with the model;
        ``predict_classes`` gives them. Text is sorted, as scikit-learn's ``classes_`` is; the categories of a pandas
        Categorical or a polars Enum keep their order. None if targets are integers, which number the outputs from 0
        (the labels of a hinge loss are learned all the same, as only they tell its outputs from those of a regression).

        Set them to name classes that do not all occur in the first data, or integers that do not begin at 0:
        ``model.classes = ["cat", "dog", "owl"]``. Targets then have to be these labels, or a number for each output.

        Raises
        ------
        TypeError, ValueError
            If they are set to anything but labels of one kind (text, booleans or numbers) that differ, as many as
            there are outputs, or two for a single output; or None.
        """
        classes = self._feed.classes
        return None if classes is None else classes.array.copy()

    @classes.setter
    def classes(self, classes: ArrayLike | None) -> None:
        checked = None if classes is None else check_classes(classes, self.n_outputs)
        self._feed = self._feed.labelled(checked, self._feed.target_names)

    @property
    def metadata(self) -> dict[str, Any]:
        """Data of your own, saved in the model's file: a dictionary of plain data, initially empty.

        For example where the data is from: ``model.metadata = {"survey": "spring", "year": 2026}``.
        """
        return copy.deepcopy(self._metadata)

    @metadata.setter
    def metadata(self, metadata: Mapping[str, Any]) -> None:
        import json  # only now: `import fastbp` stays quick

        expected = "a dictionary of what JSON can hold: text, numbers, None, lists and dictionaries of them"
        try:
            if not isinstance(metadata, Mapping):
                raise TypeError
            self._metadata = json.loads(json.dumps(dict(metadata), allow_nan=False))
        except (TypeError, ValueError, RecursionError):
            raise TypeError(sentence("metadata", metadata, expected)) from None

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self._architecture.dtype

    @property
    def seed(self) -> int:
        """The seed of the initial weights."""
        return self._seed

    def copy(self) -> Self:
        """Return a model with the same layers, preparation and weights, which then goes its own way.

        It is quicker than saving and loading: a target network, or a snapshot to go back to.

        Examples
        --------
        >>> import fastbp as fb
        >>> model = fb.Model([fb.Dense(1)], inputs=2)
        >>> target = model.copy()
        >>> (target.predict([[1.0, 2.0]]) == model.predict([[1.0, 2.0]])).all().item()
        True
        """
        if self._network is None:  # its architecture is still to be completed
            return copy.deepcopy(self)
        twin = model_like(self, self._architecture, self._feed)
        twin._metadata = copy.deepcopy(self._metadata)
        return twin

    def blend(self, source: ModelParts, tau: float) -> None:
        """Move all weights towards those of another model: (1 - tau) times their own plus tau times the source's.

        It is Polyak averaging, by which a target network follows the one that is trained. BatchNorm's running
        statistics move too. In float32 it is computed as w + tau (source - w).

        Parameters
        ----------
        source : Model
            A model of the same layers.
        tau : float
            0 to 1; 1 copies the weights.

        Raises
        ------
        TypeError, ValueError
            If the source is not a model of the same layers and dtype, or tau is not such a number.

        Examples
        --------
        >>> import fastbp as fb
        >>> model, target = (fb.Model([fb.Dense(1)], inputs=1, seed=seed) for seed in (0, 1))
        >>> model.set_weights([[[1.0]], [0.0]])
        >>> target.set_weights([[[3.0]], [2.0]])
        >>> target.blend(model, tau=0.25)
        >>> [array.tolist() for array in target.get_weights()]
        [[[2.5]], [1.5]]
        """
        if not isinstance(source, ModelParts):
            raise TypeError(sentence("source", source, "an fb.Model"))
        share = check_number(tau, "tau", at_least=0)
        if share > 1:
            raise ValueError(sentence("tau", tau, "a number from 0 to 1"))
        if source._architecture is not self._architecture and not source._architecture.is_like(self._architecture):
            raise ValueError(
                f"source is {source!r}; expected a model of the same layers and dtype as {self!r}. model.copy() makes "
                "one."
            )
        if source is not self:
            self.network.blend(source.network, share)
            self._follow(source)

    def _follow(self, source: ModelParts) -> None:
        """Use the running statistics of a source's preparation, where it has some, with the own clip."""
        moments, own = source.feed.moments, self._feed.preparation
        if moments is not None and own is not None and own.running is not None:
            self.adopt(self._feed.with_moments(moments))

    def initialize_from(
        self, X: ArrayLike, *, biases: bool = True, seed: int | None = None, n_threads: int | None = None
    ) -> None:
        """Set the weights of the dense layers from data, before training: each unit's outputs vary by 1 over its rows.

        Layer by layer, from the first: each column of W is divided by the standard deviation of X @ W over the rows,
        X being the layer's inputs (layer-sequential unit variance, LSUV: Mishkin and Matas, 2016). Then b becomes minus
        a weighted mean of X @ W over five rows, drawn at random for each unit, with exponential weights: the boundary
        where the unit's sum is 0 passes among the data. RealMLP begins so (Holzmueller, Grinsztajn, Steinwart, 2024).
        The signs and shares in W stay as the initializers drew them, or as they are. Other layers, frozen ones, those
        inside an ``fb.BatchEnsemble``, and units whose sum does not vary keep their weights. Dropout has no part, and
        batch normalisation uses its running statistics.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
            The rows to train on, as for ``predict``. Of more than 10,000 as many are drawn.
        biases : bool, default True
            Whether b is set; otherwise it becomes 0.
        seed : int or None, default None
            Of what is drawn. None: the model's.
        n_threads : int or None, default None
            As for ``predict``; any number gives the same bits.

        Raises
        ------
        TypeError, ValueError
            If X does not fit the model, or has a NaN or infinity, or there is no layer to set; nothing is changed.
        FloatingPointError
            If X is so large that a layer's outputs are not finite; nothing is changed.

        Examples
        --------
        >>> import fastbp as fb
        >>> import numpy as np
        >>> X = np.random.default_rng(0).normal(5.0, 100.0, size=(500, 3))
        >>> model = fb.Model([fb.Dense(8, "relu"), fb.Dense(1)], inputs=3, dtype="float64")
        >>> model.initialize_from(X)
        >>> bool(np.isclose(model.predict(X).std(), 1.0))
        True
        """
        from fastbp.models.data_initialization import initialize_from  # loaded late: `import fastbp` stays quick

        self._feed.check_ready()
        chosen = self._seed if seed is None else check_int(seed, "seed", minimum=0)
        parts = self.network, self._architecture, self._feed
        initialize_from(*parts, X, check_flag(biases, "biases"), chosen, choose_threads(n_threads))

    def adopt(self, feed: Feed) -> None:
        """Use a feed that has learned from data."""
        raise NotImplementedError

    def observe(self, X: Any) -> None:
        """Take rows into the running statistics of ``prepare=fb.RunningStandardize()``; nothing is trained.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
            New observations, as for ``predict``; also one row, or none.

        Raises
        ------
        TypeError, ValueError
            If the model has no running statistics, or X does not fit it or has a NaN or infinity; nothing is changed.

        Examples
        --------
        >>> import fastbp as fb
        >>> model = fb.Model([fb.Dense(1)], inputs=1, prepare=fb.RunningStandardize(clip=None))
        >>> model.set_weights([[[1.0]], [0.0]])
        >>> for row in [[1.0], [3.0]]:
        ...     model.observe([row])
        >>> model.predict([[3.0]]).tolist()
        [[1.0]]
        """
        preparation = self._feed.preparation
        if preparation is None or preparation.running is None:
            raise ValueError(
                f"the model's prepare is {None if preparation is None else preparation.prepare!r}; expected "
                "fb.RunningStandardize(), whose statistics observe changes."
            )
        self._feed.check_ready()
        with contextlib.suppress(NoRowsError):
            self.adopt(self._feed.observed(self._feed.read(X, "X", observes=True), "X"))

    def __repr__(self) -> str:
        layers = ", ".join(map(repr, self.layers))
        preparation = "" if self._feed.preparation is None else f" {self._feed.preparation!r},"
        return f"Model([{layers}], inputs={self.inputs!r},{preparation} dtype={self.dtype.name!r}, seed={self._seed})"

    def _repr_html_(self) -> str:
        """Return a table of the layers, for notebooks."""
        from fastbp.models.model_html import model_html  # only now: `import fastbp` stays quick

        return model_html(self._architecture, self._feed, self._seed)


def model_like(model: AnyModel, architecture: Architecture, feed: Feed) -> AnyModel:
    """Return a model of another architecture, whose weights are as many, with copies of these.

    Parameters
    ----------
    model : Model
        It is built.
    architecture : Architecture
    feed : Feed
        It has learned.
    """
    fed = feed.fed
    assert fed is not None
    twin = type(model).__new__(type(model))
    twin._set_up(architecture, feed, model._seed)
    network = architecture.build(fed)
    network.set_features(*feed.native)
    network.blend(model.network, 1.0)
    twin._network = network
    return twin
