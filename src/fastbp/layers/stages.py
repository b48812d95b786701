"""The engine's stages for a list of layers."""

from __future__ import annotations

from collections.abc import Sequence

from fastbp.layers.activations import ACTIVATIONS
from fastbp.layers.activations import Activation as Function
from fastbp.layers.base import Layer, Stage

__all__ = ["n_arrays", "output_activation", "plan", "units_after"]


def output_activation(stages: Sequence[Stage]) -> Function:
    """Return the last stage's activation, with default parameters."""
    last = stages[-1]
    name = last.get("activation", "linear")
    return ACTIVATIONS[last["kind"] if name == "linear" and last["kind"] in ("prelu", "parametric") else name]()


# Kinds of stages that have the same number of arrays in every model.
_N_ARRAYS = {"layer_norm": 2, "batch_norm": 4, "prelu": 1, "parametric": 1, "scaling": 1, "basis": 2, "grouped": 2}


def n_arrays(stage: Stage) -> int:
    """Return how many of its layer's arrays are the stage's own."""
    if stage["kind"] in ("dense", "member_affine", "heads"):
        return 1 + bool(stage.get("use_bias", True))
    if stage["kind"] == "tabular":
        return len(stage["tables"])
    return _N_ARRAYS.get(stage["kind"], 0)


def units_after(stage: Stage, n_inputs: int) -> int:
    """Return the number of a stage's outputs for a number of inputs."""
    if stage["kind"] not in ("basis", "grouped"):
        return int(stage.get("units", n_inputs))
    of_group = int(stage.get("inputs", 0))  # those that a group's features replace
    n_groups = n_inputs // (of_group + 1) if stage["columns"] is None else len(stage["columns"])
    return n_inputs + n_groups * (int(stage["size"]) - of_group)


# Kinds of stages that can apply an activation to their output.
_ACTIVATING = ("dense", "layer_norm", "batch_norm", "prelu", "parametric", "scaling", "add")


def plan(layers: Sequence[Layer]) -> tuple[list[Stage], list[int]]:
    """Return the stages of all layers, and the index of each stage's layer.

    An activation directly after a stage that can apply it and has none becomes part of that stage.
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
