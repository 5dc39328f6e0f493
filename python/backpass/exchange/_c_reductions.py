"""Products and reductions in C99's words."""

from __future__ import annotations

from backpass.exchange._c_arrays import aligned
from backpass.exchange._c_writer import Row, Writer
from backpass.exchange._graph import Op


def _matmul(writer: Writer, op: Op, index: list[str]) -> str:
    a, b = op.inputs
    if op.settings["transpose_a"]:
        raise ValueError("[to_c] a product over leading axes cannot be exported")
    column, turned = index[-1], bool(op.settings["transpose_b"])

    def term(k: list[str]) -> str:
        weight = writer.element(b, [column, *k] if turned else [*k, column])
        value = f"{writer.element(a, [*index[:-1], *k])} * {weight}"
        return value if turned else writer.scaled(b, k[0], value)

    total = writer.total([writer.shape(a)[-1]], term)
    return writer.scaled(b, column, total) if turned else total


def _batch_matmul(writer: Writer, op: Op, index: list[str]) -> str:
    a, b = op.inputs
    a_lead, b_lead = (aligned(index[:-2], writer.shape(number)[:-2]) for number in op.inputs)
    row, column = index[-2:]

    def term(k: list[str]) -> str:
        left = [*k, row] if op.settings["transpose_a"] else [row, *k]
        right = [column, *k] if op.settings["transpose_b"] else [*k, column]
        return f"{writer.element(a, [*a_lead, *left])} * {writer.element(b, [*b_lead, *right])}"

    return writer.total([writer.shape(a)[-2 if op.settings["transpose_a"] else -1]], term)


def _reduced(writer: Writer, op: Op, index: list[str]) -> tuple[list[int], list[str]]:
    """The axes that go, and the index of the input with gaps at them."""
    axes = [int(axis) for axis in op.settings["dims"]]
    rest = iter(index)
    rank = len(writer.shape(op.inputs[0]))
    if op.settings.get("keepdims"):
        return axes, list(index)
    return axes, ["0" if axis in axes else next(rest) for axis in range(rank)]


def _filled(index: list[str], axes: list[int], inner: list[str]) -> list[str]:
    made = list(index)
    for axis, at in zip(axes, inner, strict=True):
        made[axis] = at
    return made


def _sum(writer: Writer, op: Op, index: list[str]) -> str:
    axes, outer = _reduced(writer, op, index)
    shape = [writer.shape(op.inputs[0])[axis] for axis in axes]
    return writer.total(shape, lambda inner: writer.element(op.inputs[0], _filled(outer, axes, inner)))


def _prod(writer: Writer, op: Op, index: list[str]) -> str:
    axes, outer = _reduced(writer, op, index)
    name = writer.fresh("p")
    writer.line(f"{writer.type} {name} = 1;")
    with writer.loops([writer.shape(op.inputs[0])[axis] for axis in axes]) as inner:
        writer.line(f"{name} *= {writer.element(op.inputs[0], _filled(outer, axes, inner))};")
    return name


def _max(writer: Writer, op: Op, index: list[str]) -> str:
    axes, outer = _reduced(writer, op, index)
    name = writer.fresh("m")
    writer.line(f"{writer.type} {name} = -INFINITY;")
    with writer.loops([writer.shape(op.inputs[0])[axis] for axis in axes]) as inner:
        value = writer.once(writer.element(op.inputs[0], _filled(outer, axes, inner)))
        writer.line(f"if ({value} > {name} || isnan({value})) {name} = {value};")
    return name


def _argmax(writer: Writer, op: Op, index: list[str]) -> str:
    axes, outer = _reduced(writer, op, index)
    if len(axes) != 1:
        raise ValueError("[to_c] argmax over several axes cannot be exported")
    best, at = writer.fresh("m"), writer.fresh("k")
    writer.line(f"{writer.type} {best} = {writer.element(op.inputs[0], _filled(outer, axes, ['0']))};")
    writer.line(f"int {at} = 0;")
    with writer.loop(writer.shape(op.inputs[0])[axes[0]]) as inner:
        value = writer.once(writer.element(op.inputs[0], _filled(outer, axes, [inner])))
        with writer.guarded(f"{value} > {best} || (isnan({value}) && !isnan({best}))"):
            writer.line(f"{best} = {value};")
            writer.line(f"{at} = {inner};")
    return at


ROWS: dict[str, Row] = {
    "matmul": _matmul,
    "batch_matmul": _batch_matmul,
    "sum": _sum,
    "max": _max,
    "prod": _prod,
    "argmax": _argmax,
}
