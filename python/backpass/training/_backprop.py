"""The four equations of backpropagation, layer by layer: what a model computes on its way, for people to look at.

The values in between are outputs of a graph of their own, over the parameters of the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from backpass import _core, _functions
from backpass.data._data import labels_of, parts_of
from backpass.losses._loss import native_losses

if TYPE_CHECKING:
    from backpass._types import Array, ArrayLike, Targets
    from backpass.losses._loss import AnyLoss
    from backpass.models._network import Network


def backprop(model: Network, x: ArrayLike, y: Targets, loss: AnyLoss) -> list[dict[str, Array]]:
    """See `Network.backprop`."""
    with model._built_for(x, "backprop") as native:
        losses = native_losses("backprop", loss)
        _core.Objective(native, losses).check(x, y, "backprop")
        outputs = native.graph.outputs
        if (parts := free_form(losses, outputs, y)) is not None:
            return _of_own(native, losses[0], parts, _inputs(native, x))
        losses = losses * len(outputs) if len(losses) == 1 else losses
        targets = [y] if len(outputs) == 1 else list(y)
        arrays = [_target(one, t, output) for one, t, output in zip(losses, targets, outputs, strict=True)]
        tensors = [_leaf(array, output) for array, output in zip(arrays, outputs, strict=True)]
        terms = [_term(native, one, p, t) for one, p, t in zip(losses, outputs, tensors, strict=True)]
        value = terms[0]
        for term in terms[1:]:
            value = value + term
        return _run(native, value, tensors, [*_inputs(native, x), *arrays])


def free_form(losses: list[_core.Loss], outputs: list[_core.Tensor], y: Any) -> dict[Any, Any] | None:
    """Targets that one loss takes in any form, by name ("" of one alone); None where each output has one array."""
    joint = losses[0].joint
    if not losses[0].is_own or not (joint or len(losses) == len(outputs) == 1):
        return None
    parts = parts_of(y, joint)
    if parts is None:
        return {"": y} if joint else None
    return parts if isinstance(parts, dict) else dict(enumerate(parts))


def _term(native: _core.Network, loss: _core.Loss, prediction: _core.Tensor, target: _core.Tensor) -> _core.Tensor:
    return loss.build_of([prediction], [target], [], native.graph.inputs)


def _of_own(
    native: _core.Network, loss: _core.Loss, parts: dict[Any, Any], inputs: list[ArrayLike]
) -> list[dict[str, Array]]:
    names = [name if isinstance(name, str) else "" for name in parts if name != ""]
    given = [_core.numbers(part, "backprop", "y") for part in parts.values()]
    dtype, outputs = native.dtype, native.graph.outputs
    arrays = [array if array.dtype.kind in "iu" else array.astype(dtype) for array in given]
    tensors = [
        _core.input((None, *array.shape[1:]), "int32" if array.dtype.kind in "iu" else dtype, "y") for array in arrays
    ]
    value = loss.build_of(outputs, tensors, names, native.graph.inputs)
    return _run(native, value, tensors, [*inputs, *arrays])


def checked_list(where: str, name: str, given: Any, count: int) -> list[Any]:
    """The parts of a list or tuple, where there are as many as outputs."""
    if not isinstance(given, (list, tuple)):
        raise TypeError(f"[{where}] {name} must be a list of {count}, got {type(given).__name__}")
    if len(given) != count:
        raise ValueError(f"[{where}] {name} must be a list of {count}, got {len(given)}")
    return list(given)


def by_name(where: str, x: Mapping[str, Any], inputs: Sequence[_core.Tensor]) -> list[Any]:
    """The arrays of a dict in the order of the inputs, where it has their names."""
    names = [tensor.name for tensor in inputs]
    if set(x) != set(names):
        raise ValueError(f"[{where}] x must have the names {', '.join(map(repr, names))}, got {list(x)}")
    return [x[name] for name in names]


def _inputs(native: _core.Network, x: ArrayLike) -> list[ArrayLike]:
    inputs = native.graph.inputs
    if isinstance(x, dict):
        return by_name("backprop", x, inputs)
    return [x] if len(inputs) == 1 else list(x)


def _target(loss: _core.Loss, y: Targets, output: _core.Tensor) -> Array:
    array, shape = _core.numbers(y, "backprop", "y"), loss.target_shape(output.shape)
    labels = labels_of(array) if loss.takes_labels else None
    if labels is not None and (shape != (None, 1) or (array.ndim == 1 and array.dtype.kind in "iu")):
        return labels
    return array.astype(output.dtype).reshape([len(array), *(int(dim or 0) for dim in shape[1:])])


def _leaf(target: Array, output: _core.Tensor) -> _core.Tensor:
    labels = target.dtype.kind in "iub"
    return _core.input((None, *target.shape[1:]), "int32" if labels else output.dtype, "y")


def _run(
    native: _core.Network, value: _core.Tensor, targets: list[_core.Tensor], arrays: list[ArrayLike]
) -> list[dict[str, Array]]:
    layers = native.trace
    leaves = [tensor for layer in layers for tensor in (layer["z"], *layer["parameters"].values())]
    gradients = iter(_functions.gradients(value, leaves))
    outputs: list[_core.Tensor] = []
    for layer in layers:
        outputs += [layer["z"], layer["a"], next(gradients), *(next(gradients) for _ in layer["parameters"])]
    values = iter(native.evaluate([*native.graph.inputs, *targets], outputs, arrays, 0))
    return [{key: next(values) for key in ("z", "a", "delta", *layer["parameters"])} for layer in layers]
