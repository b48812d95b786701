"""Gradient methods for estimators of tables: the mean over their networks, in the user's columns and units."""

from dataclasses import replace

import numpy as np
import pytest

import fastbp as fb
from fastbp.tabular.encoding import Kind, TableEncoding, learn_encodings
from fastbp.tabular.explained_members import TableFeatures, _in_units, _number_slopes
from fastbp.tabular.targets import NumberTargets

pytest.importorskip("sklearn")
pd = pytest.importorskip("pandas")

RNG = np.random.default_rng(0)
N = 60
NUMBERS = pd.DataFrame({"size": RNG.normal(size=N) * 10, "gap": RNG.normal(size=N), "count": RNG.integers(0, 4, N)})
NUMBERS.loc[::7, "gap"] = np.nan
MIXED = pd.DataFrame(  # the reader puts numbers first
    {"city": [f"c{i % 12}" for i in range(N)], "size": NUMBERS["size"], "colour": RNG.choice(["r", "g"], N)}
).assign(gap=NUMBERS["gap"])
Y = np.exp(1 + NUMBERS["size"] / 10)


def regressor(X, y=Y, **options):
    from fastbp.sklearn import TabularRegressor

    return TabularRegressor(preset="fast", epochs=1, n_bags=2, random_state=0, **options).fit(X, y)


@pytest.mark.parametrize("kind", [Kind(8), Kind(8, 100.0)])
def test_slopes_of_encoded_numbers(kind):
    """Beside finite differences of the encoding, away from the edges between bins."""
    column = np.concatenate([RNG.normal(size=200) * 5 + 3, [np.nan]])
    encoding = learn_encodings(np.stack([column, RNG.normal(size=201)], axis=1), 2, [], {kind})[kind]
    assert isinstance(encoding, TableEncoding)
    edges = encoding.numbers[0].edges
    values = np.concatenate([(edges[1:] + edges[:-1]) / 2, [edges[0] - 20, edges[-1] + 20, np.nan]])
    rows, step = np.stack([values, np.zeros_like(values)], axis=1), np.array([1e-2, 0])
    n = encoding.numbers[0].with_gaps + len(edges)
    differences = (encoding.encode(rows + step).astype(float) - encoding.encode(rows - step))[:, :n] / 2e-2
    np.testing.assert_allclose(_number_slopes(encoding, rows)[:, :n], differences, atol=1e-4)
    assert not _number_slopes(encoding, rows)[-1, :n].any()


@pytest.mark.parametrize("form", ["mse", "log", "poisson"])
def test_outputs_in_units(form):
    y = np.exp(RNG.normal(size=(40, 2)))
    unbounded = {"lowest": np.full(2, -np.inf), "highest": np.full(2, np.inf)}
    targets = replace(NumberTargets.of(y, form), factor=1.25 if form == "log" else 1.0, **unbounded)
    model = fb.Model([fb.Dense(4, "mish"), fb.Dropout(0.1), fb.Dense(2, targets.activation)], inputs=3)
    X = RNG.normal(size=(5, 3))
    np.testing.assert_allclose(_in_units(model, targets).predict(X), targets.decode(model.predict(X)), rtol=1e-5)


def test_shares_of_numbers_add_up_to_predictions():
    model = regressor(MIXED)
    model._table.targets = replace(model._table.targets, lowest=np.array([-np.inf]), highest=np.array([np.inf]))
    rows, behind = MIXED[:4], MIXED[20:22]
    found = fb.explain(model, rows, "deepshap", background=behind)
    assert found.columns == tuple(MIXED.columns)
    np.testing.assert_allclose(found.base_values, model.predict(behind).mean(), rtol=1e-5)
    np.testing.assert_allclose(found.base_values + found.values.sum(axis=1), model.predict(rows), rtol=1e-5)
    assert found.spread.max() > 0


