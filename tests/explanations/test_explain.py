"""``fb.explain``: what can be asked, of which models, what the columns are, and what is refused."""

import numpy as np
import pytest

import fastbp as fb

pd = pytest.importorskip("pandas")


def table(n=60, seed=0):
    rng = np.random.default_rng(seed)
    gap = np.where(rng.random(n) < 0.3, np.nan, rng.normal(size=n))
    return pd.DataFrame({"size": rng.normal(size=n), "colour": rng.choice(["red", "green", "blue"], n), "gap": gap})


def prepared(last=2, activation="softmax", frame=None, seed=0):
    numeric = [fb.Impute("median", indicator=True), fb.RobustScale()]
    layers = [fb.Dense(6, "tanh"), fb.Dense(last, activation)]
    model = fb.Model(layers, prepare=fb.Columns(numeric, fb.OneHot()), dtype="float64", seed=seed)
    model.build(table() if frame is None else frame)
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
    return model


def plain(n_inputs=3, last=3, activation="softmax", dtype="float64"):
    model = fb.Model([fb.Dense(5, "tanh"), fb.Dense(last, activation)], inputs=n_inputs, dtype=dtype, seed=2)
    model.set_weights([weight + 0.1 for weight in model.get_weights()])
    return model


X = np.random.default_rng(3).normal(size=(6, 3))
B = np.random.default_rng(4).normal(size=(5, 3))


def answers(found):
    return found.base_values + found.values.sum(axis=1)


# -------------------------------------------------------------------------------------------------- what is asked


def test_logits_and_predictions():
    model = plain()
    logits = answers(fb.explain(model, X, background=B))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, model.predict(X), atol=1e-13)
    np.testing.assert_allclose(answers(fb.explain(model, X, background=B, output="prediction")), model.predict(X))


def test_one_output():
    model = plain()
    whole = fb.explain(model, X, background=B)
    assert whole.values.shape == (6, 3, 3)
    for number in range(3):
        one = fb.explain(model, X, background=B, target=number)
        np.testing.assert_allclose(one.values, whole.values[:, :, number], atol=1e-15)
        assert (whole.of_output(number).values == whole.values[:, :, number]).all()


def test_the_predicted_class():
    model = plain()
    model.classes = ["a", "b", "c"]
    whole, found = fb.explain(model, X, background=B), fb.explain(model, X, background=B, target="predicted")
    numbers = model.predict(X).argmax(axis=1)
    assert len(set(numbers.tolist())) > 1
    np.testing.assert_allclose(found.values, whole.values[np.arange(6), :, numbers], atol=1e-15)
    assert (fb.explain(model, X, background=B, target="b").values == whole.of_output("b").values).all()


def test_labels_are_labels_and_not_numbers():
    model = plain()
    model.classes = [2, 1, 0]
    assert (
        fb.explain(model, X, background=B, target=2).values == fb.explain(model, X, background=B).values[:, :, 0]
    ).all()
    with pytest.raises(ValueError, match="target is 5; expected one of the model's 3 classes"):
        fb.explain(model, X, background=B, target=5)


def test_a_single_output_for_two_classes():
    model = plain(last=1, activation="sigmoid")
    model.classes = ["no", "yes"]
    z = answers(fb.explain(model, X, background=B))
    np.testing.assert_allclose(1 / (1 + np.exp(-z)), model.predict(X)[:, 0], atol=1e-14)
    assert (answers(fb.explain(model, X, background=B, target="yes")) == z).all()
    np.testing.assert_allclose(answers(fb.explain(model, X, background=B, target="no")), -z, atol=1e-14)
    of_no = answers(fb.explain(model, X, background=B, target="no", output="prediction"))
    np.testing.assert_allclose(of_no, 1 - model.predict(X)[:, 0], atol=1e-14)
    predicted = answers(fb.explain(model, X, background=B, target="predicted"))
    np.testing.assert_allclose(predicted, np.abs(z), atol=1e-14)


