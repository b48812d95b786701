"""What a schema's columns and way of writing may be: NumPy's values as Python's, anything else by a sentence."""

import numpy as np
import pytest

import fastbp as fb

Schema = fb.privacy.Schema


@pytest.mark.parametrize(
    ("categories", "plain"),
    [
        ([1, np.int64(2)], (1, 2)),
        ([np.str_("x"), "y"], ("x", "y")),
        (list(np.array([True, False])), (True, False)),
        ([True, np.False_], (True, False)),
    ],
)
def test_categories_of_numpy_are_those_of_python(categories, plain):
    found = Schema({"a": {"kind": "category", "categories": categories}}).columns["a"].values
    assert found == plain
    assert [type(each) for each in found] == [type(each) for each in plain]
    # So that they can be written into a file.
    assert Schema({"a": {"kind": "category", "categories": categories}}).text().count("[columns.")


def test_a_truth_beside_a_number_is_of_another_kind():
    with pytest.raises(TypeError, match="are of several kinds"):
        Schema({"a": {"kind": "category", "categories": [True, 2]}})


@pytest.mark.parametrize("reading", [3, "utf-8", [("header", True)]])
def test_a_way_of_writing_that_is_no_dictionary(reading, tmp_path):
    with pytest.raises(TypeError, match=r"reading is .*; expected a dictionary, such as"):
        Schema({"a": [0, 1]}, reading)


def test_a_file_whose_way_of_writing_is_no_table(tmp_path):
    path = tmp_path / "schema.toml"
    path.write_text("reading = 3\n[columns.a]\nkind = 'ignore'\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"schema\.toml': reading is 3; expected a dictionary"):
        Schema.load(path)


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        (b"\xff\xfe", "is not TOML, as `fastbp schema` writes it"),
        (b"columns = 3\n", r"has no tables \[columns\.NAME\]; expected \[reading\] and \[columns\.NAME\]"),
        (b"[colums.a]\n[columns.b]\nkind = 'ignore'\n", "has 'colums'; expected"),
        (b"[columns.a]\nkind = 'category'\ncategories = ['x', 'x']\n", "have 'x' twice; expected each once"),
    ],
)
def test_files_that_say_something_else(contents, words, tmp_path):
    path = tmp_path / "schema.toml"
    path.write_bytes(contents)
    with pytest.raises(ValueError, match=words) as error:
        Schema.load(path)
    assert str(error.value).startswith(f"{str(path)!r}")


def test_a_file_that_is_none():
    with pytest.raises(TypeError, match="path is 3; expected the name of a file, a str or a path"):
        Schema.load(3)


def test_names_that_are_one_as_text():
    with pytest.raises(ValueError, match="two columns are named '3'; expected names that differ as text"):
        Schema({3: [0, 1], "3": ["x", "y"]})
