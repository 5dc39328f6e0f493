"""Hidden units that start the same, and stay so: nothing tells them apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from backpass.layers._activations import ReLU6
from backpass.layers._dense import Dense
from backpass.layers._norms import BatchNorm
from backpass.layers._plain import ReLU

if TYPE_CHECKING:
    from backpass._types import Array
    from backpass.layers._layer import Layer

Parameters = dict[str, "Array"]


def equal_units(layers: Sequence[Layer], parameters: Parameters) -> Iterator[int]:
    """The places of the Dense layers whose units are the same now, and get the same gradients from then on."""
    for index, layer in enumerate(layers):
        if isinstance(layer, Dense) and layer.units > 1 and _are_equal(index, parameters):
            after = next((i for i in range(index + 1, len(layers)) if isinstance(layers[i], Dense)), None)
            following = parameters.get(f"{after}.weight")
            if following is not None and _stay_equal(layers[index:after], _values(index, parameters), following):
                yield index


def _values(index: int, parameters: Parameters) -> list[Array]:
    """Weight and bias, as far as they are there: a layer that is used twice has its first place in their names."""
    return [parameters[name] for name in (f"{index}.weight", f"{index}.bias") if name in parameters]


def _are_equal(index: int, parameters: Parameters) -> bool:
    values = _values(index, parameters)
    return bool(values) and all(map(_rows_agree, values))


def _rows_agree(rows: Array) -> bool:
    return bool((rows[0] == rows[1]).all() and (rows == rows[0]).all())


def _stay_equal(span: Sequence[Layer], values: list[Array], following: Array) -> bool:
    """Of a Dense with these values and what comes behind it, up to the next Dense with weights `following`."""
    zero = not any(value.any() for value in values)
    if zero and (_is_flat(getattr(span[0], "activation", None)) or any(map(_is_flat, span[1:]))):
        return True  # no gradient passes
    if zero and not following.any():
        return True
    # Equal outputs, of which each counts the same; a mask, or a layer that knows their places, would tell them apart.
    same = following.shape[1] > 1 and bool((following == following[:, :1]).all())
    return same and all(_treats_all_alike(layer) for layer in span[1:])


def _treats_all_alike(layer: Layer) -> bool:
    return isinstance(layer, BatchNorm) or type(layer).__module__ == ReLU.__module__


def _is_flat(activation: object) -> bool:
    """Whether it has the derivative 0 at 0; a name or a layer."""
    return isinstance(activation, (ReLU, ReLU6)) or activation in ("relu", "relu6")
