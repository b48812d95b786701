"""Labels, targets, weights, codes and sparse indices that change while they are used: a sentence, or no difference, and
never a crash or a loss that is none.

What is an index leads the compiled code to memory. Each test runs in a process of its own, which a crash would end.
"""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

import fastbp as fb

pytest.importorskip("scipy.sparse")

_BEGINNING = """
    import sys, threading
    import numpy as np
    from scipy import sparse
    import fastbp as fb

    rng = np.random.default_rng(0)
    dense = rng.normal(size=(400, 8)).astype("f4")
    labels = rng.integers(0, 3, 400)

    def make_trainer(inputs=8, **options):
        model = fb.Model([fb.Dense(6, "relu"), fb.Dense(3, "softmax")], inputs=inputs)
        return fb.Trainer(model, "cross_entropy", n_threads=2, **({"batch_size": 16} | options))

    def call(function, *arguments, **options):
        try:
            result = function(*arguments, **options)
        except ValueError as error:
            print("ValueError:", error)
        else:
            print("done", result if isinstance(result, float) else "")
"""


def run(script):
    """Return what a script prints that begins as above; a crash fails the test."""
    code = textwrap.dedent(_BEGINNING) + textwrap.dedent(script)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, f"exit {done.returncode} after {done.stdout[-500:]}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.mark.parametrize("value", [10**9, -5, 3, -(2**31)])
@pytest.mark.parametrize("shuffle", [True, False])
def test_labels_that_a_callback_changes(value, shuffle):
    printed = run(f"""
        y = labels.astype(np.int32)
        trainer = make_trainer(shuffle={shuffle}, metrics=["accuracy", "f1", fb.TopKAccuracy(2), "log_loss"])
        class Change(fb.Callback):
            def on_step_end(self, trainer, figures):
                y[:] = {value}
        call(trainer.fit, dense, y, epochs=3, callbacks=Change())
        assert trainer.n_steps == 1
        y[:] = labels
        call(trainer.fit, dense, y, epochs=1)
    """)
    first, second = printed.splitlines()
    assert f"is {value}; expected an integer 0 to 2, as the model has 3 outputs" in first
    assert second.startswith("done")


@pytest.mark.parametrize("dtype", ["int64", "uint8", "int8", "uint64", "float32", "bool"])
def test_labels_of_other_dtypes_are_copied(dtype):
    rng = np.random.default_rng(0)
    X, labels = rng.normal(size=(100, 4)), rng.integers(0, 2, 100)
    y = labels.astype(dtype)

    def change(trainer, figures):
        y[:] = np.array(100 if dtype != "bool" else 1).astype(dtype)

    results = []
    for targets, callbacks in [(y, change), (labels, ())]:
        model = fb.Model([fb.Dense(2, "softmax")], inputs=4)
        fb.Trainer(model, "cross_entropy").fit(X, targets, epochs=3, callbacks=callbacks)
        results.append(model.get_weights()[0])
    np.testing.assert_array_equal(*results)


def test_labels_of_the_validation_data():
    printed = run("""
        y = labels.astype(np.int32)
        def change(trainer, figures):
            y[7] = 10**9
        call(make_trainer().fit, dense, labels, epochs=3, validation_data=(dense, y), callbacks=change)
    """)
    assert "validation_data[1][7] is 1000000000; expected an integer 0 to 2" in printed


_BOUNDED = {
    "binary_cross_entropy": ("sigmoid", 1),
    "focal": ("sigmoid", 1),
    "cross_entropy": ("softmax", 3),
    "poisson": ("exp", 1),
    "gamma": ("exp", 1),
    "tweedie": ("exp", 1),
    "policy_gradient": ("softmax", 2),
}


@pytest.mark.parametrize("loss", _BOUNDED)
@pytest.mark.parametrize("dtype", ["int32", "float32", "float64"])
@pytest.mark.parametrize("of_validation", [False, True])
def test_targets_that_a_callback_changes_to_what_the_loss_does_not_take(loss, dtype, of_validation):
    rng = np.random.default_rng(0)
    X, labels = rng.normal(size=(50, 4)), rng.integers(0, 2, 50)
    activation, n_outputs = _BOUNDED[loss]
    good = {"cross_entropy": np.eye(3)[labels], "policy_gradient": np.column_stack([labels, labels])}
    y = np.asarray(good.get(loss, 1 + labels if loss == "gamma" else labels), dtype)
    model = fb.Model([fb.Dense(n_outputs, activation)], inputs=4)
    validation = (X, y) if of_validation else None

    def change(trainer, figures):
        y[33] = -5

    trainer = fb.Trainer(model, loss, batch_size=16)
    with pytest.raises(ValueError, match=r"(33|row 33, column 0 of [^ ]+ \(counted from 0\)|\[33\]) is -5|33 has"):
        trainer.fit(X, y.copy() if of_validation else y, epochs=3, validation_data=validation, callbacks=change)
    assert trainer.history.n_epochs <= 2


