"""What our own layers share: they are immutable, equal by their settings, and known by name."""

from __future__ import annotations

from typing import Any, NoReturn

from backpass import _core, _names
from backpass._sealed import refusal
from backpass.layers._layer import Layer

LAYERS: dict[str, type[Any]] = {}  # ours, by name
ACTIVATION_ALIASES = {"swish": "SiLU", "linear": "Identity", "logistic": "Sigmoid"}


class Fixed(Layer):
    """Layers of this package: immutable, equal by their settings.

    A setting that may be left out is a class attribute: its default.
    """

    def __init_subclass__(cls) -> None:
        if cls.__module__.startswith("backpass."):
            LAYERS[cls.__name__] = cls

    def _describe(self) -> _core.Layer:
        if self._is_rewritten():
            return super()._describe()
        name = next(cls.__name__ for cls in type(self).__mro__ if LAYERS.get(cls.__name__) is cls)
        return _core.make_layer(name, self.settings())

    def _is_rewritten(self) -> bool:
        """Whether this is somebody's own class with a `forward` of its own."""
        return type(self).forward is not Layer.forward and LAYERS.get(type(self).__name__) is not type(self)

    def _keep(self, **settings: object) -> None:
        self.__dict__.update(settings)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise refusal(self, name, "make another layer")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._own() == getattr(other, "_own", dict)()

    def __hash__(self) -> int:
        return hash((type(self), *self._own().values()))


def checked_layers(where: str, layers: tuple[Any, ...]) -> tuple[Layer, ...]:
    """The layers, given one by one or as one list; an activation may be a name."""
    if len(layers) == 1 and isinstance(layers[0], (list, tuple)):
        layers = tuple(layers[0])
    if not layers:
        raise ValueError(f"[{where}] needs at least one layer")
    return tuple(_checked_layer(where, index, layer) for index, layer in enumerate(layers))


def _checked_layer(where: str, index: int, layer: Any) -> Layer:
    if isinstance(layer, str):
        cls = _names.lookup(where, "layer", layer, LAYERS, ACTIVATION_ALIASES)
        layer = _names.made(where, f'layer {index}, "{layer}",', cls)
    if isinstance(layer, Layer):
        return layer
    cure = ""
    if isinstance(layer, type) and issubclass(layer, Layer):
        cure = f": write {layer.__name__}()"
    elif hasattr(layer, "layers"):
        cure = ": a model within a model is its layers, *model.layers"
    elif callable(layer) and (meant := _names.nearest(getattr(layer, "__name__", ""), LAYERS)):
        cure = f": write {meant}()"
    raise TypeError(f"[{where}] layer {index} must be a layer, got {layer!r}{cure}")


def layer_from(type_name: str, settings: dict[str, Any]) -> Layer:
    """A layer from what a file says."""
    if type_name == "Residual":
        return LAYERS[type_name](*(layer_from(name, inner) for name, inner in settings["layers"]))  # type: ignore[no-any-return]
    layer: Layer = LAYERS[type_name](**{name: None if value == "" else value for name, value in settings.items()})
    return layer
