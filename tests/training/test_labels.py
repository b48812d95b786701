"""Targets that name classes: text, booleans and categories in every call that takes targets."""

import pickle
import re

import numpy as np
import pytest

import fastbp as fb

pandas = pytest.importorskip("pandas", reason="pandas is not installed")
polars = pytest.importorskip("polars", reason="polars is not installed")
pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 2)).astype("float32")
NUMBERS = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
CLASSES = np.array(["cat", "dog", "owl"])
LABELS = CLASSES[NUMBERS]
YES = X[:, 0] > 0


def make(n_outputs=3, activation="softmax", loss="cross_entropy", classes=None, **options):
    model = fb.Model([fb.Dense(8, "tanh"), fb.Dense(n_outputs, activation)], inputs=2)
    if classes is not None:
        model.classes = classes
    return fb.Trainer(model, loss, fb.Adam(0.05), **options)


def weights_after(y, trainer=None):
    trainer = trainer or make()
    trainer.fit(X, y, epochs=2)
    return trainer.model.get_weights()


def same(a, b):
    return all((one == other).all() for one, other in zip(a, b, strict=True))


FORMS = {
    "array": LABELS,
    "list": LABELS.tolist(),
    "objects": LABELS.astype(object),
    "variable-width text": LABELS.astype(np.dtypes.StringDType()),
    "column": LABELS[:, np.newaxis],
    "series": pandas.Series(LABELS),
    "string series": pandas.Series(LABELS).astype("string"),
    "index": pandas.Index(LABELS),
    "frame": pandas.DataFrame({"kind": LABELS}),
    "category": pandas.Series(LABELS).astype("category"),
    "categorical": pandas.Categorical(LABELS),
    "categorical index": pandas.CategoricalIndex(LABELS),
    "polars": polars.Series(LABELS),
    "polars categorical": polars.Series(LABELS, dtype=polars.Categorical),
    "polars enum": polars.Series(LABELS, dtype=polars.Enum(CLASSES.tolist())),
    "arrow": pyarrow.array(LABELS.tolist()),
    "arrow dictionary": pyarrow.array(LABELS.tolist()).dictionary_encode(),
}


@pytest.mark.parametrize("y", FORMS.values(), ids=FORMS)
def test_labels_are_the_numbers_of_their_classes_in_every_call(y):
    by_number, by_label = make(), make()
    by_number.fit(X, NUMBERS, epochs=2, validation_data=(X[:50], NUMBERS[:50]))
    history = by_label.fit(X, y, epochs=2, validation_data=(X[:50], y[:50]))
    assert same(by_number.model.get_weights(), by_label.model.get_weights())
    assert history["val_loss"] == by_number.history["val_loss"]
    assert by_label.evaluate(X, y) == by_number.evaluate(X, NUMBERS)
    assert by_label.step(X, y) == by_number.step(X, NUMBERS)
    value, gradients = by_label.model.loss_and_gradients(X, y, "cross_entropy")
    expected, of_numbers = by_number.model.loss_and_gradients(X, NUMBERS, "cross_entropy")
    assert value == expected
    assert same(gradients, of_numbers)
    np.testing.assert_array_equal(by_label.model.classes, np.unique(LABELS))
    np.testing.assert_array_equal(by_label.model.predict_classes(X), CLASSES[by_number.model.predict_classes(X)])


def test_classes_and_predictions_are_those_of_scikit_learn():
    tree = pytest.importorskip("sklearn.tree")
    theirs = tree.DecisionTreeClassifier(random_state=0).fit(X, LABELS)
    ours = make()
    ours.fit(X, LABELS, epochs=100)
    np.testing.assert_array_equal(ours.model.classes, theirs.classes_)
    assert np.mean(ours.model.predict_classes(X) == LABELS) > 0.9
    assert np.mean(ours.model.predict_classes(X) == theirs.predict(X)) > 0.9


BINARY = {"binary_cross_entropy": "sigmoid", "focal": "sigmoid", "hinge": "linear", "squared_hinge": "tanh"}
TWO = {
    "text": np.where(YES, "spam", "ham"),
    "booleans": YES,
    "list of booleans": YES.tolist(),
    "objects": YES.astype(object),
    "column": YES[:, np.newaxis],
    "nullable": pandas.Series(YES).astype("boolean"),
    "polars": polars.Series(YES),
    "arrow": pyarrow.array(YES.tolist()),
    "frame": pandas.DataFrame({"yes": YES}),
}


