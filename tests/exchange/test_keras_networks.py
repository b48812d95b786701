"""From Keras and back, live and by file: the same weights to the bit, predictions beside its own."""

import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras", minversion="3.0", reason="Keras is not installed: pip install keras")
h5py = pytest.importorskip("h5py")

import fastbp as fb  # noqa: E402
from fastbp.layers.activations import ACTIVATIONS  # noqa: E402
from fastbp.layers.composition import innermost  # noqa: E402
from layer_models import DTYPES, MODELS, N_INPUTS, make_model  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # Keras's own
TOLERANCE = 1e-5  # in float64 too: Keras multiplies such matrices in float32 with PyTorch
WITHOUT_BLOCKS = [
    name
    for name, (layers, _) in MODELS.items()
    if not any(layer.layers for layer in layers)
    and not name.startswith(("scaling", "parametric", "periodic", "piecewise"))
]


@pytest.fixture
def in_dtype(request):
    """Keras converts data to one dtype, whatever that of the layers."""
    former = keras.config.floatx()
    keras.config.set_floatx(request.getfixturevalue("dtype"))
    yield
    keras.config.set_floatx(former)


def assert_same_weights(model, other):
    for array, own in zip(other.get_weights(), model.get_weights(), strict=True):
        assert array.dtype == own.dtype
        assert array.tobytes() == own.tobytes()


def assert_close(found, expected):
    assert np.abs(found - expected).max() <= TOLERANCE * np.abs(expected).max()


@pytest.mark.usefixtures("in_dtype")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", WITHOUT_BLOCKS)
def test_there_and_back(name, dtype, tmp_path):
    model, _ = make_model(name, dtype)
    net = model.to_keras()
    X = np.random.default_rng(0).normal(size=(20, N_INPUTS)).astype(dtype)
    assert_close(net.predict(X, verbose=0), model.predict(X))
    net.save(tmp_path / "net.keras")
    for source in (net, tmp_path / "net.keras"):
        back = fb.Model.from_keras(source)
        assert_same_weights(model, back)
        assert back.predict(X).tobytes() == model.predict(X).tobytes()
        pairs = zip(innermost(back.layers), innermost(model.layers), strict=False)
        assert all(a == b for (_, a), (_, b) in pairs if isinstance(b, fb.BatchNorm))


@pytest.mark.usefixtures("in_dtype")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", [*ACTIVATIONS, fb.LeakyReLU(0.3), fb.ELU(2.5)])
def test_activations(activation, dtype):
    model = fb.Model([fb.Dense(7, activation), fb.Dense(3)], inputs=5, dtype=dtype)
    if activation in ("gelu_tanh", "parametric"):
        with pytest.raises(
            ValueError, match=rf"has the activation '{activation}'; expected one that Keras has by name"
        ):
            model.to_keras()
        return
    net = model.to_keras()
    X = 5 * np.random.default_rng(0).normal(size=(40, 5)).astype(dtype)
    assert_close(net.predict(X, verbose=0), model.predict(X))
    back = fb.Model.from_keras(net)
    assert back.layers[0].activation == model.layers[0].activation or activation == "prelu"


def test_factors_of_the_inputs_have_no_counterpart():
    with pytest.raises(
        ValueError, match=r"layers\[0\] is Scaling\(\); expected layers that to_keras has a counterpart"
    ):
        fb.Model([fb.Scaling(), fb.Dense(2)], inputs=3).to_keras()
    with pytest.raises(
        ValueError, match=r"layers\[0\] is Periodic\(\); expected layers that to_keras has a counterpart"
    ):
        fb.Model([fb.Periodic(), fb.Dense(2)], inputs=3).to_keras()


def test_a_dropout_keeps_its_rate():
    model = fb.Model([fb.Dense(4, "tanh"), fb.Dropout(0.25), fb.Dense(2)], inputs=3)
    net = model.to_keras()
    assert [layer.rate for layer in net.layers if isinstance(layer, keras.layers.Dropout)] == [0.25]
    X = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
    assert_close(net.predict(X, verbose=0), model.predict(X))


def make_chain():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    x = keras.layers.Dense(6, "gelu", kernel_regularizer="l2", kernel_constraint="max_norm", name="zebra")(inputs)
    x = keras.layers.BatchNormalization(center=False)(x)
    x = keras.Sequential([keras.Input((6,)), keras.layers.Dense(6, name="zebra"), keras.layers.PReLU()])(x)
    x = keras.layers.LayerNormalization(scale=False)(x)
    x = keras.layers.LayerNormalization(scale=False, center=False)(x)
    x = keras.layers.Dropout(0.2)(keras.layers.ReLU(negative_slope=0.1)(keras.layers.Flatten()(x)))
    outputs = keras.layers.Softmax()(keras.layers.Dense(3, use_bias=False, trainable=False, name="ape")(x))
    net = keras.Model(inputs, outputs)
    rng = np.random.default_rng(0)
    net.set_weights([rng.uniform(0.5, 1.5, array.shape) for array in net.get_weights()])
    return net


