"""Questions that are seldom asked, and answers in which there is little: each in its own words."""

import numpy as np
import pytest

import fastbp as fb
from fastbp.explanations.axes import draw_curves
from fastbp.explanations.counterfactuals import _text
from fastbp.explanations.levels import _shares
from fastbp.explanations.products import Product
from fastbp.explanations.questions import OutputQuestion
from fastbp.explanations.usual_values import _usual_value

pd = pytest.importorskip("pandas")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
TEXTS = [f"level {i}" for i in range(30)]


def network(last=2, activation="softmax", layers=(), **options):
    return fb.Model([fb.Dense(4, "tanh"), *layers, fb.Dense(last, activation)], inputs=3, dtype="float64", **options)


def test_a_counterfactual_of_a_named_target_leaves_constant_columns_alone():
    model = fb.Model([fb.Dense(2)], dtype="float64", seed=0)
    targets = pd.DataFrame({"price": X[:, 0], "weight": X[:, 1]})
    fb.Trainer(model, "mse", "sgd", batch_size=8).fit(X, targets)
    data = X.copy()
    data[:, 2] = 1.0
    by_name = fb.counterfactual(model, data[:2], (5.0, None), data, output="weight")
    by_number = fb.counterfactual(model, data[:2], (5.0, None), data, output=1)
    np.testing.assert_array_equal(by_name.changed, by_number.changed)
    assert (by_name.changed[:, 2] == 1.0).all()


def test_counterfactuals_that_are_not_shown_are_counted_and_gaps_are_missing():
    frame = pd.DataFrame({"a": X[:, 0], "b": np.where(X[:, 1] > 1, None, "x")})
    model = fb.Model([fb.Dense(1)], prepare=fb.Columns([fb.Impute(), fb.Standardize()], fb.OneHot()), seed=0)
    fb.Trainer(model, "mse").fit(frame, X[:, 0] + 2 * (X[:, 1] > 1))
    found = fb.counterfactual(model, frame, (1.0, None), frame)
    assert repr(found).splitlines()[-1].endswith(" more")
    assert [_text(value) for value in (None, np.nan, "x", 0.5)] == ["missing", "missing", "x", "0.5"]


def test_an_output_that_has_a_name_is_found_by_its_number_too():
    model = network(3)
    model.classes = ["red", "green", "blue"]
    found = fb.explain(model, X, method="input_x_gradient")
    np.testing.assert_array_equal(found.of_output(1).values, found.of_output("green").values)


def test_members_whose_preparations_differ_have_no_prepared_columns_in_common():
    members = []
    for prepare in (fb.Columns(fb.Standardize(), fb.OneHot()), fb.Columns(fb.Standardize(), fb.Ordinal())):
        members.append(fb.Model([fb.Dense(1)], prepare=prepare, seed=0))
        members[-1].build(pd.DataFrame({"a": X[:, 0], "b": np.resize(["x", "y"], 40)}))
    frame = pd.DataFrame({"a": X[:, 0], "b": np.resize(["x", "y"], 40)})
    with pytest.raises(ValueError, match="the members' preparations differ; expected columns='original'"):
        fb.explain(fb.Ensemble(members), frame, method="saliency", columns="prepared")


def test_members_of_other_columns_are_not_explained_together():
    members = []
    for name in ("a", "c"):
        members.append(fb.Model([fb.Dense(1)], seed=0))
        fb.Trainer(members[-1], "mse").fit(pd.DataFrame({name: X[:, 0]}), X[:, 0])
    with pytest.raises(ValueError, match="has other columns"):
        fb.explain(fb.Ensemble(members), X[:, :1], method="saliency")


def test_an_ensemble_counts_from_the_usual_values_of_its_first_member():
    frame = pd.DataFrame({"a": X[:, 0], "b": np.resize(["x", "y"], 40)})
    members = [
        fb.Model([fb.Dense(1)], prepare=fb.Columns([fb.Impute(), fb.Standardize()], fb.OneHot()), seed=i)
        for i in (0, 1)
    ]
    for model in members:
        fb.Trainer(model, "mse").fit(frame, X[:, 0])
    ensemble = fb.Ensemble(members)
    whole = fb.explain(ensemble, frame[:3], method="integrated_gradients")
    single = [fb.explain(model, frame[:3], method="integrated_gradients").values for model in members]
    np.testing.assert_allclose(whole.values, np.mean(single, axis=0), rtol=1e-5, atol=1e-7)
    effect = fb.partial_dependence(ensemble, frame, "b")
    assert list(effect.grid) == ["x", "y"]