@pytest.mark.parametrize("value", [-1, -(10**9), np.nan, np.inf, 0])
@pytest.mark.parametrize("of_validation", [False, True])
def test_sample_weights_are_copied(value, of_validation):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(100, 4)), rng.integers(0, 2, 100)
    weights = rng.uniform(1, 2, 100)

    def change(trainer, figures):
        weights[::2] = value

    results = []
    for given, callbacks in [(weights.copy(), ()), (weights, change)]:
        trainer = fb.Trainer(fb.Model([fb.Dense(2, "softmax")], inputs=4), "cross_entropy")
        options = {"validation_data": (X, y, given)} if of_validation else {"sample_weight": given}
        history = trainer.fit(X, y, epochs=3, callbacks=callbacks, **options)
        results.append(history["val_loss" if of_validation else "loss"])
    assert results[0] == results[1]


def test_labels_that_another_thread_changes():
    run("""
        y = labels.astype(np.int32)
        ended = threading.Event()
        def change():
            wild = np.random.default_rng(1)
            while not ended.is_set():
                y[wild.integers(0, 400, 9)] = wild.choice([0, 1, 2, 10**9, -7, -2**31])
        thread = threading.Thread(target=change)
        thread.start()
        trainer = make_trainer(metrics=["accuracy", "f1"])
        for _ in range(300):
            y[:] = labels
            call(trainer.fit, dense, y, epochs=2, validation_data=(dense, y))
            call(trainer.step, dense[:50], y[:50])
            call(trainer.evaluate, dense, y)
            call(trainer.model.loss_and_gradients, dense, y, "cross_entropy")
        ended.set()
        thread.join()
    """)


@pytest.mark.parametrize("value", [10**8, -1, 8, -(2**31)])
def test_columns_of_a_sparse_matrix_that_a_callback_changes(value):
    printed = run(f"""
        X = sparse.csr_matrix(np.where(dense > 0.5, dense, 0))
        X.indices = X.indices.astype(np.int32)
        class Change(fb.Callback):
            def on_step_end(self, trainer, figures):
                X.indices[:] = {value}
        trainer = make_trainer(shuffle=False)
        call(trainer.fit, X, labels, epochs=3, callbacks=Change())
        assert trainer.n_steps == 1
    """)
    row = 16  # of the second batch, and those after it where it has no element
    assert f"of X has an element in column {value} (counted from 0); expected columns 0 to 7" in printed
    assert int(printed.split("row ")[1].split()[0]) >= row


def test_starts_of_a_sparse_matrix_are_copied():
    assert "done" in run("""
        X = sparse.csr_matrix(np.where(dense > 0.5, dense, 0))
        class Change(fb.Callback):
            def on_step_end(self, trainer, figures):
                X.indptr[:] = 10**8
        call(make_trainer().fit, X, labels, epochs=3, callbacks=Change())
    """)


def test_sparse_indices_that_another_thread_changes():
    run("""
        made = sparse.csr_matrix(np.where(dense > 0.5, dense, 0))
        X, by_columns, triples = made.copy(), made.tocsc(), made.tocoo()
        ended = threading.Event()
        def change():
            wild = np.random.default_rng(1)
            while not ended.is_set():
                for indices in X.indices, by_columns.indices, triples.row:
                    indices[wild.integers(0, X.nnz, 9)] = wild.choice([0, 1, 7, 10**8, -7, -2**31])
        thread = threading.Thread(target=change)
        thread.start()
        trainer = make_trainer()
        for _ in range(200):
            X.indices[:] = made.indices
            call(trainer.fit, X, labels, epochs=2, validation_data=(X, labels))
            call(trainer.model.predict, X)
            by_columns.indices[:] = made.tocsc().indices
            call(trainer.model.predict, by_columns)
            triples.row[:] = made.tocoo().row
            call(trainer.model.predict, triples)
        ended.set()
        thread.join()
    """)


@pytest.mark.parametrize("value", [10**9, -5, 3.5, np.nan])
def test_codes_that_a_callback_changes(value):
    assert "done" in run(f"""
        X = np.column_stack([dense[:, :2], labels]).astype("f8")
        class Change(fb.Callback):
            def on_step_end(self, trainer, figures):
                X[:, 2] = {value!r}
        nan = np.nan
        call(make_trainer(fb.Tabular(2, [3])).fit, X, labels, epochs=3, callbacks=Change())
        codes = rng.integers(0, 3, (400, 3))
        class ChangeIntegers(fb.Callback):
            def on_step_end(self, trainer, figures):
                codes[:, 2] = -2**62
        call(make_trainer(fb.Tabular(2, [3])).fit, codes, labels, epochs=3, callbacks=ChangeIntegers())
    """)


