"""Sequential: layers one after the other; and loading of saved models."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self, cast

from backpass import _checks, _core, _machine
from backpass._warnings import warn
from backpass.layers._fixed import checked_layers, layer_from
from backpass.layers._layer import Layer, next_seed
from backpass.models._equal_units import equal_units
from backpass.models._foreign import reading
from backpass.models._network import Network
from backpass.training._mistakes import check_goes_on

if TYPE_CHECKING:
    from backpass._types import Array, ArrayLike


class Sequential(Network):
    """A stack of layers.

    A layer that has weights keeps them: models that are made of the same layers share them. For other weights, make new
    layers, or copies of them by `copy.deepcopy`.

    Args:
        layers: `Dense`, `ReLU`, `Dropout`, ..., one by one or as one list; "relu" stands for `ReLU()`.
        input_shape: the shape of one row, an integer or a tuple; None waits for the first data.
        seed: of initial weights, shuffling and dropout; None takes a fresh one, which `seed` then shows.
        dtype: "float32" or "float64".
        precision: of matrix products: "highest" (accurate to the dtype), and for float32 "high" (about five digits) or
            "medium" (about two, as bfloat16 has them), where the machine is faster at them.

    Raises:
        TypeError: if a layer is not one.
        ValueError: if there is no layer, or a setting or shape does not fit.

    Example:
        >>> import backpass as bp
        >>> import numpy as np
        >>> model = bp.Sequential(bp.Dense(8, activation="tanh"), bp.Dense(1), seed=0)
        >>> x = np.linspace(-1, 1, 64).reshape(-1, 1)
        >>> history = model.fit(x, x**2, loss=bp.MSE(), optimizer=bp.Adam(0.02), epochs=50)
        >>> history["loss"][-1] < history["loss"][0]
        True
    """

    _lends = False  # whether its layers have yet to get its weights

    def __init__(
        self,
        *layers: Layer | str | Sequence[Layer | str],
        input_shape: int | tuple[int, ...] | None = None,
        seed: int | None = None,
        dtype: str = "float32",
        precision: str = "highest",
    ) -> None:
        self._layers = checked_layers("Sequential", layers)
        self._dtype = _checks.choice("Sequential", "dtype", dtype, ("float32", "float64"))
        self._precision = _checks.choice("Sequential", "precision", precision, ("highest", "high", "medium"))
        _machine.tell_of_precision("Sequential", precision, dtype)
        given = _checks.seed("Sequential", seed)
        self._seed_is_given = given is not None
        self._seed = int.from_bytes(os.urandom(8), "little") if given is None else given
        self._native = None
        if input_shape is not None:
            self.build(input_shape)

    _given: dict[str, Any] | None = None  # values for when it has shapes

    @classmethod
    def _loaded(cls, native: _core.Network) -> Sequential:
        model = cls._of(native)
        model._layers = tuple(layer_from(layer["type"], layer["settings"]) for layer in native.layers)
        model._dtype, model._seed, model._precision = native.dtype, native.seed, native.precision
        model._lends = True
        return model

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Its layers. Another model made of these layers has the same weights."""
        return self._own_layers()

    def _own_layers(self) -> tuple[Layer, ...]:
        """The layers, with the model's weights: those of a copy, or from a file, do not have them yet."""
        if self._lends:
            self._built().lend([layer._native() for layer in self._layers])
            self._lends = False
        return self._layers

    def __getitem__(self, index: int | slice) -> Any:
        """A layer; or, of a slice, the model of these layers, which share their weights with this one.

        Example:
            >>> import backpass as bp
            >>> model = bp.Sequential(bp.Dense(8, activation="relu"), bp.Dense(3), input_shape=4, seed=0)
            >>> model[:1].predict([[1.0, 2.0, 3.0, 4.0]]).shape
            (1, 8)
            >>> model[-1]
            Dense(units=3)
        """
        layers = self._own_layers()
        if not isinstance(index, slice):
            number = _checks.integer("Sequential", "index", index)
            if not -len(layers) <= number < len(layers):
                raise IndexError(f"[Sequential] has {len(layers)} layers, got index {number}")
            return layers[number]
        chosen = range(len(layers))[index]
        part = Sequential(*(layers[i] for i in chosen), seed=self._seed, dtype=self._dtype, precision=self._precision)
        if self._native is not None:
            part._build(self._shape_before(chosen[0]))
            part._trained = self._trained
        return part

    def _shape_before(self, index: int) -> tuple[int, ...]:
        """Of a row that enters a layer."""
        trace = self._built().trace
        before = self._built().graph.inputs[0] if index == 0 else trace[index - 1]["a"]
        return tuple(dim for dim in before.shape[1:] if dim is not None)

    def __call__(self, *inputs: Any, training: bool | None = None) -> Any:
        """The output for rows as an eager tensor; on a tensor of a graph, the layers one after the other: a part of a
        `Network`, which uses the same weights.

        Args:
            inputs: an array (rows, *input_shape), or a tensor.
            training: of a call with an array or an eager tensor, whether dropout drops and running statistics move;
                None leaves it to `train` and `eval`.

        Example:
            >>> import backpass as bp
            >>> encoder = bp.Sequential(bp.Dense(8, activation="relu"), bp.Dense(2))
            >>> x = bp.Input(5)
            >>> bp.Network(x, bp.Dense(5)(encoder(x)), seed=0).n_parameters
            81
        """
        result = self._call(inputs, training)
        if result is not None:
            return result
        if len(inputs) != 1:
            raise TypeError(f"[Sequential] is called with one tensor, got {len(inputs)}")
        x = inputs[0]
        for layer in self._own_layers():
            x = layer(x)
        return x

    def build(self, input_shape: int | tuple[int, ...]) -> None:
        """Creates the parameters for rows of this shape. A second call with another shape raises ValueError.

        Example:
            >>> import backpass as bp
            >>> model = bp.Sequential(bp.Dense(10))
            >>> model.build(64)
            >>> model.n_parameters
            650
        """
        shape = _checks.shape("build", "input_shape", input_shape)
        if self._native is None:
            self._build(shape)
            check_goes_on(self, self._built())
        elif shape != self.input_shape:
            raise ValueError(f"[build] the model takes rows of shape {self.input_shape}, got {shape}")

    def _build(self, shape: tuple[int, ...]) -> None:
        if not self._seed_is_given and (seed := next_seed()) is not None:
            self._seed = seed
        native = self._draw(self._layers, shape)
        if self._given is not None:
            native.load_arrays(self._given)
            del self._given
        self._warn_of_equal_units(native.parameters())
        self._native = native

    def _draw(self, layers: Sequence[Layer], shape: tuple[int, ...]) -> _core.Network:
        native_layers = [layer._native() for layer in layers]
        return _core.sequential(shape, native_layers, self._seed, self._dtype, self._precision)

    def _warn_of_equal_units(self, parameters: dict[str, Array]) -> None:
        for index in equal_units(self._layers, parameters):
            zero = not parameters[f"{index}.weight"].any()
            what = "all weights are zero" if zero else "all units have the same weights"
            warn(f"[Dense {index}] {what}: hidden units that start the same stay the same")

    def append(self, layer: Layer) -> None:
        """Adds a layer at the end. The others keep their weights, and new ones are drawn for it.

        Create trainers and optimizers again.

        Raises:
            TypeError: if it is no layer.
            ValueError: if it does not fit after the others; nothing has changed then.
        """
        self._change_layers((*self._own_layers(), *checked_layers("append", (layer,))))

    def pop(self) -> Layer:
        """Removes the last layer and returns it, with its weights. The others keep theirs.

        Create trainers and optimizers again.

        Raises:
            ValueError: if it is the only one.

        Example:
            >>> import backpass as bp
            >>> model = bp.Sequential(bp.Dense(8, activation="tanh"), bp.Dense(3), input_shape=4, seed=0)
            >>> head = model.pop()
            >>> model.predict([[1.0, 2.0, 3.0, 4.0]]).shape
            (1, 8)
            >>> model.append(bp.Dense(5))
            >>> model.predict([[1.0, 2.0, 3.0, 4.0]]).shape
            (1, 5)
        """
        if len(self._layers) < 2:
            raise ValueError("[pop] a model needs a layer: this is its only one")
        last = self._own_layers()[-1]
        self._change_layers(self._layers[:-1])
        return last

    def _change_layers(self, layers: tuple[Layer, ...]) -> None:
        old = self._native
        if old is not None:
            self._native = self._draw(layers, self.input_shape or ())
            self._native.random_counters = old.random_counters
            if frozen := [name for name in old.frozen if name in self.parameters() or name in self.states()]:
                self._native.freeze(frozen)
        self._layers = layers
        self._forget_fits()

    def reset(self, seed: int | None = None) -> None:
        """As `Network.reset`; a model without shapes takes the seed for when it gets them."""
        given = _checks.seed("reset", seed)
        if self._native is not None:
            super().reset(given)
        self._seed = self._seed if given is None else given

    @contextmanager
    def _built_for(self, x: ArrayLike, where: str) -> Iterator[_core.Network]:
        self._check_names(x, where)
        fresh = self._native is None
        if fresh:
            self.build(_row_shape(x, where))
        try:
            yield self._built()
        except (TypeError, ValueError):
            if fresh and self._is_untouched():
                self._built().give_up()
                self._native = None  # the shape of refused data shall not stick
            raise

    def _is_untouched(self) -> bool:
        again = self._built().clone()
        again.reset(None)
        return bool((again.flat_parameters == self._built().flat_parameters).all())

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = super().__deepcopy__(memo)
        twin._layers, twin._lends = copy.deepcopy(self._layers, memo), twin._native is not None
        return twin

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._lends = self._native is not None

    @property
    def input_shape(self) -> tuple[int, ...] | None:
        """The shape of one row; None while it is not known."""
        if self._native is None:
            return None
        return tuple(dim for dim in self._native.graph.inputs[0].shape[1:] if dim is not None)

    @property
    def output_shape(self) -> tuple[int, ...] | None:
        """The shape of what one row becomes; None while it is not known."""
        if self._native is None:
            return None
        return tuple(dim for dim in self._native.graph.outputs[0].shape[1:] if dim is not None)

    @property
    def dtype(self) -> str:
        """ "float32" or "float64"."""
        return self._dtype

    @property
    def precision(self) -> str:
        """ "highest", "high" or "medium"."""
        return self._precision

    @property
    def seed(self) -> int:
        """The seed in use, even if none was given."""
        return self._seed if self._native is None else self._native.seed

    def __repr__(self) -> str:
        return f"Sequential({', '.join(map(repr, self._layers))})"


def _row_shape(x: ArrayLike, where: str) -> tuple[int, ...]:
    shape = cast("tuple[int, ...]", x.shape[1:]) if isinstance(x, _core.Tensor) else _core.row_shape(x, where)
    if not shape:
        raise ValueError(
            f"[{where}] x must be rows of features, got one number for each row: "
            "x.reshape(-1, 1) where that is their only feature, x[None] where it is one row"
        )
    return shape


def load(path: str | bytes | os.PathLike[str]) -> Network:
    """A model from a file that `save` wrote, in Python or in C++. It predicts the same bits, and training can continue.

    Loading runs no code from the file.

    Raises:
        OSError: if the file cannot be read, or is a device or a pipe.
        ValueError: if it is damaged, of a later format or of another library.

    Example:
        >>> import backpass as bp, tempfile, os
        >>> model = bp.Sequential(bp.Dense(2), input_shape=3, seed=0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(os.path.join(folder, "model.safetensors"))
        ...     again = bp.load(os.path.join(folder, "model.safetensors"))
        >>> bool((again.flat_parameters == model.flat_parameters).all())
        True
    """
    native = reading("load", path, _core.Network.load)
    return Sequential._loaded(native) if native.is_sequential else Network._of(native)
