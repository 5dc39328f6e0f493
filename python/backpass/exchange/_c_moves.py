"""In C99's words, what moves elements, and lookups."""

from __future__ import annotations

from backpass.exchange._c_arrays import aligned, flat, spread
from backpass.exchange._c_writer import Row, Writer
from backpass.exchange._graph import Op


def _broadcast(writer: Writer, op: Op, index: list[str]) -> str:
    return writer.element(op.inputs[0], aligned(index, writer.shape(op.inputs[0])))


def _reshape(writer: Writer, op: Op, index: list[str]) -> str:
    place, given = flat(index, writer.shape(op.number)), op.inputs[0]
    if given in writer.stored:
        return writer.at(given, place)
    return writer.element(given, spread(writer.once(place, "int"), writer.shape(given)))


def _transpose(writer: Writer, op: Op, index: list[str]) -> str:
    given = [""] * len(index)
    for at, axis in zip(index, op.settings["dims"], strict=True):
        given[axis] = at
    return writer.element(op.inputs[0], given)


def _slice(writer: Writer, op: Op, index: list[str]) -> str:
    axis, begin, _, *step = op.settings["dims"]
    given = list(index)
    given[axis] = writer.once(f"{begin} + {given[axis]} * {step[0] if step else 1}", "int")
    return writer.element(op.inputs[0], given)


def _flip(writer: Writer, op: Op, index: list[str]) -> str:
    given = list(index)
    for axis in op.settings["dims"]:
        given[axis] = writer.once(f"{writer.shape(op.number)[axis] - 1} - {given[axis]}", "int")
    return writer.element(op.inputs[0], given)


def _pad(writer: Writer, op: Op, index: list[str]) -> str:
    axis, begin, _, *step = op.settings["dims"]
    by, name = step[0] if step else 1, writer.fresh("t")
    writer.line(f"{'int' if op.dtype == 'int32' else writer.type} {name} = 0;")
    given = list(index)
    given[axis] = f"({given[axis]} - {begin})"
    there = writer.shape(op.inputs[0])[axis]
    inside = f"{given[axis]} >= 0 && {given[axis]} < {(there - 1) * by + 1 if there else 0}"
    with writer.guarded(inside if by == 1 else f"{inside} && {given[axis]} % {by} == 0"):
        given[axis] = given[axis] if by == 1 else f"({given[axis]} / {by})"
        writer.line(f"{name} = {writer.element(op.inputs[0], given)};")
    return name


def _concat(writer: Writer, op: Op, index: list[str]) -> str:
    axis = int(op.settings["dims"][0])
    name, begin = writer.fresh("t"), 0
    writer.line(f"{'int' if op.dtype == 'int32' else writer.type} {name} = 0;")
    for number in op.inputs:
        end = begin + writer.shape(number)[axis]
        with writer.guarded(f"{index[axis]} >= {begin} && {index[axis]} < {end}"):
            given = list(index)
            given[axis] = f"({given[axis]} - {begin})" if begin else given[axis]
            writer.line(f"{name} = {writer.element(number, given)};")
        begin = end
    return name


def _take(writer: Writer, op: Op, index: list[str]) -> str:
    table, chosen = op.inputs
    own = len(writer.shape(chosen))
    row, name = writer.once(writer.element(chosen, index[:own]), "int"), writer.fresh("t")
    ignored = op.settings.get("ignore")
    check = f"if ({row} < 0 || {row} >= {writer.shape(table)[0]}) return -1;"
    if ignored is None:
        writer.line(check)
        return writer.scaled(table, row, writer.element(table, [row, *index[own:]]))
    writer.line(f"{writer.type} {name} = 0;")
    with writer.guarded(f"{row} != {ignored}"):
        writer.line(check)
        writer.line(f"{name} = {writer.scaled(table, row, writer.element(table, [row, *index[own:]]))};")
    return name


def _take_label(writer: Writer, op: Op, index: list[str]) -> str:
    if op.settings.get("ignore") is not None:
        raise ValueError("[to_c] labels that are ignored cannot be exported")
    label = writer.once(writer.element(op.inputs[1], index), "int")
    writer.line(f"if ({label} < 0 || {label} >= {writer.shape(op.inputs[0])[-1]}) return -1;")
    return writer.element(op.inputs[0], [*index, label])


def _put_label(writer: Writer, op: Op, index: list[str]) -> str:
    label = writer.once(writer.element(op.inputs[1], index[:-1]), "int")
    ignored = op.settings.get("ignore")
    kept = "" if ignored is None else f" && {label} != {ignored}"
    return f"({label} == {index[-1]}{kept} ? {writer.element(op.inputs[0], index[:-1])} : 0)"


ROWS: dict[str, Row] = {
    "broadcast": _broadcast,
    "reshape": _reshape,
    "transpose": _transpose,
    "slice": _slice,
    "pad": _pad,
    "flip": _flip,
    "concat": _concat,
    "take": _take,
    "take_label": _take_label,
    "put_label": _put_label,
}