@pytest.mark.parametrize(
    ("activation", "last", "y", "loss"),
    [
        ("softmax", 3, [0, 1, 2, 2, 1, 0], "cross_entropy"),
        ("softmax", 3, np.full((6, 3), 1 / 3), "cross_entropy"),
        ("sigmoid", 1, [0, 1, 0, 1, 1, 0], "binary_cross_entropy"),
        ("sigmoid", 2, np.arange(12).reshape(6, 2) % 2, "binary_cross_entropy"),
        ("linear", 1, np.arange(6.0), "mse"),
        ("linear", 2, np.arange(12.0).reshape(6, 2), "mse"),
    ],
)
def test_the_loss_of_a_row(activation, last, y, loss):
    model = plain(last=last, activation=activation)
    found = fb.explain(model, X, background=B, output="loss", y=y)
    assert found.values.shape == (6, 3)
    expected = [model.loss_and_gradients(X[i : i + 1], np.asarray(y)[i : i + 1], loss)[0] for i in range(6)]
    np.testing.assert_allclose(answers(found), expected, rtol=1e-13)


def test_targets_in_their_own_units():
    frame, y = table(), np.random.default_rng(0).normal(100, 5, 60)
    model = fb.Model(
        [fb.Dense(4, "tanh"), fb.Dense(1)], prepare=fb.Columns(fb.Impute()), prepare_targets=fb.Standardize()
    )
    model.build(frame, y)
    found = fb.explain(model, frame[:3], background=frame)
    np.testing.assert_allclose(answers(found), model.predict(frame[:3])[:, 0], rtol=1e-5)


# ------------------------------------------------------------------------------------------------- the columns


def test_the_players_are_the_columns_as_they_came():
    """By brute force on the frame itself: the category, the gap and the number are one player each."""
    model, frame = prepared(), table()
    row, behind = frame.iloc[[3]], frame.iloc[10:16]

    def worth(names):
        mixed = behind.copy()
        for name in names:
            mixed[name] = row[name].iloc[0]
        return np.log(model.predict(mixed)[:, 1] / model.predict(mixed)[:, 0]).mean()

    def gain(name, others):
        return worth([*others, name]) - worth(others)

    names = list(frame.columns)
    expected = []
    for name in names:
        a, b = (other for other in names if other != name)
        expected.append(gain(name, []) / 3 + gain(name, [a]) / 6 + gain(name, [b]) / 6 + gain(name, [a, b]) / 3)
    found = fb.explain(model, row, background=behind)
    assert found.columns == ("size", "colour", "gap")
    np.testing.assert_allclose(found.values[0, :, 1] - found.values[0, :, 0], expected, atol=1e-12)


def test_the_features():
    model, frame = prepared(), table()
    found = fb.explain(model, frame[:2], background=frame[:9], columns="prepared")
    assert found.columns == ("size", "gap", "gap missing", "colour=blue", "colour=green", "colour=red")
    np.testing.assert_allclose(answers(found), answers(fb.explain(model, frame[:2], background=frame[:9])), atol=1e-12)
    bare = fb.Model([fb.Dense(6, "tanh"), fb.Dense(2)], inputs=6, dtype="float64")
    bare.set_weights(model.get_weights())
    features = model.feed.features(frame)
    expected = fb.explain(bare, features[:2], background=features[:9])
    np.testing.assert_allclose(found.values, expected.values, atol=1e-12)


def test_data_is_as_the_user_wrote_it():
    frame = table()
    frame.loc[0, "colour"] = None
    odd = frame[:3].copy()
    odd.loc[1, "colour"] = "mauve"
    found = fb.explain(prepared(frame=frame), odd, background=frame[5:9])
    assert found.data[:, 1].tolist() == [None, "(other)", frame["colour"][2]]
    assert found.data[2, 0] == frame["size"][2]


def test_rows_by_name():
    model = prepared()
    row = {"size": 1.0, "colour": "red", "gap": None}
    other = {"size": 0.0, "colour": "blue", "gap": 0.5}
    one = fb.explain(model, row, baseline=other)
    assert one.data.tolist()[0][:2] == [1.0, "red"]
    same = fb.explain(model, pd.DataFrame([row]), background=pd.DataFrame([other]))
    assert (one.values == same.values).all()


def test_codes_of_tables():
    model = fb.Model([fb.Dense(4, "tanh"), fb.Dense(1)], inputs=fb.Tabular(1, [3], dims=[2]), dtype="float64")
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
    found = fb.explain(model, [[0.3, 2]], background=[[0.1, 0], [0.4, 1]])
    np.testing.assert_allclose(answers(found), model.predict([[0.3, 2]])[:, 0], atol=1e-14)


