"""An ONNX graph that grows operation by operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from backpass.exchange._graph import BATCH, Graph, Op

Row: TypeAlias = "Callable[[Writer, Op], Any]"  # an operation in ONNX's words: a name, or also the shape it has
OPSET = 20


def onnx() -> Any:
    """The package, or what to install."""
    try:
        import onnx
        import onnx.helper
        import onnx.numpy_helper
    except ImportError as error:
        raise ImportError("[to_onnx] needs onnx: pip install 'backpass[onnx]'") from error
    return onnx


class Writer:
    """Goes through the operations in order; each value has a name and the shape that it really has.

    What is only repeated stays small as long as elementwise operations read it: ONNX repeats it there.
    """

    def __init__(self, graph: Graph, rows: Mapping[str, Row], cannot: Mapping[str, str]) -> None:
        self.graph, self.rows, self.cannot = graph, rows, cannot
        self.by_number = {op.number: op for op in graph.ops}
        self.nodes: list[Any] = []
        self.initializers: dict[str, Any] = {}
        self.names: dict[int, str] = {}
        self.shapes: dict[int, tuple[Any, ...]] = {}
        self.uses: dict[int, int] = {}
        for op in graph.ops:
            for number in op.inputs:
                self.uses[number] = self.uses.get(number, 0) + 1
        self.fused: set[int] = set()
        self.taken = {f"input_{i}" for i, _ in enumerate(graph.inputs)}
        self.taken |= {f"output_{i}" for i, _ in enumerate(graph.outputs)}
        self.array_names = {name: self._free(name) for name in graph.arrays}  # before what is named here takes them

    def model(self) -> Any:
        for op in self.graph.ops:
            if op.number in self.names or op.number in self.fused:
                continue
            self.write(op)
        helper = onnx().helper
        inputs = [self._info(f"input_{i}", number) for i, number in enumerate(self.graph.inputs)]
        outputs = []
        for i, number in enumerate(self.graph.outputs):
            self.nodes.append(helper.make_node("Identity", [self.full(number)], [f"output_{i}"]))
            outputs.append(self._info(f"output_{i}", number))
        self._drop_last_identities()
        used = {name for node in self.nodes for name in node.input}
        kept = [value for name, value in self.initializers.items() if name in used]
        graph = helper.make_graph(self.nodes, "backpass", inputs, outputs, kept)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="backpass")
        made.ir_version = 9
        return made

    def _drop_last_identities(self) -> None:
        """An output that one node makes for it alone is that node's."""
        for identity in [node for node in self.nodes if node.op_type == "Identity"]:
            source = identity.input[0]
            makers = [node for node in self.nodes if source in node.output]
            readers = [node for node in self.nodes if source in node.input]
            if len(makers) == 1 and len(readers) == 1:
                makers[0].output[0] = identity.output[0]
                self.nodes.remove(identity)

    def _info(self, name: str, number: int) -> Any:
        op = self.by_number[number]
        shape = [BATCH if dim == BATCH else int(dim) for dim in op.shape]
        return onnx().helper.make_tensor_value_info(name, self.type_of(op.dtype), shape)

    @staticmethod
    def type_of(dtype: str) -> int:
        return int(onnx().helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def _free(self, wanted: str) -> str:
        """A name that nothing else has, and has from now on."""
        name = wanted
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    # What rows use.

    def array(self, name: str) -> str:
        """A name for a parameter or state: its own, unless an input or output is called so."""
        made = self.array_names[name]
        values = np.ascontiguousarray(self.graph.arrays[name])
        self.initializers[made] = onnx().numpy_helper.from_array(values, made)
        return made

    def constant(self, values: Any, dtype: Any) -> str:
        """A name for values that the graph holds."""
        array = np.asarray(values, dtype)
        name = self._free(f"constant_{len(self.initializers)}")
        self.initializers[name] = onnx().numpy_helper.from_array(array, name)
        return name

    def node(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        """Adds a node; the name of its result."""
        name = self._free(f"value_{len(self.nodes)}")
        self.nodes.append(onnx().helper.make_node(kind, inputs, [name], **attributes))
        return name

    def name(self, number: int) -> str:
        """Of a value that may be repeated where it is read."""
        return self.names[number]

    def full(self, number: int) -> str:
        """Of a value in its whole shape."""
        op = self.by_number[number]
        if self.shapes[number] == op.shape:
            return self.names[number]
        name = self.node("Expand", [self.names[number], self._shape(op.shape)])
        self.names[number], self.shapes[number] = name, op.shape
        return name

    def _shape(self, shape: tuple[Any, ...]) -> str:
        """A shape as a tensor; the batch is that of the first input."""
        if BATCH not in shape:
            return self.constant(shape, np.int64)
        first = self.node("Shape", ["input_0"], start=0, end=1)
        parts = [first if dim == BATCH else self.constant([dim], np.int64) for dim in shape]
        return self.node("Concat", parts, axis=0) if len(parts) > 1 else first

    def write(self, op: Op) -> None:
        """Gives the value of an operation a name."""
        made = self.rows.get(op.kind)
        if made is None:
            why = self.cannot.get(op.kind, "is not known")
            raise ValueError(f"[to_onnx] the operation {op.kind!r} {why}: it cannot be exported")
        result = made(self, op)
        name, shape = result if isinstance(result, tuple) else (result, op.shape)
        self.names[op.number], self.shapes[op.number] = name, shape
