"""The demo: its data, its NumPy twin, and the whole of it on the digits."""

import gzip
import struct
import sys

import numpy as np
import pytest

import fastbp as fb
import reference as ref
from fashion_helpers import idx, write_fashion
from fastbp.commands import numpy_network
from fastbp.commands.errors import CommandError
from fastbp.demo import race, run
from fastbp.demo.datasets import load_digits, load_fashion_mnist, read_idx

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


# ------------------------------------------------------------------------------------------------------ IDX files


@pytest.mark.parametrize("zipped", [False, True])
def test_read_idx(tmp_path, zipped):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(idx(array)) if zipped else idx(array))
    np.testing.assert_array_equal(read_idx(path, n_dimensions=3), array)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is not an IDX file of unsigned bytes in 1 dimensions"),
        (b"\x00\x00\x08", "is not an IDX file"),
        (b"\x00\x00\x0d\x01" + struct.pack(">I", 1) + b"1234", "is not an IDX file"),  # floats
        (b"\x00\x00\x08\x02" + struct.pack(">II", 1, 1) + b"1", "is not an IDX file"),  # two dimensions
        (b"\x00\x00\x08\x01" + struct.pack(">I", 4) + b"123", "holds 3 elements, but its header says 4"),
        (b"\x00\x00\x08\x01" + struct.pack(">I", 2**32 - 1), "holds 0 elements, but its header says 4294967295"),
        (gzip.compress(b"\x00\x00\x08\x01", mtime=0)[:-9], "cannot be read"),
        (b"\x1f\x8bnot gzip", "cannot be read"),
    ],
)
def test_broken_idx_gets_a_sentence(tmp_path, content, sentence):
    path = tmp_path / "labels"
    path.write_bytes(content)
    with pytest.raises(CommandError, match=sentence):
        read_idx(path, n_dimensions=1)


def test_load_fashion_mnist_gzipped_or_not(tmp_path):
    data = load_fashion_mnist(write_fashion(tmp_path))
    assert data.X_train.shape == (300, 784)
    assert data.X_test.shape == (100, 784)
    assert data.X_train.dtype == np.float32
    assert 0 <= data.X_train.min() < data.X_train.max() <= 1
    np.testing.assert_array_equal(data.y_train, np.arange(300) % 10)


def test_missing_directory_gets_a_sentence(tmp_path):
    with pytest.raises(CommandError, match="which is not a directory; pass the directory of the four IDX files"):
        load_fashion_mnist(tmp_path / "nowhere")


def test_wrong_directory_gets_a_sentence(tmp_path):
    with pytest.raises(CommandError, match=r"holds neither train-images-idx3-ubyte nor train-images-idx3-ubyte\.gz"):
        load_fashion_mnist(tmp_path)


def test_images_without_labels_get_a_sentence(tmp_path):
    write_fashion(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(299)))
    with pytest.raises(CommandError, match="300 train images but 299 labels"):
        load_fashion_mnist(tmp_path)


def test_digits_are_split_the_same_way_every_time():
    pytest.importorskip("sklearn")
    data, again = load_digits(), load_digits()
    assert (len(data.y_train), len(data.y_test)) == (1347, 450)
    assert np.bincount(data.y_test).min() >= 43  # stratified
    assert data.X_train.max() == 1
    for a, b in zip(data, again, strict=True):
        np.testing.assert_array_equal(a, b)


# ----------------------------------------------------------------------------------------------------- NumPy twin


def test_twin_computes_what_the_oracle_computes():
    rng = np.random.default_rng(0)
    layers = ref.make_layers(rng, 5, [(7, "relu", 0.0), (6, "relu", 0.0), (3, "softmax", 0.0)])
    X, labels = rng.normal(size=(20, 5)), rng.integers(0, 3, 20)
    weights = [p.copy() for layer in layers for p in (layer.W, layer.b)]
    losses = []
    trained = numpy_network.train(
        weights,
        X,
        labels,
        epochs=2,
        batch_size=8,
        learning_rate=lambda epoch: 0.01 / (1 + epoch),
        order=lambda epoch, n: np.roll(np.arange(n), epoch),
        after_epoch=lambda loss, weights: losses.append(loss),
    )
    optimizer = ref.Adam(0.01)
    for epoch in range(2):
        order = np.roll(np.arange(20), epoch)
        optimizer.learning_rate = 0.01 / (1 + epoch)
        batches = [order[:8], order[8:16], order[16:]]
        values = [len(b) * ref.train_step(layers, optimizer, X[b], labels[b], "cross_entropy") for b in batches]
        assert losses[epoch] == pytest.approx(sum(values) / 20, rel=1e-12)
    for got, want in zip(trained, [p for layer in layers for p in (layer.W, layer.b)], strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-13)
    assert not np.array_equal(weights[0], trained[0])  # it trained a copy


# ------------------------------------------------------------------------------------------------------- the whole


def test_demo_on_digits(tmp_path, capsys):
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    assert run("digits", output=tmp_path / "made" / "for it") is True
    out = capsys.readouterr().out
    accuracy = float(out.split("test accuracy: ")[1].split("%")[0])
    assert accuracy >= 97.0
    assert "they agree up to rounding" in out
    assert "times as fast" in out
    model_file = tmp_path / "made" / "for it" / "fastbp-digits.safetensors"
    data = load_digits()
    predicted = fb.Model.load(model_file).predict(data.X_test).argmax(axis=1)
    assert np.mean(predicted == data.y_test) == pytest.approx(accuracy / 100, abs=1e-4)
    assert (model_file.with_suffix(".png")).read_bytes().startswith(PNG_SIGNATURE)


def test_demo_on_idx_files(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert run("fashion-mnist", data=write_fashion(tmp_path), output=tmp_path, epochs=3, n_threads=1) is True
    out = capsys.readouterr().out
    assert "300 training images, 100 test images" in out
    assert "over 2 epochs in float64" in out
    assert (tmp_path / "fastbp-fashion-mnist.safetensors").exists()
    assert (tmp_path / "fastbp-fashion-mnist.png").exists()


def test_demo_tells_when_the_two_disagree(tmp_path, capsys, monkeypatch):
    pytest.importorskip("matplotlib")
    in_another_order = lambda seed, epoch, n: np.arange(n)  # noqa: E731
    monkeypatch.setattr(race, "permutation", in_another_order)
    assert run("fashion-mnist", data=write_fashion(tmp_path), output=tmp_path, epochs=2, n_threads=1) is False
    assert "THEY DISAGREE" in capsys.readouterr().out


@pytest.mark.parametrize(("module", "dataset"), [("sklearn.datasets", "digits"), ("matplotlib.figure", "digits")])
def test_missing_extra_gets_a_sentence(tmp_path, monkeypatch, module, dataset):
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(CommandError, match=r'which is not installed: pip install "fastbp\[demo\]"'):
        run(dataset, output=tmp_path)


def test_output_that_is_a_file_gets_a_sentence(tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match="a directory that cannot be created"):
        run("digits", output=tmp_path / "file")
