"""Layers, their activations and initial weights, and the engine's stages for them.
It imports data, engine, schedules and support.

A new layer is a class here and an entry in LAYERS; if no existing stage computes it, also a kind of stage in
engine/stages.pyx.
"""

from fastbp.layers.activation_layer import Activation
from fastbp.layers.base import Layer, Parameter, Stage
from fastbp.layers.batch_ensemble import BatchEnsemble, refuse_batch_ensemble
from fastbp.layers.composition import LAYERS, Residual, check_layers, innermost, layer_from_config
from fastbp.layers.dense import Dense
from fastbp.layers.dropout import Dropout
from fastbp.layers.normalisation import BatchNorm, LayerNorm
from fastbp.layers.numeric_embeddings import Periodic, PiecewiseLinear
from fastbp.layers.scaling import Scaling
from fastbp.layers.stages import n_arrays, output_activation, plan, units_after

__all__ = [
    "Activation",
    "BatchEnsemble",
    "BatchNorm",
    "Dense",
    "Dropout",
    "LAYERS",
    "Layer",
    "LayerNorm",
    "Parameter",
    "Periodic",
    "PiecewiseLinear",
    "Residual",
    "Scaling",
    "Stage",
    "check_layers",
    "innermost",
    "layer_from_config",
    "n_arrays",
    "output_activation",
    "plan",
    "refuse_batch_ensemble",
    "units_after",
]