@pytest.mark.parametrize("kind", ["linear", "straight"])
def test_slopes_of_numbers_are_finite_differences(kind, monkeypatch):
    monkeypatch.setattr("fastbp.tabular.blending._best_shares", lambda *_: {"nets": 0.5, kind: 0.5})
    model = regressor(NUMBERS)
    assert {member.kind for member in model._table.members} == {"nets", kind}
    rows = NUMBERS[:7].astype(float)
    found = fb.explain(model, rows, "saliency").values
    subject = model.__explained__()
    for j in range(3):
        steps = np.eye(3)[j] * 1e-3
        table = rows.to_numpy()
        differences = (subject_mean(subject, table + steps) - subject_mean(subject, table - steps)) / 2e-3
        beside = np.isclose(found[:, j], differences, rtol=0.01, atol=1e-3)
        assert beside[table[:, j] != np.round(table[:, j])].all()  # counts lie on edges
    assert found[0, 1] == 0  # a gap
    assert found[:, 0].all()


def subject_mean(subject, table):
    """Return the mean of the networks' numbers, without the bounds, in float64."""
    total = 0
    for part, share in subject.parts(by_answers=False):
        features = part.features()
        assert isinstance(features, TableFeatures)
        total = total + share * features.network("prediction").predict(features.of(table))[:, 0]
    return total


def test_classes():
    from fastbp.sklearn import TabularClassifier

    labels = np.where(Y > 4, "much", np.where(Y > 2, "some", "few"))
    model = TabularClassifier(preset="fast", epochs=1, n_bags=2, random_state=0).fit(MIXED, labels)
    place = list(model.classes_).index("some")
    probability = model.predict_proba(MIXED[:3])[:, place]
    shares = fb.explain(model, MIXED[:3], "integrated_gradients", target="some", output="prediction")
    np.testing.assert_allclose(shares.base_values + shares.values.sum(axis=1), probability, atol=1e-3)
    np.testing.assert_allclose(shares.completeness_error, 0, atol=1e-3)
    logits = fb.explain(model, MIXED[:3], "deeplift", baseline=MIXED[5:6])
    assert logits.values.shape == (3, 4, 3)
    np.testing.assert_allclose(logits.completeness_error, 0, atol=1e-4)
    of_loss = fb.explain(model, MIXED[:3], "integrated_gradients", output="loss", y=labels[:3])
    np.testing.assert_allclose(of_loss.completeness_error, 0, atol=5e-3)
    checked = fb.faithfulness(fb.explain(model, MIXED[:3], "deeplift", target="some"), model)
    assert checked.deletion is not None


def test_inputs_by_their_names():
    model = regressor(NUMBERS[["gap"]].assign(kind=MIXED["colour"], city=MIXED["city"]))
    part, _ = model.__explained__().parts(by_answers=False)[0]
    names = part.features().names
    assert names[:3] == ("gap", "gap missing", "gap bin 1")
    assert names[-2:] == ("kind level 1", "city")


def test_refusals():
    model = regressor(MIXED)
    with pytest.raises(ValueError, match=r"column 'city' of X holds categories.*method='shapley'"):
        fb.explain(model, MIXED[:2], "saliency")


def test_targets_in_units_with_tables_of_codes():
    """A model with tables of codes is explained in the units of its targets by gradients too."""
    inputs = fb.Tabular(1, [3], dims=[2])
    model = fb.Model([fb.Dense(4, "tanh"), fb.Dense(1)], inputs=inputs, prepare_targets=fb.Standardize())
    X = np.column_stack([RNG.normal(size=30), np.arange(30) % 3])
    fb.Trainer(model, loss="mse").fit(X, 100 + 50 * X[:, 0], epochs=1, progress=False)
    for method in ("integrated_gradients", "deeplift"):
        found = fb.explain(model, X[:3], method, baseline=X[20])
        np.testing.assert_allclose(found.base_values[0], model.predict(X[20:21])[0], rtol=1e-5)
        sums = found.base_values + found.values.sum(axis=1)
        np.testing.assert_allclose(sums, model.predict(X[:3])[:, 0], rtol=1e-4)


