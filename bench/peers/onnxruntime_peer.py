"""ONNX Runtime, which only predicts."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from ..workloads import Workload

# Old enough for every version of ONNX Runtime of the last years, whatever the installed onnx would write.
_OPSET = 17
_IR_VERSION = 8


def _make_graph(workload: Workload, dtype: str, weights: list[np.ndarray]) -> onnx.ModelProto:
    """Gemm and Relu a layer, Softmax after the last; the number of rows is left open."""
    n_layers = len(workload.layers)
    nodes = []
    for i in range(n_layers):
        nodes.append(helper.make_node("Gemm", [f"A{i}", f"W{i}", f"b{i}"], [f"Z{i}"]))
        nodes.append(helper.make_node("Relu", [f"Z{i}"], [f"A{i + 1}"]))
    nodes[-1] = helper.make_node("Softmax", [f"Z{n_layers - 1}"], ["probabilities"], axis=1)
    names = [f"{letter}{i}" for i in range(n_layers) for letter in "Wb"]
    element = TensorProto.FLOAT if dtype == "float32" else TensorProto.DOUBLE
    graph = helper.make_graph(
        nodes,
        workload.name,
        [helper.make_tensor_value_info("A0", element, ["rows", workload.sizes[0]])],
        [helper.make_tensor_value_info("probabilities", element, ["rows", workload.sizes[-1]])],
        [numpy_helper.from_array(array, name) for name, array in zip(names, weights, strict=True)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)


class OnnxruntimePredictor:
    """`InferenceSession.run` on a NumPy array."""

    settings = "Gemm, Relu, Softmax; CPUExecutionProvider, intra_op_num_threads, inter_op_num_threads=1"
    note = ""

    def __init__(self, workload: Workload, dtype: str, n_threads: int):
        self.workload, self.dtype = workload, dtype
        self.options = onnxruntime.SessionOptions()
        self.options.intra_op_num_threads = n_threads
        self.options.inter_op_num_threads = 1

    def reset(self, weights: list[np.ndarray]) -> None:
        """See `Predictor`."""
        model = _make_graph(self.workload, self.dtype, weights).SerializeToString()
        self.session = onnxruntime.InferenceSession(model, self.options, providers=["CPUExecutionProvider"])

    def predict(self, X: np.ndarray) -> np.ndarray:
        """See `Predictor`."""
        return self.session.run(None, {"A0": X})[0]


def versions() -> dict[str, str]:
    """See `bench.peers`."""
    return {"onnxruntime": onnxruntime.__version__, "onnx": onnx.__version__}