@pytest.mark.parametrize("loss", BINARY)
@pytest.mark.parametrize("y", TWO.values(), ids=TWO)
def test_two_classes_of_one_output(loss, y):
    by_number, by_label = make(1, BINARY[loss], loss), make(1, BINARY[loss], loss)
    by_number.fit(X, YES.astype(int), epochs=3)
    by_label.fit(X, y, epochs=3)
    assert same(by_number.model.get_weights(), by_label.model.get_weights())
    assert by_label.evaluate(X, y) == by_number.evaluate(X, YES.astype(int))
    given = np.asarray(y).reshape(-1)
    model = by_label.model
    np.testing.assert_array_equal(
        model.classes, np.unique(given.astype(bool if given.dtype == object else given.dtype))
    )
    outputs = model.predict(X)[:, 0]
    np.testing.assert_array_equal(
        model.predict_classes(X) == model.classes[1], outputs > (BINARY[loss] == "sigmoid") / 2
    )
    assert np.mean(model.predict_classes(X) == given) == pytest.approx(by_label.evaluate(X, y)["accuracy"])


def test_integers_need_no_classes_and_hinge_losses_know_theirs():
    for y in (NUMBERS, NUMBERS.tolist(), NUMBERS.astype(float), pandas.Series(NUMBERS), np.eye(3)[NUMBERS]):
        trainer = make()
        trainer.fit(X, y)
        assert trainer.model.classes is None
        assert trainer.model.predict_classes(X).dtype == np.int64
        np.testing.assert_array_equal(trainer.model.predict_classes(X), trainer.model.predict(X).argmax(axis=1))
    for y in (YES.astype(int), YES * 2 - 1, YES * 2.0 - 1):
        trainer = make(1, "linear", "hinge")
        trainer.fit(X, y)
        np.testing.assert_array_equal(trainer.model.classes, np.unique(y))
        np.testing.assert_array_equal(
            trainer.model.predict_classes(X), np.where(trainer.model.predict(X)[:, 0] > 0, 1, min(y))
        )
        assert trainer.evaluate(X, YES.astype(int)) == trainer.evaluate(X, YES * 2 - 1)  # as ever
    stepped, chunked = make(1, "linear", "hinge"), make(1, "linear", "hinge")
    stepped.step(X[:1], [1])  # of two classes one
    assert stepped.model.classes is None
    stepped.step(X, YES * 2 - 1)
    chunked.fit([(X, YES * 2 - 1)] * 2)
    assert stepped.model.classes.tolist() == chunked.model.classes.tolist() == [-1, 1]
    several = make(2, "linear", "hinge")
    several.fit(X, np.column_stack([YES, ~YES]))
    assert several.model.classes is None


def test_booleans_stand_for_0_and_1_and_the_other_way_round():
    trainer = make(1, "sigmoid", "binary_cross_entropy")
    trainer.fit(X, YES.astype(int))
    assert trainer.evaluate(X, YES) == trainer.evaluate(X, YES.astype(int))
    assert trainer.model.classes is None
    trainer.fit(X, YES)
    np.testing.assert_array_equal(trainer.model.classes, [False, True])
    assert trainer.evaluate(X, YES) == trainer.evaluate(X, YES.astype(int))
    assert trainer.evaluate(X, YES, class_weight={True: 3}) == trainer.evaluate(X, YES, class_weight={1: 3})
    assert trainer.evaluate(X, YES * 0.5)["loss"] > 0  # probabilities, too
    many = make(2, "sigmoid", "binary_cross_entropy")
    many.fit(X, np.column_stack([YES, ~YES]))  # two outputs, of which a sample may have both
    assert many.model.classes is None


def test_the_categories_of_a_categorical_keep_their_order():
    order = ["owl", "cat", "dog"]
    for y in (pandas.Categorical(LABELS, categories=order), polars.Series(LABELS, dtype=polars.Enum(order))):
        trainer = make()
        trainer.fit(X, y)
        assert trainer.model.classes.tolist() == order
        assert trainer.evaluate(X, y) == trainer.evaluate(X, LABELS)
        assert trainer.evaluate(X, LABELS)["accuracy"] == np.mean(trainer.model.predict_classes(X) == LABELS)
    unused = pandas.Categorical(LABELS, categories=["emu", *order])
    for n_outputs, expected in ((4, ["emu", *order]), (3, order)):
        trainer = make(n_outputs)
        trainer.fit(X, unused)
        assert trainer.model.classes.tolist() == expected
    with pytest.raises(ValueError, match="y has 3 different labels, 'owl', 'cat', 'dog'; expected 5 classes"):
        make(5).fit(X, unused)


