"""Batches cut into shards: the sum of their gradients is that of a fixed tree, to the bit."""

import sys

import numpy as np
import pytest

import fastbp as fb
from fastbp.engine.sharded_session import subtrees
from fastbp.training.shard_checks import check_shards


def data_of(n, seed=0, n_inputs=5, n_classes=3):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n_inputs)).astype(np.float32), rng.integers(0, n_classes, n)


def model_of(seed=1, layers=None, inputs=5, dtype="float32"):
    layers = layers or [fb.Dense(33, "relu"), fb.Dense(17, "tanh", use_bias=False), fb.Dense(3, "softmax")]
    return fb.Model(layers, inputs=inputs, seed=seed, dtype=dtype)


def tree_sum(parts):
    """The witness: neighbours are added, then the sums of neighbours."""
    while len(parts) > 1:
        parts = [[a + b for a, b in zip(*pair, strict=True)] for pair in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]


def same_bits(model, other):
    return all(np.array_equal(a, b) for a, b in zip(model.get_weights(), other.get_weights(), strict=True))


def weights_after(n_samples=200, *, shards=8, epochs=2, threads=2, layers=None, dtype="float32", **arguments):
    X, y = data_of(n_samples)
    model = model_of(layers=layers, dtype=dtype)
    given = {"loss": "cross_entropy", "batch_size": 96, "shards": shards, "n_threads": threads} | arguments
    history = fb.Trainer(model, **given).fit(X, y, epochs=epochs)
    return model, history


# ---- Against the witness ----


@pytest.mark.parametrize(
    ("n_samples", "shards"),
    [(256, 8), (1024, 2), (16384, 8), (16384, 2)],
    ids=["one pass", "two shards", "groups of two shards", "shards in two parts"],
)
def test_the_gradient_is_the_tree_sum_of_the_shards(n_samples, shards):
    X, y = data_of(n_samples)
    model, witness = model_of(), model_of()
    n = n_samples // shards
    parts = []
    for first in range(0, n_samples, n):
        _, gradients = model.loss_and_gradients(X[first : first + n], y[first : first + n], "cross_entropy")
        parts.append([gradient * np.float32(1 / shards) for gradient in gradients])  # a power of two: exact
    fb.Trainer(witness, "cross_entropy", fb.Adam(0.01)).apply_gradients(tree_sum(parts))
    trainer = fb.Trainer(model, "cross_entropy", fb.Adam(0.01), shards=shards)
    loss = trainer.step(X, y)
    assert same_bits(model, witness)
    assert loss == pytest.approx(model_of().loss_and_gradients(X, y, "cross_entropy")[0], rel=1e-6)


@pytest.mark.parametrize("name", ["sgd", "adamw", "rprop"])
def test_training_in_float64_is_that_without_shards_up_to_rounding(name):
    batch_size = None if name == "rprop" else 96
    arguments = {"optimizer": name, "dtype": "float64", "batch_size": batch_size}
    sharded, history = weights_after(shards=8, **arguments)
    plain, plain_history = weights_after(shards=1, **arguments)
    for a, b in zip(sharded.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-10)
    assert history["loss"] == pytest.approx(plain_history["loss"], rel=1e-9)
    assert history["accuracy"] == plain_history["accuracy"]


@pytest.mark.usefixtures("bf16_products")
def test_a_step_of_narrow_products_is_that_without_shards_up_to_rounding():
    """The operands are rounded alike; the sums alone have another order."""
    X, y = data_of(512, n_inputs=40)
    models = []
    for shards in (1, 8):
        models.append(model_of(layers=[fb.Dense(64, "relu"), fb.Dense(32, "tanh"), fb.Dense(3, "softmax")], inputs=40))
        fb.Trainer(models[-1], "cross_entropy", fb.SGD(1.0), shards=shards, precision="bf16-mixed").step(X, y)
    for whole, sharded in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_allclose(sharded, whole, rtol=0, atol=1e-6)