@pytest.mark.parametrize("method", ["shapley", "integrated_gradients"])
def test_logits_of_classes_with_tables(method):
    layers = [fb.Dense(4, "tanh"), fb.Dense(3, "softmax")]
    model = fb.Model(layers, inputs=fb.Tabular(1, [3], dims=[2]), dtype="float64", seed=1)
    row, behind = [[0.3, 2]], [[0.1, 0], [0.4, 1]]
    found = fb.explain(model, row, method, background=behind)
    logits = answers(found)
    np.testing.assert_allclose(np.exp(logits) / np.exp(logits).sum(), model.predict(row), rtol=1e-3)
    assert fb.faithfulness(found.of_output(0), model).random_weights is not None


# ------------------------------------------------------------------------------------------------- what it counts from


@pytest.mark.parametrize(
    ("chain", "usual"),
    [
        ([fb.Impute("median"), fb.Standardize()], "median"),
        ([fb.Impute("mean"), fb.Standardize()], "mean"),
        ([fb.Scale(3.0, 1.0), fb.Impute("median"), fb.RobustScale()], "median"),
        ([fb.Standardize(), fb.Impute("median", indicator=True)], "median"),
        ([fb.RobustScale(), fb.Impute("mean")], "median"),
    ],
)
def test_usual_values(chain, usual):
    numbers = table()[["size", "gap"]]
    model = fb.Model([fb.Dense(1)], prepare=chain, dtype="float64")
    model.build(numbers)
    row = getattr(numbers, usual)().to_frame().T
    np.testing.assert_allclose(fb.explain(model, numbers[:2]).base_values, model.predict(row)[0, 0], atol=1e-12)


def test_the_commonest_categories(tmp_path):
    rows, model = table(), prepared(1, "linear")
    usual = pd.DataFrame({"size": [rows["size"].median()], "colour": rows["colour"].mode()[:1], "gap": [np.nan]})
    usual["gap"] = rows["gap"].median()
    model.save(tmp_path / "m.safetensors")
    for each in (model, fb.Model.load(tmp_path / "m.safetensors")):
        found = fb.explain(each, rows[:3])
        np.testing.assert_allclose(found.base_values, model.predict(usual)[0, 0], atol=1e-12)


def test_the_commonest_category_of_numbers():
    X = np.array([[3.0], [7.0], [7.0], [np.nan], [np.nan], [np.nan], [5.0]])
    model = fb.Model([fb.Dense(1)], prepare=fb.OneHot(), dtype="float64")
    model.build(X)
    np.testing.assert_allclose(fb.explain(model, X[:2]).base_values, model.predict([[7.0]])[0, 0], atol=1e-12)


def test_usual_values_of_tables():
    from fastbp.sklearn import TabularRegressor

    rows = table(200)
    y = rows["size"] + (rows["colour"] == "red") * 2.0
    model = TabularRegressor(epochs=2, n_bags=2, random_state=0).fit(rows, y)
    found = fb.explain(model, rows[:2])
    usual = pd.DataFrame({"size": [rows["size"].median()], "colour": rows["colour"].mode()[:1]})
    usual["gap"] = rows["gap"].median()
    np.testing.assert_allclose(found.base_values, model.predict(usual)[0], rtol=1e-4)


def test_means_where_no_median_is_known():
    numbers = table()[["size"]]
    model = fb.Model([fb.Dense(1)], prepare=fb.Standardize(), dtype="float64")
    model.build(numbers)
    expected = model.predict(numbers.mean().to_numpy()[np.newaxis])[0, 0]
    np.testing.assert_allclose(fb.explain(model, numbers[:2]).base_values, expected, atol=1e-12)


# ------------------------------------------------------------------------------------------- ensembles, estimators


def test_ensembles():
    models = [plain(), plain(dtype="float64")]
    models[1].set_weights([weight * 0.5 for weight in models[0].get_weights()])
    found = fb.explain(fb.Ensemble(models), X, background=B)
    each = np.stack([fb.explain(model, X, background=B).values for model in models])
    np.testing.assert_allclose(found.values, each.mean(axis=0), atol=1e-15)
    np.testing.assert_allclose(found.spread, each.std(axis=0), atol=1e-15)
    assert np.abs(found.completeness_error).max() < 1e-13


