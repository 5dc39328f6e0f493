"""Each kind of operation in NumPy's words: an expression of its inputs' names."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

from backpass.exchange._graph import BATCH, Graph, Op
from backpass.exchange._numpy_functions import BINARY, UNARY

_GATES = 1  # the part of a recurrent operation that only derivatives read

Row: TypeAlias = Callable[[Graph, Op, list[str]], str]


def shape_of(op: Op) -> str:
    """As a tuple, in which `rows` is the number of rows."""
    dims = ["rows" if dim == BATCH else str(dim) for dim in op.shape]
    return "(" + ", ".join(dims) + (",)" if len(dims) == 1 else ")")


def number(value: float) -> str:
    return repr(float(value)) if math.isfinite(value) else f'float("{value}")'


def _filled(graph: Graph, op: Op, value: str) -> str:
    return f"np.full({shape_of(op)}, {value}, np.{op.dtype})"


def _constant(graph: Graph, op: Op, x: list[str]) -> str:
    return _filled(graph, op, number(float(op.settings["value"])))


def _count(graph: Graph, op: Op, x: list[str]) -> str:
    dims = " * ".join("rows" if dim == BATCH else str(dim) for dim in op.settings["dims"])
    return _filled(graph, op, dims or "1")


def _noise(graph: Graph, op: Op, x: list[str]) -> str:
    if op.settings.get("always"):
        raise ValueError("[to_numpy] the operation 'random_normal' draws numbers: it cannot be exported")
    return _filled(graph, op, "0")  # none outside training


def _elementwise(graph: Graph, op: Op, x: list[str]) -> str:
    fn = str(op.settings["fn"])
    template = (UNARY if len(x) == 1 else BINARY).get(fn)
    if template is None:
        raise ValueError(f"[to_numpy] the function {fn!r} cannot be exported")
    made = template.format(x=x[0], y=x[-1], a=number(float(op.settings.get("alpha", 0))))
    integers = any(graph.op(i).dtype == "int32" for i in op.inputs)
    is_truth = made.startswith(("(", "np.is", "np.logical_"))
    return f"({made}).astype(np.{op.dtype})" if is_truth or (integers and op.dtype != "int32") else made


def _turned(name: str, turn: object) -> str:
    return f"np.swapaxes({name}, -1, -2)" if turn else name


def _matmul(graph: Graph, op: Op, x: list[str]) -> str:
    if op.settings["transpose_a"]:
        a, b = (f"{name}.reshape(-1, {name}.shape[-1])" for name in x)
        return f"{a}.T @ {b}"
    return f"{x[0]} @ {_turned(x[1], op.settings['transpose_b'])}"


def _batch_matmul(graph: Graph, op: Op, x: list[str]) -> str:
    return f"{_turned(x[0], op.settings['transpose_a'])} @ {_turned(x[1], op.settings['transpose_b'])}"


def _over_axes(method: str) -> Row:
    def row(graph: Graph, op: Op, x: list[str]) -> str:
        axes = tuple(op.settings["dims"])
        return f"{x[0]}.{method}({axes}, keepdims={bool(op.settings.get('keepdims', False))})"

    return row


def _argmax(graph: Graph, op: Op, x: list[str]) -> str:
    if len(op.settings["dims"]) != 1:
        raise ValueError("[to_numpy] argmax over several axes cannot be exported")
    return f"{x[0]}.argmax({op.settings['dims'][0]}).astype(np.int32)"


def _ranges(op: Op, axis: int, text: str) -> str:
    return "[" + ", ".join(text if at == axis else ":" for at in range(len(op.shape))) + "]"


def _slice(graph: Graph, op: Op, x: list[str]) -> str:
    axis, begin, end, *step = op.settings["dims"]
    return x[0] + _ranges(op, axis, f"{begin}:{end}:{step[0] if step else 1}")


def _pad(graph: Graph, op: Op, x: list[str]) -> str:
    axis, begin, end, *step = op.settings["dims"]
    if step and step[0] != 1:
        raise ValueError("[to_numpy] padding between elements cannot be exported")
    pads = tuple((begin, op.shape[axis] - end) if at == axis else (0, 0) for at in range(len(op.shape)))
    return f"np.pad({x[0]}, {pads})"


def _recurrence(graph: Graph, op: Op, x: list[str]) -> str:
    if len(x) > 1:
        raise ValueError("[to_numpy] a recurrence with factors (cumprod) cannot be exported")
    axis = op.settings["dims"][0]
    made = f"np.flip({x[0]}, {axis})" if op.settings["reverse"] else x[0]
    made = f"np.cumsum({made}, {axis}, {x[0]}.dtype)"
    return f"np.flip({made}, {axis})" if op.settings["reverse"] else made


def _ignoring(op: Op) -> str:
    return "" if op.settings.get("ignore") is None else f", ignore={op.settings['ignore']}"


def _take_label(graph: Graph, op: Op, x: list[str]) -> str:
    if op.settings.get("ignore") is not None:
        raise ValueError("[to_numpy] labels that are ignored cannot be exported")
    return f"np.take_along_axis({x[0]}, {x[1]}[..., None].astype(np.intp), -1)[..., 0]"


def _windows(op: Op) -> str:
    h, w = op.settings["dims"][:4], op.settings["dims"][4:]
    return ", ".join(str((a, b)) for a, b in zip(h, w, strict=True))


def _conv_transpose(graph: Graph, op: Op, x: list[str]) -> str:
    return f"_conv_transpose({x[0]}, {x[1]}, {op.shape[1:]}, {_windows(op)})"


def _pooled(reduce: str, empty: str) -> Row:
    def row(graph: Graph, op: Op, x: list[str]) -> str:
        if len(x) > 1 and x[0] != x[1]:
            raise ValueError(f"[to_numpy] the operation {op.kind!r} is a derivative: it cannot be exported")
        axes = (tuple(op.settings["dims"][:4]), tuple(op.settings["dims"][4:]))
        return f"_pool({x[0]}, {reduce}, {empty}, {op.shape[1:3]}, {axes})"

    return row


def _recurrent(graph: Graph, op: Op, x: list[str]) -> str:
    part = int(op.settings["dims"][0])
    if part == _GATES:
        raise ValueError("[to_numpy] the gates of a recurrent layer cannot be exported")
    settings = f"{op.settings['cell']!r}, {bool(op.settings['reverse'])}, {part}"
    return f"_recurrent({settings}, {', '.join(x)})"


ROWS: dict[str, Row] = {
    "recurrent": _recurrent,
    "constant": _constant,
    "count": _count,
    "random_keep": lambda graph, op, x: _filled(graph, op, "1"),  # dropout keeps all outside training
    "random_normal": _noise,
    "elementwise": _elementwise,
    "matmul": _matmul,
    "batch_matmul": _batch_matmul,
    "conv": lambda graph, op, x: f"_conv({x[0]}, {x[1]}, {_windows(op)})",
    "conv_transpose": _conv_transpose,
    "window_take": _pooled("np.max", "-np.inf"),
    "window_sum": _pooled("np.sum", "0"),
    "sum": _over_axes("sum"),
    "max": _over_axes("max"),
    "prod": _over_axes("prod"),
    "argmax": _argmax,
    "broadcast": lambda graph, op, x: f"np.broadcast_to({x[0]}, {shape_of(op)})",
    "reshape": lambda graph, op, x: f"{x[0]}.reshape({shape_of(op)})",
    "transpose": lambda graph, op, x: f"{x[0]}.transpose({tuple(op.settings['dims'])})",
    "slice": _slice,
    "pad": _pad,
    "flip": lambda graph, op, x: f"np.flip({x[0]}, {tuple(op.settings['dims'])})",
    "concat": lambda graph, op, x: f"np.concatenate([{', '.join(x)}], {op.settings['dims'][0]})",
    "softmax": lambda graph, op, x: f"_softmax({x[0]})",
    "log_sum_exp": lambda graph, op, x: f"_log_sum_exp({x[0]})",
    "below_max": lambda graph, op, x: f"{x[0]} - {x[0]}.max(-1, keepdims=True)",
    "center": lambda graph, op, x: f"{x[0]} - {x[0]}.mean(-1, keepdims=True)",
    "inverse_rms": lambda graph, op, x: f"1 / np.sqrt(({x[0]} * {x[0]}).mean(-1) + {number(op.settings['eps'])})",
    "take": lambda graph, op, x: f"_take({x[0]}, {x[1]}{_ignoring(op)})",
    "take_label": _take_label,
    "put_label": lambda graph, op, x: f"_put_label({x[0]}, {x[1]}, {op.shape[-1]}{_ignoring(op)})",
    "recurrence": _recurrence,
}
