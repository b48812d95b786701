"""Files of tables' networks: what members count in the prediction is theirs, or the file is refused."""

import numpy as np
import pytest

from fastbp.sklearn import TabularRegressor
from fastbp.support.safetensors_file import TABLE, read_file, write_file

X = np.random.default_rng(0).normal(size=(60, 2))


@pytest.fixture(scope="module")
def fitted():
    return TabularRegressor(preset="best", n_bags=2, epochs=2, random_state=0).fit(X, X[:, 0])


@pytest.fixture
def load_with(fitted, tmp_path):
    """Save the networks with other entries in the description, and load them again."""

    def load(**entries):
        path = tmp_path / "table.safetensors"
        fitted.save(path)
        description, tensors = read_file(path, TABLE)
        write_file(path, TABLE, {**description, **entries}, tensors)
        return TabularRegressor.load(path)

    return load


N = 12 + 2  # networks, and linear models of one kind


@pytest.mark.parametrize(
    "weights", [[], [0.0] * N, [-1.0] * N, [1.0] * (N - 1), [1.0] * (N + 1), [np.inf] * N, [np.nan] * N, ["a"] * N]
)
def test_weights_that_are_none_are_refused(fitted, load_with, weights):
    assert len(fitted._table.members) == N
    with pytest.raises(ValueError, match=r"is not a table file of fastbp: the description in it does not fit"):
        load_with(weights=weights)


@pytest.mark.parametrize(
    "shares", [{}, {"nets": 0}, {"nets": 0.5}, {"nets": np.nan}, {"nets": -1, "linear": 2}, {"other": 1}, []]
)
def test_shares_that_are_none_are_refused(load_with, shares):
    with pytest.raises(ValueError, match=r"is not a table file of fastbp: the description in it does not fit"):
        load_with(kind_shares=shares)


def test_in_a_file_without_weights_all_networks_count_alike(fitted, load_with):
    alike = load_with(weights=[1.0] * N)
    nets = [share for member, share in alike._table.shares if member.kind == "nets"]
    assert len(set(nets)) == 1
    assert not np.array_equal(alike.predict(X), fitted.predict(X))