def test_members_that_know_other_categories():
    frames = [table(), table()]
    frames[0].loc[frames[0]["colour"] == "red", "colour"] = "amber"
    models = [prepared(frame=frame, seed=i) for i, frame in enumerate(frames)]
    rows = pd.concat([frames[0][:4], frames[1][:4]])
    rows.iloc[0, 1] = "mauve"
    found = fb.explain(fb.Ensemble(models), rows, background=rows)
    each = np.stack([fb.explain(model, rows, background=rows).values for model in models])
    np.testing.assert_allclose(found.values, each.mean(axis=0), atol=1e-13)
    assert found.data[:, 1].tolist() == ["(other)", *rows["colour"][1:]]


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_estimators():
    pytest.importorskip("sklearn")
    from fastbp.sklearn import MLPClassifier, MLPRegressor

    frame, labels = table()[["size", "gap"]], np.where(table()["size"] > 0, "yes", "no")
    two = MLPClassifier((4,), max_iter=3, missing="impute", random_state=0).fit(frame, labels)
    found = fb.explain(two, frame[:5], target="no", output="prediction")  # from the medians
    np.testing.assert_allclose(answers(found), two.predict_proba(frame[:5])[:, 0], atol=1e-6)
    assert found.columns == ("size", "gap")
    three = MLPClassifier((4,), max_iter=3, random_state=0).fit(X, ["a", "b", "c", "a", "b", "c"])
    logits = answers(fb.explain(three, X, background=B))
    np.testing.assert_allclose(
        np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), three.predict_proba(X), atol=1e-6
    )
    numbers = MLPRegressor(hidden_layer_sizes=(4,), max_iter=3, random_state=0).fit(X, X[:, 0])
    np.testing.assert_allclose(answers(fb.explain(numbers, X, background=B)), numbers.predict(X), atol=1e-5)


@pytest.mark.slow
def test_estimators_of_tables():
    pytest.importorskip("sklearn")
    from fastbp.sklearn import TabularClassifier, TabularRegressor

    frame = table(200)[["colour", "size", "gap"]]  # the reader puts numbers first
    frame.loc[3, "colour"] = None
    labels = np.where(frame["size"] > 0, "yes", "no")
    model = TabularClassifier(preset="fast", epochs=2, random_state=0).fit(frame, labels)
    found = fb.explain(model, frame[:5], background=frame[9:20], target="yes")
    np.testing.assert_allclose(answers(found), np.log(model.predict_proba(frame[:5])[:, 1]), rtol=1e-6)
    assert found.columns == ("colour", "size", "gap")
    assert found.data[3, 0] is None
    numbers = TabularRegressor(preset="fast", epochs=2, random_state=0).fit(frame[["size", "gap"]], frame["size"])
    rows = frame[["size", "gap"]][:5]
    found = fb.explain(numbers, rows)
    np.testing.assert_allclose(answers(found), numbers.predict(rows), rtol=1e-10)
    medians = frame[["size", "gap"]].median().to_frame().T
    np.testing.assert_allclose(found.base_values, numbers.predict(medians)[0], rtol=0.05)
    with pytest.raises(ValueError, match="inputs of their own"):
        fb.explain(numbers, rows, columns="prepared")


# --------------------------------------------------------------------------------------------------- the result


def test_parts_of_an_explanation():
    found = fb.explain(plain(), X, background=B, target=0)
    assert len(found) == 6
    assert (found[2].values == found.values[2:3]).all()
    assert (found[found.values[:, 0] > 0].data == found.data[found.values[:, 0] > 0]).all()
    assert (found.to_frame().to_numpy() == found.values).all()
    assert list(found.to_frame().columns) == ["0", "1", "2"]
    whole = fb.explain(plain(), X, background=B)
    assert (whole.to_frame()[2]["1"] == whole.values[:, 1, 2]).all()
    assert (found[-1].values == found.values[5:]).all()
    assert len(found[:0]) == 0
    for beyond in (6, [0, -7], [True] * 5):
        with pytest.raises(IndexError, match="is asked for, and 6 rows are explained"):
            found[beyond]
    for wrong in ("a", 1.5, None, [[1]], True, {}):
        with pytest.raises(TypeError, match=r"the index is .*; expected the number of a row"):
            found[wrong]
    with pytest.raises(ValueError, match="output is 7; expected"):
        whole.of_output(7)
    assert "shapley of" in repr(found)
    assert "<table" in found._repr_html_()
    assert "<table" in found[0]._repr_html_()
    assert "<table" in whole._repr_html_()


