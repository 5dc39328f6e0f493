"""Convolution and pooling in ONNX's words, which has channels first."""

from __future__ import annotations

from typing import Any

from backpass.exchange._graph import Op
from backpass.exchange._onnx_writer import Row, Writer


def _first_channels(writer: Writer, name: str) -> str:
    return writer.node("Transpose", [name], perm=[0, 3, 1, 2])


def _last_channels(writer: Writer, name: str) -> str:
    return writer.node("Transpose", [name], perm=[0, 2, 3, 1])


def _windows(op: Op) -> dict[str, Any]:
    h, w = op.settings["dims"][:4], op.settings["dims"][4:]
    return {"strides": [h[0], w[0]], "dilations": [h[1], w[1]], "pads": [h[2], w[2], h[3], w[3]]}


def _conv(writer: Writer, op: Op) -> str:
    x, weight = op.inputs
    groups = writer.by_number[x].shape[3] // writer.by_number[weight].shape[3]
    filters = _first_channels(writer, writer.full(weight))
    made = writer.node("Conv", [_first_channels(writer, writer.full(x)), filters], group=groups, **_windows(op))
    return _last_channels(writer, made)


def _conv_transpose(writer: Writer, op: Op) -> str:
    y, weight = op.inputs
    filters, images = writer.by_number[weight].shape, writer.by_number[y].shape
    windows = _windows(op)
    extra = [
        op.shape[1 + i]
        - ((images[1 + i] - 1) * windows["strides"][i] + windows["dilations"][i] * (filters[1 + i] - 1) + 1)
        + windows["pads"][i]
        + windows["pads"][2 + i]
        for i in (0, 1)
    ]
    made = writer.node(
        "ConvTranspose",
        [_first_channels(writer, writer.full(y)), _first_channels(writer, writer.full(weight))],
        group=op.shape[3] // filters[3],
        output_padding=extra,
        **windows,
    )
    return _last_channels(writer, made)


def _pooled(writer: Writer, op: Op, kind: str, **attributes: Any) -> tuple[str, int]:
    """Pooling over the windows of an operation, and how many elements they have."""
    images = writer.by_number[op.inputs[0]].shape
    sizes, strides, before, after, dilations = [], [], [], [], []
    for i in (0, 1):
        size, stride, pad, dilation = op.settings["dims"][4 * i : 4 * i + 4]
        inside, outside = images[1 + i], op.shape[1 + i]
        if size == 0:
            if inside % outside:
                raise ValueError("[to_onnx] adaptive pooling by windows of different sizes cannot be exported")
            size = stride = inside // outside
        sizes.append(size)
        strides.append(stride)
        before.append(pad)
        after.append(max(0, (outside - 1) * stride + dilation * (size - 1) + 1 - inside - pad))
        dilations.append(dilation)
    attributes |= {"dilations": dilations}
    x = _first_channels(writer, writer.full(op.inputs[0]))
    made = writer.node(kind, [x], kernel_shape=sizes, strides=strides, pads=[*before, *after], **attributes)
    return _last_channels(writer, made), sizes[0] * sizes[1]


def _window_take(writer: Writer, op: Op) -> str:
    if op.inputs[0] != op.inputs[1]:
        raise ValueError("[to_onnx] the operation 'window_take' is a derivative: it cannot be exported")
    return _pooled(writer, op, "MaxPool")[0]


def _window_sum(writer: Writer, op: Op) -> str:
    mean, count = _pooled(writer, op, "AveragePool", count_include_pad=1)
    return writer.node("Mul", [mean, writer.constant(count, op.dtype)])


ROWS: dict[str, Row] = {
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "window_take": _window_take,
    "window_sum": _window_sum,
}
