"""Why all gradients are zero at the end of a fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from backpass import _core
from backpass.data._data import row_count
from backpass.data._split import take

ROWS_AT_ONCE = 1024


def why_stalled(
    network: _core.Network, losses: list[_core.Loss], loss_weights: list[float], data: tuple[Any, Any, Any]
) -> str:
    """The cause, and what to do; "" where there is a gradient, or none is needed.

    Args:
        network: after its last step.
        losses: one, or one for each output.
        loss_weights: one for each output, or none.
        data: x, y and sample_weight.
    """
    if network.flat_gradients.any() or set(network.parameters()) <= set(network.frozen):
        return ""
    if any(op.kind == "take" for op in network.graph.ops):  # sparse tables leave nothing in this buffer
        return ""
    twin = network.clone()
    largest = _largest_loss(_core.Objective(twin, losses, loss_weights), twin, data, losses[0].joint)
    if largest is None:
        return ""
    if _all_ignored(losses, data[1]):
        return "every row has the label that the loss ignores (ignore_index)"
    if largest <= np.finfo(network.dtype).eps:  # where gradients round to zero, too
        return ""
    if _loss_is_flat(network, losses, data):
        return "the loss has none by the outputs, which are where it is constant or do not reach it"
    return "the model has stopped learning: none comes back through its layers, as through ReLUs that are all at 0"


def _largest_loss(
    objective: _core.Objective, twin: _core.Network, data: tuple[Any, Any, Any], joint: bool
) -> float | None:
    """Of some rows; None where they have a gradient. The last batch may have been one of rows without weight."""
    largest = 0.0
    for x, y, weight in _parts(twin, data, joint):
        largest = max(largest, abs(objective.gradients(x, y, weight, 0)))
        if twin.flat_gradients.any():
            return None
    return largest


def _parts(network: _core.Network, data: tuple[Any, Any, Any], joint: bool) -> Iterator[tuple[Any, Any, Any]]:
    several = len(network.graph.inputs) > 1, len(network.graph.outputs) > 1 and not joint
    for begin in range(0, row_count(data[0], several[0]), ROWS_AT_ONCE):
        rows = slice(begin, begin + ROWS_AT_ONCE)
        yield take(data[0], rows, several[0]), take(data[1], rows, several[1]), take(data[2], rows, False)


def _all_ignored(losses: list[_core.Loss], y: Any) -> bool:
    ignored = losses[0].ignored_label
    return len(losses) == 1 and ignored is not None and bool((np.asarray(y) == ignored).all())


def _loss_is_flat(network: _core.Network, losses: list[_core.Loss], data: tuple[Any, Any, Any]) -> bool:
    """Whether it is the loss that has no gradient, and not the layers before it; of one output."""
    if len(network.graph.outputs) > 1 or losses[0].joint:
        return False
    try:
        return not any(
            losses[0].value_and_grad(network.predict(x, 0, 0), y, weight)[1].any()
            for x, y, weight in _parts(network, data, False)
        )
    except ValueError:  # it looks at x, which a loss alone has not
        return False
