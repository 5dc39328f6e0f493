"""Recurrent layers in C99's words: a loop over the steps of a row."""

from __future__ import annotations

from dataclasses import dataclass

from backpass.exchange._c_arrays import flat
from backpass.exchange._c_writer import Whole, Writer
from backpass.exchange._graph import Op

_STATES, _GATES = 0, 1  # parts of the operation; the third is the cell's state, of an LSTM


@dataclass(frozen=True)
class _Step:
    """What is written within a step: of inputs `x` at time `t`, states `h`, and the product of states `q`."""

    writer: Writer
    op: Op
    t: str
    h: str
    q: str
    c: str

    @property
    def width(self) -> int:
        return self.writer.shape(self.op.number)[2]

    def from_x(self, gate: int, j: str) -> str:
        return self.writer.element(self.op.inputs[0], ["0", self.t, f"({gate * self.width} + {j})"])

    def gate(self, gate: int, j: str) -> str:
        return f"{self.from_x(gate, j)} + {self.q}[{gate * self.width} + {j}]"

    def sigmoid(self, gate: int, j: str) -> str:
        return self.writer.once(f"1 / (1 + exp{self.writer.suffix}(-({self.gate(gate, j)})))")

    def tanh(self, text: str) -> str:
        return self.writer.once(f"tanh{self.writer.suffix}({text})")

    def product(self, k: str, of: str) -> str:
        """Of a row of the weight with states, and its bias."""
        weight, bias = self.op.inputs[1:3]
        total = self.writer.total([self.width], lambda i: f"{of}[{i[0]}] * {self.writer.element(weight, [k, *i])}")
        return f"{self.writer.scaled(weight, k, total)} + {self.writer.element(bias, [k])}"


def _plain(step: _Step, cell: str) -> None:
    with step.writer.loop(step.width) as j:
        z = step.writer.once(step.gate(0, j))
        step.writer.line(f"{step.h}[{j}] = {step.tanh(z) if cell == 'tanh' else f'({z} < 0 ? 0 : {z})'};")


def _lstm(step: _Step, cell: str) -> None:
    with step.writer.loop(step.width) as j:
        i, f, o = (step.sigmoid(gate, j) for gate in (0, 1, 3))
        step.writer.line(f"{step.c}[{j}] = {f} * {step.c}[{j}] + {i} * {step.tanh(step.gate(2, j))};")
        step.writer.line(f"{step.h}[{j}] = {o} * {step.tanh(f'{step.c}[{j}]')};")


def _gru(step: _Step, cell: str) -> None:
    with step.writer.loop(step.width) as j:
        r, z = (step.sigmoid(gate, j) for gate in (0, 1))
        n = step.tanh(f"{step.from_x(2, j)} + {r} * {step.q}[{2 * step.width} + {j}]")
        step.writer.line(f"{step.h}[{j}] = (1 - {z}) * {n} + {z} * {step.h}[{j}];")


def _gru_before(step: _Step, cell: str) -> None:
    """The reset gate before the product: r h takes the place of the first gate's product, which is done with."""
    writer, h, q, width = step.writer, step.h, step.q, step.width
    with writer.loop(width) as j:
        z = step.sigmoid(1, j)
        writer.line(f"{q}[{j}] = {step.sigmoid(0, j)} * {h}[{j}];")
        writer.line(f"{q}[{width} + {j}] = {z};")
    with writer.loop(width) as j:
        z = f"{q}[{width} + {j}]"
        n = step.tanh(f"{step.from_x(2, j)} + {step.product(f'({2 * width} + {j})', q)}")
        writer.line(f"{h}[{j}] = (1 - {z}) * {n} + {z} * {h}[{j}];")


_CELLS = {"tanh": _plain, "relu": _plain, "lstm": _lstm, "gru": _gru, "gru_before": _gru_before}


def _recurrent(writer: Writer, op: Op, name: str) -> None:
    cell, part = str(op.settings["cell"]), int(op.settings["dims"][0])
    if part == _GATES or (part != _STATES and cell != "lstm"):
        raise ValueError("[to_c] the gates of a recurrent layer cannot be exported")
    _, steps, width = writer.shape(op.number)
    gates, lengths = writer.shape(op.inputs[1])[0], op.inputs[5 if cell == "lstm" else 4 :]
    h, q, c = writer.fresh("h"), writer.fresh("q"), writer.fresh("c")
    writer.line(f"{writer.type} {h}[{width}], {q}[{gates}]" + (f", {c}[{width}];" if cell == "lstm" else ";"))
    with writer.loop(width) as j:
        writer.line(f"{h}[{j}] = {writer.element(op.inputs[3], ['0', j])};")
        if cell == "lstm":
            writer.line(f"{c}[{j}] = {writer.element(op.inputs[4], ['0', j])};")
    with writer.loop(steps) as turn:
        t = writer.once(f"{steps - 1} - {turn}", "int") if op.settings["reverse"] else turn
        with writer.block(f"if ({t} < {writer.element(lengths[0], ['0'])})" if lengths else ""):
            step = _Step(writer, op, t, h, q, c)
            with writer.loop(gates) as k:
                writer.line(f"{q}[{k}] = {step.product(k, h)};")
            _CELLS[cell](step, cell)
        with writer.loop(width) as j:
            writer.line(f"{name}[{flat(['0', t, j], (1, steps, width))}] = {h if part == _STATES else c}[{j}];")


WHOLES: dict[str, Whole] = {"recurrent": _recurrent}