def test_categories_of_any_kind():
    trainer = make()
    trainer.fit(X, pandas.Categorical(NUMBERS * 10, categories=[20, 0, 10]))
    assert trainer.model.classes.tolist() == [20, 0, 10]
    assert trainer.evaluate(X, NUMBERS * 10)["accuracy"] == np.mean(trainer.model.predict_classes(X) == NUMBERS * 10)
    intervals = pandas.cut(X[:, 0], 3)
    trainer = make()
    trainer.fit(X, intervals)
    assert trainer.model.classes.tolist() == [str(interval) for interval in intervals.categories]
    assert same(weights_after(intervals), weights_after(intervals.codes))
    trainer = make()
    trainer.fit(X, pandas.Categorical(NUMBERS % 2))  # of three classes two: numbers, as ever
    assert trainer.model.classes is None
    assert trainer.evaluate(X, NUMBERS % 2)["accuracy"] == np.mean(trainer.model.predict_classes(X) == NUMBERS % 2)


def test_an_unknown_label_is_named_with_its_row():
    trainer = make()
    trainer.fit(X, LABELS)
    wrong = LABELS.astype(object)
    wrong[7] = "cow"
    sentence = r"y\[7\] is 'cow'; expected one of the model's 3 classes, 'cat', 'dog', 'owl'\."
    before = trainer.model.get_weights()
    for call in (
        lambda: trainer.fit(X, wrong),
        lambda: trainer.fit(X, wrong, validation_fraction=0.2),
        lambda: trainer.step(X, wrong),
        lambda: trainer.evaluate(X, wrong),
        lambda: trainer.model.loss_and_gradients(X, wrong, "cross_entropy"),
        lambda: fb.check_gradients(trainer.model, X, wrong, "cross_entropy"),
    ):
        with pytest.raises(ValueError, match=sentence):
            call()
    with pytest.raises(ValueError, match=r"validation_data\[1\]\[7\] is 'cow'; expected one of"):
        trainer.fit(X, LABELS, validation_data=(X, wrong))
    with pytest.raises(ValueError, match=r"y of chunk 1 of X\[7\] is 'cow'; expected one of"):
        trainer.evaluate([(X, LABELS), (X, wrong)])
    assert same(before, trainer.model.get_weights())


@pytest.mark.parametrize("y", [NUMBERS, YES, NUMBERS.tolist(), NUMBERS * 1.0])
def test_numbers_and_booleans_are_no_text(y):
    trainer = make(classes=["1", "2", "0"])
    with pytest.raises(ValueError, match=r"y\[0\] is .*; expected one of the model's 3 classes, '1', '2', '0'"):
        trainer.fit(X, y)
    assert trainer.evaluate(X, np.eye(3)[NUMBERS])["loss"] > 0  # a number for each output


@pytest.mark.parametrize("shape", [(), (0,), (120, 2), (120, 3, 1)])
def test_numbers_that_are_neither_a_label_nor_an_output_each_are_refused_by_their_shape(shape):
    trainer = make(classes=["cat", "dog", "owl"])
    for call in (trainer.fit, trainer.evaluate, trainer.step):
        with pytest.raises(ValueError, match=re.escape(f"y has shape {shape}; expected labels of shape")):
            call(X, np.ones(shape))


@pytest.mark.parametrize("shape", [(0,), (120, 2), (120, 1, 1)])
def test_signs_of_another_shape_are_refused_and_name_no_classes(shape):
    y = np.resize([-1, 1], shape)
    for call in ("fit", "evaluate", "step"):
        trainer = make(1, "linear", "hinge")
        with pytest.raises(ValueError, match=re.escape(f"y has shape {shape}; expected (n_samples,) or")):
            getattr(trainer, call)(X, y)
        assert trainer.model.classes is None


def test_missing_labels_are_refused():
    for y in (["cat", None, "dog"], ["cat", float("nan"), "dog"], pandas.Series(["cat", None, "dog"])):
        with pytest.raises(
            ValueError, match=r"y\[1\] is missing; expected a label for each sample\. Leave out the rows"
        ):
            make().fit(X[:3], y)
    for y in (pandas.Categorical(["cat", None, "dog"]), polars.Series(["cat", None, "dog"]), [True, None, False]):
        with pytest.raises(ValueError, match=r"y\[1\] is missing"):
            make(2).fit(X[:3], y)
    with pytest.raises(ValueError, match=r"y\[1\] is nan"):
        make(2).fit(X[:3], pandas.Series([True, None, False], dtype="boolean"))


