"""An ONNX graph while it is made: nodes, constants, and names that differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, DTypeLike, NDArray
from onnx import helper, numpy_helper

__all__ = ["Graph"]

Array = NDArray[Any]

_ML = "ai.onnx.ml"
_LARGEST_SHARED = 64  # bytes of a constant that is looked for among those before


class Graph:
    """Nodes in the order in which they are computed.

    Parameters
    ----------
    opset : int
        Of the operators of the domain "".
    """

    def __init__(self, opset: int) -> None:
        self.opset = opset
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._shared: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._taken: set[str] = set()
        self._domains = {"": opset}

    def unused(self, wish: str) -> str:
        """Return this name, or with underscores behind it where it is taken, and take it."""
        name = wish or "_"  # no name means "left out" in ONNX
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name

    def add(self, operator: str, *inputs: str, ml_version: int = 0, **attributes: Any) -> str:
        """Add a node and return the name of its output; ``ml_version`` is that of a node of ai.onnx.ml."""
        name = self.unused(f"/{operator}_{len(self._nodes)}")
        domain = _ML if ml_version else ""
        if ml_version:
            self._domains[_ML] = max(ml_version, self._domains.get(_ML, 2))
        self._nodes.append(helper.make_node(operator, list(inputs), [name], name=name, domain=domain, **attributes))
        return name

    def constant(self, value: ArrayLike, dtype: DTypeLike | None = None) -> str:
        """Return the name of a constant; small ones that are equal are one."""
        array = np.ascontiguousarray(value, dtype)
        array = array.reshape(np.shape(value))  # a scalar stays one
        key = (array.dtype.str, array.shape, array.tobytes() if array.dtype.kind != "U" else str(array).encode())
        small = array.nbytes <= _LARGEST_SHARED and array.dtype.kind != "U"
        if small and key in self._shared:
            return self._shared[key]
        name = self.unused(f"/constant_{len(self._constants)}")
        if array.dtype.kind == "U":
            texts = [text.encode() for text in array.ravel().tolist()]
            tensor = helper.make_tensor(name, onnx.TensorProto.STRING, array.shape, texts)
        else:
            tensor = numpy_helper.from_array(array, name)
        self._constants.append(tensor)
        if small:
            self._shared[key] = name
        return name

    def tensor(self, array: Array) -> onnx.TensorProto:
        """Return an array as the attribute of a node."""
        return numpy_helper.from_array(array, self.unused("/tensor"))

    def cast(self, x: str, dtype: DTypeLike) -> str:
        """Return x in a dtype."""
        return self.add("Cast", x, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def declare_input(self, name: str, dtype: DTypeLike, width: int) -> str:
        """Add an input of shape (rows, width); text where dtype is str."""
        self._taken.add(name)
        self.inputs.append(helper.make_tensor_value_info(name, _element_type(dtype), ["rows", width]))
        return name

    def declare_output(self, x: str, wish: str, dtype: DTypeLike, shape: Sequence[int | str]) -> str:
        """Give out x as an output of about this name, which is returned."""
        name = self.unused(wish)
        self._nodes.append(helper.make_node("Identity", [x], [name], name=f"/{name}"))
        self.outputs.append(helper.make_tensor_value_info(name, _element_type(dtype), list(shape)))
        return name

    def model(self, name: str, metadata: dict[str, str], version: str) -> onnx.ModelProto:
        """Return the graph as a model, for the oldest version of the format that holds it, 8 at least."""
        graph = helper.make_graph(self._nodes, name, self.inputs, self.outputs, self._constants)
        domains = [helper.make_opsetid(domain, number) for domain, number in self._domains.items()]
        model = helper.make_model(
            graph,
            opset_imports=domains,
            ir_version=max(8, helper.find_min_ir_version_for(domains)),
            producer_name="fastbp",
            producer_version=version,
        )
        helper.set_model_props(model, metadata)
        return model


def _element_type(dtype: DTypeLike) -> int:
    return int(onnx.TensorProto.STRING if dtype is str else helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
