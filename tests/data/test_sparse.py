"""Sparse matrices of SciPy: the same bits as the dense array, in training, evaluation and prediction."""

import tracemalloc

import numpy as np
import pytest

import fastbp as fb
from engine_helpers import assert_same_bits, make_pair, parameters
from fastbp.data.sparse import as_sparse
from fastbp.engine.array_reader import ArrayReader
from fastbp.engine.records import EpochPlan, SampleSet
from fastbp.engine.session import Session

sparse = pytest.importorskip("scipy.sparse")

DTYPES = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]


def make_matrix(n=203, n_columns=33, density=0.1, dtype="f4", seed=0):
    rng = np.random.default_rng(seed)
    dense = rng.integers(1, 100, (n, n_columns)) * (rng.random((n, n_columns)) < density)
    dense[5] = 0  # a row without anything
    return dense.astype(dtype)


def make_trainer(n_inputs=33, n_threads=1, dtype="float32", **options):
    model = fb.Model([fb.Dense(20, "relu"), fb.Dense(3, "softmax")], inputs=n_inputs, dtype=dtype)
    return fb.Trainer(model, "cross_entropy", n_threads=n_threads, **({"batch_size": 20} | options))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_columns", [1, 3, 4, 7, 8, 9, 16, 17, 33])
def test_every_width_on_every_isa(isa, dtype, n_columns):
    dense = make_matrix(n_columns=n_columns, density=0.3, dtype=dtype) / 100
    X = sparse.csr_matrix(dense)
    y = np.random.default_rng(1).integers(0, 3, len(dense)).astype(np.int32)
    specs = [(12, "relu", 0.0), (3, "softmax", 0.0)]
    results = []
    for rows, n_threads in [(ArrayReader(dense.astype(dtype)), 1), (as_sparse(X, "X").rows(), 3)]:
        network, _ = make_pair(n_columns, specs, dtype)
        session = Session(network, "cross_entropy", ("correct",), "adam", n_threads)
        for epoch in range(2):
            session.epoch(
                SampleSet(rows, y),
                EpochPlan(20, True, 3, epoch, {"learning_rate": 0.01, "beta_1": 0.9, "beta_2": 0.999}),
            )
        out = np.empty((len(dense), 3), dtype)
        network.forward(rows, out, n_threads)
        results.append([*parameters(network), out])
    assert_same_bits(*results)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype(dtype):
    dense = make_matrix(dtype=dtype)
    model = make_trainer().model
    assert (model.predict(sparse.csr_matrix(dense)) == model.predict(dense)).all()


@pytest.mark.parametrize("make", ["csr_matrix", "csr_array", "csc_matrix", "coo_array", "lil_matrix", "dok_array"])
def test_every_format_trains_as_the_dense_array(make):
    dense = make_matrix() / np.float32(100)
    X = getattr(sparse, make)(dense)
    y = np.random.default_rng(1).integers(0, 3, len(dense))
    wanted, trainer = make_trainer(), make_trainer(n_threads=2)
    history = wanted.fit(dense, y, epochs=2, validation_data=(dense, y), validation_fraction=None)
    result = trainer.fit(X, y, epochs=2, validation_data=(X, y))
    assert_same_bits(trainer.model.get_weights(), wanted.model.get_weights())
    assert result["val_loss"] == history["val_loss"]
    assert trainer.step(X, y) == wanted.step(dense, y)
    assert trainer.evaluate(X, y) == wanted.evaluate(dense, y)


def test_a_fraction_held_out():
    dense = make_matrix() / np.float32(100)
    y = np.random.default_rng(1).integers(0, 3, len(dense))
    wanted, trainer = make_trainer(), make_trainer()
    history = wanted.fit(dense, y, epochs=2, validation_fraction=0.2)
    result = trainer.fit(sparse.csr_matrix(dense), y, epochs=2, validation_fraction=0.2)
    assert result["val_accuracy"] == history["val_accuracy"]
    assert_same_bits(trainer.model.get_weights(), wanted.model.get_weights())


def test_chunks():
    dense = make_matrix() / np.float32(100)
    y = np.random.default_rng(1).integers(0, 3, len(dense))
    wanted, trainer = make_trainer(shuffle=False), make_trainer(shuffle=False)
    wanted.fit(dense, y, epochs=2)
    X = sparse.csr_array(dense)
    trainer.fit([(X[:33], y[:33]), (X[33:38], y[33:38]), (X[38:], y[38:])], epochs=2)
    assert_same_bits(trainer.model.get_weights(), wanted.model.get_weights())
    with pytest.raises(
        ValueError, match="one of X of chunk 1 of X and the chunk before is sparse; expected both or neither"
    ):
        trainer.fit([(X[:33], y[:33]), (dense[33:], y[33:])])


