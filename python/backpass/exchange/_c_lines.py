"""In C99's words, what looks at whole lines along an axis: softmax, norms, running sums."""

from __future__ import annotations

from backpass.exchange._c_arrays import flat
from backpass.exchange._c_writer import Row, Whole, Writer
from backpass.exchange._graph import Op


def _log_sum_exp(writer: Writer, op: Op, index: list[str]) -> str:
    x = op.inputs[0]
    last = writer.shape(x)[-1]
    greatest = _greatest(writer, x, index)
    total = writer.total([last], lambda i: f"exp{writer.suffix}({writer.element(x, [*index, *i])} - {greatest})")
    return f"{greatest} + log{writer.suffix}({total})"


def _greatest(writer: Writer, number: int, row: list[str]) -> str:
    name = writer.fresh("m")
    writer.line(f"{writer.type} {name} = -INFINITY;")
    with writer.loop(writer.shape(number)[-1]) as i:
        value = writer.once(writer.element(number, [*row, i]))
        writer.line(f"if ({value} > {name} || isnan({value})) {name} = {value};")
    return name


def _inverse_rms(writer: Writer, op: Op, index: list[str]) -> str:
    x = op.inputs[0]
    last = writer.shape(x)[-1]

    def squared(i: list[str]) -> str:
        value = writer.once(writer.element(x, [*index, *i]))
        return f"{value} * {value}"

    mean = f"{writer.total([last], squared)} / {writer.number(last)}"
    return f"1 / sqrt{writer.suffix}({mean} + {writer.number(float(op.settings['eps']))})"


def _rows_of(writer: Writer, op: Op, name: str, what: str) -> None:
    """Rows along the last axis, each minus its mean or its greatest, or as its softmax."""
    x = op.inputs[0]
    *lead, last = writer.shape(x)
    with writer.loops(lead) as row:
        if what == "center":
            total = writer.total([last], lambda i: writer.element(x, [*row, *i]))
            less = writer.once(f"{total} / {writer.number(last)}")
        else:
            less = _greatest(writer, x, row)
        with writer.loop(last) as i:
            value = f"{writer.element(x, [*row, i])} - {less}"
            value = f"exp{writer.suffix}({value})" if what == "softmax" else value
            writer.line(f"{name}[{flat([*row, i], [*lead, last])}] = {value};")
        if what == "softmax":
            total = writer.total([last], lambda i: f"{name}[{flat([*row, *i], [*lead, last])}]")
            with writer.loop(last) as i:
                writer.line(f"{name}[{flat([*row, i], [*lead, last])}] /= {total};")


def _rows(what: str) -> Whole:
    return lambda writer, op, name: _rows_of(writer, op, name, what)


def _recurrence(writer: Writer, op: Op, name: str) -> None:
    if len(op.inputs) > 1:
        raise ValueError("[to_c] a recurrence with factors (cumprod) cannot be exported")
    axis, shape = int(op.settings["dims"][0]), writer.shape(op.number)
    with writer.loops([1 if at == axis else dim for at, dim in enumerate(shape)]) as outer:
        total = writer.fresh("s")
        writer.line(f"{writer.type} {total} = 0;")
        with writer.loop(shape[axis]) as step:
            at = writer.once(f"{shape[axis] - 1} - {step}", "int") if op.settings["reverse"] else step
            index = [*outer[:axis], at, *outer[axis + 1 :]]
            writer.line(f"{total} += {writer.element(op.inputs[0], index)};")
            writer.line(f"{name}[{flat(index, shape)}] = {total};")


ROWS: dict[str, Row] = {
    "log_sum_exp": _log_sum_exp,
    "inverse_rms": _inverse_rms,
}

WHOLES: dict[str, Whole] = {
    "softmax": _rows("softmax"),
    "below_max": _rows("below_max"),
    "center": _rows("center"),
    "recurrence": _recurrence,
}