_WRONG = {
    "csr, a column too large": ("csr_matrix", "X.indices[0] = 10**8"),
    "csr, a column below 0": ("csr_array", "X.indices[-1] = -1"),
    "csr, starts that rise and fall": ("csr_array", "X.indptr[1:] = 0; X.indptr[5] = 10**7"),
    "csr, starts beyond the end": ("csr_array", "X.indptr[-1] = 10**7"),
    "csr, starts below 0": ("csr_array", "X.indptr[3] = -10**7"),
    "csr, too few columns": ("csr_array", "X.indices = X.indices[:5]"),
    "csr, too few numbers": ("csr_array", "X.data = X.data[:5]"),
    "csr, too few starts": ("csr_array", "X.indptr = X.indptr[:5]"),
    "csr, columns that are no integers": ("csr_array", "X.indices = X.indices.astype(float)"),
    "csc, a row too large": ("csc_matrix", "X.indices[0] = 10**8"),
    "csc, a row below 0": ("csc_array", "X.indices[-1] = -10**8"),
    "csc, starts that rise and fall": ("csc_array", "X.indptr[1:] = 0; X.indptr[5] = 10**7"),
    "coo, a row too large": ("coo_matrix", "X.row[0] = 10**8"),
    "coo, a row below 0": ("coo_matrix", "X.row[0] = -10**8"),
    "coo, a column too large": ("coo_array", "X.coords[1][0] = 10**8"),
    "coo, too few rows": ("coo_matrix", "X.row = X.row[:5]"),
    "bsr, a column too large": ("bsr_array", "X.indices[0] = 10**8"),
    "bsr, starts beyond the end": ("bsr_array", "X.indptr[-1] = 10**7"),
    "lil, a column too large": ("lil_matrix", "X.rows[0] = [10**8] * len(X.rows[0])"),
}


@pytest.fixture(scope="module")
def told_of_wrong_indices():
    """Case to the lines that it printed: one process for all, as the imports take most of the time."""
    cases = "".join(
        f"""
        print("case {case}", flush=True)
        X = sparse.{made}(np.where(dense > 0.5, dense, 0))
        {change}
        trainer = make_trainer()
        call(trainer.model.predict, X)
        call(trainer.fit, X, labels)
        call(trainer.evaluate, X, labels)
        call(trainer.step, X, labels)
        call(fb.inspect_data, X, labels)
        call(good.predict, X)
        call(MLPClassifier(max_iter=2).fit, X, labels)
        call(MLPClassifier(max_iter=2, missing="impute").fit, X, labels)
        """
        for case, (made, change) in _WRONG.items()
    )
    beginning = """
        from fastbp.sklearn import MLPClassifier
        good = MLPClassifier(max_iter=2).fit(dense, labels)
    """
    parts = run(beginning + cases).split("case ")[1:]
    return {part.splitlines()[0]: part.splitlines()[1:] for part in parts}


@pytest.mark.parametrize("case", _WRONG)
def test_wrong_indices_are_refused(told_of_wrong_indices, case):
    lines = told_of_wrong_indices[case]
    assert len(lines) == 8
    for line in lines:
        assert line.startswith("ValueError: X is a sparse matrix with wrong indices: "), line


def test_a_label_that_is_in_order_again_is_told_as_what_it_was():
    """Another thread may put it right between the engine's look and the search for it."""
    from fastbp.engine.errors import NonFinite
    from fastbp.models.nonfinite import explain_nonfinite

    model = fb.Model([fb.Dense(3, "softmax")], inputs=2)
    samples = model.feed.samples(np.zeros((4, 2)), np.array([0, 1, 2, 0]), fb.losses.CrossEntropy(), 3)
    sentence = "y had a label that is no class while it was read; expected classes only."
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        explain_nonfinite(NonFinite("targets", 0, row=3), model.architecture, model.feed, samples, "in epoch 1")


@pytest.mark.parametrize("made", ["csr_matrix", "csr_array"])
def test_what_scipy_remembers_of_a_matrix_is_not_believed(made):
    from scipy import sparse

    rng = np.random.default_rng(0)
    X = getattr(sparse, made)((rng.normal(size=6), [0, 1, 2, 0, 1, 2], [0, 3, 6]), shape=(2, 4))
    model = fb.Model([fb.Dense(3)], inputs=4)
    assert X.has_canonical_format
    X.indices[:] = [1, 1, 2, 3, 0, 3]  # two elements of a row in one column: their sum counts
    expected = model.predict(X.tocoo().toarray())
    np.testing.assert_array_equal(model.predict(X), expected)
    assert X.indices.tolist() == [1, 1, 2, 3, 0, 3]
