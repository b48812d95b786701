"""What explanations show of themselves, and questions that cannot be asked."""

import warnings

import numpy as np
import pytest

import fastbp as fb

pd = pytest.importorskip("pandas")

X = np.random.default_rng(3).normal(size=(40, 3))
WIDE = np.random.default_rng(4).normal(size=(12, 20))


def network(n_inputs=3, last=3, activation="softmax", layers=()):
    model = fb.Model(
        [fb.Dense(5, "tanh"), *layers, fb.Dense(last, activation)], inputs=n_inputs, dtype="float64", seed=2
    )
    model.set_weights([weight + 0.1 for weight in model.get_weights()])
    return model


def test_an_explanation_of_several_outputs_tells_how_many_and_gives_each():
    found = fb.explain(network(), X, method="input_x_gradient")
    assert "40 rows, 3 columns, 3 outputs" in repr(found).splitlines()[0]
    one = found.of_output(1)
    np.testing.assert_array_equal(one.values, found.values[..., 1])
    with pytest.raises(ValueError, match=r"output is 1; expected none, as one output is explained"):
        one.of_output(1)
    with pytest.raises(ValueError, match=r"output is 3; expected "):
        found.of_output(3)
    with pytest.raises(ValueError, match=r"output is 'blue'; expected one of the outputs"):
        found.of_output("blue")


def test_what_is_not_shown_is_counted():
    found = fb.explain(network(20), WIDE, method="input_x_gradient", target=0)
    shown = repr(found).splitlines()
    assert len(shown) < 20 and shown[-1] == f"  and {20 - (len(shown) - 2)} more"
    ranking = fb.permutation_importance(network(20), WIDE, np.arange(12) % 3)
    assert repr(ranking).splitlines()[-1].endswith(" more")


@pytest.mark.parametrize("rows", ["first", 1.5, True, [[0]], None])
def test_rows_are_asked_for_by_number(rows):
    found = fb.explain(network(), X, method="input_x_gradient", target=0)
    with pytest.raises(TypeError, match=r"the index is .*; expected the number of a row, a slice, numbers or booleans"):
        found[rows]


def test_an_index_that_raises_is_no_index():
    class Broken:
        def __array__(self, *arguments, **options):
            raise RuntimeError("no array")

    with pytest.raises(TypeError, match="the index is "):
        fb.explain(network(), X, method="input_x_gradient", target=0)[Broken()]


def test_arrays_for_shap_plots_of_text_and_numbers():
    """Text is shown, and coloured by its place among the texts of its column."""
    frame = pd.DataFrame({"size": X[:, 0], "colour": np.resize(["red", "green", "blue"], 40)})
    model = fb.Model([fb.Dense(2, "softmax")], prepare=fb.Columns(fb.Standardize(), fb.OneHot()), seed=0)
    model.build(frame)
    given = fb.explain(model, frame, method="input_x_gradient", target=0).shap_arguments()
    assert given["feature_names"] == ["size", "colour"]
    np.testing.assert_array_equal(given["data"][:, 0], X[:, 0])
    assert given["data"][:3, 1].tolist() == [2, 1, 0] and given["display_data"][0, 1] == "red"
    numbers = fb.explain(network(), X, method="input_x_gradient").shap_arguments()
    np.testing.assert_array_equal(numbers["data"], X)
    assert numbers["output_names"] == ["0", "1", "2"] and numbers["base_values"].shape == (40, 3)


def test_a_target_may_be_the_name_of_a_column_of_targets():
    model = fb.Model([fb.Dense(2)], dtype="float64", seed=0)
    fb.Trainer(model, "mse", batch_size=8).fit(X, pd.DataFrame({"price": X[:, 0], "weight": X[:, 1]}), epochs=1)
    by_name, by_number = (fb.explain(model, X, method="input_x_gradient", target=target) for target in ("weight", 1))
    np.testing.assert_array_equal(by_name.values, by_number.values)
    assert by_name.title == "weight"


def test_targets_of_a_loss_must_be_finite():
    model = network(3, 1, "linear")
    with pytest.raises(ValueError, match=r"y has NaN or infinity; expected finite numbers"):
        fb.explain(model, X, y=np.full(40, np.nan), method="input_x_gradient", output="loss")


def test_a_column_without_a_number_has_no_grid():
    model = fb.Model([fb.Dense(1)], prepare=[fb.Impute("median"), fb.Standardize()], dtype="float64", seed=0)
    model.build(X)
    gaps = X.copy()
    gaps[:, 1] = np.nan
    with pytest.raises(ValueError, match=r"column .* has no number in X; expected one at least"):
        fb.partial_dependence(model, gaps, 1, target=0)


def test_sparse_rows_are_made_dense_by_the_caller():
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match=r"X is .*; expected a dense array. Pass X.toarray\(\)"):
        fb.explain(network(), sparse.csr_matrix(X), method="input_x_gradient", target=0)


def test_smooth_gradients_of_features_have_errors():
    """By features, as by columns where each column is one feature."""
    model = fb.Model([fb.Dense(4, "tanh"), fb.Dense(1)], prepare=fb.Standardize(), dtype="float64", seed=0)
    model.build(X)
    found = fb.explain(model, X[:5], method="smoothgrad", target=0, columns="prepared", seed=0)
    assert found.standard_errors.shape == found.values.shape and (found.standard_errors > 0).all()


def test_a_number_that_the_model_cannot_hold_is_told_as_it_came():
    model = fb.Model([fb.Dense(2)], inputs=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for rows, background in ([[0.0, 1e39]], 0), ([[0.0, 1.0]], [[0.0, 1e39]]):
            named = "X" if background == 0 else "background"
            what = rf"row 0, column 1 of {named} .* is 1e\+39, which is infinite in float32"
            with pytest.raises(ValueError, match=what):
                fb.explain(model, rows, background=np.zeros((1, 2)) if background == 0 else background, target=0)
    with pytest.raises(
        ValueError, match=r"^in background, row 0, column 1 \(counted from 0\) is nan; expected a finite"
    ):
        fb.explain(model, [[0.0, 1.0]], background=[[0.0, np.nan]], target=0)


def test_numbers_of_one_row_are_printed_with_the_digits_they_have():
    model = fb.Model([fb.Dense(1)], inputs=2)
    shown = repr(fb.explain(model, np.array([[0.1, 20.3]], np.float32), baseline=0))
    assert shown.count(" 0.1\n") + shown.count(" 20.3\n") + shown.endswith((" 0.1", " 20.3")) == 2