@pytest.mark.parametrize("method", ["integrated_gradients", "deeplift"])
def test_rows_of_tables_for_values_count_for_their_column(method, monkeypatch):
    monkeypatch.setattr("fastbp.tabular.fitting.ROWS_FOR_VALUES", 0)
    X = pd.DataFrame({"age": RNG.integers(20, 32, 200), "size": RNG.normal(size=200)})
    from fastbp.sklearn import TabularRegressor

    model = TabularRegressor(epochs=1, n_bags=2, random_state=0).fit(X, X["size"] + (X["age"] == 25))
    features = [part.features() for part, _ in model.__explained__().parts(by_answers=False)]
    coded = [each for each in features if each.names[-1] == "age value"]
    assert len(coded) == 2 and {int(each.columns[-1]) for each in coded} == {0}
    model._table.targets = replace(model._table.targets, lowest=np.array([-np.inf]), highest=np.array([np.inf]))
    found = fb.explain(model, X[:3], method, baseline=X[5:6])
    sums = found.base_values + found.values.sum(axis=1)
    np.testing.assert_allclose(sums, model.predict(X[:3]), rtol=1e-3, atol=1e-3)
    slopes = fb.explain(model, X[:3], "saliency")
    assert slopes.values.shape == (3, 2) and np.isfinite(slopes.values).all()


@pytest.fixture(scope="module")
def with_waves():
    """A model one of whose networks begins with waves, of numbers alone; without bounds of its predictions."""
    from fastbp.sklearn import TabularRegressor

    model = TabularRegressor(epochs=2, random_state=0).fit(NUMBERS, Y)
    table = model._table
    assert any(isinstance(member.model.layers[0], fb.Periodic) for member in table.members)
    table.targets = replace(table.targets, lowest=np.array([-np.inf]), highest=np.array([np.inf]))
    return model


@pytest.mark.parametrize("method", ["integrated_gradients", "deeplift", "lrp"])
def test_shares_of_waves_count_for_their_column(with_waves, method):
    names = [part.features().names for part, _ in with_waves.__explained__().parts(by_answers=False)]
    waves = [each for each in names if any(name.endswith(" wave") for name in each)]
    assert len(waves) == 1 and [name.removesuffix(" wave") for name in waves[0][:9:3]] == ["size", "gap", "count"]
    options = {} if method == "lrp" else {"baseline": NUMBERS[5:6]}
    found = fb.explain(with_waves, NUMBERS[:3], method, **options)
    assert found.values.shape == (3, 3)
    if method != "lrp":
        sums = found.base_values + found.values.sum(axis=1)
        np.testing.assert_allclose(sums, with_waves.predict(NUMBERS[:3]), rtol=1e-3, atol=1e-3)


def test_slopes_of_waves_are_finite_differences(with_waves):
    rows = NUMBERS[1:7] * 0.987 + 0.013  # rows lie on edges between bins, these do not
    found = fb.explain(with_waves, rows, "saliency").values
    subject, table = with_waves.__explained__(), rows.to_numpy()
    for j in range(2):
        steps = np.eye(3)[j] * 1e-3
        differences = (subject_mean(subject, table + steps) - subject_mean(subject, table - steps)) / 2e-3
        np.testing.assert_allclose(found[:, j], differences, rtol=0.05, atol=5e-3)


def test_rows_of_the_background_are_called_so():
    model = regressor(NUMBERS)
    with pytest.raises((TypeError, ValueError), match=r"^in background, .*X has 2 columns"):
        fb.explain(model, NUMBERS[:3], background=NUMBERS.to_numpy()[:5, :2])


def test_a_column_without_values_has_no_usual_one():
    frame = NUMBERS.assign(empty=pd.Series([None] * N, dtype="string"))
    model = regressor(frame)
    with pytest.raises(ValueError, match="baseline and background are None"):
        fb.explain(model, frame[:3], method="integrated_gradients")
    assert fb.explain(model, frame[:3], method="integrated_gradients", background=frame[5:9]).values.shape == (3, 4)
