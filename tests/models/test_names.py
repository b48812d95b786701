"""The columns of a data frame are found by their names, whatever the model does to them."""

import pickle

import numpy as np
import pytest

import fastbp as fb

pandas = pytest.importorskip("pandas", reason="pandas is not installed")

A, B = np.arange(40) % 7, np.arange(40) % 3
Y = 3.0 * A
FRAME = pandas.DataFrame({"a": A, "b": B})


def as_pandas(frame):
    return frame


def as_polars(frame):
    return pytest.importorskip("polars", reason="polars is not installed").from_pandas(frame)


def as_arrow(frame):
    return pytest.importorskip("pyarrow", reason="pyarrow is not installed").Table.from_pandas(frame)


LIBRARIES = [as_pandas, as_polars, as_arrow]

MODELS = {
    "plain": lambda: fb.Model([fb.Dense(1)], inputs=2),
    "unbuilt": lambda: fb.Model([fb.Dense(1)]),
    "scaled": lambda: fb.Model([fb.Dense(1)], prepare=fb.Scale(1.0), inputs=2),
    "standardized": lambda: fb.Model([fb.Dense(1)], prepare=fb.Standardize()),
    "targets": lambda: fb.Model([fb.Dense(1)], inputs=2, prepare_targets=fb.Standardize()),
}


def fitted(make, X=FRAME):
    trainer = fb.Trainer(make(), "mse", fb.Adam(0.1), batch_size=8)
    trainer.fit(X, Y, epochs=300)
    return trainer


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_another_order_is_the_same_data(make, library):
    trainer = fitted(make, library(FRAME))
    model = trainer.model
    expected = model.predict(FRAME.to_numpy())
    other = library(pandas.DataFrame({"extra": A, "b": B, "a": A}))
    np.testing.assert_array_equal(model.predict(other), expected)
    assert model.predict(library(pandas.DataFrame({"b": [0], "a": [1]})))[0, 0] == pytest.approx(3, abs=0.3)
    assert trainer.evaluate(other, Y) == trainer.evaluate(FRAME.to_numpy(), Y)
    before = pickle.loads(pickle.dumps(trainer))
    trainer.step(other, Y)
    before.step(FRAME.to_numpy(), Y)
    assert (trainer.model.get_weights()[0] == before.model.get_weights()[0]).all()


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_a_missing_column_is_refused_by_its_name(make):
    model = fitted(make).model
    with pytest.raises(ValueError, match="X has no column 'b'; expected all 2 that the "):
        model.predict(pandas.DataFrame({"a": A, "c": B}))


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_files_pickles_and_copies_know_the_names(make, tmp_path):
    trainer = fitted(make)
    other = FRAME[["b", "a"]]
    expected = trainer.model.predict(FRAME)
    trainer.model.save(tmp_path / "model")
    trainer.save(tmp_path / "trainer")
    for model in (
        fb.Model.load(tmp_path / "model"),
        fb.Trainer.load(tmp_path / "trainer").model,
        pickle.loads(pickle.dumps(trainer.model)),
    ):
        np.testing.assert_array_equal(model.predict(other), expected)


def test_arrays_go_by_position_and_so_do_frames_without_names():
    model = fitted(MODELS["plain"]).model
    numbers = FRAME.to_numpy()
    np.testing.assert_array_equal(model.predict(pandas.DataFrame(numbers)), model.predict(numbers))
    unnamed = fitted(MODELS["plain"], numbers).model
    np.testing.assert_array_equal(unnamed.predict(FRAME[["b", "a"]]), unnamed.predict(numbers[:, ::-1]))


def test_names_of_chunks_and_of_models_side_by_side():
    other = FRAME[["b", "a"]]
    trainer = fb.Trainer(MODELS["plain"](), "mse", batch_size=8)
    trainer.fit([(FRAME, Y), (other, Y)], epochs=3)
    np.testing.assert_array_equal(trainer.model.predict(other), trainer.model.predict(FRAME))
    trainers = [fb.Trainer(make(), "mse", batch_size=8) for make in MODELS.values()]
    fb.fit_many(trainers, FRAME, Y, validation_data=(other, Y))
    for each in trainers:
        np.testing.assert_array_equal(each.model.predict(other), each.model.predict(FRAME))
    result = fb.cross_validate(lambda fold: fb.Trainer(MODELS["unbuilt"](), "mse"), FRAME, Y, 3, 2)
    np.testing.assert_array_equal(result.ensemble.predict(other), result.ensemble.predict(FRAME))


def test_a_column_that_is_there_twice_is_refused():
    model = fitted(MODELS["plain"]).model
    twice = pandas.concat([FRAME, FRAME[["a"]]], axis=1)
    with pytest.raises(ValueError, match="X has two columns 'a'"):
        model.predict(twice)


def test_a_fit_that_fails_keeps_no_names():
    trainer = fb.Trainer(MODELS["plain"](), "mse")
    with pytest.raises(ValueError, match="sample_weight"):
        trainer.fit(FRAME, Y, sample_weight=-np.ones(40))
    trainer.fit(FRAME.rename(columns={"a": "x", "b": "z"}), Y)
    assert trainer.model.feed.names == ("x", "z")


def test_a_name_that_differs_a_little_is_pointed_out():
    names = [f"column_{i}" for i in range(200)]
    frame = pandas.DataFrame(np.random.default_rng(0).normal(size=(20, 201)), columns=[*names, "churn"])
    for prepare in (None, fb.Standardize()):
        model = fb.Model([fb.Dense(1)], prepare=prepare)
        fb.Trainer(model, "mse").fit(frame, frame["churn"].to_numpy())
        with pytest.raises(ValueError, match=r"no column 'churn'; .*\. It has 'Churn ' like 'churn': rename") as error:
            model.predict(frame.rename(columns={"churn": "Churn "}))
        assert len(str(error.value)) < 200
        with pytest.raises(ValueError, match=r"no column 'column_0', .*, 'column_4' and 196 more; expected all 201"):
            model.predict(pandas.DataFrame({"other": [1.0]}))


def test_a_name_among_categories_that_is_nearly_right():
    frame = pandas.DataFrame({"colour": ["a", "b"], "size": [1.0, 2.0]})
    with pytest.raises(ValueError, match=r"places from 0 to 1\. Did you mean 'colour'\?$"):
        fb.Model([fb.Dense(1)], prepare=fb.Columns(categories=["color"])).build(frame)
