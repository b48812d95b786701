"""Which operators ONNX Runtime computes in which dtype: why activations are composed, and when that may end."""

import numpy as np
import pytest

from exchange_helpers import onnx, onnxruntime

IR_VERSION = 8

# None of these has a float64 kernel on the CPU.
WITHOUT_FLOAT64 = ["Elu", "Erf", "Gelu", "HardSigmoid", "HardSwish", "Selu", "Softplus", "Softsign", "Imputer"]
OPSETS = {"Gelu": 20}  # others: 17
ATTRIBUTES = {"Imputer": {"imputed_value_floats": [1.0], "domain": "ai.onnx.ml"}}
# Those that the composed activations are made of, and the ones that are an operator of their own.
WITH_BOTH = ["Abs", "Exp", "Log", "Neg", "Relu", "Sigmoid", "Softmax", "Tanh"]

WHAT_NOW = (
    "ONNX Runtime {version} computes {operator} in float64. The composition in "
    "src/fastbp/exchange (onnx_activations.py, onnx_features.py) is needed for older versions only: take it from "
    "this table. Files may hold the operator itself once the oldest version that people still run computes it."
)


def one_node(operator, dtype):
    """A model of one operator of x, shape (rows, 3)."""
    helper = onnx.helper
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    graph = helper.make_graph(
        [helper.make_node(operator, ["x"], ["y"], **ATTRIBUTES.get(operator, {}))],
        operator,
        [helper.make_tensor_value_info("x", kind, ["rows", 3])],
        [helper.make_tensor_value_info("y", kind, ["rows", 3])],
    )
    domains = [helper.make_opsetid("", OPSETS.get(operator, 17)), helper.make_opsetid("ai.onnx.ml", 2)]
    version = max(IR_VERSION, helper.find_min_ir_version_for(domains))
    return helper.make_model(graph, opset_imports=domains, ir_version=version)


def computed(operator, dtype):
    """The operator of some rows; None where ONNX Runtime has no kernel for it."""
    model = one_node(operator, dtype)
    onnx.checker.check_model(model, full_check=True)
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    except onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented:
        return None
    return session.run(None, {"x": np.array([[0.5, 1.0, 2.0]], dtype)})[0]


@pytest.mark.parametrize("operator", WITHOUT_FLOAT64)
def test_what_is_composed_has_to_be(operator):
    assert computed(operator, "float32") is not None
    assert computed(operator, "float64") is None, WHAT_NOW.format(version=onnxruntime.__version__, operator=operator)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("operator", WITH_BOTH)
def test_what_compositions_are_made_of_is_there(operator, dtype):
    assert computed(operator, dtype).dtype == dtype
