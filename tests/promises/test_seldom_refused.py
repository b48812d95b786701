"""Arguments that few callers get wrong: a sentence for each, as for the others in test_bad_input.py."""

import copy
import sys

import numpy as np
import pytest

import fastbp as fb

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 3))
y = np.arange(30) % 2


def make_model(units=2):
    return fb.Model([fb.Dense(4, "relu"), fb.Dense(units, "softmax")], inputs=3)


def make_trainer(**options):
    return fb.Trainer(make_model(), **({"loss": "cross_entropy"} | options))


def fit(**options):
    return make_trainer().fit(X, y, **options)


def explained(method="saliency", **options):
    return fb.explain(make_model(), X[:3], method=method, target=1, **options)


CASES = [
    (lambda: fb.Trainer("net", "mse"), TypeError, "model is 'net'; expected an fb.Model"),
    (lambda: make_trainer(distributed="all"), TypeError, "distributed is 'all'; expected an fb.distributed.MPI"),
    (lambda: make_trainer(privacy="all"), TypeError, "privacy is 'all'; expected an fb.DifferentialPrivacy or None"),
    (lambda: make_trainer(optimizer=fb.Adam), TypeError, "expected an object. Add parentheses: Adam()"),
    (lambda: fb.Adam(fb.StepDecay), TypeError, "expected a number or a schedule. Pass its arguments: StepDecay(...)"),
    (lambda: make_trainer(shards=2, accumulate=2), ValueError, "expected accumulate=1 with shards"),
    (lambda: fit(groups=y), ValueError, "expected None without validation_fraction"),
    (lambda: fit(callbacks=[fb.EarlyStopping]), TypeError, "expected an object. Add parentheses: EarlyStopping()"),
    (lambda: fb.Model([fb.Dense(1)]).n_outputs + fb.Model([fb.Dense(1)]).n_inputs, ValueError, "not built"),
    (lambda: make_model().blend("net", 0.5), TypeError, "source is 'net'; expected an fb.Model"),
    (lambda: make_model().blend(make_model(), 2), ValueError, "tau is 2; expected a number from 0 to 1"),
    (lambda: make_model().blend(make_model(3), 0.5), ValueError, "expected a model of the same layers and dtype"),
    (lambda: fb.FunctionMetric(max, name=5), TypeError, "name is 5; expected a string"),
    (lambda: fb.FunctionMetric(max, name="val_x"), ValueError, "expected another name, not starting with 'val_'"),
    (lambda: make_trainer(metrics=[fb.TopKAccuracy(5)]), ValueError, "expected one with k below the model's 2 outputs"),
    (lambda: fb.Trainer(make_model(3), "cross_entropy", metrics=[fb.F1("binary")]), ValueError, "average='macro'"),
    (lambda: fb.Quantile([0.9, 0.1]), ValueError, "a list of 1 to 99 such numbers, increasing"),
    (
        lambda: explained("integrated_gradients", baseline=X[:2]),
        ValueError,
        "expected one row. Give several rows as background=",
    ),
    (lambda: explained().of_output(1), ValueError, "output is 1; expected none, as one output is explained"),
    (lambda: fb.faithfulness("why", make_model()), TypeError, "expected what fb.explain returns"),
    (lambda: fb.cross_validate(lambda i: make_trainer(), X, y, groups=y[:9]), ValueError, "a label for each sample"),
    (lambda: fb.fit_many(["net"], X, y), TypeError, "trainers[0] is 'net'; expected an fb.Trainer"),
    (lambda: fb.suspect_labels("net", X, y), TypeError, "expected an fb.Model, an fb.Trainer or a function"),
    (lambda: fb.inspect_data(X, y, validation_data=5), TypeError, "expected a pair (X_val, y_val)"),
    (lambda: fb.privacy.Schema({"a": [0, 1]}, {"colour": 1}), ValueError, "reading has 'colour'; expected"),
    (lambda: fb.privacy.Schema({"a": [0, 1]}, {"header": "yes"}), TypeError, "expected a truth"),
    (lambda: fb.partial_dependence(make_model(), X, 0, target=1, grid=["a"]), TypeError, "grid is 'a'; expected"),
    (lambda: fit().plot(names=["speed"]), ValueError, "names is 'speed'; expected one of 'loss'"),
]


@pytest.mark.parametrize(("call", "error", "sentence"), CASES, ids=[sentence for *_, sentence in CASES])
def test_a_sentence(call, error, sentence):
    with pytest.raises(error) as caught:
        call()
    assert sentence in str(caught.value)


def test_prepared_columns_cannot_be_replaced():
    model = fb.Model([fb.Dense(2, "softmax")], prepare=fb.Standardize())
    fb.Trainer(model, "cross_entropy").fit(X, y)
    explanation = fb.explain(model, X[:3], method="saliency", target=1, columns="prepared")
    with pytest.raises(ValueError, match="expected columns='original', which can be replaced"):
        fb.faithfulness(explanation, model)


def test_the_ranks_of_a_job():
    pytest.importorskip("mpi4py")
    try:
        mpi = fb.distributed.MPI()
    except ImportError as error:
        pytest.skip(str(error))
    with pytest.raises(TypeError, match="cannot be copied or pickled; expected one made on each rank"):
        copy.deepcopy(mpi)
    with pytest.raises(TypeError, match=r"comm is 5; expected an mpi4py\.MPI\.Intracomm, such as COMM_WORLD, or None"):
        fb.distributed.MPI(5)


def test_without_mpi(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(ImportError, match=r"fb\.distributed\.MPI needs mpi4py and an MPI library .*pip install"):
        fb.distributed.MPI()


@pytest.mark.parametrize(
    ("make", "state"),
    [
        (fb.EarlyStopping, {"best": "low"}),
        (fb.EarlyStopping, {"best_weights": "heavy"}),
        (lambda: fb.Checkpoint("run"), {"files": 5}),
        (lambda: fb.Checkpoint("run"), {"monitor": 5}),
    ],
)
def test_states_of_callbacks(make, state):
    callback = make()
    with pytest.raises(TypeError, match=r"expected"):
        callback.set_state(callback.get_state() | state)


def test_a_checkpoint_tells_the_figure_that_decides():
    assert fb.Checkpoint("run").watched is None
    assert fb.Checkpoint("run", best_only=True).watched == "val_loss"
    assert fb.EarlyStopping("val_accuracy").watched == "val_accuracy"
