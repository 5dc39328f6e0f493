"""Each kind of operation in C99's words: an element of its result, by indices."""

from __future__ import annotations

import math

from backpass.exchange import _c_images, _c_lines, _c_moves, _c_recurrent, _c_reductions
from backpass.exchange._c_arrays import aligned
from backpass.exchange._c_functions import BINARY, NUMBERS, UNARY
from backpass.exchange._c_writer import Row, Whole, Writer
from backpass.exchange._graph import BATCH, Op


def _constant(writer: Writer, op: Op, index: list[str]) -> str:
    return writer.number(float(op.settings["value"]))


def _count(writer: Writer, op: Op, index: list[str]) -> str:
    if BATCH in op.settings["dims"]:
        raise ValueError("[to_c] a mean over the rows of a batch looks at several, and the function predicts one row")
    return writer.number(float(math.prod(op.settings["dims"])))


def _kept(writer: Writer, op: Op, index: list[str]) -> str:
    return writer.number(1.0)  # dropout keeps all outside training


def _noise(writer: Writer, op: Op, index: list[str]) -> str:
    if op.settings.get("always"):
        raise ValueError("[to_c] the operation 'random_normal' draws numbers: it cannot be exported")
    return writer.number(0.0)  # none outside training


def _elementwise(writer: Writer, op: Op, index: list[str]) -> str:
    fn = str(op.settings["fn"])
    template = (UNARY if len(op.inputs) == 1 else BINARY).get(fn)
    if template is None:
        raise ValueError(f"[to_c] the function {fn!r} cannot be exported")
    given = []
    for number in op.inputs:
        kind = "int" if writer.by_number[number].dtype == "int32" else None
        given.append(writer.once(writer.element(number, aligned(index, writer.shape(number))), kind))
    numbers = {name: writer.number(value) for name, value in NUMBERS.items()}
    settings = {"f": writer.suffix, "t": writer.type, "a": writer.number(float(op.settings.get("alpha", 0))), **numbers}
    made = template.format(x=given[0], y=given[-1], **settings)
    return f"({writer.type}){made}" if fn == "copy" and op.dtype != "int32" else made


ROWS: dict[str, Row] = {
    **_c_images.ROWS,
    **_c_lines.ROWS,
    **_c_moves.ROWS,
    **_c_reductions.ROWS,
    "constant": _constant,
    "count": _count,
    "random_keep": _kept,
    "random_normal": _noise,
    "elementwise": _elementwise,
}

WHOLES: dict[str, Whole] = {**_c_lines.WHOLES, **_c_recurrent.WHOLES}
