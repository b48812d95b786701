"""From PyTorch and back: the same weights to the bit, predictions beside its own, and what is refused by its name."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
from torch import nn  # noqa: E402

import fastbp as fb  # noqa: E402
from fastbp.layers.activations import ACTIVATIONS  # noqa: E402
from layer_models import DTYPES, MODELS, N_INPUTS, make_model  # noqa: E402

TOLERANCES = {"float32": 1e-5, "float64": 1e-12}


def outputs_of(net, X):
    with torch.no_grad():
        return net(torch.from_numpy(X)).numpy()


def assert_same_weights(model, other):
    for array, own in zip(other.get_weights(), model.get_weights(), strict=True):
        assert array.dtype == own.dtype
        assert array.tobytes() == own.tobytes()


def assert_close(found, expected):
    assert found.dtype == expected.dtype
    assert np.abs(found - expected).max() <= TOLERANCES[found.dtype.name] * np.abs(expected).max()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", MODELS)
def test_there_and_back(name, dtype):
    model, _ = make_model(name, dtype)
    net = model.to_torch()
    X = np.random.default_rng(0).normal(size=(20, N_INPUTS)).astype(dtype)
    assert_close(outputs_of(net, X), model.predict(X))
    back = fb.Model.from_torch(net)
    assert_same_weights(model, back)
    assert back.predict(X).tobytes() == model.predict(X).tobytes()
    trained = [each.trained for each in model.architecture.arrays]
    assert [each.trained for each in back.architecture.arrays] == trained


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", [*ACTIVATIONS, fb.LeakyReLU(0.3), fb.ELU(2.5)])
def test_activations(activation, dtype):
    model = fb.Model([fb.Dense(7, activation), fb.Dense(3)], inputs=5, dtype=dtype)
    X = 5 * np.random.default_rng(0).normal(size=(40, 5)).astype(dtype)
    net = model.to_torch()
    assert_close(outputs_of(net, X), model.predict(X))
    back = fb.Model.from_torch(net)
    assert back.layers[0].activation == model.layers[0].activation or activation == "prelu"
    assert_same_weights(model, back)


def make_net():
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(9, 9, bias=False), nn.BatchNorm1d(9, affine=False), nn.PReLU(), nn.Dropout(0.2))
    head = [nn.LayerNorm(9, elementwise_affine=False), nn.LayerNorm(9, bias=False), nn.Softplus(), nn.Identity()]
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 9), nn.GELU(), body, *head, nn.Linear(9, 3), nn.Softmax(-1))
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean.uniform_(-1, 1)
            module.running_var.uniform_(0.5, 2)
    return net.eval()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_nested_net(dtype):
    net = make_net().to(getattr(torch, dtype))
    model = fb.Model.from_torch(net)
    X = np.random.default_rng(0).normal(size=(20, 4)).astype(dtype)
    assert_close(model.predict(X), outputs_of(net, X))
    assert model.n_inputs == 4
    assert model.layers[0] == fb.Dense(9, "gelu")


def test_the_weights_are_copies_and_random_numbers_are_left_alone():
    net = make_net()
    model = fb.Model.from_torch(net)
    before = model.get_weights()[0].copy()
    with torch.no_grad():
        net[1].weight.zero_()
    assert (model.get_weights()[0] == before).all()
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    fb.Model([fb.Dense(3)], inputs=2).to_torch()
    assert (torch.rand(3) == expected).all()


class Own(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


def with_hook():
    net = nn.Sequential(nn.Linear(3, 2))
    net[0].register_forward_hook(lambda module, args, output: 2 * output)
    return net


def half_frozen():
    net = nn.Linear(3, 2)
    net.bias.requires_grad_(False)
    return net


@pytest.mark.parametrize(
    ("net", "error", "message"),
    [
        (nn.Sequential(nn.Linear(3, 2), nn.Conv1d(2, 2, 1)), TypeError, r"net\[1\] is Conv1d; expected one of nn.Seq"),
        (nn.Sequential(nn.Sequential(nn.LSTM(3, 2))), TypeError, r"net\[0\]\[0\] is LSTM"),
        (nn.Sequential(nn.Linear(3, 2), nn.LogSoftmax(1)), TypeError, r"net\[1\] is LogSoftmax"),
        (nn.Sequential(Own(3, 2)), TypeError, r"net\[0\] is Own"),
        (
            nn.Sequential(nn.Linear(3, 2), nn.Softmax(0)),
            ValueError,
            r"net\[1\] is Softmax\(dim=0\); expected dim=1",
        ),
        (
            nn.Sequential(nn.Linear(3, 2), nn.Softplus(2.0)),
            ValueError,
            r"expected beta=1 and a threshold of 20",
        ),
        (nn.Sequential(nn.Linear(3, 2), nn.LeakyReLU(-1.0)), ValueError, r"a negative_slope from 0 to below 1"),
        (nn.Sequential(nn.Linear(3, 2), nn.LeakyReLU(1.5)), ValueError, r"a negative_slope from 0 to below 1"),
        (nn.Sequential(nn.Linear(3, 2), nn.ELU(-1.0)), ValueError, r"an alpha above 0"),
        (nn.Sequential(nn.Linear(3, 2), nn.Dropout(1.0), nn.Linear(2, 1)), ValueError, r"a probability below 1"),
        (nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2, momentum=None)), ValueError, r"statistics with a momentum"),
        (nn.Sequential(nn.Linear(3, 2), nn.LayerNorm((2, 2))), ValueError, r"a normalized_shape of one number"),
        (nn.Sequential(nn.Flatten(0), nn.Linear(3, 2)), ValueError, r"expected nn.Flatten\(1, -1\)"),
        (nn.Sequential(nn.PReLU(), nn.Linear(3, 2)), ValueError, r"a slope for each input"),
        (nn.Sequential(nn.ReLU()), ValueError, r"net has no layer with weights"),
        (nn.Linear(3, 2).half(), ValueError, r"net has weights of torch.float16; expected float32 or float64"),
        (nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2).double()), ValueError, r"weights of float32, float64"),
        (nn.Sequential(nn.Linear(3, 2), nn.Linear(3, 2)), ValueError, r"weights\[2\]"),
        (with_hook(), ValueError, r"net\[0\], Linear, has forward hooks"),
        (half_frozen(), ValueError, r"requires_grad of its weight and of its bias to be the same"),
        (nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)), TypeError, r"net is ParametrizedLinear"),
        (3, TypeError, r"net is 3; expected a torch.nn.Module"),
    ],
)
def test_what_is_refused(net, error, message):
    with pytest.raises(error, match=message):
        fb.Model.from_torch(net)


def test_what_modules_lack_is_refused():
    prepared = fb.Model([fb.Dense(2)], prepare=fb.Scale(0.5), inputs=3)
    with pytest.raises(ValueError, match=r"the model has a preparation of X; expected layers alone for to_torch"):
        prepared.to_torch()
    with pytest.raises(ValueError, match=r"the model has embedding tables of fb.Tabular"):
        fb.Model([fb.Dense(2)], inputs=fb.Tabular(1, [3])).to_torch()
    scheduled = fb.Dropout(fb.PolynomialDecay(0.5, over=10))
    with pytest.raises(ValueError, match=r"a layer is Dropout.*; expected a rate that is a number for to_torch"):
        fb.Model([fb.Dense(2), scheduled, fb.Dense(2)], inputs=3).to_torch()


LAYERS = [
    fb.Dense(12, "relu", use_bias=False),
    fb.BatchNorm(),
    fb.Residual([fb.LayerNorm(), fb.Dense(12, "prelu")]),
    fb.Dropout(0.1),
    fb.Dense(3, "softmax"),
]


def make_state():
    """A model, and its arrays as modules of PyTorch name them, eleven of them, so that 10 comes after 9."""
    model = fb.Model(LAYERS, inputs=4, seed=3)
    rng = np.random.default_rng(0)
    model.set_weights([np.abs(array + rng.normal(0, 0.1, array.shape)) for array in model.get_weights()])
    W0, gain, shift, mean, variance, gain2, shift2, W1, b1, slope, W2, b2 = model.get_weights()
    return model, {
        "body.0.weight": W0.T,
        "body.2.weight": gain,
        "body.2.bias": shift,
        "body.2.running_mean": mean,
        "body.2.running_var": variance,
        "body.2.num_batches_tracked": np.array(7),
        "body.9.weight": gain2,
        "body.9.bias": shift2,
        "body.10.weight": W1.T,
        "body.10.bias": b1,
        "body.11.weight": slope,
        "body.12.weight": W2.T,
        "body.12.bias": b2,
    }


def test_a_state_dict_in_safetensors(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    model, state = make_state()
    tensors = {name: torch.from_numpy(np.array(array, order="C")) for name, array in state.items()}
    safetensors.save_file(tensors, tmp_path / "net.safetensors")
    for source in (tmp_path / "net.safetensors", str(tmp_path / "net.safetensors"), tensors, state):
        assert_same_weights(model, fb.Model.from_torch(source, layers=LAYERS, inputs=4))


def test_a_file_needs_no_torch(tmp_path, monkeypatch):
    numpy_files = pytest.importorskip("safetensors.numpy")
    model, state = make_state()
    numpy_files.save_file({name: np.array(array, order="C") for name, array in state.items()}, tmp_path / "net.st")
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    assert_same_weights(model, fb.Model.from_torch(tmp_path / "net.st", layers=LAYERS, inputs=4))
    with pytest.raises(ImportError, match=r"to_torch needs torch, which is not installed: pip install torch"):
        model.to_torch()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("body.12.bias"), r"net has \['weight'\] in 'body.12', and the next layer is Dense\(3"),
        (
            lambda state: state.update({"body.13.weight": np.ones(1)}),
            r"net has 'body.13', and layers has no",
        ),
        (
            lambda state: [state.pop(f"body.12.{name}") for name in ("weight", "bias")],
            r"net has no arrays for Dense\(3",
        ),
        (
            lambda state: state.update({"body.0.weight": np.ones((4, 12), np.float32)}),
            r"'body.0.weight' of net is an ndarray of shape \(4, 12\).*; expected shape \(12, 4\)",
        ),
        (lambda state: state.update({"body.9.bias": np.ones(12, np.float16)}), r"weights of float16, float32"),
    ],
)
def test_a_state_dict_that_does_not_fit(change, message):
    _, state = make_state()
    change(state)
    with pytest.raises(ValueError, match=message):
        fb.Model.from_torch(state, layers=LAYERS, inputs=4)


def test_names_that_do_not_tell_the_order_are_refused(tmp_path):
    """A file is sorted by the alphabet: of two square layers nobody could tell which comes first."""
    numpy_files = pytest.importorskip("safetensors.numpy")
    state = {"input.weight": np.ones((3, 3), np.float32), "hidden.weight": np.zeros((3, 3), np.float32)}
    numpy_files.save_file(state, tmp_path / "net.st")
    layers = [fb.Dense(3, use_bias=False), fb.Dense(3, use_bias=False)]
    with pytest.raises(ValueError, match=r"net has the modules 'hidden' and 'input', and the file does not tell"):
        fb.Model.from_torch(tmp_path / "net.st", layers=layers, inputs=3)
    assert (fb.Model.from_torch(state, layers=layers, inputs=3).get_weights()[0] == 1).all()


def test_arguments_of_a_state_dict(tmp_path):
    with pytest.raises(TypeError, match=r"net is a state dict, which holds no activations; expected layers and inputs"):
        fb.Model.from_torch({})
    with pytest.raises(TypeError, match=r"layers or inputs is given, and net is no state dict"):
        fb.Model.from_torch(nn.Linear(3, 2), inputs=3)
    (tmp_path / "net.st").write_bytes(b"\x10\0\0\0\0\0\0\0{}")
    with pytest.raises(ValueError, match=r"expected a file in the safetensors format: its header of 16 bytes"):
        fb.Model.from_torch(tmp_path / "net.st", layers=LAYERS, inputs=4)
    with pytest.raises(FileNotFoundError):
        fb.Model.from_torch(tmp_path / "none.st", layers=LAYERS, inputs=4)
