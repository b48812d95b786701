"""The layer tests' models as trainings that must have the same bits on any number of ranks; the optimizers in turn."""

import sys
from functools import partial
from pathlib import Path

from cases import N_SAMPLES, train

sys.path.insert(0, str(Path(__file__).parents[1]))  # of a rank, which pytest does not start

import fastbp as fb
from fastbp.optimizers import OPTIMIZERS
from layer_models import ENSEMBLES, MODELS, N_INPUTS, data_for, make_model

BY_BATCHES = [name for name in OPTIMIZERS if name not in ("lbfgs", "rprop")]  # ranks refuse L-BFGS; Rprop has a case


def _ensemble(name, dtype):
    members, layers, options, loss = ENSEMBLES[name]
    layers = [fb.Scaling(), fb.BatchEnsemble(members, layers, **options)]
    return fb.Model(layers, inputs=N_INPUTS, dtype=dtype, seed=4), loss


def _case(make, name, dtype, optimizer, **options):
    model, loss = make(name, dtype)
    return train(model, optimizer, loss=loss, data=lambda: data_for(model, loss, N_SAMPLES, dtype), **options)


def _cases():
    makers = [(name, make_model) for name in MODELS] + [(name, _ensemble) for name in ENSEMBLES]
    for i, (name, make) in enumerate(makers):
        dtype = ("float32", "float32", "float64")[i % 3]
        optimizer = BY_BATCHES[i % len(BY_BATCHES)]
        kind = "layers" if make is make_model else "an ensemble"
        yield f"{kind}: {name}, {optimizer}, {dtype}", partial(_case, make, name, dtype, optimizer)


LAYER_CASES = dict(_cases())