def test_rows_that_are_all_the_same_cannot_be_moved():
    rows = np.ones((5, 3))
    model = network()
    found = fb.explain(model, rows, method="saliency", target=0)
    assert fb.faithfulness(found, model).sensitivity is None


def test_levels_of_a_column_without_values():
    np.testing.assert_array_equal(_shares(np.empty(0), np.empty(0, np.int64), 3, False), np.zeros((3, 1)))


def test_the_slope_of_a_loss_of_numbers():
    """Of the mean squared error: 2 (prediction - target) / n_outputs times the prediction's slope."""
    model = network(1, "linear", seed=1)
    y = X[:, :1] * 2
    found = fb.explain(model, X, method="saliency", output="loss", y=y)
    W, b, V, c = model.get_weights()
    hidden = np.tanh(X @ W + b)
    slope = ((1 - hidden**2) * V[:, 0]) @ W.T
    np.testing.assert_allclose(np.abs(found.values), np.abs(2 * (hidden @ V + c - y) * slope), rtol=1e-6, atol=1e-12)


def test_a_question_about_some_rows_of_single_outputs():
    question = OutputQuestion("logit", ["no", "yes"], None, np.array([True, False, True]), "answer")
    some = question.take(np.array([0, 1]))
    outputs = np.array([[1.0], [2.0]])
    np.testing.assert_array_equal(some.answers(outputs, np.arange(2)), [[-1.0], [2.0]])


def test_room_for_products_is_used_again():
    product = Product(np.arange(6.0).reshape(3, 2), None, 1)
    first = product.backward(np.ones((4, 2)), to_room=True)
    second = product.backward(np.ones((2, 2)), to_room=True)
    np.testing.assert_array_equal(second, np.ones((2, 2)) @ product.W.T)
    assert np.shares_memory(first, second)


def test_a_chain_of_more_parts_than_steps_has_no_usual_value():
    assert np.isnan(_usual_value((fb.Standardize(), fb.Standardize()), []))


def test_what_comes_behind_limits_does_not_say_what_is_usual():
    """A median of limited numbers need not be that of the column; the mean before the limits is."""
    chain = (fb.Standardize(), fb.RobustScale())
    affine, median = ("affine", 5.0, 0.5, 0.0), ("affine", 1.0, 1.0, 0.0)
    assert _usual_value(chain, [affine, median]) == 5.0 + 1.0 / 0.5
    assert _usual_value(chain, [affine, ("clip", -3.0, 3.0), median]) == 5.0


def test_a_network_that_ends_with_an_activation_after_a_dropout():
    layers = [fb.Dense(4, "tanh"), fb.Dense(2), fb.Dropout(0.5), fb.Activation("softmax")]
    model = fb.Model(layers, inputs=3, dtype="float64", seed=0)
    assert model.architecture.to_logits.layers == tuple(layers[:2])
    plain = fb.Model([fb.Dense(4, "tanh"), fb.Dense(2, "softmax")], inputs=3, dtype="float64")
    plain.set_weights(model.get_weights())
    for method in ("saliency", "deepshap"):
        behind = {"background": X[10:12]} if method == "deepshap" else {}
        one, other = (fb.explain(each, X[:5], method=method, target=1, **behind) for each in (model, plain))
        np.testing.assert_allclose(one.values, other.values, rtol=1e-6, atol=1e-12)
    assert fb.faithfulness(fb.explain(model, X[:5], method="saliency", target=1), model) is not None


def test_pictures_of_slopes_and_of_many_texts():
    pytest.importorskip("matplotlib")
    from matplotlib import pyplot

    frame = pd.DataFrame({"a": X[:, 0], "b": np.resize(TEXTS, 40)})
    model = fb.Model([fb.Dense(1)], prepare=fb.Columns(fb.Standardize(), fb.OneHot()), seed=0)
    model.build(frame)
    found = fb.explain(model, frame, background=frame[:2], n_permutations=2)
    try:
        assert "slope of the" in fb.explain(network(), X, method="saliency", target=0).plot("beeswarm").get_xlabel()
        ticks = [tick.get_text() for tick in found.plot("dependence", column="b").get_xticklabels()]
        assert not set(ticks) & set(TEXTS)
    finally:
        pyplot.close("all")


