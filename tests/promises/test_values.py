"""What is described once stays as it is: losses, optimizers, preparations, findings and all other values."""

import dataclasses
import importlib
import pkgutil

import fastbp as fb

CHANGING = {"UnfinishedEpoch"}  # it is filled while the epoch goes on


def every_dataclass():
    """The dataclasses of all modules that can be imported here."""
    found = {}
    for module in pkgutil.walk_packages(fb.__path__, "fastbp."):
        if not module.name.endswith("__main__"):
            try:
                names = vars(importlib.import_module(module.name))
            except ImportError:  # of an optional library
                continue
            found |= {
                each: None for each in names.values() if isinstance(each, type) and dataclasses.is_dataclass(each)
            }
    return [each for each in found if each.__module__.startswith("fastbp.")]


def test_values_do_not_change():
    changing = [each for each in every_dataclass() if not each.__dataclass_params__.frozen]
    assert {each.__name__ for each in changing} == CHANGING
