"""The same bits on any number of threads, however the work is cut."""

import numpy as np
import pytest

import reference
from engine_helpers import (
    ADAM,
    CLIPPINGS,
    DTYPES,
    SPECS,
    assert_close,
    assert_same_bits,
    make_data,
    make_pair,
    predict,
    train,
)
from fastbp.engine.array_reader import ArrayReader
from fastbp.engine.records import SampleSet
from fastbp.engine.session import Session, gradients

# ---- The same bits ----


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("clipping", CLIPPINGS, ids=str)
def test_clipped_gradients_have_the_same_bits_for_any_number_of_threads(isa, limits, dtype, clipping):
    limits(epoch_thread=1.0, call_thread=1.0, paced=0.0)
    X, y = make_data(200, 33, 5, "cross_entropy", dtype)
    numbers = ADAM | clipping
    alone = train(33, SPECS, dtype, X, y, "cross_entropy", 1, 50, numbers=numbers)
    for n_threads in (2, 3, 7):
        together = train(33, SPECS, dtype, X, y, "cross_entropy", n_threads, 50, numbers=numbers)
        assert_same_bits(together[0], alone[0])
    limits(long_step=0.0, apart=0.0, piece=0.0)
    assert_same_bits(train(33, SPECS, dtype, X, y, "cross_entropy", 3, 50, numbers=numbers)[0], alone[0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch_size", [1, 7, 50, 64, 200])
def test_the_same_bits_for_any_number_of_threads(isa, limits, dtype, batch_size):
    limits(epoch_thread=1.0, call_thread=1.0, paced=0.0)
    X, y = make_data(200 if batch_size > 7 else 30, 33, 5, "cross_entropy", dtype)
    alone = train(33, SPECS, dtype, X, y, "cross_entropy", 1, batch_size)
    for n_threads in (2, 3, 7):
        together = train(33, SPECS, dtype, X, y, "cross_entropy", n_threads, batch_size)
        assert_same_bits(together[0], alone[0])
        for (loss, sums), (loss_alone, sums_alone) in zip(together[1], alone[1], strict=True):
            assert loss == loss_alone
            assert_same_bits(sums, sums_alone)


@pytest.mark.parametrize(("loss", "activation"), reference.EXAMPLES)
def test_the_same_bits_for_any_number_of_threads_with_every_loss(isa, limits, loss, activation):
    limits(epoch_thread=1.0, call_thread=1.0, paced=0.0)
    specs = [(20, "tanh", 0.0), (3 * reference.outputs_a_target(loss), activation, 0.0)]
    X, y = make_data(300, 9, specs[-1][0], loss, "float32")
    alone = train(9, specs, "float32", X, y, loss, 1, 100, metrics=())
    for n_threads in (2, 3):
        together = train(9, specs, "float32", X, y, loss, n_threads, 100, metrics=())
        assert_same_bits(together[0], alone[0])
        assert together[1] == alone[1]


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_same_bits_for_large_layers_and_chunked_batches(limits, dtype):
    """W is packed, sums are cut into blocks, the batch passes in two chunks, the team is one that work alone starts."""
    X, y = make_data(5000, 70, 3, "mse", dtype)
    specs = [(300, "relu", 0.0), (257, "silu", 0.0), (3, "linear", 0.0)]
    alone = train(70, specs, dtype, X, y, "mse", 1, 5000, epochs=1)
    limits(long_step=0.0, apart=0.0, piece=1e5)
    for n_threads in (2, 3, 7):
        assert_same_bits(train(70, specs, dtype, X, y, "mse", n_threads, 5000, epochs=1)[0], alone[0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("numbers", [ADAM, ADAM | {"clip_value": 0.01, "weight_decay": 0.1}])
def test_gradients_piece_by_piece_or_whole_give_the_same_bits(isa, limits, dtype, numbers):
    """Pieces share one scratch, whatever was left there; rows of 256 and 512 inputs have padding behind them."""
    X, y = make_data(70, 256, 4, "cross_entropy", dtype)
    specs = [(512, "relu", 0.0), (261, "tanh", 0.0), (4, "softmax", 0.0)]
    in_pieces = train(256, specs, dtype, X, y, "cross_entropy", 1, 32, numbers=numbers)
    for will_write in (0.0, 1.0):
        limits(epoch_thread=1.0, paced=0.0, will_write=will_write)
        for n_threads in (1, 3):
            again = train(256, specs, dtype, X, y, "cross_entropy", n_threads, 32, numbers=numbers)
            assert_same_bits(again[0], in_pieces[0])
    limits(long_step=0.0, apart=0.0, piece=0.0)
    assert_same_bits(train(256, specs, dtype, X, y, "cross_entropy", 1, 32, numbers=numbers)[0], in_pieces[0])


def test_how_the_work_is_cut_changes_no_bit(limits):
    X, y = make_data(300, 40, 5, "cross_entropy", "float32")
    alone = train(40, SPECS, "float32", X, y, "cross_entropy", 1, 128)
    limits(long_step=0.0, apart=0.0, piece=0.0)
    assert_same_bits(train(40, SPECS, "float32", X, y, "cross_entropy", 1, 128)[0], alone[0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_predict_and_evaluate_have_the_same_bits_for_any_number_of_threads(isa, limits, dtype):
    limits(call_thread=1.0)
    network, layers = make_pair(33, SPECS, dtype)
    X, y = make_data(1000, 33, 5, "cross_entropy", dtype)
    alone, judged = (
        predict(network, X),
        network.evaluate(SampleSet(ArrayReader(X), y), "cross_entropy", ("correct",), 1),
    )
    assert_close(judged[0], reference.loss_and_gradients(layers, X.astype(float), y, "cross_entropy")[0], dtype)
    assert judged[1][0] == [(alone.argmax(axis=1) == y).sum()]
    for n_threads in (2, 3, 7):
        assert_same_bits([predict(network, X, n_threads)], [alone])
        again = network.evaluate(SampleSet(ArrayReader(X), y), "cross_entropy", ("correct",), n_threads)
        assert again[0] == judged[0]
        assert_same_bits(again[1], judged[1])


def test_a_batch_of_many_chunks_is_one_mean(isa):
    """5,000 samples a batch pass in chunks of 4,096: loss and gradient are those of the whole."""
    network, layers = make_pair(6, [(7, "tanh", 0.0), (2, "linear", 0.0)], "float64")
    X, y = make_data(9000, 6, 2, "mse", "float64")
    wanted_loss, wanted = reference.loss_and_gradients(layers, X, y, "mse")
    loss, got_gradients = gradients(network, SampleSet(ArrayReader(X), ArrayReader(y)), "mse", 1)
    assert_close(loss, wanted_loss, "float64")
    for pair, wanted_pair in zip(got_gradients, wanted, strict=True):
        for got, expected in zip(pair, wanted_pair, strict=True):
            assert_close(got, expected, "float64")


def test_moments_that_die_away_become_zero_and_not_denormal(isa):
    """A column that is zero from some step on: its moments shrink for ever, and would make every later step slow."""
    network, _ = make_pair(8, [(16, "tanh", 0.0), (2, "linear", 0.0)], "float32")
    X, y = make_data(32, 8, 2, "mse", "float32")
    session = Session(network, "mse", (), "adam", 1)
    session.step(SampleSet(ArrayReader(X), ArrayReader(y)), ADAM)
    X[:, 3] = 0
    for _ in range(1500):
        session.step(SampleSet(ArrayReader(X), ArrayReader(y)), ADAM)
    for _, state in session.get_state():
        assert not ((state != 0) & (np.abs(state) < np.finfo(np.float32).tiny)).any()
    # Python's own arithmetic goes on as it was.
    assert np.float32(1e-40) * np.float32(0.5) > 0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("last", ["relu", "tanh", "exp"])
@pytest.mark.parametrize("n", [3, 19, 35, 37, 53, 67, 70])  # one panel to five of float32, the last half full or less
def test_half_panels_change_no_bit(isa, limits, dtype, last, n):
    """Every half of a panel that AVX-512 may leave out; 300 inputs are several cache blocks of a sum, and packed."""
    X, y = make_data(2 * n, 300, 4, "mse", dtype)
    specs = [(150, "relu", 0.0), (300, "silu", 0.0), (9, last, 0.0), (4, "linear", 0.0)]
    limits(half_panels=0.0)
    whole = train(300, specs, dtype, X, y, "mse", 1, n)
    limits(half_panels=1.0)
    assert_same_bits(train(300, specs, dtype, X, y, "mse", 1, n)[0], whole[0])
    limits(epoch_thread=1.0, paced=0.0)
    assert_same_bits(train(300, specs, dtype, X, y, "mse", 2, n)[0], whole[0])