def test_a_functional_chain(tmp_path):
    net = make_chain()
    net.save(tmp_path / "net.keras")
    X = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    for source in (net, str(tmp_path / "net.keras")):
        model = fb.Model.from_keras(source)
        assert_close(model.predict(X), net.predict(X, verbose=0))
        assert model.layers[0].l2 == pytest.approx(0.01)
        assert model.layers[0].max_norm == 2.0
        assert not model.layers[-1].trainable
        assert isinstance(model.layers[-1].activation, fb.Softmax)


def test_a_file_needs_no_keras(tmp_path):
    make_chain().save(tmp_path / "net.keras")
    code = (
        "import sys, fastbp as fb\n"
        f"model = fb.Model.from_keras({str(tmp_path / 'net.keras')!r})\n"
        "assert 'keras' not in sys.modules and model.n_outputs == 3\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def dense(**options):
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, **options)])


def branches():
    inputs = keras.Input((3,))
    x = keras.layers.Dense(3)(inputs)
    return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Add()([inputs, x])))


def used_twice():
    inputs, layer = keras.Input((3,)), keras.layers.Dense(3)
    return keras.Model(inputs, layer(layer(inputs)))


class Own(keras.Model):
    pass


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: dense(activation="relu6"), ValueError, r"activation of net.layers\[1\] is 'relu6'; expected one of"),
        (lambda: dense(activation=keras.layers.ReLU()), ValueError, r"activation of net.layers\[\d\] is"),
        (lambda: dense(bias_regularizer="l2"), ValueError, r"bias_regularizer of net.layers\[\d\] is .*expected None"),
        (lambda: dense(kernel_constraint="non_neg"), ValueError, r"kernel_constraint of .*NonNeg.*; expected MaxNorm"),
        (lambda: dense(kernel_regularizer="orthogonal_regularizer"), ValueError, r"expected L1, L2 or L1L2"),
        (lambda: dense(dtype="mixed_float16"), ValueError, r"computes in mixed_float16; expected float32 or float64"),
        (
            lambda: keras.Sequential([keras.Input((4, 3)), keras.layers.Conv1D(2, 1)]),
            TypeError,
            r"is Conv1D; expected one",
        ),
        (
            lambda: keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.ReLU(max_value=6)]),
            ValueError,
            r"max_value of net.layers\[2\] is 6.*; expected None",
        ),
        (
            lambda: keras.Sequential([keras.Input((3,)), keras.layers.LayerNormalization(rms_scaling=True)]),
            ValueError,
            r"rms_scaling of .* is True; expected False",
        ),
        (branches, ValueError, r"net has the layer 'add.*', whose input is not that of a chain"),
        (used_twice, ValueError, r"whose input is not that of a chain"),
        (Own, TypeError, r"net is .*; expected a keras.Sequential or functional model"),
        (lambda: keras.Sequential([keras.layers.Dense(2)]), ValueError, r"net is not built"),
        (lambda: 3, TypeError, r"net is 3; expected a keras.Sequential"),
    ],
)
def test_what_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        fb.Model.from_keras(make())


def test_what_a_sequential_lacks_is_refused():
    with pytest.raises(ValueError, match=r"layers\[0\] is Residual.*; expected layers that to_keras has a counterpart"):
        fb.Model([fb.Residual([fb.Dense(3)])], inputs=3).to_keras()
    with pytest.raises(ValueError, match=r"the model has a preparation of X; expected layers alone for to_keras"):
        fb.Model([fb.Dense(2)], prepare=fb.Scale(0.5), inputs=3).to_keras()
    falling = fb.Dropout(fb.PolynomialDecay(0.5, over=10))
    with pytest.raises(ValueError, match=r"Dropout.*; expected a rate that is a number for to_keras\. Set one"):
        fb.Model([fb.Dense(4), falling, fb.Dense(1)], inputs=3).to_keras()


def test_files_that_keras_did_not_save(tmp_path):
    path = tmp_path / "net.keras"
    path.write_bytes(b"no zip")
    with pytest.raises(ValueError, match=r"net is .*net.keras'; expected a file that Keras 3 saved: File is not a zip"):
        fb.Model.from_keras(path)
    make_chain().save(path)
    with zipfile.ZipFile(path) as file:
        config, weights = file.read("config.json"), file.read("model.weights.h5")
    for texts in (
        (b"{", weights),
        (b"{}", weights),
        (config, weights[:4000]),
        (config.replace(b"Dense", b"Tense"), weights),
    ):
        with zipfile.ZipFile(path, "w") as file:
            for name, text in zip(("config.json", "model.weights.h5"), texts, strict=True):
                file.writestr(name, text)
        with pytest.raises((ValueError, TypeError), match=r"; expected "):
            fb.Model.from_keras(path)
    with pytest.raises(FileNotFoundError):
        fb.Model.from_keras(tmp_path / "none.keras")