def test_a_model_without_classes_does_not_guess_them():
    trainer = make()
    trainer.fit(X, NUMBERS)
    for call in (
        lambda: trainer.evaluate(X, LABELS),
        lambda: trainer.model.loss_and_gradients(X, LABELS, trainer.loss),
    ):
        with pytest.raises(
            ValueError, match=r"y holds labels such as 'cat', and the model knows no classes; .* model\.classes"
        ):
            call()
    trainer.model.classes = CLASSES
    assert trainer.evaluate(X, LABELS)["accuracy"] == np.mean(trainer.model.predict_classes(X) == LABELS)


def test_integers_that_do_not_begin_at_0():
    trainer = make()
    with pytest.raises(ValueError, match=r"expected an integer 0 to 2, .*model\.classes = np\.unique\(y\)"):
        trainer.fit(X, NUMBERS + 1)
    trainer.model.classes = np.unique(NUMBERS + 1)
    trainer.fit(X, NUMBERS + 1, epochs=2)
    assert same(trainer.model.get_weights(), weights_after(NUMBERS))
    assert set(trainer.model.predict_classes(X)) <= {1, 2, 3}
    assert trainer.evaluate(X, NUMBERS + 1.0) == trainer.evaluate(X, NUMBERS + 1)
    for y, said in (
        (NUMBERS, "0"),
        (NUMBERS + 1.5, r"\d\.5"),
        (YES, "(True|False)"),
        ((NUMBERS + 1).astype(str), "'.'"),
    ):
        with pytest.raises(ValueError, match=rf"y\[\d+\] is {said}; expected one of the model's 3 classes, 1, 2, 3"):
            trainer.evaluate(X, y)
    large = 2**53 + np.arange(3)
    trainer = make(classes=large)
    trainer.fit(X, large[NUMBERS], epochs=2)
    assert same(trainer.model.get_weights(), weights_after(NUMBERS))
    two = make(1, "sigmoid", "binary_cross_entropy", classes=[-1, 1])
    two.fit(X, YES * 2 - 1)
    assert two.evaluate(X, YES * 2 - 1)["accuracy"] == np.mean(two.model.predict_classes(X) == YES * 2 - 1)


def test_as_many_labels_as_classes():
    with pytest.raises(
        ValueError, match=r"y has 3 different labels, .*; expected 4 classes\. If some .* model.classes = "
    ):
        make(4).fit(X, LABELS)
    with pytest.raises(ValueError, match=r"expected 2 classes\. End the model with Dense\(3, 'softmax'\)"):
        make(2).fit(X, LABELS)
    with pytest.raises(ValueError, match="expected 2 classes, those of a single output"):
        make(1, "sigmoid", "binary_cross_entropy").fit(X, LABELS)
    with pytest.raises(ValueError, match="y has 1 different label, 'cat'; expected 2 classes"):
        make(1, "sigmoid", "binary_cross_entropy").fit(X, ["cat"] * len(X))
    trainer = make(4, classes=["owl", "emu", "dog", "cat"])
    trainer.fit(X, LABELS)
    assert trainer.evaluate(X, LABELS)["accuracy"] == np.mean(trainer.model.predict_classes(X) == LABELS)


def test_a_failed_fit_teaches_nothing():
    trainer = make()
    with pytest.raises(ValueError, match="X has 119 rows, y has 120"):
        trainer.fit(X[:-1], LABELS)
    assert trainer.model.classes is None
    unbuilt = fb.Trainer(fb.Model([fb.Dense(3, "softmax")], prepare=fb.Standardize()), "cross_entropy")
    with pytest.raises(ValueError, match="X has 119 rows, y has 120"):
        unbuilt.fit(X[:-1], LABELS)
    assert unbuilt.model.classes is None
    unbuilt.fit(X, LABELS)
    assert unbuilt.model.classes.tolist() == CLASSES.tolist()


def test_held_out_samples_are_split_by_class_and_their_labels_are_known():
    rare = LABELS.copy()
    rare[rare == "owl"] = "dog"
    rare[:2] = "owl"
    numbers = np.unique(rare, return_inverse=True)[1]
    by_number, by_label = make(), make()
    for trainer, y in ((by_number, numbers), (by_label, rare)):
        trainer.fit(X, y, epochs=2, validation_fraction=0.3, class_weight="balanced")
    assert by_number.history["val_loss"] == by_label.history["val_loss"]
    assert by_label.model.classes.tolist() == CLASSES.tolist()


