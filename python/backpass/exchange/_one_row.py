"""Whether a graph predicts each row by itself, so that it can be written as a function of one row."""

from __future__ import annotations

from collections.abc import Iterator

from backpass.exchange._graph import BATCH, Graph, Op

_ALONG_DIMS = {"sum", "max", "prod", "argmax", "flip"}
_ALONG_FIRST_OF_DIMS = {"recurrence", "slice", "pad", "concat"}
_ALONG_LAST = {"softmax", "log_sum_exp", "below_max", "center", "inverse_rms", "take_label"}
_OVER_IMAGES = {"conv", "conv_transpose", "window_take", "window_sum"}


def check_rows_are_apart(graph: Graph) -> None:
    """Raises ValueError, with the operation that looks at several rows."""
    for op in graph.ops:
        along = [graph.op(op.inputs[place]).shape[axis] for place, axis in _looks_along(graph, op)]
        if op.shape.count(BATCH) > 1 or BATCH in along:
            raise ValueError(
                f"[to_c] the operation {op.kind!r} looks at several rows of a batch, and the function predicts one row"
            )


def _looks_along(graph: Graph, op: Op) -> Iterator[tuple[int, int]]:
    """Which axes of which inputs an operation goes along: an element of its result has more than one place there."""
    ranks = [len(graph.op(number).shape) for number in op.inputs]
    if op.kind in _ALONG_DIMS:
        yield from ((0, int(axis)) for axis in op.settings["dims"])
    elif op.kind in _ALONG_FIRST_OF_DIMS:
        yield from ((place, int(op.settings["dims"][0])) for place in range(len(ranks)))
    elif op.kind in _ALONG_LAST:
        yield 0, -1
    elif op.kind == "recurrent":
        yield from ((0, axis) for axis in (1, 2))
    elif op.kind in _OVER_IMAGES:
        yield from ((0, axis) for axis in (1, 2, 3))
        yield from ((1, axis) for axis in range(ranks[1])) if op.kind in ("conv", "conv_transpose") else ()
    elif op.kind == "matmul":
        yield from ((0, axis) for axis in (range(ranks[0]) if op.settings["transpose_a"] else (-1,)))
        yield from ((1, axis) for axis in range(ranks[1]))
    elif op.kind == "batch_matmul":
        yield 0, -2 if op.settings["transpose_a"] else -1
    elif op.kind == "take":
        yield from ((0, axis) for axis in range(ranks[0]))
    elif op.kind == "reshape":
        given = graph.op(op.inputs[0]).shape
        if BATCH in given and _before(given) != _before(op.shape):
            yield 0, given.index(BATCH)


def _before(shape: tuple[object, ...]) -> tuple[object, ...]:
    return shape[: shape.index(BATCH)] if BATCH in shape else shape
