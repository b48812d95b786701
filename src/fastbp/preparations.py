"""Preparations: what is made of the columns of X before the first layer is fed with them, and of the targets.

Each learns what it goes by from the training data, once, and adds its step to each column's. All is worked out in
float64. A new preparation is a class here, an entry in PREPARATIONS and, if it is a new kind of step, one in
csrc/fastbp.h and csrc/kernels/prepare.h.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastbp.checks import check_flag, check_int, check_number, sentence
from fastbp.registry import from_config, to_config

if TYPE_CHECKING:
    from fastbp.draft import Draft

__all__ = [
    "PREPARATIONS",
    "Chain",
    "Columns",
    "Impute",
    "OneHot",
    "Ordinal",
    "Preparation",
    "RobustScale",
    "Scale",
    "Standardize",
    "check_chain",
    "check_prepare",
    "check_prepare_targets",
    "prepare_from_config",
    "prepare_to_config",
]

Numbers = NDArray[np.float64]

_SMALLEST_FACTOR = 1e-300


@dataclass(frozen=True)
class Preparation:
    """What all preparations have: a name, what they leave of a column, and how they learn."""

    name: ClassVar[str]
    categorical: ClassVar[bool] = False  # for categories, and not for numbers
    ends: ClassVar[bool] = False  # nothing can follow
    invertible: ClassVar[bool] = True  # so that it can be for targets

    @property
    def widens(self) -> bool:
        """Whether what it makes of a column may be more than one."""
        return False

    @property
    def learns(self) -> bool:
        """Whether it must see data first."""
        return True

    def learn(self, draft: Draft) -> None:
        """Add the step of each column to a draft."""
        raise NotImplementedError


@dataclass(frozen=True)
class Scale(Preparation):
    """X * factor + offset; or each column from 0 to 1, as in the training data.

    Parameters
    ----------
    factor : float or None, default None
        Not 0. ``fb.Scale(1 / 255)`` is for images of bytes. None learns each column's: (X - min) / (max - min), as
        scikit-learn's MinMaxScaler does; a column whose numbers are all alike becomes 0.
    offset : float, default 0.0
        What is added then.
    """

    factor: float | None = None
    offset: float = 0.0
    name = "scale"

    def __post_init__(self) -> None:
        if self.factor is not None:
            factor = check_number(self.factor, "factor")
            if not _SMALLEST_FACTOR < abs(factor) < 1 / _SMALLEST_FACTOR:
                raise ValueError(sentence("factor", factor, "a number that is not 0", "0 would leave nothing of X."))
            object.__setattr__(self, "factor", factor)
        object.__setattr__(self, "offset", check_number(self.offset, "offset"))

    @property
    def learns(self) -> bool:
        """Whether the factor is to be found."""
        return self.factor is None

    def learn(self, draft: Draft) -> None:
        """Take the factor, or minimum and maximum."""
        if self.factor is not None:
            draft.add_affine(0.0, self.factor, self.offset)
            return
        moments = draft.moments()
        draft.add_affine(moments.low, _reciprocals(moments.high - moments.low), self.offset)


@dataclass(frozen=True)
class Standardize(Preparation):
    """(X - mean) / deviation of each column, as scikit-learn's StandardScaler does.

    One pass over the data, by blocks whose means and squares are merged (Chan, Golub and LeVeque, 1983). A column whose
    numbers are all alike becomes 0. Missing values are left out, and stay missing.
    """

    name = "standardize"

    def learn(self, draft: Draft) -> None:
        """Take mean and deviation."""
        moments = draft.moments()
        draft.add_affine(moments.mean, _reciprocals(np.sqrt(moments.variance)))


@dataclass(frozen=True)
class RobustScale(Preparation):
    """(X - median) / (third quartile - first quartile) of each column, then bent so that outliers stay near.

    As in RealMLP (Holzmüller, Grinsztajn and Steinwart, 2024). Where the quartiles are alike the factor is 2 / (max -
    min); a column whose numbers are all alike becomes 0. Missing values are left out, and stay missing. Of more than a
    million samples every k-th is looked at, k the smallest that leaves a million.

    Parameters
    ----------
    clip : float or None, default 3.0
        What comes out lies between -clip and clip: x / sqrt(1 + (x / clip)**2). None leaves it as it is.
    """

    clip: float | None = 3.0
    name = "robust_scale"

    def __post_init__(self) -> None:
        if self.clip is not None:
            object.__setattr__(self, "clip", check_number(self.clip, "clip", above=0))

    @property
    def invertible(self) -> bool:  # type: ignore[override]
        """Whether it is not bent."""
        return self.clip is None

    def learn(self, draft: Draft) -> None:
        """Take the quartiles, and what is needed where they are alike."""
        low, first, median, third, high = draft.quantiles([0, 0.25, 0.5, 0.75, 1])
        span = np.where(third > first, third - first, (high - low) / 2)
        draft.add_affine(median, _reciprocals(span))
        if self.clip is not None:
            draft.add([("clip", self.clip)] * len(draft.columns))


@dataclass(frozen=True)
class Impute(Preparation):
    """Fills what is missing (NaN) with the mean or the median of its column, as scikit-learn's SimpleImputer does.

    Parameters
    ----------
    strategy : {"mean", "median"}, default "mean"
        What is filled in. The median is that of RobustScale.
    indicator : bool, default False
        Whether each column that has missing values in training gets a column more, 1 where one is missing, else 0. They
        come behind all columns of numbers, and what follows in a list leaves them alone.
    """

    strategy: str = "mean"
    indicator: bool = False
    name = "impute"
    invertible = False

    def __post_init__(self) -> None:
        if self.strategy not in ("mean", "median"):
            raise ValueError(sentence("strategy", self.strategy, "'mean' or 'median'"))
        object.__setattr__(self, "indicator", check_flag(self.indicator, "indicator"))

    @property
    def widens(self) -> bool:
        """Whether there may be indicators."""
        return self.indicator

    def learn(self, draft: Draft) -> None:
        """Take mean or median."""
        moments = draft.moments()
        draft.refuse_empty(moments.n_there, "fill it with")
        fill = moments.mean if self.strategy == "mean" else draft.quantiles([0.5])[0]
        if self.indicator:
            draft.add_indicators()
        draft.add([("fill", float(a)) for a in fill])


@dataclass(frozen=True)
class OneHot(Preparation):
    """A column for each category of a column: 1 where the sample is of it, else 0, as scikit-learn's OneHotEncoder.

    Categories are what the training data has, in sorted order, or that of a pandas Categorical. What is missing is a
    category too, the last one, if the training data has it. A sample of any other category has zeros.
    """

    name = "one_hot"
    categorical = True
    ends = True
    invertible = False

    @property
    def widens(self) -> bool:
        """True."""
        return True

    def learn(self, draft: Draft) -> None:
        """Take the categories."""
        draft.split(
            [
                [("equals", value) for value in values] + [("missing",)] * with_missing
                for values, with_missing in draft.categories()
            ]
        )


@dataclass(frozen=True)
class Ordinal(Preparation):
    """A category's number, from 0, in place of it, as scikit-learn's OrdinalEncoder; -1 for any other category.

    Categories are those that OneHot finds, in the same order.
    """

    name = "ordinal"
    categorical = True
    invertible = False

    def learn(self, draft: Draft) -> None:
        """Take the categories."""
        categories = draft.categories()
        draft.add([("code", *values) for values, _ in categories])
        draft.add([("fill", float(len(values)) if with_missing else -1.0) for values, with_missing in categories])


Chain = tuple[Preparation, ...]


@dataclass(frozen=True, init=False, repr=False)
class Columns:
    """One way for columns of numbers, another one for categories. Numbers come first, then categories.

    Parameters
    ----------
    numeric : a preparation or a list of them, default ()
        For each column of numbers, one after the other.
    categorical : a preparation or a list of them, default fb.OneHot()
        For each column of categories. It begins with ``fb.OneHot`` or ``fb.Ordinal``.
    categories : "auto" or sequence of str or int, default "auto"
        Which columns hold categories: their names in a data frame, else their places from 0. "auto" is those of text
        and of the dtypes that data frames have for categories.

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of the above.

    Examples
    --------
    >>> import fastbp as fb
    >>> prepare = fb.Columns(numeric=[fb.Impute("median"), fb.Standardize()], categorical=fb.OneHot())
    >>> model = fb.Model([fb.Dense(8, "relu"), fb.Dense(1)], prepare=prepare)
    >>> model.build([[1.5, "a"], [2.5, "b"], [None, "a"]])
    >>> model.predict([[2.0, "b"], [1.0, "unheard of"]]).shape
    (2, 1)
    """

    numeric: Chain
    categorical: Chain
    categories: str | tuple[str | int, ...]
    name: ClassVar[str] = "columns"

    def __init__(
        self,
        numeric: Preparation | Sequence[Preparation] = (),
        categorical: Preparation | Sequence[Preparation] | None = None,
        categories: str | Sequence[str | int] = "auto",
    ) -> None:
        object.__setattr__(self, "numeric", check_chain(numeric, "numeric"))
        object.__setattr__(
            self, "categorical", check_chain(OneHot() if categorical is None else categorical, "categorical")
        )
        _refuse_categorical(self.numeric, "numeric")
        if not self.categorical or not self.categorical[0].categorical:
            raise ValueError(
                sentence("categorical", categorical, "a list that begins with fb.OneHot() or fb.Ordinal()")
            )
        _refuse_categorical(self.categorical[1:], "categorical, behind its first entry,")
        object.__setattr__(self, "categories", _check_categories(categories))

    def __repr__(self) -> str:
        categories = self.categories if isinstance(self.categories, str) else list(self.categories)
        return f"Columns({list(self.numeric)!r}, {list(self.categorical)!r}, {categories!r})"


PREPARATIONS: dict[str, type[Any]] = {
    cls.name: cls for cls in (Scale, Standardize, RobustScale, Impute, OneHot, Ordinal, Columns)
}
_ALONE: dict[str, type[Preparation]] = {
    cls.name: cls for cls in (Scale, Standardize, RobustScale, Impute, OneHot, Ordinal)
}

Prepare = Chain | Columns


def check_chain(value: Any, argument: str) -> Chain:
    """Return one preparation, or a list of them, as a tuple."""
    chain = (value,) if isinstance(value, Preparation) else value
    example = "a preparation such as fb.Standardize(), or a list of them"
    if isinstance(chain, type):
        raise TypeError(sentence(argument, chain, example, f"Add parentheses: fb.{chain.__name__}()."))
    if not isinstance(chain, Sequence) or isinstance(chain, str):
        raise TypeError(sentence(argument, chain, example))
    for i, preparation in enumerate(chain):
        if not isinstance(preparation, Preparation):
            raise TypeError(sentence(f"{argument}[{i}]", preparation, "a preparation such as fb.Standardize()"))
        if preparation.ends and i + 1 < len(chain):
            raise ValueError(
                f"{argument}[{i}] is {preparation!r} and {argument}[{i + 1}] is {chain[i + 1]!r}; expected nothing "
                "behind it, as there are columns for categories then. Leave out what follows."
            )
        if preparation.categorical and i > 0:
            raise ValueError(
                f"{argument}[{i}] is {preparation!r}; expected it first, as categories are what the data has. Put it "
                "first, or leave out what stands before."
            )
    return tuple(chain)


def check_prepare(prepare: Any) -> Prepare | None:
    """Return what is made of X: None, a chain, or Columns."""
    if prepare is None or isinstance(prepare, Columns):
        return prepare
    chain = check_chain(prepare, "prepare")
    if not chain:
        raise ValueError(sentence("prepare", prepare, "one preparation at least", "None leaves X as it is."))
    return chain


def check_prepare_targets(prepare_targets: Any) -> Chain | None:
    """Return what is made of the targets, and can be undone: None, or a chain."""
    if prepare_targets is None:
        return None
    chain = check_chain(prepare_targets, "prepare_targets")
    if not chain:
        raise ValueError(sentence("prepare_targets", prepare_targets, "one preparation at least, or None"))
    for preparation in chain:
        if not preparation.invertible:
            remedy = "predict undoes it: fb.Scale, fb.Standardize and fb.RobustScale(clip=None) can be undone."
            raise ValueError(sentence("prepare_targets", preparation, "what can be undone", remedy))
    return chain


def prepare_to_config(prepare: Prepare | None) -> Any:
    """Return it as plain data."""
    if isinstance(prepare, Columns):
        return {
            "name": prepare.name,
            "numeric": prepare_to_config(prepare.numeric),
            "categorical": prepare_to_config(prepare.categorical),
            "categories": prepare.categories if isinstance(prepare.categories, str) else list(prepare.categories),
        }
    return None if prepare is None else [to_config(preparation) for preparation in prepare]


def prepare_from_config(config: Any) -> Prepare | None:
    """Return what ``prepare_to_config`` wrote down."""
    if isinstance(config, Mapping):
        chains = [prepare_from_config(config[key]) for key in ("numeric", "categorical")]
        return Columns(chains[0], chains[1], config["categories"])  # type: ignore[arg-type]
    return None if config is None else tuple(from_config(entry, _ALONE, "prepare") for entry in config)


def _check_categories(categories: Any) -> str | tuple[str | int, ...]:
    if isinstance(categories, str):
        if categories != "auto":
            raise ValueError(sentence("categories", categories, '"auto" or a list of columns'))
        return categories
    if not isinstance(categories, Sequence):
        raise TypeError(sentence("categories", categories, '"auto" or a list of columns'))
    checked = tuple(
        value if isinstance(value, str) else check_int(value, f"categories[{i}]", minimum=0)
        for i, value in enumerate(categories)
    )
    if len(set(checked)) < len(checked):
        raise ValueError(sentence("categories", list(categories), "each column once"))
    return checked


def _refuse_categorical(chain: Chain, argument: str) -> None:
    for preparation in chain:
        if preparation.categorical:
            raise ValueError(sentence(argument, preparation, "preparations of numbers", "It is for categories."))


def _reciprocals(values: Numbers) -> Numbers:
    """Return 1 / values; 1 where that is no finite number, as of a column whose numbers are all alike."""
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        reciprocals = 1 / values
    return np.where(np.isfinite(reciprocals) & (values != 0), reciprocals, 1.0)