def test_pictures():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    frame = table()
    found = fb.explain(prepared(), frame[:20], background=frame[30:], target=1)
    assert found.plot().get_yticklabels()[0].get_text() in frame.columns
    assert "size = " in " ".join(label.get_text() for label in found[0].plot().get_yticklabels())
    assert found.plot(column="colour").get_xlabel() == "colour"
    assert found.plot("bars").get_xlabel() == "mean size of the share, logit"
    assert found.plot("dependence", column=2).get_xlabel() == "gap"
    with pytest.raises(ValueError, match="expected a column with 'dependence'"):
        found.plot("bars", column="size")
    with pytest.raises(ValueError, match="Did you mean 'size'"):
        found.plot(column="sise")
    with pytest.raises(ValueError, match="several outputs are explained"):
        fb.explain(prepared(), frame[:2], background=frame).plot()
    pyplot.close("all")


# ------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"method": "magic"}, ValueError, "method is 'magic'; expected"),
        ({"output": "logits"}, ValueError, "output is 'logits'; expected 'logit', 'prediction' or 'loss'"),
        ({"columns": "all"}, ValueError, "columns is 'all'; expected 'original' or 'prepared'"),
        ({"target": 3}, ValueError, "target is 3; expected the number of an output, 0 to 2"),
        ({"target": -1}, ValueError, "target is -1; expected the number of an output"),
        ({"target": 1.5}, TypeError, "target is 1.5; expected the number of an output"),
        ({"target": True}, TypeError, "target is True; expected the number of an output"),
        ({"target": "a"}, ValueError, "target is 'a'; expected the number of an output"),
        ({"output": "loss"}, TypeError, "output is 'loss' and y is None"),
        ({"output": "loss", "y": [0, 1]}, ValueError, "X has 6 rows and y has 2"),
        ({"output": "loss", "y": [0] * 6, "target": 1}, ValueError, "target is 1; expected None"),
        ({"y": [0] * 6}, TypeError, "y is given and output is 'logit'"),
        ({"baseline": 0}, TypeError, "baseline and background are given"),
        ({"background": None}, ValueError, "baseline and background are None, and the model has no preparation"),
        ({"background": [[1, 2]]}, ValueError, "background has 2 columns"),
        ({"background": [[1, 2, np.nan]]}, ValueError, "in background, row 0, column 2"),
        ({"background": None, "baseline": [1, 2]}, ValueError, "baseline has 2 columns"),
        ({"background": None, "baseline": [[1, 2, 3]] * 2}, ValueError, "expected one row"),
        ({"background": None, "baseline": np.inf}, ValueError, "baseline is inf; expected a finite number"),
        ({"n_permutations": 1}, ValueError, "n_permutations is 1; expected an integer of 2 or more"),
        ({"seed": -1}, ValueError, "seed is -1"),
        ({"traget": 1}, TypeError, "explain has no argument 'traget'. Did you mean 'target'"),
    ],
)
def test_refusals(arguments, error, message):
    with pytest.raises(error, match=message):
        fb.explain(plain(), X, **{"background": B, **arguments})


def test_refusals_of_data_and_models():
    with pytest.raises(ValueError, match="row 1, column 0"):
        fb.explain(plain(), [[1, 2, 3], [np.nan, 2, 3]], background=B)
    with pytest.raises(TypeError, match="model is 'm'; expected an"):
        fb.explain("m", X, background=B)
    with pytest.raises(TypeError, match="Of a trainer give trainer"):
        fb.explain(fb.Trainer(plain(), "cross_entropy"), X, background=B)
    with pytest.raises(ValueError, match="not built yet"):
        fb.explain(fb.Model([fb.Dense(1)]), X, background=B)
    old = prepared()
    old.feed.preparation.inputs.commonest.clear()  # as of a file of version 0.1.0
    with pytest.raises(ValueError, match="no usual value of column 'colour'"):
        fb.explain(old, table()[:2])
    with pytest.raises(ValueError, match="target is 'predicted', and the last layer has 2 outputs"):
        fb.explain(plain(last=2, activation="linear"), X, background=B, target="predicted")
    with pytest.raises(ValueError, match="no samples"):
        fb.explain(plain(), X[:0], background=B)
