"""What our own layers share: they are immutable, equal by their settings, and known by name."""

from __future__ import annotations

from typing import Any, NoReturn

from backpass import _core, _names, _settings
from backpass._sealed import refusal
from backpass.layers._layer import Layer, initializer_of, plain

LAYERS: dict[str, type[Any]] = {}  # ours, by name
ACTIVATION_ALIASES = {"swish": "SiLU", "linear": "Identity", "logistic": "Sigmoid"}


class Fixed(Layer):
    """Layers of this package: immutable, equal by their settings.

    The core lists the settings of each (see `_settings`). A setting that may be left out is a class attribute too: its
    default, from the constructor.
    """

    _may_hold = False

    def __init_subclass__(cls) -> None:
        cls._may_hold = cls._may_hold or "forward" in vars(cls)
        if cls.__module__.startswith("backpass."):
            if not cls.__name__.startswith("_"):  # what several share
                LAYERS[cls.__name__] = cls
            _settings.set_defaults(cls)

    def settings(self) -> dict[str, Any]:
        """The settings by name, as they are saved with a model; layers within as pairs of a type and its settings."""
        return {name: _pairs(value) if _are_layers(value) else plain(value) for name, value in self._own().items()}

    def _describe(self) -> _core.Layer:
        if self._is_rewritten():
            return super()._describe()
        return _core.make_layer(self._kind(), _settings.given({k: _part(v) for k, v in self._own().items()}))

    def _kind(self) -> str:
        """The layer of the core that this is, also where somebody made a subclass."""
        return next(cls.__name__ for cls in type(self).__mro__ if LAYERS.get(cls.__name__) is cls)

    def _is_rewritten(self) -> bool:
        """Whether this is somebody's own class with a `forward` of its own."""
        return type(self).forward is not Layer.forward and LAYERS.get(type(self).__name__) is not type(self)

    def _keep(self, **settings: object) -> None:
        """Checks settings and keeps them."""
        kind = self._kind()
        self.__dict__.update(_settings.all_checked(kind, _settings.fields("layer", kind), settings))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise refusal(self, name, "make another layer")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._own() == getattr(other, "_own", dict)()

    def __hash__(self) -> int:
        return hash((type(self), *self._own().values()))


def _are_layers(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(layer, Layer) for layer in value)


def _pairs(layers: tuple[Layer, ...]) -> list[tuple[str, dict[str, Any]]]:
    return [(type(layer).__name__, layer.settings()) for layer in layers]


def _part(value: Any) -> Any:
    """A setting as the core takes it: handles of layers, a function of shape and seed."""
    if _are_layers(value):
        return [layer._native() for layer in value]
    return initializer_of(value) if callable(value) else value


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
    within = [layer_from(*pair) for value in settings.values() if isinstance(value, list) for pair in value]
    plain = {name: None if value == "" else value for name, value in settings.items() if not isinstance(value, list)}
    layer: Layer = LAYERS[type_name](*within, **plain)
    return layer
