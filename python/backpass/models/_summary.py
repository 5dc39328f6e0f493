"""What a model is made of, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backpass._text import Text, table

if TYPE_CHECKING:
    from backpass._types import Shape
    from backpass.models._model import Model

HEADER = ("layer", "settings", "reads", "output", "FLOPs", "bytes", "parameters")


def summary(model: Model) -> Text:
    """See `Network.summary`."""
    native = model._built()
    layers = native.layers
    rows = [_row(layer) for layer in layers]
    if _is_chain(layers):
        rows = [(*row[:2], *row[3:]) for row in rows]
    header = tuple(word for word in HEADER if word != "reads" or not _is_chain(layers))
    totals = f"{native.n_parameters:,} parameters, {native.dtype}"
    if layers:
        flops, size = (_count(sum(layer[key] for layer in layers)) for key in ("flops", "bytes"))
        totals += f"; forward, per row: {flops} FLOPs, {size} bytes of outputs"
    return Text(f"{table(header, rows, 3)}\n\n{totals}" if rows else totals)


def _row(layer: dict[str, Any]) -> tuple[str, ...]:
    settings = ", ".join(f"{name}={value!r}" for name, value in _told(layer["settings"]))
    name, reads = f"{layer['type']} {layer['name']}", ", ".join(source or "..." for source in layer["inputs"])
    numbers = _count(layer["flops"]), _count(layer["bytes"]), f"{layer['n_parameters']:,}"
    return name, settings, reads, _shape(layer["output_shape"]), *numbers


def _told(settings: dict[str, Any]) -> list[tuple[str, Any]]:
    """What is worth a place in a table: layers within a layer by their types, nothing that was left out."""
    told = []
    for name, value in settings.items():
        if isinstance(value, list):
            told.append((name, [kind for kind, _ in value]))
        elif value not in ("", "zeros", "valid", True):
            told.append((name, value))
    return told


def _is_chain(layers: list[dict[str, Any]]) -> bool:
    """Whether each layer reads what the one before gives."""
    names = [layer["name"] for layer in layers]
    return all(layer["inputs"] == [before] for layer, before in zip(layers[1:], names, strict=False))


def _count(number: float) -> str:
    return f"{round(number):,}"


def _shape(shape: Shape) -> str:
    return f"({', '.join('batch' if dim is None else str(dim) for dim in shape)})"
