"""What ranks compare before the first step; no MPI is needed for that."""

import numpy as np
import pytest

from fastbp.distributed.agreement import digest_of_arrays, digest_of_rows, refuse_differences


def test_ranks_that_agree_go_on():
    refuse_differences([{"seed": "0", "the number of samples": 3}] * 4)


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("the instruction set", ("avx512", "avx512", "avx2"), "on rank 0 is 'avx512' and on rank 2 'avx2'.*FASTBP_ISA"),
        ("the version of fastbp", ("1", "2", "2"), "rank 1 '2'.*Install the same one"),
        ("the fingerprint of X", ("a", "a", "b"), "the same rows in the same order"),
        ("clip_norm", ("None", "1.0", "1.0"), "Run the same script"),
    ],
)
def test_the_first_difference_is_said_with_both_values(name, values, words):
    with pytest.raises(ValueError, match=words):
        refuse_differences([{"before": 1, name: value} for value in values])


def test_a_fingerprint_tells_rows_dtypes_and_shapes_apart():
    rows = np.arange(6000.0).reshape(2000, 3)
    others = [rows.copy(), rows[:, :2], rows[:-1], rows.astype(np.float32), rows[::-1]]
    others[0][-1, 2] += 1
    digests = {digest_of_rows(array) for array in [rows, *others]}
    assert len(digests) == 6
    assert digest_of_rows(np.asfortranarray(rows)) == digest_of_rows(rows)
    assert digest_of_rows(np.array(["a", "b"], object)) != digest_of_rows(np.array(["a", "c"], object))


def test_a_fingerprint_of_a_sparse_matrix_sees_its_numbers():
    sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed")
    from fastbp.data.sparse import as_sparse

    matrix = sparse.random(300, 40, 0.1, format="csr", random_state=0)
    other = matrix.copy()
    other.data[0] += 1
    assert digest_of_rows(as_sparse(matrix, "X")) == digest_of_rows(as_sparse(matrix.copy(), "X"))
    assert digest_of_rows(as_sparse(matrix, "X")) != digest_of_rows(as_sparse(other, "X"))


def test_a_fingerprint_of_weights_is_of_all_numbers():
    arrays = [np.zeros(5000, np.float32), np.zeros((2, 2))]
    changed = [array.copy() for array in arrays]
    changed[0][1234] = 1e-30
    assert digest_of_arrays(arrays) != digest_of_arrays(changed)