def test_a_loss_of_ones_own_and_many_models():
    dense = make_matrix() / np.float32(100)
    y = dense.sum(axis=1, keepdims=True)
    X = sparse.csr_matrix(dense)

    def loss(outputs, targets):
        return np.square(outputs - targets).sum(axis=1), 2 * (outputs - targets)

    trainers = [fb.Trainer(fb.Model([fb.Dense(1)], inputs=33), loss, batch_size=20) for _ in range(2)]
    first = trainers[0].fit(dense, y, epochs=2, validation_fraction=0.3)
    second = trainers[1].fit(X, y, epochs=2, validation_fraction=0.3)
    assert first["val_loss"] == second["val_loss"]
    labels = np.random.default_rng(1).integers(0, 3, len(dense))
    results = [
        fb.cross_validate(lambda fold: make_trainer(seed=fold), data, labels, folds=3, epochs=2) for data in (dense, X)
    ]
    assert_same_bits([results[0].predictions], [results[1].predictions])


def test_one_row_and_rows_without_anything():
    model = make_trainer().model
    dense = make_matrix()
    X = sparse.csr_matrix(dense)
    for i in (0, 5):
        assert (model.predict(X[i]) == model.predict(dense[i : i + 1])).all()
    assert (model.predict(sparse.csr_matrix((4, 33))) == model.predict(np.zeros((4, 33)))).all()


def test_elements_that_stand_twice_are_added_up_and_the_matrix_is_left_alone():
    data, columns, starts = np.array([1.0, 2.0, 4.0, 8.0]), [3, 3, 0, 1], [0, 2, 4]
    X = sparse.csr_matrix((data, columns, starts), shape=(2, 33))
    model = make_trainer().model
    wanted = model.predict(X.toarray())
    X = sparse.csr_matrix((data, columns, starts), shape=(2, 33))
    assert (model.predict(X) == wanted).all()
    assert X.nnz == 4
    assert (X.data == data).all()


def test_a_matrix_by_rows_is_read_where_it_lies():
    X = sparse.random(20_000, 1000, density=0.01, format="csr", dtype=np.float32, random_state=0)
    y = np.zeros(20_000, int)
    trainer = make_trainer(n_inputs=1000)
    trainer.fit(X[:100], y[:100])
    checked = as_sparse(X, "X")
    assert np.shares_memory(checked.data, X.data)
    assert np.shares_memory(checked.columns, X.indices)
    tracemalloc.start()
    trainer.fit(X, y)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < X.shape[0] * X.shape[1] * 4 / 20  # far below what it would be dense


@pytest.mark.parametrize("where", ["fit", "predict", "evaluate"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_number_that_is_not_finite_is_named(where, value):
    dense = make_matrix()
    dense[77, 20] = value
    X = sparse.csr_matrix(dense)
    y = np.zeros(203, int)
    trainer = make_trainer()
    call = {"fit": lambda: trainer.fit(X, y), "predict": lambda: trainer.model.predict(X)}
    with pytest.raises(ValueError, match=rf"row 77, column 20 of X \(counted from 0\) is {value}"):
        call.get(where, lambda: trainer.evaluate(X, y))()


def broken(change):
    X = sparse.csr_matrix(make_matrix())
    change(X)
    return X


@pytest.mark.parametrize(
    ("X", "sentence"),
    [
        (sparse.csr_matrix(make_matrix(n_columns=32)), "X has 32 columns"),
        (sparse.csr_matrix(np.eye(33) * 1j), "expected a sparse matrix of real numbers"),
        (broken(lambda X: X.indices.__setitem__(3, 33)), "X is a sparse matrix with wrong indices"),
        (broken(lambda X: X.indices.__setitem__(3, -1)), "X is a sparse matrix with wrong indices"),
        (broken(lambda X: X.indptr.__setitem__(3, 10**6)), "X is a sparse matrix with wrong indices"),
        (broken(lambda X: X.indptr.__setitem__(3, -1)), "X is a sparse matrix with wrong indices"),
    ],
)
def test_what_cannot_be_read_gets_a_sentence(X, sentence):
    with pytest.raises((TypeError, ValueError)) as error:
        make_trainer().model.predict(X)
    assert sentence in str(error.value)


def test_targets_are_dense():
    with pytest.raises(TypeError, match="sparse matrix"):
        make_trainer().fit(make_matrix(), sparse.csr_matrix(np.eye(3)[np.zeros(203, int)]))


def test_a_tabular_model_wants_dense_rows():
    model = fb.Model([fb.Dense(2, "softmax")], inputs=fb.Tabular(numeric=2, categories=[5, 4]))
    X = sparse.csr_matrix(np.zeros((6, 4)))
    trainer = fb.Trainer(model, "cross_entropy")
    y = np.zeros(6, int)
    for call in (
        lambda: model.predict(X),
        lambda: model.predict(X[:1]),
        lambda: trainer.fit(X, y),
        lambda: trainer.step(X, y),
        lambda: trainer.evaluate(X, y),
        lambda: model.loss_and_gradients(X, y, "cross_entropy"),
    ):
        with pytest.raises(TypeError, match=r"X is a sparse matrix and the model's inputs are a Tabular; .*X\.toarray"):
            call()


def test_preparations_want_dense_rows():
    model = fb.Model([fb.Dense(1)], prepare=fb.Standardize())
    dense = make_matrix()
    fb.Trainer(model, "mse").fit(dense, dense[:, 0])
    with pytest.raises(TypeError, match=r"X is .*; expected a dense array with prepare. Pass X.toarray\(\)"):
        model.predict(sparse.csr_matrix(dense))
