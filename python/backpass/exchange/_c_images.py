"""Convolution and pooling in C99's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from backpass.exchange._c_writer import Row, Writer
from backpass.exchange._graph import Op


def _conv(writer: Writer, op: Op, index: list[str]) -> str:
    x, weight = op.inputs
    filters, kernel_h, kernel_w, channels = writer.shape(weight)
    groups = writer.shape(x)[3] // channels
    batch, row, column, out = index
    first = writer.once(f"{out} / {filters // groups} * {channels}", "int") if groups > 1 else "0"
    total = writer.fresh("s")
    writer.line(f"{writer.type} {total} = 0;")
    with writer.loops([kernel_h, kernel_w]) as (u, v), ExitStack() as inside:
        at = []
        for axis, (where, tap) in enumerate(((row, u), (column, v))):
            stride, dilation, pad, _ = op.settings["dims"][4 * axis : 4 * axis + 4]
            place = writer.once(f"{where} * {stride} + {tap} * {dilation} - {pad}", "int")
            inside.enter_context(writer.guarded(f"{place} >= 0 && {place} < {writer.shape(x)[1 + axis]}"))
            at.append(place)
        with writer.loop(channels) as c:
            channel = c if first == "0" else f"{first} + {c}"
            value = writer.element(x, [batch, *at, channel])
            writer.line(f"{total} += {value} * {writer.element(weight, [out, u, v, c])};")
    return writer.scaled(weight, out, total)


def _conv_transpose(writer: Writer, op: Op, index: list[str]) -> str:
    y, weight = op.inputs
    filters, kernel_h, kernel_w, channels = writer.shape(weight)
    groups = writer.shape(op.number)[3] // channels
    batch, row, column, channel = index
    own = writer.once(f"{channel} % {channels}", "int") if groups > 1 else channel
    first = writer.once(f"{channel} / {channels} * {filters // groups}", "int") if groups > 1 else "0"
    total = writer.fresh("s")
    writer.line(f"{writer.type} {total} = 0;")
    with writer.loops([kernel_h, kernel_w]) as (u, v), ExitStack() as inside:
        at = []
        for axis, (where, tap) in enumerate(((row, u), (column, v))):
            stride, dilation, pad, _ = op.settings["dims"][4 * axis : 4 * axis + 4]
            far = writer.once(f"{where} + {pad} - {tap} * {dilation}", "int")
            there = writer.shape(y)[1 + axis]
            hits = f"{far} >= 0 && {far} % {stride} == 0 && {far} / {stride} < {there}"
            inside.enter_context(writer.guarded(hits))
            at.append(f"({far} / {stride})")
        with writer.loop(filters // groups) as c:
            out = c if first == "0" else writer.once(f"{first} + {c}", "int")
            value = f"{writer.element(y, [batch, *at, out])} * {writer.element(weight, [out, u, v, own])}"
            writer.line(f"{total} += {writer.scaled(weight, out, value)};")
    return total


@contextmanager
def _window(writer: Writer, op: Op, index: list[str]) -> Iterator[list[str]]:
    """The places within the window of an element, those beyond the edges left out."""
    images, made = writer.shape(op.inputs[0]), writer.shape(op.number)
    with ExitStack() as stack:
        at = []
        for axis in (0, 1):
            size, stride, pad, dilation = op.settings["dims"][4 * axis : 4 * axis + 4]
            inside, outside, where = images[1 + axis], made[1 + axis], index[1 + axis]
            if size == 0:  # adaptive: nearly equal parts
                begin = writer.once(f"{where} * {inside} / {outside}", "int")
                end = writer.once(f"(({where} + 1) * {inside} + {outside - 1}) / {outside}", "int")
                place = writer.fresh("i")
                stack.enter_context(writer.block(f"for (int {place} = {begin}; {place} < {end}; ++{place})"))
            else:
                tap = stack.enter_context(writer.loop(size))
                place = writer.once(f"{where} * {stride} + {tap} * {dilation} - {pad}", "int")
                stack.enter_context(writer.guarded(f"{place} >= 0 && {place} < {inside}"))
            at.append(place)
        yield [index[0], *at, index[3]]


def _window_take(writer: Writer, op: Op, index: list[str]) -> str:
    if op.inputs[0] != op.inputs[1]:
        raise ValueError("[to_c] the operation 'window_take' is a derivative: it cannot be exported")
    greatest = writer.fresh("m")
    writer.line(f"{writer.type} {greatest} = -INFINITY;")
    with _window(writer, op, index) as place:
        value = writer.once(writer.element(op.inputs[0], place))
        writer.line(f"if ({value} > {greatest} || isnan({value})) {greatest} = {value};")
    return greatest


def _window_sum(writer: Writer, op: Op, index: list[str]) -> str:
    total = writer.fresh("s")
    writer.line(f"{writer.type} {total} = 0;")
    with _window(writer, op, index) as place:
        writer.line(f"{total} += {writer.element(op.inputs[0], place)};")
    return total


ROWS: dict[str, Row] = {
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "window_take": _window_take,
    "window_sum": _window_sum,
}
