"""Each kind of operation in ONNX's words."""

from __future__ import annotations

from typing import Any

import numpy as np

from backpass.exchange import _onnx_images
from backpass.exchange._graph import BATCH, Op
from backpass.exchange._graph import CANNOT as EVERYWHERE
from backpass.exchange._onnx_functions import BINARY, UNARY
from backpass.exchange._onnx_writer import Row, Writer

CANNOT = {**EVERYWHERE, "recurrent": "is a recurrent layer"}


def _leaf(writer: Writer, op: Op) -> str:
    return writer.array(str(op.settings["name"]))


def _values(writer: Writer, op: Op) -> str:
    return writer.constant(np.reshape(np.array([_number(v) for v in op.settings["values"]]), op.shape), op.dtype)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else float(str(value))


def _constant(writer: Writer, op: Op) -> tuple[str, tuple[Any, ...]]:
    return writer.constant(_number(op.settings["value"]), op.dtype), ()


def _count(writer: Writer, op: Op) -> tuple[str, tuple[Any, ...]]:
    if BATCH in op.settings["dims"]:
        raise ValueError("[to_onnx] a mean over the rows of a batch cannot be exported")
    return writer.constant(float(np.prod(op.settings["dims"])), op.dtype), ()


def _kept(writer: Writer, op: Op) -> tuple[str, tuple[Any, ...]]:
    return writer.constant(1.0, op.dtype), ()  # dropout keeps all outside training


def _noise(writer: Writer, op: Op) -> tuple[str, tuple[Any, ...]]:
    if op.settings.get("always"):
        raise ValueError("[to_onnx] the operation 'random_normal' draws numbers: it cannot be exported")
    return writer.constant(0.0, op.dtype), ()  # none outside training


def _elementwise(writer: Writer, op: Op) -> tuple[str, tuple[Any, ...]]:
    fn, alpha = op.settings["fn"], op.settings.get("alpha", 0)
    names = [writer.name(i) for i in op.inputs]
    shape = _repeated([writer.shapes[i] for i in op.inputs])
    dtypes = [writer.by_number[i].dtype for i in op.inputs]
    if len(op.inputs) == 2:
        if fn not in BINARY:
            raise ValueError(f"[to_onnx] the function {fn!r} cannot be exported")
        return BINARY[fn](writer, names[0], names[1], op.dtype, _number(alpha)), shape
    if fn == "copy" and dtypes[0] != op.dtype:
        return writer.node("Cast", names, to=writer.type_of(op.dtype)), shape
    if fn not in UNARY:
        raise ValueError(f"[to_onnx] the function {fn!r} cannot be exported")
    return UNARY[fn](writer, names[0], op.dtype, _number(alpha)), shape