@pytest.mark.parametrize(
    ("method", "word"),
    [("saliency", "slope"), ("smoothgrad", "slope"), ("input_x_gradient", "share"), ("lrp", "share")],
)
def test_all_pictures_of_a_method_have_the_same_word(method, word):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    found = fb.explain(network(), X, method=method, target=0)
    try:
        assert found.plot("bars").get_xlabel() == f"mean size of the {word}, logit"
        assert found[0].plot("bars").get_xlabel().startswith(f"{word} of the logit")
        assert found.plot("beeswarm").get_xlabel().startswith(f"{word} of the logit")
        assert found.plot(column=0).get_ylabel().startswith(f"{word} of the logit")
    finally:
        pyplot.close("all")


def test_pictures_of_names_and_of_categories():
    """Short names stand upright, long ones end at their ticks; a pair tells of both columns; categories are grey."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    from matplotlib.colors import to_rgba

    long = ["a category of a long name", "another category", "yet another category"]
    frame = pd.DataFrame({"letter": np.resize(list("abcdefg"), 40), "name": np.resize(long, 40)})
    frame["a number with quite a long name"] = X[:, 0]
    model = fb.Model([fb.Dense(2, "tanh"), fb.Dense(1)], prepare=fb.Columns(fb.Standardize(), fb.OneHot()), seed=0)
    model.build(frame)
    classes = fb.Model([fb.Dense(3, "softmax")], prepare=fb.Columns(fb.Standardize(), fb.OneHot()), seed=0)
    classes.build(frame)
    found = fb.explain(model, frame, background=frame[:4])
    try:
        for letters in (found.plot(column="letter"), fb.partial_dependence(model, frame, "letter").plot()):
            assert {label.get_rotation() for label in letters.get_xticklabels()} == {0.0}
        for names in (found.plot(column="name"), fb.partial_dependence(model, frame, "name").plot()):
            assert {(label.get_rotation(), label.get_ha()) for label in names.get_xticklabels()} == {(30.0, "right")}
        points = fb.partial_dependence(classes, frame, "letter").plot().containers
        places = [container.lines[0].get_xdata() for container in points]
        assert len({float(place[0]) for place in places}) == 3 and abs(np.mean([place[0] for place in places])) < 1e-9
        pairs = [label.get_text() for label in fb.interaction_strength(model, frame).plot().get_yticklabels()]
        assert "letter x name" in pairs and all(len(pair) <= 28 for pair in pairs)
        assert any(pair.startswith("letter x") and pair.endswith("a long name") for pair in pairs)
        greys = [one for one in found.plot("beeswarm").collections if len(one.get_offsets()) == 40]
        assert [tuple(one.get_facecolor()[0]) == to_rgba("0.5") for one in greys].count(True) == 2
    finally:
        pyplot.close("all")


def test_a_swarm_of_categories_alone_has_no_scale_of_colours():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    frame = pd.DataFrame({"a": np.resize(["x", "y"], 20), "b": np.resize(["u", "v", "w"], 20)})
    both = frame.assign(c=X[:20, 0])
    n_axes = []
    try:
        for table in (frame, both):
            model = fb.Model([fb.Dense(1)], prepare=fb.Columns(fb.Standardize(), fb.OneHot()), seed=0)
            model.build(table)
            ax = fb.explain(model, table, background=table[:4]).plot("beeswarm")
            n_axes.append(len(ax.figure.axes))
    finally:
        pyplot.close("all")
    assert n_axes == [1, 2]


@pytest.mark.parametrize("seen", [None, np.empty(0)])
def test_curves_without_data_have_no_ticks_of_it(seen):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    grid, curve = np.arange(3.0), np.zeros((3, 1))
    try:
        drawn = [draw_curves(grid, curve, (curve, curve), None, None, ("x", "y"), data, None) for data in (seen, grid)]
        assert [len(ax.lines) for ax in drawn] == [1, 2]
    finally:
        pyplot.close("all")