def test_batch_norm_sees_one_shard_at_a_time_and_takes_in_their_mean_statistics():
    X, y = data_of(64)
    layers = [fb.BatchNorm(momentum=0.25), fb.Dense(3, "softmax")]
    model = model_of(layers=layers, dtype="float64")
    fb.Trainer(model, "cross_entropy", "sgd", shards=4).step(X, y)
    gain, _, mean, variance, *_ = model.get_weights()
    shards = X.astype(np.float64).reshape(4, 16, 5)
    assert len(gain) == 5
    np.testing.assert_allclose(mean, 0.25 * shards.mean(axis=(0, 1)), rtol=1e-12, atol=1e-15)
    plain = model_of(layers=layers, dtype="float64")
    each = [model_of(layers=layers, dtype="float64") for _ in shards]
    for one, rows in zip(each, shards, strict=True):
        fb.Trainer(one, "cross_entropy", "sgd").step(rows, y[:16])
    expected = np.mean([one.get_weights()[3] for one in each], axis=0)
    np.testing.assert_allclose(variance, expected, rtol=1e-12)
    assert not same_bits(model, plain)


# ---- The same bits ----


def test_a_shard_of_one_sample_leaves_batch_norms_statistics_finite():
    X, y = data_of(17)
    model = model_of(layers=[fb.BatchNorm(momentum=1.0), fb.Dense(3, "softmax")], dtype="float64")
    fb.Trainer(model, "cross_entropy", "sgd", shards=2).step(X, y)
    np.testing.assert_allclose(model.get_weights()[3], X[:16].var(axis=0, ddof=1) * 16 / 17, rtol=1e-5)


CASES = {
    "adam": {},
    "penalties and max_norm": {
        "layers": [fb.Dense(20, "relu", l1=1e-3, l2=1e-2, max_norm=1.5), fb.LayerNorm(), fb.Dense(3, "softmax")]
    },
    "dropout, batch_norm, residual": {
        "layers": [
            fb.Dense(24, "relu"),
            fb.BatchNorm(),
            fb.Dropout(0.3),
            fb.Residual([fb.Dense(24, "prelu")]),
            fb.Dense(3, "softmax"),
        ]
    },
    "clip_norm": {"clip_norm": 0.1, "averaging": "ema"},
    "scaling, parametric, factors": {
        "layers": [
            fb.Scaling(),
            fb.Dense(24, "parametric"),
            fb.Residual([fb.Scaling(), fb.Dense(24, fb.Parametric("silu", 0.5))]),
            fb.Dense(3, "softmax"),
        ],
        "learning_rate_factors": {0: {"scale": 6.0}, 1: {"alpha": 0.1, "b": 0.2}},
    },
    "periodic": {
        "layers": [fb.Dense(9, "tanh"), fb.Periodic(2, 20), fb.Dense(20, "relu"), fb.Dense(3, "softmax")],
        "learning_rate_factors": {1: 0.1},
        "clip_norm": 0.1,
    },
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_any_number_of_threads_gives_the_same_bits(case):
    one, history = weights_after(threads=1, **case)
    three, other = weights_after(threads=3, **case)
    assert same_bits(one, three)
    assert history["loss"] == other["loss"]


def test_how_many_shards_there_are_is_part_of_the_result():
    assert not same_bits(weights_after(shards=8)[0], weights_after(shards=2)[0])


def test_more_shards_than_panels_of_samples_leave_some_empty():
    few, _ = weights_after(n_samples=40, batch_size=40, shards=64)
    many, _ = weights_after(n_samples=40, batch_size=40, shards=256)  # the same three shards have all samples
    assert same_bits(few, many)


def test_a_saved_trainer_goes_on_with_its_shards(tmp_path):
    X, y = data_of(200)
    straight, _ = weights_after(epochs=4)
    trainer = fb.Trainer(model_of(), "cross_entropy", batch_size=96, shards=8)
    trainer.fit(X, y, epochs=2)
    trainer.save(tmp_path / "t.safetensors")
    again = fb.Trainer.load(tmp_path / "t.safetensors")
    again.fit(X, y, epochs=2)
    assert again.shards == 8
    assert same_bits(again.model, straight)


class OfRanks(fb.distributed.MPI):
    """The processes of a job, as far as loading asks for them."""

    def __init__(self, n_ranks):
        self.rank, self.n_ranks = 0, n_ranks

    def meet(self, why):
        pass


@pytest.mark.parametrize(("shards", "n_ranks"), [(1, 2), (2, 4)])
def test_a_saved_trainer_with_too_few_shards_says_what_ranks_need(tmp_path, shards, n_ranks):
    """The file is whole: it is not called broken."""
    fb.Trainer(model_of(), "cross_entropy", batch_size=96, shards=shards).save(tmp_path / "t")
    words = rf"a trainer whose shards is {shards}; .* {n_ranks}, the number of ranks.*\. Load it without distributed"
    with pytest.raises(ValueError, match=words):
        fb.Trainer.load(tmp_path / "t", distributed=OfRanks(n_ranks))


def test_tables_train_the_rows_that_have_a_gradient():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=300), rng.integers(0, 40, 300), rng.integers(0, 7, 300)])
    y = rng.normal(size=300)
    tables = fb.Tabular(numeric=1, categories=[50, 7])
    weights = []
    for threads in (1, 3):
        model = fb.Model([fb.Dense(16, "relu"), fb.Dense(1)], inputs=tables, seed=0, dtype="float64")
        before = model.get_weights()
        fb.Trainer(model, "mse", "adam", batch_size=128, shards=8, n_threads=threads).fit(X, y, epochs=2)
        weights.append(model.get_weights())
    plain = fb.Model([fb.Dense(16, "relu"), fb.Dense(1)], inputs=tables, seed=0, dtype="float64")
    fb.Trainer(plain, "mse", "adam", batch_size=128).fit(X, y, epochs=2)
    for a, b, c in zip(*weights, plain.get_weights(), strict=True):
        assert np.array_equal(a, b)
        np.testing.assert_allclose(a, c, rtol=1e-7, atol=1e-10)
    assert np.array_equal(weights[0][0][40:], before[0][40:])  # codes that no sample has


