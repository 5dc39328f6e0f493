"""A C function that grows operation by operation: what is read once is computed where it is read."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TypeAlias

from backpass.exchange._c_arrays import Places, flat
from backpass.exchange._graph import BATCH, Graph, Op

Row: TypeAlias = "Callable[[Writer, Op, list[str]], str]"  # one element, by its indices: an expression in C
Whole: TypeAlias = "Callable[[Writer, Op, str], None]"  # all elements at once, into an array
MANY = 1 << 30


class Writer:
    """Writes the body of a function that predicts one row.

    Values that are read more than once lie in a workspace, where those that are done make room for others.
    """

    def __init__(self, graph: Graph, rows: Mapping[str, Row], wholes: Mapping[str, Whole]) -> None:
        self.graph, self.rows, self.wholes = graph, rows, wholes
        self.by_number = {op.number: op for op in graph.ops}
        self.real = next((op.dtype for op in graph.ops if op.dtype != "int32"), "float32")
        self.type, self.suffix = ("float", "f") if self.real == "float32" else ("double", "")
        self.lines: list[str] = []
        self.depth = 1
        self.counter = 0
        self.stored: dict[int, str] = {}  # the array in which a value lies
        self.scales: dict[int, str] = {}  # of leaves that are stored in 8 bits: a factor for each first index
        self.places = Places()

    # What is written.

    def line(self, text: str) -> None:
        self.lines.append("  " * self.depth + text)

    def fresh(self, letter: str) -> str:
        self.counter += 1
        return f"{letter}{self.counter}"

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        self.line(f"{head} {{".lstrip())
        self.depth += 1
        yield
        self.depth -= 1
        self.line("}")

    @contextmanager
    def loop(self, count: int) -> Iterator[str]:
        """A loop, and its index; none where it turns once."""
        if count == 1:
            yield "0"
            return
        index = self.fresh("i")
        with self.block(f"for (int {index} = 0; {index} < {count}; ++{index})"):
            yield index

    @contextmanager
    def loops(self, shape: Sequence[int]) -> Iterator[list[str]]:
        if not shape:
            yield []
            return
        with self.loop(shape[0]) as index, self.loops(shape[1:]) as rest:
            yield [index, *rest]

    def guarded(self, condition: str) -> AbstractContextManager[None]:
        return self.block(f"if ({condition})")

    def number(self, value: float) -> str:
        """A constant of the function's type."""
        if math.isnan(value):
            return "NAN"
        if math.isinf(value):
            return "INFINITY" if value > 0 else "-INFINITY"
        text = repr(float(value)) if self.suffix == "" else f"{value:.9g}"
        return (text if re.search(r"[.e]", text) else text + ".0") + self.suffix

    def once(self, expression: str, kind: str | None = None) -> str:
        """A name for an expression, unless it is one."""
        if re.fullmatch(r"[A-Za-z_0-9]+", expression):
            return expression
        name = self.fresh("t")
        self.line(f"const {kind or self.type} {name} = {expression};")
        return name

    # What rows use.

    def shape(self, number: int) -> tuple[int, ...]:
        """For one row."""
        return tuple(1 if dim == BATCH else int(dim) for dim in self.by_number[number].shape)

    def element(self, number: int, index: Sequence[str]) -> str:
        """An expression for one element of a value."""
        if number in self.stored:
            return self.at(number, flat(index, self.shape(number)))
        op = self.by_number[number]
        return self.rows[op.kind](self, op, list(index))

    def at(self, number: int, place: str) -> str:
        """An element of a value that lies in an array, by its place there."""
        op, text = self.by_number[number], f"{self.stored[number]}[{place}]"
        return f"(int){text}" if op.dtype == "int32" and op.kind not in LEAVES else text  # the workspace is of reals

    def scaled(self, number: int, index: str, expression: str) -> str:
        """Times the factor of a row of a leaf, where it has factors."""
        while self.by_number[number].kind == "reshape":  # which keeps the first axis of filters
            number = self.by_number[number].inputs[0]
        return f"{self.scales[number]}[{index}] * ({expression})" if number in self.scales else expression

    def total(self, shape: Sequence[int], term: Callable[[list[str]], str], start: str = "0") -> str:
        """The sum of terms over indices."""
        name = self.fresh("s")
        self.line(f"{self.type} {name} = {start};")
        with self.loops(shape) as index:
            self.line(f"{name} += {term(index)};")
        return name

    # The order of things.

    def body(self) -> None:
        last = self._last_reads()
        for op in self.graph.ops:
            if op.number in self.stored or not self._is_stored(op.number):
                continue
            self._store(op)
            for number in [n for n, at in last.items() if at == op.number]:
                self.places.free(number)
        for i, number in enumerate(self.graph.outputs):
            with self.loops(self.shape(number)) as index:
                value = self.element(number, index)
                self.line(f"output_{i}[{flat(index, self.shape(number))}] = {value};")

    def _store(self, op: Op) -> None:
        shape = self.shape(op.number)
        name = f"v{op.number}"
        self.line(f"{self.type} *const {name} = workspace + {self.places.take(op.number, math.prod(shape))};")
        if op.kind in self.wholes:
            self.wholes[op.kind](self, op, name)
        else:
            with self.loops(shape) as index:
                value = self.rows[op.kind](self, op, index)
                self.line(f"{name}[{flat(index, shape)}] = {value};")
        self.stored[op.number] = name

    def _last_reads(self) -> dict[int, int]:
        """Of each stored value, the stored value that reads it last."""
        last: dict[int, int] = {}

        def reads(number: int, reader: int) -> None:
            for given in self.by_number[number].inputs:
                if self._is_stored(given):
                    last[given] = reader
                else:
                    reads(given, reader)

        for op in self.graph.ops:
            if self._is_stored(op.number):
                reads(op.number, op.number)
        for number in self.graph.outputs:  # written at the end
            last.pop(number, None)
            if not self._is_stored(number):
                reads(number, -1)
        return last

    def _is_stored(self, number: int) -> bool:
        kind = self.by_number[number].kind
        if kind in LEAVES or kind in MOVES:
            return False
        return kind in self.wholes or self._times()[number] > 1

    def _times(self) -> dict[int, int]:
        """How many times an element of each value is read."""
        if not hasattr(self, "_read"):
            times = dict.fromkeys(self.by_number, 0)
            for number in self.graph.outputs:
                times[number] += 1
            for op in reversed(self.graph.ops):
                for number in op.inputs:
                    times[number] += self._reads(op, number, times[op.number])
            self._read = times
        return self._read

    def _reads(self, op: Op, number: int, times: int) -> int:
        """How often an operation reads each element of an input, if its own elements are read so many times."""
        if op.kind in MOVES:
            return MANY if op.kind == "broadcast" else times
        repeated = op.kind == "elementwise" and self.shape(number) != self.shape(op.number)
        return 1 if op.kind in ONCE and not repeated else MANY


LEAVES = {"input", "parameter", "state", "constant", "count", "values", "random_keep", "random_normal"}
MOVES = {"broadcast", "reshape", "transpose", "slice", "flip"}  # which element is read, no more
ONCE = {"elementwise", "sum", "max", "prod", "inverse_rms", "pad", "concat"}  # read each element of an input once