def _repeated(shapes: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    """What shapes come to beside each other, as in NumPy."""
    rank = max(len(shape) for shape in shapes)
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    return tuple(next((dim for dim in dims if dim != 1), 1) for dims in zip(*padded, strict=True))


def _matmul(writer: Writer, op: Op) -> str:
    a, b = op.inputs
    left, right = writer.by_number[a], writer.by_number[b]
    if op.settings["transpose_a"]:
        raise ValueError("[to_onnx] a sum over the rows of a batch cannot be exported")
    transposed = bool(op.settings["transpose_b"])
    if len(left.shape) == 2 and len(right.shape) == 2:
        bias = _bias(writer, op)
        inputs = [writer.full(a), writer.full(b), *bias[:1]]
        name = writer.node("Gemm", inputs, transB=int(transposed))
        if bias:
            reader = bias[1]
            writer.fused.add(reader)
            writer.names[reader], writer.shapes[reader] = name, op.shape
        return name
    right_name = writer.full(b)
    if transposed:
        right_name = writer.node("Transpose", [right_name], perm=[1, 0])
    return writer.node("MatMul", [writer.full(a), right_name])


def _bias(writer: Writer, op: Op) -> tuple[Any, ...]:
    """The row that is added to a product and to nothing else, and the addition's number."""
    if writer.uses.get(op.number) != 1 or op.number in writer.graph.outputs:
        return ()
    reader = next(other for other in writer.graph.ops if op.number in other.inputs)
    if reader.kind != "elementwise" or reader.settings["fn"] != "add" or reader.inputs[0] != op.number:
        return ()
    term = writer.by_number[reader.inputs[1]]
    row = writer.by_number[term.inputs[0]] if term.kind == "broadcast" else term
    if row.kind not in ("parameter", "values") or row.shape != op.shape[-1:]:
        return ()
    if row.number not in writer.names:
        writer.write(row)
    return writer.names[row.number], reader.number


def _batch_matmul(writer: Writer, op: Op) -> str:
    names = []
    for number, key in zip(op.inputs, ("transpose_a", "transpose_b"), strict=True):
        name, rank = writer.full(number), len(writer.by_number[number].shape)
        if op.settings[key]:
            name = writer.node("Transpose", [name], perm=[*range(rank - 2), rank - 1, rank - 2])
        names.append(name)
    return writer.node("MatMul", names)


def _over_axes(kind: str) -> Row:
    def row(writer: Writer, op: Op) -> str:
        axes = writer.constant(op.settings["dims"], np.int64)
        return writer.node(kind, [writer.full(op.inputs[0]), axes], keepdims=int(op.settings.get("keepdims", False)))

    return row


def _broadcast(writer: Writer, op: Op) -> tuple[str, tuple[Any, ...]]:
    return writer.name(op.inputs[0]), writer.shapes[op.inputs[0]]


def _reshape(writer: Writer, op: Op) -> str:
    shape = [-1 if dim == BATCH else dim for dim in op.shape]
    return writer.node("Reshape", [writer.full(op.inputs[0]), writer.constant(shape, np.int64)])


def _transpose(writer: Writer, op: Op) -> str:
    return writer.node("Transpose", [writer.full(op.inputs[0])], perm=list(op.settings["dims"]))


def _sliced(writer: Writer, name: str, axis: int, begin: int, end: int, step: int) -> str:
    numbers = [writer.constant([number], np.int64) for number in (begin, end, axis, step)]
    return writer.node("Slice", [name, *numbers])


def _slice(writer: Writer, op: Op) -> str:
    axis, begin, end, *step = op.settings["dims"]
    return _sliced(writer, writer.full(op.inputs[0]), axis, begin, end, step[0] if step else 1)


def _pad(writer: Writer, op: Op) -> str:
    axis, begin, end, *step = op.settings["dims"]
    if step and step[0] != 1:
        raise ValueError("[to_onnx] padding between elements cannot be exported")
    rank = len(op.shape)
    pads = [0] * (2 * rank)
    pads[axis], pads[rank + axis] = begin, op.shape[axis] - end
    return writer.node("Pad", [writer.full(op.inputs[0]), writer.constant(pads, np.int64)])


def _flip(writer: Writer, op: Op) -> str:
    name = writer.full(op.inputs[0])
    for axis in op.settings["dims"]:
        name = _sliced(writer, name, axis, -1, -(2**31), -1)
    return name


def _concat(writer: Writer, op: Op) -> str:
    return writer.node("Concat", [writer.full(i) for i in op.inputs], axis=op.settings["dims"][0])


def _softmax(writer: Writer, op: Op) -> str:
    return writer.node("Softmax", [writer.full(op.inputs[0])], axis=-1)


def _last(writer: Writer, kind: str, x: str, keep: bool) -> str:
    return writer.node(kind, [x, writer.constant([-1], np.int64)], keepdims=int(keep))


def _log_sum_exp(writer: Writer, op: Op) -> str:
    return _last(writer, "ReduceLogSumExp", writer.full(op.inputs[0]), False)


def _below(kind: str) -> Row:
    def row(writer: Writer, op: Op) -> str:
        x = writer.full(op.inputs[0])
        return writer.node("Sub", [x, _last(writer, kind, x, True)])

    return row


def _inverse_rms(writer: Writer, op: Op) -> str:
    x = writer.full(op.inputs[0])
    mean = _last(writer, "ReduceMean", writer.node("Mul", [x, x]), False)
    shifted = writer.node("Add", [mean, writer.constant(_number(op.settings["eps"]), op.dtype)])
    return writer.node("Reciprocal", [writer.node("Sqrt", [shifted])])


def _indices(writer: Writer, number: int) -> str:
    return writer.node("Cast", [writer.full(number)], to=writer.type_of("int64"))


def _take(writer: Writer, op: Op) -> str:
    table, indices = writer.full(op.inputs[0]), writer.full(op.inputs[1])
    ignore = op.settings.get("ignore")
    if ignore is None:
        return writer.node("Gather", [table, _indices(writer, op.inputs[1])], axis=0)
    gone = writer.node("Equal", [indices, writer.constant(ignore, np.int32)])
    index = writer.node("Where", [gone, writer.constant(0, np.int32), indices])
    rows = writer.node("Gather", [table, writer.node("Cast", [index], to=writer.type_of("int64"))], axis=0)
    rank, own = len(op.shape), len(writer.by_number[op.inputs[1]].shape)
    axes = writer.constant(list(range(own, rank)), np.int64)
    return writer.node("Where", [writer.node("Unsqueeze", [gone, axes]), writer.constant(0, op.dtype), rows])


def _take_label(writer: Writer, op: Op) -> str:
    if op.settings.get("ignore") is not None:
        raise ValueError("[to_onnx] labels that are ignored cannot be exported")
    axis = writer.constant([-1], np.int64)
    index = writer.node("Unsqueeze", [_indices(writer, op.inputs[1]), axis])
    picked = writer.node("GatherElements", [writer.full(op.inputs[0]), index], axis=-1)
    return writer.node("Squeeze", [picked, axis])


def _put_label(writer: Writer, op: Op) -> str:
    """Where the column is the label, the value; a label that is ignored is none."""
    axis, labels = writer.constant([-1], np.int64), writer.full(op.inputs[1])
    columns = np.arange(op.shape[-1], dtype=np.int32)
    columns[columns == op.settings.get("ignore", -1)] = -1
    here = writer.node("Equal", [writer.node("Unsqueeze", [labels, axis]), writer.constant(columns, np.int32)])
    value = writer.node("Unsqueeze", [writer.full(op.inputs[0]), axis])
    return writer.node("Where", [here, value, writer.constant(0, op.dtype)])


def _argmax(writer: Writer, op: Op) -> str:
    if len(op.settings["dims"]) != 1:
        raise ValueError("[to_onnx] argmax over several axes cannot be exported")
    found = writer.node("ArgMax", [writer.full(op.inputs[0])], axis=op.settings["dims"][0], keepdims=0)
    return writer.node("Cast", [found], to=writer.type_of("int32"))


def _recurrence(writer: Writer, op: Op) -> str:
    if len(op.inputs) > 1:
        raise ValueError("[to_onnx] a recurrence with factors (cumprod) cannot be exported")
    axis = writer.constant(op.settings["dims"][0], np.int64)
    return writer.node("CumSum", [writer.full(op.inputs[0]), axis], reverse=int(op.settings["reverse"]))


def _input(writer: Writer, op: Op) -> str:
    return f"input_{writer.graph.inputs.index(op.number)}"


ROWS: dict[str, Row] = {
    **_onnx_images.ROWS,
    "input": _input,
    "parameter": _leaf,
    "state": _leaf,
    "constant": _constant,
    "values": _values,
    "count": _count,
    "random_keep": _kept,
    "random_normal": _noise,
    "elementwise": _elementwise,
    "matmul": _matmul,
    "batch_matmul": _batch_matmul,
    "sum": _over_axes("ReduceSum"),
    "max": _over_axes("ReduceMax"),
    "prod": _over_axes("ReduceProd"),
    "broadcast": _broadcast,
    "reshape": _reshape,
    "transpose": _transpose,
    "slice": _slice,
    "pad": _pad,
    "flip": _flip,
    "concat": _concat,
    "softmax": _softmax,
    "log_sum_exp": _log_sum_exp,
    "below_max": _below("ReduceMax"),
    "center": _below("ReduceMean"),
    "inverse_rms": _inverse_rms,
    "take": _take,
    "take_label": _take_label,
    "put_label": _put_label,
    "argmax": _argmax,
    "recurrence": _recurrence,
}
