"""Which preparations are for which columns, and which may follow each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from fastbp.preparation.base import Preparation
from fastbp.preparation.encoding import OneHot, Ordinal, check_categories
from fastbp.preparation.imputing import Impute
from fastbp.preparation.running import RunningStandardize
from fastbp.preparation.scaling import RobustScale, Scale, Standardize
from fastbp.support.checks import sentence
from fastbp.support.registry import from_config, to_config

__all__ = [
    "Chain",
    "Columns",
    "PREPARATIONS",
    "check_chain",
    "check_prepare",
    "check_prepare_targets",
    "prepare_from_config",
    "prepare_to_config",
]


Chain = tuple[Preparation, ...]


@dataclass(frozen=True, init=False, repr=False)
class Columns:
    """Prepares columns of numbers and columns of categories, each in its own way. Numbers come first, then categories.

    Parameters
    ----------
    numeric : a preparation or a list of them, default ()
        For each column of numbers, one after the other.
    categorical : a preparation or a list of them, default fb.OneHot()
        For each column of categories. It begins with ``fb.OneHot`` or ``fb.Ordinal``.
    categories : "auto" or sequence of str or int, default "auto"
        Which columns hold categories: their names in a data frame, else their places from 0. "auto" takes columns of
        text, and those whose dtype is a data frame's for categories, whatever these are: text, numbers, intervals,
        times. Equal values are the same category, however they are stored.

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
        categories: Literal["auto"] | Sequence[str | int] = "auto",
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
        _refuse_categorical(self.categorical[1:], "categorical, after its first entry,")
        object.__setattr__(self, "categories", check_categories(categories))

    def __repr__(self) -> str:
        categories = self.categories if isinstance(self.categories, str) else list(self.categories)
        return f"Columns({list(self.numeric)!r}, {list(self.categorical)!r}, {categories!r})"


_ALONE: dict[str, type[Preparation]] = {
    cls.name: cls for cls in (Scale, Standardize, RobustScale, RunningStandardize, Impute, OneHot, Ordinal)
}

PREPARATIONS: dict[str, type[Any]] = {**_ALONE, Columns.name: Columns}

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
                "after it, as it makes a column for each category. Leave out what follows."
            )
        if isinstance(preparation, RunningStandardize) and (argument != "prepare" or len(chain) > 1):
            raise ValueError(
                f"{argument} is {list(chain)!r}; expected {preparation!r} alone, as prepare=. Its statistics are those "
                "of all columns of X as they come."
            )
        if preparation.categorical and i > 0:
            raise ValueError(
                f"{argument}[{i}] is {preparation!r}; expected it first, as it takes the categories of the data. Put "
                "it first, or leave out what stands before it."
            )
    return tuple(chain)


def check_prepare(prepare: Any) -> Prepare | None:
    """Return the preparation of X, checked: None, a chain, or Columns."""
    if prepare is None or isinstance(prepare, Columns):
        return prepare
    chain = check_chain(prepare, "prepare")
    if not chain:
        raise ValueError(sentence("prepare", prepare, "one preparation at least", "None leaves X as it is."))
    return chain


def check_prepare_targets(prepare_targets: Any) -> Chain | None:
    """Return the preparation of the targets, checked: None, or a chain that can be undone."""
    if prepare_targets is None:
        return None
    chain = check_chain(prepare_targets, "prepare_targets")
    if not chain:
        raise ValueError(sentence("prepare_targets", prepare_targets, "one preparation at least, or None"))
    for preparation in chain:
        if not preparation.invertible:
            remedy = "predict undoes it: use fb.Scale, fb.Standardize or fb.RobustScale(clip=None)."
            raise ValueError(sentence("prepare_targets", preparation, "a preparation that can be undone", remedy))
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


def _refuse_categorical(chain: Chain, argument: str) -> None:
    for preparation in chain:
        if preparation.categorical:
            raise ValueError(sentence(argument, preparation, "preparations of numbers", "It is for categories."))