def test_class_weights_by_label():
    by_number, by_label = make(), make()
    by_number.fit(X, NUMBERS, class_weight={1: 5, 2: 0.5})
    by_label.fit(X, LABELS, class_weight={"dog": 5, np.str_("owl"): 0.5})
    assert same(by_number.model.get_weights(), by_label.model.get_weights())
    assert by_label.step(X, LABELS, class_weight={"cat": 3}) == by_number.step(X, NUMBERS, class_weight={0: 3})
    of_labels = by_label.model.loss_and_gradients(X, LABELS, "cross_entropy", class_weight={"cat": 2})
    assert of_labels[0] == by_number.model.loss_and_gradients(X, NUMBERS, "cross_entropy", class_weight={0: 2})[0]
    for wrong in ({"cow": 2}, {0: 2}, {True: 2}, {None: 2}):
        with pytest.raises(
            ValueError, match=r"a key of class_weight is .*; expected one of the model's 3 classes, 'cat'"
        ):
            by_label.fit(X, LABELS, class_weight=wrong)
    with pytest.raises(ValueError, match=r"class_weight\['cat'\] is -1"):
        by_label.fit(X, LABELS, class_weight={"cat": -1})


# ------------------------------------------------------------------------------------------------------- chunks


def chunks_of(y, size=40):
    return [(X[i : i + size], y[i : i + size]) for i in range(0, len(X), size)]


def test_the_first_chunk_names_the_classes():
    by_number, by_label = make(), make()
    by_number.fit(chunks_of(NUMBERS), epochs=2, class_weight={0: 2})
    by_label.fit(lambda: iter(chunks_of(LABELS)), epochs=2, class_weight={"cat": 2})
    assert same(by_number.model.get_weights(), by_label.model.get_weights())
    assert by_label.model.classes.tolist() == CLASSES.tolist()
    assert by_label.evaluate(chunks_of(LABELS)) == by_number.evaluate(chunks_of(NUMBERS))


def test_chunks_that_lack_classes():
    order = np.argsort(NUMBERS, kind="stable")
    ordered = [(X[order[i : i + 40]], LABELS[order[i : i + 40]]) for i in range(0, 120, 40)]
    trainer = make()
    with pytest.raises(
        ValueError, match=r"y of chunk 0 of X has \d different labels?, 'cat'.*; expected 3 classes\. If some"
    ):
        trainer.fit(ordered)
    assert trainer.model.classes is None
    trainer.model.classes = CLASSES
    trainer.fit(ordered, validation_data=(X, LABELS))
    other = make()
    other.fit(ordered, validation_data=(X, LABELS))  # which is read before the chunks
    assert same(trainer.model.get_weights(), other.model.get_weights())
    assert other.model.classes.tolist() == CLASSES.tolist()
    with pytest.raises(ValueError, match=r"y of chunk 2 of X\[0\] is 'cow'; expected one of the model's 3 classes"):
        make().fit([*chunks_of(LABELS)[:2], (X[:1], ["cow"])])


# ------------------------------------------------------------------------------------------- metrics and files


def test_metrics_of_labels():
    figures = ["accuracy", "balanced_accuracy", "f1", "roc_auc", "log_loss"]
    by_number, by_label = make(metrics=figures), make(metrics=figures)
    by_number.fit(X, NUMBERS)
    by_label.fit(X, LABELS)
    assert by_number.evaluate(X, NUMBERS) == by_label.evaluate(X, LABELS)


def test_a_function_as_a_metric_gets_the_numbers_of_the_outputs_columns():
    metrics = pytest.importorskip("sklearn.metrics")
    seen = []

    def share(y_true, y_pred):
        seen.append(y_true)
        return np.mean(y_pred.argmax(axis=1) == y_true)

    trainer = make(metrics=["accuracy", "log_loss", share, fb.FunctionMetric(metrics.log_loss, "theirs")])
    trainer.fit(X, pandas.Categorical(LABELS, categories=["owl", "cat", "dog"]))
    figures = trainer.evaluate(X, LABELS)
    assert figures["share"] == figures["accuracy"]
    assert figures["theirs"] == pytest.approx(figures["log_loss"], rel=1e-5)
    np.testing.assert_array_equal(trainer.model.classes[seen[-1]], LABELS)


def test_files_and_pickles_of_trainers_know_the_classes(tmp_path):
    trainer = make(averaging="ema")
    trainer.fit(X, pandas.Series(LABELS, name="kind"))
    trainer.save(tmp_path / "trainer")
    for other in (fb.Trainer.load(tmp_path / "trainer"), pickle.loads(pickle.dumps(trainer))):
        assert other.model.classes.tolist() == CLASSES.tolist()
        assert other.evaluate(X, LABELS) == trainer.evaluate(X, LABELS)
        with pytest.raises(ValueError, match="is 'cow'; expected one of"):
            other.step(X[:1], ["cow"])
    averaged = trainer.averaged_model()
    assert averaged.classes.tolist() == CLASSES.tolist()
    assert averaged.predict_classes(pandas.DataFrame(X), as_frame=True).name == "kind"