def test_a_loss_function_is_called_with_one_shard_at_a_time():
    sizes = []

    def loss(outputs, targets):
        sizes.append(len(outputs))
        difference = outputs[:, 0] - targets
        return difference**2, 2 * difference[:, np.newaxis]

    X, _ = data_of(100)
    model = model_of(layers=[fb.Dense(1)])
    fb.Trainer(model, loss, "sgd", shards=4, metrics=[]).step(X, X[:, 0].astype(np.float64))
    assert sizes == [16, 32, 32, 20]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_are_added_number_by_number(isa, dtype):
    model = model_of(dtype=dtype)
    trainer = fb.Trainer(model, "cross_entropy", shards=2)
    rng = np.random.default_rng(0)
    for n in (1, 7, 16, 37):
        for first in (0, 1):  # any alignment
            total, x = (rng.normal(size=n + first).astype(dtype)[first:] for _ in range(2))
            expected = total + x
            trainer.parts.state.session.add(total, x)
            assert np.array_equal(total, expected)


def test_a_run_of_shards_is_made_of_the_largest_whole_subtrees():
    """Each begins where the one before ended, at a multiple of its size, and no larger one would have fitted there."""
    for first in range(17):
        for end in range(first, 17):
            at = first
            for level, index in subtrees(first, end):
                assert index << level == at
                assert at % (2 << level) or at + (2 << level) > end
                at += 1 << level
            assert at == end


# ---- What is refused ----


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"shards": 6}, "a power of two"),
        ({"shards": 0}, "shards"),
        ({"shards": 1 << 20}, "4096"),
        ({"shards": 8, "accumulate": 2}, "accumulate=1"),
        ({"shards": 8, "optimizer": "lbfgs", "batch_size": None}, "SciPy"),
    ],
)
def test_what_does_not_go_with_shards_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        fb.Trainer(model_of(), "cross_entropy", **arguments)


def test_more_ranks_than_shards_are_refused():
    assert check_shards(None, 64) == 64
    for shards, n_ranks in ((None, 65), (8, 9)):
        with pytest.raises(ValueError, match=f"at least {n_ranks}, the number of ranks"):
            check_shards(shards, n_ranks)


def test_a_bad_number_is_found_in_its_row():
    X, y = data_of(200)
    X[150, 2] = np.nan
    with pytest.raises(ValueError, match="row 150"):
        fb.Trainer(model_of(), "cross_entropy", batch_size=200, shards=8).fit(X, y)


def test_without_mpi4py_there_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(ImportError, match="pip install fastbp"):
        fb.distributed.MPI()
